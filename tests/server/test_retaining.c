/* Retention carried out on a real journal and state, with a clock that is told: segments go and
 * what is promised stays; tombstones wait for devices. */
#include "server/retaining.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static const uint64_t DAY = 86400000;

struct ground {
    struct fixture *fx;
    struct seen *seen;
    struct upkeep *upkeep;
    struct retaining *retaining;
    struct retention_settings settings;
    struct retaining_now now;
};

static void begin(struct ground *ground)
{
    struct retaining_options options = {
        .settings = ground->settings,
        .journal = ground->fx->journal,
        .kv = ground->fx->kv,
        .seen = ground->seen,
        .upkeep = ground->upkeep,
    };
    assert_int_equal(retaining_new(&ground->retaining, &options, NULL), 0);
}

static int setup(void **state)
{
    struct ground *ground = calloc(1, sizeof *ground);
    assert_non_null(ground);
    void *fixture = NULL;
    assert_int_equal(fx_setup(&fixture), 0);
    ground->fx = fixture;
    ground->settings = (struct retention_settings){
        .journal_keep_ms = 10 * DAY,
        .tombstones_keep_ms = 5 * DAY,
        .undo_keep_ms = 2 * DAY,
        .devices_active_ms = 20 * DAY,
    };
    assert_int_equal(seen_new(&ground->seen), 0);
    assert_int_equal(upkeep_new(&ground->upkeep), 0);
    begin(ground);
    *state = ground;
    return 0;
}

static int teardown(void **state)
{
    struct ground *ground = *state;
    void *fixture = ground->fx;
    retaining_free(&ground->retaining);
    assert_null(ground->retaining);
    upkeep_free(&ground->upkeep);
    seen_free(&ground->seen);
    assert_int_equal(fx_teardown(&fixture), 0);
    free(ground);
    return 0;
}

