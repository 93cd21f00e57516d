/* tests/transport/test_follow_connect.c - connecting, connecting again, refusals, silence. */
#include "tests/transport/follow_rig.h"

static void down(int code)
{
    struct follow_event event = {.kind = FOLLOW_DOWN};
    event.down.code = code;
    rig_step(event);
}

/* How long it waits now, 0: not at all, it connects already. */
static uint64_t pause_ms(void)
{
    const struct follow_action *status = rig_did(FOLLOW_DO_STATUS);
    if (status->status.phase == FOLLOW_CONNECTING) {
        assert_int_equal(rig_count(FOLLOW_DO_CONNECT), 1);
        return 0;
    }
    assert_int_equal(status->status.phase, FOLLOW_WAITING);
    assert_int_equal(rig_count(FOLLOW_DO_CONNECT), 0);
    assert_int_equal(status->status.retry_at_ms, follow_next_tick(rig.follow));
    return status->status.retry_at_ms - rig.now_ms;
}

static void start(void **state)
{
    (void)state;
    assert_int_equal(follow_next_tick(rig.follow), UINT64_MAX);
    rig_do(FOLLOW_TICK);
    rig_did_nothing();
    rig_do(FOLLOW_START);
    assert_int_equal(rig_did(FOLLOW_DO_CONNECT)->address, 0);
    rig_status(FOLLOW_CONNECTING, 0);
    assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + FOLLOW_CONNECT_MS);
    rig_do(FOLLOW_START);
    rig_did_nothing(); /* it is at it */
    rig_do(FOLLOW_UP);
    rig_status(FOLLOW_GREETING, 0);
    assert_int_equal(rig_count(FOLLOW_DO_IDENTIFY), 1);
    rig_identify();
    assert_int_equal(rig_sent(0, WIRE_HELLO)->hello.writer, 55);
    rig_do(FOLLOW_UP);
    rig_did_nothing();
}

/* At once, then within 200 ms, then longer and longer up to five seconds. */
static void the_pauses_grow(void **state)
{
    uint64_t most = FOLLOW_RETRY_FIRST_MS;
    (void)state;
    rig_do(FOLLOW_START);
    down(E_UNREACHABLE);
    assert_int_equal(pause_ms(), 0);
    for (int i = 0; i < 12; i++) {
        down(E_UNREACHABLE);
        uint64_t wait_ms = pause_ms();
        assert_in_range(wait_ms, most / 2, most);
        rig_tick(wait_ms - 1);
        rig_did_nothing();
        rig_tick(1);
        rig_status(FOLLOW_CONNECTING, 0);
        most = 2 * most < FOLLOW_RETRY_MAX_MS ? 2 * most : FOLLOW_RETRY_MAX_MS;
    }
    assert_int_equal(most, FOLLOW_RETRY_MAX_MS);
}

static void pauses_differ_by_seed(void **state)
{
    uint64_t waits[2];
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct follow_options options = {.address_count = 1, .seed = seed};
        follow_free(&rig.follow);
        assert_int_equal(follow_new(&rig.follow, &options), 0);
        rig_do(FOLLOW_START);
        for (int i = 0; i < 8; i++) {
            down(E_UNREACHABLE);
            rig_tick(pause_ms());
        }
        down(E_UNREACHABLE);
        waits[seed] = pause_ms();
    }
    assert_int_not_equal(waits[0], waits[1]);
}

static void all_addresses_in_turn(void **state)
{
    (void)state;
    rig_do(FOLLOW_START);
    for (size_t i = 1; i < 8; i++) {
        down(E_UNREACHABLE);
        uint64_t wait_ms = pause_ms();
        if (wait_ms > 0) {
            rig_tick(wait_ms);
        }
        assert_int_equal(rig_did(FOLLOW_DO_CONNECT)->address, i % RIG_ADDRESSES);
    }
}

static void a_lost_session_tries_its_own_address_first(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    down(E_UNREACHABLE);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    assert_int_equal(rig_did(FOLLOW_DO_CONNECT)->address, 0);
    rig_status(FOLLOW_CONNECTING, E_UNREACHABLE);
    down(E_UNREACHABLE);
    rig_tick(pause_ms());
    assert_int_equal(rig_did(FOLLOW_DO_CONNECT)->address, 1);
}

