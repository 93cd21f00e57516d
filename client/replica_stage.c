/* client/replica_stage.c - catching up: pages are staged, the last one moves the bag. */
#include <string.h>

#include "client/replica_inside.h"

struct staging {
    struct replica *replica;
    MDB_txn *txn;
    const struct replica_page *page;
    struct replica_bag bag;
};

static int stage_row(struct staging *staging, const struct replica_row *row, struct err *err)
{
    struct record_key key = replica_key_item(staging->bag.local, row->path);
    struct span bytes;
    struct item_row before;
    int rc = replica_record_get(staging->replica, staging->txn, TABLE_STAGE, &key, &bytes, err);
    if (rc == 0 && replica_record_item(bytes, &before) && before.seq > row->row.seq) {
        return 0; /* a path may come again, newer */
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    return replica_record_put_item(staging->replica, staging->txn, TABLE_STAGE, &key, &row->row,
                                   err);
}

/* The whole bag comes in place of what was there. */
static int wipe(struct staging *staging, struct err *err)
{
    staging->bag.items = 0;
    staging->bag.bytes = 0;
    return replica_record_delete_all(staging->replica, staging->txn, TABLE_ITEMS,
                                     staging->bag.local, err);
}

static int move_staged(struct staging *staging, struct err *err)
{
    MDB_cursor *cursor = NULL;
    struct replica *replica = staging->replica;
    int rc = mdb_cursor_open(staging->txn, replica->tables[TABLE_STAGE], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "move staged pages", err);
    }
    struct record_key first = replica_key_number(staging->bag.local);
    MDB_val key = {first.size, first.bytes};
    MDB_val data;
    int moved = 0;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && moved == 0 && key.mv_size >= 8 &&
           get_be64(key.mv_data) == staging->bag.local) {
        const uint8_t *name = key.mv_data;
        struct span bytes;
        struct item_row row;
        if (!replica_record_check(TABLE_STAGE, &key, &data, &bytes) ||
            !replica_record_item(bytes, &row)) {
            moved = err_set(err, E_CORRUPT, "a staged page in '%s' is damaged", replica->path);
            break;
        }
        struct span path = span_of(name + 8, key.mv_size - 8);
        moved = replica_item_put(replica, staging->txn, &staging->bag, path, &row, err);
        rc = moved != 0 ? 0 : mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (moved != 0) {
        return moved;
    }
    if (rc != 0 && rc != MDB_NOTFOUND) {
        return replica_error(replica, rc, "move staged pages", err);
    }
    return replica_record_delete_all(replica, staging->txn, TABLE_STAGE, staging->bag.local, err);
}

/* The one page that is all there is: no need to stage it. */
static int put_rows(struct staging *staging, const struct replica_row *rows, size_t count,
                    struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = replica_item_put(staging->replica, staging->txn, &staging->bag, rows[i].path,
                              &rows[i].row, err);
    }
    return rc;
}

/* Applications sign out, and meet damage, while pages are on their way. */
static int check_bag(const struct staging *staging, struct err *err)
{
    const struct replica_page *page = staging->page;
    const struct replica_bag *bag = &staging->bag;
    if (!bag->keep) {
        return err_set(err, E_NOT_FOUND, "the bag is not kept here any more");
    }
    if (!page->whole && (!bag->complete || bag->cursor < page->since)) {
        return err_set(err, E_CONDITION, "the bag was cleared or damaged meanwhile");
    }
    return 0;
}

static int stage(struct staging *staging, const struct replica_row *rows, size_t count,
                 struct err *err)
{
    const struct replica_page *page = staging->page;
    int rc = 0;
    if (page->first) {
        rc = replica_record_delete_all(staging->replica, staging->txn, TABLE_STAGE,
                                       staging->bag.local, err);
    }
    bool alone = page->first && page->last;
    if (rc == 0 && page->last && page->whole) {
        rc = wipe(staging, err);
    }
    if (alone) {
        rc = rc != 0 ? rc : put_rows(staging, rows, count, err);
    }
    for (size_t i = 0; rc == 0 && !alone && i < count; i++) {
        rc = stage_row(staging, &rows[i], err);
    }
    if (rc != 0 || !page->last) {
        return rc;
    }
    rc = alone ? 0 : move_staged(staging, err);
    if (rc != 0) {
        return rc;
    }
    staging->bag.cursor = page->cursor;
    staging->bag.complete = true;
    rc = replica_bag_put(staging->replica, staging->txn, &staging->bag, err);
    return rc != 0
               ? rc
               : replica_put_position(staging->replica, staging->txn, page->seq, page->hash, err);
}

int replica_stage(struct replica *replica, const struct replica_page *page,
                  const struct replica_row *rows, size_t count, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(page != NULL);
    ASSERT(rows != NULL || count == 0);
    struct staging staging = {.replica = replica, .page = page};
    int rc = replica_write_begin(replica, &staging.txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get_by_id(replica, staging.txn, page->bag_id, &staging.bag, err);
    rc = rc != 0 ? rc : check_bag(&staging, err);
    rc = rc != 0 ? rc : stage(&staging, rows, count, err);
    rc = replica_write_end(replica, &staging.txn, rc, err);
    if (rc == E_CORRUPT && staging.bag.local != 0) {
        return replica_bag_mark_damaged(replica, staging.bag.local, err);
    }
    return rc;
}

int replica_complete(struct replica *replica, uint64_t bag_id, uint64_t cursor, struct err *err)
{
    ASSERT(replica != NULL);
    struct replica_bag bag;
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get_by_id(replica, txn, bag_id, &bag, err);
    mdb_txn_abort(txn);
    if (rc != 0 || (bag.complete && bag.cursor == cursor)) {
        return rc;
    }
    return err_set(err, E_CONDITION, "the bag was cleared or damaged meanwhile");
}
