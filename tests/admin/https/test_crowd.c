/* Tests of admin/https/crowd.c: who is let in, and who makes room; slow ones over TLS. */
#include "tests/admin/https/https_fixture.h"

static void who_waits_longest_makes_room(void **state)
{
    (void)state;
    https.limits.per_address = 3;
    https_open();
    int first = https_dial(1);
    (void)usleep(20000);
    int second = https_dial(1);
    (void)usleep(20000);
    SSL *honest = https_connect(1);
    https_say(honest, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
    https_expect(https_read(honest, "}"), "HTTP/1.1 200 OK\r\n", "known");
    int other = https_dial(2); /* that address has room of its own */
    int third = https_dial(1);
    assert_true(https_ends(first, 2000));
    assert_false(https_ends(second, 100));
    assert_false(https_ends(third, 0) || https_ends(other, 0));
    (void)close(first);
    (void)close(second);
    (void)close(third);
    (void)close(other);
    https_close(honest);
}

static void there_is_a_limit_in_all(void **state)
{
    (void)state;
    https.limits.connections = 2;
    https_open();
    int first = https_dial(1);
    (void)usleep(20000);
    int second = https_dial(2);
    (void)usleep(20000);
    SSL *honest = https_connect(3);
    https_say(honest, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
    https_expect(https_read(honest, "}"), "HTTP/1.1 200 OK\r\n", "\"address\":\"127.0.0.3\"");
    assert_true(https_ends(first, 2000));
    assert_false(https_ends(second, 0));
    (void)close(first);
    (void)close(second);
    https_close(honest);
}

/* Who was let in and is being served is not cut for a stranger. */
static void who_is_served_stays(void **state)
{
    (void)state;
    char text[256];
    https.limits.per_address = 2;
    https_open();
    (void)snprintf(text, sizeof text, "GET /stream HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n",
                   https_token("a", ADMIN_ROLE_VIEWER));
    SSL *one = https_connect(1);
    https_say(one, text);
    https_expect(https_read(one, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "text/event-stream");
    SSL *two = https_connect(1);
    https_say(two, text);
    (void)https_read(two, "\r\n\r\n");
    int third = https_dial(1);
    assert_true(https_ends(third, 2000)); /* not let in */
    atomic_store(&https.event, true);
    https_await(&https.streams, 2);
    (void)close(third);
    https_close(one);
    https_close(two);
}

static void silence_and_drops_are_cut(void **state)
{
    (void)state;
    https.limits.head_ms = 300;
    https_open();
    int silent = https_dial(1);
    SSL *idle = https_connect(1);
    SSL *slow = https_connect(1);
    https_say(slow, "GET /open HTT");
    assert_true(https_ends(silent, 2000));
    assert_true(https_ends(SSL_get_fd(idle), 2000));
    https_expect(https_read(slow, NULL), "HTTP/1.1 408 Request Timeout\r\n", "too slowly");
    (void)close(silent);
    https_close(idle);
    https_close(slow);
}

static void a_reader_who_stands_still_is_cut(void **state)
{
    (void)state;
    https.limits.stall_ms = 200;
    https_open();
    int fd = https_dial(1);
    int small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    SSL *ssl = SSL_new(https.client);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    https_say(ssl, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, HTTPS_WAIT_MS), 1);
    (void)usleep(1500000);
    size_t total = 0;
    int got;
    while ((got = SSL_read(ssl, https.answer, HTTPS_TEXT_MAX)) > 0) {
        total += (size_t)got;
    }
    assert_in_range(total, 0, 6 << 20);
    https_close(ssl);
}

static void plain_http_is_told_what_is_wrong(void **state)
{
    (void)state;
    https_open();
    char answer[1024] = "";
    int fd = https_dial(1);
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    ssize_t got = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
    assert_true(got > 0);
    https_expect(answer, "HTTP/1.1 400 Bad Request\r\n",
                 "This port speaks HTTPS only: the address has to begin with 'https://'.\n");
    (void)close(fd);
    fd = https_dial(1);
    static const char junk[] = "\x00\xff junk that is no TLS";
    assert_int_equal(send(fd, junk, sizeof junk, MSG_NOSIGNAL), sizeof junk);
    assert_true(https_ends(fd, 2000));
    (void)close(fd);
}

static void a_stream_ends_with_its_session(void **state)
{
    (void)state;
    struct auth_entry entry;
    char text[512];
    https_open();
    add_account("ann", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    (void)snprintf(text, sizeof text, "GET /stream HTTP/1.1\r\nHost: x\r\nCookie: %s=%s\r\n\r\n",
                   AUTH_COOKIE, entry.id);
    SSL *ssl = https_connect(1);
    https_say(ssl, text);
    atomic_store(&https.event, true);
    https_expect(https_read(ssl, "data: 1\n\n"), "HTTP/1.1 200 OK\r\n", "event: tick\n");
    auth_sign_out(auth, entry.who.session);
    https_expect(https_read(ssl, "0\r\n\r\n"), "",
                 "event: problem\ndata: {\"code\":\"not_signed_in\"");
    https_await(&https.streams, 0);
    https_close(ssl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(who_waits_longest_makes_room),
        HTTPS_TEST(there_is_a_limit_in_all),
        HTTPS_TEST(who_is_served_stays),
        HTTPS_TEST(silence_and_drops_are_cut),
        HTTPS_TEST(a_reader_who_stands_still_is_cut),
        HTTPS_TEST(plain_http_is_told_what_is_wrong),
        HTTPS_TEST(a_stream_ends_with_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
