/* Tests of base/pack.c: bytes written, and bytes refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/pack.h"
#include "tests/support/fail_alloc.h"

enum { PLENTY = 1000000 };

#define BYTES(text) SPAN_LITERAL(text)

/* --- writing --- */

static void writes_the_shortest_form(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    pack_array(&buf, 3);
    pack_map(&buf, 1);
    pack_u64(&buf, 127);
    pack_u64(&buf, 128);
    pack_u64(&buf, 0xffff);
    pack_u64(&buf, 0x10000);
    pack_u64(&buf, UINT64_MAX);
    pack_bool(&buf, true);
    pack_bool(&buf, false);
    pack_nil(&buf);
    pack_bin(&buf, SPAN_LITERAL("ab"));
    pack_bin(&buf, span_of(NULL, 0));
    pack_str(&buf, SPAN_LITERAL("cd"));
    pack_cstr(&buf, "e");
    struct span expected = BYTES("\x93\x81\x7f\xcc\x80\xcd\xff\xff\xce\x00\x01\x00\x00"
                                 "\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc3\xc2\xc0"
                                 "\xc4\x02"
                                 "ab\xc4\x00\xa2"
                                 "cd\xa1"
                                 "e");
    assert_int_equal(buf_error(&buf), 0);
    assert_true(span_equal(buf_span(&buf), expected));
    buf_free(&buf);
}

static void writes_wide_counts(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *str;
        const char *bin;
        size_t str_head;
        size_t bin_head;
    } rows[] = {{31, "\xbf", "\xc4\x1f", 1, 2},
                {32, "\xd9\x20", "\xc4\x20", 2, 2},
                {255, "\xd9\xff", "\xc4\xff", 2, 2},
                {256, "\xda\x01\x00", "\xc5\x01\x00", 3, 3},
                {65535, "\xda\xff\xff", "\xc5\xff\xff", 3, 3},
                {65536, "\xdb\x00\x01\x00\x00", "\xc6\x00\x01\x00\x00", 5, 5}};
    static const uint8_t zeroes[65536];
    struct buf buf;
    buf_init(&buf, 100000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_reset(&buf);
        pack_str(&buf, span_of(zeroes, rows[i].size));
        assert_int_equal(buf.size, rows[i].str_head + rows[i].size);
        assert_memory_equal(buf.data, rows[i].str, rows[i].str_head);
        assert_int_equal(pack_guard(buf_span(&buf), 1), 0);
        buf_reset(&buf);
        pack_bin(&buf, span_of(zeroes, rows[i].size));
        assert_int_equal(buf.size, rows[i].bin_head + rows[i].size);
        assert_memory_equal(buf.data, rows[i].bin, rows[i].bin_head);
        assert_int_equal(pack_guard(buf_span(&buf), 1), 0);
    }
    buf_free(&buf);
}

static void writing_past_the_maximum_sticks(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    pack_bin(&buf, SPAN_LITERAL("abc"));
    pack_nil(&buf);
    assert_int_equal(buf_error(&buf), E_TOO_LARGE);
    assert_true(buf.size <= 4);
    buf_reset(&buf);
    pack_bin(&buf, (struct span){(const uint8_t *)"", (size_t)UINT32_MAX + 1});
    assert_int_equal(buf_error(&buf), E_TOO_LARGE);
    assert_int_equal(buf.size, 0);
    buf_reset(&buf);
    pack_str(&buf, (struct span){(const uint8_t *)"", (size_t)UINT32_MAX + 1});
    assert_int_equal(buf_error(&buf), E_TOO_LARGE);
    buf.error = E_NOMEM; /* the first cause stays */
    pack_str(&buf, (struct span){(const uint8_t *)"", (size_t)UINT32_MAX + 1});
    assert_int_equal(buf_error(&buf), E_NOMEM);
    buf_free(&buf);
}

/* --- the guard --- */

static void every_tag_is_known(void **state)
{
    (void)state;
    for (unsigned tag = 0; tag < 256; tag++) {
        /* 64 zeroes are 64 small numbers, or the body of whatever asks for bytes. */
        bool accepted = false;
        for (size_t size = 1; size < 40 && !accepted; size++) {
            uint8_t bytes[40] = {(uint8_t)tag};
            accepted = pack_guard(span_of(bytes, size), PLENTY) == 0;
        }
        bool refused = tag == 0xc1 || (tag >= 0xc7 && tag <= 0xcb) || (tag >= 0xd4 && tag <= 0xd8);
        assert_int_equal(accepted, !refused);
    }
}

