/* admin/api/changes.c - the journal's changes as a stream, for people and programs.
 *
 * A stream reads the journal by a cursor of its own and keeps one batch in memory. It gives a
 * change a line (ndjson) or an event (SSE); when it is asked to follow, it goes on with what is
 * committed later. A long poll is answered with the changes that there are, or, when there are
 * none, with the first that come within some seconds.
 *
 * HISTORY:SEQ is a place in it: all changes up to SEQ were given. Who goes on from there gets every
 * later change once, whatever the place is within a batch or a change set.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "base/hash.h"

enum {
    PIECE_BYTES = 128 << 10, /* given at once, about */
    LOOK_BYTES = 4 << 20,    /* of batches read at once */
    HEARTBEAT_MS = 10000,
    WAIT_S = 30, /* a long poll waits for changes so long */
    PLACE_MAX = 2 * HISTORY_SIZE + 22,
    TAIL = 10, /* when nothing else is asked for */
    TAIL_MAX = 10000,
    TAIL_OF_BAG_MAX = 1000, /* each is looked up */
};

enum feed_form { FORM_NDJSON, FORM_SSE, FORM_POLL };

struct feed {
    struct admin_stream stream;
    enum feed_form form;
    uint64_t wait_ms; /* of a long poll */
    bool answered;    /* of a long poll: it has begun */
    const struct admin_backend *backend;
    struct journal_cursor *cursor;
    struct batch batch;
    bool have_batch;
    struct unpacked scratch;
    struct admin_catalogue catalogue; /* as it was when the batch was met */
    uint64_t next_seq;                /* the first one that was not given */
    uint64_t end_seq;                 /* the last one to be given, when it does not follow */
    bool follow;
    bool values;
    bool filtered;
    struct owner owner; /* of the bag that alone is shown */
    uint64_t bag_id;
    uint64_t memo_id; /* whose owner's text `memo` is, and kind; kind 0: not known */
    enum owner_kind memo_kind;
    char memo[OWNER_TEXT_MAX];
    struct buf *out; /* during a call of next */
};

/* --- a change as a line --- */

const char *admin_api_change_kind(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_HISTORY:
        return "history";
    case CHANGE_BAG_CREATE:
        return "bag.create";
    case CHANGE_BAG_DELETE:
        return "bag.delete";
    case CHANGE_ITEM_SET:
        return "item.set";
    case CHANGE_ITEM_REMOVE:
        return "item.remove";
    case CHANGE_OP_VOID:
        return "op.void";
    }
    return "unknown";
}

static void remember(struct feed *feed, const struct owner *owner)
{
    owner_format(owner, feed->memo);
    feed->memo_kind = owner->kind;
}

/* The bag's owner: "" and kind 0 when nothing tells any more. */
static void look_up_owner(struct feed *feed, const struct change *change)
{
    struct bag_row bag = {0};
    struct kv_grave grave = {0};
    if (feed->memo_id == change->bag_id) {
        return;
    }
    feed->memo_id = change->bag_id;
    feed->memo_kind = 0;
    feed->memo[0] = '\0';
    if (change->kind == CHANGE_BAG_CREATE) {
        remember(feed, &change->owner);
    } else if (kv_bag(feed->backend->kv, NULL, change->bag_id, &bag, NULL) == 0) {
        remember(feed, &bag.owner);
    } else if (kv_grave(feed->backend->kv, NULL, change->bag_id, &grave, NULL) == 0) {
        remember(feed, &grave.owner);
    }
}

static int put_item(const struct feed *feed, json_t *line, const struct change *change)
{
    int rc = json_object_set_new(line, "item",
                                 json_stringn((const char *)change->path.data, change->path.size));
    if (rc == 0 && change->kind == CHANGE_ITEM_SET) {
        rc = json_object_set_new(line, "size", json_integer((json_int_t)change->value.size));
    }
    if (rc == 0 && admin_catalogue_secret(&feed->catalogue, feed->memo_kind, change->path)) {
        rc = json_object_set_new(line, "masked", json_true());
    } else if (rc == 0 && feed->values && change->kind == CHANGE_ITEM_SET) {
        rc = admin_api_put_value(line, change->value);
    }
    return rc;
}

