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
        char *third = second != NULL ? strchr(second + 1, ' ') : NULL;
        if (second != NULL) {
            *second++ = '\0';
        }
        if (third != NULL) {
            *third++ = '\0';
        }
        assert_int_equal(run_ctl(words, second != NULL ? second : "--help",
                                 third != NULL ? third : "--help", "--help", NULL),
                         0);
        assert_printed(c->help);
        assert_printed("--server URL");
        assert_printed("--data DIR");
        assert_printed("--dry-run");
        assert_printed("--yes");
        assert_printed("--output FORMAT");
    }
}

static void one_server_is_named(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("--server", "https://x", "status", NULL), 2);
    assert_said("--data is for the server on this machine, --server for one by HTTPS");
    assert_int_equal(run_ctl_bare("--server", "http://x", "status", NULL), 2);
    assert_said("a server looks like https://HOST:8444");
}

static void longer_verbs_are_found_first(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("device", "token", "ls", "--help", NULL), 0);
    assert_printed("list join tokens");
    assert_int_equal(run_ctl("device", "token", "--help", NULL), 0);
    assert_printed("make join tokens");
}

static void bad_usage_exits_with_2(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("user", NULL), 2);
    assert_said(
        "'kitbagctl user' takes one of: ls, show, history, diff, explain, set, unset, restore, rm");
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
        CTL_TEST(one_server_is_named),
        CTL_TEST(longer_verbs_are_found_first),
        CTL_TEST(bad_usage_exits_with_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
