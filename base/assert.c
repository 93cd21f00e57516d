/* base/assert.c - the end of a program that has found a mistake of ours in itself. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void assert_failed(const char *expression, const char *file, int line)
{
    /* No allocation and no stdio buffer: either may be what is broken. */
    char text[512];
    int len = snprintf(text, sizeof text, "assertion failed: %s (%s:%d)\n", expression, file, line);
    if (len > 0) {
        size_t size = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
        ssize_t written = write(STDERR_FILENO, text, size);
        (void)written; /* there is nobody left to tell */
    }
    abort();
}