static int put_origin(json_t *line, const struct change *change)
{
    char device[DEVICE_TEXT_MAX] = "";
    if (change->origin != 0) {
        device_format(change->origin, device);
    }
    int rc = json_object_set_new(line, "origin", json_string(device));
    return rc != 0
               ? rc
               : json_object_set_new(
                     line, "actor",
                     json_stringn(change->actor.size > 0 ? (const char *)change->actor.data : "",
                                  change->actor.size));
}

static int put_body(struct feed *feed, json_t *line, const struct change *change)
{
    int rc = 0;
    if (change->bag_id != 0) {
        rc = json_object_set_new(line, "bag_id", admin_api_seq(change->bag_id));
        look_up_owner(feed, change);
        rc = rc == 0 ? json_object_set_new(line, "bag", json_string(feed->memo)) : rc;
    }
    if (rc == 0 && (change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE)) {
        rc = put_item(feed, line, change);
    } else if (rc == 0 && change->kind == CHANGE_OP_VOID) {
        rc = json_object_set_new(line, "code", json_string(err_name(err_from_wire(change->code))));
    }
    rc = rc == 0 ? put_origin(line, change) : rc;
    if (rc == 0 && change->conflict) {
        rc = json_object_set_new(line, "conflict", json_true());
    }
    if (rc == 0 && change->set_left > 0) {
        rc = json_object_set_new(line, "set_left", json_integer(change->set_left));
    }
    return rc;
}

/* --- a line in its form --- */

/* "HISTORY:SEQ", all up to `seq` given. */
static void put_place(const struct feed *feed, uint64_t seq, char out[PLACE_MAX])
{
    uint8_t history[HISTORY_SIZE];
    char digits[2 * HISTORY_SIZE + 1];
    journal_history(feed->backend->journal, history);
    hex_encode(history, HISTORY_SIZE, digits);
    (void)snprintf(out, PLACE_MAX, "%s:%" PRIu64, digits, seq);
}

static void put_form(struct feed *feed, const char *event, uint64_t seq, const json_t *line)
{
    struct buf *out = feed->out;
    char place[PLACE_MAX];
    if (feed->form == FORM_SSE) {
        put_place(feed, seq, place);
        (void)buf_printf(out, "id: %s\nevent: %s\ndata: ", place, event);
    } else if (feed->form == FORM_POLL) {
        (void)buf_append_span(out,
                              feed->answered ? SPAN_LITERAL(",") : SPAN_LITERAL("{\"changes\":["));
    }
    (void)admin_json_append(out, line);
    if (feed->form != FORM_POLL) {
        (void)buf_append_span(out,
                              feed->form == FORM_SSE ? SPAN_LITERAL("\n\n") : SPAN_LITERAL("\n"));
    }
}

/* Whole or not at all: a line whose document there was no memory for is none. */
static int put_line(struct feed *feed, const char *event, uint64_t seq, const json_t *line,
                    struct err *err)
{
    struct buf *out = feed->out;
    size_t before = out->size;
    put_form(feed, event, seq, line);
    if (buf_error(out) == E_NOMEM) {
        buf_truncate(out, before);
        return err_set(err, E_NOMEM, "out of memory");
    }
    feed->answered = true;
    return 0; /* the buffer keeps other errors */
}

static int put_change(struct feed *feed, const struct change *change, struct err *err)
{
    json_t *line =
        json_pack("{s:o, s:o, s:s}", "seq", admin_api_seq(change->seq), "time",
                  admin_api_time(change->time_ms), "kind", admin_api_change_kind(change->kind));
    int rc = line != NULL && put_body(feed, line, change) == 0
                 ? put_line(feed, "change", change->seq, line, err)
                 : err_set(err, E_NOMEM, "out of memory");
    json_decref(line);
    return rc;
}

/* --- the stream --- */

/* A bag that is made again under the same name is the same to who asks by name. */
static bool is_wanted(struct feed *feed, const struct change *change)
{
    if (!feed->filtered) {
        return true;
    }
    if (change->kind == CHANGE_BAG_CREATE && owner_equal(&change->owner, &feed->owner)) {
        feed->bag_id = change->bag_id;
    }
    return feed->bag_id != 0 && change->bag_id == feed->bag_id;
}

/* 1: enough for now. */
static int see_change(void *context, const struct change *change, struct err *err)
{
    struct feed *feed = context;
    if (change->seq < feed->next_seq) {
        return 0;
    }
    if (!feed->follow && change->seq > feed->end_seq) {
        return E_CLOSED;
    }
    if (feed->out->size >= PIECE_BYTES) {
        return 1;
    }
    int rc = is_wanted(feed, change) ? put_change(feed, change, err) : 0;
    feed->next_seq = change->seq + 1;
    return rc;
}

