/* tests/transport/test_feed_mirror.c - the journal to a mirror: turns, credit, what is too old. */
#include "tests/transport/feed_rig.h"

#include "transport/feed_state.h"

static uint8_t batch[WIRE_MESSAGE_MAX];

static void ask(uint64_t seq)
{
    struct wire_mirror mirror = {.seq = seq, .has_hash = seq != 0};
    wire_put_mirror(&rig.bytes, RIG_SESSION, &mirror);
    rig_got();
}

static void allow(int code, uint64_t floor_seq)
{
    struct feed_event event = {.kind = FEED_MIRRORING};
    event.mirroring.code = code;
    event.mirroring.floor_seq = floor_seq;
    event.mirroring.text = "so it is";
    rig_step(event);
}

static void answer(uint64_t last_seq, size_t size, bool end)
{
    struct feed_event event = {.kind = FEED_BATCHES};
    event.batches.bytes = span_of(batch, size);
    event.batches.last_seq = last_seq;
    event.batches.head_seq = 100;
    event.batches.end = end;
    rig_step(event);
}

/* Allowed, and the first read is out. */
static void begin(uint64_t window, uint64_t seq)
{
    rig_open(window);
    ask(seq);
    assert_int_equal(rig_did(FEED_DO_MIRROR)->mirror.seq, seq);
    allow(0, 0);
    assert_int_equal(rig_sent(0, WIRE_MIRRORING)->mirroring.code, 0);
    assert_false(rig_did(FEED_DO_WANT_TURN)->turn.urgent);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ_JOURNAL)->read_journal.after_seq, seq);
}

static void commit_nothing(void)
{
    rig_step((struct feed_event){.kind = FEED_COMMITTED});
}

static void from_where_it_is_to_the_end_and_on(void **state)
{
    (void)state;
    begin(WIRE_WINDOW_MAX, 10);
    assert_int_equal(rig_did(FEED_DO_READ_JOURNAL)->read_journal.budget_bytes, FEED_BATCHES_BYTES);
    answer(20, FEED_BATCHES_BYTES, false);
    assert_int_equal(rig_count(FEED_DO_SEND), 1); /* as one frame */
    assert_int_equal(rig_sent(0, WIRE_BATCHES)->batches.bytes.size, FEED_BATCHES_BYTES);
    assert_int_equal(rig.message.batches.head_seq, 100);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ_JOURNAL)->read_journal.after_seq, 20);
    answer(100, 500, true);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    commit_nothing();
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    answer(101, 500, true);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
}

