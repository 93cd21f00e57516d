/* tests/journal/test_change.c - the bytes of a change: golden, cut, flipped, and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/change.h"

static const uint64_t sample_time = 1700000000123;
static const struct change_op sample_op = {0x1122334455667788, 3, UINT64_MAX, 2};

static void sample_history(struct change *change)
{
    *change = (struct change){.seq = 1, .kind = CHANGE_HISTORY};
    change->history.parent_seq = 41;
    for (uint8_t i = 0; i < HISTORY_SIZE; i++) {
        change->history.id[i] = i;
    }
    memset(change->history.parent, 0xaa, HISTORY_SIZE);
    memset(change->history.parent_hash, 0xbb, SHA256_SIZE);
}

static void sample_create_user(struct change *change)
{
    *change = (struct change){.seq = 7,
                              .kind = CHANGE_BAG_CREATE,
                              .bag_id = 7,
                              .origin = 0x00f3000000000001,
                              .set_left = 1,
                              .has_op = true,
                              .op = sample_op,
                              .owner = {OWNER_USER, 0, "Änn", "änn"}};
}

static void sample_create_user_device(struct change *change)
{
    *change = (struct change){.seq = 300,
                              .kind = CHANGE_BAG_CREATE,
                              .bag_id = 300,
                              .origin = 5,
                              .has_op = true,
                              .op = {sample_op.writer, 3, 9, 2},
                              .parent = 7,
                              .owner = {OWNER_USER_DEVICE, 5, "Ann", "ann"}};
}

static void sample_create_fleet(struct change *change)
{
    *change = (struct change){.seq = 2,
                              .kind = CHANGE_BAG_CREATE,
                              .bag_id = 2,
                              .actor = SPAN_LITERAL("admin"),
                              .owner = {.kind = OWNER_FLEET}};
}

static void sample_delete(struct change *change)
{
    *change = (struct change){.seq = 70000,
                              .kind = CHANGE_BAG_DELETE,
                              .bag_id = 7,
                              .prev = 300,
                              .set_left = 2,
                              .actor = SPAN_LITERAL("admin")};
}

static void sample_set(struct change *change)
{
    *change = (struct change){.seq = 9,
                              .kind = CHANGE_ITEM_SET,
                              .bag_id = 7,
                              .prev = 8,
                              .origin = 5,
                              .conflict = true,
                              .has_op = true,
                              .op = {sample_op.writer, 4, 1, 3},
                              .path = SPAN_LITERAL("copy/default"),
                              .value = SPAN_LITERAL("two\0"),
                              .old_seq = 8,
                              .has_old = true};
}

static void sample_set_new(struct change *change)
{
    *change = (struct change){.seq = 9,
                              .kind = CHANGE_ITEM_SET,
                              .bag_id = 7,
                              .prev = 7,
                              .set_left = UINT32_MAX,
                              .actor = SPAN_LITERAL("admin"),
                              .path = SPAN_LITERAL("a")};
}

static void sample_remove(struct change *change)
{
    *change = (struct change){.seq = 5000000000,
                              .kind = CHANGE_ITEM_REMOVE,
                              .bag_id = 7,
                              .prev = 4999999999,
                              .origin = 5,
                              .has_op = true,
                              .op = {sample_op.writer, 5, 1, 4},
                              .path = SPAN_LITERAL("copy/default"),
                              .old_seq = 8,
                              .has_old = true,
                              .old_value = SPAN_LITERAL("one")};
}

static void sample_void(struct change *change)
{
    *change = (struct change){.seq = 12,
                              .kind = CHANGE_OP_VOID,
                              .origin = 5,
                              .has_op = true,
                              .op = {sample_op.writer, 6, 0, 0},
                              .code = 22};
}

/* Written by an encoder of another language from the description in change.h. */
struct sample {
    const char *name;
    void (*make)(struct change *change);
    const char *journal;
    const char *stream;
};

