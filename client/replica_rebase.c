/* client/replica_rebase.c - the server went back: what its new history lacks is put aside and
 * fetched anew. */
#include <string.h>

#include "base/name.h"
#include "client/replica_inside.h"

struct rebase {
    struct replica *replica;
    uint64_t resume_seq;
    replica_lost_fn *lost;
    void *context;
};

/* Does it hold anything that the new history may lack? */
static bool is_ahead(const struct replica_bag *bag, uint64_t resume_seq)
{
    return bag->bag_id != 0 && (!bag->complete || bag->cursor > resume_seq);
}

struct ahead {
    const struct rebase *rebase;
    const struct replica_bag *bag;
};

static int tell_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct ahead *ahead = context;
    const struct rebase *rebase = ahead->rebase;
    if (row == NULL || row->seq <= rebase->resume_seq || path_reserved(path)) {
        return 0; /* a damaged one is lost, like the bag's cursor */
    }
    return rebase->lost(rebase->context, ahead->bag, path, row, err);
}

/* Behind a fence too: the fence may be among what was lost. */
static int tell_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    const struct rebase *rebase = context;
    struct ahead ahead = {.rebase = rebase, .bag = bag};
    MDB_txn *txn = NULL;
    bool by_machines = bag->owner.kind != OWNER_FLEET && bag->owner.kind != OWNER_SERVER;
    if (!by_machines || !is_ahead(bag, rebase->resume_seq)) {
        return 0;
    }
    int rc = replica_read_begin(rebase->replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct record_key prefix = replica_key_item(bag->local, bag->copy, (struct span){NULL, 0});
    rc = replica_record_items(rebase->replica, txn, TABLE_ITEMS, &prefix, tell_item, &ahead, "read",
                              err);
    mdb_txn_abort(txn);
    return rc;
}

/* A bag is named by the change that made it: one that was made later is not in the new history,
 * where its number may be another's. It goes. */
static int mark_one(struct replica *replica, MDB_txn *txn, const MDB_val *key, const MDB_val *data,
                    uint64_t resume_seq, struct err *err)
{
    struct span bytes;
    struct replica_bag bag;
    if (key->mv_size != 8 || !replica_record_check(TABLE_BAGS, key, data, &bytes) ||
        !replica_bag_decode(bytes, &bag) || !is_ahead(&bag, resume_seq)) {
        return 0;
    }
    bag.local = get_be64(key->mv_data);
    if (bag.bag_id > resume_seq) {
        return replica_bag_delete(replica, txn, &bag, err);
    }
    bag.cursor = 0;
    bag.complete = false;
    return replica_bag_put(replica, txn, &bag, err);
}

/* Each is looked for behind the one before it: that may have gone. */
static int mark_all(struct replica *replica, MDB_txn *txn, uint64_t resume_seq, struct err *err)
{
    MDB_cursor *cursor = NULL;
    struct record_key from = replica_key_number(0);
    int rc = mdb_cursor_open(txn, replica->tables[TABLE_BAGS], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "mark bags", err);
    }
    int marked = 0;
    while (rc == 0 && marked == 0) {
        MDB_val key = {from.size, from.bytes};
        MDB_val data;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
        if (rc == 0 && key.mv_size < sizeof from.bytes) {
            memcpy(from.bytes, key.mv_data, key.mv_size);
            from.bytes[key.mv_size] = 0;
            from.size = key.mv_size + 1;
            marked = mark_one(replica, txn, &key, &data, resume_seq, err);
        } else if (rc == 0) {
            rc = MDB_CORRUPTED;
        }
    }
    mdb_cursor_close(cursor);
    if (marked != 0) {
        return marked;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "mark bags", err);
}

int replica_rebase(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                   uint64_t resume_seq, replica_lost_fn *lost, void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(lost != NULL);
    MDB_txn *txn = NULL;
    struct rebase rebase = {
        .replica = replica, .resume_seq = resume_seq, .lost = lost, .context = context};
    int rc = replica_bags(replica, tell_bag, &rebase, err);
    rc = rc != 0 ? rc : replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = mark_all(replica, txn, resume_seq, err);
    rc = rc != 0 ? rc : replica_put_history(replica, txn, history, resume_seq, err);
    return replica_write_end(replica, &txn, rc, err);
}
