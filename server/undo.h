/* server/undo.h - what memory held before it was changed, to put it back.
 *
 * Owned by one thread.
 */
#ifndef KITBAG_SERVER_UNDO_H
#define KITBAG_SERVER_UNDO_H

#include "server/arena.h"

struct undo_entry;

/* Born zeroed. */
struct undo {
    struct arena memory;
    struct undo_entry *newest;
};

/* From here on undo_back takes back what undo_keep was told of. */
void undo_begin(struct undo *undo);
/* Before the `size` bytes at `at` are changed; they stay where they are until undo_begin. False:
 * out of memory. */
MUST_CHECK bool undo_keep(struct undo *undo, void *at, size_t size);
void undo_back(struct undo *undo);
void undo_free(struct undo *undo);

#endif
