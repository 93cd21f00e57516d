/* Tests of cli/completion.c, in the shells themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/completion.h"
#include "tests/support/tmp_folder.h"

static int run(const struct invocation *invocation, struct err *err)
{
    (void)invocation;
    (void)err;
    return 0;
}

static const struct option_spec ls_options[] = {{"lines", 0, "N", "it's N"}, {NULL, 0, NULL, NULL}};
static const struct option_spec all_options[] = {{"data", 'd', "DIR", "the data folder"},
                                                 {"yes", 'y', NULL, "do not ask"},
                                                 {NULL, 0, NULL, NULL}};
static const struct command commands[] = {
    {"user ls", "[SEARCH]", "list", NULL, ls_options, 0, 1, run},
    {"user rm", "NAME...", "remove", NULL, NULL, 1, -1, run},
    {"device token ls", "", "list", NULL, NULL, 0, 0, run},
    {"device token rm", "ID...", "remove", NULL, NULL, 1, -1, run},
    {"device token", "", "make", NULL, ls_options, 0, 0, run},
    {"fail", "", "fail", NULL, NULL, 0, 0, run},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};
static const struct program program = {"prog", "A program.", all_options, commands, NULL};

static char folder[TMP_FOLDER_MAX];

static void write_script(const char *shell, char path[TMP_FOLDER_MAX])
{
    tmp_folder_path(path, folder, shell);
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_non_null(freopen(path, "w", stdout));
    assert_int_equal(completion_print(&program, shell, NULL), 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
}

/* What is offered in bash for the last of `words`, which stand in an array of its language. */
static void expect(const char *words, int last, const char *wanted)
{
    /* `prog` answers as a list of users would, with names that a shell could stumble over */
    static const char prog[] =
        "prog() { printf '%s\\n' \"$*\" >> asked; printf '%s\\n' '{\"name\":\"zoe\"}' "
        "'{\"name\":\"$(touch hit)\",\"id\":1}' '{\"name\":\"z \\\\\"b\"}'; }\n";
    char path[TMP_FOLDER_MAX];
    char text[4096];
    char got[512];
    write_script("bash", path);
    (void)snprintf(text, sizeof text,
                   "%s. ./bash\nCOMP_WORDS=(%s); COMP_CWORD=%d\n"
                   "_prog prog \"${COMP_WORDS[%d]}\"; printf '%%s|' \"${COMPREPLY[@]}\"\n",
                   prog, words, last, last);
    tmp_folder_path(path, folder, "try");
    tmp_folder_write(path, text);
    (void)snprintf(text, sizeof text, "cd '%s' && bash try", folder);
    FILE *bash = popen(text, "re"); /* NOLINT(cert-env33-c): our own words */
    assert_non_null(bash);
    got[fread(got, 1, sizeof got - 1, bash)] = '\0';
    assert_int_equal(pclose(bash), 0);
    assert_string_equal(got, wanted);
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static void words_follow_each_other(void **state)
{
    (void)state;
    expect("prog ''", 1, "user|device|fail|completion|");
    expect("prog u", 1, "user|");
    expect("prog user ''", 2, "ls|rm|");
    expect("prog device ''", 2, "token|");
    expect("prog device token ''", 3, "ls|rm|");
    expect("prog fail ''", 2, "|");
}

static void options_and_their_values_are_passed_over(void **state)
{
    (void)state;
    expect("prog --data x user r", 4, "rm|");
    expect("prog -d x u", 3, "user|");
    expect("prog --yes u", 2, "user|");
    expect("prog user ls --l", 3, "--lines|");
    expect("prog device token ls --l", 4, "|");
    expect("prog --da", 1, "--data|");
}

static void names_are_offered_and_never_run(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char asked[256];
    expect("prog --data 'a b' user rm ''", 5, "zoe|\\$\\(touch\\ hit\\)|");
    expect("prog user rm z", 3, "zoe|");
    expect("prog user rm zoe z", 4, "zoe|");
    tmp_folder_path(path, folder, "hit");
    assert_int_not_equal(access(path, F_OK), 0);
    tmp_folder_path(path, folder, "asked");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(asked, sizeof asked, file));
    (void)fclose(file);
    assert_string_equal(asked, "--data a b user ls --lines 50 -o ndjson -- \n");
}

static void every_shell_can_read_its_script(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    struct err err = {0};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        char path[TMP_FOLDER_MAX];
        char command[2 * TMP_FOLDER_MAX];
        write_script(shells[i], path);
        (void)snprintf(command, sizeof command,
                       "if command -v %s >/dev/null; then exec %s -n '%s'; fi", shells[i],
                       shells[i], path);
        assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own words */
    }
    assert_int_equal(completion_print(&program, "tcsh", &err), E_USAGE);
    assert_string_equal(err.text, "completion is for bash, zsh or fish: 'prog completion bash'");
    assert_int_equal(completion_print(&program, NULL, NULL), E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(options_and_their_values_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_offered_and_never_run, setup, teardown),
        cmocka_unit_test_setup_teardown(every_shell_can_read_its_script, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
