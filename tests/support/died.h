/* tests/support/died.h - does an assertion stop this? */
#ifndef KITBAG_TESTS_SUPPORT_DIED_H
#define KITBAG_TESTS_SUPPORT_DIED_H

#include <stdbool.h>

/* Runs `body` in a child process without its stderr; true when it ended by abort(). */
bool died(void (*body)(void *context), void *context);

#endif
