/* tests/transport/feed_rig.h - one feed on the bench: events in by hand, actions looked at. */
#ifndef KITBAG_TESTS_TRANSPORT_FEED_RIG_H
#define KITBAG_TESTS_TRANSPORT_FEED_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/feed.h"

enum {
    RIG_SESSION = 7,
    RIG_HEARTBEAT_MS = 2000,
    RIG_BAGS_MAX = 1500,
    RIG_POOL_BYTES = 1 << 20,
    RIG_FLEET = 777777, /* the fleet's bag */
};

static struct rig {
    struct feed_pool *pool;
    struct feed *feed;
    uint64_t now_ms;
    struct feed_actions did; /* of the newest step */
    struct buf bytes;        /* a message in the making, for rig_got */
    struct unpacked scratch;
    struct wire_message message;
} rig;

static inline void rig_step(struct feed_event event)
{
    event.now_ms = rig.now_ms;
    rig.did = feed_step(rig.feed, &event);
}

static inline void rig_new_feed(void)
{
    struct feed_options options = {.session = RIG_SESSION,
                                   .heartbeat_ms = RIG_HEARTBEAT_MS,
                                   .bags_max = RIG_BAGS_MAX,
                                   .pool = rig.pool};
    assert_int_equal(feed_new(&rig.feed, &options), 0);
}

static inline int rig_setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.now_ms = 1000;
    buf_init(&rig.bytes, 8 << 20);
    assert_int_equal(feed_pool_new(&rig.pool, RIG_POOL_BYTES), 0);
    rig_new_feed();
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    feed_free(&rig.feed);
    feed_pool_free(&rig.pool); /* asserts that the feed gave all back */
    buf_free(&rig.bytes);
    unpack_close(&rig.scratch);
    return 0;
}

/* --- what came of a step --- */

static inline size_t rig_count(enum feed_action_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < rig.did.count; i++) {
        count += rig.did.list[i].kind == kind;
    }
    return count;
}

/* The only action of the kind. */
static inline const struct feed_action *rig_did(enum feed_action_kind kind)
{
    assert_int_equal(rig_count(kind), 1);
    size_t i = 0;
    while (rig.did.list[i].kind != kind) {
        i++;
    }
    return &rig.did.list[i];
}

static inline struct span rig_frame(size_t nth)
{
    size_t i = 0;
    for (;; i++) {
        assert_true(i < rig.did.count);
        if (rig.did.list[i].kind == FEED_DO_SEND && nth-- == 0) {
            return rig.did.list[i].send;
        }
    }
}

/* The n-th message that was sent; valid until the next call. */
static inline const struct wire_message *rig_sent(size_t nth, enum wire_type type)
{
    assert_int_equal(wire_decode(rig_frame(nth), &rig.scratch, &rig.message, NULL), 0);
    assert_int_equal(rig.message.type, type);
    return &rig.message;
}

/* ERROR with the code, and the end. */
static inline void rig_ended(int code)
{
    const struct wire_message *message = rig_sent(rig_count(FEED_DO_SEND) - 1, WIRE_ERROR);
    assert_int_equal(message->error.code, -code);
    assert_true(message->error.fatal);
    assert_true(message->error.text.size > 0);
    assert_int_equal(rig_did(FEED_DO_CUT)->cut.code, code);
    assert_int_equal(rig.did.list[rig.did.count - 1].kind, FEED_DO_CUT);
    assert_false(feed_open(rig.feed));
    rig_step((struct feed_event){.kind = FEED_TICK});
    assert_int_equal(rig.did.count, 0); /* nothing after the end */
}

/* --- events --- */

/* What lies in rig.bytes comes from the client. */
static inline void rig_got(void)
{
    assert_int_equal(buf_error(&rig.bytes), 0);
    rig_step((struct feed_event){.kind = FEED_FRAME, .frame = buf_span(&rig.bytes)});
    buf_reset(&rig.bytes);
}

static inline void rig_hello(uint64_t window)
{
    struct wire_hello hello = {.version = WIRE_VERSION, .device = 3, .window = window};
    wire_put_hello(&rig.bytes, &hello);
    rig_got();
}

static inline void rig_open(uint64_t window)
{
    struct feed_event event = {.kind = FEED_WELCOME};
    rig_hello(window);
    event.welcome = (struct wire_welcome){.head_seq = 50, .state = WIRE_RUNNING, .device = 3};
    event.welcome.fleet_bag = RIG_FLEET;
    rig_step(event);
    assert_true(feed_open(rig.feed));
}

