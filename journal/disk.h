/* journal/disk.h - the five calls by which bytes become durable, replaceable by a test. */
#ifndef KITBAG_JOURNAL_DISK_H
#define KITBAG_JOURNAL_DISK_H

#include <sys/types.h>

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

#endif
