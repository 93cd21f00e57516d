/* client/replica_apply.c - live changes: all of a message in one transaction. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

/* The bags a message touches: read once, changed here, written back before the commit. */
struct touched {
    struct replica_bag bag;
    bool gone; /* deleted by the message */
};

struct applying {
    struct replica *replica;
    MDB_txn *txn;
    struct touched *bags;
    size_t count;
    size_t capacity;
    uint32_t *effects; /* per change: 1 + the index of its bag; 0: no effect */
};

static int grow(struct applying *applying, struct err *err)
{
    if (applying->count < applying->capacity) {
        return 0;
    }
    size_t capacity = applying->capacity > 0 ? 2 * applying->capacity : 4;
    struct touched *bags = realloc(applying->bags, capacity * sizeof *bags);
    if (bags == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    applying->bags = bags;
    applying->capacity = capacity;
    return 0;
}

/* E_NOT_FOUND: it is not kept here, or the message deleted it already. */
static int touch(struct applying *applying, uint64_t bag_id, uint32_t *index, struct err *err)
{
    for (size_t i = applying->count; i > 0; i--) { /* mostly the last one again */
        if (applying->bags[i - 1].bag.bag_id == bag_id) {
            *index = (uint32_t)(i - 1);
            return applying->bags[i - 1].gone ? E_NOT_FOUND : 0;
        }
    }
    int rc = grow(applying, err);
    if (rc != 0) {
        return rc;
    }
    struct touched *touched = &applying->bags[applying->count];
    *touched = (struct touched){0};
    rc = replica_bag_get_by_id(applying->replica, applying->txn, bag_id, &touched->bag, err);
    if (rc == 0) {
        *index = (uint32_t)applying->count++;
    }
    return rc;
}

static struct bag_row row_of(const struct replica_bag *bag)
{
    return (struct bag_row){
        .exists = bag->complete,
        .bag_id = bag->bag_id,
        .last_seq = bag->cursor,
        .items = bag->items,
        .bytes = bag->bytes,
        .owner = bag->owner,
    };
}

static bool has_item(const struct change *change)
{
    return change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
}

static int store_item(struct applying *applying, uint64_t local, const struct change *change,
                      const struct item_row *row, struct err *err)
{
    struct record_key key = replica_key_item(local, change->path);
    return row->state == ITEM_LIVE
               ? replica_record_put_item(applying->replica, applying->txn, TABLE_ITEMS, &key, row,
                                         err)
               : replica_record_delete(applying->replica, applying->txn, TABLE_ITEMS, &key, err);
}

/* One change that is newer than its bag's cursor. */
static int apply_one(struct applying *applying, const struct change *change,
                     struct touched *touched, struct err *err)
{
    struct replica_bag *bag = &touched->bag;
    if (change->prev != bag->cursor || bag->complete != (change->kind != CHANGE_BAG_CREATE)) {
        return err_set(err, E_CONDITION,
                       "change %" PRIu64 " follows %" PRIu64 ", bag %" PRIu64 " is at %" PRIu64,
                       change->seq, change->prev, bag->bag_id, bag->cursor);
    }
    struct bag_row row = row_of(bag);
    struct item_row item = {.state = ITEM_ABSENT};
    int rc = 0;
    if (has_item(change)) {
        rc = replica_item_get(applying->replica, applying->txn, bag->local, change->path, &item,
                              err);
    }
    rc = rc != 0 ? rc : apply_change(change, &row, &item, false, err);
    if (rc != 0) {
        return rc;
    }
    if (!row.exists) {
        touched->gone = true;
        return 0;
    }
    bag->complete = true;
    bag->cursor = row.last_seq;
    bag->items = row.items;
    bag->bytes = row.bytes;
    return has_item(change) ? store_item(applying, bag->local, change, &item, err) : 0;
}

static int apply_all(struct applying *applying, const struct change *changes, size_t count,
                     uint64_t *bad_bag, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t index = 0;
        if (changes[i].bag_id == 0) {
            continue;
        }
        int rc = touch(applying, changes[i].bag_id, &index, err);
        if (rc == E_NOT_FOUND) {
            continue;
        }
        if (rc == 0 && changes[i].seq <= applying->bags[index].bag.cursor) {
            continue;
        }
        rc = rc != 0 ? rc : apply_one(applying, &changes[i], &applying->bags[index], err);
        if (rc != 0) {
            *bad_bag = changes[i].bag_id;
            return rc;
        }
        applying->effects[i] = index + 1;
    }
    return 0;
}

static int write_bags(struct applying *applying, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < applying->count; i++) {
        const struct touched *touched = &applying->bags[i];
        rc = touched->gone
                 ? replica_bag_delete(applying->replica, applying->txn, &touched->bag, err)
                 : replica_bag_put(applying->replica, applying->txn, &touched->bag, err);
    }
    return rc;
}

static void tell(const struct applying *applying, const struct change *changes, size_t count,
                 replica_change_fn *done, void *context)
{
    for (size_t i = 0; i < count; i++) {
        if (applying->effects[i] != 0) {
            done(context, &applying->bags[applying->effects[i] - 1].bag, &changes[i]);
        }
    }
}

/* The bag that made E_CORRUPT is marked by its number of this replica, if it has one. */
static int mark(struct replica *replica, uint64_t bag_id, struct err *err)
{
    struct replica_bag bag;
    int rc = bag_id != 0 ? replica_bag_by_id(replica, bag_id, &bag, err) : E_CORRUPT;
    return rc == 0 ? replica_bag_mark_damaged(replica, bag.local, err) : E_CORRUPT;
}

int replica_apply(struct replica *replica, const struct change *changes, size_t count, uint64_t seq,
                  const uint8_t hash[SHA256_SIZE], uint64_t *bad_bag, replica_change_fn *done,
                  void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(changes != NULL || count == 0);
    ASSERT(bad_bag != NULL);
    *bad_bag = 0;
    struct applying applying = {.replica = replica};
    applying.effects = calloc(count + 1, sizeof *applying.effects);
    if (applying.effects == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    int rc = replica_write_begin(replica, &applying.txn, err);
    if (rc == 0) {
        rc = apply_all(&applying, changes, count, bad_bag, err);
        rc = rc != 0 ? rc : write_bags(&applying, err);
        rc = rc != 0 ? rc : replica_put_position(replica, applying.txn, seq, hash, err);
        rc = replica_write_end(replica, &applying.txn, rc, err);
    }
    if (rc == 0 && done != NULL) {
        tell(&applying, changes, count, done, context);
    }
    if (rc == E_CORRUPT) {
        rc = mark(replica, *bad_bag, err);
    }
    free(applying.bags);
    free(applying.effects);
    return rc;
}
