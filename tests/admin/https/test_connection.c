/* Tests of admin/https/connection.c: requests in any pieces, bodies, deadlines. */
#include "tests/admin/https/http_fixture.h"

static void a_request_is_answered(void **state)
{
    (void)state;
    http_open();
    const char *answer = http_ask("GET /hello/ann?q=1 HTTP/1.1\r\n" CLOSE "\r\n");
    http_expect(answer, "HTTP/1.1 200 OK\r\nDate: ", " GMT\r\n");
    assert_string_equal(strstr(answer, " GMT\r\n"),
                        " GMT\r\nContent-Type: application/json\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                        "Connection: close\r\nContent-Length: 24\r\n\r\n"
                        "{\"hello\":\"ann\",\"size\":0}");
}

static void requests_follow_each_other(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    for (int i = 0; i < 3; i++) {
        http_say(fd, "GET /hello/ann HTTP/1.1\r\nHost: x\r\n\r\n");
        http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n", "\"ann\"");
        http_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n", "{\"body\":\"abc\"}");
    }
    http_say(fd, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"); /* refused, and whole */
    http_expect(http_read(fd, "}"), "HTTP/1.1 404 Not Found\r\n", "'/none'");
    http_say(fd, "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"); /* is not */
    http_expect(http_read(fd, NULL), "HTTP/1.1 404 Not Found\r\n", "Connection: close\r\n");
    (void)close(fd);
}

static void requests_may_be_sent_ahead(void **state)
{
    (void)state;
    http_open();
    const char *answer = http_ask("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n"
                                  "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
                                  "GET /hello/b HTTP/1.1\r\n" CLOSE "\r\n"
                                  "GET /hello/c HTTP/1.1\r\n" CLOSE "\r\n");
    const char *a = strstr(answer, "\"hello\":\"a\"");
    const char *hi = strstr(answer, "{\"body\":\"hi\"}");
    const char *b = strstr(answer, "\"hello\":\"b\"");
    assert_true(a != NULL && hi != NULL && b != NULL && a < hi && hi < b);
    assert_null(strstr(answer, "\"hello\":\"c\""));
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    static const char text[] = "POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        http_send(fd, text + i, 1);
        (void)usleep(200);
    }
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "{\"body\":\"hello\"}");
    (void)close(fd);
}

static void what_is_wrong_is_refused_and_cut(void **state)
{
    (void)state;
    http_open();
    static const struct {
        const char *text, *begin, *part;
    } rows[] = {
        {"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
         "\"code\":\"not_found\",\"title\":\"there is no such thing\",\"status\":404,"},
        {"DELETE /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: POST\r\n"},
        {"GET /hello/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 400 Bad Request\r\n", "\"code\":\"malformed\""},
        {"GET /hello/a?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 400 Bad Request\r\n", "takes no parameter 'x'"},
        {"hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "application/problem+json"},
        {"GET /hello/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
         "HTTP/1.1 413 Content Too Large\r\n", "the body has 1 bytes; at most 0 are taken here"},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\nx",
         "HTTP/1.1 413 Content Too Large\r\n",
         "the body has 1048577 bytes; at most 1048576 are taken here"},
        {"POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 268435457\r\n\r\nx",
         "HTTP/1.1 413 Content Too Large\r\n",
         "the body has 268435457 bytes; at most 268435456 are taken here"},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "HTTP/1.1 400 Bad Request\r\n", "Transfer-Encoding is not taken"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        http_expect(http_ask(rows[i].text), rows[i].begin, rows[i].part);
        assert_non_null(strstr(http.answer, "Connection: close\r\n"));
    }
    char *head = malloc(HTTP_TEXT_MAX);
    assert_non_null(head);
    memset(head, 'x', HTTP_TEXT_MAX - 1);
    head[HTTP_TEXT_MAX - 1] = '\0';
    http_expect(http_ask(head), "HTTP/1.1 431 Request Header Fields Too Large\r\n",
                "the head of the request");
    free(head);
}

static void a_body_of_the_limit_is_taken(void **state)
{
    (void)state;
    http_open();
    char *body = malloc(ADMIN_BODY_MAX_BYTES);
    assert_non_null(body);
    memset(body, 'x', ADMIN_BODY_MAX_BYTES);
    int fd = http_connect();
    http_say(fd, "POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 1048576\r\n\r\n");
    http_send(fd, body, ADMIN_BODY_MAX_BYTES);
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "Content-Length: 1048587\r\n");
    (void)close(fd);
    free(body);
}

static void the_sender_who_asks_first_is_told_to_go_on(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd,
             "POST /echo HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(http_read(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    http_say(fd, "hi");
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "{\"body\":\"hi\"}");
    (void)close(fd);
    http_expect(http_ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                         "Content-Length: 2000000\r\n\r\n"),
                "HTTP/1.1 413 ", "1048576");
}

