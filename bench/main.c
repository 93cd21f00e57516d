/* bench/main.c - kitbag-bench: the speed table, everything encrypted, every write synced.
 *
 * Starts a kitbagd of its own on loopback and plays client machines against it, in this process:
 * server and load share the machine. Each row is told beside what the machine itself can do in the
 * same run; figures of different runs are not to be compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/peer.h"
#include "bench/raw.h"
#include "bench/stats.h"
#include "client/include/kitbag.h"

enum { VALUE_BYTES = 200, WRITERS = 16, ITEMS = 200, PATHS = 256 };

struct bench {
    struct bench_server server;
    void *zmq;
    double seconds; /* of each timed row */
    size_t idle_machines;
    size_t sign_ins;
};

static struct span value_of(void)
{
    static uint8_t bytes[VALUE_BYTES];
    memset(bytes, 'v', sizeof bytes);
    return span_of(bytes, sizeof bytes);
}

static void join_many(struct bench *bench, struct peer_identity *out, size_t count)
{
    char *tokens[100];
    for (size_t done = 0; done < count;) {
        size_t now = count - done < 100 ? count - done : 100;
        server_tokens(&bench->server, tokens, now);
        for (size_t i = 0; i < now; i++) {
            peer_join(bench->zmq, tokens[i], &out[done + i]);
            free(tokens[i]);
        }
        done += now;
    }
}

static double rate(size_t count, uint64_t from_ns)
{
    return (double)count * 1e9 / (double)(clock_mono_ns() - from_ns);
}

/* --- one writer, each write waits --- */

static void bench_one_writer(struct bench *bench, double floor_us)
{
    struct peer_identity identity;
    struct bench_peer peer;
    struct samples samples = {0};
    char note[64];
    char path[32];
    join_many(bench, &identity, 1);
    peer_open(&peer, bench->zmq, &identity);
    uint64_t bag = peer_sign_in(&peer, "one.writer");
    uint64_t begin = clock_mono_ns();
    uint64_t end = begin + (uint64_t)(bench->seconds * 1e9);
    for (size_t i = 0; clock_mono_ns() < end; i++) {
        (void)snprintf(path, sizeof path, "bench/%zu", i % PATHS);
        uint64_t before = clock_mono_ns();
        peer_write(&peer, bag, path, value_of());
        peer_acknowledged(&peer);
        samples_add(&samples, clock_mono_ns() - before);
    }
    double per_second = rate(samples.count, begin);
    double median = samples_us(&samples, 0.5);
    (void)snprintf(note, sizeof note, "p50 %.0f p99 %.0f us, %.2f of the limit", median,
                   samples_us(&samples, 0.99), floor_us / median);
    row_print("writes that wait, protocol, 1 writer", per_second, "/s", TARGET_AT_LEAST, 2500,
              note);
    samples_free(&samples);
    peer_close(&peer);
}

/* --- many writers with a connection each, each write waits --- */

static void bench_many_writers(struct bench *bench)
{
    static struct bench_peer peers[WRITERS];
    struct peer_identity identities[WRITERS];
    uint64_t bags[WRITERS];
    zmq_pollitem_t items[WRITERS];
    char text[32];
    join_many(bench, identities, WRITERS);
    for (size_t i = 0; i < WRITERS; i++) {
        (void)snprintf(text, sizeof text, "writer.%zu", i);
        peer_open(&peers[i], bench->zmq, &identities[i]);
        bags[i] = peer_sign_in(&peers[i], text);
        items[i] = (zmq_pollitem_t){.socket = peers[i].socket, .events = ZMQ_POLLIN};
    }
    size_t done = 0;
    uint64_t begin = clock_mono_ns();
    uint64_t end = begin + (uint64_t)(bench->seconds * 1e9);
    for (size_t i = 0; i < WRITERS; i++) {
        peer_write(&peers[i], bags[i], "bench/0", value_of());
    }
    while (clock_mono_ns() < end) {
        if (zmq_poll(items, WRITERS, 10000) <= 0) {
            bench_fail("no acknowledgement within 10 s", NULL);
        }
        for (size_t i = 0; i < WRITERS; i++) {
            if ((items[i].revents & ZMQ_POLLIN) != 0) {
                peer_acknowledged(&peers[i]);
                (void)snprintf(text, sizeof text, "bench/%zu", ++done % PATHS);
                peer_write(&peers[i], bags[i], text, value_of());
            }
        }
    }
    row_print("writes that wait, protocol, 16 writers, a connection each", rate(done, begin), "/s",
              TARGET_AT_LEAST, 15000, "the load shares the two cores");
    for (size_t i = 0; i < WRITERS; i++) {
        peer_close(&peers[i]);
    }
}

