/* kv/device.c - items of all machines, on one tour. */
#include <string.h>

#include "kv/inside.h"

struct tour {
    struct kv *kv;
    struct span prefix;
    struct kv_scan items;
    kv_device_item_fn *each;
    void *context;
};

/* E_NOT_FOUND: it has no more. */
static int see_item(struct tour *tour, uint64_t device, const struct kv_key *prefix,
                    struct err *err)
{
    struct span key;
    struct span row;
    struct item_row item = {0};
    int rc = kv_scan_row(&tour->items, &key, &row, err);
    if (rc == 0 && (key.size < prefix->size || memcmp(key.data, prefix->data, prefix->size) != 0)) {
        return E_NOT_FOUND;
    }
    if (rc == 0) {
        rc = kv_row_get_item(key, row, &item, err);
    }
    if (rc == 0 && item.state == ITEM_LIVE) {
        rc = tour->each(tour->context, device, kv_key_path(key), &item, err);
    }
    return rc;
}

static int see_device(struct tour *tour, uint64_t device, uint64_t bag_id, struct err *err)
{
    struct kv_key prefix = kv_key_item(bag_id, tour->prefix);
    int rc = 0;
    kv_scan_seek(&tour->items, &prefix);
    while ((rc = see_item(tour, device, &prefix, err)) == 0) {
        kv_scan_step(&tour->items);
    }
    return rc > 0 || rc == E_NOT_FOUND ? 0 : rc;
}

/* The rows of the directory tell which bag is a machine's. */
static int see_all(struct tour *tour, struct kv_scan *devices, size_t skip, struct err *err)
{
    struct span key;
    struct span row;
    uint64_t bag_id = 0;
    int rc = 0;
    while ((rc = kv_scan_row(devices, &key, &row, err)) == 0) {
        rc = kv_row_get_id(key, row, &bag_id, err);
        if (rc == 0) {
            rc = see_device(tour, get_be64(key.data + skip), bag_id, err);
        }
        if (rc != 0) {
            return rc;
        }
        kv_scan_step(devices);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

int kv_device_items(struct kv *kv, struct kv_view *view, struct span prefix,
                    kv_device_item_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL && view != NULL && each != NULL);
    ASSERT(prefix.size <= PATH_MAX_BYTES);
    struct tour tour = {.kv = kv, .prefix = prefix, .each = each, .context = context};
    struct kv_key owners = kv_key_owner_named(OWNER_DEVICE, "");
    struct kv_key items = kv_key_item(0, span_of(NULL, 0));
    struct kv_scan devices;
    items.size = 1; /* the letter alone: of all bags */
    kv_scan_open(&devices, &kv->store, view->snapshot, &owners, &owners, false);
    kv_scan_open(&tour.items, &kv->store, view->snapshot, &items, &items, false);
    int rc = see_all(&tour, &devices, owners.size, err);
    kv_scan_close(&tour.items);
    kv_scan_close(&devices);
    return rc;
}
