/* admin/api/health.c - for programs that watch the server: /livez, /readyz, /metrics.
 *
 * /livez     this process answers
 * /readyz    the main thread answers, the state can be read, writes are taken, machines are served
 *            (not before a restore is confirmed); who may see more is told which of it does not
 *            hold (?verbose). Synchronization that an administrator
 *            stopped is no failure.
 * /metrics   the text format of Prometheus. Names are stable; no label names a user or a machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/warnings.h"
#include "base/log_ring.h"

enum {
    SILENT_MS = 3 * ADMIN_BOARD_SAMPLE_MS, /* the main thread is asked at least once a sample */
    TEXT_BYTES = 256 << 10,
};

static void begin_text(struct admin_response *response, const char *type)
{
    buf_init(&response->raw, TEXT_BYTES);
    response->is_raw = true;
    response->content_type = type;
}

static int end_text(struct admin_response *response, struct err *err)
{
    return buf_error(&response->raw) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_livez(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    (void)request;
    begin_text(response, "text/plain; charset=utf-8");
    (void)buf_append_span(&response->raw, SPAN_LITERAL("ok\n"));
    return end_text(response, err);
}

/* --- ready --- */

enum { CHECKS = 4 };

struct check {
    const char *name;
    bool good;
    char text[2 * ERR_TEXT_MAX];
};

static void check_all(struct admin_board *board, struct check checks[CHECKS])
{
    struct admin_board_facts facts;
    struct err err = {0};
    uint64_t age_ms = 0;
    int rc = admin_board_last(board, &facts, &age_ms, &err);
    bool writes = facts.status.state != SERVER_READ_ONLY;
    const char *why = writes ? "taken" : facts.status.state_text;
    checks[0] = (struct check){.name = "main", .good = rc != E_DEFERRED && age_ms <= SILENT_MS};
    checks[1] = (struct check){.name = "state", .good = rc == 0};
    checks[2] = (struct check){.name = "writes", .good = rc == 0 && writes};
    checks[3] = (struct check){.name = "restore", .good = rc == 0 && !facts.status.held};
    (void)snprintf(checks[0].text, sizeof checks[0].text, "answered %" PRIu64 " ms ago", age_ms);
    (void)snprintf(checks[1].text, sizeof checks[1].text, "%s", rc == 0 ? "is read" : err.text);
    (void)snprintf(checks[2].text, sizeof checks[2].text, "%s",
                   rc != 0          ? "not known"
                   : why[0] != '\0' ? why
                                    : "not taken");
    (void)snprintf(checks[3].text, sizeof checks[3].text, "%s",
                   rc != 0          ? "not known"
                   : checks[3].good ? "nothing is to be confirmed"
                                    : "the data came out of a backup: 'kitbagctl restore confirm'");
}

int admin_api_readyz(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    bool verbose = false;
    int rc = admin_query_bool(request, "verbose", &verbose, err);
    if (rc == 0 && verbose && request->role < ADMIN_ROLE_VIEWER) {
        rc = err_set(err, E_UNAUTHENTICATED, "sign in to be told more than 'ready' or not");
    }
    if (rc != 0) {
        return rc;
    }
    if (request->backend == NULL) { /* the carrier has no state to ask */
        return err_set(err, E_CLOSED, "not ready: the server is opening its state");
    }
    struct check checks[CHECKS];
    bool ready = true;
    check_all(request->backend->board, checks);
    begin_text(response, "text/plain; charset=utf-8");
    for (size_t i = 0; i < CHECKS; i++) {
        ready = ready && checks[i].good;
        if (verbose) {
            (void)buf_printf(&response->raw, "[%c] %s: %s\n", checks[i].good ? '+' : '-',
                             checks[i].name, checks[i].text);
        }
    }
    (void)buf_printf(&response->raw, "%s\n", ready ? "ready" : "not ready");
    response->status = ready ? 200 : 503;
    return end_text(response, err);
}

/* --- metrics --- */

struct metric {
    const char *name; /* behind "kitbag_" */
    const char *type;
    const char *help;
    double value;
};

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    (void)buf_printf(out, "# HELP kitbag_%s %s\n# TYPE kitbag_%s %s\n", name, help, name, type);
}

static void put_metrics(struct buf *out, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &metrics[i];
        put_head(out, metric->name, metric->type, metric->help);
        (void)buf_printf(out, "kitbag_%s %.17g\n", metric->name, metric->value);
    }
}

#define GAUGE(name, help, value)                                                                   \
    {                                                                                              \
        name, "gauge", help, (double)(value)                                                       \
    }
#define COUNTER(name, help, value)                                                                 \
    {                                                                                              \
        name "_total", "counter", help, (double)(value)                                            \
    }
#define PUT(out, metrics) put_metrics(out, metrics, sizeof(metrics) / sizeof(metrics)[0])

static void put_machines(struct buf *out, const struct server_status *status)
{
    const struct server_replicas *replicas = &status->replicas;
    const struct metric metrics[] = {
        GAUGE("devices", "Registered client machines, not removed.", status->devices),
        GAUGE("devices_connected", "Client machines that are connected.", status->sessions),
        GAUGE("devices_behind", "Connected machines that have not told to have all changes.",
              replicas->behind),
        GAUGE("device_lag_changes_max", "Changes that the machine furthest behind lacks.",
              replicas->lag),
        GAUGE("devices_diverged", "Machines refused for changes that the server never had.",
              replicas->diverged),
        GAUGE("devices_unverified", "Connected machines not compared for a day.",
              replicas->unverified),
    };
    PUT(out, metrics);
}

