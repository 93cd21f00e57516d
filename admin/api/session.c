/* admin/api/session.c - signing in and out, who one is, one's own password.
 *
 * The audit is told of signing in here, because nobody is known before; of the rest it is told as
 * of every route.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/auth/audit.h"
#include "admin/auth/sign_in.h"

/* A text member; E_INVALID when it is absent. */
static int text_member(const json_t *body, const char *member, const char **out, struct err *err)
{
    const json_t *value = json_object_get(body, member);
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value)) {
        return err_set(err, E_INVALID, "'%s' is a text, and has to be there", member);
    }
    *out = text;
    return 0;
}

static struct auth_from from_of(const struct admin_request *request)
{
    return (struct auth_from){request->address != NULL ? request->address : "",
                              request->via == ADMIN_VIA_LOCAL};
}

static json_t *document(const struct admin_identity *who)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b}", "name", who->actor, "role",
                     auth_role_name(who->role), "csrf", who->csrf, "expires_at",
                     admin_api_time(who->expires_ms), "via", auth_via_name(who->via), "must_change",
                     who->must_change);
}

/* Without an expiry: when the session ends is the server's to say. */
static void set_cookie(struct admin_response *response, const char *id)
{
    (void)snprintf(response->set_cookie, sizeof response->set_cookie,
                   AUTH_COOKIE "=%s; Path=/; HttpOnly; Secure; SameSite=Strict%s", id,
                   id[0] == '\0' ? "; Max-Age=0" : "");
}

static void tell_wait(struct admin_response *response, const struct auth_entry *entry, int rc)
{
    if (rc == E_LOCKED) {
        response->retry_after_s = (unsigned)((entry->wait_ms + 999) / 1000);
        response->json = json_pack("{s:i}", "retry_after_s", (int)response->retry_after_s);
    }
}

/* --- POST --- */

static void audit_begin(const struct admin_request *request, const struct auth_entry *entry)
{
    struct auth_event event = {.actor = entry->who.actor,
                               .action = "session.begin",
                               .via = ADMIN_VIA_SESSION,
                               .address = request->address,
                               .status = 200};
    auth_audit(request->backend, &event);
}

static int sign_in(const struct admin_request *request, const json_t *body,
                   struct admin_response *response, struct err *err)
{
    struct auth_by by = {request->auth, request->backend, "admin"};
    struct auth_sign_in asked = {.from = from_of(request)};
    struct auth_entry entry = {0};
    if (request->who != NULL && request->who->via == ADMIN_VIA_SESSION) {
        asked.replaces = request->who->session;
    }
    int rc = text_member(body, "name", &asked.name, err);
    if (rc == 0) {
        rc = text_member(body, "password", &asked.password, err);
    }
    if (rc == 0) {
        rc = auth_sign_in(&by, &asked, &entry, err);
        tell_wait(response, &entry, rc);
    }
    if (rc == 0) {
        audit_begin(request, &entry);
        set_cookie(response, entry.id);
        response->json = document(&entry.who);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    sodium_memzero(&entry, sizeof entry);
    return rc;
}

int admin_api_session_begin(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    json_t *body = NULL;
    int rc = admin_body_json(request, "name password", &body, err);
    if (rc == 0) {
        rc = sign_in(request, body, response, err);
    }
    json_decref(body);
    return rc;
}

/* --- GET, DELETE --- */

int admin_api_session(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    if (request->who == NULL) {
        return err_set(err, E_UNAUTHENTICATED, "nobody is signed in here");
    }
    response->json = document(request->who);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int need_session(const struct admin_request *request, struct err *err)
{
    bool session = request->who != NULL && request->who->via == ADMIN_VIA_SESSION;
    return session ? 0
                   : err_set(err, E_INVALID,
                             "this is for those who signed in with a password; of others, "
                             "administrators change accounts and API tokens");
}

int admin_api_session_end(const struct admin_request *request, struct admin_response *response,
                          struct err *err)
{
    int rc = need_session(request, err);
    if (rc == 0) {
        auth_sign_out(request->auth, request->who->session);
        set_cookie(response, "");
        response->json = json_object();
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    return rc;
}

/* --- the own password --- */

static int change_password(const struct admin_request *request, const json_t *body,
                           struct admin_response *response, struct err *err)
{
    struct auth_by by = {request->auth, request->backend, request->actor};
    struct auth_own_password asked = {.who = request->who, .from = from_of(request)};
    struct auth_entry entry = {0};
    int rc = text_member(body, "old", &asked.old, err);
    if (rc == 0) {
        rc = text_member(body, "new", &asked.password, err);
    }
    if (rc == 0) {
        rc = auth_own_password(&by, &asked, &entry, err);
        tell_wait(response, &entry, rc);
    }
    if (rc == E_CREDENTIALS) {
        response->status = 403; /* whoever asks is signed in: not 401, which sends to sign in */
    }
    if (rc == 0) {
        set_cookie(response, entry.id);
        response->json = document(&entry.who);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    sodium_memzero(&entry, sizeof entry);
    return rc;
}

int admin_api_session_password(const struct admin_request *request, struct admin_response *response,
                               struct err *err)
{
    json_t *body = NULL;
    int rc = need_session(request, err);
    if (rc == 0) {
        rc = admin_body_json(request, "old new", &body, err);
    }
    if (rc == 0) {
        rc = change_password(request, body, response, err);
    }
    json_decref(body);
    return rc;
}
