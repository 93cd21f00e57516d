/* transport/follow_connect.c - phases: connecting, connecting again, silence. */
#include "transport/follow_state.h"

enum { SILENT_HEARTBEATS = 5 };

void follow_tell_status(struct follow *follow, int code, const char *text)
{
    struct follow_action *action = follow_act(follow, FOLLOW_DO_STATUS);
    action->status.phase = follow->phase;
    action->status.code = code;
    action->status.text = text;
    action->status.retry_at_ms = follow->phase == FOLLOW_WAITING ? follow->retry_at_ms : 0;
}

void follow_forget_session(struct follow *follow)
{
    follow->session = 0;
    follow->current_seq = 0;
    follow->to_follow_count = 0;
    follow->taken_count = 0;
    follow->fleet_bag = 0;
    follow->fleet_complete = false;
    follow->newest_bag = 0;
    follow->listing = false;
    follow->mirror_asked = false;
    follow->mirroring = false;
    idmap_free(&follow->bags);
    parts_in_free(&follow->in);
}

/* Why: of what ended the last try, 0 for the first. */
static void connect_now(struct follow *follow, int code, const char *text)
{
    follow->phase = FOLLOW_CONNECTING;
    follow->deadline_ms = follow->now_ms + FOLLOW_CONNECT_MS;
    follow_tell_status(follow, code, text);
    follow_act(follow, FOLLOW_DO_CONNECT)->address = follow->address;
}

void follow_greet(struct follow *follow)
{
    follow->phase = FOLLOW_GREETING;
    follow->deadline_ms = follow->now_ms + FOLLOW_CONNECT_MS;
    follow_tell_status(follow, 0, "");
    (void)follow_ask(follow, FOLLOW_DO_IDENTIFY);
}

/* Does the refusal stand until somebody acts? */
static bool stands(int code)
{
    switch (code) {
    case E_TOKEN_UNKNOWN:
    case E_TOKEN_USED:
    case E_TOKEN_EXPIRED:
    case E_NOT_ALLOWED:
    case E_DEVICE_REMOVED:
    case E_HISTORY:
    case E_DIVERGED:
    case E_PROTOCOL:
        return true;
    default:
        return false;
    }
}

/* splitmix64 */
static uint64_t draw(struct follow *follow)
{
    uint64_t z = follow->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The first try comes at once, each later one after up to twice the pause, at least half of it. */
static uint64_t pause_ms(struct follow *follow)
{
    if (follow->attempts == 0) {
        return 0;
    }
    uint64_t most = FOLLOW_RETRY_FIRST_MS;
    for (unsigned i = 1; i < follow->attempts && most < FOLLOW_RETRY_MAX_MS; i++) {
        most *= 2;
    }
    most = most < FOLLOW_RETRY_MAX_MS ? most : FOLLOW_RETRY_MAX_MS;
    return most / 2 + draw(follow) % (most / 2 + 1);
}

/* A session that did not last does not make the pauses short again: two machines with one key would
 * take turns at full speed. */
static void plan_retry(struct follow *follow, int code, bool told)
{
    bool was_open = follow->phase == FOLLOW_OPEN;
    if (was_open && follow->now_ms - follow->opened_ms >= FOLLOW_STEADY_MS) {
        follow->attempts = 0;
    }
    if (told && follow->attempts == 0) {
        follow->attempts = 1;
    }
    if (!was_open) {
        follow->address = (follow->address + 1) % follow->options.address_count;
    }
    uint64_t wait_ms = stands(code) ? FOLLOW_REFUSED_MS : pause_ms(follow);
    follow->attempts++;
    follow->retry_at_ms = follow->now_ms + wait_ms;
}

void follow_lose(struct follow *follow, int code, const char *text, bool told)
{
    if (follow->phase != FOLLOW_IDLE && follow->phase != FOLLOW_WAITING) {
        (void)follow_act(follow, FOLLOW_DO_DISCONNECT);
    }
    follow_forget_session(follow);
    plan_retry(follow, code, told);
    if (follow->retry_at_ms == follow->now_ms) {
        connect_now(follow, code, text);
    } else {
        follow->phase = FOLLOW_WAITING;
        follow_tell_status(follow, code, text);
    }
}

void follow_start(struct follow *follow)
{
    if (follow->phase == FOLLOW_IDLE || follow->phase == FOLLOW_WAITING) {
        follow->attempts = 0;
        connect_now(follow, 0, "");
    }
}

void follow_stop(struct follow *follow)
{
    if (follow->phase == FOLLOW_IDLE) {
        return;
    }
    if (follow->phase == FOLLOW_OPEN) {
        wire_put_bye(follow_frame(follow), follow->session);
        follow_frame_end(follow);
    }
    if (follow->phase != FOLLOW_WAITING) {
        (void)follow_act(follow, FOLLOW_DO_DISCONNECT);
    }
    follow_forget_session(follow);
    follow->phase = FOLLOW_IDLE;
    follow_tell_status(follow, 0, "");
}

static void beat(struct follow *follow)
{
    if (follow->now_ms - follow->heard_ms >= SILENT_HEARTBEATS * follow->heartbeat_ms) {
        follow_lose(follow, E_TIMEOUT, "nothing was heard of the server", false);
    } else if (follow->now_ms - follow->beat_ms >= follow->heartbeat_ms) {
        follow->beat_ms = follow->now_ms;
        follow_give_credit(follow, true);
        struct wire_heartbeat beat = {
            .seq = follow->position_seq,
            .current = follow->current_seq,
            .healed = follow->healed,
            .waiting = follow_ops_waiting(follow),
        };
        wire_put_heartbeat(follow_frame(follow), follow->session, &beat);
        follow_frame_end(follow);
    }
}

void follow_tick(struct follow *follow)
{
    switch (follow->phase) {
    case FOLLOW_WAITING:
        if (follow->now_ms >= follow->retry_at_ms) {
            connect_now(follow, 0, "");
        }
        break;
    case FOLLOW_CONNECTING:
    case FOLLOW_GREETING:
        if (follow->now_ms >= follow->deadline_ms) {
            follow_lose(follow, E_TIMEOUT, "the server did not answer in time", false);
        }
        break;
    case FOLLOW_OPEN:
        beat(follow);
        break;
    case FOLLOW_IDLE:
    default:
        break;
    }
}

uint64_t follow_next_tick(const struct follow *follow)
{
    uint64_t next = UINT64_MAX;
    if (follow->phase == FOLLOW_WAITING) {
        next = follow->retry_at_ms;
    } else if (follow->phase == FOLLOW_CONNECTING || follow->phase == FOLLOW_GREETING) {
        next = follow->deadline_ms;
    } else if (follow->phase == FOLLOW_OPEN) {
        uint64_t beat_ms = follow->beat_ms + follow->heartbeat_ms;
        uint64_t silent_ms = follow->heard_ms + SILENT_HEARTBEATS * follow->heartbeat_ms;
        uint64_t ops_ms = follow_ops_tick(follow);
        next = beat_ms < silent_ms ? beat_ms : silent_ms;
        next = ops_ms < next ? ops_ms : next;
    }
    return next;
}

void follow_connection(struct follow *follow, const struct follow_event *event)
{
    if (event->kind == FOLLOW_UP && follow->phase == FOLLOW_CONNECTING) {
        follow_greet(follow);
    } else if (event->kind == FOLLOW_DOWN && follow->phase != FOLLOW_IDLE &&
               follow->phase != FOLLOW_WAITING) {
        const char *text =
            event->down.text == NULL ? err_meaning(event->down.code) : event->down.text;
        follow_lose(follow, event->down.code, text, false);
    }
}
