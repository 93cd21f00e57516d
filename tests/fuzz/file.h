/* tests/fuzz/file.h - a file for a target that reads one. */
#ifndef KITBAG_TESTS_FUZZ_FILE_H
#define KITBAG_TESTS_FUZZ_FILE_H

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* Exactly these bytes, in memory, for this account alone. Each call replaces what the one before
 * put there: a file made anew for each input would take longer than what is done with it. */
static inline int fuzz_file(const void *data, size_t size)
{
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
    }
    FUZZ_CHECK(ftruncate(fd, (off_t)size) == 0);
    FUZZ_CHECK(size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
    return fd;
}

/* The same by its path, until the next call. */
static inline const char *fuzz_file_path(const void *data, size_t size)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fuzz_file(data, size));
    return path;
}

#endif
