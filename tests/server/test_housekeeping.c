/* Housekeeping: flushes by number and by time, prepares the next segment, watches disk and clock,
 * lets go of the past, removes what is over, and tells of it. */
#include <time.h>

#include "server/housekeeping.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static const uint64_t DAY = 86400000;

struct ground {
    struct fixture *fx;
    struct seen *seen;
    struct upkeep *upkeep;
    struct housekeeping *housekeeping;
    struct housekeeping_options options;
    struct clock_fake time; /* the fixture's is read by housekeeping's thread: not while it runs */
    struct clock clock;
    _Atomic uint64_t free_bytes;
    _Atomic uint64_t free_files;
    _Atomic uint64_t submits;
};

static bool on_room(void *context, struct disk_room *out)
{
    struct ground *ground = context;
    *out = (struct disk_room){ground->free_bytes, ground->free_files};
    return true;
}

/* Nobody is there to commit: told, and sent home. */
static int on_submit(void *context, struct submit *submits, size_t count, struct err *err)
{
    (void)submits;
    struct ground *ground = context;
    ground->submits += count;
    return err_set(err, E_CLOSED, "nobody is here");
}

static int setup(void **state)
{
    struct ground *ground = calloc(1, sizeof *ground);
    assert_non_null(ground);
    void *fixture = NULL;
    assert_int_equal(fx_setup(&fixture), 0);
    struct fixture *fx = fixture;
    ground->fx = fx;
    assert_int_equal(seen_new(&ground->seen), 0);
    assert_int_equal(upkeep_new(&ground->upkeep), 0);
    ground->free_bytes = UINT64_C(1) << 40;
    ground->free_files = UINT64_MAX;
    ground->options = (struct housekeeping_options){
        .journal = fx->journal,
        .kv = fx->kv,
        .seen = ground->seen,
        .upkeep = ground->upkeep,
        .clock = &clock_system,
        .flush_interval_ms = 1000000,
        .dir = fx->dir,
        .reserve_bytes = 1000,
        .retention = {.journal_keep_ms = 90 * DAY,
                      .tombstones_keep_ms = 30 * DAY,
                      .undo_keep_ms = 7 * DAY,
                      .devices_active_ms = 90 * DAY},
        .scrub_ms = DAY,
        .room = on_room,
        .room_context = ground,
    };
    *state = ground;
    return 0;
}

static int teardown(void **state)
{
    struct ground *ground = *state;
    void *fixture = ground->fx;
    housekeeping_stop(&ground->housekeeping);
    assert_null(ground->housekeeping);
    housekeeping_stop(&ground->housekeeping);
    upkeep_free(&ground->upkeep);
    seen_free(&ground->seen);
    assert_int_equal(fx_teardown(&fixture), 0);
    free(ground);
    return 0;
}

