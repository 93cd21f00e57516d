/* Steps of the wall clock are found at their limit, held for a day, and confirmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/clock_watch.h"

static const uint64_t NOON = 1700000000000;
static const struct clock_record NOTHING = {0};

static struct clock_watch begun(void)
{
    struct clock_watch watch;
    clock_watch_begin(&watch, NOON, 5000, &NOTHING);
    assert_int_equal(watch.hold_ms, 0);
    return watch;
}

static void a_step_is_more_than_an_hour(void **state)
{
    (void)state;
    static const struct {
        int64_t step_ms;
        bool found;
    } cases[] = {
        {0, false},
        {CLOCK_STEP_MS - 1, false},
        {CLOCK_STEP_MS, false},
        {CLOCK_STEP_MS + 1, true},
        {-(int64_t)CLOCK_STEP_MS, false},
        {-(int64_t)CLOCK_STEP_MS - 1, true},
        {30LL * 86400000, true},
        {-30LL * 86400000, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct clock_watch watch = begun();
        uint64_t wall_ms = (uint64_t)((int64_t)NOON + 200 + cases[i].step_ms);
        assert_int_equal(clock_watch_look(&watch, wall_ms, 5200), cases[i].found);
        assert_int_equal(watch.hold_ms, cases[i].found ? CLOCK_HOLD_MS : 0);
        assert_true(watch.step_ms == (cases[i].found ? cases[i].step_ms : 0));
        assert_false(clock_watch_look(&watch, wall_ms + 200, 5400)); /* told once */
    }
}

static void small_steps_sum_up(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    assert_false(clock_watch_look(&watch, NOON + 2400000, 5000 + 1000));
    assert_true(clock_watch_look(&watch, NOON + 4800000, 5000 + 2000));
}

static void drifting_is_no_step(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    uint64_t wall_ms = NOON;
    for (uint64_t hours = 1; hours <= 400 * 24; hours++) { /* a second an hour: hours in all */
        wall_ms += 3600000 + 1000;
        assert_false(clock_watch_look(&watch, wall_ms, 5000 + hours * 3600000));
    }
    assert_int_equal(watch.hold_ms, 0);
}

static void the_hold_lasts_a_day(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    uint64_t wall_ms = NOON + 31 * UINT64_C(86400000);
    assert_true(clock_watch_look(&watch, wall_ms, 5000));
    assert_false(clock_watch_look(&watch, wall_ms + CLOCK_HOLD_MS - 1, 5000 + CLOCK_HOLD_MS - 1));
    assert_int_equal(watch.hold_ms, 1);
    assert_false(clock_watch_look(&watch, wall_ms + CLOCK_HOLD_MS, 5000 + CLOCK_HOLD_MS));
    assert_int_equal(watch.hold_ms, 0);
    assert_false(clock_watch_look(&watch, wall_ms + CLOCK_HOLD_MS + 1, 5001 + CLOCK_HOLD_MS));
}

static void a_step_back_begins_anew(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    assert_true(clock_watch_look(&watch, NOON + 31 * UINT64_C(86400000), 5000));
    assert_true(clock_watch_look(&watch, NOON + 1000, 6000));
    assert_int_equal(watch.hold_ms, CLOCK_HOLD_MS);
    assert_true(watch.step_ms < 0);
}

static void a_confirmed_time_is_used(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    uint64_t wall_ms = NOON + 31 * UINT64_C(86400000);
    assert_true(clock_watch_look(&watch, wall_ms, 5000));
    clock_watch_confirm(&watch, wall_ms, 5000);
    assert_int_equal(watch.hold_ms, 0);
    assert_false(clock_watch_look(&watch, wall_ms + 10, 5010));
}

static void a_hold_survives_a_restart(void **state)
{
    (void)state;
    struct clock_watch watch = begun();
    uint64_t wall_ms = NOON + 31 * UINT64_C(86400000);
    assert_true(clock_watch_look(&watch, wall_ms, 5000));
    assert_false(clock_watch_look(&watch, wall_ms + 1000, 6000));
    struct clock_record record = clock_watch_record(&watch, wall_ms + 1000);
    struct clock_watch next;
    clock_watch_begin(&next, wall_ms + 90000, 7, &record);
    assert_int_equal(next.hold_ms, CLOCK_HOLD_MS - 1000);
    assert_true(next.step_ms == watch.step_ms);
}

static void set_back_while_nothing_ran(void **state)
{
    (void)state;
    struct clock_record record = {.wall_ms = NOON};
    struct clock_watch watch;
    clock_watch_begin(&watch, NOON - CLOCK_STEP_MS, 7, &record);
    assert_int_equal(watch.hold_ms, 0);
    clock_watch_begin(&watch, NOON - CLOCK_STEP_MS - 1, 7, &record);
    assert_int_equal(watch.hold_ms, CLOCK_HOLD_MS);
    clock_watch_begin(&watch, NOON + 365 * UINT64_C(86400000), 7, &record);
    assert_int_equal(watch.hold_ms, 0); /* it was off for a year */
    record.hold_ms = UINT64_MAX;        /* whatever is in the record, a day is enough */
    clock_watch_begin(&watch, NOON, 7, &record);
    assert_int_equal(watch.hold_ms, CLOCK_HOLD_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_more_than_an_hour), cmocka_unit_test(small_steps_sum_up),
        cmocka_unit_test(drifting_is_no_step),         cmocka_unit_test(the_hold_lasts_a_day),
        cmocka_unit_test(a_step_back_begins_anew),     cmocka_unit_test(a_confirmed_time_is_used),
        cmocka_unit_test(a_hold_survives_a_restart),   cmocka_unit_test(set_back_while_nothing_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