/* A batch that is committed while the end is read is read as well. */
static void a_batch_between_question_and_answer(void **state)
{
    (void)state;
    begin(WIRE_WINDOW_MAX, 99);
    commit_nothing();
    assert_int_equal(rig.did.count, 0);
    answer(100, 500, true);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

static void nothing_to_send_yet(void **state)
{
    (void)state;
    begin(WIRE_WINDOW_MAX, 100);
    answer(100, 0, true);
    assert_int_equal(rig.did.count, 0);
    commit_nothing();
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

static void refused_and_asked_again(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    ask(10);
    allow(E_TOO_OLD, 50);
    assert_int_equal(rig_sent(0, WIRE_MIRRORING)->mirroring.code, -E_TOO_OLD);
    assert_int_equal(rig.message.mirroring.floor_seq, 50);
    assert_int_equal(rig.did.count, 1);
    commit_nothing();
    assert_int_equal(rig.did.count, 0);
    ask(49);
    allow(0, 0);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

static void let_go_of_meanwhile(void **state)
{
    (void)state;
    struct feed_event event = {.kind = FEED_BATCHES};
    begin(WIRE_WINDOW_MAX, 10);
    event.batches.code = E_TOO_OLD;
    event.batches.floor_seq = 30;
    event.batches.text = "too late";
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_MIRRORING)->mirroring.floor_seq, 30);
    assert_int_equal(rig.did.count, 1);
    ask(29);
    assert_int_equal(rig_count(FEED_DO_MIRROR), 1);
}

static void what_can_not_be_read(void **state)
{
    (void)state;
    struct feed_event event = {.kind = FEED_BATCHES};
    begin(WIRE_WINDOW_MAX, 10);
    event.batches.code = E_CORRUPT;
    rig_step(event);
    rig_ended(E_IO);
}

static void asked_twice(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    ask(10);
    ask(10);
    rig_ended(E_MALFORMED);
}

static void asked_while_it_runs(void **state)
{
    (void)state;
    begin(WIRE_WINDOW_MAX, 10);
    ask(10);
    rig_ended(E_MALFORMED);
}

static void answers_that_nobody_waits_for(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    allow(0, 0);
    assert_int_equal(rig.did.count, 0);
    answer(5, 5, true);
    assert_int_equal(rig.did.count, 0);
}

/* The largest batch there is goes in parts, each as credit allows, and nothing is read meanwhile.
 */
static void the_largest_batch(void **state)
{
    (void)state;
    feed_free(&rig.feed);
    feed_pool_free(&rig.pool);
    assert_int_equal(feed_pool_new(&rig.pool, 8 << 20), 0);
    rig_new_feed();
    begin(WIRE_WINDOW_MAX, 10);
    size_t size = (4 << 20) + 88;
    answer(11, size, false);
    uint64_t sent = 0;
    size_t frames = 0;
    for (size_t count = 0; (count = rig_count(FEED_DO_SEND)) > 0; frames += count) {
        assert_int_equal(rig_count(FEED_DO_WANT_TURN), feed_outgoing(rig.feed) ? 0 : 1);
        uint64_t outstanding = 0;
        for (size_t i = 0; i < count; i++) {
            outstanding += rig_frame(i).size;
        }
        assert_true(outstanding <= WIRE_WINDOW_MAX);
        sent += outstanding;
        rig_credit(sent);
    }
    assert_int_equal(frames, (size + WIRE_PART_BYTES) / WIRE_PART_BYTES);
    assert_true(sent > size);
}

/* The bytes of the PARTs that this step sent, all of one value. */
static size_t parts_of(uint8_t value)
{
    size_t size = 0;
    for (size_t i = 0; i < rig_count(FEED_DO_SEND); i++) {
        struct span bytes = rig_sent(i, WIRE_PART)->part.bytes;
        bool first = rig.message.part.offset == 0; /* begins with the head of BATCHES */
        for (size_t at = first ? 64 : 0; at < bytes.size; at++) {
            assert_int_equal(bytes.data[at], value);
        }
        size += bytes.size;
    }
    return size;
}

/* What waits for credit waits in memory of its own, whatever the pool's other feeds send: in that
 * which it was made in, or, when a longer message was made there before, in a copy. */
static void what_waits_is_not_written_over(void **state)
{
    (void)state;
    const size_t sizes[] = {300000, 70000};
    for (size_t i = 0; i < 2; i++) {
        memset(batch, 1, sizeof batch);
        begin(66000, 10);
        answer(11, sizes[i], false);
        uint64_t sent = rig_frame(0).size;
        size_t bytes = parts_of(1);
        assert_true(feed_outgoing(rig.feed));
        struct feed *waiting = rig.feed;
        rig_new_feed();
        memset(batch, 2, sizeof batch);
        begin(WIRE_WINDOW_MAX, 10);
        answer(11, 200000, false);
        assert_true(parts_of(2) > 200000);
        feed_free(&rig.feed);
        rig.feed = waiting;
        while (feed_outgoing(rig.feed)) {
            rig_credit(sent);
            sent += rig_frame(0).size;
            bytes += parts_of(1);
        }
        assert_true(bytes > sizes[i]);
        feed_free(&rig.feed);
        rig_new_feed();
    }
}

static void without_credit_nothing_is_read(void **state)
{
    (void)state;
    begin(3000, 10);
    answer(20, 2500, false);
    uint64_t sent = rig_frame(0).size;
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    commit_nothing();
    assert_int_equal(rig.did.count, 0);
    rig_credit(sent);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
}

/* What could not be sent for want of memory is read again. */
static void no_budget_for_batches(void **state)
{
    (void)state;
    begin(3000, 10);
    assert_true(feed_pool_charge(rig.pool, RIG_POOL_BYTES));
    answer(20, 9000, true);
    assert_int_equal(rig.did.count, 0);
    feed_pool_give_back(rig.pool, RIG_POOL_BYTES);
    rig_step((struct feed_event){.kind = FEED_TICK});
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ_JOURNAL)->read_journal.after_seq, 10);
}

/* Neither keeps the other from going on; who signs in waits for neither. */
static void turns_with_bags(void **state)
{
    (void)state;
    begin(WIRE_WINDOW_MAX, 10);
    answer(20, 500, false);
    rig_follow(1, 5);
    rig_answer_bag(1, 0, 10);
    for (int i = 0; i < 3; i++) {
        rig_turn();
        assert_int_equal(rig_count(FEED_DO_READ_JOURNAL), i % 2);
        assert_int_equal(rig_count(FEED_DO_READ), 1 - i % 2);
        if (i % 2 == 0) {
            rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 10, .size = 8});
        } else {
            answer(30, 500, false);
        }
    }
    struct bag_row row = {.bag_id = 2};
    struct feed_event signed_in = {.kind = FEED_SIGNED_IN};
    assert_int_equal(owner_make(&row.owner, OWNER_USER, SPAN_LITERAL("a"), 0, NULL), 0);
    signed_in.signed_in.bags = &row;
    signed_in.signed_in.count = 1;
    rig_step(signed_in);
    rig_follow(2, 5);
    rig_answer_bag(2, 0, 10);
    assert_true(rig_did(FEED_DO_WANT_TURN)->turn.urgent);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_where_it_is_to_the_end_and_on),
        TEST(a_batch_between_question_and_answer),
        TEST(nothing_to_send_yet),
        TEST(refused_and_asked_again),
        TEST(let_go_of_meanwhile),
        TEST(what_can_not_be_read),
        TEST(asked_twice),
        TEST(asked_while_it_runs),
        TEST(answers_that_nobody_waits_for),
        TEST(the_largest_batch),
        TEST(what_waits_is_not_written_over),
        TEST(without_credit_nothing_is_read),
        TEST(no_budget_for_batches),
        TEST(turns_with_bags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
