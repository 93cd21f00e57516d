/* Tests of base/name.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

/* U+FDFA, three bytes that fold to 33. */
#define LIGATURE "\xef\xb7\xba"
enum { LIGATURE_SIZE = 3, LIGATURE_FOLDED_SIZE = 33 };

static void expect_folded(const char *shown, const char *expected)
{
    char folded[NAME_MAX_BYTES + 1] = "before";
    struct err err = {0};
    assert_int_equal(name_fold(span_str(shown), folded, &err), 0);
    assert_string_equal(folded, expected);
    assert_int_equal(err.code, 0);
    /* What is folded stays as it is, else one name could be kept under two keys. */
    char again[NAME_MAX_BYTES + 1];
    assert_int_equal(name_fold(span_str(folded), again, &err), 0);
    assert_string_equal(again, folded);
}

static void expect_refused(struct span shown, const char *words)
{
    char folded[NAME_MAX_BYTES + 1] = "before";
    struct err err = {0};
    assert_int_equal(name_fold(shown, folded, &err), E_NAME);
    assert_int_equal(err.code, E_NAME);
    assert_string_equal(folded, "before");
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
    assert_int_equal(name_fold(shown, folded, NULL), E_NAME);
}

static void case_width_and_composition_make_no_difference(void **state)
{
    (void)state;
    expect_folded("alice", "alice");
    expect_folded("ALiCe", "alice");
    expect_folded("\xef\xbc\xa1lice", "alice"); /* full-width A */
    expect_folded("\xe2\x84\xaa", "k");         /* Kelvin sign */
    expect_folded("Stra\xc3\x9f"
                  "e",
                  "strasse");
    expect_folded("o\xef\xac\x83"
                  "ce",
                  "office");                                   /* ligature ffi */
    expect_folded("Rene\xcc\x81", "ren\xc3\xa9");              /* decomposed */
    expect_folded("REN\xc3\x89", "ren\xc3\xa9");               /* composed */
    expect_folded("\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83");     /* capital and final sigma */
    expect_folded("\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac"); /* half-width ka + voice mark */
    expect_folded("a\xc2\xad\xe2\x80\x8b"
                  "b",
                  "ab"); /* soft hyphen, zero-width space: nobody sees them */
    expect_folded("\xee\x80\x80", "\xee\x80\x80"); /* private use is somebody's gaiji */
    expect_folded("de la Cruz, J. (2) @x-y_z\\", "de la cruz, j. (2) @x-y_z\\");
    expect_folded("a\xc2\xa0"
                  "b",
                  "a b");
}

static void different_names_stay_different(void **state)
{
    (void)state;
    expect_folded("rene", "rene");
    expect_folded("\xd0\xb0lice", "\xd0\xb0lice"); /* Cyrillic a: another letter */
    expect_folded("a  b", "a  b");
}

static void separators_are_refused_in_every_width(void **state)
{
    (void)state;
    expect_refused(SPAN_LITERAL("a/b"), "contains '/'");
    expect_refused(SPAN_LITERAL("/"), "contains '/'");
    expect_refused(SPAN_LITERAL("a:b"), "contains ':'");
    expect_refused(SPAN_LITERAL("a\xef\xbc\x8f"
                                "b"),
                   "contains '/'"); /* full-width */
    expect_refused(SPAN_LITERAL("a\xef\xbc\x9a"
                                "b"),
                   "contains ':'");
    expect_refused(SPAN_LITERAL("\xe2\x84\x80"), "contains '/'"); /* account of: a/c */
    expect_refused(SPAN_LITERAL("\xe2\xa9\xb4"), "contains ':'"); /* ::= in one character */
}

static void emptiness_is_checked_before_and_after_folding(void **state)
{
    (void)state;
    expect_refused(span_of(NULL, 0), "the name is empty");
    expect_refused(SPAN_LITERAL("\xe2\x80\x8d"), "is empty"); /* a joiner and nothing to join */
    expect_refused(SPAN_LITERAL("\xc2\xad\xc2\xad"), "is empty");
}

static void spaces_at_the_ends_are_refused(void **state)
{
    (void)state;
    expect_refused(SPAN_LITERAL(" "), "a space");
    expect_refused(SPAN_LITERAL(" a"), "a space");
    expect_refused(SPAN_LITERAL("a "), "a space");
    expect_refused(SPAN_LITERAL("a\xe3\x80\x80"), "a space"); /* ideographic */
    expect_refused(SPAN_LITERAL("\xc2\xa0"
                                "a"),
                   "a space");
    expect_refused(SPAN_LITERAL("\xc2\xb4"
                                "a"),
                   "a space"); /* an acute alone folds to a space with an accent */
    expect_refused(SPAN_LITERAL("a \xc2\xad"), "a space"); /* seen only when folded */
}

