/* tests/journal/change_samples.h - one change of every kind, and the way to read one. */
#ifndef KITBAG_TESTS_JOURNAL_CHANGE_SAMPLES_H
#define KITBAG_TESTS_JOURNAL_CHANGE_SAMPLES_H

#include "journal/change.h"

static const uint64_t sample_time = 1700000000123;
static const struct change_op sample_op = {0x1122334455667788, 3, UINT64_MAX, 2};

static inline void sample_history(struct change *change)
{
    *change = (struct change){.seq = 1, .kind = CHANGE_HISTORY};
    change->history.parent_seq = 41;
    for (uint8_t i = 0; i < HISTORY_SIZE; i++) {
        change->history.id[i] = i;
    }
    memset(change->history.parent, 0xaa, HISTORY_SIZE);
    memset(change->history.parent_hash, 0xbb, SHA256_SIZE);
}

static inline void sample_create_user(struct change *change)
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

static inline void sample_create_user_device(struct change *change)
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

static inline void sample_create_fleet(struct change *change)
{
    *change = (struct change){.seq = 2,
                              .kind = CHANGE_BAG_CREATE,
                              .bag_id = 2,
                              .actor = SPAN_LITERAL("admin"),
                              .owner = {.kind = OWNER_FLEET}};
}

static inline void sample_delete(struct change *change)
{
    *change = (struct change){.seq = 70000,
                              .kind = CHANGE_BAG_DELETE,
                              .bag_id = 7,
                              .prev = 300,
                              .set_left = 2,
                              .actor = SPAN_LITERAL("admin")};
}

static inline void sample_set(struct change *change)
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

static inline void sample_set_new(struct change *change)
{
    *change = (struct change){.seq = 9,
                              .kind = CHANGE_ITEM_SET,
                              .bag_id = 7,
                              .prev = 7,
                              .set_left = UINT32_MAX,
                              .actor = SPAN_LITERAL("admin"),
                              .path = SPAN_LITERAL("a")};
}

static inline void sample_remove(struct change *change)
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

static inline void sample_void(struct change *change)
{
    *change = (struct change){.seq = 12,
                              .kind = CHANGE_OP_VOID,
                              .origin = 5,
                              .has_op = true,
                              .op = {sample_op.writer, 6, 0, 0},
                              .code = 22};
}

/* Guard, unpack, decode. The change borrows from `bytes` and from `unpacked`'s memory. */
static inline int decode(struct unpacked *unpacked, struct span bytes, enum change_form form,
                         uint64_t seq, struct change *out, struct err *err)
{
    int rc = unpack_open(unpacked, bytes, change_elements_max(1));
    if (rc != 0) {
        return err_set(err, rc, "it can't be unpacked");
    }
    *out = (struct change){.seq = form == CHANGE_JOURNAL ? seq : 0, .time_ms = sample_time};
    return change_decode(&unpacked->root, form, out, err);
}

#endif
