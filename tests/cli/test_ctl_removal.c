/* Tests of cli/ctl_removal.c: what is named is shown, asked for, removed. */
#include "tests/cli/run_ctl.h"

#define REPORT(dry, count, missing)                                                                \
    "{\"dry_run\":" dry ",\"accounts\":" count ",\"seq\":null,\"missing\":[" missing "]}"

static void a_removal_asks_first(void **state)
{
    (void)state;
    ctl_answers(REPORT("true", "2", ""), NULL);
    assert_int_equal(run_ctl("account", "rm", "ann", "bob", NULL), 2);
    assert_said("this asks before it acts");
    assert_asked("{\"names\":[\"ann\",\"bob\"],\"dry_run\":true}");
    assert_null(strstr(canned_http_requests(ctl.server), "\"dry_run\":false"));
}

static void a_removal_tells_what_was_removed(void **state)
{
    (void)state;
    ctl_answers(REPORT("false", "2", ""), REPORT("true", "1", ""), REPORT("false", "1", "\"x\""),
                "404 {\"code\":\"not_found\",\"detail\":\"there is no account of this name\"}",
                NULL);
    assert_int_equal(run_ctl("account", "rm", "ann", "bob", "--yes", NULL), 0);
    assert_string_equal(ctl.out, "Removed: 2\n");
    assert_int_equal(run_ctl("account", "rm", "ann", "--dry-run", NULL), 0);
    assert_string_equal(ctl.out, "Dry run: yes\nRemoved: 1\n");
    assert_int_equal(run_ctl("account", "rm", "ann", "x", "--yes", NULL), 7);
    assert_said("there is no account 'x'");
    assert_said("1 of 2 was left out");
    assert_int_equal(run_ctl("account", "rm", "x", "--yes", NULL), 3);
    assert_asked("POST /api/v1/accounts/delete HTTP");
}

static void a_name_has_to_be_text(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("account", "rm", "\xff", "--yes", NULL), 2);
    assert_said("is not UTF-8 text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_removal_asks_first),
        CTL_TEST(a_removal_tells_what_was_removed),
        CTL_TEST(a_name_has_to_be_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
