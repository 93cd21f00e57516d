/* bench/rows_admin.c - administration by HTTPS of a server with a million users: lists, searches,
 * deletions, and what they cost whoever writes meanwhile.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bystander.h"
#include "bench/fleet.h"
#include "bench/https.h"
#include "bench/rows_admin.h"
#include "bench/stream.h"

enum {
    DELETE_USERS = 500,
    DELETE_ROUNDS = 5,
    BUSY_CHANGES = 100000, /* of one bag, for its history */
    ASKED = 25,            /* times for each question */
    PAGE_TARGET_MS = 50,
    DELETE_TARGET_MS = 200,
    DELAY_TARGET_MS = 5,
    WINDOW_S = 4, /* beside one kind of work */
};

#define PASSWORD "bench bench bench"

/* --- the server --- */

/* So many users with items, machines with twenty of their own each, and one busy bag; started anew,
 * as one that has been there for long. */
static void populate(struct bench *bench, struct bench_server *server, size_t users,
                     size_t machines)
{
    static struct stream streams[STREAMS_MAX];
    static struct fleet fleet;
    streams_open(bench, server, streams, STREAMS_MAX);
    streams_populate(streams, STREAMS_MAX, "crowd", users / STREAMS_MAX);
    streams_close(streams, STREAMS_MAX);
    streams_open(bench, server, streams, 1);
    streams_sign_in(streams, 1, "busy", 1);
    streams[0].paths = STREAM_BAG_ITEMS;
    streams[0].window = STREAM_WINDOW;
    (void)streams_run(streams, 1, 0, BUSY_CHANGES);
    streams_close(streams, 1);
    fleet_start(&fleet, server, machines);
    (void)fleet_do(&fleet, FLEET_ENROLL);
    (void)fleet_do(&fleet, FLEET_SIGN_IN);
    fleet_stop(&fleet);
    server_kill(server, true);
    (void)server_again(server);
}

static char password_file[] = "/var/tmp/kitbag-bench-password-XXXXXX";

static void start(struct bench *bench, struct bench_server *server)
{
    static const char *const options[] = {"--set",
                                          "limits.users=2000000",
                                          "--set",
                                          "server.console=127.0.0.1:0",
                                          "--set",
                                          "console.connections_per_address=1000",
                                          "--admin-password-file",
                                          password_file,
                                          NULL};
    int fd = mkstemp(password_file);
    if (fd < 0 || write(fd, PASSWORD "\n", sizeof PASSWORD) != sizeof PASSWORD) {
        bench_fail("can't write a file for the password in /var/tmp", NULL);
    }
    (void)close(fd);
    server_start(server, bench->server.bin, options);
}

/* --- lists --- */

static const struct {
    const char *name;
    const char *target;
} questions[] = {
    {"users, the first page of 500", "/api/v1/owners"},
    {"users, a page of 1000 in the middle", "/api/v1/owners?limit=1000&cursor=user:crowd.2.1"},
    {"search that most users match", "/api/v1/owners?search=ROW"},
    {"search that a handful match", "/api/v1/owners?search=3.24999"},
    {"search that nobody matches", "/api/v1/owners?search=nobody"},
    {"one user", "/api/v1/owners/user/crowd.1.77"},
    {"machines that hold one user", "/api/v1/owners/user/fleet.7/devices"},
    {"machines, a page of 500", "/api/v1/devices"},
    {"machines, filter that none matches", "/api/v1/devices?filter=nothing"},
    {"machines, those connected", "/api/v1/devices?state=connected"},
    {"history of a bag with 100,000 changes", "/api/v1/owners/user/busy.0.0/history"},
    {"audit", "/api/v1/audit"},
    {"deleted users, 100", "/api/v1/owners/deleted"},
    {"deleted users, 1000", "/api/v1/owners/deleted?limit=1000"},
    {"log", "/api/v1/log"},
};

static void lists(struct https *https, struct buf *answer)
{
    char name[96];
    char note[64];
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        struct samples samples = {0};
        for (size_t asked = 0; asked < ASKED; asked++) {
            samples_add(&samples, https_ask(https, "GET", questions[i].target, NULL, answer));
        }
        (void)snprintf(name, sizeof name, "console: %s, median", questions[i].name);
        (void)snprintf(note, sizeof note, "worst of %d %.0f ms, %zu KiB", ASKED,
                       samples_us(&samples, 1) / 1000, answer->size >> 10);
        row_print(name, samples_us(&samples, 0.5) / 1000, "ms", TARGET_AT_MOST, PAGE_TARGET_MS,
                  note);
        samples_free(&samples);
    }
}

