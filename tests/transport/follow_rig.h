/* tests/transport/follow_rig.h - one follower on the bench: events in by hand, actions looked at.
 */
#ifndef KITBAG_TESTS_TRANSPORT_FOLLOW_RIG_H
#define KITBAG_TESTS_TRANSPORT_FOLLOW_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/follow.h"

enum { RIG_SESSION = 7, RIG_HEARTBEAT_MS = 2000, RIG_ADDRESSES = 3, RIG_FLEET = 777777 };

static struct rig {
    struct follow *follow;
    uint64_t now_ms;
    uint64_t window;
    struct follow_actions did; /* of the newest step */
    struct buf bytes;          /* a message in the making, for rig_got */
    struct unpacked scratch;
    struct wire_message message;
} rig;

static inline void rig_step(struct follow_event event)
{
    event.now_ms = rig.now_ms;
    rig.did = follow_step(rig.follow, &event);
}

static inline void rig_do(enum follow_event_kind kind)
{
    rig_step((struct follow_event){.kind = kind});
}

static inline int rig_setup(void **state)
{
    struct follow_options options = {.address_count = RIG_ADDRESSES, .seed = 11};
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.now_ms = 1000;
    rig.window = WIRE_WINDOW_MAX;
    buf_init(&rig.bytes, 8 << 20);
    assert_int_equal(follow_new(&rig.follow, &options), 0);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    follow_free(&rig.follow);
    buf_free(&rig.bytes);
    unpack_close(&rig.scratch);
    return 0;
}

/* --- what came of a step --- */

static inline size_t rig_count(enum follow_action_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < rig.did.count; i++) {
        count += rig.did.list[i].kind == kind;
    }
    return count;
}

static inline const struct follow_action *rig_nth(enum follow_action_kind kind, size_t nth)
{
    size_t i = 0;
    for (;; i++) {
        assert_true(i < rig.did.count);
        if (rig.did.list[i].kind == kind && nth-- == 0) {
            return &rig.did.list[i];
        }
    }
}

/* The only action of the kind. */
static inline const struct follow_action *rig_did(enum follow_action_kind kind)
{
    assert_int_equal(rig_count(kind), 1);
    return rig_nth(kind, 0);
}

static inline void rig_did_nothing(void)
{
    assert_int_equal(rig.did.count, 0);
}

static inline void rig_status(enum follow_phase phase, int code)
{
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.phase, phase);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, code);
    assert_non_null(rig_did(FOLLOW_DO_STATUS)->status.text);
}

/* The n-th message that was sent; valid until the next call. */
static inline const struct wire_message *rig_sent(size_t nth, enum wire_type type)
{
    struct span frame = rig_nth(FOLLOW_DO_SEND, nth)->send;
    assert_int_equal(wire_decode(frame, &rig.scratch, &rig.message, NULL), 0);
    assert_int_equal(rig.message.type, type);
    return &rig.message;
}

/* --- events --- */

/* What lies in rig.bytes comes from the server; how many bytes it was. */
static inline size_t rig_got(void)
{
    size_t size = rig.bytes.size;
    assert_int_equal(buf_error(&rig.bytes), 0);
    rig_step((struct follow_event){.kind = FOLLOW_FRAME, .frame = buf_span(&rig.bytes)});
    buf_reset(&rig.bytes);
    return size;
}

static inline void rig_identify(void)
{
    struct follow_event event = {.kind = FOLLOW_IDENTITY};
    event.identity.hello = (struct wire_hello){
        .version = WIRE_VERSION, .device = 3, .writer = 55, .window = rig.window};
    event.identity.join = (struct wire_join){.version = WIRE_VERSION, .name = SPAN_LITERAL("new")};
    rig_step(event);
}

/* Up to where HELLO is sent. */
static inline void rig_greet(void)
{
    rig_do(FOLLOW_UP);
    assert_int_equal(rig_count(FOLLOW_DO_IDENTIFY), 1);
    rig_identify();
}

