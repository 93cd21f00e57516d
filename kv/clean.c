/* kv/clean.c - removing the rows of deleted bags, then their graves, a few at a time.
 *
 * One by one, not by ranges: ten thousand range deletions make every look-up 300 times slower. What
 * a crash undoes is done again, for the row that dooms a bag tells in the same write how far it is.
 */
#include "kv/inside.h"
#include "kv/link.h"

/* Deleted bags in the order in which they were deleted, from `seq` on. */
static void open_dooms(struct kv *kv, struct kv_scan *scan, uint64_t seq)
{
    struct kv_key prefix = kv_key_doomed_all();
    struct kv_key from = kv_key_doomed(seq);
    kv_scan_open(scan, &kv->store, NULL, &prefix, &from, false);
}

/* The one where the scan stands; E_NOT_FOUND at the end, without a sentence. */
static int read_doom(const struct kv_scan *scan, struct span *key, struct kv_doom *doom,
                     struct err *err)
{
    struct span row;
    int rc = kv_scan_row(scan, key, &row, err);
    return rc != 0 ? rc : kv_row_get_doom(*key, row, doom, err);
}

/* --- bags --- */

/* The next bag to empty, deleted at a seq <= up_to, at or behind `clean_seq`; E_NOT_FOUND: none,
 * without a sentence. Empty ones on the way cost a step each; with none left it finds nothing, and
 * clean_seq is where to go on. */
static int next_doomed(struct kv *kv, uint64_t up_to, size_t *budget, struct err *err)
{
    struct kv_scan scan;
    open_dooms(kv, &scan, kv->clean_seq);
    int rc = 0;
    for (;;) {
        struct span key;
        struct kv_doom doom;
        rc = read_doom(&scan, &key, &doom, err);
        if (rc != 0 || kv_key_seq(key) > up_to) {
            rc = rc != 0 ? rc : E_NOT_FOUND;
            break;
        }
        kv->clean_seq = kv_key_seq(key);
        if (*budget == 0) {
            break;
        }
        if (doom.stage != KV_DOOM_EMPTY) {
            kv->clean_bag = doom.bag_id;
            kv->clean_key = kv_key_item(doom.bag_id, span_of(NULL, 0));
            break;
        }
        (*budget)--;
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc;
}

/* The removal of an item's row, and of the one that finds it: a tombstone, or a link. */
static int remove_item(rocksdb_writebatch_t *batch, struct span key, struct span bytes,
                       struct err *err)
{
    struct item_row row;
    int rc = kv_row_get_item(key, bytes, &row, err);
    if (rc != 0 && rc != E_CORRUPT) {
        return rc;
    }
    if (rc == 0 && row.state == ITEM_TOMBSTONE) {
        struct kv_key tombstone = kv_key_tombstone(row.seq);
        kv_batch_delete(batch, &tombstone);
    } else if (kv_link_holder(kv_key_path(key)) != 0) {
        struct kv_key link = kv_link_key(kv_key_bag_id(key), kv_key_path(key));
        kv_batch_delete(batch, &link);
    }
    rocksdb_writebatch_delete(batch, (const char *)key.data, key.size); /* a damaged one, too */
    return 0;
}

/* Adds at most `budget` removals to `batch`; `removed` < `budget` when that was all. */
static int remove_items(struct kv *kv, rocksdb_writebatch_t *batch, size_t budget, size_t *removed,
                        struct err *err)
{
    struct kv_key prefix = kv_key_item(kv->clean_bag, span_of(NULL, 0));
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, NULL, &prefix, &kv->clean_key, false);
    int rc = 0;
    for (*removed = 0; *removed < budget; (*removed)++) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == 0) {
            rc = remove_item(batch, key, row, err);
        }
        if (rc != 0) {
            rc = rc == E_NOT_FOUND ? 0 : rc;
            break;
        }
        kv->clean_key = kv_key_item(kv->clean_bag, kv_key_path(key));
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc;
}

static int put_stage(struct kv *kv, rocksdb_writebatch_t *batch, enum kv_doom_stage stage,
                     struct err *err)
{
    const struct kv_doom doom = {kv->clean_bag, stage};
    struct kv_key key = kv_key_doomed(kv->clean_seq);
    struct buf row;
    buf_init(&row, 64);
    kv_row_put_doom(&row, kv_key_span(&key), &doom);
    int rc = kv_batch_put(batch, &key, &row, err);
    buf_free(&row);
    return rc;
}

