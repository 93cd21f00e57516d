/* Tests of base/array.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/array.h"
#include "tests/support/fail_alloc.h"

static void elements_stay_while_the_array_grows(void **state)
{
    (void)state;
    uint64_t *items = NULL;
    size_t capacity = 0;
    unsigned moves = 0;
    for (size_t count = 0; count < 1000; count++) {
        size_t before = capacity;
        uint64_t *wider = array_reserve(items, &capacity, count + 1, sizeof *items);
        assert_non_null(wider);
        items = wider;
        assert_true(capacity > count);
        moves += capacity != before ? 1 : 0;
        items[count] = count;
    }
    assert_int_equal(moves, 7); /* 16, 32, 64, .. 1024 */
    for (size_t i = 0; i < 1000; i++) {
        assert_true(items[i] == i);
    }
    free(items);
}

static void many_at_once_are_as_many_as_are_needed(void **state)
{
    (void)state;
    size_t capacity = 0;
    char *items = array_reserve(NULL, &capacity, 100, 1);
    assert_non_null(items);
    assert_int_equal(capacity, 100);
    assert_ptr_equal(array_reserve(items, &capacity, 100, 1), items);
    assert_int_equal(capacity, 100);
    char *wider = array_reserve(items, &capacity, 101, 1);
    assert_non_null(wider);
    assert_int_equal(capacity, 200);
    free(wider);
}

static void an_array_that_cannot_grow_stays_as_it_is(void **state)
{
    (void)state;
    size_t capacity = 0;
    uint32_t *items = array_reserve(NULL, &capacity, 1, sizeof *items);
    assert_non_null(items);
    items[15] = 7;
    fail_alloc_at(1);
    assert_null(array_reserve(items, &capacity, 17, sizeof *items));
    assert_true(fail_alloc_stop());
    assert_int_equal(capacity, 16);
    assert_int_equal(items[15], 7);
    free(items);
}

/* No allocation is tried: fail_alloc would tell. */
static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    size_t capacity = 0;
    fail_alloc_at(1);
    assert_null(array_reserve(NULL, &capacity, SIZE_MAX / 8 + 1, 8));
    assert_null(array_reserve(NULL, &capacity, SIZE_MAX, 2));
    assert_false(fail_alloc_stop());
    assert_int_equal(capacity, 0);

    char one = 0; /* stands for an array that fills more than half of all addresses */
    capacity = SIZE_MAX / 8 - 1;
    fail_alloc_at(1);
    assert_null(array_reserve(&one, &capacity, SIZE_MAX / 8, 8));
    assert_true(fail_alloc_stop()); /* asked for what just fits, not for a double that wraps */
    assert_true(capacity == SIZE_MAX / 8 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_stay_while_the_array_grows),
        cmocka_unit_test(many_at_once_are_as_many_as_are_needed),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_is),
        cmocka_unit_test(sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
