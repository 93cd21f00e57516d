/* tests/kv/test_row.c - rows: golden bytes, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kv/row.h"
#include "tests/journal/rows.h"

/* --- rows: one of each kind, decoded by its kind --- */

static const struct kv_mark mark = {
    .position = {.history = {1, 2}, .seq = 3, .hash = {4, 5}},
    .counts = {6, 7, 8, 9, 10},
};
static const struct bag_row bag = {
    .exists = true,
    .bag_id = 1,
    .parent = 2,
    .last_seq = 3,
    .items = 4,
    .bytes = 5,
    .purged_to = 6,
    .digest = {0x0102030405060708, 0x1112131415161718},
    .owner = {OWNER_USER_DEVICE, 7, "ÄB", "äb"},
};
static const struct item_row live = {ITEM_LIVE, true, 1, 2, 3, {(const uint8_t *)"val\0ue", 6}};
static const struct item_row tombstone = {ITEM_TOMBSTONE, false, 1, 2, 3, {NULL, 0}};
static const struct kv_writer writer = {true, 1, 2, 3, 4};
static const struct kv_outcome outcome = {1, 2, 3, 4};

static const struct kv_doom doom = {9, KV_DOOM_EMPTYING};
static const struct kv_place place = {9, {(const uint8_t *)"a/b", 3}};

static const struct kv_link link_row = {9, 1000};

enum { LIVE = 3, PLACE = 9, NOTE = 10, LINK = 11, ROWS };

static struct kv_key key_of(int which)
{
    const struct kv_key keys[ROWS] = {
        kv_key_format(),
        kv_key_mark(),
        kv_key_bag(1),
        kv_key_item(1, SPAN_LITERAL("a")),
        kv_key_item(1, SPAN_LITERAL("a")),
        kv_key_writer(1),
        kv_key_outcome(1, 2),
        kv_key_child(1, 2),
        kv_key_doomed(1),
        kv_key_tombstone(1),
        kv_key_note(SPAN_LITERAL("name")),
        kv_key_sign_in(1, 2),
    };
    return keys[which];
}

static void put(int which, struct span key, struct buf *out)
{
    switch (which) {
    case 0:
        kv_row_put_format(out, key, 1);
        break;
    case 1:
        kv_row_put_mark(out, key, &mark);
        break;
    case 2:
        kv_row_put_bag(out, key, &bag);
        break;
    case 3:
        kv_row_put_item(out, key, &live);
        break;
    case 4:
        kv_row_put_item(out, key, &tombstone);
        break;
    case 5:
        kv_row_put_writer(out, key, &writer);
        break;
    case 6:
        kv_row_put_outcome(out, key, &outcome);
        break;
    case 8:
        kv_row_put_doom(out, key, &doom);
        break;
    case PLACE:
        kv_row_put_place(out, key, &place);
        break;
    case NOTE:
        kv_row_put_note(out, key, SPAN_LITERAL("note"));
        break;
    case LINK:
        kv_row_put_link(out, key, &link_row);
        break;
    default:
        kv_row_put_id(out, key, 77);
        break;
    }
    assert_int_equal(buf_error(out), 0);
}

/* What a row may decode to. Zeroed first, so that "untouched" can be told. */
union decoded {
    uint32_t version;
    uint64_t id;
    struct kv_mark mark;
    struct bag_row bag;
    struct item_row item;
    struct kv_writer writer;
    struct kv_outcome outcome;
    struct kv_doom doom;
    struct kv_place place;
    struct span note;
    struct kv_link link;
};

static int get(int which, struct span key, struct span row, union decoded *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    switch (which) {
    case 0:
        return kv_row_get_format(key, row, &out->version, err);
    case 1:
        return kv_row_get_mark(key, row, &out->mark, err);
    case 2:
        return kv_row_get_bag(key, row, &out->bag, err);
    case 3:
    case 4:
        return kv_row_get_item(key, row, &out->item, err);
    case 5:
        return kv_row_get_writer(key, row, &out->writer, err);
    case 6:
        return kv_row_get_outcome(key, row, &out->outcome, err);
    case 8:
        return kv_row_get_doom(key, row, &out->doom, err);
    case PLACE:
        return kv_row_get_place(key, row, &out->place, err);
    case NOTE:
        return kv_row_get_note(key, row, &out->note, err);
    case LINK:
        return kv_row_get_link(key, row, &out->link, err);
    default:
        return kv_row_get_id(key, row, &out->id, err);
    }
}

