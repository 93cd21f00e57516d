/* bench/rows_library.c - through libkitbag: its outbox, its replica, its watches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "client/include/kitbag.h"

enum { ITEMS = 200 };

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

static void kb_set_row(struct bench *bench, struct kb *kb)
{
    struct kb_error error = {0};
    struct samples local = {0};
    struct samples both = {0};
    struct span value = value_of();
    char path[32];
    char note[64];
    must(kb_login(kb, "kb.person", NULL, 10000, &error), &error);
    uint64_t end = seconds_from_now(bench->seconds);
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
                   samples_us(&local, 0.99), bench->sync_us);
    row_print("kb_set alone: durable on this machine, median", samples_us(&local, 0.5), "us",
              TARGET_NONE, 0, note);
    samples_free(&local);
    samples_free(&both);
}

static void sign_in_row(struct bench *bench, struct kb *first, struct kb *second)
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
    for (size_t i = 0; i < (size_t)(bench->quick ? 200 : 1000); i++) {
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

static void kb_seen_row(struct bench *bench, struct kb *first, struct kb *second)
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
    uint64_t end = seconds_from_now(bench->seconds);
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

void rows_library(struct bench *bench)
{
    struct kb *first = machine_new(bench, "machine-1");
    struct kb *second = machine_new(bench, "machine-2");
    kb_set_row(bench, first);
    kb_seen_row(bench, first, second);
    sign_in_row(bench, first, second);
    kb_close(&first);
    kb_close(&second);
}
