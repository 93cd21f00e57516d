/* tests/e2e/lying_disk.c - a control, preloaded into kitbagd: a journal that lies about its writes.
 *
 * Each write to a journal segment is held back in memory until the next one, as if it had been
 * acknowledged before it was written. A test that looks for lost writes must find some with it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* two names of one call */
static struct {
    int fd;
    void *data;
    size_t size;
    off_t offset;
} held;

typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);

static ssize_t really(int fd, const void *data, size_t size, off_t offset)
{
    static pwrite_fn *real;
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "pwrite64");
        memcpy(&real, &symbol, sizeof real); /* ISO C has no cast for this */
    }
    return real(fd, data, size, offset);
}

static int is_segment(int fd)
{
    char link[64];
    char path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path);
    return size > 4 && memcmp(path + size - 4, ".kbj", 4) == 0;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    if (!is_segment(fd)) {
        return really(fd, data, size, offset);
    }
    (void)pthread_mutex_lock(&lock);
    if (held.data != NULL) {
        (void)!really(held.fd, held.data, held.size, held.offset);
        free(held.data);
    }
    held.fd = fd;
    held.data = malloc(size);
    held.size = size;
    held.offset = offset;
    if (held.data != NULL) {
        memcpy(held.data, data, size);
    }
    (void)pthread_mutex_unlock(&lock);
    return (ssize_t)size;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}
