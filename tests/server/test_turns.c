#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/turns.h"

static void first_come_first_served(void **state)
{
    (void)state;
    struct turns turns = {0};
    struct turn list[3] = {0};
    assert_null(turns_take(&turns));
    assert_false(turns_any(&turns));
    for (size_t i = 0; i < 3; i++) {
        turns_want(&turns, &list[i], false);
    }
    turns_want(&turns, &list[0], false); /* stays where it is */
    assert_true(turns_any(&turns));
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(turns_take(&turns), &list[i]);
        assert_int_equal(list[i].state, TURN_OUT);
    }
    assert_null(turns_take(&turns));
}

static void urgent_ones_go_before(void **state)
{
    (void)state;
    struct turns turns = {0};
    struct turn list[4] = {0};
    turns_want(&turns, &list[0], false);
    turns_want(&turns, &list[1], false);
    turns_want(&turns, &list[2], true);
    turns_want(&turns, &list[1], true);  /* moves */
    turns_want(&turns, &list[2], false); /* stays urgent */
    turns_want(&turns, &list[3], false);
    assert_ptr_equal(turns_take(&turns), &list[2]);
    assert_ptr_equal(turns_take(&turns), &list[1]);
    assert_ptr_equal(turns_take(&turns), &list[0]);
    assert_ptr_equal(turns_take(&turns), &list[3]);
}

static void one_can_leave_from_anywhere(void **state)
{
    (void)state;
    for (size_t gone = 0; gone < 3; gone++) {
        struct turns turns = {0};
        struct turn list[3] = {0};
        for (size_t i = 0; i < 3; i++) {
            turns_want(&turns, &list[i], true);
        }
        turns_drop(&turns, &list[gone]);
        turns_drop(&turns, &list[gone]);
        for (size_t i = 0; i < 3; i++) {
            if (i != gone) {
                assert_ptr_equal(turns_take(&turns), &list[i]);
            }
        }
        assert_null(turns_take(&turns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(urgent_ones_go_before),
        cmocka_unit_test(one_can_leave_from_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
