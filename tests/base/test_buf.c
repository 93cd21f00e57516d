/* Tests of base/buf.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/support/died.h"
#include "tests/support/fail_alloc.h"

static void spans_compare_as_bytes(void **state)
{
    (void)state;
    struct span empty = span_of(NULL, 0);
    assert_true(span_equal(empty, SPAN_LITERAL("")));
    assert_true(span_equal(SPAN_LITERAL("abc"), span_str("abc")));
    assert_false(span_equal(SPAN_LITERAL("abc"), SPAN_LITERAL("abd")));
    assert_false(span_equal(SPAN_LITERAL("abc"), SPAN_LITERAL("ab")));
    assert_true(span_compare(SPAN_LITERAL("ab"), SPAN_LITERAL("abc")) < 0);
    assert_true(span_compare(SPAN_LITERAL("abc"), SPAN_LITERAL("ab")) > 0);
    assert_true(span_compare(SPAN_LITERAL("b"), SPAN_LITERAL("abc")) > 0);
    assert_true(span_compare(SPAN_LITERAL("\x7f"), SPAN_LITERAL("\x80")) < 0);
    assert_int_equal(span_compare(SPAN_LITERAL("abc"), SPAN_LITERAL("abc")), 0);
    assert_true(span_compare(empty, SPAN_LITERAL("a")) < 0);
    assert_int_equal(span_compare(empty, empty), 0);
}

static void blanks_at_the_ends_go(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},          {" \t ", ""}, {"a", "a"}, {" a\t", "a"}, {"\t a \t b ", "a \t b"},
        {"\na\r", "\na\r"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(span_equal(span_trim(span_str(rows[i][0])), span_str(rows[i][1])));
    }
    assert_int_equal(span_trim(span_of(NULL, 0)).size, 0);
}

static void a_copy_of_a_span_ends_in_a_nul(void **state)
{
    (void)state;
    char *text = span_dup(span_of("a\0bc", 3));
    char *empty = span_dup(span_of(NULL, 0));
    assert_memory_equal(text, "a\0b", 4);
    assert_string_equal(empty, "");
    free(text);
    free(empty);
}

static void numbers_have_their_byte_order(void **state)
{
    (void)state;
    uint8_t at[8];
    put_be32(at, 0x01020304u);
    assert_memory_equal(at, "\x01\x02\x03\x04", 4);
    assert_int_equal(get_be32(at), 0x01020304u);
    put_be64(at, 0xf102030405060708u);
    assert_memory_equal(at, "\xf1\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_true(get_be64(at) == 0xf102030405060708u);
    put_le16(at, 0xf102u);
    assert_memory_equal(at, "\x02\xf1", 2);
    assert_int_equal(get_le16(at), 0xf102u);
    put_le32(at, 0xf1020304u);
    assert_memory_equal(at, "\x04\x03\x02\xf1", 4);
    assert_true(get_le32(at) == 0xf1020304u);
    put_le64(at, 0xf102030405060708u);
    assert_memory_equal(at, "\x08\x07\x06\x05\x04\x03\x02\xf1", 8);
    assert_true(get_le64(at) == 0xf102030405060708u);
}

static void appends_follow_each_other(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    assert_int_equal(buf_append(&buf, "ab", 2), 0);
    assert_int_equal(buf_append_span(&buf, SPAN_LITERAL("c")), 0);
    assert_int_equal(buf_append_u8(&buf, 0xff), 0);
    assert_int_equal(buf_append_be32(&buf, 1), 0);
    assert_int_equal(buf_append_be64(&buf, 2), 0);
    assert_int_equal(buf_printf(&buf, "<%d>", 42), 0);
    uint8_t *zeroes = buf_extend(&buf, 2);
    assert_non_null(zeroes);
    struct span expected = SPAN_LITERAL("abc\xff\0\0\0\1\0\0\0\0\0\0\0\2<42>\0\0");
    assert_true(span_equal(buf_span(&buf), expected));
    buf_truncate(&buf, 1);
    assert_true(span_equal(buf_span(&buf), SPAN_LITERAL("a")));
    buf_reset(&buf);
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
}

/* An append of any kind, so that each meets the limit. */
typedef int append_fn(struct buf *buf, size_t size);

static const uint8_t filler[1024] = {1};

static int plain(struct buf *buf, size_t size)
{
    return buf_append(buf, filler, size);
}

static int extended(struct buf *buf, size_t size)
{
    return buf_extend(buf, size) != NULL ? 0 : buf_error(buf);
}

static int printed(struct buf *buf, size_t size)
{
    return buf_printf(buf, "%*s", (int)size, "");
}

static int reserved(struct buf *buf, size_t size)
{
    int rc = buf_reserve(buf, size);
    if (rc == 0 && size > 0) {
        memset(buf->data + buf->size, 1, size);
        buf->size += size;
    }
    return rc;
}