static const struct sample samples[] = {
    {"history", sample_history,
     "9c01000000a00000c0c410000102030405060708090a0b0c0d0e0fc410aaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaa29c420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
     "9e01cf0000018bcfe5687b01000000a00000c0c410000102030405060708090a0b0c0d0e0fc410aa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa29c420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
     "bbbbbbbbbbbbbbbbbbbb"},
    {"create user", sample_create_user,
     "9d020700cf00f3000000000001a0010094cf112233445566778803cfffffffffffffffff0204a4c3"
     "846e6ea4c3a46e6e0000",
     "9f07cf0000018bcfe5687b020700cf00f3000000000001a00100c004a4c3846e6ea4c3a46e6e0000"},
    {"create user-device", sample_create_user_device,
     "9d02cd012c0005a0000094cf112233445566778803090205a3416e6ea3616e6e0507",
     "9fcd012ccf0000018bcfe5687b02cd012c0005a00000c005a3416e6ea3616e6e0507"},
    {"create fleet", sample_create_fleet, "9d02020000a561646d696e0000c001a0a00000",
     "9f02cf0000018bcfe5687b02020000a00000c001a0a00000"},
    {"delete", sample_delete, "980307cd012c00a561646d696e0200c0",
     "9ace00011170cf0000018bcfe5687b0307cd012c00a00200c0"},
    {"set", sample_set,
     "9c04070805a0000194cf1122334455667788040103ac636f70792f64656661756c74c40474776f00"
     "08c400",
     "9e09cf0000018bcfe5687b04070805a00001c0ac636f70792f64656661756c74c40474776f0008c0"},
    {"set new", sample_set_new, "9c04070700a561646d696eceffffffff00c0a161c40000c0",
     "9e09cf0000018bcfe5687b04070700a0ceffffffff00c0a161c40000c0"},
    {"remove", sample_remove,
     "9b0507cf000000012a05f1ff05a0000094cf1122334455667788050104ac636f70792f6465666175"
     "6c7408c4036f6e65",
     "9dcf000000012a05f200cf0000018bcfe5687b0507cf000000012a05f1ff05a00000c0ac636f7079"
     "2f64656661756c7408c0"},
    {"void", sample_void, "9906000005a0000094cf112233445566778806000016",
     "9b0ccf0000018bcfe5687b06000005a00000c016"},
};

enum { SAMPLES = sizeof samples / sizeof samples[0] };

static const char *golden(const struct sample *sample, enum change_form form)
{
    return form == CHANGE_JOURNAL ? sample->journal : sample->stream;
}

/* The golden bytes in a block of exactly their size, so that reading past them is noticed. */
static struct span golden_bytes(const struct sample *sample, enum change_form form)
{
    struct span text = span_str(golden(sample, form));
    uint8_t *bytes = malloc(text.size / 2);
    assert_non_null(bytes);
    assert_int_equal(hex_decode(text, bytes, text.size / 2), 0);
    return span_of(bytes, text.size / 2);
}

static uint64_t sample_seq(const struct sample *sample)
{
    struct change change;
    sample->make(&change);
    return change.seq;
}

/* Guard, unpack, decode. The change borrows from `bytes` and from `unpacked`'s memory. */
static int decode(struct unpacked *unpacked, struct span bytes, enum change_form form, uint64_t seq,
                  struct change *out, struct err *err)
{
    int rc = unpack_open(unpacked, bytes, change_elements_max(1));
    if (rc != 0) {
        return err_set(err, rc, "it can't be unpacked");
    }
    *out = (struct change){.seq = form == CHANGE_JOURNAL ? seq : 0, .time_ms = sample_time};
    return change_decode(&unpacked->root, form, out, err);
}

static void assert_span(struct span a, struct span b)
{
    assert_int_equal(a.size, b.size);
    assert_true(span_equal(a, b));
}

