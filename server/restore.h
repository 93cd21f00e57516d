/* server/restore.h - a backup becomes a server's data again, under a new history.
 *
 * The server must not run. What is restored is put together in DATA/restore.partial, gets its new
 * history and what was removed since the backup there, and takes the place of what was there by
 * renames (restore_swap.h). Nothing is thrown away: an old data folder's content goes to
 * DATA/replaced-XXXXXXXX.
 *
 * What was removed since the backup is known from the old data folder's journal when it goes on
 * from the backup's last change, else from the file of removals beside the backup, when that is the
 * original and no copy. When neither tells, nobody is served until an administrator has confirmed
 * the machines and people (restored_record).
 */
#ifndef KITBAG_SERVER_RESTORE_H
#define KITBAG_SERVER_RESTORE_H

#include "server/backup_files.h"
#include "server/settings.h"

struct restore_options {
    const char *backup;              /* a backup, or a folder of them: then its newest */
    const struct settings *settings; /* the data folder, limits, sizes */
    struct backup_progress *progress;
};

struct restore_report {
    bool finished; /* an earlier restore lacked its last renames: these were done, nothing else */
    char backup[PATH_MAX];
    uint64_t backup_ms;
    uint8_t parent[HISTORY_SIZE];
    uint64_t parent_seq;
    uint8_t history[HISTORY_SIZE]; /* the new one */
    char replaced[PATH_MAX];       /* where the old data is now, "": there was none */
    uint64_t old_seq;              /* the old data's last change, 0: not known */
    uint64_t machines;             /* removed since, and again now */
    uint64_t keys;                 /* machines that have their newer key again */
    uint64_t owners;               /* users and groups deleted since, and again now */
    uint64_t items;                /* join tokens, accounts and API tokens, the same */
    bool known;                    /* all of them are known */
    bool from_journal;             /* by the old data folder */
    uint64_t known_to_ms;
    char removals_text[ERR_TEXT_MAX]; /* why the file of removals was of no use, "": it was */
    uint64_t folders_left; /* of backups that this server no longer keeps up to date: another one
                              may */
};

/* E_NOT_FOUND (no whole backup), E_CORRUPT (names the file that is damaged), E_FORMAT, E_BUSY (the
 * server runs), E_EXISTS (another server's data is there), E_NOT_ALLOWED (the data folder is
 * another account's), E_NOSPACE, E_PERMISSION, E_IO. The data folder is as it was then. */
MUST_CHECK int restore_run(const struct restore_options *options, struct restore_report *out,
                           struct err *err);

#endif
