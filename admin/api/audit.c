/* admin/api/audit.c - who did what in administration, the newest first.
 *
 * The audit is the past of the item `@audit` of the server's bag. Each of its changes names the one
 * that it replaced, so nothing else of that bag is read. A page ends with enough rows, or after
 * enough work; then `next` goes on.
 */
#include "admin/auth/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/moment.h"
#include "journal/past.h"

enum {
    AUDIT_LIMIT = 200, /* when nothing else is asked for */
    AUDIT_LIMIT_MAX = 1000,
    AUDIT_BYTES_MAX = 4 << 20, /* of events in one answer; one may exceed it */
    LOOK_EVENTS = 20000,       /* looked at for one page */
    LOOK_MS = 2000,
    PATIENCE = 64, /* events between two looks at the clock */
};

struct reading {
    const struct admin_request *request;
    const char *actor;  /* NULL: all */
    const char *action; /* NULL: all */
    uint64_t from;
    uint64_t to;
    uint64_t limit;
    uint64_t at;  /* the next change to read; 0: there is none */
    bool too_old; /* it is no longer there */
    struct past *chain;
    json_t *rows;
    size_t bytes;
};

static bool is_audit(const struct change *change)
{
    return change->kind == CHANGE_ITEM_SET &&
           span_equal(change->path, SPAN_LITERAL(AUTH_AUDIT_PATH));
}

/* --- a row --- */

static bool is_text(const json_t *event, const char *member, const char *wanted)
{
    const char *text = json_string_value(json_object_get(event, member));
    return wanted == NULL || (text != NULL && strcmp(text, wanted) == 0);
}

/* "session" finds "session.begin" too. */
static bool is_action(const json_t *event, const char *wanted)
{
    const char *text = json_string_value(json_object_get(event, "action"));
    size_t size = wanted != NULL ? strlen(wanted) : 0;
    return wanted == NULL || (text != NULL && strncmp(text, wanted, size) == 0 &&
                              (text[size] == '\0' || text[size] == '.'));
}

static int add_row(struct reading *reading, const struct change *change, struct err *err)
{
    json_t *event = NULL;
    int rc = change->seq <= reading->to ? admin_json_read(change->value, &event, err) : E_NOT_FOUND;
    if (rc == E_MALFORMED) { /* not of this version: that it was there is told */
        event = json_object();
        rc = 0;
    }
    bool wanted =
        rc == 0 && is_text(event, "actor", reading->actor) && is_action(event, reading->action);
    if (wanted) {
        bool made = json_object_set_new(event, "seq", admin_api_seq(change->seq)) == 0 &&
                    json_object_set_new(event, "time", admin_api_time(change->time_ms)) == 0 &&
                    json_array_append(reading->rows, event) == 0;
        rc = made ? 0 : err_set(err, E_NOMEM, "out of memory");
        reading->bytes += change->value.size;
    }
    json_decref(event);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* --- the walk --- */

static int step(struct reading *reading, struct err *err)
{
    struct change change;
    past_seek(reading->chain, reading->at);
    int rc = past_next(reading->chain, &change, err);
    if (rc == E_TOO_OLD) {
        reading->too_old = true;
        reading->at = 0;
        return 0;
    }
    if (rc == 0 && !is_audit(&change)) {
        rc = err_set(err, E_CORRUPT, "change %" PRIu64 " is not of the audit", change.seq);
    }
    if (rc == 0) {
        rc = add_row(reading, &change, err);
        reading->at = change.old_seq;
    }
    return rc;
}

static bool has_enough(const struct reading *reading, uint64_t looked, uint64_t began_ms)
{
    return json_array_size(reading->rows) >= reading->limit || reading->bytes >= AUDIT_BYTES_MAX ||
           looked >= LOOK_EVENTS ||
           (looked > 0 && looked % PATIENCE == 0 &&
            (clock_mono_ms(&clock_system) - began_ms >= LOOK_MS ||
             atomic_load(reading->request->given_up)));
}

static int fill_page(struct reading *reading, struct err *err)
{
    uint64_t began_ms = clock_mono_ms(&clock_system);
    int rc = past_open(&reading->chain, reading->request->backend->journal, 0, err);
    for (uint64_t looked = 0; rc == 0 && !has_enough(reading, looked, began_ms); looked++) {
        if (reading->at == 0 || reading->at < reading->from) {
            reading->at = 0;
            break;
        }
        rc = step(reading, err);
    }
    return rc;
}

/* --- the question --- */

static int read_question(struct reading *reading, struct err *err)
{
    const struct admin_request *request = reading->request;
    const char *to = admin_query(request, "to");
    reading->limit = AUDIT_LIMIT;
    reading->to = ADMIN_PAST_NOW;
    reading->actor = admin_query(request, "actor");
    reading->action = admin_query(request, "action");
    int rc = admin_query_number(request, "limit", 1, AUDIT_LIMIT_MAX, &reading->limit, err);
    if (rc == 0) {
        rc = admin_api_from(request, &reading->from, err);
    }
    if (rc == 0 && to != NULL) {
        rc = admin_moment_seq(request->backend->journal, to, &reading->to, err);
        if (rc == E_TOO_OLD) { /* before all that is known: nothing */
            reading->to = 0;
            rc = 0;
        }
    }
    return rc;
}

/* A cursor is the seq of the event to go on with. */
static int begin_at(struct reading *reading, const char *cursor, struct err *err)
{
    struct past_change change = {0};
    uint64_t seq = 0;
    bool digits =
        cursor[0] != '\0' && strlen(cursor) <= 19 && strspn(cursor, "0123456789") == strlen(cursor);
    int rc = E_INVALID;
    if (digits) {
        seq = strtoull(cursor, NULL, 10);
        rc = journal_change_at(reading->request->backend->journal, seq, &change, err);
    }
    if (rc == 0 && is_audit(&change.change)) {
        reading->at = seq;
    } else if (rc == 0 || rc == E_INVALID || rc == E_NOT_FOUND) {
        rc = err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    } else if (rc == E_TOO_OLD) { /* let go of since that answer */
        reading->too_old = true;
        rc = 0;
    }
    past_change_free(&change);
    return rc;
}

/* The newest event: what the item is now. */
static int begin(struct reading *reading, struct err *err)
{
    struct kv *kv = reading->request->backend->kv;
    const char *cursor = admin_query(reading->request, "cursor");
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    if (cursor != NULL) {
        return begin_at(reading, cursor, err);
    }
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc == 0) {
        rc = kv_item(kv, NULL, bag.bag_id, SPAN_LITERAL(AUTH_AUDIT_PATH), &item, err);
    }
    reading->at = rc == 0 && item.row.state == ITEM_LIVE ? item.row.seq : 0;
    kv_item_free(&item);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int answer(const struct reading *reading, struct admin_response *response, struct err *err)
{
    response->json = json_pack("{s:O, s:b}", "audit", reading->rows, "complete", !reading->too_old);
    int rc = response->json != NULL ? 0 : -1;
    if (rc == 0 && reading->at != 0 && reading->at >= reading->from) {
        rc = json_object_set_new(response->json, "next", admin_api_seq(reading->at));
    }
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_audit(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    struct reading reading = {.request = request, .rows = json_array()};
    int rc = reading.rows != NULL ? read_question(&reading, err)
                                  : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = begin(&reading, err);
    }
    if (rc == 0) {
        rc = fill_page(&reading, err);
    }
    if (rc == 0) {
        rc = answer(&reading, response, err);
    }
    past_close(&reading.chain);
    json_decref(reading.rows);
    return rc;
}
