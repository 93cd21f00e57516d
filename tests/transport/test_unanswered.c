/* tests/transport/test_unanswered.c - counting what has no outcome yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/support/fail_alloc.h"
#include "transport/unanswered.h"

static void bytes_count_until_the_last_of_a_write(void **state)
{
    struct unanswered all = {0};
    (void)state;
    assert_int_equal(unanswered_add(&all, 2, 100), 0);
    assert_int_equal(unanswered_add(&all, 1, 30), 0);
    assert_int_equal(all.operations, 3);
    assert_int_equal(all.bytes, 130);
    unanswered_take(&all);
    assert_int_equal(all.operations, 2);
    assert_int_equal(all.bytes, 130);
    unanswered_take(&all);
    assert_int_equal(all.bytes, 30);
    unanswered_take(&all);
    assert_int_equal(all.operations, 0);
    assert_int_equal(all.bytes, 0);
    unanswered_take(&all); /* one too many is ignored */
    assert_int_equal(all.operations, 0);
    unanswered_free(&all);
}

/* The oldest goes first, also where the ring has wrapped and grown. */
static void in_order_however_many(void **state)
{
    struct unanswered all = {0};
    uint32_t added = 0;
    uint32_t taken = 0;
    size_t bytes = 0;
    (void)state;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 1 + round % 7; i++) {
            added++;
            bytes += added;
            assert_int_equal(unanswered_add(&all, 1, added), 0);
        }
        for (int i = 0; i < round % 5 && taken < added; i++) {
            bytes -= ++taken;
            unanswered_take(&all);
        }
        assert_int_equal(all.bytes, bytes);
        assert_int_equal(all.operations, added - taken);
    }
    assert_true(all.capacity >= 256);
    while (taken < added) {
        bytes -= ++taken;
        unanswered_take(&all);
        assert_int_equal(all.bytes, bytes);
    }
    assert_int_equal(all.capacity, 0); /* a large ring is not kept */
    unanswered_free(&all);
}

static void without_memory(void **state)
{
    struct unanswered all = {0};
    (void)state;
    fail_alloc_at(1);
    assert_int_equal(unanswered_add(&all, 1, 9), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(all.operations, 0);
    assert_int_equal(all.bytes, 0);
    unanswered_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_count_until_the_last_of_a_write),
        cmocka_unit_test(in_order_however_many),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
