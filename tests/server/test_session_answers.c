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
        TEST(tokens_expire_and_are_used_once),
        TEST(catching_up_in_pages),
        TEST(only_what_it_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
