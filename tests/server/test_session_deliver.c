/* What was committed, to the sessions that it is for. */
#include "server/sessions_inside.h"
#include "tests/server/sessions_fixture.h"

static void a_write_is_answered_and_seen_by_others(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    assert_int_equal(net_sign_in(net, 2, &b, on_b, "ANN", NULL), bag);
    net_follow(net, 2, &b, on_b, bag, 0);
    const struct wire_message *message = net_next(net, 2);
    assert_int_equal(message->type, WIRE_PAGE);
    uint64_t cursor = message->page.cursor;
    assert_int_equal(net_complete(net, 2, bag), cursor);
    net_write(net, 1, &a, on_a, 1, bag, "copy/default", "duplex");
    assert_true(net_silent(net, 1));
    net_run(net);
    struct wire_outcome outcome = net_outcome(net, 1);
    assert_int_equal(outcome.number, 1);
    assert_int_equal(outcome.code, 0);
    message = net_next(net, 2);
    assert_int_equal(message->type, WIRE_LIVE);
    assert_int_equal(message->live.position.seq, outcome.seq);
    assert_int_equal(message->live.changes.count, 1);
    struct change change = {0};
    assert_int_equal(
        change_decode(wire_object_at(&message->live.changes, 0), CHANGE_STREAM, &change, NULL), 0);
    assert_int_equal(change.seq, outcome.seq);
    assert_int_equal(change.prev, cursor);
    assert_true(span_equal(change.value, SPAN_LITERAL("duplex")));
    assert_int_equal(change.origin, a.device);
}

static void a_deletion_is_told(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    net_follow(net, 1, &a, on_a, bag, 0);
    (void)net_expect(net, 1, WIRE_PAGE);
    (void)net_complete(net, 1, bag);
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    const struct wire_message *message = net_next(net, 1);
    assert_int_equal(message->type, WIRE_LIVE);
    struct change change = {0};
    assert_int_equal(
        change_decode(wire_object_at(&message->live.changes, 0), CHANGE_STREAM, &change, NULL), 0);
    assert_int_equal(change.kind, CHANGE_BAG_DELETE);
    net_follow(net, 1, &a, on_a, bag, 0);
    assert_int_equal(net_next(net, 1)->bag.code, -E_BAG_GONE);
}

static void send_follow(struct net *net, uint8_t peer, const struct machine *machine,
                        uint64_t session, const struct wire_bag *bags, size_t count)
{
    struct buf frame = net_buf();
    wire_put_follow(&frame, session, bags, count);
    net_frame(net, peer, machine->key, &frame);
    net_run(net);
}

/* The changes of a LIVE message: their bags, in order. */
static size_t live_bags(struct net *net, uint8_t peer, uint64_t *out)
{
    const struct wire_message *message = net_expect(net, peer, WIRE_LIVE);
    for (size_t i = 0; i < message->live.changes.count; i++) {
        struct change change = {0};
        assert_int_equal(
            change_decode(wire_object_at(&message->live.changes, i), CHANGE_STREAM, &change, NULL),
            0);
        out[i] = change.bag_id;
    }
    return message->live.changes.count;
}

