/* client/replica_scrub.c - are a bag's items those that its record says? Read anew, under one
 * snapshot: the digest and the counts are computed from the items and compared. */
#include "client/replica_inside.h"

struct scrub {
    struct replica_bag bag; /* as the record says */
    uint64_t items;
    uint64_t bytes;
    struct digest digest;
    bool damaged; /* a record fails */
};

static int add(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct scrub *scrub = context;
    (void)err;
    if (row == NULL) {
        scrub->damaged = true;
        return 0;
    }
    scrub->items++;
    scrub->bytes += path.size + row->value.size;
    digest_add(&scrub->digest, path, row->seq, row->value);
    return 0;
}

static int read_bag(struct replica *replica, MDB_txn *txn, struct scrub *scrub, struct err *err)
{
    struct record_key prefix =
        replica_key_item(scrub->bag.local, scrub->bag.copy, (struct span){NULL, 0});
    return replica_record_items(replica, txn, TABLE_ITEMS, &prefix, add, scrub, "scrub", err);
}

int replica_scrub_bag(struct replica *replica, uint64_t local, uint64_t *bytes, bool *wrong,
                      struct err *err)
{
    MDB_txn *txn = NULL;
    struct scrub scrub = {0};
    *wrong = false;
    *bytes = 0;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &scrub.bag, err);
    bool here = rc == 0;
    rc = rc != 0 ? rc : read_bag(replica, txn, &scrub, err);
    mdb_txn_abort(txn);
    if (!here && (rc == E_NOT_FOUND || rc == E_CORRUPT)) {
        return 0; /* it went meanwhile; its record's damage is the opening's, and verify's */
    }
    if (rc != 0) {
        return rc;
    }
    *bytes = scrub.bytes;
    *wrong = scrub.damaged || scrub.items != scrub.bag.items || scrub.bytes != scrub.bag.bytes ||
             !digest_equal(&scrub.digest, &scrub.bag.digest);
    if (*wrong) {
        rc = replica_bag_mark_damaged(replica, local, err);
    }
    return rc == E_CORRUPT ? 0 : rc;
}

struct round {
    struct replica *replica;
    uint64_t budget_bytes;
    uint64_t read_bytes;
    uint64_t bags;
    uint64_t next;
    replica_wrong_fn *wrong;
    void *context;
};

enum {
    ROUND_IS_OVER = 1,
    BAG_COST = 256, /* of an empty bag, in bytes */
};

static int scrub_one(void *context, const struct replica_bag *bag, struct err *err)
{
    struct round *round = context;
    uint64_t bytes = 0;
    bool wrong = false;
    if (round->bags > 0 && round->read_bytes >= round->budget_bytes) {
        round->next = bag->local;
        return ROUND_IS_OVER;
    }
    int rc = replica_scrub_bag(round->replica, bag->local, &bytes, &wrong, err);
    if (rc != 0) {
        return rc;
    }
    round->bags++;
    round->read_bytes += bytes + BAG_COST;
    if (wrong && round->wrong != NULL) {
        round->wrong(round->context, bag);
    }
    return 0;
}

int replica_scrub(struct replica *replica, uint64_t *next, uint64_t budget_bytes, uint64_t *bags,
                  replica_wrong_fn *wrong, void *context, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(next != NULL && bags != NULL);
    struct round round = {
        .replica = replica, .budget_bytes = budget_bytes, .wrong = wrong, .context = context};
    int rc = replica_bags_from(replica, *next, scrub_one, &round, err);
    if (rc != 0 && rc != ROUND_IS_OVER) {
        return rc;
    }
    *bags = round.bags;
    *next = round.next;
    return 0;
}
