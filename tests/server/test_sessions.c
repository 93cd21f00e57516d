/* Sessions, without sockets: who may speak, catching up, live changes, writes, rights that end. */
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

static void send_write(struct net *net, uint8_t peer, const struct machine *machine,
                       uint64_t session, uint64_t number, uint64_t bag_id, const char *path,
                       const char *value)
{
    struct buf frame = net_buf();
    struct operation_write write = {
        .path = span_str(path), .remove = value == NULL, .value = span_str(value ? value : "")};
    wire_begin_write(&frame, session, machine->confirmed, 1);
    operation_begin_write(&frame, number, bag_id, 0, UINT64_MAX >> 1, 1);
    operation_put_write(&frame, &write);
    net_frame(net, peer, machine->key, &frame);
}

static struct wire_outcome next_outcome(struct net *net, uint8_t peer)
{
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_OUTCOME);
    assert_int_equal(message->outcome.entries.count, 1);
    return wire_outcome_at(&message->outcome.entries, 0);
}

static void a_machine_joins_and_says_hello(void **state)
{
    struct net *net = *state;
    struct machine a = {.session = 1, .writer = 1};
    memset(a.token, 1, KEY_SIZE);
    memset(a.key, 2, KEY_SIZE);
    fx_token(net->fx, a.token, net->fx->time.wall_ms + 1000);
    struct wire_join join = {.version = WIRE_VERSION, .name = SPAN_LITERAL("Hall printer")};
    memcpy(join.public_key, a.key, KEY_SIZE);
    struct buf frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 1, a.token, &frame);
    assert_true(net_silent(net, 1));
    net_run(net);
    const struct wire_message *message = net_next(net, 1);
    assert_int_equal(message->type, WIRE_JOINED);
    a.device = message->joined.device;
    /* again, with the same key: the same machine */
    frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, a.token, &frame);
    net_run(net);
    assert_int_equal(net_next(net, 2)->joined.device, a.device);
    struct owner owner = {.kind = OWNER_DEVICE, .device = a.device};
    struct bag_row bag = {0};
    assert_int_equal(kv_bag_of(net->fx->kv, NULL, &owner, &bag, NULL), 0);
    a.bag = bag.bag_id;
    assert_int_not_equal(net_hello(net, 3, &a), 0);
    assert_int_equal(sessions_count(net->sessions), 1);
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_true(live.connected);
    assert_string_equal(live.address, "192.0.2.1:9");
    assert_string_equal(live.software, "test 1");
    assert_int_equal(sessions_device(net->sessions, 12345, &live), E_NOT_FOUND);
}

static void expect_error(struct net *net, uint8_t peer, int code)
{
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_ERROR);
    assert_int_equal(message->error.code, -code);
    assert_true(message->error.fatal);
    assert_true(net->cut[peer]);
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

static void a_token_is_for_joining_only(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct machine with_token = a;
    memcpy(with_token.key, a.token, KEY_SIZE);
    struct wire_hello hello = net_greeting(&with_token);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 1, with_token.key, &frame);
    expect_error(net, 1, E_NOT_JOINED);
    /* and a machine's key for everything but joining */
    struct wire_join join = {.version = WIRE_VERSION};
    frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, a.key, &frame);
    expect_error(net, 2, E_NOT_ALLOWED);
    /* under another machine's number */
    hello.device = a.device + 1;
    frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 3, a.key, &frame);
    expect_error(net, 3, E_NOT_ALLOWED);
}

static void tokens_expire_and_are_used_once(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct wire_join join = {.version = WIRE_VERSION};
    memset(join.public_key, 0x66, KEY_SIZE);
    struct buf frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 1, a.token, &frame);
    net_run(net);
    expect_error(net, 1, E_TOKEN_USED);
    uint8_t late[KEY_SIZE] = {9};
    fx_token(net->fx, late, net->fx->time.wall_ms + 5);
    net->fx->time.wall_ms += 5;
    frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, late, &frame);
    net_run(net);
    expect_error(net, 2, E_TOKEN_EXPIRED);
}

