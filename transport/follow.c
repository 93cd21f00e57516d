/* transport/follow.c - events, and the messages of the server. */
#include "transport/follow.h"

#include <stdlib.h>

#include "transport/follow_state.h"

enum {
    HEARTBEAT_LEAST_MS = 100,
    HEARTBEAT_MOST_MS = 3600000,
    OUT_MAX = 64 << 20, /* of one step: FOLLOW of all bags, or one operation in parts */
};

int follow_new(struct follow **out, const struct follow_options *options)
{
    ASSERT(out != NULL);
    ASSERT(options->address_count > 0);
    struct follow *follow = calloc(1, sizeof *follow);
    if (follow == NULL) {
        return E_NOMEM;
    }
    follow->options = *options;
    follow->random = options->seed;
    idmap_init(&follow->bags, sizeof(struct follow_bag), options->seed);
    parts_in_init(&follow->in);
    buf_init(&follow->out, OUT_MAX);
    buf_init(&follow->message, WIRE_MESSAGE_MAX);
    buf_init(&follow->texts, WIRE_MESSAGE_MAX + ERR_TEXT_MAX);
    *out = follow;
    return 0;
}

void follow_free(struct follow **follow)
{
    if (follow == NULL || *follow == NULL) {
        return;
    }
    idmap_free(&(*follow)->bags);
    parts_in_free(&(*follow)->in);
    unanswered_free(&(*follow)->unanswered);
    buf_free(&(*follow)->out);
    buf_free(&(*follow)->message);
    buf_free(&(*follow)->texts);
    unpack_close(&(*follow)->scratch);
    free((*follow)->to_follow);
    free((*follow)->taken);
    free((*follow)->changes);
    free((*follow)->actions);
    free(*follow);
    *follow = NULL;
}

uint64_t follow_head_seq(const struct follow *follow)
{
    return follow->head_seq;
}

uint64_t follow_current_seq(const struct follow *follow)
{
    return follow->current_seq;
}

uint64_t follow_newest_bag(const struct follow *follow)
{
    return follow->newest_bag;
}

static void on_identity(struct follow *follow, const struct follow_event *event)
{
    if (follow->options.join) {
        wire_put_join(follow_frame(follow), &event->identity.join);
    } else {
        follow->position_seq = event->identity.hello.position.seq;
        wire_put_hello(follow_frame(follow), &event->identity.hello);
    }
    follow_frame_end(follow);
}

/* --- frames --- */

static void tell_open(struct follow *follow)
{
    if (follow->server_state == WIRE_STOPPED) {
        follow_tell_status(follow, E_STOPPED, FOLLOW_STOPPED_TEXT);
    } else {
        int code = follow->server_state == WIRE_RUNNING ? 0 : E_READ_ONLY;
        follow_tell_status(follow, code, code == 0 ? "" : err_meaning(code));
    }
}

static void on_welcome(struct follow *follow, const struct wire_message *message)
{
    const struct wire_welcome *welcome = &message->welcome;
    if (welcome->version != WIRE_VERSION) {
        follow_lose(follow, E_PROTOCOL, err_meaning(E_PROTOCOL), true);
        return;
    }
    uint64_t beat_ms = welcome->heartbeat_ms;
    beat_ms = beat_ms < HEARTBEAT_LEAST_MS ? HEARTBEAT_LEAST_MS : beat_ms;
    follow->heartbeat_ms = beat_ms > HEARTBEAT_MOST_MS ? HEARTBEAT_MOST_MS : beat_ms;
    follow->session = message->session;
    follow->window = welcome->window;
    follow->received_bytes = 0;
    follow->credited_bytes = 0;
    follow->worked_off_frames = 0;
    follow->head_seq = welcome->head_seq;
    follow->fleet_bag = welcome->fleet_bag;
    follow->server_state = (enum wire_state)welcome->state;
    follow->opened_ms = follow->now_ms;
    follow->beat_ms = follow->now_ms;
    follow->phase = FOLLOW_OPEN;
    follow_ops_open(follow);
    follow_act(follow, FOLLOW_DO_WELCOME)->welcome = *welcome;
    tell_open(follow);
    (void)follow_ask(follow, FOLLOW_DO_LIST_BAGS);
}

