/* admin/https/head.h - the head of an HTTP/1.1 request, read strictly. Pure.
 *
 * What two programs could read differently is refused: bare line feeds, folded headers, spaces
 * before a colon, signs in Content-Length, two of them or of any other header that counts here,
 * Transfer-Encoding, a Host that is none.
 */
#ifndef KITBAG_ADMIN_HTTPS_HEAD_H
#define KITBAG_ADMIN_HTTPS_HEAD_H

#include "base/buf.h"
#include "base/err.h"

enum { HTTP_HEAD_MAX_BYTES = 16 << 10, HTTP_HEADERS_MAX = 100 };

/* Spans are borrowed from the bytes that were read. */
struct admin_http_head {
    size_t size; /* of the head in bytes, with the empty line that ends it */
    struct span method;
    struct span path;  /* as sent: percent-encoded, begins with '/' */
    struct span query; /* behind the '?', without it; may be empty */
    /* The values of headers; empty when there is none. */
    struct span if_match;
    struct span if_none_match;
    struct span if_range;
    struct span range;
    struct span accept_encoding; /* the first, when there are several */
    struct span last_event_id;
    struct span cookie;
    struct span authorization;
    struct span csrf;       /* X-CSRF-Token */
    struct span fetch_site; /* Sec-Fetch-Site: where the page stands that made a browser ask */
    bool keep_alive;
    bool expects_continue; /* the sender waits for "100 Continue" before the body */
    uint64_t body_size;    /* Content-Length, 0 when there is none */
};

/* Read the head that `bytes` begin with. `head` is untouched on failure.
 *
 * Returns 0; E_BUSY: it is not whole yet (never when HTTP_HEAD_MAX_BYTES or more are there);
 * E_TOO_LARGE; E_PROTOCOL: another version of HTTP; E_MALFORMED. All but E_BUSY with a sentence.
 */
MUST_CHECK int admin_http_head_read(struct admin_http_head *head, struct span bytes,
                                    struct err *err);

#endif
