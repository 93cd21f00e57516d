/* bench/https.c - requests and answers over OpenSSL. */
#include "bench/https.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { READ_BYTES = 64 << 10, ANSWER_MAX = 64 << 20, REQUEST_MAX = 1 << 20, PATIENCE_S = 60 };

/* --- where it is --- */

/* The server's log tells the port that it took. */
static int find_port(const struct bench_server *server)
{
    static const char mark[] = "console.listening address=https://127.0.0.1:";
    char path[128];
    char line[1024];
    int port = 0;
    (void)snprintf(path, sizeof path, "%s/server.log", server->dir);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, mark);
        if (at != NULL) {
            port = (int)strtol(at + sizeof mark - 1, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (port == 0) {
        bench_fail("the server's log does not tell where the console is", NULL);
    }
    return port;
}

/* The text of a member, as our server writes JSON: it escapes nothing in what is asked for here. */
static void copy_member(const struct buf *json, const char *name, char *out, size_t size)
{
    char mark[64];
    (void)snprintf(mark, sizeof mark, "\"%s\":\"", name);
    const char *at = memmem(json->data, json->size, mark, strlen(mark));
    const char *end = at != NULL ? strchr(at + strlen(mark), '"') : NULL;
    if (end == NULL || (size_t)(end - at) - strlen(mark) >= size) {
        bench_fail("an answer of the console is not what it should be", NULL);
    }
    (void)snprintf(out, size, "%.*s", (int)((size_t)(end - at) - strlen(mark)), at + strlen(mark));
}

/* The cookie of a head, "NAME=VALUE". */
static void copy_cookie(const struct buf *head, char *out, size_t size)
{
    static const char mark[] = "Set-Cookie: ";
    const char *at = memmem(head->data, head->size, mark, sizeof mark - 1);
    if (at == NULL) {
        bench_fail("signing in gave no cookie", NULL);
    }
    at += sizeof mark - 1;
    (void)snprintf(out, size, "%.*s", (int)strcspn(at, ";\r"), at);
}

static void send_all(struct https *https, const char *bytes, size_t size);
static unsigned receive(struct https *https, struct buf *head, struct buf *body);

/* As a page does, with a cookie; a script's token is shorter to send. */
static void make_token(struct https_site *site, const char *password)
{
    static const char wanted[] = "{\"name\":\"bench\",\"role\":\"admin\",\"expires_s\":86400}";
    char request[2048];
    char body[256];
    char cookie[256];
    char csrf[128];
    struct buf head;
    struct buf answer;
    struct https https;
    buf_init(&head, REQUEST_MAX);
    buf_init(&answer, ANSWER_MAX);
    https_open(&https, site);
    (void)snprintf(body, sizeof body, "{\"name\":\"admin\",\"password\":\"%s\"}", password);
    https_send(&https, "POST", "/api/v1/session", body);
    if (receive(&https, &head, &answer) != 200) {
        bench_fail("signing in at the console was refused", NULL);
    }
    (void)buf_append_span(&answer, span_of("", 1));
    (void)buf_append_span(&head, span_of("", 1));
    copy_cookie(&head, cookie, sizeof cookie);
    copy_member(&answer, "csrf", csrf, sizeof csrf);
    int size = snprintf(request, sizeof request,
                        "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost:%d\r\nCookie: %s\r\n"
                        "X-CSRF-Token: %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        site->port, cookie, csrf, sizeof wanted - 1, wanted);
    send_all(&https, request, (size_t)size);
    if (receive(&https, &head, &answer) != 201) {
        bench_fail("the console gave no token", NULL);
    }
    (void)buf_append_span(&answer, span_of("", 1));
    copy_member(&answer, "token", site->token, sizeof site->token);
    https_close(&https);
    buf_free(&answer);
    buf_free(&head);
}

void https_site_open(struct https_site *site, const struct bench_server *server,
                     const char *password)
{
    *site = (struct https_site){.tls = SSL_CTX_new(TLS_client_method()), .port = find_port(server)};
    if (site->tls == NULL) {
        bench_fail("TLS: out of memory", NULL);
    }
    make_token(site, password);
}

void https_site_close(struct https_site *site)
{
    SSL_CTX_free(site->tls);
    *site = (struct https_site){0};
}

/* --- a connection --- */

void https_open(struct https *https, const struct https_site *site)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)site->port)};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *https = (struct https){.site = site, .ssl = SSL_new(site->tls)};
    buf_init(&https->in, ANSWER_MAX);
    https->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (https->ssl == NULL || https->fd < 0 ||
        connect(https->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        bench_fail("can't connect to the console", NULL);
    }
    (void)setsockopt(https->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(https->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)SSL_set_tlsext_host_name(https->ssl, "localhost");
    if (SSL_set_fd(https->ssl, https->fd) != 1 || SSL_connect(https->ssl) != 1) {
        bench_fail("the console's TLS", NULL);
    }
}

void https_close(struct https *https)
{
    if (https->ssl != NULL) {
        (void)SSL_shutdown(https->ssl);
        SSL_free(https->ssl);
        (void)close(https->fd);
    }
    buf_free(&https->in);
    *https = (struct https){0};
}

static void send_all(struct https *https, const char *bytes, size_t size)
{
    if (SSL_write(https->ssl, bytes, (int)size) != (int)size) {
        bench_fail("the console closed a connection", NULL);
    }
}

void https_send(struct https *https, const char *method, const char *target, const char *body)
{
    struct buf request;
    char head[2048];
    const struct https_site *site = https->site;
    bool known = site->token[0] != '\0';
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: localhost:%d\r\n%s%s%s%s"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        method, target, site->port, https->plain ? "" : "Accept-Encoding: gzip\r\n",
                        known ? "Authorization: Bearer " : "", site->token, known ? "\r\n" : "",
                        body != NULL ? strlen(body) : 0);
    ASSERT(size > 0 && (size_t)size < sizeof head);
    buf_init(&request, REQUEST_MAX);
    (void)buf_append_span(&request, span_of(head, (size_t)size));
    (void)buf_append_span(&request, span_str(body != NULL ? body : ""));
    ASSERT(buf_error(&request) == 0);
    send_all(https, (const char *)request.data, request.size);
    buf_free(&request);
}

