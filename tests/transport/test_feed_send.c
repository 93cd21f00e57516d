/* tests/transport/test_feed_send.c - credit, parts, the pool's budget, and no memory. */
#include "tests/transport/feed_rig.h"

#include "tests/support/fail_alloc.h"

enum { WINDOW = 10000 };

static uint64_t counted; /* bytes of data frames since WELCOME */

static void count_data(void)
{
    for (size_t i = 0; i < rig_count(FEED_DO_SEND); i++) {
        counted += rig_frame(i).size;
    }
}

static int setup(void **state)
{
    counted = 0;
    return rig_setup(state);
}

static void live(uint64_t bag_id, uint64_t seq, uint32_t size)
{
    rig_commit_one(bag_id, seq, seq - 1, size);
    count_data();
}

static void live_bag(uint64_t bag_id, uint64_t seq)
{
    rig_live_bag(bag_id, seq);
    count_data();
}

static void credit_all(void)
{
    rig_credit(counted);
    count_data();
}

static void only_what_fits_the_window_is_sent(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(1, 10);
    live(1, 11, 5000);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    live(1, 12, 5000);
    assert_int_equal(rig_count(FEED_DO_SEND), 0); /* it is behind now */
    live(1, 13, 8);
    assert_int_equal(rig_count(FEED_DO_SEND), 0); /* and nothing overtakes */
    assert_true(counted <= WINDOW);
}

/* 512 bytes are kept for the head of LIVE and the frames around it. */
static void a_live_message_of_nearly_the_window(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(1, 10);
    credit_all();
    live(1, 11, WINDOW - 600);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    credit_all();
    live(1, 12, WINDOW - 500);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1); /* it is paged */
}

static void answers_are_outside_the_credit(void **state)
{
    (void)state;
    rig_open(0);
    struct feed_event event = {.kind = FEED_STATE};
    event.state = WIRE_RUNNING;
    rig_step(event);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    rig_credit(0); /* nothing was counted */
    assert_int_equal(rig.did.count, 0);
    rig_credit(1);
    rig_ended(E_MALFORMED);
}

/* A socket takes so many messages, however small: who does not read must not fill it. */
static void small_frames_are_counted(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    live_bag(1, 10); /* BAG is a frame too */
    uint64_t seq = 10;
    uint64_t first_group = 0;
    for (uint32_t frames = 1; frames < 2 * WIRE_CREDIT_FRAMES; frames++) {
        first_group = frames == WIRE_CREDIT_FRAMES ? counted : first_group;
        live(1, ++seq, 8);
        assert_int_equal(rig_count(FEED_DO_SEND), 1);
    }
    live(1, ++seq, 8);
    assert_int_equal(rig_count(FEED_DO_SEND), 0); /* two groups are out: it is behind now */
    rig_credit(first_group - 1);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    rig_credit(first_group);
    (void)rig_did(FEED_DO_WANT_TURN);
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = seq, .end = true});
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
    live(1, ++seq, 8);
    assert_int_equal(rig_count(FEED_DO_SEND), 1);
}

/* A message of many parts is sent as a whole, wherever in a group it begins. */
static void parts_do_not_end_with_their_group(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    live_bag(1, 10);
    uint64_t seq = 10;
    for (uint32_t frames = 1; frames < 2 * WIRE_CREDIT_FRAMES - 1; frames++) {
        live(1, ++seq, 8);
        assert_int_equal(rig_count(FEED_DO_SEND), 1);
    }
    live(1, ++seq, 150000); /* of three parts; one frame is left */
    assert_int_equal(rig_count(FEED_DO_SEND), 3);
    live(1, ++seq, 8);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
}

static void credit_of_what_was_sent_only(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(1, 10);
    live(1, 11, 100);
    rig_credit(counted);
    assert_int_equal(rig_count(FEED_DO_CUT), 0);
    rig_credit(counted + 1);
    rig_ended(E_MALFORMED);
}

static void credit_does_not_go_down(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(1, 10);
    rig_credit(counted);
    rig_credit(counted); /* the same again is fine */
    assert_int_equal(rig_count(FEED_DO_CUT), 0);
    rig_credit(counted - 1);
    rig_ended(E_MALFORMED);
}