/* --- written at one machine, seen at another --- */

static void bench_seen(struct bench *bench)
{
    struct peer_identity identities[2];
    struct bench_peer writer;
    struct bench_peer reader;
    struct samples samples = {0};
    char note[64];
    join_many(bench, identities, 2);
    peer_open(&writer, bench->zmq, &identities[0]);
    peer_open(&reader, bench->zmq, &identities[1]);
    uint64_t bag = peer_sign_in(&writer, "seen.person");
    peer_follow(&reader, peer_sign_in(&reader, "seen.person"));
    uint64_t end = clock_mono_ns() + (uint64_t)(bench->seconds * 1e9);
    while (clock_mono_ns() < end) {
        uint64_t before = clock_mono_ns();
        peer_write(&writer, bag, "copy/default", value_of());
        (void)peer_expect(&reader, WIRE_LIVE);
        samples_add(&samples, clock_mono_ns() - before);
        peer_acknowledged(&writer);
    }
    (void)snprintf(note, sizeof note, "p99 %.0f us", samples_us(&samples, 0.99));
    row_print("write at one machine, seen at another, protocol, median", samples_us(&samples, 0.5),
              "us", TARGET_AT_MOST, 500, note);
    samples_free(&samples);
    peer_close(&writer);
    peer_close(&reader);
}

/* --- memory of idle machines --- */

static void bench_idle(struct bench *bench)
{
    size_t count = bench->idle_machines;
    struct peer_identity *identities = calloc(count, sizeof *identities);
    struct bench_peer *peers = calloc(count, sizeof *peers);
    char note[64];
    ASSERT(identities != NULL && peers != NULL);
    join_many(bench, identities, count);
    double before = server_rss_kib(&bench->server);
    for (size_t i = 0; i < count; i++) {
        peer_open(&peers[i], bench->zmq, &identities[i]);
    }
    double after = server_rss_kib(&bench->server);
    (void)snprintf(note, sizeof note, "%zu machines, %.0f MiB before", count, before / 1024);
    row_print("server memory for an idle machine", (after - before) / (double)count, "KiB",
              TARGET_AT_MOST, 64, note);
    for (size_t i = 0; i < count; i++) {
        peer_close(&peers[i]);
    }
    free(identities);
    free(peers);
}

/* --- through libkitbag --- */

static struct kb *machine_new(struct bench *bench, const char *name)
{
    char dir[160];
    char *token = NULL;
    struct kb *kb = NULL;
    struct kb_error error = {0};
    (void)snprintf(dir, sizeof dir, "%s/%s", bench->server.dir, name);
    struct kb_options options = {.size = sizeof options, .data_dir = dir};
    struct kb_join_options join = {.size = sizeof join, .name = name};
    server_tokens(&bench->server, &token, 1);
    if (kb_open(&kb, &options, &error) != 0 || kb_join(kb, token, &join, NULL, &error) != 0 ||
        kb_start(kb, &error) != 0) {
        (void)fprintf(stderr, "kitbag-bench: %s\n", error.text);
        bench_fail("a machine could not join", NULL);
    }
    free(token);
    return kb;
}

