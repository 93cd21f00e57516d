/* admin/https/connection.c - one connection: head, body, function; and the next request.
 *
 * All of it runs on the loop's thread. A connection is in one state at a time; its timer belongs to
 * the state. What a client sends ahead waits, at most INPUT_MAX_BYTES of it.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/https/inside.h"
#include "base/file.h"

enum {
    INPUT_MAX_BYTES = 64 << 10,
    STREAM_PIECE_BYTES = 12 << 20, /* the most a stream may give at once: some changes */
    STALL_BYTES = 64 << 10,        /* what a body has to move on by in stall_ms */
    LINGER_MS = 2000,              /* for reading what a refused client still sends */
};

/* The request is over, and what it held. */
static void drop_job(struct admin_connection *c)
{
    if (c->has_file) {
        c->http->file_count--;
        c->has_file = false;
    }
    if (c->state == ADMIN_STATE_STREAM) {
        c->http->stream_count--;
    }
    if (c->job != NULL && c->state == ADMIN_STATE_RUNNING) {
        atomic_store(&c->job->given_up, true); /* its lane has it and hands it back later */
        c->job->connection = NULL;
        c->job = NULL;
    }
    admin_job_free(&c->job);
}

void admin_connection_close(struct admin_connection *c)
{
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

/* A file without a name in the server's folder: gone when it is closed, and after a crash. */
static int open_spool(struct admin_connection *c, struct err *err)
{
    struct admin_http *http = c->http;
    if (http->file_count >= http->options.limits->files) {
        return err_set(err, E_BUSY, "%u files are being received already: try again later",
                       http->file_count);
    }
    char path[PATH_MAX];
    int rc = path_join(path, sizeof path, http->options.spool_dir, "upload-XXXXXX");
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder is too long");
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "make a file for the upload in", http->options.spool_dir);
    }
    (void)unlink(path);
    c->job->request.file = fd;
    c->has_file = true;
    http->file_count++;
    return 0;
}

static int check_body(struct admin_connection *c, struct err *err)
{
    static const uint64_t limits[] = {
        [ADMIN_BODY_NONE] = 0,
        [ADMIN_BODY_JSON] = ADMIN_BODY_MAX_BYTES,
        [ADMIN_BODY_RAW] = VALUE_MAX_BYTES,
        [ADMIN_BODY_FILE] = ADMIN_FILE_MAX_BYTES,
    };
    uint64_t limit = limits[c->job->route->body];
    if (c->body_left > limit) {
        return err_set(err, E_TOO_LARGE, "the body has %llu bytes; at most %llu are taken here",
                       (unsigned long long)c->body_left, (unsigned long long)limit);
    }
    return c->job->route->body == ADMIN_BODY_FILE ? open_spool(c, err) : 0;
}

