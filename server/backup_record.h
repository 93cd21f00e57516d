/* server/backup_record.h - what the server notes of its backups, as items of its own bag.
 *
 *   @backup/HEX      {"folder","since_ms"}      a folder of backups, whose removals file is kept up
 *                                               to date; HEX: a hash of the folder's path
 *   @restored        {"backup","backup_ms","parent","parent_seq","restored_ms","removals",
 *                     "known_to_ms","confirmed_ms","by"}
 *                    this server's data came out of a backup. removals: "known" or "unknown" (then
 *                    nobody is served until confirmed_ms is there); known_to_ms: up to when
 *                    removals are known
 *
 * Pure.
 */
#ifndef KITBAG_SERVER_BACKUP_RECORD_H
#define KITBAG_SERVER_BACKUP_RECORD_H

#include <limits.h>

#include "journal/change.h"

enum { BACKUP_RECORD_MAX = PATH_MAX + 1024, BACKUP_ITEM_MAX = 32 };
#define BACKUP_ITEM_PREFIX "@backup/"
#define RESTORED_ITEM      "@restored"

/* The item of a folder, into BACKUP_ITEM_MAX bytes. */
struct span backup_record_path(char *out, const char *folder);
/* Errors stay in the buffer. */
void backup_record_put(struct buf *out, const char *folder, uint64_t since_ms);
/* E_MALFORMED. */
MUST_CHECK int backup_record_get(struct span value, char folder[PATH_MAX], struct err *err);

/* All zeros: it never was restored. */
struct restored_record {
    char backup[PATH_MAX]; /* the backup's name, "20261123T034858Z-4711" */
    uint64_t backup_ms;    /* when it was made */
    uint8_t parent[HISTORY_SIZE];
    uint64_t parent_seq;
    uint64_t restored_ms;
    bool unknown;         /* which removals came after the backup */
    uint64_t known_to_ms; /* 0: to nowhere */
    uint64_t confirmed_ms;
    char by[ACTOR_MAX_BYTES + 1]; /* who confirmed it */
};
/* Is nobody to be served? */
bool restored_held(const struct restored_record *record);
void restored_put(struct buf *out, const struct restored_record *record);
MUST_CHECK int restored_get(struct restored_record *out, struct span value, struct err *err);

#endif
