/* Who is asked for the copy of a deleted bag. */
#include "tests/server/sessions_fixture.h"

static void delete_and_adopt(struct net *net, const char *owner)
{
    struct submit submit = {.kind = SUBMIT_DELETE, .adopt = true, .actor = "test"};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    assert_int_equal(committer_submit(net->fx->committer, &submit, net->fx, 7), 0);
    net_run(net);
}

/* Signed in, and complete. */
static uint64_t hold(struct net *net, uint8_t peer, const struct machine *machine, uint64_t session)
{
    uint64_t bag = net_sign_in(net, peer, machine, session, "Ann", NULL);
    net_follow(net, peer, machine, session, bag, 0);
    (void)net_expect(net, peer, WIRE_PAGE);
    (void)net_complete(net, peer, bag);
    return bag;
}

static int told(struct net *net, uint8_t peer)
{
    return -(int)net_expect(net, peer, WIRE_BAG)->bag.code;
}

static void one_of_those_that_follow_it_is_asked(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t ann = hold(net, 1, &a, on_a);
    uint64_t on_b = net_hello(net, 2, &b);
    (void)hold(net, 2, &b, on_b);
    net_credit(net, 1, &a, on_a);
    net_credit(net, 2, &b, on_b);
    size_t read = net->read;
    delete_and_adopt(net, "user:ann");
    unsigned asked = 0;
    unsigned deleted = 0;
    for (uint8_t peer = 1; peer <= 2; peer++) {
        net->read = read;
        const struct wire_message *message = net_next(net, peer);
        asked += message->type == WIRE_BAG && -(int)message->bag.code == E_BAG_WANTED;
        deleted += message->type == WIRE_LIVE;
    }
    assert_int_equal(asked, 1);
    assert_int_equal(deleted, 1);
    uint64_t device = adoptions_of_bag(committer_adoptions(net->fx->committer), ann)->device;
    assert_true(device == a.device || device == b.device);
}

static void the_next_that_comes_is_asked(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    struct machine c;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    fx_join(net->fx, &c, 3);
    uint64_t ann = fx_user(net->fx, &a, "Ann");
    assert_int_equal(fx_user(net->fx, &b, "Ann"), ann);
    delete_and_adopt(net, "user:ann");
    uint64_t on_c = net_hello(net, 3, &c);
    net_follow(net, 3, &c, on_c, ann, 5);
    assert_int_equal(told(net, 3), E_BAG_GONE); /* she never was signed in there */
    uint64_t on_a = net_hello(net, 1, &a);
    net_follow(net, 1, &a, on_a, ann, 0);
    assert_int_equal(told(net, 1), E_BAG_GONE); /* it holds nothing */
    net_follow(net, 1, &a, on_a, ann, 5);
    assert_int_equal(told(net, 1), E_BAG_WANTED);
    net_run(net);
    uint64_t on_b = net_hello(net, 2, &b);
    net_follow(net, 2, &b, on_b, ann, 5);
    assert_int_equal(told(net, 2), E_BAG_GONE);
    on_a = net_hello(net, 4, &a); /* it went away before its copy was here */
    net_follow(net, 4, &a, on_a, ann, 5);
    assert_int_equal(told(net, 4), E_BAG_WANTED);
    net_record(net, &a, "removed", "");
    uint64_t again = net_hello(net, 5, &b);
    net_follow(net, 5, &b, again, ann, 5);
    assert_int_equal(told(net, 5), E_BAG_WANTED); /* in its place */
}

static void a_sign_in_that_names_it(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t ann = fx_user(net->fx, &a, "Ann");
    (void)fx_user(net->fx, &b, "Ann");
    delete_and_adopt(net, "user:ann");
    struct machine *machines[] = {&a, &b};
    for (uint8_t i = 0; i < 2; i++) {
        uint64_t session = net_hello(net, (uint8_t)(1 + i), machines[i]);
        struct buf frame = net_buf();
        wire_put_sign_in(&frame, session, 7, SPAN_LITERAL("Ann"), NULL, 0, ann);
        net_frame(net, (uint8_t)(1 + i), machines[i]->key, &frame);
        net_run(net);
        int code = -(int)net_expect(net, (uint8_t)(1 + i), WIRE_SIGNED_IN)->signed_in.code;
        assert_int_equal(code, i == 0 ? E_BAG_WANTED : E_BAG_GONE);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_of_those_that_follow_it_is_asked),
        TEST(the_next_that_comes_is_asked),
        TEST(a_sign_in_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