static void live_in_parts_when_all_of_them_fit(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    live_bag(1, 10);
    live(1, 11, 200000);
    assert_int_equal(rig_count(FEED_DO_SEND), 4);
    uint64_t offset = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct wire_message *message = rig_sent(i, WIRE_PART);
        assert_int_equal(message->part.offset, offset);
        offset += message->part.bytes.size;
    }
    assert_int_equal(offset, rig.message.part.total);
    assert_int_equal(feed_pool_bytes(rig.pool), 0); /* nothing is kept */
    rig_credit(counted);
    assert_int_equal(rig_count(FEED_DO_CUT), 0);
}

/* --- what does not fit at all --- */

static void page_of(uint32_t size)
{
    rig_follow(1, 0);
    rig_answer_bag(1, 0, 20);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 20, .size = size, .end = true});
    count_data();
}

/* A part at a time, each when the one before is acknowledged; then the bag is live. */
static void a_page_larger_than_the_window(void **state)
{
    (void)state;
    rig_open(WINDOW);
    page_of(200000);
    size_t charged = feed_pool_bytes(rig.pool);
    assert_true(charged > 200000);
    size_t parts = 0;
    uint64_t offset = 0;
    while (rig_count(FEED_DO_SEND) > 0) {
        assert_int_equal(rig_count(FEED_DO_SEND), 1);
        const struct wire_message *message = rig_sent(0, WIRE_PART);
        assert_int_equal(message->part.offset, offset);
        offset += message->part.bytes.size;
        parts++;
        assert_int_equal(feed_pool_bytes(rig.pool), offset == charged ? 0 : charged);
        rig_credit(counted - 1);
        assert_int_equal(rig.did.count, 0); /* not yet */
        credit_all();
    }
    assert_int_equal(parts, 4);
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
    live(1, 21, 10);
    assert_int_equal(rig_sent(0, WIRE_LIVE)->live.changes.count, 1);
}

static void other_data_waits_for_the_parts_but_answers_do_not(void **state)
{
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    live_bag(2, 30);
    credit_all();
    page_of(1000000);
    size_t before = rig_count(FEED_DO_SEND);
    assert_true(before >= 4 && before < 17);
    rig_commit_one(2, 31, 30, 8);
    assert_int_equal(rig.did.count, 0); /* bag 2 is behind */
    rig_follow(3, 40);
    assert_int_equal(rig.did.count, 0); /* BAG would have to wait as well */
    struct feed_event event = {.kind = FEED_STATE};
    event.state = WIRE_READ_ONLY;
    rig_step(event);
    assert_int_equal(rig_sent(0, WIRE_STATE)->state.state, WIRE_READ_ONLY);
    credit_all();
    assert_int_equal(rig_sent(0, WIRE_PART)->session, RIG_SESSION);
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 0);
    while (rig_count(FEED_DO_WANT_TURN) == 0) {
        credit_all();
    }
    assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, 3);
    rig_answer_bag(3, 0, 40);
    assert_int_equal(rig_sent(0, WIRE_BAG)->bag.bag_id, 3);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.bag_id, 2);
    assert_int_equal(rig_did(FEED_DO_READ)->read.since, 30);
}

/* A frame that fits no rest of the window waits until it fits. */
static void a_page_that_waits_for_credit(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(2, 30);
    rig_commit_one(2, 31, 30, 3000);
    count_data();
    page_of(9000);
    assert_int_equal(rig_count(FEED_DO_SEND), 0);
    assert_true(feed_pool_bytes(rig.pool) > 9000);
    credit_all();
    assert_int_equal(rig_sent(0, WIRE_PAGE)->page.bag_id, 1);
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
}

/* Alive, and no more: half a message of its own, or one it does not take, is held for so long. */
static void heartbeats_until(uint64_t ms)
{
    while (rig.now_ms < ms) {
        rig.now_ms += RIG_HEARTBEAT_MS < ms - rig.now_ms ? RIG_HEARTBEAT_MS : ms - rig.now_ms;
        wire_put_heartbeat(&rig.bytes, RIG_SESSION,
                           &(struct wire_heartbeat){.seq = 1, .current = 1});
        rig_got();
        rig_step((struct feed_event){.kind = FEED_TICK});
    }
}

