/* transport/feed.c - the session: who speaks when, frames in, answers out, silence. */
#include "transport/feed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "transport/feed_state.h"

enum { OUTCOME_HEAD_BYTES = 64, OUTCOME_BYTES = 64 }; /* at most, without the text */

int feed_new(struct feed **out, const struct feed_options *options)
{
    ASSERT(out != NULL);
    ASSERT(options->session != 0);
    ASSERT(options->heartbeat_ms != 0);
    ASSERT(options->pool != NULL);
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL) {
        return E_NOMEM;
    }
    feed->pool = options->pool;
    feed->session = options->session;
    feed->heartbeat_ms = options->heartbeat_ms;
    feed->bags_max = options->bags_max;
    idmap_init(&feed->bags, sizeof(struct feed_bag), options->session);
    feed_lines_init(feed);
    parts_in_init(&feed->in);
    buf_init(&feed->outgoing, WIRE_MESSAGE_MAX);
    *out = feed;
    return 0;
}

static void drop_incoming(struct feed *feed)
{
    feed_pool_give_back(feed->pool, feed->in.bytes.size);
    parts_in_free(&feed->in);
}

void feed_free(struct feed **feed)
{
    if (feed == NULL || *feed == NULL) {
        return;
    }
    drop_incoming(*feed);
    feed_outgoing_drop(*feed);
    idmap_free(&(*feed)->bags);
    for (int i = 0; i < LANE_COUNT; i++) {
        buf_free(&(*feed)->lanes[i].after);
    }
    unanswered_free(&(*feed)->unanswered);
    free((*feed)->urgent);
    free(*feed);
    *feed = NULL;
}

void feed_allow_bags(struct feed *feed, size_t bags_max)
{
    feed->bags_max = bags_max;
}

bool feed_open(const struct feed *feed)
{
    return feed->phase == FEED_OPEN;
}

uint64_t feed_session(const struct feed *feed)
{
    return feed->session;
}

size_t feed_bags(const struct feed *feed)
{
    return feed->bags.count;
}

size_t feed_bytes(const struct feed *feed)
{
    size_t bytes = sizeof *feed + idmap_bytes(&feed->bags) + feed->in.bytes.capacity +
                   feed->outgoing.capacity + feed->urgent_count * sizeof *feed->urgent +
                   feed->unanswered.capacity * sizeof *feed->unanswered.ring;
    for (int i = 0; i < LANE_COUNT; i++) {
        bytes += feed->lanes[i].after.capacity;
    }
    return bytes;
}

/* --- frames --- */

static bool version_fits(struct feed *feed, uint64_t version)
{
    if (version == WIRE_VERSION) {
        return true;
    }
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof text,
                   "this server speaks version %d of the protocol, the machine %" PRIu64,
                   WIRE_VERSION, version);
    feed_end(feed, E_PROTOCOL, text);
    return false;
}

static void on_greeting(struct feed *feed, const struct wire_message *message)
{
    bool is_hello = message->type == WIRE_HELLO;
    if (feed->phase != FEED_FRESH) {
        feed_end(feed, E_MALFORMED, "HELLO or JOIN came where a session was open already");
        return;
    }
    if (!version_fits(feed, is_hello ? message->hello.version : message->join.version)) {
        return;
    }
    feed->phase = FEED_ASKED;
    struct feed_action *action = feed_act(feed, is_hello ? FEED_DO_HELLO : FEED_DO_JOIN);
    if (is_hello) {
        feed->window = message->hello.window;
        action->hello = message->hello;
    } else {
        action->join = message->join;
    }
}

static void on_credit(struct feed *feed, uint64_t received)
{
    if (received < feed->acknowledged_bytes || received > feed->sent_bytes) {
        feed_end(feed, E_MALFORMED, "CREDIT went down, or acknowledges more than was sent");
        return;
    }
    feed->acknowledged_bytes = received;
}

static void on_write(struct feed *feed, const struct wire_message *message, size_t size)
{
    struct unanswered *unanswered = &feed->unanswered;
    uint32_t count = (uint32_t)message->write.operations.count;
    if (unanswered->operations + count > WIRE_OPS_UNANSWERED ||
        unanswered->bytes + size > WIRE_OPS_BYTES_UNANSWERED) {
        feed_end(feed, E_QUOTA, "more operations than 1,024, or 4 MiB, wait for their outcome");
        return;
    }
    if (count > 0 && unanswered_add(unanswered, count, (uint32_t)size) != 0) {
        feed->pool->failed = E_NOMEM;
        return;
    }
    struct feed_action *action = feed_act(feed, FEED_DO_WRITE);
    action->write.confirmed = message->write.confirmed;
    action->write.operations = message->write.operations;
}

