/* bench/stats.c - samples, percentiles, and the table that is printed. */
#include "bench/stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static int short_rows;

void samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 1024 : 2 * samples->capacity;
        samples->ns = realloc(samples->ns, samples->capacity * sizeof *samples->ns);
        ASSERT(samples->ns != NULL);
    }
    samples->ns[samples->count++] = ns;
}

void samples_free(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){0};
}

static int by_time(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

double samples_us(struct samples *samples, double share)
{
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->ns, samples->count, sizeof *samples->ns, by_time);
    size_t at = (size_t)(share * (double)samples->count);
    at = at < samples->count ? at : samples->count - 1;
    return (double)samples->ns[at] / 1000.0;
}

void row_print(const char *name, double value, const char *unit, enum target_kind kind,
               double target, const char *note)
{
    char goal[48] = "";
    const char *verdict = "";
    if (kind != TARGET_NONE) {
        bool met = kind == TARGET_AT_LEAST ? value >= target : value <= target;
        (void)snprintf(goal, sizeof goal, "%s %.0f", kind == TARGET_AT_LEAST ? ">=" : "<=", target);
        verdict = met ? "ok" : "SHORT";
        short_rows += !met;
    }
    (void)printf("%-58s %10.0f %-5s %-9s %-34s %s\n", name, value, unit, goal, note, verdict);
    (void)fflush(stdout);
}

int rows_short(void)
{
    return short_rows;
}