static void half_a_message_has_its_time(void **state)
{
    (void)state;
    rig_open(WINDOW);
    struct wire_part part = {.id = 1, .total = 10, .offset = 0, .bytes = SPAN_LITERAL("12345")};
    wire_put_part(&rig.bytes, RIG_SESSION, &part);
    rig_got();
    uint64_t begin_ms = rig.now_ms;
    heartbeats_until(begin_ms + FEED_MESSAGE_MS - 1);
    assert_true(feed_open(rig.feed));
    part = (struct wire_part){.id = 1, .total = 10, .offset = 5, .bytes = SPAN_LITERAL("6")};
    wire_put_part(&rig.bytes, RIG_SESSION, &part); /* a byte more is no more time */
    rig_got();
    rig.now_ms++;
    rig_step((struct feed_event){.kind = FEED_TICK});
    rig_ended(E_TIMEOUT);
}

static void a_message_not_taken_has_its_time(void **state)
{
    (void)state;
    rig_open(WINDOW);
    live_bag(2, 30);
    rig_commit_one(2, 31, 30, 3000);
    page_of(9000);
    assert_true(feed_pool_bytes(rig.pool) > 9000);
    heartbeats_until(rig.now_ms + FEED_MESSAGE_MS - 1);
    assert_true(feed_open(rig.feed));
    rig.now_ms++;
    rig_step((struct feed_event){.kind = FEED_TICK});
    rig_ended(E_TIMEOUT);
}

static void no_budget_for_a_page(void **state)
{
    (void)state;
    rig_open(WINDOW);
    struct feed *first = rig.feed;
    page_of(900000); /* of the pool's 1 MiB */
    rig_new_feed();
    counted = 0;
    rig_open(WINDOW);
    page_of(900000);
    assert_int_equal(rig.did.count, 0); /* neither sent nor asked for again at once */
    feed_free(&first);
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
    rig_step((struct feed_event){.kind = FEED_TICK});
    assert_int_equal(rig_count(FEED_DO_WANT_TURN), 1);
    rig_turn();
    assert_int_equal(rig_did(FEED_DO_READ)->read.after.size, 0); /* the same page */
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 20, .size = 900000, .end = true});
    assert_int_equal(rig_sent(0, WIRE_PART)->part.offset, 0);
}

static void freeing_gives_the_budget_back(void **state)
{
    static uint8_t bytes[1000];
    struct wire_part part = {.id = 1, .total = 5000, .bytes = {bytes, sizeof bytes}};
    (void)state;
    rig_open(WINDOW);
    page_of(300000);
    wire_put_part(&rig.bytes, RIG_SESSION, &part);
    rig_got();
    assert_true(feed_pool_bytes(rig.pool) > 301000);
    feed_free(&rig.feed);
    assert_int_equal(feed_pool_bytes(rig.pool), 0);
}

/* --- actions and memory --- */

static void many_actions_in_one_step(void **state)
{
    static uint64_t ids[WIRE_BAGS_MAX];
    static struct wire_bag bags[WIRE_BAGS_MAX];
    (void)state;
    rig_open(WIRE_WINDOW_MAX);
    for (uint64_t i = 0; i < WIRE_BAGS_MAX; i++) {
        ids[i] = i + 1;
        bags[i] = (struct wire_bag){.bag_id = i + 1, .cursor = 5};
    }
    wire_put_follow(&rig.bytes, RIG_SESSION, bags, WIRE_BAGS_MAX);
    rig_got();
    for (uint64_t i = 0; i < WIRE_BAGS_MAX; i++) {
        if (rig_count(FEED_DO_FOLLOW) == 0) {
            credit_all();
        }
        assert_int_equal(rig_did(FEED_DO_FOLLOW)->follow.bag_id, i + 1); /* one after the other */
        rig_answer_bag(i + 1, 0, 5);
        count_data();
    }
    wire_put_unfollow(&rig.bytes, RIG_SESSION, ids, WIRE_BAGS_MAX);
    rig_got();
    assert_int_equal(rig_count(FEED_DO_UNFOLLOW), WIRE_BAGS_MAX);
    assert_int_equal(feed_bags(rig.feed), 0);
}

