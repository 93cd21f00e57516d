/* tests/fuzz/fuzz.h - what a fuzz target defines, and how it says that something is wrong. */
#ifndef KITBAG_TESTS_FUZZ_FUZZ_H
#define KITBAG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* One input. Must return 0, whatever the bytes are; called again and again in one process, so it
 * leaves nothing behind. `data` is borrowed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input. */
#define FUZZ_CHECK(expression)                                                                     \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expression);  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
