/* admin/api/delete.c - POST /owners/delete: people and groups with all that is in their bags.
 *
 * A dry run goes the same way and stops before the writing. Counts are of what was (or would be)
 * deleted: a user's device-specific bags included. With "adopt" the next machine that held one of
 * them supplies its copy, once: the answer names those that could, a hundred at most.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"
#include "admin/holders.h"

enum {
    NAMES_MAX = 10000,     /* of users, and of groups, in one request */
    SUPPLIERS_MAX = 100,   /* machines that are named */
    SUBMITS_AT_ONCE = 500, /* the server plans as many at a time as nobody notices */
};

/* One owner that is there. */
struct doomed {
    struct bag_row bag;
    uint64_t items; /* with those of device-specific bags */
    uint64_t bytes;
    bool done;
};

struct deletion {
    const struct admin_request *request;
    struct kv_view *view;
    bool dry_run;
    bool adopt;        /* the next machine that held one supplies its copy */
    json_t *suppliers; /* machines that could */
    uint64_t supplier_ids[SUPPLIERS_MAX];
    struct doomed *owners; /* sorted by bag_id once all are found */
    size_t count;
    json_t *missing;
    json_t *failed;
    uint64_t devices;
    uint64_t seq;
};

static int note_failure(struct deletion *deletion, enum owner_kind kind, const char *name, int code,
                        const char *reason)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "kind", admin_api_kind(kind), "name", name,
                            "code", err_name(code), "reason", reason);
    return json_array_append_new(deletion->failed, row) == 0 ? 0 : E_NOMEM;
}

/* --- finding --- */

static int add_child(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct doomed *doomed = context;
    doomed->items += bag->items;
    doomed->bytes += bag->bytes;
    return 0;
}

/* Only trouble with the state is an error; a name that is not there is noted. */
static int find(struct deletion *deletion, enum owner_kind kind, const char *name, struct err *err)
{
    struct kv *kv = deletion->request->backend->kv;
    struct doomed *doomed = &deletion->owners[deletion->count];
    struct owner owner = {0};
    struct err why = {0};
    int rc = owner_make(&owner, kind, span_str(name), 0, &why);
    if (rc != 0) {
        return note_failure(deletion, kind, name, rc, why.text);
    }
    rc = kv_bag_of(kv, deletion->view, &owner, &doomed->bag, err);
    if (rc == E_NOT_FOUND) {
        return json_array_append_new(deletion->missing, json_string(name)) == 0 ? 0 : E_NOMEM;
    }
    if (rc == 0) {
        doomed->items = doomed->bag.items;
        doomed->bytes = doomed->bag.bytes;
        rc = kv_children(kv, deletion->view, doomed->bag.bag_id, add_child, doomed, err);
    }
    deletion->count += rc == 0;
    return rc;
}

static int find_names(struct deletion *deletion, enum owner_kind kind, json_t *names,
                      struct err *err)
{
    size_t i;
    json_t *name;
    int rc = 0;
    json_array_foreach(names, i, name)
    {
        rc = rc == 0 ? find(deletion, kind, json_string_value(name), err) : rc;
    }
    return rc;
}

static int by_bag_id(const void *a, const void *b)
{
    const struct doomed *one = a;
    const struct doomed *other = b;
    return (one->bag.bag_id > other->bag.bag_id) - (one->bag.bag_id < other->bag.bag_id);
}

/* In order, and each once, however often it was named. */
static void sort_out(struct deletion *deletion)
{
    qsort(deletion->owners, deletion->count, sizeof *deletion->owners, by_bag_id);
    size_t kept = 0;
    for (size_t i = 0; i < deletion->count; i++) {
        if (kept == 0 || by_bag_id(&deletion->owners[kept - 1], &deletion->owners[i]) != 0) {
            deletion->owners[kept++] = deletion->owners[i];
        }
    }
    deletion->count = kept;
}

/* --- which machines hold them --- */