/* One batch of changes of several bags: each session gets what it follows, in one message. */
static void each_gets_what_it_follows(void **state)
{
    struct net *net = *state;
    struct machine machines[3];
    uint64_t sessions[3];
    uint64_t bags[3] = {0};
    for (uint8_t i = 0; i < 3; i++) {
        fx_join(net->fx, &machines[i], (uint8_t)(i + 1));
    }
    net_record(net, &machines[2], "active", ",\"keep\":\"everybody\"");
    for (uint8_t i = 0; i < 3; i++) {
        sessions[i] = net_hello(net, (uint8_t)(i + 1), &machines[i]);
        char name[8];
        (void)snprintf(name, sizeof name, "u%d", i);
        bags[i] = net_sign_in(net, 1, &machines[0], sessions[0], name, NULL);
    }
    const struct wire_bag followed[3][4] = {
        {{bags[0], bags[0]}, {bags[2], bags[2]}, {3, 3}},
        {{3, 3}},
        {{bags[0], bags[0]}, {bags[1], bags[1]}, {bags[2], bags[2]}, {3, 3}},
    };
    static const size_t counts[3] = {3, 1, 4};
    for (uint8_t i = 0; i < 3; i++) {
        send_follow(net, (uint8_t)(i + 1), &machines[i], sessions[i], followed[i], counts[i]);
    }
    net->read = net->sent_count;
    for (uint64_t n = 1; n <= 6; n++) { /* twice through all bags: six runs in one batch */
        net_write(net, 1, &machines[0], sessions[0], n, bags[(n - 1) % 3], "p", "v");
    }
    net_run(net);
    uint64_t got[16];
    size_t begin = net->read;
    static const uint8_t of_first[4] = {0, 2, 0, 2};
    while (net_next(net, 1)->type != WIRE_LIVE) {
    }
    net->read--;
    assert_int_equal(live_bags(net, 1, got), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(got[i], bags[of_first[i]]);
    }
    net->read = begin;
    assert_true(net_silent(net, 2)); /* nothing of fleet */
    assert_int_equal(live_bags(net, 3, got), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(got[i], bags[i % 3]);
    }
    assert_true(net_silent(net, 3)); /* once */
}

/* It is offered every change, and sent those of bags that it asked for alone. */
static void who_keeps_everybody_gets_what_it_asked_for(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"everybody\"");
    uint64_t ann = fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "v").bag_id;
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:bob", "p", "v").code, 0);
    uint64_t session = net_hello(net, 1, &a);
    net_follow(net, 1, &a, session, ann, 0); /* nobody is signed in there */
    (void)net_expect(net, 1, WIRE_PAGE);
    (void)net_complete(net, 1, ann);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:bob", "p", "w").code, 0);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", "x", "secret").code, 0);
    assert_true(net_silent(net, 1));
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    uint64_t got[4];
    assert_int_equal(live_bags(net, 1, got), 1);
    assert_int_equal(got[0], ann);
    /* let go of */
    struct buf frame = net_buf();
    wire_put_unfollow(&frame, session, &ann, 1);
    net_frame(net, 1, a.key, &frame);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "x").code, 0);
    assert_true(net_silent(net, 1));
    /* and it is told a deletion like anybody */
    net_follow(net, 1, &a, session, ann, 0);
    (void)net_expect(net, 1, WIRE_PAGE);
    (void)net_complete(net, 1, ann);
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    assert_int_equal(live_bags(net, 1, got), 1);
    net_follow(net, 1, &a, session, 2, 0); /* the server's bag stays its own */
    assert_int_equal(net_expect(net, 1, WIRE_BAG)->bag.code, -E_NOT_ALLOWED);
}

/* The room for many runs of changes is given back: there is a session for each machine. */
static void many_runs_are_not_kept(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t number = net_hello(net, 1, &a);
    uint64_t ann = net_sign_in(net, 1, &a, number, "Ann", NULL);
    uint64_t bob = net_sign_in(net, 1, &a, number, "Bob", NULL);
    net_follow(net, 1, &a, number, ann, ann);
    net_follow(net, 1, &a, number, bob, bob);
    static const char *const owners[] = {"user:ann", "user:bob"};
    for (int i = 0; i < 200; i++) {
        struct submit submit = {.kind = SUBMIT_WRITE, .actor = "test", .write_count = 1};
        struct operation_write write = {.path = SPAN_LITERAL("p"), .value = SPAN_LITERAL("v")};
        submit.writes = &write;
        assert_int_equal(owner_parse(&submit.owner, owners[i % 2], NULL), 0);
        assert_int_equal(committer_submit(net->fx->committer, &submit, net, 0), 0);
    }
    net->read = net->sent_count;
    net_run(net);
    assert_int_equal(net_expect(net, 1, WIRE_LIVE)->live.changes.count, 200);
    const struct session *session = sessions_find_device(net->sessions, a.device);
    assert_true(session->run_capacity <= 64);
    /* and it goes on */
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    net_run(net);
    assert_int_equal(net_expect(net, 1, WIRE_LIVE)->live.changes.count, 1);
}

