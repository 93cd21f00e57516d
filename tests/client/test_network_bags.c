/* tests/client/test_network_bags.c - bags are followed, compared, told again, and let go of. */
#include "tests/client/driven.h"

static void what_is_the_same_is_not_sent_again(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    driven_reconnect(&d);
    assert_int_equal(status_of(&d.m).healed, 0);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_end(&d);
}

/* The server's bag has another value under the same seq: as if this machine's memory or disk had
 * changed it unnoticed. */
static void a_bag_that_differs_is_fetched_anew_and_counted(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_item(bag, span_str("a"))->value[0] = '2';
    driven_reconnect(&d);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "2");
    struct kb_status status = status_of(&d.m);
    assert_int_equal(status.healed, 1);
    assert_string_equal(status.text, "the bag 'user:Ann' differed from the server's: it is fetched "
                                     "anew");
    driven_pass(&d, 5000);
    assert_int_equal(d.toy->healed, 1); /* a heartbeat told it */
    kb_close(&d.m.kb);
    driven_open(&d);
    assert_int_equal(status_of(&d.m).healed, 1); /* it is kept */
    driven_start(&d);
    driven_pass(&d, 5000);
    assert_int_equal(status_of(&d.m).healed, 1);
    assert_int_equal(d.toy->healed, 1);
    driven_end(&d);
}

static void a_bag_that_was_dropped_is_followed_no_more(void **state)
{
    (void)state;
    struct driven d;
    struct kb_error error = {0};
    driven_begin_with_ann(&d);
    ok(kb_logout(d.m.kb, "Ann", &error), &error);
    driven_settle(&d);
    assert_int_equal(d.toy->sign_outs, 1);
    unsigned follows = d.toy->follows;
    driven_pass(&d, 30000);
    assert_in_range(d.toy->follows - follows, 0, 2); /* the fleet's and its own */
    assert_int_equal(status_of(&d.m).bags, 2);
    driven_end(&d);
}

/* More messages than one transaction takes, and all of them count. */
static void a_burst_is_committed_together(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    for (int i = 0; i < 100; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        toy_put_text(d.toy, bag, i % 2 == 0 ? "a" : "b", text);
    }
    driven_settle(&d);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "98");
    assert_string_equal(get(&d.m, "user:Ann", "b"), "99");
    driven_reconnect(&d);
    assert_int_equal(status_of(&d.m).healed, 0);
    driven_end(&d);
}

/* A crash in the middle: what was not committed comes again. */
static void a_burst_that_was_cut_off_comes_again(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_put_text(d.toy, bag, "a", "cut off");
    struct buf frame = d.frames[d.first];
    d.first = (d.first + 1) % DRIVEN_FRAMES;
    d.count--;
    driven_turn(&d, (struct network_event){.kind = NETWORK_FRAME, .frame = buf_span(&frame)});
    buf_free(&frame);
    assert_int_equal(network_next_ms(d.m.kb->network), 0);
    replica_batch_abort(&d.m.kb->network->batch);
    kb_close(&d.m.kb);
    driven_open(&d);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_start(&d);
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "cut off");
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_is_not_sent_again),
        cmocka_unit_test(a_bag_that_differs_is_fetched_anew_and_counted),
        cmocka_unit_test(a_bag_that_was_dropped_is_followed_no_more),
        cmocka_unit_test(a_burst_is_committed_together),
        cmocka_unit_test(a_burst_that_was_cut_off_comes_again),
    };
    return cmocka_run_group_tests_name("client/network_bags", tests, NULL, NULL);
}
