/* tests/client/import_samples.h - bags of a file, for tests of taking them. */
#ifndef KITBAG_TESTS_CLIENT_IMPORT_SAMPLES_H
#define KITBAG_TESTS_CLIENT_IMPORT_SAMPLES_H

#include <stdlib.h>

#include "client/replica_import.h"
#include "tests/client/replica_samples.h"

static inline struct snapshot_bag import_bag(const char *name, uint64_t bag_id, uint64_t last_seq)
{
    return (struct snapshot_bag){.owner = sample_owner(name),
                                 .bag_id = bag_id,
                                 .last_seq = last_seq,
                                 .complete_to = last_seq};
}

static inline struct snapshot_bag import_difference(const char *name, uint64_t bag_id,
                                                    uint64_t last_seq, uint64_t since)
{
    struct snapshot_bag bag = import_bag(name, bag_id, last_seq);
    bag.differs = true;
    bag.since = since;
    return bag;
}

/* Below "secret/". */
static inline bool import_left_out(void *context, const struct owner *owner, struct span path)
{
    (void)context;
    (void)owner;
    return path.size > 7 && memcmp(path.data, "secret/", 7) == 0;
}

static inline struct replica_import *import_begin(struct fixture *f)
{
    struct replica_import *import = NULL;
    assert_int_equal(
        replica_import_begin(f->replica, 1700000000000, import_left_out, NULL, &import, NULL), 0);
    return import;
}

/* Judged, and begun. */
static inline int import_begin_bag(struct fixture *f, struct replica_import *import,
                                   const struct snapshot_bag *bag)
{
    enum replica_fate fate;
    struct replica_bag here;
    int rc = replica_import_judge(f->replica, bag, &fate, &here, NULL);
    return rc != 0 ? rc : replica_import_bag(import, bag, fate, &here, NULL);
}

static inline void import_item(struct replica_import *import, const char *path, uint64_t seq,
                               const char *value)
{
    struct item_row row = {.state = value != NULL ? ITEM_LIVE : ITEM_TOMBSTONE,
                           .seq = seq,
                           .time_ms = seq,
                           .value = value != NULL ? span_str(value) : (struct span){NULL, 0}};
    assert_int_equal(replica_import_item(import, span_str(path), &row, NULL), 0);
}

static inline struct replica_position import_position(uint64_t seq)
{
    struct replica_position position = {.has_history = true, .history = "0123456789abcde"};
    position.seq = seq;
    memset(position.hash, 0xbb, sizeof position.hash);
    return position;
}

static inline int import_commit(struct replica_import **import, uint64_t seq)
{
    struct replica_position position = import_position(seq);
    return replica_import_commit(import, &position, NULL, 0, NULL);
}

/* The bag's items as "path=value " each. */
static inline int import_show_item(void *context, struct span path, const struct item_row *row,
                                   struct err *err)
{
    (void)err;
    struct buf *out = context;
    return buf_printf(out, "%.*s=%.*s ", (int)path.size, (const char *)path.data,
                      (int)row->value.size, (const char *)row->value.data);
}

static inline void import_assert(struct fixture *f, const char *name, uint64_t cursor,
                                 const char *items)
{
    struct buf out;
    struct replica_bag bag;
    struct owner owner = sample_owner(name);
    buf_init(&out, 1 << 20);
    assert_int_equal(replica_bag_by_owner(f->replica, &owner, &bag, NULL), 0);
    assert_true(bag.complete && bag.keep);
    assert_int_equal(bag.cursor, cursor);
    (void)buf_append_u8(&out, 0);
    buf_truncate(&out, 0);
    assert_int_equal(
        replica_items(f->replica, bag.local, (struct span){NULL, 0}, import_show_item, &out, NULL),
        0);
    (void)buf_append_u8(&out, 0);
    assert_string_equal(out.data, items);
    buf_free(&out);
    uint64_t records = 0;
    uint64_t damaged = 0;
    assert_int_equal(replica_verify(f->replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
}

static inline void import_assert_none(struct fixture *f, const char *name)
{
    struct replica_bag bag;
    struct owner owner = sample_owner(name);
    assert_int_equal(replica_bag_by_owner(f->replica, &owner, &bag, NULL), E_NOT_FOUND);
}

#endif
