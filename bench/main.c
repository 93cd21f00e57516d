/* bench/main.c - kitbag-bench: the speed table, everything encrypted, every write synced.
 *
 * Starts a kitbagd of its own on loopback and plays client machines against it: server and load
 * share the machine. Each row is told beside what the machine itself can do in the same run;
 * figures of different runs are not to be compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/raw.h"
#include "bench/rows_backup.h"
#include "client/include/kitbag.h"

struct span value_of(void)
{
    static uint8_t bytes[VALUE_BYTES];
    memset(bytes, 'v', sizeof bytes);
    return span_of(bytes, sizeof bytes);
}

double rate(size_t count, uint64_t from_ns)
{
    return (double)count * 1e9 / (double)(clock_mono_ns() - from_ns);
}

uint64_t seconds_from_now(double seconds)
{
    return clock_mono_ns() + (uint64_t)(seconds * 1e9);
}

void join_many(struct bench *bench, const struct bench_server *server, struct peer_identity *out,
               size_t count)
{
    char *tokens[100];
    for (size_t done = 0; done < count;) {
        size_t now = count - done < 100 ? count - done : 100;
        server_tokens(server, tokens, now);
        for (size_t i = 0; i < now; i++) {
            peer_join(bench->zmq, tokens[i], &out[done + i]);
            free(tokens[i]);
        }
        done += now;
    }
}

static void rows_raw(struct bench *bench)
{
    struct samples sync = {0};
    struct samples trip = {0};
    raw_sync(bench->server.dir, bench->seconds / 2, &sync);
    raw_round_trip(bench->seconds / 2, &trip);
    bench->sync_us = samples_us(&sync, 0.5);
    bench->trip_us = samples_us(&trip, 0.5);
    row_print("raw: 512-byte write and fdatasync, pre-written file, median", bench->sync_us, "us",
              TARGET_NONE, 0, "");
    row_print("raw: CURVE round trip of 200 bytes, median", bench->trip_us, "us", TARGET_NONE, 0,
              "");
    samples_free(&sync);
    samples_free(&trip);
}

/* Parts of the table, by the name that picks them. */
static const struct {
    const char *name;
    void (*run)(struct bench *bench);
} parts[] = {
    {"write", rows_write},     {"seen", rows_seen},         {"fanout", rows_fan_out},
    {"library", rows_library}, {"pipeline", rows_pipeline}, {"spread", rows_spread},
    {"replay", rows_replay},   {"fleet", rows_fleet},       {"state", rows_state},
    {"busy", rows_busy_poll},  {"admin", rows_admin},       {"snapshot", rows_snapshot},
    {"backup", rows_backup},   {"exports", rows_exports},
};

static int usage(int code)
{
    (void)fprintf(code == 0 ? stdout : stderr,
                  "Usage: kitbag-bench [--quick] [PART]...\n\n"
                  "Measures a kitbagd of its own on this machine. --quick makes everything small.\n"
                  "Parts: ");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)fprintf(code == 0 ? stdout : stderr, "%s%s", i == 0 ? "" : ", ", parts[i].name);
    }
    (void)fprintf(code == 0 ? stdout : stderr,
                  "; all when none is named.\n"
                  "Rows end in ok or SHORT; the exit code is 0 either way.\n");
    return code;
}

/* Which commit of the sources this was built from, as they are now. */
static void commit_of_sources(char *out, size_t size)
{
    static const char command[] = "git -C '" KITBAG_SOURCE_DIR "' describe --always --dirty";
    FILE *pipe = popen(command, "re"); /* NOLINT(cert-env33-c): a command of our own */
    if (pipe == NULL || fgets(out, (int)size, pipe) == NULL) {
        (void)snprintf(out, size, "no commit");
    }
    out[strcspn(out, "\n")] = '\0';
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
}

static bool wanted(int argc, char **argv, const char *name)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
        any = any || argv[i][0] != '-';
    }
    return !any;
}

static bool known(const char *word)
{
    bool found = strcmp(word, "--quick") == 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        found = found || strcmp(word, parts[i].name) == 0;
    }
    return found;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(0);
        }
        if (!known(argv[i])) {
            return usage(2);
        }
        bench.quick = bench.quick || strcmp(argv[i], "--quick") == 0;
    }
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    char commit[64];
    struct utsname name;
    commit_of_sources(commit, sizeof commit);
    (void)uname(&name);
    (void)printf("kitbag %s (%s), Linux %s, %ld cores, values of %d bytes%s\n", kb_version(),
                 commit, name.release, sysconf(_SC_NPROCESSORS_ONLN), VALUE_BYTES,
                 bench.quick ? ", quick" : "");
    bench.seconds = bench.quick ? 3 : 15;
    bench.zmq = zmq_ctx_new();
    (void)zmq_ctx_set(bench.zmq, ZMQ_MAX_SOCKETS, 16384);
    server_start(&bench.server, self, NULL);
    rows_raw(&bench);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (wanted(argc, argv, parts[i].name)) {
            parts[i].run(&bench);
        }
    }
    server_stop(&bench.server);
    (void)zmq_ctx_term(bench.zmq);
    (void)printf("%d rows SHORT\n", rows_short());
    return 0;
}
