/* cli/ctl_http.h - kitbagctl's way to the server: its HTTP API, over HTTPS or over the local socket
 * of a data folder.
 *
 * An answer that is no success becomes the code and the sentence that the server gave. When no
 * server listens it is E_UNREACHABLE, and the sentence says what to start. Over HTTPS nothing is
 * sent to a server whose certificate is not the right one, and whoever is not signed in (any more)
 * gets E_NOT_ALLOWED and is told to sign in.
 */
#ifndef KITBAG_CLI_CTL_HTTP_H
#define KITBAG_CLI_CTL_HTTP_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/ctl_server.h"

/* Ask; the answer's document, to be freed by the caller (json_decref).
 *
 *   target  "/api/v1/owners?kind=user", percent-encoded
 *   body    the request's document, borrowed; NULL: none, and the method is GET, else POST
 */
MUST_CHECK int ctl_ask(const struct invocation *invocation, const char *target, json_t *body,
                       json_t **answer, struct err *err);

/* Any other request. Spans are borrowed; the method is a literal. */
struct ctl_request {
    const char *method;
    const char *target;
    json_t *json;         /* the body as a document, borrowed; else */
    struct span bytes;    /* the body as it is */
    const char *if_match; /* NULL: no condition */
    char *cookie;         /* CTL_COOKIE_MAX bytes: gets the cookie that the answer sets; or NULL */
};
MUST_CHECK int ctl_send(const struct invocation *invocation, const struct ctl_request *request,
                        json_t **answer, struct err *err);
/* The same to a server that was found before. */
MUST_CHECK int ctl_send_to(const struct ctl_server *server, const struct ctl_request *request,
                           json_t **answer, struct err *err);

/* What the certificate of an HTTPS server is, without a word being sent: CTL_TRUST_NOT_ASKED when
 * there is none to be had, with E_UNREACHABLE or E_TIMEOUT. */
MUST_CHECK int ctl_look_at(const struct ctl_server *server, enum ctl_trust_verdict *verdict,
                           char seen[CTL_FINGERPRINT_MAX], struct err *err);

/* POST `size` bytes at `data`, with progress on a terminal. */
MUST_CHECK int ctl_upload(const struct invocation *invocation, const char *target,
                          struct span bytes, json_t **answer, struct err *err);

/* GET a file, to behind what is there of it, with progress. */
struct ctl_download {
    int fd;        /* of a regular file */
    uint64_t at;   /* bytes that are there: the rest alone is asked for, if it is the same file */
    uint64_t size; /* of all of it, for the progress; 0: not known */
    const char *etag; /* of what is there, without quotes; "" when that is nothing */
    bool moved;       /* out: something came */
};
/* When it is another file by now it is cut and written anew. E_UNREACHABLE, E_TIMEOUT: what came is
 * there; ask for the rest. */
MUST_CHECK int ctl_fetch(const struct invocation *invocation, const char *target,
                         struct ctl_download *download, struct err *err);

/* GET a stream of documents, one a line; until it ends, or `each` returns non-zero, which is
 * returned. A problem in the stream ends it with its code. */
typedef int ctl_line_fn(void *context, json_t *line, struct err *err);
MUST_CHECK int ctl_stream(const struct invocation *invocation, const char *target,
                          ctl_line_fn *each, void *context, struct err *err);

/* The connection that ctl_ask keeps for the next one to the same server is closed. */
void ctl_http_end(void);

#endif