/* --- deleting --- */

struct admin_job {
    struct https *https;
    struct buf *answer;
    size_t next;  /* the first of the next 500 */
    size_t users; /* how many there were of this crowd */
};

/* The names of 500 users who are there. */
static char *deletion_body(size_t first, const char *rest)
{
    struct buf text;
    char name[64];
    buf_init(&text, 1 << 20);
    (void)buf_append_span(&text, span_str("{\"users\":["));
    for (size_t i = 0; i < DELETE_USERS; i++) {
        (void)snprintf(name, sizeof name, "%s\"crowd.0.%zu\"", i > 0 ? "," : "", first + i);
        (void)buf_append_span(&text, span_str(name));
    }
    (void)buf_append_span(&text, span_str("]"));
    (void)buf_append_span(&text, span_str(rest));
    (void)buf_append_span(&text, span_of("}", 2));
    ASSERT(buf_error(&text) == 0);
    return (char *)text.data;
}

static uint64_t delete_some(struct admin_job *job, size_t first, bool dry_run)
{
    char *body = deletion_body(first, dry_run ? ",\"dry_run\":true" : "");
    uint64_t took = https_ask(job->https, "POST", "/api/v1/owners/delete", body, job->answer);
    free(body);
    return took;
}

static uint64_t head_seq(struct admin_job *job)
{
    (void)https_ask(job->https, "GET", "/api/v1/journal/stat", NULL, job->answer);
    static const char mark[] = "\"head\":";
    (void)buf_append_span(job->answer, span_of("", 1));
    const char *at = strstr((const char *)job->answer->data, mark);
    at = at != NULL ? at + sizeof mark - 1 : "0";
    return strtoull(at + (*at == '"'), NULL, 10);
}

static uint64_t restore_some(struct admin_job *job, size_t first, uint64_t at)
{
    char rest[64];
    (void)snprintf(rest, sizeof rest, ",\"at\":\"%llu\"", (unsigned long long)at);
    char *body = deletion_body(first, rest);
    uint64_t took = https_ask(job->https, "POST", "/api/v1/owners/restore", body, job->answer);
    free(body);
    return took;
}

static void deletions(struct admin_job *job)
{
    struct samples previews = {0};
    struct samples deleted = {0};
    struct samples restored = {0};
    char note[64];
    for (size_t i = 0; i < DELETE_ROUNDS; i++, job->next += DELETE_USERS) {
        uint64_t before = head_seq(job);
        samples_add(&previews, delete_some(job, job->next, true));
        samples_add(&deleted, delete_some(job, job->next, false));
        if (i == 0) { /* the others stay deleted, for the list of them */
            samples_add(&restored, restore_some(job, job->next, before));
        }
    }
    (void)snprintf(note, sizeof note, "worst of %d %.0f ms", DELETE_ROUNDS,
                   samples_us(&previews, 1) / 1000);
    row_print("console: preview of deleting 500 users, median", samples_us(&previews, 0.5) / 1000,
              "ms", TARGET_AT_MOST, DELETE_TARGET_MS, note);
    (void)snprintf(note, sizeof note, "worst of %d %.0f ms", DELETE_ROUNDS,
                   samples_us(&deleted, 1) / 1000);
    row_print("console: deleting 500 users, median", samples_us(&deleted, 0.5) / 1000, "ms",
              TARGET_AT_MOST, DELETE_TARGET_MS, note);
    row_print("console: restoring 500 users of 10 items", samples_us(&restored, 0.5) / 1000, "ms",
              TARGET_NONE, 0, "");
    samples_free(&previews);
    samples_free(&deleted);
    samples_free(&restored);
}

/* --- what it costs whoever writes --- */

static void do_nothing(struct admin_job *job)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    (void)job;
    (void)nanosleep(&pause, NULL);
}

