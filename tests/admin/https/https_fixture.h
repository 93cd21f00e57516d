/* tests/admin/https/https_fixture.h - admin_http over TLS on a port of loopback, with accounts,
 * files and routes of the test's own, and a client that speaks TLS.
 */
#ifndef KITBAG_TESTS_ADMIN_HTTPS_FIXTURE_H
#define KITBAG_TESTS_ADMIN_HTTPS_FIXTURE_H

#include "tests/admin/auth/auth_fixture.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/https/http.h"
#include "admin/https/listen.h"
#include "base/log.h"
#include "tests/admin/https/large.h"

enum { HTTPS_TEXT_MAX = 1 << 20, HTTPS_WAIT_MS = 10000, HTTPS_PIECE = 1400 };

static struct {
    char folder[TMP_FOLDER_MAX];
    struct admin_tls *tls;
    struct admin_http *http;
    struct admin_http_limits limits; /* set before https_open */
    bool away;                       /* the state is, set before https_open */
    int port;
    SSL_CTX *client;
    SSL_SESSION *session;
    atomic_int runs; /* of functions */
    atomic_int given_up;
    atomic_int streams;  /* made and not freed */
    atomic_bool event;   /* the stream has something to tell */
    atomic_int pieces;   /* of HTTPS_PIECE bytes, that it has before that */
    atomic_bool wait;    /* the route /wait does */
    size_t file_size;    /* of what the route /file gives */
    size_t file_missing; /* and promises beyond it */
    char answer[HTTPS_TEXT_MAX];
} https;

/* Who asked, as the route sees it. */
static inline int https_who(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    (void)err;
    atomic_fetch_add(&https.runs, 1);
    response->json = json_pack("{s:s, s:i, s:i, s:s, s:b}", "actor", request->actor, "role",
                               (int)request->role, "via", (int)request->via, "address",
                               request->address, "known", request->who != NULL);
    response->etag = 5;
    return 0;
}

static inline int https_next(struct admin_stream *stream, uint64_t idle_ms, struct buf *out,
                             struct err *err)
{
    (void)stream;
    (void)idle_ms;
    (void)err;
    if (atomic_load(&https.pieces) > 0) {
        atomic_fetch_sub(&https.pieces, 1);
        for (int i = 0; i < HTTPS_PIECE; i++) {
            (void)buf_append_u8(out, 'p');
        }
        return 1;
    }
    if (atomic_exchange(&https.event, false)) {
        (void)buf_printf(out, "event: tick\ndata: 1\n\n");
    }
    return 0;
}

static inline void https_free(struct admin_stream *stream)
{
    atomic_fetch_sub(&https.streams, 1);
    free(stream);
}

static inline int https_stream(const struct admin_request *request, struct admin_response *response,
                               struct err *err)
{
    (void)request;
    (void)err;
    response->stream = calloc(1, sizeof *response->stream);
    assert_non_null(response->stream);
    *response->stream = (struct admin_stream){.next = https_next, .free = https_free, .sse = true};
    response->status = 200;
    atomic_fetch_add(&https.streams, 1);
    return 0;
}

static inline int https_wait(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    while (atomic_load(&https.wait) && !atomic_load(request->given_up)) {
        (void)usleep(1000);
    }
    atomic_fetch_add(&https.given_up, atomic_load(request->given_up));
    return https_who(request, response, err);
}

static inline int https_download(const struct admin_request *request,
                                 struct admin_response *response, struct err *err)
{
    (void)request;
    (void)err;
    buf_init(&response->raw, 100);
    (void)buf_printf(&response->raw, "a line\n");
    response->is_raw = true;
    response->content_type = "text/plain; charset=utf-8";
    response->retry_after_s = 7;
    (void)snprintf(response->disposition_name, sizeof response->disposition_name, "kitbag.log");
    (void)snprintf(response->set_cookie, sizeof response->set_cookie, "a=b; Path=/");
    return 0;
}

/* A file of `https.file_size` bytes, the digits of their places. */
static inline int https_file(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    (void)request;
    (void)err;
    char piece[1000];
    response->file = memfd_create("file", MFD_CLOEXEC);
    for (size_t i = 0; i < sizeof piece; i++) {
        piece[i] = (char)('0' + i % 10);
    }
    for (size_t at = 0; at < https.file_size; at += sizeof piece) {
        size_t left = https.file_size - at;
        assert_true(write(response->file, piece, left < sizeof piece ? left : sizeof piece) > 0);
    }
    response->is_file = true;
    response->file_size = https.file_size + https.file_missing;
    response->content_type = "text/plain";
    (void)snprintf(response->file_etag, sizeof response->file_etag, "f-1");
    (void)snprintf(response->disposition_name, sizeof response->disposition_name, "digits.txt");
    atomic_fetch_add(&https.runs, 1);
    return 0;
}

static const struct admin_route https_routes[] = {
    {"GET", "/file", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, https_file},
    {"GET", "/open", ADMIN_LANE_LOOP, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, https_who},
    {"POST", "/open", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_NONE, "session.begin",
     https_who},
    {"GET", "/view", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL, https_who},
    {"POST", "/change", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR, "thing.change",
     https_who},
    {"GET", "/rule", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_ADMIN, NULL, https_who},
    {"GET", "/api/v1/session", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     https_who},
    {"GET", "/wait", ADMIN_LANE_LONG, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, https_wait},
    {"GET", "/large", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, answer_large},
    {"GET", "/stream", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     https_stream},
    {"GET", "/download", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL,
     https_download},
    {0},
};

