/* tests/transport/test_follow.c - what the server says, and what the caller is told of it. */
#include "tests/transport/follow_rig.h"

static void lost(int code)
{
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, code);
}

static void welcome(void **state)
{
    struct wire_welcome told = {.version = WIRE_VERSION,
                                .head_seq = 50,
                                .state = WIRE_STOPPED,
                                .device = 3,
                                .device_bag = 8,
                                .fleet_bag = 2,
                                .heartbeat_ms = RIG_HEARTBEAT_MS,
                                .window = 1000};
    (void)state;
    rig_do(FOLLOW_START);
    rig_greet();
    wire_put_welcome(&rig.bytes, RIG_SESSION, &told);
    (void)rig_got();
    assert_int_equal(rig_did(FOLLOW_DO_WELCOME)->welcome.device_bag, 8);
    assert_int_equal(rig_did(FOLLOW_DO_WELCOME)->welcome.fleet_bag, 2);
    rig_status(FOLLOW_OPEN, E_STOPPED);
    assert_int_equal(rig.did.list[rig.did.count - 1].kind, FOLLOW_DO_LIST_BAGS);
    assert_int_equal(follow_head_seq(rig.follow), 50);
    rig_bags(NULL, 0);
    rig_did_nothing();
}

static void a_welcome_of_another_version(void **state)
{
    struct wire_welcome told = {.version = WIRE_VERSION + 1, .state = WIRE_RUNNING};
    (void)state;
    rig_do(FOLLOW_START);
    rig_greet();
    wire_put_welcome(&rig.bytes, RIG_SESSION, &told);
    (void)rig_got();
    lost(E_PROTOCOL);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.retry_at_ms, rig.now_ms + FOLLOW_REFUSED_MS);
}

static void no_session_number(void **state)
{
    struct wire_welcome told = {.version = WIRE_VERSION, .state = WIRE_RUNNING};
    (void)state;
    rig_do(FOLLOW_START);
    rig_greet();
    wire_put_welcome(&rig.bytes, 0, &told);
    (void)rig_got();
    rig_did_nothing();
}

/* A server that asks for a heartbeat each millisecond, or one a century, gets neither. */
static void odd_heartbeats(void **state)
{
    static const uint64_t asked[] = {0, UINT64_MAX};
    static const uint64_t got[] = {100, 3600000};
    struct wire_welcome told = {.version = WIRE_VERSION, .state = WIRE_RUNNING};
    (void)state;
    rig_do(FOLLOW_START);
    for (size_t i = 0; i < 2; i++) {
        rig_greet();
        told.heartbeat_ms = asked[i];
        wire_put_welcome(&rig.bytes, RIG_SESSION, &told);
        (void)rig_got();
        rig_bags(NULL, 0);
        assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + got[i]);
        rig_do(FOLLOW_STOP);
        rig_do(FOLLOW_START);
    }
}

static void joining(void **state)
{
    struct follow_options options = {.address_count = 1, .join = true};
    uint8_t history[HISTORY_SIZE] = {9, 8, 7};
    (void)state;
    follow_free(&rig.follow);
    assert_int_equal(follow_new(&rig.follow, &options), 0);
    rig_do(FOLLOW_START);
    rig_greet();
    assert_true(span_equal(rig_sent(0, WIRE_JOIN)->join.name, SPAN_LITERAL("new")));
    wire_put_joined(&rig.bytes, 44, history);
    (void)rig_got();
    assert_int_equal(rig_did(FOLLOW_DO_JOINED)->joined.device, 44);
    assert_memory_equal(rig_did(FOLLOW_DO_JOINED)->joined.history, history, sizeof history);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_IDLE, 0);
}

static void frames_that_come_too_early_or_too_late(void **state)
{
    (void)state;
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    rig_did_nothing();
    rig_do(FOLLOW_START);
    rig_greet();
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    rig_did_nothing();
    rig_welcome();
    rig_bags(NULL, 0);
    wire_put_state(&rig.bytes, RIG_SESSION - 1, WIRE_STOPPED);
    (void)rig_got();
    rig_did_nothing(); /* of a session that is over */
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_STOPPED);
    (void)rig_got();
    rig_status(FOLLOW_OPEN, E_STOPPED);
}

static void states(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_READ_ONLY);
    (void)rig_got();
    rig_status(FOLLOW_OPEN, E_READ_ONLY);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    rig_status(FOLLOW_OPEN, 0);
}

/* The server does not know the session (any more): HELLO again, and everything anew. */
static void hello_first(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    rig_error(E_HELLO_FIRST, false);
    rig_status(FOLLOW_GREETING, 0);
    assert_int_equal(rig_count(FOLLOW_DO_IDENTIFY), 1);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 0);
    rig_identify();
    (void)rig_sent(0, WIRE_HELLO);
    rig_error(E_HELLO_FIRST, false); /* of what was on its way before */
    rig_did_nothing();
    rig_welcome();
    bag.cursor = 11;
    rig_bags(&bag, 1);
    rig_followed(4, 11);
}

static void a_remark(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    rig_error(E_QUOTA, false);
    rig_status(FOLLOW_OPEN, E_QUOTA);
    assert_int_equal(rig.did.count, 1);
}

static void what_is_no_message(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    (void)buf_append(&rig.bytes, "\x01", 1);
    (void)rig_got();
    lost(E_MALFORMED);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
}

static void a_message_of_a_client(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    wire_put_bye(&rig.bytes, RIG_SESSION);
    (void)rig_got();
    lost(E_MALFORMED);
}

/* --- parts --- */

