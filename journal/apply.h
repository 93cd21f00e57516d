/* journal/apply.h - THE apply rule: a change and the rows it meets -> the rows' new values.
 *
 * Pure, written once, used by the server's state (kv/) and by replicas (client/), so that the same
 * changes give the same rows everywhere.
 */
#ifndef KITBAG_JOURNAL_APPLY_H
#define KITBAG_JOURNAL_APPLY_H

#include "journal/change.h"
#include "journal/digest.h"

/* What is known of a bag. */
struct bag_row {
    bool exists;
    uint64_t bag_id;    /* = the seq of its creation */
    uint64_t parent;    /* of a user-device bag: the user's bag, else 0 */
    uint64_t last_seq;  /* of its newest change */
    uint64_t items;     /* live ones */
    uint64_t bytes;     /* paths and values of live ones */
    uint64_t purged_to; /* tombstones up to this seq are gone: a lower cursor gets the whole bag */
    struct digest digest; /* of its live ones */
    struct owner owner;
};

enum item_state { ITEM_ABSENT, ITEM_LIVE, ITEM_TOMBSTONE };

/* What is known of an item. `value` is borrowed from whoever filled the row. */
struct item_row {
    enum item_state state;
    bool conflict;
    uint64_t seq;
    uint64_t time_ms;
    uint64_t origin;
    struct span value; /* empty for a tombstone */
};

/* Apply one change.
 *
 *   bag   in: the row of change->bag_id (exists = false when there is none); out: its new value,
 *         exists = false after BAG_DELETE. May be NULL for HISTORY and OP_VOID, which touch none.
 *   item  in: the row of change->path; out: its new value (value borrowed from the change). May be
 *         NULL for kinds that touch no item.
 *
 * What the bag loses (in count, bytes and digest) is known from one of two places:
 *
 *   check_old    the change is the journal's and tells it: old_seq, and old_value with has_old,
 *                which says that the row is live. The row's value is not looked at (`item` needs
 *                none), its state and seq must be what the change says. A tombstone may have been
 *                purged before or after the change was made: old_seq 0 fits a tombstone too, and
 *                a tombstone's old_seq fits an absent row when the bag is purged to it.
 *   !check_old   the change came by the stream and tells nothing: the row is what the bag loses,
 *                so `item` must hold the live item's seq and its whole value.
 *
 * Returns 0 or E_CORRUPT with a sentence, rows untouched: the bag is missing, exists already, or
 * its last_seq is not the change's prev; the bag counts less than the item has; or, with check_old,
 * the item's row is not what the change replaces.
 */
MUST_CHECK int apply_change(const struct change *change, struct bag_row *bag, struct item_row *item,
                            bool check_old, struct err *err);

#endif
