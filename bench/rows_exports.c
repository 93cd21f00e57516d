/* bench/rows_exports.c - how long user data takes to be prepared for export, and what everybody
 * else feels of it.
 *
 * kitbagctl prepares it, as an administrator would: 500 people with 200 addresses each, of several
 * departments whose lists were filled by an import. Somebody writes all the time.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "bench/bystander.h"

enum {
    PEOPLE = 500,
    DEPARTMENT = 201, /* each has the other 200 in the personal address list */
    DEPARTMENTS = 3,
    QUIET_MS = 1000,
    TARGET_MS = 2000,
    DELAY_US = 5000,
    SETTLE_MS = 2000, /* the state's own work is over */
    COMMAND_MAX = 64 << 10,
    FILES_MAX_KIB = 64 << 10, /* of memory that may be taken besides */
};

static void wait_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    (void)nanosleep(&pause, NULL);
}

static void run(const struct bench_server *server, const char *words)
{
    static char command[COMMAND_MAX];
    int size = snprintf(command, sizeof command, "'%s/kitbagctl' --data '%s' %s >/dev/null 2>&1",
                        server->bin, server->data, words);
    FILE *output = size > 0 && (size_t)size < sizeof command ? popen(command, "re") : NULL;
    if (output == NULL || pclose(output) != 0) {
        bench_fail("kitbagctl failed", NULL);
    }
}

static void populate(const struct bench_server *server)
{
    char path[256];
    char words[512];
    (void)snprintf(path, sizeof path, "%s/people.csv", server->dir);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        bench_fail("the file of people can't be written", NULL);
    }
    (void)fprintf(file, "uid,name,mail,telephone,department\n");
    for (int i = 0; i < DEPARTMENT * DEPARTMENTS; i++) {
        (void)fprintf(file, "p%04d,Person %d,p%d@example.org,+49 30 %d,Department %d\n", i, i, i, i,
                      i / DEPARTMENT);
    }
    (void)fclose(file);
    (void)snprintf(words, sizeof words, "import people '%s' --colleagues", path);
    run(server, words);
}

static void choose(char *words, size_t size)
{
    size_t used = (size_t)snprintf(words, size, "export prepare");
    for (int i = 0; i < PEOPLE && used < size; i++) {
        used += (size_t)snprintf(words + used, size - used, " --user p%04d", i);
    }
}

static void row_export(struct bystander *bystander, const struct bench_server *server)
{
    static char words[COMMAND_MAX];
    char note[128];
    choose(words, sizeof words);
    bystander_again(bystander);
    wait_ms(QUIET_MS);
    bystander_stop(bystander);
    double quiet_us = samples_us(&bystander->samples, 1);
    double before_kib = server_rss_kib(server);
    bystander_again(bystander);
    uint64_t from_ns = clock_mono_ns();
    run(server, words);
    double took_ms = (double)(clock_mono_ns() - from_ns) / 1e6;
    bystander_stop(bystander);
    double worst_us = samples_us(&bystander->samples, 1);
    row_print("user data prepared for export: 500 users x 200 items", took_ms, "ms", TARGET_AT_MOST,
              TARGET_MS, "with kitbagctl, and a heartbeat of 100 ms");
    (void)snprintf(note, sizeof note, "%.0f us in %d ms without; p99 %.0f us", quiet_us, QUIET_MS,
                   samples_us(&bystander->samples, 0.99));
    row_print("... the longest wait for a write meanwhile, beyond that without",
              worst_us > quiet_us ? worst_us - quiet_us : 0, "us", TARGET_AT_MOST, DELAY_US, note);
    double more_kib = server_rss_kib(server) - before_kib;
    row_print("... memory of the server besides", more_kib > 0 ? more_kib : 0, "KiB",
              TARGET_AT_MOST, FILES_MAX_KIB, "blocks of both files, and of the state");
}

void rows_exports(struct bench *bench)
{
    static const char *const options[] = {"--set", "stream.heartbeat=100ms", NULL};
    static struct bench_server server;
    static struct bystander bystander;
    server_start(&server, bench->server.bin, options);
    populate(&server);
    wait_ms(SETTLE_MS);
    bystander_start(&bystander, bench, &server);
    bystander_stop(&bystander);
    row_export(&bystander, &server);
    bystander_close(&bystander);
    server_stop(&server);
}
