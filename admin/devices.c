/* admin/devices.c - walking the items that stand for machines. */
#include "admin/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"

enum {
    LOOK_BYTES = 256 << 10,
    COUNTED_MAX = 500, /* users of a machine that are walked over to count them */
};

static const char DEVICE_PREFIX[] = "device/";
static const char USER_PREFIX[] = ADMIN_DEVICE_USERS;

struct span admin_device_path(char out[ADMIN_DEVICE_PATH_MAX], uint64_t device)
{
    char digits[DEVICE_TEXT_MAX];
    device_format(device, digits);
    int size = snprintf(out, ADMIN_DEVICE_PATH_MAX, "%s%s", DEVICE_PREFIX, digits);
    return span_of(out, (size_t)size);
}

int admin_items_each(const struct admin_items *walk, kv_row_fn *each, void *context,
                     struct err *err)
{
    ASSERT(walk != NULL && walk->view != NULL && each != NULL);
    struct bag_row bag = {0};
    int rc = kv_bag_of(walk->kv, walk->view, &walk->owner, &bag, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    char from[PATH_MAX_BYTES];
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    (void)buf_append_span(&next, walk->after);
    bool end = false;
    while (!end && rc == 0) {
        size_t size = next.size;
        memcpy(from, size > 0 ? (const char *)next.data : "", size);
        struct kv_page page = {
            .bag_id = bag.bag_id,
            .after = span_of(from, size),
            .prefix = span_str(walk->prefix),
            .budget_bytes = LOOK_BYTES,
        };
        rc = kv_page(walk->kv, walk->view, &page, each, context, &next, &end, err);
    }
    buf_free(&next);
    return rc;
}

/* --- machines --- */

struct devices {
    admin_device_may_fn *may; /* NULL: all are read */
    admin_device_fn *each;
    void *context;
};

static const char *text_of(json_t *record, const char *member)
{
    const char *text = json_string_value(json_object_get(record, member));
    return text != NULL ? text : "";
}

/* The digits of an id at the end of a path: false when it is something else. */
static bool id_of_path(struct span path, uint64_t *id)
{
    char digits[DEVICE_TEXT_MAX] = "";
    size_t skip = sizeof DEVICE_PREFIX - 1;
    if (path.size != skip + sizeof digits - 1) {
        return false;
    }
    memcpy(digits, path.data + skip, sizeof digits - 1);
    return device_parse(digits, id, NULL) == 0;
}

static int see_device(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct devices *devices = context;
    struct admin_device device = {.seq = row->seq};
    if (row->state != ITEM_LIVE || !id_of_path(path, &device.id) ||
        (devices->may != NULL && !devices->may(devices->context, device.id, row->value))) {
        return 0;
    }
    json_t *record = NULL;
    int rc = admin_json_read(row->value, &record, NULL);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    rc = 0;
    if (json_is_object(record)) {
        device.record = record;
        device.name = text_of(record, "name");
        device.serial = text_of(record, "serial");
        device.model = text_of(record, "model");
        device.software = text_of(record, "software");
        device.removed = strcmp(text_of(record, "state"), "removed") == 0;
        device.joined_ms = (uint64_t)json_integer_value(json_object_get(record, "joined_ms"));
        rc = devices->each(devices->context, &device, err);
    }
    json_decref(record);
    return rc;
}

int admin_devices_each(struct kv *kv, struct kv_view *view, uint64_t after, admin_device_fn *each,
                       void *context, struct err *err)
{
    return admin_devices_some(kv, view, after, NULL, each, context, err);
}

int admin_devices_some(struct kv *kv, struct kv_view *view, uint64_t after,
                       admin_device_may_fn *may, admin_device_fn *each, void *context,
                       struct err *err)
{
    ASSERT(kv != NULL && view != NULL && each != NULL);
    char path[ADMIN_DEVICE_PATH_MAX];
    struct admin_items walk = {.kv = kv,
                               .view = view,
                               .owner = {.kind = OWNER_SERVER},
                               .prefix = DEVICE_PREFIX,
                               .after =
                                   after != 0 ? admin_device_path(path, after) : span_of(NULL, 0)};
    struct devices devices = {may, each, context};
    return admin_items_each(&walk, see_device, &devices, err);
}

int admin_device_find(struct kv *kv, struct kv_view *view, uint64_t id, admin_device_fn *each,
                      void *context, struct err *err)
{
    ASSERT(kv != NULL && view != NULL && each != NULL);
    const struct owner server = {.kind = OWNER_SERVER};
    struct devices devices = {NULL, each, context};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    char text[ADMIN_DEVICE_PATH_MAX];
    struct span path = admin_device_path(text, id);
    int rc = kv_bag_of(kv, view, &server, &bag, err);
    if (rc == 0) {
        rc = kv_item_in(kv, view, bag.bag_id, path, &item, err);
    }
    if (rc == 0) {
        rc = item.row.state == ITEM_LIVE ? see_device(&devices, path, &item.row, err) : E_NOT_FOUND;
    }
    kv_item_free(&item);
    return rc;
}

/* --- who is signed in --- */

struct users {
    admin_device_user_fn *each;
    void *context;
};

uint64_t admin_device_user_bag(struct span path)
{
    char digits[24] = "";
    size_t skip = sizeof USER_PREFIX - 1;
    if (path.size < skip || path.size - skip >= sizeof digits ||
        memcmp(path.data, USER_PREFIX, skip) != 0) {
        return 0;
    }
    memcpy(digits, path.data + skip, path.size - skip);
    return strtoull(digits, NULL, 10);
}

static int see_user(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct users *users = context;
    uint64_t bag_id = row->state == ITEM_LIVE ? admin_device_user_bag(path) : 0;
    return bag_id != 0 ? users->each(users->context, bag_id, err) : 0;
}

int admin_device_users(struct kv *kv, struct kv_view *view, uint64_t device,
                       admin_device_user_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL && view != NULL && each != NULL);
    struct admin_items walk = {.kv = kv,
                               .view = view,
                               .owner = {.kind = OWNER_DEVICE, .device = device},
                               .prefix = USER_PREFIX};
    struct users users = {each, context};
    return admin_items_each(&walk, see_user, &users, err);
}

