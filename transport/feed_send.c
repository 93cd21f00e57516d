/* transport/feed_send.c - the pool, the list of actions, frames, credit. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "transport/feed_state.h"

enum { ACTIONS_FIRST = 64, OUT_MAX = 16 << 20 };

int feed_pool_new(struct feed_pool **out, size_t bytes_max)
{
    ASSERT(out != NULL);
    struct feed_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return E_NOMEM;
    }
    pool->actions = malloc(ACTIONS_FIRST * sizeof *pool->actions);
    if (pool->actions == NULL) {
        free(pool);
        return E_NOMEM;
    }
    pool->action_capacity = ACTIONS_FIRST;
    pool->bytes_max = bytes_max;
    buf_init(&pool->out, OUT_MAX);
    buf_init(&pool->message, WIRE_MESSAGE_MAX);
    buf_init(&pool->held, WIRE_MESSAGE_MAX);
    *out = pool;
    return 0;
}

static void release_held(struct feed_pool *pool)
{
    feed_pool_give_back(pool, pool->held.size);
    buf_free(&pool->held);
}

void feed_pool_free(struct feed_pool **pool)
{
    if (pool == NULL || *pool == NULL) {
        return;
    }
    release_held(*pool);
    ASSERT((*pool)->bytes_used == 0);
    buf_free(&(*pool)->out);
    buf_free(&(*pool)->message);
    unpack_close(&(*pool)->scratch);
    free((*pool)->actions);
    free((*pool)->picks);
    free(*pool);
    *pool = NULL;
}

size_t feed_pool_bytes(const struct feed_pool *pool)
{
    return pool->bytes_used;
}

bool feed_pool_charge(struct feed_pool *pool, size_t bytes)
{
    if (bytes > pool->bytes_max - pool->bytes_used) {
        return false;
    }
    pool->bytes_used += bytes;
    return true;
}

void feed_pool_give_back(struct feed_pool *pool, size_t bytes)
{
    ASSERT(bytes <= pool->bytes_used);
    pool->bytes_used -= bytes;
}

void feed_pool_begin(struct feed_pool *pool, uint64_t now_ms)
{
    release_held(pool);
    buf_reset(&pool->out);
    pool->now_ms = now_ms;
    pool->failed = 0;
    pool->asked = false;
    pool->action_count = 0;
}

/* The frames lie in `out` in the order of their actions; where, is known only now that it grows no
 * more. Without memory for all of the list none of it is told but the end. */
struct feed_actions feed_pool_finish(struct feed_pool *pool, struct feed *feed)
{
    if (pool->failed == 0) {
        pool->failed = buf_error(&pool->out);
    }
    if (pool->failed != 0) {
        pool->action_count = 0;
        feed->phase = FEED_ENDED;
        pool->actions[pool->action_count++] = (struct feed_action){
            .kind = FEED_DO_CUT, .cut = {.code = pool->failed, .text = err_meaning(pool->failed)}};
    }
    const uint8_t *at = pool->out.data;
    for (size_t i = 0; i < pool->action_count; i++) {
        struct feed_action *action = &pool->actions[i];
        if (action->kind == FEED_DO_SEND) {
            action->send.data = at;
            at += action->send.size;
        }
    }
    return (struct feed_actions){.list = pool->actions, .count = pool->action_count};
}

static bool is_question(enum feed_action_kind kind)
{
    return kind == FEED_DO_HELLO || kind == FEED_DO_JOIN || kind == FEED_DO_SIGN_IN ||
           kind == FEED_DO_SIGN_OUT || kind == FEED_DO_FOLLOW || kind == FEED_DO_READ ||
           kind == FEED_DO_WRITE || kind == FEED_DO_LIST || kind == FEED_DO_MIRROR ||
           kind == FEED_DO_READ_JOURNAL;
}

