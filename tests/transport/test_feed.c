/* tests/transport/test_feed.c - the session: who speaks when, what ends it, answers. */
#include "tests/transport/feed_rig.h"

/* --- before it is open --- */

static void put_beat(struct buf *out, uint64_t session, uint64_t seq)
{
    wire_put_heartbeat(out, session, &(struct wire_heartbeat){.seq = seq, .current = seq});
}

static void hello_is_checked_and_welcomed(void **state)
{
    (void)state;
    rig_hello(1u << 30);
    assert_int_equal(rig.did.count, 1); /* not a byte before it is accepted */
    assert_int_equal(rig_did(FEED_DO_HELLO)->hello.device, 3);
    assert_false(feed_open(rig.feed));
    struct feed_event event = {.kind = FEED_WELCOME};
    event.welcome = (struct wire_welcome){.head_seq = 9, .state = WIRE_STOPPED, .device = 3};
    event.welcome.device_bag = 5;
    event.welcome.fleet_bag = 2;
    rig_step(event);
    const struct wire_message *message = rig_sent(0, WIRE_WELCOME);
    assert_int_equal(message->session, RIG_SESSION);
    assert_int_equal(message->welcome.version, WIRE_VERSION);
    assert_int_equal(message->welcome.head_seq, 9);
    assert_int_equal(message->welcome.state, WIRE_STOPPED);
    assert_int_equal(message->welcome.device_bag, 5);
    assert_int_equal(message->welcome.fleet_bag, 2);
    assert_int_equal(message->welcome.heartbeat_ms, RIG_HEARTBEAT_MS);
    assert_int_equal(message->welcome.window, WIRE_WINDOW_MAX); /* what is asked, but no more */
    assert_int_equal(feed_session(rig.feed), RIG_SESSION);
}

static void a_small_window_is_taken_as_it_is(void **state)
{
    (void)state;
    rig_open(1000);
    assert_int_equal(rig_sent(0, WIRE_WELCOME)->welcome.window, 1000);
}

static void who_may_mirror_has_a_larger_window(void **state)
{
    (void)state;
    rig_hello(WIRE_WINDOW_MIRROR + 1);
    struct feed_event event = {.kind = FEED_WELCOME};
    event.welcome = (struct wire_welcome){.state = WIRE_RUNNING, .device = 3, .mirror = true};
    event.welcome.device_bag = 5;
    event.welcome.fleet_bag = 2;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_WELCOME)->welcome.window, WIRE_WINDOW_MIRROR);
}

static void a_refused_hello(void **state)
{
    (void)state;
    rig_hello(1000);
    struct feed_event event = {.kind = FEED_END};
    event.end.code = E_DEVICE_REMOVED;
    event.end.text = "an administrator removed it";
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_ERROR)->session, 0);
    rig_ended(E_DEVICE_REMOVED);
}

static void another_version(void **state)
{
    (void)state;
    struct wire_hello hello = {.version = WIRE_VERSION + 1};
    wire_put_hello(&rig.bytes, &hello);
    rig_got();
    assert_int_equal(rig_count(FEED_DO_HELLO), 0);
    rig_ended(E_PROTOCOL);
}

static void join_is_checked_and_answered(void **state)
{
    (void)state;
    struct wire_join join = {.version = WIRE_VERSION, .name = SPAN_LITERAL("copier")};
    for (int i = 0; i < 2; i++) { /* a second time: its answer was lost */
        wire_put_join(&rig.bytes, &join);
        rig_got();
        assert_true(span_equal(rig_did(FEED_DO_JOIN)->join.name, SPAN_LITERAL("copier")));
        struct feed_event event = {.kind = FEED_JOINED};
        event.joined.device = 12;
        rig_step(event);
        assert_int_equal(rig_sent(0, WIRE_JOINED)->joined.device, 12);
        assert_false(feed_open(rig.feed));
    }
    join.version = 9;
    wire_put_join(&rig.bytes, &join);
    rig_got();
    rig_ended(E_PROTOCOL);
}