static void run(struct ground *ground)
{
    ground->now.wall_ms = ground->fx->time.wall_ms;
    struct err err = {0};
    int rc = retaining_round(ground->retaining, &ground->now, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
}

static void flush(struct ground *ground)
{
    assert_int_equal(kv_flush(ground->fx->kv, &ground->now.flushed_seq, NULL), 0);
}

static void days_pass(struct ground *ground, uint64_t days)
{
    ground->fx->time.wall_ms += days * DAY;
    ground->fx->time.mono_ms += days * DAY;
}

static struct retention_line line(struct ground *ground, size_t which)
{
    struct retention_line lines[RETENTION_LINES];
    retaining_lines(ground->retaining, lines);
    return lines[which];
}

enum { JOURNAL, TOMBSTONES, UNDO };

/* About a megabyte; its seq. */
static uint64_t write_much(struct ground *ground)
{
    static char value[500001];
    memset(value, 'x', sizeof value - 1);
    value[0] = (char)('a' + ground->fx->time.wall_ms % 25);
    struct submit submit = fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", "copy/default", value);
    assert_int_equal(submit.code, 0);
    fx_forget(ground->fx);
    return submit.seq;
}

static uint64_t remove_one(struct ground *ground, const char *path)
{
    assert_int_equal(fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", path, "v").code, 0);
    struct submit submit = fx_submit(ground->fx, SUBMIT_WRITE, "user:ann", path, NULL);
    assert_int_equal(submit.code, 0);
    fx_forget(ground->fx);
    return submit.seq;
}

static void lines_tell_before_the_first_round(void **state)
{
    struct ground *ground = *state;
    assert_string_equal(line(ground, JOURNAL).what, "journal");
    assert_string_equal(line(ground, TOMBSTONES).what, "tombstones");
    assert_string_equal(line(ground, UNDO).what, "undo");
    assert_true(strlen(line(ground, UNDO).text) > 0);
    run(ground);
    assert_int_equal(line(ground, JOURNAL).seq, 1);
    assert_non_null(strstr(line(ground, JOURNAL).text, "newest"));
    assert_int_equal(retaining_undo_seq(ground->retaining), 0);
}

/* Two months of three megabytes a day. */
static void a_growing_journal_stays_bounded(void **state)
{
    struct ground *ground = *state;
    uint64_t newest_of_day[64] = {0};
    for (uint64_t day = 1; day <= 60; day++) {
        days_pass(ground, 1);
        for (int i = 0; i < 3; i++) {
            newest_of_day[day] = write_much(ground);
        }
        flush(ground);
        fx_run(ground->fx);
        assert_int_equal(journal_prepare(ground->fx->journal, NULL), 0);
        run(ground);
        struct journal_stat stat = {0};
        assert_int_equal(journal_stat(ground->fx->journal, &stat, NULL), 0);
        /* ten days, and at each end a segment that is not whole, and the one that is prepared */
        assert_true(stat.file_bytes <= 11 * UINT64_C(3200000) + 3 * UINT64_C(8388608));
        if (day > 10) {
            assert_true(stat.floor_seq <= newest_of_day[day - 10] + 1);
        }
        if (day > 3) {
            assert_int_equal(line(ground, UNDO).seq, newest_of_day[day - 3]);
        }
    }
    assert_true(journal_floor(ground->fx->journal) > newest_of_day[40]);
    assert_non_null(strstr(line(ground, JOURNAL).text, "10 days"));
    /* and all of it can be opened again */
    retaining_free(&ground->retaining);
    fx_close(ground->fx, true);
    fx_open(ground->fx);
    begin(ground);
    assert_true(write_much(ground) > newest_of_day[60]);
}

static void little_room_leaves_what_undo_needs(void **state)
{
    struct ground *ground = *state;
    uint64_t newest_of_day[16] = {0};
    for (uint64_t day = 1; day <= 9; day++) {
        days_pass(ground, 1);
        for (int i = 0; i < 9; i++) { /* more than a segment a day */
            newest_of_day[day] = write_much(ground);
        }
    }
    flush(ground);
    run(ground);
    assert_int_equal(journal_floor(ground->fx->journal), 1);
    ground->now.room_low = true;
    run(ground);
    uint64_t floor = journal_floor(ground->fx->journal);
    assert_true(floor > newest_of_day[5]);
    assert_true(floor <= newest_of_day[7]);
    assert_non_null(strstr(line(ground, JOURNAL).text, "little room"));
    /* what is not flushed is not dropped either */
    ground->settings.undo_keep_ms = 1000;
    retaining_free(&ground->retaining);
    begin(ground);
    ground->now.flushed_seq = newest_of_day[7];
    run(ground);
    floor = journal_floor(ground->fx->journal);
    assert_true(floor <= newest_of_day[7]);
    assert_non_null(strstr(line(ground, JOURNAL).text, "on disk up to"));
}

static uint64_t purged_to(struct ground *ground)
{
    while (upkeep_work(ground->upkeep, ground->fx->kv)) {
    }
    struct owner owner = {0};
    struct bag_row bag = {0};
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(kv_bag_of(ground->fx->kv, NULL, &owner, &bag, NULL), 0);
    return bag.purged_to;
}

static void heard(struct ground *ground, uint64_t device, uint64_t seq)
{
    struct seen_device at = {seq, ground->fx->time.wall_ms};
    seen_note(ground->seen, device, &at);
}

static void tombstones_wait_for_devices(void **state)
{
    struct ground *ground = *state;
    struct machine quick;
    struct machine slow;
    fx_join(ground->fx, &quick, 1);
    fx_join(ground->fx, &slow, 2);
    uint64_t first = remove_one(ground, "copy/a");
    uint64_t second = remove_one(ground, "copy/b");
    heard(ground, quick.device, second);
    run(ground); /* of the other one nothing is known */
    assert_int_equal(purged_to(ground), 0);
    assert_int_equal(line(ground, TOMBSTONES).seq, 0);
    char digits[DEVICE_TEXT_MAX];
    device_format(slow.device, digits);
    assert_non_null(strstr(line(ground, TOMBSTONES).text, digits));
    heard(ground, slow.device, first);
    run(ground);
    assert_int_equal(purged_to(ground), first);
    heard(ground, slow.device, second);
    run(ground);
    assert_int_equal(purged_to(ground), second);
    /* it falls silent: five days later the deletion is old enough */
    uint64_t third = remove_one(ground, "copy/c");
    days_pass(ground, 5);
    heard(ground, quick.device, third);
    run(ground);
    assert_int_equal(purged_to(ground), second);
    days_pass(ground, 1);
    run(ground);
    assert_int_equal(purged_to(ground), third);
}

static void who_is_removed_or_away_is_not_waited_for(void **state)
{
    struct ground *ground = *state;
    ground->settings.tombstones_keep_ms = 1000 * DAY;
    retaining_free(&ground->retaining);
    begin(ground);
    struct machine quick;
    struct machine away;
    fx_join(ground->fx, &quick, 1);
    fx_join(ground->fx, &away, 2);
    uint64_t first = remove_one(ground, "copy/a");
    days_pass(ground, 20);
    heard(ground, quick.device, first);
    run(ground);
    assert_int_equal(purged_to(ground), 0);
    days_pass(ground, 1); /* it joined more than 20 days ago, and never came */
    run(ground);
    assert_int_equal(purged_to(ground), first);
    uint64_t second = remove_one(ground, "copy/b");
    heard(ground, quick.device, second);
    heard(ground, away.device, first);
    run(ground);
    assert_int_equal(purged_to(ground), first);
    char path[RECORD_PATH_MAX];
    struct span item = record_device_path(path, away.device);
    path[item.size] = '\0';
    char text[512];
    (void)snprintf(
        text, sizeof text,
        "{\"name\":\"p\",\"serial\":\"\",\"model\":\"\",\"software\":\"\",\"key\":\"%s\","
        "\"joined_ms\":1,\"state\":\"removed\"}",
        "8282828282828282828282828282828282828282828282828282828282828282");
    assert_int_equal(fx_submit(ground->fx, SUBMIT_WRITE, "server", path, text).code, 0);
    run(ground);
    assert_int_equal(purged_to(ground), second);
    struct seen_device at = {0};
    assert_false(seen_get(ground->seen, away.device, &at));
}

/* The journal keeps less than tombstones do: marks tell how old they are, also after a restart. */
static void times_outlive_the_journal(void **state)
{
    struct ground *ground = *state;
    ground->settings.journal_keep_ms = DAY;
    ground->settings.undo_keep_ms = 1000;
    retaining_free(&ground->retaining);
    begin(ground);
    struct machine away;
    fx_join(ground->fx, &away, 1);
    uint64_t gone = remove_one(ground, "copy/a");
    for (int i = 0; i < 9; i++) {
        (void)write_much(ground);
    }
    flush(ground);
    run(ground); /* a mark */
    days_pass(ground, 3);
    (void)write_much(ground);
    flush(ground);
    run(ground);
    assert_true(journal_floor(ground->fx->journal) > gone);
    retaining_free(&ground->retaining);
    fx_close(ground->fx, true);
    fx_open(ground->fx);
    begin(ground);
    days_pass(ground, 2);
    run(ground);
    assert_int_equal(purged_to(ground), 0);
    days_pass(ground, 1);
    run(ground);
    assert_int_equal(purged_to(ground), gone);
}

static void a_stepped_clock_drops_nothing(void **state)
{
    struct ground *ground = *state;
    uint64_t gone = remove_one(ground, "copy/a");
    for (int i = 0; i < 9; i++) {
        (void)write_much(ground);
    }
    struct machine away;
    fx_join(ground->fx, &away, 1);
    flush(ground);
    ground->now.clock_held = true;
    days_pass(ground, 31);
    (void)write_much(ground);
    run(ground);
    assert_int_equal(journal_floor(ground->fx->journal), 1);
    assert_int_equal(purged_to(ground), 0);
    assert_int_equal(retaining_undo_seq(ground->retaining), 0);
    assert_non_null(strstr(line(ground, JOURNAL).text, "clock stepped"));
    ground->now.clock_held = false;
    flush(ground);
    run(ground);
    assert_true(journal_floor(ground->fx->journal) > 1);
    assert_true(purged_to(ground) >= gone);
}

static void out_of_memory(void **state)
{
    struct ground *ground = *state;
    struct machine machine;
    fx_join(ground->fx, &machine, 1);
    heard(ground, machine.device, 1);
    uint64_t gone = remove_one(ground, "copy/a");
    days_pass(ground, 30);
    flush(ground);
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        retaining_free(&ground->retaining);
        struct retaining_options options = {
            .settings = ground->settings,
            .journal = ground->fx->journal,
            .kv = ground->fx->kv,
            .seen = ground->seen,
            .upkeep = ground->upkeep,
        };
        ground->now.wall_ms = ground->fx->time.wall_ms;
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = retaining_new(&ground->retaining, &options, &err);
        if (rc == 0) {
            rc = retaining_round(ground->retaining, &ground->now, &err);
        }
        failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        assert_int_equal(strlen(err.text) > 0, failed);
    }
    assert_int_equal(purged_to(ground), gone);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_tell_before_the_first_round),
        TEST(a_growing_journal_stays_bounded),
        TEST(little_room_leaves_what_undo_needs),
        TEST(tombstones_wait_for_devices),
        TEST(who_is_removed_or_away_is_not_waited_for),
        TEST(times_outlive_the_journal),
        TEST(a_stepped_clock_drops_nothing),
        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