static void on_sign_in(struct feed *feed, const struct wire_message *message)
{
    struct feed_action *action = feed_act(feed, FEED_DO_SIGN_IN);
    action->sign_in.ref = message->sign_in.ref;
    action->sign_in.user = message->sign_in.user;
    action->sign_in.groups = message->sign_in.groups;
    action->sign_in.bag_id = message->sign_in.bag_id;
}

static void on_heartbeat(struct feed *feed, const struct wire_heartbeat *beat)
{
    struct feed_action *action = feed_act(feed, FEED_DO_HEARD);
    action->heard.seq = beat->seq > beat->current ? beat->seq : beat->current;
    action->heard.current = beat->current;
    action->heard.healed = beat->healed;
    action->heard.waiting = beat->waiting;
}

static void on_sign_out(struct feed *feed, const struct wire_message *message)
{
    struct feed_action *action = feed_act(feed, FEED_DO_SIGN_OUT);
    action->sign_out.ref = message->sign_out.ref;
    action->sign_out.bag_id = message->sign_out.bag_id;
}

/* A message of the open session; `size` of the whole message. */
static void on_message(struct feed *feed, const struct wire_message *message, size_t size)
{
    switch ((int)message->type) {
    case WIRE_SIGN_IN:
        on_sign_in(feed, message);
        break;
    case WIRE_SIGN_OUT:
        on_sign_out(feed, message);
        break;
    case WIRE_FOLLOW:
        feed_follow(feed, &message->follow.bags);
        break;
    case WIRE_UNFOLLOW:
        feed_unfollow(feed, &message->unfollow.bags);
        break;
    case WIRE_CREDIT:
        on_credit(feed, message->credit.received);
        break;
    case WIRE_WRITE:
        on_write(feed, message, size);
        break;
    case WIRE_HEARTBEAT:
        on_heartbeat(feed, &message->heartbeat);
        break;
    case WIRE_LIST:
        feed_list(feed, message->list.after);
        break;
    case WIRE_MIRROR:
        feed_mirror(feed, &message->mirror);
        break;
    case WIRE_BYE:
        feed_end_without_word(feed, 0, "the machine said goodbye");
        break;
    default:
        feed_end(feed, E_MALFORMED, "a message came that is not for a client to send, or not here");
        break;
    }
}

static bool decode(struct feed *feed, struct span bytes, struct wire_message *message)
{
    struct err err = {0};
    int rc = wire_decode(bytes, &feed->pool->scratch, message, &err);
    if (rc == E_NOMEM) {
        feed->pool->failed = rc;
    } else if (rc != 0) {
        feed_end(feed, E_MALFORMED, err.text);
    }
    return rc == 0;
}

static bool of_this_session(struct feed *feed, const struct wire_message *message)
{
    if (feed->phase == FEED_OPEN && message->session == feed->session) {
        return true;
    }
    wire_put_error(feed_frame(feed), 0, E_HELLO_FIRST, err_meaning(E_HELLO_FIRST), false);
    feed_frame_end(feed);
    return false;
}

/* The bytes become the pool's until the next step: the actions point into them. */
static void on_whole(struct feed *feed)
{
    struct feed_pool *pool = feed->pool;
    struct wire_message message;
    ASSERT(pool->held.size == 0);
    buf_free(&pool->held);
    pool->held = feed->in.bytes;
    parts_in_init(&feed->in);
    if (!decode(feed, buf_span(&pool->held), &message)) {
        return;
    }
    if (message.session != feed->session) {
        feed_end(feed, E_MALFORMED, "a message in parts is of another session than its parts");
        return;
    }
    on_message(feed, &message, pool->held.size); /* another PART is refused there */
}

static void on_part(struct feed *feed, const struct wire_part *part)
{
    struct err err = {0};
    bool whole = false;
    if (!feed_pool_charge(feed->pool, part->bytes.size)) {
        feed_end(feed, E_BUSY, "the server puts too many long messages together: try again later");
        return;
    }
    if (feed->in.total == 0) {
        feed->in_since_ms = feed->pool->now_ms;
    }
    int rc = parts_in_add(&feed->in, part, &whole, &err);
    if (rc != 0) {
        feed_pool_give_back(feed->pool, part->bytes.size);
        feed_end(feed, rc, err.text);
    } else if (whole) {
        on_whole(feed);
    }
}

static void on_frame(struct feed *feed, struct span bytes)
{
    struct wire_message message;
    feed->heard_ms = feed->pool->now_ms;
    if (bytes.size > WIRE_FRAME_MAX) {
        feed_end(feed, E_MALFORMED, "a frame is over 65,536 bytes");
        return;
    }
    if (!decode(feed, bytes, &message)) {
        return;
    }
    if (message.type == WIRE_HELLO || message.type == WIRE_JOIN) {
        on_greeting(feed, &message);
    } else if (!of_this_session(feed, &message)) {
        return;
    } else if (message.type == WIRE_PART) {
        on_part(feed, &message.part);
    } else {
        on_message(feed, &message, bytes.size);
    }
}