static void on_joined(struct follow *follow, const struct wire_message *message)
{
    struct follow_action *action = follow_act(follow, FOLLOW_DO_JOINED);
    action->joined.device = message->joined.device;
    for (size_t i = 0; i < HISTORY_SIZE; i++) {
        action->joined.history[i] = message->joined.history[i];
    }
    follow_stop(follow);
}

static void on_error(struct follow *follow, const struct wire_message *message)
{
    int code = follow_code(message->error.code);
    if (code == E_HELLO_FIRST && !message->error.fatal) {
        if (follow->phase == FOLLOW_OPEN) { /* else HELLO is under way */
            follow_forget_session(follow);
            follow_greet(follow);
        }
    } else if (message->error.fatal) {
        follow_lose(follow, code, follow_text(follow, message->error.text), true);
    } else {
        follow_tell_status(follow, code, follow_text(follow, message->error.text));
    }
}

static void on_state(struct follow *follow, const struct wire_message *message)
{
    follow->server_state = (enum wire_state)message->state.state;
    if (follow->server_state == WIRE_RUNNING) {
        follow_ops_running(follow);
    }
    tell_open(follow);
}

static void on_signed_in(struct follow *follow, const struct wire_message *message)
{
    struct follow_action *action = follow_act(follow, FOLLOW_DO_SIGNED_IN);
    action->signed_in.ref = message->signed_in.ref;
    action->signed_in.code = follow_code(message->signed_in.code);
    action->signed_in.text = follow_text(follow, message->signed_in.text);
    action->signed_in.bags = message->signed_in.bags;
}

static void on_signed_out(struct follow *follow, const struct wire_message *message)
{
    struct follow_action *action = follow_act(follow, FOLLOW_DO_SIGNED_OUT);
    action->signed_out.ref = message->signed_out.ref;
    action->signed_out.code = follow_code(message->signed_out.code);
    action->signed_out.text = follow_text(follow, message->signed_out.text);
}

static bool is_data(unsigned type)
{
    return type == WIRE_LIVE || type == WIRE_PAGE || type == WIRE_BAG || type == WIRE_OWNERS ||
           type == WIRE_BATCHES;
}

static void hear_head(struct follow *follow, uint64_t seq)
{
    follow->head_seq = seq > follow->head_seq ? seq : follow->head_seq;
}

static void on_heartbeat(struct follow *follow, const struct wire_heartbeat *beat)
{
    hear_head(follow, beat->seq);
    if (beat->current > follow->current_seq) {
        follow->current_seq = beat->current;
    }
    if (beat->newest_bag > follow->newest_bag) {
        follow->newest_bag = beat->newest_bag;
    }
}

/* A message of the open session. What LIVE, PAGE and BATCHES ask is answered before their bytes
 * count. */
static void on_message(struct follow *follow, const struct wire_message *message)
{
    switch ((int)message->type) {
    case WIRE_SIGNED_IN:
        on_signed_in(follow, message);
        break;
    case WIRE_SIGNED_OUT:
        on_signed_out(follow, message);
        break;
    case WIRE_OUTCOME:
        follow_outcomes(follow, message);
        break;
    case WIRE_LIVE:
        hear_head(follow, message->live.position.seq);
        follow_live(follow, message);
        break;
    case WIRE_PAGE:
        hear_head(follow, message->page.position.seq);
        follow_page(follow, message);
        break;
    case WIRE_BAG:
        follow_bag_told(follow, message);
        break;
    case WIRE_STATE:
        on_state(follow, message);
        break;
    case WIRE_HEARTBEAT:
        on_heartbeat(follow, &message->heartbeat);
        break;
    case WIRE_OWNERS:
        follow_owners(follow, message);
        break;
    case WIRE_MIRRORING:
        follow_mirroring(follow, message);
        break;
    case WIRE_BATCHES:
        hear_head(follow, message->batches.head_seq);
        follow_batches(follow, message);
        break;
    default:
        follow_lose(follow, E_MALFORMED, "the server sent a message that is not for it to send",
                    false);
        break;
    }
}