/* Until there are `size` bytes, or once when 0. */
static void read_more(struct https *https, size_t size)
{
    do {
        if (buf_reserve(&https->in, READ_BYTES) != 0) {
            bench_fail("an answer of the console is too long", NULL);
        }
        int got = SSL_read(https->ssl, https->in.data + https->in.size, READ_BYTES);
        if (got <= 0) {
            bench_fail("the console did not answer", NULL);
        }
        https->in.size += (size_t)got;
    } while (https->in.size < size);
}

static void drop(struct https *https, size_t size)
{
    memmove(https->in.data, https->in.data + size, https->in.size - size);
    https->in.size -= size;
}

/* Up to the empty line; how long it is. */
static size_t read_head(struct https *https)
{
    for (;;) {
        const uint8_t *end = memmem(https->in.data, https->in.size, "\r\n\r\n", 4);
        if (end != NULL) {
            return (size_t)(end - https->in.data) + 4;
        }
        read_more(https, 0);
    }
}

static unsigned receive(struct https *https, struct buf *head, struct buf *body)
{
    static const char mark[] = "\r\nContent-Length: ";
    size_t size = read_head(https);
    const char *text = (const char *)https->in.data;
    const char *length = memmem(text, size, mark, sizeof mark - 1);
    unsigned status = (unsigned)strtoul(text + sizeof "HTTP/1.1", NULL, 10);
    size_t bytes = length != NULL ? strtoul(length + sizeof mark - 1, NULL, 10) : 0;
    if (head != NULL) {
        buf_reset(head);
        (void)buf_append_span(head, span_of(text, size));
    }
    if (https->in.size < size + bytes) {
        read_more(https, size + bytes);
    }
    if (body != NULL) {
        buf_reset(body);
        (void)buf_append_span(body, span_of(https->in.data + size, bytes));
    }
    drop(https, size + bytes);
    return status;
}

unsigned https_receive(struct https *https, struct buf *body)
{
    return receive(https, NULL, body);
}

uint64_t https_ask(struct https *https, const char *method, const char *target, const char *body,
                   struct buf *answer)
{
    uint64_t begin = clock_mono_ns();
    https_send(https, method, target, body);
    unsigned status = https_receive(https, answer);
    uint64_t took = clock_mono_ns() - begin;
    if (status / 100 != 2) {
        struct err err = {0};
        (void)err_set(&err, E_MALFORMED, "%s %.60s: %u %.*s", method, target, status,
                      answer != NULL ? (int)(answer->size < 200 ? answer->size : 200) : 0,
                      answer != NULL ? (const char *)answer->data : "");
        bench_fail("the console", &err);
    }
    return took;
}

size_t https_wire_bytes(const struct https *https)
{
    return (size_t)BIO_number_read(SSL_get_rbio(https->ssl));
}

/* --- streams --- */

void https_begin_stream(struct https *https, const char *target)
{
    https_send(https, "GET", target, NULL);
    size_t size = read_head(https);
    if (strtoul((const char *)https->in.data + sizeof "HTTP/1.1", NULL, 10) != 200) {
        bench_fail("the console gave no stream", NULL);
    }
    drop(https, size);
}

size_t https_skim(struct https *https, int timeout_ms)
{
    struct pollfd poller = {.fd = https->fd, .events = POLLIN};
    size_t before = https->in.size;
    https->in.size = 0;
    if (before == 0 && (SSL_pending(https->ssl) > 0 || poll(&poller, 1, timeout_ms) > 0)) {
        read_more(https, 0);
        before = https->in.size;
        https->in.size = 0;
    }
    return before;
}
