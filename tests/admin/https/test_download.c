/* Tests of admin/https/download.c: whole, from where it broke off, and when it is another one. */
#include "tests/admin/https/https_fixture.h"

enum { LARGE = 3 << 20 };

static void a_file_is_sent_whole(void **state)
{
    (void)state;
    https.file_size = 12;
    https_open();
    https_expect(https_ask("GET /file HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n012345678901");
    https_expect(https.answer, "", "ETag: \"f-1\"\r\nAccept-Ranges: bytes\r\n");
    https_expect(https.answer, "", "Content-Disposition: attachment; filename=\"digits.txt\"\r\n");
    https_expect(https.answer, "", "Cache-Control: no-store\r\n");
    https_expect(https_ask("HEAD /file HTTP/1.1"), "HTTP/1.1 200 OK\r\n",
                 "Content-Length: 12\r\n\r\n");
}

static void a_part_is_sent_alone(void **state)
{
    (void)state;
    https.file_size = 12;
    https_open();
    https_expect(https_ask("GET /file HTTP/1.1\r\nRange: bytes=9-"),
                 "HTTP/1.1 206 Partial Content\r\n", "\r\n\r\n901");
    https_expect(https.answer, "", "Content-Range: bytes 9-11/12\r\n");
    https_expect(https_ask("GET /file HTTP/1.1\r\nRange: bytes=9-\r\nIf-Range: \"f-1\""),
                 "HTTP/1.1 206 Partial Content\r\n", "\r\n\r\n901");
    https_expect(https_ask("GET /file HTTP/1.1\r\nRange: bytes=9-\r\nIf-Range: \"f-0\""),
                 "HTTP/1.1 200 OK\r\n", "\r\n\r\n012345678901");
    https_expect(https_ask("GET /file HTTP/1.1\r\nRange: bytes=12-"),
                 "HTTP/1.1 416 Range Not Satisfiable\r\n", "Content-Range: bytes */12\r\n");
    https_expect(https_ask("GET /file HTTP/1.1\r\nIf-None-Match: \"f-1\""),
                 "HTTP/1.1 304 Not Modified\r\n", "ETag: \"f-1\"\r\n");
}

/* All that is said on a connection, in pieces; how much of it is the body. */
static size_t read_large(const char *head, size_t stop_at)
{
    SSL *ssl = https_connect(1);
    size_t total = 0;
    size_t body = 0;
    bool in_body = false;
    assert_true(SSL_write(ssl, head, (int)strlen(head)) > 0);
    for (;;) {
        int got = SSL_read(ssl, https.answer + (in_body ? 0 : total), 16 << 10);
        if (got <= 0) {
            break;
        }
        total += (size_t)got;
        const char *end = in_body ? NULL : memmem(https.answer, total, "\r\n\r\n", 4);
        body += in_body ? (size_t)got : end != NULL ? total - (size_t)(end + 4 - https.answer) : 0;
        in_body = in_body || end != NULL;
        if (body >= stop_at) {
            break;
        }
    }
    https_close(ssl);
    return body;
}

static void a_large_one_in_pieces(void **state)
{
    (void)state;
    https.file_size = LARGE;
    https_open();
    assert_int_equal(
        read_large("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", SIZE_MAX), LARGE);
    assert_int_equal(read_large("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Range: bytes=1000000-\r\n\r\n",
                                SIZE_MAX),
                     LARGE - 1000000);
}

/* The reader goes in the middle: nothing is kept of it, and the next one is served. */
static void a_reader_goes_away(void **state)
{
    (void)state;
    https.file_size = LARGE;
    https_open();
    assert_true(read_large("GET /file HTTP/1.1\r\nHost: x\r\n\r\n", 100000) < LARGE);
    https_expect(https_ask("GET /file HTTP/1.1\r\nRange: bytes=0-1"),
                 "HTTP/1.1 206 Partial Content\r\n", "\r\n\r\n01");
}

/* What can't be read is not made up: the connection ends before the promised size. */
static void a_file_that_is_shorter_than_it_was(void **state)
{
    (void)state;
    https.file_size = 1000;
    https.file_missing = 5;
    https_open();
    assert_true(read_large("GET /file HTTP/1.1\r\nHost: x\r\n\r\n", SIZE_MAX) <= 1000);
}

static void a_slow_reader_is_given_time_while_it_reads(void **state)
{
    (void)state;
    https.limits.stall_ms = 300;
    https.file_size = LARGE;
    https_open();
    SSL *ssl = https_connect(1);
    size_t total = 0;
    static const char head[] = "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_true(SSL_write(ssl, head, sizeof head - 1) > 0);
    for (int got = 1; got > 0;) {
        got = SSL_read(ssl, https.answer, 256 << 10);
        total += got > 0 ? (size_t)got : 0;
        (void)usleep(5000); /* more than a second for all of it */
    }
    assert_true(total > LARGE);
    https_close(ssl);
}

#define HTTPS_TEST(test) cmocka_unit_test_setup_teardown(test, https_setup, https_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(a_file_is_sent_whole),
        HTTPS_TEST(a_part_is_sent_alone),
        HTTPS_TEST(a_large_one_in_pieces),
        HTTPS_TEST(a_reader_goes_away),
        HTTPS_TEST(a_file_that_is_shorter_than_it_was),
        HTTPS_TEST(a_slow_reader_is_given_time_while_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
