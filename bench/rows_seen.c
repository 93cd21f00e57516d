/* bench/rows_seen.c - written at one machine, seen at another, and at a thousand. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/load.h"

/* A thousand machines would decrypt beside each other; played by one I/O thread they wait for it
 * while a core of this one idles, so they have as many as the server has. */
enum { READERS = 1000, FRAME_CHANGES = 100, BEAT_MS = 3000, READERS_IO_THREADS = 2 };

void row_seen(struct bench *bench, const struct bench_server *server, const char *name,
              double target)
{
    struct peer_identity identities[2];
    struct bench_peer writer;
    struct bench_peer reader;
    struct samples samples = {0};
    char note[64];
    join_many(bench, server, identities, 2);
    peer_open(&writer, bench->zmq, &identities[0]);
    peer_open(&reader, bench->zmq, &identities[1]);
    uint64_t bag = peer_sign_in(&writer, "seen.person");
    peer_follow(&reader, peer_sign_in(&reader, "seen.person"));
    uint64_t end = seconds_from_now(bench->seconds);
    while (clock_mono_ns() < end) {
        uint64_t before = clock_mono_ns();
        peer_write(&writer, bag, "copy/default", value_of());
        (void)peer_expect(&reader, WIRE_LIVE);
        samples_add(&samples, clock_mono_ns() - before);
        peer_acknowledged(&writer);
    }
    double p99 = samples_us(&samples, 0.99);
    (void)snprintf(note, sizeof note, "p99 %.0f us, %s 800", p99, p99 <= 800 ? "<=" : "over");
    row_print(name, samples_us(&samples, 0.5), "us", TARGET_AT_MOST, target, note);
    samples_free(&samples);
    peer_close(&writer);
    peer_close(&reader);
}

/* One bag, followed by many. */
struct audience {
    void *zmq;
    struct bench_peer writer;
    struct bench_peer *readers;
    uint64_t *seen; /* by each: up to which seq */
    struct load load;
    uint64_t bag;
    size_t open;      /* readers so far */
    uint64_t beat_ms; /* when they last told that they are there */
};

/* Who says nothing for long is taken for dead. */
static void beat(struct audience *audience)
{
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (now_ms - audience->beat_ms < BEAT_MS) {
        return;
    }
    audience->beat_ms = now_ms;
    for (size_t i = 0; i < audience->open; i++) {
        peer_heartbeat(&audience->readers[i]);
        while (peer_skim(&audience->readers[i], &audience->seen[i])) {
        }
    }
}

static void audience_open(struct bench *bench, struct audience *audience)
{
    struct peer_identity *identities = calloc(READERS + 1, sizeof *identities);
    audience->readers = calloc(READERS, sizeof *audience->readers);
    audience->seen = calloc(READERS, sizeof *audience->seen);
    ASSERT(identities != NULL && audience->readers != NULL && audience->seen != NULL);
    join_many(bench, &bench->server, identities, READERS + 1);
    load_open(&audience->load);
    audience->zmq = zmq_ctx_new();
    (void)zmq_ctx_set(audience->zmq, ZMQ_MAX_SOCKETS, READERS + 16);
    (void)zmq_ctx_set(audience->zmq, ZMQ_IO_THREADS, READERS_IO_THREADS);
    for (size_t i = 0; i < READERS; i++) {
        peer_open(&audience->readers[i], audience->zmq, &identities[i]);
        peer_follow(&audience->readers[i], peer_sign_in(&audience->readers[i], "famous.person"));
        load_add(&audience->load, &audience->readers[i], i);
        while (peer_skim(&audience->readers[i], &audience->seen[i])) {
        }
        audience->open++;
        beat(audience);
    }
    peer_open(&audience->writer, audience->zmq, &identities[READERS]);
    audience->bag = peer_sign_in(&audience->writer, "famous.person");
    free(identities);
}

static void audience_close(struct audience *audience)
{
    peer_close(&audience->writer);
    for (size_t i = 0; i < READERS; i++) {
        peer_close(&audience->readers[i]);
    }
    load_close(&audience->load);
    (void)zmq_ctx_term(audience->zmq);
    free(audience->readers);
    free(audience->seen);
}

/* Writes `count` items as one message; until every reader has them all. In ns. */
static uint64_t tell_all(struct audience *audience, uint32_t count)
{
    uint64_t seqs[WIRE_OPS_UNANSWERED];
    size_t ready[LOAD_READY_MAX];
    char path[32];
    uint64_t last = 0;
    beat(audience);
    uint64_t begin = clock_mono_ns();
    peer_begin_writes(&audience->writer, count);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(path, sizeof path, "bench/%u", i);
        peer_put_item(&audience->writer, audience->bag, path, value_of());
    }
    peer_send(&audience->writer);
    for (uint32_t done = 0; done < count;) {
        struct wire_message message = peer_expect(&audience->writer, WIRE_OUTCOME);
        size_t now = peer_outcomes(&message, seqs);
        last = seqs[now - 1];
        done += (uint32_t)now;
    }
    size_t missing = 0;
    for (size_t i = 0; i < READERS; i++) {
        missing += audience->seen[i] < last;
    }
    while (missing > 0) {
        size_t found = load_wait(&audience->load, ready, 10000);
        if (found == 0) {
            bench_fail("a change did not come to all machines within 10 s", NULL);
        }
        for (size_t i = 0; i < found; i++) {
            struct bench_peer *reader = &audience->readers[ready[i]];
            uint64_t *seen = &audience->seen[ready[i]];
            uint64_t before = *seen;
            while (peer_skim(reader, seen)) {
            }
            missing -= before < last && *seen >= last;
        }
    }
    return clock_mono_ns() - begin;
}

void rows_fan_out(struct bench *bench)
{
    struct audience audience = {0};
    struct samples many = {0};
    struct samples one = {0};
    char note[64];
    audience_open(bench, &audience);
    uint64_t end = seconds_from_now(bench->seconds);
    while (clock_mono_ns() < end || many.count < 3) {
        samples_add(&many, tell_all(&audience, FRAME_CHANGES));
    }
    (void)snprintf(note, sizeof note, "%zu rounds of %d changes to %d machines", many.count,
                   FRAME_CHANGES, READERS);
    row_print("fan-out of one bag, deliveries",
              FRAME_CHANGES * READERS * 1e6 / samples_us(&many, 0.5), "/s", TARGET_AT_LEAST,
              1500000, note);
    end = seconds_from_now(bench->seconds);
    while (clock_mono_ns() < end || one.count < 3) {
        samples_add(&one, tell_all(&audience, 1));
    }
    (void)snprintf(note, sizeof note, "p99 %.1f ms", samples_us(&one, 0.99) / 1000);
    row_print("one change to 1,000 machines, all of them, median", samples_us(&one, 0.5) / 1000,
              "ms", TARGET_AT_MOST, 15, note);
    samples_free(&one);
    samples_free(&many);
    audience_close(&audience);
}

void rows_seen(struct bench *bench)
{
    row_seen(bench, &bench->server, "write at one machine, seen at another, median", 400);
}
