/* Lists of bags and long FOLLOWs, a slice at a time. */
#include <inttypes.h>

#include "server/sessions_inside.h"
#include "tests/server/sessions_fixture.h"

static void make_owner(struct net *net, const char *name, int number)
{
    char owner[OWNER_TEXT_MAX];
    (void)snprintf(owner, sizeof owner, "%s%d", name, number);
    fx_forget(net->fx); /* there may be more than it keeps */
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, owner, NULL, NULL).code, 0);
}

static void send_list(struct net *net, uint8_t peer, const struct machine *machine,
                      uint64_t session, uint64_t after)
{
    struct buf frame = net_buf();
    wire_put_list(&frame, session, after);
    net_frame(net, peer, machine->key, &frame);
}

/* Lists all behind `after`, answer by answer; returns how many bags there were. */
static size_t list_all(struct net *net, const struct machine *machine, uint64_t session,
                       uint64_t after, bool (*fits)(const struct wire_owner *owner))
{
    size_t count = 0;
    bool end = false;
    while (!end) {
        send_list(net, 1, machine, session, after);
        net_run(net);
        const struct wire_message *message = net_expect(net, 1, WIRE_OWNERS);
        assert_int_equal(message->owners.code, 0);
        end = message->owners.end;
        assert_true(end || message->owners.bags.count > 0);
        for (size_t i = 0; i < message->owners.bags.count; i++) {
            struct wire_owner owner = wire_owner_at(&message->owners.bags, i);
            assert_true(owner.bag_id > after);
            assert_true(fits(&owner));
            after = owner.bag_id;
            count++;
        }
        net_credit(net, 1, machine, session);
    }
    return count;
}

static bool is_group(const struct wire_owner *owner)
{
    return owner->kind == OWNER_GROUP;
}

static bool is_kept(const struct wire_owner *owner)
{
    return owner->kind == OWNER_GROUP || owner->kind == OWNER_USER ||
           owner->kind == OWNER_USER_DEVICE;
}

static void the_bags_that_a_device_keeps(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    make_owner(net, "group:first", 1);
    for (int i = 0; i < 90; i++) {
        make_owner(net, "user:u", i);
    }
    char own[OWNER_TEXT_MAX];
    (void)snprintf(own, sizeof own, "user:u1/device:%016" PRIx64, a.device);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, own, "p", "v").code, 0);
    (void)snprintf(own, sizeof own, "user:u1/device:%016" PRIx64, b.device);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, own, "p", "v").code, 0);
    for (int i = 0; i < 210; i++) {
        make_owner(net, "group:g", i);
    }
    /* nothing is kept without the right */
    uint64_t session = net_hello(net, 1, &a);
    send_list(net, 1, &a, session, 0);
    net_run(net);
    (void)net_expect(net, 1, WIRE_OWNERS);
    assert_int_equal(net->message.owners.code, -E_NOT_ALLOWED);
    assert_true(net->message.owners.end);

    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    net_expect_error(net, 1, E_SUPERSEDED);
    session = net_hello(net, 1, &a);
    assert_int_equal(list_all(net, &a, session, 0, is_group), 211);

    net_record(net, &a, "active", ",\"keep\":\"everybody\"");
    net_expect_error(net, 1, E_SUPERSEDED);
    session = net_hello(net, 1, &a);
    assert_int_equal(list_all(net, &a, session, 0, is_kept), 90 + 211 + 1);
    assert_int_equal(list_all(net, &a, session, 0, is_kept), 90 + 211 + 1);
}

/* Rows that are nothing for this device are passed over, a slice at a time. */
static void a_list_that_finds_nothing_for_long_waits_its_turn(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    for (int i = 0; i < 1100; i++) {
        make_owner(net, "user:u", i);
    }
    make_owner(net, "group:last", 1);
    uint64_t session = net_hello(net, 1, &a);
    send_list(net, 1, &a, session, 0);
    assert_true(net_silent(net, 1));
    assert_true(sessions_turns(net->sessions, 1)); /* a thousand users */
    assert_true(net_silent(net, 1));
    assert_false(sessions_turns(net->sessions, 1));
    (void)net_expect(net, 1, WIRE_OWNERS);
    assert_int_equal(net->message.owners.bags.count, 1);
    assert_true(net->message.owners.end);
    /* two at a time are refused */
    send_list(net, 1, &a, session, 0);
    send_list(net, 1, &a, session, 0);
    net_expect_error(net, 1, E_QUOTA);
    net_run(net);
}

static void the_same_over_and_over_ends_the_session(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    make_owner(net, "group:g", 1);
    uint64_t session = net_hello(net, 1, &a);
    for (int i = 0; i <= 100; i++) {
        assert_int_equal(list_all(net, &a, session, 0, is_group), 1);
    }
    send_list(net, 1, &a, session, 0);
    net_expect_error(net, 1, E_QUOTA);
}

/* What the server asks itself again, when it had no memory for the answer, is not the machine's. */
static void a_list_that_was_starved_is_not_counted(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    make_owner(net, "group:g", 1);
    uint64_t number = net_hello(net, 1, &a);
    assert_int_equal(list_all(net, &a, number, 0, is_group), 1);
    struct session *session = sessions_find_device(net->sessions, a.device);
    struct feed_event answer = {0};
    for (int i = 0; i < 300; i++) {
        assert_false(session_list(net->sessions, session, 0, true, &answer));
    }
    for (int i = 0; i < 100; i++) {
        assert_false(session_list(net->sessions, session, 0, false, &answer));
    }
    assert_true(session_list(net->sessions, session, 0, false, &answer));
    assert_int_equal(answer.end.code, E_QUOTA);
}

