/* transport/follow_ops.c - operations out of the outbox, in order, and their outcomes. */
#include "transport/follow_state.h"

enum { WRITE_HEAD_BYTES = 64, WRITE_BYTES = WIRE_FRAME_MAX - WRITE_HEAD_BYTES };

void follow_ops_open(struct follow *follow)
{
    unanswered_free(&follow->unanswered);
    follow->ops_next = follow->ops_done + 1;
    follow->ops_need_bytes = 0;
    follow->ops_drained = false;
    follow->ops_deferred = false;
    follow->ops_pause_ms = FOLLOW_DEFER_FIRST_MS;
}

void follow_ops(struct follow *follow, uint64_t last, uint64_t confirmed)
{
    follow->ops_last = last;
    follow->ops_confirmed = confirmed;
    follow->ops_drained = false;
    if (confirmed > follow->ops_done) {
        follow->ops_done = confirmed;
    }
    if (follow->ops_next <= follow->ops_done) {
        follow->ops_next = follow->ops_done + 1;
    }
}

void follow_ops_running(struct follow *follow)
{
    follow->ops_resume_ms = follow->now_ms;
}

/* After a deferral nothing is sent before all that was sent is answered: then what is sent again
 * can't be taken for what was sent before. */
static bool may_resume(struct follow *follow)
{
    if (follow->ops_deferred && follow->unanswered.operations == 0 &&
        follow->now_ms >= follow->ops_resume_ms) {
        follow->ops_deferred = false;
    }
    return !follow->ops_deferred;
}

void follow_ops_more(struct follow *follow)
{
    const struct unanswered *unanswered = &follow->unanswered;
    size_t need = follow->ops_need_bytes > WIRE_FRAME_MAX ? follow->ops_need_bytes : WIRE_FRAME_MAX;
    if (follow->server_state == WIRE_STOPPED) {
        return; /* all would come back; STATE says when it goes on */
    }
    if (follow->ops_next > follow->ops_last || follow->ops_drained || !may_resume(follow) ||
        unanswered->operations >= WIRE_OPS_UNANSWERED ||
        unanswered->bytes + need > WIRE_OPS_BYTES_UNANSWERED) {
        return;
    }
    uint32_t left = WIRE_OPS_UNANSWERED - unanswered->operations;
    struct follow_action *action = follow_ask(follow, FOLLOW_DO_READ_OPS);
    action->read_ops.from = follow->ops_next;
    action->read_ops.max_count = left < WIRE_OPS_MAX ? left : WIRE_OPS_MAX;
    action->read_ops.max_bytes = WRITE_BYTES;
}

void follow_ops_read(struct follow *follow, const struct follow_event *event)
{
    uint32_t count = event->ops_read.count;
    if (count == 0) {
        follow->ops_drained = true;
        return;
    }
    ASSERT(event->ops_read.first == follow->ops_next);
    ASSERT(count == 1 || event->ops_read.bytes.size <= WRITE_BYTES);
    struct buf *message = &follow->message;
    buf_reset(message);
    wire_begin_write(message, follow->session, follow->ops_confirmed, count);
    (void)buf_append_span(message, event->ops_read.bytes);
    if (buf_error(message) != 0) {
        follow->failed = buf_error(message);
        return;
    }
    if (follow->unanswered.bytes + message->size > WIRE_OPS_BYTES_UNANSWERED) {
        follow->ops_need_bytes = message->size;
        return;
    }
    if (unanswered_add(&follow->unanswered, count, (uint32_t)message->size) != 0) {
        follow->failed = E_NOMEM;
        return;
    }
    follow->ops_need_bytes = 0;
    follow->ops_next += count;
    follow_send(follow, buf_span(message));
}

static void defer(struct follow *follow, const struct wire_outcome *outcome, int code)
{
    if (follow->ops_deferred) {
        return; /* one of those behind */
    }
    follow->ops_deferred = true;
    follow->ops_next = outcome->number;
    follow->ops_resume_ms = follow->now_ms + follow->ops_pause_ms;
    follow->ops_pause_ms = 2 * follow->ops_pause_ms < FOLLOW_DEFER_MAX_MS ? 2 * follow->ops_pause_ms
                                                                          : FOLLOW_DEFER_MAX_MS;
    struct follow_action *action = follow_act(follow, FOLLOW_DO_DEFERRED);
    action->deferred.code = code;
    action->deferred.text = follow_text(follow, outcome->text);
}

static void settle(struct follow *follow, const struct wire_outcome *outcome, int code)
{
    follow->ops_done = outcome->number;
    follow->ops_pause_ms = FOLLOW_DEFER_FIRST_MS;
    struct follow_action *action = follow_act(follow, FOLLOW_DO_OUTCOME);
    action->outcome.number = outcome->number;
    action->outcome.code = code;
    action->outcome.seq = outcome->seq;
    action->outcome.text = follow_text(follow, outcome->text);
    action->outcome.split = outcome->split;
}

/* The numbers of the outbox end with it: nothing is sent before the caller told the new ones. */
static void take_new_writer(struct follow *follow, const struct wire_outcome *outcome)
{
    const char *text = follow_text(follow, outcome->text);
    follow->ops_last = 0;
    follow->ops_confirmed = 0;
    follow->ops_done = 0;
    (void)follow_act(follow, FOLLOW_DO_NEW_WRITER);
    follow_lose(follow, E_WRITER, text, true);
}

void follow_outcomes(struct follow *follow, const struct wire_message *message)
{
    for (size_t i = 0; i < message->outcome.entries.count; i++) {
        struct wire_outcome outcome = wire_outcome_at(&message->outcome.entries, i);
        int code = follow_code(outcome.code);
        bool is_next = outcome.number == follow->ops_done + 1;
        unanswered_take(&follow->unanswered);
        if (outcome.number <= follow->ops_done) {
            continue; /* known */
        }
        if (outcome.number >= follow->ops_next && !follow->ops_deferred) {
            follow_lose(follow, E_MALFORMED, "an outcome came of what was not sent", false);
            return;
        }
        if (code == E_WRITER) {
            take_new_writer(follow, &outcome);
            return;
        }
        if (wire_deferred(code) && (is_next || follow->ops_deferred)) {
            defer(follow, &outcome, code);
        } else if (is_next && !follow->ops_deferred) {
            settle(follow, &outcome, code);
        } else {
            follow_lose(follow, E_MALFORMED, "outcomes did not come in order", false);
            return;
        }
    }
}

uint64_t follow_ops_waiting(const struct follow *follow)
{
    return follow->ops_last > follow->ops_done ? follow->ops_last - follow->ops_done : 0;
}

uint64_t follow_ops_tick(const struct follow *follow)
{
    bool waits = follow->ops_deferred && follow->unanswered.operations == 0;
    return waits ? follow->ops_resume_ms : UINT64_MAX;
}