static void assert_hello_first(void)
{
    assert_int_equal(rig.did.count, 1);
    const struct wire_message *message = rig_sent(0, WIRE_ERROR);
    assert_int_equal(message->error.code, -E_HELLO_FIRST);
    assert_false(message->error.fatal);
}

static void hello_comes_first(void **state)
{
    (void)state;
    put_beat(&rig.bytes, RIG_SESSION, 1);
    rig_got();
    assert_hello_first();
    rig_hello(1000);
    put_beat(&rig.bytes, RIG_SESSION, 1);
    rig_got();
    assert_hello_first(); /* accepted it is not yet */
}

static void another_session_number(void **state)
{
    (void)state;
    rig_open(1000);
    put_beat(&rig.bytes, RIG_SESSION + 1, 1);
    rig_got();
    assert_hello_first();
    put_beat(&rig.bytes, RIG_SESSION, 1);
    rig_got();
    assert_int_equal(rig_did(FEED_DO_HEARD)->heard.seq, 1); /* the session goes on */
}

static void hello_twice(void **state)
{
    (void)state;
    rig_open(1000);
    rig_hello(1000);
    rig_ended(E_MALFORMED);
}

/* --- bad input --- */

static void what_is_no_message(void **state)
{
    (void)state;
    rig_open(1000);
    (void)buf_append(&rig.bytes, "\xdd\xff\xff\xff\xff", 5);
    rig_got();
    rig_ended(E_MALFORMED);
}

static void a_message_of_a_server(void **state)
{
    (void)state;
    rig_open(1000);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    rig_got();
    rig_ended(E_MALFORMED);
}

static void a_frame_at_and_over_its_limit(void **state)
{
    static uint8_t key[WIRE_FRAME_MAX];
    (void)state;
    rig_open(1000);
    wire_begin_write(&rig.bytes, RIG_SESSION, 0, 1);
    size_t head = rig.bytes.size;
    pack_bin(&rig.bytes, span_of(key, WIRE_FRAME_MAX - head - 5 + 2)); /* bin16: 3 bytes of head */
    assert_int_equal(rig.bytes.size, WIRE_FRAME_MAX);
    rig_got();
    assert_int_equal(rig_did(FEED_DO_WRITE)->write.operations.count, 1);
    wire_begin_write(&rig.bytes, RIG_SESSION, 0, 1);
    pack_bin(&rig.bytes, span_of(key, WIRE_FRAME_MAX - head - 5 + 3));
    assert_int_equal(rig.bytes.size, WIRE_FRAME_MAX + 1);
    rig_got();
    rig_ended(E_MALFORMED);
}

/* --- parts --- */

static void put_part(uint64_t total, uint64_t offset, struct span bytes)
{
    struct wire_part part = {.id = 1, .total = total, .offset = offset, .bytes = bytes};
    wire_put_part(&rig.bytes, RIG_SESSION, &part);
    rig_got();
}

static void send_in_parts(struct span message)
{
    for (size_t offset = 0; offset < message.size; offset += WIRE_PART_BYTES) {
        size_t left = message.size - offset;
        size_t size = left < WIRE_PART_BYTES ? left : WIRE_PART_BYTES;
        put_part(message.size, offset, (struct span){message.data + offset, size});
    }
}

static void a_long_write_in_parts(void **state)
{
    static uint8_t value[VALUE_MAX_BYTES - 1000];
    struct operation_write write = {.path = SPAN_LITERAL("a"),
                                    .value = span_of(value, sizeof value)};
    struct buf message;
    (void)state;
    rig_open(1000);
    buf_init(&message, 2 << 20);
    wire_begin_write(&message, RIG_SESSION, 4, 1);
    operation_begin_write(&message, 5, 1, 0, 0, 1);
    operation_put_write(&message, &write);
    send_in_parts(buf_span(&message));
    struct operation operation;
    const struct feed_action *action = rig_did(FEED_DO_WRITE);
    assert_int_equal(action->write.confirmed, 4);
    assert_int_equal(
        operation_decode(wire_object_at(&action->write.operations, 0), &operation, NULL), 0);
    assert_int_equal(operation.number, 5);
    assert_int_equal(feed_pool_bytes(rig.pool), message.size); /* until the next step */
    rig_step((struct feed_event){.kind = FEED_TICK});
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
    buf_free(&message);
}