static uint64_t told_newest(struct net *net)
{
    net->fx->time.mono_ms += 2000;
    net->read = net->sent_count;
    sessions_tick(net->sessions);
    return net_expect(net, 1, WIRE_HEARTBEAT)->heartbeat.newest_bag;
}

static void heartbeats_tell_the_newest_bag_to_keep(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    make_owner(net, "group:g", 1);
    assert_int_equal(told_newest(net), 0);
    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    net_expect_error(net, 1, E_SUPERSEDED);
    session = net_hello(net, 1, &a);
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    assert_int_equal(told_newest(net), head.seq); /* it has not listed them yet */
    assert_int_equal(list_all(net, &a, session, 0, is_group), 1);
    struct owner owner = {0};
    struct bag_row bag = {0};
    assert_int_equal(owner_parse(&owner, "group:g1", NULL), 0);
    assert_int_equal(kv_bag_of(net->fx->kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(told_newest(net), bag.bag_id);
    make_owner(net, "user:u", 1); /* nothing to it */
    assert_int_equal(told_newest(net), bag.bag_id);
    make_owner(net, "group:g", 2);
    assert_true(told_newest(net) > bag.bag_id);
    assert_int_equal(list_all(net, &a, session, bag.bag_id, is_group), 1);
    /* a bag of its own for some user counts when it keeps everybody */
    net_record(net, &a, "active", ",\"keep\":\"everybody\"");
    net_expect_error(net, 1, E_SUPERSEDED);
    session = net_hello(net, 1, &a);
    assert_int_equal(list_all(net, &a, session, 0, is_kept), 3);
    char own[OWNER_TEXT_MAX];
    (void)snprintf(own, sizeof own, "user:u1/device:%016" PRIx64, a.device);
    struct submit submit = fx_submit(net->fx, SUBMIT_WRITE, own, "p", "v");
    assert_int_equal(submit.code, 0);
    assert_int_equal(told_newest(net), submit.bag_id);
}

/* Only a sign-in lists it: whoever is signed in there already is to be signed in again. */
static void heartbeats_tell_of_a_users_own_bag(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    make_owner(net, "user:u", 1);
    assert_int_equal(told_newest(net), 0);
    char own[OWNER_TEXT_MAX];
    (void)snprintf(own, sizeof own, "user:u1/device:%016" PRIx64, a.device + 1);
    struct submit submit = fx_submit(net->fx, SUBMIT_WRITE, own, "p", "v");
    assert_int_equal(submit.code, 0);
    assert_int_equal(told_newest(net), 0); /* another machine's */
    (void)snprintf(own, sizeof own, "user:u1/device:%016" PRIx64, a.device);
    submit = fx_submit(net->fx, SUBMIT_WRITE, own, "p", "v");
    assert_int_equal(submit.code, 0);
    assert_int_equal(told_newest(net), submit.bag_id);
}

static void follow_many(struct net *net, const struct machine *machine, uint64_t session,
                        uint64_t first, size_t count)
{
    static struct wire_bag bags[WIRE_BAGS_MAX];
    for (size_t i = 0; i < count; i++) {
        bags[i] = (struct wire_bag){first + i, 0};
    }
    struct buf frame = net_buf();
    wire_put_follow(&frame, session, bags, count);
    net_frame(net, 1, machine->key, &frame);
}

/* The next message but BAGs is the end. */
static void net_next_error(struct net *net, int code)
{
    while (net_next(net, 1)->type == WIRE_BAG) {
    }
    assert_int_equal(net->message.type, WIRE_ERROR);
    assert_int_equal(net->message.error.code, -code);
    assert_true(net->cut[1]);
}

/* Two hundred are answered at once, the others by turns: nobody waits for a million. */
static void a_long_follow_is_answered_by_and_by(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    size_t before = net->sent_count;
    follow_many(net, &a, session, 1000000, 250); /* so many BAGs fit the credit */
    assert_int_equal(net->sent_count, before + 200);
    assert_false(sessions_turns(net->sessions, 4));
    assert_int_equal(net->sent_count, before + 250);
    for (size_t i = 0; i < 250; i++) {
        assert_int_equal(net_expect(net, 1, WIRE_BAG)->bag.code, -E_BAG_GONE);
    }
}

static void more_bags_than_the_limit_end_the_session(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    follow_many(net, &a, session, 1000000, 1000);
    assert_false(net->cut[1]);
    follow_many(net, &a, session, 2000000, 1000); /* the first ones are not all told yet */
    net_next_error(net, E_QUOTA);
    net_run(net);
    /* who keeps others may follow more */
    net_record(net, &a, "active", ",\"keep\":\"groups\"");
    net->cut[1] = false;
    session = net_hello(net, 1, &a);
    follow_many(net, &a, session, 1000000, 1000);
    follow_many(net, &a, session, 2000000, 1000);
    assert_false(net->cut[1]);
    follow_many(net, &a, session, 3000000, 1000);
    net_next_error(net, E_QUOTA);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_bags_that_a_device_keeps),
        TEST(a_list_that_finds_nothing_for_long_waits_its_turn),
        TEST(the_same_over_and_over_ends_the_session),
        TEST(a_list_that_was_starved_is_not_counted),
        TEST(heartbeats_tell_the_newest_bag_to_keep),
        TEST(heartbeats_tell_of_a_users_own_bag),
        TEST(a_long_follow_is_answered_by_and_by),
        TEST(more_bags_than_the_limit_end_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
