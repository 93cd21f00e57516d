/* admin/api/owners_deleted.c - GET /owners/deleted: who was deleted, the last deletion first.
 *
 * Each deletion is a row of its own: of a name that was deleted, registered again and deleted again
 * there are two, and each can be restored by its "before", the moment at which it was still there.
 * With gone=1 those are left out whose name is registered now.
 * What is told are the graves in the state; they go when an undo is no longer promised.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "journal/past.h"

enum {
    DELETED_LIMIT = 100, /* when nothing else is asked for */
    DELETED_LIMIT_MAX = 1000,
};

struct found {
    uint64_t seq; /* of the deletion */
    uint64_t bag_id;
};

struct listing {
    const struct admin_request *request;
    struct kv_view *view;
    char search[4 * NAME_MAX_BYTES]; /* folded */
    enum owner_kind kind;            /* 0: users and groups */
    bool gone;                       /* only those whose name nobody bears now */
    uint64_t limit;
    uint64_t below;      /* only what was deleted before this change */
    struct found *found; /* the newest of what was seen, in no order until the end */
    size_t count;
    size_t room;
    struct past *past; /* of the journal, to look up what the deletions say */
    struct server_status status;
};

/* --- finding --- */

static int newest_first(const void *a, const void *b)
{
    const struct found *one = a;
    const struct found *other = b;
    return (one->seq < other->seq) - (one->seq > other->seq);
}

/* Whenever the room is used up, only as many stay as the answer may need: however many were
 * deleted, memory is that of two pages. */
static void sort_out(struct listing *listing)
{
    qsort(listing->found, listing->count, sizeof *listing->found, newest_first);
    size_t wanted = listing->limit + 1; /* one more tells that there is more */
    listing->count = listing->count < wanted ? listing->count : wanted;
}

static bool is_wanted(const struct listing *listing, const struct kv_grave *grave)
{
    enum owner_kind kind = grave->owner.kind;
    return (kind == OWNER_USER || kind == OWNER_GROUP) &&
           (listing->kind == 0 || kind == listing->kind) && grave->last_seq < listing->below &&
           strstr(grave->owner.folded, listing->search) != NULL;
}

