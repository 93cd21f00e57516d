/* tests/client/outbox_samples.h - an outbox in a folder of the test's own. */
#ifndef KITBAG_TESTS_CLIENT_OUTBOX_SAMPLES_H
#define KITBAG_TESTS_CLIENT_OUTBOX_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/outbox_inside.h"
#include "tests/support/tmp_folder.h"

enum { BOX_BYTES = 8 << 20, ANN_BAG = 40 };

struct box {
    char folder[TMP_FOLDER_MAX];
    char dir[TMP_FOLDER_MAX];
    struct owner ann;
    struct outbox *outbox;
};

static inline void box_open(struct box *box)
{
    struct err err = {0};
    int rc = outbox_open(&box->outbox, box->dir, BOX_BYTES, NULL, &err);
    if (rc != 0) {
        print_message("outbox_open: %s\n", err.text);
    }
    assert_int_equal(rc, 0);
}

static inline void box_begin(struct box *box)
{
    memset(box, 0, sizeof *box);
    tmp_folder_make(box->folder);
    tmp_folder_path(box->dir, box->folder, "outbox");
    assert_int_equal(owner_make(&box->ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    box_open(box);
}

static inline void box_again(struct box *box)
{
    outbox_close(&box->outbox);
    box_open(box);
}

/* What a kill leaves: nothing is flushed, no mark of a clean stop. */
static inline void box_crash(struct box *box)
{
    box->outbox->dead = E_IO;
    outbox_close(&box->outbox);
    box_open(box);
}

static inline void box_end(struct box *box)
{
    outbox_close(&box->outbox);
    tmp_folder_remove(box->folder);
}

static inline struct outbox_target to_ann(const struct box *box)
{
    return (struct outbox_target){.owner = &box->ann, .bag_id = ANN_BAG, .seen = 40};
}

static inline struct operation_write write_of(const char *path, const char *value)
{
    struct operation_write write = {.path = span_str(path), .remove = value == NULL};
    if (value != NULL) {
        write.value = span_str(value);
    }
    return write;
}

static inline uint64_t add_to(struct box *box, struct outbox_target target, const char *path,
                              const char *value)
{
    struct operation_write write = write_of(path, value);
    struct err err = {0};
    uint64_t id = 0;
    int rc = outbox_write(box->outbox, &target, &write, 1, 1234, &id, &err);
    if (rc != 0) {
        print_message("outbox_write: %s\n", err.text);
    }
    assert_int_equal(rc, 0);
    return id;
}

static inline uint64_t add(struct box *box, const char *path, const char *value)
{
    return add_to(box, to_ann(box), path, value);
}

/* The visible value; "(removed)", or NULL when the outbox says nothing of the item. */
static inline const char *look(struct box *box, const char *path)
{
    static char text[256];
    struct buf value;
    bool removed = false;
    uint64_t time_ms = 0;
    buf_init(&value, sizeof text - 1);
    int rc = outbox_lookup(box->outbox, &box->ann, span_str(path), &value, &removed, &time_ms);
    if (rc == 0) {
        assert_int_equal(time_ms, 1234);
        if (value.size > 0) {
            memcpy(text, value.data, value.size);
        }
        text[value.size] = '\0';
    }
    buf_free(&value);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    return rc != 0 ? NULL : (removed ? "(removed)" : text);
}

static inline void answer(struct box *box, uint64_t number, int code, uint64_t seq)
{
    struct outbox_told told;
    const struct outbox_answer said = {
        .number = number, .code = code, .seq = seq, .text = span_str(code != 0 ? "because" : "")};
    outbox_outcome(box->outbox, &said, &told);
    assert_true(told.news);
}

/* A part of it is in the bag of the user on this device. */
static inline void answer_split(struct box *box, uint64_t number, uint64_t seq, uint64_t device_bag,
                                uint64_t shared_seq, uint64_t device_seq)
{
    struct outbox_told told;
    const struct outbox_answer said = {.number = number,
                                       .seq = seq,
                                       .split = true,
                                       .device_bag = device_bag,
                                       .shared_seq = shared_seq,
                                       .device_seq = device_seq};
    outbox_outcome(box->outbox, &said, &told);
    assert_true(told.news);
}

static inline int join_op(const msgpack_object *object, struct buf *out)
{
    struct operation op;
    int rc = operation_decode(object, &op, NULL);
    if (rc != 0) {
        return rc;
    }
    (void)buf_printf(out, "%s%llu:", out->size > 0 ? " " : "", (unsigned long long)op.number);
    if (op.kind == OPERATION_CREATE) {
        (void)buf_printf(out, "create %s", op.owner.shown);
    } else if (op.kind == OPERATION_EMPTY) {
        (void)buf_printf(out, "empty");
    } else {
        (void)buf_printf(out, op.made_by != 0 ? "by%llu" : "bag%llu",
                         (unsigned long long)(op.made_by != 0 ? op.made_by : op.bag_id));
    }
    for (size_t i = 0; i < op.write_count; i++) {
        struct operation_write write;
        assert_int_equal(operation_write_at(&op, i, &write), 0);
        (void)buf_printf(out, "%c%.*s", i == 0 ? ' ' : ',', (int)write.path.size,
                         (const char *)write.path.data);
        if (write.remove) {
            (void)buf_printf(out, "!");
        } else {
            (void)buf_printf(out, "=%.*s", (int)write.value.size, (const char *)write.value.data);
        }
        if (write.device) {
            (void)buf_printf(out, "~");
        }
    }
    return 0;
}

/* What would be sent from `from` on: "1:bag40 a=1 2:empty 3:create Ann 4:by3 b!"; a "~" behind what
 * was made while its category was device-specific. */
static inline void assert_sends(struct box *box, uint64_t from, const char *expected)
{
    struct buf bytes;
    struct buf text;
    uint32_t count = 0;
    buf_init(&bytes, 1 << 20);
    buf_init(&text, 1 << 16);
    assert_int_equal(outbox_read(box->outbox, from, 1000, 65000, &bytes, &count, NULL), 0);
    size_t at = 0;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 4096));
    for (uint32_t i = 0; i < count; i++) {
        msgpack_object object;
        msgpack_unpack_return rc =
            msgpack_unpack((const char *)bytes.data, bytes.size, &at, &zone, &object);
        assert_true(rc == MSGPACK_UNPACK_SUCCESS || rc == MSGPACK_UNPACK_EXTRA_BYTES);
        assert_int_equal(join_op(&object, &text), 0);
    }
    assert_int_equal(at, bytes.size);
    msgpack_zone_destroy(&zone);
    assert_int_equal(buf_append_u8(&text, 0), 0);
    assert_string_equal((char *)text.data, expected);
    buf_free(&bytes);
    buf_free(&text);
}

static inline void assert_counts(struct box *box, uint64_t pending, uint64_t refused)
{
    uint64_t counted[2];
    outbox_counts(box->outbox, &counted[0], &counted[1]);
    assert_int_equal(counted[0], pending);
    assert_int_equal(counted[1], refused);
}

#endif
