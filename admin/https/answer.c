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

#include "admin/https/accept.h"
#include "admin/https/inside.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    STREAM_BACKLOG_BYTES = 64 << 10, /* a stream is asked for more below that */
    STREAM_ALIVE_MS = 2000,          /* so often it is asked whether its reader still may */
    SMALL_BODY_BYTES = 12 << 10,     /* with its head it fits one record of TLS */
    HEAD_ROOM_BYTES = 1024,
};

void admin_connection_timer(struct admin_connection *c, unsigned ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};
    c->moved = 0;
    c->waiting = evbuffer_get_length(bufferevent_get_output(c->bev));
    (void)evtimer_add(c->timer, &wait); /* fails without memory: then there is no deadline */
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
    if (status >= 500 && !job->response.is_raw) { /* a probe that is told no is no failure */
        log_event(LOG_WARNING, "admin", "request.failed", "route=%s status=%d answer=%s",
                  job->route != NULL ? job->route->pattern : "none", status,
                  LOG_Q((const char *)job->body_out.data));
    } else if (job->route != NULL && strcmp(job->route->method, "GET") != 0) {
        log_event(LOG_INFO, "admin", "request.done", "route=%s status=%d actor=%s",
                  job->route->pattern, status, LOG_Q(job->request.actor));
    }
}

static const char *type_of(const struct admin_response *response)
{
    if (response->content_type != NULL) {
        return response->content_type;
    }
    if (response->stream != NULL) {
        return response->stream->sse ? "text/event-stream" : "application/x-ndjson";
    }
    return response->is_raw         ? "application/octet-stream"
           : response->status < 300 ? "application/json"
                                    : "application/problem+json";
}

/* Its bytes behind its head. A small one is copied, so that both go out at once. */
static void put_body(struct admin_connection *c)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    struct buf *body = &c->job->body_out;
    if (body->size <= SMALL_BODY_BYTES) {
        (void)evbuffer_add(out, body->data, body->size);
        return;
    }
    size_t size = 0;
    char *bytes = buf_steal(body, &size);
    if (bytes == NULL || evbuffer_add_reference(out, bytes, size, free_bytes, bytes) != 0) {
        free(bytes);
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR); /* the answer is not whole */
    }
}

/* The head of the answer and, unless it is a stream, its body. */
static void put_answer(struct admin_connection *c)
{
    struct admin_job *job = c->job;
    struct admin_response *response = &job->response;
    bool stream = response->stream != NULL;
    char etag[32] = "";
    if (response->etag != 0) {
        (void)snprintf(etag, sizeof etag, "\"%" PRIu64 "\"", response->etag);
    }
    bool has_it = response->status == 200 && etag[0] != '\0' &&
                  strcmp(job->route->method, "GET") == 0 &&
                  admin_etag_listed(span_str(job->if_none_match), etag);
    if (has_it) {
        response->status = 304;
    }
    const struct admin_reply reply = {
        .status = response->status,
        .type = type_of(response),
        .etag = etag,
        .allow = response->allow,
        .cookie = response->set_cookie,
        .download = response->status == 200 ? response->disposition_name : NULL,
        .retry_after_s = response->retry_after_s,
        .chunked = stream,
        .size = job->body_out.size,
    };
    if (response->is_file && response->status == 200) {
        admin_connection_download(c);
        return;
    }
    if (!stream && reply.size <= SMALL_BODY_BYTES) {
        (void)evbuffer_expand(bufferevent_get_output(c->bev), HEAD_ROOM_BYTES + reply.size);
    }
    admin_reply_head(c, &reply);
    if (!stream && !c->head_only && !has_it) {
        c->answer_size = reply.size;
        c->http->answer_bytes += reply.size;
        put_body(c);
    }
}

static void begin_stream(struct admin_connection *c);

/* In place of the answer that it had. */
static void replace_answer(struct admin_connection *c, int code, const struct err *err)
{
    struct admin_response *response = &c->job->response;
    if (response->stream != NULL) {
        response->stream->free(response->stream);
        response->stream = NULL;
    }
    response->content_type = NULL;
    response->is_raw = false;
    response->etag = 0;
    response->status = 0;
    admin_problem(response, code, err, &c->job->body_out);
}

