/* admin/https/connection.c - one connection: head, body, function; and the next request.
 *
 * All of it runs on the loop's thread. A connection is in one state at a time; its timer belongs to
 * the state. What a client sends ahead waits, at most INPUT_MAX_BYTES of it.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/https/inside.h"
#include "base/clock.h"
#include "base/file.h"

enum {
    INPUT_MAX_BYTES = 32 << 10,
    STREAM_PIECE_BYTES = 12 << 20, /* the most a stream may give at once: some changes */
    STALL_BYTES = 64 << 10,        /* what a body has to move on by in stall_ms */
    LINGER_MS = 2000,              /* for reading what a refused client still sends */
    GONE_MS = 200, /* who said that nothing more will come: is he gone? so often it is looked */
};

/* The request is over, and what it held. */
static void drop_job(struct admin_connection *c)
{
    if (c->state == ADMIN_STATE_STREAM) {
        c->http->stream_count--;
    }
    c->http->answer_bytes -= c->answer_size;
    c->answer_size = 0;
    if (c->job != NULL && c->state == ADMIN_STATE_RUNNING) {
        atomic_store(&c->job->given_up, true); /* its lane has it and hands it back later */
        c->job->connection = NULL;
        c->job = NULL;
    }
    admin_job_free(&c->job);
}

/* Bytes that the system holds and the other side has not taken. */
static int unsent(const struct admin_connection *c)
{
    int bytes = 0;
    (void)ioctl(bufferevent_getfd(c->bev), SIOCOUTQ, &bytes); /* then there are none */
    return bytes;
}

/* Nothing more is said: TLS tells the other side that this was all. */
static void say_end(const struct admin_connection *c)
{
    if (c->ssl != NULL && c->state != ADMIN_STATE_HANDSHAKE) {
        (void)SSL_shutdown(c->ssl); /* once: nobody waits for the answer to it */
        ERR_clear_error();
    }
}

