/* tests/transport/test_feed_list.c - LIST: one at a time, with credit, and nothing kept. */
#include "tests/transport/feed_rig.h"

#include "transport/feed_state.h"

static void ask(uint64_t after)
{
    wire_put_list(&rig.bytes, RIG_SESSION, after);
    rig_got();
}

/* Bags from 1 on, with names as long as they may be. */
static void answer(int code, size_t count, bool end)
{
    static struct bag_row rows[WIRE_OWNERS_MAX];
    struct feed_event event = {.kind = FEED_LISTED};
    for (size_t i = 0; i < count; i++) {
        rows[i].bag_id = i + 1;
        rows[i].last_seq = UINT64_MAX;
        rows[i].owner.kind = OWNER_USER;
        memset(rows[i].owner.shown, 'x', NAME_MAX_BYTES);
    }
    event.listed.code = code;
    event.listed.bags = rows;
    event.listed.count = count;
    event.listed.end = end;
    rig_step(event);
}

static void asked_and_answered(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    ask(40);
    assert_int_equal(rig_did(FEED_DO_LIST)->list.after, 40);
    answer(0, 2, false);
    assert_int_equal(rig_sent(0, WIRE_OWNERS)->owners.bags.count, 2);
    assert_false(rig.message.owners.end);
    ask(2);
    answer(E_NOT_ALLOWED, 0, true);
    assert_int_equal(rig_sent(0, WIRE_OWNERS)->owners.code, -E_NOT_ALLOWED);
    assert_true(rig.message.owners.end);
}

static void as_many_as_fit_a_frame(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    ask(0);
    answer(0, WIRE_OWNERS_MAX, false);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    assert_int_equal(rig_sent(0, WIRE_OWNERS)->owners.bags.count, WIRE_OWNERS_MAX);
}

static void one_at_a_time(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    ask(0);
    ask(0);
    rig_ended(E_QUOTA);
}

static void an_answer_that_nobody_waits_for(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    answer(0, 1, true);
    assert_int_equal(rig.did.count, 0);
}

/* It counts: without credit it is not even asked. */
static void lists_wait_for_credit(void **state)
{
    (void)state;
    rig_open(3000);
    ask(0);
    answer(0, 8, true);
    ask(0);
    assert_int_equal(rig.did.count, 0);
    ask(0);
    rig_ended(E_QUOTA); /* even so only one waits */
}

static void a_list_goes_on_with_credit(void **state)
{
    (void)state;
    rig_open(3000);
    ask(0);
    answer(0, 8, true);
    uint64_t sent = rig_frame(0).size;
    ask(7);
    assert_int_equal(rig.did.count, 0);
    rig_credit(sent);
    assert_int_equal(rig_did(FEED_DO_LIST)->list.after, 7);
}

/* A page and a list would want for one place: while the one is read, the other waits. */
static void not_while_a_page_is_read(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    rig_turn();
    assert_int_equal(rig_count(FEED_DO_READ), 1);
    ask(0);
    assert_int_equal(rig.did.count, 0);
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .size = 8});
    assert_int_equal(rig_count(FEED_DO_LIST), 1);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    answer(0, 1, true);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

/* All parts of the message that the last step began to send. */
static void acknowledge_all(void)
{
    uint64_t sent = 0;
    while (rig_count(FEED_DO_SEND) > 0) {
        for (size_t i = 0; i < rig_count(FEED_DO_SEND); i++) {
            sent += rig_frame(i).size;
        }
        rig_credit(sent);
    }
}

/* The memory of messages in parts is used up by others: it is asked again. */
static void no_budget_for_a_list(void **state)
{
    (void)state;
    rig_open(2000);
    assert_true(feed_pool_charge(rig.pool, RIG_POOL_BYTES));
    ask(3);
    assert_false(rig_did(FEED_DO_LIST)->list.again);
    answer(0, 100, true);
    assert_int_equal(rig.did.count, 0);
    feed_pool_give_back(rig.pool, RIG_POOL_BYTES);
    rig_step((struct feed_event){.kind = FEED_TICK});
    assert_int_equal(rig_did(FEED_DO_LIST)->list.after, 3);
    assert_true(rig_did(FEED_DO_LIST)->list.again); /* the machine did not ask for it twice */
    answer(0, 100, true);
    assert_int_equal(rig_sent(0, WIRE_OWNERS)->owners.bags.count, 100);
    acknowledge_all();
    ask(3);
    assert_false(rig_did(FEED_DO_LIST)->list.again);
}

/* --- when to ask --- */

static void tick_with(uint64_t ms, uint64_t newest_bag)
{
    struct feed_event event = {.kind = FEED_TICK};
    rig.now_ms += ms;
    event.head_seq = 60;
    event.newest_bag = newest_bag;
    rig_step(event);
}

/* Who keeps others' bags hears of a new one at once, and of each once. */
static void a_new_bag_is_told_at_once(void **state)
{
    (void)state;
    rig_open(1000);
    tick_with(1, 0);
    assert_int_equal(rig.did.count, 0);
    tick_with(1, 55);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.newest_bag, 55);
    assert_true(rig.message.heartbeat.seq == 60 && rig.message.heartbeat.healed == 0);
    tick_with(1, 55);
    assert_int_equal(rig.did.count, 0);
    tick_with(RIG_HEARTBEAT_MS, 55);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.newest_bag, 55);
}

static void no_new_bag_before_there_is_a_session(void **state)
{
    (void)state;
    tick_with(1, 55);
    assert_int_equal(rig.did.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asked_and_answered),
        TEST(as_many_as_fit_a_frame),
        TEST(one_at_a_time),
        TEST(an_answer_that_nobody_waits_for),
        TEST(lists_wait_for_credit),
        TEST(a_list_goes_on_with_credit),
        TEST(not_while_a_page_is_read),
        TEST(no_budget_for_a_list),
        TEST(a_new_bag_is_told_at_once),
        TEST(no_new_bag_before_there_is_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
