/* tests/transport/test_follow_ops.c - operations: in order, within the window, deferred, answered.
 */
#include "tests/transport/follow_rig.h"

static void told(uint64_t last, uint64_t confirmed)
{
    struct follow_event event = {.kind = FOLLOW_OPS};
    event.ops.last = last;
    event.ops.confirmed = confirmed;
    rig_step(event);
}

static void asked(uint64_t from)
{
    assert_int_equal(rig_did(FOLLOW_DO_READ_OPS)->read_ops.from, from);
    assert_int_equal(rig.did.list[rig.did.count - 1].kind, FOLLOW_DO_READ_OPS);
}

static void not_asked(void)
{
    assert_int_equal(rig_count(FOLLOW_DO_READ_OPS), 0);
}

/* `count` operations of `size` bytes each, more or less. */
static void read_ops(uint64_t first, uint32_t count, uint32_t size)
{
    static uint8_t value[OPERATION_BYTES_MAX];
    struct operation_write write = {.path = SPAN_LITERAL("a"), .value = span_of(value, size)};
    struct follow_event event = {.kind = FOLLOW_OPS_READ};
    struct buf bytes;
    buf_init(&bytes, 8 << 20);
    for (uint32_t i = 0; i < count; i++) {
        operation_begin_write(&bytes, first + i, 4, 0, 0, 1);
        operation_put_write(&bytes, &write);
    }
    assert_int_equal(buf_error(&bytes), 0);
    event.ops_read.first = first;
    event.ops_read.count = count;
    event.ops_read.bytes = buf_span(&bytes);
    rig_step(event);
    buf_free(&bytes);
}

static void put_outcomes(uint64_t first, uint32_t count, int code)
{
    wire_begin_outcome(&rig.bytes, RIG_SESSION, count);
    for (uint32_t i = 0; i < count; i++) {
        wire_put_outcome(&rig.bytes, first + i, code, first + i + 500, "so");
    }
    (void)rig_got();
}

static void are_sent(uint64_t confirmed, uint64_t first, size_t count)
{
    struct operation operation;
    const struct wire_message *message = rig_sent(0, WIRE_WRITE);
    assert_int_equal(message->write.confirmed, confirmed);
    assert_int_equal(message->write.operations.count, count);
    assert_int_equal(
        operation_decode(wire_object_at(&message->write.operations, 0), &operation, NULL), 0);
    assert_int_equal(operation.number, first);
}

static void sent_and_answered(void **state)
{
    (void)state;
    told(5, 2);
    rig_did_nothing(); /* not connected */
    rig_open(NULL, 0);
    asked(3);
    assert_int_equal(rig_did(FOLLOW_DO_READ_OPS)->read_ops.max_count, WIRE_OPS_MAX);
    assert_in_range(rig_did(FOLLOW_DO_READ_OPS)->read_ops.max_bytes, 60000, WIRE_FRAME_MAX);
    read_ops(3, 2, 10);
    are_sent(2, 3, 2);
    asked(5);
    read_ops(5, 1, 10);
    are_sent(2, 5, 1);
    not_asked();
    put_outcomes(3, 1, 0);
    assert_int_equal(rig_did(FOLLOW_DO_OUTCOME)->outcome.number, 3);
    assert_int_equal(rig_did(FOLLOW_DO_OUTCOME)->outcome.code, 0);
    assert_int_equal(rig_did(FOLLOW_DO_OUTCOME)->outcome.seq, 503);
    put_outcomes(4, 2, E_CONDITION);
    assert_int_equal(rig_count(FOLLOW_DO_OUTCOME), 2);
    assert_int_equal(rig_nth(FOLLOW_DO_OUTCOME, 1)->outcome.code, E_CONDITION);
    assert_string_equal(rig_nth(FOLLOW_DO_OUTCOME, 1)->outcome.text, "so");
    told(6, 5);
    asked(6);
    read_ops(6, 1, 10);
    are_sent(5, 6, 1);
}

static void an_outbox_that_has_none(void **state)
{
    (void)state;
    told(2, 0);
    rig_open(NULL, 0);
    asked(1);
    read_ops(1, 0, 0);
    rig_did_nothing(); /* it is not asked again and again */
    rig_tick(10);
    rig_did_nothing();
    told(2, 0);
    asked(1);
}

static void as_many_as_may_be_unanswered(void **state)
{
    (void)state;
    told(5000, 0);
    rig_open(NULL, 0);
    asked(1);
    read_ops(1, 1000, 1);
    asked(1001);
    assert_int_equal(rig_did(FOLLOW_DO_READ_OPS)->read_ops.max_count, 24);
    read_ops(1001, 24, 1);
    not_asked();
    put_outcomes(1, 1, 0);
    asked(1025);
    assert_int_equal(rig_did(FOLLOW_DO_READ_OPS)->read_ops.max_count, 1);
    read_ops(1025, 1, 1);
    not_asked();
}