static void put_part(uint64_t session, uint64_t total, uint64_t offset, struct span bytes)
{
    struct wire_part part = {.id = 1, .total = total, .offset = offset, .bytes = bytes};
    wire_put_part(&rig.bytes, session, &part);
}

static void parts_are_put_together(void **state)
{
    struct buf message;
    (void)state;
    rig_open(NULL, 0);
    buf_init(&message, 1000);
    wire_put_state(&message, RIG_SESSION, WIRE_STOPPED);
    put_part(RIG_SESSION, message.size, 0, (struct span){message.data, 2});
    (void)rig_got();
    rig_did_nothing();
    put_part(RIG_SESSION, message.size, 2, (struct span){message.data + 2, message.size - 2});
    (void)rig_got();
    rig_status(FOLLOW_OPEN, E_STOPPED);
    buf_free(&message);
}

static void parts_that_do_not_continue(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    put_part(RIG_SESSION, 9, 3, SPAN_LITERAL("xx"));
    (void)rig_got();
    lost(E_MALFORMED);
}

static void parts_of_another_session(void **state)
{
    struct buf message;
    (void)state;
    rig_open(NULL, 0);
    buf_init(&message, 1000);
    wire_put_state(&message, RIG_SESSION + 1, WIRE_STOPPED);
    put_part(RIG_SESSION, message.size, 0, buf_span(&message));
    (void)rig_got();
    lost(E_MALFORMED);
    buf_free(&message);
}

static void parts_of_what_is_no_message(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    put_part(RIG_SESSION, 2, 0, SPAN_LITERAL("xx"));
    (void)rig_got();
    lost(E_MALFORMED);
}

/* --- signing in --- */

static void signing_in(void **state)
{
    struct span groups[] = {SPAN_LITERAL("staff")};
    struct bag_row row = {.bag_id = 30, .last_seq = 31};
    struct follow_event event = {.kind = FOLLOW_SIGN_IN};
    (void)state;
    rig_open(NULL, 0);
    event.sign_in.ref = 6;
    event.sign_in.user = SPAN_LITERAL("ann");
    event.sign_in.groups = groups;
    event.sign_in.group_count = 1;
    rig_step(event);
    assert_true(span_equal(rig_sent(0, WIRE_SIGN_IN)->sign_in.user, SPAN_LITERAL("ann")));
    assert_true(span_equal(wire_group_at(&rig.message.sign_in.groups, 0), groups[0]));
    assert_int_equal(owner_make(&row.owner, OWNER_USER, SPAN_LITERAL("Ann"), 0, NULL), 0);
    wire_put_signed_in(&rig.bytes, RIG_SESSION, 6, 0, "fine", &row, 1);
    (void)rig_got();
    const struct follow_action *action = rig_did(FOLLOW_DO_SIGNED_IN);
    assert_int_equal(action->signed_in.ref, 6);
    assert_int_equal(action->signed_in.code, 0);
    assert_string_equal(action->signed_in.text, "fine");
    assert_int_equal(wire_owner_at(&action->signed_in.bags, 0).bag_id, 30);
    wire_put_signed_in(&rig.bytes, RIG_SESSION, 6, E_NAME, "not so", NULL, 0);
    (void)rig_got();
    assert_int_equal(rig_did(FOLLOW_DO_SIGNED_IN)->signed_in.code, E_NAME);
}

static void signing_out(void **state)
{
    struct follow_event event = {.kind = FOLLOW_SIGN_OUT};
    (void)state;
    rig_open(NULL, 0);
    event.sign_out.ref = 8;
    event.sign_out.bag_id = 30;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_SIGN_OUT)->sign_out.bag_id, 30);
    wire_put_signed_out(&rig.bytes, RIG_SESSION, 8, E_NOT_SIGNED_IN, "never was");
    (void)rig_got();
    const struct follow_action *action = rig_did(FOLLOW_DO_SIGNED_OUT);
    assert_int_equal(action->signed_out.ref, 8);
    assert_int_equal(action->signed_out.code, E_NOT_SIGNED_IN);
    assert_string_equal(action->signed_out.text, "never was");
}

static void signing_in_and_out_without_a_session(void **state)
{
    struct follow_event event = {.kind = FOLLOW_SIGN_IN};
    (void)state;
    rig_do(FOLLOW_START);
    event.sign_in.ref = 5;
    rig_step(event);
    assert_int_equal(rig_did(FOLLOW_DO_SIGNED_IN)->signed_in.ref, 5);
    assert_int_equal(rig_did(FOLLOW_DO_SIGNED_IN)->signed_in.code, E_UNREACHABLE);
    event.kind = FOLLOW_SIGN_OUT;
    event.sign_out.ref = 6;
    rig_step(event);
    assert_int_equal(rig_did(FOLLOW_DO_SIGNED_OUT)->signed_out.ref, 6);
    assert_int_equal(rig_did(FOLLOW_DO_SIGNED_OUT)->signed_out.code, E_UNREACHABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(welcome),
        TEST(a_welcome_of_another_version),
        TEST(no_session_number),
        TEST(odd_heartbeats),
        TEST(joining),
        TEST(frames_that_come_too_early_or_too_late),
        TEST(states),
        TEST(hello_first),
        TEST(a_remark),
        TEST(what_is_no_message),
        TEST(a_message_of_a_client),
        TEST(parts_are_put_together),
        TEST(parts_that_do_not_continue),
        TEST(parts_of_another_session),
        TEST(parts_of_what_is_no_message),
        TEST(signing_in),
        TEST(signing_out),
        TEST(signing_in_and_out_without_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
