/* bench/stream.h - connections with many writes in flight: what was acknowledged is followed by as
 * much again. */
#ifndef KITBAG_BENCH_STREAM_H
#define KITBAG_BENCH_STREAM_H

#include "bench/bench.h"

enum {
    STREAMS_MAX = 4,
    STREAM_BAG_ITEMS = 10,
    STREAM_WINDOW = 1000, /* operations unanswered on one connection, at most */
    FRAME_OPS = 240,      /* of one WRITE: with 200-byte values they fit a frame */
};

/* One connection with its share of what is in flight. */
struct stream {
    struct bench_peer peer;
    uint64_t *bags; /* that it writes to; owned */
    size_t bag_count;
    size_t paths; /* in each */
    size_t window;
    size_t made; /* operations so far */
    size_t unanswered;
    uint64_t random;
};

/* New machines, connected; bags, paths and window are the caller's to set. */
void streams_open(struct bench *bench, const struct bench_server *server, struct stream *streams,
                  size_t count);
void streams_close(struct stream *streams, size_t count);
/* Users PREFIX.STREAM.0, PREFIX.STREAM.1, ... `bags` of each stream, with STREAM_BAG_ITEMS items
 * each: sets bags, bag_count and paths. */
void streams_populate(struct stream *streams, size_t count, const char *prefix, size_t bags);
/* Users with the same names, signed in and without items: sets bags and bag_count. */
void streams_sign_in(struct stream *streams, size_t count, const char *prefix, size_t bags);
/* Writes for so many seconds or, when that is 0, until at least so many changes are acknowledged,
 * and waits for all answers; writes acknowledged a second. One bag is written path by path, several
 * at random. */
double streams_run(struct stream *streams, size_t count, double seconds, size_t changes);

#endif
