/* kv/link.c - which items are links, and reading them from their other ends. */
#include "kv/link.h"

#include <string.h>

#include "kv/inside.h"

static const char USER_PREFIX[] = "@user/";
static const char GROUP_PREFIX[] = "@group/";

static bool begins_with(struct span path, const char *prefix, struct span *rest)
{
    size_t size = strlen(prefix);
    if (path.size <= size || memcmp(path.data, prefix, size) != 0) {
        return false;
    }
    *rest = span_of(path.data + size, path.size - size);
    return true;
}

/* 0: it is not written as a bag's number is. */
static uint64_t parse_id(struct span digits)
{
    uint64_t bag_id = 0;
    if (digits.data[0] == '0') {
        return 0;
    }
    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = digits.data[i];
        if (digit < '0' || digit > '9' || __builtin_mul_overflow(bag_id, 10U, &bag_id) ||
            __builtin_add_overflow(bag_id, (uint64_t)(digit - '0'), &bag_id)) {
            return 0;
        }
    }
    return bag_id;
}

enum owner_kind kv_link_holder(struct span path)
{
    struct span rest;
    if (begins_with(path, USER_PREFIX, &rest)) {
        return parse_id(rest) != 0 ? OWNER_DEVICE : 0;
    }
    return begins_with(path, GROUP_PREFIX, &rest) && memchr(rest.data, 0, rest.size) == NULL
               ? OWNER_USER
               : 0;
}

struct kv_key kv_link_key(uint64_t bag_id, struct span path)
{
    struct span rest;
    if (begins_with(path, USER_PREFIX, &rest)) {
        return kv_key_sign_in(parse_id(rest), bag_id);
    }
    bool member = begins_with(path, GROUP_PREFIX, &rest);
    ASSERT(member);
    return kv_key_member(rest, bag_id);
}

/* --- reading --- */

/* A deleted bag's items, and so its links, are hidden by its grave until kv_clean has removed
 * them. */
static int is_hidden(struct kv *kv, const struct kv_view *view, uint64_t bag_id, bool *hidden,
                     struct err *err)
{
    struct kv_key key = kv_key_grave(bag_id);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(&key), &pin, &row, err);
    rocksdb_pinnableslice_destroy(pin);
    *hidden = rc == 0;
    return rc == E_NOT_FOUND ? 0 : rc;
}

struct tour {
    struct kv *kv;
    struct kv_view *view;
    struct kv_scan scan;
    kv_sign_in_fn *each;
    void *context;
};

static int see_sign_in(const struct tour *tour, struct span key, struct span row, struct err *err)
{
    struct kv_link link;
    bool hidden = false;
    int rc = kv_row_get_link(key, row, &link, err);
    if (rc == 0) {
        rc = is_hidden(tour->kv, tour->view, kv_key_holder(key), &hidden, err);
    }
    if (rc != 0 || hidden) {
        return rc;
    }
    const struct kv_sign_in sign_in = {kv_key_bag_id(key), link.device, link.time_ms};
    return tour->each(tour->context, &sign_in, err);
}

/* The row where a scan stands; `end`: there is none. */
static int row_at(const struct kv_scan *scan, struct span *key, struct span *row, bool *end,
                  struct err *err)
{
    int rc = kv_scan_row(scan, key, row, err);
    *end = rc == E_NOT_FOUND;
    return *end ? 0 : rc;
}

/* Those of one user; the scan stands behind all that were asked for before. `end`: nobody is signed
 * in who would come later. */
static int see_user(struct tour *tour, uint64_t user_bag, bool *end, struct err *err)
{
    struct kv_key first = kv_key_sign_ins(user_bag);
    struct span key;
    struct span row;
    int rc = row_at(&tour->scan, &key, &row, end, err);
    if (rc == 0 && !*end && kv_key_bag_id(key) < user_bag) {
        kv_scan_seek(&tour->scan, &first);
        rc = row_at(&tour->scan, &key, &row, end, err);
    }
    while (rc == 0 && !*end && kv_key_bag_id(key) == user_bag) {
        rc = see_sign_in(tour, key, row, err);
        if (rc == 0) {
            kv_scan_step(&tour->scan);
            rc = row_at(&tour->scan, &key, &row, end, err);
        }
    }
    return rc;
}

int kv_sign_ins(struct kv *kv, struct kv_view *view, const uint64_t *user_bags, size_t count,
                kv_sign_in_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL && view != NULL && each != NULL);
    ASSERT(user_bags != NULL || count == 0);
    if (count == 0) {
        return 0;
    }
    struct tour tour = {.kv = kv, .view = view, .each = each, .context = context};
    struct kv_key all = kv_key_sign_ins_all();
    struct kv_key first = kv_key_sign_ins(user_bags[0]);
    kv_scan_open(&tour.scan, &kv->store, view->snapshot, &all, &first, false);
    int rc = 0;
    bool end = false;
    for (size_t i = 0; i < count && rc == 0 && !end; i++) {
        ASSERT(i == 0 || user_bags[i - 1] < user_bags[i]);
        rc = see_user(&tour, user_bags[i], &end, err);
    }
    kv_scan_close(&tour.scan);
    return rc;
}

int kv_members(struct kv *kv, struct kv_view *view, const char *group_folded, kv_member_fn *each,
               void *context, struct err *err)
{
    ASSERT(kv != NULL && view != NULL && group_folded != NULL && each != NULL);
    struct kv_key prefix = kv_key_members(span_str(group_folded));
    struct kv_scan scan;
    struct span key;
    struct span row;
    bool end = false;
    kv_scan_open(&scan, &kv->store, view->snapshot, &prefix, &prefix, false);
    int rc = row_at(&scan, &key, &row, &end, err);
    while (rc == 0 && !end) {
        struct kv_link link;
        bool hidden = false;
        rc = kv_row_get_link(key, row, &link, err);
        if (rc == 0) {
            rc = is_hidden(kv, view, kv_key_holder(key), &hidden, err);
        }
        if (rc == 0 && !hidden) {
            rc = each(context, kv_key_holder(key), link.time_ms, err);
        }
        if (rc == 0) {
            kv_scan_step(&scan);
            rc = row_at(&scan, &key, &row, &end, err);
        }
    }
    kv_scan_close(&scan);
    return rc;
}
