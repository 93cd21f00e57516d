/* tests/transport/test_text.c - text that peers send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "transport/text.h"

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\n\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc2",
        "\xc2x",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf0\x90\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "ok\xc3",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_is_utf8(span_str(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_is_utf8(span_str(bad[i])));
        assert_false(text_is_printable(span_str(bad[i])));
    }
    assert_true(text_is_utf8((struct span){NULL, 0}));
}

static void test_printable(void **state)
{
    (void)state;
    assert_true(text_is_printable(span_str("Drucker \xc3\xa9 \xc2\xa0")));
    assert_false(text_is_printable(span_str("a\nb")));
    assert_false(text_is_printable(span_str("\x1f")));
    assert_false(text_is_printable(span_str("\x7f")));
    assert_false(text_is_printable(span_str("\xc2\x85")));
    assert_false(text_is_printable(span_of("a\0b", 3)));
}

static void assert_clean(const char *text, size_t max, const char *expected)
{
    char out[16];
    struct span clean = text_clean(text, out, max);
    assert_true(span_equal(clean, span_str(expected)));
    assert_true(text_is_utf8(clean));
}

static void test_clean(void **state)
{
    (void)state;
    assert_clean(NULL, 16, "");
    assert_clean("", 0, "");
    assert_clean("abc", 3, "abc");
    assert_clean("abcd", 3, "abc");
    assert_clean("ab\xc3\xa9", 3, "ab");
    assert_clean("ab\xc3\xa9", 4, "ab\xc3\xa9");
    assert_clean("a\xc3", 16, "a?");
    assert_clean("\xff\xff", 1, "?");
    assert_clean("\xed\xa0\x80", 16, "???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
