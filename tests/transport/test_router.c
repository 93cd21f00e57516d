/* tests/transport/test_router.c - the server's socket and peers that behave. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "tests/transport/peers.h"
#include "transport/wire.h"

static int setup(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server_open(server);
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    struct server *server = *state;
    router_close(&server->router);
    free(server);
    return 0;
}

static void test_there_and_back(void **state)
{
    struct server *server = *state;
    struct client client;
    struct received received;
    client_open(&client, server);
    client_send(&client, "hello");
    client_send(&client, "");
    expect_message(server, &received, "hello");
    assert_memory_equal(received.key, client.keys.public_key, KEY_SIZE);
    struct peer peer = received.peer;
    expect_message(server, &received, "");
    assert_memory_equal(&received.peer, &peer, sizeof peer);
    const char *address = router_address(server->router, &peer);
    assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
    assert_true(strtol(address + 10, NULL, 10) > 0);
    assert_int_equal(router_send(server->router, &peer, span_str("welcome")), 0);
    char text[16];
    assert_int_equal(client_receive(&client, server, WAIT_MS, text, sizeof text), 7);
    assert_string_equal(text, "welcome");
    assert_int_equal(server->asked, 1);
    client_close(&client);
}

static void test_unknown_key(void **state)
{
    struct server *server = *state;
    struct client client;
    client_make(&client);
    client_curve(&client, server->keys.public_key);
    set_number(client.socket, ZMQ_RECONNECT_IVL, -1);
    client_connect(&client, server);
    client_send(&client, "hello");
    expect_silence(server, 300);
    assert_int_equal(server->asked, 1);
    char text[16];
    assert_int_equal(client_receive(&client, server, 50, text, sizeof text), -1);
    client_close(&client);
}

/* ZAP is asked once for each handshake: whoever is connected stays so, and its key is told with
 * every message. */
static void test_removed_key(void **state)
{
    struct server *server = *state;
    struct client client;
    struct received received;
    client_open(&client, server);
    client_send(&client, "one");
    expect_message(server, &received, "one");
    server->admitted_count = 0;
    client_send(&client, "two");
    expect_message(server, &received, "two");
    assert_memory_equal(received.key, client.keys.public_key, KEY_SIZE);
    size_t asked = server->asked;
    router_cut(server->router, &received.peer);
    client_send(&client, "three");
    expect_silence(server, 500);
    assert_true(server->asked > asked); /* it came again, and was refused */
    client_close(&client);
}

static void test_wrong_server_key(void **state)
{
    struct server *server = *state;
    struct key_pair other;
    struct client client;
    key_pair_make(&other);
    client_make(&client);
    client_curve(&client, other.public_key);
    server_admit(server, &client.keys);
    client_connect(&client, server);
    client_send(&client, "hello");
    expect_silence(server, 300);
    assert_int_equal(server->asked, 0);
    client_close(&client);
}

static void test_many_peers(void **state)
{
    enum { PEERS = 20 };
    struct server *server = *state;
    struct client clients[PEERS];
    struct received received;
    struct peer peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        client_open(&clients[i], server);
        client_send(&clients[i], "hello");
    }
    for (int i = 0; i < PEERS; i++) {
        expect_message(server, &received, "hello");
        for (int j = 0; j < PEERS; j++) {
            if (memcmp(clients[j].keys.public_key, received.key, KEY_SIZE) == 0) {
                peers[j] = received.peer;
            }
        }
    }
    for (int i = 0; i < PEERS; i++) {
        char text[16];
        char got[16];
        (void)snprintf(text, sizeof text, "you are %d", i);
        assert_int_equal(router_send(server->router, &peers[i], span_str(text)), 0);
        assert_true(client_receive(&clients[i], server, WAIT_MS, got, sizeof got) > 0);
        assert_string_equal(got, text);
        client_close(&clients[i]);
    }
}

