/* admin/http_connection.c - one connection: head, body, function, answer; then the next request.
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

#include "admin/http_inside.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum {
    INPUT_MAX_BYTES = 64 << 10,
    STREAM_BACKLOG_BYTES = 64 << 10, /* a stream is asked for more below that */
    STREAM_PIECE_BYTES = 12 << 20,   /* the most it may give at once: one change, base64 */
    STREAM_STALLS = 10,              /* a stream's reader may pause for so many stall_ms */
    STALL_BYTES = 64 << 10,          /* what a body has to move on by in stall_ms */
    LINGER_MS = 2000,                /* for reading what a refused client still sends */
};

enum state {
    STATE_HEAD,
    STATE_BODY,
    STATE_RUNNING,
    STATE_ANSWER,
    STATE_STREAM,
    STATE_LINGER,
};

struct admin_connection {
    struct admin_http *http;
    struct admin_connection *next;
    struct admin_connection **link; /* what points to us */
    struct bufferevent *bev;
    struct event *timer;
    enum state state;
    bool close_after;  /* the answer is the last one */
    bool linger_after; /* and the client may still be sending */
    bool expects_continue;
    bool has_file; /* counted in http->file_count */
    uint64_t body_left;
    uint64_t file_offset;
    uint64_t moved;      /* bytes of the body since the timer was set */
    size_t waiting;      /* bytes of the answer when the timer was set */
    uint64_t spoke_ms;   /* when a stream last gave something */
    uint64_t drained_ms; /* when its reader was last not behind */
    struct admin_job *job;
    struct buf piece; /* of a stream */
};

static void set_timer(struct admin_connection *c, unsigned ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};
    c->moved = 0;
    c->waiting = evbuffer_get_length(bufferevent_get_output(c->bev));
    (void)evtimer_add(c->timer, &wait); /* fails without memory: then there is no deadline */
}

/* The request is over, and what it held. */
static void drop_job(struct admin_connection *c)
{
    if (c->has_file) {
        c->http->file_count--;
        c->has_file = false;
    }
    if (c->state == STATE_STREAM) {
        c->http->stream_count--;
    }
    if (c->job != NULL && c->state == STATE_RUNNING) {
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

/* --- answering --- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    case 507:
        return "Insufficient Storage";
    default:
        return "Internal Server Error";
    }
}

static void free_bytes(const void *data, size_t size, void *extra)
{
    (void)data;
    (void)size;
    free(extra);
}

static void log_answer(const struct admin_job *job)
{
    int status = job->response.status;
    if (status >= 500) {
        log_event(LOG_WARNING, "admin", "request.failed", "route=%s status=%d answer=%s",
                  job->route != NULL ? job->route->pattern : "none", status,
                  LOG_Q((const char *)job->body_out.data));
    } else if (job->route != NULL && strcmp(job->route->method, "GET") != 0) {
        log_event(LOG_INFO, "admin", "request.done", "route=%s status=%d actor=%s",
                  job->route->pattern, status, job->request.actor);
    }
}

/* The head of the answer and, unless it is a stream, its body. */
static void put_answer(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    const struct admin_response *response = &job->response;
    bool stream = response->stream != NULL;
    struct evbuffer *out = bufferevent_get_output(c->bev);
    (void)evbuffer_add_printf(out,
                              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                              "X-Content-Type-Options: nosniff\r\n",
                              response->status, reason_of(response->status),
                              stream                    ? "application/x-ndjson"
                              : response->status == 200 ? "application/json"
                                                        : "application/problem+json");
    if (response->allow != NULL) {
        (void)evbuffer_add_printf(out, "Allow: %s\r\n", response->allow);
    }
    if (c->close_after) {
        (void)evbuffer_add_printf(out, "Connection: close\r\n");
    }
    if (stream) {
        (void)evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n\r\n");
        return;
    }
    (void)evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n", job->body_out.size);
    size_t size = 0;
    char *bytes = buf_steal(&job->body_out, &size);
    if (bytes == NULL || evbuffer_add_reference(out, bytes, size, free_bytes, bytes) != 0) {
        free(bytes);
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR); /* the answer is not whole */
    }
}

static void begin_stream(struct admin_connection *c);

static void refuse_stream(struct admin_connection *c)
{
    struct admin_response *response = &c->job->response;
    struct err err = {0};
    response->stream->free(response->stream);
    response->stream = NULL;
    admin_problem(response,
                  err_set(&err, E_QUOTA, "%u streams are being read already: end one of them",
                          c->http->stream_count),
                  &err, &c->job->body_out);
}

void admin_connection_answer(struct admin_connection *c)
{
    ASSERT(c->state != STATE_ANSWER && c->state != STATE_STREAM);
    c->state = STATE_ANSWER;
    if (c->job->response.stream != NULL &&
        c->http->stream_count >= c->http->options.limits->streams) {
        refuse_stream(c);
    }
    if (buf_append_u8(&c->job->body_out, 0) == 0) {
        c->job->body_out.size--; /* a NUL behind it, for the log */
        log_answer(c->job);
    }
    put_answer(c);
    set_timer(c, c->http->options.limits->stall_ms);
    if (c->job->response.stream != NULL) {
        begin_stream(c);
    }
}

/* Answer without having run a function; the client may go on sending, so the connection ends. */
static void refuse(struct admin_connection *c, int code, const struct err *err)
{
    if (c->job == NULL) {
        c->job = admin_job_new();
    }
    if (c->job == NULL) {
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
        return;
    }
    c->close_after = true;
    c->linger_after = true;
    admin_problem(&c->job->response, code, err, &c->job->body_out);
    admin_connection_answer(c);
}

/* --- a stream --- */

static void put_chunk(struct admin_connection *c)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    (void)evbuffer_add_printf(out, "%zx\r\n", c->piece.size);
    (void)evbuffer_add(out, c->piece.data, c->piece.size);
    (void)evbuffer_add(out, "\r\n", 2);
    buf_reset(&c->piece);
}

