/* server/session_step.c - one feed: step it, carry out its actions, answer its question. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/sessions_inside.h"

/* What a list of actions left to be done when it was finished. */
struct outcome {
    const struct feed_action *question;
    const struct feed_action *cut;
    bool send_failed;
};

/* A machine found bags of its replica to be other than the server's, and fetched them anew. Its
 * disk may be failing: somebody should know. It may lie: between two heartbeats that are due no
 * more count than it follows. */
static void note_healed(struct sessions *sessions, const struct session *session, uint64_t healed)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    struct device_live *live = &session->seen->live;
    uint64_t now_ms = sessions_now(sessions);
    uint64_t due_ms = session->seen->healed_ms + sessions->options.heartbeat_ms;
    if (session->seen->healed_ms != 0 && now_ms < due_ms) {
        return; /* it tells all of them again */
    }
    uint64_t bags = healed - live->healed;
    size_t followed = feed_bags(session->feed);
    bags = bags < followed ? bags : followed;
    live->healed = healed;
    session->seen->healed_ms = now_ms;
    sessions->healed += bags;
    if (log_limit_pass(&limit, sessions_now(sessions), &held_back)) {
        log_event(LOG_WARNING, "session", "replica.healed",
                  "device=%016" PRIx64 " bags=%" PRIu64 " ever=%" PRIu64 " held_back=%" PRIu64,
                  live->device, bags, healed, held_back);
    }
}

static void note_heard(struct sessions *sessions, struct session *session,
                       const struct feed_action *action)
{
    if (session->seen == NULL) {
        return;
    }
    struct device_live *live = &session->seen->live;
    live->seq = action->heard.seq;
    live->current_seq = action->heard.current;
    sessions->waiting -= session->waits;
    live->waiting = action->heard.waiting;
    session->waits = live->waiting > 0;
    sessions->waiting += session->waits;
    live->last_seen_ms = clock_wall_ms(sessions->options.clock);
    live->refused = session->mirror_refused; /* in all else it has been served for a while */
    if (sessions->options.seen != NULL) {
        struct seen_device at = {.seq = live->current_seq, .last_ms = live->last_seen_ms};
        if (session->resumes) { /* else the next HELLO would take it for where it left our line */
            at.seq = 0;
        }
        seen_note(sessions->options.seen, live->device, &at);
    }
    if (action->heard.healed > live->healed) {
        note_healed(sessions, session, action->heard.healed);
    } else {
        live->healed = action->heard.healed; /* its replica was begun anew */
    }
}

static void carry_out(struct sessions *sessions, struct session *session,
                      const struct feed_action *action, struct outcome *outcome)
{
    const struct sessions_port *port = &sessions->options.port;
    switch (action->kind) {
    case FEED_DO_SEND:
        if (port->send(port->context, &session->peer, action->send) != 0) {
            outcome->send_failed = true;
        }
        break;
    case FEED_DO_UNFOLLOW:
        followers_remove(&sessions->followers, &session->follower, action->unfollow.bag_id);
        break;
    case FEED_DO_WANT_TURN:
        turns_want(&sessions->turns, &session->turn, action->turn.urgent);
        break;
    case FEED_DO_HEARD:
        note_heard(sessions, session, action);
        break;
    case FEED_DO_CUT:
        outcome->cut = action;
        break;
    case FEED_DO_HELLO:
    case FEED_DO_JOIN:
    case FEED_DO_SIGN_IN:
    case FEED_DO_SIGN_OUT:
    case FEED_DO_FOLLOW:
    case FEED_DO_READ:
    case FEED_DO_WRITE:
    case FEED_DO_LIST:
    case FEED_DO_MIRROR:
    case FEED_DO_READ_JOURNAL:
        ASSERT(outcome->question == NULL); /* a step asks one */
        outcome->question = action;
        break;
    }
}

/* A machine that was connected and says nothing any more was not switched off in order. */
static void log_end(const struct sessions *sessions, const struct session *session,
                    const struct feed_action *action)
{
    static struct log_limit nobodys; /* of those that are no device's: anybody can make many */
    struct log_limit *limit = session->seen != NULL ? &session->seen->ended : &nobodys;
    bool silent = session->device != 0 && action->cut.code == E_TIMEOUT;
    const char *what = silent                 ? "device.unreachable"
                       : session->device != 0 ? "device.disconnected"
                                              : "connection.ended";
    uint64_t held_back = 0;
    if (log_limit_pass(limit, sessions_now(sessions), &held_back)) {
        log_event(silent ? LOG_WARNING : LOG_INFO, "session", what,
                  "device=%016" PRIx64 " peer=%s code=%s text=%s held_back=%" PRIu64,
                  session->device,
                  sessions->options.port.address(sessions->options.port.context, &session->peer),
                  action->cut.code == 0 ? "ok" : err_name(action->cut.code),
                  LOG_Q(action->cut.text), held_back);
    }
}

static void cut(struct sessions *sessions, struct session *session,
                const struct feed_action *action)
{
    log_end(sessions, session, action);
    if (action->cut.code == E_DIVERGED && session->device != 0) {
        session_diverged(sessions, session->device,
                         session->seen != NULL ? session->seen->live.seq : 0);
    }
    sessions->options.port.cut(sessions->options.port.context, &session->peer);
    sessions_forget(sessions, session);
}

void session_run(struct sessions *sessions, struct session *session, struct feed_event event)
{
    ASSERT(sessions != NULL && session != NULL);
    bool more = true;
    while (more) {
        event.now_ms = sessions_now(sessions);
        struct feed_actions actions = feed_step(session->feed, &event);
        struct outcome outcome = {0};
        for (size_t i = 0; i < actions.count; i++) {
            carry_out(sessions, session, &actions.list[i], &outcome);
        }
        if (outcome.cut != NULL) {
            cut(sessions, session, outcome.cut);
            return;
        }
        more =
            outcome.question != NULL && session_answer(sessions, session, outcome.question, &event);
        if (outcome.send_failed) {
            event = (struct feed_event){.kind = FEED_SENT_FAILED};
            more = true;
        }
    }
}

void session_end(struct sessions *sessions, struct session *session, int code, const char *text)
{
    session_run(sessions, session,
                (struct feed_event){.kind = FEED_END, .end = {.code = code, .text = text}});
}
