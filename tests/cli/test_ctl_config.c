/* Tests of cli/ctl_config.c, with a kitbagd on PATH that says what it was told to. */
#include <sys/stat.h>

#include "tests/cli/run_ctl.h"

#define TWO                                                                                        \
    "{\"settings\":[{\"key\":\"server.data\",\"value\":\"/d\",\"origin\":\"--data\"},"             \
    "{\"key\":\"server.log_level\",\"value\":\"info\",\"origin\":\"default\"}]}"

static char path_before[4096];

static int setup(void **state)
{
    const char *path = getenv("PATH");
    (void)snprintf(path_before, sizeof path_before, "%s", path != NULL ? path : "");
    return ctl_setup(state);
}

static int teardown(void **state)
{
    assert_int_equal(setenv("PATH", path_before, 1), 0);
    return ctl_teardown(state);
}

/* It keeps its words in a file, then runs `lines`. */
static void make_program(const char *lines)
{
    char path[TMP_FOLDER_MAX];
    char text[4096];
    tmp_folder_path(path, ctl.folder, "kitbagd");
    (void)snprintf(text, sizeof text, "#!/bin/sh\necho \"$@\" > '%s/asked'\n%s\n", ctl.folder,
                   lines);
    tmp_folder_write(path, text);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(setenv("PATH", ctl.folder, 1), 0);
}

static void settings_are_shown_with_their_origins(void **state)
{
    (void)state;
    char words[CTL_TEXT_MAX];
    make_program("echo '" TWO "'");
    assert_int_equal(run_ctl("config", "show", "--config", "my file", NULL), 0);
    assert_printed("KEY               VALUE\nserver.data       /d\nserver.log_level  info\n");
    ctl_read("asked", words);
    char wanted[2 * TMP_FOLDER_MAX];
    (void)snprintf(wanted, sizeof wanted,
                   "--show-config --output json --data %s --config my file\n", ctl.data);
    assert_string_equal(words, wanted);
    assert_int_equal(run_ctl("config", "show", "--origin", NULL), 0);
    assert_printed("KEY               VALUE  ORIGIN\nserver.data       /d     --data\n"
                   "server.log_level  info   default\n");
    assert_int_equal(run_ctl("config", "show", "-o", "ndjson", NULL), 0);
    assert_printed("{\"key\":\"server.data\",\"value\":\"/d\",\"origin\":\"--data\"}\n"
                   "{\"key\":\"server.log_level\",\"value\":\"info\",\"origin\":\"default\"}\n");
}

static void a_check_says_yes(void **state)
{
    (void)state;
    make_program("echo '" TWO "'");
    assert_int_equal(run_ctl("config", "check", NULL), 0);
    assert_printed("Valid:       yes\nSettings:    2\nNot default: 1\n");
}

static void what_is_wrong_is_told_with_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int code;
        const char *text;
    } rows[] = {
        {"echo 'kitbagd: x.conf:2: bad' >&2; echo more >&2; exit 2", 2, "kitbagctl: x.conf:2: bad"},
        {"echo 'kitbagd: no such file' >&2; exit 3", 3, "kitbagctl: no such file"},
        {"echo 'kitbagd: not yours' >&2; exit 5", 5, "kitbagctl: not yours"},
        {"exit 1", 1, "kitbagctl: kitbagd ended without a word"},
        {"kill -9 $$", 1, "kitbagctl: kitbagd ended without a word"},
        {"echo nonsense", 1, "another version"},
        {"echo '{}'", 1, "another version"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_program(rows[i].lines);
        assert_int_equal(run_ctl("config", "check", NULL), rows[i].code);
        assert_said(rows[i].text);
        assert_string_equal(ctl.out, "");
    }
}

static void without_the_servers_program_it_is_told_where(void **state)
{
    (void)state;
    assert_int_equal(setenv("PATH", ctl.folder, 1), 0);
    assert_int_equal(run_ctl("config", "show", NULL), 3);
    assert_said("on the server's machine");
    assert_int_equal(run_ctl_bare("config", "show", "--server", "https://a", NULL), 2);
    assert_said("without --server");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_are_shown_with_their_origins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_says_yes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told_with_its_code, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_servers_program_it_is_told_where, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