/* The last line tells why, unless it ends quietly. */
static void end_stream(struct admin_connection *c, int code, const struct err *err)
{
    if (code != E_CLOSED) {
        struct admin_response last = {0};
        admin_problem(&last, code, err, &c->piece);
        (void)buf_append_u8(&c->piece, '\n');
        put_chunk(c);
    }
    (void)evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
    c->http->stream_count--;
    c->state = STATE_ANSWER;
    set_timer(c, c->http->options.limits->stall_ms);
}

/* Ask the stream once, and pass on what it gave. Returns what it returned. */
static int pass_on(struct admin_connection *c, uint64_t now_ms)
{
    struct admin_stream *stream = c->job->response.stream;
    struct err err = {0};
    int rc = stream->next(stream, now_ms - c->spoke_ms, &c->piece, &err);
    if (rc >= 0 && buf_error(&c->piece) != 0) {
        rc = err_set(&err, buf_error(&c->piece), "a change is too large to be shown");
        buf_reset(&c->piece);
    }
    if (c->piece.size > 0) {
        put_chunk(c);
        c->spoke_ms = now_ms;
    }
    if (rc < 0) {
        end_stream(c, rc, &err);
    }
    return rc;
}

/* Ask while the client keeps up: what it has not read yet is all that is waiting. Once a turn, so
 * that the other connections have theirs. */
static void pump(struct admin_connection *c)
{
    const struct admin_http_limits *limits = c->http->options.limits;
    uint64_t now_ms = clock_mono_ms(&clock_system);
    int more = 0;
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) < STREAM_BACKLOG_BYTES) {
        c->drained_ms = now_ms;
        more = pass_on(c, now_ms);
    }
    if (more < 0) {
        return;
    }
    if (now_ms - c->drained_ms > (uint64_t)STREAM_STALLS * limits->stall_ms) {
        admin_connection_close(c);
        return;
    }
    set_timer(c, more == 1 ? 0 : limits->stream_ms);
}

static void begin_stream(struct admin_connection *c)
{
    c->state = STATE_STREAM;
    c->http->stream_count++;
    c->spoke_ms = clock_mono_ms(&clock_system);
    c->drained_ms = c->spoke_ms;
    pump(c);
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
    job->route =
        admin_route_find(options->routes, head->method, head->path, &job->response.allow, &rc, err);
    if (job->route == NULL) {
        job->response.status = rc == E_NOT_ALLOWED ? 405 : 0;
        return rc;
    }
    c->close_after = !head->keep_alive;
    c->body_left = head->body_size;
    c->expects_continue = head->expects_continue && head->body_size > 0;
    rc = admin_request_fill(&job->request, job->route, head->path, head->query, err);
    return rc == 0 ? check_body(c, err) : rc;
}

static void run(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    (void)evtimer_del(c->timer);
    job->request.body = buf_span(&job->body_in);
    c->state = STATE_RUNNING;
    int rc = admin_http_dispatch(c->http, job);
    if (rc != 0) {
        struct err err = {0};
        c->state = STATE_BODY; /* it is ours still */
        refuse(c, err_set(&err, rc, "the server has too much to do: try again later"), &err);
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
        refuse(c, rc, &err);
        return false;
    }
    (void)evbuffer_drain(in, head.size);
    if (c->expects_continue) {
        (void)bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    c->state = STATE_BODY;
    set_timer(c, c->http->options.limits->stall_ms);
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
            refuse(c, rc, &err);
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
        more = (c->state == STATE_HEAD && read_head(c)) || (c->state == STATE_BODY && read_body(c));
    }
    if (c->state == STATE_LINGER) {
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
        c->state = STATE_LINGER;
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        set_timer(c, LINGER_MS);
        advance(c);
    } else if (end) {
        admin_connection_close(c);
    } else {
        c->state = STATE_HEAD;
        c->file_offset = 0;
        set_timer(c, c->http->options.limits->head_ms);
        advance(c);
    }
}

static void on_written(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    if (c->state == STATE_ANSWER) {
        on_answered(c);
    } else if (c->state == STATE_STREAM) {
        pump(c);
    }
}

/* The other side is gone, or a call failed. Who only says that nothing more will come may still
 * read the answer. */
static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    struct admin_connection *c = context;
    if ((what & BEV_EVENT_EOF) != 0 && c->state == STATE_ANSWER) {
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
    if (c->state == STATE_BODY && c->moved < wanted) {
        struct err err = {0};
        refuse(c, err_set(&err, E_TIMEOUT, "the body came too slowly"), &err);
    } else if (c->state == STATE_ANSWER && waiting >= c->waiting) {
        admin_connection_close(c);
    } else {
        set_timer(c, c->http->options.limits->stall_ms);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct admin_connection *c = context;
    bool silent = evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
    if (c->state == STATE_STREAM) {
        pump(c);
    } else if (c->state == STATE_HEAD && !silent) {
        struct err err = {0};
        refuse(c, err_set(&err, E_TIMEOUT, "the head of the request came too slowly"), &err);
    } else if (c->state == STATE_HEAD || c->state == STATE_LINGER) {
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
    set_timer(c, http->options.limits->head_ms);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}
