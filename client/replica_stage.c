/* client/replica_stage.c - catching up: pages, and whether a bag is complete.
 *
 * The rows of a whole bag are written under the prefix of its other copy, which nobody reads; with
 * the last page the bag's record names that copy, and the old one goes. The pages come in order of
 * paths, so a row behind all that came before is new without being looked up, and is appended where
 * the copy is the last thing in the table.
 */
#include <inttypes.h>
#include <string.h>

#include "client/replica_inside.h"

enum { STATE_SIZE = 16 + DIGEST_SIZE };

struct staging {
    const struct replica_writer *writer;
    const struct replica_page *page;
    struct touched *touched;
    struct replica_bag copy; /* a whole bag: the bag as it will be, so far */
    struct record_key last;  /* its greatest key, or its prefix */
    unsigned append;         /* MDB_APPEND: nothing lies behind it */
};

/* --- the state of a copy between its pages --- */

static int put_state(const struct staging *staging, struct err *err)
{
    uint8_t bytes[STATE_SIZE];
    struct record_key key = replica_key_number(staging->copy.local);
    put_be64(bytes, staging->copy.items);
    put_be64(bytes + 8, staging->copy.bytes);
    digest_put(&staging->copy.digest, bytes + 16);
    return replica_record_put(staging->writer->replica, staging->writer->txn, TABLE_STAGE, &key,
                              span_of(bytes, sizeof bytes), err);
}

static int get_state(struct staging *staging, struct err *err)
{
    struct span bytes;
    struct record_key key = replica_key_number(staging->copy.local);
    int rc = replica_record_get(staging->writer->replica, staging->writer->txn, TABLE_STAGE, &key,
                                &bytes, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_CONDITION, "the pages before this one were thrown away meanwhile");
    }
    if (rc == 0 && bytes.size != STATE_SIZE) {
        return err_set(err, E_CORRUPT, "a staged bag's record is damaged");
    }
    if (rc == 0) {
        staging->copy.items = get_be64(bytes.data);
        staging->copy.bytes = get_be64(bytes.data + 8);
        staging->copy.digest = digest_get(bytes.data + 16);
    }
    return rc;
}

/* --- a whole bag --- */

/* The greatest key of the copy, and whether anything lies behind it. */
static int find_end(struct staging *staging, struct err *err)
{
    struct replica *replica = staging->writer->replica;
    struct record_key prefix =
        replica_key_item(staging->copy.local, staging->copy.copy, (struct span){NULL, 0});
    struct record_key behind = prefix;
    behind.bytes[ITEM_KEY - 1]++;
    MDB_val key = {behind.size, behind.bytes};
    MDB_val data;
    int rc = mdb_cursor_get(staging->writer->items, &key, &data, MDB_SET_RANGE);
    staging->append = rc == MDB_NOTFOUND ? MDB_APPEND : 0;
    if (rc == 0 || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(staging->writer->items, &key, &data, rc == 0 ? MDB_PREV : MDB_LAST);
    }
    staging->last = prefix;
    if (rc == 0 && replica_key_begins(&key, &prefix) && key.mv_size <= RECORD_KEY_MAX) {
        staging->last.size = key.mv_size;
        memcpy(staging->last.bytes, key.mv_data, key.mv_size);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "stage a page", err);
}

static bool is_behind(const struct record_key *key, const struct record_key *last)
{
    return span_compare(span_of(key->bytes, key->size), span_of(last->bytes, last->size)) > 0;
}

static int put_row(struct staging *staging, const struct replica_row *row, struct err *err)
{
    const struct replica_writer *writer = staging->writer;
    struct replica_bag *bag = &staging->copy;
    struct record_key key = replica_key_item(bag->local, bag->copy, row->path);
    if (!is_behind(&key, &staging->last)) { /* a path may come again, newer */
        return replica_item_put(writer, bag, row->path, &row->row, err);
    }
    if (row->row.state != ITEM_LIVE) {
        return 0;
    }
    int rc = replica_record_put_item(writer->replica, writer->items, TABLE_ITEMS, &key, &row->row,
                                     staging->append, err);
    if (rc != 0) {
        return rc;
    }
    bag->items++;
    bag->bytes += row->path.size + row->row.value.size;
    digest_add(&bag->digest, row->path, row->row.seq, row->row.value);
    staging->last = key;
    return 0;
}

static int begin_copy(struct staging *staging, struct err *err)
{
    struct replica *replica = staging->writer->replica;
    struct replica_bag *copy = &staging->copy;
    *copy = staging->touched->bag;
    copy->copy ^= 1;
    copy->items = 0;
    copy->bytes = 0;
    copy->digest = (struct digest){0};
    if (!staging->page->first) {
        return get_state(staging, err);
    }
    struct record_key key = replica_key_number(copy->local);
    int rc = replica_record_delete_all(replica, staging->writer->txn, TABLE_STAGE, &key, err);
    key = replica_key_item(copy->local, copy->copy, (struct span){NULL, 0});
    return rc != 0
               ? rc
               : replica_record_delete_all(replica, staging->writer->txn, TABLE_ITEMS, &key, err);
}

