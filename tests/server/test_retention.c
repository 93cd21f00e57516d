/* What goes and what stays, at every limit: one below, the limit, one above. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/retention.h"

static const uint64_t DAY = 86400000;
static const uint64_t NOW = 1700000000000;

static const struct retention_settings settings = {
    .journal_keep_ms = 90 * UINT64_C(86400000),
    .tombstones_keep_ms = 30 * UINT64_C(86400000),
    .undo_keep_ms = 7 * UINT64_C(86400000),
    .devices_active_ms = 90 * UINT64_C(86400000),
};

/* Four segments: 1-100, 101-200, 201-300, 301-400, of 200, 100, 50 and 0 days ago. */
struct world {
    struct retention_settings settings;
    struct retention_segment segments[4];
    struct retention_device devices[3];
    struct retention_input input;
    struct retention_decision decision;
};

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->settings = settings;
    static const uint64_t days[] = {200, 100, 50, 0};
    for (size_t i = 0; i < 4; i++) {
        world->segments[i] = (struct retention_segment){
            .base_seq = 1 + 100 * i,
            .last_seq = 100 + 100 * i,
            .last_ms = NOW - days[i] * DAY,
            .bytes = 1000,
        };
    }
    for (size_t i = 0; i < 3; i++) {
        world->devices[i] =
            (struct retention_device){.device = 0xa0 + i, .seq = 400, .last_ms = NOW};
    }
    world->input = (struct retention_input){
        .settings = &world->settings,
        .now_ms = NOW,
        .head_seq = 400,
        .flushed_seq = 400,
        .undo_seq = 350,
        .tombstones_seq = 300,
        .segments = world->segments,
        .segment_count = 4,
        .devices = world->devices,
        .device_count = 3,
    };
    return world;
}

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void journal_is(struct world *world, uint64_t seq, enum retention_hold hold)
{
    retention_decide(&world->input, &world->decision);
    assert_int_equal(world->decision.journal.seq, seq);
    assert_int_equal(world->decision.journal.hold, hold);
}

static void tombstones_are(struct world *world, uint64_t seq, enum retention_hold hold)
{
    retention_decide(&world->input, &world->decision);
    assert_int_equal(world->decision.tombstones.seq, seq);
    assert_int_equal(world->decision.tombstones.hold, hold);
}

static void says(struct world *world,
                 void (*text)(const struct retention_input *, const struct retention_decision *,
                              char *),
                 const char *words)
{
    char out[ERR_TEXT_MAX];
    text(&world->input, &world->decision, out);
    if (strstr(out, words) == NULL) {
        fail_msg("'%s' lacks '%s'", out, words);
    }
}

/* --- the journal --- */

static void old_segments_go(void **state)
{
    struct world *world = *state;
    journal_is(world, 201, RETENTION_AGE);
    says(world, retention_journal_text, "90 days");
    says(world, retention_journal_text, "journal.keep");
    world->segments[2].last_ms = NOW - 90 * DAY + 1;
    journal_is(world, 201, RETENTION_AGE);
    world->segments[2].last_ms = NOW - 90 * DAY;
    journal_is(world, 201, RETENTION_AGE);
    world->segments[2].last_ms = NOW - 90 * DAY - 1;
    journal_is(world, 301, RETENTION_NEWEST);
    world->segments[3].last_ms = NOW - 400 * DAY;
    journal_is(world, 301, RETENTION_NEWEST); /* never the newest */
    says(world, retention_journal_text, "newest");
}

static void a_journal_that_is_too_large(void **state)
{
    struct world *world = *state;
    world->settings.journal_keep_ms = 1000 * DAY;
    journal_is(world, 1, RETENTION_AGE);
    static const struct {
        uint64_t max_bytes;
        uint64_t seq;
    } cases[] = {{4001, 1}, {4000, 1}, {3999, 101}, {3000, 101}, {2999, 201}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world->settings.journal_max_bytes = cases[i].max_bytes;
        journal_is(world, cases[i].seq, RETENTION_AGE);
    }
    world->settings.journal_max_bytes = 1;
    journal_is(world, 301, RETENTION_NEWEST);
}

static void what_is_not_flushed_stays(void **state)
{
    struct world *world = *state;
    static const struct {
        uint64_t flushed_seq;
        uint64_t seq;
    } cases[] = {{0, 1}, {99, 1}, {100, 1}, {101, 101}, {200, 101}, {201, 201}};
    world->input.room_low = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world->input.flushed_seq = cases[i].flushed_seq;
        journal_is(world, cases[i].seq, RETENTION_FLUSH);
        says(world, retention_journal_text, "on disk up to");
    }
}

