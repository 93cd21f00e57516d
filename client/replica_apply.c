/* client/replica_apply.c - live changes: all of a message, or nothing of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

static const uint32_t NO_BAG = UINT32_MAX;

static bool has_item(const struct change *change)
{
    return change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
}

/* --- does the message follow what is here? --- */

static int reserve_plan(struct replica_batch *batch, size_t count, struct err *err)
{
    if (count <= batch->plan_capacity) {
        return 0;
    }
    uint32_t *plan = realloc(batch->plan, count * sizeof *plan);
    if (plan == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    batch->plan = plan;
    batch->plan_capacity = count;
    return 0;
}

/* One change against where its bag will be; `plan` gets the bag, or NO_BAG: nothing to do. */
static int plan_one(struct replica_batch *batch, const struct change *change, uint32_t *plan,
                    struct err *err)
{
    uint32_t index = 0;
    *plan = NO_BAG;
    if (change->bag_id == 0) {
        return 0;
    }
    int rc = replica_batch_touch(batch, change->bag_id, &index, NULL);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", err_meaning(rc));
    }
    struct touched *touched = &batch->bags[index];
    if (touched->message != batch->message) {
        touched->message = batch->message;
        touched->next_cursor = touched->bag.cursor;
        touched->next_complete = touched->bag.complete;
        touched->next_gone = false;
    }
    if (touched->next_gone || change->seq <= touched->next_cursor) {
        return 0;
    }
    if (change->prev != touched->next_cursor ||
        touched->next_complete != (change->kind != CHANGE_BAG_CREATE)) {
        return err_set(err, E_CONDITION,
                       "change %" PRIu64 " follows %" PRIu64 ", bag %" PRIu64 " is at %" PRIu64,
                       change->seq, change->prev, change->bag_id, touched->next_cursor);
    }
    touched->next_cursor = change->seq;
    touched->next_complete = true;
    touched->next_gone = change->kind == CHANGE_BAG_DELETE;
    *plan = index;
    return 0;
}

static int plan_all(struct replica_batch *batch, const struct change *changes, size_t count,
                    uint64_t *bad_bag, struct err *err)
{
    int rc = reserve_plan(batch, count, err);
    batch->message++;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = plan_one(batch, &changes[i], &batch->plan[i], err);
        if (rc != 0) {
            *bad_bag = changes[i].bag_id;
        }
    }
    return rc;
}

/* --- applying it --- */

static int store_item(struct replica_batch *batch, const struct record_key *key,
                      const struct item_row *row, struct err *err)
{
    const struct replica_writer *writer = &batch->writer;
    return row->state == ITEM_LIVE
               ? replica_record_put_item(writer->replica, writer->items, TABLE_ITEMS, key, row, 0,
                                         err)
               : replica_record_delete(writer->replica, writer->txn, TABLE_ITEMS, key, err);
}

static int apply_item(struct replica_batch *batch, const struct change *change,
                      struct touched *touched, struct err *err)
{
    const struct replica_bag *bag = &touched->bag;
    struct record_key key = replica_key_item(bag->local, bag->copy, change->path);
    struct item_row item = {.state = ITEM_ABSENT};
    int rc = replica_item_get(batch->writer.replica, batch->writer.items, &key, &item, err);
    rc = rc != 0 ? rc : apply_change(change, &touched->row, &item, false, err);
    rc = rc != 0 ? rc : store_item(batch, &key, &item, err);
    if (rc == E_CORRUPT) {
        replica_batch_blame(batch, bag->local, &key);
    }
    return rc;
}

static int apply_one(struct replica_batch *batch, const struct change *change, uint32_t index,
                     struct err *err)
{
    struct touched *touched = &batch->bags[index];
    struct replica_bag *bag = &touched->bag;
    int rc = has_item(change) ? apply_item(batch, change, touched, err)
                              : apply_change(change, &touched->row, NULL, false, err);
    if (rc != 0) {
        if (rc == E_CORRUPT && !batch->bad) {
            replica_batch_blame(batch, bag->local, NULL);
        }
        return rc;
    }
    replica_batch_tell(batch, index, change->kind, change->seq,
                       has_item(change) ? change->path : (struct span){NULL, 0});
    touched->dirty = true;
    if (!touched->row.exists) {
        touched->gone = true;
        return replica_bag_delete(batch->writer.replica, batch->writer.txn, bag, err);
    }
    touched->rules = touched->rules || (bag->owner.kind == OWNER_FLEET && has_item(change) &&
                                        replica_rules_concern(change->path));
    bag->complete = true;
    bag->cursor = touched->row.last_seq;
    bag->items = touched->row.items;
    bag->bytes = touched->row.bytes;
    bag->digest = touched->row.digest;
    return 0;
}

int replica_batch_changes(struct replica_batch *batch, const struct change *changes, size_t count,
                          uint64_t seq, const uint8_t hash[SHA256_SIZE], uint64_t *bad_bag,
                          struct err *err)
{
    ASSERT(batch != NULL);
    ASSERT(changes != NULL || count == 0);
    ASSERT(bad_bag != NULL);
    struct err why = {0};
    *bad_bag = 0;
    if (batch->rc != 0) {
        return err_set(err, batch->rc, "%s", batch->why.text);
    }
    int rc = plan_all(batch, changes, count, bad_bag, &why);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (batch->plan[i] != NO_BAG) {
            rc = apply_one(batch, &changes[i], batch->plan[i], &why);
            *bad_bag = rc != 0 ? changes[i].bag_id : 0;
        }
    }
    rc = replica_batch_done(batch, rc, seq, hash, &why);
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

int replica_apply(struct replica *replica, const struct change *changes, size_t count, uint64_t seq,
                  const uint8_t hash[SHA256_SIZE], uint64_t *bad_bag, replica_change_fn *done,
                  void *context, struct err *err)
{
    struct replica_batch *batch = NULL;
    *bad_bag = 0;
    int rc = replica_batch_begin(replica, &batch, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_batch_changes(batch, changes, count, seq, hash, bad_bag, err);
    if (rc == E_CONDITION) {
        replica_batch_abort(&batch);
        return rc;
    }
    return replica_batch_commit(&batch, done, context, err);
}
