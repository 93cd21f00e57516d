/* Who is connected. */
#include "tests/server/sessions_fixture.h"

static int setup(void **state)
{
    *state = net_new();
    return 0;
}

static int teardown(void **state)
{
    net_free(*state);
    return 0;
}

static void strangers_get_nothing(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct machine stranger = a;
    memset(stranger.key, 0x55, KEY_SIZE);
    struct wire_hello hello = net_greeting(&stranger);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 1, stranger.key, &frame);
    assert_true(net_silent(net, 1));
    assert_true(net->cut[1]);
    /* a known key on a connection that showed another one */
    (void)net_hello(net, 2, &a);
    frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 2, stranger.key, &frame);
    assert_true(net->cut[2]);
    assert_int_equal(sessions_count(net->sessions), 0);
}

/* CURVE gives a connection one key. Another machine's on it is no message of this session. */
static void another_machine_s_key_on_a_connection(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t session = net_hello(net, 1, &a);
    struct buf frame = net_buf();
    wire_put_heartbeat(&frame, session, &(struct wire_heartbeat){0});
    net_frame(net, 1, b.key, &frame);
    assert_true(net->cut[1]);
    assert_true(net_silent(net, 1));
    assert_int_equal(sessions_count(net->sessions), 0);
}

static void the_newest_connection_wins(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    struct wire_hello hello = net_greeting(&a);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 2, a.key, &frame);
    net_expect_error(net, 1, E_SUPERSEDED);
    assert_int_equal(net_next(net, 2)->type, WIRE_WELCOME);
    assert_false(net->cut[2]);
    assert_int_equal(sessions_count(net->sessions), 1);
}

static void all_are_told_at_the_end(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    (void)net_hello(net, 1, &a);
    (void)net_hello(net, 2, &b);
    sessions_state_changed(net->sessions);
    assert_int_equal(net_next(net, 1)->state.state, WIRE_RUNNING);
    sessions_end_all(net->sessions, E_CLOSED, "bye");
    assert_true(net->cut[1] && net->cut[2]);
    assert_int_equal(sessions_count(net->sessions), 0);
}

static void more_peers_than_the_limit_are_cut(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    for (uint8_t i = 1; i <= 101; i++) {
        struct buf frame = net_buf();
        /* nobody said hello: answered, not ended */
        wire_put_heartbeat(&frame, 5, &(struct wire_heartbeat){0});
        net_frame(net, i, a.key, &frame);
    }
    assert_false(net->cut[100]);
    assert_true(net->cut[101]);
    assert_int_equal(net_next(net, 1)->error.code, -E_HELLO_FIRST);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strangers_get_nothing),
        TEST(another_machine_s_key_on_a_connection),
        TEST(the_newest_connection_wins),
        TEST(all_are_told_at_the_end),
        TEST(more_peers_than_the_limit_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
