/* bench/rows_backup.c - how long a backup takes, and what everybody else feels of it.
 *
 * kitbagctl makes them, as an administrator would. Somebody writes all the time: the longest wait
 * for an acknowledgement while a backup is made, against that of as long a time without one.
 */
#include "bench/rows_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bystander.h"
#include "bench/stream.h"

enum {
    QUIET_MS = 1000, /* without a backup */
    FIRST_MS_PER_MILLION = 500,
    DELAY_US = 5000,
    SAID_MAX = 4096,
    SETTLE_MS = 3000, /* the state's own work is over */
};

static void wait_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    (void)nanosleep(&pause, NULL);
}

/* What kitbagctl says of the backup that it made, into `said`. */
static void make_backup(const struct bench_server *server, char *said, size_t size)
{
    char command[4096 + 512];
    (void)snprintf(command, sizeof command,
                   "'%s/kitbagctl' --data '%s' backup '%s/backups' --output json", server->bin,
                   server->data, server->dir);
    FILE *output = popen(command, "re");
    size_t read = output != NULL ? fread(said, 1, size - 1, output) : 0;
    said[read] = '\0';
    if (output == NULL || pclose(output) != 0 || read == 0) {
        bench_fail("kitbagctl backup failed", NULL);
    }
}

static double number_of(const char *said, const char *member)
{
    char name[64];
    (void)snprintf(name, sizeof name, "\"%s\":", member);
    const char *at = strstr(said, name);
    return at != NULL ? strtod(at + strlen(name), NULL) : 0;
}

/* One backup while the bystander writes. */
static void row_backup(struct bystander *bystander, const struct bench_server *server,
                       const char *name, double target_ms)
{
    char note[128];
    char report[SAID_MAX];
    bystander_again(bystander);
    wait_ms(QUIET_MS);
    bystander_stop(bystander);
    double quiet_us = samples_us(&bystander->samples, 1);
    bystander_again(bystander);
    wait_ms(50);
    make_backup(server, report, sizeof report);
    bystander_stop(bystander);
    double worst_us = samples_us(&bystander->samples, 1);
    (void)snprintf(note, sizeof note, "%.0f MiB, %.0f of them new; of one moment in %.1f ms",
                   number_of(report, "bytes") / (1 << 20),
                   number_of(report, "new_bytes") / (1 << 20),
                   number_of(report, "frozen_us") / 1000);
    row_print(name, number_of(report, "took_ms"), "ms", TARGET_AT_MOST, target_ms, note);
    (void)snprintf(note, sizeof note, "%.0f us in %d ms without; p99 %.0f us", quiet_us, QUIET_MS,
                   samples_us(&bystander->samples, 0.99));
    row_print("... the longest wait for a write meanwhile, beyond that without",
              worst_us > quiet_us ? worst_us - quiet_us : 0, "us", TARGET_AT_MOST, DELAY_US, note);
}

void rows_backup(struct bench *bench)
{
    static const char *const options[] = {"--set", "limits.users=2000000", NULL};
    static struct bench_server server;
    static struct stream streams[STREAMS_MAX];
    static struct bystander bystander;
    size_t users = bench->quick ? 100000 : 1000000;
    size_t items = users * STREAM_BAG_ITEMS;
    char name[80];
    server_start(&server, bench->server.bin, options);
    streams_open(bench, &server, streams, STREAMS_MAX);
    streams_populate(streams, STREAMS_MAX, "crowd", users / STREAMS_MAX);
    streams_close(streams, STREAMS_MAX);
    wait_ms(SETTLE_MS);
    bystander_start(&bystander, bench, &server);
    bystander_stop(&bystander);
    (void)snprintf(name, sizeof name, "first backup of %zu items", items);
    row_backup(&bystander, &server, name, (double)items / 1000000 * FIRST_MS_PER_MILLION);
    (void)snprintf(name, sizeof name, "the next backup of %zu items", items);
    row_backup(&bystander, &server, name, (double)items / 1000000 * FIRST_MS_PER_MILLION);
    bystander_close(&bystander);
    server_stop(&server);
}