static void as_many_bytes_as_may_be_unanswered(void **state)
{
    uint64_t number = 1;
    (void)state;
    told(100, 0);
    rig_open(NULL, 0);
    while (rig_count(FOLLOW_DO_READ_OPS) > 0) {
        asked(number);
        read_ops(number++, 1, 500000);
    }
    assert_int_equal(number, 10); /* nine were read, eight are sent: the ninth does not fit */
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    put_outcomes(1, 1, 0);
    asked(9);
    read_ops(9, 1, 500000);
    assert_true(rig_count(FOLLOW_DO_SEND) > 1);
    asked(10); /* a small one would still fit */
    read_ops(10, 1, 500000);
    rig_did_nothing();
}

/* The largest operation there may be is sent when nothing else is unanswered. */
static void the_largest_operation_in_parts(void **state)
{
    (void)state;
    told(2, 0);
    rig_open(NULL, 0);
    asked(1);
    read_ops(1, 1, OPERATION_BYTES_MAX - 100);
    size_t parts = rig_count(FOLLOW_DO_SEND);
    assert_in_range(parts, OPERATION_BYTES_MAX / WIRE_PART_BYTES, 60);
    uint64_t offset = 0;
    for (size_t i = 0; i < parts; i++) {
        const struct wire_message *message = rig_sent(i, WIRE_PART);
        assert_int_equal(message->session, RIG_SESSION);
        assert_int_equal(message->part.offset, offset);
        offset += message->part.bytes.size;
    }
    assert_int_equal(offset, rig.message.part.total);
    asked(2);
    read_ops(2, 1, OPERATION_BYTES_MAX - 100);
    rig_did_nothing(); /* it waits for the first */
    put_outcomes(1, 1, 0);
    asked(2);
}

/* --- not now --- */

static void two_deferred(int code)
{
    told(3, 0);
    rig_open(NULL, 0);
    read_ops(1, 3, 10);
    put_outcomes(1, 1, 0);
    put_outcomes(2, 1, code);
}

static void deferred(void **state)
{
    (void)state;
    two_deferred(E_STOPPED);
    assert_int_equal(rig_did(FOLLOW_DO_DEFERRED)->deferred.code, E_STOPPED);
    assert_string_equal(rig_did(FOLLOW_DO_DEFERRED)->deferred.text, "so");
    assert_int_equal(rig_count(FOLLOW_DO_OUTCOME), 0);
    rig_tick(FOLLOW_DEFER_FIRST_MS);
    not_asked(); /* 3 is not answered yet */
    put_outcomes(3, 1, E_DEFERRED);
    assert_int_equal(rig_count(FOLLOW_DO_DEFERRED), 0);
    asked(2); /* all that was sent is answered, and the pause is over */
}

static void pauses_grow_and_become_short_again(void **state)
{
    uint64_t pause_ms = FOLLOW_DEFER_FIRST_MS;
    (void)state;
    two_deferred(E_BUSY);
    put_outcomes(3, 1, E_DEFERRED);
    for (int i = 0; i < 8; i++) {
        told(4, 1); /* something new does not overtake */
        not_asked();
        if (i == 0) { /* later heartbeats come in between */
            assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + FOLLOW_DEFER_FIRST_MS);
        }
        for (uint64_t ms = 0; ms + 1000 < pause_ms; ms += 1000) {
            rig.now_ms += 1000;
            wire_put_heartbeat(
                &rig.bytes, RIG_SESSION,
                &(struct wire_heartbeat){.seq = 1, .current = 1}); /* the server is there */
            (void)rig_got();
            not_asked();
        }
        rig_tick(pause_ms - 1 - (pause_ms - 1) / 1000 * 1000);
        not_asked();
        rig_tick(1);
        asked(2);
        read_ops(2, 3, 10);
        put_outcomes(2, 3, E_BUSY);
        assert_int_equal(rig_count(FOLLOW_DO_DEFERRED), 1);
        pause_ms = 2 * pause_ms < FOLLOW_DEFER_MAX_MS ? 2 * pause_ms : FOLLOW_DEFER_MAX_MS;
    }
    rig_tick(FOLLOW_DEFER_MAX_MS);
    asked(2);
    read_ops(2, 3, 10);
    put_outcomes(2, 1, 0);
    put_outcomes(3, 2, E_BUSY);
    rig_tick(FOLLOW_DEFER_FIRST_MS);
    asked(3);
}

static void running_again_ends_the_pause(void **state)
{
    (void)state;
    two_deferred(E_STOPPED);
    put_outcomes(3, 1, E_DEFERRED);
    not_asked();
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_READ_ONLY);
    (void)rig_got();
    not_asked();
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    asked(2);
}

