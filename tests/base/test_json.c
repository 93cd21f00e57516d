/* tests/base/test_json.c - what is JSON, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static void what_is_json(void **state)
{
    (void)state;
    static const char *const good[] = {"null",
                                       "true",
                                       "false",
                                       "0",
                                       "-0",
                                       "12",
                                       "-1.5",
                                       "1e9",
                                       "1E+9",
                                       "0.5e-3",
                                       "\"\"",
                                       "\"a\"",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                       "\"\\u00e9\\uD83D\\ude00\\u0000\"",
                                       "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"",
                                       "[]",
                                       "{}",
                                       " [ ] ",
                                       "\t{\r\n}\n",
                                       "[1]",
                                       "[1,2 , 3]",
                                       "[[],[[]],{}]",
                                       "{\"a\":1}",
                                       "{ \"a\" : [ { } ] , \"\" : null }",
                                       "{\"a\":1,\"a\":2}",
                                       "[{\"a\":[1,{\"b\":[]}]},2]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!json_is_valid(span_str(good[i]))) {
            fail_msg("refused: %s", good[i]);
        }
        /* And nothing less of it, but where a number or a blank goes. */
        size_t size = strlen(good[i]);
        for (size_t cut = 0; cut < size; cut++) {
            bool whole = json_is_valid(span_of(good[i], cut));
            bool may = strchr(" \t\r\n0123456789", good[i][cut]) != NULL ||
                       strchr(".eE", good[i][cut]) != NULL;
            assert_true(!whole || may);
        }
    }
}

static void what_is_not(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1 2",
                                      "NaN",
                                      "Infinity",
                                      "'a'",
                                      "\"",
                                      "\"a",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"a\nb\"",
                                      "\"\xc3\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xff\"",
                                      "\xef\xbb\xbf{}",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[}",
                                      "{",
                                      "}",
                                      "{]",
                                      "{1:2}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "[]]",
                                      "{}}",
                                      "[],",
                                      "// x\n1",
                                      "{a:1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (json_is_valid(span_str(bad[i]))) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_false(json_is_valid(SPAN_LITERAL("1\0")));
    assert_false(json_is_valid(SPAN_LITERAL("\"\0\"")));
    assert_false(json_is_valid(SPAN_LITERAL("\"\\\0\"")));
}

/* `depth` containers in each other; the text they make. */
static struct span nested(char *out, size_t depth, char open, const char *inner, char close)
{
    size_t size = 0;
    for (size_t i = 0; i < depth; i++) {
        size += (size_t)snprintf(out + size, 16, "%c%s", open, i + 1 < depth ? inner : "");
    }
    for (size_t i = 0; i < depth; i++) {
        out[size++] = close;
    }
    return span_of(out, size);
}

static void as_deep_as_it_may_be(void **state)
{
    (void)state;
    char text[2048];
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        bool may = depth <= JSON_DEPTH_MAX;
        assert_true(json_is_valid(nested(text, depth, '[', "", ']')) == may);
        assert_true(json_is_valid(nested(text, depth, '{', "\"a\":", '}')) == may);
        assert_true(json_is_valid(nested(text, depth, '[', "1,", ']')) == may);
    }
}

static void what_is_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xff", "a\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe5\xb1"};
    assert_true(json_is_utf8(span_str("")));
    assert_true(json_is_utf8(span_str("a\n\x7f \xc3\xa9 \xe5\xb1\xa5 \xf0\x9f\x98\x80")));
    assert_true(json_is_utf8(SPAN_LITERAL("a\0b")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(json_is_utf8(span_str(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(as_deep_as_it_may_be),
        cmocka_unit_test(what_is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
