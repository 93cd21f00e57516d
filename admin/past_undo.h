/* admin/past_undo.h - which items of a bag were changed since a moment, and what they were then.
 *
 * It is told the bag's changes from the newest backwards and keeps an entry for each item, without
 * its value: where the value can be read. Bounded by ADMIN_PAST_ITEMS_MAX. Pure.
 */
#ifndef KITBAG_ADMIN_PAST_UNDO_H
#define KITBAG_ADMIN_PAST_UNDO_H

#include "journal/change.h"

struct past_undo_entry {
    size_t path_at; /* in the paths' buffer */
    size_t path_size;
    bool live;       /* else it was absent */
    bool before;     /* the version's own change was seen */
    uint64_t seq;    /* of the version */
    uint64_t holder; /* the change that holds its value: its own, or the one that replaced it, */
    bool from_old;   /* as the old value */
    size_t size;     /* of the value */
    uint64_t order;  /* in which it was told */
};

/* Born zeroed but for the seq; then init. */
struct past_undo {
    uint64_t seq; /* the moment */
    struct past_undo_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t told;
    struct buf paths;
};

void past_undo_init(struct past_undo *undo, uint64_t seq);
void past_undo_free(struct past_undo *undo);

/* The next older change of the bag: undone when it is newer than the moment, else it tells what
 * was. Kinds that touch no item are fine. E_TOO_LARGE with a sentence, E_NOMEM. */
MUST_CHECK int past_undo_add(struct past_undo *undo, const struct change *change, struct err *err);
/* Sorted by path from here on, an entry an item; nothing may be added any more. E_TOO_LARGE,
 * E_NOMEM. */
MUST_CHECK int past_undo_finish(struct past_undo *undo, struct err *err);

struct span past_undo_path(const struct past_undo *undo, const struct past_undo_entry *entry);
/* The first entry behind a path (empty: the first of all); `count` when there is none. */
size_t past_undo_behind(const struct past_undo *undo, struct span path);

#endif