static void put_store(struct buf *out, const struct admin_board_facts *facts)
{
    const struct server_status *status = &facts->status;
    const struct journal_stat *journal = &facts->journal;
    const struct metric metrics[] = {
        GAUGE("users", "Registered users.", facts->counts.users),
        GAUGE("users_limit", "The most users that may be registered, 0: no limit.",
              status->users_limit),
        GAUGE("groups", "Registered groups.", facts->counts.groups),
        GAUGE("bags", "Bags of all kinds.", facts->counts.bags),
        GAUGE("items", "Items in all bags.", facts->counts.items),
        GAUGE("items_bytes", "Bytes of paths and values of all items.", facts->counts.bytes),
        GAUGE("journal_head_seq", "The newest change.", status->head.seq),
        GAUGE("journal_floor_seq", "The oldest change that is kept.", journal->floor_seq),
        GAUGE("journal_flushed_seq", "The newest change that the state on disk holds.",
              status->flushed_seq),
        GAUGE("journal_segments", "Files of the journal.", journal->segments),
        GAUGE("journal_bytes", "Bytes of changes in the journal.", journal->bytes),
        GAUGE("journal_file_bytes", "Bytes of the journal's files.", journal->file_bytes),
        GAUGE("disk_free_bytes", "Free bytes on the data folder's disk.", status->room_bytes),
        GAUGE("disk_reserve_bytes", "With fewer free bytes writes wait.", status->reserve_bytes),
        GAUGE("clock_stepped", "1 while the server's clock is not trusted.", status->clock_stepped),
        COUNTER("writes", "Changes committed since the start.", status->writes),
        COUNTER("digests_checked", "Bags compared with their digest since the start.",
                status->digests.bags),
        COUNTER("digests_wrong", "Bags that differed from their digest.", status->digests.wrong),
        COUNTER("bags_healed", "Bags that machines fetched anew for their digest.",
                status->digests.healed),
    };
    PUT(out, metrics);
}

static void put_state(struct buf *out, const struct admin_board_facts *facts)
{
    static const struct {
        enum server_state state;
        const char *name;
    } states[] = {
        {SERVER_RUNNING, "running"}, {SERVER_STOPPED, "stopped"}, {SERVER_READ_ONLY, "read-only"}};
    put_head(out, "build_info", "gauge", "Always 1; the label tells the version.");
    (void)buf_printf(out, "kitbag_build_info{version=\"%s\"} 1\n", KITBAG_VERSION);
    put_head(out, "state", "gauge", "1 for the state that the server is in.");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        (void)buf_printf(out, "kitbag_state{state=\"%s\"} %d\n", states[i].name,
                         facts->status.state == states[i].state);
    }
}

static void put_warnings(struct buf *out, const struct admin_board_facts *facts)
{
    struct admin_warning warnings[ADMIN_WARNING_KINDS];
    size_t count = admin_warnings(facts, warnings);
    size_t next = 0;
    put_head(out, "warning", "gauge", "1 for each warning that holds, as the status tells it.");
    for (size_t i = 0; i < ADMIN_WARNING_KINDS; i++) {
        bool holds = next < count && warnings[next].kind == (enum admin_warning_kind)i;
        next += holds;
        (void)buf_printf(out, "kitbag_warning{code=\"%s\"} %d\n",
                         admin_warning_code((enum admin_warning_kind)i), holds);
    }
}

static void put_log(struct buf *out)
{
    struct log_ring_range range;
    log_ring_range(&range);
    put_head(out, "log_lines_total", "counter", "Lines of the log since the start, by level.");
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        (void)buf_printf(out, "kitbag_log_lines_total{level=\"%s\"} %" PRIu64 "\n",
                         log_level_name((enum log_level)level), range.counts[level]);
    }
}

/* Resident pages, the second number of the file; 0: it can't be read. */
static uint64_t resident_bytes(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    const char *read = fgets(line, sizeof line, file);
    const char *second = read != NULL ? strchr(read, ' ') : NULL;
    (void)fclose(file); /* it was only read */
    return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void put_process(struct buf *out, const struct admin_board_facts *facts)
{
    struct timespec cpu = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    const struct metric metrics[] = {
        GAUGE("uptime_seconds", "For how long the server has been running.",
              (double)facts->status.uptime_ms / 1000),
        COUNTER("cpu_seconds", "Processor time of the server.",
                (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9),
        GAUGE("resident_memory_bytes", "Memory that the server has in use.", resident_bytes()),
    };
    PUT(out, metrics);
}

int admin_api_metrics(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct admin_board_facts facts;
    int rc = admin_board_facts(request->backend->board, true, &facts, err);
    if (rc != 0) {
        return rc;
    }
    begin_text(response, "text/plain; version=0.0.4; charset=utf-8");
    put_state(&response->raw, &facts);
    put_process(&response->raw, &facts);
    put_machines(&response->raw, &facts.status);
    put_store(&response->raw, &facts);
    put_warnings(&response->raw, &facts);
    put_log(&response->raw);
    return end_text(response, err);
}
