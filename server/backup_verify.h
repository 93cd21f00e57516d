/* server/backup_verify.h - is a backup what was written?
 *
 * All of it is read: the manifest against its own digest, every file against its size and SHA-256,
 * the journal's chain of hashes up to the manifest's, the state's rows against their checksums and
 * each bag against its digest, and that the state's position lies in the journal. Changes nothing,
 * and needs no server.
 */
#ifndef KITBAG_SERVER_BACKUP_VERIFY_H
#define KITBAG_SERVER_BACKUP_VERIFY_H

#include "server/backup_files.h"

struct backup_verified {
    char path[PATH_MAX]; /* of the backup that was read */
    uint64_t seq;
    uint64_t floor;
    uint64_t time_ms;
    uint8_t history[HISTORY_SIZE];
    uint64_t files;
    uint64_t bytes;
    uint64_t bags;                 /* whose digest is right */
    uint64_t users, groups, items; /* as the manifest tells */
};

/* The backup that is meant by a path: a backup itself, or a folder of them, whose newest it is.
 * E_NOT_FOUND: neither. */
MUST_CHECK int backup_find(const char *path, char out[PATH_MAX], struct err *err);

/* E_CORRUPT names the file, or the bag, that is not what it was; E_FORMAT; E_NOT_FOUND (no whole
 * backup); E_IO, E_PERMISSION, E_NOMEM, E_CLOSED (cancelled). `progress` may be NULL; its total is
 * set. */
MUST_CHECK int backup_verify(const char *path, struct backup_progress *progress,
                             struct backup_verified *out, struct err *err);

/* The files alone, of a manifest that was read: sizes and checksums. */
MUST_CHECK int backup_verify_files(const struct manifest *manifest, const char *dir,
                                   struct backup_progress *progress, struct err *err);

#endif
