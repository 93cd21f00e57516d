/* admin/api/items.c - what is in a bag, now or in the past: a list by pages, or one value. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/moment.h"
#include "base/clock.h"

enum {
    ITEMS_LIMIT = 1000, /* when nothing else is asked for */
    ITEMS_LIMIT_MAX = 10000,
    ITEMS_BYTES_MAX = 4 << 20, /* of values in one answer; one more may exceed it */
};

int admin_api_moment(const struct admin_request *request, const char *parameter, uint64_t *seq,
                     struct err *err)
{
    struct journal *journal = request->backend->journal;
    const char *text = admin_query(request, parameter);
    *seq = ADMIN_PAST_NOW;
    if (text == NULL) {
        return 0;
    }
    int rc = admin_moment_seq(journal, text, seq, err);
    if (rc == 0 && *seq == 0) {
        return err_set(err, E_NOT_FOUND, "nothing was written before %s yet", text);
    }
    return rc == 0 ? admin_moment_whole(journal, seq, err) : rc;
}

int admin_api_from(const struct admin_request *request, uint64_t *seq, struct err *err)
{
    const char *text = admin_query(request, "from");
    uint64_t time_ms = 0;
    *seq = 0;
    if (text == NULL) {
        return 0;
    }
    int rc = admin_moment_parse(text, clock_wall_ms(&clock_system), seq, &time_ms, err);
    if (rc != 0 || time_ms == 0) {
        return rc;
    }
    rc = journal_seek_time(request->backend->journal, time_ms - 1, seq, err);
    *seq = rc == 0 ? *seq + 1 : 0;
    return rc == E_TOO_OLD ? 0 : rc;
}

int admin_api_past_code(const struct admin_request *request, struct admin_response *response,
                        int code)
{
    if (code == E_TOO_OLD && response->json == NULL) {
        response->json =
            json_pack("{s:o}", "oldest", admin_api_seq(journal_floor(request->backend->journal)));
    }
    return code;
}

/* --- a list --- */

