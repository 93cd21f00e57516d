/* Tests of cli/ctl_program.c: what kitbagctl offers, and how it says so. */
#include "tests/cli/run_ctl.h"

static void every_verb_has_help(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("--help", NULL), 0);
    for (const struct command *c = ctl_program.commands; c->words != NULL; c++) {
        char words[64];
        char line[128];
        (void)snprintf(line, sizeof line, "\n  %-20s %s\n", c->words, c->help);
        assert_int_equal(run_ctl("--help", NULL), 0);
        assert_printed(line);
        (void)snprintf(words, sizeof words, "%s", c->words);
        char *second = strchr(words, ' ');
        if (second != NULL) {
            *second++ = '\0';
        }
        assert_int_equal(run_ctl(words, second != NULL ? second : "--help", "--help", NULL), 0);
        assert_printed(c->help);
        assert_printed("--data DIR");
        assert_printed("--dry-run");
        assert_printed("--yes");
        assert_printed("--output FORMAT");
    }
}

static void the_server_by_https_is_not_offered_yet(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("--help", NULL), 0);
    assert_null(strstr(ctl.out, "--server"));
    assert_int_equal(run_ctl("--server", "https://x", "status", NULL), 2);
    assert_int_equal(run_ctl("sync", "start", NULL), 2);
    assert_said("there is no command 'sync'");
}

static void bad_usage_exits_with_2(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("user", NULL), 2);
    assert_said("'kitbagctl user' takes one of: ls, show, history, diff, set, unset, restore, rm");
    assert_int_equal(run_ctl("user", "show", NULL), 2);
    assert_said("usage: kitbagctl user show NAME");
    assert_int_equal(run_ctl("user", "rm", NULL), 2);
    assert_int_equal(run_ctl("status", "more", NULL), 2);
    assert_int_equal(run_ctl("status", "-o", "xml", NULL), 2);
    assert_said("-o takes table, json or ndjson, not 'xml'");
    assert_int_equal(run_ctl("status", "--colleagues", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(every_verb_has_help),
        CTL_TEST(the_server_by_https_is_not_offered_yet),
        CTL_TEST(bad_usage_exits_with_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
