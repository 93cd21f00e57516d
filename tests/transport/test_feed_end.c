/* tests/transport/test_feed_end.c - how a session ends: silence, a goodbye, a peer that does not
 * read. */
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silence_ends_it),
        TEST(silence_before_hello_ends_it_too),
        TEST(goodbye),
        TEST(a_peer_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
