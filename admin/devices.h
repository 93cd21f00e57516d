/* admin/devices.h - the registered client machines, read from the server's bag.
 *
 * A machine is the item "device/ID" there, a JSON object (name, serial, model, software, key,
 * joined_ms, state "active" or "removed"); who is signed in at it are the items "@user/BAG_ID" of
 * its own bag.
 */
#ifndef KITBAG_ADMIN_DEVICES_H
#define KITBAG_ADMIN_DEVICES_H

#include <jansson.h>

#include "kv/kv.h"

/* Every live item of an owner's bag whose path begins with `prefix`, in order from behind `after`
 * (empty: from the start). A bag that is not there has none. `each` as of kv_page. */
struct admin_items {
    struct kv *kv;
    struct kv_view *view;
    struct owner owner;
    const char *prefix;
    struct span after;
};
MUST_CHECK int admin_items_each(const struct admin_items *items, kv_row_fn *each, void *context,
                                struct err *err);

/* One machine, for the call it is given to. */
struct admin_device {
    uint64_t id;
    uint64_t seq; /* of its item */
    bool removed;
    uint64_t joined_ms;
    const char *name, *serial, *model, *software; /* "" when it has none */
    json_t *record;                               /* the whole item */
};

/* Every machine, removed ones too, in order of ids from behind `after` (0: from the start). `each`
 * returning non-zero stops and is returned. An item that can't be understood is left out.
 * `view` must be given. E_NOMEM, and what reading the state may return. */
typedef int admin_device_fn(void *context, const struct admin_device *device, struct err *err);
MUST_CHECK int admin_devices_each(struct kv *kv, struct kv_view *view, uint64_t after,
                                  admin_device_fn *each, void *context, struct err *err);

/* The same without reading the records of which `may` tells by their bytes that nobody wants them:
 * with ten thousand that is most of the time. */
typedef bool admin_device_may_fn(void *context, uint64_t device, struct span record);
MUST_CHECK int admin_devices_some(struct kv *kv, struct kv_view *view, uint64_t after,
                                  admin_device_may_fn *may, admin_device_fn *each, void *context,
                                  struct err *err);

/* That one of them: what `each` returned. E_NOT_FOUND, without a sentence: there is none. */
MUST_CHECK int admin_device_find(struct kv *kv, struct kv_view *view, uint64_t id,
                                 admin_device_fn *each, void *context, struct err *err);

/* Who is signed in at a machine: the bag ids of users. */
typedef int admin_device_user_fn(void *context, uint64_t user_bag, struct err *err);
MUST_CHECK int admin_device_users(struct kv *kv, struct kv_view *view, uint64_t device,
                                  admin_device_user_fn *each, void *context, struct err *err);
/* How many they are: by walking over them, or over all else that the machine's bag holds when they
 * are very many. */
MUST_CHECK int admin_device_user_count(struct kv *kv, struct kv_view *view, uint64_t device,
                                       uint64_t *count, struct err *err);
#define ADMIN_DEVICE_USERS "@user/" /* what the paths of these items begin with */
/* Whose bag the path of such an item names; 0: nobody's. */
uint64_t admin_device_user_bag(struct span path);

enum { ADMIN_DEVICE_PATH_MAX = 32 };
/* "device/ID" into `out`. */
struct span admin_device_path(char out[ADMIN_DEVICE_PATH_MAX], uint64_t device);

#endif
