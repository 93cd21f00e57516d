/* Tests of base/clock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

static void the_system_clock_runs(void **state)
{
    (void)state;
    uint64_t wall_ms = clock_wall_ms(&clock_system);
    assert_true(wall_ms / 1000 + 2 >= (uint64_t)time(NULL));
    assert_true(wall_ms / 1000 <= (uint64_t)time(NULL) + 1);
    uint64_t before_ms = clock_mono_ms(&clock_system);
    uint64_t before_ns = clock_mono_ns();
    struct timespec pause = {0, 3000000};
    (void)nanosleep(&pause, NULL);
    assert_true(clock_mono_ms(&clock_system) >= before_ms + 2);
    assert_true(clock_mono_ns() >= before_ns + 3000000);
    uint64_t first_ms = clock_mono_ms(&clock_system);
    assert_true(clock_mono_ns() / 1000000 - first_ms < 1000);
    assert_true(clock_up_ms(&clock_system) >= first_ms); /* it slept, or it did not */
}

static void a_fake_clock_stands_still(void **state)
{
    (void)state;
    struct clock_fake fake = {.wall_ms = 5, .mono_ms = 7};
    struct clock clock = clock_of_fake(&fake);
    assert_int_equal(clock_wall_ms(&clock), 5);
    assert_int_equal(clock_mono_ms(&clock), 7);
    fake.wall_ms = 4;
    fake.mono_ms = 9;
    assert_int_equal(clock_wall_ms(&clock), 4);
    assert_int_equal(clock_mono_ms(&clock), 9);
    assert_int_equal(clock_up_ms(&clock), 9);
}

static const struct clock_pair NOON = {.wall_ms = 1700000000000, .mono_ms = 5000};

/* `ms` later by the clock that does not jump, and by the other one as much and `step_ms` more. */
static struct clock_pair later(struct clock_pair pair, uint64_t ms, int64_t step_ms)
{
    return (struct clock_pair){pair.wall_ms + ms + (uint64_t)step_ms, pair.mono_ms + ms};
}

static void a_step_is_more_than_an_hour(void **state)
{
    (void)state;
    static const struct {
        int64_t step_ms, told_ms;
    } rows[] = {
        {0, 0},
        {CLOCK_STEP_MS, 0},
        {CLOCK_STEP_MS + 1, CLOCK_STEP_MS + 1},
        {-(int64_t)CLOCK_STEP_MS, 0},
        {-(int64_t)CLOCK_STEP_MS - 1, -(int64_t)CLOCK_STEP_MS - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct clock_pair pair = NOON;
        struct clock_pair now = later(NOON, 200, rows[i].step_ms);
        assert_true(clock_pair_step(&pair, now) == rows[i].told_ms);
        assert_int_equal(clock_pair_step(&pair, later(now, 200, 0)), 0); /* told once */
    }
    struct clock_pair pair = NOON; /* to 1970, and back */
    assert_true(clock_pair_step(&pair, (struct clock_pair){0, 5000}) == -1700000000000);
    assert_true(clock_pair_step(&pair, NOON) == 1700000000000);
}

static void steps_sum_up_within_an_hour(void **state)
{
    (void)state;
    struct clock_pair pair = NOON;
    struct clock_pair now = later(NOON, CLOCK_STEP_MS - 2, 2400000);
    assert_int_equal(clock_pair_step(&pair, now), 0);
    assert_int_equal(clock_pair_step(&pair, later(now, 1, 2400000)), 4800000);

    pair = NOON;
    now = later(NOON, CLOCK_STEP_MS, 2400000);
    assert_int_equal(clock_pair_step(&pair, now), 0); /* an hour is over: what was is forgotten */
    assert_int_equal(clock_pair_step(&pair, later(now, 1, 2400000)), 0);
}

static void formats_utc_with_milliseconds(void **state)
{
    (void)state;
    static const struct {
        uint64_t wall_ms;
        const char *text;
    } rows[] = {{0, "1970-01-01T00:00:00.000Z"},
                {1795369897123, "2026-11-22T17:51:37.123Z"},
                {951782399999, "2000-02-28T23:59:59.999Z"},
                {951782400000, "2000-02-29T00:00:00.000Z"},
                {253402300799998, "9999-12-31T23:59:59.998Z"},
                {253402300799999, "9999-12-31T23:59:59.999Z"},
                {253402300800000, "9999-12-31T23:59:59.999Z"},
                {UINT64_MAX, "9999-12-31T23:59:59.999Z"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[CLOCK_TEXT_MAX];
        clock_format(rows[i].wall_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void parses_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {{"0", 0},
                {"7", 7000},
                {"500ms", 500},
                {"10s", 10000},
                {"5m", 300000},
                {"1h", 3600000},
                {"7d", 604800000},
                {"007s", 7000},
                {"18446744073709551615ms", UINT64_MAX},
                {"18446744073709551", 18446744073709551000u}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 1;
        assert_int_equal(clock_parse_duration(rows[i].text, &ms), 0);
        assert_true(ms == rows[i].ms);
    }
}

static void refuses_what_is_no_duration(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "s",
                                        "-1s",
                                        "+1s",
                                        " 1s",
                                        "1s ",
                                        "1 s",
                                        "1.5s",
                                        "1S",
                                        "1w",
                                        "1mss",
                                        "0x10",
                                        "18446744073709551616ms",
                                        "18446744073709552",
                                        "99999999999999999999999ms"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t ms = 4711;
        assert_int_equal(clock_parse_duration(texts[i], &ms), E_INVALID);
        assert_int_equal(ms, 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_runs),
        cmocka_unit_test(a_fake_clock_stands_still),
        cmocka_unit_test(a_step_is_more_than_an_hour),
        cmocka_unit_test(steps_sum_up_within_an_hour),
        cmocka_unit_test(formats_utc_with_milliseconds),
        cmocka_unit_test(parses_durations),
        cmocka_unit_test(refuses_what_is_no_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
