/* bench/raw.h - what the machine itself can do, measured in the same run. */
#ifndef KITBAG_BENCH_RAW_H
#define KITBAG_BENCH_RAW_H

#include "bench/stats.h"

/* 512-byte writes, each synced, into a file that was written before, for about `seconds`. */
void raw_sync(const char *dir, double seconds, struct samples *out);
/* 200-byte messages there and back, ROUTER to DEALER with CURVE over loopback TCP. */
void raw_round_trip(double seconds, struct samples *out);

#endif