static int count_device(void *context, const struct admin_device *device, struct err *err)
{
    struct deletion *deletion = context;
    size_t named = json_array_size(deletion->suppliers);
    if (device->removed) {
        return 0;
    }
    deletion->devices++;
    if (!deletion->adopt || named >= SUPPLIERS_MAX) {
        return 0;
    }
    char id[DEVICE_TEXT_MAX];
    device_format(device->id, id);
    deletion->supplier_ids[named] = device->id;
    json_t *row = json_pack("{s:s, s:s}", "id", id, "name", device->name);
    return json_array_append_new(deletion->suppliers, row) == 0
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

/* One that is connected supplies its copy at once, another when it comes. */
static int tell_connected(const struct deletion *deletion, struct err *err)
{
    const struct admin_backend *backend = deletion->request->backend;
    struct device_live live[SUPPLIERS_MAX] = {0};
    size_t count = json_array_size(deletion->suppliers);
    int rc = backend->devices(backend->context, deletion->supplier_ids, count, live, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (json_object_set_new(json_array_get(deletion->suppliers, i), "connected",
                                json_boolean(live[i].connected)) != 0) {
            rc = err_set(err, E_NOMEM, "out of memory");
        }
    }
    return rc;
}

static int find_holders(const struct deletion *deletion, struct admin_holders *holders,
                        struct err *err)
{
    struct kv *kv = deletion->request->backend->kv;
    int rc = 0;
    for (size_t i = 0; i < deletion->count && rc == 0; i++) {
        const struct bag_row *bag = &deletion->owners[i].bag;
        rc = bag->owner.kind == OWNER_GROUP
                 ? admin_holders_add_group(holders, kv, deletion->view, bag->owner.folded, err)
                 : admin_holders_add_user(holders, bag->bag_id, err);
    }
    return rc == 0 ? admin_holders_find(holders, kv, deletion->view, err) : rc;
}

static int count_devices(struct deletion *deletion, struct err *err)
{
    struct admin_holders holders = {0};
    int rc = find_holders(deletion, &holders, err);
    for (size_t i = 0; i < holders.count && rc == 0; i++) {
        rc = admin_device_find(deletion->request->backend->kv, deletion->view,
                               holders.list[i].device, count_device, deletion, err);
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    admin_holders_free(&holders);
    return rc == 0 && deletion->adopt ? tell_connected(deletion, err) : rc;
}

/* --- deleting --- */

static int take_result(struct deletion *deletion, struct doomed *doomed,
                       const struct submit *submit)
{
    if (submit->code == 0) {
        doomed->done = true;
        deletion->seq = submit->seq > deletion->seq ? submit->seq : deletion->seq;
        return 0;
    }
    if (submit->code == E_NOT_FOUND || submit->code == E_BAG_GONE) { /* somebody was faster */
        return json_array_append_new(deletion->missing, json_string(doomed->bag.owner.shown)) == 0
                   ? 0
                   : E_NOMEM;
    }
    return note_failure(deletion, doomed->bag.owner.kind, doomed->bag.owner.shown, submit->code,
                        submit->text);
}

static int delete_some(struct deletion *deletion, size_t first, size_t count, struct err *err)
{
    const struct admin_backend *backend = deletion->request->backend;
    struct submit *submits = calloc(count, sizeof *submits);
    if (submits == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        submits[i] = (struct submit){.kind = SUBMIT_DELETE,
                                     .adopt = deletion->adopt,
                                     .actor = deletion->request->actor,
                                     .owner = deletion->owners[first + i].bag.owner};
    }
    int rc = backend->submit(backend->context, submits, count, err);
    bool all = rc == 0;
    for (size_t i = 0; i < count; i++) {
        if (all || submits[i].seq > 0) { /* what was done before a failure counts */
            int result = take_result(deletion, &deletion->owners[first + i], &submits[i]);
            rc = rc == 0 ? result : rc;
        }
    }
    free(submits);
    return rc;
}

static int delete_all(struct deletion *deletion, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < deletion->count && deletion->dry_run; i++) {
        deletion->owners[i].done = true;
    }
    for (size_t i = 0; i < deletion->count && !deletion->dry_run && rc == 0; i += SUBMITS_AT_ONCE) {
        size_t left = deletion->count - i;
        rc = delete_some(deletion, i, left < SUBMITS_AT_ONCE ? left : SUBMITS_AT_ONCE, err);
    }
    return rc;
}

/* --- the request --- */

/* What was, or would be, deleted. */
struct deleted {
    json_int_t users;
    json_int_t groups;
    json_int_t items;
    json_int_t bytes;
};

static struct deleted count_done(const struct deletion *deletion)
{
    struct deleted count = {0};
    for (size_t i = 0; i < deletion->count; i++) {
        const struct doomed *doomed = &deletion->owners[i];
        if (doomed->done) {
            count.users += doomed->bag.owner.kind == OWNER_USER;
            count.groups += doomed->bag.owner.kind == OWNER_GROUP;
            count.items += (json_int_t)doomed->items;
            count.bytes += (json_int_t)doomed->bytes;
        }
    }
    return count;
}

/* What the audit tells: how many, and the first of them by name. */
static json_t *told(const struct deletion *deletion, const struct deleted *count)
{
    json_t *users = json_array();
    json_t *groups = json_array();
    for (size_t i = 0; i < deletion->count; i++) {
        const struct owner *owner = &deletion->owners[i].bag.owner;
        if (deletion->owners[i].done) {
            admin_api_tell(owner->kind == OWNER_USER ? users : groups, owner->shown);
        }
    }
    return json_pack("{s:o, s:o, s:I, s:I, s:b}", "users", users, "groups", groups, "count",
                     count->users + count->groups, "item_count", count->items, "adopt",
                     deletion->adopt);
}

static int report(const struct deletion *deletion, const struct deleted *count,
                  struct admin_response *response, struct err *err)
{
    response->json =
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:O, s:O}", "dry_run", deletion->dry_run,
                  "users", count->users, "groups", count->groups, "items", count->items, "bytes",
                  count->bytes, "devices", (json_int_t)deletion->devices, "seq",
                  deletion->seq > 0 ? admin_api_seq(deletion->seq) : json_null(), "missing",
                  deletion->missing, "failed", deletion->failed);
    if (response->json == NULL || (deletion->adopt && json_object_set(response->json, "suppliers",
                                                                      deletion->suppliers) != 0)) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    bool nothing = count->users + count->groups == 0 && json_array_size(deletion->failed) == 0;
    return nothing ? err_set(err, E_NOT_FOUND, "nobody of %s is registered",
                             json_array_size(deletion->missing) > 1 ? "these names" : "this name")
                   : 0;
}

