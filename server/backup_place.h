/* server/backup_place.h - the folder that backups are put into, which an administrator names.
 *
 *   FOLDER/removals                  what was removed since (removals.h); also tells whose it is
 *   FOLDER/20261123T034858Z-4711/    a backup, whole: of this time, at this change
 *   FOLDER/NAME.partial/             one that was being made when the server ended; worth nothing
 *
 * The server writes nowhere but in a folder that it made for this, or found empty, or that holds
 * backups of its own: nothing of anybody else's is ever overwritten or removed.
 */
#ifndef KITBAG_SERVER_BACKUP_PLACE_H
#define KITBAG_SERVER_BACKUP_PLACE_H

#include <limits.h>

#include "transport/keys.h"

enum { BACKUP_NAME_MAX = 64 };

struct backup_place {
    char folder[PATH_MAX]; /* its real path, or what that will be */
    bool fresh;            /* it is not a folder of backups yet */
};

/* May backups of this server be put there? Changes nothing. E_INVALID (not a whole path; inside
 * the data folder, or around it), E_NOT_FOUND (the folder above is not there), E_EXISTS (something
 * else is there, or another server's backups, or a copy of ours), E_NOT_ALLOWED (others may write
 * there), E_PERMISSION, E_CORRUPT (its removals file). */
MUST_CHECK int backup_place_find(struct backup_place *out, const char *path, const char *data_dir,
                                 const uint8_t server[KEY_SIZE], struct err *err);
/* Make a fresh one such a folder. E_NOSPACE, E_PERMISSION, E_NOT_ALLOWED (it is read-only), E_IO.
 */
MUST_CHECK int backup_place_make(const struct backup_place *place, const uint8_t server[KEY_SIZE],
                                 struct err *err);

/* The name of the newest whole backup. E_NOT_FOUND. */
MUST_CHECK int backup_place_newest(const char *folder, char out[BACKUP_NAME_MAX], struct err *err);
/* How many whole backups there are. */
MUST_CHECK int backup_place_count(const char *folder, uint64_t *count, struct err *err);
/* A name for a new one, behind all there are. */
MUST_CHECK int backup_place_name(const char *folder, uint64_t time_ms, uint64_t seq,
                                 char out[BACKUP_NAME_MAX], struct err *err);
/* Remove what broken-off backups left. */
MUST_CHECK int backup_place_tidy(const char *folder, struct err *err);

#endif
