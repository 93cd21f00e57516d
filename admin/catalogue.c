/* admin/catalogue.c - from the fleet's bag. */
#include "admin/catalogue.h"

#include <string.h>

enum { LOOK_BYTES = 256 << 10 };

/* --- reading --- */

static int add_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    return sharing_put(context, path, row->seq, row->value, err);
}

static int read_prefix(struct sharing *out, struct kv *kv, struct kv_view *view, uint64_t bag_id,
                       struct span prefix, struct err *err)
{
    struct buf next;
    bool end = false;
    int rc = 0;
    buf_init(&next, PATH_MAX_BYTES);
    while (rc == 0 && !end) {
        struct kv_page page = {.bag_id = bag_id,
                               .after = buf_span(&next),
                               .prefix = prefix,
                               .budget_bytes = LOOK_BYTES};
        rc = kv_page(kv, view, &page, add_row, out, &next, &end, err);
    }
    buf_free(&next);
    return rc;
}

int admin_catalogue_read(struct admin_catalogue *catalogue, struct kv *kv, struct kv_view *view,
                         struct err *err)
{
    ASSERT(catalogue != NULL && kv != NULL);
    static const struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    struct sharing made = {0};
    int rc = kv_bag_of(kv, view, &owner, &fleet, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    bool there = rc == 0;
    if (catalogue->read && catalogue->seq == fleet.last_seq) {
        return 0;
    }
    rc =
        there ? read_prefix(&made, kv, view, fleet.bag_id, SPAN_LITERAL(SHARING_CATEGORY), err) : 0;
    if (rc == 0 && there) {
        rc = read_prefix(&made, kv, view, fleet.bag_id, SPAN_LITERAL(SHARING_FLAG), err);
    }
    if (rc != 0) {
        sharing_free(&made);
        return rc;
    }
    admin_catalogue_free(catalogue);
    *catalogue = (struct admin_catalogue){made, fleet.last_seq, true};
    return 0;
}

void admin_catalogue_free(struct admin_catalogue *catalogue)
{
    ASSERT(catalogue != NULL);
    sharing_free(&catalogue->sharing);
    *catalogue = (struct admin_catalogue){0};
}

/* --- secrets --- */

/* Does the path lie in one of these categories? */
static bool is_in(struct span path, const char *const *categories)
{
    for (; *categories != NULL; categories++) {
        size_t size = strlen(*categories);
        if (path.size >= size && memcmp(path.data, *categories, size) == 0 &&
            (path.size == size || path.data[size] == '/')) {
            return true;
        }
    }
    return false;
}

/* What is within a secret category is secret, too, whatever its own row says. */
static bool is_secret_category(const struct sharing *sharing, struct span path, bool *known)
{
    for (size_t size = path.size; size > 0; size--) {
        if (size < path.size && path.data[size] != '/') {
            continue;
        }
        const struct category *category = sharing_get(sharing, span_of(path.data, size));
        *known = *known || category != NULL;
        if (category != NULL && category->secret) {
            return true;
        }
    }
    return false;
}

static bool is_secret_setting(const struct sharing *sharing, struct span path)
{
    static const char *const always[] = {"keychain", "network/key", NULL};
    static const char *const unless_known[] = {"network", NULL};
    bool known = false;
    return is_in(path, always) || is_secret_category(sharing, path, &known) ||
           (!known && is_in(path, unless_known));
}

bool admin_catalogue_secret(const struct admin_catalogue *catalogue, enum owner_kind kind,
                            struct span path)
{
    ASSERT(catalogue != NULL && catalogue->read);
    static const char *const records[] = {"@account", "@token", "device", "token", NULL};
    static const char *const deeds[] = {"@audit", "@sync", NULL};
    size_t head = sizeof SHARING_DEFAULT - 1;
    if (kind == OWNER_SERVER) {
        return !is_in(path, deeds);
    }
    if (path.size > head && memcmp(path.data, SHARING_DEFAULT, head) == 0) {
        path = span_of(path.data + head, path.size - head); /* what everybody has is as secret */
    }
    return is_secret_setting(&catalogue->sharing, path) || (kind == 0 && is_in(path, records));
}
