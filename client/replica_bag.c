/* client/replica_bag.c - the bags of a replica and the two ways to find one. */
#include <string.h>

#include "client/replica_inside.h"

enum {
    BAG_COMPLETE = 1,
    BAG_KEEP = 2,
    BAG_COPY = 4,
    AT_DIGEST = 1 + 5 * 8,
    AT_USED = AT_DIGEST + DIGEST_SIZE,
    AT_KIND = AT_USED + 8,
    BAG_FIXED = AT_KIND + 1 + 8 + 1, /* what stands before the names */
    BAG_BYTES_MAX = BAG_FIXED + 2 * NAME_MAX_BYTES,
};
_Static_assert((int)BAG_BYTES_MAX <= (int)RECORD_BAG_MAX, "a record of a bag fits");

/* --- bytes --- */

size_t replica_bag_encode(const struct replica_bag *bag, uint8_t out[RECORD_BAG_MAX])
{
    const uint64_t numbers[5] = {bag->bag_id, bag->made_by, bag->cursor, bag->items, bag->bytes};
    size_t shown = strlen(bag->owner.shown);
    size_t folded = strlen(bag->owner.folded);
    uint8_t *at = out;
    *at++ = (uint8_t)((bag->complete ? BAG_COMPLETE : 0) | (bag->keep ? BAG_KEEP : 0) |
                      (bag->copy != 0 ? BAG_COPY : 0));
    for (size_t i = 0; i < 5; i++, at += 8) {
        put_be64(at, numbers[i]);
    }
    digest_put(&bag->digest, at);
    at += DIGEST_SIZE;
    put_be64(at, bag->used_ms);
    at += 8;
    *at++ = (uint8_t)bag->owner.kind;
    put_be64(at, bag->owner.device);
    at += 8;
    *at++ = (uint8_t)shown;
    memcpy(at, bag->owner.shown, shown);
    memcpy(at + shown, bag->owner.folded, folded);
    return BAG_FIXED + shown + folded;
}

bool replica_bag_decode(struct span bytes, struct replica_bag *out)
{
    if (bytes.size < BAG_FIXED || bytes.size > BAG_BYTES_MAX) {
        return false;
    }
    const uint8_t *at = bytes.data;
    size_t shown = at[BAG_FIXED - 1];
    size_t folded = bytes.size - BAG_FIXED - shown;
    if (BAG_FIXED + shown > bytes.size || folded > NAME_MAX_BYTES ||
        !owner_kind_known(at[AT_KIND])) {
        return false;
    }
    *out = (struct replica_bag){
        .complete = (at[0] & BAG_COMPLETE) != 0,
        .keep = (at[0] & BAG_KEEP) != 0,
        .bag_id = get_be64(at + 1),
        .made_by = get_be64(at + 9),
        .cursor = get_be64(at + 17),
        .items = get_be64(at + 25),
        .bytes = get_be64(at + 33),
        .copy = (at[0] & BAG_COPY) != 0 ? 1 : 0,
        .digest = digest_get(at + AT_DIGEST),
        .used_ms = get_be64(at + AT_USED),
        .owner = {.kind = (enum owner_kind)at[AT_KIND], .device = get_be64(at + AT_KIND + 1)},
    };
    memcpy(out->owner.shown, at + BAG_FIXED, shown);
    memcpy(out->owner.folded, at + BAG_FIXED + shown, folded);
    return true;
}

/* --- within a transaction --- */

