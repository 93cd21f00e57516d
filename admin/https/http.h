/* admin/https/http.h - a small HTTP/1.1 server over libevent: connections, deadlines, uploads,
 * streams.
 *
 * It carries a route table (route.h) over any listening socket. libevent's own evhttp is not used:
 * in 2.1 it shows a request only when its body is in memory, so an upload can't go to a file nor
 * be refused by its head; it has no deadline for a head; and it reads heads leniently. What is
 * here instead is the head (head.h), a body of known length, and answers.
 *
 * Keeps true: memory and disk are bounded by the limits below, whatever clients do. One thread
 * owns the sockets and never runs a route's function; each lane has a thread that does.
 */
#ifndef KITBAG_ADMIN_HTTP_H
#define KITBAG_ADMIN_HTTP_H

#include "admin/route.h"

struct admin_http;

struct admin_http_limits {
    unsigned connections; /* at once; more wait to be accepted */
    unsigned streams;     /* of them, followed at once */
    unsigned files;       /* uploads on disk at once */
    unsigned head_ms;     /* a head has to be whole by then; how long an idle connection stays */
    unsigned stall_ms;    /* a body or an answer has to move on by then */
    unsigned stream_ms;   /* how often a stream that had nothing is asked again */
};
extern const struct admin_http_limits admin_http_usual;

struct admin_http_options {
    int listener; /* a listening socket, non-blocking; the caller's until success */
    const struct admin_route *routes; /* borrowed for life, as are all of these */
    const struct admin_backend *backend;
    const char *actor;
    const char *spool_dir; /* uploads lie there, without a name */
    const struct admin_http_limits *limits;
};

MUST_CHECK int admin_http_start(struct admin_http **out, const struct admin_http_options *options,
                                struct err *err);

/* Cuts all connections, waits for the functions that are running (their `given_up` is set), closes
 * the listener. Accepts NULL and a nulled pointer. */
void admin_http_stop(struct admin_http **http);

#endif
