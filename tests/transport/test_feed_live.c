/* tests/transport/test_feed_live.c - live changes: what goes out, what stays behind. */
#include "tests/transport/feed_rig.h"

static void sent_changes_are(const uint64_t *seqs, size_t count)
{
    const struct wire_message *message = rig_sent(0, WIRE_LIVE);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    assert_int_equal(message->live.changes.count, count);
    for (size_t i = 0; i < count; i++) {
        struct change change;
        const msgpack_object *object = wire_object_at(&message->live.changes, i);
        assert_int_equal(change_decode(object, CHANGE_STREAM, &change, NULL), 0);
        assert_int_equal(change.seq, seqs[i]);
    }
}

static void nothing_was_sent(void)
{
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
}

static void one_message_a_batch(void **state)
{
    static const struct rig_change batch[] = {
        {1, 21, 10, 5, false}, {2, 22, 20, 5, false}, {9, 23, 3, 5, false}, {1, 24, 21, 5, false}};
    static const uint64_t seqs[] = {21, 22, 24};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    rig_live_bag(2, 20);
    rig_commit(batch, 4); /* bag 9 is not followed */
    sent_changes_are(seqs, 3);
    assert_int_equal(rig.message.live.position.seq, 24);
    rig_commit_one(1, 25, 24, 5);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
}

static void nothing_of_what_is_not_followed(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_commit_one(1, 11, 10, 5);
    assert_int_equal(rig.did.count, 0);
}

static void what_was_sent_already_is_skipped(void **state)
{
    static const struct rig_change batch[] = {{1, 10, 9, 5, false}, {1, 11, 10, 5, false}};
    static const uint64_t seqs[] = {11};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10); /* its answer knew change 10, whose batch is told only now */
    rig_commit_one(1, 10, 9, 5);
    assert_int_equal(rig.did.count, 0);
    rig_commit(batch, 2);
    sent_changes_are(seqs, 1);
}

static void a_gap_is_paged(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    rig_commit_one(1, 13, 12, 5);
    nothing_was_sent();
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 10);
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 13, .size = 5, .end = true});
    rig_commit_one(1, 14, 13, 5);
    assert_int_equal(rig_sent(0, WIRE_LIVE)->live.changes.count, 1);
}

static void nothing_live_before_the_last_page(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 5);
    rig_commit_one(1, 11, 10, 5); /* not even asked */
    nothing_was_sent();
    rig_answer_bag(1, 0, 11);
    rig_commit_one(1, 12, 11, 5); /* in line */
    nothing_was_sent();
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 12, .size = 5});
    rig_commit_one(1, 13, 12, 5); /* between pages */
    nothing_was_sent();
}

/* Up to date, but there was no credit to say so before something new came: pages say both. */
static void what_could_not_be_told_is_paged(void **state)
{
    (void)state;
    rig_open(1);
    rig_live_bag(2, 10);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    uint64_t sent = rig_frame(0).size;
    rig_follow(1, 10);
    nothing_was_sent();
    rig_credit(sent);
    rig_answer_bag(1, 0, 11);
    nothing_was_sent();
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 10);
}

/* A bag that does not fit leaves room for one behind it that does. */
static void bag_by_bag_as_credit_goes(void **state)
{
    static const struct rig_change batch[] = {{1, 21, 20, 3000, false}, {2, 22, 20, 2000, false},
                                              {1, 23, 21, 3000, false}, {3, 24, 20, 500, false},
                                              {2, 25, 22, 1000, false}, {4, 26, 20, 2000, false}};
    static const uint64_t seqs[] = {22, 24, 25};
    (void)state;
    rig_open(5000);
    for (uint64_t bag_id = 1; bag_id <= 4; bag_id++) {
        rig_live_bag(bag_id, 20);
    }
    rig_commit(batch, 6);
    sent_changes_are(seqs, 3);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0); /* too little credit is left */
    rig_credit(28 + rig_frame(0).size);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, 1);
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 20); /* nothing of it was sent */
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 23, .end = true});
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, 4);
}

static void as_long_as_one_message_may_be(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    rig_live_bag(2, 10);
    rig_credit(14);
    rig_commit_one(1, 11, 10, FEED_LIVE_MAX - 600);
    assert_true(rig_count(FEED_DO_SEND) > 4);
    uint64_t sent = 14;
    for (size_t i = 0; i < rig_count(FEED_DO_SEND); i++) {
        sent += rig_frame(i).size;
    }
    rig_credit(sent);
    rig_commit_one(2, 12, 10, FEED_LIVE_MAX - 500);
    nothing_was_sent();
}

/* --- deletion --- */

static void delete_bag(uint64_t bag_id, uint64_t seq, uint64_t prev)
{
    struct rig_change change = {.bag_id = bag_id, .seq = seq, .prev = prev, .deletes = true};
    rig_commit(&change, 1);
}

static void a_deletion_is_sent_live(void **state)
{
    static const uint64_t seqs[] = {11};
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_live_bag(1, 10);
    delete_bag(1, 11, 10);
    sent_changes_are(seqs, 1);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 1);
    assert_int_equal(feed_bags(rig.feed), 0);
}

static void a_deletion_of_a_bag_that_is_behind(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    delete_bag(1, 11, 10);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 1);
    const struct wire_message *message = rig_sent(0, WIRE_BAG);
    assert_int_equal(message->bag.bag_id, 1);
    assert_int_equal(message->bag.code, -E_BAG_GONE);
    assert_int_equal(feed_bags(rig.feed), 0);
}

static void a_deletion_between_pages(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    rig_turn();
    delete_bag(1, 11, 10);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_BAG_GONE);
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .size = 5, .end = true});
    assert_int_equal(rig.did.count, 0);
}

/* Told as soon as there is credit, and no sooner. */
static void a_deletion_without_credit(void **state)
{
    (void)state;
    rig_open(600);
    rig_live_bag(1, 10);
    size_t told = rig_frame(0).size;
    rig_commit_one(1, 11, 10, 20);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    told += rig_frame(0).size;
    rig_live_bag(2, 10);
    told += rig_frame(0).size;
    rig_commit_one(2, 11, 10, 400);
    nothing_was_sent();
    delete_bag(1, 12, 11);
    assert_int_equal(rig_did(FEED_DO_UNFOLLOW)->unfollow.bag_id, 1);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_BAG_GONE); /* small: it fits */
    told += rig_frame(0).size;
    rig_credit(told);
    assert_int_equal(feed_bags(rig.feed), 1);
}

static void a_deletion_before_it_was_asked(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 5);
    delete_bag(1, 11, 10);
    assert_int_equal(rig.did.count, 0); /* the answer will tell */
    rig_answer_bag(1, E_BAG_GONE, 0);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.code, -E_BAG_GONE);
    assert_int_equal(rig_count(FEED_DO_UNFOLLOW), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_message_a_batch),
        TEST(nothing_of_what_is_not_followed),
        TEST(what_was_sent_already_is_skipped),
        TEST(a_gap_is_paged),
        TEST(nothing_live_before_the_last_page),
        TEST(what_could_not_be_told_is_paged),
        TEST(bag_by_bag_as_credit_goes),
        TEST(as_long_as_one_message_may_be),
        TEST(a_deletion_is_sent_live),
        TEST(a_deletion_of_a_bag_that_is_behind),
        TEST(a_deletion_between_pages),
        TEST(a_deletion_without_credit),
        TEST(a_deletion_before_it_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
