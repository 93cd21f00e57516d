/* Who says HELLO, and whether what they hold lies on our line of changes. */
#include "tests/server/sessions_fixture.h"

static struct wire_hello at_head(struct net *net, const struct machine *machine)
{
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    struct wire_hello hello = net_greeting(machine);
    hello.has_history = true;
    journal_history(net->fx->journal, hello.history);
    hello.position.seq = head.seq;
    memcpy(hello.position.hash, head.hash, SHA256_SIZE);
    return hello;
}

static struct device_live live_of(struct net *net, const struct machine *machine)
{
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, machine->device, &live), 0);
    return live;
}

static void a_token_is_for_joining_only(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct machine with_token = a;
    memcpy(with_token.key, a.token, KEY_SIZE);
    struct wire_hello hello = net_greeting(&with_token);
    net_send_hello(net, 1, &with_token, &hello);
    net_expect_error(net, 1, E_NOT_JOINED);
    /* and a machine's key for everything but joining */
    struct wire_join join = {.version = WIRE_VERSION};
    struct buf frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, a.key, &frame);
    net_expect_error(net, 2, E_NOT_ALLOWED);
    /* under another machine's number */
    hello.device = a.device + 1;
    net_send_hello(net, 3, &a, &hello);
    net_expect_error(net, 3, E_NOT_ALLOWED);
    /* which means nothing when it is of another history */
    hello.has_history = true;
    memset(hello.history, 0x77, HISTORY_SIZE);
    net_send_hello(net, 4, &a, &hello);
    net_expect_error(net, 4, E_HISTORY);
}

static void positions_are_compared(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct wire_hello hello = at_head(net, &a);
    struct wire_hello variants[5] = {hello, hello, hello, hello, hello};
    variants[1].position.hash[3] ^= 1;
    variants[2].position.seq++;
    variants[3].history[0] ^= 1;
    variants[4].position.seq = 2; /* in the middle of the first batch */
    static const int codes[5] = {0, E_DIVERGED, E_DIVERGED, E_HISTORY, E_DIVERGED};
    for (uint8_t i = 0; i < 5; i++) {
        net_send_hello(net, (uint8_t)(10 + i), &a, &variants[i]);
        if (codes[i] == 0) {
            (void)net_expect(net, 10, WIRE_WELCOME);
            assert_int_equal(net->message.welcome.resume_seq, WIRE_SAME_HISTORY);
        } else {
            net_expect_error(net, (uint8_t)(10 + i), codes[i]);
        }
    }
    /* an older one, whose hash is read from the journal */
    hello.position.seq = 3;
    assert_int_equal(journal_hash_at(net->fx->journal, 3, hello.position.hash, NULL), 0);
    net_send_hello(net, 20, &a, &hello);
    net_expect_error(net, 10, E_SUPERSEDED);
    net->read = 0;
    (void)net_expect(net, 20, WIRE_WELCOME);
}

/* It is told in the list of devices, until the machine has been served again for a while. */
static void who_is_ahead_is_told_as_diverged(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct wire_hello hello = at_head(net, &a);
    hello.position.seq += 5;
    net_send_hello(net, 1, &a, &hello);
    net_expect_error(net, 1, E_DIVERGED);
    struct device_live live = live_of(net, &a);
    assert_int_equal(live.refused, E_DIVERGED);
    assert_false(live.connected);
    hello.history[0] ^= 1;
    net_send_hello(net, 2, &a, &hello);
    net_expect_error(net, 2, E_HISTORY);
    assert_int_equal(live_of(net, &a).refused, E_HISTORY);
    uint64_t session = net_hello(net, 3, &a);
    assert_int_equal(live_of(net, &a).refused, E_HISTORY);
    net_beat(net, 3, &a, session, &(struct wire_heartbeat){.seq = 3, .current = 2});
    live = live_of(net, &a);
    assert_int_equal(live.refused, 0);
    assert_int_equal(live.seq, 3);
    assert_int_equal(live.current_seq, 2);
}