static void types_we_never_write_are_malformed(void **state)
{
    (void)state;
    static const struct span cases[] = {
        {(const uint8_t *)"\xc1", 1},
        {(const uint8_t *)"\xc7\x01\x05z", 4},
        {(const uint8_t *)"\xc8\x00\x01\x05z", 5},
        {(const uint8_t *)"\xc9\x00\x00\x00\x01\x05z", 7},
        {(const uint8_t *)"\xca\x00\x00\x00\x00", 5},
        {(const uint8_t *)"\xcb\x00\x00\x00\x00\x00\x00\x00\x00", 9},
        {(const uint8_t *)"\xd4\x05z", 3},
        {(const uint8_t *)"\xd5\x05zz", 4},
        {(const uint8_t *)"\xd6\x05zzzz", 6},
        {(const uint8_t *)"\xd7\x05zzzzzzzz", 10},
        {(const uint8_t *)"\xd8\x05zzzzzzzzzzzzzzzz", 18},
        {(const uint8_t *)"\x92\x01\xca\x00\x00\x00\x00", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pack_guard(cases[i], PLENTY), E_MALFORMED);
    }
}

static void counts_that_lie_are_malformed(void **state)
{
    (void)state;
    static const struct span cases[] = {
        {(const uint8_t *)"\xdd\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xdf\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xdf\x80\x00\x00\x00", 5},
        {(const uint8_t *)"\xdc\xff\xff", 3},
        {(const uint8_t *)"\xde\xff\xff", 3},
        {(const uint8_t *)"\xdb\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xc6\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xc6\x00\x00\x00\x02z", 6},
        {(const uint8_t *)"\xc5\x00\x02z", 4},
        {(const uint8_t *)"\xc4\x02z", 3},
        {(const uint8_t *)"\xd9\x02z", 3},
        {(const uint8_t *)"\xda\x00\x02z", 4},
        {(const uint8_t *)"\xa2z", 2},
        {(const uint8_t *)"\x92\x01", 2},
        {(const uint8_t *)"\x81\x01", 2},
        {(const uint8_t *)"\x82\x01\x01\x01", 4},
        {(const uint8_t *)"\x92\xdd\xff\xff\xff\xff\x01", 7},
        /* Each of both counts holds for itself, but there are not enough bytes for both. */
        {(const uint8_t *)"\x92\x92\x01\x01", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pack_guard(cases[i], PLENTY), E_MALFORMED);
    }
}

static void a_lie_is_found_at_once(void **state)
{
    (void)state;
    /* Not only when the budget or the bytes are used up. */
    assert_int_equal(pack_guard(BYTES("\x86\x01\x01\x01\x01\x01"), 3), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\x83\x01\x01\x01\x01\x01"), 3), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\x96\x01\x01\x01\x01\x01"), 3), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\x95\x01\x01\x01\x01\x01"), 3), E_TOO_LARGE);
}

