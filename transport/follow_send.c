/* transport/follow_send.c - the follower's list of actions, frames, parts and credit. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "transport/follow_state.h"

/* A window of this size and more stays open although a quarter of it is not yet credited: the rest
 * takes any frame. A smaller one is credited at once. */
enum { WINDOW_LARGE = 131072, KEPT_BYTES = 262144 };

/* What a long message took is not kept for ever. */
static void empty(struct buf *buf)
{
    if (buf->capacity > KEPT_BYTES) {
        buf_free(buf);
    }
    buf_reset(buf);
}

void follow_begin(struct follow *follow, uint64_t now_ms)
{
    follow->now_ms = now_ms;
    follow->failed = 0;
    follow->action_count = 0;
    empty(&follow->out);
    empty(&follow->message);
    empty(&follow->texts);
    if (follow->in.total == 0) {
        parts_in_free(&follow->in);
    }
}

/* Frames lie in `out` in the order of their actions; where, is known only now. */
struct follow_actions follow_finish(struct follow *follow)
{
    const uint8_t *at = follow->out.data;
    for (size_t i = 0; i < follow->action_count; i++) {
        struct follow_action *action = &follow->actions[i];
        if (action->kind == FOLLOW_DO_SEND) {
            action->send.data = at;
            at += action->send.size;
        }
    }
    return (struct follow_actions){.list = follow->actions, .count = follow->action_count};
}

struct follow_action *follow_act(struct follow *follow, enum follow_action_kind kind)
{
    ASSERT(!follow->is_asked); /* a question comes last */
    struct follow_action *actions = array_reserve(follow->actions, &follow->action_capacity,
                                                  follow->action_count + 1, sizeof *actions);
    if (actions == NULL) {
        follow->failed = E_NOMEM;
        return &follow->spare;
    }
    follow->actions = actions;
    struct follow_action *action = &follow->actions[follow->action_count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

struct follow_action *follow_ask(struct follow *follow, enum follow_action_kind kind)
{
    struct follow_action *action = follow_act(follow, kind);
    follow->is_asked = true;
    follow->question = kind;
    return action;
}

struct buf *follow_frame(struct follow *follow)
{
    follow->frame_begin = follow->out.size;
    return &follow->out;
}

void follow_frame_end(struct follow *follow)
{
    if (buf_error(&follow->out) != 0) {
        follow->failed = E_NOMEM;
    }
    size_t size = follow->out.size - follow->frame_begin;
    ASSERT(size <= WIRE_FRAME_MAX);
    follow_act(follow, FOLLOW_DO_SEND)->send.size = size;
}

void follow_send(struct follow *follow, struct span message)
{
    if (message.size <= WIRE_FRAME_MAX) {
        (void)buf_append_span(follow_frame(follow), message);
        follow_frame_end(follow);
        return;
    }
    follow->part_id++;
    for (size_t offset = 0; offset < message.size;) {
        offset +=
            parts_out_put(follow_frame(follow), follow->session, follow->part_id, message, offset);
        follow_frame_end(follow);
    }
}

void follow_worked_off(struct follow *follow, uint64_t frame_bytes)
{
    follow->received_bytes += frame_bytes;
    follow->worked_off_frames += frame_bytes > 0; /* 0: what came counts not */
}

void follow_give_credit(struct follow *follow, bool all)
{
    uint64_t worked_off = follow->received_bytes - follow->credited_bytes;
    uint64_t least = follow->window >= WINDOW_LARGE ? follow->window / 4 : 1;
    bool due = worked_off >= least || follow->worked_off_frames >= WIRE_CREDIT_FRAMES / 2;
    if (worked_off > 0 && (all || due)) {
        follow->credited_bytes = follow->received_bytes;
        follow->worked_off_frames = 0;
        wire_put_credit(follow_frame(follow), follow->session, follow->received_bytes);
        follow_frame_end(follow);
    }
}

/* Each text of a message takes one byte and itself in it, at least: so the copies fit its size. And
 * there may be one sentence of our own about it. */
bool follow_texts_begin(struct follow *follow, size_t message_bytes)
{
    if (buf_reserve(&follow->texts, message_bytes + ERR_TEXT_MAX) != 0) {
        follow->failed = E_NOMEM;
        return false;
    }
    return true;
}

const char *follow_text(struct follow *follow, struct span text)
{
    ASSERT(follow->texts.capacity - follow->texts.size > text.size);
    const char *copy = (const char *)follow->texts.data + follow->texts.size;
    (void)buf_append_span(&follow->texts, text);
    (void)buf_append_u8(&follow->texts, 0);
    return copy;
}

int follow_code(uint64_t number)
{
    return number == 0 ? 0 : err_from_wire(number);
}