static void test_peer_is_gone(void **state)
{
    struct server *server = *state;
    struct client client;
    struct received received;
    client_open(&client, server);
    client_send(&client, "hello");
    expect_message(server, &received, "hello");
    client_close(&client);
    int rc = 0;
    for (int i = 0; i < 200 && rc == 0; i++) {
        rc = router_send(server->router, &received.peer, span_str("x"));
        assert_int_equal(router_wait(server->router, NULL, 0, 10), 0);
    }
    assert_int_equal(rc, E_NOT_FOUND);
    assert_string_equal(router_address(server->router, &received.peer), "");
    router_cut(server->router, &received.peer); /* there is nothing to cut */
    struct peer nobody = {.size = 5, .id = {0, 1, 2, 3, 4}};
    assert_int_equal(router_send(server->router, &nobody, span_str("x")), E_NOT_FOUND);
}

static void test_peer_that_does_not_read(void **state)
{
    struct server *server = *state;
    struct client client;
    struct client other;
    struct received received;
    struct received good;
    static uint8_t bytes[WIRE_FRAME_MAX];
    client_make(&client);
    set_number(client.socket, ZMQ_RCVHWM, 1);
    client_curve(&client, server->keys.public_key);
    server_admit(server, &client.keys);
    client_connect(&client, server);
    client_send(&client, "hello");
    expect_message(server, &received, "hello");
    int rc = 0;
    int sent = 0;
    for (; sent < 2000 && rc == 0; sent++) {
        rc = router_send(server->router, &received.peer, span_of(bytes, sizeof bytes));
    }
    assert_int_equal(rc, E_BUSY);
    assert_in_range(sent, 16, 200); /* a MiB, and what the systems of both sides hold */
    /* Nobody else notices. */
    client_open(&other, server);
    client_send(&other, "hello");
    expect_message(server, &good, "hello");
    assert_int_equal(router_send(server->router, &good.peer, span_str("yes")), 0);
    char text[16];
    assert_int_equal(client_receive(&other, server, WAIT_MS, text, sizeof text), 3);
    router_cut(server->router, &received.peer);
    for (int i = 0; i < 100 && rc != E_NOT_FOUND; i++) {
        assert_int_equal(router_wait(server->router, NULL, 0, 10), 0);
        rc = router_send(server->router, &received.peer, span_str("x"));
    }
    assert_int_equal(rc, E_NOT_FOUND);
    client_close(&client);
    client_close(&other);
}

/* Who reads is sent as much as there is, however small the messages are: what ZeroMQ and CURVE add
 * is not held against it. */
static void test_peer_that_reads(void **state)
{
    enum { MESSAGES = 60000, AHEAD = 400 };
    struct server *server = *state;
    struct client client;
    struct received received;
    static uint8_t bytes[300];
    char got[512];
    client_open(&client, server);
    client_send(&client, "hello");
    expect_message(server, &received, "hello");
    for (int sent = 0, read = 0; sent < MESSAGES; sent++) {
        struct span message = {bytes, sent % 100 == 0 ? sizeof bytes : 1};
        assert_int_equal(router_send(server->router, &received.peer, message), 0);
        while (read < sent - AHEAD) {
            assert_true(zmq_recv(client.socket, got, sizeof got, 0) > 0);
            read++;
        }
    }
    client_close(&client);
}

/* In mid-stream: the peer sends without end, and within a second it is cut off. */
static void test_cut_in_mid_stream(void **state)
{
    struct server *server = *state;
    struct client client;
    struct received received;
    static uint8_t bytes[32768];
    client_open(&client, server);
    set_number(client.socket, ZMQ_RECONNECT_IVL, -1);
    client_send(&client, "hello");
    expect_message(server, &received, "hello");
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    uint64_t cut_ms = begin_ms + 100;
    uint64_t gone_ms = 0;
    size_t after = 0;
    bool cut = false;
    while (gone_ms == 0 && clock_mono_ms(&clock_system) < begin_ms + 3000) {
        (void)zmq_send(client.socket, bytes, sizeof bytes, ZMQ_DONTWAIT);
        struct received got;
        while (router_receive(server->router, &got.peer, got.key, &got.bytes) == 0) {
            after += cut ? 1 : 0;
        }
        assert_int_equal(router_wait(server->router, NULL, 0, 1), 0);
        if (!cut && clock_mono_ms(&clock_system) >= cut_ms) {
            router_cut(server->router, &received.peer);
            cut = true;
            cut_ms = clock_mono_ms(&clock_system);
        }
        if (cut && router_send(server->router, &received.peer, span_str("x")) == E_NOT_FOUND) {
            gone_ms = clock_mono_ms(&clock_system);
        }
    }
    assert_true(gone_ms != 0 && gone_ms - cut_ms < 1000);
    assert_int_equal(after, 0); /* nothing that it sent was read any more */
    client_close(&client);
}