static void exactly_one_object(void **state)
{
    (void)state;
    assert_int_equal(pack_guard(span_of(NULL, 0), PLENTY), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\x01"), PLENTY), 0);
    assert_int_equal(pack_guard(BYTES("\x01\x01"), PLENTY), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\x90"), PLENTY), 0);
    assert_int_equal(pack_guard(BYTES("\x80"), PLENTY), 0);
    assert_int_equal(pack_guard(BYTES("\x90\x90"), PLENTY), E_MALFORMED);
    assert_int_equal(pack_guard(BYTES("\xff"), PLENTY), 0);
}

/* One object with all that is written, in nested containers. */
static void write_sample(struct buf *buf)
{
    static const uint8_t zeroes[300];
    pack_array(buf, 9);
    pack_u64(buf, 1);
    pack_u64(buf, UINT64_MAX);
    pack_bin(buf, SPAN_LITERAL("bytes"));
    pack_bin(buf, span_of(zeroes, 300));
    pack_str(buf, span_of(zeroes, 40));
    pack_map(buf, 2);
    pack_cstr(buf, "key");
    pack_array(buf, 20);
    for (unsigned i = 0; i < 20; i++) {
        pack_u64(buf, i * 1000);
    }
    pack_nil(buf);
    pack_array(buf, 0);
    pack_bool(buf, true);
    pack_nil(buf);
    pack_array(buf, 1);
    pack_map(buf, 0);
}

static const size_t SAMPLE_ELEMENTS = 35; /* 1 + 9 + 24 in the map + 1 */

static void a_cut_message_is_malformed_at_every_byte(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    write_sample(&buf);
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(pack_guard(buf_span(&buf), PLENTY), 0);
    for (size_t size = 0; size < buf.size; size++) {
        /* A block of its own, so that a sanitizer sees a read past the end. */
        uint8_t *cut = malloc(size > 0 ? size : 1);
        assert_non_null(cut);
        memcpy(cut, buf.data, size);
        assert_int_equal(pack_guard(span_of(cut, size), PLENTY), E_MALFORMED);
        free(cut);
    }
    pack_nil(&buf);
    assert_int_equal(pack_guard(buf_span(&buf), PLENTY), E_MALFORMED);
    buf_free(&buf);
}

static void the_element_budget_holds(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    write_sample(&buf);
    assert_int_equal(pack_guard(buf_span(&buf), SAMPLE_ELEMENTS - 1), E_TOO_LARGE);
    assert_int_equal(pack_guard(buf_span(&buf), SAMPLE_ELEMENTS), 0);
    assert_int_equal(pack_guard(buf_span(&buf), SAMPLE_ELEMENTS + 1), 0);
    assert_int_equal(pack_guard(BYTES("\x01"), 0), E_TOO_LARGE);
    buf_free(&buf);
}

static void the_depth_limit_holds(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth < 40; depth++) {
        int expected = depth <= PACK_DEPTH_MAX ? 0 : E_TOO_LARGE;
        struct buf arrays;
        struct buf maps;
        buf_init(&arrays, 1000);
        buf_init(&maps, 1000);
        for (unsigned i = 0; i < depth; i++) {
            pack_array(&arrays, 1);
            pack_map(&maps, 1);
            pack_nil(&maps);
        }
        pack_nil(&arrays);
        pack_nil(&maps);
        assert_int_equal(pack_guard(buf_span(&arrays), PLENTY), expected);
        assert_int_equal(pack_guard(buf_span(&maps), PLENTY), expected);
        buf_free(&arrays);
        buf_free(&maps);
    }
    /* Empty containers count too, and closing one gives its depth back. */
    assert_int_equal(pack_guard(BYTES("\x91\x91\x91\x91\x91\x91\x91\x90"), PLENTY), 0);
    assert_int_equal(pack_guard(BYTES("\x91\x91\x91\x91\x91\x91\x91\x91\x90"), PLENTY),
                     E_TOO_LARGE);
    assert_int_equal(pack_guard(BYTES("\x91\x91\x91\x91\x91\x91\x93\x90\x90\x90"), PLENTY), 0);
    assert_int_equal(pack_guard(BYTES("\x91\x91\x91\x91\x91\x91\x93\x91\x90\x90\x90"), PLENTY),
                     E_TOO_LARGE);
}

/* msgpack-c is the oracle: what passes the guard it unpacks to the same. */
static void assert_same_as_msgpack(struct span bytes, const struct unpacked *unpacked)
{
    size_t offset = 0;
    msgpack_object expected;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    assert_int_equal(
        msgpack_unpack((const char *)bytes.data, bytes.size, &offset, &zone, &expected),
        MSGPACK_UNPACK_SUCCESS);
    assert_true(msgpack_object_equal(expected, unpacked->root));
    msgpack_zone_destroy(&zone);
}

static void every_kind_is_unpacked(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct span kinds[] = {
        BYTES("\xc0"),
        BYTES("\xc2"),
        BYTES("\xc3"),
        BYTES("\x00"),
        BYTES("\x7f"),
        BYTES("\xe0"),
        BYTES("\xff"),
        BYTES("\xcc\xff"),
        BYTES("\xcd\xff\x01"),
        BYTES("\xce\xff\x01\x02\x03"),
        BYTES("\xcf\xff\x01\x02\x03\x04\x05\x06\x07"),
        BYTES("\xd0\x7f"),
        BYTES("\xd0\x80"),
        BYTES("\xd1\x7f\x01"),
        BYTES("\xd1\x80\x01"),
        BYTES("\xd2\x7f\x01\x02\x03"),
        BYTES("\xd2\x80\x01\x02\x03"),
        BYTES("\xd3\x7f\x01\x02\x03\x04\x05\x06\x07"),
        BYTES("\xd3\x80\x01\x02\x03\x04\x05\x06\x07"),
        BYTES("\xa0"),
        BYTES("\xa3xyz"),
        BYTES("\xd9\x02xy"),
        BYTES("\xda\x00\x02xy"),
        BYTES("\xdb\x00\x00\x00\x02xy"),
        BYTES("\xc4\x02xy"),
        BYTES("\xc5\x00\x02xy"),
        BYTES("\xc6\x00\x00\x00\x02xy"),
        BYTES("\x80"),
        BYTES("\x82\x01\x92\x02\x03\xa1x\xc0"),
        BYTES("\xde\x00\x01\x01\x02"),
        BYTES("\xdf\x00\x00\x00\x01\x01\x02"),
        BYTES("\x90"),
        BYTES("\x93\x91\x90\x92\x01\x81\x02\x03\x04"),
        BYTES("\xdc\x00\x02\x01\x90"),
        BYTES("\xdd\x00\x00\x00\x02\x90\x01"),
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(unpack_open(&unpacked, kinds[i], PLENTY), 0);
        assert_same_as_msgpack(kinds[i], &unpacked);
    }
    unpack_close(&unpacked);
}

static void what_passes_can_be_unpacked(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    unsigned passed = 0;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[24];
        random_bytes(bytes, sizeof bytes);
        bytes[0] = (uint8_t)(0x90 | (bytes[0] & 3));
        for (size_t size = 1; size <= sizeof bytes; size++) {
            if (pack_guard(span_of(bytes, size), PLENTY) == 0) {
                assert_int_equal(unpack_open(&unpacked, span_of(bytes, size), PLENTY), 0);
                assert_same_as_msgpack(span_of(bytes, size), &unpacked);
                passed++;
            }
        }
    }
    unpack_close(&unpacked);
    assert_true(passed > 1000);
}

