/* kv/link_make.c - the links of a state that was written before they were found from both ends. */
#include <string.h>

#include "kv/inside.h"
#include "kv/link.h"

enum { LINKS_AT_ONCE = 1000 };

struct making {
    struct kv *kv;
    struct kv_scan items; /* of all bags */
    rocksdb_writebatch_t *batch;
    struct buf row;
};

static int write_batch(struct making *making, struct err *err)
{
    int rc = kv_store_write(&making->kv->store, making->batch, err);
    rocksdb_writebatch_clear(making->batch);
    return rc;
}

static int make_link(struct making *making, struct span key, const struct kv_link *link,
                     struct err *err)
{
    struct kv_key made = kv_link_key(kv_key_bag_id(key), kv_key_path(key));
    kv_row_put_link(&making->row, kv_key_span(&made), link);
    int rc = kv_batch_put(making->batch, &made, &making->row, err);
    bool full = rocksdb_writebatch_count(making->batch) >= LINKS_AT_ONCE;
    return rc == 0 && full ? write_batch(making, err) : rc;
}

/* Where the scan stands. E_NOT_FOUND: the bag has no more that begin so. */
static int see_item(struct making *making, const struct kv_key *prefix, enum owner_kind kind,
                    uint64_t device, struct err *err)
{
    struct span key;
    struct span row;
    struct item_row item = {0};
    int rc = kv_scan_row(&making->items, &key, &row, err);
    if (rc == 0 && (key.size < prefix->size || memcmp(key.data, prefix->data, prefix->size) != 0)) {
        return E_NOT_FOUND;
    }
    if (rc == 0) {
        rc = kv_row_get_item(key, row, &item, err);
    }
    if (rc == 0 && item.state == ITEM_LIVE && kv_link_holder(kv_key_path(key)) == kind) {
        const struct kv_link link = {device, item.time_ms};
        rc = make_link(making, key, &link, err);
    }
    return rc;
}

static int see_bag(struct making *making, uint64_t bag_id, enum owner_kind kind, uint64_t device,
                   struct err *err)
{
    struct kv_key prefix = kv_key_item(bag_id, SPAN_LITERAL("@")); /* all that are the server's */
    int rc = 0;
    kv_scan_seek(&making->items, &prefix);
    while ((rc = see_item(making, &prefix, kind, device, err)) == 0) {
        kv_scan_step(&making->items);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The rows of the directory tell which bags there are. */
static int see_kind(struct making *making, enum owner_kind kind, struct err *err)
{
    struct kv_key prefix = kv_key_owner_named(kind, "");
    struct kv_scan owners;
    int rc = 0;
    kv_scan_open_cold(&owners, &making->kv->store, NULL, &prefix, &prefix);
    while (rc == 0) {
        struct span key;
        struct span row;
        uint64_t bag_id = 0;
        rc = kv_scan_row(&owners, &key, &row, err);
        if (rc != 0) {
            break;
        }
        rc = kv_row_get_id(key, row, &bag_id, err);
        if (rc == 0) {
            uint64_t device = kind == OWNER_DEVICE ? get_be64(key.data + prefix.size) : 0;
            rc = see_bag(making, bag_id, kind, device, err);
            kv_scan_step(&owners);
        }
    }
    kv_scan_close(&owners);
    return rc == E_NOT_FOUND ? 0 : rc;
}

int kv_links_make_all(struct kv *kv, struct err *err)
{
    struct making making = {.kv = kv, .batch = rocksdb_writebatch_create()};
    struct kv_key items = kv_key_item(0, span_of(NULL, 0));
    items.size = 1; /* the letter alone */
    buf_init(&making.row, 64);
    kv_scan_open_cold(&making.items, &kv->store, NULL, &items, &items);
    int rc = see_kind(&making, OWNER_DEVICE, err);
    if (rc == 0) {
        rc = see_kind(&making, OWNER_USER, err);
    }
    if (rc == 0) {
        rc = write_batch(&making, err);
    }
    kv_scan_close(&making.items);
    buf_free(&making.row);
    rocksdb_writebatch_destroy(making.batch);
    return rc;
}
