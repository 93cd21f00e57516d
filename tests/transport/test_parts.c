/* tests/transport/test_parts.c - long messages in parts: cut up, put together, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "transport/parts.h"

static uint8_t message[WIRE_MESSAGE_MAX];
static struct parts_in in;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 7 + i / 251);
    }
    parts_in_init(&in);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    parts_in_free(&in);
    return 0;
}

static int add(uint64_t id, uint64_t total, uint64_t offset, size_t size, bool *whole)
{
    struct wire_part part = {
        .id = id, .total = total, .offset = offset, .bytes = {message + offset, size}};
    struct err err = {0};
    int rc = parts_in_add(&in, &part, whole, &err);
    assert_int_equal(rc == 0, err.text[0] == '\0');
    return rc;
}

/* Cut up and put together again, `total` bytes; the sizes of frames are told right before. */
static void there_and_back(size_t total, uint64_t session, uint64_t id)
{
    struct span all = {message, total};
    size_t frames_bytes = 0;
    bool whole = false;
    for (size_t offset = 0; offset < total;) {
        struct unpacked scratch = {0};
        struct wire_message decoded;
        struct buf frame;
        assert_false(whole);
        buf_init(&frame, WIRE_FRAME_MAX);
        size_t told = parts_out_frame_bytes(session, id, total, offset);
        offset += parts_out_put(&frame, session, id, all, offset);
        assert_int_equal(buf_error(&frame), 0);
        assert_int_equal(frame.size, told);
        frames_bytes += frame.size;
        assert_int_equal(wire_decode(buf_span(&frame), &scratch, &decoded, NULL), 0);
        assert_int_equal(decoded.session, session);
        assert_int_equal(parts_in_add(&in, &decoded.part, &whole, NULL), 0);
        unpack_close(&scratch);
        buf_free(&frame);
    }
    assert_true(whole);
    assert_true(span_equal(buf_span(&in.bytes), all));
    assert_int_equal(parts_out_all_bytes(session, id, total), frames_bytes);
    parts_in_free(&in);
}

static void any_size(void **state)
{
    static const size_t sizes[] = {1,       127,
                                   128,     255,
                                   256,     61439,
                                   61440,   61441,
                                   65535,   65536,
                                   65537,   2 * WIRE_PART_BYTES,
                                   1000000, WIRE_MESSAGE_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        there_and_back(sizes[i], 1, 1);
        there_and_back(sizes[i], UINT64_MAX, 200);
        there_and_back(sizes[i], 70000, UINT64_MAX);
        there_and_back(sizes[i], 1u << 31, 1000);
    }
}

static void what_does_not_continue(void **state)
{
    bool whole;
    (void)state;
    assert_int_equal(add(1, 100, 10, 10, &whole), E_MALFORMED); /* nothing was begun */
    assert_int_equal(add(1, 100, 0, 10, &whole), 0);
    assert_false(whole);
    assert_int_equal(add(1, 100, 0, 10, &whole), E_MALFORMED);  /* begun twice */
    assert_int_equal(add(1, 100, 20, 10, &whole), E_MALFORMED); /* a gap */
    assert_int_equal(add(2, 100, 10, 10, &whole), E_MALFORMED); /* another message */
    assert_int_equal(add(1, 101, 10, 10, &whole), E_MALFORMED); /* another size */
    assert_int_equal(add(1, 100, 10, 90, &whole), 0);           /* the right one still fits */
    assert_true(whole);
    assert_int_equal(in.bytes.size, 100);
}

static void without_memory(void **state)
{
    bool whole;
    (void)state;
    fail_alloc_at(1);
    assert_int_equal(add(1, 100, 0, 100, &whole), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_false(whole);
}

static void the_type_that_is_begun(void **state)
{
    struct buf page;
    struct wire_position position = {.seq = 1};
    (void)state;
    buf_init(&page, 1000);
    wire_begin_page(&page, 9, 1, 0, 0, 1, &position, 0);
    assert_int_equal(parts_type(buf_span(&page)), WIRE_PAGE);
    assert_int_equal(parts_type((struct span){page.data, 2}), WIRE_PAGE);
    assert_int_equal(parts_type((struct span){page.data, 1}), 0);
    assert_int_equal(parts_type(SPAN_LITERAL("\x94\x2c")), WIRE_BATCHES); /* the highest */
    assert_int_equal(parts_type(SPAN_LITERAL("\x94\x2d")), 0);
    assert_int_equal(parts_type(SPAN_LITERAL("\xc4\x26")), 0);
    assert_int_equal(parts_type(SPAN_LITERAL("\x97\x7f")), 0);
    buf_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_size, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_continue, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(the_type_that_is_begun, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