static bool decode(struct follow *follow, struct span bytes, struct wire_message *message)
{
    struct err err = {0};
    if (!follow_texts_begin(follow, bytes.size)) {
        return false;
    }
    int rc = wire_decode(bytes, &follow->scratch, message, &err);
    if (rc != 0) {
        follow_lose(follow, rc, follow_text(follow, span_str(err.text)), false);
    }
    return rc == 0;
}

static void on_whole(struct follow *follow)
{
    struct wire_message message;
    if (!decode(follow, buf_span(&follow->in.bytes), &message)) {
        return;
    }
    follow->in.total = 0; /* the bytes stay until the next message in parts */
    if (message.session != follow->session) {
        follow_lose(follow, E_MALFORMED, "a message in parts is of another session", false);
        return;
    }
    on_message(follow, &message);
}

/* A part is worked off when it is kept: what it is a part of can be longer than the window. */
static void on_part(struct follow *follow, const struct wire_part *part, size_t frame_bytes)
{
    struct err err = {0};
    bool whole = false;
    if (follow->in.total == 0) {
        follow->in_counts = is_data(parts_type(part->bytes));
    }
    if (follow->in_counts) {
        follow_worked_off(follow, frame_bytes);
    }
    int rc = parts_in_add(&follow->in, part, &whole, &err);
    if (rc != 0) {
        follow_lose(follow, rc, follow_text(follow, span_str(err.text)), false);
    } else if (whole) {
        on_whole(follow);
    }
}

static void on_open_frame(struct follow *follow, const struct wire_message *message, size_t size)
{
    follow->frame_bytes = 0;
    if (message->session != follow->session) {
        return; /* of a session that is over */
    }
    if (message->type == WIRE_PART) {
        on_part(follow, &message->part, size);
        return;
    }
    follow->frame_bytes = is_data(message->type) ? size : 0;
    on_message(follow, message);
    if (!follow->is_asked && follow->phase == FOLLOW_OPEN) {
        follow_worked_off(follow, follow->frame_bytes);
    }
}

static void on_frame(struct follow *follow, struct span bytes)
{
    struct wire_message message;
    bool greeting = follow->phase == FOLLOW_GREETING;
    if ((!greeting && follow->phase != FOLLOW_OPEN) || !decode(follow, bytes, &message)) {
        return;
    }
    follow->heard_ms = follow->now_ms;
    if (message.type == WIRE_ERROR) {
        on_error(follow, &message);
    } else if (!greeting) {
        on_open_frame(follow, &message, bytes.size);
    } else if (message.type == WIRE_WELCOME && !follow->options.join && message.session != 0) {
        on_welcome(follow, &message);
    } else if (message.type == WIRE_JOINED && follow->options.join) {
        on_joined(follow, &message);
    }
}

/* --- the step --- */

static void sign_in(struct follow *follow, const struct follow_event *event)
{
    if (follow->phase != FOLLOW_OPEN) {
        struct follow_action *action = follow_act(follow, FOLLOW_DO_SIGNED_IN);
        action->signed_in.ref = event->sign_in.ref;
        action->signed_in.code = E_UNREACHABLE;
        action->signed_in.text = err_meaning(E_UNREACHABLE);
        return;
    }
    wire_put_sign_in(follow_frame(follow), follow->session, event->sign_in.ref, event->sign_in.user,
                     event->sign_in.groups, event->sign_in.group_count, event->sign_in.bag_id);
    follow_frame_end(follow);
}

