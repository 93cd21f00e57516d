/* tests/transport/test_connections.c - which connections are cut, and that no other ever is. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "transport/connections.h"

enum { MAX = 4, START_MS = 1000 };

/* A TCP connection with both of its ends in this process. */
struct line {
    int here;
    int there;
};

static struct connections *table;
static int listener;
static struct sockaddr_in address;

static int setup(void **state)
{
    (void)state;
    socklen_t size = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(connections_new(&table, MAX, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    connections_free(&table);
    (void)close(listener);
    return 0;
}

static struct line open_line(void)
{
    struct line line = {.there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(line.there, (struct sockaddr *)&address, sizeof address), 0);
    line.here = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(line.here >= 0);
    return line;
}

static void close_line(struct line line)
{
    (void)close(line.here);
    (void)close(line.there);
}

static bool is_cut(struct line line)
{
    char byte;
    return recv(line.there, &byte, 1, MSG_DONTWAIT) == 0;
}

static struct peer peer_of(uint8_t number)
{
    return (struct peer){.size = 5, .id = {0, 0, 0, 0, number}};
}

static void send_bytes(struct line line, size_t size)
{
    static uint8_t bytes[65536];
    while (size > 0) {
        size_t now = size < sizeof bytes ? size : sizeof bytes;
        assert_int_equal(send(line.there, bytes, now, 0), now);
        size_t read = 0;
        while (read < now) {
            static uint8_t sink[65536];
            ssize_t got = recv(line.here, sink, sizeof sink, 0);
            assert_true(got > 0);
            read += (size_t)got;
        }
        size -= now;
    }
}

static void test_silent_ones(void **state)
{
    (void)state;
    struct line silent = open_line();
    struct line speaking = open_line();
    struct peer peer = peer_of(1);
    connections_opened(table, silent.here, START_MS);
    connections_opened(table, speaking.here, START_MS);
    assert_int_equal(connections_heard(table, speaking.here, &peer), CONNECTION_HEARD);
    assert_int_equal(connections_count(table), 2);
    connections_look(table, START_MS + CONNECTION_SILENT_MS - 1);
    assert_false(is_cut(silent));
    connections_look(table, START_MS + CONNECTION_SILENT_MS + CONNECTION_SCAN_MS);
    assert_true(is_cut(silent));
    connections_look(table, START_MS + 1000 * CONNECTION_SILENT_MS);
    assert_false(is_cut(speaking));
    close_line(silent);
    close_line(speaking);
}

static void test_more_than_the_maximum(void **state)
{
    (void)state;
    struct line lines[MAX + 1];
    for (int i = 0; i <= MAX; i++) {
        lines[i] = open_line();
        connections_opened(table, lines[i].here, START_MS);
        assert_int_equal(is_cut(lines[i]), i == MAX);
    }
    /* When ZeroMQ has told the end of one there is room again. */
    connections_closed(table, lines[MAX].here);
    connections_closed(table, lines[0].here);
    close_line(lines[0]);
    lines[0] = open_line();
    connections_opened(table, lines[0].here, START_MS);
    assert_false(is_cut(lines[0]));
    assert_int_equal(connections_count(table), MAX);
    for (int i = 0; i <= MAX; i++) {
        close_line(lines[i]);
    }
}

static void test_bytes_without_a_message(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(1);
    uint64_t now_ms = START_MS;
    connections_opened(table, line.here, now_ms);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    send_bytes(line, 5000);
    connections_look(table, now_ms += CONNECTION_SCAN_MS);
    /* As long as messages come, no number of bytes is too large. */
    for (int i = 0; i < 4; i++) {
        send_bytes(line, CONNECTION_AHEAD_MAX);
        assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
        connections_look(table, now_ms += CONNECTION_SCAN_MS);
    }
    send_bytes(line, CONNECTION_AHEAD_MAX);
    connections_look(table, now_ms += CONNECTION_SCAN_MS);
    assert_false(is_cut(line));
    send_bytes(line, 1);
    connections_look(table, now_ms + CONNECTION_SCAN_MS - 1); /* too early for a look */
    assert_false(is_cut(line));
    connections_look(table, now_ms += CONNECTION_SCAN_MS);
    assert_true(is_cut(line));
    close_line(line);
}

/* What the system holds and ZeroMQ has not read does not count. */
static void test_bytes_that_wait(void **state)
{
    (void)state;
    enum { LEFT = 32768 };
    static uint8_t bytes[2 * LEFT];
    struct line line = open_line();
    struct peer peer = peer_of(1);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_look(table, START_MS);
    send_bytes(line, CONNECTION_AHEAD_MAX - LEFT);
    assert_int_equal(send(line.there, bytes, sizeof bytes, 0), sizeof bytes);
    int waiting = 0;
    while (waiting < (int)sizeof bytes) {
        assert_int_equal(ioctl(line.here, FIONREAD, &waiting), 0);
    }
    connections_look(table, START_MS + CONNECTION_SCAN_MS);
    assert_false(is_cut(line));
    assert_int_equal(recv(line.here, bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
    connections_look(table, START_MS + 2 * CONNECTION_SCAN_MS);
    assert_true(is_cut(line));
    close_line(line);
}

static void test_cut_after_a_grace(void **state)
{
    (void)state;
    struct line line = open_line();
    struct line other = open_line();
    struct peer peer = peer_of(1);
    connections_opened(table, line.here, START_MS);
    connections_opened(table, other.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_look(table, START_MS);
    assert_int_equal(connections_wait_ms(table, START_MS), CONNECTION_SCAN_MS);
    connections_cut(table, &peer, START_MS);
    connections_cut(table, &peer, START_MS + 50); /* does not put it off */
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_GONE);
    connections_look(table, START_MS + CONNECTION_GRACE_MS - 1);
    assert_false(is_cut(line));
    assert_int_equal(connections_wait_ms(table, START_MS + CONNECTION_GRACE_MS - 1), 1);
    connections_look(table, START_MS + CONNECTION_GRACE_MS);
    assert_true(is_cut(line));
    assert_true(connections_wait_ms(table, START_MS + CONNECTION_GRACE_MS) > 0);
    connections_cut_fd(table, other.here, START_MS + CONNECTION_GRACE_MS);
    connections_look(table, START_MS + 2 * CONNECTION_GRACE_MS);
    assert_true(is_cut(other));
    connections_closed(table, line.here);
    connections_closed(table, other.here);
    assert_int_equal(connections_wait_ms(table, START_MS), -1);
    close_line(line);
    close_line(other);
}

/* A message that waited for long is read when its connection was closed and its descriptor is
 * another's, who has said nothing yet: it is not taken for that one's. */
static void test_late_message_of_the_one_before(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(7);
    struct peer next = peer_of(8);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_closed(table, line.here);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_GONE);
    connections_cut(table, &peer, START_MS); /* nobody could answer it */
    connections_look(table, START_MS + CONNECTION_GRACE_MS);
    assert_false(is_cut(line));
    assert_int_equal(connections_heard(table, line.here, &next), CONNECTION_HEARD);
    assert_true(connections_current(table, line.here, &next));
    close_line(line);
}

/* The descriptor was closed and is another connection's now: that one is left alone. */
static void test_number_of_another(void **state)
{
    (void)state;
    struct line line = open_line();
    struct line other = open_line();
    struct peer peer = peer_of(1);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_cut(table, &peer, START_MS);
    assert_int_equal(dup2(other.here, line.here), line.here);
    connections_look(table, START_MS + CONNECTION_GRACE_MS);
    assert_false(is_cut(other));
    assert_true(is_cut(line)); /* by dup2 */
    char text[64];
    connections_address(table, &peer, text, sizeof text);
    assert_string_equal(text, "");
    /* Its beginning is told: the old one's end was not. */
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_count(table), 1);
    assert_false(connections_current(table, line.here, &peer));
    connections_look(table, START_MS + 2 * CONNECTION_GRACE_MS);
    assert_false(is_cut(other));
    close_line(line);
    close_line(other);
}

static void test_peers(void **state)
{
    (void)state;
    struct line line = open_line();
    struct line other = open_line();
    struct peer one = peer_of(1);
    struct peer two = peer_of(2);
    assert_int_equal(connections_heard(table, line.here, &one), CONNECTION_GONE); /* not opened */
    assert_int_equal(connections_heard(table, -1, &one), CONNECTION_GONE);
    assert_int_equal(connections_heard(table, 1 << 20, &one), CONNECTION_GONE);
    connections_opened(table, line.here, START_MS);
    connections_opened(table, other.here, START_MS);
    assert_false(connections_current(table, line.here, &one));
    assert_int_equal(connections_heard(table, line.here, &one), CONNECTION_HEARD);
    assert_true(connections_current(table, line.here, &one));
    /* one peer, one connection */
    assert_int_equal(connections_heard(table, other.here, &one), CONNECTION_WRONG);
    assert_int_equal(connections_heard(table, other.here, &two), CONNECTION_HEARD);
    connections_closed(table, line.here);
    connections_closed(table, line.here);
    connections_opened(table, line.here, START_MS);
    struct peer three = peer_of(3);
    assert_int_equal(connections_heard(table, line.here, &three), CONNECTION_HEARD);
    connections_closed(table, other.here);
    assert_int_equal(connections_heard(table, line.here, &two), CONNECTION_GONE);
    close_line(line);
    close_line(other);
}

/* Sends as if it came from ZeroMQ, with what that adds to a message. */
static void send_there(struct line line, size_t size)
{
    static uint8_t bytes[CONNECTION_UNREAD_MAX];
    size += size + 33 > 255 ? 42 : 35;
    for (size_t sent = 0; sent < size;) {
        ssize_t more = send(line.here, bytes, size - sent, MSG_DONTWAIT);
        assert_true(more > 0);
        sent += (size_t)more;
    }
}

static void read_all(struct line line)
{
    static uint8_t sink[65536];
    struct pollfd wait = {.fd = line.there, .events = POLLIN};
    while (poll(&wait, 1, 20) == 1) {
        assert_true(recv(line.there, sink, sizeof sink, 0) > 0);
    }
}

/* To the byte: what was sent and has not arrived, and nothing that ZeroMQ says of itself. */
static void test_unread_bytes(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(1);
    assert_true(connections_may_send(table, &peer, 1 << 30)); /* not known: ZeroMQ will tell */
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    send_there(line, 3000); /* a handshake */
    read_all(line);
    connections_look(table, START_MS);
    size_t most = CONNECTION_UNREAD_MAX - 42;
    assert_false(connections_may_send(table, &peer, most + 1));
    assert_true(connections_may_send(table, &peer, most));
    assert_false(connections_may_send(table, &peer, 1));
    send_there(line, 100000); /* the first bytes of it */
    read_all(line);
    assert_false(connections_may_send(table, &peer, 100001));
    assert_true(connections_may_send(table, &peer, 100000));
    assert_false(connections_may_send(table, &peer, 1));
    close_line(line);
}

static void test_unread_bytes_of_one_who_left(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(1);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    close_line(line);
    assert_true(connections_may_send(table, &peer, CONNECTION_UNREAD_MAX));
    assert_true(connections_may_send(table, &peer, CONNECTION_UNREAD_MAX));
}

/* ZeroMQ hands over what came of a connection that is gone, whose descriptor is another's now. */
static void test_late_messages(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer gone = peer_of(1);
    struct peer one = peer_of(2);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &one), CONNECTION_HEARD);
    assert_int_equal(connections_heard(table, line.here, &gone), CONNECTION_GONE);
    assert_true(connections_current(table, line.here, &one));
    connections_look(table, START_MS + 2 * CONNECTION_GRACE_MS);
    assert_false(is_cut(line));
    close_line(line);
}

