/* admin/api/explain.c - where the value comes from that a person sees at a machine: which layer
 * counts, what each of them holds, and who set it.
 *
 * It follows the rule by which a machine reads (docs/architecture.md, "Sharing"), under one view:
 * what a machine wrote and has not sent yet is not known here.
 */
#include <stdio.h>
#include <string.h>

#include "admin/api/sharing.h"

enum { MACHINES_MAX = 1000 }; /* that are told of, when none was asked for */

/* What one layer holds of the item. */
struct layer {
    const char *name;    /* "shared", "device", "default" */
    uint64_t device;     /* of "device" */
    bool there;          /* something is stored */
    uint64_t void_below; /* a fence hides what is older; 0: none does */
    bool counts;         /* it is what is seen */
    struct kv_item item;
};

struct explaining {
    const struct admin_request *request;
    struct span path;
    uint64_t device; /* 0: none was named */
    struct kv_view *view;
    struct bag_row user;
    struct bag_row fleet;
    struct admin_catalogue catalogue;
    struct fences fences;
    const struct category *category; /* NULL: of none */
    bool secret;
    struct layer shared;
    struct layer own;
    struct layer fallback;
    json_t *layers;
    size_t machines;
};

static struct kv *kv_of(const struct explaining *job)
{
    return job->request->backend->kv;
}

/* --- reading --- */

static int read_question(struct explaining *job, struct owner *user, struct err *err)
{
    const struct admin_request *request = job->request;
    const char *item = admin_query(request, "item");
    struct owner owner = {0};
    if (item == NULL) {
        return err_set(err, E_INVALID, "'item' is missing: which one, such as copy/default?");
    }
    job->path = span_str(item);
    int rc = admin_api_owner_of(request, &owner, err);
    if (rc == 0 && owner.kind == OWNER_GROUP) {
        rc = err_set(err, E_INVALID,
                     "only what a user has can be device-specific: a group's items are shared");
    }
    if (rc == 0) {
        rc = path_check(job->path, err);
    }
    if (rc == 0 && path_reserved(job->path)) {
        rc = err_set(err, E_PATH, "the path '%s' begins with '@': such items are Kitbag's own",
                     item);
    }
    *user = owner;
    job->device = owner.device;
    user->kind = OWNER_USER;
    user->device = 0;
    return rc;
}