int replica_bag_get(struct replica *replica, MDB_txn *txn, uint64_t local, struct replica_bag *out,
                    struct err *err)
{
    struct record_key key = replica_key_number(local);
    struct span bytes;
    int rc = replica_record_get(replica, txn, TABLE_BAGS, &key, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    struct replica_bag bag;
    if (!replica_bag_decode(bytes, &bag)) {
        return err_set(err, E_CORRUPT, "a bag's record in '%s' is damaged", replica->path);
    }
    bag.local = local;
    *out = bag;
    return 0;
}

static int get_by(struct replica *replica, MDB_txn *txn, enum table table,
                  const struct record_key *key, struct replica_bag *out, struct err *err)
{
    struct span bytes;
    int rc = replica_record_get(replica, txn, table, key, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    if (bytes.size != 8) {
        return err_set(err, E_CORRUPT, "the list of bags in '%s' is damaged", replica->path);
    }
    rc = replica_bag_get(replica, txn, get_be64(bytes.data), out, err);
    return rc != E_NOT_FOUND
               ? rc
               : err_set(err, E_CORRUPT, "the list of bags in '%s' is damaged", replica->path);
}

int replica_bag_get_by_id(struct replica *replica, MDB_txn *txn, uint64_t bag_id,
                          struct replica_bag *out, struct err *err)
{
    struct record_key key = replica_key_number(bag_id);
    return get_by(replica, txn, TABLE_IDS, &key, out, err);
}

int replica_bag_get_by_owner(struct replica *replica, MDB_txn *txn, const struct owner *owner,
                             struct replica_bag *out, struct err *err)
{
    struct record_key key = replica_key_owner(owner);
    return get_by(replica, txn, TABLE_NAMES, &key, out, err);
}

int replica_bag_put(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                    struct err *err)
{
    uint8_t bytes[RECORD_BAG_MAX];
    size_t size = replica_bag_encode(bag, bytes);
    struct record_key key = replica_key_number(bag->local);
    int rc = replica_count_put(replica, txn, bag->local, bag, err);
    return rc != 0 ? rc
                   : replica_record_put(replica, txn, TABLE_BAGS, &key, span_of(bytes, size), err);
}

/* The entries of `names` and `ids`. */
int replica_bag_put_index(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                          struct err *err)
{
    uint8_t local[8];
    put_be64(local, bag->local);
    struct span value = span_of(local, sizeof local);
    struct record_key key = replica_key_owner(&bag->owner);
    int rc = replica_record_put(replica, txn, TABLE_NAMES, &key, value, err);
    if (rc == 0 && bag->bag_id != 0) {
        key = replica_key_number(bag->bag_id);
        rc = replica_record_put(replica, txn, TABLE_IDS, &key, value, err);
    }
    return rc;
}

int replica_bag_delete_id(struct replica *replica, MDB_txn *txn, uint64_t bag_id, struct err *err)
{
    if (bag_id == 0) {
        return 0;
    }
    struct record_key key = replica_key_number(bag_id);
    return replica_record_delete(replica, txn, TABLE_IDS, &key, err);
}

/* Both copies, and what is staged. */
static int delete_items(struct replica *replica, MDB_txn *txn, uint64_t local, struct err *err)
{
    struct record_key key = replica_key_number(local);
    int rc = replica_record_delete_all(replica, txn, TABLE_ITEMS, &key, err);
    return rc != 0 ? rc : replica_record_delete_all(replica, txn, TABLE_STAGE, &key, err);
}

int replica_bag_delete(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                       struct err *err)
{
    int rc = delete_items(replica, txn, bag->local, err);
    rc = rc != 0 ? rc : replica_bag_delete_id(replica, txn, bag->bag_id, err);
    struct record_key key = replica_key_owner(&bag->owner);
    rc = rc != 0 ? rc : replica_record_delete(replica, txn, TABLE_NAMES, &key, err);
    key = replica_key_number(bag->local);
    rc = rc != 0 ? rc : replica_count_put(replica, txn, bag->local, NULL, err);
    rc = rc != 0 ? rc : replica_record_delete(replica, txn, TABLE_BAGS, &key, err);
    return rc != 0 || bag->owner.kind != OWNER_FLEET
               ? rc
               : replica_rules_note(replica, txn, bag, false, err);
}

/* --- repairing --- */

/* One bag of the table: index it, or remember that it has to go. */
static int repair_one(struct replica *replica, MDB_txn *txn, MDB_cursor *cursor, MDB_val *key,
                      MDB_val *data, uint64_t *dropped, struct err *err)
{
    struct span bytes;
    struct replica_bag bag;
    if (key->mv_size == 8 && replica_record_check(TABLE_BAGS, key, data, &bytes) &&
        replica_bag_decode(bytes, &bag)) {
        bag.local = get_be64(key->mv_data);
        int rc = replica_bag_put_index(replica, txn, &bag, err);
        return rc != 0 || bag.owner.kind != OWNER_FLEET
                   ? rc
                   : replica_rules_note(replica, txn, &bag, true, err);
    }
    ++*dropped;
    uint64_t local = key->mv_size == 8 ? get_be64(key->mv_data) : 0;
    int rc = replica_error(replica, mdb_cursor_del(cursor, 0), "drop a damaged bag", err);
    return rc != 0 ? rc : delete_items(replica, txn, local, err);
}

static int note_dropped(struct replica *replica, MDB_txn *txn, struct err *err)
{
    static const char name[] = "note:" REPLICA_NOTE_DROPPED;
    struct record_key key = {.size = sizeof name - 1};
    memcpy(key.bytes, name, sizeof name - 1);
    return replica_record_put(replica, txn, TABLE_META, &key, SPAN_LITERAL("1"), err);
}

static int repair(struct replica *replica, MDB_txn *txn, uint64_t *dropped, struct err *err)
{
    MDB_cursor *cursor = NULL;
    const struct replica_bag none = {0};
    replica_count_again(replica);
    int rc = replica_rules_note(replica, txn, &none, false, err);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_drop(txn, replica->tables[TABLE_NAMES], 0);
    rc = rc != 0 ? rc : mdb_drop(txn, replica->tables[TABLE_IDS], 0);
    rc = rc != 0 ? rc : mdb_cursor_open(txn, replica->tables[TABLE_BAGS], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "repair", err);
    }
    while (rc == 0) {
        MDB_val key;
        MDB_val data;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT); /* fine behind a deleted one too */
        if (rc != 0) {
            rc = rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "repair", err);
            break;
        }
        rc = repair_one(replica, txn, cursor, &key, &data, dropped, err);
    }
    mdb_cursor_close(cursor);
    return rc != 0 || *dropped == 0 ? rc : note_dropped(replica, txn, err);
}