struct feed_action *feed_act(struct feed *feed, enum feed_action_kind kind)
{
    struct feed_pool *pool = feed->pool;
    if (is_question(kind)) {
        ASSERT(!pool->asked);
        pool->asked = true;
    }
    struct feed_action *actions = array_reserve(pool->actions, &pool->action_capacity,
                                                pool->action_count + 1, sizeof *actions);
    if (actions == NULL) {
        pool->failed = E_NOMEM;
        return &pool->spare;
    }
    pool->actions = actions;
    struct feed_action *action = &pool->actions[pool->action_count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

struct buf *feed_frame(struct feed *feed)
{
    feed->pool->frame_begin = feed->pool->out.size;
    return &feed->pool->out;
}

void feed_frame_end(struct feed *feed)
{
    struct feed_pool *pool = feed->pool;
    size_t size = pool->out.size - pool->frame_begin;
    ASSERT(size <= WIRE_FRAME_MAX);
    feed_act(feed, FEED_DO_SEND)->send.size = size;
}

void feed_end_without_word(struct feed *feed, int code, const char *text)
{
    struct feed_pool *pool = feed->pool;
    size_t size = strnlen(text, sizeof pool->text - 1);
    memmove(pool->text, text, size);
    pool->text[size] = '\0';
    struct feed_action *action = feed_act(feed, FEED_DO_CUT);
    action->cut.code = code;
    action->cut.text = pool->text;
    feed->phase = FEED_ENDED;
}

void feed_end(struct feed *feed, int code, const char *text)
{
    uint64_t session = feed->phase == FEED_OPEN ? feed->session : 0;
    wire_put_error(feed_frame(feed), session, code, text, true);
    feed_frame_end(feed);
    feed_end_without_word(feed, code, text);
}

/* --- credit --- */

static size_t bytes_left(const struct feed *feed)
{
    uint64_t outstanding = feed->sent_bytes - feed->acknowledged_bytes;
    return outstanding >= feed->window ? 0 : (size_t)(feed->window - outstanding);
}

/* The frames between the last acknowledgement and now are of two groups at most. */
static bool frames_left(const struct feed *feed)
{
    return feed->group_frames < WIRE_CREDIT_FRAMES || feed->acknowledged_bytes >= feed->group_bytes;
}

size_t feed_credit(const struct feed *feed)
{
    return frames_left(feed) ? bytes_left(feed) : 0;
}

static bool nothing_outstanding(const struct feed *feed)
{
    return feed->sent_bytes == feed->acknowledged_bytes;
}

bool feed_may_send(const struct feed *feed, size_t size)
{
    return size <= feed_credit(feed) || nothing_outstanding(feed);
}

void feed_count(struct feed *feed, size_t frame_bytes)
{
    if (feed->group_frames >= WIRE_CREDIT_FRAMES && frames_left(feed)) {
        feed->group_bytes = feed->sent_bytes;
        feed->group_frames = 0;
    }
    feed->sent_bytes += frame_bytes;
    feed->group_frames++;
}

static void send_whole(struct feed *feed, struct span message)
{
    (void)buf_append_span(feed_frame(feed), message); /* looked at by feed_pool_finish */
    feed_frame_end(feed);
    feed_count(feed, message.size);
}

static size_t send_part(struct feed *feed, struct span message, size_t offset)
{
    size_t frame_bytes = parts_out_frame_bytes(feed->session, feed->part_id, message.size, offset);
    struct buf *out = feed_frame(feed);
    size_t size = parts_out_put(out, feed->session, feed->part_id, message, offset);
    ASSERT(buf_error(out) != 0 || out->size - feed->pool->frame_begin == frame_bytes);
    feed_frame_end(feed);
    feed_count(feed, frame_bytes);
    return size;
}

/* Once a message is begun, its parts are bounded by their bytes alone. */
static bool may_send_part(const struct feed *feed, struct span message, size_t offset)
{
    size_t size = parts_out_frame_bytes(feed->session, feed->part_id, message.size, offset);
    return offset == 0 ? feed_may_send(feed, size)
                       : size <= bytes_left(feed) || nothing_outstanding(feed);
}

/* As much of the message from `offset` on as credit allows; returns where it goes on. */
static size_t send_some(struct feed *feed, struct span message, size_t offset)
{
    if (message.size <= WIRE_FRAME_MAX) {
        if (feed_may_send(feed, message.size)) {
            send_whole(feed, message);
            return message.size;
        }
        return offset;
    }
    while (offset < message.size && may_send_part(feed, message, offset)) {
        offset += send_part(feed, message, offset);
    }
    return offset;
}

bool feed_outgoing(const struct feed *feed)
{
    return feed->outgoing.size > 0;
}

bool feed_may_begin(const struct feed *feed)
{
    return !feed->held && !feed_outgoing(feed);
}

void feed_outgoing_drop(struct feed *feed)
{
    struct buf *message = &feed->pool->message;
    feed_pool_give_back(feed->pool, feed->outgoing.size);
    if (message->data == NULL) { /* the next one is made in it */
        *message = feed->outgoing;
        buf_init(&feed->outgoing, WIRE_MESSAGE_MAX);
    }
    buf_free(&feed->outgoing);
    feed->outgoing_offset = 0;
}

/* The message waits in the memory that it was made in, unless that is much too large for it. */
static int keep_message(struct feed *feed)
{
    struct buf *message = &feed->pool->message;
    if (message->size < message->capacity / 2) {
        return buf_append_span(&feed->outgoing, buf_span(message));
    }
    buf_free(&feed->outgoing);
    feed->outgoing = *message;
    buf_init(message, WIRE_MESSAGE_MAX);
    return 0;
}

int feed_send_message(struct feed *feed)
{
    ASSERT(!feed_outgoing(feed));
    struct span message = buf_span(&feed->pool->message);
    if (buf_error(&feed->pool->message) != 0) {
        return buf_error(&feed->pool->message);
    }
    feed->part_id++;
    if (parts_out_all_bytes(feed->session, feed->part_id, message.size) <= feed_credit(feed)) {
        (void)send_some(feed, message, 0);
        return 0;
    }
    if (!feed_pool_charge(feed->pool, message.size)) {
        return E_BUSY;
    }
    if (keep_message(feed) != 0) {
        feed_pool_give_back(feed->pool, message.size);
        buf_reset(&feed->outgoing);
        return E_NOMEM;
    }
    feed->outgoing_since_ms = feed->pool->now_ms;
    feed_send_more(feed);
    return 0;
}

void feed_send_more(struct feed *feed)
{
    if (!feed_outgoing(feed)) {
        return;
    }
    feed->outgoing_offset = send_some(feed, buf_span(&feed->outgoing), feed->outgoing_offset);
    if (feed->outgoing_offset == feed->outgoing.size) {
        feed_outgoing_drop(feed);
    }
}