/* --- answers --- */

static void on_welcome(struct feed *feed, const struct feed_event *event)
{
    ASSERT(feed->phase == FEED_ASKED);
    struct wire_welcome welcome = event->welcome;
    welcome.version = WIRE_VERSION;
    welcome.heartbeat_ms = feed->heartbeat_ms;
    uint64_t window_max = welcome.mirror ? WIRE_WINDOW_MIRROR : WIRE_WINDOW_MAX;
    feed->window = feed->window < window_max ? feed->window : window_max;
    welcome.window = feed->window;
    feed->head_seq = welcome.head_seq;
    feed->fleet_bag = welcome.fleet_bag;
    feed->held = welcome.state == WIRE_STOPPED;
    feed->beat_ms = feed->pool->now_ms;
    feed->phase = FEED_OPEN;
    wire_put_welcome(feed_frame(feed), feed->session, &welcome);
    feed_frame_end(feed);
}

/* Back to the beginning: the machine will connect again with its own key. */
static void on_joined(struct feed *feed, const struct feed_event *event)
{
    ASSERT(feed->phase == FEED_ASKED);
    feed->phase = FEED_FRESH;
    wire_put_joined(feed_frame(feed), event->joined.device, event->joined.history);
    feed_frame_end(feed);
}

static void on_signed_in(struct feed *feed, const struct feed_event *event)
{
    int code = event->signed_in.code;
    const char *text = event->signed_in.text;
    size_t count = code == 0 ? event->signed_in.count : 0;
    if (count > FEED_SIGNED_IN_MAX) {
        code = E_QUOTA;
        text = "this user has more than 200 bags to follow: take them out of some groups";
        count = 0;
    }
    wire_put_signed_in(feed_frame(feed), feed->session, event->signed_in.ref, code, text,
                       event->signed_in.bags, count);
    feed_frame_end(feed);
    if (code == 0) {
        feed_expect_bags(feed, event->signed_in.bags, count);
    }
}

static size_t outcome_bytes(const struct feed_outcome *outcome)
{
    return OUTCOME_BYTES + (outcome->text == NULL ? 0 : strnlen(outcome->text, WIRE_TEXT_MAX));
}

static void put_outcome(struct buf *out, const struct feed_outcome *outcome)
{
    if (outcome->split.is) {
        ASSERT(outcome->code == 0);
        wire_put_outcome_split(out, outcome->number, outcome->seq, &outcome->split);
    } else {
        wire_put_outcome(out, outcome->number, outcome->code, outcome->seq, outcome->text);
    }
}

static void on_outcomes(struct feed *feed, const struct feed_event *event)
{
    const struct feed_outcome *list = event->outcomes.list;
    size_t done = 0;
    while (done < event->outcomes.count) {
        size_t bytes = OUTCOME_HEAD_BYTES;
        uint32_t count = 0;
        while (done + count < event->outcomes.count && count < WIRE_OPS_UNANSWERED &&
               bytes + outcome_bytes(&list[done + count]) <= WIRE_FRAME_MAX) {
            bytes += outcome_bytes(&list[done + count]);
            count++;
        }
        struct buf *out = feed_frame(feed);
        wire_begin_outcome(out, feed->session, count);
        for (size_t i = done; i < done + count; i++) {
            put_outcome(out, &list[i]);
            unanswered_take(&feed->unanswered);
        }
        feed_frame_end(feed);
        done += count;
    }
}

/* Nothing of what is followed waits to be sent: the client has it all once it has read this far.
 * One that has not asked for anything yet holds what it held when it was here last. */
static bool feed_is_current(const struct feed *feed)
{
    bool current = feed->answered && !feed_outgoing(feed);
    for (int i = 0; i < LINE_COUNT; i++) {
        current = current && feed_line_first(feed, (enum feed_line_name)i) == NULL;
    }
    for (int i = 0; i < LANE_COUNT; i++) {
        current = current && feed->lanes[i].bag == IDMAP_NONE;
    }
    return current && feed->asked_bag == 0;
}

/* Does a message in parts take so long that others may want for its memory? */
static bool hangs(const struct feed *feed, bool begun, uint64_t since_ms)
{
    return begun && feed->pool->now_ms - since_ms >= FEED_MESSAGE_MS;
}

