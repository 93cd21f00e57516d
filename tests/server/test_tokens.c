/* "kitbagd token": what the server answers becomes lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/tokens.h"
#include "tests/support/tmp_folder.h"

static void lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(
        tokens_read(SPAN_LITERAL("{\"tokens\":[\"kb1.a\",\"kb1.b\"],\"more\":1}"), &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), SPAN_LITERAL("kb1.a\nkb1.b\n")));
    assert_int_equal(tokens_read(SPAN_LITERAL("{\"tokens\":[]}"), &out, NULL), 0);
    buf_free(&out);
}

static void odd_answers(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "", "[]", "{}", "{\"tokens\":1}", "{\"tokens\":[\"kb1.a\",2]}", "{\"tokens\":[[]]}"};
    struct buf out;
    buf_init(&out, 1000);
    (void)buf_append(&out, "x", 1);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct err err = {0};
        assert_int_equal(tokens_read(span_str(odd[i]), &out, &err), E_MALFORMED);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(out.size, 1);
    }
    buf_free(&out);
}

static void no_server(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    tmp_folder_make(folder);
    struct buf out;
    buf_init(&out, 1000);
    struct err err = {0};
    assert_int_equal(tokens_request(folder, 1, 1000, &out, &err), E_UNREACHABLE);
    assert_non_null(strstr(err.text, folder));
    assert_int_equal(out.size, 0);
    buf_free(&out);
    tmp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(odd_answers),
        cmocka_unit_test(no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
