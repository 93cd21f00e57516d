/* What feeds ask: who may say HELLO, JOIN, FOLLOW; pages. */
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
    net_expect_error(net, 1, E_NOT_JOINED);
    /* and a machine's key for everything but joining */
    struct wire_join join = {.version = WIRE_VERSION};
    frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, a.key, &frame);
    net_expect_error(net, 2, E_NOT_ALLOWED);
    /* under another machine's number */
    hello.device = a.device + 1;
    frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 3, a.key, &frame);
    net_expect_error(net, 3, E_NOT_ALLOWED);
    /* which means nothing when it is of another history */
    hello.has_history = true;
    memset(hello.history, 0x77, HISTORY_SIZE);
    frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 4, a.key, &frame);
    net_expect_error(net, 4, E_HISTORY);
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
    net_expect_error(net, 1, E_TOKEN_USED);
    uint8_t late[KEY_SIZE] = {9};
    fx_token(net->fx, late, net->fx->time.wall_ms + 5);
    net->fx->time.wall_ms += 5;
    frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, late, &frame);
    net_run(net);
    net_expect_error(net, 2, E_TOKEN_EXPIRED);
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
            net_expect_error(net, (uint8_t)(10 + i), codes[i]);
        }
    }
    /* an older one, whose hash is read from the journal */
    hello.position.seq = 3;
    assert_int_equal(journal_hash_at(net->fx->journal, 3, hello.position.hash, NULL), 0);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 20, a.key, &frame);
    net_expect_error(net, 10, E_SUPERSEDED);
    net->read = 0;
    (void)net_next(net, 20);
    assert_int_equal(net->message.type, WIRE_WELCOME);
}

static void catching_up_in_pages(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    char *value = calloc(1, 40001);
    assert_non_null(value);
    memset(value, 'v', 40000);
    for (uint64_t n = 1; n <= 4; n++) {
        char path[8];
        (void)snprintf(path, sizeof path, "p%d", (int)n);
        net_write(net, 1, &a, on_a, n, bag, path, value);
    }
    net_run(net);
    free(value);
    uint64_t on_b = net_hello(net, 2, &b);
    assert_int_equal(net_sign_in(net, 2, &b, on_b, "Ann", NULL), bag);
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
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_machine_joins_and_says_hello),
        TEST(a_token_is_for_joining_only),
        TEST(tokens_expire_and_are_used_once),
        TEST(positions_are_compared),
        TEST(catching_up_in_pages),
        TEST(only_what_it_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
