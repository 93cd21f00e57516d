/* Tests of cli/kitbag_program.c: the table itself. */
#include "tests/cli/run_kitbag.h"

/* Every command explains itself, and none that is not built is shown. */
static void every_command_has_help(void **state)
{
    (void)state;
    for (const struct command *c = kitbag_program.commands; c->words != NULL; c++) {
        char first[32];
        const char *second = strchr(c->words, ' ');
        (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(c->words, " "), c->words);
        assert_int_equal(run_kitbag(first, "--help", second != NULL ? second + 1 : NULL, NULL), 0);
        assert_non_null(strstr(ran.out, "Usage: kitbag "));
        assert_true(strlen(c->help) > 10);
    }
    assert_int_equal(run_kitbag("--help", NULL), 0);
    assert_non_null(strstr(ran.out, "import"));
    assert_non_null(strstr(ran.out, "explain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {KITBAG_TEST(every_command_has_help)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