static void too_much_to_put_together(void **state)
{
    static uint8_t bytes[WIRE_PART_BYTES];
    (void)state;
    rig_open(1000);
    uint64_t offset = 0;
    for (; offset + WIRE_PART_BYTES <= RIG_POOL_BYTES; offset += WIRE_PART_BYTES) {
        put_part(WIRE_MESSAGE_MAX, offset, span_of(bytes, sizeof bytes));
        assert_int_equal(rig.did.count, 0);
    }
    put_part(WIRE_MESSAGE_MAX, offset, span_of(bytes, sizeof bytes));
    rig_ended(E_BUSY);
}

static void parts_that_do_not_continue(void **state)
{
    (void)state;
    rig_open(1000);
    put_part(10, 5, SPAN_LITERAL("12345"));
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
    rig_ended(E_MALFORMED);
}

static void parts_of_what_is_no_message(void **state)
{
    (void)state;
    rig_open(1000);
    put_part(5, 0, SPAN_LITERAL("12345"));
    rig_ended(E_MALFORMED);
}

static void parts_of_another_session(void **state)
{
    struct buf message;
    (void)state;
    rig_open(1000);
    buf_init(&message, 1000);
    put_beat(&message, RIG_SESSION + 1, 1);
    put_part(message.size, 0, buf_span(&message));
    rig_ended(E_MALFORMED);
    buf_free(&message);
}

static void parts_of_parts(void **state)
{
    struct buf message;
    struct wire_part part = {.id = 1, .total = 1, .bytes = SPAN_LITERAL("1")};
    (void)state;
    rig_open(1000);
    buf_init(&message, 1000);
    wire_put_part(&message, RIG_SESSION, &part);
    put_part(message.size, 0, buf_span(&message));
    rig_ended(E_MALFORMED);
    buf_free(&message);
}

/* --- answers --- */

static void signing_in(void **state)
{
    struct span groups[] = {SPAN_LITERAL("staff"), SPAN_LITERAL("third floor")};
    struct bag_row rows[2] = {{.bag_id = 30, .last_seq = 31}, {.bag_id = 40, .last_seq = 44}};
    (void)state;
    rig_open(1000);
    wire_put_sign_in(&rig.bytes, RIG_SESSION, 8, SPAN_LITERAL("ann"), groups, 2, 0);
    rig_got();
    const struct feed_action *action = rig_did(FEED_DO_SIGN_IN);
    assert_int_equal(action->sign_in.ref, 8);
    assert_true(span_equal(action->sign_in.user, SPAN_LITERAL("ann")));
    assert_true(span_equal(wire_group_at(&action->sign_in.groups, 1), groups[1]));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(owner_make(&rows[i].owner, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    }
    struct feed_event event = {.kind = FEED_SIGNED_IN};
    event.signed_in.ref = 8;
    event.signed_in.bags = rows;
    event.signed_in.count = 2;
    rig_step(event);
    const struct wire_message *message = rig_sent(0, WIRE_SIGNED_IN);
    assert_int_equal(message->signed_in.ref, 8);
    assert_int_equal(message->signed_in.code, 0);
    assert_int_equal(message->signed_in.bags.count, 2);
    assert_int_equal(wire_owner_at(&message->signed_in.bags, 1).last_seq, 44);
}

/* As many bags as one answer has room for, and one more. */
static void signing_in_to_many_bags(void **state)
{
    static struct bag_row rows[FEED_SIGNED_IN_MAX + 1];
    static char name[NAME_MAX_BYTES];
    (void)state;
    rig_open(1000);
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < FEED_SIGNED_IN_MAX + 1; i++) {
        rows[i].bag_id = UINT64_MAX - i;
        rows[i].last_seq = UINT64_MAX;
        assert_int_equal(
            owner_make(&rows[i].owner, OWNER_USER, span_of(name, sizeof name), 0, NULL), 0);
    }
    struct feed_event event = {.kind = FEED_SIGNED_IN};
    event.signed_in.bags = rows;
    event.signed_in.count = FEED_SIGNED_IN_MAX;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_SIGNED_IN)->signed_in.bags.count, FEED_SIGNED_IN_MAX);
    event.signed_in.count++;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_SIGNED_IN)->signed_in.code, -E_QUOTA);
    assert_int_equal(rig.message.signed_in.bags.count, 0);
}

