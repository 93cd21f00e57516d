/* admin/api/changes.c - the journal's changes as a stream, for people and programs.
 *
 * A stream reads the journal by a cursor of its own and keeps one batch in memory. It gives a
 * change a line; when it is asked to follow, it goes on with what is committed later.
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
    TAIL = 10, /* when nothing else is asked for */
    TAIL_MAX = 10000,
    TAIL_OF_BAG_MAX = 1000, /* each is looked up */
};

struct feed {
    struct admin_stream stream;
    const struct admin_backend *backend;
    struct journal_cursor *cursor;
    struct batch batch;
    bool have_batch;
    struct unpacked scratch;
    uint64_t next_seq; /* the first one that was not given */
    uint64_t end_seq;  /* the last one to be given, when it does not follow */
    bool follow;
    bool values;
    bool filtered;
    struct owner owner; /* of the bag that alone is shown */
    uint64_t bag_id;
    uint64_t memo_id; /* whose owner's text `memo` is */
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

/* The bag's owner as text, "" when nothing tells any more. */
static const char *owner_text(struct feed *feed, const struct change *change)
{
    if (feed->memo_id == change->bag_id) {
        return feed->memo;
    }
    struct bag_row bag = {0};
    struct kv_grave grave = {0};
    feed->memo_id = change->bag_id;
    feed->memo[0] = '\0';
    if (change->kind == CHANGE_BAG_CREATE) {
        owner_format(&change->owner, feed->memo);
    } else if (kv_bag(feed->backend->kv, NULL, change->bag_id, &bag, NULL) == 0) {
        owner_format(&bag.owner, feed->memo);
    } else if (kv_grave(feed->backend->kv, NULL, change->bag_id, &grave, NULL) == 0) {
        owner_format(&grave.owner, feed->memo);
    }
    return feed->memo;
}

static int put_item(const struct feed *feed, json_t *line, const struct change *change)
{
    int rc = json_object_set_new(line, "item",
                                 json_stringn((const char *)change->path.data, change->path.size));
    if (rc == 0 && change->kind == CHANGE_ITEM_SET) {
        rc = json_object_set_new(line, "size", json_integer((json_int_t)change->value.size));
    }
    if (rc == 0 && admin_api_secret(change->path)) {
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
        rc = rc == 0 ? json_object_set_new(line, "bag", json_string(owner_text(feed, change))) : rc;
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

/* A line whose document there was no memory for is none. */
static int put_line(struct buf *out, const json_t *line, struct err *err)
{
    size_t before = out->size;
    if (admin_json_append(out, line) == E_NOMEM || buf_append_u8(out, '\n') == E_NOMEM) {
        buf_truncate(out, before);
        return err_set(err, E_NOMEM, "out of memory");
    }
    return 0; /* the buffer keeps other errors */
}

static int put_change(struct feed *feed, const struct change *change, struct err *err)
{
    json_t *line =
        json_pack("{s:o, s:o, s:s}", "seq", admin_api_seq(change->seq), "time",
                  admin_api_time(change->time_ms), "kind", admin_api_change_kind(change->kind));
    int rc = line != NULL && put_body(feed, line, change) == 0
                 ? put_line(feed->out, line, err)
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
    return change->bag_id == feed->bag_id;
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

static int put_heartbeat(const struct feed *feed, struct err *err)
{
    struct journal_position head;
    journal_head(feed->backend->journal, &head);
    json_t *line = json_pack("{s:b, s:o}", "heartbeat", 1, "head", admin_api_seq(head.seq));
    int rc = put_line(feed->out, line, err);
    json_decref(line);
    return rc;
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
            return E_CLOSED;
        }
        if (!feed->have_batch) {
            rc = journal_cursor_next(feed->cursor, &feed->batch, err);
        }
        if (rc == E_NOT_FOUND) {
            return out->size == 0 && idle_ms >= HEARTBEAT_MS ? put_heartbeat(feed, err) : 0;
        }
        if (rc == 0) {
            feed->have_batch = true;
            rc = batch_changes(&feed->batch, &feed->scratch, see_change, feed, err);
        }
        if (rc != 0) {
            return rc;
        }
        feed->have_batch = false;
        looked += feed->batch.payload.size;
    }
    return 1;
}

static void feed_free(struct admin_stream *stream)
{
    struct feed *feed = (struct feed *)stream;
    journal_cursor_close(&feed->cursor);
    unpack_close(&feed->scratch);
    free(feed);
}

/* --- where it begins --- */

/* "HISTORY:SEQ": changes behind SEQ of that history. */
static int read_since(const struct feed *feed, const char *text, uint64_t *seq,
                      struct admin_response *response, struct err *err)
{
    uint8_t wanted[HISTORY_SIZE];
    uint8_t ours[HISTORY_SIZE];
    struct span span = span_str(text);
    size_t digits = (size_t)2 * HISTORY_SIZE;
    char *end = NULL;
    if (span.size < digits + 2 || text[digits] != ':' ||
        hex_decode(span_of(span.data, digits), wanted, HISTORY_SIZE) != 0 ||
        text[digits + 1] < '0' || text[digits + 1] > '9' ||
        (*seq = strtoull(text + digits + 1, &end, 10), *end != '\0')) {
        return err_set(err, E_INVALID,
                       "'since' is HISTORY:SEQ, with the history as the status tells it");
    }
    journal_history(feed->backend->journal, ours);
    if (memcmp(wanted, ours, HISTORY_SIZE) != 0) {
        char told[2 * HISTORY_SIZE + 1];
        hex_encode(ours, HISTORY_SIZE, told);
        response->json = json_pack("{s:s}", "history", told);
        return err_set(err, E_HISTORY, "the server's history is %s", told);
    }
    if (*seq > feed->end_seq) {
        return err_set(err, E_DIVERGED, "the journal ends with change %" PRIu64 ", before %" PRIu64,
                       feed->end_seq, *seq);
    }
    return 0;
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

static int read_filter(struct feed *feed, const char *text, struct err *err)
{
    if (text == NULL) {
        return 0;
    }
    struct bag_row bag = {0};
    feed->filtered = true;
    int rc = owner_parse(&feed->owner, text, err);
    if (rc == 0) {
        rc = kv_bag_of(feed->backend->kv, NULL, &feed->owner, &bag, err);
        feed->bag_id = bag.bag_id;
    }
    return rc == E_NOT_FOUND ? err_set(err, rc, "there is no bag '%s'", text) : rc;
}

static int read_options(struct feed *feed, const struct admin_request *request, struct err *err)
{
    const char *kind = admin_query(request, "feed");
    feed->follow = true;
    if (kind != NULL && strcmp(kind, "ndjson") != 0) {
        return err_set(err, E_INVALID, "'feed' has to be ndjson, not '%s'", kind);
    }
    if (admin_query(request, "since") != NULL && admin_query(request, "tail") != NULL) {
        return err_set(err, E_INVALID, "'since' and 'tail' exclude each other");
    }
    int rc = admin_query_bool(request, "follow", &feed->follow, err);
    if (rc == 0) {
        rc = admin_query_bool(request, "values", &feed->values, err);
    }
    return rc == 0 ? read_filter(feed, admin_query(request, "bag"), err) : rc;
}

static int open_feed(struct feed *feed, const struct admin_request *request,
                     struct admin_response *response, struct err *err)
{
    struct journal *journal = feed->backend->journal;
    struct journal_position head;
    journal_head(journal, &head);
    feed->end_seq = head.seq;
    int rc = read_options(feed, request, err);
    if (rc != 0) {
        return rc;
    }
    const char *since = admin_query(request, "since");
    if (since == NULL) {
        rc = find_tail(feed, request, &feed->next_seq, err);
    } else {
        rc = read_since(feed, since, &feed->next_seq, response, err);
        feed->next_seq++;
    }
    if (rc == 0) {
        rc = journal_cursor_open(&feed->cursor, journal, feed->next_seq, err);
        if (rc == E_NOT_FOUND) {
            response->status = 410;
            response->json = json_pack("{s:o}", "oldest", admin_api_seq(journal_floor(journal)));
        }
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
    response->status = 200;
    response->stream = &feed->stream;
    return 0;
}