static void start(struct ground *ground)
{
    struct err err = {0};
    if (housekeeping_start(&ground->housekeeping, &ground->options, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static struct server_status status(struct ground *ground)
{
    struct server_status out = {0};
    housekeeping_status(ground->housekeeping, &out);
    return out;
}

/* Until `is_so`, at most 20 s. */
static bool until(struct ground *ground, bool (*is_so)(struct ground *ground))
{
    for (int i = 0; i < 1000; i++) {
        if (is_so(ground)) {
            return true;
        }
        pause_ms(20);
    }
    return false;
}

static bool wait_for(struct ground *ground, uint64_t seq)
{
    for (int i = 0; i < 200; i++) {
        if (housekeeping_flushed(ground->housekeeping) >= seq) {
            return true;
        }
        pause_ms(20);
    }
    return false;
}

/* --- flushing and preparing --- */

static void flushes_when_there_is_much(void **state)
{
    struct ground *ground = *state;
    ground->options.flush_changes = 3;
    start(ground);
    assert_true(wait_for(ground, 3));
    struct submit submit = fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", "p", "v");
    assert_int_equal(submit.code, 0); /* two changes */
    pause_ms(500);
    assert_int_equal(housekeeping_flushed(ground->housekeeping), 3);
    assert_int_equal(fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    assert_true(wait_for(ground, 6));
}

static void flushes_after_a_while(void **state)
{
    struct ground *ground = *state;
    struct fixture *fx = ground->fx;
    ground->options.flush_interval_ms = 300;
    start(ground);
    assert_true(wait_for(ground, 3));
    housekeeping_stop(&ground->housekeeping);
    /* what was flushed is not replayed */
    fx_close(fx, false);
    struct recovered recovered = {0};
    struct recovery_options again = {.dir = fx->dir,
                                     .segment_bytes = 8 << 20,
                                     .memtable_bytes = 4 << 20,
                                     .cache_bytes = 4 << 20};
    assert_int_equal(recovery_open(&recovered, &again, NULL), 0);
    assert_int_equal(recovered.replayed, 0);
    kv_close(&recovered.kv, true);
    journal_close(&recovered.journal, true);
    fx_open(fx);
}

/* After a start what holds the journal is told at once, and rightly. */
static void what_was_flushed_before_counts(void **state)
{
    struct ground *ground = *state;
    struct kv_position position;
    kv_position(ground->fx->kv, &position);
    assert_true(position.seq > 0);
    ground->options.flushed_seq = position.seq;
    ground->options.flush_interval_ms = 1;
    start(ground);
    assert_int_equal(housekeeping_flushed(ground->housekeeping), position.seq);
    assert_int_equal(status(ground).flushed_seq, position.seq);
}

static void prepares_the_next_segment(void **state)
{
    struct ground *ground = *state;
    char *large = calloc(1, 900001);
    assert_non_null(large);
    memset(large, 'x', 900000);
    for (int i = 0; i < 3; i++) { /* more than half of 8 MiB, old values counted */
        assert_int_equal(fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", "p", large).code, 0);
    }
    free(large);
    start(ground);
    bool prepared = false;
    for (int i = 0; i < 200 && !prepared; i++) {
        pause_ms(20);
        char command[TMP_FOLDER_MAX + 64];
        (void)snprintf(command, sizeof command, "test $(ls '%s/journal' | wc -l) -gt 1",
                       ground->fx->dir);
        prepared = system(command) == 0;
    }
    assert_true(prepared);
}

/* --- the disk --- */

static bool has_room(struct ground *ground)
{
    return housekeeping_room(ground->housekeeping);
}

static bool has_no_room(struct ground *ground)
{
    return !has_room(ground);
}

static void room_has_a_limit(void **state)
{
    struct ground *ground = *state;
    static const struct {
        uint64_t free_bytes;
        bool room;
    } cases[] = {{0, false}, {999, false}, {1000, true}, {1001, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ground->free_bytes = cases[i].free_bytes;
        start(ground);
        assert_int_equal(has_room(ground), cases[i].room); /* as soon as it is started */
        assert_int_equal(status(ground).room_bytes, cases[i].free_bytes);
        assert_int_equal(strstr(status(ground).state_text, "too little room") == NULL,
                         cases[i].room);
        assert_int_equal(status(ground).reserve_bytes, 1000);
        housekeeping_stop(&ground->housekeeping);
    }
}

/* The journal rolls and the state is written into new files. */
static void files_have_a_limit(void **state)
{
    struct ground *ground = *state;
    static const struct {
        uint64_t free_files;
        bool room;
    } cases[] = {{0, false}, {99, false}, {100, true}, {101, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ground->free_files = cases[i].free_files;
        start(ground);
        assert_int_equal(has_room(ground), cases[i].room);
        assert_int_equal(strstr(status(ground).state_text, "room for files") == NULL,
                         cases[i].room);
        housekeeping_stop(&ground->housekeeping);
    }
}

static void room_comes_and_goes(void **state)
{
    struct ground *ground = *state;
    start(ground);
    assert_true(has_room(ground));
    ground->free_bytes = 10;
    assert_true(until(ground, has_no_room));
    ground->free_bytes = 100000;
    assert_true(until(ground, has_room));
}

static void the_systems_answer(void **state)
{
    struct ground *ground = *state;
    ground->options.room = NULL;
    ground->options.reserve_bytes = UINT64_MAX;
    start(ground);
    assert_false(has_room(ground));
    housekeeping_stop(&ground->housekeeping);
    ground->options.reserve_bytes = 1;
    start(ground);
    assert_true(has_room(ground));
    assert_true(status(ground).room_bytes > 0);
}

static bool shrinks(struct ground *ground)
{
    return strstr(status(ground).retention[0].text, "little room") != NULL;
}

static void little_room_shrinks_the_journal(void **state)
{
    struct ground *ground = *state;
    ground->free_bytes = 2000;
    start(ground);
    pause_ms(300);
    assert_false(shrinks(ground));
    ground->free_bytes = 1999;
    assert_true(until(ground, shrinks));
    assert_true(has_room(ground)); /* and writing goes on */
}

static const struct housekeeping *asked; /* by the committer */

static bool ask_for_room(void *context)
{
    (void)context;
    return asked == NULL || housekeeping_room(asked);
}

/* Writes are deferred with that reason, reads go on, and writing resumes by itself. */
static void a_full_disk_defers_writes(void **state)
{
    struct ground *ground = *state;
    struct fixture *fx = ground->fx;
    fx_close(fx, true);
    fx->has_room = ask_for_room;
    fx_open(fx);
    ground->options.journal = fx->journal;
    ground->options.kv = fx->kv;
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v");
    assert_int_equal(submit.code, 0);
    start(ground);
    asked = ground->housekeeping;
    ground->free_bytes = 999;
    assert_true(until(ground, has_no_room));
    uint64_t bag_id = submit.bag_id;
    submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w");
    assert_int_equal(submit.code, E_NOSPACE);
    assert_non_null(strstr(submit.text, "room"));
    assert_string_equal(fx_value(fx, bag_id, "p"), "v");
    ground->free_bytes = 1000;
    assert_true(until(ground, has_room));
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    asked = NULL;
}

/* --- the clock --- */

static void use_own_clock(struct ground *ground)
{
    ground->time = ground->fx->time;
    ground->clock = clock_of_fake(&ground->time);
    ground->options.clock = &ground->clock;
}

static void wall_steps(struct ground *ground, uint64_t ms)
{
    ground->time.wall_ms += ms;
}

static bool stepped(struct ground *ground)
{
    return status(ground).clock_stepped;
}

static bool trusted(struct ground *ground)
{
    return !stepped(ground);
}

static void a_step_is_told_and_confirmed(void **state)
{
    struct ground *ground = *state;
    use_own_clock(ground);
    start(ground);
    pause_ms(300);
    assert_false(stepped(ground));
    wall_steps(ground, 31 * DAY);
    assert_true(until(ground, stepped));
    assert_non_null(strstr(status(ground).retention[2].text, "clock stepped"));
    housekeeping_confirm_clock(ground->housekeeping);
    assert_true(until(ground, trusted));
    assert_non_null(strstr(status(ground).retention[2].text, "undo.keep"));
}

static void a_step_is_remembered_over_a_restart(void **state)
{
    struct ground *ground = *state;
    use_own_clock(ground);
    start(ground);
    pause_ms(300);
    wall_steps(ground, 31 * DAY);
    assert_true(until(ground, stepped));
    housekeeping_stop(&ground->housekeeping);
    start(ground);
    assert_true(stepped(ground)); /* from the first moment */
    housekeeping_stop(&ground->housekeeping);
    /* set back while nothing ran */
    ground->time.wall_ms -= 60 * DAY;
    start(ground);
    assert_true(stepped(ground));
}

/* A machine whose clock stepped is often switched off: then the new time is not believed. */
static void a_step_is_remembered_after_a_crash(void **state)
{
    struct ground *ground = *state;
    struct fixture *fx = ground->fx;
    use_own_clock(ground);
    start(ground);
    pause_ms(300);
    wall_steps(ground, 31 * DAY);
    assert_true(until(ground, stepped));
    pause_ms(600);
    housekeeping_stop(&ground->housekeeping);
    fx_close(fx, false);
    fx_open(fx);
    ground->options.journal = fx->journal;
    ground->options.kv = fx->kv;
    start(ground);
    assert_true(stepped(ground));
}

/* --- what is noted, removed and read --- */

static void positions_are_noted_at_the_stop(void **state)
{
    struct ground *ground = *state;
    start(ground);
    struct seen_device at = {7, 8};
    seen_note(ground->seen, 5, &at);
    housekeeping_stop(&ground->housekeeping);
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(seen_load(seen, ground->fx->kv, NULL), 0);
    assert_true(seen_get(seen, 5, &at));
    assert_int_equal(at.seq, 7);
    seen_free(&seen);
}

static bool has_submitted(struct ground *ground)
{
    return ground->submits > 0;
}

static void old_tokens_are_handed_in(void **state)
{
    struct ground *ground = *state;
    uint8_t key[KEY_SIZE] = {1};
    fx_token(ground->fx, key, 1000);
    ground->options.submit = (struct clearing_submit){on_submit, ground};
    start(ground);
    assert_true(until(ground, has_submitted));
}

static void without_room_nothing_is_handed_in(void **state)
{
    struct ground *ground = *state;
    uint8_t key[KEY_SIZE] = {1};
    fx_token(ground->fx, key, 1000);
    ground->options.submit = (struct clearing_submit){on_submit, ground};
    ground->free_bytes = 10;
    start(ground);
    pause_ms(500);
    assert_false(has_submitted(ground));
    ground->free_bytes = 100000;
    assert_true(until(ground, has_submitted));
}

static bool has_scrubbed(struct ground *ground)
{
    return status(ground).digests.round_ms > 0;
}

static void after_an_unclean_end_all_is_read(void **state)
{
    struct ground *ground = *state;
    start(ground);
    pause_ms(500);
    assert_false(has_scrubbed(ground));
    housekeeping_stop(&ground->housekeeping);
    ground->options.unclean = true;
    start(ground);
    assert_true(until(ground, has_scrubbed));
    assert_int_equal(status(ground).digests.bags, 2);
    assert_int_equal(status(ground).digests.wrong, 0);
}

/* The first ones are those of the start; later the thread's own can fail, which it survives. */
static void out_of_memory(void **state)
{
    struct ground *ground = *state;
    ground->options.submit = (struct clearing_submit){on_submit, ground};
    bool started = false;
    for (unsigned nth = 1; !started; nth++) {
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = housekeeping_start(&ground->housekeeping, &ground->options, &err);
        (void)fail_alloc_stop();
        started = rc == 0;
        assert_true(started || rc == E_NOMEM);
        assert_int_equal(strlen(err.text) > 0, !started);
        assert_int_equal(ground->housekeeping != NULL, started);
        assert_true(nth < 1000);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flushes_when_there_is_much),
        TEST(flushes_after_a_while),
        TEST(what_was_flushed_before_counts),
        TEST(prepares_the_next_segment),
        TEST(room_has_a_limit),
        TEST(files_have_a_limit),
        TEST(room_comes_and_goes),
        TEST(the_systems_answer),
        TEST(little_room_shrinks_the_journal),
        TEST(a_full_disk_defers_writes),
        TEST(a_step_is_told_and_confirmed),
        TEST(a_step_is_remembered_over_a_restart),
        TEST(a_step_is_remembered_after_a_crash),
        TEST(positions_are_noted_at_the_stop),
        TEST(old_tokens_are_handed_in),
        TEST(without_room_nothing_is_handed_in),
        TEST(after_an_unclean_end_all_is_read),
        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
