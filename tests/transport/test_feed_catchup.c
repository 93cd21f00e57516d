/* tests/transport/test_feed_catchup.c - FOLLOW, rounds of pages, and what ends them. */
#include "tests/transport/feed_rig.h"

static const struct wire_message *page_is(uint64_t flags, uint64_t since, uint64_t cursor)
{
    const struct wire_message *message = rig_sent(0, WIRE_PAGE);
    assert_int_equal(message->page.flags, flags);
    assert_int_equal(message->page.since, since);
    assert_int_equal(message->page.cursor, cursor);
    assert_int_equal(message->page.position.seq, cursor);
    return message;
}

static void read_is(uint64_t since, const char *after)
{
    rig_turn();
    const struct feed_action *action = rig_did(FEED_DO_READ);
    assert_int_equal(action->read.since, since);
    assert_true(span_equal(action->read.after, span_str(after)));
}

static void page(uint64_t last_seq, bool end)
{
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = last_seq, .size = 9, .end = end});
}

static void behind(uint64_t cursor, uint64_t last_seq)
{
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, cursor);
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.cursor, cursor);
    rig_answer_bag(1, 0, last_seq);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

/* --- FOLLOW --- */

static void up_to_date_is_told_at_once(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    const struct wire_message *message = rig_sent(0, WIRE_BAG);
    assert_int_equal(message->bag.bag_id, 1);
    assert_int_equal(message->bag.code, 0);
    assert_int_equal(message->bag.last_seq, 10);
    assert_int_equal(rig.did.count, 1);
}

static void not_allowed_is_told(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 10);
    rig_answer_bag(1, E_NOT_ALLOWED, 0);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_NOT_ALLOWED);
    assert_true(rig.message.bag.text.size > 0);
    assert_int_equal(feed_bags(rig.feed), 0);
    rig_commit_one(1, 11, 10, 5);
    assert_int_equal(rig.did.count, 0);
}

static void ahead_of_the_bag_is_diverged(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 11);
    rig_answer_bag(1, 0, 10);
    rig_ended(E_DIVERGED);
}

/* The answer may be older than what was heard of the bag meanwhile. */
static void a_change_between_question_and_answer(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 10);
    rig_commit_one(1, 11, 10, 5);
    rig_answer_bag(1, 0, 10);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    read_is(10, "");
    page(11, true);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 10, 11);
}

static void an_answer_that_nobody_asked_for(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_answer_bag(1, 0, 10);
    assert_int_equal(rig.did.count, 0);
    rig_step((struct feed_event){.kind = FEED_PAGE});
    assert_int_equal(rig.did.count, 0);
}

/* The client found a gap: from its cursor once more, whatever was sent. */
static void followed_again(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    rig_follow(1, 4);
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.cursor, 4);
    rig_answer_bag(1, 0, 10);
    read_is(4, "");
    rig_follow(1, 6); /* and again, in the middle of it */
    page(10, true);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    rig_follow(1, 7); /* and while it is asked */
    rig_answer_bag(1, 0, 10);
    read_is(7, "");
    page(10, true);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 7, 10);
    assert_int_equal(feed_bags(rig.feed), 1);
}

/* Unsubscribed at once, also where there is no credit to tell why. */
static void followed_again_and_not_allowed_any_more(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    rig_follow(1, 10);
    rig_answer_bag(1, E_NOT_ALLOWED, 0);
    assert_int_equal(rig.did.count, 2);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 1);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_NOT_ALLOWED);
    assert_int_equal(feed_bags(rig.feed), 0);
}

/* The digest that is told is the one of this moment, at the cursor that is told. */
static void followed_again_and_compared(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    assert_false(rig_sent(0, WIRE_BAG)->bag.has_digest);
    for (uint64_t low = 1; low <= 2; low++) {
        rig_follow(1, 10);
        assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.cursor, 10);
        rig_answer_digest(1, 10, low);
        assert_int_equal(rig_sent(0, WIRE_BAG)->bag.last_seq, 10);
        assert_true(rig.message.bag.has_digest);
        assert_int_equal(rig.message.bag.digest.low, low);
    }
    rig_commit_one(1, 11, 10, 5);
    assert_int_equal(rig_sent(0, WIRE_LIVE)->live.changes.count, 1);
    rig_follow(1, 11);
    rig_answer_digest(1, 10, 7); /* of the state before */
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.last_seq, 11);
    assert_false(rig.message.bag.has_digest);
}