static void must(int code, const struct kb_error *error)
{
    if (code != 0) {
        (void)fprintf(stderr, "kitbag-bench: %s\n", error->text);
        bench_fail("libkitbag", NULL);
    }
}

static void bench_kb_set(struct bench *bench, struct kb *kb, double sync_us)
{
    struct kb_error error = {0};
    struct samples local = {0};
    struct samples both = {0};
    struct span value = value_of();
    char path[32];
    char note[64];
    must(kb_login(kb, "kb.person", NULL, 10000, &error), &error);
    uint64_t end = clock_mono_ns() + (uint64_t)(bench->seconds * 1e9);
    uint64_t begin = clock_mono_ns();
    while (clock_mono_ns() < end) {
        uint64_t op = 0;
        (void)snprintf(path, sizeof path, "bench/%zu", local.count % PATHS);
        uint64_t before = clock_mono_ns();
        must(kb_set(kb, "user:kb.person", path, value.data, value.size, NULL, &op, &error), &error);
        samples_add(&local, clock_mono_ns() - before);
        must(kb_wait(kb, op, 10000, &error), &error);
        samples_add(&both, clock_mono_ns() - before);
    }
    (void)snprintf(note, sizeof note, "p50 %.0f p99 %.0f us", samples_us(&both, 0.5),
                   samples_us(&both, 0.99));
    row_print("writes that wait, kb_set with its durable outbox", rate(both.count, begin), "/s",
              TARGET_NONE, 0, note);
    (void)snprintf(note, sizeof note, "p99 %.0f us; a raw sync takes %.0f",
                   samples_us(&local, 0.99), sync_us);
    row_print("kb_set alone: durable on this machine, median", samples_us(&local, 0.5), "us",
              TARGET_NONE, 0, note);
    samples_free(&local);
    samples_free(&both);
}

static void bench_sign_in(struct bench *bench, struct kb *first, struct kb *second)
{
    static struct kb_write writes[ITEMS];
    static char paths[ITEMS][32];
    struct samples samples = {0};
    struct kb_error error = {0};
    struct span value = value_of();
    char user[32];
    char bag[48];
    char note[64];
    uint64_t op = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "address-list/%zu", i);
        writes[i] = (struct kb_write){paths[i], value.data, value.size, false};
    }
    for (size_t i = 0; i < bench->sign_ins; i++) {
        (void)snprintf(user, sizeof user, "guest.%zu", i);
        (void)snprintf(bag, sizeof bag, "user:%s", user);
        must(kb_login(first, user, NULL, 10000, &error), &error);
        must(kb_apply(first, bag, writes, ITEMS, NULL, &op, &error), &error);
        must(kb_wait(first, op, 10000, &error), &error);
        uint64_t before = clock_mono_ns();
        must(kb_login(second, user, NULL, 10000, &error), &error);
        samples_add(&samples, clock_mono_ns() - before);
    }
    (void)snprintf(note, sizeof note, "p50 %.1f ms, %zu sign-ins", samples_us(&samples, 0.5) / 1000,
                   samples.count);
    row_print("sign-in of a user with 200 items, new here, p99", samples_us(&samples, 0.99) / 1000,
              "ms", TARGET_AT_MOST, 10, note);
    samples_free(&samples);
}

struct seen {
    uint64_t at_ns;
};

static void on_change(void *context, const struct kb_change *change)
{
    struct seen *seen = context;
    if (change->item != NULL) {
        seen->at_ns = clock_mono_ns();
    }
}