static const struct admin_asset https_assets[] = {
    {"/", "text/html; charset=utf-8", (const unsigned char *)"<p>hello</p>", 12,
     (const unsigned char *)"GZIP", 4, "e1", false},
    {"/app-1.js", "text/javascript", (const unsigned char *)"0123456789", 10, NULL, 0, "e2", true},
    {0},
};

static inline int https_setup(void **state)
{
    static const char *const names[] = {"localhost"};
    memset(&https, 0, sizeof https);
    tmp_folder_make(https.folder);
    https.limits = admin_http_console;
    https.limits.stream_ms = 5;
    char certificate[TMP_FOLDER_MAX + 8];
    char key[TMP_FOLDER_MAX + 8];
    (void)snprintf(certificate, sizeof certificate, "%s/c", https.folder);
    (void)snprintf(key, sizeof key, "%s/k", https.folder);
    const struct admin_certificate_files files = {certificate, key};
    assert_int_equal(admin_certificate_make(&files, names, 1, clock_wall_ms(&clock_system), NULL),
                     0);
    assert_int_equal(admin_tls_new(&https.tls, &files, NULL), 0);
    https.client = SSL_CTX_new(TLS_client_method());
    assert_non_null(https.client);
    log_setup(2, LOG_ERROR + 1);
    return open_auth(state);
}

static inline void https_open(void)
{
    int fds[2];
    size_t count = 0;
    struct err err = {0};
    assert_int_equal(admin_listen("127.0.0.1:0,127.0.0.2:0", fds, 2, &count, NULL), 0);
    https.port = admin_listen_port(fds[0]);
    struct admin_http_options options = {
        .listeners = fds,
        .listener_count = count,
        .routes = https_routes,
        .backend = https.away ? NULL : &fake.backend,
        .auth = auth,
        .tls = https.tls,
        .assets = https_assets,
        .spool_dir = https.folder,
        .limits = &https.limits,
    };
    if (admin_http_start(&https.http, &options, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static inline int https_teardown(void **state)
{
    admin_http_stop(&https.http);
    admin_tls_free(&https.tls);
    SSL_SESSION_free(https.session);
    SSL_CTX_free(https.client);
    tmp_folder_remove(https.folder);
    return close_auth(state) + atomic_load(&https.streams);
}

/* A connection without TLS, from 127.0.0.x. */
static inline int https_dial(int from)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (unsigned)from);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    address.sin_port = htons((uint16_t)https.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval wait = {.tv_sec = HTTPS_WAIT_MS / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline SSL *https_connect(int from)
{
    SSL *ssl = SSL_new(https.client);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, https_dial(from)), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static inline void https_close(SSL *ssl)
{
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static inline void https_say(SSL *ssl, const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Into https.answer until it holds `end`, or the server ends it. */
static inline const char *https_read(SSL *ssl, const char *end)
{
    int size = 0;
    int got;
    https.answer[0] = '\0';
    while (size < HTTPS_TEXT_MAX - 1 &&
           (got = SSL_read(ssl, https.answer + size, HTTPS_TEXT_MAX - 1 - size)) > 0) {
        size += got;
        https.answer[size] = '\0';
        if (end != NULL && strstr(https.answer, end) != NULL) {
            break;
        }
    }
    return https.answer;
}

/* One request on a connection of its own: its first lines without the empty one. */
static inline const char *https_ask(const char *lines)
{
    char text[8192];
    SSL *ssl = https_connect(1);
    (void)snprintf(text, sizeof text, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", lines);
    https_say(ssl, text);
    (void)https_read(ssl, NULL);
    https_close(ssl);
    return https.answer;
}

static inline void https_expect(const char *answer, const char *begin, const char *part)
{
    if (strncmp(answer, begin, strlen(begin)) != 0 || strstr(answer, part) == NULL) {
        fail_msg("not '%s...%s' but: %.900s", begin, part, answer);
    }
}

/* The end of the connection within so many ms. */
static inline bool https_ends(int fd, int wait_ms)
{
    char bytes[512];
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    while (poll(&poller, 1, wait_ms) == 1) {
        if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0) {
            return true;
        }
    }
    return false;
}

static inline void https_await(atomic_int *number, int value)
{
    for (int i = 0; i < HTTPS_WAIT_MS && atomic_load(number) != value; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(number), value);
}

/* A header that shows that somebody is signed in: an API token. */
static inline const char *https_token(const char *name, enum admin_role role)
{
    static char header[2][128];
    static int turn;
    struct auth_by by = by_admin();
    struct auth_new_token wanted = {.name = name, .role = role, .lasts_ms = 3600000};
    struct auth_token row;
    char text[AUTH_TOKEN_TEXT_MAX];
    struct err err = {0};
    if (auth_token_add(&by, &wanted, text, &row, &err) != 0) {
        fail_msg("%s", err.text);
    }
    turn = !turn;
    (void)snprintf(header[turn], sizeof header[turn], "Authorization: Bearer %s", text);
    return header[turn];
}

#define HTTPS_TEST(test) cmocka_unit_test_setup_teardown(test, https_setup, https_teardown)

#endif