/* What was fetched is compared as well, when there is credit to say so. */
static void a_last_page_is_compared(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){
        .bag_id = 1, .last_seq = 10, .size = 8, .end = true, .has_digest = true, .low = 9});
    assert_int_equal(rig_count(FEED_DO_SEND), 2);
    assert_true((rig_sent(0, WIRE_PAGE)->page.flags & WIRE_PAGE_LAST) != 0);
    assert_int_equal(rig_sent(1, WIRE_BAG)->bag.last_seq, 10);
    assert_true(rig.message.bag.has_digest && rig.message.bag.digest.low == 9);
    uint64_t sent = rig_frame(0).size + rig_frame(1).size;
    rig_credit(sent);             /* both count */
    rig_commit_one(1, 11, 10, 5); /* and it is live */
    assert_int_equal(rig_sent(0, WIRE_LIVE)->live.changes.count, 1);
}

static void a_last_page_without_credit_is_not_compared(void **state)
{
    (void)state;
    rig_open(100);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){
        .bag_id = 1, .last_seq = 10, .size = 8, .end = true, .has_digest = true, .low = 9});
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    uint64_t sent = rig_frame(0).size;
    rig_credit(sent);
    assert_int_equal(rig.did.count, 0);
}

/* --- the fleet first --- */

static void the_fleet_is_read_before_others(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    for (uint64_t bag_id = 1; bag_id <= 3; bag_id++) {
        rig_follow(bag_id == 3 ? RIG_FLEET : bag_id, 5);
        rig_answer_bag(bag_id == 3 ? RIG_FLEET : bag_id, 0, 10);
    }
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, RIG_FLEET);
    rig_answer_page((struct rig_page){.bag_id = RIG_FLEET, .last_seq = 10, .size = 8});
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, RIG_FLEET);
    rig_answer_page((struct rig_page){.bag_id = RIG_FLEET, .last_seq = 10, .size = 8, .end = true});
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, 1);
    /* It falls behind while another bag is in the middle of its pages. */
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .size = 8});
    rig_commit_one(RIG_FLEET, 13, 12, 5);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, RIG_FLEET);
}

/* A cursor that a client made up is not taken for a change that exists. */
static void a_lie_is_not_remembered(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, UINT64_MAX);
    rig_follow(1, 4);
    rig_answer_bag(1, 0, 10);
    read_is(4, "");
    page(10, true);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 4, 10);
}

/* What was sent exists, even when an answer or a snapshot is older. */
static void what_was_sent_is_remembered(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    page(12, true);
    rig_follow(1, 6);
    rig_answer_bag(1, 0, 10);
    read_is(6, "");
    page(10, true);
    (void)page_is(WIRE_PAGE_FIRST, 6, 10);
    read_is(10, "");
    page(12, true);
    (void)page_is(WIRE_PAGE_LAST, 6, 12);
}

static void what_is_owed_waits_for_credit(void **state)
{
    (void)state;
    rig_open(10);
    rig_live_bag(1, 10);
    uint64_t sent = rig_frame(0).size;
    rig_follow(2, 10);
    rig_follow(3, 10);
    assert_int_equal(rig.did.count, 0); /* what could not be told is not asked */
    rig_credit(sent);
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, 2);
    rig_answer_bag(2, E_BAG_GONE, 0);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.bag_id, 2);
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(feed_bags(rig.feed), 2);
    sent += rig_frame(0).size;
    rig_credit(sent);
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, 3);
    rig_answer_bag(3, 0, 10);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.bag_id, 3);
}

/* The credit that was there when it was asked is used up when the answer comes. */
static void what_can_not_be_told_is_asked_again(void **state)
{
    (void)state;
    rig_open(100);
    rig_live_bag(1, 10);
    uint64_t sent = rig_frame(0).size;
    rig_credit(sent);
    rig_follow(2, 10);
    rig_commit_one(1, 11, 10, 8);
    assert_int_equal(rig_count(FEED_DO_SEND), 0); /* LIVE is too long for it: bag 1 is behind */
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 11, .size = 8, .end = true});
    sent += rig_frame(0).size;
    rig_answer_digest(2, 10, 3);
    assert_int_equal(rig.did.count, 0);
    rig_credit(sent);
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, 2);
    rig_answer_digest(2, 10, 4);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.digest.low, 4);
}

/* --- rounds --- */

static void a_difference_of_one_page(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    assert_int_equal(rig_did(FEED_DO_READ)->read.budget_bytes, FEED_PAGE_BYTES);
    page(10, true);
    assert_int_equal(page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 5, 10)->page.rows.count, 1);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
}

static void a_whole_bag(void **state)
{
    (void)state;
    behind(0, 10);
    read_is(0, "");
    page(10, false);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_WHOLE, 0, 10);
    read_is(0, "a/path");
    page(10, true);
    (void)page_is(WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 10);
}

