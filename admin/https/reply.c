/* admin/https/reply.c - the head of an answer. */
#include <event2/buffer.h>
#include <stdio.h>
#include <time.h>

#include "admin/https/inside.h"
#include "base/clock.h"

/* For browsers, on all that goes over TLS: nothing runs but our own files, nobody shows our pages
 * within theirs, and no address of ours is told to other sites. */
static const char guards[] =
    "Strict-Transport-Security: max-age=31536000\r\n"
    "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].reason;
        }
    }
    return "Internal Server Error";
}

/* As HTTP writes it; worked out once a second. */
static const char *date_of(struct admin_http *http)
{
    uint64_t now_s = clock_wall_ms(&clock_system) / 1000;
    if (http->date_s != now_s) {
        time_t now = (time_t)now_s;
        struct tm at = {0};
        (void)gmtime_r(&now, &at);
        (void)strftime(http->date, sizeof http->date, "%a, %d %b %Y %H:%M:%S GMT", &at);
        http->date_s = now_s;
    }
    return http->date;
}

static void put(struct evbuffer *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        (void)evbuffer_add_printf(out, "%s: %s\r\n", name, value);
    }
}

void admin_reply_head(struct admin_connection *c, const struct admin_reply *reply)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    bool bodiless = reply->status == 304 || reply->status == 204;
    (void)evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", reply->status,
                              reason_of(reply->status), date_of(c->http));
    put(out, "Content-Type", bodiless ? NULL : reply->type);
    put(out, "Cache-Control", reply->cache != NULL ? reply->cache : "no-store");
    put(out, "X-Content-Type-Options", "nosniff");
    if (c->http->options.tls != NULL) {
        (void)evbuffer_add(out, guards, sizeof guards - 1);
    }
    put(out, "ETag", reply->etag);
    put(out, "Content-Encoding", reply->encoding);
    put(out, "Vary", reply->varies ? "Accept-Encoding" : NULL);
    put(out, "Accept-Ranges", reply->ranges ? "bytes" : NULL);
    put(out, "Content-Range", reply->range);
    put(out, "Allow", reply->allow);
    put(out, "Set-Cookie", reply->cookie);
    put(out, "WWW-Authenticate", reply->status == 401 ? "Bearer" : NULL);
    if (reply->download != NULL && reply->download[0] != '\0') {
        (void)evbuffer_add_printf(out, "Content-Disposition: attachment; filename=\"%s\"\r\n",
                                  reply->download);
    }
    if (reply->retry_after_s > 0) {
        (void)evbuffer_add_printf(out, "Retry-After: %u\r\n", reply->retry_after_s);
    }
    put(out, "Connection", c->close_after ? "close" : NULL);
    if (reply->chunked) {
        put(out, "Transfer-Encoding", "chunked");
    } else if (!bodiless) {
        (void)evbuffer_add_printf(out, "Content-Length: %zu\r\n", reply->size);
    }
    (void)evbuffer_add(out, "\r\n", 2);
}
