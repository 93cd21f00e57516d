/* tests/transport/test_follow_send.c - credit of what was worked off, and no memory. */
#include "tests/transport/follow_rig.h"

#include "tests/support/died.h"
#include "tests/support/fail_alloc.h"
#include "transport/parts.h"

static uint64_t credited(size_t nth)
{
    return rig_sent(nth, WIRE_CREDIT)->credit.received;
}

static size_t page(uint64_t cursor, uint32_t size)
{
    static uint8_t value[VALUE_MAX_BYTES];
    struct wire_position position = {.seq = cursor};
    struct item_row row = {.state = ITEM_LIVE, .seq = cursor, .value = span_of(value, size)};
    wire_begin_page(&rig.bytes, RIG_SESSION, 4, WIRE_PAGE_FIRST, 9, cursor, &position, 1);
    wire_put_row(&rig.bytes, SPAN_LITERAL("a/path"), &row);
    return rig_got();
}

/* A small window is opened again at once, when the replica has it, and not before. */
static void a_small_window(void **state)
{
    (void)state;
    rig.window = 100000;
    size_t sum = rig_open_live(4, 9);
    assert_int_equal(credited(0), sum);
    sum += rig_live_one(4, 10, 9);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    rig_applied(0, 0, 0);
    assert_int_equal(credited(0), sum);
    sum += rig_live_one(4, 10, 9); /* left out, and so worked off */
    assert_int_equal(credited(0), sum);
    wire_put_state(&rig.bytes, RIG_SESSION, WIRE_RUNNING);
    (void)rig_got();
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0); /* answers do not count */
    sum += page(20, 100);
    rig_applied(E_CORRUPT, 4, 9); /* it is fetched anew, but this one is done with */
    (void)rig_sent(0, WIRE_FOLLOW);
    assert_int_equal(credited(1), sum);
}

/* A large one when a quarter of it was used, or with the next heartbeat. */
static void a_large_window(void **state)
{
    (void)state;
    rig.window = 200000;
    uint64_t sum = rig_open_live(4, 9);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    sum += page(20, 30000);
    rig_applied(0, 0, 0);
    rig_did_nothing();
    sum += page(20, 30000);
    rig_applied(0, 0, 0);
    assert_int_equal(credited(0), sum);
    sum += page(20, 1000);
    rig_applied(0, 0, 0);
    rig_did_nothing();
    rig_tick(RIG_HEARTBEAT_MS);
    assert_int_equal(credited(0), sum);
    (void)rig_sent(1, WIRE_HEARTBEAT);
    rig_tick(RIG_HEARTBEAT_MS);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 1);
    (void)rig_sent(0, WIRE_HEARTBEAT);
}

/* And after so many frames, be they ever so small. */
static void small_frames(void **state)
{
    (void)state;
    rig.window = 200000;
    uint64_t sum = rig_open_live(4, 9); /* BAG */
    for (uint64_t frames = 2; frames <= WIRE_CREDIT_FRAMES; frames++) {
        sum += rig_live_one(4, 9, 8); /* had already */
        bool due = frames % (WIRE_CREDIT_FRAMES / 2) == 0;
        assert_int_equal(rig_count(FOLLOW_DO_SEND), due);
        if (due) {
            assert_int_equal(credited(0), sum);
        }
    }
}

/* Parts are worked off when they are kept: the whole may be longer than the window. */
static void parts_of_data(void **state)
{
    static uint8_t value[150000];
    struct wire_bag bag = {4, 9};
    struct wire_position position = {.seq = 20};
    struct item_row row = {.state = ITEM_LIVE, .seq = 20, .value = span_of(value, sizeof value)};
    struct buf message;
    uint64_t sum = 0;
    (void)state;
    rig.window = 1000;
    rig_open(&bag, 1);
    buf_init(&message, 1 << 20);
    wire_begin_page(&message, RIG_SESSION, 4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 9, 20, &position,
                    1);
    wire_put_row(&message, SPAN_LITERAL("a/path"), &row);
    for (size_t offset = 0; offset < message.size;) {
        offset += parts_out_put(&rig.bytes, RIG_SESSION, 1, buf_span(&message), offset);
        sum += rig_got();
        if (offset < message.size) {
            assert_int_equal(credited(0), sum);
        }
    }
    assert_int_equal(rig_did(FOLLOW_DO_PAGE)->page.rows.count, 1);
    rig_applied(0, 0, 0);
    assert_int_equal(credited(0), sum); /* the whole does not count once more */
    buf_free(&message);
}

static void parts_of_an_answer(void **state)
{
    struct buf message;
    (void)state;
    rig.window = 1000;
    rig_open(NULL, 0);
    buf_init(&message, 1000);
    wire_put_state(&message, RIG_SESSION, WIRE_RUNNING);
    (void)parts_out_put(&rig.bytes, RIG_SESSION, 1, buf_span(&message), 0);
    (void)rig_got();
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    buf_free(&message);
}