static int find_registered(const struct listing *listing, const struct owner *owner, bool *out,
                           struct err *err)
{
    struct bag_row bag = {0};
    int rc = kv_bag_of(listing->request->backend->kv, listing->view, owner, &bag, err);
    *out = rc == 0;
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int take_grave(void *context, const struct kv_grave *grave, struct err *err)
{
    struct listing *listing = context;
    bool registered = false;
    if (atomic_load(listing->request->given_up)) {
        return err_set(err, E_CLOSED, "%s", err_meaning(E_CLOSED));
    }
    if (!is_wanted(listing, grave)) {
        return 0;
    }
    int rc = listing->gone ? find_registered(listing, &grave->owner, &registered, err) : 0;
    if (rc != 0 || registered) {
        return rc;
    }
    if (listing->count == listing->room) {
        sort_out(listing);
    }
    listing->found[listing->count++] = (struct found){grave->last_seq, grave->bag_id};
    return 0;
}

/* --- a row --- */

/* What was deleted together lies together: the batch that was read last is kept. */
static int change_at(const struct listing *listing, uint64_t seq, struct change *out,
                     struct err *err)
{
    past_seek(listing->past, seq);
    return past_next(listing->past, out, err);
}

/* The newest change that is older than the change set of the deletion: with a user, what they had
 * on single machines is deleted in the same set. */
static int find_before(const struct listing *listing, uint64_t seq, uint64_t *before,
                       struct err *err)
{
    struct change change = {0};
    int rc = 0;
    do {
        rc = change_at(listing, --seq, &change, err);
    } while (rc == 0 && change.set_left > 0 && !atomic_load(listing->request->given_up));
    *before = seq;
    return rc;
}

/* When, until when that can be undone, and by whom. */
static json_t *deletion_of(const struct listing *listing, const struct change *change)
{
    return json_pack("{s:o, s:o, s:o}", "time", admin_api_time(change->time_ms), "until",
                     admin_api_time(change->time_ms + listing->status.undo_keep_ms), "actor",
                     json_stringn(change->actor.size > 0 ? (const char *)change->actor.data : "",
                                  change->actor.size));
}

/* And the moment before; as long as the journal holds it: later there is nothing to tell. */
static int put_deletion(const struct listing *listing, json_t *row, uint64_t seq, struct err *err)
{
    struct change change = {0};
    uint64_t before = 0;
    int rc = change_at(listing, seq, &change, err);
    json_t *members = rc == 0 ? deletion_of(listing, &change) : NULL;
    if (rc == 0) {
        rc = find_before(listing, seq, &before, err);
    }
    if (rc == 0 &&
        (members == NULL || json_object_set_new(members, "before", admin_api_seq(before)) != 0 ||
         json_object_update(row, members) != 0)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(members);
    return rc == E_TOO_OLD ? 0 : rc;
}

static int add_row(struct listing *listing, json_t *rows, const struct found *found,
                   struct err *err)
{
    struct kv *kv = listing->request->backend->kv;
    struct kv_grave grave = {0};
    bool registered = false;
    int rc = kv_grave(kv, listing->view, found->bag_id, &grave, err);
    if (rc == 0) {
        rc = find_registered(listing, &grave.owner, &registered, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_t *row =
        json_pack("{s:s, s:s, s:o, s:I, s:I, s:o, s:b, s:b}", "name", grave.owner.shown, "kind",
                  admin_api_kind(grave.owner.kind), "bag_id", admin_api_seq(grave.bag_id), "items",
                  (json_int_t)grave.items, "bytes", (json_int_t)grave.bytes, "deleted",
                  admin_api_seq(grave.last_seq), "whole", grave.whole, "registered", registered);
    rc = row != NULL ? put_deletion(listing, row, found->seq, err)
                     : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && json_array_append(rows, row) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(row);
    return rc;
}

/* --- the request --- */

static int read_cursor(struct listing *listing, struct err *err)
{
    const char *cursor = admin_query(listing->request, "cursor");
    char *end = NULL;
    listing->below = UINT64_MAX;
    if (cursor == NULL) {
        return 0;
    }
    listing->below = strtoull(cursor, &end, 10);
    return cursor[0] >= '0' && cursor[0] <= '9' && *end == '\0'
               ? 0
               : err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
}

static int read_question(struct listing *listing, struct err *err)
{
    const char *kind = admin_query(listing->request, "kind");
    const char *search = admin_query(listing->request, "search");
    if (kind != NULL && kind[0] != '\0') {
        listing->kind = strcmp(kind, "user") == 0    ? OWNER_USER
                        : strcmp(kind, "group") == 0 ? OWNER_GROUP
                                                     : 0;
        if (listing->kind == 0) {
            return err_set(err, E_INVALID, "an owner's kind is user or group, not '%s'", kind);
        }
    }
    listing->limit = DELETED_LIMIT;
    int rc = name_fold_search(span_str(search != NULL ? search : ""), listing->search,
                              sizeof listing->search, err);
    if (rc == 0) {
        rc = admin_query_bool(listing->request, "gone", &listing->gone, err);
    }
    if (rc == 0) {
        rc = admin_query_number(listing->request, "limit", 1, DELETED_LIMIT_MAX, &listing->limit,
                                err);
    }
    return rc == 0 ? read_cursor(listing, err) : rc;
}

static int find_all(struct listing *listing, struct err *err)
{
    const struct admin_backend *backend = listing->request->backend;
    listing->room = 2 * (listing->limit + 1);
    listing->found = calloc(listing->room, sizeof *listing->found);
    if (listing->found == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = backend->status(backend->context, &listing->status, err);
    if (rc == 0) {
        rc = past_open(&listing->past, backend->journal, 0, err);
    }
    if (rc == 0) {
        rc = kv_view_new(&listing->view, backend->kv, err);
    }
    return rc == 0 ? kv_graves(backend->kv, listing->view, NULL, take_grave, listing, err) : rc;
}

static int answer(struct listing *listing, struct admin_response *response, struct err *err)
{
    json_t *rows = json_array();
    int rc = rows != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    sort_out(listing);
    bool more = listing->count > listing->limit;
    size_t count = more ? listing->limit : listing->count;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = add_row(listing, rows, &listing->found[i], err);
    }
    if (rc == 0) {
        response->json = json_pack("{s:O}", "deleted", rows);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0 && more) {
        (void)json_object_set_new(response->json, "next",
                                  admin_api_seq(listing->found[count - 1].seq));
    }
    json_decref(rows);
    return rc;
}

int admin_api_owners_deleted(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    struct listing listing = {.request = request};
    int rc = read_question(&listing, err);
    if (rc == 0) {
        rc = find_all(&listing, err);
    }
    if (rc == 0) {
        rc = answer(&listing, response, err);
    }
    kv_view_free(&listing.view);
    past_close(&listing.past);
    free(listing.found);
    return rc;
}