/* All would come back: nothing is sent until it is started, and then at once. */
static void nothing_is_sent_while_it_is_stopped(void **state)
{
    (void)state;
    told(1, 0);
    rig_open(NULL, 0);
    read_ops(1, 1, 10);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_STOPPED);
    (void)rig_got();
    rig_status(FOLLOW_OPEN, E_STOPPED);
    assert_string_equal(rig_did(FOLLOW_DO_STATUS)->status.text, FOLLOW_STOPPED_TEXT);
    put_outcomes(1, 1, E_STOPPED); /* it had been sent before */
    told(3, 0);
    not_asked();
    rig_tick(FOLLOW_DEFER_MAX_MS);
    not_asked();
    rig_tick(RIG_HEARTBEAT_MS);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.waiting, 3);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    asked(1);
}

/* --- sessions and writers --- */

static void a_new_session_sends_what_has_no_outcome(void **state)
{
    (void)state;
    told(5, 0);
    rig_open(NULL, 0);
    read_ops(1, 5, 10);
    put_outcomes(1, 2, 0);
    put_outcomes(3, 1, E_BUSY);
    rig_step((struct follow_event){.kind = FOLLOW_DOWN, .down = {.code = E_UNREACHABLE}});
    rig_greet();
    rig_welcome();
    rig_bags(NULL, 0);
    asked(3); /* no pause: it is another session */
    read_ops(3, 3, 10);
    are_sent(0, 3, 3);
    put_outcomes(3, 3, 0);
    assert_int_equal(rig_count(FOLLOW_DO_OUTCOME), 3);
}

static void an_outcome_that_is_split(void **state)
{
    (void)state;
    const struct wire_split split = {true, 300, 0, 502};
    told(3, 0);
    rig_open(NULL, 0);
    read_ops(1, 3, 10);
    wire_begin_outcome(&rig.bytes, RIG_SESSION, 2);
    wire_put_outcome(&rig.bytes, 1, 0, 501, NULL);
    wire_put_outcome_split(&rig.bytes, 2, 502, &split);
    (void)rig_got();
    assert_false(rig_nth(FOLLOW_DO_OUTCOME, 0)->outcome.split.is);
    const struct wire_split *told_split = &rig_nth(FOLLOW_DO_OUTCOME, 1)->outcome.split;
    assert_true(told_split->is && told_split->device_bag == 300);
    assert_true(told_split->shared_seq == 0 && told_split->device_seq == 502);
}

static void an_outcome_that_is_known(void **state)
{
    (void)state;
    told(3, 0);
    rig_open(NULL, 0);
    read_ops(1, 3, 10);
    put_outcomes(1, 1, 0);
    put_outcomes(1, 1, 0);
    rig_did_nothing();
}

static void out_of_order(void **state)
{
    (void)state;
    told(3, 0);
    rig_open(NULL, 0);
    read_ops(1, 3, 10);
    put_outcomes(2, 1, 0);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_MALFORMED);
}

static void deferred_out_of_order(void **state)
{
    (void)state;
    told(3, 0);
    rig_open(NULL, 0);
    read_ops(1, 3, 10);
    put_outcomes(2, 1, E_BUSY);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_MALFORMED);
}

static void of_what_was_not_sent(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    put_outcomes(1, 1, 0);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_MALFORMED);
}

/* What is behind a deferred one can't be done. */
static void done_behind_a_deferral(void **state)
{
    (void)state;
    two_deferred(E_BUSY);
    put_outcomes(3, 1, 0);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_MALFORMED);
}

static void a_new_writer(void **state)
{
    (void)state;
    told(7, 4);
    rig_open(NULL, 0);
    read_ops(5, 3, 10);
    put_outcomes(5, 3, E_WRITER);
    assert_int_equal(rig_count(FOLLOW_DO_NEW_WRITER), 1);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_WRITER);
    assert_string_equal(rig_did(FOLLOW_DO_STATUS)->status.text, "so");
    rig.now_ms = rig_did(FOLLOW_DO_STATUS)->status.retry_at_ms;
    assert_true(rig.now_ms <= 1000 + FOLLOW_RETRY_FIRST_MS);
    rig_do(FOLLOW_TICK);
    rig_greet();
    rig_welcome();
    rig_bags(NULL, 0);
    not_asked(); /* the new numbers are not told yet */
    told(3, 0);
    asked(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sent_and_answered),
        TEST(an_outbox_that_has_none),
        TEST(as_many_as_may_be_unanswered),
        TEST(as_many_bytes_as_may_be_unanswered),
        TEST(the_largest_operation_in_parts),
        TEST(deferred),
        TEST(pauses_grow_and_become_short_again),
        TEST(running_again_ends_the_pause),
        TEST(a_new_session_sends_what_has_no_outcome),
        TEST(an_outcome_that_is_split),
        TEST(an_outcome_that_is_known),
        TEST(out_of_order),
        TEST(nothing_is_sent_while_it_is_stopped),
        TEST(deferred_out_of_order),
        TEST(of_what_was_not_sent),
        TEST(done_behind_a_deferral),
        TEST(a_new_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
