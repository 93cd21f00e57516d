/* Tests of admin/https/accept.c: encodings, tags and ranges as clients write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/https/accept.h"

static void gzip_is_taken_or_not(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip",          "GZIP",         "deflate, gzip, br",
                                      "gzip;q=0.1",    " gzip ; q=1 ", "br;q=0,gzip",
                                      "identity,gzip", "gzip;q=0.001"};
    static const char *const no[] = {"",        "identity",   "gzip;q=0", "gzip; q=0.000",
                                     "xgzip",   "gzipped",    "*",        ",,,",
                                     "br;gzip", "gzip;q=0,br"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(admin_accepts_gzip(span_str(yes[i])));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(admin_accepts_gzip(span_str(no[i])));
    }
}

static void a_tag_is_found_in_a_list(void **state)
{
    (void)state;
    static const char *const yes[] = {"\"a\"", "*", "\"b\", \"a\"", "W/\"a\"", "\"b\" ,W/\"a\" "};
    static const char *const no[] = {"", "\"b\"", "a", "\"a", "\"aa\"", "W/", ", ,"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(admin_etag_listed(span_str(yes[i]), "\"a\""));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(admin_etag_listed(span_str(no[i]), "\"a\""));
    }
}

static void a_range_lies_within(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size, first, count;
    } rows[] = {
        {"bytes=0-0", 10, 0, 1},  {"bytes=0-9", 10, 0, 10},    {"bytes=0-99", 10, 0, 10},
        {"bytes=3-", 10, 3, 7},   {"bytes=9-", 10, 9, 1},      {"bytes=-3", 10, 7, 3},
        {"bytes=-99", 10, 0, 10}, {"bytes=2-5", 10, 2, 4},     {"BYTES=2-5", 10, 2, 4},
        {"bytes=0-0", 1, 0, 1},   {"bytes= 2 - 5 ", 10, 2, 4}, {"bytes=-1", 1, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin_range range = {0};
        assert_int_equal(admin_range_read(span_str(rows[i].header), rows[i].size, &range), 0);
        assert_int_equal(range.first, rows[i].first);
        assert_int_equal(range.size, rows[i].count);
    }
}

static void what_is_no_range_does_not_count(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "bytes",
                                      "bytes=",
                                      "bytes=-",
                                      "bytes=5-2",
                                      "bytes=a-b",
                                      "items=0-1",
                                      "bytes=0-1,3-4",
                                      "bytes=+1-2",
                                      "bytes=1-2-",
                                      "bytes=1",
                                      "bytes=--1",
                                      "bytes=0-1000000000000000"};
    struct admin_range range;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(admin_range_read(span_str(bad[i]), 10, &range), E_INVALID);
    }
    static const char *const none[] = {"bytes=10-", "bytes=10-20", "bytes=-0"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(admin_range_read(span_str(none[i]), 10, &range), E_NOT_FOUND);
    }
    assert_int_equal(admin_range_read(SPAN_LITERAL("bytes=0-"), 0, &range), E_NOT_FOUND);
    assert_int_equal(admin_range_read(SPAN_LITERAL("bytes=-5"), 0, &range), E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_taken_or_not),
        cmocka_unit_test(a_tag_is_found_in_a_list),
        cmocka_unit_test(a_range_lies_within),
        cmocka_unit_test(what_is_no_range_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
