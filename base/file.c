/* base/file.c - whole files, and what makes them durable: write, fsync, rename, fsync of the
 * folder, in this order. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 16384 };

int file_write_at(int fd, const void *data, size_t size, off_t offset, const char *name,
                  struct err *err)
{
    ASSERT(data != NULL || size == 0);
    ASSERT(offset >= 0);
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t done = pwrite(fd, at, size, offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return err_sys(err, "write", name);
        }
        if (done == 0) {
            return err_set(err, E_IO, "write '%s': the system wrote nothing", name);
        }
        at += done;
        size -= (size_t)done;
        offset += done;
    }
    return 0;
}

int file_read_at(int fd, void *data, size_t size, off_t offset, const char *name, struct err *err)
{
    ASSERT(data != NULL || size == 0);
    ASSERT(offset >= 0);
    uint8_t *at = data;
    while (size > 0) {
        ssize_t done = pread(fd, at, size, offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return err_sys(err, "read", name);
        }
        if (done == 0) {
            return err_set(err, E_MALFORMED, "read '%s': it ends at byte %lld, %zu are missing",
                           name, (long long)offset, size);
        }
        at += done;
        size -= (size_t)done;
        offset += done;
    }
    return 0;
}

int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
    ASSERT(path != NULL);
    ASSERT(data != NULL || size == 0);
    char tmp[PATH_MAX];
    int len = snprintf(tmp, sizeof tmp, "%s.partial", path);
    if (len < 0 || (size_t)len >= sizeof tmp) {
        return err_set(err, E_INVALID, "the path is too long: '%.40s...'", path);
    }
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) {
        return err_sys(err, "open", tmp);
    }
    int rc = file_write_at(fd, data, size, 0, tmp, err);
    if (rc != 0) {
        goto out;
    }
    /* The umask, or a scratch file that a crash left behind, may have given it another mode. */
    if (fchmod(fd, mode) != 0) {
        rc = err_sys(err, "set the mode of", tmp);
        goto out;
    }
    if (fsync(fd) != 0) {
        rc = err_sys(err, "sync", tmp);
        goto out;
    }
    if (rename(tmp, path) != 0) {
        rc = err_sys(err, "rename to", path);
        goto out;
    }
    rc = dir_sync_parent(path, err); /* makes the new name durable, not only the bytes */

out:
    (void)close(fd); /* the bytes are already synced, or the file is being thrown away */
    if (rc != 0) {
        (void)unlink(tmp); /* gone already when only dir_sync_parent failed */
    }
    return rc;
}

/* A whole file from a descriptor, by chunks: what files say of their size need not be true. */
static int read_all(int fd, struct buf *out, const char *path, struct err *err)
{
    uint8_t chunk[READ_CHUNK];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_sys(err, "read", path);
        }
        if (got == 0) {
            return 0;
        }
        int rc = buf_append(out, chunk, (size_t)got);
        if (rc == E_TOO_LARGE) {
            return err_set(err, rc, "read '%s': it is larger than the limit of %zu bytes", path,
                           out->max);
        }
        if (rc != 0) {
            return err_set(err, rc, "read '%s': %s", path, err_meaning(rc));
        }
    }
}

int file_read(const char *path, struct buf *out, struct err *err)
{
    ASSERT(path != NULL);
    ASSERT(out != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open", path);
    }
    size_t before = out->size;
    int rc = read_all(fd, out, path, err);
    if (rc != 0) {
        buf_truncate(out, before);
    }
    (void)close(fd); /* nothing was written */
    return rc;
}

int dir_sync(const char *path, struct err *err)
{
    ASSERT(path != NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open the folder", path);
    }
    int rc = 0;
    if (fsync(fd) != 0) {
        rc = err_sys(err, "sync the folder", path);
    }
    (void)close(fd); /* nothing was written through it */
    return rc;
}

int dir_sync_parent(const char *path, struct err *err)
{
    ASSERT(path != NULL);
    char parent[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof parent) {
        return err_set(err, E_INVALID, "the path is too long: '%.40s...'", path);
    }
    memcpy(parent, path, size + 1);
    while (size > 1 && parent[size - 1] == '/') {
        parent[--size] = '\0';
    }
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        return dir_sync(".", err);
    }
    slash[slash == parent ? 1 : 0] = '\0';
    return dir_sync(parent, err);
}

/* One folder whose parent is there. */
static int make_one(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0) {
        return dir_sync_parent(path, err);
    }
    int number = errno;
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }
        return err_set(err, E_INVALID, "'%s' is not a folder", path);
    }
    errno = number;
    return err_sys(err, "make the folder", path);
}

int dir_make(const char *path, mode_t mode, struct err *err)
{
    ASSERT(path != NULL);
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part) {
        return err_set(err, E_INVALID, "a folder's path has 1 to %zu bytes, this one has %zu",
                       sizeof part - 1, size);
    }
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/' || part[i - 1] == '/') {
            continue;
        }
        part[i] = '\0';
        int rc = make_one(part, mode, err);
        part[i] = '/';
        if (rc != 0) {
            return rc;
        }
    }
    return make_one(path, mode, err);
}

/* The sentence names the process, when its number can be read. */
static int tell_owner(int fd, const char *path, struct err *err)
{
    char text[32] = {0};
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0) {
        return err_set(err, E_BUSY, "'%s' is in use by process %ld", path, pid);
    }
    return err_set(err, E_BUSY, "'%s' is in use by another process", path);
}

int dir_lock(const char *path, struct err *err)
{
    ASSERT(path != NULL);
    char name[PATH_MAX];
    if (path_join(name, sizeof name, path, "lock") != 0) {
        return err_set(err, E_INVALID, "the path is too long: '%.40s...'", path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_sys(err, "open", name);
    }
    int rc = 0;
    char text[32];
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK ? tell_owner(fd, path, err) : err_sys(err, "lock", name);
        goto out;
    }
    if (ftruncate(fd, 0) != 0) {
        rc = err_sys(err, "truncate", name);
        goto out;
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    rc = file_write_at(fd, text, (size_t)len, 0, name, err);

out:
    if (rc != 0) {
        (void)close(fd); /* the lock, if we had it, goes with it */
        return rc;
    }
    return fd;
}

int path_join(char *out, size_t out_size, const char *dir, const char *name)
{
    ASSERT(out != NULL && dir != NULL && name != NULL);
    size_t size = strlen(dir);
    const char *between = size == 0 || dir[size - 1] == '/' ? "" : "/";
    int len = snprintf(out, out_size, "%s%s%s", dir, between, name);
    return len >= 0 && (size_t)len < out_size ? 0 : E_INVALID;
}
