/* admin/https/entry.c - a request whose head is there: which route, who asks, may they, and may the
 * body come?
 *
 * This is the one place where roles are compared, for all routes and carriers. What is changed is
 * told to the audit where routes are run (route.c).
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/https/inside.h"
#include "base/clock.h"
#include "base/file.h"

enum { BODY_OPEN_MAX_BYTES = 4096 }; /* from who is not signed in */

/* --- the body --- */

/* A file without a name in the server's folder: gone when it is closed, and after a crash. */
static int open_spool(struct admin_connection *c, struct err *err)
{
    struct admin_http *http = c->http;
    if (http->file_count >= http->options.limits->files) {
        return err_set(err, E_BUSY, "%u files are being received already: try again later",
                       http->file_count);
    }
    char path[PATH_MAX];
    int rc = path_join(path, sizeof path, http->options.spool_dir, "upload-XXXXXX");
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder is too long");
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "make a file for the upload in", http->options.spool_dir);
    }
    (void)unlink(path);
    c->job->request.file = fd;
    http->file_count++;
    return 0;
}

/* Room for all of it, so that many large ones don't take the memory together. */
static int reserve_body(struct admin_connection *c, struct err *err)
{
    struct admin_http *http = c->http;
    if (c->body_left > http->options.limits->body_bytes - http->body_bytes) {
        return err_set(err, E_BUSY, "too many large requests are being received: try again later");
    }
    c->job->body_reserved = (size_t)c->body_left;
    http->body_bytes += c->job->body_reserved;
    return 0;
}

static int check_body(struct admin_connection *c, struct err *err)
{
    static const uint64_t limits[] = {
        [ADMIN_BODY_NONE] = 0,
        [ADMIN_BODY_JSON] = ADMIN_BODY_MAX_BYTES,
        [ADMIN_BODY_RAW] = VALUE_MAX_BYTES,
        [ADMIN_BODY_FILE] = ADMIN_FILE_MAX_BYTES,
    };
    uint64_t limit = limits[c->job->route->body];
    if (c->job->request.who == NULL && limit > BODY_OPEN_MAX_BYTES) {
        limit = BODY_OPEN_MAX_BYTES;
    }
    if (c->body_left > limit) {
        return err_set(err, E_TOO_LARGE, "the body has %llu bytes; at most %llu are taken here",
                       (unsigned long long)c->body_left, (unsigned long long)limit);
    }
    return c->job->route->body == ADMIN_BODY_FILE ? open_spool(c, err) : reserve_body(c, err);
}

/* --- who asks --- */

static void let_in(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    job->request.who = &job->who;
    job->request.actor = job->who.actor;
    job->request.role = job->who.role;
    job->request.via = job->who.via;
    c->known = true;
}

/* 0 also for nobody, when the route is for anybody. */
static int identify(struct admin_connection *c, const struct admin_http_head *head, struct err *err)
{
    struct admin_job *job = c->job;
    struct admin_auth *auth = c->http->options.auth;
    if (c->http->options.local) {
        admin_auth_local(&job->who);
        let_in(c);
        return 0;
    }
    struct admin_credentials given = {
        .cookie = head->cookie,
        .authorization = head->authorization,
        .csrf = head->csrf,
        /* who signs in again has no token yet, and is known all the same */
        .changes = job->route->action != NULL && job->route->role != ADMIN_ROLE_NONE,
        .address = c->peer.address,
        .now_ms = clock_wall_ms(&clock_system),
    };
    job->request.actor = "";
    job->request.role = ADMIN_ROLE_NONE;
    job->request.via = ADMIN_VIA_SESSION;
    struct err why = {0};
    int rc = admin_auth_check(auth, &given, &job->who, &why);
    if (rc == 0) {
        let_in(c);
        return 0;
    }
    if (job->route->role == ADMIN_ROLE_NONE) {
        return 0;
    }
    return err_set(err, rc, "%s", why.text);
}

/* With their article. */
static const char *const role_names[] = {
    [ADMIN_ROLE_NONE] = "a nobody",
    [ADMIN_ROLE_VIEWER] = "a viewer",
    [ADMIN_ROLE_OPERATOR] = "an operator",
    [ADMIN_ROLE_ADMIN] = "an admin",
};

/* What one may do with a password that somebody else knows, too; and what anybody may. */
static bool is_of_session(const struct admin_route *route)
{
    static const char prefix[] = "/api/v1/session";
    return route->role == ADMIN_ROLE_NONE ||
           strncmp(route->pattern, prefix, sizeof prefix - 1) == 0;
}

/* A page that is not ours can make a browser send a request to us, and even sign somebody in as
 * somebody else; browsers tell where it stands. One on another port of this machine, or on a name
 * beside ours, is "same-site": it gets our cookie sent, and is no more ours than any other.
 * Programs tell nothing. */
