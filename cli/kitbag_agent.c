/* cli/kitbag_agent.c - `kitbag agent`: owns the data folder, keeps it connected, serves the others.
 *
 * Logs what the machine goes through, one line per change: the library itself never logs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/thread.h"
#include "cli/kitbag_settings.h"
#include "cli/kitbag_status.h"
#include "cli/kitbag_verbs.h"

enum { BUSY_WAIT_MS = 5000, BUSY_PAUSE_MS = 50, REPORT_EVERY_MS = 500 };

/* --- telling what happens --- */

/* Looks at the status twice a second and logs what changed. */
struct reporter {
    struct kb *kb;
    int stop[2]; /* a pipe: closed to stop */
};

static void report(const struct kb_status *now)
{
    const char *phase = status_phase_name((uint64_t)now->phase);
    log_event(now->code == 0 ? LOG_INFO : LOG_WARNING, "agent", "machine.phase",
              "phase=%s code=%s server=%s users=%" PRIu64 " pending=%" PRIu64 " refused=%" PRIu64
              " text=%s",
              phase, now->code == 0 ? "ok" : kb_code_name(now->code), now->server, now->users,
              now->pending, now->refused, LOG_Q(now->text));
    if (now->mirror_code != 0 || now->mirror_text[0] != '\0') {
        log_event(now->mirror_code == 0 ? LOG_INFO : LOG_WARNING, "agent", "machine.mirror",
                  "seq=%" PRIu64 " code=%s text=%s", now->mirror_seq,
                  now->mirror_code == 0 ? "ok" : kb_code_name(now->mirror_code),
                  LOG_Q(now->mirror_text));
    }
    notify_send("STATUS=%s%s%s", phase, now->text[0] != '\0' ? ": " : "", now->text);
}

static void reporter_run(struct thread *self, void *context)
{
    struct reporter *reporter = context;
    struct kb_status last = {0};
    bool first = true;
    struct pollfd stop = {.fd = reporter->stop[0], .events = POLLIN};
    thread_ready(self, 0, NULL);
    do {
        struct kb_status now = {.size = sizeof now};
        kb_status(reporter->kb, &now);
        if (!first && now.healed > last.healed) {
            log_event(LOG_WARNING, "agent", "bag.healed", "healed=%" PRIu64 " text=%s", now.healed,
                      LOG_Q(now.text));
            last.healed = now.healed;
        }
        if (first || now.phase != last.phase || now.code != last.code ||
            now.refused != last.refused || now.mirror_code != last.mirror_code ||
            strcmp(now.mirror_text, last.mirror_text) != 0) {
            report(&now);
            last = now;
            first = false;
        }
    } while (poll(&stop, 1, REPORT_EVERY_MS) == 0);
}

/* --- serving --- */

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

/* A command that works without an agent has the folder for a moment only: wait for it. */
static int open_folder(struct kb **kb, const struct kb_options *options, struct err *err)
{
    uint64_t give_up_ms = clock_mono_ms(&clock_system) + BUSY_WAIT_MS;
    struct kb_error error = {0};
    int rc;
    while ((rc = kb_open(kb, options, &error)) == E_BUSY &&
           clock_mono_ms(&clock_system) < give_up_ms) {
        pause_ms(BUSY_PAUSE_MS);
    }
    return rc == 0 ? 0 : err_set(err, rc, "%s", error.text);
}

static void on_ready(void *context)
{
    log_event(LOG_INFO, "agent", "agent.ready", "socket=%s", LOG_Q(context));
    notify_send("READY=1");
}

static int serve(struct kb *kb, char *socket, int stop_fd, struct err *err)
{
    struct reporter reporter = {.kb = kb};
    struct thread *thread = NULL;
    if (pipe2(reporter.stop, O_CLOEXEC) != 0) {
        return err_sys(err, "pipe", "the agent");
    }
    int rc = thread_start(&thread, "report", reporter_run, &reporter, err);
    if (rc == 0) {
        rc = agent_run(kb, socket, stop_fd, on_ready, socket, err);
    }
    notify_send("STOPPING=1");
    (void)close(reporter.stop[1]); /* the reporter sees a hang-up */
    thread_join(&thread);
    (void)close(reporter.stop[0]);
    return rc;
}

/* SIGTERM and SIGINT as a descriptor; blocked before any thread is started. */
static int stop_signals(struct err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
    return fd >= 0 ? fd : err_sys(err, "signalfd", "the agent");
}

static int run_agent(const struct config *config, int stop_fd, struct err *err)
{
    const char *socket = config_text(config, "client.socket");
    struct kb_options options = {
        .size = sizeof options,
        .data_dir = config_text(config, "client.data"),
        .socket = socket[0] != '\0' ? socket : NULL,
        .map_bytes = config_u64(config, "client.map_size"),
        .outbox_bytes = config_u64(config, "client.outbox_size"),
        .mirror_dir = config_text(config, "client.mirror"),
        .mirror_keep_ms = config_u64(config, "client.mirror_keep"),
        .keep_users_max = config_u64(config, "replica.keep_users"),
        .keep_unused_ms = config_u64(config, "replica.keep_unused"),
    };
    char path[AGENT_SOCKET_MAX + 1];
    struct kb *kb = NULL;
    int rc = agent_socket_path(&options, path, sizeof path, err);
    if (rc == 0) {
        rc = open_folder(&kb, &options, err);
    }
    if (rc == 0) {
        rc = serve(kb, path, stop_fd, err);
    }
    kb_close(&kb);
    return rc;
}

int verb_agent(const struct invocation *invocation, struct err *err)
{
    struct config *config = NULL;
    enum log_level level = LOG_INFO;
    int rc = kitbag_settings(invocation, &config, err);
    if (rc != 0) {
        return rc;
    }
    const char *text = config_text(config, "client.log_level");
    if (log_parse_level(text, &level)) {
        log_setup(STDERR_FILENO, level);
        int stop_fd = stop_signals(err);
        rc = stop_fd < 0 ? stop_fd : run_agent(config, stop_fd, err);
        if (stop_fd >= 0) {
            (void)close(stop_fd);
        }
    } else {
        rc = err_set(err, E_INVALID, "client.log_level is '%s' (%s): debug, info, warning or error",
                     text, config_origin(config, "client.log_level"));
    }
    config_free(&config);
    return rc;
}
