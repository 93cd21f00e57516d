/* admin/restore.h - a bag becomes again what it was: as new changes, so nothing of what happened
 * since is lost from the journal.
 *
 * What is different between the moment and now is written: items set, changed back, removed; a bag
 * that is gone is made anew, and of a user the device-specific bags of that moment too (those that
 * were made since stay as they are). Much of it goes in several
 * change sets, each with conditions: what is changed meanwhile is not overwritten unseen.
 */
#ifndef KITBAG_ADMIN_RESTORE_H
#define KITBAG_ADMIN_RESTORE_H

#include "admin/past.h"

enum {
    ADMIN_RESTORE_WRITES = 2000,   /* of one change set */
    ADMIN_RESTORE_BYTES = 3 << 19, /* of its paths and values, new and old */
};

struct admin_restore_options {
    const struct admin_backend *backend;
    const char *actor;
    struct owner owner; /* a user or a group */
    uint64_t seq;       /* the moment; ADMIN_PAST_NOW: the last one before it was deleted */
    struct span only;   /* one item alone; empty: all of it, device-specific bags too */
    bool dry_run;
    const atomic_bool *given_up;
};

struct admin_restore_report {
    uint64_t seq; /* the moment that was gone back to */
    uint64_t set; /* items that were absent */
    uint64_t changed;
    uint64_t removed;
    uint64_t bytes; /* of values that were written */
    uint64_t bags;  /* that were made anew */
    uint64_t change_sets;
    uint64_t last_seq; /* of the last change; 0: nothing had to be done */
};

/* Counts are of what was done (of a dry run: would be done), also when it failed in the middle.
 * E_NOT_FOUND (no such owner at that moment; no such item), E_EXISTS (without a moment: it is not
 * deleted; the item is there), E_TOO_OLD, E_TOO_LARGE, E_CONDITION (changed meanwhile), and what
 * a submit may be refused with. */
MUST_CHECK int admin_restore(const struct admin_restore_options *options,
                             struct admin_restore_report *report, struct err *err);

#endif
