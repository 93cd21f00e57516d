/* Tests of admin/https/connection.c over TLS: who stops sending, and who reads slowly. */
#include "tests/admin/https/https_fixture.h"

/* All that comes until the server ends it; how much of it was 'p'. */
static size_t count_pieces(SSL *ssl, size_t wanted)
{
    size_t count = 0;
    for (int turn = 0; count < wanted; turn++) {
        int got = SSL_read(ssl, https.answer, 3000);
        if (got <= 0) {
            fail_msg("the connection ended after %zu bytes of %zu", count, wanted);
        }
        for (int i = 0; i < got; i++) {
            count += https.answer[i] == 'p';
        }
        if (turn % 300 == 0) {
            (void)usleep(20000); /* a slow reader: the server's system takes no more */
        }
    }
    return count;
}

/* More is put behind what waits to be sent, while TLS has a part of it in hand. */
static void a_slow_reader_gets_all_of_a_stream(void **state)
{
    (void)state;
    enum { PIECES = 8000 };
    char text[256];
    https_open();
    atomic_store(&https.pieces, PIECES);
    (void)snprintf(text, sizeof text, "GET /stream HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n",
                   https_token("a", ADMIN_ROLE_VIEWER));
    SSL *ssl = https_connect(1);
    https_say(ssl, text);
    https_expect(https_read(ssl, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "text/event-stream");
    size_t early = 0;
    for (const char *at = strstr(https.answer, "\r\n\r\n"); *at != '\0'; at++) {
        early += *at == 'p';
    }
    (void)usleep(300000);
    size_t wanted = (size_t)PIECES * HTTPS_PIECE - early;
    assert_int_equal(count_pieces(ssl, wanted), wanted);
    https_close(ssl);
}

/* TLS can say that nothing more will be sent, and go on reading. */
static void who_only_sends_no_more_still_gets_the_answer(void **state)
{
    (void)state;
    https_open();
    atomic_store(&https.wait, true);
    SSL *ssl = https_connect(1);
    https_say(ssl, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)usleep(50000); /* the function runs */
    assert_int_equal(SSL_shutdown(ssl), 0);
    (void)usleep(50000);
    atomic_store(&https.wait, false);
    https_expect(https_read(ssl, NULL), "HTTP/1.1 200 OK\r\n", "Connection: close\r\n");
    assert_int_equal(atomic_load(&https.given_up), 0);
    https_close(ssl);

    ssl = https_connect(1); /* in the middle of an answer */
    https_say(ssl, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t total = strlen(https_read(ssl, "{"));
    assert_int_equal(SSL_shutdown(ssl), 0);
    int got;
    while ((got = SSL_read(ssl, https.answer, HTTPS_TEXT_MAX)) > 0) {
        total += (size_t)got;
    }
    assert_true(total > 8 << 20);
    https_close(ssl);
}

/* Nobody waits for the answer of who is gone, said or not. */
static void who_is_gone_is_given_up(void **state)
{
    (void)state;
    https_open();
    for (int said = 0; said < 2; said++) {
        atomic_store(&https.wait, true);
        SSL *ssl = https_connect(1);
        https_say(ssl, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        (void)usleep(50000);
        if (said) {
            assert_int_equal(SSL_shutdown(ssl), 0);
            (void)usleep(20000);
        }
        https_close(ssl);
        https_await(&https.given_up, said + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(a_slow_reader_gets_all_of_a_stream),
        HTTPS_TEST(who_only_sends_no_more_still_gets_the_answer),
        HTTPS_TEST(who_is_gone_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
