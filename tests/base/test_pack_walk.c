/* Tests of base/pack.c: the walk over what was unpacked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/pack.h"

enum { PLENTY = 1000000 };

#define BYTES(text) SPAN_LITERAL(text)

static struct walk open_walk(struct unpacked *unpacked, struct span bytes)
{
    assert_int_equal(unpack_open(unpacked, bytes, PLENTY), 0);
    return walk_array(&unpacked->root);
}

static void walk_reads_all_types(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct walk walk = open_walk(&unpacked, BYTES("\x9a\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x05\xc3"
                                                  "\xc2\xc4\x02zz\xc4\x00\xa1y\xc4\x03"
                                                  "abc\xc0\x91\x01"));
    assert_true(walk_u64(&walk) == UINT64_MAX);
    assert_int_equal(walk_u64_max(&walk, 5), 5);
    assert_true(walk_bool(&walk));
    assert_false(walk_bool(&walk));
    assert_true(span_equal(walk_bin(&walk), SPAN_LITERAL("zz")));
    assert_int_equal(walk_bin(&walk).size, 0);
    assert_true(span_equal(walk_str(&walk), SPAN_LITERAL("y")));
    uint8_t bytes[3];
    walk_bytes(&walk, bytes, 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_true(walk_nil(&walk));
    const msgpack_object *any = walk_any(&walk);
    assert_non_null(any);
    assert_int_equal(any->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(walk_end(&walk, false), 0);
    assert_false(walk_nil(&walk));
    assert_int_equal(walk_end(&walk, false), 0);
    assert_null(walk_any(&walk));
    assert_int_equal(walk_end(&walk, true), E_MALFORMED);
    unpack_close(&unpacked);
}

static void leftovers_are_an_error_unless_allowed(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct walk walk = open_walk(&unpacked, BYTES("\x92\x01\x02"));
    assert_int_equal(walk_u64(&walk), 1);
    assert_int_equal(walk_end(&walk, false), E_MALFORMED);
    assert_int_equal(walk_end(&walk, true), 0);
    unpack_close(&unpacked);
}

/* Who reads may put a cause of its own there: it is no wrong message then. */
static void a_reader_s_own_failure_sticks(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    uint8_t bytes[3];
    struct walk walk = open_walk(&unpacked, BYTES("\x93\x01\x02\xc4\x03zzz"));
    assert_int_equal(walk_u64(&walk), 1);
    walk.error = E_NOMEM;
    assert_int_equal(walk_u64(&walk), 0);
    walk_bytes(&walk, bytes, sizeof bytes);
    assert_int_equal(walk_end(&walk, true), E_NOMEM);
    unpack_close(&unpacked);
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct walk walk = open_walk(&unpacked, BYTES("\x94\xa1z\x02\xc3\xc0"));
    assert_int_equal(walk_u64(&walk), 0);
    assert_int_equal(walk_u64(&walk), 0);
    assert_false(walk_bool(&walk));
    assert_false(walk_nil(&walk));
    assert_null(walk_any(&walk));
    assert_int_equal(walk_bin(&walk).size, 0);
    assert_int_equal(walk_str(&walk).size, 0);
    assert_int_equal(walk_end(&walk, true), E_MALFORMED);
    unpack_close(&unpacked);
}

static int end_of(struct walk *walk)
{
    return walk_end(walk, true);
}

static void every_getter_checks_its_type(void **state)
{
    (void)state;
    /* A number, a bool, a binary, a text, nil, a map and a negative number. */
    static const struct span cases[] = {
        {(const uint8_t *)"\x91\x05", 2},      {(const uint8_t *)"\x91\xc3", 2},
        {(const uint8_t *)"\x91\xc4\x01z", 4}, {(const uint8_t *)"\x91\xa1z", 3},
        {(const uint8_t *)"\x91\xc0", 2},      {(const uint8_t *)"\x91\x80", 2},
        {(const uint8_t *)"\x91\xff", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unpacked unpacked = {0};
        struct walk first = open_walk(&unpacked, cases[i]);
        struct walk walk = first;
        (void)walk_u64(&walk);
        assert_int_equal(end_of(&walk), i == 0 ? 0 : E_MALFORMED);
        walk = first;
        assert_int_equal(walk_u64_max(&walk, 4), 0);
        assert_int_equal(end_of(&walk), E_MALFORMED);
        walk = first;
        (void)walk_bool(&walk);
        assert_int_equal(end_of(&walk), i == 1 ? 0 : E_MALFORMED);
        walk = first;
        (void)walk_bin(&walk);
        assert_int_equal(end_of(&walk), i == 2 ? 0 : E_MALFORMED);
        walk = first;
        (void)walk_str(&walk);
        assert_int_equal(end_of(&walk), i == 3 ? 0 : E_MALFORMED);
        walk = first;
        assert_int_equal(walk_nil(&walk), i == 4);
        assert_int_equal(walk.left, i == 4 ? 0 : 1);
        assert_int_equal(end_of(&walk), 0);
        unpack_close(&unpacked);
    }
}

static void bytes_have_exactly_their_size(void **state)
{
    (void)state;
    static const char *const messages[] = {"\x91\xc4\x02zz", "\x91\xc4\x03zzz", "\x91\xc4\x04zzzz"};
    for (size_t i = 0; i < 3; i++) {
        struct unpacked unpacked = {0};
        struct walk walk = open_walk(&unpacked, span_of(messages[i], 5 + i));
        uint8_t out[3] = {1, 2, 3};
        walk_bytes(&walk, out, 3);
        assert_int_equal(end_of(&walk), i == 1 ? 0 : E_MALFORMED);
        assert_memory_equal(out, i == 1 ? "zzz" : "\0\0\0", 3);
        unpack_close(&unpacked);
    }
}

static void a_walk_does_not_look_past_its_end(void **state)
{
    (void)state;
    msgpack_object objects[2] = {{.type = MSGPACK_OBJECT_NIL}, {.type = MSGPACK_OBJECT_NIL}};
    msgpack_object array = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, objects}};
    struct walk walk = walk_array(&array);
    assert_true(walk_nil(&walk));
    assert_false(walk_nil(&walk));
    assert_int_equal(walk_end(&walk, false), 0);
}

static void what_is_no_array_cannot_be_walked(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    struct walk walk = open_walk(&unpacked, BYTES("\x80"));
    assert_int_equal(walk_end(&walk, true), E_MALFORMED);
    assert_null(walk_any(&walk));
    walk = walk_array(NULL);
    assert_int_equal(walk_end(&walk, true), E_MALFORMED);
    unpack_close(&unpacked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_reads_all_types),
        cmocka_unit_test(leftovers_are_an_error_unless_allowed),
        cmocka_unit_test(a_reader_s_own_failure_sticks),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(every_getter_checks_its_type),
        cmocka_unit_test(bytes_have_exactly_their_size),
        cmocka_unit_test(a_walk_does_not_look_past_its_end),
        cmocka_unit_test(what_is_no_array_cannot_be_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
