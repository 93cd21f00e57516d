/* tests/admin/https/http_fixture.h - admin_http with routes of the test's own, and a client that
 * speaks in raw bytes.
 */
#ifndef KITBAG_TESTS_ADMIN_HTTP_FIXTURE_H
#define KITBAG_TESTS_ADMIN_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/https/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/admin/https/large.h"
#include "tests/support/tmp_folder.h"

enum { HTTP_TEXT_MAX = 1 << 20 };

struct http_fixture {
    char folder[TMP_FOLDER_MAX];
    struct sockaddr_un address;
    struct admin_http *http;
    struct admin_http_limits limits; /* set before http_open */
    char answer[HTTP_TEXT_MAX];      /* of the last http_read */
};

static struct http_fixture http;

/* What the functions of the routes did and are to do. */
static struct {
    atomic_int running; /* functions that wait */
    atomic_bool go;     /* they may end */
    atomic_int given_up;
    atomic_int streams; /* made and not freed */
    atomic_int more;    /* pieces that a stream still has */
    size_t piece_size;
} told;

static inline int http_hello(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    (void)err;
    response->json =
        json_pack("{s:s, s:i}", "hello", request->parts[0], "size", (int)request->body.size);
    return 0;
}

static inline int http_echo(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    response->json =
        json_pack("{s:s%}", "body", (const char *)request->body.data, request->body.size);
    return 0;
}

/* An item: its bytes, and the condition that came with them. */
static inline int http_item(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    buf_init(&response->raw, 1000);
    (void)buf_printf(&response->raw, "%s:", request->if_match);
    (void)buf_append_span(&response->raw, request->body);
    response->is_raw = true;
    response->etag = 77;
    return 0;
}

/* The size and the sum of the bytes of an upload. */
static inline int http_file(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    struct stat st;
    assert_int_equal(fstat(request->file, &st), 0);
    json_int_t sum = 0;
    char piece[4096];
    ssize_t got;
    for (off_t at = 0; (got = pread(request->file, piece, sizeof piece, at)) > 0; at += got) {
        for (ssize_t i = 0; i < got; i++) {
            sum += (unsigned char)piece[i];
        }
    }
    response->json = json_pack("{s:I, s:I, s:i}", "size", (json_int_t)st.st_size, "sum", sum,
                               "links", (int)st.st_nlink);
    return 0;
}

static inline int http_wait(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    atomic_fetch_add(&told.running, 1);
    while (!atomic_load(&told.go) && !atomic_load(request->given_up)) {
        (void)usleep(1000);
    }
    atomic_fetch_add(&told.given_up, atomic_load(request->given_up));
    atomic_fetch_sub(&told.running, 1);
    response->json = json_object();
    return 0;
}

/* Long work that goes on until it may end, whether anybody waits for it or not. */
static inline int http_hold(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    bool left = false;
    atomic_fetch_add(&told.running, 1);
    while (!atomic_load(&told.go)) {
        if (!left && atomic_load(request->given_up)) {
            left = true;
            atomic_fetch_add(&told.given_up, 1);
        }
        (void)usleep(1000);
    }
    atomic_fetch_sub(&told.running, 1);
    response->json = json_object();
    return 0;
}

static inline int http_next(struct admin_stream *stream, uint64_t idle_ms, struct buf *out,
                            struct err *err)
{
    (void)stream;
    (void)idle_ms;
    int more = atomic_load(&told.more);
    if (more == 0) {
        return 0;
    }
    if (more == -1) {
        return E_CLOSED;
    }
    if (more == -2) {
        return err_set(err, E_CORRUPT, "the stream is damaged");
    }
    for (size_t i = 0; i < told.piece_size; i++) {
        (void)buf_append_u8(out, (uint8_t)('a' + more % 26));
    }
    atomic_fetch_sub(&told.more, 1);
    return 1;
}

static inline void http_free(struct admin_stream *stream)
{
    atomic_fetch_sub(&told.streams, 1);
    free(stream);
}

static inline int http_stream(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    (void)request;
    (void)err;
    response->stream = calloc(1, sizeof *response->stream);
    assert_non_null(response->stream);
    *response->stream = (struct admin_stream){.next = http_next, .free = http_free};
    response->status = 200;
    atomic_fetch_add(&told.streams, 1);
    return 0;
}