static int read_rules(struct explaining *job, struct err *err)
{
    static const struct owner owner = {.kind = OWNER_FLEET};
    int rc = admin_catalogue_read(&job->catalogue, kv_of(job), job->view, err);
    if (rc != 0) {
        return rc;
    }
    job->category = sharing_find(&job->catalogue.sharing, job->path);
    job->secret = admin_catalogue_secret(&job->catalogue, OWNER_USER, job->path);
    rc = kv_bag_of(kv_of(job), job->view, &owner, &job->fleet, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    return kv_fences(kv_of(job), job->view, job->fleet.bag_id, &job->fences, err);
}

static int read_layer(struct explaining *job, struct layer *layer, uint64_t bag_id,
                      enum owner_kind kind, struct span path, struct err *err)
{
    int rc = kv_item(kv_of(job), job->view, bag_id, path, &layer->item, err);
    layer->there = rc == 0 && layer->item.row.state == ITEM_LIVE;
    uint64_t position = fences_position(&job->fences, kind, job->path);
    layer->void_below = layer->there && layer->item.row.seq < position ? position : 0;
    return rc;
}

static int read_shared(struct explaining *job, struct err *err)
{
    job->shared.name = "shared";
    return read_layer(job, &job->shared, job->user.bag_id, OWNER_USER, job->path, err);
}

static int read_own(struct explaining *job, struct err *err)
{
    struct bag_row bag = {0};
    struct owner owner = job->user.owner;
    owner.kind = OWNER_USER_DEVICE;
    owner.device = job->device;
    job->own.name = "device";
    job->own.device = job->device;
    int rc = job->device != 0 ? kv_bag_of(kv_of(job), job->view, &owner, &bag, err) : E_NOT_FOUND;
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    return read_layer(job, &job->own, bag.bag_id, OWNER_USER_DEVICE, job->path, err);
}

static int read_default(struct explaining *job, struct err *err)
{
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    (void)buf_append_span(&path, SPAN_LITERAL(SHARING_DEFAULT));
    int code = buf_append_span(&path, job->path);
    job->fallback.name = "default";
    int rc = code == 0 && job->fleet.exists ? read_layer(job, &job->fallback, job->fleet.bag_id,
                                                         OWNER_FLEET, buf_span(&path), err)
                                            : 0; /* too long a path has no default */
    job->fallback.void_below = 0;
    buf_free(&path);
    return code == E_NOMEM ? err_set(err, code, "out of memory") : rc;
}

/* --- which one counts --- */

static bool is_seen(const struct layer *layer)
{
    return layer->there && layer->void_below == 0;
}

static struct layer *seen(struct explaining *job)
{
    const struct category *category = job->category;
    bool device = sharing_layer_of(category) == SHARING_DEVICE;
    if (device && is_seen(&job->own)) {
        return &job->own;
    }
    bool frozen = device && category->copy && job->shared.item.row.seq < category->flag_seq;
    if (is_seen(&job->shared) && (!device || frozen)) {
        return &job->shared;
    }
    return is_seen(&job->fallback) ? &job->fallback : NULL;
}

/* --- telling --- */

/* Who wrote it; null when the journal does not tell any more. */
static int put_actor(const struct explaining *job, json_t *row, uint64_t seq, struct err *err)
{
    struct past_change made = {0};
    int rc = journal_change_at(job->request->backend->journal, seq, &made, err);
    bool told = rc == 0;
    if (rc != 0 && rc != E_TOO_OLD && rc != E_NOT_FOUND) {
        return rc;
    }
    rc = json_object_set_new(row, "actor", told ? admin_api_text(made.change.actor) : json_null());
    past_change_free(&made);
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int put_stored(const struct explaining *job, json_t *row, const struct layer *layer,
                      struct err *err)
{
    const struct item_row *item = &layer->item.row;
    char origin[DEVICE_TEXT_MAX] = "";
    if (item->origin != 0) {
        device_format(item->origin, origin);
    }
    json_t *members = json_pack(
        "{s:o, s:o, s:s, s:I, s:o}", "seq", admin_api_seq(item->seq), "time",
        admin_api_time(item->time_ms), "origin", origin, "size", (json_int_t)item->value.size,
        "initialised", layer->void_below != 0 ? admin_api_seq(layer->void_below) : json_null());
    int rc = members != NULL && json_object_update(row, members) == 0 ? 0 : E_NOMEM;
    json_decref(members);
    if (rc == 0) {
        rc = job->secret ? json_object_set_new(row, "masked", json_true())
                         : admin_api_put_value(row, item->value);
    }
    return rc == 0 ? put_actor(job, row, item->seq, err) : err_set(err, E_NOMEM, "out of memory");
}

/* A layer as a row (new, in *out). */
static int layer_row(const struct explaining *job, const struct layer *layer, json_t **out,
                     struct err *err)
{
    char device[DEVICE_TEXT_MAX] = "";
    json_t *row = json_pack("{s:s, s:b, s:b}", "layer", layer->name, "there", layer->there,
                            "counts", layer->counts);
    int rc = row != NULL ? 0 : E_NOMEM;
    if (rc == 0 && layer->device != 0) {
        device_format(layer->device, device);
        rc = json_object_set_new(row, "device", json_string(device));
    }
    rc = rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && layer->there) {
        rc = put_stored(job, row, layer, err);
    }
    if (rc != 0) {
        json_decref(row);
        return rc;
    }
    *out = row;
    return 0;
}

static int add_layer(struct explaining *job, const struct layer *layer, struct err *err)
{
    json_t *row = NULL;
    int rc = layer_row(job, layer, &row, err);
    return rc == 0 && json_array_append_new(job->layers, row) != 0
               ? err_set(err, E_NOMEM, "out of memory")
               : rc;
}

/* Nobody asked for one machine: those that have a value of their own are told. */
static int add_machine(void *context, const struct bag_row *bag, struct err *err)
{
    struct explaining *job = context;
    struct layer layer = {.name = "device", .device = bag->owner.device};
    int rc = read_layer(job, &layer, bag->bag_id, OWNER_USER_DEVICE, job->path, err);
    if (rc == 0 && layer.there && job->machines < MACHINES_MAX) {
        job->machines++;
        rc = add_layer(job, &layer, err);
    }
    kv_item_free(&layer.item);
    return rc;
}

static int add_layers(struct explaining *job, struct err *err)
{
    int rc = add_layer(job, &job->shared, err);
    if (rc == 0) {
        rc = job->device != 0
                 ? add_layer(job, &job->own, err)
                 : kv_children(kv_of(job), job->view, job->user.bag_id, add_machine, job, err);
    }
    return rc == 0 ? add_layer(job, &job->fallback, err) : rc;
}

static int put_flag(const struct explaining *job, json_t *json)
{
    const struct category *category = job->category;
    bool flag = category != NULL && category->has_flag;
    uint64_t seq = flag ? category->flag_seq : 0;
    json_t *members =
        json_pack("{s:o, s:s, s:b, s:o, s:O}", "category",
                  category != NULL ? json_string(category->path) : json_null(), "sharing",
                  admin_api_sharing_name(category), "copy", flag && category->copy, "sharing_seq",
                  seq != 0 ? admin_api_seq(seq) : json_null(), "layers", job->layers);
    int rc = members != NULL ? json_object_update(json, members) : E_NOMEM;
    json_decref(members);
    return rc;
}

static int document(const struct explaining *job, const struct layer *layer, json_t **out,
                    struct err *err)
{
    char device[DEVICE_TEXT_MAX] = "";
    if (job->device != 0) {
        device_format(job->device, device);
    }
    json_t *json = json_pack("{s:s, s:o, s:o, s:s}", "name", job->user.owner.shown, "item",
                             admin_api_text(job->path), "device",
                             job->device != 0 ? json_string(device) : json_null(), "layer",
                             layer != NULL ? layer->name : "none");
    int rc = json != NULL ? put_flag(job, json) : E_NOMEM;
    rc = rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && layer != NULL) {
        rc = put_stored(job, json, layer, err);
        (void)json_object_del(json, "initialised");
    }
    if (rc != 0) {
        json_decref(json);
        return rc;
    }
    *out = json;
    return 0;
}

