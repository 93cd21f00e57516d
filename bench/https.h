/* bench/https.h - a browser of the bench's own: HTTP/1.1 over TLS, connections that are kept.
 *
 * Everything blocks, at most 60 s, and ends the bench with a sentence when something goes wrong.
 * Certificates are not looked at: the server is the bench's own.
 */
#ifndef KITBAG_BENCH_HTTPS_H
#define KITBAG_BENCH_HTTPS_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "bench/server.h"

/* Where the console is, and who asks. One for many connections. */
struct https_site {
    SSL_CTX *tls;
    int port;
    char token[128]; /* "": nobody signed in */
};

/* The console of a server that was started with server.console=127.0.0.1:0; the token is an
 * administrator's, made with the password of the account admin. */
void https_site_open(struct https_site *site, const struct bench_server *server,
                     const char *password);
void https_site_close(struct https_site *site);

struct https {
    const struct https_site *site;
    SSL *ssl;
    int fd;
    bool plain;    /* it does not ask for gzip */
    struct buf in; /* what came and was not asked for yet */
};

void https_open(struct https *https, const struct https_site *site);
void https_close(struct https *https);

/* A request; `body` NULL: none. `target` as sent. */
void https_send(struct https *https, const char *method, const char *target, const char *body);
/* Its answer: the status. `body` (may be NULL) is replaced by the answer's body as sent. */
unsigned https_receive(struct https *https, struct buf *body);
/* Both; anything but 2xx ends the bench with what the server said. How long it took, in ns. */
uint64_t https_ask(struct https *https, const char *method, const char *target, const char *body,
                   struct buf *answer);

/* What it received so far, as sent: TLS and all. */
size_t https_wire_bytes(const struct https *https);

/* Of an endless answer (text/event-stream): read its head. */
void https_begin_stream(struct https *https, const char *target);
/* What came of it is thrown away; how many bytes that were, 0: nothing came in time. */
size_t https_skim(struct https *https, int timeout_ms);

#endif