static void what_undo_needs_stays(void **state)
{
    struct world *world = *state;
    static const struct {
        uint64_t undo_seq;
        uint64_t seq;
    } cases[] = {{0, 1}, {99, 1}, {100, 1}, {101, 101}, {200, 101}, {201, 201}};
    world->settings.journal_max_bytes = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world->input.undo_seq = cases[i].undo_seq;
        journal_is(world, cases[i].seq, RETENTION_UNDO);
        says(world, retention_journal_text, "undo.keep");
    }
}

static void little_room_takes_all_that_can_go(void **state)
{
    struct world *world = *state;
    world->settings.journal_keep_ms = 1000 * DAY;
    world->input.room_low = true;
    journal_is(world, 301, RETENTION_NEWEST);
    says(world, retention_journal_text, "little room");
    world->input.undo_seq = 150;
    journal_is(world, 101, RETENTION_UNDO);
    says(world, retention_journal_text, "little room");
    says(world, retention_journal_text, "7 days");
}

/* --- the clock --- */

static void a_stepped_clock_holds_what_goes_by_age(void **state)
{
    struct world *world = *state;
    world->input.clock_held = true;
    world->input.undo_before = 20;
    world->devices[1].last_ms = NOW - 1000 * DAY;
    world->devices[1].seq = 10;
    journal_is(world, 1, RETENTION_CLOCK);
    says(world, retention_journal_text, "clock stepped");
    tombstones_are(world, 10, RETENTION_DEVICE); /* nobody is given up */
    says(world, retention_tombstones_text, "clock stepped");
    assert_int_equal(world->decision.undo.seq, 20);
    assert_int_equal(world->decision.undo.hold, RETENTION_CLOCK);
    says(world, retention_undo_text, "clock stepped");
    /* little room does not make ages right: what undo needs is not known */
    world->input.room_low = true;
    journal_is(world, 1, RETENTION_CLOCK);
    world->input.undo_before = 250;
    journal_is(world, 201, RETENTION_CLOCK);
}

static void a_clock_behind_the_batches(void **state)
{
    struct world *world = *state;
    world->input.now_ms = 5; /* the year is 1970 */
    journal_is(world, 1, RETENTION_AGE);
}

/* --- tombstones --- */

static void the_slowest_active_device_counts(void **state)
{
    struct world *world = *state;
    tombstones_are(world, 400, RETENTION_EVERYTHING);
    says(world, retention_tombstones_text, "no active device");
    world->devices[1].seq = 399;
    tombstones_are(world, 399, RETENTION_DEVICE);
    assert_int_equal(world->decision.tombstones.device, 0xa1);
    says(world, retention_tombstones_text, "00000000000000a1");
    says(world, retention_tombstones_text, "30 days");
    world->devices[2].seq = 320;
    tombstones_are(world, 320, RETENTION_DEVICE);
    assert_int_equal(world->decision.tombstones.device, 0xa2);
}

static void an_old_tombstone_goes_all_the_same(void **state)
{
    struct world *world = *state;
    static const struct {
        uint64_t device_seq;
        uint64_t seq;
    } cases[] = {{0, 300}, {299, 300}, {300, 300}, {301, 301}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world->devices[0].seq = cases[i].device_seq;
        tombstones_are(world, cases[i].seq, RETENTION_DEVICE);
    }
}

static void a_device_that_is_away_is_given_up(void **state)
{
    struct world *world = *state;
    world->devices[0].seq = 310;
    world->devices[0].last_ms = NOW - 90 * DAY + 1;
    tombstones_are(world, 310, RETENTION_DEVICE);
    world->devices[0].last_ms = NOW - 90 * DAY;
    tombstones_are(world, 310, RETENTION_DEVICE);
    world->devices[0].last_ms = NOW - 90 * DAY - 1;
    tombstones_are(world, 400, RETENTION_EVERYTHING);
    assert_false(retention_active(&world->input, &world->devices[0]));
    world->input.device_count = 0;
    tombstones_are(world, 400, RETENTION_EVERYTHING);
}

static void a_device_beyond_the_head(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < 3; i++) {
        world->devices[i].seq = 100000;
    }
    tombstones_are(world, 400, RETENTION_EVERYTHING);
}

/* --- what was decided stays --- */