static void positions_are_compared(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    struct wire_hello hello = net_greeting(&a);
    hello.has_history = true;
    journal_history(net->fx->journal, hello.history);
    hello.position.seq = head.seq;
    memcpy(hello.position.hash, head.hash, SHA256_SIZE);
    struct wire_hello variants[5] = {hello, hello, hello, hello, hello};
    variants[1].position.hash[3] ^= 1;
    variants[2].position.seq++;
    variants[3].history[0] ^= 1;
    variants[4].position.seq = 2; /* in the middle of the first batch */
    static const int codes[5] = {0, E_DIVERGED, E_DIVERGED, E_HISTORY, E_DIVERGED};
    for (uint8_t i = 0; i < 5; i++) {
        struct buf frame = net_buf();
        wire_put_hello(&frame, &variants[i]);
        net_frame(net, (uint8_t)(10 + i), a.key, &frame);
        if (codes[i] == 0) {
            assert_int_equal(net_next(net, 10)->type, WIRE_WELCOME);
        } else {
            expect_error(net, (uint8_t)(10 + i), codes[i]);
        }
    }
    /* an older one, whose hash is read from the journal */
    hello.position.seq = 3;
    assert_int_equal(journal_hash_at(net->fx->journal, 3, hello.position.hash, NULL), 0);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 20, a.key, &frame);
    expect_error(net, 10, E_SUPERSEDED);
    net->read = 0;
    (void)net_next(net, 20);
    assert_int_equal(net->message.type, WIRE_WELCOME);
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
    expect_error(net, 1, E_SUPERSEDED);
    assert_int_equal(net_next(net, 2)->type, WIRE_WELCOME);
    assert_false(net->cut[2]);
    assert_int_equal(sessions_count(net->sessions), 1);
}

static uint64_t sign_in(struct net *net, uint8_t peer, const struct machine *machine,
                        uint64_t session, const char *user, const char *group)
{
    struct buf frame = net_buf();
    struct span name = span_str(group != NULL ? group : "");
    wire_put_sign_in(&frame, session, 7, span_str(user), &name, group != NULL ? 1 : 0);
    net_frame(net, peer, machine->key, &frame);
    net_run(net);
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_SIGNED_IN);
    assert_int_equal(message->signed_in.ref, 7);
    assert_int_equal(message->signed_in.code, 0);
    assert_int_equal(message->signed_in.bags.count, group != NULL ? 2 : 1);
    return wire_owner_at(&message->signed_in.bags, 0).bag_id;
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
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", NULL);
    assert_int_equal(sign_in(net, 2, &b, on_b, "ANN", NULL), bag);
    net_follow(net, 2, &b, on_b, bag, 0);
    const struct wire_message *message = net_next(net, 2);
    assert_int_equal(message->type, WIRE_PAGE);
    uint64_t cursor = message->page.cursor;
    send_write(net, 1, &a, on_a, 1, bag, "copy/default", "duplex");
    assert_true(net_silent(net, 1));
    net_run(net);
    struct wire_outcome outcome = next_outcome(net, 1);
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

static void catching_up_in_pages(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", NULL);
    char *value = calloc(1, 40001);
    assert_non_null(value);
    memset(value, 'v', 40000);
    for (uint64_t n = 1; n <= 4; n++) {
        char path[8];
        (void)snprintf(path, sizeof path, "p%d", (int)n);
        send_write(net, 1, &a, on_a, n, bag, path, value);
    }
    net_run(net);
    free(value);
    uint64_t on_b = net_hello(net, 2, &b);
    assert_int_equal(sign_in(net, 2, &b, on_b, "Ann", NULL), bag);
    net_follow(net, 2, &b, on_b, bag, 0);
    size_t rows = 0;
    uint64_t flags = 0;
    for (size_t pages = 0; (flags & WIRE_PAGE_LAST) == 0; pages++) {
        const struct wire_message *message = net_next(net, 2);
        assert_int_equal(message->type, WIRE_PAGE);
        flags = message->page.flags;
        assert_int_equal((flags & WIRE_PAGE_FIRST) != 0, pages == 0);
        assert_true((flags & WIRE_PAGE_WHOLE) != 0);
        rows += message->page.rows.count;
        assert_true(pages < 10);
    }
    assert_int_equal(rows, 4);
    /* up to date: one BAG and no page */
    uint64_t cursor = net->message.page.cursor;
    net_follow(net, 2, &b, on_b, bag, cursor);
    assert_int_equal(net_next(net, 2)->type, WIRE_BAG);
    assert_int_equal(net->message.bag.code, 0);
}

