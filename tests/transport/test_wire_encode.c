/* tests/transport/test_wire_encode.c - writing messages: golden bytes, limits, sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/died.h"
#include "tests/transport/wire_samples.h"

static void test_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct buf out;
        buf_init(&out, WIRE_FRAME_MAX);
        samples[i].put(&out);
        assert_int_equal(buf_error(&out), 0);
        char hex[2 * SAMPLE_MAX + 1];
        assert_true(out.size <= SAMPLE_MAX);
        hex_encode(out.data, out.size, hex);
        assert_string_equal(hex, samples[i].golden);
        buf_free(&out);
    }
}

/* The same bytes stand in docs/protocol.md: a line with the name, then lines of hexadecimal. */
static void test_bytes_of_the_page(void **state)
{
    (void)state;
    struct buf page;
    buf_init(&page, 1 << 20);
    assert_int_equal(file_read(KITBAG_SOURCE_DIR "/docs/protocol.md", &page, NULL), 0);
    (void)buf_append_u8(&page, 0);
    assert_int_equal(buf_error(&page), 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\n%s\n", samples[i].name);
        const char *at = strstr((const char *)page.data, line);
        if (at == NULL) {
            fail_msg("%s is not on the page", samples[i].name);
        }
        at += strlen(line);
        const char *expected = samples[i].golden;
        for (; *expected != '\0'; at++) {
            if (*at != '\n') {
                assert_int_equal(*at, *expected);
                expected++;
            }
        }
        assert_true(at[0] == '\n' && (at[1] == '\n' || at[1] == '`'));
    }
    buf_free(&page);
}

/* A buffer that is too small says so, wherever its end comes. */
static void test_every_size_of_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size = strlen(samples[i].golden) / 2;
        for (size_t max = 0; max <= size; max++) {
            struct buf out;
            buf_init(&out, max);
            samples[i].put(&out);
            assert_int_equal(buf_error(&out), max < size ? E_TOO_LARGE : 0);
            buf_free(&out);
        }
    }
}

static struct span text_of_error(struct buf *out, struct unpacked *scratch, const char *text)
{
    struct wire_message message;
    buf_reset(out);
    wire_put_error(out, 1, E_IO, text, false);
    assert_int_equal(wire_decode(buf_span(out), scratch, &message, NULL), 0);
    assert_int_equal(message.error.code, -E_IO);
    assert_false(message.error.fatal);
    return message.error.text;
}

static void test_sentences_are_made_fit(void **state)
{
    (void)state;
    struct buf out;
    struct unpacked scratch = {0};
    buf_init(&out, WIRE_FRAME_MAX);
    struct span text = text_of_error(&out, &scratch, "caf\xe9 \xc3\xa9");
    assert_true(span_equal(text, span_str("caf? \xc3\xa9")));
    assert_int_equal(text_of_error(&out, &scratch, NULL).size, 0);
    char large[WIRE_TEXT_MAX + 3];
    memset(large, 'x', sizeof large);
    large[WIRE_TEXT_MAX + 2] = '\0';
    assert_int_equal(text_of_error(&out, &scratch, large).size, WIRE_TEXT_MAX);
    memcpy(large + WIRE_TEXT_MAX - 1, "\xc3\xa9", 2);
    assert_int_equal(text_of_error(&out, &scratch, large).size, WIRE_TEXT_MAX - 1);
    unpack_close(&scratch);
    buf_free(&out);
}

/* --- limits are ours to keep --- */

static struct buf sink;

static void put_follow_of(void *context)
{
    static struct wire_bag bags[WIRE_BAGS_MAX + 1];
    wire_put_follow(&sink, 1, bags, *(size_t *)context);
}

static void put_unfollow_of(void *context)
{
    static uint64_t bags[WIRE_BAGS_MAX + 1];
    wire_put_unfollow(&sink, 1, bags, *(size_t *)context);
}

static void put_groups_of(void *context)
{
    static struct span groups[WIRE_GROUPS_MAX + 1];
    wire_put_sign_in(&sink, 1, 1, span_str("ann"), groups, *(size_t *)context, 0);
}