static void do_lists(struct admin_job *job)
{
    (void)https_ask(job->https, "GET", "/api/v1/owners?limit=1000", NULL, job->answer);
    (void)https_ask(job->https, "GET", "/api/v1/devices", NULL, job->answer);
    (void)https_ask(job->https, "GET", "/api/v1/owners/deleted", NULL, job->answer);
}

static void do_searches(struct admin_job *job)
{
    (void)https_ask(job->https, "GET", "/api/v1/owners?search=nobody", NULL, job->answer);
    (void)https_ask(job->https, "GET", "/api/v1/owners?search=ROW", NULL, job->answer);
}

static void do_previews(struct admin_job *job)
{
    (void)delete_some(job, job->next, true);
}

/* A quick machine gets through them before the time is over; the last 500 are left. */
static void do_deletions(struct admin_job *job)
{
    if (job->next + 2 * DELETE_USERS > job->users) {
        do_nothing(job);
        return;
    }
    (void)delete_some(job, job->next, false);
    job->next += DELETE_USERS;
}

static void do_restores(struct admin_job *job)
{
    uint64_t before = head_seq(job);
    (void)delete_some(job, job->next, false);
    (void)restore_some(job, job->next, before);
}

static void do_history(struct admin_job *job)
{
    (void)https_ask(job->https, "GET", "/api/v1/owners/user/busy.0.0/history?limit=1000", NULL,
                    job->answer);
    (void)https_ask(job->https, "GET", "/api/v1/audit", NULL, job->answer);
}

/* How the writer fared meanwhile, in ms. */
struct delays {
    double p99;
    double most;
    size_t times;
};

static struct delays beside(struct bystander *bystander, struct admin_job *job,
                            void (*work)(struct admin_job *job))
{
    struct delays delays = {0};
    bystander_again(bystander);
    for (uint64_t end = seconds_from_now(WINDOW_S); clock_mono_ns() < end; delays.times++) {
        work(job);
    }
    bystander_stop(bystander);
    delays.p99 = samples_us(&bystander->samples, 0.99) / 1000;
    delays.most = samples_us(&bystander->samples, 1) / 1000;
    return delays;
}

/* Others on the machine delay a write too: so what counts is the difference to the quiet time next
 * to it. */
static void costs(struct bench *bench, const struct bench_server *server, struct admin_job *job)
{
    static const struct {
        const char *name;
        void (*work)(struct admin_job *job);
    } works[] = {
        {"lists", do_lists},         {"searches", do_searches}, {"previews", do_previews},
        {"deletions", do_deletions}, {"restores", do_restores}, {"history", do_history},
    };
    static struct bystander bystander;
    char name[96];
    char note[96];
    bystander_start(&bystander, bench, server);
    bystander_stop(&bystander);
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        struct delays quiet = beside(&bystander, job, do_nothing);
        struct delays busy = beside(&bystander, job, works[i].work);
        (void)snprintf(name, sizeof name, "commit beside %s, p99 over the quiet one's",
                       works[i].name);
        (void)snprintf(note, sizeof note, "p99 %.1f/%.1f most %.0f/%.0f ms, %zu times", busy.p99,
                       quiet.p99, busy.most, quiet.most, busy.times);
        row_print(name, busy.p99 - quiet.p99, "ms", TARGET_AT_MOST, DELAY_TARGET_MS, note);
    }
    bystander_close(&bystander);
}

void rows_admin(struct bench *bench)
{
    static struct bench_server server;
    struct https_site site;
    struct https https;
    struct buf answer;
    size_t users = bench->quick ? 100000 : 1000000;
    start(bench, &server);
    populate(bench, &server, users, bench->quick ? 1000 : 10000);
    (void)printf("%zu users of %d items, %d machines:\n", users, STREAM_BAG_ITEMS,
                 bench->quick ? 1000 : 10000);
    https_site_open(&site, &server, PASSWORD);
    https_open(&https, &site);
    buf_init(&answer, 64 << 20);
    struct admin_job job = {.https = &https, .answer = &answer, .users = users / STREAMS_MAX};
    deletions(&job);
    lists(&https, &answer);
    costs(bench, &server, &job);
    buf_free(&answer);
    https_close(&https);
    rows_console(bench, &server, &site);
    https_site_close(&site);
    server_stop(&server);
    (void)unlink(password_file);
}
