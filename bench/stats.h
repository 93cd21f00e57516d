/* bench/stats.h - samples, percentiles, and the table that is printed. */
#ifndef KITBAG_BENCH_STATS_H
#define KITBAG_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Times in ns. Owned: stats_free. */
struct samples {
    uint64_t *ns;
    size_t count;
    size_t capacity;
};

void samples_add(struct samples *samples, uint64_t ns);
void samples_free(struct samples *samples);
/* Sorts. `share` in 0..1: 0.5 is the median. Microseconds; 0 when there are none. */
double samples_us(struct samples *samples, double share);

enum target_kind { TARGET_NONE, TARGET_AT_LEAST, TARGET_AT_MOST };

/* One row of the table: "name  value unit  (note)  target  ok|SHORT". Rows with a target that is
 * missed are counted. */
void row_print(const char *name, double value, const char *unit, enum target_kind kind,
               double target, const char *note);
int rows_short(void);

#endif
