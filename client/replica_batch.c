/* client/replica_batch.c - many messages of the server in one transaction: what they have in
 * common. */
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

enum {
    BAGS_FIRST = 16,
    EFFECTS_MAX = 256 << 20, /* bytes; more than the messages of any transaction */
    EFFECT_HEAD = 14,        /* bag's index (4), kind (1), size of the path (1), seq (8) */
};

/* --- beginning and ending --- */

int replica_batch_begin(struct replica *replica, struct replica_batch **out, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(out != NULL);
    struct replica_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    batch->writer.replica = replica;
    buf_init(&batch->effects, EFFECTS_MAX);
    int rc = replica_write_begin(replica, &batch->writer.txn, err);
    if (rc == 0) {
        rc = mdb_cursor_open(batch->writer.txn, replica->tables[TABLE_ITEMS], &batch->writer.items);
        rc = replica_error(replica, rc, "write", err);
        rc = rc == 0 ? 0 : replica_write_end(replica, &batch->writer.txn, rc, err);
    }
    if (rc != 0) {
        free(batch);
        return rc;
    }
    replica_write_only(replica);
    *out = batch;
    return 0;
}

/* The transaction ends; returns rc or what the commit failed with. */
static int end(struct replica_batch *batch, int rc, struct err *err)
{
    mdb_cursor_close(batch->writer.items);
    batch->writer.items = NULL;
    replica_write_only(NULL);
    return replica_write_end(batch->writer.replica, &batch->writer.txn, rc, err);
}

static void batch_free(struct replica_batch **batch)
{
    free((*batch)->bags);
    free((*batch)->slots);
    free((*batch)->plan);
    buf_free(&(*batch)->effects);
    free(*batch);
    *batch = NULL;
}

void replica_batch_abort(struct replica_batch **batch)
{
    if (batch != NULL && *batch != NULL) {
        int rc = end(*batch, E_CLOSED, NULL);
        ASSERT(rc == E_CLOSED);
        batch_free(batch);
    }
}

/* --- its bags --- */

