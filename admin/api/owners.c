/* admin/api/owners.c - people and groups: the directory, and one of them now or in the past. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"

enum {
    OWNERS_LIMIT = 500, /* when nothing else is asked for */
    OWNERS_LIMIT_MAX = 1000,
};

/* Of a user: null when nothing is known of it. Groups do not sign in. */
static int put_last_sign_in(json_t *row, const struct admin_backend *backend,
                            const struct bag_row *bag)
{
    return bag->owner.kind != OWNER_USER
               ? 0
               : json_object_set_new(
                     row, "last_sign_in",
                     admin_api_time(backend->last_sign_in(backend->context, bag->bag_id)));
}

static json_t *row_of(const struct admin_backend *backend, const struct bag_row *bag)
{
    json_t *row = json_pack("{s:s, s:s, s:o, s:I, s:I, s:o}", "name", bag->owner.shown, "kind",
                            admin_api_kind(bag->owner.kind), "bag_id", admin_api_seq(bag->bag_id),
                            "items", (json_int_t)bag->items, "bytes", (json_int_t)bag->bytes, "seq",
                            admin_api_seq(bag->last_seq));
    if (row != NULL && put_last_sign_in(row, backend, bag) != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

/* --- the directory --- */

struct listing {
    const struct admin_backend *backend;
    json_t *rows;
    struct owner last;
};

static int add_owner(void *context, const struct bag_row *bag, struct err *err)
{
    struct listing *listing = context;
    listing->last = bag->owner;
    if (json_array_append_new(listing->rows, row_of(listing->backend, bag)) != 0) {
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
    if (q->kinds[0] && strncmp(cursor, "user:", 5) == 0) {
        q->after = cursor + 5;
    } else if (q->kinds[1] && strncmp(cursor, "group:", 6) == 0) {
        q->after = cursor + 6;
        q->from = OWNER_GROUP;
    }
    return q->after != NULL && strlen(q->after) <= NAME_MAX_BYTES
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
    struct listing listing = {.backend = request->backend, .rows = json_array()};
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

/* What it holds; the directory's numbers count what is hidden behind fences, too. */
struct content {
    uint64_t items;
    uint64_t bytes;
    uint64_t hidden;
};

struct owner_answer {
    const struct admin_request *request;
    struct kv_view *view;
    uint64_t seq;
    json_t *children;
};

static int count_content(const struct owner_answer *answer, const struct admin_past_bag *bag,
                         struct content *content, struct err *err)
{
    struct admin_past_options options = {
        .backend = answer->request->backend,
        .view = answer->view,
        .bag = bag,
        .seq = answer->seq,
        .hidden = true,
        .given_up = answer->request->given_up,
    };
    struct admin_past *past = NULL;
    struct admin_past_item item;
    int rc = admin_past_open(&past, &options, err);
    while (rc == 0 && (rc = admin_past_next(past, &item, err)) == 0) {
        content->items += !item.hidden;
        content->bytes += item.hidden ? 0 : item.path.size + item.size;
        content->hidden += item.hidden;
    }
    admin_past_close(&past);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int put_content(const struct owner_answer *answer, const struct admin_past_bag *bag,
                       json_t *row, struct err *err)
{
    struct content content = {0};
    int rc = count_content(answer, bag, &content, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t seq = bag->row.last_seq < answer->seq ? bag->row.last_seq : answer->seq;
    json_t *members =
        json_pack("{s:o, s:I, s:I, s:I, s:o}", "bag_id", admin_api_seq(bag->row.bag_id), "items",
                  (json_int_t)content.items, "bytes", (json_int_t)content.bytes, "hidden",
                  (json_int_t)content.hidden, "seq", admin_api_seq(seq));
    if (members != NULL && bag->deleted) {
        (void)json_object_set_new(members, "deleted", admin_api_seq(bag->deleted_seq));
    }
    rc = members != NULL && json_object_update(row, members) == 0
             ? 0
             : err_set(err, E_NOMEM, "out of memory");
    json_decref(members);
    return rc;
}

static int add_child(void *context, const struct admin_past_bag *bag, struct err *err)
{
    struct owner_answer *answer = context;
    char device[DEVICE_TEXT_MAX];
    device_format(bag->row.owner.device, device);
    json_t *row = json_pack("{s:s}", "device", device);
    int rc = put_content(answer, bag, row, err);
    if (rc == 0 && json_array_append(answer->children, row) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(row);
    return rc;
}

static int find_owner(struct owner_answer *answer, struct admin_past_bag *bag, struct err *err)
{
    const struct admin_request *request = answer->request;
    struct owner owner = {0};
    int rc = admin_api_owner_of(request, &owner, err);
    if (rc == 0) {
        rc = admin_api_moment(request, "at", &answer->seq, err);
    }
    if (rc == 0) {
        rc = kv_view_new(&answer->view, request->backend->kv, err);
    }
    return rc == 0 ? admin_past_bag(request->backend, answer->view, &owner, answer->seq, bag, err)
                   : rc;
}

int admin_api_owner(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    struct owner_answer answer = {.request = request, .children = json_array()};
    struct admin_past_bag bag = {0};
    json_t *row = NULL;
    int rc = find_owner(&answer, &bag, err);
    if (rc == 0) {
        row = json_pack("{s:s, s:s, s:o}", "name", bag.row.owner.shown, "kind",
                        admin_api_kind(bag.row.owner.kind), "at",
                        answer.seq == ADMIN_PAST_NOW ? json_null() : admin_api_seq(answer.seq));
        rc = put_content(&answer, &bag, row, err);
    }
    if (rc == 0 && bag.row.owner.kind == OWNER_USER) {
        rc = admin_past_children(request->backend, answer.view, &bag.row, answer.seq, add_child,
                                 &answer, err);
    }
    kv_view_free(&answer.view);
    bool now = rc == 0 && answer.seq == ADMIN_PAST_NOW;
    if (rc == 0 && (json_object_set(row, "device_bags", answer.children) != 0 ||
                    (now && put_last_sign_in(row, request->backend, &bag.row) != 0))) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    response->json = rc == 0 ? json_incref(row) : NULL;
    json_decref(row);
    json_decref(answer.children);
    return admin_api_past_code(request, response, rc);
}