static void rows_go_both_ways(void **state)
{
    (void)state;
    struct buf row;
    buf_init(&row, 4096);
    for (int which = 0; which < ROWS; which++) {
        struct kv_key key = key_of(which);
        put(which, kv_key_span(&key), &row);
        union decoded got;
        assert_int_equal(get(which, kv_key_span(&key), buf_span(&row), &got, NULL), 0);
        switch (which) {
        case 0:
            assert_int_equal(got.version, 1);
            break;
        case 1:
            assert_false(got.mark.position.fresh);
            assert_int_equal(got.mark.position.seq, mark.position.seq);
            assert_memory_equal(got.mark.position.history, mark.position.history, HISTORY_SIZE);
            assert_memory_equal(got.mark.position.hash, mark.position.hash, SHA256_SIZE);
            assert_memory_equal(&got.mark.counts, &mark.counts, sizeof mark.counts);
            break;
        case 2:
            assert_same_bag(&got.bag, &bag);
            break;
        case 3:
            assert_same_item(&live, &got.item);
            break;
        case 4:
            assert_same_item(&tombstone, &got.item);
            break;
        case 5:
            assert_true(got.writer.known);
            assert_int_equal(got.writer.device, writer.device);
            assert_int_equal(got.writer.highest, writer.highest);
            assert_int_equal(got.writer.confirmed, writer.confirmed);
            assert_int_equal(got.writer.begun, writer.begun);
            break;
        case 6:
            assert_memory_equal(&got.outcome, &outcome, sizeof outcome);
            break;
        case 8:
            assert_int_equal(got.doom.bag_id, doom.bag_id);
            assert_int_equal(got.doom.stage, doom.stage);
            break;
        case PLACE:
            assert_int_equal(got.place.bag_id, place.bag_id);
            assert_true(span_equal(got.place.path, place.path));
            break;
        case NOTE:
            assert_true(span_equal(got.note, SPAN_LITERAL("note")));
            break;
        case LINK:
            assert_int_equal(got.link.device, link_row.device);
            assert_int_equal(got.link.time_ms, link_row.time_ms);
            break;
        default:
            assert_int_equal(got.id, 77);
            break;
        }
    }
    buf_free(&row);
}

/* The body as it was; the checksum before it is told by the next tests. */
static void rows_are_what_they_were(void **state)
{
    (void)state;
    static const char *const bodies[ROWS] = {
        "01000000",
        "01020000000000000000000000000000"
        "0300000000000000"
        "0405000000000000000000000000000000000000000000000000000000000000"
        "0600000000000000"
        "0700000000000000"
        "0800000000000000"
        "0900000000000000"
        "0a00000000000000",
        "0200000000000000"
        "0300000000000000"
        "0400000000000000"
        "0500000000000000"
        "0600000000000000"
        "08070605040302011817161514131211"
        "05"
        "0700000000000000"
        "03c38442"
        "03c3a462",
        "01"
        "01"
        "0100000000000000"
        "0200000000000000"
        "0300000000000000"
        "76616c007565",
        "02"
        "00"
        "0100000000000000"
        "0200000000000000"
        "0300000000000000",
        "0100000000000000"
        "0200000000000000"
        "0300000000000000"
        "0400000000000000",
        "0100000000000000"
        "0200000000000000"
        "0300000000000000"
        "0400000000000000",
        "4d00000000000000",
        "0900000000000000"
        "01",
        "0900000000000000"
        "612f62",
        "6e6f7465",
        "0900000000000000"
        "e803000000000000",
    };
    struct buf row;
    buf_init(&row, 4096);
    for (int which = 0; which < ROWS; which++) {
        struct kv_key key = key_of(which);
        put(which, kv_key_span(&key), &row);
        char text[1024];
        hex_encode(row.data + 8, row.size - 8, text);
        assert_string_equal(text, bodies[which]);
    }
    /* One whole, with its checksum. */
    struct kv_key key = kv_key_format();
    put(0, kv_key_span(&key), &row);
    uint64_t sum = hash64(SPAN_LITERAL("\1\0\0\0"), hash64(SPAN_LITERAL("F"), 0));
    assert_int_equal(get_le64(row.data), sum);
    buf_free(&row);
}

static void every_flip_and_cut_is_noticed(void **state)
{
    (void)state;
    struct buf row;
    buf_init(&row, 4096);
    for (int which = 0; which < ROWS; which++) {
        struct kv_key key = key_of(which);
        put(which, kv_key_span(&key), &row);
        union decoded got;
        union decoded untouched;
        memset(&untouched, 0, sizeof untouched);
        struct err err = {0};
        for (size_t bit = 0; bit < row.size * 8; bit++) {
            row.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(get(which, kv_key_span(&key), buf_span(&row), &got, &err), E_CORRUPT);
            assert_memory_equal(&got, &untouched, sizeof got);
            row.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t size = 0; size < row.size; size++) {
            uint8_t *cut = malloc(size > 0 ? size : 1);
            assert_non_null(cut);
            memcpy(cut, row.data, size);
            assert_int_equal(get(which, kv_key_span(&key), span_of(cut, size), &got, &err),
                             E_CORRUPT);
            free(cut);
        }
    }
    buf_free(&row);
}

