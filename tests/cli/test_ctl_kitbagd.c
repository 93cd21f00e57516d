/* Tests of cli/ctl_kitbagd.c, with a kitbagd on PATH that says what it was told to. */
#include <sys/stat.h>

#include "cli/ctl_kitbagd.h"
#include "tests/cli/run_ctl.h"

static char path_before[4096];

static int setup(void **state)
{
    const char *path = getenv("PATH");
    (void)snprintf(path_before, sizeof path_before, "%s", path != NULL ? path : "");
    int rc = ctl_setup(state);
    return setenv("PATH", ctl.folder, 1) == 0 ? rc : -1;
}

static int teardown(void **state)
{
    assert_int_equal(setenv("PATH", path_before, 1), 0);
    return ctl_teardown(state);
}

static void make_program(const char *lines)
{
    char path[TMP_FOLDER_MAX];
    char text[4096];
    tmp_folder_path(path, ctl.folder, "kitbagd");
    (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", lines);
    tmp_folder_write(path, text);
    assert_int_equal(chmod(path, 0700), 0);
}

static int ask(json_t **document, struct err *err)
{
    static const char *const words[] = {"kitbagd", "verify", "a b", NULL};
    *document = NULL;
    return ctl_kitbagd(words, document, err);
}

static void its_document_is_read(void **state)
{
    (void)state;
    json_t *document = NULL;
    make_program("echo \"{\\\"count\\\": $#, \\\"last\\\": \\\"$2\\\"}\"");
    assert_int_equal(ask(&document, NULL), 0);
    assert_int_equal(json_integer_value(json_object_get(document, "count")), 2);
    assert_string_equal(json_string_value(json_object_get(document, "last")), "a b");
    json_decref(document);
}

static void its_failure_is_ours(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int code;
        const char *text;
    } rows[] = {
        {"echo 'kitbagd: it is damaged' >&2; exit 1", E_IO, "it is damaged"},
        {"echo 'kitbagd: no backup' >&2; exit 3", E_NOT_FOUND, "no backup"},
        {"echo 'kitbagd: another server' >&2; exit 4", E_EXISTS, "another server"},
        {"echo 'kitbagd: not yours' >&2; exit 5", E_NOT_ALLOWED, "not yours"},
        {"kill -9 $$", E_IO, "kitbagd ended without a word"},
        {"echo nonsense", E_MALFORMED,
         "kitbagd said what can't be read: is it of another version?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *document = NULL;
        struct err err = {0};
        make_program(rows[i].lines);
        assert_int_equal(ask(&document, &err), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        assert_null(document);
    }
}

static void without_it_it_is_told_where(void **state)
{
    (void)state;
    json_t *document = NULL;
    struct err err = {0};
    assert_int_equal(ask(&document, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "on the server's machine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_document_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(its_failure_is_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(without_it_it_is_told_where, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
