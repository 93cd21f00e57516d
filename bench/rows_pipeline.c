/* bench/rows_pipeline.c - writes in flight. */
#include <stdio.h>

#include "bench/bench.h"
#include "bench/stream.h"

/* Each connection writes to the bag of a user of its own. */
static void hot(struct bench *bench, const char *name, size_t connections, size_t in_flight,
                double target)
{
    static struct stream streams[STREAMS_MAX];
    streams_open(bench, &bench->server, streams, connections);
    streams_sign_in(streams, connections, "stream", 1);
    for (size_t i = 0; i < connections; i++) {
        streams[i].paths = PATHS;
        streams[i].window = in_flight / connections;
    }
    row_print(name, streams_run(streams, connections, bench->seconds, 0), "/s", TARGET_AT_LEAST,
              target, "");
    streams_close(streams, connections);
}

void rows_pipeline(struct bench *bench)
{
    hot(bench, "16 writes in flight on 1 connection", 1, 16, 35000);
    hot(bench, "256 writes in flight on 4 connections", 4, 256, 100000);
    hot(bench, "pipelined, 4 connections, hot bags", 4, (size_t)4 * STREAM_WINDOW, 250000);
}

void rows_spread(struct bench *bench)
{
    static struct stream streams[STREAMS_MAX];
    size_t bags = bench->quick ? 5000 : 25000;
    char name[80];
    streams_open(bench, &bench->server, streams, STREAMS_MAX);
    streams_populate(streams, STREAMS_MAX, "spread", bags);
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        streams[i].window = STREAM_WINDOW;
    }
    (void)snprintf(name, sizeof name, "pipelined, %zu items spread over %zu bags",
                   bags * STREAMS_MAX * STREAM_BAG_ITEMS, bags * STREAMS_MAX);
    row_print(name, streams_run(streams, STREAMS_MAX, bench->seconds, 0), "/s", TARGET_AT_LEAST,
              80000, bench->quick ? "1,000,000 over 100,000 without --quick" : "");
    streams_close(streams, STREAMS_MAX);
}
