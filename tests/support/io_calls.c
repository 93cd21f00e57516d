/* tests/support/io_calls.c - the wrapped calls. One lock, because any thread may make them. */
#include "tests/support/io_calls.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_rename(const char *from, const char *to);
int __real_ftruncate(int fd, off_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_ftruncate(int fd, off_t size);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static char text[65536];
static size_t used;
static const char *fail_name; /* NULL: nothing fails */
static unsigned fail_nth;
static int fail_errno;
static unsigned short_nth; /* 0: no write is cut short */
static size_t short_size;

void io_calls_start(void)
{
    (void)pthread_mutex_lock(&lock);
    recording = true;
    used = 0;
    text[0] = '\0';
    fail_name = NULL;
    short_nth = 0;
    (void)pthread_mutex_unlock(&lock);
}

void io_calls_stop(void)
{
    (void)pthread_mutex_lock(&lock);
    recording = false;
    (void)pthread_mutex_unlock(&lock);
}

const char *io_calls_text(void)
{
    return text;
}

void io_calls_fail(const char *name, unsigned nth, int error_number)
{
    (void)pthread_mutex_lock(&lock);
    fail_name = name;
    fail_nth = nth;
    fail_errno = error_number;
    (void)pthread_mutex_unlock(&lock);
}

bool io_calls_failed(void)
{
    (void)pthread_mutex_lock(&lock);
    bool failed = fail_name == NULL;
    (void)pthread_mutex_unlock(&lock);
    return failed;
}

void io_calls_shorten(unsigned nth, unsigned size)
{
    (void)pthread_mutex_lock(&lock);
    short_nth = nth;
    short_size = size > 0 ? size : 1;
    (void)pthread_mutex_unlock(&lock);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Is it this call's turn? With the lock. */
static bool fails_now(const char *name)
{
    return fail_name != NULL && strcmp(name, fail_name) == 0 && --fail_nth == 0;
}

/* Records a call; returns the error it shall fail with, or 0. With the lock. */
static int record_locked(const char *name, const char *path)
{
    bool fails = fails_now(name);
    int len = snprintf(text + used, sizeof text - used, "%s%s%s:%s", used > 0 ? " " : "",
                       fails ? "!" : "", name, last_part(path));
    if (len > 0 && (size_t)len < sizeof text - used) {
        used += (size_t)len;
    }
    if (!fails) {
        return 0;
    }
    fail_name = NULL;
    return fail_errno;
}

static int record(const char *name, const char *path)
{
    (void)pthread_mutex_lock(&lock);
    int error_number = recording ? record_locked(name, path) : 0;
    (void)pthread_mutex_unlock(&lock);
    if (error_number != 0) {
        errno = error_number;
    }
    return error_number;
}

static int record_fd(const char *name, int fd)
{
    char link[64];
    char path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return record(name, path);
}

/* There are too many of them to record. */
static bool read_fails(void)
{
    (void)pthread_mutex_lock(&lock);
    bool fails = recording && fails_now("pread");
    if (fails) {
        fail_name = NULL;
        errno = fail_errno;
    }
    (void)pthread_mutex_unlock(&lock);
    return fails;
}

static size_t shorten(size_t size)
{
    (void)pthread_mutex_lock(&lock);
    bool now = recording && short_nth > 0 && --short_nth == 0;
    size_t result = now && short_size < size ? short_size : size;
    (void)pthread_mutex_unlock(&lock);
    return result;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return record_fd("write", fd) != 0 ? -1 : __real_write(fd, data, shorten(size));
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
    return read_fails() ? -1 : __real_pread(fd, data, size, offset);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return record_fd("pwrite", fd) != 0 ? -1 : __real_pwrite(fd, data, shorten(size), offset);
}

int __wrap_fsync(int fd)
{
    return record_fd("fsync", fd) != 0 ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    return record_fd("fdatasync", fd) != 0 ? -1 : __real_fdatasync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return record("rename", to) != 0 ? -1 : __real_rename(from, to);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return record_fd("ftruncate", fd) != 0 ? -1 : __real_ftruncate(fd, size);
}
