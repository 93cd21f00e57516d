/* admin/api/diff.c - GET .../diff: what is different in a bag between two moments. */
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/compare.h"

enum {
    DIFF_LIMIT = 500,
    DIFF_LIMIT_MAX = 1000,
    DIFF_BYTES_MAX = 4 << 20, /* of values in one answer; one more may exceed it */
};

struct diff {
    const struct admin_request *request;
    struct owner owner;
    uint64_t from;
    uint64_t to;
    uint64_t limit;
    bool values;
    const char *after;
    struct kv_view *view;
    struct admin_catalogue catalogue;
    struct admin_compare compare;
    size_t value_bytes;
};

static int read_question(struct diff *diff, struct err *err)
{
    const struct admin_request *request = diff->request;
    const char *cursor = admin_query(request, "cursor");
    diff->after = cursor != NULL ? cursor : "";
    diff->limit = DIFF_LIMIT;
    if (strlen(diff->after) > PATH_MAX_BYTES) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    if (admin_query(request, "from") == NULL) {
        return err_set(err, E_INVALID, "'from' is missing: since which change or time?");
    }
    int rc = admin_api_owner_of(request, &diff->owner, err);
    if (rc == 0) {
        rc = admin_query_bool(request, "values", &diff->values, err);
    }
    if (rc == 0) {
        rc = admin_query_number(request, "limit", 1, DIFF_LIMIT_MAX, &diff->limit, err);
    }
    if (rc == 0) {
        rc = admin_api_moment(request, "from", &diff->from, err);
    }
    return rc == 0 ? admin_api_moment(request, "to", &diff->to, err) : rc;
}

/* A moment at which there was nothing is fine: then all was added, or removed. */
static int open_side(const struct diff *diff, uint64_t seq, struct admin_past **out,
                     struct err *err)
{
    struct admin_past_bag bag = {0};
    int rc = admin_past_bag(diff->request->backend, diff->view, &diff->owner, seq, &bag, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    struct admin_past_options options = {
        .backend = diff->request->backend,
        .view = diff->view,
        .bag = &bag,
        .seq = seq,
        .values = true,
        .about = true,
        .given_up = diff->request->given_up,
    };
    return admin_past_open(out, &options, err);
}

static int open_sides(struct diff *diff, struct err *err)
{
    struct kv *kv = diff->request->backend->kv;
    int rc = kv_view_new(&diff->view, kv, err);
    if (rc == 0) {
        rc = admin_catalogue_read(&diff->catalogue, kv, diff->view, err);
    }
    if (rc == 0) {
        rc = open_side(diff, diff->from, &diff->compare.from, err);
    }
    if (rc == 0) {
        rc = open_side(diff, diff->to, &diff->compare.to, err);
    }
    if (rc == 0 && diff->compare.from == NULL && diff->compare.to == NULL) {
        return err_set(err, E_NOT_FOUND, "there was no %s '%s' at either moment",
                       admin_api_kind(diff->owner.kind), diff->owner.shown);
    }
    admin_compare_seek(&diff->compare, span_str(diff->after));
    return rc;
}

/* One side of a row, its members named with `prefix`. */
static int put_side(const struct diff *diff, json_t *row, const struct admin_past_item *item,
                    const char *prefix)
{
    char name[32];
    json_t *side = item != NULL
                       ? admin_api_item_row(&diff->catalogue, diff->owner.kind, item, diff->values)
                       : NULL;
    const char *member;
    json_t *value;
    int rc = item == NULL || side != NULL ? 0 : E_NOMEM;
    json_object_foreach(side, member, value)
    {
        bool common = strcmp(member, "item") == 0 || strcmp(member, "masked") == 0;
        (void)snprintf(name, sizeof name, "%s%s", common ? "" : prefix, member);
        rc = rc == 0 ? json_object_set(row, name, value) : rc;
    }
    json_decref(side);
    return rc;
}

static int add_row(struct diff *diff, json_t *rows, const struct admin_compare_row *found,
                   struct err *err)
{
    json_t *row = json_pack("{s:s}", "change", admin_difference_name(found->difference));
    int rc = row != NULL ? put_side(diff, row, found->from, "old_") : E_NOMEM;
    rc = rc == 0 ? put_side(diff, row, found->to, "") : rc;
    rc = rc == 0 ? json_array_append(rows, row) : rc;
    json_decref(row);
    if (diff->values) {
        diff->value_bytes += (found->from != NULL ? found->from->size : 0) +
                             (found->to != NULL ? found->to->size : 0);
    }
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int fill_page(struct diff *diff, json_t *rows, struct buf *next, struct err *err)
{
    struct admin_compare_row found;
    int rc = 0;
    while ((rc = admin_compare_next(&diff->compare, &found, err)) == 0) {
        if (json_array_size(rows) >= diff->limit || diff->value_bytes >= DIFF_BYTES_MAX) {
            return 0;
        }
        rc = add_row(diff, rows, &found, err);
        buf_reset(next);
        if (rc != 0 || buf_append_span(next, found.path) != 0) {
            return rc != 0 ? rc : err_set(err, E_NOMEM, "out of memory");
        }
    }
    buf_reset(next);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static json_t *moment(uint64_t seq)
{
    return seq == ADMIN_PAST_NOW ? json_null() : admin_api_seq(seq);
}

int admin_api_diff(const struct admin_request *request, struct admin_response *response,
                   struct err *err)
{
    struct diff diff = {.request = request};
    struct buf next;
    json_t *rows = json_array();
    buf_init(&next, PATH_MAX_BYTES);
    int rc = read_question(&diff, err);
    if (rc == 0) {
        rc = open_sides(&diff, err);
    }
    if (rc == 0) {
        rc = fill_page(&diff, rows, &next, err);
    }
    admin_compare_close(&diff.compare);
    admin_catalogue_free(&diff.catalogue);
    kv_view_free(&diff.view);
    if (rc == 0) {
        response->json = json_pack("{s:s, s:o, s:o, s:O}", "name", diff.owner.shown, "from",
                                   moment(diff.from), "to", moment(diff.to), "differences", rows);
        if (response->json != NULL && next.size > 0) {
            (void)json_object_set_new(response->json, "next",
                                      json_stringn((const char *)next.data, next.size));
        }
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(rows);
    buf_free(&next);
    return admin_api_past_code(request, response, rc);
}
