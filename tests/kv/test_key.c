/* tests/kv/test_key.c - keys: golden bytes, and the longest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kv/key.h"

static void check_key(struct kv_key key, const char *hex)
{
    char text[2 * KV_KEY_MAX + 1];
    hex_encode(key.data, key.size, text);
    assert_string_equal(text, hex);
}

static void keys_are_what_they_were(void **state)
{
    (void)state;
    const uint64_t n = 0x0102030405060708;
    const struct owner ann = {OWNER_USER, 0, "Ann", "ann"};
    const struct owner anns_own = {OWNER_USER_DEVICE, n, "Ann", "ann"};
    const struct owner fleet = {.kind = OWNER_FLEET};
    const struct owner device = {.kind = OWNER_DEVICE, .device = n};
    check_key(kv_key_format(), "46");
    check_key(kv_key_mark(), "4d");
    check_key(kv_key_bag(n), "420102030405060708");
    check_key(kv_key_grave(n), "470102030405060708");
    check_key(kv_key_named_grave(&ann, n), "4e04616e6e000102030405060708");
    check_key(kv_key_named_graves(&ann), "4e04616e6e00");
    check_key(kv_key_named_graves(&anns_own), "4e04616e6e00");
    check_key(kv_key_named_grave(&device, 9), "4e060102030405060708000000000000000009");
    check_key(kv_key_doomed(n), "440102030405060708");
    check_key(kv_key_tombstone(n), "540102030405060708");
    check_key(kv_key_note(SPAN_LITERAL("ab")), "536162");
    check_key(kv_key_note(SPAN_LITERAL("")), "53");
    check_key(kv_key_sign_in(n, 9), "5501020304050607080000000000000009");
    check_key(kv_key_sign_ins(n), "550102030405060708");
    check_key(kv_key_sign_ins_all(), "55");
    check_key(kv_key_member(SPAN_LITERAL("ann"), n), "50616e6e000102030405060708");
    check_key(kv_key_members(SPAN_LITERAL("ann")), "50616e6e00");
    check_key(kv_key_bags(), "42");
    check_key(kv_key_graves(), "47");
    check_key(kv_key_doomed_all(), "44");
    check_key(kv_key_tombstones(), "54");
    check_key(kv_key_writer(n), "570102030405060708");
    check_key(kv_key_outcome(n, 9), "5101020304050607080000000000000009");
    check_key(kv_key_child(n, 9), "4301020304050607080000000000000009");
    check_key(kv_key_children(n), "430102030405060708");
    check_key(kv_key_owner(&ann), "4f04616e6e");
    check_key(kv_key_owner_named(OWNER_GROUP, "ann"), "4f03616e6e");
    check_key(kv_key_owner(&fleet), "4f01");
    check_key(kv_key_owner(&device), "4f060102030405060708");
    check_key(kv_key_item(n, SPAN_LITERAL("a/b")), "490102030405060708612f62");
    check_key(kv_key_item(n, SPAN_LITERAL("")), "490102030405060708");
}

static void the_longest_key_fits(void **state)
{
    (void)state;
    char path[PATH_MAX_BYTES];
    memset(path, 'p', sizeof path);
    struct kv_key key = kv_key_item(UINT64_MAX, span_of(path, sizeof path));
    assert_int_equal(key.size, KV_KEY_MAX);
    assert_int_equal(kv_key_bag_id(kv_key_span(&key)), UINT64_MAX);
    assert_true(span_equal(kv_key_path(kv_key_span(&key)), span_of(path, sizeof path)));
    key = kv_key_note(span_of(path, sizeof path));
    assert_int_equal(key.size, 1 + KV_NOTE_NAME_MAX);
    key = kv_key_tombstone(UINT64_MAX);
    assert_int_equal(kv_key_seq(kv_key_span(&key)), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_what_they_were),
        cmocka_unit_test(the_longest_key_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