/* A bag's cursor that is ahead of the bag: found when it is followed. */
static void a_bag_that_is_ahead_is_diverged_too(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    net_follow(net, 1, &a, session, a.bag, UINT64_MAX >> 1);
    net_expect_error(net, 1, E_DIVERGED);
    assert_int_equal(live_of(net, &a).refused, E_DIVERGED);
}

/* In the journal alone: nothing is written through the committer afterwards. */
static void begin_another_history(struct net *net, const struct wire_hello *parent)
{
    struct change change = {.kind = CHANGE_HISTORY, .seq = parent->position.seq + 1};
    memset(change.history.id, 0x42, HISTORY_SIZE);
    memcpy(change.history.parent, parent->history, HISTORY_SIZE);
    change.history.parent_seq = parent->position.seq;
    memcpy(change.history.parent_hash, parent->position.hash, SHA256_SIZE);
    struct buf payload = net_buf();
    batch_begin(&payload, 1);
    change_encode(&payload, &change, CHANGE_JOURNAL);
    struct err err = {0};
    if (journal_fork(net->fx->journal, change.history.id, &err) != 0 ||
        journal_append(net->fx->journal, 1, net->fx->time.wall_ms, buf_span(&payload), NULL,
                       &err) != 0) {
        fail_msg("fork: %s", err.text);
    }
    buf_free(&payload);
}

/* Who left our line before the fork resumes from what it told before. */
static void an_ancestor_s_machine_is_told_where_it_was_left(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 9, &a);
    net_beat(net, 9, &a, session, &(struct wire_heartbeat){.seq = 3, .current = 2});
    struct wire_hello old = at_head(net, &a);
    assert_true(old.position.seq > 2);
    begin_another_history(net, &old);
    struct wire_hello now = at_head(net, &a);
    assert_memory_not_equal(now.history, old.history, HISTORY_SIZE);
    uint64_t left_at = old.position.seq;
    struct wire_hello variants[4] = {old, old, old, now};
    variants[1].position.seq = left_at + 100; /* changes that nobody took over */
    memset(variants[1].position.hash, 1, SHA256_SIZE);
    variants[2].position.hash[0] ^= 1; /* other ones where we share the numbers */
    const uint64_t resume[4] = {left_at, 2, 2, WIRE_SAME_HISTORY};
    for (uint8_t i = 0; i < 4; i++) {
        uint8_t peer = (uint8_t)(i + 1);
        net->read = net->sent_count;
        net_send_hello(net, peer, &a, &variants[i]);
        (void)net_expect(net, peer, WIRE_WELCOME);
        assert_int_equal(net->message.welcome.resume_seq, resume[i]);
        assert_memory_equal(net->message.welcome.history, now.history, HISTORY_SIZE);
        /* it repeats what it was told, and has not put anything aside yet */
        struct wire_heartbeat beat = {.seq = left_at, .current = left_at};
        net_beat(net, peer, &a, net->message.session, &beat);
    }
    now.position.hash[0] ^= 1; /* of the new history that is no excuse */
    net_send_hello(net, 5, &a, &now);
    net_expect_error(net, 5, E_DIVERGED);
}

/* Of whom nothing is noted: its own word is proof when the journal has the hash it names there, and
 * none when it is beyond the fork. */
static void an_unknown_machine_of_an_ancestor_proves_where_it_was(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct wire_hello old = at_head(net, &a);
    struct wire_hello further = old;
    begin_another_history(net, &old);
    struct seen_device at = {0};
    assert_false(seen_get(net->seen, a.device, &at));
    net_send_hello(net, 1, &a, &old);
    (void)net_expect(net, 1, WIRE_WELCOME);
    assert_int_equal(net->message.welcome.resume_seq, old.position.seq);
    further.position.seq++;
    net->read = net->sent_count;
    net_send_hello(net, 2, &a, &further);
    (void)net_expect(net, 2, WIRE_WELCOME);
    assert_int_equal(net->message.welcome.resume_seq, 0);
}

