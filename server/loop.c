/* server/loop.c - one round after the other. */
#include "server/loop.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

enum {
    RECEIVE_MESSAGES = 1024, /* of one round */
    RECEIVE_BYTES = 2 << 20,
    TURNS = 8, /* pages of one round: half a MiB at most */
    TICK_MS = 100,
    FAREWELL_MS = 150,
};

struct loop {
    const struct loop_options *options;
    bool stopping;
    bool more_work; /* do not sleep */
    uint64_t tick_ms;
    uint64_t alive_ms;
    uint64_t watchdog_ms;
    enum committer_state state;
    enum wire_state told; /* to the machines */
};

static uint64_t now_ms(const struct loop *loop)
{
    return clock_mono_ms(loop->options->clock);
}

/* --- signals --- */

static void read_signals(struct loop *loop)
{
    struct signalfd_siginfo info;
    while (read(loop->options->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_ns() / 1000);
            loop->options->reload(loop->options->context);
            notify_send("READY=1");
        } else {
            log_event(LOG_INFO, "server", "stopping", "signal=%u", info.ssi_signo);
            loop->stopping = true;
        }
    }
}

/* --- a round --- */

static bool receive(struct loop *loop)
{
    const struct loop_options *options = loop->options;
    size_t bytes_taken = 0;
    for (size_t i = 0; i < RECEIVE_MESSAGES && bytes_taken < RECEIVE_BYTES; i++) {
        struct peer peer;
        uint8_t key[KEY_SIZE];
        struct span bytes;
        int rc = router_receive(options->router, &peer, key, &bytes);
        if (rc == E_NOT_FOUND) {
            return i > 0;
        }
        if (rc == 0) {
            sessions_message(options->sessions, &peer, key, bytes);
            bytes_taken += bytes.size;
        } else {
            sessions_broken(options->sessions, &peer);
        }
    }
    loop->more_work = true;
    return true;
}

/* To machines and to who started us, when it is not what it was. */
static void tell_state(struct loop *loop)
{
    const struct loop_options *options = loop->options;
    enum wire_state state = sessions_state(options->sessions);
    if (state == loop->told) {
        return;
    }
    loop->told = state;
    sessions_state_changed(options->sessions);
    notify_send("STATUS=%s", state == WIRE_RUNNING   ? "running"
                             : state == WIRE_STOPPED ? "synchronization is stopped"
                                                     : committer_state_text(options->committer));
}

static int look_at_state(struct loop *loop, struct err *err)
{
    const struct loop_options *options = loop->options;
    enum committer_state state = committer_state(options->committer);
    tell_state(loop);
    if (state == loop->state) {
        return 0;
    }
    int rc = 0;
    if (state == COMMITTER_BEHIND) {
        rc = options->recover(options->context, err);
    }
    if (rc == E_CLOSED) {
        loop->stopping = true;
        rc = 0;
    }
    loop->state = committer_state(options->committer);
    if (rc == 0) {
        tell_state(loop);
    }
    return rc;
}

static void on_time(struct loop *loop, bool idle)
{
    uint64_t now = now_ms(loop);
    bool ticks = now - loop->tick_ms >= TICK_MS;
    if (ticks) {
        loop->tick_ms = now;
        sessions_tick(loop->options->sessions);
    }
    if (loop->watchdog_ms > 0 && now - loop->alive_ms >= loop->watchdog_ms) {
        loop->alive_ms = now;
        notify_send("WATCHDOG=1");
    }
    /* Now and then also while there is no end of messages: it fits between two batches. */
    if ((idle || ticks) && loop->state == COMMITTER_RUNNING) {
        committer_idle(loop->options->committer);
    }
}

static int wait_ms(const struct loop *loop)
{
    if (loop->more_work || committer_waiting(loop->options->committer)) {
        return 0;
    }
    uint64_t passed = now_ms(loop) - loop->tick_ms;
    return passed >= TICK_MS ? 0 : (int)(TICK_MS - passed);
}

static int round_once(struct loop *loop, struct err *err)
{
    const struct loop_options *options = loop->options;
    struct pollfd signals = {.fd = options->signal_fd, .events = POLLIN};
    int rc = router_wait(options->router, &signals, 1, wait_ms(loop));
    if (rc != 0) {
        return err_set(err, rc, "waiting for messages failed: %s", err_meaning(rc));
    }
    if (signals.revents != 0) {
        read_signals(loop);
    }
    loop->more_work = false;
    /* Machines after administration: what came while it was planned is in the same batch. */
    if (desk_work(*options->desk)) {
        loop->more_work = true;
    }
    bool busy = receive(loop);
    committer_commit(options->committer);
    committer_deliver(options->committer);
    desk_answer(*options->desk);
    rc = look_at_state(loop, err);
    if (rc != 0 || loop->stopping) {
        return rc;
    }
    if (sessions_turns(options->sessions, TURNS)) {
        loop->more_work = true;
    }
    on_time(loop, !busy && !loop->more_work);
    return 0;
}

int loop_run(const struct loop_options *options, struct err *err)
{
    ASSERT(options != NULL && options->router != NULL && options->sessions != NULL);
    ASSERT(options->committer != NULL && options->desk != NULL);
    struct loop loop = {
        .options = options,
        .watchdog_ms = notify_watchdog_ms(),
        .state = committer_state(options->committer),
        .told = sessions_state(options->sessions),
    };
    loop.tick_ms = now_ms(&loop);
    loop.alive_ms = loop.tick_ms;
    int rc = 0;
    while (rc == 0 && !loop.stopping) {
        rc = round_once(&loop, err);
    }
    return rc;
}

void loop_farewell(struct router *router, struct sessions *sessions, const struct clock *clock)
{
    if (sessions == NULL || sessions_count(sessions) == 0) {
        return;
    }
    sessions_end_all(sessions, E_CLOSED, "the server is shutting down");
    uint64_t until = clock_mono_ms(clock) + FAREWELL_MS;
    for (uint64_t now = 0; now < until; now = clock_mono_ms(clock)) {
        if (router_wait(router, NULL, 0, 10) != 0) {
            return;
        }
    }
}
