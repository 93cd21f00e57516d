/* What was changed comes back as it was, however often it was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/undo.h"
#include "tests/support/fail_alloc.h"

static void all_since_begin_comes_back(void **state)
{
    (void)state;
    struct undo undo = {0};
    char text[] = "first";
    uint64_t number = 1;
    undo_begin(&undo);
    assert_true(undo_keep(&undo, text, sizeof text));
    memcpy(text, "other", sizeof text);
    undo_begin(&undo);
    assert_true(undo_keep(&undo, text, sizeof text));
    memcpy(text, "third", sizeof text);
    assert_true(undo_keep(&undo, &number, sizeof number));
    number = 2;
    assert_true(undo_keep(&undo, text, 1));
    text[0] = '?';
    undo_back(&undo);
    assert_string_equal(text, "other");
    assert_int_equal(number, 1);
    number = 3;
    undo_back(&undo); /* nothing is left to take back */
    assert_int_equal(number, 3);
    undo_free(&undo);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct undo undo = {0};
    uint64_t number = 1;
    fail_alloc_at(1);
    assert_false(undo_keep(&undo, &number, sizeof number));
    assert_true(fail_alloc_stop());
    undo_back(&undo);
    assert_int_equal(number, 1);
    undo_free(&undo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_since_begin_comes_back),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