/* The head is whole: who answers, and may the body come? */
static int begin_request(struct admin_connection *c, const struct admin_http_head *head,
                         struct err *err)
{
    const struct admin_http_options *options = &c->http->options;
    c->job = admin_job_new();
    if (c->job == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    struct admin_job *job = c->job;
    int rc = 0;
    job->connection = c;
    job->request.backend = options->backend;
    job->request.actor = options->actor;
    job->request.role = ADMIN_ROLE_ADMIN;
    job->request.via = ADMIN_VIA_LOCAL;
    job->request.address = "";
    job->route =
        admin_route_find(options->routes, head->method, head->path, job->response.allow, &rc, err);
    if (job->route == NULL) {
        job->response.status = rc == E_NOT_ALLOWED ? 405 : 0;
        return rc;
    }
    c->close_after = !head->keep_alive;
    c->body_left = head->body_size;
    c->expects_continue = head->expects_continue && head->body_size > 0;
    if (head->if_match.size >= sizeof job->request.if_match) {
        return err_set(err, E_INVALID, "'If-Match' is longer than any seq");
    }
    if (head->if_match.size > 0) {
        memcpy(job->request.if_match, head->if_match.data, head->if_match.size);
    }
    (void)snprintf(job->request.last_event_id, sizeof job->request.last_event_id, "%.*s",
                   (int)head->last_event_id.size, (const char *)head->last_event_id.data);
    rc = admin_request_fill(&job->request, job->route, head->path, head->query, err);
    return rc == 0 ? check_body(c, err) : rc;
}

static void run(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    (void)evtimer_del(c->timer);
    job->request.body = buf_span(&job->body_in);
    c->state = ADMIN_STATE_RUNNING;
    int rc = admin_http_dispatch(c->http, job);
    if (rc != 0) {
        struct err err = {0};
        c->state = ADMIN_STATE_BODY; /* it is ours still */
        admin_connection_refuse(
            c, err_set(&err, rc, "the server has too much to do: try again later"), &err);
    }
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
    if (rc == 0) {
        rc = begin_request(c, &head, &err);
    }
    if (rc != 0) {
        admin_connection_refuse(c, rc, &err);
        return false;
    }
    (void)evbuffer_drain(in, head.size);
    if (c->expects_continue) {
        (void)bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    c->state = ADMIN_STATE_BODY;
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
            admin_connection_refuse(c, rc, &err);
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
    if (linger) {
        c->state = ADMIN_STATE_LINGER;
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        admin_connection_timer(c, LINGER_MS);
        advance(c);
    } else if (end) {
        admin_connection_close(c);
    } else {
        c->state = ADMIN_STATE_HEAD;
        c->file_offset = 0;
        admin_connection_timer(c, c->http->options.limits->head_ms);
        advance(c);
    }
}

static void on_written(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    if (c->state == ADMIN_STATE_ANSWER) {
        on_answered(c);
    } else if (c->state == ADMIN_STATE_STREAM) {
        admin_connection_pump(c);
    }
}

/* The other side is gone, or a call failed. Who only says that nothing more will come may still
 * read the answer. */
static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    if ((what & BEV_EVENT_EOF) != 0 && c->state == ADMIN_STATE_ANSWER) {
        c->close_after = true;
        c->linger_after = false;
        return;
    }
    admin_connection_close(c);
}

/* A body or an answer that moved since the timer was set gets more time. */
static void on_stall(struct admin_connection *c)
{
    uint64_t wanted = STALL_BYTES < c->body_left ? STALL_BYTES : c->body_left;
    size_t waiting = evbuffer_get_length(bufferevent_get_output(c->bev));
    if (c->state == ADMIN_STATE_BODY && c->moved < wanted) {
        struct err err = {0};
        admin_connection_refuse(c, err_set(&err, E_TIMEOUT, "the body came too slowly"), &err);
    } else if (c->state == ADMIN_STATE_ANSWER && waiting >= c->waiting) {
        admin_connection_close(c);
    } else {
        admin_connection_timer(c, c->http->options.limits->stall_ms);
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
    } else if (c->state == ADMIN_STATE_HEAD && !silent) {
        struct err err = {0};
        admin_connection_refuse(
            c, err_set(&err, E_TIMEOUT, "the head of the request came too slowly"), &err);
    } else if (c->state == ADMIN_STATE_HEAD || c->state == ADMIN_STATE_LINGER) {
        admin_connection_close(c);
    } else {
        on_stall(c);
    }
}

void admin_connection_open(struct admin_http *http, int fd)
{
    struct admin_connection *c = calloc(1, sizeof *c);
    struct bufferevent *bev = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        (void)close(fd);
    }
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
    c->timer = timer;
    buf_init(&c->piece, STREAM_PIECE_BYTES);
    c->next = http->connections;
    c->link = &http->connections;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    http->connections = c;
    bufferevent_setcb(bev, on_read, on_written, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX_BYTES);
    admin_http_count(http, 1);
    admin_connection_timer(c, http->options.limits->head_ms);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}
