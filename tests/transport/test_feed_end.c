/* tests/transport/test_feed_end.c - time, and how a session ends: heartbeats, silence, a goodbye, a
 * peer that does not read. */
#include "tests/transport/feed_rig.h"

static void put_beat(struct buf *out, uint64_t session, uint64_t seq)
{
    wire_put_heartbeat(out, session, &(struct wire_heartbeat){.seq = seq, .current = seq});
}

static void tick(uint64_t ms)
{
    struct feed_event event = {.kind = FEED_TICK};
    rig.now_ms += ms;
    event.head_seq = 60;
    rig_step(event);
}

static void heartbeats_when_nothing_else_is_sent(void **state)
{
    (void)state;
    rig_open(1000);
    tick(RIG_HEARTBEAT_MS - 1);
    assert_int_equal(rig.did.count, 0);
    tick(1);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.seq, 60);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 0); /* nothing is followed */
    tick(RIG_HEARTBEAT_MS - 1);
    assert_int_equal(rig.did.count, 0);
    tick(1);
    assert_int_equal(rig.did.count, 1);
    (void)rig_sent(0, WIRE_HEARTBEAT);
}

/* What else is sent says nothing of the head. */
static void heartbeats_while_there_is_no_end_of_changes(void **state)
{
    enum { STEP_MS = RIG_HEARTBEAT_MS / 4 };
    unsigned beats = 0;
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(300, 7);
    for (uint64_t seq = 8; seq < 8 + 12; seq++) { /* three heartbeats long */
        rig_commit_one(300, seq, seq - 1, 10);
        (void)rig_sent(0, WIRE_LIVE);
        tick(STEP_MS);
        beats += rig.did.count > 0 && rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current == 60;
        put_beat(&rig.bytes, RIG_SESSION, 1); /* the machine is there */
        rig_got();
    }
    assert_int_equal(beats, 3);
}

static void a_heartbeat_is_not_answered(void **state)
{
    (void)state;
    rig_open(1000);
    struct wire_heartbeat beat = {.seq = 33, .current = 44, .healed = 2, .waiting = 5};
    wire_put_heartbeat(&rig.bytes, RIG_SESSION, &beat);
    rig_got();
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(rig_did(FEED_DO_HEARD)->heard.seq, 44);
    assert_int_equal(rig_did(FEED_DO_HEARD)->heard.current, 44);
    assert_int_equal(rig_did(FEED_DO_HEARD)->heard.healed, 2);
    assert_int_equal(rig_did(FEED_DO_HEARD)->heard.waiting, 5);
}

static void silence_ends_it(void **state)
{
    (void)state;
    rig_open(1000);
    tick(FEED_SILENT_HEARTBEATS * RIG_HEARTBEAT_MS - 1);
    assert_int_equal(rig_count(FEED_DO_CUT), 0);
    put_beat(&rig.bytes, RIG_SESSION, 33);
    rig_got();
    tick(FEED_SILENT_HEARTBEATS * RIG_HEARTBEAT_MS - 1);
    assert_int_equal(rig_count(FEED_DO_CUT), 0);
    tick(1);
    assert_int_equal(rig_did(FEED_DO_CUT)->cut.code, E_TIMEOUT);
}

static void silence_before_hello_ends_it_too(void **state)
{
    (void)state;
    tick(0);
    tick(FEED_SILENT_HEARTBEATS * RIG_HEARTBEAT_MS);
    assert_int_equal(rig_did(FEED_DO_CUT)->cut.code, E_TIMEOUT);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
}

static void goodbye(void **state)
{
    (void)state;
    rig_open(1000);
    wire_put_bye(&rig.bytes, RIG_SESSION);
    rig_got();
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(rig_did(FEED_DO_CUT)->cut.code, 0);
}

static void a_peer_that_does_not_read(void **state)
{
    (void)state;
    rig_open(1000);
    rig_step((struct feed_event){.kind = FEED_SENT_FAILED});
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(rig_did(FEED_DO_CUT)->cut.code, E_BUSY);
}

static void the_end_from_outside(void **state)
{
    (void)state;
    rig_open(1000);
    struct feed_event event = {.kind = FEED_END};
    event.end.code = E_SUPERSEDED;
    event.end.text = "another one";
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_ERROR)->session, RIG_SESSION);
    rig_ended(E_SUPERSEDED);
    feed_free(&rig.feed);
    assert_null(rig.feed);
    feed_free(&rig.feed); /* once is enough, twice is fine */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(heartbeats_when_nothing_else_is_sent),
        TEST(heartbeats_while_there_is_no_end_of_changes),
        TEST(a_heartbeat_is_not_answered),
        TEST(silence_ends_it),
        TEST(silence_before_hello_ends_it_too),
        TEST(goodbye),
        TEST(a_peer_that_does_not_read),
        TEST(the_end_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