/* Only a session that lasted makes the pauses short again. */
static void sessions_that_do_not_last(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    down(E_UNREACHABLE);
    assert_int_equal(pause_ms(), 0);
    for (int i = 0; i < 6; i++) {
        rig_greet();
        rig_welcome();
        rig_bags(NULL, 0);
        rig.now_ms += FOLLOW_STEADY_MS - 1;
        down(E_UNREACHABLE);
        assert_true(pause_ms() > 0);
        rig_tick(pause_ms());
    }
    rig_greet();
    rig_welcome();
    rig_bags(NULL, 0);
    rig.now_ms += FOLLOW_STEADY_MS;
    down(E_UNREACHABLE);
    assert_int_equal(pause_ms(), 0);
}

static void handshakes_have_their_time(void **state)
{
    (void)state;
    rig_do(FOLLOW_START);
    rig_tick(FOLLOW_CONNECT_MS - 1);
    rig_did_nothing();
    rig_tick(1);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_CONNECTING, E_TIMEOUT);
    rig_greet();
    assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + FOLLOW_CONNECT_MS);
    rig_tick(FOLLOW_CONNECT_MS);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_WAITING, E_TIMEOUT);
}

/* --- refusals --- */

static void refused_for_a_minute(void **state)
{
    static const int codes[] = {E_DEVICE_REMOVED, E_HISTORY,    E_DIVERGED,     E_PROTOCOL,
                                E_TOKEN_UNKNOWN,  E_TOKEN_USED, E_TOKEN_EXPIRED};
    (void)state;
    rig_do(FOLLOW_START);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        rig_greet();
        rig_error(codes[i], true);
        assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
        rig_status(FOLLOW_WAITING, codes[i]);
        assert_string_equal(rig_did(FOLLOW_DO_STATUS)->status.text, "so it is");
        assert_int_equal(pause_ms(), FOLLOW_REFUSED_MS);
        rig_tick(FOLLOW_REFUSED_MS - 1);
        rig_did_nothing();
        rig_tick(1);
        rig_status(FOLLOW_CONNECTING, 0);
    }
}

static void an_unknown_key(void **state)
{
    (void)state;
    rig_do(FOLLOW_START);
    down(E_NOT_ALLOWED);
    rig_status(FOLLOW_WAITING, E_NOT_ALLOWED);
    assert_int_equal(pause_ms(), FOLLOW_REFUSED_MS);
    rig_do(FOLLOW_START); /* somebody has acted */
    assert_int_equal(rig_count(FOLLOW_DO_CONNECT), 1);
}

/* What the server says ends the session is not met with a try at once. */
static void ended_by_the_server(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    rig.now_ms += FOLLOW_STEADY_MS;
    rig_error(E_SUPERSEDED, true);
    rig_status(FOLLOW_WAITING, E_SUPERSEDED);
    assert_in_range(pause_ms(), FOLLOW_RETRY_FIRST_MS / 2, FOLLOW_RETRY_FIRST_MS);
}

/* --- stopping --- */

static void stopping_an_open_session(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    rig_do(FOLLOW_STOP);
    assert_int_equal(rig_sent(0, WIRE_BYE)->session, RIG_SESSION);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_IDLE, 0);
    assert_int_equal(follow_next_tick(rig.follow), UINT64_MAX);
    rig_do(FOLLOW_STOP);
    rig_did_nothing();
    down(E_UNREACHABLE);
    rig_did_nothing();
}

static void stopping_while_it_connects_or_waits(void **state)
{
    (void)state;
    rig_do(FOLLOW_START);
    rig_do(FOLLOW_STOP);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_do(FOLLOW_START);
    down(E_NOT_ALLOWED);
    rig_do(FOLLOW_STOP);
    assert_int_equal(rig.did.count, 1);
    rig_status(FOLLOW_IDLE, 0);
    rig_tick(FOLLOW_REFUSED_MS);
    rig_did_nothing();
}

/* --- silence --- */

static void write_one(uint64_t number)
{
    struct operation_write write = {.path = SPAN_LITERAL("a"), .value = SPAN_LITERAL("1")};
    struct follow_event told = {.kind = FOLLOW_OPS};
    struct follow_event read = {.kind = FOLLOW_OPS_READ};
    struct buf bytes;
    buf_init(&bytes, 1000);
    operation_begin_write(&bytes, number, 4, 0, 0, 1);
    operation_put_write(&bytes, &write);
    told.ops.last = number;
    told.ops.confirmed = number - 1;
    rig_step(told);
    read.ops_read.first = number;
    read.ops_read.count = 1;
    read.ops_read.bytes = buf_span(&bytes);
    rig_step(read);
    buf_free(&bytes);
}

