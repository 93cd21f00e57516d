/* tests/journal/test_change_refused.c - what is well-formed msgpack and yet no change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/journal/change_samples.h"

/* Encode, decode, and expect the refusal to say `why`; NULL: expect success. */
static void expect(const struct change *change, enum change_form form, uint64_t seq,
                   const char *why)
{
    struct buf out;
    buf_init(&out, 3 << 20);
    change_encode(&out, change, form);
    assert_int_equal(buf_error(&out), 0);
    struct unpacked unpacked = {0};
    struct change got;
    struct err err = {0};
    int rc = decode(&unpacked, buf_span(&out), form, seq, &got, &err);
    if (why == NULL) {
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
    } else {
        assert_int_equal(rc, E_MALFORMED);
        assert_non_null(strstr(err.text, why));
        assert_int_equal(got.kind, 0); /* untouched on failure */
    }
    unpack_close(&unpacked);
    buf_free(&out);
}

static void refuses_seqs_that_do_not_fit(void **state)
{
    (void)state;
    const struct {
        void (*make)(struct change *change);
        uint64_t seq;
        uint64_t bag_id;
        uint64_t prev;
        bool fits;
    } cases[] = {
        {sample_history, 1, 0, 0, true},
        {sample_history, 0, 0, 0, false},
        {sample_history, 1, 1, 0, false},
        {sample_history, 2, 0, 1, false},
        {sample_void, 12, 0, 0, true},
        {sample_void, 12, 3, 0, false},
        {sample_void, 12, 0, 3, false},
        {sample_create_user, 8, 8, 0, true},
        {sample_create_user, 8, 7, 0, false},
        {sample_create_user, 8, 8, 7, false},
        {sample_create_user, 0, 0, 0, false},
        {sample_delete, 9, 8, 8, true},
        {sample_delete, 9, 0, 8, false},
        {sample_delete, 9, 8, 7, false},
        {sample_delete, 9, 8, 9, false},
        {sample_set_new, 9, 1, 1, true},
        {sample_set_new, 9, 0, 0, false},
        {sample_set_new, 9, 8, 9, false},
        {sample_remove, 9, 0, 8, false},
        {sample_set_new, 9, 9, 9, false},
        {sample_remove, 9, 8, UINT64_MAX, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (enum change_form form = CHANGE_JOURNAL; form <= CHANGE_STREAM; form++) {
            struct change change;
            cases[i].make(&change);
            change.seq = cases[i].seq;
            change.bag_id = cases[i].bag_id;
            change.prev = cases[i].prev;
            expect(&change, form, cases[i].seq, cases[i].fits ? NULL : "the seqs in it");
        }
    }
}

static void refuses_owners_of_a_wrong_shape(void **state)
{
    (void)state;
    const struct {
        struct owner owner;
        uint64_t parent;
        bool fits;
    } cases[] = {
        {{OWNER_FLEET, 0, "", ""}, 0, true},           {{OWNER_FLEET, 0, "a", "a"}, 0, false},
        {{OWNER_FLEET, 1, "", ""}, 0, false},          {{OWNER_FLEET, 0, "", ""}, 1, false},
        {{OWNER_SERVER, 0, "", ""}, 0, true},          {{OWNER_SERVER, 0, "", "a"}, 0, false},
        {{OWNER_GROUP, 0, "A", "a"}, 0, true},         {{OWNER_GROUP, 0, "", "a"}, 0, false},
        {{OWNER_GROUP, 0, "a", ""}, 0, false},         {{OWNER_GROUP, 0, "a/b", "a"}, 0, false},
        {{OWNER_GROUP, 0, "a", "a/b"}, 0, false},      {{OWNER_GROUP, 0, "a:b", "a"}, 0, false},
        {{OWNER_GROUP, 0, "a", "a:b"}, 0, false},      {{OWNER_GROUP, 0, "a\x1f", "a"}, 0, false},
        {{OWNER_GROUP, 0, "a\x7f", "a"}, 0, false},    {{OWNER_GROUP, 0, "a\xff", "a"}, 0, false},
        {{OWNER_GROUP, 0, "a", "\xc2\x80"}, 0, false}, {{OWNER_GROUP, 0, "\xc3", "a"}, 0, false},
        {{OWNER_USER, 0, "a", "a"}, 0, true},          {{OWNER_USER, 1, "a", "a"}, 0, false},
        {{OWNER_USER, 0, "a", "a"}, 1, false},         {{OWNER_USER_DEVICE, 1, "a", "a"}, 1, true},
        {{OWNER_USER_DEVICE, 0, "a", "a"}, 1, false},  {{OWNER_USER_DEVICE, 1, "a", "a"}, 0, false},
        {{OWNER_USER_DEVICE, 1, "a", "a"}, 2, false},  {{OWNER_USER_DEVICE, 1, "", ""}, 1, false},
        {{OWNER_DEVICE, 1, "", ""}, 0, true},          {{OWNER_DEVICE, 0, "", ""}, 0, false},
        {{OWNER_DEVICE, 1, "a", "a"}, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct change change = {.seq = 2,
                                .bag_id = 2,
                                .kind = CHANGE_BAG_CREATE,
                                .owner = cases[i].owner,
                                .parent = cases[i].parent};
        expect(&change, CHANGE_STREAM, 2, cases[i].fits ? NULL : "the owner's name");
    }
}

static void holds_names_to_their_limit(void **state)
{
    (void)state;
    struct change change;
    sample_create_user(&change);
    memset(change.owner.shown, 'A', NAME_MAX_BYTES);
    memset(change.owner.folded, 'a', NAME_MAX_BYTES);
    expect(&change, CHANGE_JOURNAL, 7, NULL);

    /* One byte more does not fit the struct, so the bytes are written by hand. */
    for (int which = 0; which < 2; which++) {
        uint8_t name[NAME_MAX_BYTES + 1];
        memset(name, 'a', sizeof name);
        struct buf out;
        buf_init(&out, 4096);
        pack_array(&out, 13);
        const uint64_t head[] = {CHANGE_BAG_CREATE, 7, 0, 5};
        for (size_t i = 0; i < 4; i++) {
            pack_u64(&out, head[i]);
        }
        pack_cstr(&out, "");
        pack_u64(&out, 0);
        pack_u64(&out, 0);
        pack_nil(&out);
        pack_u64(&out, OWNER_USER);
        pack_str(&out, span_of(name, sizeof name - (which == 0 ? 0 : 1)));
        pack_str(&out, span_of(name, sizeof name - (which == 0 ? 1 : 0)));
        pack_u64(&out, 0);
        pack_u64(&out, 0);
        struct unpacked unpacked = {0};
        struct err err = {0};
        assert_int_equal(decode(&unpacked, buf_span(&out), CHANGE_JOURNAL, 7, &change, &err),
                         E_MALFORMED);
        assert_non_null(strstr(err.text, "the owner's name"));
        unpack_close(&unpacked);
        buf_free(&out);
    }
}

static void refuses_items_that_are_none(void **state)
{
    (void)state;
    static uint8_t big[VALUE_MAX_BYTES];
    struct change change;

    const char *bad_paths[] = {"/a", "a/", "a//b", "..", "a/../b", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof bad_paths / sizeof bad_paths[0]; i++) {
        sample_set(&change);
        change.path = span_str(bad_paths[i]);
        expect(&change, CHANGE_JOURNAL, 9, "path");
    }
    sample_set(&change);
    change.old_seq = 9;
    expect(&change, CHANGE_JOURNAL, 9, "what it replaces");
    change.old_seq = 0; /* an old value of no row */
    expect(&change, CHANGE_JOURNAL, 9, "what it replaces");

    sample_set(&change);
    memset(big, 'p', PATH_MAX_BYTES);
    change.path = span_of(big, PATH_MAX_BYTES);
    expect(&change, CHANGE_JOURNAL, 9, NULL);
    change.value = span_of(big, sizeof big);
    change.old_value = change.value;
    expect(&change, CHANGE_JOURNAL, 9, NULL);
}

static void refuses_outcomes_and_operations_that_are_none(void **state)
{
    (void)state;
    struct change change;
    sample_void(&change);
    change.has_op = false;
    expect(&change, CHANGE_JOURNAL, 12, "names no operation");
    sample_void(&change);
    change.op.writer = 0;
    expect(&change, CHANGE_JOURNAL, 12, "operation");
    sample_void(&change);
    change.op.number = 0;
    expect(&change, CHANGE_JOURNAL, 12, "operation");
    for (uint64_t code = 1; code <= 41; code++) {
        sample_void(&change);
        change.code = code;
        expect(&change, CHANGE_JOURNAL, 12, NULL);
    }
    const uint64_t bad[] = {0, 9999, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        change.code = bad[i];
        expect(&change, CHANGE_JOURNAL, 12, "code");
    }
}

static void holds_actors_to_their_limit(void **state)
{
    (void)state;
    char actor[ACTOR_MAX_BYTES];
    memset(actor, 'a', sizeof actor);
    struct change change;
    sample_delete(&change);
    change.actor = span_of(actor, sizeof actor);
    expect(&change, CHANGE_JOURNAL, 70000, NULL);
    actor[3] = '\n';
    expect(&change, CHANGE_JOURNAL, 70000, "actor");
    actor[3] = (char)0xc3;
    expect(&change, CHANGE_JOURNAL, 70000, "actor");
}

/* Bytes written by hand, with the sentence that refuses them; NULL: they are a change. */
static const struct {
    const char *hex;
    enum change_form form;
    const char *why;
} handwritten[] = {
    {"9803070700a00000c0", CHANGE_JOURNAL, NULL}, /* a deletion, to begin with */
    {"9a090103070700a00000c0", CHANGE_STREAM, NULL},
    {"c0", CHANGE_JOURNAL, "field"},
    {"90", CHANGE_JOURNAL, "field"},
    {"9800070700a00000c0", CHANGE_JOURNAL, "kind"},
    {"9807070700a00000c0", CHANGE_JOURNAL, "kind"},
    {"98ff070700a00000c0", CHANGE_JOURNAL, "field"},
    {"9803070700c4000000c0", CHANGE_JOURNAL, "field"},               /* a binary actor */
    {"9803070700a00002c0", CHANGE_JOURNAL, "field"},                 /* an unknown flag */
    {"9803070700a0cf000000010000000000c0", CHANGE_JOURNAL, "field"}, /* set_left of 33 bits */
    {"9803070700a0000000", CHANGE_JOURNAL, "operation"},             /* neither nil nor an array */
    {"9803070700a0000090", CHANGE_JOURNAL, "operation"},
    {"9803070700a000009401020304", CHANGE_JOURNAL, NULL},
    {"9803070700a00000950102030405", CHANGE_JOURNAL, "operation"},
    {"9903070700a00000c000", CHANGE_JOURNAL, "deletion has a body"},
    {"9703070700a00000", CHANGE_JOURNAL, "operation"}, /* one field too few */
    {"9a090103070700a1610000c0", CHANGE_STREAM, "actor"},
    {"9a090103070700a000009401020304", CHANGE_STREAM, "operation"},
    {"9d090105070700a00000c0a16101c400", CHANGE_STREAM, "what it replaces"},
    {"9b05070700a00000c0a1610105", CHANGE_JOURNAL, "item"}, /* an old number */
    {"9b05070700a00000c0a161c001", CHANGE_JOURNAL, "item"},
    {"9b05070700a00000c0c4016101c0", CHANGE_JOURNAL, "item"}, /* a binary path */
    {"9b05070700a00000c0a001c0", CHANGE_JOURNAL, "path"},
    {"9c04070700a00000c0a161a000c0", CHANGE_JOURNAL, "item"}, /* a text value */
    {"9906000000a00000940102030405", CHANGE_JOURNAL, NULL},
    {"9a06000000a00000940102030405c0", CHANGE_JOURNAL, "outcome"},
    {"9d02090000a00000c004a161a16100c0", CHANGE_JOURNAL, "creation"},
    {"9d02090000a00000c007a161a1610000", CHANGE_JOURNAL, "creation"},
    {"9c01000000a00000c0c400c40000c400", CHANGE_JOURNAL, "history"},
};

static void check_handwritten(const char *hex, enum change_form form, const char *why)
{
    uint8_t bytes[256];
    size_t size = strlen(hex) / 2;
    assert_true(size <= sizeof bytes);
    assert_int_equal(hex_decode(span_str(hex), bytes, size), 0);
    struct unpacked unpacked = {0};
    struct change got;
    struct err err = {0};
    int rc = decode(&unpacked, span_of(bytes, size), form, 9, &got, &err);
    if (why == NULL) {
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
    } else {
        assert_int_equal(rc, E_MALFORMED);
        assert_non_null(strstr(err.text, why));
    }
    unpack_close(&unpacked);
}

static void refuses_bytes_that_we_never_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof handwritten / sizeof handwritten[0]; i++) {
        check_handwritten(handwritten[i].hex, handwritten[i].form, handwritten[i].why);
    }
    char long_actor[4 + 2 * (ACTOR_MAX_BYTES + 1) + 64];
    size_t at = (size_t)snprintf(long_actor, sizeof long_actor,
                                 "98030707"
                                 "00"
                                 "d941");
    for (int i = 0; i < ACTOR_MAX_BYTES + 1; i++) {
        at += (size_t)snprintf(long_actor + at, sizeof long_actor - at, "61");
    }
    (void)snprintf(long_actor + at, sizeof long_actor - at, "0000c0");
    check_handwritten(long_actor, CHANGE_JOURNAL, "actor");
}

