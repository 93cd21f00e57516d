/* Tests of cli/kitbag_outbox.c. */
#include "tests/cli/run_kitbag.h"

static void what_waits_is_listed(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "copy/default", "12345", NULL), 0);
    assert_int_equal(run_kitbag("outbox", "ls", "-o", "json", NULL), 0);
    json_t *rows = ran_json();
    size_t last = json_array_size(rows) - 1;
    json_t *row = json_array_get(rows, last);
    assert_string_equal(json_string_value(json_object_get(row, "bag")), "user:zoe");
    assert_string_equal(json_string_value(json_object_get(row, "item")), "copy/default");
    assert_int_equal(json_integer_value(json_object_get(row, "items")), 1);
    char op[32];
    (void)snprintf(op, sizeof op, "%s", json_string_value(json_object_get(row, "op")));
    json_decref(rows);
    assert_int_equal(run_kitbag("outbox", "refused", "-o", "json", NULL), 0);
    assert_string_equal(ran.out, "[]\n");
    assert_int_equal(run_kitbag("outbox", "drop", op, NULL), 2); /* it asks first */
    assert_said("--yes");
    assert_int_equal(run_kitbag("outbox", "drop", op, "--yes", NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "copy/default", NULL), 3);
}

static void operations_are_numbers(void **state)
{
    (void)state;
    const char *bad[] = {"x", "0", "-1", "", "12a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run_kitbag("outbox", "retry", "--", bad[i], NULL), 2);
    }
    assert_int_equal(run_kitbag("outbox", "retry", "77", NULL), 3);
    assert_said("77");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(what_waits_is_listed),
        KITBAG_TEST(operations_are_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
