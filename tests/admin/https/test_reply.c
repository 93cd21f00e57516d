/* Tests of admin/https/reply.c: the head of an answer, and what browsers are told by it. */
#include "tests/admin/https/https_fixture.h"

static void browsers_are_told_to_be_careful(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "\r\nStrict-Transport-Security: max-age=31536000\r\n",
        "\r\nContent-Security-Policy: default-src 'self'; frame-ancestors 'none'; ",
        "; frame-ancestors 'none'; base-uri 'none'; form-action 'self'\r\n",
        "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nCross-Origin-Opener-Policy: same-origin\r\n",
        "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
    };
    static const char *const lines[] = {"GET / HTTP/1.1", "GET /open HTTP/1.1",
                                        "GET /none HTTP/1.1", "GET /view HTTP/1.1", "nonsense"};
    https_open();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        (void)https_ask(lines[i]);
        for (size_t k = 0; k < sizeof headers / sizeof headers[0]; k++) {
            https_expect(https.answer, "HTTP/1.1 ", headers[k]);
        }
    }
    https_expect(https_ask("GET /open HTTP/1.1"),
                 "HTTP/1.1 200 OK\r\nDate: ", "Cache-Control: no-store\r\n");
}

static void a_download_has_name_and_type(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET /download HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\na line\n");
    https_expect(https.answer, "", "Content-Type: text/plain; charset=utf-8\r\n");
    https_expect(https.answer, "", "Content-Disposition: attachment; filename=\"kitbag.log\"\r\n");
    https_expect(https.answer, "", "Set-Cookie: a=b; Path=/\r\n");
    https_expect(https.answer, "", "Retry-After: 7\r\n");
}

static void versions_and_methods_have_their_status(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET / HTTP/1.0"), "HTTP/1.1 505 HTTP Version Not Supported\r\n",
                 "\"status\":505,\"detail\":\"this server speaks HTTP/1.1, not HTTP/1.0\"");
    https_expect(https_ask("PUT /view HTTP/1.1"), "HTTP/1.1 405 Method Not Allowed\r\n",
                 "Allow: GET, HEAD\r\n");
    https_expect(https_ask("HEAD /open HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "Content-Length: 65\r\n");
    assert_string_equal(strstr(https.answer, "\r\n\r\n"), "\r\n\r\n");
}

/* The head alone, and the next request behind it. */
static void a_head_of_a_stream_begins_none(void **state)
{
    (void)state;
    char text[512];
    https_open();
    (void)snprintf(text, sizeof text,
                   "HEAD /stream HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
                   "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n"
                   "GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   https_token("a", ADMIN_ROLE_VIEWER));
    SSL *ssl = https_connect(1);
    https_say(ssl, text);
    https_expect(https_read(ssl, NULL), "HTTP/1.1 200 OK\r\n", "text/event-stream\r\n");
    https_expect(https.answer, "", "\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n");
    https_expect(https.answer, "", "\r\nContent-Length: 8388618\r\n\r\nHTTP/1.1 200 OK\r\n");
    https_expect(https.answer, "", "\"known\":false}");
    https_await(&https.streams, 0);
    https_close(ssl);
}

static void an_answer_that_is_there_is_not_sent_again(void **state)
{
    (void)state;
    https_open();
    https_expect(https_ask("GET /open HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "ETag: \"5\"\r\n");
    https_expect(https_ask("GET /open HTTP/1.1\r\nIf-None-Match: \"5\""),
                 "HTTP/1.1 304 Not Modified\r\n", "ETag: \"5\"\r\n");
    assert_string_equal(strstr(https.answer, "\r\n\r\n"), "\r\n\r\n");
    https_expect(https_ask("GET /open HTTP/1.1\r\nIf-None-Match: \"4\""), "HTTP/1.1 200 OK\r\n",
                 "\"known\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(browsers_are_told_to_be_careful),
        HTTPS_TEST(a_download_has_name_and_type),
        HTTPS_TEST(versions_and_methods_have_their_status),
        HTTPS_TEST(a_head_of_a_stream_begins_none),
        HTTPS_TEST(an_answer_that_is_there_is_not_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
