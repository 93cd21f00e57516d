/* tests/cli/test_command.c - parsing and help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

static const struct option_spec own_options[] = {
    {"limit", 0, "N", "at most N"},
    {NULL, 0, NULL, NULL},
};
static const struct option_spec all_options[] = {
    {"data", 'd', "DIR", "the data folder"},
    {"yes", 'y', NULL, "do not ask"},
    {"tag", 0, "T", "may be repeated"},
    {"wait", 0, "[=TIME]", "wait, for 10s when no time is given"},
    {NULL, 0, NULL, NULL},
};

static struct invocation seen;
static int runs;

static int run_ls(const struct invocation *invocation, struct err *err)
{
    (void)err;
    seen = *invocation;
    runs++;
    return 0;
}

static int run_fail(const struct invocation *invocation, struct err *err)
{
    (void)invocation;
    return err_set(err, E_CONDITION, "it is not so");
}

static const struct command commands[] = {
    {"user ls", "[SEARCH]", "list users", "user ls zo\n", own_options, 0, 1, run_ls},
    {"user rm", "NAME...", "remove users", NULL, NULL, 1, -1, run_ls},
    {"fail", "", "fails", NULL, NULL, 0, 0, run_fail},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};
static const struct program program = {"prog", "A program.", all_options, commands, "More.\n"};

/* Runs with words separated by spaces, standard output and error to `out`. */
static int run_words(const char *line, char *out, size_t size)
{
    static char copy[256]; /* `seen` points into it afterwards */
    char *argv[32] = {(char *)"prog"};
    int argc = 1;
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *save = NULL, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        argv[argc++] = word;
    }
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)fflush(NULL);
    int saved[2] = {dup(1), dup(2)};
    assert_true(dup2(fds[1], 1) == 1 && dup2(fds[1], 2) == 2);
    runs = 0;
    int code = command_main(&program, argc, argv);
    (void)fflush(NULL);
    assert_true(dup2(saved[0], 1) == 1 && dup2(saved[1], 2) == 2);
    (void)close(saved[0]);
    (void)close(saved[1]);
    (void)close(fds[1]);
    ssize_t got = read(fds[0], out, size - 1); /* less than a pipe holds */
    (void)close(fds[0]);
    out[got > 0 ? got : 0] = '\0';
    return code;
}

static void options_stand_before_or_after(void **state)
{
    (void)state;
    char out[8192];
    const char *lines[] = {"--data x user ls zo --limit 3", "user ls --limit=3 -d x zo",
                           "user --limit 3 ls zo --data x"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run_words(lines[i], out, sizeof out), 0);
        assert_int_equal(runs, 1);
        assert_int_equal(seen.arg_count, 1);
        assert_string_equal(invocation_option(&seen, "data"), "x");
        assert_string_equal(invocation_option(&seen, "limit"), "3");
        assert_null(invocation_option(&seen, "yes"));
    }
    assert_int_equal(run_words("user rm -- --data", out, sizeof out), 0);
    assert_int_equal(seen.arg_count, 1);
    assert_false(invocation_has(&seen, "data"));
}

static void repeated_options(void **state)
{
    (void)state;
    char out[8192];
    assert_int_equal(run_words("user ls --tag a --tag b", out, sizeof out), 0);
    assert_string_equal(invocation_option_at(&seen, "tag", 0), "a");
    assert_string_equal(invocation_option_at(&seen, "tag", 1), "b");
    assert_null(invocation_option_at(&seen, "tag", 2));
    assert_string_equal(invocation_option(&seen, "tag"), "b");
    assert_int_equal(run_words("user ls --wait zo", out, sizeof out), 0);
    assert_int_equal(seen.arg_count, 1);
    assert_string_equal(invocation_option(&seen, "wait"), "");
    assert_int_equal(run_words("user ls --wait=3s zo", out, sizeof out), 0);
    assert_string_equal(invocation_option(&seen, "wait"), "3s");
}

static void wrong_use_exits_2_and_says_why(void **state)
{
    (void)state;
    char out[8192];
    const char *cases[][2] = {
        {"nothing", "no command 'nothing'"},  {"user", "takes one of: ls, rm"},
        {"user go", "takes one of: ls, rm"},  {"user ls a b", "usage: prog user ls [SEARCH]"},
        {"user rm", "usage: prog user rm"},   {"user rm x --limit 3", "has no option --limit"},
        {"user ls --no", "no option '--no'"}, {"user ls --limit", "--limit needs a value"},
        {"completion", "bash, zsh or fish"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run_words(cases[i][0], out, sizeof out), 2);
        assert_int_equal(runs, 0);
        if (strstr(out, cases[i][1]) == NULL) {
            fail_msg("'%s' said: %s", cases[i][0], out);
        }
    }
    assert_int_equal(run_words("", out, sizeof out), 2);
    assert_non_null(strstr(out, "Usage: prog"));
}

static void failures_exit_with_their_code(void **state)
{
    (void)state;
    char out[8192];
    assert_int_equal(run_words("fail", out, sizeof out), 4);
    assert_string_equal(out, "prog: it is not so\n");
}

static void help_tells_options_and_examples(void **state)
{
    (void)state;
    char out[8192];
    assert_int_equal(run_words("user ls --help", out, sizeof out), 0);
    assert_int_equal(runs, 0);
    assert_non_null(strstr(out, "--limit N"));
    assert_non_null(strstr(out, "prog user ls zo"));
    assert_int_equal(run_words("--help", out, sizeof out), 0);
    assert_non_null(strstr(out, "user rm"));
    assert_non_null(strstr(out, "More.\n"));
    assert_int_equal(run_words("--version", out, sizeof out), 0);
    assert_non_null(strstr(out, "prog "));
}

static void asks_only_a_terminal(void **state)
{
    (void)state;
    struct err err = {0};
    struct invocation inv = {.program = &program};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int saved = dup(0);
    assert_true(dup2(null, 0) == 0);
    assert_false(command_confirm(&inv, "sure?", &err));
    assert_int_equal(err.code, E_USAGE);
    assert_true(dup2(saved, 0) == 0);
    (void)close(saved);
    (void)close(null);
    inv.given[0].option = &all_options[1];
    inv.given[0].value = "";
    inv.given_count = 1;
    assert_true(command_confirm(&inv, "sure?", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_or_after),
        cmocka_unit_test(repeated_options),
        cmocka_unit_test(wrong_use_exits_2_and_says_why),
        cmocka_unit_test(failures_exit_with_their_code),
        cmocka_unit_test(help_tells_options_and_examples),
        cmocka_unit_test(asks_only_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
