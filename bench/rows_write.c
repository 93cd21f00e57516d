/* bench/rows_write.c - writes that wait for their acknowledgement: one writer, and many. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/load.h"

static void one_writer(struct bench *bench, const struct bench_server *server, const char *name)
{
    struct peer_identity identity;
    struct bench_peer peer;
    struct samples samples = {0};
    char note[64];
    char path[32];
    join_many(bench, server, &identity, 1);
    peer_open(&peer, bench->zmq, &identity);
    uint64_t bag = peer_sign_in(&peer, "one.writer");
    uint64_t begin = clock_mono_ns();
    uint64_t end = seconds_from_now(bench->seconds);
    for (size_t i = 0; clock_mono_ns() < end; i++) {
        (void)snprintf(path, sizeof path, "bench/%zu", i % PATHS);
        uint64_t before = clock_mono_ns();
        peer_write(&peer, bag, path, value_of());
        peer_acknowledged(&peer);
        samples_add(&samples, clock_mono_ns() - before);
    }
    double floor_us = bench->sync_us + bench->trip_us;
    (void)snprintf(note, sizeof note, "p50 %.0f p99 %.0f us, %.2f of 1/(sync+trip)",
                   samples_us(&samples, 0.5), samples_us(&samples, 0.99),
                   rate(samples.count, begin) * floor_us / 1e6);
    row_print(name, rate(samples.count, begin), "/s", TARGET_AT_LEAST, 0.6 * 1e6 / floor_us, note);
    samples_free(&samples);
    peer_close(&peer);
}

/* A connection each; every write waits. */
static void many_writers(struct bench *bench, size_t count, double target)
{
    struct bench_peer *peers = calloc(count, sizeof *peers);
    struct peer_identity *identities = calloc(count, sizeof *identities);
    uint64_t *bags = calloc(count, sizeof *bags);
    size_t ready[LOAD_READY_MAX];
    struct wire_message message;
    struct load load;
    char text[64];
    ASSERT(peers != NULL && identities != NULL && bags != NULL);
    load_open(&load);
    join_many(bench, &bench->server, identities, count);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text, "writer.%zu", i);
        peer_open(&peers[i], bench->zmq, &identities[i]);
        bags[i] = peer_sign_in(&peers[i], text);
        load_add(&load, &peers[i], i);
    }
    size_t done = 0;
    uint64_t begin = clock_mono_ns();
    uint64_t end = seconds_from_now(bench->seconds);
    for (size_t i = 0; i < count; i++) {
        peer_write(&peers[i], bags[i], "bench/0", value_of());
        while (peer_try(&peers[i], &message)) {
            done += peer_outcomes(&message, NULL);
            peer_write(&peers[i], bags[i], "bench/1", value_of());
        }
    }
    while (clock_mono_ns() < end) {
        size_t found = load_wait(&load, ready, 10000);
        if (found == 0) {
            bench_fail("no acknowledgement within 10 s", NULL);
        }
        for (size_t i = 0; i < found; i++) {
            struct bench_peer *peer = &peers[ready[i]];
            while (peer_try(peer, &message)) {
                done += peer_outcomes(&message, NULL);
                (void)snprintf(text, sizeof text, "bench/%zu", done % PATHS);
                peer_write(peer, bags[ready[i]], text, value_of());
            }
        }
    }
    (void)snprintf(text, sizeof text, "writes that wait, %zu writers, a connection each", count);
    row_print(text, rate(done, begin), "/s", TARGET_AT_LEAST, target, "");
    for (size_t i = 0; i < count; i++) {
        peer_close(&peers[i]);
    }
    load_close(&load);
    free(peers);
    free(identities);
    free(bags);
}

void rows_write(struct bench *bench)
{
    one_writer(bench, &bench->server, "writes that wait, 1 writer");
    many_writers(bench, 16, 20000);
    many_writers(bench, 256, 24000);
}

void rows_busy_poll(struct bench *bench)
{
    static const char *const options[] = {"--set", "stream.busy_poll=yes", NULL};
    static struct bench_server server;
    server_start(&server, bench->server.bin, options);
    one_writer(bench, &server, "writes that wait, 1 writer, busy polling");
    row_seen(bench, &server, "write at one machine, seen at another, busy polling", 300);
    server_stop(&server);
}