int replica_bag_repair(struct replica *replica, uint64_t *dropped, struct err *err)
{
    MDB_txn *txn = NULL;
    *dropped = 0;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = repair(replica, txn, dropped, err);
    return replica_write_end(replica, &txn, rc, err);
}

int replica_bag_mark_damaged(struct replica *replica, uint64_t local, struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct replica_bag bag;
    rc = replica_bag_get(replica, txn, local, &bag, err);
    if (rc == 0) {
        bag.cursor = 0;
        bag.complete = bag.bag_id == 0;
        rc = replica_bag_put(replica, txn, &bag, err);
    }
    rc = replica_write_end(replica, &txn, rc, err);
    if (rc != 0 && rc != E_CORRUPT && rc != E_NOT_FOUND) {
        return rc;
    }
    return err_set(err, E_CORRUPT,
                   "an item in '%s' was damaged on the disk: it is fetched anew from the server",
                   replica->path);
}

/* --- adding and changing --- */

int replica_bag_next_local(struct replica *replica, MDB_txn *txn, uint64_t *local, struct err *err)
{
    struct record_key key = {.bytes = "next", .size = 4};
    struct span bytes;
    uint64_t next = 1;
    int rc = replica_record_get(replica, txn, TABLE_META, &key, &bytes, err);
    if (rc == 0 && bytes.size == 8) {
        next = get_be64(bytes.data);
    } else if (rc != 0 && rc != E_NOT_FOUND && rc != E_CORRUPT) {
        return rc;
    }
    struct replica_bag other; /* a damaged counter: look for a number that is free */
    while ((rc = replica_bag_get(replica, txn, next, &other, err)) == 0) {
        next++;
    }
    if (rc != E_NOT_FOUND && rc != E_CORRUPT) {
        return rc;
    }
    uint8_t value[8];
    put_be64(value, next + 1);
    *local = next;
    return replica_record_put(replica, txn, TABLE_META, &key, span_of(value, sizeof value), err);
}

