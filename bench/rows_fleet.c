/* bench/rows_fleet.c - thousands of machines: their sockets are the load generator's, their
 * protocol is real. See fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/fleet.h"
#include "bench/stream.h"

enum {
    CHANGES = 100000,
    CAUGHT_UP_MS = 20000,
    SIGN_INS = 1900, /* of one machine: what the server takes at once */
};

/* Changes for users all over the fleet, while no machine is there. */
static void write_changes(struct bench *bench, const struct bench_server *server, size_t users)
{
    static struct stream streams[STREAMS_MAX];
    char user[32];
    streams_open(bench, server, streams, STREAMS_MAX);
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &streams[i];
        stream->bags = calloc(users / STREAMS_MAX, sizeof *stream->bags);
        ASSERT(stream->bags != NULL);
        size_t most = users / STREAMS_MAX < SIGN_INS ? users / STREAMS_MAX : SIGN_INS;
        for (size_t at = i; stream->bag_count < most; at += STREAMS_MAX) {
            (void)snprintf(user, sizeof user, FLEET_USER, at);
            stream->bags[stream->bag_count++] = peer_sign_in(&stream->peer, user);
        }
        stream->paths = STREAM_BAG_ITEMS;
        stream->window = STREAM_WINDOW;
    }
    (void)streams_run(streams, STREAMS_MAX, 0, CHANGES);
    streams_close(streams, STREAMS_MAX);
}

void rows_fleet(struct bench *bench)
{
    static struct bench_server server;
    struct fleet fleet;
    size_t machines = bench->quick ? 1000 : 10000;
    char name[80];
    char note[64];
    server_start(&server, bench->server.bin, NULL);
    fleet_start(&fleet, &server, machines);
    fleet_do(&fleet, FLEET_ENROLL);
    fleet_do(&fleet, FLEET_SIGN_IN);
    server_kill(&server, true); /* so that what enrolling needed is not counted */
    (void)server_again(&server);
    double before = server_rss_kib(&server);
    fleet_do(&fleet, FLEET_CONNECT);
    double connected = server_rss_kib(&server);
    fleet_do(&fleet, FLEET_FOLLOW);
    double followed = server_rss_kib(&server);
    (void)snprintf(note, sizeof note, "%zu machines, %.0f MiB without", machines, before / 1024);
    row_print("server memory for a connected machine", (connected - before) / (double)machines,
              "KiB", TARGET_AT_MOST, 48, note);
    (void)snprintf(note, sizeof note, "%d bags each, all caught up", FLEET_BAGS);
    row_print("server memory for it after traffic", (followed - before) / (double)machines, "KiB",
              TARGET_AT_MOST, 64, note);
    fleet_do(&fleet, FLEET_DISCONNECT);
    write_changes(bench, &server, machines);
    double ms = fleet_do(&fleet, FLEET_RECONNECT);
    (void)snprintf(name, sizeof name, "%zu machines with %d bags reconnect, all caught up",
                   machines, FLEET_BAGS);
    (void)snprintf(note, sizeof note, "after %d changes", CHANGES);
    row_print(name, ms, "ms", TARGET_AT_MOST, CAUGHT_UP_MS, note);
    fleet_stop(&fleet);
    server_stop(&server);
}