static inline void rig_welcome(void)
{
    struct wire_welcome welcome = {.version = WIRE_VERSION,
                                   .head_seq = 50,
                                   .state = WIRE_RUNNING,
                                   .device = 3,
                                   .fleet_bag = RIG_FLEET,
                                   .heartbeat_ms = RIG_HEARTBEAT_MS,
                                   .window = rig.window};
    wire_put_welcome(&rig.bytes, RIG_SESSION, &welcome);
    (void)rig_got();
    assert_int_equal(rig_count(FOLLOW_DO_LIST_BAGS), 1);
}

static inline void rig_bags(const struct wire_bag *bags, size_t count)
{
    struct follow_event event = {.kind = FOLLOW_BAGS};
    event.bags.list = bags;
    event.bags.count = count;
    rig_step(event);
}

/* An open session; `bags` is what the replica keeps. */
static inline void rig_open(const struct wire_bag *bags, size_t count)
{
    rig_do(FOLLOW_START);
    rig_greet();
    rig_welcome();
    rig_bags(bags, count);
}

/* One bag, up to date at `seq`. */
static inline size_t rig_open_live(uint64_t bag_id, uint64_t seq)
{
    struct wire_bag bag = {bag_id, seq};
    rig_open(&bag, 1);
    wire_put_bag(&rig.bytes, RIG_SESSION, bag_id, 0, seq, "", NULL);
    return rig_got();
}

static inline void rig_applied(int code, uint64_t bag_id, uint64_t cursor)
{
    struct follow_event event = {.kind = FOLLOW_APPLIED};
    event.applied.code = code;
    event.applied.bag_id = bag_id;
    event.applied.cursor = cursor;
    rig_step(event);
}

static inline void rig_error(int code, bool fatal)
{
    wire_put_error(&rig.bytes, 0, code, "so it is", fatal);
    (void)rig_got();
}

static inline void rig_tick(uint64_t ms)
{
    rig.now_ms += ms;
    rig_do(FOLLOW_TICK);
}

struct rig_change {
    uint64_t bag_id;
    uint64_t seq;
    uint64_t prev;
    uint32_t size;
    bool deletes;
};

static inline void rig_put_live(const struct rig_change *told, size_t count)
{
    static uint8_t value[VALUE_MAX_BYTES];
    struct wire_position position = {.seq = told[count - 1].seq};
    wire_begin_live(&rig.bytes, RIG_SESSION, &position, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct change change = {
            .seq = told[i].seq,
            .time_ms = 1,
            .kind = told[i].deletes ? CHANGE_BAG_DELETE : CHANGE_ITEM_SET,
            .bag_id = told[i].bag_id,
            .prev = told[i].prev,
        };
        if (!told[i].deletes) {
            change.path = SPAN_LITERAL("a/path");
            change.value = span_of(value, told[i].size);
        }
        change_encode(&rig.bytes, &change, CHANGE_STREAM);
    }
}

static inline size_t rig_live(const struct rig_change *told, size_t count)
{
    rig_put_live(told, count);
    return rig_got();
}

static inline size_t rig_live_one(uint64_t bag_id, uint64_t seq, uint64_t prev)
{
    struct rig_change change = {bag_id, seq, prev, 5, false};
    return rig_live(&change, 1);
}

static inline size_t rig_page(uint64_t bag_id, uint64_t flags, uint64_t since, uint64_t cursor)
{
    struct wire_position position = {.seq = cursor};
    struct item_row row = {.state = ITEM_LIVE, .seq = cursor, .value = SPAN_LITERAL("value")};
    wire_begin_page(&rig.bytes, RIG_SESSION, bag_id, flags, since, cursor, &position, 1);
    wire_put_row(&rig.bytes, SPAN_LITERAL("a/path"), &row);
    return rig_got();
}

/* FOLLOW of one bag from `cursor` is the only thing that was done. */
static inline void rig_followed(uint64_t bag_id, uint64_t cursor)
{
    const struct wire_message *message = rig_sent(0, WIRE_FOLLOW);
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(message->follow.bags.count, 1);
    assert_int_equal(wire_bag_at(&message->follow.bags, 0).bag_id, bag_id);
    assert_int_equal(wire_bag_at(&message->follow.bags, 0).cursor, cursor);
}

#endif
