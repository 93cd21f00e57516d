/* admin/auth/audit.c - events written. They are read by api/audit.c. */
#include "admin/auth/audit.h"

#include <stdlib.h>
#include <string.h>

#include "admin/auth/inside.h"

const char *auth_via_name(enum admin_via via)
{
    static const char *const names[] = {"local", "session", "token"};
    ASSERT((size_t)via < sizeof names / sizeof names[0]);
    return names[via];
}

static void put_event(struct buf *out, const struct auth_event *event, json_t *about)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:O}", "actor", event->actor != NULL ? event->actor : "",
        "action", event->action, "via", auth_via_name(event->via), "address",
        event->address != NULL ? event->address : "", "status", event->status, "about", about);
    (void)admin_json_append(out, json); /* the buffer keeps its error */
    json_decref(json);
}

static void fill(struct buf *value, const struct auth_event *event)
{
    json_t *about = event->about != NULL ? json_incref(event->about) : json_object();
    put_event(value, event, about);
    if (value->error == E_TOO_LARGE) {
        json_decref(about);
        about = json_pack("{s:b}", "too_long", 1);
        buf_reset(value);
        put_event(value, event, about);
    }
    json_decref(about);
}

/* The log is all that tells of it then: what was done, too. */
static void log_unwritten(const struct auth_event *event, int code, const struct err *err)
{
    char *about = event->about != NULL ? json_dumps(event->about, JSON_COMPACT) : NULL;
    log_event(LOG_ERROR, "admin", "admin.audit_failed",
              "action=%s actor=%s address=%s status=%d about=%s code=%s text=%s", event->action,
              LOG_Q(event->actor), event->address != NULL ? event->address : "", event->status,
              LOG_Q(about), err_name(code), LOG_Q(err->text));
    free(about);
}

void auth_audit(const struct admin_backend *backend, const struct auth_event *event)
{
    ASSERT(backend != NULL && event != NULL && event->action != NULL);
    struct err err = {0};
    struct buf value;
    uint64_t seq = 0;
    buf_init(&value, AUTH_AUDIT_MAX);
    fill(&value, event);
    struct operation_write write = {.path = SPAN_LITERAL(AUTH_AUDIT_PATH),
                                    .value = buf_span(&value)};
    int rc = buf_error(&value);
    if (rc != 0) {
        rc = err_set(&err, rc, "%s", err_meaning(rc));
    } else {
        const char *actor = event->actor != NULL ? event->actor : "";
        rc = auth_submit(backend, actor, &write, 1, &seq, &err);
    }
    buf_free(&value);
    if (rc != 0) {
        log_unwritten(event, rc, &err);
    }
}

/* What a route did not tell of itself, its address tells: names, never values. */
static json_t *about_of(const struct admin_request *request, const struct admin_response *response)
{
    if (response->about != NULL) {
        return json_incref(response->about);
    }
    json_t *about = json_object();
    json_t *target = json_array();
    for (size_t i = 0; i < ADMIN_PARTS_MAX && request->parts[i] != NULL; i++) {
        (void)json_array_append_new(target, json_string(request->parts[i]));
    }
    if (json_array_size(target) > 0) {
        (void)json_object_set(about, "target", target);
    }
    json_decref(target);
    return about;
}

void admin_audit(const struct admin_request *request, const struct admin_route *route,
                 const struct admin_response *response)
{
    ASSERT(request != NULL && route != NULL && response != NULL);
    bool kept = request->auth != NULL && route->action != NULL;
    if (!kept || route->role == ADMIN_ROLE_NONE) {
        return;
    }
    struct auth_event event = {
        .actor = request->actor,
        .action = route->action,
        .via = request->via,
        .address = request->address,
        .status = response->status,
        .about = about_of(request, response),
    };
    auth_audit(request->backend, &event);
    json_decref(event.about);
}