static void beat(struct feed *feed, uint64_t newest_bag)
{
    struct wire_heartbeat beat = {.seq = feed->head_seq, .newest_bag = newest_bag};
    beat.current = feed_is_current(feed) ? feed->head_seq : 0;
    feed->newest_bag = newest_bag;
    feed->beat_ms = feed->pool->now_ms;
    wire_put_heartbeat(feed_frame(feed), feed->session, &beat);
    feed_frame_end(feed);
}

static void on_tick(struct feed *feed, const struct feed_event *event)
{
    uint64_t now_ms = feed->pool->now_ms;
    bool news = event->newest_bag > feed->newest_bag; /* of a bag somebody may wait for */
    feed->head_seq = event->head_seq;
    feed->starved = false;
    if (now_ms - feed->heard_ms >= FEED_SILENT_HEARTBEATS * feed->heartbeat_ms) {
        feed_end_without_word(feed, E_TIMEOUT, "nothing was heard of the machine");
    } else if (hangs(feed, feed->in.total != 0, feed->in_since_ms)) {
        feed_end(feed, E_TIMEOUT, "a message in parts was not ended within two minutes");
    } else if (hangs(feed, feed_outgoing(feed), feed->outgoing_since_ms)) {
        feed_end(feed, E_TIMEOUT, "a message in parts was not taken within two minutes");
    } else if (feed->phase == FEED_OPEN && (news || now_ms - feed->beat_ms >= feed->heartbeat_ms)) {
        beat(feed, event->newest_bag);
    }
}

/* What was begun is ended: its other half would lie in the machine's memory meanwhile. */
static void on_state(struct feed *feed, enum wire_state state)
{
    feed->held = state == WIRE_STOPPED;
    wire_put_state(feed_frame(feed), feed->session, state);
    feed_frame_end(feed);
}

/* --- the step --- */

/* Events that only an open session has; late answers to one that is not are dropped. */
static void on_open_event(struct feed *feed, const struct feed_event *event)
{
    switch (event->kind) {
    case FEED_SIGNED_IN:
        on_signed_in(feed, event);
        break;
    case FEED_SIGNED_OUT:
        wire_put_signed_out(feed_frame(feed), feed->session, event->signed_out.ref,
                            event->signed_out.code, event->signed_out.text);
        feed_frame_end(feed);
        break;
    case FEED_BAG:
        feed_bag_answer(feed, event);
        break;
    case FEED_TURN:
        feed_take_turn(feed);
        break;
    case FEED_PAGE:
        feed_page(feed, &event->page);
        break;
    case FEED_OUTCOMES:
        on_outcomes(feed, event);
        break;
    case FEED_COMMITTED:
        feed_live(feed, event);
        break;
    case FEED_STATE:
        on_state(feed, event->state);
        break;
    case FEED_WANTED:
        feed_want_copy(feed, event->wanted.bag_id);
        break;
    case FEED_LISTED:
        feed_listed(feed, event);
        break;
    case FEED_MIRRORING:
        feed_mirroring(feed, event);
        break;
    case FEED_BATCHES:
        feed_batches(feed, &event->batches);
        break;
    case FEED_FRAME:
    case FEED_TICK:
    case FEED_WELCOME:
    case FEED_JOINED:
    case FEED_SENT_FAILED:
    case FEED_END:
    default:
        ASSERT(false);
    }
}

static void on_event(struct feed *feed, const struct feed_event *event)
{
    switch ((int)event->kind) {
    case FEED_FRAME:
        on_frame(feed, event->frame);
        break;
    case FEED_TICK:
        on_tick(feed, event);
        break;
    case FEED_WELCOME:
        on_welcome(feed, event);
        break;
    case FEED_JOINED:
        on_joined(feed, event);
        break;
    case FEED_SENT_FAILED:
        feed_end_without_word(feed, E_BUSY,
                              "the machine is gone, or does not read what it is sent");
        break;
    case FEED_END:
        feed_end(feed, event->end.code, event->end.text);
        break;
    default:
        if (feed->phase == FEED_OPEN) {
            on_open_event(feed, event);
        }
        break;
    }
}

/* What the event has made possible. */
static void pump(struct feed *feed)
{
    feed_send_more(feed);
    feed_tell_bags(feed);
    feed_list_ask(feed);
    feed_ask(feed);
    feed_want(feed);
}

struct feed_actions feed_step(struct feed *feed, const struct feed_event *event)
{
    ASSERT(feed != NULL);
    ASSERT(event != NULL);
    feed_pool_begin(feed->pool, event->now_ms);
    if (feed->phase == FEED_ENDED) {
        return (struct feed_actions){0};
    }
    if (!feed->began) {
        feed->began = true;
        feed->heard_ms = event->now_ms;
    }
    on_event(feed, event);
    if (feed->phase == FEED_OPEN) {
        pump(feed);
    }
    return feed_pool_finish(feed->pool, feed);
}