/* --- waiting --- */

static void *wake_later(void *context)
{
    (void)usleep(50000);
    router_wake(context);
    return NULL;
}

static uint64_t wait_took_ms(struct server *server, int timeout_ms)
{
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    assert_int_equal(router_wait(server->router, NULL, 0, timeout_ms), 0);
    return clock_mono_ms(&clock_system) - begin_ms;
}

static void test_wake(void **state)
{
    struct server *server = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, server->router), 0);
    uint64_t took_ms = wait_took_ms(server, -1);
    assert_true(took_ms >= 40 && took_ms < 5000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    router_wake(server->router);
    router_wake(server->router);
    assert_true(wait_took_ms(server, 5000) < 2000);
    assert_true(wait_took_ms(server, 30) >= 29); /* many wakes are one */
}

static void test_timeouts(void **state)
{
    struct server *server = *state;
    struct client client;
    struct received received;
    assert_true(wait_took_ms(server, 0) < 1000);
    assert_true(wait_took_ms(server, 60) >= 59);
    client_open(&client, server);
    client_send(&client, "hello");
    expect_message(server, &received, "hello");
    expect_silence(server, 50);
    /* With connections to look after, it wakes up in between and sleeps on. */
    uint64_t took_ms = wait_took_ms(server, 200);
    assert_true(took_ms >= 199 && took_ms < 2000);
    client_send(&client, "again");
    assert_true(wait_took_ms(server, 9000) < 5000);
    expect_message(server, &received, "again");
    client_close(&client);
}

