/* admin/api/sync.c - GET and PUT /sync: do machines and server exchange changes, since when, by
 * whom, and whom it is about.
 *
 * A dry run of PUT answers what it would find and change, and changes nothing.
 */
#include <string.h>

#include "admin/api/api.h"

struct sync_view {
    struct server_status status;
    struct kv_counts counts;
};

static int look(const struct admin_backend *backend, struct sync_view *view, struct err *err)
{
    int rc = backend->status(backend->context, &view->status, err);
    return rc != 0 ? rc : kv_counts(backend->kv, NULL, &view->counts, err);
}

static json_t *document(const struct sync_view *view)
{
    const struct server_status *status = &view->status;
    return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "state",
                     status->sync_stopped ? "stopped" : "running", "since",
                     admin_api_time(status->sync_since_ms), "by",
                     status->sync_by[0] != '\0' ? json_string(status->sync_by) : json_null(),
                     "users", (json_int_t)view->counts.users, "groups",
                     (json_int_t)view->counts.groups, "devices", (json_int_t)status->devices,
                     "connected", (json_int_t)status->sessions, "waiting",
                     (json_int_t)status->waiting, "head", admin_api_seq(status->head.seq));
}

int admin_api_sync(const struct admin_request *request, struct admin_response *response,
                   struct err *err)
{
    struct sync_view view = {0};
    int rc = look(request->backend, &view, err);
    if (rc == 0) {
        response->json = document(&view);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    return rc;
}

/* --- PUT --- */

struct sync_change {
    bool run;
    bool dry_run;
    bool changed;
    uint64_t seq;
};

static int read_change(json_t *body, struct sync_change *change, struct err *err)
{
    const char *state = json_string_value(json_object_get(body, "state"));
    bool stop = state != NULL && strcmp(state, "stopped") == 0;
    change->run = state != NULL && strcmp(state, "running") == 0;
    if (!stop && !change->run) {
        return err_set(err, E_INVALID, "'state' is running or stopped");
    }
    return admin_api_bool(body, "dry_run", &change->dry_run, err);
}

/* The document is of after it; of a dry run, of now. */
static int carry_out(const struct admin_request *request, struct sync_change *change,
                     struct sync_view *view, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    int rc = look(backend, view, err);
    if (rc != 0 || change->dry_run) {
        change->changed = rc == 0 && view->status.sync_stopped == change->run;
        return rc;
    }
    rc = backend->sync(backend->context, change->run, request->actor, &change->seq, err);
    change->changed = rc == 0 && change->seq > 0;
    return rc != 0 || !change->changed ? rc : look(backend, view, err);
}

static int answer(const struct sync_change *change, const struct sync_view *view,
                  struct admin_response *response, struct err *err)
{
    json_t *more =
        json_pack("{s:b, s:b, s:o}", "dry_run", change->dry_run, "changed", change->changed, "seq",
                  change->seq > 0 ? admin_api_seq(change->seq) : json_null());
    response->json = document(view);
    response->about = json_pack("{s:s}", "state", change->run ? "running" : "stopped");
    int rc = response->json != NULL && response->about != NULL && more != NULL &&
                     json_object_update(response->json, more) == 0
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
    json_decref(more);
    return rc;
}

int admin_api_sync_put(const struct admin_request *request, struct admin_response *response,
                       struct err *err)
{
    json_t *body = NULL;
    struct sync_change change = {0};
    struct sync_view view = {0};
    int rc = admin_body_json(request, "state dry_run", &body, err);
    if (rc == 0) {
        rc = read_change(body, &change, err);
    }
    if (rc == 0) {
        rc = carry_out(request, &change, &view, err);
    }
    if (rc == 0) {
        rc = answer(&change, &view, response, err);
    }
    json_decref(body);
    return rc;
}
