/* client/replica_item.c - reading items, and writing one within a transaction. */
#include <string.h>

#include "client/replica_inside.h"

/* --- within a transaction --- */

int replica_item_get(struct replica *replica, MDB_txn *txn, uint64_t local, struct span path,
                     struct item_row *row, struct err *err)
{
    struct record_key key = replica_key_item(local, path);
    struct span bytes;
    struct item_row found;
    int rc = replica_record_get(replica, txn, TABLE_ITEMS, &key, &bytes, err);
    if (rc == E_NOT_FOUND) {
        *row = (struct item_row){.state = ITEM_ABSENT};
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    if (!replica_record_item(bytes, &found)) {
        return err_set(err, E_CORRUPT, "an item's record in '%s' is damaged", replica->path);
    }
    *row = found;
    return 0;
}

static int count(struct replica *replica, struct replica_bag *bag, struct span path,
                 const struct item_row *old, const struct item_row *new, struct err *err)
{
    uint64_t old_bytes = path.size + old->value.size;
    if (old->state == ITEM_LIVE && (bag->items == 0 || bag->bytes < old_bytes)) {
        return err_set(err, E_CORRUPT, "the counts of a bag in '%s' do not fit its items",
                       replica->path);
    }
    if (old->state == ITEM_LIVE) {
        bag->items--;
        bag->bytes -= old_bytes;
    }
    if (new->state == ITEM_LIVE) {
        bag->items++;
        bag->bytes += path.size + new->value.size;
    }
    return 0;
}

int replica_item_put(struct replica *replica, MDB_txn *txn, struct replica_bag *bag,
                     struct span path, const struct item_row *row, struct err *err)
{
    struct record_key key = replica_key_item(bag->local, path);
    struct item_row old;
    int rc = replica_item_get(replica, txn, bag->local, path, &old, err);
    if (rc != 0) {
        return rc;
    }
    if (old.state == ITEM_LIVE && old.seq > row->seq) {
        return 0; /* a round of pages may bring a path again, newer */
    }
    rc = count(replica, bag, path, &old, row, err);
    if (rc != 0) {
        return rc;
    }
    return row->state == ITEM_LIVE
               ? replica_record_put_item(replica, txn, TABLE_ITEMS, &key, row, err)
               : replica_record_delete(replica, txn, TABLE_ITEMS, &key, err);
}

/* --- one item --- */

static int read_item(struct replica *replica, MDB_txn *txn, uint64_t local, struct span path,
                     struct item_row *row, struct buf *value, struct err *err)
{
    struct item_row found;
    int rc = replica_item_get(replica, txn, local, path, &found, err);
    if (rc != 0) {
        return rc;
    }
    if (found.state != ITEM_LIVE) {
        return err_set(err, E_NOT_FOUND, "there is no item '%.*s'", (int)path.size,
                       (const char *)path.data);
    }
    if (value != NULL && buf_append_span(value, found.value) != 0) {
        return err_set(err, buf_error(value), "the value of '%.*s' does not fit", (int)path.size,
                       (const char *)path.data);
    }
    *row = found;
    row->value = (struct span){NULL, 0}; /* the map's: gone with the transaction */
    return 0;
}

/* The record at the cursor goes when it fails, and the bag it seems to be of is marked. */
static int heal_one(struct replica *replica, MDB_txn *txn, MDB_cursor *cursor, MDB_val *key,
                    const MDB_val *data, struct err *err)
{
    struct span value;
    struct replica_bag bag;
    if (replica_record_check(TABLE_ITEMS, key, data, &value)) {
        return 0;
    }
    uint64_t local = key->mv_size >= 8 ? get_be64(key->mv_data) : 0;
    int rc = replica_error(replica, mdb_cursor_del(cursor, 0), "remove a damaged item", err);
    if (rc == 0 && local != 0 && replica_bag_get(replica, txn, local, &bag, NULL) == 0) {
        bag.cursor = 0;
        bag.complete = bag.bag_id == 0;
        return replica_bag_put(replica, txn, &bag, err);
    }
    return rc;
}

static int heal_at(struct replica *replica, MDB_txn *txn, const struct record_key *wanted,
                   struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[TABLE_ITEMS], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "heal", err);
    }
    MDB_val key = {wanted->size, (void *)(uintptr_t)wanted->bytes};
    MDB_val data;
    int at = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    int before = mdb_cursor_get(cursor, &key, &data, at == 0 ? MDB_PREV : MDB_LAST);
    rc = before == 0 ? heal_one(replica, txn, cursor, &key, &data, err) : 0;
    key = (MDB_val){wanted->size, (void *)(uintptr_t)wanted->bytes};
    at = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    if (rc == 0 && at == 0) {
        rc = heal_one(replica, txn, cursor, &key, &data, err);
    }
    mdb_cursor_close(cursor);
    return rc;
}

