/* admin/local_request.c - connect, send, receive: one deadline over all of it. */
#include "admin/local_request.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
    ANSWER_HEAD_MAX = 16 << 10,
    READ_BYTES = 16 << 10,
    REQUEST_HEAD_MAX = 4096,
};

struct exchange {
    const struct admin_local_request *request;
    int fd;
    uint64_t deadline_ms;
    struct buf answer; /* all that came */
    struct err *err;
};

static int not_running(const struct exchange *ex)
{
    return err_set(ex->err, E_UNREACHABLE,
                   "no server runs with the data folder '%s': start it with 'kitbagd --data %s'",
                   ex->request->data_dir, ex->request->data_dir);
}

static int connect_failed(const struct exchange *ex, const char *path)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        return not_running(ex);
    case EACCES:
    case EPERM:
        return err_set(ex->err, E_PERMISSION,
                       "'%s' may be opened by the server's own account only: run this as that "
                       "account",
                       path);
    case EAGAIN:
        return err_set(ex->err, E_TIMEOUT, "the server at '%s' is too busy to answer", path);
    default:
        return err_sys(ex->err, "connect to", path);
    }
}

static int open_socket(struct exchange *ex)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int rc = path_join(address.sun_path, sizeof address.sun_path, ex->request->data_dir,
                       ADMIN_SOCKET_NAME);
    if (rc != 0) {
        return err_set(ex->err, E_INVALID,
                       "the path of the data folder '%s' is too long for a socket in it (%zu bytes "
                       "in all): use a shorter one",
                       ex->request->data_dir, sizeof address.sun_path - 1);
    }
    ex->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ex->fd < 0) {
        return err_sys(ex->err, "socket for", address.sun_path);
    }
    if (connect(ex->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return connect_failed(ex, address.sun_path);
    }
    return 0;
}

/* Until the descriptor is ready for `events`. */
static int await(const struct exchange *ex, short events)
{
    for (;;) {
        uint64_t now = clock_mono_ms(&clock_system);
        int wait_ms = now < ex->deadline_ms ? (int)(ex->deadline_ms - now) : 0;
        struct pollfd poller = {.fd = ex->fd, .events = events};
        int ready = poll(&poller, 1, wait_ms);
        if (ready > 0) {
            return 0;
        }
        if (ready == 0) {
            return err_set(ex->err, E_TIMEOUT, "the server did not answer within %u ms",
                           ex->request->timeout_ms);
        }
        if (errno != EINTR) {
            return err_sys(ex->err, "poll", ex->request->data_dir);
        }
    }
}

static int send_bytes(const struct exchange *ex, struct span bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(ex->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = span_of(bytes.data + sent, bytes.size - (size_t)sent);
            continue;
        }
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return 0; /* it answered before it heard all: the answer tells why */
        }
        if (sent < 0 && errno != EAGAIN) {
            return err_sys(ex->err, "send to the server of", ex->request->data_dir);
        }
        int rc = await(ex, POLLOUT);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int send_request(const struct exchange *ex)
{
    const struct admin_local_request *request = ex->request;
    char head[REQUEST_HEAD_MAX];
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        request->method, request->target, request->body.size);
    ASSERT(size > 0 && (size_t)size < sizeof head); /* targets are ours */
    int rc = send_bytes(ex, span_of(head, (size_t)size));
    return rc != 0 ? rc : send_bytes(ex, request->body);
}

/* All that the server says until it closes. */
static int receive(struct exchange *ex)
{
    for (;;) {
        if (buf_reserve(&ex->answer, READ_BYTES) != 0) {
            return err_set(ex->err, buf_error(&ex->answer), "the server's answer is too long");
        }
        ssize_t got = recv(ex->fd, ex->answer.data + ex->answer.size, READ_BYTES, 0);
        if (got > 0) {
            ex->answer.size += (size_t)got;
        } else if (got == 0 || errno == ECONNRESET) {
            return 0;
        } else if (errno == EAGAIN) {
            int rc = await(ex, POLLIN);
            if (rc != 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return err_sys(ex->err, "receive from the server of", ex->request->data_dir);
        }
    }
}

/* --- reading the answer --- */

static int malformed(const struct exchange *ex)
{
    if (ex->answer.size == 0) {
        return err_set(ex->err, E_UNREACHABLE, "the server closed the connection: is it stopping?");
    }
    return err_set(ex->err, E_MALFORMED, "the server's answer is not whole HTTP");
}

/* The value of a header, as text inside `head`; NULL when there is none. */
static const char *find_header(const char *head, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            return line + size + 1 + strspn(line + size + 1, " ");
        }
    }
    return NULL;
}

/* The code and sentence of a problem document; false when it is none. */
static bool read_problem(struct span body, struct err *err, int *code)
{
    json_t *problem = json_loadb((const char *)body.data, body.size, 0, NULL);
    const char *name = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    bool found = name != NULL && detail != NULL;
    if (found) {
        *code = err_set(err, err_from_name(name), "%s", detail);
    }
    json_decref(problem);
    return found;
}

static int read_answer(const struct exchange *ex, struct buf *out)
{
    const uint8_t *end = memmem(ex->answer.data, ex->answer.size, "\r\n\r\n", 4);
    char head[ANSWER_HEAD_MAX];
    unsigned status = 0;
    if (end == NULL || (size_t)(end - ex->answer.data) >= sizeof head) {
        return malformed(ex);
    }
    size_t head_size = (size_t)(end - ex->answer.data);
    memcpy(head, ex->answer.data, head_size);
    head[head_size] = '\0';
    struct span body = span_of(end + 4, ex->answer.size - head_size - 4);
    const char *length = find_header(head, "Content-Length");
    /* NOLINTNEXTLINE(cert-err34-c): three digits can't be too many */
    if (sscanf(head, "HTTP/1.%*1[01] %3u", &status) != 1 || length == NULL ||
        strtoull(length, NULL, 10) != body.size) {
        return malformed(ex);
    }
    if (status / 100 == 2) {
        if (body.size > out->max - out->size) {
            return err_set(ex->err, E_TOO_LARGE, "the server's answer is too long");
        }
        int rc = buf_append_span(out, body);
        return rc == 0 ? 0 : err_set(ex->err, rc, "out of memory");
    }
    int code = 0;
    return read_problem(body, ex->err, &code)
               ? code
               : err_set(ex->err, E_MALFORMED, "the server answered with HTTP status %u", status);
}

int admin_local_request(const struct admin_local_request *request, struct buf *out, struct err *err)
{
    ASSERT(request != NULL && out != NULL);
    ASSERT(request->data_dir != NULL && request->method != NULL && request->target != NULL);

    struct exchange ex = {.request = request, .fd = -1, .err = err};
    ex.deadline_ms = clock_mono_ms(&clock_system) + request->timeout_ms;
    buf_init(&ex.answer,
             out->max < SIZE_MAX / 2 ? out->max + ANSWER_HEAD_MAX + READ_BYTES : SIZE_MAX);
    int rc = open_socket(&ex);
    if (rc == 0) {
        rc = send_request(&ex);
    }
    if (rc == 0) {
        rc = receive(&ex);
    }
    if (rc == 0) {
        rc = read_answer(&ex, out);
    }
    if (ex.fd >= 0) {
        (void)close(ex.fd); /* all was read */
    }
    buf_free(&ex.answer);
    return rc;
}