/* It takes the place of the old one. */
static int end_copy(struct staging *staging, struct err *err)
{
    struct replica *replica = staging->writer->replica;
    MDB_txn *txn = staging->writer->txn;
    struct replica_bag *bag = &staging->touched->bag;
    struct record_key key = replica_key_item(bag->local, bag->copy, (struct span){NULL, 0});
    int rc = replica_record_delete_all(replica, txn, TABLE_ITEMS, &key, err);
    key = replica_key_number(bag->local);
    rc = rc != 0 ? rc : replica_record_delete_all(replica, txn, TABLE_STAGE, &key, err);
    *bag = staging->copy;
    return rc;
}

static int put_whole(struct staging *staging, const struct replica_row *rows, size_t count,
                     struct err *err)
{
    int rc = begin_copy(staging, err);
    rc = rc != 0 ? rc : find_end(staging, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_row(staging, &rows[i], err);
    }
    if (rc != 0) {
        return rc;
    }
    return staging->page->last ? end_copy(staging, err) : put_state(staging, err);
}

/* --- a difference --- */

static int stage_row(struct staging *staging, MDB_cursor *cursor, const struct replica_row *row,
                     struct err *err)
{
    struct replica *replica = staging->writer->replica;
    struct record_key key = replica_key_item(staging->touched->bag.local, 0, row->path);
    struct span bytes;
    struct item_row before;
    int rc = replica_record_seek(replica, cursor, TABLE_STAGE, &key, &bytes, err);
    if (rc == 0 && replica_record_item(bytes, &before) && before.seq > row->row.seq) {
        return 0; /* a path may come again, newer */
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    return replica_record_put_item(replica, cursor, TABLE_STAGE, &key, &row->row, 0, err);
}

static int stage_rows(struct staging *staging, const struct replica_row *rows, size_t count,
                      struct err *err)
{
    struct replica *replica = staging->writer->replica;
    struct record_key prefix = replica_key_number(staging->touched->bag.local);
    int rc = staging->page->first ? replica_record_delete_all(replica, staging->writer->txn,
                                                              TABLE_STAGE, &prefix, err)
                                  : 0;
    MDB_cursor *cursor = NULL;
    if (rc == 0) {
        rc = mdb_cursor_open(staging->writer->txn, replica->tables[TABLE_STAGE], &cursor);
        rc = replica_error(replica, rc, "stage a page", err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = stage_row(staging, cursor, &rows[i], err);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc;
}

static int move_one(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct staging *staging = context;
    return row == NULL ? err_set(err, E_CORRUPT, "a staged page in '%s' is damaged",
                                 staging->writer->replica->path)
                       : replica_item_put(staging->writer, &staging->touched->bag, path, row, err);
}

static int move_staged(struct staging *staging, struct err *err)
{
    struct replica *replica = staging->writer->replica;
    MDB_txn *txn = staging->writer->txn;
    struct record_key prefix = replica_key_number(staging->touched->bag.local);
    int rc = replica_record_items(replica, txn, TABLE_STAGE, &prefix, move_one, staging,
                                  "move staged pages", err);
    return rc != 0 ? rc : replica_record_delete_all(replica, txn, TABLE_STAGE, &prefix, err);
}

static int put_difference(struct staging *staging, const struct replica_row *rows, size_t count,
                          struct err *err)
{
    if (!staging->page->first || !staging->page->last) {
        int rc = stage_rows(staging, rows, count, err);
        return rc != 0 || !staging->page->last ? rc : move_staged(staging, err);
    }
    int rc = 0; /* the one page that is all there is: no need to stage it */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = replica_item_put(staging->writer, &staging->touched->bag, rows[i].path, &rows[i].row,
                              err);
    }
    return rc;
}

/* --- pages --- */

/* Applications sign out, and meet damage, while pages are on their way. */
static int check_bag(const struct replica_page *page, const struct replica_bag *bag,
                     struct err *err)
{
    if (!bag->keep) {
        return err_set(err, E_NOT_FOUND, "the bag is not kept here any more");
    }
    if (!page->whole && (!bag->complete || bag->cursor < page->since)) {
        return err_set(err, E_CONDITION, "the bag was cleared or damaged meanwhile");
    }
    return 0;
}

static void tell_rows(struct replica_batch *batch, uint32_t index, const struct replica_page *page,
                      const struct replica_row *rows, size_t count)
{
    if (!page->first || page->whole) { /* of more than one page the rows are not here any more */
        replica_batch_tell(batch, index, CHANGE_ITEM_SET, page->cursor, (struct span){NULL, 0});
        return;
    }
    for (size_t i = 0; i < count; i++) {
        replica_batch_tell(batch, index,
                           rows[i].row.state == ITEM_LIVE ? CHANGE_ITEM_SET : CHANGE_ITEM_REMOVE,
                           rows[i].row.seq, rows[i].path);
    }
}

static void finish(struct staging *staging)
{
    struct touched *touched = staging->touched;
    struct replica_bag *bag = &touched->bag;
    bag->cursor = staging->page->cursor;
    bag->complete = true;
    touched->dirty = true;
    touched->rules = touched->rules || bag->owner.kind == OWNER_FLEET;
    touched->row.exists = true;
    touched->row.last_seq = bag->cursor;
    touched->row.items = bag->items;
    touched->row.bytes = bag->bytes;
    touched->row.digest = bag->digest;
}

static int take_page(struct replica_batch *batch, const struct replica_page *page,
                     const struct replica_row *rows, size_t count, struct err *err)
{
    uint32_t index = 0;
    int rc = replica_batch_touch(batch, page->bag_id, &index, err);
    rc = rc != 0 ? rc : check_bag(page, &batch->bags[index].bag, err);
    if (rc != 0) {
        return rc;
    }
    struct staging staging = {
        .writer = &batch->writer, .page = page, .touched = &batch->bags[index]};
    rc = page->whole ? put_whole(&staging, rows, count, err)
                     : put_difference(&staging, rows, count, err);
    if (rc == 0 && page->last) {
        finish(&staging);
        tell_rows(batch, index, page, rows, count);
    }
    if (rc == E_CORRUPT) {
        replica_batch_blame(batch, staging.touched->bag.local, NULL);
    }
    return rc;
}

/* The position of pages before the last one is not yet the replica's. */
int replica_batch_page(struct replica_batch *batch, const struct replica_page *page,
                       const struct replica_row *rows, size_t count, struct err *err)
{
    ASSERT(batch != NULL);
    ASSERT(page != NULL);
    ASSERT(rows != NULL || count == 0);
    struct err why = {0};
    if (batch->rc != 0) {
        return err_set(err, batch->rc, "%s", batch->why.text);
    }
    int rc = take_page(batch, page, rows, count, &why);
    rc = replica_batch_done(batch, rc, page->last ? page->seq : 0, page->hash, &why);
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

/* A refused message leaves nothing to commit, an error of the batch is the commit's. */
static int commit_one(struct replica_batch **batch, int rc, struct err *err)
{
    if (rc == E_CONDITION || rc == E_NOT_FOUND) {
        replica_batch_abort(batch);
        return rc;
    }
    return replica_batch_commit(batch, NULL, NULL, err);
}

int replica_stage(struct replica *replica, const struct replica_page *page,
                  const struct replica_row *rows, size_t count, struct err *err)
{
    struct replica_batch *batch = NULL;
    int rc = replica_batch_begin(replica, &batch, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_batch_page(batch, page, rows, count, err);
    return commit_one(&batch, rc, err);
}

/* --- complete --- */

static int compare(struct replica_batch *batch, uint64_t bag_id, uint64_t cursor,
                   const struct digest *expected, bool *differs, struct err *err)
{
    uint32_t index = 0;
    int rc = replica_batch_touch(batch, bag_id, &index, err);
    if (rc != 0) {
        return rc;
    }
    struct touched *touched = &batch->bags[index];
    struct replica_bag *bag = &touched->bag;
    if (!bag->complete || bag->cursor != cursor) {
        return err_set(err, E_CONDITION, "the bag was cleared or damaged meanwhile");
    }
    *differs = expected != NULL && !digest_equal(expected, &bag->digest);
    if (*differs) {
        bag->cursor = 0;
        bag->complete = false;
        touched->row.exists = false;
        touched->row.last_seq = 0;
        touched->dirty = true;
    }
    return 0;
}

int replica_batch_complete(struct replica_batch *batch, uint64_t bag_id, uint64_t cursor,
                           const struct digest *expected, bool *differs, struct err *err)
{
    static const uint8_t none[SHA256_SIZE];
    ASSERT(batch != NULL);
    ASSERT(differs != NULL);
    struct err why = {0};
    *differs = false;
    if (batch->rc != 0) {
        return err_set(err, batch->rc, "%s", batch->why.text);
    }
    int rc = compare(batch, bag_id, cursor, expected, differs, &why);
    rc = replica_batch_done(batch, rc, 0, none, &why);
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

int replica_complete(struct replica *replica, uint64_t bag_id, uint64_t cursor,
                     const struct digest *expected, bool *differs, struct err *err)
{
    struct replica_batch *batch = NULL;
    *differs = false;
    int rc = replica_batch_begin(replica, &batch, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_batch_complete(batch, bag_id, cursor, expected, differs, err);
    return commit_one(&batch, rc, err);
}
