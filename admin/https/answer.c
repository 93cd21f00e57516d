/* admin/https/answer.c - what a connection is told: documents, problems, streams.
 *
 * All of it runs on the loop's thread.
 */
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/https/inside.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    STREAM_BACKLOG_BYTES = 64 << 10, /* a stream is asked for more below that */
    STREAM_STALLS = 10,              /* a stream's reader may pause for so many stall_ms */
};

void admin_connection_timer(struct admin_connection *c, unsigned ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};
    c->moved = 0;
    c->waiting = evbuffer_get_length(bufferevent_get_output(c->bev));
    (void)evtimer_add(c->timer, &wait); /* fails without memory: then there is no deadline */
}

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
                              : response->is_raw        ? "application/octet-stream"
                              : response->status == 200 ? "application/json"
                                                        : "application/problem+json");
    if (response->etag != 0) {
        (void)evbuffer_add_printf(out, "ETag: \"%" PRIu64 "\"\r\n", response->etag);
    }
    if (response->allow[0] != '\0') {
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
    response->status = 0;
    admin_problem(response,
                  err_set(&err, E_QUOTA, "%u streams are being read already: end one of them",
                          c->http->stream_count),
                  &err, &c->job->body_out);
}

void admin_connection_answer(struct admin_connection *c)
{
    ASSERT(c->state != ADMIN_STATE_ANSWER && c->state != ADMIN_STATE_STREAM);
    c->state = ADMIN_STATE_ANSWER;
    if (c->job->response.stream != NULL &&
        c->http->stream_count >= c->http->options.limits->streams) {
        refuse_stream(c);
    }
    if (buf_append_u8(&c->job->body_out, 0) == 0) {
        c->job->body_out.size--; /* a NUL behind it, for the log */
        log_answer(c->job);
    }
    put_answer(c);
    admin_connection_timer(c, c->http->options.limits->stall_ms);
    if (c->job->response.stream != NULL) {
        begin_stream(c);
    }
}

/* Answer without having run a function; the client may go on sending, so the connection ends. */
void admin_connection_refuse(struct admin_connection *c, int code, const struct err *err)
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
    c->state = ADMIN_STATE_ANSWER;
    admin_connection_timer(c, c->http->options.limits->stall_ms);
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
void admin_connection_pump(struct admin_connection *c)
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
    admin_connection_timer(c, more == 1 ? 0 : limits->stream_ms);
}

static void begin_stream(struct admin_connection *c)
{
    c->state = ADMIN_STATE_STREAM;
    c->http->stream_count++;
    c->spoke_ms = clock_mono_ms(&clock_system);
    c->drained_ms = c->spoke_ms;
    admin_connection_pump(c);
}
