/* Tests of cli/kitbag_people.c: login, logout, users, on a machine that stands alone. */
#include "tests/cli/run_kitbag.h"

static void users_come_and_go(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("users", "-o", "json", NULL), 0);
    assert_string_equal(ran.out, "[]\n");
    assert_int_equal(run_kitbag("login", "Zoë Ash", NULL), 0);
    assert_int_equal(run_kitbag("login", "ZOË ASH", NULL), 0); /* the same person */
    assert_int_equal(run_kitbag("login", "bo", NULL), 0);
    assert_int_equal(run_kitbag("users", "-o", "json", NULL), 0);
    json_t *rows = ran_json();
    assert_int_equal(json_array_size(rows), 2);
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(rows, i), "name"));
        found = found || strcmp(name, "Zoë Ash") == 0;
    }
    assert_true(found);
    json_decref(rows);
    assert_int_equal(run_kitbag("logout", "nobody", NULL), 3);
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"", "a/b", "a:b", "a／b", "\xff", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run_kitbag("login", bad[i], NULL), 2);
        assert_true(strlen(ran.err) > 20);
    }
    assert_int_equal(run_kitbag("login", "zoe", "--timeout", "x", NULL), 2);
    assert_int_equal(run_kitbag("login", "zoe", "--timeout", "2h", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(users_come_and_go),
        KITBAG_TEST(bad_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