static uint32_t *slot_of(const struct replica_batch *batch, uint64_t bag_id)
{
    size_t mask = batch->slot_count - 1;
    size_t at = (size_t)(bag_id * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (batch->slots[at] != 0 && batch->bags[batch->slots[at] - 1].bag.bag_id != bag_id) {
        at = (at + 1) & mask;
    }
    return &batch->slots[at];
}

/* Slots are half empty, at least. */
static int grow(struct replica_batch *batch, struct err *err)
{
    if (batch->count < batch->capacity) {
        return 0;
    }
    size_t capacity = batch->capacity > 0 ? 2 * batch->capacity : BAGS_FIRST;
    struct touched *bags = realloc(batch->bags, capacity * sizeof *bags);
    if (bags == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    batch->bags = bags;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (slots == NULL) {
        return err_set(err, E_NOMEM, "apply changes: out of memory");
    }
    free(batch->slots);
    batch->slots = slots;
    batch->slot_count = 2 * capacity;
    batch->capacity = capacity;
    for (size_t i = 0; i < batch->count; i++) {
        *slot_of(batch, bags[i].bag.bag_id) = (uint32_t)i + 1;
    }
    return 0;
}

static int add(struct replica_batch *batch, uint64_t bag_id, uint32_t *index, struct err *err)
{
    int rc = grow(batch, err);
    if (rc != 0) {
        return rc;
    }
    struct touched *touched = &batch->bags[batch->count];
    memset(touched, 0, sizeof *touched);
    rc =
        replica_bag_get_by_id(batch->writer.replica, batch->writer.txn, bag_id, &touched->bag, err);
    if (rc != 0) {
        return rc;
    }
    const struct replica_bag *bag = &touched->bag;
    touched->row = (struct bag_row){
        .exists = bag->complete,
        .bag_id = bag->bag_id,
        .last_seq = bag->cursor,
        .items = bag->items,
        .bytes = bag->bytes,
        .digest = bag->digest,
        .owner = bag->owner,
    };
    *slot_of(batch, bag_id) = (uint32_t)++batch->count;
    *index = (uint32_t)batch->count - 1;
    return 0;
}

int replica_batch_touch(struct replica_batch *batch, uint64_t bag_id, uint32_t *index,
                        struct err *err)
{
    uint32_t found = batch->count > 0 ? *slot_of(batch, bag_id) : 0;
    if (found == 0) {
        return add(batch, bag_id, index, err);
    }
    *index = found - 1;
    return batch->bags[found - 1].gone ? err_set(err, E_NOT_FOUND, "the bag is gone") : 0;
}

/* --- its messages --- */

void replica_batch_blame(struct replica_batch *batch, uint64_t local, const struct record_key *key)
{
    batch->bad = true;
    batch->bad_local = local;
    batch->bad_key.size = 0;
    if (key != NULL) {
        batch->bad_key = *key;
    }
}

int replica_batch_done(struct replica_batch *batch, int rc, uint64_t seq,
                       const uint8_t hash[SHA256_SIZE], const struct err *err)
{
    if (rc == 0 && buf_error(&batch->effects) != 0) {
        rc = buf_error(&batch->effects);
    }
    if (rc == 0 && seq > batch->seq) {
        batch->seq = seq;
        memcpy(batch->hash, hash, SHA256_SIZE);
    }
    if (rc != 0 && rc != E_CONDITION && rc != E_NOT_FOUND && batch->rc == 0) {
        batch->rc = rc;
        (void)err_set(&batch->why, rc, "%s",
                      err != NULL && err->code == rc ? err->text : err_meaning(rc));
    }
    return rc;
}

void replica_batch_tell(struct replica_batch *batch, uint32_t index, enum change_kind kind,
                        uint64_t seq, struct span path)
{
    uint8_t *at = buf_extend(&batch->effects, EFFECT_HEAD + path.size);
    if (at == NULL) {
        return; /* the error stays in the buffer, and ends the message */
    }
    put_be32(at, index);
    at[4] = (uint8_t)kind;
    at[5] = (uint8_t)path.size;
    put_be64(at + 6, seq);
    if (path.size > 0) {
        memcpy(at + EFFECT_HEAD, path.data, path.size);
    }
}

static void tell_all(const struct replica_batch *batch, replica_change_fn *done, void *context)
{
    for (size_t next = 0; next < batch->effects.size;) {
        const uint8_t *at = batch->effects.data + next;
        const struct replica_bag *bag = &batch->bags[get_be32(at)].bag;
        struct change change = {
            .seq = get_be64(at + 6), .kind = (enum change_kind)at[4], .bag_id = bag->bag_id};
        change.path = span_of(at + EFFECT_HEAD, at[5]);
        next += EFFECT_HEAD + change.path.size;
        done(context, bag, &change);
    }
}

/* --- the commit --- */

static int write_bags(struct replica_batch *batch, struct err *err)
{
    struct replica *replica = batch->writer.replica;
    MDB_txn *txn = batch->writer.txn;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        const struct touched *touched = &batch->bags[i];
        if (touched->gone || !touched->dirty) {
            continue;
        }
        rc = replica_bag_put(replica, txn, &touched->bag, err);
        if (rc == 0 && touched->rules) {
            rc = replica_rules_note(replica, txn, &touched->bag, true, err);
        }
    }
    if (rc == 0 && batch->seq > 0) {
        rc = replica_put_position(replica, txn, batch->seq, batch->hash, err);
    }
    return rc;
}

static int heal(struct replica_batch *batch, struct err *err)
{
    struct replica *replica = batch->writer.replica;
    uint64_t dropped = 0;
    if (!batch->bad) { /* a bag could not be found: the ways to it are made anew */
        int rc = replica_bag_repair(replica, &dropped, err);
        return rc != 0 ? rc : err_set(err, E_CORRUPT, "%s", batch->why.text);
    }
    return batch->bad_key.size > 0
               ? replica_item_heal(replica, batch->bad_local, &batch->bad_key, err)
               : replica_bag_mark_damaged(replica, batch->bad_local, err);
}

int replica_batch_commit(struct replica_batch **batch, replica_change_fn *done, void *context,
                         struct err *err)
{
    ASSERT(batch != NULL && *batch != NULL);
    struct replica_batch *old = *batch;
    int rc = old->rc != 0 ? err_set(err, old->rc, "%s", old->why.text) : write_bags(old, err);
    rc = end(old, rc, err);
    if (rc == 0 && done != NULL) {
        tell_all(old, done, context);
    }
    if (rc == E_CORRUPT) {
        rc = heal(old, err);
    }
    batch_free(batch);
    return rc;
}