static void a_refused_sign_in(void **state)
{
    (void)state;
    rig_open(1000);
    struct feed_event event = {.kind = FEED_SIGNED_IN};
    event.signed_in.code = E_NOT_ALLOWED;
    event.signed_in.text = "not this one";
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_SIGNED_IN)->signed_in.code, -E_NOT_ALLOWED);
    assert_true(span_equal(rig.message.signed_in.text, SPAN_LITERAL("not this one")));
}

static void signing_out(void **state)
{
    (void)state;
    rig_open(1000);
    wire_put_sign_out(&rig.bytes, RIG_SESSION, 9, 30);
    rig_got();
    assert_int_equal(rig_did(FEED_DO_SIGN_OUT)->sign_out.ref, 9);
    assert_int_equal(rig_did(FEED_DO_SIGN_OUT)->sign_out.bag_id, 30);
    struct feed_event event = {.kind = FEED_SIGNED_OUT};
    event.signed_out.ref = 9;
    event.signed_out.code = E_NOT_SIGNED_IN;
    event.signed_out.text = "no";
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_SIGNED_OUT)->signed_out.ref, 9);
    assert_int_equal(rig.message.signed_out.code, -E_NOT_SIGNED_IN);
}

static void the_state_is_told(void **state)
{
    (void)state;
    rig_open(1000);
    struct feed_event event = {.kind = FEED_STATE};
    event.state = WIRE_READ_ONLY;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_STATE)->state.state, WIRE_READ_ONLY);
}

/* --- operations --- */

static void write_operations(uint32_t count, size_t bytes_each)
{
    static uint8_t bytes[200000];
    wire_begin_write(&rig.bytes, RIG_SESSION, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_bin(&rig.bytes, span_of(bytes, bytes_each));
    }
}

static void answer_operations(size_t count, const char *text)
{
    static struct feed_outcome outcomes[WIRE_OPS_UNANSWERED];
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (struct feed_outcome){
            .number = UINT64_MAX - i, .code = E_CONDITION, .seq = UINT64_MAX, .text = text};
    }
    struct feed_event event = {.kind = FEED_OUTCOMES};
    event.outcomes.list = outcomes;
    event.outcomes.count = count;
    rig_step(event);
}

static void as_many_unanswered_operations_as_may_be(void **state)
{
    (void)state;
    rig_open(1000);
    write_operations(1000, 1);
    rig_got();
    write_operations(24, 1);
    rig_got();
    assert_int_equal(rig_did(FEED_DO_WRITE)->write.operations.count, 24);
    answer_operations(3, NULL);
    assert_int_equal(rig_sent(0, WIRE_OUTCOME)->outcome.entries.count, 3);
    write_operations(3, 1);
    rig_got();
    assert_int_equal(rig_count(FEED_DO_WRITE), 1);
    write_operations(1, 1);
    rig_got();
    assert_int_equal(rig_count(FEED_DO_WRITE), 0);
    rig_ended(E_QUOTA);
}

static void as_many_unanswered_bytes_as_may_be(void **state)
{
    (void)state;
    rig_open(1000);
    for (int i = 0; i < WIRE_OPS_BYTES_UNANSWERED / WIRE_FRAME_MAX; i++) {
        write_operations(1, WIRE_FRAME_MAX - 50);
        rig_got();
        assert_int_equal(rig_count(FEED_DO_WRITE), 1);
    }
    write_operations(1, 1000);
    rig_got();
    assert_int_equal(rig_count(FEED_DO_WRITE), 1);
    write_operations(1, WIRE_FRAME_MAX - 50);
    rig_got();
    rig_ended(E_QUOTA);
}

static void a_write_without_operations(void **state)
{
    (void)state;
    rig_open(1000);
    wire_begin_write(&rig.bytes, RIG_SESSION, 77, 0);
    rig_got();
    assert_int_equal(rig_did(FEED_DO_WRITE)->write.confirmed, 77);
}