/* The numbers of ids begin anywhere, and begin again with 0. */
static void test_ids_round_the_end(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer last = {.size = 5, .id = {0, 0xff, 0xff, 0xff, 0xff}};
    struct peer first = peer_of(0);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &last), CONNECTION_HEARD);
    connections_closed(table, line.here);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &last), CONNECTION_GONE);
    assert_int_equal(connections_heard(table, line.here, &first), CONNECTION_HEARD);
    assert_int_equal(connections_heard(table, line.here, &last), CONNECTION_GONE);
    close_line(line);
}

/* The late one comes first, and was not heard while its connection was open. */
static void test_late_messages_of_strangers(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer gone = peer_of(1);
    struct peer one = peer_of(2);
    connections_opened(table, line.here, START_MS);
    connections_closed(table, line.here);
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &gone), CONNECTION_HEARD);
    assert_int_equal(connections_heard(table, line.here, &one), CONNECTION_HEARD);
    assert_true(connections_current(table, line.here, &one));
    assert_int_equal(connections_heard(table, line.here, &gone), CONNECTION_GONE);
    close_line(line);
}

/* A message was there before the monitor told of its connection. */
static void test_opening_told_twice(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(1);
    assert_false(connections_is_open(table, line.here));
    assert_false(connections_is_open(table, -1));
    connections_opened(table, line.here, START_MS);
    assert_true(connections_is_open(table, line.here));
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_opened(table, line.here, START_MS);
    assert_true(connections_current(table, line.here, &peer));
    assert_int_equal(connections_count(table), 1);
    connections_look(table, START_MS + CONNECTION_SILENT_MS);
    assert_false(is_cut(line)); /* it was heard */
    close_line(line);
}

