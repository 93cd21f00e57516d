/* admin/api/history.c - who wrote what in a bag, where and when: its changes, the newest first.
 *
 * A name that was deleted and made again had several bags: their changes follow one another. What a
 * change replaced is told with it, so the loser of a conflict is the old value of the change that
 * is marked. A page ends with enough rows, or after enough work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"
#include "admin/moment.h"
#include "journal/past.h"

enum {
    HISTORY_LIMIT = 200, /* when nothing else is asked for */
    HISTORY_LIMIT_MAX = 1000,
    HISTORY_BYTES_MAX = 4 << 20, /* of values in one answer; one change may exceed it */
    LOOK_CHANGES = 20000,        /* looked at for one page */
    LOOK_MS = 2000,
    PATIENCE = 64, /* changes between two looks at the clock */
    MEMO_MAX = 32, /* names of machines that are remembered */
};

struct memo {
    uint64_t device;
    char *name;
};

struct history {
    const struct admin_request *request;
    struct kv_view *view;
    struct admin_catalogue catalogue;
    struct owner owner;
    struct span item; /* that one, and what lies under it; empty: all */
    uint64_t from;
    uint64_t to;
    uint64_t limit;
    bool values;
    uint64_t bag_id; /* of the chain that is walked */
    uint64_t at;     /* the next change to read; 0: there is none */
    bool too_old;    /* it is no longer there */
    struct past *chain;
    json_t *rows;
    size_t value_bytes;
    struct memo memos[MEMO_MAX];
    size_t memo_count;
};

/* --- a row --- */

/* The name in the machine's record, removed or not; "" when nothing is known. */
static char *read_name(const struct history *history, uint64_t device)
{
    struct kv *kv = history->request->backend->kv;
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    char path[ADMIN_DEVICE_PATH_MAX];
    json_t *record = NULL;
    int rc = kv_bag_of(kv, history->view, &server, &bag, NULL);
    if (rc == 0) {
        rc = kv_item(kv, history->view, bag.bag_id, admin_device_path(path, device), &item, NULL);
    }
    if (rc == 0 && item.row.state == ITEM_LIVE) {
        rc = admin_json_read(item.row.value, &record, NULL);
    }
    const char *name = json_string_value(json_object_get(record, "name"));
    char *copy = strdup(rc == 0 && name != NULL ? name : "");
    json_decref(record);
    kv_item_free(&item);
    return copy;
}

static const char *name_of(struct history *history, uint64_t device)
{
    for (size_t i = 0; i < history->memo_count; i++) {
        if (history->memos[i].device == device) {
            return history->memos[i].name;
        }
    }
    size_t at = history->memo_count < MEMO_MAX ? history->memo_count++ : device % MEMO_MAX;
    free(history->memos[at].name);
    history->memos[at] = (struct memo){device, read_name(history, device)};
    return history->memos[at].name;
}

static int put_who(struct history *history, json_t *row, const struct change *change)
{
    char device[DEVICE_TEXT_MAX] = "";
    const char *name = "";
    if (change->origin != 0) {
        device_format(change->origin, device);
        name = name_of(history, change->origin);
    }
    json_t *who =
        json_pack("{s:s, s:s, s:o}", "origin", device, "device", name != NULL ? name : "", "actor",
                  json_stringn(change->actor.size > 0 ? (const char *)change->actor.data : "",
                               change->actor.size));
    int rc = who != NULL && name != NULL ? json_object_update(row, who) : E_NOMEM;
    json_decref(who);
    return rc;
}

static int put_values(const struct history *history, json_t *row, const struct change *change)
{
    if (admin_catalogue_secret(&history->catalogue, history->owner.kind, change->path)) {
        return json_object_set_new(row, "masked", json_true());
    }
    if (!history->values) {
        return 0;
    }
    int rc = change->kind == CHANGE_ITEM_SET ? admin_api_put_bytes(row, "value", change->value) : 0;
    return rc == 0 && change->has_old ? admin_api_put_bytes(row, "old_value", change->old_value)
                                      : rc;
}