static void characters_that_steer_are_refused(void **state)
{
    (void)state;
    expect_refused(SPAN_LITERAL("a\0b"), "a control character");
    expect_refused(SPAN_LITERAL("a\nb"), "a control character");
    expect_refused(SPAN_LITERAL("a\x7f"), "a control character");
    expect_refused(SPAN_LITERAL("a\xc2\x9b"), "a control character");
    expect_refused(SPAN_LITERAL("a\xe2\x80\xa8"
                                "b"),
                   "a control character");    /* line separator */
    for (unsigned c = 0xaa; c <= 0xae; c++) { /* U+202A to U+202E */
        char text[] = "a\xe2\x80\xaa"
                      "b";
        text[3] = (char)c;
        expect_refused(span_str(text), "direction of writing");
    }
    for (unsigned c = 0xa6; c <= 0xa9; c++) { /* U+2066 to U+2069 */
        char text[] = "a\xe2\x81\xa6"
                      "b";
        text[3] = (char)c;
        expect_refused(span_str(text), "direction of writing");
    }
    expect_folded("a\xe2\x80\x8e"
                  "b",
                  "ab"); /* a mark, U+200E, overrides nothing */
}

static void unassigned_characters_are_refused(void **state)
{
    (void)state;
    expect_refused(SPAN_LITERAL("a\xcd\xb8"), "not assigned");        /* U+0378 */
    expect_refused(SPAN_LITERAL("\xef\xbf\xbe"), "not assigned");     /* U+FFFE */
    expect_refused(SPAN_LITERAL("\xf4\x8f\xbf\xbf"), "not assigned"); /* U+10FFFF */
}

static void bad_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"\x80",
                                        "a\xc3",
                                        "\xc3\x28",
                                        "\xc0\xaf",
                                        "\xe0\x80\xaf",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xff",
                                        "\xf0\x9f\x98",
                                        "\xe3\x83",
                                        "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_refused(span_str(texts[i]), "is not UTF-8");
        char folded[16] = "before";
        struct err err = {0};
        assert_int_equal(name_fold_search(span_str(texts[i]), folded, sizeof folded, &err), E_NAME);
        assert_non_null(strstr(err.text, "not UTF-8"));
        assert_int_equal(path_check(span_str(texts[i]), &err), E_PATH);
        assert_non_null(strstr(err.text, "not UTF-8"));
    }
    expect_refused(span_of("\xc3\xa9", 1), "is not UTF-8"); /* cut by its length */
}

static void the_limit_holds_before_folding(void **state)
{
    (void)state;
    char text[NAME_MAX_BYTES + 1];
    memset(text, 'A', sizeof text);
    char folded[NAME_MAX_BYTES + 1];
    assert_int_equal(name_fold(span_of(text, 254), folded, NULL), 0);
    assert_int_equal(strlen(folded), 254);
    assert_int_equal(name_fold(span_of(text, 255), folded, NULL), 0);
    assert_int_equal(strlen(folded), 255);
    expect_refused(span_of(text, 256), "256 bytes, the limit is 255");
}

static void the_limit_holds_after_folding(void **state)
{
    (void)state;
    char text[NAME_MAX_BYTES];
    char folded[NAME_MAX_BYTES + 1];
    for (size_t i = 0; i < 7; i++) {
        memcpy(text + i * LIGATURE_SIZE, LIGATURE, LIGATURE_SIZE);
    }
    memset(text + 7 * LIGATURE_SIZE, 'a', 30);
    size_t base = 7 * LIGATURE_SIZE;
    size_t missing = 255 - 7 * LIGATURE_FOLDED_SIZE;
    assert_int_equal(name_fold(span_of(text, base + missing - 1), folded, NULL), 0);
    assert_int_equal(strlen(folded), 254);
    assert_int_equal(name_fold(span_of(text, base + missing), folded, NULL), 0);
    assert_int_equal(strlen(folded), 255);
    expect_refused(span_of(text, base + missing + 1), "more than 255 bytes");
    for (size_t i = 0; i < 85; i++) { /* 255 bytes that fold to 2,805 */
        memcpy(text + i * LIGATURE_SIZE, LIGATURE, LIGATURE_SIZE);
    }
    expect_refused(span_of(text, sizeof text), "more than 255 bytes");
}

static void searching_refuses_little(void **state)
{
    (void)state;
    char folded[6] = "before";
    struct err err = {0};
    assert_int_equal(name_fold_search(span_of(NULL, 0), folded, sizeof folded, &err), 0);
    assert_string_equal(folded, "");
    assert_int_equal(name_fold_search(SPAN_LITERAL("A/: "), folded, sizeof folded, &err), 0);
    assert_string_equal(folded, "a/: ");
    assert_int_equal(name_fold_search(SPAN_LITERAL("ABCDE"), folded, sizeof folded, &err), 0);
    assert_string_equal(folded, "abcde");
    assert_int_equal(name_fold_search(SPAN_LITERAL("ABCDEF"), folded, sizeof folded, &err), E_NAME);
    assert_int_equal(name_fold_search(SPAN_LITERAL(LIGATURE), folded, sizeof folded, &err), E_NAME);
    char text[256];
    char room[1000];
    memset(text, 'a', sizeof text);
    assert_int_equal(name_fold_search(span_of(text, 255), room, sizeof room, &err), 0);
    assert_int_equal(name_fold_search(span_of(text, 256), room, sizeof room, &err), E_NAME);
    assert_non_null(strstr(err.text, "the limit is 255"));
}

