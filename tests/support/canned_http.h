/* tests/support/canned_http.h - a server that says what it was told to, over a Unix socket.
 *
 * One connection after the other: it reads a whole request (head and Content-Length), keeps it, and
 * sends the next answer, byte for byte, then closes.
 */
#ifndef KITBAG_TESTS_SUPPORT_CANNED_HTTP_H
#define KITBAG_TESTS_SUPPORT_CANNED_HTTP_H

struct canned_http;

/* `answers` are raw bytes as text, borrowed, ending with NULL; "" closes without a word, and
 * CANNED_SILENCE says nothing until canned_http_stop. After one that says "Connection: keep-alive"
 * the next request has to come by the same connection. Listens on `socket_path` on return. */
extern const char CANNED_SILENCE[];
void canned_http_start(struct canned_http **out, const char *socket_path,
                       const char *const *answers);
/* The requests so far, whole, one after the other; borrowed, until the server is stopped. Call when
 * the answers were received. */
const char *canned_http_requests(struct canned_http *server);
void canned_http_stop(struct canned_http **server);

/* An answer with this status and body: into a static buffer of `slot` 0 to 7. */
const char *canned_http_json(int slot, int status, const char *body);

#endif