static void a_new_session_counts_from_nothing(void **state)
{
    (void)state;
    rig.window = 1000;
    (void)rig_open_live(4, 9);
    rig_step((struct follow_event){.kind = FOLLOW_DOWN, .down = {.code = E_UNREACHABLE}});
    rig_greet();
    rig_welcome();
    struct wire_bag bag = {4, 9};
    rig_bags(&bag, 1);
    wire_put_bag(&rig.bytes, RIG_SESSION, 4, 0, 9, "", NULL);
    size_t size = rig_got();
    assert_int_equal(credited(0), size);
}

/* --- questions --- */

static void something_else_than_the_answer(void *context)
{
    (void)context;
    rig_do(FOLLOW_TICK);
}

static void an_answer_without_a_question(void *context)
{
    (void)context;
    rig_applied(0, 0, 0);
}

static void the_answer_comes_next(void **state)
{
    (void)state;
    (void)rig_open_live(4, 9);
    assert_true(died(an_answer_without_a_question, NULL));
    (void)rig_live_one(4, 10, 9);
    assert_true(died(something_else_than_the_answer, NULL));
    rig_applied(0, 0, 0);
    assert_false(died(something_else_than_the_answer, NULL));
}

/* --- memory --- */

/* Answers whatever is asked, until nothing is. */
static void answer_all(void)
{
    static const struct wire_bag bags[] = {{4, 9}, {5, 9}};
    static uint8_t value[100000];
    while (rig.did.count > 0) {
        switch ((int)rig.did.list[rig.did.count - 1].kind) {
        case FOLLOW_DO_IDENTIFY:
            rig_identify();
            break;
        case FOLLOW_DO_LIST_BAGS:
            rig_bags(bags, 2);
            break;
        case FOLLOW_DO_LIVE:
        case FOLLOW_DO_PAGE:
            rig_applied(0, 0, 0);
            break;
        case FOLLOW_DO_READ_OPS: {
            struct operation_write write = {.path = SPAN_LITERAL("a"),
                                            .value = span_of(value, sizeof value)};
            struct follow_event event = {.kind = FOLLOW_OPS_READ};
            static uint8_t room[200000];
            struct buf bytes = {.data = room, .capacity = sizeof room, .max = sizeof room};
            operation_begin_write(&bytes, 1, 4, 0, 0, 1);
            operation_put_write(&bytes, &write);
            event.ops_read.first = 1;
            event.ops_read.count = 1;
            event.ops_read.bytes = buf_span(&bytes);
            rig_step(event);
            break;
        }
        default:
            return;
        }
    }
}

static void play(void)
{
    static const struct rig_change changes[] = {{4, 10, 9, 40, false}, {5, 11, 9, 40, false}};
    struct wire_welcome welcome = {.version = WIRE_VERSION,
                                   .state = WIRE_RUNNING,
                                   .heartbeat_ms = RIG_HEARTBEAT_MS,
                                   .window = WIRE_WINDOW_MAX};
    struct follow_event ops = {.kind = FOLLOW_OPS};
    ops.ops.last = 1;
    rig_step(ops);
    rig_do(FOLLOW_START);
    rig_do(FOLLOW_UP);
    answer_all();
    wire_put_welcome(&rig.bytes, RIG_SESSION, &welcome);
    (void)rig_got();
    answer_all();
    rig_put_live(changes, 2);
    (void)rig_got();
    answer_all();
    struct wire_part part = {.id = 1, .total = 5000, .bytes = SPAN_LITERAL("\x97\x26")};
    wire_put_part(&rig.bytes, RIG_SESSION, &part);
    (void)rig_got();
}

/* Each allocation fails once: the session may be lost, with that reason, and no more. */
static void without_memory_the_session_is_lost(void **state)
{
    unsigned lost = 0;
    for (unsigned nth = 1;; nth++) {
        assert_int_equal(rig_teardown(state), 0);
        assert_int_equal(rig_setup(state), 0);
        assert_int_equal(buf_reserve(&rig.bytes, 1 << 20), 0);
        fail_alloc_at(nth);
        play();
        bool failed = fail_alloc_stop();
        bool is_lost = rig.did.count == 0 && follow_next_tick(rig.follow) != UINT64_MAX &&
                       follow_next_tick(rig.follow) != rig.now_ms + RIG_HEARTBEAT_MS;
        if (!failed) {
            assert_false(is_lost);
            break;
        }
        lost += is_lost;
    }
    assert_true(lost > 4);
    struct follow_options options = {.address_count = 1};
    struct follow *follow = NULL;
    fail_alloc_at(1);
    assert_int_equal(follow_new(&follow, &options), E_NOMEM);
    assert_true(fail_alloc_stop());
    follow_free(&follow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_window),        TEST(a_large_window),
        TEST(small_frames),          TEST(parts_of_data),
        TEST(parts_of_an_answer),    TEST(a_new_session_counts_from_nothing),
        TEST(the_answer_comes_next), TEST(without_memory_the_session_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
