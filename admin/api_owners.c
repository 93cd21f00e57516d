/* admin/api_owners.c - people and groups, and what is in their bags. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"

enum {
    OWNERS_LIMIT = 500, /* when nothing else is asked for */
    OWNERS_LIMIT_MAX = 1000,
    ITEMS_LIMIT = 1000,
    ITEMS_LIMIT_MAX = 10000,
    ITEMS_BYTES_MAX = 4 << 20, /* of values in one answer; one more may exceed it */
    LOOK_BYTES = 1 << 20,      /* of rows looked at in one go */
};

static json_t *row_of(const struct bag_row *bag)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:o}", "name", bag->owner.shown, "kind",
                     admin_api_kind(bag->owner.kind), "bag_id", admin_api_seq(bag->bag_id), "items",
                     (json_int_t)bag->items, "bytes", (json_int_t)bag->bytes, "seq",
                     admin_api_seq(bag->last_seq));
}

/* --- the directory --- */

struct listing {
    json_t *rows;
    struct owner last;
};

static int add_owner(void *context, const struct bag_row *bag, struct err *err)
{
    struct listing *listing = context;
    listing->last = bag->owner;
    if (json_array_append_new(listing->rows, row_of(bag)) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    return 0;
}

/* What is listed, and from where on: a cursor is "user:FOLDED" or "group:FOLDED". */
struct question {
    bool kinds[2]; /* users, groups */
    char search[4 * NAME_MAX_BYTES];
    enum owner_kind from;
    const char *after; /* folded, NULL: from the start of `from` */
    uint64_t limit;
};

static int read_cursor(const struct admin_request *request, struct question *q, struct err *err)
{
    const char *cursor = admin_query(request, "cursor");
    q->from = OWNER_USER;
    if (cursor == NULL) {
        return 0;
    }
    if (strncmp(cursor, "user:", 5) == 0) {
        q->after = cursor + 5;
    } else if (strncmp(cursor, "group:", 6) == 0) {
        q->after = cursor + 6;
        q->from = OWNER_GROUP;
    } else {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    return strlen(q->after) <= NAME_MAX_BYTES
               ? 0
               : err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
}

static int read_question(const struct admin_request *request, struct question *q, struct err *err)
{
    const char *kind = admin_query(request, "kind");
    const char *search = admin_query(request, "search");
    kind = kind != NULL ? kind : "";
    q->kinds[0] = kind[0] == '\0' || strcmp(kind, "user") == 0;
    q->kinds[1] = kind[0] == '\0' || strcmp(kind, "group") == 0;
    q->limit = OWNERS_LIMIT;
    if (!q->kinds[0] && !q->kinds[1]) {
        return err_set(err, E_INVALID, "an owner's kind is user or group, not '%s'", kind);
    }
    int rc =
        name_fold_search(span_str(search != NULL ? search : ""), q->search, sizeof q->search, err);
    if (rc == 0) {
        rc = admin_query_number(request, "limit", 1, OWNERS_LIMIT_MAX, &q->limit, err);
    }
    return rc == 0 ? read_cursor(request, q, err) : rc;
}

static int list_kind(struct kv *kv, const struct question *q, enum owner_kind kind,
                     struct listing *listing, bool *more, struct err *err)
{
    size_t have = json_array_size(listing->rows);
    if (have >= q->limit) {
        *more = true; /* as far as we know */
        return 0;
    }
    const char *after = kind == q->from ? q->after : NULL;
    return kv_owners(kv, NULL, kind, q->search, after, q->limit - have, add_owner, listing, more,
                     err);
}

static int list_owners(struct kv *kv, const struct question *q, struct listing *listing, bool *more,
                       struct err *err)
{
    int rc = 0;
    if (q->kinds[0] && q->from == OWNER_USER) {
        rc = list_kind(kv, q, OWNER_USER, listing, more, err);
    }
    if (rc == 0 && q->kinds[1] && !*more) {
        rc = list_kind(kv, q, OWNER_GROUP, listing, more, err);
    }
    return rc;
}

int admin_api_owners(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    struct question q = {0};
    int rc = read_question(request, &q, err);
    if (rc != 0) {
        return rc;
    }
    struct listing listing = {.rows = json_array()};
    bool more = false;
    rc = list_owners(request->backend->kv, &q, &listing, &more, err);
    if (rc != 0) {
        json_decref(listing.rows);
        return rc;
    }
    response->json = json_pack("{s:o}", "owners", listing.rows);
    if (more) {
        (void)json_object_set_new(
            response->json, "next",
            json_sprintf("%s:%s", admin_api_kind(listing.last.kind), listing.last.folded));
    }
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- one of them --- */

static int find_bag(const struct admin_request *request, struct kv_view *view, struct bag_row *bag,
                    struct err *err)
{
    struct owner owner = {0};
    int rc = admin_api_owner_of(request, &owner, err);
    if (rc == 0) {
        rc = kv_bag_of(request->backend->kv, view, &owner, bag, err);
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "there is no %s '%s'", admin_api_kind(owner.kind), owner.shown);
    }
    return rc;
}

static int add_child(void *context, const struct bag_row *bag, struct err *err)
{
    json_t *rows = context;
    char device[DEVICE_TEXT_MAX];
    device_format(bag->owner.device, device);
    json_t *row = json_pack("{s:s, s:o, s:I, s:I, s:o}", "device", device, "bag_id",
                            admin_api_seq(bag->bag_id), "items", (json_int_t)bag->items, "bytes",
                            (json_int_t)bag->bytes, "seq", admin_api_seq(bag->last_seq));
    return json_array_append_new(rows, row) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_owner(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    struct kv *kv = request->backend->kv;
    struct kv_view *view = NULL;
    struct bag_row bag = {0};
    json_t *children = json_array();
    int rc = kv_view_new(&view, kv, err);
    if (rc == 0) {
        rc = find_bag(request, view, &bag, err);
    }
    if (rc == 0) {
        rc = kv_children(kv, view, bag.bag_id, add_child, children, err);
    }
    kv_view_free(&view);
    if (rc != 0) {
        json_decref(children);
        return rc;
    }
    response->json = row_of(&bag);
    (void)json_object_set_new(response->json, "device_bags", children);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- its items --- */

struct item_listing {
    json_t *rows;
    bool values;
    uint64_t limit;
    size_t value_bytes;
    bool full;
    struct buf last; /* the path that stands last in `rows` */
};

static int put_item(const struct item_listing *listing, json_t *object, struct span path,
                    const struct item_row *row)
{
    char device[DEVICE_TEXT_MAX] = "";
    if (row->origin != 0) {
        device_format(row->origin, device);
    }
    int rc = json_object_set_new(object, "size", json_integer((json_int_t)row->value.size));
    rc = rc == 0 ? json_object_set_new(object, "seq", admin_api_seq(row->seq)) : rc;
    rc = rc == 0 ? json_object_set_new(object, "time", admin_api_time(row->time_ms)) : rc;
    rc = rc == 0 ? json_object_set_new(object, "origin", json_string(device)) : rc;
    if (rc == 0 && row->conflict) {
        rc = json_object_set_new(object, "conflict", json_true());
    }
    if (rc == 0 && listing->values && admin_api_secret(path)) {
        rc = json_object_set_new(object, "masked", json_true());
    } else if (rc == 0 && listing->values) {
        rc = admin_api_put_value(object, row->value);
    }
    return rc;
}

/* Returns 1 to stop when the page is full. */
static int add_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct item_listing *listing = context;
    if (row->state != ITEM_LIVE) {
        return 0;
    }
    if (json_array_size(listing->rows) >= listing->limit ||
        listing->value_bytes >= ITEMS_BYTES_MAX) {
        listing->full = true;
        return 1;
    }
    json_t *object = json_object();
    int rc = json_object_set_new(object, "item", json_stringn((const char *)path.data, path.size));
    rc = rc == 0 ? put_item(listing, object, path, row) : rc;
    rc = rc == 0 ? json_array_append(listing->rows, object) : rc;
    json_decref(object);
    buf_reset(&listing->last);
    if (rc != 0 || buf_append_span(&listing->last, path) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    listing->value_bytes += listing->values ? row->value.size : 0;
    return 0;
}

static int list_items(struct kv *kv, struct kv_view *view, uint64_t bag_id, const char *after,
                      struct item_listing *listing, struct err *err)
{
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    (void)buf_append_span(&next, span_str(after));
    bool end = false;
    int rc = 0;
    while (!end && !listing->full && rc == 0) {
        char from[PATH_MAX_BYTES];
        size_t size = next.size;
        memcpy(from, size > 0 ? (const char *)next.data : "", size);
        struct kv_page page = {
            .bag_id = bag_id, .after = span_of(from, size), .budget_bytes = LOOK_BYTES};
        rc = kv_page(kv, view, &page, add_item, listing, &next, &end, err);
        rc = rc == 1 ? 0 : rc;
    }
    buf_free(&next);
    return rc;
}

static int read_item_question(const struct admin_request *request, struct item_listing *listing,
                              const char **after, struct err *err)
{
    const char *cursor = admin_query(request, "cursor");
    *after = cursor != NULL ? cursor : "";
    listing->limit = ITEMS_LIMIT;
    if (strlen(*after) > PATH_MAX_BYTES) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    int rc = admin_query_bool(request, "values", &listing->values, err);
    return rc == 0 ? admin_query_number(request, "limit", 1, ITEMS_LIMIT_MAX, &listing->limit, err)
                   : rc;
}

int admin_api_items(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    struct item_listing listing = {.rows = json_array()};
    buf_init(&listing.last, PATH_MAX_BYTES);
    const char *after = "";
    struct kv_view *view = NULL;
    struct bag_row bag = {0};
    int rc = read_item_question(request, &listing, &after, err);
    if (rc == 0) {
        rc = kv_view_new(&view, request->backend->kv, err);
    }
    if (rc == 0) {
        rc = find_bag(request, view, &bag, err);
    }
    if (rc == 0) {
        rc = list_items(request->backend->kv, view, bag.bag_id, after, &listing, err);
    }
    kv_view_free(&view);
    if (rc == 0) {
        response->json = json_pack("{s:s, s:o, s:o, s:O}", "name", bag.owner.shown, "bag_id",
                                   admin_api_seq(bag.bag_id), "seq", admin_api_seq(bag.last_seq),
                                   "items", listing.rows);
        if (listing.full) {
            (void)json_object_set_new(
                response->json, "next",
                json_stringn((const char *)listing.last.data, listing.last.size));
        }
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(listing.rows);
    buf_free(&listing.last);
    return rc;
}