static int add(struct replica *replica, MDB_txn *txn, struct replica_bag *bag, struct err *err)
{
    struct record_key key = replica_key_owner(&bag->owner);
    struct span bytes;
    int rc = replica_record_get(replica, txn, TABLE_NAMES, &key, &bytes, err);
    if (rc != E_NOT_FOUND) {
        return rc == 0 ? E_EXISTS : rc; /* said by the caller, who knows whether it matters */
    }
    rc = replica_bag_next_local(replica, txn, &bag->local, err);
    rc = rc != 0 ? rc : replica_bag_put(replica, txn, bag, err);
    return rc != 0 ? rc : replica_bag_put_index(replica, txn, bag, err);
}

/* One whose owner has a bag here already gets the number 0. */
static int add_all(struct replica *replica, MDB_txn *txn, struct replica_bag *bags, size_t count,
                   struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct replica_bag *bag = &bags[i];
        struct err why = {0};
        bag->local = 0;
        bag->items = 0;
        bag->bytes = 0;
        bag->copy = 0;
        bag->digest = (struct digest){0};
        rc = add(replica, txn, bag, &why);
        if (rc == E_EXISTS) {
            rc = 0;
        } else if (rc != 0) {
            rc = err_set(err, rc, "%s", why.text);
        }
    }
    return rc;
}

int replica_bags_add(struct replica *replica, struct replica_bag *bags, size_t count,
                     struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(bags != NULL || count == 0);
    for (int attempt = 0;; attempt++) {
        MDB_txn *txn = NULL;
        uint64_t dropped = 0;
        int rc = replica_write_begin(replica, &txn, err);
        if (rc != 0) {
            return rc;
        }
        rc = add_all(replica, txn, bags, count, err);
        rc = replica_write_end(replica, &txn, rc, err);
        if (rc != E_CORRUPT || attempt > 0) {
            return rc;
        }
        rc = replica_bag_repair(replica, &dropped, err);
        if (rc != 0) {
            return rc;
        }
    }
}

int replica_bag_add(struct replica *replica, struct replica_bag *bag, struct err *err)
{
    ASSERT(bag != NULL);
    struct replica_bag added = *bag;
    int rc = replica_bags_add(replica, &added, 1, err);
    if (rc == 0 && added.local == 0) {
        rc = err_set(err, E_EXISTS, "'%s' has a bag here already", bag->owner.shown);
    }
    if (rc == 0) {
        *bag = added;
    }
    return rc;
}

int replica_bag_update(struct replica *replica, const struct replica_bag *bag, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(bag != NULL);
    MDB_txn *txn = NULL;
    struct replica_bag now;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, bag->local, &now, err);
    if (rc == 0) {
        rc = now.bag_id != bag->bag_id ? replica_bag_delete_id(replica, txn, now.bag_id, err) : 0;
        now.bag_id = bag->bag_id;
        now.made_by = bag->made_by;
        now.cursor = bag->cursor;
        now.complete = bag->complete;
        now.keep = bag->keep;
        memcpy(now.owner.shown, bag->owner.shown, sizeof now.owner.shown);
    }
    rc = rc != 0 ? rc : replica_bag_put(replica, txn, &now, err);
    rc = rc != 0 ? rc : replica_bag_put_index(replica, txn, &now, err);
    return replica_write_end(replica, &txn, rc, err);
}

