/* tests/journal/test_operation.c - operations: golden bytes, what is refused, the hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "journal/operation.h"
#include "tests/support/died.h"

enum { MADE_MAX = 8 << 20 };

static struct unpacked scratch;
static struct buf made;

static int setup(void **state)
{
    (void)state;
    buf_init(&made, MADE_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&made);
    unpack_close(&scratch);
    return 0;
}

/* Decodes `made`; what comes out borrows from it until the next reset. */
static int decode(struct operation *operation, struct err *err)
{
    assert_int_equal(buf_error(&made), 0);
    assert_int_equal(unpack_open(&scratch, buf_span(&made), 1 << 20), 0);
    return operation_decode(&scratch.root, operation, err);
}

static void assert_decodes(int expected)
{
    struct operation operation = {.number = 77};
    struct err err = {0};
    int rc = decode(&operation, &err);
    if (rc != expected) {
        fail_msg("returned %s, not %s: %s", err_name(rc), err_name(expected), err.text);
    }
    assert_int_equal(err.code, expected);
    assert_true((operation.number == 77) == (rc == E_MALFORMED));
    buf_reset(&made);
}

static void assert_golden(const char *hex)
{
    char actual[512];
    assert_true(made.size * 2 < sizeof actual);
    hex_encode(made.data, made.size, actual);
    assert_string_equal(actual, hex);
}

static void put_sample(uint64_t number)
{
    struct operation_write set = {.path = SPAN_LITERAL("copy/default"),
                                  .value = SPAN_LITERAL("two")};
    struct operation_write drop = {
        .path = SPAN_LITERAL("fax"), .remove = true, .has_if_seq = true, .if_seq = 300};
    operation_begin_write(&made, number, 7, 0, 6, 2);
    operation_put_write(&made, &set);
    operation_put_write(&made, &drop);
}

/* --- what goes in comes out --- */

static void test_write(void **state)
{
    (void)state;
    put_sample(5);
    assert_golden("9605010700069293ac636f70792f64656661756c74c40374776fc093a3666178c0cd012c");
    struct operation operation;
    assert_int_equal(decode(&operation, NULL), 0);
    assert_true(operation.number == 5 && operation.kind == OPERATION_WRITE);
    assert_true(operation.bag_id == 7 && operation.made_by == 0 && operation.seen == 6);
    assert_int_equal(operation.write_count, 2);
    struct operation_write item;
    assert_int_equal(operation_write_at(&operation, 0, &item), 0);
    assert_true(span_equal(item.path, span_str("copy/default")));
    assert_true(span_equal(item.value, span_str("two")));
    assert_true(!item.remove && !item.has_if_seq);
    assert_false(item.device);
    assert_int_equal(operation_write_at(&operation, 1, &item), 0);
    assert_true(span_equal(item.path, span_str("fax")));
    assert_true(!item.device && item.remove && item.has_if_seq && item.if_seq == 300 &&
                item.value.size == 0);
    buf_reset(&made);
}

static void test_write_to_a_bag_to_be_made(void **state)
{
    (void)state;
    struct operation_write set = {.path = SPAN_LITERAL("a"), .has_if_seq = true};
    operation_begin_write(&made, 6, 0, 5, 0, 1);
    operation_put_write(&made, &set);
    assert_golden("9606010005009193a161c40000");
    struct operation operation;
    assert_int_equal(decode(&operation, NULL), 0);
    assert_true(operation.bag_id == 0 && operation.made_by == 5);
    struct operation_write item;
    assert_int_equal(operation_write_at(&operation, 0, &item), 0);
    assert_true(!item.remove && item.value.size == 0 && item.has_if_seq && item.if_seq == 0);
    buf_reset(&made);
}

static void test_write_made_under_device(void **state)
{
    (void)state;
    struct operation_write set = {
        .path = SPAN_LITERAL("a"), .value = SPAN_LITERAL("x"), .device = true};
    struct operation_write drop = {
        .path = SPAN_LITERAL("b"), .remove = true, .has_if_seq = true, .if_seq = 9, .device = true};
    struct operation_write shared = {.path = SPAN_LITERAL("c"), .remove = true};
    operation_begin_write(&made, 6, 7, 0, 0, 3);
    operation_put_write(&made, &set);
    operation_put_write(&made, &drop);
    operation_put_write(&made, &shared);
    assert_golden("9606010700009394a161c40178c00194a162c0090193a163c0c0");
    struct operation operation;
    struct operation_write item;
    assert_int_equal(decode(&operation, NULL), 0);
    assert_int_equal(operation_write_at(&operation, 0, &item), 0);
    assert_true(item.device && !item.has_if_seq && !item.remove);
    assert_int_equal(operation_write_at(&operation, 1, &item), 0);
    assert_true(item.device && item.remove && item.has_if_seq && item.if_seq == 9);
    assert_int_equal(operation_write_at(&operation, 2, &item), 0);
    assert_false(item.device);
    buf_reset(&made);
}