/* Even to those that are offered every change. */
static void what_is_the_server_s_own_is_not_even_encoded(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    sessions_widen(net->sessions, sessions_find_device(net->sessions, a.device));
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "fleet", "p", "v").code, 0);
    net_run(net);
    assert_true(net->sessions->stream.size > 0);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", "p", "v").code, 0);
    net_run(net);
    assert_int_equal(net->sessions->stream.size, 0);
}

static void a_new_history_makes_all_say_hello_again(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    (void)net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    net_follow(net, 2, &b, on_b, 3, 3);
    (void)net_complete(net, 2, 3);
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    const struct change changes[2] = {
        {.seq = head.seq + 1, .kind = CHANGE_HISTORY},
        {.seq = head.seq + 2, .kind = CHANGE_ITEM_SET, .bag_id = 3, .path = SPAN_LITERAL("p")}};
    sessions_changes(net->sessions, changes, 2, &head);
    net_expect_error(net, 1, E_SUPERSEDED);
    net->read = 0;
    while (net_next(net, 2)->type != WIRE_ERROR) {
    }
    assert_true(net->cut[2]);
    assert_true(net_silent(net, 2));
    assert_int_equal(sessions_count(net->sessions), 0);
}

static void a_deferred_operation_holds_back_those_behind_it(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    net_write(net, 1, &a, on_a, 1, a.bag, "p", "v");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, 0);
    net_write(net, 1, &a, on_a, 3, a.bag, "p", "x"); /* a gap */
    net_write(net, 1, &a, on_a, 4, a.bag, "p", "y");
    net_run(net);
    struct wire_message message = *net_next(net, 1);
    assert_int_equal(wire_outcome_at(&message.outcome.entries, 0).code, -E_DEFERRED);
    assert_int_equal(wire_outcome_at(&message.outcome.entries, 1).code, -E_DEFERRED);
    net_write(net, 1, &a, on_a, 2, a.bag, "p", "w");
    net_write(net, 1, &a, on_a, 3, a.bag, "p", "x");
    net_write(net, 1, &a, on_a, 4, a.bag, "p", "y");
    net_run(net);
    message = *net_next(net, 1);
    assert_int_equal(message.outcome.entries.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wire_outcome_at(&message.outcome.entries, i).code, 0);
    }
    assert_string_equal(fx_value(net->fx, a.bag, "p"), "y");
}

/* The first operation of a new writer could not be committed. The second, which was on its way,
 * must not be told to take a new writer. */
static void what_failed_at_the_commit_holds_back_as_well(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    struct reply lost = {
        .kind = REPLY_OUTCOME, .session = on_a, .number = 1, .code = E_NOSPACE, .text = "full"};
    sessions_replies(net->sessions, &lost, 1);
    assert_int_equal(net_outcome(net, 1).code, -E_NOSPACE);
    net_write(net, 1, &a, on_a, 2, a.bag, "p", "w");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, -E_DEFERRED);
    net_write(net, 1, &a, on_a, 1, a.bag, "p", "v");
    net_write(net, 1, &a, on_a, 2, a.bag, "p", "w");
    net_run(net);
    const struct wire_message *message = net_next(net, 1);
    assert_int_equal(message->outcome.entries.count, 2);
    assert_int_equal(wire_outcome_at(&message->outcome.entries, 0).code, 0);
    assert_int_equal(wire_outcome_at(&message->outcome.entries, 1).code, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_and_seen_by_others),
        TEST(a_deletion_is_told),
        TEST(each_gets_what_it_follows),
        TEST(who_keeps_everybody_gets_what_it_asked_for),
        TEST(many_runs_are_not_kept),
        TEST(what_is_the_server_s_own_is_not_even_encoded),
        TEST(a_new_history_makes_all_say_hello_again),
        TEST(a_deferred_operation_holds_back_those_behind_it),
        TEST(what_failed_at_the_commit_holds_back_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