static const struct admin_route http_routes[] = {
    {"PUT", "/item", ADMIN_LANE_QUICK, ADMIN_BODY_RAW, "", ADMIN_ROLE_NONE, NULL, http_item},
    {"GET", "/hello/{name}", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "q", ADMIN_ROLE_NONE, NULL,
     http_hello},
    {"POST", "/echo", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_NONE, NULL, http_echo},
    {"POST", "/file", ADMIN_LANE_LIST, ADMIN_BODY_FILE, "", ADMIN_ROLE_NONE, NULL, http_file},
    {"GET", "/wait", ADMIN_LANE_LONG, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, http_wait},
    {"POST", "/hold", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_NONE, NULL, http_hold},
    {"POST", "/hold/file", ADMIN_LANE_LONG, ADMIN_BODY_FILE, "", ADMIN_ROLE_NONE, NULL, http_hold},
    {"GET", "/stream", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, http_stream},
    {"GET", "/large", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, answer_large},
    {0},
};

/* Before the server: its limits, generous. */
static inline int http_setup(void **state)
{
    (void)state;
    memset(&http, 0, sizeof http);
    tmp_folder_make(http.folder);
    http.limits = admin_http_usual;
    http.limits.head_ms = 10000;
    http.limits.stall_ms = 10000;
    http.limits.stream_ms = 5;
    atomic_store(&told.running, 0);
    atomic_store(&told.go, false);
    atomic_store(&told.given_up, 0);
    atomic_store(&told.more, 0);
    told.piece_size = 10;
    log_setup(2, LOG_ERROR);
    return 0;
}

static inline void http_open(void)
{
    struct err err = {0};
    http.address.sun_family = AF_UNIX;
    (void)snprintf(http.address.sun_path, sizeof http.address.sun_path, "%.90s/s", http.folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&http.address, sizeof http.address), 0);
    assert_int_equal(listen(fd, 64), 0);
    static const struct admin_backend backend;
    struct admin_http_options options = {
        .listeners = &fd,
        .listener_count = 1,
        .local = true,
        .routes = http_routes,
        .backend = &backend,
        .spool_dir = http.folder,
        .limits = &http.limits,
    };
    if (admin_http_start(&http.http, &options, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static inline int http_teardown(void **state)
{
    (void)state;
    atomic_store(&told.go, true);
    admin_http_stop(&http.http);
    assert_null(http.http);
    tmp_folder_remove(http.folder);
    return atomic_load(&told.streams); /* none may be left */
}

static inline int http_connect(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&http.address, sizeof http.address), 0);
    return fd;
}

static inline void http_send(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the other side has heard enough */
        }
        bytes += sent;
        size -= (size_t)sent;
    }
}

static inline void http_say(int fd, const char *text)
{
    http_send(fd, text, strlen(text));
}

/* Is there something to read (or an end) within so many ms? */
static inline bool http_ready(int fd, int wait_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, wait_ms) == 1;
}

/* Read into http.answer until it holds `end` (NULL: until the server closes), 10 s at most. */
static inline const char *http_read(int fd, const char *end)
{
    size_t size = 0;
    uint64_t until = clock_mono_ms(&clock_system) + 10000;
    http.answer[0] = '\0';
    while (size < sizeof http.answer - 1) {
        uint64_t now = clock_mono_ms(&clock_system);
        if (now >= until || !http_ready(fd, (int)(until - now))) {
            fail_msg("nothing came for 10 s behind: %.300s", http.answer);
        }
        ssize_t got = recv(fd, http.answer + size, sizeof http.answer - 1 - size, 0);
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
        http.answer[size] = '\0';
        if (end != NULL && strstr(http.answer, end) != NULL) {
            break;
        }
    }
    return http.answer;
}

/* One request on a connection of its own; all that the server says. */
static inline const char *http_ask(const char *text)
{
    int fd = http_connect();
    http_say(fd, text);
    const char *answer = http_read(fd, NULL);
    (void)close(fd);
    return answer;
}

static inline void http_expect(const char *answer, const char *begin, const char *part)
{
    if (strncmp(answer, begin, strlen(begin)) != 0 || strstr(answer, part) == NULL) {
        fail_msg("not '%s...%s' but: %.600s", begin, part, answer);
    }
}

/* Until the number has a value, 10 s at most. */
static inline void http_await(atomic_int *number, int value)
{
    for (int i = 0; i < 10000 && atomic_load(number) != value; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(number), value);
}

static inline int http_folder_entries(void)
{
    DIR *dir = opendir(http.folder);
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2; /* "." and ".." */
}

#define CLOSE           "Host: x\r\nConnection: close\r\n"
#define HTTP_TEST(test) cmocka_unit_test_setup_teardown(test, http_setup, http_teardown)

#endif
