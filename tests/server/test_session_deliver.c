/* What was committed, to the sessions that it is for; rights that end. */
#include "server/access.h"
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

static void a_removed_machine_is_cut_before_the_answer(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    char path[RECORD_PATH_MAX];
    char text[512];
    char key[2 * KEY_SIZE + 1];
    struct span item = record_device_path(path, a.device);
    path[item.size] = '\0';
    hex_encode(a.key, KEY_SIZE, key);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"x\",\"key\":\"%s\",\"joined_ms\":1,\"state\":\"removed\"}", key);
    fx_forget(net->fx);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", path, text).code, 0);
    assert_memory_equal(net->fx->order, "drc", 3);
    net_expect_error(net, 1, E_DEVICE_REMOVED);
    assert_int_equal(sessions_count(net->sessions), 0);
    struct wire_hello hello = net_greeting(&a);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 2, a.key, &frame);
    net_expect_error(net, 2, E_DEVICE_REMOVED);
}

static void signing_out_ends_the_changes(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    (void)net_sign_in(net, 2, &b, on_b, "Ann", NULL);
    net_follow(net, 2, &b, on_b, bag, 0);
    (void)net_expect(net, 2, WIRE_PAGE);
    (void)net_complete(net, 2, bag);
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, on_b, 8, bag);
    net_frame(net, 2, b.key, &frame);
    net_run(net);
    assert_int_equal(net_next(net, 2)->type, WIRE_SIGNED_OUT);
    assert_int_equal(net->message.signed_out.code, 0);
    net_write(net, 1, &a, on_a, 1, bag, "p", "v");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, 0);
    assert_true(net_silent(net, 2));
    assert_false(net->cut[2]);
}

static void leaving_a_group_ends_its_changes(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, bag, 0);
    net_follow(net, 1, &a, on_a, group, 0);
    net_write(net, 1, &a, on_a, 1, group, "p", "v");
    net_run(net);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    assert_true(net->cut[1]);
    uint64_t again = net_hello(net, 2, &a);
    net_follow(net, 2, &a, again, group, 0);
    assert_int_equal(net_next(net, 2)->bag.code, -E_NOT_ALLOWED);
    net_follow(net, 2, &a, again, bag, 0);
    assert_int_equal(net_next(net, 2)->type, WIRE_PAGE);
}

/* A machine need not follow the user by whom it has the right to a group. */
static void leaving_a_group_ends_it_for_who_follows_the_group_alone(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    (void)net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, group, 0);
    (void)net_next(net, 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    net_run(net);
    size_t before = net->sent_count;
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "secret").code, 0);
    net_run(net);
    assert_true(net->cut[1]);
    assert_int_equal(net->sent_count, before);
}

static void who_is_deleted_takes_their_groups_along(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    (void)net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, group, 0);
    (void)net_next(net, 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    size_t before = net->sent_count;
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "secret").code, 0);
    net_run(net);
    assert_int_equal(net->sent_count, before);
}

static void put_big(struct net *net, const char *path)
{
    static char big[100001];
    memset(big, 'x', sizeof big - 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", path, big).code, 0);
}

/* A machine that withheld its credit gets nothing for it when the right has ended meanwhile. */
static void signing_out_ends_pages_as_well(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    put_big(net, "a");
    put_big(net, "b");
    put_big(net, "c");
    put_big(net, "d");
    net_follow(net, 1, &a, on_a, bag, 0); /* more than its window takes */
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, on_a, 8, bag);
    net_frame(net, 1, a.key, &frame);
    net_run(net);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "e", "secret").code, 0);
    size_t before = net->sent_count;
    uint64_t received = 0;
    for (size_t i = 0; i < 8; i++) {
        received = 0;
        for (size_t s = 0; s < net->sent_count; s++) {
            uint64_t type = net->sent[s].bytes[1];
            received += type == WIRE_PART || type == WIRE_PAGE ? net->sent[s].size : 0;
        }
        frame = net_buf();
        wire_put_credit(&frame, on_a, received);
        net_frame(net, 1, a.key, &frame);
        net_run(net);
    }
    for (size_t i = before; i < net->sent_count; i++) {
        assert_null(memmem(net->sent[i].bytes, net->sent[i].size, "secret", 6));
    }
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

static void whoever_is_deleted_is_signed_out(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    net_follow(net, 1, &a, on_a, bag, 0);
    uint64_t on_b = net_hello(net, 2, &b);
    assert_int_equal(net_sign_in(net, 2, &b, on_b, "Ann", NULL), bag); /* and does not follow */
    struct buf frame = net_buf();
    wire_put_bye(&frame, on_b);
    net_frame(net, 2, b.key, &frame);
    char path[ACCESS_PATH_MAX];
    struct span item = access_user_path(path, bag);
    path[item.size] = '\0';
    assert_string_equal(fx_value(net->fx, a.bag, path), "Ann");
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    assert_string_equal(fx_value(net->fx, a.bag, path), "");
    assert_string_equal(fx_value(net->fx, b.bag, path), "Ann");
    (void)net_hello(net, 3, &b);
    net_run(net);
    assert_string_equal(fx_value(net->fx, b.bag, path), "");
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_and_seen_by_others),
        TEST(a_removed_machine_is_cut_before_the_answer),
        TEST(signing_out_ends_the_changes),
        TEST(leaving_a_group_ends_its_changes),
        TEST(leaving_a_group_ends_it_for_who_follows_the_group_alone),
        TEST(who_is_deleted_takes_their_groups_along),
        TEST(signing_out_ends_pages_as_well),
        TEST(a_deletion_is_told),
        TEST(whoever_is_deleted_is_signed_out),
        TEST(a_deferred_operation_holds_back_those_behind_it),
        TEST(what_failed_at_the_commit_holds_back_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