static void refuses_a_value_over_the_limit(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, VALUE_MAX_BYTES + 1);
    assert_non_null(big);
    for (int which = 0; which < 2; which++) { /* the new value, then the old one */
        struct buf out;
        buf_init(&out, 3 << 20);
        static const uint8_t head[] = {0x9c, 4, 7, 7, 0, 0xa0, 0, 0, 0xc0, 0xa1, 'a'};
        assert_int_equal(buf_append(&out, head, sizeof head), 0);
        pack_bin(&out, span_of(big, which == 0 ? VALUE_MAX_BYTES + 1 : 0));
        pack_u64(&out, 8);
        pack_bin(&out, span_of(big, which == 1 ? VALUE_MAX_BYTES + 1 : 0));
        struct unpacked unpacked = {0};
        struct change got;
        struct err err = {0};
        assert_int_equal(decode(&unpacked, buf_span(&out), CHANGE_JOURNAL, 9, &got, &err),
                         E_MALFORMED);
        assert_non_null(strstr(err.text, "1 MiB"));
        unpack_close(&unpacked);
        buf_free(&out);
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_seqs_that_do_not_fit),
        cmocka_unit_test(refuses_owners_of_a_wrong_shape),
        cmocka_unit_test(holds_names_to_their_limit),
        cmocka_unit_test(refuses_items_that_are_none),
        cmocka_unit_test(refuses_outcomes_and_operations_that_are_none),
        cmocka_unit_test(holds_actors_to_their_limit),
        cmocka_unit_test(refuses_bytes_that_we_never_write),
        cmocka_unit_test(refuses_a_value_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
