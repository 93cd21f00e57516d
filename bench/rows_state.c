/* bench/rows_state.c - how much there is must not matter: a million users, and a crash with a
 * million changes behind the last flush. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/bench.h"
#include "bench/stream.h"

enum { SMALL_USERS = 1000, CRASH_USERS = 1000, CRASH_ITEMS = 200, SIGN_INS = 300 };

/* The median time to sign in a user who has items and to have them all, in us. */
static double sign_ins(struct bench *bench, const struct bench_server *server, size_t users)
{
    struct peer_identity identity;
    struct bench_peer peer;
    struct samples samples = {0};
    char user[32];
    join_many(bench, server, &identity, 1);
    peer_open(&peer, bench->zmq, &identity);
    for (size_t i = 0; i < SIGN_INS; i++) {
        size_t which = (size_t)(random_u64() % (users / STREAMS_MAX));
        (void)snprintf(user, sizeof user, "crowd.%zu.%zu", i % STREAMS_MAX, which);
        uint64_t before = clock_mono_ns();
        peer_follow(&peer, peer_sign_in(&peer, user));
        samples_add(&samples, clock_mono_ns() - before);
    }
    double median = samples_us(&samples, 0.5);
    samples_free(&samples);
    peer_close(&peer);
    return median;
}

/* A server with so many users; how long it takes to start again, in ms. */
static double crowd(struct bench *bench, struct bench_server *server, size_t users)
{
    static const char *const options[] = {"--set", "limits.users=2000000", NULL};
    static struct stream streams[STREAMS_MAX];
    server_start(server, bench->server.bin, options);
    streams_open(bench, server, streams, STREAMS_MAX);
    streams_populate(streams, STREAMS_MAX, "crowd", users / STREAMS_MAX);
    streams_close(streams, STREAMS_MAX);
    server_kill(server, true);
    return server_again(server);
}

static void million_users(struct bench *bench)
{
    static struct bench_server server;
    size_t users = bench->quick ? 100000 : 1000000;
    char name[80];
    char note[64];
    (void)crowd(bench, &server, SMALL_USERS);
    double small = sign_ins(bench, &server, SMALL_USERS);
    server_stop(&server);
    double start_ms = crowd(bench, &server, users);
    double large = sign_ins(bench, &server, users);
    server_stop(&server);
    (void)snprintf(name, sizeof name, "server starts with %zu users of %d items", users,
                   STREAM_BAG_ITEMS);
    row_print(name, start_ms, "ms", TARGET_AT_MOST, 2000, "");
    (void)snprintf(note, sizeof note, "%.0f us against %.0f us, medians", large, small);
    row_print("sign-in with them, against with 1,000 users", 100 * large / small, "%",
              TARGET_AT_MOST, 125, note);
}

static void crash(struct bench *bench)
{
    static const char *const options[] = {
        "--set", "state.flush_interval=1h", "--set", "state.flush_changes=100000000",
        "--set", "state.memtable_size=2G",  NULL};
    static struct bench_server server;
    static struct stream streams[STREAMS_MAX];
    size_t changes = bench->quick ? 200000 : 1000000;
    char name[80];
    server_start(&server, bench->server.bin, options);
    streams_open(bench, &server, streams, STREAMS_MAX);
    streams_sign_in(streams, STREAMS_MAX, "crash", CRASH_USERS / STREAMS_MAX);
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        streams[i].paths = CRASH_ITEMS;
        streams[i].window = STREAM_WINDOW;
    }
    (void)streams_run(streams, STREAMS_MAX, 0, changes);
    streams_close(streams, STREAMS_MAX);
    server_kill(&server, false);
    double ms = server_again(&server);
    server_stop(&server);
    (void)snprintf(name, sizeof name, "opening after a crash, %zu changes behind the flush",
                   changes);
    row_print(name, ms, "ms", TARGET_AT_MOST, 3000, "killed, then until it answers");
}

void rows_state(struct bench *bench)
{
    crash(bench);
    million_users(bench);
}
