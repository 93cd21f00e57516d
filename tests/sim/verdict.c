/* tests/sim/verdict.c - sentences. */
#include "tests/sim/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/chance.h"

static verdict_fn *on_broken;

bool verdict_tracing;

void verdict_to(verdict_fn *broken)
{
    on_broken = broken;
}

void must_hold(bool holds, const char *format, ...)
{
    if (holds) {
        return;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    on_broken(text);
    abort();
}

void tell(const char *format, ...)
{
    if (!verdict_tracing) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)printf("%8" PRIu64 "  ", chance.now_ms);
    (void)vprintf(format, arguments);
    (void)printf("\n");
    (void)fflush(stdout);
    va_end(arguments);
}