static void only_what_it_may_have(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", "Staff");
    const uint64_t denied[] = {bag, 2, a.bag};
    for (size_t i = 0; i < 3; i++) {
        net_follow(net, 2, &b, on_b, denied[i], 0);
        assert_int_equal(net_next(net, 2)->type, WIRE_BAG);
        assert_int_equal(net->message.bag.code, -E_NOT_ALLOWED);
    }
    net_follow(net, 2, &b, on_b, 4711, 0);
    assert_int_equal(net_next(net, 2)->bag.code, -E_BAG_GONE);
    net_follow(net, 2, &b, on_b, 3, 3);
    assert_int_equal(net_next(net, 2)->bag.code, 0); /* fleet */
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
    expect_error(net, 1, E_DEVICE_REMOVED);
    assert_int_equal(sessions_count(net->sessions), 0);
    struct wire_hello hello = net_greeting(&a);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 2, a.key, &frame);
    expect_error(net, 2, E_DEVICE_REMOVED);
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
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", NULL);
    (void)sign_in(net, 2, &b, on_b, "Ann", NULL);
    net_follow(net, 2, &b, on_b, bag, 0);
    (void)net_next(net, 2);
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, on_b, 8, bag);
    net_frame(net, 2, b.key, &frame);
    net_run(net);
    assert_int_equal(net_next(net, 2)->type, WIRE_SIGNED_OUT);
    assert_int_equal(net->message.signed_out.code, 0);
    send_write(net, 1, &a, on_a, 1, bag, "p", "v");
    net_run(net);
    assert_int_equal(next_outcome(net, 1).code, 0);
    assert_true(net_silent(net, 2));
    assert_false(net->cut[2]);
}

static void leaving_a_group_ends_its_changes(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, bag, 0);
    net_follow(net, 1, &a, on_a, group, 0);
    send_write(net, 1, &a, on_a, 1, group, "p", "v");
    net_run(net);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    assert_true(net->cut[1]);
    uint64_t again = net_hello(net, 2, &a);
    net_follow(net, 2, &a, again, group, 0);
    assert_int_equal(net_next(net, 2)->bag.code, -E_NOT_ALLOWED);
    net_follow(net, 2, &a, again, bag, 0);
    assert_int_equal(net_next(net, 2)->type, WIRE_PAGE);
}

static void a_deletion_is_told(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = sign_in(net, 1, &a, on_a, "Ann", NULL);
    net_follow(net, 1, &a, on_a, bag, 0);
    assert_int_equal(net_next(net, 1)->type, WIRE_PAGE);
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

static void a_deferred_operation_holds_back_those_behind_it(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    send_write(net, 1, &a, on_a, 1, a.bag, "p", "v");
    net_run(net);
    assert_int_equal(next_outcome(net, 1).code, 0);
    send_write(net, 1, &a, on_a, 3, a.bag, "p", "x"); /* a gap */
    send_write(net, 1, &a, on_a, 4, a.bag, "p", "y");
    net_run(net);
    struct wire_message message = *net_next(net, 1);
    assert_int_equal(wire_outcome_at(&message.outcome.entries, 0).code, -E_DEFERRED);
    assert_int_equal(wire_outcome_at(&message.outcome.entries, 1).code, -E_DEFERRED);
    send_write(net, 1, &a, on_a, 2, a.bag, "p", "w");
    send_write(net, 1, &a, on_a, 3, a.bag, "p", "x");
    send_write(net, 1, &a, on_a, 4, a.bag, "p", "y");
    net_run(net);
    message = *net_next(net, 1);
    assert_int_equal(message.outcome.entries.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wire_outcome_at(&message.outcome.entries, i).code, 0);
    }
    assert_string_equal(fx_value(net->fx, a.bag, "p"), "y");
}

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
    expect_error(net, 1, E_MALFORMED);
    on_a = net_hello(net, 3, &a);
    frame = net_buf();
    wire_begin_write(&frame, on_a, 0, 1);
    pack_array(&frame, 1);
    pack_u64(&frame, 0);
    net_frame(net, 3, a.key, &frame);
    expect_error(net, 3, E_MALFORMED);
    send_write(net, 2, &b, on_b, 1, b.bag, "p", "v");
    net_run(net);
    assert_int_equal(next_outcome(net, 2).code, 0);
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
    struct peer peer = net_peer(1);
    sessions_lost(net->sessions, &peer);
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
        wire_put_heartbeat(&frame, 5, 0); /* nobody said hello: answered, not ended */
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
        TEST(a_machine_joins_and_says_hello),
        TEST(strangers_get_nothing),
        TEST(a_token_is_for_joining_only),
        TEST(tokens_expire_and_are_used_once),
        TEST(positions_are_compared),
        TEST(the_newest_connection_wins),
        TEST(a_write_is_answered_and_seen_by_others),
        TEST(catching_up_in_pages),
        TEST(only_what_it_may_have),
        TEST(a_removed_machine_is_cut_before_the_answer),
        TEST(signing_out_ends_the_changes),
        TEST(leaving_a_group_ends_its_changes),
        TEST(a_deletion_is_told),
        TEST(a_deferred_operation_holds_back_those_behind_it),
        TEST(bad_bytes_end_one_session_only),
        TEST(silence_and_deafness_end_a_session),
        TEST(all_are_told_at_the_end),
        TEST(more_peers_than_the_limit_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
