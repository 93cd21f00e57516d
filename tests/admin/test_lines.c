/* Tests of admin/lines.c: ends, folds, sizes, and reads that fail. */
#include "tests/admin/records.h"

#include "admin/lines.h"

/* All lines as "NUMBER text" joined by '|', those that are too long as "NUMBER !". */
static void expect_lines(const char *text, const char *fold, const char *wanted)
{
    int fd = file_of(text, strlen(text));
    struct admin_lines *lines = malloc(sizeof *lines);
    struct buf out;
    int rc;
    assert_non_null(lines);
    buf_init(&out, 4096);
    admin_lines_open(lines, fd, "the file", fold, 8);
    while ((rc = admin_lines_next(lines, NULL)) == 0) {
        (void)buf_printf(&out, "%llu ", (unsigned long long)lines->line);
        (void)buf_append_span(&out, buf_error(&lines->text) != 0 ? SPAN_LITERAL("!")
                                                                 : buf_span(&lines->text));
        (void)buf_append_span(&out, lines->crlf ? SPAN_LITERAL("^|") : SPAN_LITERAL("|"));
    }
    assert_int_equal(rc, E_NOT_FOUND);
    (void)buf_append_u8(&out, 0);
    assert_string_equal((const char *)out.data, wanted);
    buf_free(&out);
    admin_lines_close(lines);
    free(lines);
    (void)close(fd);
}

static void lines_end_with_lf_or_cr_lf(void **state)
{
    (void)state;
    expect_lines("", "", "");
    expect_lines("a", "", "1 a|");
    expect_lines("a\nb\r\n\nc\rd\n", "", "1 a|2 b^|3 |4 c\rd|");
    expect_lines("\xef\xbb\xbf"
                 "a\n\xef\xbb\xbf",
                 "", "1 a|2 \xef\xbb\xbf|");
}

static void folded_lines_are_joined(void **state)
{
    (void)state;
    expect_lines("a\n b\n\tc\nd", " ", "1 ab|3 \tc|4 d|");
    expect_lines("a\r\n b\r\n\tc\r\nd", " \t", "1 abc^|4 d|");
    expect_lines("\n a\n", " ", "1 |2  a|");
}

static void a_line_has_a_size(void **state)
{
    (void)state;
    expect_lines("12345678\n123456789\n1234\n", "", "1 12345678|2 !|3 1234|");
    expect_lines("1234\n 5678\n1234\n 56789\n 0\nx", " ", "1 12345678|3 !|6 x|");
}

static void lines_may_lie_across_reads(void **state)
{
    (void)state;
    enum { SIZE = 3 * LINES_WINDOW_BYTES };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'x', SIZE);
    text[SIZE - 2] = '\n';
    text[SIZE - 1] = 'y';
    int fd = file_of(text, SIZE);
    struct admin_lines *lines = malloc(sizeof *lines);
    assert_non_null(lines);
    admin_lines_open(lines, fd, "the file", " ", SIZE);
    assert_int_equal(admin_lines_next(lines, NULL), 0);
    assert_int_equal(lines->text.size, SIZE - 2);
    assert_int_equal(admin_lines_next(lines, NULL), 0);
    assert_int_equal(lines->text.size, 1);
    assert_int_equal(admin_lines_next(lines, NULL), E_NOT_FOUND);
    admin_lines_close(lines);
    (void)close(fd);
    struct err err = {0};
    admin_lines_open(lines, fd, "the file", "", SIZE); /* closed by now */
    assert_int_not_equal(admin_lines_next(lines, &err), 0);
    assert_non_null(strstr(err.text, "read 'the file'"));
    admin_lines_close(lines);
    free(lines);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_with_lf_or_cr_lf),
        cmocka_unit_test(folded_lines_are_joined),
        cmocka_unit_test(a_line_has_a_size),
        cmocka_unit_test(lines_may_lie_across_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
