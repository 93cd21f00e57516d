/* One session's end is nobody else's. */
#include "tests/server/sessions_fixture.h"

static void bad_bytes_end_one_session_only(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    struct buf frame = net_buf();
    (void)buf_append(&frame, "\xdd\xff\xff\xff\xff", 5);
    net_frame(net, 1, a.key, &frame);
    net_expect_error(net, 1, E_MALFORMED);
    on_a = net_hello(net, 3, &a);
    frame = net_buf();
    wire_begin_write(&frame, on_a, 0, 1);
    pack_array(&frame, 1);
    pack_u64(&frame, 0);
    net_frame(net, 3, a.key, &frame);
    net_expect_error(net, 3, E_MALFORMED);
    net_write(net, 2, &b, on_b, 1, b.bag, "p", "v");
    net_run(net);
    assert_int_equal(net_outcome(net, 2).code, 0);
}

static void silence_and_deafness_end_a_session(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    (void)net_hello(net, 1, &a);
    (void)net_hello(net, 2, &b);
    net->deaf = 2;
    net->fx->time.mono_ms += 2000;
    for (size_t i = 0; i < 10; i++) {
        sessions_tick(net->sessions);
    }
    assert_int_equal(net_next(net, 1)->type, WIRE_HEARTBEAT);
    assert_true(net->cut[2]);
    assert_false(net->cut[1]);
    net->fx->time.mono_ms += 8000;
    for (size_t i = 0; i < 10; i++) {
        sessions_tick(net->sessions);
    }
    assert_true(net->cut[1]);
    assert_int_equal(sessions_count(net->sessions), 0);
}

static void who_breaks_the_frame_is_told(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    struct peer peer = net_peer(1);
    sessions_broken(net->sessions, &peer);
    net_expect_error(net, 1, E_MALFORMED);
    assert_int_equal(sessions_count(net->sessions), 0);
    sessions_broken(net->sessions, &peer); /* the router cuts it: nothing else to be done */
    assert_int_equal(net_next(net, 1)->type, WIRE_ERROR);
    assert_int_equal(net->message.session, 0);
}

static void beat_healed(struct net *net, const struct machine *machine, uint64_t session,
                        uint64_t healed)
{
    struct wire_heartbeat beat = {.seq = 2, .healed = healed};
    net_beat(net, 1, machine, session, &beat);
}

/* One that lies can't make the sum of all machines worthless: no more bags than it follows count,
 * and no more often than heartbeats are due. */
static void a_lie_about_healing_is_bounded(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    net_follow(net, 1, &a, session, a.bag, 0);
    for (uint64_t i = 1; i <= 5; i++) {
        net->fx->time.mono_ms += 2000;
        beat_healed(net, &a, session, UINT64_MAX);
        assert_int_equal(sessions_healed(net->sessions), i);
        beat_healed(net, &a, session, 0);
        beat_healed(net, &a, session, UINT64_MAX); /* too soon */
        beat_healed(net, &a, session, 0);
        assert_int_equal(sessions_healed(net->sessions), i);
    }
}

/* What comes too soon counts with the next one. */
static void healing_is_counted_once_a_heartbeat(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    uint64_t fleet = committer_fleet_bag(net->fx->committer);
    net_follow(net, 1, &a, session, fleet, 0);
    net_follow(net, 1, &a, session, a.bag, 0);
    beat_healed(net, &a, session, 1);
    net->fx->time.mono_ms += 1999;
    beat_healed(net, &a, session, 2);
    assert_int_equal(sessions_healed(net->sessions), 1);
    net->fx->time.mono_ms += 1;
    beat_healed(net, &a, session, 3);
    assert_int_equal(sessions_healed(net->sessions), 3);
}

/* What a machine tells of itself is in the list of devices, and how much it had to heal counts. */
static void what_a_machine_tells_is_noted(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    net_follow(net, 1, &a, session, committer_fleet_bag(net->fx->committer), 0);
    net_follow(net, 1, &a, session, a.bag, 0);
    static const struct {
        uint64_t healed, all;
    } steps[] = {{0, 0}, {2, 2}, {2, 2}, {3, 3}, {0, 3} /* a new replica */, {1, 4}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        net->fx->time.wall_ms++;
        net->fx->time.mono_ms += 2000;
        struct wire_heartbeat beat = {.seq = 2, .current = 5 + i, .healed = steps[i].healed};
        net_beat(net, 1, &a, session, &beat);
        struct device_live live = {0};
        assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
        assert_int_equal(live.seq, 5 + i);
        assert_int_equal(live.current_seq, 5 + i);
        assert_int_equal(live.healed, steps[i].healed);
        assert_int_equal(live.last_seen_ms, net->fx->time.wall_ms);
        assert_int_equal(sessions_healed(net->sessions), steps[i].all);
        struct seen_device at = {0};
        assert_true(seen_get(net->seen, a.device, &at));
        assert_int_equal(at.seq, 5 + i);
        assert_int_equal(at.last_ms, net->fx->time.wall_ms);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_bytes_end_one_session_only),      TEST(silence_and_deafness_end_a_session),
        TEST(what_a_machine_tells_is_noted),       TEST(a_lie_about_healing_is_bounded),
        TEST(healing_is_counted_once_a_heartbeat), TEST(who_breaks_the_frame_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