/* Rounds until the bag stood still under one: each begins where the one before began. */
static void a_bag_that_changes_meanwhile(void **state)
{
    (void)state;
    behind(0, 10);
    read_is(0, "");
    page(10, false);
    read_is(0, "a/path");
    page(12, true);
    (void)page_is(WIRE_PAGE_WHOLE, 0, 12);
    read_is(10, ""); /* what changed since the first page */
    page(13, false);
    (void)page_is(WIRE_PAGE_WHOLE, 0, 13);
    read_is(10, "a/path");
    page(14, true);
    (void)page_is(WIRE_PAGE_WHOLE, 0, 14);
    read_is(13, "");
    page(14, true);
    (void)page_is(WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 14);
    rig_commit_one(1, 15, 14, 5);
    assert_int_equal(rig_sent(0, WIRE_LIVE)->live.changes.count, 1);
}

static void an_old_snapshot_does_not_end_it(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_commit_one(1, 11, 10, 5);
    page(10, true);
    (void)page_is(WIRE_PAGE_FIRST, 5, 10);
    read_is(10, "");
    page(11, true);
    (void)page_is(WIRE_PAGE_LAST, 5, 11);
}

static void an_empty_page_in_between_is_not_sent(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10});
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    read_is(5, "a/path");
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .end = true});
    assert_int_equal(page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 5, 10)->page.rows.count, 0);
}

/* The difference can't be told any more, at the beginning or in a later round. */
static void purged(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .whole = true});
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    read_is(0, "");
    page(10, false);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_WHOLE, 0, 10);
    read_is(0, "a/path");
    page(12, true);
    read_is(10, "");
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 12, .whole = true});
    read_is(0, "");
    page(12, true);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 12);
    rig_commit_one(1, 14, 13, 5); /* a gap: from then on it is a difference again */
    read_is(12, "");
    page(14, true);
    (void)page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 12, 14);
}

static void deleted_while_it_is_read(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){.bag_id = 1, .code = E_BAG_GONE});
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_BAG_GONE);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 1);
    assert_int_equal(feed_bags(rig.feed), 0);
}

static void what_can_not_be_read(void **state)
{
    (void)state;
    behind(5, 10);
    read_is(5, "");
    rig_answer_page((struct rig_page){.bag_id = 1, .code = E_CORRUPT});
    rig_ended(E_IO);
}

/* --- turns --- */

static void a_turn_is_asked_for_once(void **state)
{
    (void)state;
    behind(5, 10);
    rig_follow(2, 5);
    rig_answer_bag(2, 0, 10);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    rig_turn();
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0); /* a page is being read */
    page(10, true);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

static void no_turn_without_credit(void **state)
{
    (void)state;
    rig_open(2000);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    rig_turn();
    assert_true(rig_did(FEED_DO_READ)->read.budget_bytes < 2000);
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .size = 1500});
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    size_t sent = rig_frame(0).size;
    rig_turn(); /* of an older wish: it is let pass */
    assert_int_equal(rig.did.count, 0);
    rig_credit(sent / 8);
    assert_int_equal(rig.did.count, 0);
    rig_credit(sent);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    read_is(5, "a/path");
}

static void a_small_rest_of_credit_is_a_small_page(void **state)
{
    (void)state;
    rig_open(100000);
    rig_live_bag(2, 10);
    rig_commit_one(2, 11, 10, 60000);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    rig_turn();
    assert_in_range(rig_did(FEED_DO_READ)->read.budget_bytes, 39000, 40000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(up_to_date_is_told_at_once),
        TEST(not_allowed_is_told),
        TEST(ahead_of_the_bag_is_diverged),
        TEST(a_change_between_question_and_answer),
        TEST(an_answer_that_nobody_asked_for),
        TEST(followed_again),
        TEST(followed_again_and_not_allowed_any_more),
        TEST(followed_again_and_compared),
        TEST(a_last_page_is_compared),
        TEST(a_last_page_without_credit_is_not_compared),
        TEST(the_fleet_is_read_before_others),
        TEST(what_can_not_be_told_is_asked_again),
        TEST(a_lie_is_not_remembered),
        TEST(what_was_sent_is_remembered),
        TEST(what_is_owed_waits_for_credit),
        TEST(a_difference_of_one_page),
        TEST(a_whole_bag),
        TEST(a_bag_that_changes_meanwhile),
        TEST(an_old_snapshot_does_not_end_it),
        TEST(an_empty_page_in_between_is_not_sent),
        TEST(purged),
        TEST(deleted_while_it_is_read),
        TEST(what_can_not_be_read),
        TEST(a_turn_is_asked_for_once),
        TEST(no_turn_without_credit),
        TEST(a_small_rest_of_credit_is_a_small_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