/* The answer and what the audit is told; `rc` is how it went so far. */
static int finish(const struct deletion *deletion, int rc, struct admin_response *response,
                  struct err *err)
{
    struct deleted count = count_done(deletion);
    rc = rc == 0 ? report(deletion, &count, response, err) : rc;
    response->about = told(deletion, &count);
    if (rc != 0 && count.users + count.groups > 0 && !deletion->dry_run) {
        response->partly = true;
        (void)err_prefix(err, "after %" JSON_INTEGER_FORMAT " of %zu", count.users + count.groups,
                         deletion->count);
    }
    return rc;
}

static int find_all(struct deletion *deletion, json_t *users, json_t *groups, struct err *err)
{
    size_t names = json_array_size(users) + json_array_size(groups);
    if (names == 0) {
        return err_set(err, E_INVALID, "neither 'users' nor 'groups' names anybody");
    }
    struct kv *kv = deletion->request->backend->kv;
    deletion->owners = calloc(names, sizeof *deletion->owners);
    if (deletion->owners == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = kv_view_new(&deletion->view, kv, err);
    if (rc == 0) {
        rc = find_names(deletion, OWNER_USER, users, err);
    }
    if (rc == 0) {
        rc = find_names(deletion, OWNER_GROUP, groups, err);
    }
    if (rc == 0) {
        sort_out(deletion);
        rc = count_devices(deletion, err);
    }
    kv_view_free(&deletion->view);
    return rc;
}

int admin_api_owners_delete(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    json_t *body = NULL;
    json_t *users = NULL;
    json_t *groups = NULL;
    struct deletion deletion = {.request = request,
                                .missing = json_array(),
                                .failed = json_array(),
                                .suppliers = json_array()};
    int rc = admin_body_json(request, "users groups adopt dry_run", &body, err);
    if (rc == 0) {
        rc = admin_api_bool(body, "dry_run", &deletion.dry_run, err);
    }
    if (rc == 0) {
        rc = admin_api_bool(body, "adopt", &deletion.adopt, err);
    }
    if (rc == 0) {
        rc = admin_api_strings(body, "users", NAMES_MAX, &users, err);
    }
    if (rc == 0) {
        rc = admin_api_strings(body, "groups", NAMES_MAX, &groups, err);
    }
    if (rc == 0) {
        rc = find_all(&deletion, users, groups, err);
    }
    if (rc == 0) {
        rc = delete_all(&deletion, err);
    }
    rc = finish(&deletion, rc, response, err);
    free(deletion.owners);
    json_decref(deletion.missing);
    json_decref(deletion.failed);
    json_decref(deletion.suppliers);
    json_decref(body);
    return rc;
}
