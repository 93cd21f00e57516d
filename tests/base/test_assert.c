/* Tests of base/assert.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "tests/support/died.h"

static void hold(void *context)
{
    int *value = context;
    ASSERT(*value == 7);
}

static void asserts_stay_on_and_abort(void **state)
{
    (void)state;
    int value = 7;
    assert_false(died(hold, &value));
    value = 8;
    assert_true(died(hold, &value));
}

static void an_assert_evaluates_once(void **state)
{
    (void)state;
    int count = 0;
    ASSERT(++count == 1);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asserts_stay_on_and_abort),
        cmocka_unit_test(an_assert_evaluates_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