static bool is_of_other_page(const struct admin_http_head *head)
{
    return head->fetch_site.size > 0 &&
           !span_equal(head->fetch_site, SPAN_LITERAL("same-origin")) &&
           !span_equal(head->fetch_site, SPAN_LITERAL("none")); /* typed by a person */
}

static int check_may(const struct admin_connection *c, const struct admin_http_head *head,
                     struct err *err)
{
    const struct admin_route *route = c->job->route;
    if (route->action != NULL && is_of_other_page(head)) {
        return err_set(err, E_CSRF, "a page of another site asked for this: nothing was done");
    }
    if (c->job->who.must_change && !is_of_session(route)) {
        return err_set(
            err, E_MUST_CHANGE,
            "somebody else made the password of '%s': choose one of your own first, with "
            "POST /api/v1/session/password or 'kitbagctl account passwd'",
            c->job->request.actor);
    }
    if (c->job->request.role < route->role) {
        return err_set(err, E_NOT_ALLOWED, "this takes the role '%s'; '%s' is %s",
                       strchr(role_names[route->role], ' ') + 1, c->job->request.actor,
                       role_names[c->job->request.role]);
    }
    return 0;
}

/* --- the request --- */

/* Without a state there is little that can be answered. */
static int check_open(const struct admin_connection *c, struct err *err)
{
    const struct admin_route *route = c->job->route;
    bool needs_none = route->lane == ADMIN_LANE_LOOP && route->role == ADMIN_ROLE_NONE;
    if (c->http->options.backend != NULL || needs_none) {
        return 0;
    }
    c->job->response.retry_after_s = 1;
    return err_set(err, E_CLOSED, "the server is opening its state: try again in a moment");
}

static void copy_text(char *out, size_t size, struct span text)
{
    if (text.size > 0 && text.size < size) {
        memcpy(out, text.data, text.size);
        out[text.size] = '\0';
    }
}

static int take_headers(struct admin_job *job, const struct admin_http_head *head, struct err *err)
{
    struct admin_request *request = &job->request;
    if (head->if_match.size >= sizeof request->if_match) {
        return err_set(err, E_INVALID, "'If-Match' is longer than any seq");
    }
    copy_text(request->if_match, sizeof request->if_match, head->if_match);
    copy_text(request->last_event_id, sizeof request->last_event_id, head->last_event_id);
    copy_text(job->if_none_match, sizeof job->if_none_match, head->if_none_match);
    copy_text(job->range, sizeof job->range, head->range);
    copy_text(job->if_range, sizeof job->if_range, head->if_range);
    return 0;
}

/* Files are for GET and HEAD. */
static int find_file(struct admin_connection *c, const struct admin_http_head *head,
                     const struct admin_asset **asset, struct err *err)
{
    const struct admin_asset *found = admin_asset_find(c->http->options.assets, head->path);
    if (found == NULL) {
        return E_NOT_FOUND;
    }
    if (!c->head_only && !span_equal(head->method, SPAN_LITERAL("GET"))) {
        (void)snprintf(c->job->response.allow, ADMIN_ALLOW_MAX, "GET, HEAD");
        c->job->response.status = 405;
        return err_set(err, E_NOT_ALLOWED, "'%s' takes GET, HEAD only", found->path);
    }
    if (head->body_size > 0) {
        return err_set(err, E_TOO_LARGE, "a file is asked for without a body");
    }
    *asset = found;
    return 0;
}

int admin_connection_begin(struct admin_connection *c, const struct admin_http_head *head,
                           const struct admin_asset **asset, struct err *err)
{
    const struct admin_http_options *options = &c->http->options;
    c->close_after = !head->keep_alive;
    c->head_only = span_equal(head->method, SPAN_LITERAL("HEAD"));
    c->body_left = head->body_size;
    c->expects_continue = head->expects_continue && head->body_size > 0;
    c->job = admin_job_new(c->http);
    if (c->job == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    struct admin_job *job = c->job;
    int rc = 0;
    job->connection = c;
    job->request.backend = options->backend;
    job->request.auth = options->auth;
    job->request.actor = "";
    memcpy(job->address, c->peer.address, sizeof job->address);
    job->request.address = job->address;
    struct err why = {0};
    job->route =
        admin_route_find(options->routes, head->method, head->path, job->response.allow, &rc, &why);
    if (job->route == NULL) {
        int file = rc == E_NOT_FOUND ? find_file(c, head, asset, err) : E_NOT_FOUND;
        if (file == E_NOT_FOUND) {
            job->response.status = rc == E_NOT_ALLOWED ? 405 : 0;
            return err_set(err, rc, "%s", why.text);
        }
        return file;
    }
    rc = identify(c, head, err);
    if (rc == 0) {
        rc = check_may(c, head, err);
    }
    if (rc == 0) {
        rc = check_open(c, err);
    }
    if (rc == 0) {
        rc = take_headers(job, head, err);
    }
    if (rc == 0) {
        rc = admin_request_fill(&job->request, job->route, head->path, head->query, err);
    }
    return rc == 0 ? check_body(c, err) : rc;
}
