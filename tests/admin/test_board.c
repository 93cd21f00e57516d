/* Tests of admin/board.c: how often the main thread is asked, and what everybody is told. */
#include <stdatomic.h>
#include <unistd.h>

#include "base/thread.h"

#include "tests/admin/fake_backend.h"
#include "tests/support/fail_alloc.h"

static struct fake_backend fake;
static struct clock_fake time_now = {.wall_ms = 1700000000000, .mono_ms = 100000};
static struct clock made_up;
static struct admin_board *board;

/* What the backend was asked, and how it answers. */
static atomic_uint questions;
static atomic_uint_fast64_t writes;
static atomic_int answer_code;
static atomic_uint slow_ms;

static int status(void *context, struct server_status *out, struct err *err)
{
    (void)atomic_fetch_add(&questions, 1);
    (void)usleep(atomic_load(&slow_ms) * 1000);
    int rc = fake_status(context, out, err);
    out->writes = atomic_load(&writes);
    out->replicas.lag = 3;
    return rc == 0 && atomic_load(&answer_code) != 0
               ? err_set(err, atomic_load(&answer_code), "it was told to")
               : rc;
}

/* "seq=N\n" */
static int render(const struct admin_board_facts *facts, struct buf *out, struct err *err)
{
    return buf_printf(out, "seq=%" PRIu64, facts->status.head.seq) == 0
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

static int open_board(void **state)
{
    (void)state;
    fake_open(&fake);
    fake.backend.status = status;
    made_up = clock_of_fake(&time_now);
    time_now.mono_ms = 100000;
    atomic_store(&questions, 0);
    atomic_store(&writes, 0);
    atomic_store(&answer_code, 0);
    atomic_store(&slow_ms, 0);
    struct admin_board_options options = {&fake.backend, &made_up, render};
    struct admin_board_facts facts;
    assert_int_equal(admin_board_start(&board, &options, NULL), 0);
    assert_int_equal(admin_board_facts(board, true, &facts, NULL), 0);
    assert_int_equal(atomic_load(&questions), 1);
    return 0;
}

static int close_board(void **state)
{
    (void)state;
    admin_board_stop(&board);
    assert_null(board);
    admin_board_stop(&board);
    fake_close(&fake);
    return 0;
}

static void expect_text(bool wait, int code, const char *wanted)
{
    struct buf out;
    struct err err = {0};
    buf_init(&out, 1000);
    assert_int_equal(admin_board_text(board, wait, &out, &err), code);
    assert_int_equal(out.size, strlen(wanted));
    assert_true(out.size == 0 || memcmp(out.data, wanted, out.size) == 0);
    buf_free(&out);
}

static void a_thousand_questions_are_one(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        expect_text(i % 2 == 0, 0, "seq=1");
    }
    time_now.mono_ms += ADMIN_BOARD_FRESH_MS;
    expect_text(false, 0, "seq=1");
    assert_int_equal(atomic_load(&questions), 1);
    time_now.mono_ms++;
    expect_text(true, 0, "seq=1");
    assert_int_equal(atomic_load(&questions), 2);
}

/* Who has just written sees it. */
static void what_was_committed_makes_it_stale_sooner(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2 and 3 */
    time_now.mono_ms += ADMIN_BOARD_BEHIND_MS - 1;
    expect_text(true, 0, "seq=1");
    time_now.mono_ms++;
    expect_text(false, E_DEFERRED, "");
    expect_text(true, 0, "seq=3");
    assert_int_equal(atomic_load(&questions), 2);
}

/* Nor who can not wait, unless the answer to another is on its way, and it is a moment old. */
static void who_has_written_is_not_shown_what_was_before(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    atomic_store(&slow_ms, 50);
    time_now.mono_ms += ADMIN_BOARD_STALE_BEHIND_MS;
    expect_text(false, E_DEFERRED, "");
    expect_text(false, 0, "seq=1"); /* the thread is at it */
    time_now.mono_ms++;
    expect_text(false, E_DEFERRED, "");
    expect_text(true, 0, "seq=3");
}

/* Without waiting: nothing, until somebody's question is on its way; then what there is, unless it
 * is too old. */
static void who_can_not_wait_is_put_off(void **state)
{
    (void)state;
    time_now.mono_ms += ADMIN_BOARD_FRESH_MS + 1;
    atomic_store(&slow_ms, 50);
    expect_text(false, E_DEFERRED, "");
    expect_text(false, 0, "seq=1"); /* the thread is at it */
    time_now.mono_ms += ADMIN_BOARD_STALE_MS;
    expect_text(false, E_DEFERRED, "");
    expect_text(true, 0, "seq=1");
    expect_text(false, 0, "seq=1");
}

static void a_failure_is_told_and_not_kept(void **state)
{
    (void)state;
    struct admin_board_facts facts;
    uint64_t age_ms = 0;
    time_now.mono_ms += ADMIN_BOARD_FRESH_MS + 1;
    atomic_store(&answer_code, E_CLOSED);
    expect_text(true, E_CLOSED, "");
    struct err err = {0};
    assert_int_equal(admin_board_last(board, &facts, &age_ms, &err), E_CLOSED);
    assert_string_equal(err.text, "it was told to");
    expect_text(false, E_DEFERRED, "");
    atomic_store(&answer_code, 0);
    expect_text(true, 0, "seq=1");
    assert_int_equal(admin_board_last(board, &facts, &age_ms, &err), 0);
    assert_int_equal(age_ms, 0);
    time_now.mono_ms += 70;
    assert_int_equal(admin_board_last(board, &facts, &age_ms, &err), 0);
    assert_int_equal(age_ms, 70);
}

