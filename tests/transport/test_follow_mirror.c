/* tests/transport/test_follow_mirror.c - what a machine keeps, and the journal, on its side. */
#include "tests/transport/follow_rig.h"

static void ask_list(uint64_t after)
{
    struct follow_event event = {.kind = FOLLOW_LIST};
    event.list.after = after;
    rig_step(event);
}

static void ask_mirror(uint64_t seq)
{
    struct follow_event event = {.kind = FOLLOW_MIRROR};
    event.mirror.seq = seq;
    event.mirror.has_hash = seq != 0;
    rig_step(event);
}

static size_t owners(int code, bool end)
{
    struct bag_row row = {.bag_id = 9, .owner = {OWNER_GROUP, 0, "sales", "sales"}};
    wire_put_owners(&rig.bytes, RIG_SESSION, code, end, &row, code == 0 ? 1 : 0);
    return rig_got();
}

static void mirroring(int code, uint64_t floor_seq)
{
    wire_put_mirroring(&rig.bytes, RIG_SESSION, code, floor_seq, "so it is");
    (void)rig_got();
}

static size_t batches(void)
{
    wire_put_batches(&rig.bytes, RIG_SESSION, 70, SPAN_LITERAL("batches"));
    return rig_got();
}

static void lists(void **state)
{
    (void)state;
    rig.window = 1000; /* credited at once */
    rig_open(NULL, 0);
    ask_list(5);
    assert_int_equal(rig_sent(0, WIRE_LIST)->list.after, 5);
    ask_list(6); /* one at a time */
    rig_did_nothing();
    size_t size = owners(0, false);
    const struct follow_action *action = rig_did(FOLLOW_DO_OWNERS);
    assert_true(action->owners.code == 0 && !action->owners.end);
    assert_int_equal(wire_owner_at(&action->owners.list, 0).bag_id, 9);
    assert_int_equal(rig_sent(0, WIRE_CREDIT)->credit.received, size);
    ask_list(9);
    (void)owners(E_NOT_ALLOWED, true);
    assert_int_equal(rig_did(FOLLOW_DO_OWNERS)->owners.code, E_NOT_ALLOWED);
    assert_true(rig_did(FOLLOW_DO_OWNERS)->owners.end);
}

static void a_list_that_was_not_asked_for(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    (void)owners(0, true);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_CONNECTING, E_MALFORMED);
}

static void a_new_session_owes_nothing(void **state)
{
    struct follow_event down = {.kind = FOLLOW_DOWN};
    (void)state;
    rig_open(NULL, 0);
    ask_list(0);
    ask_mirror(0);
    mirroring(0, 0);
    down.down.code = E_UNREACHABLE;
    rig_step(down);
    rig_greet();
    rig_welcome();
    rig_bags(NULL, 0);
    ask_list(0);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 1);
    ask_mirror(3);
    assert_int_equal(rig_sent(0, WIRE_MIRROR)->mirror.seq, 3);
}

static void not_connected(void **state)
{
    (void)state;
    ask_list(0);
    assert_int_equal(rig_did(FOLLOW_DO_OWNERS)->owners.code, E_UNREACHABLE);
    ask_mirror(0);
    assert_int_equal(rig_did(FOLLOW_DO_MIRRORING)->mirroring.code, E_UNREACHABLE);
}

static void the_journal(void **state)
{
    (void)state;
    rig.window = 1000;
    rig_open(NULL, 0);
    ask_mirror(60);
    assert_true(rig_sent(0, WIRE_MIRROR)->mirror.has_hash);
    ask_mirror(60);
    rig_did_nothing();
    mirroring(0, 0);
    assert_int_equal(rig_did(FOLLOW_DO_MIRRORING)->mirroring.code, 0);
    ask_mirror(60);
    rig_did_nothing();
    size_t size = batches();
    assert_int_equal(rig.did.count, 1); /* no credit before it was worked off */
    assert_int_equal(rig_did(FOLLOW_DO_BATCHES)->batches.head_seq, 70);
    assert_true(span_equal(rig_did(FOLLOW_DO_BATCHES)->batches.bytes, SPAN_LITERAL("batches")));
    rig_applied(0, 0, 0);
    assert_int_equal(rig_sent(0, WIRE_CREDIT)->credit.received, size);
    assert_int_equal(follow_head_seq(rig.follow), 70);
}

static void a_copy_that_takes_no_more(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    ask_mirror(60);
    mirroring(0, 0);
    (void)batches();
    rig_applied(E_CORRUPT, 0, 0);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_CONNECTING, E_CORRUPT);
}

static void too_old(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    ask_mirror(60);
    mirroring(E_TOO_OLD, 65);
    assert_int_equal(rig_did(FOLLOW_DO_MIRRORING)->mirroring.floor_seq, 65);
    ask_mirror(64);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 1);
    mirroring(0, 0);
    mirroring(E_TOO_OLD, 90); /* it could not keep what comes next for us */
    assert_int_equal(rig_did(FOLLOW_DO_MIRRORING)->mirroring.code, E_TOO_OLD);
    assert_string_equal(rig_did(FOLLOW_DO_MIRRORING)->mirroring.text, "so it is");
    ask_mirror(89);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 1);
}

static void a_mirror_that_was_not_asked_for(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    mirroring(0, 0);
    rig_status(FOLLOW_CONNECTING, E_MALFORMED);
}

static void batches_that_were_not_asked_for(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    ask_mirror(60);
    (void)batches(); /* before the answer */
    rig_status(FOLLOW_CONNECTING, E_MALFORMED);
}

static void accepted_twice(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    ask_mirror(60);
    mirroring(0, 0);
    mirroring(0, 0);
    rig_status(FOLLOW_CONNECTING, E_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists),
        TEST(a_list_that_was_not_asked_for),
        TEST(a_new_session_owes_nothing),
        TEST(not_connected),
        TEST(the_journal),
        TEST(a_copy_that_takes_no_more),
        TEST(too_old),
        TEST(a_mirror_that_was_not_asked_for),
        TEST(batches_that_were_not_asked_for),
        TEST(accepted_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
