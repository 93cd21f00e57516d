/* Who is connected. */
#include "tests/server/sessions_fixture.h"
#include "tests/support/fail_alloc.h"

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

/* CURVE gives a connection one key. Another machine's on it is no message of this session. */
static void another_machine_s_key_on_a_connection(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t session = net_hello(net, 1, &a);
    struct buf frame = net_buf();
    wire_put_heartbeat(&frame, session, &(struct wire_heartbeat){0});
    net_frame(net, 1, b.key, &frame);
    assert_true(net->cut[1]);
    assert_true(net_silent(net, 1));
    assert_int_equal(sessions_count(net->sessions), 0);
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
    net_expect_error(net, 1, E_SUPERSEDED);
    assert_int_equal(net_next(net, 2)->type, WIRE_WELCOME);
    assert_false(net->cut[2]);
    assert_int_equal(sessions_count(net->sessions), 1);
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
        /* nobody said hello: answered, not ended */
        wire_put_heartbeat(&frame, 5, &(struct wire_heartbeat){0});
        net_frame(net, i, a.key, &frame);
    }
    assert_false(net->cut[100]);
    assert_true(net->cut[101]);
    assert_int_equal(net_next(net, 1)->error.code, -E_HELLO_FIRST);
}

static unsigned asked_by_hello; /* allocations */

/* What a machine may ask for in one connection, and what is delivered meanwhile. */
static void story(struct net *net, const struct machine *machine, struct buf *frames, size_t count)
{
    struct peer peer = net_peer(1);
    for (size_t i = 0; i < count; i++) {
        sessions_message(net->sessions, &peer, machine->key, buf_span(&frames[i]));
    }
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    struct change changes[3] = {{0}};
    for (uint64_t i = 0; i < 3; i++) {
        changes[i] = (struct change){.seq = head.seq + 1 + i,
                                     .kind = CHANGE_ITEM_SET,
                                     .bag_id = i == 1 ? machine->bag : 3,
                                     .prev = i == 0   ? 3
                                             : i == 1 ? machine->bag
                                                      : head.seq + 1,
                                     .path = SPAN_LITERAL("p")};
    }
    head.seq += 3;
    sessions_changes(net->sessions, changes, 3, &head);
    (void)sessions_turns(net->sessions, 10);
    sessions_tick(net->sessions);
}

/* Every allocation fails once: some session ends by it, or goes without something; none of it stays
 * behind for the next one. */
static void without_memory(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"everybody\",\"mirror\":true");
    unsigned nth = 0;
    bool failed = true;
    while (failed) {
        nth++;
        /* The session's number is known only when HELLO was answered: not in one go. */
        struct buf hello = net_buf();
        struct wire_hello greeting = net_greeting(&a);
        wire_put_hello(&hello, &greeting);
        struct peer peer = net_peer(1);
        net_forget(net);
        fail_alloc_at(nth);
        sessions_message(net->sessions, &peer, a.key, buf_span(&hello));
        failed = fail_alloc_stop();
        buf_free(&hello);
        if (!failed) {
            uint64_t session = net_expect(net, 1, WIRE_WELCOME)->session;
            struct buf frames[3] = {net_buf(), net_buf(), net_buf()};
            struct wire_bag bags[2] = {{3, 3}, {a.bag, a.bag}};
            wire_put_follow(&frames[0], session, bags, 2);
            wire_put_list(&frames[1], session, 0);
            wire_put_mirror(&frames[2], session, &(struct wire_mirror){0});
            fail_alloc_at(nth - asked_by_hello);
            story(net, &a, frames, 3);
            failed = fail_alloc_stop();
            for (size_t i = 0; i < 3; i++) {
                buf_free(&frames[i]);
            }
        } else {
            asked_by_hello = nth;
        }
        sessions_end_all(net->sessions, E_CLOSED, "next");
        assert_int_equal(sessions_count(net->sessions), 0);
        assert_true(nth < 1000);
    }
    assert_true(nth > 10);
    (void)net_hello(net, 2, &a);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strangers_get_nothing),
        TEST(another_machine_s_key_on_a_connection),
        TEST(the_newest_connection_wins),
        TEST(all_are_told_at_the_end),
        TEST(more_peers_than_the_limit_are_cut),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