static void test_addresses(void **state)
{
    (void)state;
    struct line line = open_line();
    struct peer peer = peer_of(1);
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char expected[64];
    char text[64];
    assert_int_equal(getsockname(line.there, (struct sockaddr *)&from, &size), 0);
    (void)snprintf(expected, sizeof expected, "127.0.0.1:%d", ntohs(from.sin_port));
    connections_address(table, &peer, text, sizeof text);
    assert_string_equal(text, "");
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_address(table, &peer, text, sizeof text);
    assert_string_equal(text, expected);
    connections_address(table, &peer, text, 5);
    assert_string_equal(text, "127.");
    close_line(line);
    connections_address(table, &peer, text, sizeof text);
    assert_string_equal(text, "");
}

/* An IPv4 peer of a socket for both is written as what it is. */
static void test_mapped_address(void **state)
{
    (void)state;
    struct sockaddr_in6 both = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    socklen_t size = sizeof both;
    int off = 0;
    int server = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        bind(server, (struct sockaddr *)&both, size) != 0) {
        print_message("no IPv6 here\n");
        skip();
    }
    assert_int_equal(getsockname(server, (struct sockaddr *)&both, &size), 0);
    assert_int_equal(listen(server, 1), 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = both.sin6_port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct line line = {.there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(line.there, (struct sockaddr *)&to, sizeof to), 0);
    line.here = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    struct peer peer = peer_of(1);
    char text[64];
    connections_opened(table, line.here, START_MS);
    assert_int_equal(connections_heard(table, line.here, &peer), CONNECTION_HEARD);
    connections_address(table, &peer, text, sizeof text);
    assert_int_equal(strncmp(text, "127.0.0.1:", 10), 0);
    close_line(line);
    (void)close(server);
}

