/* admin/web.c - what the HTTPS side is made of. */
#include "admin/web.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/https/listen.h"
#include "base/clock.h"
#include "base/file.h"

struct admin_web {
    int fds[ADMIN_HTTP_LISTENERS_MAX]; /* ours; each server of HTTP gets copies */
    size_t fd_count;
    char host[ADMIN_WEB_URL_MAX - 20]; /* "" on all addresses */
    char spool_dir[PATH_MAX];
    char own_certificate[PATH_MAX]; /* in keys_dir */
    char own_key[PATH_MAX];
    struct admin_tls *tls;
    struct admin_auth *auth;
    const struct admin_asset *assets;
    struct admin_http_limits limits;
    struct admin_http *http;
};

/* --- the certificate --- */

/* The files that are meant. E_INVALID: one without the other. */
static int choose_files(const struct admin_web *web, const struct admin_certificate_files *given,
                        struct admin_certificate_files *out, struct err *err)
{
    bool certificate = given->certificate[0] != '\0';
    bool key = given->key[0] != '\0';
    if (certificate != key) {
        return err_set(err, E_INVALID,
                       "console.certificate and console.key go together: '%s' is "
                       "not set",
                       certificate ? "console.key" : "console.certificate");
    }
    *out =
        certificate ? *given : (struct admin_certificate_files){web->own_certificate, web->own_key};
    return 0;
}

static int make_own(const struct admin_web *web, const struct admin_web_options *options,
                    struct err *err)
{
    if (access(web->own_certificate, F_OK) == 0 && access(web->own_key, F_OK) == 0) {
        return 0;
    }
    const struct admin_certificate_files own = {web->own_certificate, web->own_key};
    return admin_certificate_make(&own, options->names, options->name_count,
                                  clock_wall_ms(&clock_system), err);
}

/* And what else lies in folders. */
static int start_files(struct admin_web *web, const struct admin_web_options *options,
                       struct err *err)
{
    if (path_join(web->own_certificate, PATH_MAX, options->keys_dir, "console.crt") != 0 ||
        path_join(web->own_key, PATH_MAX, options->keys_dir, "console.key") != 0 ||
        strlen(options->spool_dir) >= sizeof web->spool_dir) {
        return err_set(err, E_INVALID, "the path of the data folder is too long");
    }
    memcpy(web->spool_dir, options->spool_dir, strlen(options->spool_dir) + 1);
    struct admin_certificate_files files = {0};
    int rc = choose_files(web, &options->files, &files, err);
    if (rc == 0 && files.key == web->own_key) {
        rc = make_own(web, options, err);
    }
    return rc == 0 ? admin_tls_new(&web->tls, &files, err) : rc;
}

int admin_web_reload(struct admin_web *web, const struct admin_certificate_files *files,
                     struct err *err)
{
    ASSERT(web != NULL && files != NULL);
    struct admin_certificate_files chosen = {0};
    int rc = choose_files(web, files, &chosen, err);
    return rc == 0 ? admin_tls_reload(web->tls, &chosen, err) : rc;
}

/* --- serving --- */

static int copy_listeners(const struct admin_web *web, int *fds, struct err *err)
{
    for (size_t i = 0; i < web->fd_count; i++) {
        fds[i] = fcntl(web->fds[i], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0) {
            int rc = err_sys(err, "copy", "the console's socket");
            while (i > 0) {
                (void)close(fds[--i]);
            }
            return rc;
        }
    }
    return 0;
}

/* In place of what served before. */
static int serve(struct admin_web *web, const struct admin_backend *backend, struct err *err)
{
    admin_http_stop(&web->http);
    int fds[ADMIN_HTTP_LISTENERS_MAX];
    int rc = copy_listeners(web, fds, err);
    if (rc != 0) {
        return rc;
    }
    const struct admin_http_options options = {
        .listeners = fds,
        .listener_count = web->fd_count,
        .routes = admin_api_routes,
        .backend = backend,
        .auth = web->auth,
        .tls = web->tls,
        .assets = web->assets,
        .spool_dir = web->spool_dir,
        .limits = &web->limits,
    };
    rc = admin_http_start(&web->http, &options, err);
    for (size_t i = 0; i < web->fd_count && rc != 0; i++) {
        (void)close(fds[i]);
    }
    return rc;
}

int admin_web_open(struct admin_web *web, const struct admin_backend *backend, struct err *err)
{
    ASSERT(web != NULL && backend != NULL);
    return serve(web, backend, err);
}

int admin_web_close(struct admin_web *web, struct err *err)
{
    ASSERT(web != NULL);
    return serve(web, NULL, err);
}

int admin_web_start(struct admin_web **out, const struct admin_web_options *options,
                    struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->auth != NULL);
    struct admin_web *web = calloc(1, sizeof *web);
    if (web == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    web->auth = options->auth;
    web->assets = options->assets;
    web->limits = admin_http_console;
    web->limits.connections = options->connections;
    web->limits.per_address = options->connections_per_address;
    admin_listen_host(options->listen, web->host, sizeof web->host);
    int rc = start_files(web, options, err);
    if (rc == 0) {
        rc = admin_listen(options->listen, web->fds, ADMIN_HTTP_LISTENERS_MAX, &web->fd_count, err);
    }
    if (rc == 0) {
        rc = serve(web, NULL, err);
    }
    if (rc != 0) {
        admin_web_stop(&web);
        return rc;
    }
    *out = web;
    return 0;
}

void admin_web_stop(struct admin_web **web)
{
    if (web == NULL || *web == NULL) {
        return;
    }
    admin_http_stop(&(*web)->http);
    for (size_t i = 0; i < (*web)->fd_count; i++) {
        (void)close((*web)->fds[i]); /* nothing was written to it */
    }
    admin_tls_free(&(*web)->tls);
    free(*web);
    *web = NULL;
}

/* --- telling --- */

void admin_web_url(const struct admin_web *web, const char *host, char out[ADMIN_WEB_URL_MAX])
{
    ASSERT(web != NULL && host != NULL && out != NULL);
    (void)snprintf(out, ADMIN_WEB_URL_MAX, "https://%.280s:%d",
                   web->host[0] != '\0' ? web->host : host, admin_listen_port(web->fds[0]));
}

struct admin_tls *admin_web_tls(struct admin_web *web)
{
    ASSERT(web != NULL);
    return web->tls;
}
