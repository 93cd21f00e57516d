/* base/file.h - whole files: read one, replace one; folders and their locks.
 *
 * A replaced file is never seen half written: after any return, and after a crash, the path
 * holds its old content or its new content, complete.
 */
#ifndef KITBAG_BASE_FILE_H
#define KITBAG_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Replace the file at `path` with `size` bytes of `data`, and make it durable.
 *
 *   path  borrowed; "<path>.partial" is used as scratch and is gone on return
 *   data  borrowed; may be NULL when size is 0
 *   mode  of the new file, such as 0600
 *   err   filled on failure, untouched on success; may be NULL
 *
 * Blocks on two fsyncs: call it from a worker thread. Safe from several threads on different
 * paths; two writers of one path must take turns.
 *
 * Returns 0, or E_INVALID (path too long), E_NOSPACE, E_PERMISSION, E_IO, E_SYSTEM.
 */
MUST_CHECK int file_replace(const char *path, const void *data, size_t size, mode_t mode,
                            struct err *err);

/* Append the whole file at `path` to `out`. Returns 0, E_NOT_FOUND, E_TOO_LARGE (more than out's
 * maximum), E_PERMISSION, E_IO. */
MUST_CHECK int file_read(const char *path, struct buf *out, struct err *err);

/* Write all bytes at `offset`, over short writes and EINTR. `name` is for the sentence. */
MUST_CHECK int file_write_at(int fd, const void *data, size_t size, off_t offset, const char *name,
                             struct err *err);
/* Read exactly `size` bytes at `offset`; E_MALFORMED when the file ends before. */
MUST_CHECK int file_read_at(int fd, void *data, size_t size, off_t offset, const char *name,
                            struct err *err);

/* Make the folder's own entries durable / those of the folder that holds `path`. */
MUST_CHECK int dir_sync(const char *path, struct err *err);
MUST_CHECK int dir_sync_parent(const char *path, struct err *err);

/* Make a folder (and its parents) with `mode`, unless it is there; what was made is durable. */
MUST_CHECK int dir_make(const char *path, mode_t mode, struct err *err);

/* Take the folder for this process alone: an flock on `<path>/lock`, released when the returned
 * descriptor is closed or the process ends. E_BUSY when another process has it (the sentence tells
 * its process id). Returns a descriptor >= 0 or a negative code. */
MUST_CHECK int dir_lock(const char *path, struct err *err);

/* Joins with one '/'. E_INVALID when the result does not fit `out`. */
MUST_CHECK int path_join(char *out, size_t out_size, const char *dir, const char *name);

#endif
