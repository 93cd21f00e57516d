/* client/replica_item.c - reading items, and writing one within a transaction. */
#include <string.h>

#include "client/replica_inside.h"

/* --- within a transaction --- */

int replica_item_get(struct replica *replica, MDB_cursor *items, const struct record_key *key,
                     struct item_row *row, struct err *err)
{
    struct span bytes;
    struct item_row found;
    int rc = replica_record_seek(replica, items, TABLE_ITEMS, key, &bytes, err);
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
        digest_subtract(&bag->digest, path, old->seq, old->value);
    }
    if (new->state == ITEM_LIVE) {
        bag->items++;
        bag->bytes += path.size + new->value.size;
        digest_add(&bag->digest, path, new->seq, new->value);
    }
    return 0;
}

int replica_item_put(const struct replica_writer *writer, struct replica_bag *bag, struct span path,
                     const struct item_row *row, struct err *err)
{
    struct replica *replica = writer->replica;
    struct record_key key = replica_key_item(bag->local, bag->copy, path);
    struct item_row old;
    int rc = replica_item_get(replica, writer->items, &key, &old, err);
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
               ? replica_record_put_item(replica, writer->items, TABLE_ITEMS, &key, row, 0, err)
               : replica_record_delete(replica, writer->txn, TABLE_ITEMS, &key, err);
}

/* --- one item --- */

/* Where a look-up met damage: an item, or the fences. */
struct trouble {
    uint64_t local; /* the bag to be marked; 0: the notes */
    bool item;
    struct record_key key; /* of the item */
};

static int no_item(struct span path, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no item '%.*s'", (int)path.size,
                   (const char *)path.data);
}

/* Does a fence make it absent? */
static int check_fences(struct replica *replica, MDB_txn *txn, enum owner_kind kind,
                        struct span path, uint64_t seq, struct trouble *trouble, struct err *err)
{
    const struct replica_rules *rules = NULL;
    int rc = replica_rules_get(replica, txn, &rules, &trouble->local, err);
    bool hidden = rc == 0 && replica_rules_hide(rules, kind, path, seq);
    replica_rules_put_back(replica, &rules);
    return hidden ? no_item(path, err) : rc;
}

static int read_item(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                     struct span path, struct item_row *row, struct buf *value,
                     struct trouble *trouble, struct err *err)
{
    struct item_row found = {.state = ITEM_ABSENT};
    struct span bytes;
    *trouble = (struct trouble){.local = bag->local, .item = true};
    trouble->key = replica_key_item(bag->local, bag->copy, path);
    int rc = replica_record_get(replica, txn, TABLE_ITEMS, &trouble->key, &bytes, err);
    if (rc == 0 && !replica_record_item(bytes, &found)) {
        rc = err_set(err, E_CORRUPT, "an item's record in '%s' is damaged", replica->path);
    }
    if (rc != 0) {
        return rc == E_NOT_FOUND ? no_item(path, err) : rc;
    }
    if (found.state != ITEM_LIVE) {
        return no_item(path, err);
    }
    trouble->item = false;
    rc = check_fences(replica, txn, bag->owner.kind, path, found.seq, trouble, err);
    if (rc != 0) {
        return rc;
    }
    if (value != NULL && buf_append_span(value, found.value) != 0) {
        return err_set(err, buf_error(value), "the value of '%.*s' does not fit", (int)path.size,
                       (const char *)path.data);
    }
    *row = found;
    row->value = (struct span){NULL, 0}; /* the map's: gone with the transaction */
    return 0;
}

/* The record at the cursor goes when it fails, and the bag it seems to be of is marked. In the
 * fleet's bag it stays, until the bag comes anew: it may be a fence, and without it what is void
 * would be shown. */
