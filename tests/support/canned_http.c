/* tests/support/canned_http.c - a thread that accepts, reads a request, and says its line. */
#include "tests/support/canned_http.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"

enum { REQUESTS_MAX = 8 << 20, SLOTS = 8, SLOT_BYTES = 64 << 10 };

const char CANNED_SILENCE[] = "(silence)";

struct canned_http {
    int listener;
    int stop[2]; /* a pipe: readable when it has to end */
    const char *const *answers;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `requests`, which the test reads while the thread may write */
    struct buf requests;
};

/* Is there something on `fd` before the stop? */
static bool await(struct canned_http *server, int fd)
{
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN},
                             {.fd = server->stop[0], .events = POLLIN}};
    int ready = poll(both, 2, -1);
    return ready > 0 && both[0].revents != 0;
}

static bool whole(const struct buf *request)
{
    const char *end =
        request->size > 0 ? memmem(request->data, request->size, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end + 4 - (const char *)request->data);
    const char *length = memmem(request->data, head, "\r\nContent-Length: ", 18);
    return request->size >= head + (length != NULL ? strtoull(length + 18, NULL, 10) : 0);
}

static void read_request(struct canned_http *server, int fd)
{
    struct buf request;
    buf_init(&request, REQUESTS_MAX);
    while (!whole(&request) && await(server, fd)) {
        char piece[4096];
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0) {
            break;
        }
        (void)buf_append(&request, piece, (size_t)got);
    }
    (void)pthread_mutex_lock(&server->lock);
    (void)buf_append_span(&server->requests, buf_span(&request));
    (void)pthread_mutex_unlock(&server->lock);
    buf_free(&request);
}

static void *serve(void *context)
{
    struct canned_http *server = context;
    int fd = -1;
    for (const char *const *answer = server->answers; *answer != NULL; answer++) {
        if (fd < 0 && !await(server, server->listener)) {
            break;
        }
        fd = fd >= 0 ? fd : accept(server->listener, NULL, NULL);
        ASSERT(fd >= 0);
        read_request(server, fd);
        if (*answer == CANNED_SILENCE) {
            (void)await(server, server->stop[0]);
        } else {
            (void)send(fd, *answer, strlen(*answer), MSG_NOSIGNAL);
        }
        if (strstr(*answer, "Connection: keep-alive") == NULL) {
            (void)close(fd);
            fd = -1;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return NULL;
}

void canned_http_start(struct canned_http **out, const char *socket_path,
                       const char *const *answers)
{
    struct canned_http *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    ASSERT(size > 0 && (size_t)size < sizeof address.sun_path);
    (void)unlink(socket_path);
    server->answers = answers;
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
    ASSERT(listen(server->listener, 8) == 0);
    ASSERT(pipe(server->stop) == 0);
    buf_init(&server->requests, REQUESTS_MAX);
    (void)pthread_mutex_init(&server->lock, NULL);
    ASSERT(pthread_create(&server->thread, NULL, serve, server) == 0);
    *out = server;
}

const char *canned_http_requests(struct canned_http *server)
{
    (void)pthread_mutex_lock(&server->lock);
    (void)buf_append_u8(&server->requests, 0);
    server->requests.size--;
    const char *text = (const char *)server->requests.data;
    (void)pthread_mutex_unlock(&server->lock);
    return text;
}

void canned_http_stop(struct canned_http **server)
{
    struct canned_http *s = *server;
    (void)close(s->stop[1]);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->stop[0]);
    (void)close(s->listener);
    (void)pthread_mutex_destroy(&s->lock);
    buf_free(&s->requests);
    free(s);
    *server = NULL;
}

const char *canned_http_json(int slot, int status, const char *body)
{
    static char slots[SLOTS][SLOT_BYTES];
    ASSERT(slot >= 0 && slot < SLOTS);
    int size = snprintf(slots[slot], SLOT_BYTES,
                        "HTTP/1.1 %d Words\r\nContent-Type: application/json\r\n"
                        "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                        status, strlen(body), body);
    ASSERT(size > 0 && size < SLOT_BYTES);
    return slots[slot];
}
