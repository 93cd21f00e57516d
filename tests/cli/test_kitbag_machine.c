/* Tests of cli/kitbag_machine.c: joining that can't work, sync, status, verify. */
#include "tests/cli/joined.h"

static void tokens_are_checked(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("join", "nonsense", NULL), 2);
    assert_said("kb1.");
    assert_int_equal(run_kitbag("join", "kb1.AAAA", NULL), 2);
    assert_int_equal(run_kitbag("join", "kb1.AAAA", "--policy", "best", NULL), 2);
    assert_said("server-wins");
    assert_int_equal(run_kitbag("join", "kb1.AAAA", "--policy", "newest", NULL), 2);
    assert_said("damaged");
    assert_int_equal(run_kitbag("join", "kb1.AAAA", "--timeout", "1d", NULL), 2);
}

static void a_machine_alone_says_so(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("sync", "start", NULL), 5);
    assert_said("join");
    assert_int_equal(run_kitbag("sync", "start", "--policy", "merge", NULL), 5);
    assert_int_equal(run_kitbag("sync", "start", "--policy", "best", NULL), 2);
    assert_int_equal(run_kitbag("status", NULL), 0);
    assert_non_null(strstr(ran.out, "alone"));
    assert_int_equal(run_kitbag("sync", "status", "-o", "json", NULL), 0);
    json_t *status = ran_json();
    assert_string_equal(json_string_value(json_object_get(status, "phase")), "alone");
    assert_true(json_is_false(json_object_get(status, "agent")));
    json_decref(status);
}

static void verify_counts_what_it_read(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", NULL), 0);
    assert_int_equal(run_kitbag("verify", NULL), 0);
    assert_non_null(strstr(ran.out, "are whole"));
    assert_null(strstr(ran.out, "compared")); /* there is no server */
}

static void verify_tells_what_was_compared(void **state)
{
    (void)state;
    make_joined();
    assert_int_equal(run_kitbag("verify", NULL), 0);
    assert_non_null(strstr(ran.out, "Not every bag was compared"));
    assert_non_null(strstr(ran.out, "2 times a bag differed and was fetched anew."));
    assert_int_equal(run_kitbag("status", NULL), 0);
    assert_non_null(strstr(ran.out, "signed-in"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(tokens_are_checked),
        KITBAG_TEST(a_machine_alone_says_so),
        KITBAG_TEST(verify_counts_what_it_read),
        KITBAG_TEST(verify_tells_what_was_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