static void sign_out(struct follow *follow, const struct follow_event *event)
{
    if (follow->phase != FOLLOW_OPEN) {
        struct follow_action *action = follow_act(follow, FOLLOW_DO_SIGNED_OUT);
        action->signed_out.ref = event->sign_out.ref;
        action->signed_out.code = E_UNREACHABLE;
        action->signed_out.text = err_meaning(E_UNREACHABLE);
        return;
    }
    wire_put_sign_out(follow_frame(follow), follow->session, event->sign_out.ref,
                      event->sign_out.bag_id);
    follow_frame_end(follow);
}

/* Answers come next after their question, and nothing else does. */
static void check_answer(struct follow *follow, enum follow_event_kind kind)
{
    enum follow_action_kind question = follow->question;
    bool answers =
        (kind == FOLLOW_IDENTITY && question == FOLLOW_DO_IDENTIFY) ||
        (kind == FOLLOW_BAGS && question == FOLLOW_DO_LIST_BAGS) ||
        (kind == FOLLOW_OPS_READ && question == FOLLOW_DO_READ_OPS) ||
        (kind == FOLLOW_APPLIED && (question == FOLLOW_DO_LIVE || question == FOLLOW_DO_PAGE ||
                                    question == FOLLOW_DO_BATCHES));
    ASSERT(!follow->is_asked || answers);
    ASSERT(follow->is_asked || kind == FOLLOW_BAGS ||
           (kind != FOLLOW_IDENTITY && kind != FOLLOW_OPS_READ && kind != FOLLOW_APPLIED));
    follow->is_asked = false;
}

static void on_event(struct follow *follow, const struct follow_event *event)
{
    bool open = follow->phase == FOLLOW_OPEN;
    switch (event->kind) {
    case FOLLOW_START:
        follow_start(follow);
        break;
    case FOLLOW_STOP:
        follow_stop(follow);
        break;
    case FOLLOW_UP:
    case FOLLOW_DOWN:
        follow_connection(follow, event);
        break;
    case FOLLOW_FRAME:
        on_frame(follow, event->frame);
        break;
    case FOLLOW_TICK:
        follow_tick(follow);
        break;
    case FOLLOW_IDENTITY:
        on_identity(follow, event);
        break;
    case FOLLOW_BAGS:
        if (open) { /* else they are asked for when it is */
            follow_bags(follow, event->bags.list, event->bags.count);
        }
        break;
    case FOLLOW_FORGET:
        follow_forget(follow, event->forget.bag_id);
        break;
    case FOLLOW_APPLIED:
        follow_applied(follow, event);
        break;
    case FOLLOW_OPS:
        follow_ops(follow, event->ops.last, event->ops.confirmed);
        break;
    case FOLLOW_OPS_READ:
        follow_ops_read(follow, event);
        break;
    case FOLLOW_SIGN_IN:
        sign_in(follow, event);
        break;
    case FOLLOW_SIGN_OUT:
        sign_out(follow, event);
        break;
    case FOLLOW_LIST:
        follow_list(follow, event->list.after);
        break;
    case FOLLOW_MIRROR:
        follow_mirror(follow, &event->mirror);
        break;
    case FOLLOW_HEALED:
        follow->healed = event->healed;
        break;
    default:
        ASSERT(false);
    }
}

struct follow_actions follow_step(struct follow *follow, const struct follow_event *event)
{
    ASSERT(follow != NULL);
    ASSERT(event != NULL);
    check_answer(follow, event->kind);
    follow_begin(follow, event->now_ms);
    on_event(follow, event);
    if (follow->failed != 0 && follow->phase != FOLLOW_IDLE) {
        follow->is_asked = false;
        follow->action_count = 0;
        buf_reset(&follow->out);
        follow_lose(follow, E_NOMEM, err_meaning(E_NOMEM), true);
    } else if (follow->phase == FOLLOW_OPEN && !follow->is_asked) {
        follow_send_wanted(follow);
        follow_give_credit(follow, false);
        follow_ops_more(follow);
    }
    return follow_finish(follow);
}
