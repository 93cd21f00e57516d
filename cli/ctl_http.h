/* cli/ctl_http.h - kitbagctl's way to the server: the HTTP API over the local socket of a data
 * folder.
 *
 * An answer that is no success becomes the code and the sentence that the server gave. When no
 * server listens it is E_UNREACHABLE, and the sentence says what to start.
 */
#ifndef KITBAG_CLI_CTL_HTTP_H
#define KITBAG_CLI_CTL_HTTP_H

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/command.h"

/* --data, else KITBAG_SERVER_DATA, else where the package keeps it. */
const char *ctl_data_dir(const struct invocation *invocation);

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
};
MUST_CHECK int ctl_send(const struct invocation *invocation, const struct ctl_request *request,
                        json_t **answer, struct err *err);

/* POST `size` bytes at `data`, with progress on a terminal. */
MUST_CHECK int ctl_upload(const struct invocation *invocation, const char *target,
                          struct span bytes, json_t **answer, struct err *err);

/* GET a stream of documents, one a line; until it ends, or `each` returns non-zero, which is
 * returned. A problem in the stream ends it with its code. */
typedef int ctl_line_fn(void *context, json_t *line, struct err *err);
MUST_CHECK int ctl_stream(const struct invocation *invocation, const char *target,
                          ctl_line_fn *each, void *context, struct err *err);

/* All rows of a list: the pages' arrays `member` joined, by "next". `target` has a query. */
MUST_CHECK int ctl_list(const struct invocation *invocation, const char *target, const char *member,
                        json_t **rows, struct err *err);

/* The same, but at most `limit` rows (0: all). `last` (may be NULL) gets the page that ended it,
 * with what it says besides. */
MUST_CHECK int ctl_list_some(const struct invocation *invocation, const char *target,
                             const char *member, size_t limit, json_t **rows, json_t **last,
                             struct err *err);

/* What a deletion left out (its "missing" and "failed") becomes the command's code: 0 when nothing
 * was, E_PARTLY when `done` of them were done, else the code and reason of the first failure. */
MUST_CHECK int ctl_left_out(json_t *report, json_int_t done, struct err *err);

/* Append text percent-encoded for a target. */
void ctl_escape(struct buf *out, const char *text);
/* Append "&NAME=VALUE"; nothing when `value` is NULL. */
void ctl_put_query(struct buf *out, const char *name, const char *value);
/* A moment of the command line as the API takes it: one that counts from now ("-2h") is made a time
 * in `room`, so that all pages of a list mean the same; else *out is `text`. E_USAGE. */
MUST_CHECK int ctl_moment(const char *text, const char *option, char room[CLOCK_TEXT_MAX],
                          const char **out, struct err *err);
/* That of an option (--at, --from, --to), appended the same way; nothing when it was not given. */
MUST_CHECK int ctl_put_moment(const struct invocation *invocation, struct buf *out,
                              const char *option, struct err *err);
/* The buffer as a NUL-ended target, or NULL and an error in `err`. */
const char *ctl_target(struct buf *buf, struct err *err);

#endif
