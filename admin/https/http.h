/* admin/https/http.h - a small HTTP/1.1 server over libevent, with TLS or without: connections,
 * deadlines, uploads, streams, files.
 *
 * It carries a route table (route.h) and a table of files over any listening sockets. libevent's
 * own evhttp is not used: in 2.1 it shows a request only when its body is in memory, so an upload
 * can't go to a file nor be refused by its head; it has no deadline for a head; and it reads heads
 * leniently. What is here instead is the head (head.h), a body of known length, and answers.
 *
 * Keeps true: memory and disk are bounded by the limits below, whatever clients do. One thread
 * owns the sockets and runs no route's function but those of ADMIN_LANE_LOOP; each lane has threads
 * that do. Who may ask is looked at when the head is there, before any of the body is taken.
 */
#ifndef KITBAG_ADMIN_HTTPS_HTTP_H
#define KITBAG_ADMIN_HTTPS_HTTP_H

#include "admin/auth/auth.h"
#include "admin/https/asset.h"
#include "admin/https/tls.h"

struct admin_http;

struct admin_http_limits {
    unsigned connections; /* at once */
    /* Of them, from one address (of IPv6: from one /64). Who comes when there is no room, here or
     * in all, takes the place of somebody who has waited longest for his request to be whole, or
     * is not let in. 0: there are no addresses, and more wait to be accepted. */
    unsigned per_address;
    unsigned streams;         /* of the connections, followed at once */
    unsigned files;           /* uploads on disk at once */
    unsigned head_ms;         /* a head has to be whole by then, and TLS agreed on before; how long
                                 an idle connection stays */
    unsigned stall_ms;        /* a body or an answer has to move on by then */
    unsigned stream_stall_ms; /* a stream's reader has to move on by then */
    unsigned stream_ms;       /* how often a stream that had nothing is asked again */
    size_t body_bytes;        /* of all bodies that are kept in memory */
    size_t answer_bytes;      /* of all answers that wait to be sent */
};
extern const struct admin_http_limits admin_http_usual;   /* of the local socket */
extern const struct admin_http_limits admin_http_console; /* of what anybody can reach */

struct admin_http_options {
    const int *listeners; /* listening sockets, non-blocking; the caller's until success */
    size_t listener_count;
    const struct admin_route *routes; /* borrowed for life, as are all of these */
    /* NULL: the state is away. Every route answers 503 then, but those of ADMIN_LANE_LOOP that
     * anybody may use: they run without a backend. */
    const struct admin_backend *backend;
    struct admin_auth *auth; /* who may sign in */
    bool local;            /* whoever connects is the server's own account, and needs not sign in */
    struct admin_tls *tls; /* NULL: none */
    const struct admin_asset *assets; /* ends with a NULL path; NULL: no files */
    const char *spool_dir;            /* uploads lie there, without a name */
    const struct admin_http_limits *limits;
};

enum { ADMIN_HTTP_LISTENERS_MAX = 8 };

MUST_CHECK int admin_http_start(struct admin_http **out, const struct admin_http_options *options,
                                struct err *err);

/* Cuts all connections, waits for the functions that are running (their `given_up` is set), closes
 * the listeners. Accepts NULL and a nulled pointer. */
void admin_http_stop(struct admin_http **http);

#endif
