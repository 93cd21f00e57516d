/* What feeds ask: who may say HELLO, JOIN, FOLLOW; pages. */
#include <unistd.h>

#include "tests/server/sessions_fixture.h"

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
    /* the last page is followed by the digest of what they hold */
    uint64_t cursor = net->message.page.cursor;
    assert_int_equal(net_complete(net, 2, bag), cursor);
    /* up to date: one BAG and no page; however often it asks, to compare again */
    for (int i = 0; i < 3; i++) {
        net_follow(net, 2, &b, on_b, bag, cursor);
        assert_int_equal(net_complete(net, 2, bag), cursor);
        assert_true(net_silent(net, 2));
    }
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, b.device, &live), 0);
    assert_int_equal(live.verified_ms, net->fx->time.wall_ms);
    /* one that found a difference asks from the start */
    net_follow(net, 2, &b, on_b, bag, 0);
    assert_true((net_expect(net, 2, WIRE_PAGE)->page.flags & WIRE_PAGE_WHOLE) != 0);
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

static void send_sign_in(struct net *net, const struct machine *machine, uint64_t session,
                         const char *user, uint64_t bag_id)
{
    struct buf frame = net_buf();
    wire_put_sign_in(&frame, session, 7, span_str(user), NULL, 0, bag_id);
    net_frame(net, 1, machine->key, &frame);
    net_run(net);
}

/* The bag that it keeps of the user was deleted: it must not make another one by signing in. */
static void a_sign_in_that_names_a_bag_that_is_gone(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, session, "Ann", NULL);
    send_sign_in(net, &a, session, "Ann", bag);
    assert_int_equal(net_expect(net, 1, WIRE_SIGNED_IN)->signed_in.code, 0);
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    send_sign_in(net, &a, session, "Ann", bag);
    assert_int_equal(net_expect(net, 1, WIRE_SIGNED_IN)->signed_in.code, -E_BAG_GONE);
    struct owner owner = {0};
    struct bag_row row = {0};
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(kv_bag_of(net->fx->kv, NULL, &owner, &row, NULL), E_NOT_FOUND);
}

/* Two thousand at once, then two hundred a second; another connection does not change that. */
static void a_flood_of_sign_ins_is_held_back(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    (void)net_sign_in(net, 1, &a, session, "Ann", NULL);
    size_t done = 1;
    bool held = false;
    while (!held && done < 3000) {
        net_forget(net);
        if (done == 1000) {
            struct buf frame = net_buf();
            wire_put_bye(&frame, session);
            net_frame(net, 1, a.key, &frame);
            session = net_hello(net, 1, &a);
        }
        send_sign_in(net, &a, session, "Ann", 0);
        int code = (int)net_expect(net, 1, WIRE_SIGNED_IN)->signed_in.code;
        held = code == -E_BUSY;
        assert_true(held || code == 0);
        done += !held;
    }
    assert_int_equal(done, 2000);
    net->fx->time.mono_ms += 10;
    for (size_t i = 0; i < 3; i++) {
        net_forget(net);
        send_sign_in(net, &a, session, "Ann", 0);
        int code = (int)net_expect(net, 1, WIRE_SIGNED_IN)->signed_in.code;
        assert_int_equal(code, i < 2 ? 0 : -E_BUSY);
    }
    assert_int_equal(sessions_count(net->sessions), 1);
}

static int apply_slowly(struct kv *kv, const struct change *changes, size_t count,
                        const uint8_t hash[SHA256_SIZE], struct err *err)
{
    (void)usleep(50000);
    return kv_apply(kv, changes, count, hash, err);
}

static int setup_slow(void **state)
{
    *state = net_new_over(apply_slowly);
    return 0;
}

static void write_many(struct net *net, const struct machine *machine, uint64_t session,
                       uint64_t bag, uint32_t count)
{
    struct buf frame = net_buf();
    struct operation_write write = {.path = SPAN_LITERAL("p"), .value = SPAN_LITERAL("v")};
    wire_begin_write(&frame, session, 0, count);
    for (uint64_t number = 1; number <= count; number++) {
        operation_begin_write(&frame, number, bag, 0, UINT64_MAX >> 1, 1);
        operation_put_write(&frame, &write);
    }
    net_frame(net, 1, machine->key, &frame);
}

/* The state takes in later what was answered: a cursor that has it already is not ahead. */
static void a_state_that_lags_is_waited_for(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, session, "Ann", NULL);
    write_many(net, &a, session, bag, 100);
    fx_run(net->fx);
    (void)net_expect(net, 1, WIRE_OUTCOME);
    uint64_t last_seq = wire_outcome_at(&net->message.outcome.entries, 99).seq;
    struct kv_position position = {0};
    kv_position(net->fx->kv, &position);
    assert_true(position.seq < last_seq);
    struct buf frame = net_buf();
    struct wire_bag wanted = {bag, last_seq};
    wire_put_follow(&frame, session, &wanted, 1);
    net_frame(net, 1, a.key, &frame);
    assert_int_equal(net_complete(net, 1, bag), last_seq);
}

static bool apply_fails;

static int apply_or_fail(struct kv *kv, const struct change *changes, size_t count,
                         const uint8_t hash[SHA256_SIZE], struct err *err)
{
    return apply_fails ? err_set(err, E_IO, "the test lets it fail")
                       : kv_apply(kv, changes, count, hash, err);
}

static int setup_failing(void **state)
{
    apply_fails = false;
    *state = net_new_over(apply_or_fail);
    return 0;
}

/* What it lacks is not gone. */
static void a_state_that_is_behind_tells_nothing(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    apply_fails = true;
    uint64_t bag = net_sign_in(net, 1, &a, session, "Ann", NULL);
    assert_int_equal(committer_state(net->fx->committer), COMMITTER_BEHIND);
    struct buf frame = net_buf();
    struct wire_bag wanted = {bag, 0};
    wire_put_follow(&frame, session, &wanted, 1);
    net_frame(net, 1, a.key, &frame);
    net_expect_error(net, 1, E_READ_ONLY);
    struct wire_hello hello = net_greeting(&a);
    net_send_hello(net, 3, &a, &hello);
    net_expect_error(net, 3, E_READ_ONLY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_machine_joins_and_says_hello),
        TEST(tokens_expire_and_are_used_once),
        TEST(catching_up_in_pages),
        TEST(only_what_it_may_have),
        TEST(a_sign_in_that_names_a_bag_that_is_gone),
        TEST(a_flood_of_sign_ins_is_held_back),
        cmocka_unit_test_setup_teardown(a_state_that_lags_is_waited_for, setup_slow, net_teardown),
        cmocka_unit_test_setup_teardown(a_state_that_is_behind_tells_nothing, setup_failing,
                                        net_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
