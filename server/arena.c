/* server/arena.c - a list of chunks; the newest one is filled from its start. */
#include "server/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

static struct arena_chunk *chunk_new(size_t size)
{
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct arena_chunk *chunk = malloc(sizeof *chunk + room);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->used = 0;
        chunk->size = room;
    }
    return chunk;
}

/* One with room for `size` bytes: kept from before, or a new one. */
static struct arena_chunk *take_chunk(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->spare;
    if (chunk == NULL || size > CHUNK_BYTES) {
        return chunk_new(size);
    }
    arena->spare = chunk->next;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    ASSERT(arena != NULL);
    ASSERT(size < SIZE_MAX / 2);
    size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < aligned) {
        chunk = take_chunk(arena, aligned);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *out = chunk->data + chunk->used;
    chunk->used += aligned;
    arena->bytes += aligned;
    return out;
}

void *arena_zero(struct arena *arena, size_t size)
{
    void *out = arena_alloc(arena, size);
    if (out != NULL) {
        memset(out, 0, size);
    }
    return out;
}

bool arena_copy(struct arena *arena, struct span bytes, struct span *out)
{
    ASSERT(out != NULL);
    if (bytes.size == 0) {
        *out = (struct span){NULL, 0};
        return true;
    }
    uint8_t *copy = arena_alloc(arena, bytes.size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, bytes.data, bytes.size);
    *out = span_of(copy, bytes.size);
    return true;
}

const char *arena_text(struct arena *arena, const char *text)
{
    ASSERT(text != NULL);
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    if (copy == NULL) {
        return "";
    }
    memcpy(copy, text, size);
    return copy;
}

void arena_reset(struct arena *arena)
{
    ASSERT(arena != NULL);
    struct arena_chunk *only = arena->chunks;
    if (only != NULL && only->next == NULL && only->size == CHUNK_BYTES && arena->spare == NULL) {
        only->used = 0; /* often, and cheap */
        arena->bytes = 0;
        return;
    }
    size_t kept = 0;
    for (const struct arena_chunk *chunk = arena->spare; chunk != NULL; chunk = chunk->next) {
        kept += CHUNK_BYTES;
    }
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        if (chunk->size != CHUNK_BYTES || (kept > 0 && kept + CHUNK_BYTES > arena->keep_bytes)) {
            free(chunk);
            continue;
        }
        chunk->used = 0;
        chunk->next = arena->spare;
        arena->spare = chunk;
        kept += CHUNK_BYTES;
    }
    arena->bytes = 0;
}

static void free_chunks(struct arena_chunk **chunks)
{
    while (*chunks != NULL) {
        struct arena_chunk *chunk = *chunks;
        *chunks = chunk->next;
        free(chunk);
    }
}

void arena_free(struct arena *arena)
{
    ASSERT(arena != NULL);
    free_chunks(&arena->chunks);
    free_chunks(&arena->spare);
    arena->bytes = 0;
}