/* Each look takes some of many; all have their turn. */
static void test_looks_take_turns(void **state)
{
    (void)state;
    enum { MANY = CONNECTION_SCAN_COUNT / 2 + 3 };
    struct connections *large = NULL;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max; /* four descriptors for each: over a thousand */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    static struct line lines[MANY];
    static int more[MANY * 2];
    assert_int_equal(connections_new(&large, 4 * MANY, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        lines[i] = open_line();
        connections_opened(large, lines[i].here, START_MS);
    }
    for (int i = 0; i < MANY * 2; i++) { /* the same connections under other numbers */
        more[i] = fcntl(lines[i % MANY].here, F_DUPFD_CLOEXEC, 0);
        connections_opened(large, more[i], START_MS + CONNECTION_SILENT_MS);
    }
    uint64_t now_ms = START_MS + CONNECTION_SILENT_MS;
    connections_look(large, now_ms);
    connections_look(large, now_ms + CONNECTION_SCAN_MS);
    for (int i = 0; i < MANY; i++) {
        assert_true(is_cut(lines[i]));
    }
    connections_free(&large);
    for (int i = 0; i < MANY; i++) {
        close_line(lines[i]);
        (void)close(more[i]);
        (void)close(more[MANY + i]);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct connections *none = NULL;
    fail_alloc_at(1);
    assert_int_equal(connections_new(&none, MAX, NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
    /* A connection that can't be kept in mind is cut; one whose peer can't is not heard. */
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct line line = open_line();
        fail_alloc_at(nth);
        connections_opened(table, line.here, START_MS);
        assert_true(fail_alloc_stop());
        assert_true(is_cut(line));
        assert_int_equal(connections_count(table), 0);
        close_line(line);
        connections_free(&table);
        assert_int_equal(connections_new(&table, MAX, NULL), 0);
    }
    for (unsigned nth = 1;; nth++) {
        struct line line = open_line();
        struct peer peer = peer_of(1);
        connections_opened(table, line.here, START_MS);
        fail_alloc_at(nth);
        bool heard = connections_heard(table, line.here, &peer) == CONNECTION_HEARD;
        bool failed = fail_alloc_stop();
        assert_true(heard != failed);
        assert_int_equal(connections_current(table, line.here, &peer), heard);
        connections_free(&table);
        assert_int_equal(connections_new(&table, MAX, NULL), 0);
        close_line(line);
        if (!failed) {
            break;
        }
    }
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    struct connections *none = NULL;
    connections_free(&none);
    connections_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_silent_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_the_maximum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_without_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_that_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_after_a_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_message_of_the_one_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_number_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unread_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unread_bytes_of_one_who_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_messages_of_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_round_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_opening_told_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mapped_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looks_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test(test_free_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
