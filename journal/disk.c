/* journal/disk.c - the system's own calls, and the two things that are made of them. */
#include "journal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t system_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context;
    return pwrite(fd, data, size, offset);
}

static int system_fdatasync(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

static int system_fsync(void *context, int fd)
{
    (void)context;
    return fsync(fd);
}

static int system_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to);
}

static int system_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path);
}

const struct disk disk_system = {
    .pwrite = system_pwrite,
    .fdatasync = system_fdatasync,
    .fsync = system_fsync,
    .rename = system_rename,
    .unlink = system_unlink,
};

int disk_write(const struct disk *disk, int fd, const void *data, size_t size, off_t offset,
               const char *path, struct err *err)
{
    ASSERT(disk != NULL && fd >= 0 && offset >= 0);
    ASSERT(data != NULL || size == 0);

    const char *at = data;
    while (size > 0) {
        ssize_t wrote = disk->pwrite(disk->context, fd, at, size, offset);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return err_sys(err, "write", path);
        }
        if (wrote == 0) { /* would loop for ever */
            return err_set(err, E_IO, "write '%s': the system took no byte", path);
        }
        at += wrote;
        size -= (size_t)wrote;
        offset += wrote;
    }
    return 0;
}

int disk_sync_parent(const struct disk *disk, const char *path, struct err *err)
{
    ASSERT(disk != NULL && path != NULL);

    char parent[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        int size = slash == path ? 1 : (int)(slash - path);
        int len = snprintf(parent, sizeof parent, "%.*s", size, path);
        if (len < 0 || (size_t)len >= sizeof parent) {
            return err_set(err, E_INVALID, "path too long: '%.40s...'", path);
        }
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open", parent);
    }
    int rc = 0;
    if (disk->fsync(disk->context, fd) != 0) {
        rc = err_sys(err, "fsync", parent);
    }
    (void)close(fd); /* nothing was written through it */
    return rc;
}
