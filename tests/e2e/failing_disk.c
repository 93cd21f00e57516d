/* tests/e2e/failing_disk.c - preloaded into a program: a disk that fails when it is told to.
 *
 * KITBAG_DISK names a file. While its first letter is 's', syncs of journal and outbox files fail
 * with EIO; while it is 'w', writes to them keep half of the bytes and fail; while it is 't', syncs
 * of the state's tables fail. Otherwise, and without the file, all is as ever.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset);
int fdatasync(int fd);
int fsync(int fd);

typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);
typedef int sync_fn(int);

static char fault(void)
{
    const char *path = getenv("KITBAG_DISK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char letter = 0;
    if (fd >= 0) {
        (void)!read(fd, &letter, 1);
        (void)close(fd);
    }
    return letter;
}

static int ends_with(int fd, const char *end)
{
    char link[64];
    char path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path);
    ssize_t length = (ssize_t)strlen(end);
    return size > length && memcmp(path + size - length, end, (size_t)length) == 0;
}

static int is_log(int fd)
{
    return ends_with(fd, ".kbj") || ends_with(fd, ".seg");
}

static int sync_by(const char *name, int fd)
{
    sync_fn *real;
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(&real, &symbol, sizeof real); /* ISO C has no cast for this */
    char letter = fault();
    if ((letter == 's' && is_log(fd)) || (letter == 't' && ends_with(fd, ".sst"))) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fdatasync(int fd)
{
    return sync_by("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_by("fsync", fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    pwrite_fn *real;
    void *symbol = dlsym(RTLD_NEXT, "pwrite64");
    memcpy(&real, &symbol, sizeof real);
    if (fault() != 'w' || !is_log(fd)) {
        return real(fd, data, size, offset);
    }
    (void)!real(fd, data, size / 2, offset);
    errno = EIO;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}
