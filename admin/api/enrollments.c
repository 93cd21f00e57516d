/* admin/api/enrollments.c - join tokens: making them, seeing them, taking them back.
 *
 * What can be seen of a token later is not the token: the server keeps its public half only. Its id
 * is the beginning of that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/api/remove.h"
#include "admin/devices.h"
#include "base/clock.h"

enum {
    TOKENS_MAX = 1000, /* made by one request */
    TOKEN_SECONDS = 3600,
    TOKEN_SECONDS_MAX = 30 * 24 * 3600,
    TOKEN_ROOM = 8192, /* more than any token's text */
    LIST_LIMIT = 100,
    LIST_LIMIT_MAX = 1000,
    ID_SIZE = ENROLLMENT_ID_MAX - 1,
    PATH_ROOM = 80,
};

static const char PREFIX[] = "token/";

/* --- making --- */

struct making {
    const struct admin_request *request;
    uint64_t count;
    uint64_t seconds;
    uint64_t made;
    struct enrollment wanted;
    json_t *tokens;
    json_t *ids;
};

static int make_tokens(struct making *making, struct err *err)
{
    const struct admin_backend *backend = making->request->backend;
    char *text = malloc(TOKEN_ROOM);
    int rc = text != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    making->wanted.expires_ms = clock_wall_ms(&clock_system) + making->seconds * 1000;
    for (uint64_t i = 0; i < making->count && rc == 0; i++) {
        rc = backend->enroll(backend->context, &making->wanted, text, TOKEN_ROOM, err);
        making->made += rc == 0;
        if (rc == 0 && (json_array_append_new(making->tokens, json_string(text)) != 0 ||
                        json_array_append_new(making->ids, json_string(making->wanted.id)) != 0)) {
            rc = err_set(err, E_NOMEM, "out of memory");
        }
    }
    free(text);
    return rc;
}

/* One machine can take another's place, so it is one token. */
static int read_replaces(json_t *body, struct making *making, struct err *err)
{
    const json_t *value = json_object_get(body, "replaces");
    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    const char *text = json_string_value(value);
    if (text == NULL || device_parse(text, &making->wanted.replaces, NULL) != 0 ||
        making->wanted.replaces == 0) {
        return err_set(err, E_INVALID, "'replaces' is the ID of a registered machine");
    }
    return making->count == 1
               ? 0
               : err_set(err, E_INVALID,
                         "'replaces' is for one token: one machine takes another's place");
}

static int read_making(json_t *body, struct making *making, struct err *err)
{
    int rc = admin_api_number(body, "count", 1, TOKENS_MAX, &making->count, err);
    if (rc == 0) {
        rc = admin_api_number(body, "expires_s", 1, TOKEN_SECONDS_MAX, &making->seconds, err);
    }
    return rc != 0 ? rc : read_replaces(body, making, err);
}

static json_t *replaced(const struct enrollment *wanted)
{
    char text[DEVICE_TEXT_MAX];
    if (wanted->replaces == 0) {
        return json_null();
    }
    device_format(wanted->replaces, text);
    return json_string(text);
}