json_t *admin_api_item_row(const struct admin_catalogue *catalogue, enum owner_kind kind,
                           const struct admin_past_item *item, bool values)
{
    char device[DEVICE_TEXT_MAX] = "";
    if (item->origin != 0) {
        device_format(item->origin, device);
    }
    json_t *row = json_pack("{s:o, s:I, s:o, s:o, s:s}", "item",
                            json_stringn((const char *)item->path.data, item->path.size), "size",
                            (json_int_t)item->size, "seq", admin_api_seq(item->seq), "time",
                            admin_api_time(item->time_ms), "origin", device);
    int rc = row != NULL ? 0 : E_NOMEM;
    if (rc == 0 && item->conflict) {
        rc = json_object_set_new(row, "conflict", json_true());
    }
    if (rc == 0 && values && admin_catalogue_secret(catalogue, kind, item->path)) {
        rc = json_object_set_new(row, "masked", json_true());
    } else if (rc == 0 && values) {
        rc = admin_api_put_value(row, item->value);
    }
    if (rc != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

/* A question about a bag, and what it is answered from. */
struct items_question {
    const struct admin_request *request;
    struct owner owner;
    uint64_t seq;
    bool values;
    uint64_t limit;
    const char *after; /* a path: go on behind it */
    struct kv_view *view;
    struct admin_catalogue catalogue;
    struct admin_past_bag bag;
    struct admin_past *past;
};

static int open_question(struct items_question *q, struct span only, struct err *err)
{
    const struct admin_backend *backend = q->request->backend;
    int rc = admin_api_owner_of(q->request, &q->owner, err);
    if (rc == 0) {
        rc = admin_api_moment(q->request, "at", &q->seq, err);
    }
    if (rc == 0) {
        rc = kv_view_new(&q->view, backend->kv, err);
    }
    if (rc == 0) {
        rc = admin_catalogue_read(&q->catalogue, backend->kv, q->view, err);
    }
    if (rc == 0) {
        rc = admin_past_bag(backend, q->view, &q->owner, q->seq, &q->bag, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct admin_past_options options = {
        .backend = backend,
        .view = q->view,
        .bag = &q->bag,
        .seq = q->seq,
        .only = only,
        .values = q->values,
        .about = true,
        .given_up = q->request->given_up,
    };
    return admin_past_open(&q->past, &options, err);
}

static void close_question(struct items_question *q)
{
    admin_past_close(&q->past);
    admin_catalogue_free(&q->catalogue);
    kv_view_free(&q->view);
}

/* Rows until the page is full; then `next` is the path that stands last in it. */
static int fill_page(struct items_question *q, json_t *rows, struct buf *next, struct err *err)
{
    size_t value_bytes = 0;
    struct admin_past_item item;
    int rc = 0;
    admin_past_seek(q->past, span_str(q->after));
    while ((rc = admin_past_next(q->past, &item, err)) == 0) {
        if (json_array_size(rows) >= q->limit || value_bytes >= ITEMS_BYTES_MAX) {
            return 0;
        }
        json_t *row = admin_api_item_row(&q->catalogue, q->owner.kind, &item, q->values);
        if (json_array_append_new(rows, row) != 0) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        buf_reset(next);
        (void)buf_append_span(next, item.path);
        if (buf_error(next) != 0) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        value_bytes += q->values ? item.size : 0;
    }
    buf_reset(next);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int read_question(struct items_question *q, struct err *err)
{
    const char *cursor = admin_query(q->request, "cursor");
    q->after = cursor != NULL ? cursor : "";
    q->limit = ITEMS_LIMIT;
    if (strlen(q->after) > PATH_MAX_BYTES) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    int rc = admin_query_bool(q->request, "values", &q->values, err);
    return rc == 0 ? admin_query_number(q->request, "limit", 1, ITEMS_LIMIT_MAX, &q->limit, err)
                   : rc;
}

static json_t *document(const struct items_question *q, json_t *rows, const struct buf *next)
{
    uint64_t seq = q->bag.row.last_seq < q->seq ? q->bag.row.last_seq : q->seq;
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:O}", "name", q->bag.row.owner.shown, "bag_id",
                  admin_api_seq(q->bag.row.bag_id), "seq", admin_api_seq(seq), "items", rows);
    if (json != NULL && next->size > 0) {
        (void)json_object_set_new(json, "next", json_stringn((const char *)next->data, next->size));
    }
    return json;
}

int admin_api_items(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    struct items_question q = {.request = request};
    struct buf next;
    json_t *rows = json_array();
    buf_init(&next, PATH_MAX_BYTES);
    int rc = read_question(&q, err);
    if (rc == 0) {
        rc = open_question(&q, span_of(NULL, 0), err);
    }
    if (rc == 0) {
        rc = fill_page(&q, rows, &next, err);
    }
    close_question(&q);
    if (rc == 0) {
        response->json = document(&q, rows, &next);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(rows);
    buf_free(&next);
    return admin_api_past_code(request, response, rc);
}

/* --- one value --- */

static int take_value(const struct items_question *q, struct span path,
                      struct admin_response *response, struct err *err)
{
    struct admin_past_item item;
    int rc = admin_past_next(q->past, &item, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "%s '%s' has no item '%.*s'%s", admin_api_kind(q->owner.kind),
                       q->bag.row.owner.shown, (int)path.size, (const char *)path.data,
                       q->seq == ADMIN_PAST_NOW ? "" : " at that moment");
    }
    if (rc != 0) {
        return rc;
    }
    buf_init(&response->raw, VALUE_MAX_BYTES);
    response->is_raw = true;
    response->etag = item.seq;
    rc = buf_append_span(&response->raw, item.value);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}

int admin_api_item(const struct admin_request *request, struct admin_response *response,
                   struct err *err)
{
    struct items_question q = {.request = request, .values = true};
    struct span path = span_str(request->parts[2]);
    int rc = path_check(path, err);
    if (rc == 0) {
        rc = open_question(&q, path, err);
    }
    if (rc == 0 && admin_catalogue_secret(&q.catalogue, q.owner.kind, path)) {
        rc = err_set(err, E_NOT_ALLOWED,
                     "'%s' is secret: its value is shown nowhere but on its user's machines",
                     request->parts[2]);
    }
    if (rc == 0) {
        rc = take_value(&q, path, response, err);
    }
    close_question(&q);
    return admin_api_past_code(request, response, rc);
}