static void heartbeats_when_nothing_else_is_sent(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + RIG_HEARTBEAT_MS);
    rig_tick(RIG_HEARTBEAT_MS - 1);
    rig_did_nothing();
    rig_tick(1);
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->session, RIG_SESSION);
    wire_put_heartbeat(&rig.bytes, RIG_SESSION, &(struct wire_heartbeat){.seq = 77, .current = 77});
    (void)rig_got();
    rig_did_nothing(); /* it is not answered */
    assert_int_equal(follow_head_seq(rig.follow), 77);
}

/* A machine that writes without end tells its place all the same, and gives back credit. */
static void heartbeats_while_there_is_no_end_of_writes(void **state)
{
    enum { STEPS = 12, STEP_MS = RIG_HEARTBEAT_MS / 4 }; /* three heartbeats long */
    unsigned beats = 0;
    (void)state;
    (void)rig_open_live(4, 9); /* BAG is data: credit is owed for it */
    for (uint64_t number = 1; number <= STEPS; number++) {
        write_one(number);
        (void)rig_sent(0, WIRE_WRITE);
        rig_tick(STEP_MS);
        if (rig_count(FOLLOW_DO_SEND) > 0) {
            size_t last = rig_count(FOLLOW_DO_SEND) - 1;
            assert_int_equal(rig_sent(last, WIRE_HEARTBEAT)->heartbeat.waiting, 1);
            assert_int_equal(last, beats == 0); /* CREDIT comes before the first */
            beats++;
        }
        wire_begin_outcome(&rig.bytes, RIG_SESSION, 1);
        wire_put_outcome(&rig.bytes, number, 0, 500 + number, "");
        (void)rig_got();
    }
    assert_int_equal(beats, 3);
}

/* What a machine tells of itself, and is told of bags that it is to keep: of this session alone. */
static void what_heartbeats_carry(void **state)
{
    struct follow_event healed = {.kind = FOLLOW_HEALED, .healed = 3};
    struct wire_heartbeat beat = {.seq = 77, .newest_bag = 70};
    (void)state;
    rig_open(NULL, 0);
    assert_int_equal(follow_newest_bag(rig.follow), 0);
    wire_put_heartbeat(&rig.bytes, RIG_SESSION, &beat);
    (void)rig_got();
    assert_int_equal(follow_newest_bag(rig.follow), 70);
    rig_step(healed);
    rig_did_nothing();
    rig_tick(RIG_HEARTBEAT_MS);
    assert_int_equal(rig_sent(0, WIRE_HEARTBEAT)->heartbeat.healed, 3);
    rig_error(E_BUSY, true);
    assert_int_equal(follow_newest_bag(rig.follow), 0);
}

static void silence_is_a_loss(void **state)
{
    (void)state;
    rig_open(NULL, 0);
    for (int i = 1; i < 5; i++) {
        rig_tick(RIG_HEARTBEAT_MS);
        (void)rig_sent(0, WIRE_HEARTBEAT);
    }
    rig_tick(RIG_HEARTBEAT_MS - 1);
    rig_did_nothing();
    assert_int_equal(follow_next_tick(rig.follow), rig.now_ms + 1);
    rig_tick(1);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    rig_status(FOLLOW_CONNECTING, E_TIMEOUT); /* at once: it had lasted */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start),
        TEST(the_pauses_grow),
        TEST(pauses_differ_by_seed),
        TEST(all_addresses_in_turn),
        TEST(a_lost_session_tries_its_own_address_first),
        TEST(sessions_that_do_not_last),
        TEST(handshakes_have_their_time),
        TEST(refused_for_a_minute),
        TEST(an_unknown_key),
        TEST(ended_by_the_server),
        TEST(stopping_an_open_session),
        TEST(stopping_while_it_connects_or_waits),
        TEST(heartbeats_when_nothing_else_is_sent),
        TEST(heartbeats_while_there_is_no_end_of_writes),
        TEST(what_heartbeats_carry),
        TEST(silence_is_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
