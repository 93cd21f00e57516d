/* tests/journal/test_lineage.c - the histories before the present one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "journal/lineage.h"

static void make(uint8_t out[HISTORY_SIZE], unsigned number)
{
    memset(out, 0, HISTORY_SIZE);
    out[3] = (uint8_t)number;
}

static void ancestors_are_found(void **state)
{
    (void)state;
    struct lineage lineage = {0};
    uint8_t history[HISTORY_SIZE];
    make(history, 1);
    assert_null(lineage_find(&lineage, history));
    lineage_add(&lineage, history, 70);
    make(history, 2);
    assert_null(lineage_find(&lineage, history));
    lineage_add(&lineage, history, 90);
    assert_int_equal(lineage_find(&lineage, history)->last_seq, 90);
    make(history, 1);
    assert_int_equal(lineage_find(&lineage, history)->last_seq, 70);
}

/* At the limit the oldest goes. */
static void of_many_the_newest_stay(void **state)
{
    (void)state;
    struct lineage lineage = {0};
    uint8_t history[HISTORY_SIZE];
    for (unsigned i = 1; i <= LINEAGE_MAX + 1; i++) {
        assert_int_equal(lineage.count, i - 1 < LINEAGE_MAX ? i - 1 : LINEAGE_MAX);
        make(history, i);
        lineage_add(&lineage, history, 10 * i);
    }
    assert_int_equal(lineage.count, LINEAGE_MAX);
    make(history, 1);
    assert_null(lineage_find(&lineage, history));
    for (unsigned i = 2; i <= LINEAGE_MAX + 1; i++) {
        make(history, i);
        assert_int_equal(lineage_find(&lineage, history)->last_seq, 10 * i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ancestors_are_found),
        cmocka_unit_test(of_many_the_newest_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