static void nothing_goes_back(void **state)
{
    struct world *world = *state;
    world->input.purged_before = 390;
    world->input.undo_before = 360;
    world->devices[0].seq = 5;
    tombstones_are(world, 390, RETENTION_DEVICE);
    assert_int_equal(world->decision.undo.seq, 360);
    world->input.undo_seq = 361;
    retention_decide(&world->input, &world->decision);
    assert_int_equal(world->decision.undo.seq, 361);
    assert_int_equal(world->decision.undo.hold, RETENTION_UNDO);
    says(world, retention_undo_text, "7 days");
}

static void durations_are_readable(void **state)
{
    struct world *world = *state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{86400000, "within 24 hours"},
                 {2 * UINT64_C(86400000), "within 2 days"},
                 {90 * UINT64_C(60000), "within 90 minutes"},
                 {1000, "within 1 seconds"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world->settings.undo_keep_ms = cases[i].ms;
        retention_decide(&world->input, &world->decision);
        says(world, retention_undo_text, cases[i].text);
    }
}

/* --- a year --- */

enum { YEAR_DAYS = 365, SEGMENTS_MAX = YEAR_DAYS + 1, CHANGES_A_DAY = 1000 };

/* The last change that is older than `keep` days: one batch a day, at noon, so to say. */
static uint64_t seq_before(uint64_t day, uint64_t keep)
{
    return day > keep ? (day - keep) * CHANGES_A_DAY : 0;
}

/* A segment a day, a device that falls asleep on day 100: every day the journal is no larger than
 * its limit, and holds what undo, the flush and its keep time promise. */
static void a_year_stays_bounded(void **state)
{
    struct world *world = *state;
    struct retention_segment *segments = calloc(SEGMENTS_MAX, sizeof *segments);
    assert_non_null(segments);
    size_t count = 0;
    uint64_t undo = 0;
    uint64_t purged = 0;
    world->settings.journal_keep_ms = 20 * DAY;
    for (uint64_t day = 1; day <= YEAR_DAYS; day++) {
        uint64_t head = day * CHANGES_A_DAY;
        segments[count++] = (struct retention_segment){
            .base_seq = head - CHANGES_A_DAY + 1, .last_seq = head, .last_ms = day * DAY};
        world->devices[0] = (struct retention_device){.device = 1,
                                                      .seq = day < 100 ? head : 99 * CHANGES_A_DAY,
                                                      .last_ms = (day < 100 ? day : 99) * DAY};
        world->devices[1] = (struct retention_device){1, head, day * DAY};
        world->input = (struct retention_input){
            .settings = &world->settings,
            .now_ms = day * DAY + 1,
            .head_seq = head,
            .flushed_seq = head - 10,
            .undo_seq = seq_before(day, 7),
            .tombstones_seq = seq_before(day, 30),
            .undo_before = undo,
            .purged_before = purged,
            .segments = segments,
            .segment_count = count,
            .devices = world->devices,
            .device_count = 2,
        };
        retention_decide(&world->input, &world->decision);
        uint64_t floor = world->decision.journal.seq;
        size_t gone = 0;
        while (segments[gone].last_seq < floor) {
            gone++;
        }
        assert_true(floor <= world->input.flushed_seq);
        assert_true(floor <= seq_before(day, 7) || floor == 1);
        assert_true(day <= 20 || floor == seq_before(day, 20) + 1);
        count -= gone;
        memmove(segments, segments + gone, count * sizeof *segments);
        assert_true(count <= 20);
        undo = world->decision.undo.seq;
        assert_int_equal(undo, seq_before(day, 7));
        assert_true(world->decision.tombstones.seq >= purged);
        purged = world->decision.tombstones.seq;
        /* while the sleeping device counts, deletions of the last 30 days wait for it */
        if (day >= 130 && day < 189) {
            assert_int_equal(purged, seq_before(day, 30));
        }
        if (day > 189) {
            assert_int_equal(purged, head);
        }
    }
    free(segments);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_segments_go),
        TEST(a_journal_that_is_too_large),
        TEST(what_is_not_flushed_stays),
        TEST(what_undo_needs_stays),
        TEST(little_room_takes_all_that_can_go),
        TEST(a_stepped_clock_holds_what_goes_by_age),
        TEST(a_clock_behind_the_batches),
        TEST(the_slowest_active_device_counts),
        TEST(an_old_tombstone_goes_all_the_same),
        TEST(a_device_that_is_away_is_given_up),
        TEST(a_device_beyond_the_head),
        TEST(nothing_goes_back),
        TEST(durations_are_readable),
        TEST(a_year_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
