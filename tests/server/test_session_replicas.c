/* Tests of server/session_replicas.c: what is told of the replicas, all together. */
#include "tests/server/sessions_fixture.h"

enum { A_DAY_MS = 86400000 };

/* As it is a second later. */
static struct server_replicas replicas_of(struct net *net)
{
    struct server_replicas found;
    net->fx->time.mono_ms += 1000;
    sessions_replicas(net->sessions, &found);
    return found;
}

static uint64_t head_of(struct net *net)
{
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    return head.seq;
}

static void beat(struct net *net, uint8_t peer, const struct machine *machine, uint64_t session,
                 uint64_t seq)
{
    net_beat(net, peer, machine, session, &(struct wire_heartbeat){.seq = seq, .current = seq});
}

static void lag_is_that_of_the_furthest_behind(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    assert_int_equal(replicas_of(net).lag, 0); /* nobody is connected */
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    uint64_t head = head_of(net);
    beat(net, 1, &a, on_a, head);
    beat(net, 2, &b, on_b, head - 2);
    struct server_replicas found = replicas_of(net);
    assert_int_equal(found.lag, 2);
    assert_int_equal(found.behind, 1);
    beat(net, 2, &b, on_b, head);
    net->fx->time.mono_ms += 999; /* it is looked at once a second */
    sessions_replicas(net->sessions, &found);
    assert_int_equal(found.lag, 2);
    net->fx->time.mono_ms += 1;
    sessions_replicas(net->sessions, &found);
    assert_int_equal(found.lag, 0);
    assert_int_equal(found.behind, 0);
}

static void who_is_refused_is_counted_while_it_is_registered(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    net_follow(net, 1, &a, on_a, a.bag, UINT64_MAX >> 1);
    net_expect_error(net, 1, E_DIVERGED);
    uint64_t on_b = net_hello(net, 2, &b);
    net_follow(net, 2, &b, on_b, b.bag, UINT64_MAX >> 1);
    net_expect_error(net, 2, E_DIVERGED);
    assert_int_equal(replicas_of(net).diverged, 2);
    on_a = net_hello(net, 3, &a); /* served again */
    beat(net, 3, &a, on_a, head_of(net));
    assert_int_equal(replicas_of(net).diverged, 1);
    net_record(net, &b, "removed", "");
    assert_int_equal(replicas_of(net).diverged, 0);
}

static void who_is_not_compared_for_a_day_is_counted(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    (void)net_hello(net, 2, &b); /* follows nothing: there is nothing to compare */
    (void)replicas_of(net);
    net->fx->time.wall_ms += A_DAY_MS;
    net_follow(net, 1, &a, on_a, a.bag, 0);
    assert_int_equal(replicas_of(net).unverified, 0); /* a day is not over */
    net->fx->time.wall_ms += A_DAY_MS + 1;
    assert_int_equal(replicas_of(net).unverified, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lag_is_that_of_the_furthest_behind),
        TEST(who_is_refused_is_counted_while_it_is_registered),
        TEST(who_is_not_compared_for_a_day_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