/* However long the sentences are: each frame has its size, and none is lost. */
static void many_outcomes_with_long_sentences(void **state)
{
    char text[WIRE_TEXT_MAX + 1];
    size_t entries = 0;
    (void)state;
    rig_open(1000);
    memset(text, 'x', sizeof text - 1);
    text[WIRE_TEXT_MAX] = '\0';
    answer_operations(WIRE_OPS_UNANSWERED, text);
    assert_true(rig.did.count > 5);
    for (size_t i = 0; i < rig.did.count; i++) {
        assert_true(rig_frame(i).size <= WIRE_FRAME_MAX);
        const struct wire_message *message = rig_sent(i, WIRE_OUTCOME);
        for (size_t j = 0; j < message->outcome.entries.count; j++) {
            struct wire_outcome outcome = wire_outcome_at(&message->outcome.entries, j);
            assert_int_equal(outcome.number, UINT64_MAX - entries);
            assert_int_equal(outcome.text.size, WIRE_TEXT_MAX);
            entries++;
        }
    }
    assert_int_equal(entries, WIRE_OPS_UNANSWERED);
}

/* The longest entries there can be: their frames are not over the limit either. */
static void outcomes_that_are_split(void **state)
{
    static struct feed_outcome outcomes[WIRE_OPS_UNANSWERED];
    const struct wire_split split = {true, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    size_t entries = 0;
    (void)state;
    rig_open(1000);
    for (size_t i = 0; i < WIRE_OPS_UNANSWERED; i++) {
        outcomes[i] =
            (struct feed_outcome){.number = UINT64_MAX - i, .seq = UINT64_MAX, .split = split};
    }
    struct feed_event event = {.kind = FEED_OUTCOMES};
    event.outcomes.list = outcomes;
    event.outcomes.count = WIRE_OPS_UNANSWERED;
    rig_step(event);
    for (size_t i = 0; i < rig.did.count; i++) {
        assert_true(rig_frame(i).size <= WIRE_FRAME_MAX);
        const struct wire_message *message = rig_sent(i, WIRE_OUTCOME);
        for (size_t j = 0; j < message->outcome.entries.count; j++) {
            struct wire_outcome outcome = wire_outcome_at(&message->outcome.entries, j);
            assert_true(outcome.split.is && outcome.split.device_seq == UINT64_MAX);
            entries++;
        }
    }
    assert_int_equal(entries, WIRE_OPS_UNANSWERED);
}

/* --- memory --- */

/* Ten thousand sessions of twenty bags each are to fit twenty megabytes. */
static void a_session_is_small(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    for (uint64_t bag_id = 1; bag_id <= 20; bag_id++) {
        rig_live_bag(bag_id, 100);
    }
    assert_int_equal(feed_bags(rig.feed), 20);
    assert_true(feed_bytes(rig.feed) <= 2048);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_is_checked_and_welcomed),
        TEST(a_small_window_is_taken_as_it_is),
        TEST(who_may_mirror_has_a_larger_window),
        TEST(a_refused_hello),
        TEST(another_version),
        TEST(join_is_checked_and_answered),
        TEST(hello_comes_first),
        TEST(another_session_number),
        TEST(hello_twice),
        TEST(what_is_no_message),
        TEST(a_message_of_a_server),
        TEST(a_frame_at_and_over_its_limit),
        TEST(a_long_write_in_parts),
        TEST(too_much_to_put_together),
        TEST(parts_that_do_not_continue),
        TEST(parts_of_what_is_no_message),
        TEST(parts_of_another_session),
        TEST(parts_of_parts),
        TEST(signing_in),
        TEST(signing_in_to_many_bags),
        TEST(a_refused_sign_in),
        TEST(signing_out),
        TEST(the_state_is_told),
        TEST(as_many_unanswered_operations_as_may_be),
        TEST(as_many_unanswered_bytes_as_may_be),
        TEST(a_write_without_operations),
        TEST(many_outcomes_with_long_sentences),
        TEST(outcomes_that_are_split),
        TEST(a_session_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