/* The newest change, and from where to go on, also when nothing of late was wanted. */
static json_t *whereabouts(const struct feed *feed)
{
    struct journal_position head;
    char place[PLACE_MAX];
    journal_head(feed->backend->journal, &head);
    put_place(feed, feed->next_seq - 1, place);
    return json_pack("{s:o, s:s}", "head", admin_api_seq(head.seq), "next", place);
}

static int put_heartbeat(struct feed *feed, struct err *err)
{
    json_t *line = whereabouts(feed);
    int rc = line != NULL ? 0 : E_NOMEM;
    if (rc == 0 && feed->form == FORM_NDJSON) {
        rc = json_object_set_new(line, "heartbeat", json_true());
    }
    rc = rc == 0 ? put_line(feed, "heartbeat", feed->next_seq - 1, line, err)
                 : err_set(err, E_NOMEM, "out of memory");
    json_decref(line);
    return rc;
}

/* The answer of a long poll is complete. */
static int end_poll(struct feed *feed, struct err *err)
{
    struct buf *out = feed->out;
    size_t before = out->size;
    json_t *more = whereabouts(feed);
    (void)buf_append_span(out,
                          feed->answered ? SPAN_LITERAL("]") : SPAN_LITERAL("{\"changes\":[]"));
    size_t brace = out->size; /* the rest's members go on behind a comma */
    if (admin_json_append(out, more) == 0) {
        out->data[brace] = ',';
    }
    (void)buf_append_u8(out, '\n');
    json_decref(more);
    if (buf_error(out) == E_NOMEM) {
        buf_truncate(out, before);
        return err_set(err, E_NOMEM, "out of memory");
    }
    return E_CLOSED;
}

/* There is nothing more at the moment. */
static int rest(struct feed *feed, uint64_t idle_ms, struct err *err)
{
    if (feed->form == FORM_POLL) {
        return feed->answered || idle_ms >= feed->wait_ms ? end_poll(feed, err) : 0;
    }
    return feed->out->size == 0 && idle_ms >= HEARTBEAT_MS ? put_heartbeat(feed, err) : 0;
}

static int end(struct feed *feed, struct err *err)
{
    return feed->form == FORM_POLL ? end_poll(feed, err) : E_CLOSED;
}

/* What is enough for now is all that one poll gets. */
static int pause(struct feed *feed, struct err *err)
{
    return feed->form == FORM_POLL && feed->answered ? end_poll(feed, err) : 1;
}

static int feed_next(struct admin_stream *stream, uint64_t idle_ms, struct buf *out,
                     struct err *err)
{
    struct feed *feed = (struct feed *)stream;
    size_t looked = 0;
    feed->out = out;
    while (looked < LOOK_BYTES) {
        int rc = 0;
        if (!feed->follow && feed->next_seq > feed->end_seq) {
            return end(feed, err);
        }
        if (!feed->have_batch) {
            rc = journal_cursor_next(feed->cursor, &feed->batch, err);
        }
        if (rc == E_NOT_FOUND) {
            return rest(feed, idle_ms, err);
        }
        if (rc == 0) {
            feed->have_batch = true;
            rc = admin_catalogue_read(&feed->catalogue, feed->backend->kv, NULL, err);
        }
        if (rc == 0) {
            rc = batch_changes(&feed->batch, &feed->scratch, see_change, feed, err);
        }
        if (rc != 0) {
            return rc == 1 ? pause(feed, err) : rc == E_CLOSED ? end(feed, err) : rc;
        }
        feed->have_batch = false;
        looked += feed->batch.payload.size;
    }
    return pause(feed, err);
}

static void feed_free(struct admin_stream *stream)
{
    struct feed *feed = (struct feed *)stream;
    journal_cursor_close(&feed->cursor);
    unpack_close(&feed->scratch);
    admin_catalogue_free(&feed->catalogue);
    free(feed);
}

/* --- where it begins --- */

