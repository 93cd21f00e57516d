/* tests/transport/test_feed_stopped.c - a feed while synchronization is stopped, and a bag of which
 * the client's copy is wanted.
 */
#include "tests/transport/feed_rig.h"

/* Stopped: what is followed stays where it is, and is not called complete; answers go out. */
static void nothing_followed_is_sent_while_it_is_stopped(void **state)
{
    (void)state;
    rig_open(100000);
    rig_live_bag(1, 20);
    struct feed_event event = {.kind = FEED_STATE};
    event.state = WIRE_STOPPED;
    rig_step(event);
    (void)rig_sent(0, WIRE_STATE);
    rig_commit_one(1, 21, 20, 8);
    assert_int_equal(rig.did.count, 0);
    rig_follow(2, 0);
    assert_int_equal(rig.did.count, 0);
    wire_put_list(&rig.bytes, RIG_SESSION, 0);
    rig_got();
    assert_int_equal(rig.did.count, 0);
    rig.now_ms += RIG_HEARTBEAT_MS;
    rig_step((struct feed_event){.kind = FEED_TICK, .head_seq = 21});
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 0);
    event = (struct feed_event){.kind = FEED_SIGNED_OUT};
    event.signed_out.text = "";
    rig_step(event);
    (void)rig_sent(0, WIRE_SIGNED_OUT);
    event = (struct feed_event){.kind = FEED_STATE};
    event.state = WIRE_RUNNING;
    rig_step(event);
    (void)rig_sent(0, WIRE_STATE);
    assert_int_equal(rig_count(FEED_DO_LIST), 1); /* one question a step: the bags come next */
}

static void set_state(enum wire_state state)
{
    struct feed_event event = {.kind = FEED_STATE};
    event.state = state;
    rig_step(event);
    (void)rig_sent(0, WIRE_STATE);
}

static void want_copy(uint64_t bag_id)
{
    struct feed_event event = {.kind = FEED_WANTED};
    event.wanted.bag_id = bag_id;
    rig_step(event);
}

/* In place of the deletion, which comes behind it. */
static void a_copy_is_asked_for(void **state)
{
    (void)state;
    rig_open(100000);
    assert_false(feed_holds(rig.feed, 1));
    rig_follow(1, 0);
    rig_answer_bag(1, 0, 20);
    assert_false(feed_holds(rig.feed, 1)); /* it has nothing yet */
    rig_live_bag(2, 20);
    assert_true(feed_holds(rig.feed, 2));
    want_copy(2);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 2);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_BAG_WANTED);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.bag_id, 2);
    assert_false(feed_holds(rig.feed, 2));
    want_copy(2);
    assert_int_equal(rig.did.count, 0);
}

static void it_is_told_when_it_is_started(void **state)
{
    (void)state;
    rig_open(100000);
    rig_live_bag(1, 20);
    set_state(WIRE_STOPPED);
    rig_commit_one(1, 21, 20, 8);
    assert_true(feed_holds(rig.feed, 1)); /* an older one */
    want_copy(1);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    struct feed_event event = {.kind = FEED_STATE};
    event.state = WIRE_RUNNING;
    rig_step(event);
    assert_int_equal(rig_sent(1, WIRE_BAG)->bag.code, -E_BAG_WANTED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_followed_is_sent_while_it_is_stopped),
        TEST(a_copy_is_asked_for),
        TEST(it_is_told_when_it_is_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