static inline void rig_follow(uint64_t bag_id, uint64_t cursor)
{
    struct wire_bag bag = {bag_id, cursor};
    wire_put_follow(&rig.bytes, RIG_SESSION, &bag, 1);
    rig_got();
}

static inline void rig_answer_bag(uint64_t bag_id, int code, uint64_t last_seq)
{
    struct feed_event event = {.kind = FEED_BAG};
    event.bag.bag_id = bag_id;
    event.bag.code = code;
    event.bag.text = "";
    event.bag.last_seq = last_seq;
    rig_step(event);
}

static inline void rig_answer_digest(uint64_t bag_id, uint64_t last_seq, uint64_t low)
{
    struct feed_event event = {.kind = FEED_BAG};
    event.bag.bag_id = bag_id;
    event.bag.text = "";
    event.bag.last_seq = last_seq;
    event.bag.has_digest = true;
    event.bag.digest.low = low;
    rig_step(event);
}

/* Followed and up to date at `seq`. */
static inline void rig_live_bag(uint64_t bag_id, uint64_t seq)
{
    rig_follow(bag_id, seq);
    rig_answer_bag(bag_id, 0, seq);
}

static inline void rig_credit(uint64_t received)
{
    wire_put_credit(&rig.bytes, RIG_SESSION, received);
    rig_got();
}

static inline void rig_turn(void)
{
    rig_step((struct feed_event){.kind = FEED_TURN});
}

/* A page of one row with `size` bytes of value, or of none. */
struct rig_page {
    uint64_t bag_id;
    uint64_t last_seq;
    uint32_t size; /* 0: no row */
    bool end;
    bool whole;
    int code;
    bool has_digest;
    uint64_t low; /* of the digest */
};

static inline void rig_answer_page(struct rig_page told)
{
    static uint8_t value[VALUE_MAX_BYTES];
    struct feed_event event = {.kind = FEED_PAGE};
    struct item_row row = {.state = ITEM_LIVE, .seq = told.last_seq, .value = {value, told.size}};
    struct buf rows;
    buf_init(&rows, WIRE_MESSAGE_MAX);
    if (told.size > 0) {
        wire_put_row(&rows, SPAN_LITERAL("a/path"), &row);
        event.page.row_count = 1;
    }
    event.page.bag_id = told.bag_id;
    event.page.code = told.code;
    event.page.last_seq = told.last_seq;
    event.page.whole = told.whole;
    event.page.position.seq = told.last_seq;
    event.page.rows = buf_span(&rows);
    event.page.next = SPAN_LITERAL("a/path");
    event.page.end = told.end;
    event.page.has_digest = told.has_digest;
    event.page.digest.low = told.low;
    rig_step(event);
    buf_free(&rows);
}

/* One change of a batch; `size` of its value. */
struct rig_change {
    uint64_t bag_id;
    uint64_t seq;
    uint64_t prev;
    uint32_t size;
    bool deletes;
};

enum { RIG_CHANGES_MAX = 8 };

static inline void rig_commit(const struct rig_change *told, size_t count)
{
    static uint8_t value[VALUE_MAX_BYTES];
    struct change changes[RIG_CHANGES_MAX];
    const struct change *pointers[RIG_CHANGES_MAX];
    struct buf encoded[RIG_CHANGES_MAX];
    struct span spans[RIG_CHANGES_MAX];
    struct feed_event event = {.kind = FEED_COMMITTED};
    assert_true(count <= RIG_CHANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct change){
            .seq = told[i].seq,
            .time_ms = 1,
            .kind = told[i].deletes ? CHANGE_BAG_DELETE : CHANGE_ITEM_SET,
            .bag_id = told[i].bag_id,
            .prev = told[i].prev,
        };
        if (!told[i].deletes) {
            changes[i].path = SPAN_LITERAL("a/path");
            changes[i].value = span_of(value, told[i].size);
        }
        buf_init(&encoded[i], 2 << 20);
        change_encode(&encoded[i], &changes[i], CHANGE_STREAM);
        pointers[i] = &changes[i];
        spans[i] = buf_span(&encoded[i]);
        event.committed.position.seq = told[i].seq;
    }
    event.committed.changes = pointers;
    event.committed.encoded = spans;
    event.committed.count = count;
    rig_step(event);
    for (size_t i = 0; i < count; i++) {
        buf_free(&encoded[i]);
    }
}

static inline void rig_commit_one(uint64_t bag_id, uint64_t seq, uint64_t prev, uint32_t size)
{
    struct rig_change change = {.bag_id = bag_id, .seq = seq, .prev = prev, .size = size};
    rig_commit(&change, 1);
}

#endif