static int read_place(const char *text, uint8_t history[HISTORY_SIZE], uint64_t *seq,
                      struct err *err)
{
    struct span span = span_str(text);
    size_t digits = (size_t)2 * HISTORY_SIZE;
    bool good = span.size > digits + 1 && span.size <= digits + 20 && text[digits] == ':' &&
                hex_decode(span_of(span.data, digits), history, HISTORY_SIZE) == 0;
    const char *number = good ? text + digits + 1 : "";
    if (number[0] == '\0' || number[strspn(number, "0123456789")] != '\0') {
        return err_set(err, E_INVALID,
                       "'since' is HISTORY:SEQ, with the history as the status tells it");
    }
    *seq = strtoull(number, NULL, 10);
    return 0;
}

/* Changes behind a place. One on the line of a history that ours began from is ours too. */
static int read_since(const struct feed *feed, const char *text, uint64_t *seq,
                      struct admin_response *response, struct err *err)
{
    uint8_t wanted[HISTORY_SIZE];
    uint8_t ours[HISTORY_SIZE];
    uint64_t shared = 0;
    int rc = read_place(text, wanted, seq, err);
    if (rc != 0) {
        return rc;
    }
    rc = journal_lineage(feed->backend->journal, wanted, &shared, err);
    if (rc == E_HISTORY || (rc == 0 && *seq > shared)) {
        char told[2 * HISTORY_SIZE + 1];
        journal_history(feed->backend->journal, ours);
        hex_encode(ours, HISTORY_SIZE, told);
        response->json = json_pack("{s:s}", "history", told);
        return err_set(err, E_HISTORY, "the server's history is %s", told);
    }
    if (rc == 0 && *seq > feed->end_seq) {
        return err_set(err, E_DIVERGED, "the journal ends with change %" PRIu64 ", before %" PRIu64,
                       feed->end_seq, *seq);
    }
    return rc;
}

struct look {
    uint64_t seq;
    uint64_t prev;
};

static int find_prev(void *context, const struct change *change, struct err *err)
{
    (void)err;
    struct look *look = context;
    look->prev = change->seq == look->seq ? change->prev : look->prev;
    return 0;
}

/* The seq from which the bag has `count` changes, by the chain of its changes. */
static int tail_of_bag(struct feed *feed, uint64_t last_seq, uint64_t count, uint64_t *from,
                       struct err *err)
{
    uint64_t floor = journal_floor(feed->backend->journal);
    *from = last_seq;
    for (uint64_t i = 1; i < count; i++) {
        struct look look = {.seq = *from};
        struct journal_cursor *cursor = NULL;
        struct batch batch;
        int rc = journal_cursor_open(&cursor, feed->backend->journal, look.seq, err);
        if (rc == 0) {
            rc = journal_cursor_next(cursor, &batch, err);
        }
        if (rc == 0) {
            rc = batch_changes(&batch, &feed->scratch, find_prev, &look, err);
        }
        journal_cursor_close(&cursor);
        if (rc != 0 || look.prev < floor || look.prev == 0) {
            return rc;
        }
        *from = look.prev;
    }
    return 0;
}

