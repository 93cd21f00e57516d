/* tests/support/no_memory.h - the system has no more memory, for shared libraries too.
 *
 * What the C library's heap holds already can still be had, so ask for megabytes.
 */
#ifndef KITBAG_TESTS_SUPPORT_NO_MEMORY_H
#define KITBAG_TESTS_SUPPORT_NO_MEMORY_H

#include <stdbool.h>

/* From now on large allocations and new threads fail. False, and without effect, in programs built
 * with a sanitizer, which need memory of their own at any time. */
bool no_memory_begin(void);

void no_memory_end(void);

#endif
