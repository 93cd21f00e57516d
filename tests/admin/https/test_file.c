/* Tests of admin/https/file.c: whole, in part, compressed, and as it was. */
#include "tests/admin/https/https_fixture.h"

static void a_file_is_its_bytes(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET / HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n<p>hello</p>");
    https_expect(https.answer, "", "Content-Type: text/html; charset=utf-8\r\n");
    https_expect(https.answer, "", "Cache-Control: no-cache\r\n");
    https_expect(https.answer, "", "ETag: \"e1\"\r\nVary: Accept-Encoding\r\n");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nAccept-Encoding: gzip"),
                 "HTTP/1.1 200 OK\r\n", "\r\n\r\n0123456789");
    https_expect(https.answer, "", "Cache-Control: public, max-age=31536000, immutable\r\n");
    assert_null(strstr(https.answer, "Content-Encoding"));
    assert_null(strstr(https.answer, "Vary"));
}

static void who_takes_gzip_gets_it(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET / HTTP/1.1\r\nAccept-Encoding: br, gzip"), "HTTP/1.1 200 OK\r\n",
                 "\r\n\r\nGZIP");
    https_expect(https.answer, "", "Content-Encoding: gzip\r\n");
    https_expect(https.answer, "", "ETag: \"e1-gzip\"\r\n");
}

static void what_a_browser_has_is_not_sent_again(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET / HTTP/1.1\r\nIf-None-Match: \"e0\", \"e1\""),
                 "HTTP/1.1 304 Not Modified\r\n", "ETag: \"e1\"\r\n");
    assert_null(strstr(https.answer, "Content-Length"));
    assert_null(strstr(https.answer, "hello"));
    https_expect(https_ask("GET / HTTP/1.1\r\nIf-None-Match: \"e1\"\r\nAccept-Encoding: gzip"),
                 "HTTP/1.1 200 OK\r\n", "GZIP"); /* that is another form of it */
}

static void a_part_is_sent_alone(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nRange: bytes=2-4"),
                 "HTTP/1.1 206 Partial Content\r\n", "\r\n\r\n234");
    https_expect(https.answer, "",
                 "Content-Range: bytes 2-4/10\r\nConnection: close\r\nContent-Length: 3\r\n");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nRange: bytes=10-"),
                 "HTTP/1.1 416 Range Not Satisfiable\r\n", "Content-Range: bytes */10\r\n");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nRange: lines=1-2"), "HTTP/1.1 200 OK\r\n",
                 "0123456789");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nRange: bytes=2-4\r\nIf-Range: \"e2\""),
                 "HTTP/1.1 206 Partial Content\r\n", "\r\n\r\n234");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nRange: bytes=2-4\r\nIf-Range: \"e1\""),
                 "HTTP/1.1 200 OK\r\n", "0123456789");
}

static void a_head_tells_all_but_the_bytes(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("HEAD / HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "Content-Length: 12\r\n");
    assert_null(strstr(https.answer, "hello"));
}

static void other_methods_and_names_are_refused(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("POST / HTTP/1.1"), "HTTP/1.1 405 Method Not Allowed\r\n",
                 "Allow: GET, HEAD\r\n");
    https_expect(https_ask("GET /app-1.js HTTP/1.1\r\nContent-Length: 1"),
                 "HTTP/1.1 413 Content Too Large\r\n", "without a body");
    static const char *const none[] = {"/app-2.js",   "/app-1.js/", "//",          "/../app-1.js",
                                       "/%61pp-1.js", "/./",        "/app-1.js%00"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "GET %s HTTP/1.1", none[i]);
        https_expect(https_ask(line), "HTTP/1.1 404 Not Found\r\n", "\"code\":\"not_found\"");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(a_file_is_its_bytes),
        HTTPS_TEST(who_takes_gzip_gets_it),
        HTTPS_TEST(what_a_browser_has_is_not_sent_again),
        HTTPS_TEST(a_part_is_sent_alone),
        HTTPS_TEST(a_head_tells_all_but_the_bytes),
        HTTPS_TEST(other_methods_and_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