static void the_maximum_holds_for_every_append(void **state)
{
    (void)state;
    static append_fn *const appends[] = {plain, extended, printed, reserved};
    for (size_t i = 0; i < sizeof appends / sizeof appends[0]; i++) {
        for (size_t first = 0; first <= 600; first += 300) {
            struct buf buf;
            buf_init(&buf, 1000);
            assert_int_equal(plain(&buf, first), 0);
            assert_int_equal(appends[i](&buf, 999 - first), 0);
            assert_int_equal(buf.size, 999);
            assert_int_equal(appends[i](&buf, 1), 0);
            assert_int_equal(buf.size, 1000);
            assert_int_equal(appends[i](&buf, 0), 0);
            assert_int_equal(buf_error(&buf), 0);
            assert_int_equal(appends[i](&buf, 1), E_TOO_LARGE);
            assert_int_equal(buf.size, 1000);
            assert_true(buf.capacity <= 1000);
            buf_free(&buf);
        }
    }
}

static void a_failure_sticks_until_reset(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    buf_append(&buf, "abc", 3);
    assert_int_equal(buf_append(&buf, "de", 2), E_TOO_LARGE);
    assert_int_equal(buf_append(&buf, "d", 1), E_TOO_LARGE);
    assert_int_equal(buf_append(&buf, "", 0), E_TOO_LARGE);
    assert_int_equal(buf_printf(&buf, "d"), E_TOO_LARGE);
    assert_null(buf_extend(&buf, 1));
    assert_int_equal(buf_error(&buf), E_TOO_LARGE);
    assert_true(span_equal(buf_span(&buf), SPAN_LITERAL("abc")));
    size_t size = 77;
    assert_null(buf_steal(&buf, &size));
    assert_int_equal(size, 77);
    assert_int_equal(buf.size, 0);
    assert_int_equal(buf.max, 4);
    assert_int_equal(buf_append(&buf, "abcd", 4), 0);
    assert_int_equal(buf_append(&buf, "e", 1), E_TOO_LARGE);
    buf_reset(&buf);
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(buf_append(&buf, "abcd", 4), 0);
    buf_free(&buf);
}

static void a_huge_size_does_not_overflow(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    buf_append(&buf, "abc", 3);
    assert_null(buf_extend(&buf, SIZE_MAX - 1));
    assert_int_equal(buf_error(&buf), E_TOO_LARGE);
    buf_reset(&buf);
    fail_alloc_at(1); /* no machine has this much, but sanitizers would make it their business */
    assert_null(buf_extend(&buf, SIZE_MAX / 2 + 10));
    assert_true(fail_alloc_stop());
    assert_int_equal(buf_error(&buf), E_NOMEM);
    buf_free(&buf);
}

static void extend_zeroes_what_was_used_before(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    buf_append(&buf, "abc", 3);
    buf_reset(&buf);
    uint8_t *bytes = buf_extend(&buf, 3);
    assert_non_null(bytes);
    assert_memory_equal(bytes, "\0\0\0", 3);
    buf_free(&buf);
}

static void extend_gives_an_address_for_nothing(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_non_null(buf_extend(&buf, 0));
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
}

static void steal_hands_over_with_a_nul(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 5);
    buf_append(&buf, "hello", 5);
    size_t size = 0;
    char *text = buf_steal(&buf, &size);
    assert_non_null(text);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "hello", 6);
    free(text);
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
    assert_int_equal(buf.max, 5);

    text = buf_steal(&buf, NULL);
    assert_non_null(text);
    assert_string_equal(text, "");
    free(text);
}

static void fill_until_marked(struct buf *buf)
{
    for (int i = 0; i < 200; i++) {
        buf_append_be64(buf, (uint64_t)i);
        buf_printf(buf, "%d", i);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        struct buf buf;
        buf_init(&buf, 4096);
        fail_alloc_at(nth);
        fill_until_marked(&buf);
        char *text = buf_steal(&buf, NULL);
        if (!fail_alloc_stop()) {
            assert_non_null(text);
            free(text);
            break;
        }
        assert_null(text);
        assert_null(buf.data);
        buf_free(&buf);
    }
    assert_true(nth > 4);
}

static void a_failed_growth_keeps_the_content(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4096);
    buf_append(&buf, "abc", 3);
    fail_alloc_at(1);
    assert_int_equal(buf_append(&buf, filler, sizeof filler), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_true(span_equal(buf_span(&buf), SPAN_LITERAL("abc")));
    assert_int_equal(buf_error(&buf), E_NOMEM);
    buf_free(&buf);
}

static void truncate_up(void *context)
{
    buf_truncate(context, 1);
}

static void truncating_upwards_is_a_mistake(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    assert_true(died(truncate_up, &buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare_as_bytes),
        cmocka_unit_test(blanks_at_the_ends_go),
        cmocka_unit_test(a_copy_of_a_span_ends_in_a_nul),
        cmocka_unit_test(numbers_have_their_byte_order),
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(the_maximum_holds_for_every_append),
        cmocka_unit_test(a_failure_sticks_until_reset),
        cmocka_unit_test(a_huge_size_does_not_overflow),
        cmocka_unit_test(extend_zeroes_what_was_used_before),
        cmocka_unit_test(extend_gives_an_address_for_nothing),
        cmocka_unit_test(steal_hands_over_with_a_nul),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_failed_growth_keeps_the_content),
        cmocka_unit_test(truncating_upwards_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
