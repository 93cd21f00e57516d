/* server/backup.h - making a backup of a server that runs.
 *
 * In this order: the state's checkpoint and the journal's copy, both as links beside the data
 * (moments, whatever their size); from then on nothing of the server is in the way. Then every file
 * is put into the backup: as a link on the same disk, else as a copy; one that the backup before it
 * has is linked to that. Then it is summed up, the manifest is written, all is synced, and the
 * backup gets its name. A crash leaves a folder that no backup's name fits.
 *
 * The backup is of the journal's last change in it; its state may be some changes behind.
 */
#ifndef KITBAG_SERVER_BACKUP_H
#define KITBAG_SERVER_BACKUP_H

#include "admin/backups.h"
#include "server/backup_files.h"
#include "server/backup_place.h"

struct journal;
struct kv;

/* Whose backup it is. Borrowed. */
struct backup_source {
    struct journal *journal;
    struct kv *kv;
    const char *data_dir;
    const uint8_t *server;  /* KEY_SIZE bytes: the public signing key */
    uint64_t reserve_bytes; /* on the data's disk so much stays free */
};

/* Make a backup in `place` (which backup_place_make was called for). Blocks for as long as it
 * takes; one at a time. E_NOSPACE, E_IO, E_CORRUPT (what is damaged is not backed up), E_CLOSED
 * (cancelled)...: what is left of it then is whole, or has no backup's name. */
MUST_CHECK int backup_make(const struct backup_source *source, const struct backup_place *place,
                           struct backup_progress *progress, struct admin_backup_report *report,
                           struct err *err);

/* What backup_make would do, and whether there is room for it; changes nothing. */
MUST_CHECK int backup_look(const struct backup_source *source, const struct backup_place *place,
                           struct admin_backup_report *report, struct err *err);

/* Remove what a broken-off backup left beside the data: before the first one. */
MUST_CHECK int backup_tidy(const char *data_dir, struct err *err);

#endif