static void good_paths_pass(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "a",     "copy/default",          "a/b/c/d", "...", "..a/b..",
        ".a/b.", "\xe3\x83\x95/\xc3\xa9", "@x/y",    "a b"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct err err = {0};
        assert_int_equal(path_check(span_str(paths[i]), &err), 0);
        assert_int_equal(err.code, 0);
    }
}

static void bad_paths_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        struct span path;
        const char *words;
    } rows[] = {{{NULL, 0}, "is empty"},
                {{(const uint8_t *)"/", 1}, "an empty segment"},
                {{(const uint8_t *)"/a", 2}, "an empty segment"},
                {{(const uint8_t *)"a/", 2}, "an empty segment"},
                {{(const uint8_t *)"a//b", 4}, "an empty segment"},
                {{(const uint8_t *)".", 1}, "'.' or '..'"},
                {{(const uint8_t *)"..", 2}, "'.' or '..'"},
                {{(const uint8_t *)"a/../b", 6}, "'.' or '..'"},
                {{(const uint8_t *)"a/./b", 5}, "'.' or '..'"},
                {{(const uint8_t *)"a/..", 4}, "'.' or '..'"},
                {{(const uint8_t *)"../a", 4}, "'.' or '..'"},
                {{(const uint8_t *)"a\0b", 3}, "a control character"},
                {{(const uint8_t *)"a\x1f", 2}, "a control character"},
                {{(const uint8_t *)"a\x7f", 2}, "a control character"},
                {{(const uint8_t *)"a\xc2\x80", 3}, "a control character"},
                {{(const uint8_t *)"a\xc2\x9f", 3}, "a control character"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};
        assert_int_equal(path_check(rows[i].path, &err), E_PATH);
        assert_int_equal(err.code, E_PATH);
        if (strstr(err.text, rows[i].words) == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, rows[i].words);
        }
    }
}

static void the_path_limit_holds(void **state)
{
    (void)state;
    char text[PATH_MAX_BYTES + 1];
    memset(text, 'a', sizeof text);
    struct err err = {0};
    assert_int_equal(path_check(span_of(text, 254), &err), 0);
    assert_int_equal(path_check(span_of(text, 255), &err), 0);
    assert_int_equal(path_check(span_of(text, 256), &err), E_PATH);
    assert_string_equal(err.text, "the path has 256 bytes, the limit is 255");
}

static void reserved_paths_begin_with_an_at(void **state)
{
    (void)state;
    assert_true(path_reserved(SPAN_LITERAL("@")));
    assert_true(path_reserved(SPAN_LITERAL("@owner/x")));
    assert_false(path_reserved(SPAN_LITERAL("a@")));
    assert_false(path_reserved(SPAN_LITERAL("a/@b")));
    assert_false(path_reserved(span_of(NULL, 0)));
}

static void the_value_limit_holds(void **state)
{
    (void)state;
    static const uint8_t byte = 0; /* only the size is looked at */
    struct span path = SPAN_LITERAL("copy/default");
    struct err err = {0};
    assert_int_equal(value_check(path, (struct span){NULL, 0}, &err), 0);
    assert_int_equal(value_check(path, (struct span){&byte, VALUE_MAX_BYTES - 1}, &err), 0);
    assert_int_equal(value_check(path, (struct span){&byte, VALUE_MAX_BYTES}, &err), 0);
    assert_int_equal(value_check(path, (struct span){&byte, VALUE_MAX_BYTES + 1}, &err),
                     E_TOO_LARGE);
    assert_string_equal(err.text,
                        "the value of 'copy/default' has 1048577 bytes, the limit is 1048576");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_width_and_composition_make_no_difference),
        cmocka_unit_test(different_names_stay_different),
        cmocka_unit_test(separators_are_refused_in_every_width),
        cmocka_unit_test(emptiness_is_checked_before_and_after_folding),
        cmocka_unit_test(spaces_at_the_ends_are_refused),
        cmocka_unit_test(characters_that_steer_are_refused),
        cmocka_unit_test(unassigned_characters_are_refused),
        cmocka_unit_test(bad_utf8_is_refused),
        cmocka_unit_test(the_limit_holds_before_folding),
        cmocka_unit_test(the_limit_holds_after_folding),
        cmocka_unit_test(searching_refuses_little),
        cmocka_unit_test(good_paths_pass),
        cmocka_unit_test(bad_paths_are_refused_with_the_reason),
        cmocka_unit_test(the_path_limit_holds),
        cmocka_unit_test(reserved_paths_begin_with_an_at),
        cmocka_unit_test(the_value_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