static void test_other_descriptors(void **state)
{
    struct server *server = *state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct pollfd fds[2] = {{.fd = pipes[0], .events = POLLIN},
                            {.fd = pipes[1], .events = POLLOUT}};
    assert_int_equal(router_wait(server->router, fds, 1, 20), 0);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(router_wait(server->router, fds, 2, WAIT_MS), 0);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(fds[1].revents, POLLOUT);
    (void)close(pipes[1]);
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(router_wait(server->router, fds, 1, WAIT_MS), 0);
    assert_true((fds[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0); /* the end of it is news */
    (void)close(pipes[0]);
}

static void test_busy_poll(void **state)
{
    (void)state;
    static const char *const listen[] = {"tcp://127.0.0.1:*", NULL};
    struct server server = {0};
    key_pair_make(&server.keys);
    struct router_options options = {.listen = listen,
                                     .keys = &server.keys,
                                     .io_threads = 1,
                                     .admit = server_admits,
                                     .context = &server,
                                     .busy_poll = true};
    assert_int_equal(router_open(&server.router, &options, NULL), 0);
    (void)snprintf(server.endpoint, sizeof server.endpoint, "tcp://127.0.0.1:%d",
                   router_port(server.router, 0));
    struct client client;
    struct received received;
    client_open(&client, &server);
    client_send(&client, "hello");
    expect_message(&server, &received, "hello");
    assert_true(wait_took_ms(&server, 60) >= 59);
    client_close(&client);
    router_close(&server.router);
}

/* --- opening --- */

static int open_at(const char *const *listen, struct err *err)
{
    struct server server = {0};
    key_pair_make(&server.keys);
    struct router_options options = {.listen = listen,
                                     .keys = &server.keys,
                                     .io_threads = 1,
                                     .admit = server_admits,
                                     .context = &server};
    int rc = router_open(&server.router, &options, err);
    assert_true((rc == 0) == (server.router != NULL));
    router_close(&server.router);
    return rc;
}

static void test_addresses_to_listen_at(void **state)
{
    struct server *server = *state;
    struct err err = {0};
    const char *in_use[] = {"tcp://127.0.0.1:*", server->endpoint, NULL};
    assert_int_equal(open_at(in_use, &err), E_BUSY);
    assert_non_null(strstr(err.text, server->endpoint));
    assert_non_null(strstr(err.text, "in use by another program"));
    static const char *const bad[] = {
        "",           "nonsense",     "tcp://",           "tcp://127.0.0.1",
        "inproc://x", "ipc:///tmp/x", "tcp://192.0.2.1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *listen[] = {bad[i], NULL};
        assert_int_equal(open_at(listen, &err), E_INVALID);
        assert_non_null(strstr(err.text, "tcp://0.0.0.0:8443"));
    }
    const char *many[] = {"tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          "tcp://127.0.0.1:*",
                          NULL,
                          NULL};
    assert_int_equal(open_at(many, &err), 0);
    many[8] = "tcp://127.0.0.1:*";
    assert_int_equal(open_at(many, &err), E_INVALID);
}

static void test_ipv6(void **state)
{
    (void)state;
    static const char *const listen[] = {"tcp://[::1]:*", NULL};
    struct server server = {0};
    key_pair_make(&server.keys);
    struct router_options options = {.listen = listen,
                                     .keys = &server.keys,
                                     .io_threads = 1,
                                     .admit = server_admits,
                                     .context = &server};
    struct err err = {0};
    if (router_open(&server.router, &options, &err) != 0) {
        print_message("no IPv6 here: %s\n", err.text);
        skip();
    }
    (void)snprintf(server.endpoint, sizeof server.endpoint, "tcp://[::1]:%d",
                   router_port(server.router, 0));
    struct client client;
    struct received received;
    client_make(&client);
    set_number(client.socket, ZMQ_IPV6, 1);
    client_curve(&client, server.keys.public_key);
    server_admit(&server, &client.keys);
    client_connect(&client, &server);
    client_send(&client, "hello");
    expect_message(&server, &received, "hello");
    const char *address = router_address(server.router, &received.peer);
    assert_int_equal(strncmp(address, "[::1]:", 6), 0);
    client_close(&client);
    router_close(&server.router);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char *const listen[] = {"tcp://127.0.0.1:*", NULL};
    for (unsigned nth = 1;; nth++) {
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = open_at(listen, &err);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
}

static void test_wait_without_memory(void **state)
{
    struct server *server = *state;
    fail_alloc_at(1);
    assert_int_equal(router_wait(server->router, NULL, 0, 1), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(router_wait(server->router, NULL, 0, 1), 0);
}

static void no_action(int number)
{
    (void)number;
}

static void test_signal_ends_a_wait(void **state)
{
    struct server *server = *state;
    struct sigaction action = {.sa_handler = no_action};
    struct sigaction before;
    struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    uint64_t took_ms = wait_took_ms(server, 9000);
    assert_true(took_ms >= 40 && took_ms < 5000);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

/* In a process of its own. With few descriptors it fails with a sentence or works. */
static int stand_few_descriptors(void)
{
    static const char *const listen[] = {"tcp://127.0.0.1:*", NULL};
    int wrong = 0;
    int opened = 0;
    for (rlim_t most = 3; most < 100; most += 3) {
        struct rlimit limit = {most, most};
        struct err err = {0};
        pid_t child = fork(); /* the router raises the limit to what was left to it */
        if (child == 0) {
            int failed = setrlimit(RLIMIT_NOFILE, &limit);
            int rc = failed == 0 ? open_at(listen, &err) : 1;
            _exit(rc == 0 ? 1 : rc == err.code && err.text[0] != '\0' ? 0 : 2);
        }
        int status = 0;
        (void)waitpid(child, &status, 0);
        wrong += WIFEXITED(status) && WEXITSTATUS(status) != 2 ? 0 : 1;
        opened += WIFEXITED(status) && WEXITSTATUS(status) == 1 ? 1 : 0;
    }
    print_message("few descriptors: %d opened, %d wrong\n", opened, wrong);
    return opened > 0 && wrong == 0 ? 0 : 2;
}

static void test_few_descriptors(void **state)
{
    (void)state;
    assert_int_equal(stand_few_descriptors(), 0);
}

static void test_close_of_nothing(void **state)
{
    (void)state;
    struct router *router = NULL;
    router_close(&router);
    router_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_server_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_that_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_in_mid_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeouts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_descriptors, setup, teardown),
        cmocka_unit_test(test_busy_poll),
        cmocka_unit_test_setup_teardown(test_addresses_to_listen_at, setup, teardown),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test_setup_teardown(test_wait_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_ends_a_wait, setup, teardown),
        cmocka_unit_test(test_few_descriptors),
        cmocka_unit_test(test_close_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
