/* server/backup_files.h - the files of a backup: listed, put elsewhere by link or copy, summed up.
 *
 * Nothing here knows what the files mean. What is copied is on the disk when a call returns; names
 * are when the folder was synced.
 */
#ifndef KITBAG_SERVER_BACKUP_FILES_H
#define KITBAG_SERVER_BACKUP_FILES_H

#include <stdatomic.h>

#include "server/manifest.h"

/* What long work tells and is told. */
struct backup_progress {
    _Atomic(uint64_t) done; /* bytes */
    _Atomic(uint64_t) total;
    const atomic_bool *cancelled; /* NULL: never. Work ends with E_CLOSED soon after */
    /* Told now and then by who does the work; may be NULL. */
    void (*tell)(void *context, const struct backup_progress *progress);
    void *context;
};

/* Each plain file of a folder, in order of names; other things in it are left out. `each` returning
 * non-zero stops. E_NOT_FOUND, E_PERMISSION, E_NOMEM. */
typedef int backup_file_fn(void *context, const char *name, struct err *err);
MUST_CHECK int backup_files_each(const char *dir, backup_file_fn *each, void *context,
                                 struct err *err);

/* "inode-mtime", size. E_NOT_FOUND... */
MUST_CHECK int backup_file_source(const char *path, char out[MANIFEST_SOURCE_MAX], uint64_t *size,
                                  struct err *err);

/* Give the file `from` the name `to` as well, which is not there: a link on the same disk, else a
 * copy (0600), synced. `linked` (may be NULL) tells which. */
MUST_CHECK int backup_file_link(const char *from, const char *to, struct backup_progress *progress,
                                bool *linked, struct err *err);
/* Always a copy, with this mode. */
MUST_CHECK int backup_file_copy(const char *from, const char *to, mode_t mode,
                                struct backup_progress *progress, struct err *err);

/* The file's size and SHA-256. */
MUST_CHECK int backup_file_sum(const char *path, uint64_t *size, uint8_t out[SHA256_SIZE],
                               struct backup_progress *progress, struct err *err);

/* Remove a folder with all that is in it; links are not followed. One that is not there is fine. */
MUST_CHECK int backup_tree_remove(const char *dir, struct err *err);

#endif