static void a_row_under_another_key_is_noticed(void **state)
{
    (void)state;
    struct buf row;
    buf_init(&row, 4096);
    struct kv_key here = kv_key_item(1, SPAN_LITERAL("a"));
    struct kv_key there = kv_key_item(2, SPAN_LITERAL("a"));
    put(3, kv_key_span(&here), &row);
    union decoded got;
    struct err err = {0};
    assert_int_equal(get(3, kv_key_span(&there), buf_span(&row), &got, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "490000000000000002"));
    buf_free(&row);
}

/* Replace the body by `size` bytes of it (more are zeros) and mend the checksum. */
static void reshape(struct buf *row, struct span key, size_t size)
{
    size_t old = row->size - 8;
    if (size > old) {
        assert_non_null(buf_extend(row, size - old));
    } else {
        buf_truncate(row, 8 + size);
    }
    put_le64(row->data, hash64(span_of(row->data + 8, size), hash64(key, 0)));
}

static void a_wrong_shape_is_noticed_behind_a_right_checksum(void **state)
{
    (void)state;
    struct buf row;
    buf_init(&row, 4096);
    for (int which = 0; which < ROWS; which++) {
        struct kv_key key = key_of(which);
        put(which, kv_key_span(&key), &row);
        size_t whole = row.size - 8;
        for (size_t size = 0; size <= whole + 1; size++) {
            /* A live item's value, a path and a note may have any size. */
            bool open =
                (which == LIVE && size >= 26) || (which == PLACE && size >= 9) || which == NOTE;
            union decoded got;
            put(which, kv_key_span(&key), &row);
            reshape(&row, kv_key_span(&key), size);
            int rc = get(which, kv_key_span(&key), buf_span(&row), &got, NULL);
            bool fits = size == whole || open;
            assert_int_equal(rc, fits ? 0 : E_CORRUPT);
        }
    }
    struct kv_key key = key_of(3);
    for (uint8_t kind = 0; kind < 5; kind++) {
        union decoded got;
        put(3, kv_key_span(&key), &row);
        row.data[8] = kind;
        reshape(&row, kv_key_span(&key), row.size - 8);
        int rc = get(3, kv_key_span(&key), buf_span(&row), &got, NULL);
        assert_int_equal(rc, kind == ITEM_LIVE ? 0 : E_CORRUPT); /* a tombstone has no value */
    }
    key = key_of(2);
    union decoded got;
    put(2, kv_key_span(&key), &row);
    row.data[8 + 56] = OWNER_DEVICE + 1;
    reshape(&row, kv_key_span(&key), row.size - 8);
    assert_int_equal(get(2, kv_key_span(&key), buf_span(&row), &got, NULL), E_CORRUPT);
    key = key_of(8);
    for (uint8_t stage = 0; stage < 5; stage++) {
        put(8, kv_key_span(&key), &row);
        row.data[8 + 8] = stage;
        reshape(&row, kv_key_span(&key), row.size - 8);
        int rc = get(8, kv_key_span(&key), buf_span(&row), &got, NULL);
        assert_int_equal(rc, stage <= KV_DOOM_EMPTY ? 0 : E_CORRUPT);
    }
    key = key_of(PLACE); /* a path is not longer than paths are */
    put(PLACE, kv_key_span(&key), &row);
    reshape(&row, kv_key_span(&key), 8 + PATH_MAX_BYTES);
    assert_int_equal(get(PLACE, kv_key_span(&key), buf_span(&row), &got, NULL), 0);
    reshape(&row, kv_key_span(&key), 8 + PATH_MAX_BYTES + 1);
    assert_int_equal(get(PLACE, kv_key_span(&key), buf_span(&row), &got, NULL), E_CORRUPT);
    buf_free(&row);
}

static void a_full_buffer_keeps_the_error(void **state)
{
    (void)state;
    for (int which = 0; which < ROWS; which++) {
        struct kv_key key = key_of(which);
        struct buf row;
        buf_init(&row, 4096);
        put(which, kv_key_span(&key), &row);
        size_t whole = row.size;
        buf_free(&row);
        if (which == 3) {
            buf_init(&row, whole - 1);
            kv_row_put_item(&row, kv_key_span(&key), &live);
            assert_int_equal(buf_error(&row), E_TOO_LARGE);
            buf_free(&row);
        }
    }
    struct kv_key key = kv_key_doomed(1);
    struct buf row;
    buf_init(&row, 7);
    kv_row_put_doom(&row, kv_key_span(&key), &doom);
    assert_int_equal(buf_error(&row), E_TOO_LARGE);
    buf_free(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_both_ways),
        cmocka_unit_test(rows_are_what_they_were),
        cmocka_unit_test(every_flip_and_cut_is_noticed),
        cmocka_unit_test(a_row_under_another_key_is_noticed),
        cmocka_unit_test(a_wrong_shape_is_noticed_behind_a_right_checksum),
        cmocka_unit_test(a_full_buffer_keeps_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