static void play(void)
{
    static const struct rig_change batch[] = {{1, 21, 20, 90000, false}, {2, 22, 20, 10, true}};
    struct bag_row row = {.bag_id = 2};
    struct feed_event signed_in = {.kind = FEED_SIGNED_IN};
    assert_int_equal(owner_make(&row.owner, OWNER_USER, SPAN_LITERAL("a"), 0, NULL), 0);
    signed_in.signed_in.bags = &row;
    signed_in.signed_in.count = 1;
    rig_step(signed_in);
    rig_follow(1, 0);
    rig_answer_bag(1, 0, 20);
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 20, .size = 1000});
    count_data();
    rig_turn();
    rig_answer_page((struct rig_page){.bag_id = 1, .last_seq = 20, .size = 300000, .end = true});
    count_data();
    while (feed_open(rig.feed) && rig_count(FEED_DO_SEND) > 0) {
        credit_all();
    }
    rig_live_bag(2, 20);
    rig_commit(batch, 2);
    wire_begin_write(&rig.bytes, RIG_SESSION, 0, 1);
    operation_put_empty(&rig.bytes, 1);
    rig_got();
    struct wire_part part = {.id = 1, .total = 5000, .bytes = SPAN_LITERAL("12345")};
    wire_put_part(&rig.bytes, RIG_SESSION, &part);
    rig_got();
}

/* What a machine asks that keeps everybody, and a copy of the journal. */
static void play_keeping(void)
{
    static uint8_t batch[300000];
    struct bag_row rows[3] = {{.bag_id = 1}, {.bag_id = 2}, {.bag_id = 3}};
    struct feed_event listed = {.kind = FEED_LISTED};
    struct feed_event batches = {.kind = FEED_BATCHES};
    listed.listed.bags = rows;
    listed.listed.count = 3;
    listed.listed.end = true;
    batches.batches.bytes = span_of(batch, sizeof batch);
    batches.batches.last_seq = 20;
    batches.batches.head_seq = 20;
    batches.batches.end = true;
    wire_put_list(&rig.bytes, RIG_SESSION, 0);
    rig_got();
    rig_step(listed);
    wire_put_mirror(&rig.bytes, RIG_SESSION, &(struct wire_mirror){0});
    rig_got();
    rig_step((struct feed_event){.kind = FEED_MIRRORING});
    rig_turn();
    rig_step(batches);
    rig_live_bag(1, 20);
    rig_commit_one(1, 21, 20, 200000);
}

/* Each allocation fails once: the session may end with a word about it, and nothing else happens.
 * Returns how many ended. */
static unsigned fail_each_allocation(void **state, void what(void))
{
    unsigned ended = 0;
    for (unsigned nth = 1;; nth++) {
        assert_int_equal(rig_teardown(state), 0);
        assert_int_equal(setup(state), 0);
        assert_int_equal(buf_reserve(&rig.bytes, 1 << 20), 0);
        rig_open(WIRE_WINDOW_MAX);
        fail_alloc_at(nth);
        struct feed *feed = rig.feed;
        what();
        if (!fail_alloc_stop()) {
            assert_true(feed_open(feed));
            return ended;
        }
        ended += !feed_open(feed);
    }
}

static void without_memory_the_session_ends(void **state)
{
    assert_true(fail_each_allocation(state, play) > 5);
    assert_true(fail_each_allocation(state, play_keeping) > 5);
}

static void without_memory_there_is_no_feed(void **state)
{
    struct feed_pool *pool = NULL;
    struct feed *feed = NULL;
    (void)state;
    for (unsigned nth = 1; nth <= 2; nth++) {
        fail_alloc_at(nth);
        assert_int_equal(feed_pool_new(&pool, 1), E_NOMEM);
        assert_true(fail_alloc_stop());
        assert_null(pool);
    }
    struct feed_options options = {.session = 1, .heartbeat_ms = 1, .pool = rig.pool};
    fail_alloc_at(1);
    assert_int_equal(feed_new(&feed, &options), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(feed);
    feed_pool_free(&pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_fits_the_window_is_sent),
        TEST(a_live_message_of_nearly_the_window),
        TEST(answers_are_outside_the_credit),
        TEST(small_frames_are_counted),
        TEST(parts_do_not_end_with_their_group),
        TEST(credit_of_what_was_sent_only),
        TEST(credit_does_not_go_down),
        TEST(live_in_parts_when_all_of_them_fit),
        TEST(a_page_larger_than_the_window),
        TEST(other_data_waits_for_the_parts_but_answers_do_not),
        TEST(a_page_that_waits_for_credit),
        TEST(half_a_message_has_its_time),
        TEST(a_message_not_taken_has_its_time),
        TEST(no_budget_for_a_page),
        TEST(freeing_gives_the_budget_back),
        TEST(many_actions_in_one_step),
        TEST(without_memory_the_session_ends),
        TEST(without_memory_there_is_no_feed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
