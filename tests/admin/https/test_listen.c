/* Tests of admin/https/listen.c: addresses as people write them, and sockets that listen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/https/listen.h"

enum { MAX = 4 };

static void addresses_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"0.0.0.0:8444",          "[::]:8444", "localhost:0",
                                       "a:1, b:2 ,[::1]:65535", "none",      "127.0.0.1:1,"};
    static const char *const bad[] = {"",      " ",     "8444",    ":8444",   "a:",   "a:b",
                                      "a:1x",  "a:-1",  "a:65536", "::1:80",  "[]:1", "[::1]",
                                      "a:1,b", "None:", "[::1:1",  "a:999999"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(admin_listen_check(good[i], NULL), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_int_equal(admin_listen_check(bad[i], &err), E_INVALID);
        assert_non_null(strstr(err.text, "0.0.0.0:8444"));
    }
    assert_true(admin_listen_is_none("none"));
    assert_false(admin_listen_is_none("none:1"));
}

static void hosts_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *list, *host;
    } rows[] = {{"0.0.0.0:1", ""},
                {"[::]:1", ""},
                {"127.0.0.1:1,b:2", "127.0.0.1"},
                {"console.example:1", "console.example"},
                {"[::1]:1", "[::1]"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[64] = "?";
        admin_listen_host(rows[i].list, host, sizeof host);
        assert_string_equal(host, rows[i].host);
    }
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

static void several_addresses_are_listened_on(void **state)
{
    (void)state;
    int fds[MAX];
    size_t count = 0;
    assert_int_equal(admin_listen("127.0.0.1:0, 127.0.0.2:0", fds, MAX, &count, NULL), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        int on = 0;
        socklen_t size = sizeof on;
        assert_int_equal(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        assert_int_not_equal(on, 0);
        assert_in_range(admin_listen_port(fds[i]), 1, 65535);
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)admin_listen_port(fds[1]))};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &to.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    (void)close(fd);
    close_all(fds, count);
}

static void what_is_taken_is_told(void **state)
{
    (void)state;
    int fds[MAX];
    int others[MAX];
    size_t count = 0;
    size_t none = 77;
    char list[64];
    struct err err = {0};
    assert_int_equal(admin_listen("127.0.0.1:0", fds, MAX, &count, NULL), 0);
    (void)snprintf(list, sizeof list, "127.0.0.1:0,127.0.0.1:%d", admin_listen_port(fds[0]));
    assert_int_equal(admin_listen(list, others, MAX, &none, &err), E_BUSY);
    assert_non_null(strstr(err.text, "another program does"));
    assert_int_equal(none, 77);
    assert_int_equal(admin_listen("127.0.0.1:0,127.0.0.1:0", others, 1, &none, &err), E_INVALID);
    assert_int_equal(admin_listen("192.0.2.1:0", others, MAX, &none, &err), E_SYSTEM);
    assert_int_equal(admin_listen("no.such.name.invalid:0", others, MAX, &none, &err), E_NOT_FOUND);
    close_all(fds, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(hosts_are_told),
        cmocka_unit_test(several_addresses_are_listened_on),
        cmocka_unit_test(what_is_taken_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