static void test_create(void **state)
{
    (void)state;
    struct owner owner = {OWNER_USER, 0, "Änn", "änn"};
    operation_put_create(&made, 6, &owner);
    assert_golden("94060204a4c3846e6e");
    struct operation operation;
    assert_int_equal(decode(&operation, NULL), 0);
    assert_true(operation.number == 6 && operation.kind == OPERATION_CREATE);
    assert_true(operation.owner.kind == OWNER_USER && operation.write_count == 0);
    assert_string_equal(operation.owner.shown, "Änn");
    assert_string_equal(operation.owner.folded, "änn");
    buf_reset(&made);
}

static void test_empty(void **state)
{
    (void)state;
    operation_put_empty(&made, UINT64_MAX);
    assert_golden("92cfffffffffffffffff00");
    struct operation operation;
    assert_int_equal(decode(&operation, NULL), 0);
    assert_true(operation.number == UINT64_MAX && operation.kind == OPERATION_EMPTY);
    buf_reset(&made);
}

/* --- what is refused --- */

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int rc;
    } cases[] = {
        {"920000", E_MALFORMED},                           /* the number 0 */
        {"920100", 0},                                     /* EMPTY */
        {"93010000", E_MALFORMED},                         /* EMPTY with a body */
        {"920103", E_MALFORMED},                           /* no such kind */
        {"9201cfffffffffffffffff", E_MALFORMED},           /* nor such */
        {"9101", E_MALFORMED},                             /* no kind */
        {"90", E_MALFORMED},                               /* nothing */
        {"c0", E_MALFORMED},                               /* no array */
        {"92a13100", E_MALFORMED},                         /* the number is a text */
        {"9605010700069193a161c40100c0", 0},               /* a WRITE */
        {"96050107000690", E_MALFORMED},                   /* without items */
        {"960501070006c0", E_MALFORMED},                   /* without a list */
        {"950501070006", E_MALFORMED},                     /* without the field */
        {"9705010700069193a161c40100c0c0", E_MALFORMED},   /* with one more */
        {"9605010000069193a161c40100c0", E_MALFORMED},     /* names no bag */
        {"9605010704069193a161c40100c0", E_MALFORMED},     /* names two */
        {"9605010005069193a161c40100c0", E_MALFORMED},     /* made by itself */
        {"9605010006069193a161c40100c0", E_MALFORMED},     /* made by a later one */
        {"9605010004069193a161c40100c0", 0},               /* made by an earlier one */
        {"9605010700069192a161c40100", E_MALFORMED},       /* an item of two */
        {"9605010700069194a161c40100c001", 0},             /* made under "device-specific" */
        {"9605010700069194a161c40100c0c0", E_MALFORMED},   /* its fourth is nothing */
        {"9605010700069194a161c40100c000", E_MALFORMED},   /* or 0: one form for each meaning */
        {"9605010700069194a161c40100c002", E_MALFORMED},   /* or 2 */
        {"9605010700069194a161c40100c0c3", E_MALFORMED},   /* or a truth */
        {"9605010700069195a161c40100c001c0", E_MALFORMED}, /* an item of five */
        {"96050107000691c0", E_MALFORMED},                 /* no item */
        {"960501070006919301c40100c0", E_MALFORMED},       /* its path is a number */
        {"9605010700069193c40161c40100c0", E_MALFORMED},   /* its path is a binary */
        {"9605010700069193a161a100c0", E_MALFORMED},       /* its value is a text */
        {"9605010700069193a161c0c3", E_MALFORMED},         /* its condition is a truth */
        {"9605010700069193a161c0ff", E_MALFORMED},         /* its condition is below 0 */
        {"9605010700069193a0c0c0", 0},       /* an empty path: the committer's to refuse */
        {"94060204a3416e6e", 0},             /* a CREATE */
        {"94060203a3416e6e", 0},             /* of a group */
        {"94060201a3416e6e", E_MALFORMED},   /* of the fleet */
        {"94060205a3416e6e", E_MALFORMED},   /* of a user's device */
        {"94060206a3416e6e", E_MALFORMED},   /* of a device */
        {"94060204c403416e6e", E_MALFORMED}, /* its name is a binary */
        {"93060204", E_MALFORMED},           /* without a name */
        {"94060204a0", E_NAME},              /* with an empty one */
        {"94060204a3412f42", E_NAME},        /* with a slash */
        {"94060204a1ff", E_NAME},            /* with one that is no UTF-8 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[64];
        size_t size = strlen(cases[i].hex) / 2;
        assert_int_equal(hex_decode(span_str(cases[i].hex), bytes, size), 0);
        buf_append(&made, bytes, size);
        assert_decodes(cases[i].rc);
    }
}

static void put_items(uint32_t count)
{
    struct operation_write drop = {.path = SPAN_LITERAL("a"), .remove = true};
    pack_array(&made, 6);
    pack_u64(&made, 1);
    pack_u64(&made, OPERATION_WRITE);
    pack_u64(&made, 7);
    pack_u64(&made, 0);
    pack_u64(&made, 0);
    pack_array(&made, count);
    for (uint32_t i = 0; i < count; i++) {
        operation_put_write(&made, &drop);
    }
}

static void test_number_of_items(void **state)
{
    (void)state;
    put_items(OPERATION_WRITES_MAX - 1);
    assert_decodes(0);
    put_items(OPERATION_WRITES_MAX);
    assert_decodes(0);
    put_items(OPERATION_WRITES_MAX + 1);
    assert_decodes(E_MALFORMED);
}

static void put_value_of(size_t size)
{
    static const uint8_t bytes[OPERATION_BYTES_MAX + 1];
    struct operation_write set = {.path = SPAN_LITERAL("a"), .value = {bytes, size}};
    operation_begin_write(&made, 1, 7, 0, 0, 1);
    operation_put_write(&made, &set);
}

static void test_size_of_items(void **state)
{
    (void)state;
    put_value_of(OPERATION_BYTES_MAX - 2);
    assert_decodes(0);
    put_value_of(OPERATION_BYTES_MAX - 1);
    assert_decodes(0);
    put_value_of(OPERATION_BYTES_MAX);
    assert_decodes(E_TOO_LARGE);
}

/* --- the hash --- */

static uint64_t hash_of_made(void)
{
    struct operation operation;
    int rc = decode(&operation, NULL);
    assert_true(rc == 0 || rc == E_NAME || rc == E_TOO_LARGE);
    uint64_t hash = operation_hash(&operation);
    buf_reset(&made);
    return hash;
}

static uint64_t hash_of_hex(const char *hex)
{
    uint8_t bytes[64];
    size_t size = strlen(hex) / 2;
    assert_int_equal(hex_decode(span_str(hex), bytes, size), 0);
    buf_append(&made, bytes, size);
    return hash_of_made();
}

static void test_hash_leaves_the_number_out(void **state)
{
    (void)state;
    put_sample(5);
    uint64_t hash = hash_of_made();
    put_sample(6000);
    assert_true(hash == hash_of_made());
    /* A number is the same number however it was encoded. */
    assert_true(hash_of_hex("9605010700069193a161c40100c0") ==
                hash_of_hex("9605cc01cd000700069193d90161c5000100c0"));
}

static void test_hash_of_what_differs(void **state)
{
    (void)state;
    static const char *const different[] = {
        "920500",
        "94050204a3416e6e",
        "94050203a3416e6e",
        "94050204a3616e6e",
        "94050204a0",
        "94050204a3412f42",
        "9605010700069193a161c40100c0",
        "9605010800069193a161c40100c0",
        "9605010004069193a161c40100c0",
        "9605010700079193a161c40100c0",
        "9605010700069193a162c40100c0",
        "9605010700069193a161c40101c0",
        "9605010700069193a161c400c0",
        "9605010700069193a161c0c0",
        "9605010700069193a161c4010000",
        "9605010700069193a161c4010001",
        "9605010700069194a161c40100c001",
        "9605010700069293a161c40100c093a162c0c0",
        "9605010700069293a162c0c093a161c40100c0",
    };
    enum { COUNT = sizeof different / sizeof different[0] };
    uint64_t hashes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        hashes[i] = hash_of_hex(different[i]);
        for (size_t j = 0; j < i; j++) {
            if (hashes[i] == hashes[j]) {
                fail_msg("%s and %s have the same hash", different[i], different[j]);
            }
        }
    }
}

