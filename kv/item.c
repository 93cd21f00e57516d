/* kv/item.c - reading items: one, or a page of a bag's. */
#include "kv/inside.h"

/* The items of a deleted bag are still there until kv_clean has removed them: they are hidden by
 * the bag's absence. */
static int bag_exists(struct kv *kv, struct kv_view *view, uint64_t bag_id, bool *exists,
                      struct err *err)
{
    struct kv_key key = kv_key_bag(bag_id);
    struct kv_recent recent;
    if (kv_recent(kv, view, &key, &recent)) {
        *exists = recent.present;
        return 0;
    }
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(&key), &pin, &row, err);
    rocksdb_pinnableslice_destroy(pin);
    *exists = rc == 0;
    return rc == E_NOT_FOUND ? 0 : rc;
}

int kv_item_in(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct span path,
               struct kv_item *out, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_item item = {.row = {.state = ITEM_ABSENT}};
    if (path.size == 0 || path.size > PATH_MAX_BYTES) {
        *out = item; /* nothing can be there */
        return 0;
    }
    struct kv_key key = kv_key_item(bag_id, path);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(&key), &pin, &row, err);
    if (rc == 0) {
        rc = kv_row_get_item(kv_key_span(&key), row, &item.row, err);
    } else if (rc == E_NOT_FOUND) {
        rc = 0;
    }
    if (rc != 0) {
        rocksdb_pinnableslice_destroy(pin);
        return rc;
    }
    item.pin = pin;
    *out = item;
    return 0;
}

int kv_item(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct span path,
            struct kv_item *out, struct err *err)
{
    ASSERT(out != NULL);
    struct kv_item item = {.row = {.state = ITEM_ABSENT}};
    bool exists = false;
    int rc = kv_item_in(kv, view, bag_id, path, &item, err);
    if (rc == 0 && item.row.state != ITEM_ABSENT) {
        rc = bag_exists(kv, view, bag_id, &exists, err);
    }
    if (rc != 0 || !exists) {
        kv_item_free(&item);
        item.row = (struct item_row){.state = ITEM_ABSENT};
    }
    if (rc == 0) {
        *out = item;
    }
    return rc;
}

void kv_item_free(struct kv_item *item)
{
    ASSERT(item != NULL);
    rocksdb_pinnableslice_destroy(item->pin);
    *item = (struct kv_item){0};
}

/* Where a page begins: behind `after`, or at the prefix when that is later. */
static struct kv_key page_start(const struct kv_page *page, const struct kv_key *prefix,
                                bool *behind)
{
    *behind = page->after.size > 0 && span_compare(page->after, page->prefix) >= 0;
    return *behind ? kv_key_item(page->bag_id, page->after) : *prefix;
}

/* Looks at rows until the budget is spent; `next` is the path it got to. */
static int walk_page(struct kv_scan *scan, const struct kv_page *page, kv_row_fn *each,
                     void *context, struct buf *next, bool *end, struct err *err)
{
    size_t looked_at = 0;
    for (;;) {
        struct span key;
        struct span bytes;
        int rc = kv_scan_row(scan, &key, &bytes, err);
        if (rc != 0) {
            *end = rc == E_NOT_FOUND;
            return rc == E_NOT_FOUND ? 0 : rc;
        }
        if (looked_at > 0 && looked_at >= page->budget_bytes) {
            return 0;
        }
        looked_at += key.size + bytes.size;
        struct item_row row;
        rc = kv_row_get_item(key, bytes, &row, err);
        if (rc != 0) {
            return rc;
        }
        struct span path = kv_key_path(key);
        if (page->since > 0 ? row.seq > page->since : row.state == ITEM_LIVE) {
            rc = each(context, path, &row, err);
            if (rc != 0) {
                return rc;
            }
        }
        buf_reset(next);
        (void)buf_append_span(next, path);
        if (buf_error(next) != 0) {
            return err_set(err, buf_error(next), "out of memory");
        }
        kv_scan_step(scan);
    }
}

/* May the page's bag be read this way, in this view? */
typedef int check_fn(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct err *err);

static int is_there(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct err *err)
{
    struct bag_row bag;
    return kv_bag(kv, view, bag_id, &bag, err);
}

static int is_whole(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct err *err)
{
    struct kv_grave grave;
    int rc = kv_grave(kv, view, bag_id, &grave, err);
    if (rc == 0 && !grave.whole) {
        rc = err_set(err, E_NOT_FOUND, "what the deleted bag held was removed for good");
    }
    return rc;
}

static int read_page(struct kv *kv, struct kv_view *view, const struct kv_page *page,
                     check_fn *check, kv_row_fn *each, void *context, struct buf *next, bool *end,
                     struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(page != NULL && each != NULL);
    ASSERT(next != NULL && next->max >= PATH_MAX_BYTES);
    ASSERT(end != NULL);
    if (page->after.size > PATH_MAX_BYTES || page->prefix.size > PATH_MAX_BYTES) {
        return err_set(err, E_INVALID, "a path has at most %d bytes", (int)PATH_MAX_BYTES);
    }
    struct kv_view *own = NULL;
    int rc = view != NULL ? 0 : kv_view_new(&own, kv, err);
    if (rc != 0) {
        return rc;
    }
    view = view != NULL ? view : own; /* the bag and its items have to be of one moment */
    rc = check(kv, view, page->bag_id, err);
    if (rc == 0) {
        struct kv_key prefix = kv_key_item(page->bag_id, page->prefix);
        bool behind = false;
        struct kv_key from = page_start(page, &prefix, &behind);
        struct kv_scan scan;
        *end = false;
        kv_scan_open(&scan, &kv->store, view->snapshot, &prefix, &from, behind);
        rc = walk_page(&scan, page, each, context, next, end, err);
        kv_scan_close(&scan);
    }
    kv_view_free(&own);
    return rc;
}

int kv_page(struct kv *kv, struct kv_view *view, const struct kv_page *page, kv_row_fn *each,
            void *context, struct buf *next, bool *end, struct err *err)
{
    return read_page(kv, view, page, is_there, each, context, next, end, err);
}

int kv_void_page(struct kv *kv, struct kv_view *view, const struct kv_page *page, kv_row_fn *each,
                 void *context, struct buf *next, bool *end, struct err *err)
{
    return read_page(kv, view, page, is_whole, each, context, next, end, err);
}

/* --- fences --- */

static int add_fence(void *context, struct span path, const struct item_row *row, struct err *err)
{
    return fences_put(context, path, row->seq, row->value, err);
}

int kv_fences(struct kv *kv, struct kv_view *view, uint64_t fleet_bag, struct fences *out,
              struct err *err)
{
    ASSERT(out != NULL);
    const struct kv_page page = {
        .bag_id = fleet_bag, .prefix = SPAN_LITERAL("@fence/"), .budget_bytes = SIZE_MAX};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    int rc = kv_page(kv, view, &page, add_fence, out, &next, &end, err);
    buf_free(&next);
    return rc;
}
