/* admin/https/head.h - the head of an HTTP/1.1 request, read strictly. Pure.
 *
 * What two programs could read differently is refused: bare line feeds, folded headers, spaces
 * before a colon, signs in Content-Length, two of them or of If-Match, Transfer-Encoding.
 */
#ifndef KITBAG_ADMIN_HTTP_HEAD_H
#define KITBAG_ADMIN_HTTP_HEAD_H

#include "base/buf.h"
#include "base/err.h"

enum { HTTP_HEAD_MAX_BYTES = 16 << 10, HTTP_HEADERS_MAX = 100 };

/* Spans are borrowed from the bytes that were read. */
struct admin_http_head {
    size_t size; /* of the head in bytes, with the empty line that ends it */
    struct span method;
    struct span path;          /* as sent: percent-encoded, begins with '/' */
    struct span query;         /* behind the '?', without it; may be empty */
    struct span if_match;      /* its value; empty when there is none */
    struct span last_event_id; /* the same */
    bool keep_alive;
    bool expects_continue; /* the sender waits for "100 Continue" before the body */
    uint64_t body_size;    /* Content-Length, 0 when there is none */
};

/* Read the head that `bytes` begin with. `head` is untouched on failure.
 *
 * Returns 0; E_BUSY: it is not whole yet (never when HTTP_HEAD_MAX_BYTES or more are there);
 * E_TOO_LARGE; E_MALFORMED with a sentence.
 */
MUST_CHECK int admin_http_head_read(struct admin_http_head *head, struct span bytes,
                                    struct err *err);

#endif
