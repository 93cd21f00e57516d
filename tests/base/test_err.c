/* Tests of base/err.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* Numbers and names travel: this list is typed by hand, not made from the header. */
static void names_and_numbers_never_change(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
        int exit_code;
    } rows[] = {
        {1, "invalid", 2},
        {2, "not_found", 3},
        {3, "exists", 4},
        {4, "condition_failed", 4},
        {5, "not_allowed", 5},
        {6, "unreachable", 6},
        {7, "timed_out", 6},
        {8, "out_of_memory", 1},
        {9, "io", 1},
        {10, "no_space", 1},
        {11, "corrupt", 1},
        {12, "format", 1},
        {13, "busy", 1},
        {14, "too_large", 2},
        {15, "malformed", 1},
        {16, "item_path", 2},
        {17, "name", 2},
        {18, "stopped", 5},
        {19, "read_only", 1},
        {20, "deferred", 1},
        {21, "bag_gone", 3},
        {22, "dropped", 1},
        {23, "token_unknown", 5},
        {24, "token_used", 5},
        {25, "token_expired", 5},
        {26, "device_removed", 5},
        {27, "other_history", 4},
        {28, "diverged", 4},
        {29, "protocol_version", 1},
        {30, "hello_first", 1},
        {31, "superseded", 1},
        {32, "writer_unknown", 1},
        {33, "bag_exists", 4},
        {34, "not_joined", 5},
        {35, "not_signed_in", 3},
        {36, "usage", 2},
        {37, "partly_done", 7},
        {38, "quota", 5},
        {39, "system", 1},
        {40, "closed", 1},
        {41, "permission", 5},
        {42, "too_old", 3},
        {43, "csrf", 5},
        {44, "locked", 5},
        {45, "bad_credentials", 5},
        {46, "last_admin", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code = -rows[i].number;
        assert_string_equal(err_name(code), rows[i].name);
        assert_int_equal(err_exit_code(code), rows[i].exit_code);
        assert_int_equal(err_from_wire((unsigned long long)rows[i].number), code);
        assert_int_equal(err_from_name(rows[i].name), code);
        assert_true(strlen(err_meaning(code)) > 0);
        for (size_t other = 0; other < i; other++) {
            assert_string_not_equal(rows[i].name, rows[other].name);
        }
    }
}

static void unknown_codes_have_words_too(void **state)
{
    (void)state;
    static const int codes[] = {0, 1, -9999, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_string_equal(err_name(codes[i]), "unknown");
        assert_int_equal(err_exit_code(codes[i]), 1);
        assert_string_equal(err_meaning(codes[i]), "an unknown error");
    }
    assert_int_equal(err_from_wire(0), E_MALFORMED);
    assert_int_equal(err_from_wire(9999), E_MALFORMED);
    assert_int_equal(err_from_wire(ULLONG_MAX), E_MALFORMED);
    assert_int_equal(err_from_wire(ULLONG_MAX - 1), E_MALFORMED);
    assert_int_equal(err_from_wire(0x100000001ull), E_MALFORMED);
    assert_int_equal(err_from_name(""), E_MALFORMED);
    assert_int_equal(err_from_name("Busy"), E_MALFORMED);
}

static void set_fills_and_returns_the_code(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, E_BUSY, "'%s' is %d", "x", 7), E_BUSY);
    assert_int_equal(err.code, E_BUSY);
    assert_string_equal(err.text, "'x' is 7");
    assert_int_equal(err_set(&err, E_IO, "two\nlines\r"), E_IO);
    assert_string_equal(err.text, "two lines ");
    assert_int_equal(err_set(&err, E_INVALID, "<%s>", err.text), E_INVALID);
    assert_string_equal(err.text, "<two lines >");
    assert_int_equal(err_set(NULL, E_IO, "nobody listens"), E_IO);
}

static void a_long_sentence_is_cut_and_ended(void **state)
{
    (void)state;
    static const size_t sizes[] = {ERR_TEXT_MAX - 2, ERR_TEXT_MAX - 1, ERR_TEXT_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[ERR_TEXT_MAX + 1];
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        struct err err = {0};
        err_set(&err, E_IO, "%s", text);
        size_t expected = sizes[i] < ERR_TEXT_MAX ? sizes[i] : ERR_TEXT_MAX - 1;
        assert_int_equal(strlen(err.text), expected);
    }
}

/* A cut in the middle of a character would make the sentence bad UTF-8, and JSON refuse it. */
static void a_cut_leaves_whole_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe3\x83\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        size_t width = strlen(characters[i]);
        for (size_t before = 0; before <= width; before++) {
            char text[ERR_TEXT_MAX + 8] = {0};
            size_t used = ERR_TEXT_MAX - 1 - width + before;
            memset(text, 'x', used);
            memcpy(text + used, characters[i], width + 1);
            struct err err = {0};
            err_set(&err, E_IO, "%s", text);
            assert_int_equal(strlen(err.text), before == 0 ? used + width : used);
        }
    }
}

static void sys_names_operation_thing_and_reason(void **state)
{
    (void)state;
    static const struct {
        int number;
        int code;
    } rows[] = {{ENOSPC, E_NOSPACE},   {EDQUOT, E_NOSPACE},   {EACCES, E_PERMISSION},
                {EPERM, E_PERMISSION}, {ENOENT, E_NOT_FOUND}, {ENOMEM, E_NOMEM},
                {EIO, E_IO},           {EMFILE, E_SYSTEM}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};
        errno = rows[i].number;
        assert_int_equal(err_sys(&err, "open", "/var/lib/x"), rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        char expected[128];
        (void)snprintf(expected, sizeof expected, "open '/var/lib/x': %s",
                       strerror(rows[i].number));
        assert_string_equal(err.text, expected);
    }
}

static void prefix_puts_words_before(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, E_CORRUPT, "bad byte");
    assert_int_equal(err_prefix(&err, "segment %d", 3), E_CORRUPT);
    assert_string_equal(err.text, "segment 3: bad byte");
    assert_int_equal(err_prefix(&err, "journal: "), E_CORRUPT);
    assert_string_equal(err.text, "journal: segment 3: bad byte");
    assert_int_equal(err_prefix(NULL, "x"), 0);
    struct err none = {0};
    assert_int_equal(err_prefix(&none, "x"), 0);
    assert_string_equal(none.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_never_change),
        cmocka_unit_test(unknown_codes_have_words_too),
        cmocka_unit_test(set_fills_and_returns_the_code),
        cmocka_unit_test(a_long_sentence_is_cut_and_ended),
        cmocka_unit_test(a_cut_leaves_whole_characters),
        cmocka_unit_test(sys_names_operation_thing_and_reason),
        cmocka_unit_test(prefix_puts_words_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
