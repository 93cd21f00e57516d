/* server/undo.c - a list of copies, put back newest first. */
#include "server/undo.h"

#include <string.h>

struct undo_entry {
    struct undo_entry *next; /* older */
    void *at;
    size_t size;
    uint8_t was[];
};

void undo_begin(struct undo *undo)
{
    ASSERT(undo != NULL);
    undo->newest = NULL;
    arena_reset(&undo->memory);
}

bool undo_keep(struct undo *undo, void *at, size_t size)
{
    ASSERT(undo != NULL && at != NULL);
    struct undo_entry *entry = arena_alloc(&undo->memory, sizeof *entry + size);
    if (entry == NULL) {
        return false;
    }
    entry->at = at;
    entry->size = size;
    memcpy(entry->was, at, size);
    entry->next = undo->newest;
    undo->newest = entry;
    return true;
}

void undo_back(struct undo *undo)
{
    ASSERT(undo != NULL);
    for (; undo->newest != NULL; undo->newest = undo->newest->next) {
        memcpy(undo->newest->at, undo->newest->was, undo->newest->size);
    }
}

void undo_free(struct undo *undo)
{
    ASSERT(undo != NULL);
    arena_free(&undo->memory);
    undo->newest = NULL;
}
