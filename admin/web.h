/* admin/web.h - administration over HTTPS: addresses, certificate, the API and the console's files.
 *
 * It listens for all of the server's life. While the state is away every request is answered 503;
 * sessions outlast that, connections do not.
 */
#ifndef KITBAG_ADMIN_WEB_H
#define KITBAG_ADMIN_WEB_H

#include "admin/https/http.h"

struct admin_web;

struct admin_web_options {
    const char *listen; /* "0.0.0.0:8444", see https/listen.h; not "none" */
    /* PEM files; both "": a certificate that the server signs for itself lies in keys_dir and is
     * made when it is not there. */
    struct admin_certificate_files files;
    const char *keys_dir;
    const char *const *names; /* of this machine, for that certificate */
    size_t name_count;
    const char *spool_dir;
    const struct admin_asset *assets; /* may be NULL */
    struct admin_auth *auth;
    unsigned connections;
    unsigned connections_per_address;
};
enum { ADMIN_WEB_URL_MAX = 320 };

/* Listen, and answer 503 until admin_web_open. All that `options` points to is borrowed for the
 * call, but for assets and auth, which are for life.
 *
 * What admin_listen, admin_certificate_make and admin_tls_new return; E_NOMEM, E_SYSTEM. */
MUST_CHECK int admin_web_start(struct admin_web **out, const struct admin_web_options *options,
                               struct err *err);
/* Cuts the connections and waits for the functions that are running, as admin_local_stop does.
 * Accepts NULL and a nulled pointer. */
void admin_web_stop(struct admin_web **web);

/* The state is there: serve. `backend` is borrowed until admin_web_close or admin_web_stop. */
MUST_CHECK int admin_web_open(struct admin_web *web, const struct admin_backend *backend,
                              struct err *err);
/* It goes away: before this make calls of the backend return E_CLOSED. Waits for them. On failure
 * nobody is answered any more. */
MUST_CHECK int admin_web_close(struct admin_web *web, struct err *err);

/* Read the certificate and its key again, from these files (both "": those in keys_dir). On failure
 * the ones before stay in use. */
MUST_CHECK int admin_web_reload(struct admin_web *web, const struct admin_certificate_files *files,
                                struct err *err);

/* How to get there: "https://HOST:PORT"; `host` is for a console that listens on all addresses. */
void admin_web_url(const struct admin_web *web, const char *host, char out[ADMIN_WEB_URL_MAX]);
struct admin_tls *admin_web_tls(struct admin_web *web); /* borrowed */

#endif