/* It is in journals: it may not change. */
static void test_golden_hash(void **state)
{
    (void)state;
    put_sample(5);
    char hex[17];
    (void)snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash_of_made());
    assert_string_equal(hex, "ba98a2932c6dcc7b");
}

/* --- our mistakes --- */

static void begin_with_two_bags(void *context)
{
    (void)context;
    operation_begin_write(&made, 5, 7, 4, 0, 1);
}

static void begin_with_no_bag(void *context)
{
    (void)context;
    operation_begin_write(&made, 5, 0, 0, 0, 1);
}

static void begin_too_many(void *context)
{
    (void)context;
    operation_begin_write(&made, 5, 7, 0, 0, OPERATION_WRITES_MAX + 1);
}

static void create_a_device(void *context)
{
    (void)context;
    struct owner owner = {.kind = OWNER_DEVICE, .device = 5};
    operation_put_create(&made, 5, &owner);
}

static void put_number_zero(void *context)
{
    (void)context;
    operation_put_empty(&made, 0);
}

static void write_past_the_end(void *context)
{
    struct operation_write item;
    (void)!operation_write_at(context, 0, &item);
}

static void test_mistakes(void **state)
{
    (void)state;
    assert_true(died(begin_with_two_bags, NULL));
    assert_true(died(begin_with_no_bag, NULL));
    assert_true(died(begin_too_many, NULL));
    assert_true(died(create_a_device, NULL));
    assert_true(died(put_number_zero, NULL));
    struct operation operation = {0};
    assert_true(died(write_past_the_end, &operation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_to_a_bag_to_be_made),
        cmocka_unit_test(test_write_made_under_device),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_number_of_items),
        cmocka_unit_test(test_size_of_items),
        cmocka_unit_test(test_hash_leaves_the_number_out),
        cmocka_unit_test(test_hash_of_what_differs),
        cmocka_unit_test(test_golden_hash),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
