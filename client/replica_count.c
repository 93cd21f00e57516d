/* client/replica_count.c - what the records of bags add up to.
 *
 * Kept change by change, as digests are, in memory alone: opening counts once. Who writes takes the
 * counts along from the begin of a transaction to its end, so they are those of what was committed.
 * Where a record is damaged, it is not known what it had counted for; then all are counted again by
 * the transaction that notices, before its commit.
 */
#include "client/replica_inside.h"

void replica_counts(struct replica *replica, struct replica_counts *out)
{
    ASSERT(replica != NULL && out != NULL);
    (void)pthread_mutex_lock(&replica->count_lock);
    *out = replica->counts;
    (void)pthread_mutex_unlock(&replica->count_lock);
}

/* Added by `sign` 1, taken out by -1: unsigned numbers wrap. */
static void weigh(struct replica_counts *counts, const struct replica_bag *bag, uint64_t sign)
{
    bool user = bag->owner.kind == OWNER_USER;
    if (bag->keep) {
        counts->users += user ? sign : 0;
        counts->bags += sign;
        counts->complete += bag->complete ? sign : 0;
        counts->items += bag->items * sign;
    }
    if (user && bag->bag_id != 0 && (!bag->keep || bag->made_by != 0)) {
        counts->unsettled += sign;
    }
}

void replica_count_begin(struct replica *replica)
{
    replica_counts(replica, &replica->next_counts);
    replica->recount = false;
}

int replica_count_put(struct replica *replica, MDB_txn *txn, uint64_t local,
                      const struct replica_bag *after, struct err *err)
{
    struct replica_bag before;
    struct err why = {0};
    int rc = replica_bag_get(replica, txn, local, &before, &why);
    if (rc == 0) {
        weigh(&replica->next_counts, &before, UINT64_MAX);
    } else if (rc == E_CORRUPT) {
        replica->recount = true;
    } else if (rc != E_NOT_FOUND) {
        return err_set(err, rc, "%s", why.text);
    }
    if (after != NULL) {
        weigh(&replica->next_counts, after, 1);
    }
    return 0;
}

void replica_count_again(struct replica *replica)
{
    replica->recount = true;
}

static int count_all(struct replica *replica, MDB_txn *txn, struct err *err)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    struct replica_counts counts = {0};
    int rc = mdb_cursor_open(txn, replica->tables[TABLE_BAGS], &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        struct span bytes;
        struct replica_bag bag;
        if (replica_record_check(TABLE_BAGS, &key, &data, &bytes) &&
            replica_bag_decode(bytes, &bag)) {
            weigh(&counts, &bag, 1);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    replica->next_counts = counts;
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "count the bags", err);
}

int replica_count_end(struct replica *replica, MDB_txn *txn, struct err *err)
{
    return replica->recount ? count_all(replica, txn, err) : 0;
}

void replica_count_commit(struct replica *replica)
{
    (void)pthread_mutex_lock(&replica->count_lock);
    replica->counts = replica->next_counts;
    (void)pthread_mutex_unlock(&replica->count_lock);
}
