/* client/replica_import_judge.c - what is to become of a bag of a file: whoever holds more is not
 * overwritten.
 */
#include "client/replica_import.h"
#include "client/replica_inside.h"

static int note_newest(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)path;
    (void)err;
    uint64_t *newest = context;
    if (row != NULL && row->seq > *newest) {
        *newest = row->seq;
    }
    return 0;
}

/* A bag from an earlier file may be ahead of its cursor, for which something was left out. */
static int holds_newer(struct replica *replica, const struct replica_bag *here, uint64_t seq,
                       bool *newer, struct err *err)
{
    MDB_txn *txn = NULL;
    uint64_t newest = 0;
    struct record_key prefix = replica_key_item(here->local, here->copy, (struct span){NULL, 0});
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc =
        replica_record_items(replica, txn, TABLE_ITEMS, &prefix, note_newest, &newest, "read", err);
    mdb_txn_abort(txn);
    *newer = newest > seq;
    return rc;
}

/* A bag's cursor is its newest change: it may be far behind, and the bag complete to the position
 * all the same. What the file builds on is a state that this machine told the server it has; only a
 * disk that was put back since would not reach so far. */
static int check_base(struct replica *replica, const struct snapshot_bag *bag,
                      const struct replica_bag *here, struct err *err)
{
    struct replica_position position;
    int rc = replica_position(replica, &position, err);
    if (rc != 0 || here->cursor >= bag->since || position.seq >= bag->since) {
        return rc;
    }
    return err_set(err, E_CONDITION,
                   "the file has of '%.150s' only what came after change %llu, and this machine "
                   "has come to change %llu: take a file with all of it",
                   bag->owner.shown, (unsigned long long)bag->since,
                   (unsigned long long)position.seq);
}

static int judge_copy(struct replica *replica, const struct snapshot_bag *bag,
                      const struct replica_bag *here, enum replica_fate *fate, struct err *err)
{
    bool newer = false;
    *fate = REPLICA_REPLACES;
    if (here->cursor >= bag->last_seq) {
        *fate = here->cursor > bag->last_seq ? REPLICA_IS_OLDER : REPLICA_IS_THERE;
        return 0;
    }
    if (bag->differs) {
        return check_base(replica, bag, here, err);
    }
    int rc = holds_newer(replica, here, bag->last_seq, &newer, err);
    *fate = newer ? REPLICA_IS_OLDER : REPLICA_REPLACES;
    return rc;
}

static int no_base(const struct snapshot_bag *bag, struct err *err)
{
    return err_set(err, E_CONDITION,
                   "the file has of '%.150s' only what came after change %llu, and this machine "
                   "has nothing of it: take a file with all of it",
                   bag->owner.shown, (unsigned long long)bag->since);
}

int replica_import_judge(struct replica *replica, const struct snapshot_bag *bag,
                         enum replica_fate *fate, struct replica_bag *here, struct err *err)
{
    ASSERT(replica != NULL && bag != NULL && bag->bag_id != 0);
    ASSERT(fate != NULL && here != NULL);
    here->local = 0;
    int rc = replica_bag_by_owner(replica, &bag->owner, here, NULL);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return err_set(err, rc, "the bag of '%.150s' can't be read", bag->owner.shown);
    }
    bool same = rc == 0 && here->bag_id == bag->bag_id;
    if (rc == E_NOT_FOUND) {
        *fate = REPLICA_IS_NEW;
    } else if (here->bag_id == 0) {
        *fate = REPLICA_MADE_HERE;
    } else if (here->bag_id > bag->bag_id) { /* deleted, and made again since */
        *fate = REPLICA_IS_OLDER;
        return 0;
    } else if (same && here->complete) {
        return judge_copy(replica, bag, here, fate, err);
    } else {
        *fate = REPLICA_REPLACES;
    }
    return bag->differs ? no_base(bag, err) : 0;
}
