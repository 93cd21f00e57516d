/* tests/journal/test_change.c - the bytes of a change: golden, cut, flipped, spoiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/journal/change_samples.h"

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

/* A copy has the same bytes, whatever lay in it before. */
static void copies_of_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct change change;
        struct change copy;
        struct buf out[2];
        samples[i].make(&change);
        memset(&copy, 0xee, sizeof copy);
        change_copy(&copy, &change);
        const struct change *both[2] = {&change, &copy};
        for (size_t j = 0; j < 2; j++) {
            buf_init(&out[j], 4096);
            change_encode(&out[j], both[j], CHANGE_JOURNAL);
            change_encode(&out[j], both[j], CHANGE_STREAM);
            assert_int_equal(buf_error(&out[j]), 0);
        }
        assert_true(span_equal(buf_span(&out[0]), buf_span(&out[1])));
        buf_free(&out[0]);
        buf_free(&out[1]);
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
        cmocka_unit_test(budgets_the_elements_of_the_fattest_change),
        cmocka_unit_test(a_full_buffer_keeps_the_error),
        cmocka_unit_test(copies_of_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
