/* tests/support/fail_alloc.h - makes one allocation of the code under test fail.
 *
 * It sees malloc, calloc, realloc and strdup of everything that is linked statically into the test
 * program (the linker's --wrap), not those inside shared libraries. Meant for loops:
 *
 *     for (unsigned nth = 1;; nth++) {
 *         fail_alloc_at(nth);
 *         int rc = thing_new(&thing);
 *         if (!fail_alloc_stop()) {
 *             break; // it got by with fewer allocations, so all have failed once
 *         }
 *         assert_int_equal(rc, E_NOMEM);
 *     }
 */
#ifndef KITBAG_TESTS_SUPPORT_FAIL_ALLOC_H
#define KITBAG_TESTS_SUPPORT_FAIL_ALLOC_H

#include <stdbool.h>

/* The `nth` allocation from now on fails (1 is the next), and it alone. Counts all threads. */
void fail_alloc_at(unsigned nth);

/* All succeed again. Did one fail? */
bool fail_alloc_stop(void);

/* What is done between the two is not the code under test: its allocations succeed, and don't
 * count. */
unsigned fail_alloc_pause(void);
void fail_alloc_resume(unsigned paused);

#endif