/* What made the look-up of `path` fail may be a neighbour, of another bag even: it is removed, else
 * every miss beside it would fail for ever. Returns E_CORRUPT with a sentence, or why it could not
 * be healed. */
static int heal(struct replica *replica, uint64_t local, struct span path, struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct record_key wanted = replica_key_item(local, path);
    rc = heal_at(replica, txn, &wanted, err);
    rc = replica_write_end(replica, &txn, rc, err);
    return rc != 0 ? rc : replica_bag_mark_damaged(replica, local, err);
}

int replica_item(struct replica *replica, uint64_t local, struct span path, struct item_row *row,
                 struct buf *value, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(row != NULL);
    MDB_txn *txn = NULL;
    size_t start = value != NULL ? value->size : 0;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct item_row found;
    rc = read_item(replica, txn, local, path, &found, value, err);
    mdb_txn_abort(txn);
    if (rc == E_CORRUPT) {
        return heal(replica, local, path, err);
    }
    if (rc == 0) {
        *row = found;
        row->value = value != NULL ? span_of(value->data + start, value->size - start)
                                   : (struct span){NULL, 0};
    }
    return rc;
}

/* --- all items --- */

struct listing {
    struct replica *replica;
    uint64_t local;
    struct span prefix;
    replica_item_fn *each;
    void *context;
    bool damaged;
    uint64_t items;
    uint64_t bytes;
};

/* Is this key one of the bag, and does its path begin with the prefix? */
static bool within(const struct listing *listing, const MDB_val *key)
{
    const uint8_t *bytes = key->mv_data;
    return key->mv_size >= 8 + listing->prefix.size && get_be64(bytes) == listing->local &&
           (listing->prefix.size == 0 ||
            memcmp(bytes + 8, listing->prefix.data, listing->prefix.size) == 0);
}

static int tell(struct listing *listing, const MDB_val *key, const MDB_val *data, struct err *err)
{
    struct span bytes;
    struct item_row row;
    if (!replica_record_check(TABLE_ITEMS, key, data, &bytes) ||
        !replica_record_item(bytes, &row)) {
        listing->damaged = true;
        return 0;
    }
    const uint8_t *name = key->mv_data;
    struct span path = span_of(name + 8, key->mv_size - 8);
    listing->items++;
    listing->bytes += path.size + row.value.size;
    return listing->each(listing->context, path, &row, err);
}

static int walk_items(struct listing *listing, MDB_txn *txn, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, listing->replica->tables[TABLE_ITEMS], &cursor);
    if (rc != 0) {
        return replica_error(listing->replica, rc, "read", err);
    }
    struct record_key first = replica_key_item(listing->local, listing->prefix);
    MDB_val key = {first.size, first.bytes};
    MDB_val data;
    int told = 0;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && told == 0 && within(listing, &key)) {
        told = tell(listing, &key, &data, err);
        rc = told != 0 ? 0 : mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (told != 0) {
        return told;
    }
    return rc == MDB_NOTFOUND ? 0 : replica_error(listing->replica, rc, "read", err);
}

/* An item whose key was damaged so much that it left its place is missing from the count. */
static int check_counts(struct listing *listing, MDB_txn *txn)
{
    struct replica_bag bag;
    int rc = replica_bag_get(listing->replica, txn, listing->local, &bag, NULL);
    if (rc == 0 && (bag.items != listing->items || bag.bytes != listing->bytes)) {
        listing->damaged = true;
    }
    return rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

int replica_items(struct replica *replica, uint64_t local, struct span prefix,
                  replica_item_fn *each, void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(each != NULL);
    if (prefix.size > PATH_MAX_BYTES) {
        return 0;
    }
    struct listing listing = {
        .replica = replica, .local = local, .prefix = prefix, .each = each, .context = context};
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = walk_items(&listing, txn, err);
    if (rc == 0 && prefix.size == 0) {
        rc = check_counts(&listing, txn);
    }
    mdb_txn_abort(txn);
    return rc == 0 && listing.damaged ? replica_bag_mark_damaged(replica, local, err) : rc;
}
