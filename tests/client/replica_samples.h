/* tests/client/replica_samples.h - a replica in a folder of the test's own, and things to put in.
 */
#ifndef KITBAG_TESTS_CLIENT_REPLICA_SAMPLES_H
#define KITBAG_TESTS_CLIENT_REPLICA_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/replica.h"
#include "tests/support/tmp_folder.h"

#define MAP_BYTES (64u << 20)

static const uint8_t sample_hash[SHA256_SIZE] = {7};

struct fixture {
    char folder[TMP_FOLDER_MAX];
    char dir[TMP_FOLDER_MAX];
    struct replica *replica;
};

static inline void fixture_open(struct fixture *f)
{
    struct err err = {0};
    int rc = replica_open(&f->replica, f->dir, MAP_BYTES, &err);
    if (rc != 0) {
        print_message("replica_open: %s\n", err.text);
    }
    assert_int_equal(rc, 0);
}

static inline void fixture_begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    tmp_folder_make(f->folder);
    tmp_folder_path(f->dir, f->folder, "replica");
    fixture_open(f);
}

static inline void fixture_again(struct fixture *f)
{
    replica_close(&f->replica);
    fixture_open(f);
}

static inline void fixture_end(struct fixture *f)
{
    replica_close(&f->replica);
    tmp_folder_remove(f->folder);
}

static inline struct owner sample_owner(const char *name)
{
    struct owner owner;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str(name), 0, NULL), 0);
    return owner;
}

/* A kept bag of user `name`; complete and empty at `cursor` unless that is 0. */
static inline struct replica_bag sample_bag(struct fixture *f, const char *name, uint64_t bag_id,
                                            uint64_t cursor)
{
    struct replica_bag bag = {.bag_id = bag_id,
                              .cursor = cursor,
                              .complete = cursor != 0,
                              .keep = true,
                              .owner = sample_owner(name)};
    assert_int_equal(replica_bag_add(f->replica, &bag, NULL), 0);
    return bag;
}

static inline struct change sample_set(uint64_t bag_id, uint64_t seq, uint64_t prev,
                                       const char *path, const char *value)
{
    return (struct change){.seq = seq,
                           .time_ms = 1000 + seq,
                           .kind = CHANGE_ITEM_SET,
                           .bag_id = bag_id,
                           .prev = prev,
                           .origin = 5,
                           .path = span_str(path),
                           .value = span_str(value)};
}

static inline void apply_set(struct fixture *f, uint64_t bag_id, uint64_t seq, uint64_t prev,
                             const char *path, const char *value)
{
    struct change change = sample_set(bag_id, seq, prev, path, value);
    uint64_t bad = 0;
    assert_int_equal(
        replica_apply(f->replica, &change, 1, seq, sample_hash, &bad, NULL, NULL, NULL), 0);
}

/* The fleet's bag, with id 9, complete and empty at 9. */
static inline struct replica_bag sample_fleet(struct fixture *f)
{
    struct replica_bag bag = {.bag_id = 9, .cursor = 9, .complete = true, .keep = true};
    assert_int_equal(owner_parse(&bag.owner, "fleet", NULL), 0);
    assert_int_equal(replica_bag_add(f->replica, &bag, NULL), 0);
    return bag;
}

static inline struct replica_row sample_row(const char *path, uint64_t seq, const char *value)
{
    return (struct replica_row){
        .path = span_str(path),
        .row = {.state = ITEM_LIVE, .seq = seq, .time_ms = 1, .value = span_str(value)}};
}

static inline struct replica_row sample_removed(const char *path, uint64_t seq)
{
    return (struct replica_row){.path = span_str(path),
                                .row = {.state = ITEM_TOMBSTONE, .seq = seq}};
}

static inline struct replica_bag bag_with_id(struct fixture *f, uint64_t bag_id)
{
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f->replica, bag_id, &bag, NULL), 0);
    return bag;
}

/* How many bags differ from their records; they are marked. */
static inline void count_wrong(void *context, const struct replica_bag *bag)
{
    (void)bag;
    ++*(unsigned *)context;
}

static inline unsigned scrub_all(struct fixture *f)
{
    unsigned wrong = 0;
    uint64_t next = 0;
    uint64_t bags = 0;
    assert_int_equal(replica_scrub(f->replica, &next, UINT64_MAX, &bags, count_wrong, &wrong, NULL),
                     0);
    assert_int_equal(next, 0);
    return wrong;
}

/* The item's value as text in a buffer of the function's own; NULL: not there. */
static inline const char *value_of(struct fixture *f, uint64_t local, const char *path)
{
    static char text[256];
    struct buf value;
    struct item_row row;
    buf_init(&value, sizeof text - 1);
    int rc = replica_item(f->replica, local, span_str(path), &row, &value, NULL);
    if (rc == 0) {
        memcpy(text, value.data != NULL ? (const char *)value.data : "", value.size);
        text[value.size] = '\0';
    }
    buf_free(&value);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    return rc == 0 ? text : NULL;
}

/* "path=value path=value" of all items that begin with `prefix`. */
static inline int list_one(void *context, struct span path, const struct item_row *row,
                           struct err *err)
{
    (void)err;
    struct buf *out = context;
    (void)buf_printf(out, "%s%.*s=%.*s", out->size > 0 ? " " : "", (int)path.size,
                     (const char *)path.data, (int)row->value.size, (const char *)row->value.data);
    return 0;
}

static inline void assert_items(struct fixture *f, uint64_t local, const char *prefix,
                                const char *expected)
{
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(replica_items(f->replica, local, span_str(prefix), list_one, &out, NULL), 0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, expected);
    buf_free(&out);
}

#endif