static void bench_kb_seen(struct bench *bench, struct kb *first, struct kb *second)
{
    struct samples samples = {0};
    struct kb_error error = {0};
    struct kb_watch *watch = NULL;
    struct seen seen = {0};
    char note[64];
    char value[VALUE_BYTES];
    memset(value, 'v', sizeof value);
    must(kb_login(first, "kb.seen", NULL, 10000, &error), &error);
    must(kb_login(second, "kb.seen", NULL, 10000, &error), &error);
    must(kb_watch(second, "user:kb.seen", on_change, &seen, &watch, &error), &error);
    uint64_t end = clock_mono_ns() + (uint64_t)(bench->seconds * 1e9);
    for (size_t i = 0; clock_mono_ns() < end; i++) {
        zmq_pollitem_t item = {.fd = kb_fd(second), .events = ZMQ_POLLIN};
        (void)snprintf(value, sizeof value, "%zu", i);
        seen.at_ns = 0;
        uint64_t before = clock_mono_ns();
        must(kb_set(first, "user:kb.seen", "copy/default", value, sizeof value, NULL, NULL, &error),
             &error);
        while (seen.at_ns == 0) {
            if (zmq_poll(&item, 1, 10000) <= 0) {
                bench_fail("a change was not seen within 10 s", NULL);
            }
            (void)kb_dispatch(second);
        }
        samples_add(&samples, seen.at_ns - before);
    }
    (void)snprintf(note, sizeof note, "p99 %.0f us; outbox, server, replica synced",
                   samples_us(&samples, 0.99));
    row_print("kb_set at one machine, kb_watch at another, median", samples_us(&samples, 0.5), "us",
              TARGET_NONE, 0, note);
    kb_unwatch(second, &watch);
    samples_free(&samples);
}

/* --- the whole --- */

static void bench_all(struct bench *bench)
{
    struct samples sync = {0};
    struct samples trip = {0};
    raw_sync(bench->server.dir, bench->seconds / 2, &sync);
    raw_round_trip(bench->seconds / 2, &trip);
    double sync_us = samples_us(&sync, 0.5);
    double trip_us = samples_us(&trip, 0.5);
    row_print("raw: 512-byte write and fdatasync, pre-written file, median", sync_us, "us",
              TARGET_NONE, 0, "");
    row_print("raw: CURVE round trip of 200 bytes, median", trip_us, "us", TARGET_NONE, 0, "");
    bench_one_writer(bench, sync_us + trip_us);
    bench_many_writers(bench);
    bench_seen(bench);
    struct kb *first = machine_new(bench, "machine-1");
    struct kb *second = machine_new(bench, "machine-2");
    bench_kb_set(bench, first, sync_us);
    bench_kb_seen(bench, first, second);
    bench_sign_in(bench, first, second);
    kb_close(&first);
    kb_close(&second);
    bench_idle(bench);
    samples_free(&sync);
    samples_free(&trip);
}

static int usage(int code)
{
    (void)fprintf(code == 0 ? stdout : stderr,
                  "Usage: kitbag-bench [--quick]\n\n"
                  "Measures a kitbagd of its own on this machine; --quick takes about a minute.\n"
                  "Rows end in ok or SHORT; the exit code is 0 either way.\n");
    return code;
}

int main(int argc, char **argv)
{
    bool quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return usage(0);
    }
    if (argc > 1 && !quick) {
        return usage(2);
    }
    static struct bench bench;
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    struct utsname name;
    (void)uname(&name);
    (void)printf("kitbag %s, Linux %s, %ld cores, values of %d bytes\n", kb_version(), name.release,
                 sysconf(_SC_NPROCESSORS_ONLN), VALUE_BYTES);
    bench.seconds = quick ? 4 : 15;
    bench.idle_machines = 1000;
    bench.sign_ins = quick ? 200 : 1000;
    bench.zmq = zmq_ctx_new();
    (void)zmq_ctx_set(bench.zmq, ZMQ_MAX_SOCKETS, 4096);
    server_start(&bench.server, self);
    bench_all(&bench);
    server_stop(&bench.server);
    (void)zmq_ctx_term(bench.zmq);
    (void)printf("%d rows SHORT\n", rows_short());
    return 0;
}