static int answer_making(const struct making *making, struct admin_response *response,
                         struct err *err)
{
    response->json = json_pack("{s:O, s:O, s:o, s:o}", "tokens", making->tokens, "ids", making->ids,
                               "expires_at", admin_api_time(making->wanted.expires_ms), "replaces",
                               replaced(&making->wanted));
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_enrollments(const struct admin_request *request, struct admin_response *response,
                          struct err *err)
{
    json_t *body = NULL;
    struct making making = {
        .request = request,
        .count = 1,
        .seconds = TOKEN_SECONDS,
        .wanted = {.actor = request->actor, .keeps_rights = request->role >= ADMIN_ROLE_ADMIN},
        .tokens = json_array(),
        .ids = json_array(),
    };
    int rc = admin_body_json(request, "count expires_s replaces", &body, err);
    if (rc == 0) {
        rc = read_making(body, &making, err);
    }
    if (rc == 0) {
        rc = make_tokens(&making, err);
    }
    if (rc == 0) {
        rc = answer_making(&making, response, err);
    }
    response->about = json_pack("{s:I, s:o}", "count", (json_int_t)making.made, "replaces",
                                replaced(&making.wanted));
    if (rc != 0 && making.made > 0) { /* nobody was told these: they can be taken back */
        response->partly = true;
        (void)err_prefix(err, "after %" PRIu64 " of %" PRIu64, making.made, making.count);
    }
    json_decref(making.tokens);
    json_decref(making.ids);
    json_decref(body);
    return rc;
}

/* --- seeing --- */

struct listed {
    char id[ENROLLMENT_ID_MAX];
    uint64_t created_ms;
    json_t *record;
};

/* Of however many tokens there are only the newest behind `after` are kept: those of one page, and
 * one that tells that others follow. */
struct listing {
    uint64_t now_ms;
    struct listed after; /* the last of the page before; of the first page its id is "" */
    size_t limit;
    struct listed *rows; /* room for `room`, twice as many as are kept */
    size_t count, room;
};

static const char *state_of(const json_t *record, uint64_t now_ms)
{
    const char *state = json_string_value(json_object_get(record, "state"));
    if (state != NULL && strcmp(state, "used") == 0) {
        return "used";
    }
    json_int_t expires_ms = json_integer_value(json_object_get(record, "expires_ms"));
    return expires_ms > 0 && (uint64_t)expires_ms > now_ms ? "new" : "expired";
}

/* "" and absent are null. */
static json_t *text_or_null(const json_t *record, const char *member)
{
    const char *text = json_string_value(json_object_get(record, member));
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static uint64_t number_of(const json_t *record, const char *member)
{
    json_int_t number = json_integer_value(json_object_get(record, member));
    return number > 0 ? (uint64_t)number : 0;
}

/* The newest first. */
static int by_age(const void *a, const void *b)
{
    const struct listed *one = a;
    const struct listed *other = b;
    if (one->created_ms != other->created_ms) {
        return one->created_ms < other->created_ms ? 1 : -1;
    }
    return strcmp(one->id, other->id);
}

/* Sorted, and no more of them than `most`. */
static void keep_newest(struct listing *listing, size_t most)
{
    if (listing->count > 0) {
        qsort(listing->rows, listing->count, sizeof *listing->rows, by_age);
    }
    while (listing->count > most) {
        json_decref(listing->rows[--listing->count].record);
    }
}

/* Older records do not tell when they were made: the item's time does, until the token is used. */
static void note_token(struct listing *listing, struct span path, const struct item_row *row,
                       json_t *record)
{
    struct listed listed = {.created_ms = number_of(record, "created_ms")};
    memcpy(listed.id, path.data + sizeof PREFIX - 1, ID_SIZE);
    if (listed.created_ms == 0) {
        listed.created_ms = row->time_ms;
    }
    if (listing->after.id[0] != '\0' && by_age(&listed, &listing->after) <= 0) {
        return;
    }
    if (listing->count == listing->room) {
        keep_newest(listing, listing->limit + 1);
    }
    listed.record = json_incref(record);
    listing->rows[listing->count++] = listed;
}

/* One that can't be understood is left out: the log tells of it. */
static int see_token(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct listing *listing = context;
    json_t *record = NULL;
    if (row->state != ITEM_LIVE || path.size < sizeof PREFIX - 1 + ID_SIZE) {
        return 0;
    }
    int rc = admin_json_read(row->value, &record, NULL);
    if (rc == 0 && json_is_object(record)) {
        note_token(listing, path, row, record);
    }
    json_decref(record);
    return rc == E_NOMEM ? err_set(err, rc, "out of memory") : 0;
}

static int find_page(const struct admin_request *request, struct listing *listing, struct err *err)
{
    struct admin_items items = {
        .kv = request->backend->kv, .owner = {.kind = OWNER_SERVER}, .prefix = PREFIX};
    listing->room = 2 * (listing->limit + 1);
    listing->rows = calloc(listing->room, sizeof *listing->rows);
    if (listing->rows == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = kv_view_new(&items.view, items.kv, err);
    if (rc == 0) {
        rc = admin_items_each(&items, see_token, listing, err);
    }
    kv_view_free(&items.view);
    keep_newest(listing, listing->limit + 1);
    return rc;
}

/* "TIME-ID" of the last row of the page before. */
static int read_cursor(const struct admin_request *request, struct listed *after, struct err *err)
{
    const char *cursor = admin_query(request, "cursor");
    if (cursor == NULL) {
        return 0;
    }
    char *end = NULL;
    after->created_ms = strtoull(cursor, &end, 10);
    if (end == cursor || *end != '-' || strlen(end + 1) != ID_SIZE) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    memcpy(after->id, end + 1, ID_SIZE + 1);
    return 0;
}

static json_t *row_of(const struct listing *listing, const struct listed *listed)
{
    const json_t *record = listed->record;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", listed->id, "state",
                     state_of(record, listing->now_ms), "expires_at",
                     admin_api_time(number_of(record, "expires_ms")), "created_at",
                     admin_api_time(listed->created_ms), "by", text_or_null(record, "by"), "device",
                     text_or_null(record, "device"), "replaces", text_or_null(record, "replaces"));
}

static int answer_page(const struct listing *listing, struct admin_response *response,
                       struct err *err)
{
    json_t *rows = json_array();
    bool whole = true;
    for (size_t i = 0; i < listing->count && i < listing->limit; i++) {
        json_t *row = row_of(listing, &listing->rows[i]);
        whole = json_array_append_new(rows, row) == 0 && whole;
    }
    response->json = json_pack("{s:o}", "enrollments", rows);
    if (listing->count > listing->limit) {
        const struct listed *last = &listing->rows[listing->limit - 1];
        json_t *next = json_sprintf("%" PRIu64 "-%s", last->created_ms, last->id);
        whole = json_object_set_new(response->json, "next", next) == 0 && whole;
    }
    return response->json != NULL && whole ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_enrollments_list(const struct admin_request *request, struct admin_response *response,
                               struct err *err)
{
    struct listing listing = {.now_ms = clock_wall_ms(&clock_system)};
    uint64_t limit = LIST_LIMIT;
    int rc = admin_query_number(request, "limit", 1, LIST_LIMIT_MAX, &limit, err);
    listing.limit = (size_t)limit;
    if (rc == 0) {
        rc = read_cursor(request, &listing.after, err);
    }
    if (rc == 0) {
        rc = find_page(request, &listing, err);
    }
    if (rc == 0) {
        rc = answer_page(&listing, response, err);
    }
    keep_newest(&listing, 0);
    free(listing.rows);
    return rc;
}

/* --- taking back --- */

struct found {
    char path[PATH_ROOM];
    size_t size;
    uint64_t seq;
};

static int see_path(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct found *found = context;
    if (row->state != ITEM_LIVE || path.size > sizeof found->path) {
        return 0;
    }
    memcpy(found->path, path.data, path.size);
    found->size = path.size;
    found->seq = row->seq;
    return 1;
}

/* E_NOT_FOUND. */
static int find_token(const struct admin_removal *removal, const char *id, struct found *found,
                      struct err *err)
{
    char prefix[sizeof PREFIX + ID_SIZE];
    if (strlen(id) != ID_SIZE || strspn(id, "0123456789abcdef") != ID_SIZE) {
        return E_NOT_FOUND;
    }
    (void)snprintf(prefix, sizeof prefix, "%s%s", PREFIX, id);
    struct admin_items items = {
        .kv = removal->request->backend->kv, .owner = {.kind = OWNER_SERVER}, .prefix = prefix};
    int rc = kv_view_new(&items.view, items.kv, err);
    if (rc == 0) {
        rc = admin_items_each(&items, see_path, found, err);
    }
    kv_view_free(&items.view);
    return rc < 0 ? rc : rc == 1 ? 0 : E_NOT_FOUND;
}

static int remove_token(struct admin_removal *removal, const char *id, struct err *err)
{
    struct found found = {.size = 0};
    int rc = find_token(removal, id, &found, err);
    if (rc != 0 || removal->dry_run) {
        return rc;
    }
    struct operation_write write = {.path = span_of(found.path, found.size),
                                    .remove = true,
                                    .has_if_seq = true,
                                    .if_seq = found.seq};
    return admin_removal_write(removal, &write, err);
}

int admin_api_enrollments_delete(const struct admin_request *request,
                                 struct admin_response *response, struct err *err)
{
    static const struct admin_removable tokens = {.things = "enrollments",
                                                  .thing = "join token",
                                                  .none = "no join token",
                                                  .remove = remove_token};
    return admin_removal_run(&tokens, request, response, err);
}