static void assert_same(const struct change *a, const struct change *b, enum change_form form)
{
    bool journal = form == CHANGE_JOURNAL;
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->conflict, b->conflict);
    assert_int_equal(a->has_op && journal, b->has_op);
    assert_int_equal(a->has_old && journal, b->has_old);
    assert_int_equal(a->set_left, b->set_left);
    assert_int_equal(a->bag_id, b->bag_id);
    assert_int_equal(a->prev, b->prev);
    assert_int_equal(a->origin, b->origin);
    assert_int_equal(a->old_seq, b->old_seq);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->parent, b->parent);
    assert_span(a->path, b->path);
    assert_span(a->value, b->value);
    assert_span(journal ? a->actor : span_of(NULL, 0), b->actor);
    if (journal) {
        assert_span(a->old_value, b->old_value);
        assert_memory_equal(&a->op, &b->op, sizeof a->op);
    }
    if (a->kind == CHANGE_BAG_CREATE) {
        assert_true(owner_equal(&a->owner, &b->owner));
        assert_string_equal(a->owner.shown, b->owner.shown);
    }
    if (a->kind == CHANGE_HISTORY) {
        assert_memory_equal(&a->history, &b->history, sizeof a->history);
    }
}

static void writes_the_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES * 2; i++) {
        enum change_form form = i % 2 == 0 ? CHANGE_JOURNAL : CHANGE_STREAM;
        struct change change;
        samples[i / 2].make(&change);
        change.time_ms = sample_time;
        struct buf out;
        buf_init(&out, 4096);
        change_encode(&out, &change, form);
        assert_int_equal(buf_error(&out), 0);
        char text[1024];
        assert_true(out.size * 2 < sizeof text);
        hex_encode(out.data, out.size, text);
        assert_string_equal(text, golden(&samples[i / 2], form));
        buf_free(&out);
    }
}

