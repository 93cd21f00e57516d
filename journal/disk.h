/* journal/disk.h - the five calls by which bytes become durable, replaceable by a test. */
#ifndef KITBAG_JOURNAL_DISK_H
#define KITBAG_JOURNAL_DISK_H

#include <sys/types.h>

#include "base/err.h"

/* Each works as the system call of its name: -1 and errno on failure. */
struct disk {
    ssize_t (*pwrite)(void *context, int fd, const void *data, size_t size, off_t offset);
    int (*fdatasync)(void *context, int fd);
    int (*fsync)(void *context, int fd);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    void *context;
};

extern const struct disk disk_system;

/* Write all bytes at `offset`, over short writes and EINTR; one call when the system takes them
 * at once. `path` is for the sentence. E_IO, E_NOSPACE, E_SYSTEM: how much arrived is unknown. */
MUST_CHECK int disk_write(const struct disk *disk, int fd, const void *data, size_t size,
                          off_t offset, const char *path, struct err *err);

/* Make the name `path` itself durable: syncs the folder that holds it. */
MUST_CHECK int disk_sync_parent(const struct disk *disk, const char *path, struct err *err);

#endif
