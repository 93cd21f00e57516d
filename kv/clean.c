/* kv/clean.c - removing the items of deleted bags, a few at a time.
 *
 * One by one, not by ranges: ten thousand range deletions make every look-up 300 times slower. What
 * a crash undoes is done again, for the row that dooms a bag goes last.
 */
#include "kv/inside.h"

/* The first deleted bag whose items are still there. E_NOT_FOUND: none, without a sentence. */
static int next_doomed(struct kv *kv, uint64_t *bag_id, struct err *err)
{
    struct kv_key prefix = {.size = 1, .data = {'D'}};
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, NULL, &prefix, &prefix, false);
    struct span key;
    struct span row;
    int rc = kv_scan_row(&scan, &key, &row, err);
    if (rc == 0) {
        *bag_id = kv_key_bag_id(key);
    }
    kv_scan_close(&scan);
    return rc;
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
        if (rc != 0) {
            rc = rc == E_NOT_FOUND ? 0 : rc;
            break;
        }
        rocksdb_writebatch_delete(batch, (const char *)key.data, key.size);
        kv->clean_key = kv_key_item(kv->clean_bag, kv_key_path(key));
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc;
}

/* Removes up to `*budget` items of the bag at hand, and its doom when they were the last. */
static int clean_bag(struct kv *kv, size_t *budget, struct err *err)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    size_t removed = 0;
    int rc = remove_items(kv, batch, *budget, &removed, err);
    bool done = removed < *budget;
    if (rc == 0) {
        if (done) {
            struct kv_key key = kv_key_doomed(kv->clean_bag);
            rocksdb_writebatch_delete(batch, (const char *)key.data, key.size);
        }
        rc = kv_store_write(&kv->store, batch, err);
    }
    rocksdb_writebatch_destroy(batch);
    if (rc != 0 || done) {
        kv->clean_bag = 0;
    }
    *budget -= done ? removed + 1 : removed; /* an empty bag costs one, too */
    return rc;
}

int kv_clean(struct kv *kv, size_t budget, bool *more, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(budget > 0);
    ASSERT(more != NULL);
    int rc = 0;
    for (;;) {
        if (kv->clean_bag == 0) {
            rc = next_doomed(kv, &kv->clean_bag, err);
            if (rc != 0) {
                *more = false;
                return rc == E_NOT_FOUND ? 0 : rc;
            }
            kv->clean_key = kv_key_item(kv->clean_bag, span_of(NULL, 0));
        }
        if (budget == 0) {
            *more = true;
            return 0;
        }
        rc = clean_bag(kv, &budget, err);
        if (rc != 0) {
            return rc;
        }
    }
}
