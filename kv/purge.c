/* kv/purge.c - tombstones are kept for the machines that may not have seen them, not for ever. */
#include "kv/inside.h"

/* One row that finds a tombstone: it goes, and the tombstone with it when that is still the one it
 * was made for. */
static int purge_one(struct kv_overlay *rows, uint64_t seq, const struct kv_place *place,
                     struct err *err)
{
    struct kv_key keys[] = {kv_key_tombstone(seq), kv_key_item(place->bag_id, place->path),
                            kv_key_bag(place->bag_id)};
    struct kv_cell *finder = NULL;
    struct kv_cell *item = NULL;
    struct kv_cell *bag = NULL;
    int rc = kv_overlay_put(rows, &keys[0], true, &finder, err);
    if (rc == 0) {
        rc = kv_overlay_get(rows, &keys[1], &item, err);
    }
    if (rc == 0) {
        rc = kv_overlay_get(rows, &keys[2], &bag, err);
    }
    if (rc != 0) {
        return rc;
    }
    finder->present = false;
    finder->dirty = true;
    if (!item->present || item->item.state != ITEM_TOMBSTONE || item->item.seq != seq) {
        return 0;
    }
    item->present = false;
    item->dirty = true;
    if (bag->present && bag->bag->purged_to < seq) {
        bag->bag->purged_to = seq;
        bag->dirty = true;
    }
    return 0;
}

/* `last` is the newest that was purged; 0: none. */
static int collect(struct kv *kv, struct kv_overlay *rows, uint64_t up_to, size_t budget,
                   uint64_t *last, bool *more, struct err *err)
{
    struct kv_key prefix = kv_key_tombstones();
    struct kv_key from = kv_key_tombstone(kv->purge_seq);
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, NULL, &prefix, &from, false);
    int rc = 0;
    for (size_t done = 0; rc == 0; done++) {
        struct span key;
        struct span row;
        struct kv_place place;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == E_NOT_FOUND || (rc == 0 && kv_key_seq(key) > up_to)) {
            rc = 0;
            break;
        }
        *more = rc == 0 && done == budget;
        if (rc != 0 || *more) {
            break;
        }
        rc = kv_row_get_place(key, row, &place, err);
        if (rc == 0) {
            *last = kv_key_seq(key);
            rc = purge_one(rows, *last, &place, err);
        }
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc;
}

int kv_purge(struct kv *kv, uint64_t up_to_seq, size_t budget, bool *more, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(budget > 0);
    ASSERT(more != NULL);
    struct kv_overlay rows;
    kv_rows_begin(kv, &rows);
    uint64_t last = 0;
    bool others = false;
    int rc = collect(kv, &rows, up_to_seq, budget, &last, &others, err);
    if (rc == 0 && last > 0) {
        rc = kv_rows_write(kv, &rows, NULL, err);
    }
    if (rc == 0) {
        kv->purge_seq = last > 0 ? last + 1 : kv->purge_seq;
        *more = others;
    }
    kv_overlay_free(&rows);
    return rc;
}
