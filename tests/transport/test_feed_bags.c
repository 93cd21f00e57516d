/* tests/transport/test_feed_bags.c - lines and lanes: who comes when, and who has left. */
#include "tests/transport/feed_rig.h"

static void follow_all(const uint64_t *ids, size_t count, uint64_t cursor)
{
    struct wire_bag bags[16];
    for (size_t i = 0; i < count; i++) {
        bags[i] = (struct wire_bag){ids[i], cursor};
    }
    wire_put_follow(&rig.bytes, RIG_SESSION, bags, count);
    rig_got();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, ids[i]);
        rig_answer_bag(ids[i], 0, 100);
    }
}

static void unfollow(uint64_t bag_id)
{
    wire_put_unfollow(&rig.bytes, RIG_SESSION, &bag_id, 1);
    rig_got();
}

static void read_is_of(uint64_t bag_id)
{
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, bag_id);
}

static void finish(uint64_t bag_id)
{
    rig_answer_page((struct rig_page){.bag_id = bag_id, .last_seq = 100, .end = true});
    assert_int_equal(rig_sent(0, WIRE_PAGE)->page.flags & WIRE_PAGE_LAST, WIRE_PAGE_LAST);
}

static void in_the_order_they_came(void **state)
{
    static const uint64_t ids[] = {5, 3, 9, 1};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    follow_all(ids, 4, 7);
    for (size_t i = 0; i < 4; i++) {
        read_is_of(ids[i]);
        finish(ids[i]);
    }
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
}

/* The first, one in the middle, the last, the only one. */
static void leaving_the_line(void **state)
{
    static const uint64_t ids[] = {5, 3, 9, 1, 8};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    follow_all(ids, 5, 7);
    unfollow(5);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 5);
    unfollow(9);
    unfollow(8);
    read_is_of(3);
    finish(3);
    unfollow(1);
    rig_turn();
    assert_int_equal(rig.did.count, 0); /* a turn that nobody needs any more */
    assert_int_equal(feed_bags(rig.feed), 1);
    follow_all(ids, 1, 7);
    read_is_of(5);
    finish(5);
}

static void leaving_between_question_and_answer(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(5, 7);
    unfollow(5);
    assert_int_equal(rig_count(FEED_DO_UNFOLLOW), 0); /* it is not subscribed yet */
    rig_answer_bag(5, 0, 100);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 5);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);

    rig_follow(6, 7);
    unfollow(6);
    rig_answer_bag(6, E_NOT_ALLOWED, 0);
    assert_int_equal(rig.did.count, 0);
}

static void leaving_while_its_page_is_read(void **state)
{
    static const uint64_t ids[] = {5, 6};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    follow_all(ids, 2, 7);
    read_is_of(5);
    unfollow(5);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0); /* one read at a time */
    rig_follow(5, 8);
    rig_answer_bag(5, 0, 100);
    rig_answer_page((struct rig_page){.bag_id = 5, .last_seq = 100, .size = 10, .end = true});
    assert_int_equal(rig_count(FEED_DO_SEND), 0); /* it was of the FOLLOW before */
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    read_is_of(6);
    finish(6);
    read_is_of(5);
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 8);
    finish(5);
}

static void a_bag_between_rounds_goes_to_the_end(void **state)
{
    static const uint64_t ids[] = {5, 6};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    follow_all(ids, 2, 7);
    read_is_of(5);
    rig_answer_page((struct rig_page){.bag_id = 5, .last_seq = 100, .size = 10});
    read_is_of(5); /* in the middle of a round it goes on */
    rig_answer_page((struct rig_page){.bag_id = 5, .last_seq = 101, .size = 10, .end = true});
    read_is_of(6);
    finish(6);
    read_is_of(5);
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 100);
}

static void a_sign_in_goes_first(void **state)
{
    static const uint64_t ids[] = {5, 6};
    struct bag_row rows[] = {{.bag_id = 30}, {.bag_id = 31}};
    struct feed_event event = {.kind = FEED_SIGNED_IN};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    follow_all(ids, 2, 7);
    read_is_of(5);
    rig_answer_page((struct rig_page){.bag_id = 5, .last_seq = 100, .size = 10});
    assert_false(rig_did(FEED_DO_WANT_TURN)->turn.urgent);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(owner_make(&rows[i].owner, OWNER_GROUP, SPAN_LITERAL("g"), 0, NULL), 0);
    }
    event.signed_in.bags = rows;
    event.signed_in.count = 2;
    rig_step(event);
    rig_follow(31, 0);
    rig_answer_bag(31, 0, 100);
    assert_true(rig_did(FEED_DO_WANT_TURN)->turn.urgent); /* once more, for it is urgent now */
    rig_follow(30, 0);
    rig_answer_bag(30, 0, 100);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    read_is_of(31);
    finish(31);
    assert_true(rig_did(FEED_DO_WANT_TURN)->turn.urgent);
    read_is_of(30);
    finish(30);
    assert_false(rig_did(FEED_DO_WANT_TURN)->turn.urgent);
    read_is_of(5);
    assert_true(span_equal(rig_did(FEED_DO_READ)->read.after, SPAN_LITERAL("a/path")));
    finish(5);
    /* Behind later on it is like any other. */
    rig_commit_one(31, 110, 105, 10);
    read_is_of(6);
    finish(6);
    read_is_of(31);
}

static void as_many_bags_as_may_be(void **state)
{
    static struct wire_bag bags[WIRE_BAGS_MAX];
    uint64_t next = 1;
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    for (int i = 0; i < 2; i++) {
        size_t count = i == 0 ? WIRE_BAGS_MAX : RIG_BAGS_MAX - WIRE_BAGS_MAX;
        for (size_t j = 0; j < count; j++) {
            bags[j] = (struct wire_bag){.bag_id = next++};
        }
        wire_put_follow(&rig.bytes, RIG_SESSION, bags, count);
        rig_got();
    }
    assert_int_equal(feed_bags(rig.feed), RIG_BAGS_MAX);
    rig_follow(3, 9); /* again: that is no other bag */
    assert_true(feed_open(rig.feed));
    rig_follow(next, 0);
    rig_ended(E_QUOTA);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

static void beat(void)
{
    rig.now_ms += RIG_HEARTBEAT_MS;
    rig_step((struct feed_event){.kind = FEED_TICK, .head_seq = 60});
}

/* A machine is told that it is up to date only when nothing of what it follows waits. */
static void heartbeats_tell_who_is_current(void **state)
{
    (void)state;
    rig_open(1000);
    beat();
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 0); /* nothing was asked */
    rig_follow(300, 7);
    beat();
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 0); /* asked, not told */
    rig_answer_bag(300, 0, 9);
    beat();
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 0); /* behind */
}

static void who_has_all_that_was_asked_for_is_current(void **state)
{
    (void)state;
    rig_open(1000);
    rig_follow(300, 7);
    rig_answer_bag(300, 0, 7);
    beat();
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.current, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_the_order_they_came),
        TEST(heartbeats_tell_who_is_current),
        TEST(who_has_all_that_was_asked_for_is_current),
        TEST(leaving_the_line),
        TEST(leaving_between_question_and_answer),
        TEST(leaving_while_its_page_is_read),
        TEST(a_bag_between_rounds_goes_to_the_end),
        TEST(a_sign_in_goes_first),
        TEST(as_many_bags_as_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