static int count_user(void *context, uint64_t user_bag, struct err *err)
{
    uint64_t *count = context;
    (void)user_bag;
    (void)err;
    return ++*count > COUNTED_MAX ? 1 : 0;
}

/* All but users; stops at the first of them. */
static int count_other(void *context, struct span path, const struct item_row *row, struct err *err)
{
    uint64_t *count = context;
    (void)row;
    (void)err;
    size_t skip = sizeof USER_PREFIX - 1;
    if (path.size >= skip && memcmp(path.data, USER_PREFIX, skip) == 0) {
        return 1;
    }
    ++*count;
    return 0;
}

/* What lies before the users, and what lies behind. */
static int count_others(const struct admin_items *bag, uint64_t *count, struct err *err)
{
    struct admin_items behind = *bag;
    behind.after = SPAN_LITERAL(ADMIN_DEVICE_USERS "\xff"); /* no path holds that byte */
    int rc = admin_items_each(bag, count_other, count, err);
    return rc < 0 ? rc : admin_items_each(&behind, count_other, count, err);
}

int admin_device_user_count(struct kv *kv, struct kv_view *view, uint64_t device, uint64_t *count,
                            struct err *err)
{
    ASSERT(kv != NULL && view != NULL && count != NULL);
    struct admin_items walk = {
        .kv = kv, .view = view, .owner = {.kind = OWNER_DEVICE, .device = device}, .prefix = ""};
    struct bag_row bag = {0};
    uint64_t users = 0;
    uint64_t others = 0;
    int rc = admin_device_users(kv, view, device, count_user, &users, err);
    if (rc == 1) {
        rc = count_others(&walk, &others, err);
        rc = rc == 0 ? kv_bag_of(kv, view, &walk.owner, &bag, err) : rc;
        users = bag.items - others;
    }
    if (rc == 0) {
        *count = users;
    }
    return rc;
}