/* --- unpacking --- */

static void unpack_guards_first(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    assert_int_equal(unpack_open(&unpacked, BYTES("\xdd\xff\xff\xff\xff"), PLENTY), E_MALFORMED);
    assert_int_equal(unpack_open(&unpacked, BYTES("\x92\x01\x01"), 2), E_TOO_LARGE);
    assert_null(unpacked.objects);
    unpack_close(&unpacked);
    unpack_close(NULL);
}

static void unpack_reuses_its_memory(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct buf large;
    buf_init(&large, 1 << 20);
    pack_array(&large, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        pack_u64(&large, i);
    }
    for (unsigned round = 0; round < 50; round++) {
        bool is_large = round % 3 == 0 || round > 47; /* also twice in a row */
        struct span bytes = is_large ? buf_span(&large) : BYTES("\x92\x07\xc4\x02zz");
        const msgpack_object *before = unpacked.objects;
        assert_int_equal(unpack_open(&unpacked, bytes, PLENTY), 0);
        assert_true((round % 3 != 2 && round != 49) || before == unpacked.objects);
        assert_true(is_large ? unpacked.capacity >= 5001 : unpacked.capacity < 1000);
        struct walk walk = walk_array(&unpacked.root);
        assert_int_equal(walk_u64(&walk), is_large ? 0 : 7);
        assert_int_equal(walk_end(&walk, true), 0);
    }
    unpack_close(&unpacked);
    assert_null(unpacked.objects);
    buf_free(&large);
}

static void unpacked_bytes_point_into_the_message(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct span message = BYTES("\x92\xc4\x02zz\xa1y");
    assert_int_equal(unpack_open(&unpacked, message, PLENTY), 0);
    struct walk walk = walk_array(&unpacked.root);
    assert_ptr_equal(walk_bin(&walk).data, message.data + 3);
    assert_ptr_equal(walk_str(&walk).data, message.data + 6);
    assert_int_equal(walk_end(&walk, false), 0);
    unpack_close(&unpacked);
}

static void unpacking_without_memory_is_an_error(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    fail_alloc_at(1);
    int rc = unpack_open(&unpacked, BYTES("\x92\x01\x02"), PLENTY);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(unpacked.root.type, MSGPACK_OBJECT_NIL);
    assert_int_equal(unpack_open(&unpacked, BYTES("\x92\x01\x02"), PLENTY), 0);
    assert_int_equal(unpacked.root.via.array.size, 2);
    unpack_close(&unpacked);
}

static void packing_survives_failing_allocations(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    fail_alloc_at(1);
    write_sample(&buf);
    assert_true(fail_alloc_stop());
    assert_int_equal(buf_error(&buf), E_NOMEM);
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_shortest_form),
        cmocka_unit_test(writes_wide_counts),
        cmocka_unit_test(writing_past_the_maximum_sticks),
        cmocka_unit_test(every_tag_is_known),
        cmocka_unit_test(types_we_never_write_are_malformed),
        cmocka_unit_test(counts_that_lie_are_malformed),
        cmocka_unit_test(a_lie_is_found_at_once),
        cmocka_unit_test(exactly_one_object),
        cmocka_unit_test(a_cut_message_is_malformed_at_every_byte),
        cmocka_unit_test(the_element_budget_holds),
        cmocka_unit_test(the_depth_limit_holds),
        cmocka_unit_test(every_kind_is_unpacked),
        cmocka_unit_test(what_passes_can_be_unpacked),
        cmocka_unit_test(unpack_guards_first),
        cmocka_unit_test(unpack_reuses_its_memory),
        cmocka_unit_test(unpacked_bytes_point_into_the_message),
        cmocka_unit_test(unpacking_without_memory_is_an_error),
        cmocka_unit_test(packing_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