void admin_connection_close(struct admin_connection *c)
{
    if (c->cut) {
        struct linger now = {.l_onoff =
                                 1}; /* what was not sent is not kept for who does not read */
        (void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else {
        say_end(c);
    }
    drop_job(c);
    *c->link = c->next;
    if (c->next != NULL) {
        c->next->link = c->link;
    }
    struct admin_http *http = c->http;
    bufferevent_free(c->bev);
    event_free(c->timer);
    buf_free(&c->piece);
    free(c);
    admin_http_count(http, -1);
}

/* --- receiving --- */

static void run(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    (void)evtimer_del(c->timer);
    job->request.body = buf_span(&job->body_in);
    admin_connection_enter(c, ADMIN_STATE_RUNNING);
    int rc = admin_http_dispatch(c->http, job);
    if (rc != 0) {
        struct err err = {0};
        c->state = ADMIN_STATE_BODY; /* it is ours still */
        job->response.retry_after_s = 1;
        admin_connection_refuse(
            c, true, err_set(&err, rc, "the server has too much to do: try again later"), &err);
    }
}

/* It can't be told where the next request begins. */
static void refuse_head(struct admin_connection *c, int code, const struct err *err)
{
    c->job = admin_job_new(c->http);
    if (c->job != NULL) {
        c->job->response.status = code == E_TOO_LARGE ? 431 : code == E_PROTOCOL ? 505 : 0;
    }
    admin_connection_refuse(c, false, code, err);
}

/* True when the state has changed and there may be more to do. */
static bool read_head(struct admin_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t size = evbuffer_get_length(in);
    size = size < HTTP_HEAD_MAX_BYTES ? size : HTTP_HEAD_MAX_BYTES;
    if (size == 0) {
        return false;
    }
    struct admin_http_head head;
    struct err err = {0};
    int rc =
        admin_http_head_read(&head, span_of(evbuffer_pullup(in, (ev_ssize_t)size), size), &err);
    if (rc == E_BUSY) {
        return false;
    }
    if (rc != 0) {
        refuse_head(c, rc, &err);
        return false;
    }
    const struct admin_asset *asset = NULL;
    rc = admin_connection_begin(c, &head, &asset, &err);
    if (asset != NULL) {
        admin_job_free(&c->job);
        admin_connection_send_file(c, asset, &head);
    }
    (void)evbuffer_drain(in, head.size);
    if (asset != NULL) {
        return false;
    }
    if (rc != 0) {
        admin_connection_refuse(c, head.body_size == 0, rc, &err);
        return false;
    }
    if (c->expects_continue) {
        (void)bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    admin_connection_enter(c, ADMIN_STATE_BODY);
    admin_connection_timer(c, c->http->options.limits->stall_ms);
    return true;
}

/* The next contiguous bytes of the body to where they belong. */
static int keep(struct admin_connection *c, struct span bytes, struct err *err)
{
    struct admin_job *job = c->job;
    if (job->request.file < 0) {
        int rc = buf_append_span(&job->body_in, bytes);
        return rc == 0 ? 0 : err_set(err, rc, "out of memory");
    }
    int rc = file_write_at(job->request.file, bytes.data, bytes.size, (off_t)c->file_offset,
                           "the upload", err);
    c->file_offset += bytes.size;
    return rc;
}

static bool read_body(struct admin_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    while (c->body_left > 0) {
        size_t size = evbuffer_get_length(in);
        if (size == 0) {
            return false;
        }
        size = size < c->body_left ? size : (size_t)c->body_left;
        struct err err = {0};
        int rc = keep(c, span_of(evbuffer_pullup(in, (ev_ssize_t)size), size), &err);
        if (rc != 0) {
            admin_connection_refuse(c, false, rc, &err);
            return false;
        }
        (void)evbuffer_drain(in, size);
        c->body_left -= size;
        c->moved += size;
    }
    run(c);
    return false;
}

static void advance(struct admin_connection *c)
{
    bool more = true;
    while (more) {
        more = (c->state == ADMIN_STATE_HEAD && read_head(c)) ||
               (c->state == ADMIN_STATE_BODY && read_body(c));
    }
    if (c->state == ADMIN_STATE_LINGER) {
        struct evbuffer *in = bufferevent_get_input(c->bev);
        (void)evbuffer_drain(in, evbuffer_get_length(in));
    }
}

/* --- events --- */

static void on_read(struct bufferevent *bev, void *context)
{
    (void)bev;
    advance(context);
}

/* All that was to be said has been said. */
static void on_answered(struct admin_connection *c)
{
    bool linger = c->linger_after;
    bool end = c->close_after;
    drop_job(c);
    c->head_only = false;
    if (linger) {
        say_end(c);
        admin_connection_enter(c, ADMIN_STATE_LINGER);
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        admin_connection_timer(c, LINGER_MS);
        advance(c);
    } else if (end) {
        admin_connection_close(c);
    } else {
        admin_connection_enter(c, ADMIN_STATE_HEAD);
        c->file_offset = 0;
        admin_connection_timer(c, c->http->options.limits->head_ms);
        advance(c);
    }
}

static void on_written(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    bool more = c->state == ADMIN_STATE_ANSWER && admin_connection_download_more(c);
    if (c->cut) {
        admin_connection_close(c);
        return;
    }
    if (more) {
        return;
    }
    if (c->state == ADMIN_STATE_ANSWER) {
        on_answered(c);
    } else if (c->state == ADMIN_STATE_STREAM) {
        admin_connection_pump(c);
    }
}

/* Somebody speaks HTTP without TLS: the answer is in HTTP without TLS. */
static bool is_plain(const struct admin_connection *c)
{
    unsigned long code = 0;
    while ((code = bufferevent_get_openssl_error(c->bev)) != 0) {
        int reason = ERR_GET_REASON(code);
        if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST) {
            return true;
        }
    }
    return false;
}

static void answer_plain(const struct admin_connection *c)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 71\r\nConnection: close\r\n\r\n"
        "This port speaks HTTPS only: the address has to begin with 'https://'.\n";
    char rest[4096];
    int fd = bufferevent_getfd(c->bev);
    while (recv(fd, rest, sizeof rest, MSG_DONTWAIT) == (ssize_t)sizeof rest) {
        /* what lies unread when the connection is closed would make the answer be lost */
    }
    (void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* or they wait */
}

/* Did the other side end the connection itself, beneath TLS? */
static bool is_gone(const struct admin_connection *c)
{
    char byte;
    ssize_t got = recv(bufferevent_getfd(c->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* Who only says that nothing more will come may still read the answer: over TLS also while it is
 * made, because there it can be told from being gone. */
static bool reads_on(struct admin_connection *c)
{
    bool makes = c->state == ADMIN_STATE_RUNNING && c->ssl != NULL && !is_gone(c);
    if (c->state != ADMIN_STATE_ANSWER && !makes) {
        return false;
    }
    c->close_after = true;
    c->linger_after = false;
    (void)bufferevent_disable(c->bev, EV_READ);
    (void)bufferevent_enable(c->bev, EV_WRITE); /* over TLS it stops both by itself */
    if (makes) {
        admin_connection_timer(c, GONE_MS);
    }
    return true;
}

/* TLS is agreed on, or the other side is gone, or a call failed. */
static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        c->state = ADMIN_STATE_HEAD; /* its time goes on: that of the handshake counts */
        return;
    }
    if ((what & BEV_EVENT_EOF) != 0 && reads_on(c)) {
        return;
    }
    if (c->state == ADMIN_STATE_HANDSHAKE && is_plain(c)) {
        answer_plain(c);
    }
    admin_connection_close(c);
}

/* A body or an answer that moved since the timer was set gets more time. */
static void on_stall(struct admin_connection *c)
{
    uint64_t wanted = STALL_BYTES < c->body_left ? STALL_BYTES : c->body_left;
    size_t waiting = evbuffer_get_length(bufferevent_get_output(c->bev)) + (size_t)unsent(c);
    size_t most = STALL_BYTES < c->waiting ? c->waiting - STALL_BYTES : 0;
    if (c->state == ADMIN_STATE_BODY && c->moved < wanted) {
        struct err err = {0};
        admin_connection_refuse(c, false, err_set(&err, E_TIMEOUT, "the body came too slowly"),
                                &err);
    } else if (c->state == ADMIN_STATE_ANSWER && waiting > most && c->moved == 0) {
        c->cut = true;
        admin_connection_close(c);
    } else {
        admin_connection_timer(c, c->http->options.limits->stall_ms);
        c->waiting = waiting;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct admin_connection *c = context;
    bool silent = evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
    if (c->state == ADMIN_STATE_STREAM) {
        admin_connection_pump(c);
    } else if (c->state == ADMIN_STATE_RUNNING && !is_gone(c)) {
        admin_connection_timer(c, GONE_MS);
    } else if (c->state == ADMIN_STATE_HEAD && !silent) {
        struct err err = {0};
        admin_connection_refuse(
            c, false, err_set(&err, E_TIMEOUT, "the head of the request came too slowly"), &err);
    } else if (c->state == ADMIN_STATE_HANDSHAKE || c->state == ADMIN_STATE_HEAD ||
               c->state == ADMIN_STATE_RUNNING || c->state == ADMIN_STATE_LINGER) {
        c->cut = c->state == ADMIN_STATE_HEAD && unsent(c) > 0; /* who does not read */
        admin_connection_close(c);
    } else {
        on_stall(c);
    }
}

void admin_connection_enter(struct admin_connection *c, enum admin_state state)
{
    c->state = state;
    c->since_ms = clock_mono_ms(&clock_system);
}

/* The descriptor is closed when that fails. */
static struct bufferevent *buffer_of(struct admin_http *http, int fd, struct ssl_st **ssl)
{
    struct bufferevent *bev = NULL;
    *ssl = http->options.tls != NULL ? admin_tls_accept(http->options.tls) : NULL;
    if (*ssl != NULL) {
        bev = bufferevent_openssl_socket_new(http->base, fd, *ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE);
    } else if (http->options.tls == NULL) {
        bev = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    if (bev == NULL) {
        SSL_free(*ssl);
        (void)close(fd);
    }
    return bev;
}

static void add_to_list(struct admin_connection *c)
{
    struct admin_http *http = c->http;
    c->next = http->connections;
    c->link = &http->connections;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    http->connections = c;
    admin_http_count(http, 1);
}

void admin_connection_open(struct admin_http *http, int fd, const struct admin_peer *peer)
{
    struct ssl_st *ssl = NULL;
    struct admin_connection *c = calloc(1, sizeof *c);
    struct bufferevent *bev = buffer_of(http, fd, &ssl);
    struct event *timer = c != NULL && bev != NULL ? evtimer_new(http->base, on_timer, c) : NULL;
    if (timer == NULL) {
        if (bev != NULL) {
            bufferevent_free(bev);
        }
        free(c);
        return;
    }
    c->http = http;
    c->bev = bev;
    c->ssl = ssl;
    c->timer = timer;
    c->peer = *peer;
    admin_connection_enter(c, ssl != NULL ? ADMIN_STATE_HANDSHAKE : ADMIN_STATE_HEAD);
    buf_init(&c->piece, STREAM_PIECE_BYTES);
    add_to_list(c);
    bufferevent_setcb(bev, on_read, on_written, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX_BYTES);
    admin_connection_timer(c, http->options.limits->head_ms);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}