static void an_upload_lies_in_a_file_without_a_name(void **state)
{
    (void)state;
    enum { SIZE = 5 << 20 };
    http_open();
    char *body = malloc(SIZE);
    assert_non_null(body);
    memset(body, 1, SIZE);
    int fd = http_connect();
    for (int i = 0; i < 2; i++) { /* the second begins at offset 0 too */
        http_say(fd, "POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 5242880\r\n\r\n");
        http_send(fd, body, SIZE / 2);
        assert_int_equal(http_folder_entries(), 1); /* the socket */
        http_send(fd, body + SIZE / 2, SIZE / 2);
        http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n",
                    "{\"size\":5242880,\"sum\":5242880,\"links\":0}");
    }
    http_say(fd, "POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n", "{\"size\":0,");
    (void)close(fd);
    free(body);
}

/* Begins an upload of two bytes and waits until the server has made room for it. */
static int begin_upload(void)
{
    int fd = http_connect();
    http_say(fd,
             "POST /file HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(http_read(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    return fd;
}

static void only_some_uploads_come_at_once(void **state)
{
    (void)state;
    static const char whole[] = "POST /file HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nab";
    http.limits.files = 1;
    http_open();
    int fd = begin_upload();
    http_expect(http_ask(whole), "HTTP/1.1 503 Service Unavailable\r\n",
                "1 files are being received already: try again later");
    http_say(fd, "cd");
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "\"size\":2");
    (void)close(fd);
    (void)close(begin_upload()); /* one that goes away leaves its place */
    for (int i = 0; i < 1000 && strncmp(http_ask(whole), "HTTP/1.1 200", 12) != 0; i++) {
        (void)usleep(10000);
    }
    http_expect(http.answer, "HTTP/1.1 200 OK\r\n", "\"size\":2");
}

static void an_upload_that_can_not_be_kept_is_refused(void **state)
{
    (void)state;
    http_open();
    char moved[TMP_FOLDER_MAX + 8];
    (void)snprintf(moved, sizeof moved, "%s.moved", http.folder);
    assert_int_equal(rename(http.folder, moved), 0);
    struct sockaddr_un address = http.address;
    (void)snprintf(http.address.sun_path, sizeof http.address.sun_path, "%.99s/s", moved);
    http_expect(http_ask("POST /file HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nab"),
                "HTTP/1.1 404 Not Found\r\n", "make a file for the upload in");
    http.address = address;
    assert_int_equal(rename(moved, http.folder), 0);
}

/* --- deadlines --- */

static uint64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static void a_silent_connection_is_cut(void **state)
{
    (void)state;
    http.limits.head_ms = 100;
    http_open();
    uint64_t begin = now_ms();
    assert_string_equal(http_ask(""), "");
    assert_in_range(now_ms() - begin, 90, 8000);
    int fd = http_connect(); /* between two requests too */
    http_say(fd, "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)http_read(fd, "}");
    begin = now_ms();
    assert_string_equal(http_read(fd, NULL), "");
    assert_in_range(now_ms() - begin, 90, 8000);
    (void)close(fd);
}

static void a_head_in_drops_is_cut(void **state)
{
    (void)state;
    http.limits.head_ms = 100;
    http_open();
    int fd = http_connect();
    http_say(fd, "GET /");
    for (int i = 0; i < 500 && !http_ready(fd, 10); i++) {
        http_say(fd, "a");
    }
    http_expect(http_read(fd, NULL), "HTTP/1.1 408 Request Timeout\r\n",
                "the head of the request came too slowly");
    (void)close(fd);
}

static void a_body_in_drops_is_cut(void **state)
{
    (void)state;
    http.limits.stall_ms = 100;
    http_open();
    int fd = http_connect();
    http_say(fd, "POST /file HTTP/1.1\r\n" CLOSE "Content-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 500 && !http_ready(fd, 10); i++) {
        http_say(fd, "a");
    }
    http_expect(http_read(fd, NULL), "HTTP/1.1 408 Request Timeout\r\n",
                "the body came too slowly");
    (void)close(fd);
}

static void a_body_that_moves_has_time(void **state)
{
    (void)state;
    enum { PIECE = 80 << 10, PIECES = 6 };
    static char piece[PIECE];
    http.limits.stall_ms = 1000;
    http_open();
    int fd = http_connect();
    http_say(fd, "POST /file HTTP/1.1\r\n" CLOSE "Content-Length: 491520\r\n\r\n");
    for (int i = 0; i < PIECES; i++) {
        http_send(fd, piece, PIECE);
        (void)usleep(300000);
    }
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "{\"size\":491520,");
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_request_is_answered),
        HTTP_TEST(requests_follow_each_other),
        HTTP_TEST(requests_may_be_sent_ahead),
        HTTP_TEST(bytes_may_come_one_by_one),
        HTTP_TEST(what_is_wrong_is_refused_and_cut),
        HTTP_TEST(a_body_of_the_limit_is_taken),
        HTTP_TEST(the_sender_who_asks_first_is_told_to_go_on),
        HTTP_TEST(an_upload_lies_in_a_file_without_a_name),
        HTTP_TEST(only_some_uploads_come_at_once),
        HTTP_TEST(an_upload_that_can_not_be_kept_is_refused),
        HTTP_TEST(a_silent_connection_is_cut),
        HTTP_TEST(a_head_in_drops_is_cut),
        HTTP_TEST(a_body_in_drops_is_cut),
        HTTP_TEST(a_body_that_moves_has_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