static int find_tail(struct feed *feed, const struct admin_request *request, uint64_t *from,
                     struct err *err)
{
    uint64_t count = TAIL;
    int rc = admin_query_number(request, "tail", 0, feed->filtered ? TAIL_OF_BAG_MAX : TAIL_MAX,
                                &count, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t floor = journal_floor(feed->backend->journal);
    *from = feed->end_seq + 1 > count + floor ? feed->end_seq + 1 - count : floor;
    struct bag_row bag = {0};
    if (!feed->filtered || count == 0) {
        return 0;
    }
    rc = kv_bag(feed->backend->kv, NULL, feed->bag_id, &bag, err);
    return rc == 0 && bag.last_seq >= floor ? tail_of_bag(feed, bag.last_seq, count, from, err)
                                            : rc;
}

/* The bag that bore the name at that place: what it is now may have begun later. None is fine, it
 * may be made yet. */
static int find_bag_at(struct feed *feed, uint64_t seq, struct err *err)
{
    struct kv_view *view = NULL;
    struct bag_row bag = {0};
    struct admin_past_bag gone = {0};
    int rc = kv_view_new(&view, feed->backend->kv, err);
    if (rc == 0) {
        rc = kv_bag_of(feed->backend->kv, view, &feed->owner, &bag, err);
    }
    if (rc == E_NOT_FOUND || (rc == 0 && bag.bag_id > seq)) {
        rc = admin_past_deleted(feed->backend, view, &feed->owner, seq, &gone, err);
        bag.bag_id = rc == 0 && gone.deleted_seq > seq ? gone.row.bag_id : 0;
    }
    kv_view_free(&view);
    feed->bag_id = bag.bag_id;
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int find_bag_now(struct feed *feed, const char *text, struct err *err)
{
    struct bag_row bag = {0};
    int rc = kv_bag_of(feed->backend->kv, NULL, &feed->owner, &bag, err);
    feed->bag_id = bag.bag_id;
    return rc == E_NOT_FOUND ? err_set(err, rc, "there is no bag '%s'", text) : rc;
}

static int read_form(struct feed *feed, const struct admin_request *request, struct err *err)
{
    static const char *const names[] = {"ndjson", "sse", "longpoll"};
    const char *kind = admin_query(request, "feed");
    for (size_t i = 0; kind != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(kind, names[i]) == 0) {
            feed->form = (enum feed_form)i;
            kind = NULL;
        }
    }
    return kind == NULL
               ? 0
               : err_set(err, E_INVALID, "'feed' is ndjson, sse or longpoll, not '%s'", kind);
}

static int read_options(struct feed *feed, const struct admin_request *request, struct err *err)
{
    const char *bag = admin_query(request, "bag");
    uint64_t wait_s = WAIT_S;
    feed->follow = true;
    feed->filtered = bag != NULL;
    int rc = read_form(feed, request, err);
    if (rc == 0 && admin_query(request, "since") != NULL && admin_query(request, "tail") != NULL) {
        rc = err_set(err, E_INVALID, "'since' and 'tail' exclude each other");
    }
    if (rc == 0) {
        rc = admin_query_bool(request, "follow", &feed->follow, err);
    }
    if (rc == 0) {
        rc = admin_query_bool(request, "values", &feed->values, err);
    }
    if (rc == 0) {
        rc = admin_query_number(request, "wait", 0, WAIT_S, &wait_s, err);
    }
    feed->wait_ms = wait_s * 1000;
    return rc == 0 && bag != NULL ? owner_parse(&feed->owner, bag, err) : rc;
}

/* From the place where a stream broke off, which its reader's program tells by itself; from the one
 * that was asked for; or from some changes before the end. */
static int find_begin(struct feed *feed, const struct admin_request *request,
                      struct admin_response *response, struct err *err)
{
    const char *since = admin_query(request, "since");
    uint64_t seq = 0;
    int rc = 0;
    if (feed->form == FORM_SSE && request->last_event_id[0] != '\0') {
        since = request->last_event_id;
    }
    if (since == NULL) {
        rc = feed->filtered ? find_bag_now(feed, admin_query(request, "bag"), err) : 0;
        return rc == 0 ? find_tail(feed, request, &feed->next_seq, err) : rc;
    }
    rc = read_since(feed, since, &seq, response, err);
    feed->next_seq = seq + 1;
    return rc == 0 && feed->filtered ? find_bag_at(feed, seq, err) : rc;
}

static int open_feed(struct feed *feed, const struct admin_request *request,
                     struct admin_response *response, struct err *err)
{
    struct journal *journal = feed->backend->journal;
    struct journal_position head;
    journal_head(journal, &head);
    feed->end_seq = head.seq;
    int rc = read_options(feed, request, err);
    if (rc == 0) {
        rc = find_begin(feed, request, response, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = journal_cursor_open(&feed->cursor, journal, feed->next_seq, err);
    if (rc == E_NOT_FOUND) {
        uint64_t floor = journal_floor(journal);
        response->json = json_pack("{s:o}", "oldest", admin_api_seq(floor));
        rc = err_set(err, E_TOO_OLD,
                     "changes from %" PRIu64 " on were asked for: the journal begins with %" PRIu64,
                     feed->next_seq, floor);
    }
    return rc;
}

int admin_api_changes(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    feed->stream = (struct admin_stream){.next = feed_next, .free = feed_free};
    feed->backend = request->backend;
    int rc = open_feed(feed, request, response, err);
    if (rc != 0) {
        feed_free(&feed->stream);
        return rc;
    }
    feed->stream.sse = feed->form == FORM_SSE;
    response->status = 200;
    response->stream = &feed->stream;
    response->content_type = feed->form == FORM_POLL ? "application/json" : NULL;
    return 0;
}
