/* tests/sim/verdict.h - what is not as it must be ends the seed, with how to see it again. */
#ifndef KITBAG_TESTS_SIM_VERDICT_H
#define KITBAG_TESTS_SIM_VERDICT_H

#include <stdbool.h>

#include "base/assert.h"

/* `format` says what must hold. */
void must_hold(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Told of a sentence that does not hold; does not return. */
typedef void verdict_fn(const char *text);
void verdict_to(verdict_fn *broken);

/* A line of the trace, when it is printed. */
extern bool verdict_tracing;
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
