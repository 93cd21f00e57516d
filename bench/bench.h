/* bench/bench.h - what the rows of the table share. */
#ifndef KITBAG_BENCH_BENCH_H
#define KITBAG_BENCH_BENCH_H

#include "bench/peer.h"
#include "bench/stats.h"

enum { VALUE_BYTES = 200, PATHS = 256 };

struct bench {
    struct bench_server server;
    void *zmq;
    bool quick;
    double seconds; /* of each timed row */
    double sync_us; /* medians of the machine itself, in this run */
    double trip_us;
};

struct span value_of(void);
double rate(size_t count, uint64_t from_ns);
uint64_t seconds_from_now(double seconds); /* clock_mono_ns */
/* New machines on `server`. */
void join_many(struct bench *bench, const struct bench_server *server, struct peer_identity *out,
               size_t count);

/* rows_write.c: writes that wait */
void rows_write(struct bench *bench);
void rows_busy_poll(struct bench *bench);
/* rows_pipeline.c: writes in flight */
void rows_pipeline(struct bench *bench);
void rows_spread(struct bench *bench);
/* rows_seen.c: written at one machine, seen at others */
void rows_seen(struct bench *bench);
void rows_fan_out(struct bench *bench);
/* The median on this server, printed under this name. */
void row_seen(struct bench *bench, const struct bench_server *server, const char *name,
              double target);
/* rows_library.c: through libkitbag */
void rows_library(struct bench *bench);
/* rows_replay.c: mirrors, and a machine's replica */
void rows_replay(struct bench *bench);
/* rows_fleet.c: thousands of machines */
void rows_fleet(struct bench *bench);
/* rows_state.c: a million users; opening after a crash */
void rows_state(struct bench *bench);
/* rows_admin.c: administration over HTTPS, with a million users */
void rows_admin(struct bench *bench);
/* rows_snapshot.c: files of the server */
void rows_snapshot(struct bench *bench);
/* rows_exports.c: user data prepared for export */
void rows_exports(struct bench *bench);

#endif
