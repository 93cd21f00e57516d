/* Tests of cli/value.c: VALUE, @FILE and standard input, up to the limit. */
#include "tests/cli/run_ctl.h"

#include "cli/value.h"

static void assert_value(const char *text, size_t max, int code, const char *wanted)
{
    struct buf value;
    struct err err = {0};
    buf_init(&value, max);
    assert_int_equal(value_read(text, &value, &err), code);
    if (code == 0) {
        assert_true(span_equal(buf_span(&value), span_str(wanted)));
    } else {
        if (strstr(err.text, wanted) == NULL) {
            fail_msg("it said: %s", err.text);
        }
    }
    buf_free(&value);
}

static void a_value_stands_on_the_line(void **state)
{
    (void)state;
    assert_value("abc", 3, 0, "abc");
    assert_value("", 3, 0, "");
    assert_value("a@b", 3, 0, "a@b");
    assert_value("abcd", 3, E_TOO_LARGE, "the value is larger than 3 bytes");
}

static void a_value_lies_in_a_file(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char at[TMP_FOLDER_MAX + 1];
    tmp_folder_path(path, ctl.folder, "file");
    tmp_folder_write(path, "from a file");
    (void)snprintf(at, sizeof at, "@%s", path);
    assert_value(at, 11, 0, "from a file");
    assert_value(at, 10, E_TOO_LARGE, "");
    assert_value("@/nowhere/at/all", 10, E_NOT_FOUND, "/nowhere/at/all");
}

static void a_value_comes_by_standard_input(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "stdin");
    tmp_folder_write(path, "typed");
    for (size_t max = 5; max >= 4; max--) {
        int in = ctl_redirect(STDIN_FILENO, "stdin", O_RDONLY);
        assert_value("-", max, max == 5 ? 0 : E_TOO_LARGE,
                     max == 5 ? "typed" : "standard input is larger than 4 bytes");
        clearerr(stdin);
        (void)fflush(stdin);
        ctl_restore(STDIN_FILENO, in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_value_stands_on_the_line),
        CTL_TEST(a_value_lies_in_a_file),
        CTL_TEST(a_value_comes_by_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