static int put_item(const struct history *history, json_t *row, const struct change *change)
{
    int rc = json_object_set_new(row, "item",
                                 json_stringn((const char *)change->path.data, change->path.size));
    if (rc == 0 && change->kind == CHANGE_ITEM_SET) {
        rc = json_object_set_new(row, "size", json_integer((json_int_t)change->value.size));
    }
    if (rc == 0 && change->has_old) {
        rc = json_object_set_new(row, "old_seq", admin_api_seq(change->old_seq));
        rc = rc == 0 ? json_object_set_new(row, "old_size",
                                           json_integer((json_int_t)change->old_value.size))
                     : rc;
    }
    return rc == 0 ? put_values(history, row, change) : rc;
}

static int add_row(struct history *history, const struct change *change, struct err *err)
{
    bool item = change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
    json_t *row =
        json_pack("{s:o, s:o, s:s, s:o}", "seq", admin_api_seq(change->seq), "time",
                  admin_api_time(change->time_ms), "kind", admin_api_change_kind(change->kind),
                  "bag_id", admin_api_seq(change->bag_id));
    int rc = row != NULL ? put_who(history, row, change) : E_NOMEM;
    rc = rc == 0 && item ? put_item(history, row, change) : rc;
    if (rc == 0 && change->conflict) {
        rc = json_object_set_new(row, "conflict", json_true());
    }
    if (rc == 0 && change->set_left > 0) {
        rc = json_object_set_new(row, "set_left", json_integer(change->set_left));
    }
    rc = rc == 0 ? json_array_append(history->rows, row) : rc;
    json_decref(row);
    if (history->values) {
        history->value_bytes += change->value.size + change->old_value.size;
    }
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- the walk --- */

static bool is_within(struct span path, struct span item)
{
    return path.size >= item.size && memcmp(path.data, item.data, item.size) == 0 &&
           (path.size == item.size || path.data[item.size] == '/');
}

static bool is_wanted(const struct history *history, const struct change *change)
{
    return change->seq <= history->to &&
           (history->item.size == 0 ||
            (change->path.size > 0 && is_within(change->path, history->item)));
}

/* The bag that bore the name before this one. */
static int earlier_bag(struct history *history, struct err *err)
{
    struct admin_past_bag bag = {0};
    int rc = admin_past_deleted(history->request->backend, history->view, &history->owner,
                                history->bag_id - 1, &bag, NULL);
    history->at = 0;
    if (rc == 0) {
        history->bag_id = bag.row.bag_id;
        history->at = bag.row.last_seq;
    }
    return rc == 0 || rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", err_meaning(rc));
}

static int step(struct history *history, struct err *err)
{
    struct change change;
    past_seek(history->chain, history->at);
    int rc = past_next(history->chain, &change, err);
    if (rc == E_TOO_OLD) {
        history->too_old = true;
        history->at = 0;
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    if (change.bag_id != history->bag_id) {
        return err_set(err, E_CORRUPT, "change %" PRIu64 " is not of bag %" PRIu64, change.seq,
                       history->bag_id);
    }
    rc = is_wanted(history, &change) ? add_row(history, &change, err) : 0;
    history->at = change.prev;
    return rc == 0 && change.prev == 0 ? earlier_bag(history, err) : rc;
}

static bool has_enough(const struct history *history, uint64_t looked, uint64_t began_ms)
{
    return json_array_size(history->rows) >= history->limit ||
           history->value_bytes >= HISTORY_BYTES_MAX || looked >= LOOK_CHANGES ||
           (looked > 0 && looked % PATIENCE == 0 &&
            (clock_mono_ms(&clock_system) - began_ms >= LOOK_MS ||
             atomic_load(history->request->given_up)));
}

static int fill_page(struct history *history, struct err *err)
{
    uint64_t began_ms = clock_mono_ms(&clock_system);
    int rc = past_open(&history->chain, history->request->backend->journal, 0, err);
    for (uint64_t looked = 0; rc == 0 && !has_enough(history, looked, began_ms); looked++) {
        if (history->at == 0 || history->at < history->from) {
            history->at = 0;
            break;
        }
        rc = step(history, err);
    }
    return rc;
}

/* --- the question --- */

static int read_question(struct history *history, struct err *err)
{
    const struct admin_request *request = history->request;
    const char *item = admin_query(request, "item");
    const char *to = admin_query(request, "to");
    history->limit = HISTORY_LIMIT;
    history->to = ADMIN_PAST_NOW;
    history->item = span_str(item != NULL ? item : "");
    int rc = admin_api_owner_of(request, &history->owner, err);
    if (rc == 0 && item != NULL) {
        rc = path_check(history->item, err);
    }
    if (rc == 0) {
        rc = admin_query_bool(request, "values", &history->values, err);
    }
    if (rc == 0) {
        rc = admin_query_number(request, "limit", 1, HISTORY_LIMIT_MAX, &history->limit, err);
    }
    if (rc == 0) {
        rc = admin_api_from(request, &history->from, err);
    }
    if (rc == 0 && to != NULL) {
        rc = admin_moment_seq(request->backend->journal, to, &history->to, err);
    }
    return rc;
}

static bool is_owners(const struct history *history, uint64_t bag_id)
{
    struct kv *kv = history->request->backend->kv;
    struct bag_row bag = {0};
    struct kv_grave grave = {0};
    if (kv_bag(kv, history->view, bag_id, &bag, NULL) == 0) {
        return owner_equal(&bag.owner, &history->owner);
    }
    return kv_grave(kv, history->view, bag_id, &grave, NULL) == 0 &&
           owner_equal(&grave.owner, &history->owner);
}

/* A cursor is the seq to go on with: it has to be of that owner. */
static int begin_at(struct history *history, const char *cursor, struct err *err)
{
    struct past_change change = {0};
    char *end = NULL;
    uint64_t seq = strtoull(cursor, &end, 10);
    int rc = cursor[0] >= '0' && cursor[0] <= '9' && *end == '\0' ? 0 : E_INVALID;
    if (rc == 0) {
        rc = journal_change_at(history->request->backend->journal, seq, &change, err);
    }
    if (rc == 0 && is_owners(history, change.change.bag_id)) {
        history->bag_id = change.change.bag_id;
        history->at = seq;
    } else if (rc == 0 || rc == E_INVALID || rc == E_NOT_FOUND) {
        rc = err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    } else if (rc == E_TOO_OLD) { /* let go of since that answer */
        history->too_old = true;
        rc = 0;
    }
    past_change_free(&change);
    return rc;
}

/* The newest bag of that name: the present one, or the last that was deleted. */
static int begin(struct history *history, struct err *err)
{
    const struct admin_backend *backend = history->request->backend;
    const char *cursor = admin_query(history->request, "cursor");
    struct admin_past_bag bag = {0};
    if (cursor != NULL) {
        return begin_at(history, cursor, err);
    }
    int rc = kv_bag_of(backend->kv, history->view, &history->owner, &bag.row, err);
    if (rc == E_NOT_FOUND) {
        rc =
            admin_past_deleted(backend, history->view, &history->owner, ADMIN_PAST_NOW, &bag, NULL);
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "there is no %s '%s', and nothing is known of an earlier one",
                       admin_api_kind(history->owner.kind), history->owner.shown);
    }
    history->bag_id = bag.row.bag_id;
    history->at = bag.row.last_seq;
    return rc;
}

static int answer(const struct history *history, struct admin_response *response, struct err *err)
{
    uint64_t floor = journal_floor(history->request->backend->journal);
    response->json =
        json_pack("{s:s, s:O, s:b, s:o}", "name", history->owner.shown, "changes", history->rows,
                  "complete", !history->too_old, "oldest", admin_api_seq(floor));
    if (response->json != NULL && history->at != 0 && history->at >= history->from) {
        (void)json_object_set_new(response->json, "next", admin_api_seq(history->at));
    }
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_history(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct history history = {.request = request, .rows = json_array()};
    int rc = read_question(&history, err);
    if (rc == 0) {
        rc = kv_view_new(&history.view, request->backend->kv, err);
    }
    if (rc == 0) {
        rc = admin_catalogue_read(&history.catalogue, request->backend->kv, history.view, err);
    }
    if (rc == 0) {
        rc = begin(&history, err);
    }
    if (rc == 0) {
        rc = fill_page(&history, err);
    }
    if (rc == 0) {
        rc = answer(&history, response, err);
    }
    for (size_t i = 0; i < history.memo_count; i++) {
        free(history.memos[i].name);
    }
    past_close(&history.chain);
    admin_catalogue_free(&history.catalogue);
    kv_view_free(&history.view);
    json_decref(history.rows);
    return admin_api_past_code(request, response, rc);
}
