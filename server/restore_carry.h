/* server/restore_carry.h - the new history of restored data, and what must not come back with it.
 *
 * Works on the restored journal and state before they are anybody's data folder, by the one write
 * path: the fork, then what was removed since the backup, then the record of the restore.
 */
#ifndef KITBAG_SERVER_RESTORE_CARRY_H
#define KITBAG_SERVER_RESTORE_CARRY_H

#include "server/removals.h"
#include "server/restore.h"

/* Removals, in the order in which they happened. Zeroed before its first use. */
struct removal_list {
    struct removal *removals;
    size_t count;
    size_t capacity;
};
removal_fn removal_list_add; /* `context` is a struct removal_list */
void removal_list_free(struct removal_list *list);

struct restore_carry {
    struct journal *journal; /* borrowed, as all that follow */
    struct kv *kv;
    const struct settings *settings;
    const struct manifest *manifest;
    const char *name; /* of the backup */
    const struct removal_list *removals;
    bool keep_folders; /* of backups: the same server goes on at the same place */
};

/* Fills in what the report tells of it; `report->known` and `known_to_ms` have to be there. Errors
 * leave the restored data half done. */
MUST_CHECK int restore_carry(const struct restore_carry *carry, struct restore_report *report,
                             struct err *err);

#endif