int replica_bag_clear(struct replica *replica, uint64_t local, struct err *err)
{
    ASSERT(replica != NULL);
    MDB_txn *txn = NULL;
    struct replica_bag bag;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &bag, err);
    rc = rc != 0 ? rc : delete_items(replica, txn, local, err);
    if (rc == 0) {
        bag.cursor = 0;
        bag.complete = false;
        bag.items = 0;
        bag.bytes = 0;
        bag.digest = (struct digest){0};
        rc = replica_bag_put(replica, txn, &bag, err);
    }
    if (rc == 0 && bag.owner.kind == OWNER_FLEET) {
        rc = replica_rules_note(replica, txn, &bag, false, err);
    }
    return replica_write_end(replica, &txn, rc, err);
}

int replica_bag_drop(struct replica *replica, uint64_t local, struct err *err)
{
    ASSERT(replica != NULL);
    MDB_txn *txn = NULL;
    struct replica_bag bag;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &bag, err);
    rc = rc != 0 ? rc : replica_bag_delete(replica, txn, &bag, err);
    return replica_write_end(replica, &txn, rc, err);
}

/* --- finding --- */

/* A damaged index is made anew from the bags, then asked again. */
static int find(struct replica *replica, enum table table, const struct record_key *key,
                struct replica_bag *out, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        MDB_txn *txn = NULL;
        int rc = replica_read_begin(replica, &txn, err);
        if (rc != 0) {
            return rc;
        }
        rc = get_by(replica, txn, table, key, out, err);
        mdb_txn_abort(txn);
        if (rc != E_CORRUPT || attempt > 0) {
            return rc;
        }
        uint64_t dropped = 0;
        rc = replica_bag_repair(replica, &dropped, err);
        if (rc != 0) {
            return rc;
        }
    }
}

int replica_bag_by_owner(struct replica *replica, const struct owner *owner,
                         struct replica_bag *out, struct err *err)
{
    ASSERT(replica != NULL);
    struct record_key key = replica_key_owner(owner);
    return find(replica, TABLE_NAMES, &key, out, err);
}

int replica_bag_by_id(struct replica *replica, uint64_t bag_id, struct replica_bag *out,
                      struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(bag_id != 0);
    struct record_key key = replica_key_number(bag_id);
    return find(replica, TABLE_IDS, &key, out, err);
}

/* The first bag whose number is `local` or greater. */
static int bag_from(struct replica *replica, uint64_t local, struct replica_bag *out,
                    struct err *err)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_error(replica, mdb_cursor_open(txn, replica->tables[TABLE_BAGS], &cursor), "read",
                       err);
    struct record_key first = replica_key_number(local);
    MDB_val key = {first.size, first.bytes};
    for (MDB_cursor_op step = MDB_SET_RANGE; rc == 0; step = MDB_NEXT) { /* damaged: the next one */
        MDB_val data;
        struct span bytes;
        rc = mdb_cursor_get(cursor, &key, &data, step);
        if (rc != 0) {
            rc = replica_error(replica, rc, "read", err);
            break;
        }
        if (key.mv_size == 8 && replica_record_check(TABLE_BAGS, &key, &data, &bytes) &&
            replica_bag_decode(bytes, out)) {
            out->local = get_be64(key.mv_data);
            break;
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc;
}

int replica_bags_from(struct replica *replica, uint64_t from, replica_bag_fn *each, void *context,
                      struct err *err)
{
    struct replica_bag bag = {.local = from > 0 ? from - 1 : 0};
    for (;;) {
        int rc = bag_from(replica, bag.local + 1, &bag, NULL);
        if (rc == E_NOT_FOUND) {
            return 0;
        }
        if (rc != 0) {
            return err_set(err, rc, "the bags in '%s' can't be read", replica->path);
        }
        rc = each(context, &bag, err);
        if (rc != 0) {
            return rc;
        }
    }
}

int replica_bags(struct replica *replica, replica_bag_fn *each, void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(each != NULL);
    return replica_bags_from(replica, 0, each, context, err);
}
