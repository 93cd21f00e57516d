/* admin/api/fences.c - categories that were initialised for everybody: seeing them, doing it,
 * taking it back. Each is one change (see journal/fence.h).
 *
 * The preview of a dry run does look at every bag: it counts what would be hidden, or shown again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/walk.h"
#include "journal/past.h"

enum { LOOK_BYTES = 256 << 10 };

/* --- seeing --- */

struct fence_listing {
    const struct admin_request *request;
    struct server_status status;
    json_t *rows;
};

/* Who made the change, and when; nothing when the journal does not hold it any more. */
static int put_origin(const struct fence_listing *listing, json_t *row, uint64_t seq,
                      struct err *err)
{
    struct past_change made = {0};
    int rc = journal_change_at(listing->request->backend->journal, seq, &made, err);
    if (rc == E_TOO_OLD || rc == E_NOT_FOUND) {
        return json_object_set_new(row, "time", json_null()) == 0 ? 0 : E_NOMEM;
    }
    if (rc != 0) {
        return rc;
    }
    const struct change *change = &made.change;
    uint64_t keep_ms = listing->status.undo_keep_ms;
    rc = json_object_set_new(row, "time", admin_api_time(change->time_ms));
    rc = rc == 0 ? json_object_set_new(
                       row, "actor",
                       json_stringn(change->actor.size > 0 ? (const char *)change->actor.data : "",
                                    change->actor.size))
                 : rc;
    if (rc == 0 && keep_ms > 0) {
        rc = json_object_set_new(row, "lift_until", admin_api_time(change->time_ms + keep_ms));
    }
    past_change_free(&made);
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int put_fence(const struct fence_listing *listing, json_t *row, const struct fence *fence,
                     uint64_t seq, struct err *err)
{
    uint64_t position = fence->from != 0 ? fence->from : seq;
    json_t *except = json_array();
    for (size_t i = 0; i < fence->except_count; i++) {
        (void)json_array_append_new(
            except, json_stringn((const char *)fence->except[i].data, fence->except[i].size));
    }
    json_t *members =
        json_pack("{s:o, s:o, s:o, s:b}", "except", except, "position", admin_api_seq(position),
                  "seq", admin_api_seq(seq), "cleared", fence->cleared);
    int rc = members != NULL && json_object_update(row, members) == 0 ? 0 : E_NOMEM;
    json_decref(members);
    return rc == 0 ? put_origin(listing, row, position, err) : err_set(err, rc, "out of memory");
}

static int add_fence(void *context, struct span path, const struct item_row *item, struct err *err)
{
    struct fence_listing *listing = context;
    enum fence_layer layer;
    struct span category;
    struct unpacked scratch = {0};
    struct fence fence;
    if (item->state != ITEM_LIVE || fence_of_path(path, &layer, &category) != 0) {
        return 0;
    }
    json_t *row = json_pack("{s:s, s:o}", "layer", fence_layer_name(layer), "category",
                            json_stringn((const char *)category.data, category.size));
    int rc = fence_get_value(item->value, &scratch, &fence, err);
    if (rc == 0) {
        rc = put_fence(listing, row, &fence, item->seq, err);
    }
    if (rc == 0 && json_array_append(listing->rows, row) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    unpack_close(&scratch);
    json_decref(row);
    return rc;
}

static int list_fences(struct fence_listing *listing, struct err *err)
{
    const struct admin_backend *backend = listing->request->backend;
    struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    struct buf next;
    bool end = false;
    char from[PATH_MAX_BYTES];
    buf_init(&next, PATH_MAX_BYTES);
    int rc = backend->status(backend->context, &listing->status, err);
    if (rc == 0) {
        rc = kv_bag_of(backend->kv, NULL, &owner, &fleet, err);
    }
    while (rc == 0 && !end) {
        size_t size = next.size;
        memcpy(from, size > 0 ? (const char *)next.data : "", size);
        struct kv_page page = {.bag_id = fleet.bag_id,
                               .after = span_of(from, size),
                               .prefix = SPAN_LITERAL("@fence/"),
                               .budget_bytes = LOOK_BYTES};
        rc = kv_page(backend->kv, NULL, &page, add_fence, listing, &next, &end, err);
    }
    buf_free(&next);
    return rc;
}

int admin_api_fences(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    struct fence_listing listing = {.request = request, .rows = json_array()};
    int rc = list_fences(&listing, err);
    if (rc == 0) {
        response->json = json_pack("{s:O}", "fences", listing.rows);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(listing.rows);
    return rc;
}

/* --- what it would do --- */

struct preview {
    const struct admin_request *request;
    struct kv_view *view;
    enum fence_layer layer;
    struct span category;
    struct fences before; /* as they are */
    struct fences after;  /* as they would be */
    uint64_t bags;
    uint64_t items;
    uint64_t bytes;
    uint64_t last_bag; /* that was counted */
};

/* Would it be hidden, or shown again? */
static int see_item(void *context, const struct bag_row *bag, struct span path,
                    const struct item_row *row, struct err *err)
{
    (void)err;
    struct preview *preview = context;
    bool before = row->seq < fences_position(&preview->before, bag->owner.kind, path);
    bool after = row->seq < fences_position(&preview->after, bag->owner.kind, path);
    if (before != after) {
        preview->bags += preview->last_bag != bag->bag_id;
        preview->last_bag = bag->bag_id;
        preview->items++;
        preview->bytes += path.size + row->value.size;
    }
    return 0;
}

static int look_at_all(struct preview *preview, struct err *err)
{
    const struct admin_walk walk = {.kv = preview->request->backend->kv,
                                    .view = preview->view,
                                    .given_up = preview->request->given_up,
                                    .shared = preview->layer == FENCE_SHARED,
                                    .device = preview->layer == FENCE_DEVICE,
                                    .categories = &preview->category,
                                    .category_count = 1,
                                    .item = see_item,
                                    .context = preview};
    return admin_walk_people(&walk, err);
}

/* --- doing it --- */

struct fencing {
    const struct admin_request *request;
    enum submit_kind kind;
    enum fence_layer layer;
    struct span category;
    struct span except[FENCE_EXCEPT_MAX];
    size_t except_count;
    bool dry_run;
    uint64_t seq;
    struct preview preview;
};

static int read_layer(struct fencing *job, json_t *body, struct err *err)
{
    const char *layer = json_string_value(json_object_get(body, "layer"));
    bool device = layer != NULL && strcmp(layer, "device") == 0;
    job->layer = device ? FENCE_DEVICE : FENCE_SHARED;
    return device || (layer != NULL && strcmp(layer, "shared") == 0)
               ? 0
               : err_set(err, E_INVALID,
                         "'layer' is shared (what people have on all machines) or device (what "
                         "they have on one alone)");
}

static int read_except(struct fencing *job, json_t *body, struct err *err)
{
    json_t *except = NULL;
    size_t i;
    json_t *value;
    int rc = admin_api_strings(body, "except", FENCE_EXCEPT_MAX, &except, err);
    json_array_foreach(except, i, value)
    {
        struct span category = span_str(json_string_value(value));
        rc = rc == 0 ? path_check(category, err) : rc;
        if (rc == 0 && !admin_walk_within(category, job->category)) {
            rc = err_set(err, E_INVALID, "the exception '%s' does not lie within '%.*s'",
                         json_string_value(value), (int)job->category.size,
                         (const char *)job->category.data);
        }
        job->except[job->except_count++] = category;
    }
    return rc;
}

static int read_body(struct fencing *job, json_t *body, struct err *err)
{
    const char *category = json_string_value(json_object_get(body, "category"));
    struct buf path;
    if (category == NULL) {
        return err_set(err, E_INVALID, "'category' is missing: which one, such as copy/default?");
    }
    job->category = span_of(category, json_string_length(json_object_get(body, "category")));
    int rc = read_layer(job, body, err);
    if (rc == 0) {
        rc = admin_api_bool(body, "dry_run", &job->dry_run, err);
    }
    buf_init(&path, PATH_MAX_BYTES);
    if (rc == 0) {
        rc = fence_path(&path, job->layer, job->category);
        rc = rc == E_PATH ? err_set(err, rc, "'%s' is not a category's path", category) : rc;
    }
    buf_free(&path);
    return rc == 0 && job->kind == SUBMIT_FENCE ? read_except(job, body, err) : rc;
}

static int submit(struct fencing *job, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct submit submit = {
        .kind = job->kind,
        .actor = job->request->actor,
        .layer = job->layer,
        .category = job->category,
        .except = job->except,
        .except_count = job->except_count,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    job->seq = submit.seq;
    return rc;
}

static bool stays_excepted(const struct fence *fence, struct span category)
{
    for (size_t i = 0; i < fence->except_count; i++) {
        if (admin_walk_within(category, fence->except[i])) {
            return true;
        }
    }
    return false;
}

/* As the server does: an exception that the standing fence does not make would bring back what that
 * one hides. Of one that is cleared only the server knows whether something is left. */
static int check_standing(const struct fencing *job, const struct item_row *row, struct err *err)
{
    struct unpacked scratch = {0};
    struct fence fence = {0};
    int rc = row->state == ITEM_LIVE ? fence_get_value(row->value, &scratch, &fence, err) : 0;
    bool hides = rc == 0 && row->state == ITEM_LIVE && !fence.cleared;
    for (size_t i = 0; i < job->except_count && hides && rc == 0; i++) {
        struct span except = job->except[i];
        if (!stays_excepted(&fence, except)) {
            rc = err_set(err, E_EXISTS,
                         "'%.*s' was initialised together with '%.*s' before, and excepting it now "
                         "would bring its old values back: lift that first, or do not except it",
                         (int)except.size, (const char *)except.data, (int)job->category.size,
                         (const char *)job->category.data);
        }
    }
    unpack_close(&scratch);
    return rc;
}

/* A new fence stands behind all that there is. */
static int plan_fence(struct fencing *job, struct span path, struct err *err)
{
    struct fence fence = {.from = UINT64_MAX, .except_count = job->except_count};
    struct buf value;
    memcpy(fence.except, job->except, job->except_count * sizeof fence.except[0]);
    buf_init(&value, VALUE_MAX_BYTES);
    fence_put_value(&value, &fence);
    int rc = buf_error(&value);
    rc = rc == 0 ? fences_put(&job->preview.after, path, UINT64_MAX, buf_span(&value), err)
                 : err_set(err, rc, "out of memory");
    buf_free(&value);
    return rc;
}

/* What the fence had replaced comes back: the change that made it tells. */
static int plan_lift(struct fencing *job, struct span path, const struct item_row *row,
                     struct err *err)
{
    struct unpacked scratch = {0};
    struct fence fence;
    struct past_change made = {0};
    int rc = fence_get_value(row->value, &scratch, &fence, err);
    if (rc == 0 && fence.cleared) {
        rc = err_set(err, E_TOO_OLD,
                     "what it hid is gone for good: the time in which this could "
                     "be taken back has passed");
    }
    if (rc == 0) {
        uint64_t seq = fence.from != 0 ? fence.from : row->seq;
        rc = journal_change_at(job->request->backend->journal, seq, &made, err);
    }
    if (rc == 0) {
        fences_remove(&job->preview.after, path);
    }
    if (rc == 0 && made.change.has_old) {
        rc = fences_put(&job->preview.after, path, made.change.old_seq, made.change.old_value, err);
    }
    past_change_free(&made);
    unpack_close(&scratch);
    return rc;
}

static int plan(struct fencing *job, uint64_t fleet_bag, struct err *err)
{
    struct kv *kv = job->request->backend->kv;
    struct kv_item item = {0};
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    int rc = fence_path(&path, job->layer, job->category);
    if (rc == 0) {
        rc = kv_item(kv, job->preview.view, fleet_bag, buf_span(&path), &item, err);
    }
    if (rc == 0 && job->kind == SUBMIT_FENCE) {
        rc = check_standing(job, &item.row, err);
        rc = rc == 0 ? plan_fence(job, buf_span(&path), err) : rc;
    } else if (rc == 0 && item.row.state != ITEM_LIVE) {
        rc = err_set(err, E_NOT_FOUND, "'%.*s' is not initialised: there is nothing to take back",
                     (int)job->category.size, (const char *)job->category.data);
    } else if (rc == 0) {
        rc = plan_lift(job, buf_span(&path), &item.row, err);
    }
    kv_item_free(&item);
    buf_free(&path);
    return rc;
}

static int preview(struct fencing *job, struct err *err)
{
    struct kv *kv = job->request->backend->kv;
    struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    struct preview *preview = &job->preview;
    *preview =
        (struct preview){.request = job->request, .layer = job->layer, .category = job->category};
    int rc = kv_view_new(&preview->view, kv, err);
    if (rc == 0) {
        rc = kv_bag_of(kv, preview->view, &owner, &fleet, err);
    }
    if (rc == 0) {
        rc = kv_fences(kv, preview->view, fleet.bag_id, &preview->before, err);
    }
    if (rc == 0) {
        rc = kv_fences(kv, preview->view, fleet.bag_id, &preview->after, err);
    }
    if (rc == 0) {
        rc = plan(job, fleet.bag_id, err);
    }
    if (rc == 0) {
        rc = look_at_all(preview, err);
    }
    fences_free(&preview->before);
    fences_free(&preview->after);
    kv_view_free(&preview->view);
    return rc;
}

static json_t *document(const struct fencing *job)
{
    json_t *json = json_pack("{s:b, s:s, s:o, s:o}", "dry_run", job->dry_run, "layer",
                             fence_layer_name(job->layer), "category",
                             json_stringn((const char *)job->category.data, job->category.size),
                             "seq", job->seq > 0 ? admin_api_seq(job->seq) : json_null());
    if (json != NULL && job->dry_run) {
        json_t *counts =
            json_pack("{s:I, s:I, s:I}", "bags", (json_int_t)job->preview.bags, "items",
                      (json_int_t)job->preview.items, "bytes", (json_int_t)job->preview.bytes);
        (void)json_object_update(json, counts);
        json_decref(counts);
    }
    return json;
}

/* What the audit tells: which category, and what of it stays. */
static json_t *about(const struct fencing *job)
{
    json_t *except = json_array();
    for (size_t i = 0; i < job->except_count; i++) {
        (void)json_array_append_new(
            except, json_stringn((const char *)job->except[i].data, job->except[i].size));
    }
    json_t *json = json_pack("{s:s, s:o}", "layer", fence_layer_name(job->layer), "category",
                             json_stringn((const char *)job->category.data, job->category.size));
    if (json != NULL && job->except_count > 0) {
        (void)json_object_set(json, "except", except);
    }
    json_decref(except);
    return json;
}

static int run(struct fencing *job, const char *members, struct admin_response *response,
               struct err *err)
{
    json_t *body = NULL;
    int rc = admin_body_json(job->request, members, &body, err);
    if (rc == 0) {
        rc = read_body(job, body, err);
    }
    if (rc == 0) {
        rc = job->dry_run ? preview(job, err) : submit(job, err);
    }
    if (rc == 0) {
        response->json = document(job);
        response->about = about(job);
        rc = response->json != NULL && response->about != NULL
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(body);
    return rc;
}

int admin_api_fences_set(const struct admin_request *request, struct admin_response *response,
                         struct err *err)
{
    struct fencing job = {.request = request, .kind = SUBMIT_FENCE};
    return run(&job, "layer category except dry_run", response, err);
}

int admin_api_fences_lift(const struct admin_request *request, struct admin_response *response,
                          struct err *err)
{
    struct fencing job = {.request = request, .kind = SUBMIT_LIFT};
    return run(&job, "layer category dry_run", response, err);
}