static void check_limits(struct admin_connection *c)
{
    const struct admin_http_limits *limits = c->http->options.limits;
    const struct admin_job *job = c->job;
    struct err err = {0};
    if (job->response.stream != NULL && c->http->stream_count >= limits->streams) {
        replace_answer(c,
                       err_set(&err, E_QUOTA, "%u streams are being read already: end one of them",
                               c->http->stream_count),
                       &err);
    } else if (job->body_out.size > SMALL_BODY_BYTES &&
               job->body_out.size > limits->answer_bytes - c->http->answer_bytes) {
        replace_answer(
            c, err_set(&err, E_BUSY, "too many large answers wait to be read: try again later"),
            &err);
    }
}

void admin_connection_answer(struct admin_connection *c)
{
    ASSERT(c->state != ADMIN_STATE_ANSWER && c->state != ADMIN_STATE_STREAM);
    admin_connection_enter(c, ADMIN_STATE_ANSWER);
    check_limits(c);
    if (buf_append_u8(&c->job->body_out, 0) == 0) {
        c->job->body_out.size--; /* a NUL behind it, for the log */
        log_answer(c->job);
    }
    put_answer(c);
    admin_connection_timer(c, c->http->options.limits->stall_ms);
    if (c->job->response.stream != NULL && !c->head_only) {
        begin_stream(c);
    }
}

void admin_connection_refuse(struct admin_connection *c, bool whole, int code,
                             const struct err *err)
{
    if (c->job == NULL) {
        c->job = admin_job_new(c->http);
    }
    if (c->job == NULL) {
        (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
        return;
    }
    if (!whole) {
        c->close_after = true;
        c->linger_after = true;
    }
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

/* The last line, or event, tells why, unless it ends quietly. */
static void end_stream(struct admin_connection *c, int code, const struct err *err)
{
    bool sse = c->job->response.stream->sse;
    if (code != E_CLOSED) {
        struct admin_response last = {0};
        struct buf text;
        buf_init(&text, ADMIN_RESPONSE_MAX_BYTES);
        admin_problem(&last, code, err, &text);
        (void)buf_printf(&c->piece, "%s", sse ? "event: problem\ndata: " : "");
        (void)buf_append_span(&c->piece, buf_span(&text));
        (void)buf_printf(&c->piece, "%s", sse ? "\n\n" : "\n");
        buf_free(&text);
        put_chunk(c);
    }
    (void)evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
    c->http->stream_count--;
    admin_connection_enter(c, ADMIN_STATE_ANSWER);
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
        c->spoke_ms = now_ms;
    } else if (rc >= 0 && stream->sse && now_ms - c->sent_ms >= ADMIN_SSE_QUIET_MS) {
        (void)buf_printf(&c->piece, ": still here\n\n");
    }
    if (c->piece.size > 0) {
        put_chunk(c);
        c->sent_ms = now_ms;
    }
    if (rc < 0) {
        end_stream(c, rc, &err);
    }
    return rc;
}

/* May who reads it still? Whoever signed out, or lost the account, sees no more. */
static bool may_still(struct admin_connection *c, uint64_t now_ms)
{
    struct admin_auth *auth = c->http->options.auth;
    if (c->http->options.local || c->job->request.who == NULL ||
        now_ms - c->alive_ms < STREAM_ALIVE_MS) {
        return true;
    }
    c->alive_ms = now_ms;
    return admin_auth_alive(auth, &c->job->who);
}

/* Ask while the client keeps up: what it has not read yet is all that is waiting. Once a turn, so
 * that the other connections have theirs. */
void admin_connection_pump(struct admin_connection *c)
{
    const struct admin_http_limits *limits = c->http->options.limits;
    uint64_t now_ms = clock_mono_ms(&clock_system);
    int more = 0;
    if (!may_still(c, now_ms)) {
        struct err err = {0};
        end_stream(c, err_set(&err, E_UNAUTHENTICATED, "you are no longer signed in"), &err);
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) < STREAM_BACKLOG_BYTES) {
        c->drained_ms = now_ms;
        more = pass_on(c, now_ms);
    }
    if (more < 0) {
        return;
    }
    if (now_ms - c->drained_ms > limits->stream_stall_ms) {
        c->cut = true;
        admin_connection_close(c);
        return;
    }
    admin_connection_timer(c, more == 1 ? 0 : limits->stream_ms);
}

static void begin_stream(struct admin_connection *c)
{
    admin_connection_enter(c, ADMIN_STATE_STREAM);
    c->http->stream_count++;
    c->spoke_ms = c->since_ms;
    c->sent_ms = c->since_ms;
    c->alive_ms = c->since_ms;
    c->drained_ms = c->since_ms;
    admin_connection_pump(c);
}