static int explain(struct explaining *job, struct admin_response *response, struct err *err)
{
    int rc = read_shared(job, err);
    if (rc == 0) {
        rc = read_own(job, err);
    }
    if (rc == 0) {
        rc = read_default(job, err);
    }
    struct layer *layer = rc == 0 ? seen(job) : NULL;
    if (layer != NULL) {
        layer->counts = true;
    }
    if (rc == 0) {
        rc = add_layers(job, err);
    }
    return rc == 0 ? document(job, layer, &response->json, err) : rc;
}

int admin_api_explain(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct explaining job = {.request = request, .layers = json_array()};
    struct owner user = {0};
    int rc = read_question(&job, &user, err);
    if (rc == 0) {
        rc = kv_view_new(&job.view, request->backend->kv, err);
    }
    if (rc == 0) {
        rc = kv_bag_of(request->backend->kv, job.view, &user, &job.user, err);
        rc = rc == E_NOT_FOUND ? err_set(err, rc, "there is no user '%s'", user.shown) : rc;
    }
    if (rc == 0) {
        rc = read_rules(&job, err);
    }
    if (rc == 0) {
        rc = explain(&job, response, err);
    }
    kv_item_free(&job.shared.item);
    kv_item_free(&job.own.item);
    kv_item_free(&job.fallback.item);
    fences_free(&job.fences);
    admin_catalogue_free(&job.catalogue);
    kv_view_free(&job.view);
    json_decref(job.layers);
    return rc;
}
