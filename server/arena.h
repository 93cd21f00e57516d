/* server/arena.h - memory that is taken in pieces and given back all at once.
 *
 * What one batch of the journal needs (paths, values, rows, answers) lives until the batch is
 * delivered, and then goes together. Owned by one thread.
 */
#ifndef KITBAG_SERVER_ARENA_H
#define KITBAG_SERVER_ARENA_H

#include "base/buf.h"

struct arena_chunk;

/* Born zeroed. */
struct arena {
    struct arena_chunk *chunks; /* the newest first */
    struct arena_chunk *spare;  /* empty ones */
    size_t bytes;               /* handed out since the last reset */
    size_t keep_bytes;          /* of chunks that a reset keeps; 0: one chunk. Set by the owner */
};

/* `size` bytes, aligned for anything, not zeroed; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* The same, zeroed. */
void *arena_zero(struct arena *arena, size_t size);
/* A copy of `bytes` into `*out`; false when out of memory. An empty span needs no memory. */
MUST_CHECK bool arena_copy(struct arena *arena, struct span bytes, struct span *out);
/* A copy of the text; "" when out of memory (it is for sentences). */
const char *arena_text(struct arena *arena, const char *text);

/* All of it goes; chunks of `keep_bytes`, at least one, are kept for the next use. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
