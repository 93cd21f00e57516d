/* kv/grave.c - reading what is left of deleted bags. */
#include "kv/inside.h"

int kv_doom_get(struct kv *kv, struct kv_view *view, uint64_t seq, struct kv_doom *out,
                struct err *err)
{
    struct kv_key key = kv_key_doomed(seq);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(&key), &pin, &row, err);
    if (rc == 0) {
        rc = kv_row_get_doom(kv_key_span(&key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

static int make_grave(struct kv *kv, struct kv_view *view, const struct bag_row *bag,
                      struct kv_grave *out, struct err *err)
{
    struct kv_doom doom = {.stage = KV_DOOM_EMPTY};
    int rc = kv_doom_get(kv, view, bag->last_seq, &doom, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    *out = (struct kv_grave){
        .bag_id = bag->bag_id,
        .last_seq = bag->last_seq,
        .owner = bag->owner,
        .parent = bag->parent,
        .items = bag->items,
        .bytes = bag->bytes,
        .digest = bag->digest,
        .whole = doom.stage == KV_DOOM_WHOLE,
    };
    return 0;
}

int kv_grave(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct kv_grave *out,
             struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_key key = kv_key_grave(bag_id);
    struct bag_row bag;
    int rc = kv_bag_get(kv, view, &key, &bag, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_NOT_FOUND, "no such bag was deleted");
    }
    return rc != 0 ? rc : make_grave(kv, view, &bag, out, err);
}

/* --- all of them --- */

/* One row of a scan, when it is one of the owner's. */
static int hand_over(struct kv *kv, struct kv_view *view, const struct owner *owner,
                     struct span key, struct span row, kv_grave_fn *each, void *context,
                     struct err *err)
{
    struct bag_row bag;
    int rc = kv_row_get_bag(key, row, &bag, err);
    if (rc != 0 || (owner != NULL && !owner_equal(&bag.owner, owner))) {
        return rc;
    }
    struct kv_grave grave;
    rc = make_grave(kv, view, &bag, &grave, err);
    return rc != 0 ? rc : each(context, &grave, err);
}

int kv_graves(struct kv *kv, struct kv_view *view, const struct owner *owner, kv_grave_fn *each,
              void *context, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(each != NULL);
    struct kv_view *own = NULL;
    int rc = view != NULL ? 0 : kv_view_new(&own, kv, err);
    if (rc != 0) {
        return rc;
    }
    view = view != NULL ? view : own;
    struct kv_key prefix = kv_key_graves();
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, view->snapshot, &prefix, &prefix, false);
    while (rc == 0) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == 0) {
            rc = hand_over(kv, view, owner, key, row, each, context, err);
            kv_scan_step(&scan);
        } else if (rc == E_NOT_FOUND) {
            rc = 0;
            break;
        }
    }
    kv_scan_close(&scan);
    kv_view_free(&own);
    return rc;
}