static void the_rate_is_of_the_last_seconds(void **state)
{
    (void)state;
    struct admin_board_facts facts;
    static const struct {
        uint64_t after_ms, more;
        uint64_t rate;
    } rows[] = {{500, 50, 100}, {500, 150, 200}, {1000, 0, 0}, {400, 40, 28}, {1000, 5000, 3600}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        time_now.mono_ms += rows[i].after_ms;
        (void)atomic_fetch_add(&writes, rows[i].more);
        assert_int_equal(admin_board_facts(board, true, &facts, NULL), 0);
        assert_int_equal((uint64_t)facts.writes_per_s, rows[i].rate);
    }
}

/* Until the thread has asked that often. */
static void wait_for_questions(unsigned count)
{
    for (int tries = 0; atomic_load(&questions) < count; tries++) {
        assert_true(tries < 500);
        (void)usleep(10000);
    }
}

static void listeners_share_an_event_a_second(void **state)
{
    (void)state;
    uint64_t first = 0;
    uint64_t second = 0;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(admin_board_event(board, &first, &out), 0); /* nobody listened so far */
    time_now.mono_ms += ADMIN_BOARD_EVENT_MS;
    admin_board_listen(board);
    wait_for_questions(2);
    for (int tries = 0; admin_board_event(board, &first, &out) == 0 && tries < 500; tries++) {
        (void)usleep(1000);
    }
    static const char wanted[] = "event: status\ndata: seq=1\n\n";
    assert_int_equal(out.size, sizeof wanted - 1);
    assert_memory_equal(out.data, wanted, out.size);
    buf_reset(&out);
    assert_int_equal(admin_board_event(board, &first, &out), 0); /* each is told once */
    assert_int_equal(admin_board_event(board, &second, &out), 1);
    assert_int_equal(second, first);
    time_now.mono_ms += ADMIN_BOARD_EVENT_MS; /* it is due by itself */
    wait_for_questions(3);
    admin_board_leave(board);
    buf_free(&out);
}

static void samples_are_a_ring(void **state)
{
    (void)state;
    static struct admin_board_sample samples[ADMIN_BOARD_SAMPLES];
    struct admin_board_facts facts;
    uint64_t began_ms = time_now.wall_ms;
    assert_int_equal(admin_board_samples(board, 0, samples), 1);
    for (int i = 1; i < ADMIN_BOARD_SAMPLES + 10; i++) {
        time_now.mono_ms += ADMIN_BOARD_SAMPLE_MS;
        time_now.wall_ms += ADMIN_BOARD_SAMPLE_MS;
        (void)atomic_fetch_add(&writes, 50);
        assert_int_equal(admin_board_facts(board, true, &facts, NULL), 0);
    }
    assert_int_equal(admin_board_samples(board, 0, samples), ADMIN_BOARD_SAMPLES);
    assert_int_equal(samples[0].time_ms, began_ms + 10 * ADMIN_BOARD_SAMPLE_MS);
    for (size_t i = 0; i < ADMIN_BOARD_SAMPLES; i++) {
        assert_true(i == 0 || samples[i].time_ms == samples[i - 1].time_ms + ADMIN_BOARD_SAMPLE_MS);
        assert_true(samples[i].writes_per_s == 10);
        assert_int_equal(samples[i].connected, 2);
        assert_int_equal(samples[i].lag, 3);
        assert_true(samples[i].journal_bytes > 0);
    }
    assert_int_equal(admin_board_samples(board, time_now.wall_ms, samples), 1);
    assert_int_equal(admin_board_samples(board, time_now.wall_ms + 1, samples), 0);
}

static void ask_often(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, 0, NULL);
    for (int i = 0; i < 500; i++) {
        struct buf out;
        buf_init(&out, 1000);
        int rc = admin_board_text(board, true, &out, NULL);
        assert_true(rc == 0 && out.size == 5);
        buf_free(&out);
    }
}

static void many_who_wait_ask_a_few_times(void **state)
{
    (void)state;
    struct thread *threads[4] = {NULL};
    time_now.mono_ms += ADMIN_BOARD_FRESH_MS + 1;
    atomic_store(&slow_ms, 20);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(thread_start(&threads[i], "asks", ask_often, NULL, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&threads[i]);
    }
    assert_in_range(atomic_load(&questions), 2, 3);
}

static void it_starts_without_memory_or_not_at_all(void **state)
{
    (void)state;
    struct admin_board_options options = {&fake.backend, &made_up, render};
    for (unsigned nth = 1;; nth++) {
        struct admin_board *other = NULL;
        atomic_store(&answer_code, E_CLOSED); /* its first look takes no memory */
        fail_alloc_at(nth);
        int rc = admin_board_start(&other, &options, NULL);
        bool failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        admin_board_stop(&other);
        if (!failed) {
            break;
        }
    }
}

#define BOARD_TEST(test) cmocka_unit_test_setup_teardown(test, open_board, close_board)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(a_thousand_questions_are_one),
        BOARD_TEST(what_was_committed_makes_it_stale_sooner),
        BOARD_TEST(who_has_written_is_not_shown_what_was_before),
        BOARD_TEST(who_can_not_wait_is_put_off),
        BOARD_TEST(a_failure_is_told_and_not_kept),
        BOARD_TEST(the_rate_is_of_the_last_seconds),
        BOARD_TEST(listeners_share_an_event_a_second),
        BOARD_TEST(samples_are_a_ring),
        BOARD_TEST(many_who_wait_ask_a_few_times),
        BOARD_TEST(it_starts_without_memory_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