/* Enough for two segments of the journal. */
static void fill(struct net *net)
{
    static char big[1 << 20];
    for (int i = 0; i < 9; i++) {
        memset(big, 'a' + i, sizeof big - 1);
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", big).code, 0);
    }
}

/* There is no hash left to compare: it is served, and its bags are compared. */
static void a_position_below_the_floor_is_served(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    struct wire_hello hello = at_head(net, &a);
    fill(net);
    uint64_t floor = 0;
    assert_int_equal(journal_drop(net->fx->journal, UINT64_MAX, &floor, NULL), 0);
    assert_true(floor > hello.position.seq + 1);
    hello.position.hash[0] ^= 1;
    net_send_hello(net, 1, &a, &hello);
    (void)net_expect(net, 1, WIRE_WELCOME);
    /* of the change before the floor the hash is still known */
    net->read = net->sent_count;
    hello.position.seq = floor - 1;
    net_send_hello(net, 2, &a, &hello);
    net_expect_error(net, 2, E_DIVERGED);
    assert_int_equal(journal_hash_at(net->fx->journal, floor - 1, hello.position.hash, NULL), 0);
    net->read = net->sent_count;
    net_send_hello(net, 3, &a, &hello);
    (void)net_expect(net, 3, WIRE_WELCOME);
}

static void rights_are_told(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    static const char *const rights[] = {"", ",\"keep\":\"groups\"",
                                         ",\"keep\":\"everybody\",\"mirror\":true"};
    for (uint8_t i = 0; i < 3; i++) {
        net_record(net, &a, "active", rights[i]);
        net->read = net->sent_count;
        (void)net_hello(net, (uint8_t)(i + 1), &a);
        assert_int_equal(net->message.welcome.keep, i);
        assert_int_equal(net->message.welcome.mirror, i == 2);
    }
}

/* A server whose data came out of a backup, and nobody knows what was removed since. */
static void hold(struct net *net, const char *more)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"parent\":\"00000000000000000000000000000000\",\"removals\":\"unknown\"%s}",
                   more);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", RESTORED_ITEM, text).code, 0);
}

static void nobody_is_served_before_a_restore_is_confirmed(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine gone;
    struct machine stranger = {.session = 7};
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &gone, 2);
    net_record(net, &gone, "removed", "");
    memset(stranger.token, 7, KEY_SIZE);
    memcpy(stranger.key, stranger.token, KEY_SIZE);
    fx_token(net->fx, stranger.token, net->fx->time.wall_ms + 1000);
    struct wire_hello hello = net_greeting(&a);
    struct wire_join join = {.version = WIRE_VERSION};
    hold(net, "");
    net->read = net->sent_count;
    net_send_hello(net, 1, &a, &hello);
    net_expect_error(net, 1, E_DEFERRED);
    struct buf frame = net_buf();
    wire_put_join(&frame, &join);
    net_frame(net, 2, stranger.key, &frame);
    net_expect_error(net, 2, E_DEFERRED); /* the token may have been used since */
    hello = net_greeting(&gone);
    net_send_hello(net, 3, &gone, &hello);
    net_expect_error(net, 3, E_DEVICE_REMOVED);
    hold(net, ",\"confirmed_ms\":5");
    net->read = net->sent_count;
    (void)net_hello(net, 4, &a);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_for_joining_only),
        TEST(positions_are_compared),
        TEST(who_is_ahead_is_told_as_diverged),
        TEST(a_bag_that_is_ahead_is_diverged_too),
        TEST(an_ancestor_s_machine_is_told_where_it_was_left),
        TEST(an_unknown_machine_of_an_ancestor_proves_where_it_was),
        TEST(a_position_below_the_floor_is_served),
        TEST(rights_are_told),
        TEST(nobody_is_served_before_a_restore_is_confirmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