static void put_bags_of(void *context)
{
    static struct bag_row bags[WIRE_BAGS_MAX + 1];
    wire_put_signed_in(&sink, 1, 1, 0, NULL, bags, *(size_t *)context);
}

static void put_operations_of(void *context)
{
    wire_begin_write(&sink, 1, 0, (uint32_t) * (size_t *)context);
}

static void put_outcomes_of(void *context)
{
    wire_begin_outcome(&sink, 1, (uint32_t) * (size_t *)context);
}

static void put_label_of(void *context)
{
    static uint8_t text[WIRE_LABEL_MAX + 1];
    memset(text, 'x', sizeof text);
    struct wire_hello hello = {.version = WIRE_VERSION, .software = {text, *(size_t *)context}};
    wire_put_hello(&sink, &hello);
}

static void put_part_of(void *context)
{
    static uint8_t bytes[WIRE_PART_BYTES + 1];
    struct wire_part part = {1, WIRE_MESSAGE_MAX, 0, {bytes, *(size_t *)context}};
    wire_put_part(&sink, 1, &part);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        void (*put)(void *context);
        size_t max;
    } cases[] = {
        {put_follow_of, WIRE_BAGS_MAX},    {put_unfollow_of, WIRE_BAGS_MAX},
        {put_groups_of, WIRE_GROUPS_MAX},  {put_bags_of, WIRE_BAGS_MAX},
        {put_operations_of, WIRE_OPS_MAX}, {put_outcomes_of, WIRE_OPS_UNANSWERED},
        {put_label_of, WIRE_LABEL_MAX},    {put_part_of, WIRE_PART_BYTES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at = cases[i].max;
        size_t above = at + 1;
        buf_init(&sink, WIRE_FRAME_MAX);
        cases[i].put(&at);
        assert_int_equal(buf_error(&sink), 0);
        assert_true(died(cases[i].put, &above));
        buf_free(&sink);
    }
}

static void put_positive_code(void *context)
{
    (void)context;
    wire_put_error(&sink, 1, -E_IO, "x", true);
}

static void put_control_label(void *context)
{
    (void)context;
    struct wire_hello hello = {.version = WIRE_VERSION, .software = SPAN_LITERAL("a\nb")};
    wire_put_hello(&sink, &hello);
}

static void put_absent_row(void *context)
{
    (void)context;
    struct item_row row = {.state = ITEM_ABSENT};
    wire_put_row(&sink, span_str("a"), &row);
}

static void test_mistakes(void **state)
{
    (void)state;
    buf_init(&sink, WIRE_FRAME_MAX);
    assert_true(died(put_positive_code, NULL));
    assert_true(died(put_control_label, NULL));
    assert_true(died(put_absent_row, NULL));
    buf_free(&sink);
}

/* The largest part, with the largest numbers, is one frame. */
static void test_part_fits_a_frame(void **state)
{
    (void)state;
    static uint8_t bytes[WIRE_PART_BYTES];
    struct wire_part part = {
        UINT64_MAX, WIRE_MESSAGE_MAX, WIRE_MESSAGE_MAX - sizeof bytes, {bytes, sizeof bytes}};
    struct buf out;
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_part(&out, UINT64_MAX, &part);
    assert_int_equal(buf_error(&out), 0);
    buf_free(&out);
}

static void test_deferred(void **state)
{
    (void)state;
    assert_true(wire_deferred(E_STOPPED) && wire_deferred(E_READ_ONLY));
    assert_true(wire_deferred(E_NOSPACE) && wire_deferred(E_BUSY) && wire_deferred(E_DEFERRED));
    assert_false(wire_deferred(0) || wire_deferred(E_PATH) || wire_deferred(E_WRITER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_bytes_of_the_page),
        cmocka_unit_test(test_every_size_of_buffer),
        cmocka_unit_test(test_sentences_are_made_fit),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_part_fits_a_frame),
        cmocka_unit_test(test_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
