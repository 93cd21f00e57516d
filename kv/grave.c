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

/* --- many of them --- */

struct search {
    struct kv *kv;
    struct kv_view *view;
    const struct owner *owner; /* NULL: anybody */
    uint64_t parent;           /* only bags that hung on this one; 0: all */
    kv_grave_fn *each;
    void *context;
};

static int hand_over(const struct search *search, const struct bag_row *bag, struct err *err)
{
    if ((search->parent != 0 && bag->parent != search->parent) ||
        (search->parent == 0 && search->owner != NULL &&
         !owner_equal(&bag->owner, search->owner))) {
        return 0;
    }
    struct kv_grave grave;
    int rc = make_grave(search->kv, search->view, bag, &grave, err);
    return rc != 0 ? rc : search->each(search->context, &grave, err);
}

/* One row of a scan over the graves. */
static int take_grave(const struct search *search, struct span key, struct span row,
                      struct err *err)
{
    struct bag_row bag;
    int rc = kv_row_get_bag(key, row, &bag, err);
    return rc != 0 ? rc : hand_over(search, &bag, err);
}

/* One row of a scan over those that find graves. One that finds none is left over. */
static int follow_name(const struct search *search, struct span key, struct span row,
                       struct err *err)
{
    uint64_t bag_id = 0;
    struct bag_row bag;
    int rc = kv_row_get_id(key, row, &bag_id, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_key grave = kv_key_grave(bag_id);
    rc = kv_bag_get(search->kv, search->view, &grave, &bag, err);
    return rc == 0 ? hand_over(search, &bag, err) : rc == E_NOT_FOUND ? 0 : rc;
}

static int scan_graves(const struct search *search, struct err *err)
{
    bool named = search->owner != NULL;
    struct kv_key prefix = named ? kv_key_named_graves(search->owner) : kv_key_graves();
    struct kv_scan scan;
    int rc = 0;
    kv_scan_open(&scan, &search->kv->store, search->view->snapshot, &prefix, &prefix, false);
    while (rc == 0) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == 0) {
            rc = named ? follow_name(search, key, row, err) : take_grave(search, key, row, err);
            kv_scan_step(&scan);
        } else if (rc == E_NOT_FOUND) {
            rc = 0;
            break;
        }
    }
    kv_scan_close(&scan);
    return rc;
}

static int walk_graves(struct search *search, struct err *err)
{
    struct kv_view *own = NULL;
    int rc = search->view != NULL ? 0 : kv_view_new(&own, search->kv, err);
    if (rc == 0) {
        search->view = search->view != NULL ? search->view : own;
        rc = scan_graves(search, err);
    }
    kv_view_free(&own);
    return rc;
}

int kv_graves(struct kv *kv, struct kv_view *view, const struct owner *owner, kv_grave_fn *each,
              void *context, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(each != NULL);
    struct search search = {
        .kv = kv, .view = view, .owner = owner, .each = each, .context = context};
    return walk_graves(&search, err);
}

int kv_graves_under(struct kv *kv, struct kv_view *view, const struct owner *user, uint64_t parent,
                    kv_grave_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(user != NULL && parent != 0);
    ASSERT(each != NULL);
    struct search search = {
        .kv = kv, .view = view, .owner = user, .parent = parent, .each = each, .context = context};
    return walk_graves(&search, err);
}

/* --- a state that was written before graves were found by names --- */

enum { NAMED_AT_ONCE = 1000 };

struct naming {
    struct kv *kv;
    rocksdb_writebatch_t *batch;
    struct buf row;
};

static int write_names(struct naming *naming, struct err *err)
{
    int rc = kv_store_write(&naming->kv->store, naming->batch, err);
    rocksdb_writebatch_clear(naming->batch);
    return rc;
}

static int name_grave(void *context, const struct kv_grave *grave, struct err *err)
{
    struct naming *naming = context;
    struct kv_key key = kv_key_named_grave(&grave->owner, grave->bag_id);
    kv_row_put_id(&naming->row, kv_key_span(&key), grave->bag_id);
    int rc = kv_batch_put(naming->batch, &key, &naming->row, err);
    bool full = rocksdb_writebatch_count(naming->batch) >= NAMED_AT_ONCE;
    return rc == 0 && full ? write_names(naming, err) : rc;
}

int kv_graves_name_all(struct kv *kv, struct err *err)
{
    struct naming naming = {.kv = kv, .batch = rocksdb_writebatch_create()};
    buf_init(&naming.row, 64);
    int rc = kv_graves(kv, NULL, NULL, name_grave, &naming, err);
    if (rc == 0) {
        rc = write_names(&naming, err);
    }
    buf_free(&naming.row);
    rocksdb_writebatch_destroy(naming.batch);
    return rc;
}