static void reads_the_golden_bytes(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    for (size_t i = 0; i < SAMPLES * 2; i++) {
        enum change_form form = i % 2 == 0 ? CHANGE_JOURNAL : CHANGE_STREAM;
        struct change want;
        samples[i / 2].make(&want);
        struct span bytes = golden_bytes(&samples[i / 2], form);
        struct change got;
        struct err err = {0};
        int rc = decode(&unpacked, bytes, form, want.seq, &got, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        assert_same(&want, &got, form);
        assert_int_equal(got.time_ms, sample_time);
        free((void *)(uintptr_t)bytes.data);
    }
    unpack_close(&unpacked);
}

static void refuses_every_cut(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    for (size_t i = 0; i < SAMPLES * 2; i++) {
        enum change_form form = i % 2 == 0 ? CHANGE_JOURNAL : CHANGE_STREAM;
        struct span bytes = golden_bytes(&samples[i / 2], form);
        for (size_t size = 0; size < bytes.size; size++) {
            uint8_t *cut = malloc(size > 0 ? size : 1);
            assert_non_null(cut);
            memcpy(cut, bytes.data, size);
            struct change got;
            assert_int_equal(decode(&unpacked, span_of(cut, size), form,
                                    sample_seq(&samples[i / 2]), &got, NULL),
                             E_MALFORMED);
            free(cut);
        }
        free((void *)(uintptr_t)bytes.data);
    }
    unpack_close(&unpacked);
}

/* What decodes must be a change that can be written and read again. */
static void check_rewrites(const struct change *change, enum change_form form)
{
    struct buf out;
    buf_init(&out, 4096);
    change_encode(&out, change, form);
    assert_int_equal(buf_error(&out), 0);
    struct unpacked unpacked = {0};
    struct change again;
    assert_int_equal(decode(&unpacked, buf_span(&out), form, change->seq, &again, NULL), 0);
    assert_same(change, &again, form);
    unpack_close(&unpacked);
    buf_free(&out);
}

static void survives_every_flipped_bit(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    size_t refused = 0;
    size_t taken = 0;
    for (size_t i = 0; i < SAMPLES * 2; i++) {
        enum change_form form = i % 2 == 0 ? CHANGE_JOURNAL : CHANGE_STREAM;
        struct span bytes = golden_bytes(&samples[i / 2], form);
        uint8_t *flipped = (uint8_t *)(uintptr_t)bytes.data;
        for (size_t bit = 0; bit < bytes.size * 8; bit++) {
            flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct change got;
            struct err err = {0};
            int rc = decode(&unpacked, bytes, form, sample_seq(&samples[i / 2]), &got, &err);
            if (rc == 0) {
                taken++;
                check_rewrites(&got, form);
            } else {
                refused++;
                assert_true(rc == E_MALFORMED || rc == E_TOO_LARGE);
                assert_string_not_equal(err.text, "");
            }
            flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(flipped);
    }
    /* A flip inside a value or a hash goes unseen here: checksums are the segment's work. */
    assert_true(refused > 500 && taken > 500);
    unpack_close(&unpacked);
}

static void survives_random_bytes(void **state)
{
    (void)state;
    struct unpacked unpacked = {0};
    uint64_t random = 42;
    for (int round = 0; round < 20000; round++) {
        const struct sample *sample = &samples[round % SAMPLES];
        enum change_form form = round % 2 == 0 ? CHANGE_JOURNAL : CHANGE_STREAM;
        struct span bytes = golden_bytes(sample, form);
        uint8_t *spoiled = (uint8_t *)(uintptr_t)bytes.data;
        for (int i = 0; i < 1 + round % 5; i++) {
            random = hash64(span_of(&random, sizeof random), 7);
            spoiled[random % bytes.size] = (uint8_t)(random >> 32);
        }
        struct change got;
        if (decode(&unpacked, bytes, form, sample_seq(sample), &got, NULL) == 0) {
            check_rewrites(&got, form);
        }
        free(spoiled);
    }
    unpack_close(&unpacked);
}

/* --- what is well-formed msgpack and yet no change --- */

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

/* Bytes written by hand: `hex` with the sentence that refuses them. */
static void refuses_bytes_that_we_never_write(void **state)
{
    (void)state;
    char long_actor[4 + 2 * (ACTOR_MAX_BYTES + 1) + 64];
    size_t at = (size_t)snprintf(long_actor, sizeof long_actor,
                                 "98030707"
                                 "00"
                                 "d941");
    for (int i = 0; i < ACTOR_MAX_BYTES + 1; i++) {
        at += (size_t)snprintf(long_actor + at, sizeof long_actor - at, "61");
    }
    (void)snprintf(long_actor + at, sizeof long_actor - at, "0000c0");

    const struct {
        const char *hex;
        enum change_form form;
        const char *why;
    } cases[] = {
        {"9803070700a00000c0", CHANGE_JOURNAL, NULL}, /* a deletion, to begin with */
        {"9a0901030707"
         "00a00000c0",
         CHANGE_STREAM, NULL},
        {long_actor, CHANGE_JOURNAL, "actor"},
        {"c0", CHANGE_JOURNAL, "field"},
        {"90", CHANGE_JOURNAL, "field"},
        {"9800070700a00000c0", CHANGE_JOURNAL, "kind"},
        {"9807070700a00000c0", CHANGE_JOURNAL, "kind"},
        {"98ff070700a00000c0", CHANGE_JOURNAL, "field"},
        {"9803070700c4000000c0", CHANGE_JOURNAL, "field"},               /* a binary actor */
        {"9803070700a00002c0", CHANGE_JOURNAL, "field"},                 /* an unknown flag */
        {"9803070700a0cf000000010000000000c0", CHANGE_JOURNAL, "field"}, /* set_left of 33 bits */
        {"9803070700a0000000", CHANGE_JOURNAL, "operation"}, /* neither nil nor an array */
        {"9803070700a0000090", CHANGE_JOURNAL, "operation"},
        {"9803070700a000009401020304", CHANGE_JOURNAL, NULL},
        {"9803070700a00000950102030405", CHANGE_JOURNAL, "operation"},
        {"9903070700a00000c000", CHANGE_JOURNAL, "deletion has a body"},
        {"9703070700a00000", CHANGE_JOURNAL, "operation"}, /* one field too few */
        {"9a09010307070"
         "0a161"
         "0000c0",
         CHANGE_STREAM, "actor"},
        {"9a090103070700a000009401020304", CHANGE_STREAM, "operation"},
        {"9d090105070700a00000c0a16101c400", CHANGE_STREAM, "what it replaces"},
        {"9b05070700a00000c0a161"
         "0105",
         CHANGE_JOURNAL, "item"}, /* an old number */
        {"9b05070700a00000c0a161c001", CHANGE_JOURNAL, "item"},
        {"9b05070700a00000c0c4016101c0", CHANGE_JOURNAL, "item"}, /* a binary path */
        {"9b05070700a00000c0a001c0", CHANGE_JOURNAL, "path"},
        {"9c04070700a00000c0a161a00"
         "0c0",
         CHANGE_JOURNAL, "item"}, /* a text value */
        {"9906000000a0000094010203040"
         "5",
         CHANGE_JOURNAL, NULL},
        {"9a06000000a00000940102030405c0", CHANGE_JOURNAL, "outcome"},
        {"9d02090000a00000c004a161a16100c0", CHANGE_JOURNAL, "creation"},
        {"9d02090000a00000c007a161a1610000", CHANGE_JOURNAL, "creation"},
        {"9c01000000a00000c0c400c40000c400", CHANGE_JOURNAL, "history"},
    };
    struct unpacked unpacked = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[256];
        size_t size = strlen(cases[i].hex) / 2;
        assert_true(size <= sizeof bytes);
        assert_int_equal(hex_decode(span_str(cases[i].hex), bytes, size), 0);
        struct change got;
        struct err err = {0};
        int rc = decode(&unpacked, span_of(bytes, size), cases[i].form, 9, &got, &err);
        if (cases[i].why == NULL) {
            assert_string_equal(err.text, "");
            assert_int_equal(rc, 0);
        } else {
            assert_int_equal(rc, E_MALFORMED);
            assert_non_null(strstr(err.text, cases[i].why));
        }
    }
    unpack_close(&unpacked);
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

static void budgets_the_elements_of_the_fattest_change(void **state)
{
    (void)state;
    struct change change;
    sample_create_user(&change); /* an operation and five fields of body */
    for (uint32_t count = 1; count <= 3; count++) {
        struct buf out;
        buf_init(&out, 4096);
        pack_array(&out, count);
        for (uint32_t i = 0; i < count; i++) {
            change_encode(&out, &change, CHANGE_JOURNAL);
        }
        assert_int_equal(pack_guard(buf_span(&out), change_elements_max(count)), 0);
        assert_int_equal(pack_guard(buf_span(&out), change_elements_max(count) - 1), E_TOO_LARGE);
        buf_free(&out);
    }
}

static void a_full_buffer_keeps_the_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct change change;
        samples[i].make(&change);
        size_t whole = strlen(samples[i].journal) / 2;
        for (size_t max = 1; max < whole; max++) {
            struct buf out;
            buf_init(&out, max);
            change_encode(&out, &change, CHANGE_JOURNAL);
            assert_int_equal(buf_error(&out), E_TOO_LARGE);
            buf_free(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_golden_bytes),
        cmocka_unit_test(reads_the_golden_bytes),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(survives_every_flipped_bit),
        cmocka_unit_test(survives_random_bytes),
        cmocka_unit_test(refuses_seqs_that_do_not_fit),
        cmocka_unit_test(refuses_owners_of_a_wrong_shape),
        cmocka_unit_test(holds_names_to_their_limit),
        cmocka_unit_test(refuses_items_that_are_none),
        cmocka_unit_test(refuses_outcomes_and_operations_that_are_none),
        cmocka_unit_test(holds_actors_to_their_limit),
        cmocka_unit_test(refuses_bytes_that_we_never_write),
        cmocka_unit_test(refuses_a_value_over_the_limit),
        cmocka_unit_test(budgets_the_elements_of_the_fattest_change),
        cmocka_unit_test(a_full_buffer_keeps_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
