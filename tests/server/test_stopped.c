/* While an administrator has stopped synchronization: machines change nothing and are sent nothing,
 * administrators' changes count, and all of it goes on at once when it is started again. */
#include "tests/server/sessions_fixture.h"

static void put_state(struct fixture *fx, bool stopped)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "{\"state\":\"%s\",\"since_ms\":1700000000000,\"by\":\"eve\"}",
                   stopped ? "stopped" : "running");
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", RECORD_SYNC_PATH, text).code, 0);
    fx_forget(fx);
}

static void sync_state(struct net *net, bool stopped)
{
    put_state(net->fx, stopped);
    sessions_state_changed(net->sessions);
    net_run(net);
}

static void operations_keep_their_number(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    put_state(fx, true);
    const struct reply *reply = fx_write(fx, &a, 1, ann, "p", "v");
    assert_int_equal(reply->code, E_STOPPED);
    assert_non_null(strstr(fx_last(fx)->text, "an administrator stopped"));
    assert_int_equal(fx->change_count, 0);
    put_state(fx, false);
    assert_int_equal(fx_write(fx, &a, 1, ann, "p", "v")->code, 0);
    assert_string_equal(fx_value(fx, ann, "p"), "v");
}

static void nobody_signs_in_or_out_and_machines_may_join(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    put_state(fx, true);
    assert_int_equal(fx_sign_in(fx, &a, "Bob", NULL)->reply.code, E_STOPPED);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", NULL)->reply.code, E_STOPPED);
    struct sign_out out = {.session = 1, .device = a.device, .device_bag = a.bag, .bag_id = ann};
    committer_sign_out(fx->committer, &out);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_STOPPED);
    assert_int_equal(fx->change_count, 0);
    out.session = 0; /* the server's own, after a deletion */
    committer_sign_out(fx->committer, &out);
    fx_run(fx);
    assert_int_equal(fx->change_count, 1);
    fx_join(fx, &b, 2);
}

static void it_outlives_a_restart(void **state)
{
    struct fixture *fx = *state;
    assert_false(committer_sync(fx->committer)->stopped); /* at first */
    assert_int_equal(committer_sync(fx->committer)->since_ms, 0);
    put_state(fx, true);
    fx_close(fx, true);
    fx_open(fx);
    const struct sync_record *sync = committer_sync(fx->committer);
    assert_true(sync->stopped);
    assert_int_equal(sync->since_ms, 1700000000000);
    assert_string_equal(sync->by, "eve");
    put_state(fx, false);
    fx_close(fx, false);
    fx_open(fx);
    assert_false(committer_sync(fx->committer)->stopped);
}

/* Machines are not to stand still for a record that nobody understands. */
static void a_record_without_sense_counts_as_running(void **state)
{
    struct fixture *fx = *state;
    put_state(fx, true);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", RECORD_SYNC_PATH, "[]").code, 0);
    assert_false(committer_sync(fx->committer)->stopped);
    put_state(fx, true);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", RECORD_SYNC_PATH, NULL).code, 0);
    assert_false(committer_sync(fx->committer)->stopped); /* removed */
    assert_int_equal(committer_sync(fx->committer)->since_ms, 0);
}

/* What administrators change comes when it is started, without another HELLO. */
static void nothing_is_sent_until_it_is_started(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    uint64_t ann = net_sign_in(net, 1, &a, session, "Ann", NULL);
    net_follow(net, 1, &a, session, ann, 0);
    (void)net_expect(net, 1, WIRE_PAGE);
    (void)net_complete(net, 1, ann);
    net_credit(net, 1, &a, session);
    sync_state(net, true);
    assert_int_equal(net_expect(net, 1, WIRE_STATE)->state.state, WIRE_STOPPED);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    net_run(net);
    uint64_t fleet = committer_fleet_bag(net->fx->committer);
    net_follow(net, 1, &a, session, fleet, 0); /* is not answered either */
    assert_true(net_silent(net, 1));
    net_write(net, 1, &a, session, 1, ann, "q", "w");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, -E_STOPPED);
    sync_state(net, false);
    assert_int_equal(net_expect(net, 1, WIRE_STATE)->state.state, WIRE_RUNNING);
    bool ann_came = false;
    bool fleet_came = false;
    while (!net_silent(net, 1)) {
        const struct wire_message *message = net_next(net, 1);
        ann_came = ann_came || (message->type == WIRE_PAGE && message->page.bag_id == ann);
        fleet_came = fleet_came || (message->type == WIRE_PAGE && message->page.bag_id == fleet);
    }
    assert_true(ann_came && fleet_came);
}

static void a_machine_that_comes_is_told(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    put_state(net->fx, true);
    assert_int_equal(sessions_state(net->sessions), WIRE_STOPPED);
    uint64_t session = net_hello(net, 1, &a);
    assert_int_equal(net->message.welcome.state, WIRE_STOPPED);
    net_follow(net, 1, &a, session, a.bag, 0);
    assert_true(net_silent(net, 1));
}

static void a_machine_that_is_removed_is_cut_off(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    put_state(net->fx, true);
    net_record(net, &a, "removed", "");
    net_expect_error(net, 1, E_DEVICE_REMOVED);
}

/* How many machines hold writes that the server has not. */
static void unsent_writes_are_counted(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    assert_int_equal(sessions_waiting(net->sessions), 0);
    net_beat(net, 1, &a, on_a, &(struct wire_heartbeat){.seq = 3, .waiting = 4});
    net_beat(net, 1, &a, on_a, &(struct wire_heartbeat){.seq = 3, .waiting = 2});
    net_beat(net, 2, &b, on_b, &(struct wire_heartbeat){.seq = 3, .waiting = 1});
    assert_int_equal(sessions_waiting(net->sessions), 2);
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_int_equal(live.waiting, 2);
    net_beat(net, 1, &a, on_a, &(struct wire_heartbeat){.seq = 3});
    assert_int_equal(sessions_waiting(net->sessions), 1);
    sessions_end_all(net->sessions, E_CLOSED, "end");
    assert_int_equal(sessions_waiting(net->sessions), 0);
}

#define TEST(function)     cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)
#define NET_TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operations_keep_their_number),
        TEST(nobody_signs_in_or_out_and_machines_may_join),
        TEST(it_outlives_a_restart),
        TEST(a_record_without_sense_counts_as_running),
        NET_TEST(nothing_is_sent_until_it_is_started),
        NET_TEST(a_machine_that_comes_is_told),
        NET_TEST(a_machine_that_is_removed_is_cut_off),
        NET_TEST(unsent_writes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