/* Removes up to `*budget` items of the bag at hand; after the last it is empty. */
static int clean_bag(struct kv *kv, size_t *budget, struct err *err)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    size_t removed = 0;
    int rc = remove_items(kv, batch, *budget, &removed, err);
    bool done = removed < *budget;
    if (rc == 0) {
        rc = put_stage(kv, batch, done ? KV_DOOM_EMPTY : KV_DOOM_EMPTYING, err);
    }
    if (rc == 0) {
        rc = kv_store_write(&kv->store, batch, err);
    }
    rocksdb_writebatch_destroy(batch);
    if (rc != 0 || done) {
        kv->clean_bag = 0;
        kv->clean_seq += rc == 0 ? 1 : 0;
    }
    *budget -= done ? removed + 1 : removed; /* an empty bag costs one, too */
    return rc;
}

int kv_clean(struct kv *kv, uint64_t up_to_seq, size_t budget, bool *more, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(budget > 0);
    ASSERT(more != NULL);
    for (;;) {
        int rc = 0;
        if (kv->clean_bag == 0) {
            rc = next_doomed(kv, up_to_seq, &budget, err);
        } else if (kv->clean_seq > up_to_seq) {
            rc = E_NOT_FOUND; /* it was begun, and may not go on: the caller's horizon went back */
        }
        if (rc != 0 || budget == 0) {
            *more = rc == 0;
            return rc == E_NOT_FOUND ? 0 : rc;
        }
        rc = clean_bag(kv, &budget, err);
        if (rc != 0) {
            return rc;
        }
    }
}

/* --- graves --- */

/* The removal of a grave, and of the row that finds it. Whose it was is not known of a damaged
 * one: the row that finds it stays, and leads nowhere. */
static int remove_grave(struct kv *kv, rocksdb_writebatch_t *batch, uint64_t bag_id,
                        struct err *err)
{
    struct kv_key grave = kv_key_grave(bag_id);
    struct bag_row bag;
    struct err why = {0};
    int rc = kv_bag_get(kv, NULL, &grave, &bag, &why);
    if (rc == 0) {
        struct kv_key named = kv_key_named_grave(&bag.owner, bag_id);
        kv_batch_delete(batch, &named);
    } else if (rc != E_NOT_FOUND && rc != E_CORRUPT) {
        return err_set(err, rc, "%s", why.text);
    }
    kv_batch_delete(batch, &grave);
    return 0;
}

/* Adds the removal of at most `budget` graves. Those behind one that is not empty are not either,
 * for kv_clean goes in the same order. */
static int remove_graves(struct kv *kv, rocksdb_writebatch_t *batch, uint64_t floor_seq,
                         size_t budget, bool *more, struct err *err)
{
    struct kv_scan scan;
    open_dooms(kv, &scan, kv->bury_seq);
    *more = false;
    int rc = 0;
    for (size_t removed = 0;; removed++) {
        struct span key;
        struct kv_doom doom;
        rc = read_doom(&scan, &key, &doom, err);
        if (rc != 0 || kv_key_seq(key) >= floor_seq || doom.stage != KV_DOOM_EMPTY) {
            rc = rc == E_NOT_FOUND ? 0 : rc;
            break;
        }
        if (removed == budget) {
            *more = true;
            break;
        }
        rc = remove_grave(kv, batch, doom.bag_id, err);
        if (rc != 0) {
            break;
        }
        rocksdb_writebatch_delete(batch, (const char *)key.data, key.size);
        kv->bury_seq = kv_key_seq(key);
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc;
}

int kv_bury(struct kv *kv, uint64_t floor_seq, size_t budget, bool *more, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(budget > 0);
    ASSERT(more != NULL);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    int rc = remove_graves(kv, batch, floor_seq, budget, more, err);
    if (rc == 0 && rocksdb_writebatch_count(batch) > 0) {
        rc = kv_store_write(&kv->store, batch, err);
    }
    if (rc != 0) {
        kv->bury_seq = 0;
    }
    rocksdb_writebatch_destroy(batch);
    return rc;
}