static int heal_one(struct replica *replica, MDB_txn *txn, MDB_cursor *cursor, MDB_val *key,
                    const MDB_val *data, struct err *err)
{
    struct span value;
    struct replica_bag bag;
    if (replica_record_check(TABLE_ITEMS, key, data, &value)) {
        return 0;
    }
    uint64_t local = key->mv_size >= 8 ? get_be64(key->mv_data) : 0;
    bool known = local != 0 && replica_bag_get(replica, txn, local, &bag, NULL) == 0;
    int rc = known && bag.owner.kind == OWNER_FLEET
                 ? 0
                 : replica_error(replica, mdb_cursor_del(cursor, 0), "remove a damaged item", err);
    if (rc == 0 && known) {
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

int replica_item_heal(struct replica *replica, uint64_t local, const struct record_key *key,
                      struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = heal_at(replica, txn, key, err);
    rc = replica_write_end(replica, &txn, rc, err);
    return rc != 0 ? rc : replica_bag_mark_damaged(replica, local, err);
}

/* 0: it was mended, look again. Else E_CORRUPT, or why it could not be healed. */
static int heal(struct replica *replica, const struct trouble *trouble, struct err *err)
{
    return trouble->item ? replica_item_heal(replica, trouble->local, &trouble->key, err)
                         : replica_rules_heal(replica, trouble->local, err);
}

static int try_item(struct replica *replica, uint64_t local, struct span path, struct item_row *row,
                    struct buf *value, struct trouble *trouble, struct err *err)
{
    MDB_txn *txn = NULL;
    struct replica_bag bag;
    *trouble = (struct trouble){0};
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &bag, err);
    rc = rc != 0 ? rc : read_item(replica, txn, &bag, path, row, value, trouble, err);
    mdb_txn_abort(txn);
    return rc;
}

int replica_item(struct replica *replica, uint64_t local, struct span path, struct item_row *row,
                 struct buf *value, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(row != NULL);
    size_t start = value != NULL ? value->size : 0;
    struct item_row found;
    struct trouble trouble;
    if (path.size > PATH_MAX_BYTES) {
        return no_item(path, err);
    }
    int rc = try_item(replica, local, path, &found, value, &trouble, err);
    if (rc == E_CORRUPT) {
        rc = heal(replica, &trouble, err);
        rc = rc != 0 ? rc : try_item(replica, local, path, &found, value, &trouble, err);
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
    struct replica_bag bag;
    const struct replica_rules *rules;
    bool whole; /* no prefix: the counts can be compared */
    replica_item_fn *each;
    void *context;
    bool damaged;
    uint64_t items;
    uint64_t bytes;
};

static int tell(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct listing *listing = context;
    if (row == NULL) {
        listing->damaged = true;
        return 0;
    }
    listing->items++;
    listing->bytes += path.size + row->value.size;
    return replica_rules_hide(listing->rules, listing->bag.owner.kind, path, row->seq)
               ? 0
               : listing->each(listing->context, path, row, err);
}

/* `fleet` gets the local number of the fleet's bag when its fences can't be read. */
static int list_items(struct listing *listing, uint64_t local, struct span prefix, bool *notes,
                      uint64_t *fleet, struct err *err)
{
    MDB_txn *txn = NULL;
    struct replica *replica = listing->replica;
    *notes = false;
    *fleet = 0;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &listing->bag, err);
    if (rc == 0) {
        rc = replica_rules_get(replica, txn, &listing->rules, fleet, err);
        *notes = rc == E_CORRUPT && *fleet == 0;
        *fleet = rc == E_CORRUPT ? *fleet : 0;
    }
    if (rc == 0) {
        struct record_key first = replica_key_item(listing->bag.local, listing->bag.copy, prefix);
        rc = replica_record_items(replica, txn, TABLE_ITEMS, &first, tell, listing, "read", err);
    }
    mdb_txn_abort(txn);
    replica_rules_put_back(replica, &listing->rules);
    return rc;
}

int replica_items(struct replica *replica, uint64_t local, struct span prefix,
                  replica_item_fn *each, void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(each != NULL);
    if (prefix.size > PATH_MAX_BYTES) {
        return 0;
    }
    bool notes = false;
    uint64_t fleet = 0;
    struct listing listing = {
        .replica = replica, .whole = prefix.size == 0, .each = each, .context = context};
    int rc = list_items(&listing, local, prefix, &notes, &fleet, err);
    if (notes) {
        rc = replica_meta_repair(replica, err);
        rc = rc != 0 ? rc : list_items(&listing, local, prefix, &notes, &fleet, err);
    }
    if (rc == E_NOT_FOUND && listing.bag.local == 0) {
        return 0; /* no bag, no items */
    }
    if (fleet != 0) {
        return replica_bag_mark_damaged(replica, fleet, err);
    }
    /* An item whose key was damaged so much that it left its place is missing from the count. */
    bool short_of =
        listing.whole && (listing.bag.items != listing.items || listing.bag.bytes != listing.bytes);
    return rc == 0 && (listing.damaged || short_of) ? replica_bag_mark_damaged(replica, local, err)
                                                    : rc;
}
