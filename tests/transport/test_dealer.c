/* tests/transport/test_dealer.c - the client machine's socket, against a real router. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "tests/transport/peers.h"
#include "transport/dealer.h"
#include "transport/wire.h"

struct pair {
    struct server server;
    struct dealer *dealer;
    struct key_pair keys;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    server_open(&pair->server);
    key_pair_make(&pair->keys);
    assert_int_equal(dealer_new(&pair->dealer, NULL), 0);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    dealer_free(&pair->dealer);
    router_close(&pair->server.router);
    free(pair);
    return 0;
}

static void connect_with(struct pair *pair, const uint8_t *server_key)
{
    struct err err = {0};
    int rc = dealer_connect(pair->dealer, pair->server.endpoint, server_key, &pair->keys, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
}

/* The dealer's next event, while the server does its part. */
static enum dealer_event next_event(struct pair *pair, int wait_ms, struct span *bytes)
{
    uint64_t end_ms = clock_mono_ms(&clock_system) + (uint64_t)wait_ms;
    enum dealer_event event = DEALER_NOTHING;
    while (event == DEALER_NOTHING && clock_mono_ms(&clock_system) < end_ms) {
        assert_int_equal(router_wait(pair->server.router, NULL, 0, 2), 0);
        event = dealer_wait(pair->dealer, 2, bytes);
    }
    return event;
}

static void expect_event(struct pair *pair, enum dealer_event expected)
{
    struct span bytes;
    assert_int_equal(next_event(pair, WAIT_MS, &bytes), expected);
    assert_int_equal(bytes.size, 0);
}

static void expect_text(struct pair *pair, const char *text)
{
    struct span bytes;
    assert_int_equal(next_event(pair, WAIT_MS, &bytes), DEALER_MESSAGE);
    assert_true(span_equal(bytes, span_str(text)));
}

static void go_up(struct pair *pair, struct received *first)
{
    server_admit(&pair->server, &pair->keys);
    connect_with(pair, pair->server.keys.public_key);
    expect_event(pair, DEALER_UP);
    assert_int_equal(dealer_send(pair->dealer, span_str("hello")), 0);
    expect_message(&pair->server, first, "hello");
}

static void test_there_and_back(void **state)
{
    struct pair *pair = *state;
    struct received received;
    assert_int_equal(dealer_send(pair->dealer, span_str("early")), E_UNREACHABLE);
    go_up(pair, &received);
    assert_memory_equal(received.key, pair->keys.public_key, KEY_SIZE);
    assert_int_equal(router_send(pair->server.router, &received.peer, span_str("welcome")), 0);
    assert_int_equal(router_send(pair->server.router, &received.peer, span_str("")), 0);
    expect_text(pair, "welcome");
    expect_text(pair, "");
    struct span bytes;
    assert_int_equal(next_event(pair, 50, &bytes), DEALER_NOTHING);
}

static void test_sizes(void **state)
{
    struct pair *pair = *state;
    struct received received;
    static uint8_t bytes[WIRE_FRAME_MAX];
    memset(bytes, 7, sizeof bytes);
    go_up(pair, &received);
    for (size_t size = sizeof bytes - 1; size <= sizeof bytes; size++) {
        struct span got;
        assert_int_equal(dealer_send(pair->dealer, span_of(bytes, size)), 0);
        assert_int_equal(server_next(&pair->server, WAIT_MS, &received), 0);
        assert_true(span_equal(received.bytes, span_of(bytes, size)));
        assert_int_equal(router_send(pair->server.router, &received.peer, span_of(bytes, size)), 0);
        assert_int_equal(next_event(pair, WAIT_MS, &got), DEALER_MESSAGE);
        assert_true(span_equal(got, span_of(bytes, size)));
    }
}

static void test_unknown_key(void **state)
{
    struct pair *pair = *state;
    connect_with(pair, pair->server.keys.public_key);
    expect_event(pair, DEALER_REFUSED);
    assert_int_equal(dealer_send(pair->dealer, span_str("x")), E_UNREACHABLE);
    assert_int_equal(pair->server.asked, 1);
    struct span bytes;
    assert_int_equal(next_event(pair, 300, &bytes), DEALER_NOTHING);
    assert_int_equal(pair->server.asked, 1); /* it does not try again by itself */
}

static void test_wrong_server_key(void **state)
{
    struct pair *pair = *state;
    struct key_pair other;
    key_pair_make(&other);
    server_admit(&pair->server, &pair->keys);
    connect_with(pair, other.public_key);
    struct span bytes;
    assert_int_equal(next_event(pair, 8000, &bytes), DEALER_CUT);
    assert_int_equal(pair->server.asked, 0);
    assert_int_equal(dealer_send(pair->dealer, span_str("x")), E_UNREACHABLE);
}

/* One that takes the connection and says nothing is not told as one that hung up. */
static void test_silence(void **state)
{
    struct pair *pair = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    char endpoint[64];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(
        dealer_connect(pair->dealer, endpoint, pair->server.keys.public_key, &pair->keys, NULL), 0);
    struct span bytes;
    assert_int_equal(dealer_wait(pair->dealer, 8000, &bytes), DEALER_DOWN);
    assert_int_equal(close(fd), 0);
}

static void test_nobody_listens(void **state)
{
    struct pair *pair = *state;
    router_close(&pair->server.router);
    connect_with(pair, pair->server.keys.public_key);
    struct span bytes;
    assert_int_equal(dealer_wait(pair->dealer, WAIT_MS, &bytes), DEALER_DOWN);
    assert_int_equal(dealer_wait(pair->dealer, 20, &bytes), DEALER_NOTHING);
    server_open(&pair->server);
}

static void test_bad_endpoint(void **state)
{
    struct pair *pair = *state;
    struct err err = {0};
    static const char *const endpoints[] = {"", "tcp://", "nonsense", "udp://127.0.0.1:1"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(dealer_connect(pair->dealer, endpoints[i], pair->server.keys.public_key,
                                        &pair->keys, &err),
                         E_INVALID);
        assert_non_null(strstr(err.text, "can't connect"));
    }
    struct received received;
    go_up(pair, &received); /* it is as good as new */
}

/* What the server says before it cuts is read before the loss is told: always. */
static void test_last_words(void **state)
{
    struct pair *pair = *state;
    struct received received;
    for (int round = 0; round < 10; round++) {
        pair->server.admitted_count = 0;
        go_up(pair, &received);
        struct router *router = pair->server.router;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(router_send(router, &received.peer, span_str("still")), 0);
        }
        assert_int_equal(router_send(router, &received.peer, span_str("because")), 0);
        router_cut(router, &received.peer);
        /* The dealer looks only when all of it has happened. */
        uint64_t end_ms = clock_mono_ms(&clock_system) + 250;
        while (clock_mono_ms(&clock_system) < end_ms) {
            assert_int_equal(router_wait(router, NULL, 0, 10), 0);
        }
        for (int i = 0; i < 3; i++) {
            expect_text(pair, "still");
        }
        expect_text(pair, "because");
        expect_event(pair, DEALER_DOWN);
        assert_int_equal(dealer_send(pair->dealer, span_str("x")), E_UNREACHABLE);
    }
}

static void test_server_goes_away(void **state)
{
    struct pair *pair = *state;
    struct received received;
    go_up(pair, &received);
    router_close(&pair->server.router);
    struct span bytes;
    assert_int_equal(dealer_wait(pair->dealer, WAIT_MS, &bytes), DEALER_DOWN);
    server_open(&pair->server);
    go_up(pair, &received);
}

/* So much that the server reads none of it, and some waits on this side; what the server then reads
 * makes room for "bye". */
static void say_goodbye_behind_much(struct pair *pair)
{
    struct received received;
    static uint8_t bytes[WIRE_FRAME_MAX];
    int rc = 0;
    while (rc == 0) {
        rc = dealer_send(pair->dealer, span_of(bytes, sizeof bytes));
    }
    assert_int_equal(rc, E_BUSY);
    while ((rc = dealer_send(pair->dealer, span_str("bye"))) != 0) {
        assert_int_equal(rc, E_BUSY);
        assert_int_equal(server_next(&pair->server, WAIT_MS, &received), 0);
    }
}

/* Hangs up; is what was said before heard? */
static bool goodbye_is_heard(struct pair *pair, bool for_good)
{
    struct received received;
    if (for_good) {
        dealer_free(&pair->dealer);
    } else {
        dealer_disconnect(pair->dealer);
    }
    int rc = 0;
    do {
        rc = server_next(&pair->server, 1000, &received);
    } while (rc == 0 && received.bytes.size == WIRE_FRAME_MAX);
    return rc == 0 && span_equal(received.bytes, span_str("bye"));
}

/* Nobody waits for it but who frees the dealer. The 100 ms that it has pass on a machine that is
 * too busy to send as well: there one or another is lost. */
static void test_goodbye(void **state)
{
    struct pair *pair = *state;
    struct received received;
    int heard = 0;
    for (int i = 0; i < 20; i++) {
        pair->server.admitted_count = 0;
        go_up(pair, &received);
        assert_int_equal(dealer_send(pair->dealer, span_str("bye")), 0);
        heard += goodbye_is_heard(pair, i == 19);
    }
    assert_true(heard >= 15);
}

/* It does have that time: what still waits on this side then comes along. */
static void test_goodbye_behind_much(void **state)
{
    struct pair *pair = *state;
    struct received received;
    bool heard = false;
    for (int i = 0; i < 20 && !heard; i++) {
        pair->server.admitted_count = 0;
        go_up(pair, &received);
        say_goodbye_behind_much(pair);
        heard = goodbye_is_heard(pair, false);
    }
    assert_true(heard);
}

/* Whoever hangs up on one that takes nothing waits for 100 ms at the most. */
static void test_goodbye_to_nobody(void **state)
{
    struct pair *pair = *state;
    struct received received;
    static uint8_t bytes[WIRE_FRAME_MAX];
    go_up(pair, &received);
    int rc = 0;
    while (rc == 0) {
        rc = dealer_send(pair->dealer, span_of(bytes, sizeof bytes));
    }
    uint64_t before_ms = clock_mono_ms(&clock_system);
    dealer_free(&pair->dealer);
    assert_true(clock_mono_ms(&clock_system) - before_ms < 2000);
}

static void test_connect_again_drops_the_old(void **state)
{
    struct pair *pair = *state;
    struct received first;
    struct received second;
    go_up(pair, &first);
    go_up(pair, &second);
    assert_memory_not_equal(&first.peer, &second.peer, sizeof first.peer);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = router_send(pair->server.router, &first.peer, span_str("old"));
        assert_int_equal(router_wait(pair->server.router, NULL, 0, 10), 0);
    }
    assert_int_equal(rc, E_NOT_FOUND);
    assert_int_equal(router_send(pair->server.router, &second.peer, span_str("new")), 0);
    expect_text(pair, "new");
}

static void test_server_that_does_not_read(void **state)
{
    struct pair *pair = *state;
    struct received received;
    static uint8_t bytes[WIRE_FRAME_MAX];
    go_up(pair, &received);
    int rc = 0;
    int sent = 0;
    for (; sent < 4000 && rc == 0; sent++) {
        rc = dealer_send(pair->dealer, span_of(bytes, sizeof bytes));
    }
    assert_int_equal(rc, E_BUSY);
    for (int i = 0; i < sent - 1; i++) {
        assert_int_equal(server_next(&pair->server, WAIT_MS, &received), 0);
    }
    assert_int_equal(dealer_send(pair->dealer, span_str("again")), 0);
    expect_message(&pair->server, &received, "again");
}

static void *wake_later(void *context)
{
    (void)usleep(50000);
    dealer_wake(context);
    return NULL;
}

static void test_wake(void **state)
{
    struct pair *pair = *state;
    struct span bytes;
    pthread_t thread;
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, pair->dealer), 0);
    assert_int_equal(dealer_wait(pair->dealer, -1, &bytes), DEALER_WOKEN);
    uint64_t took_ms = clock_mono_ms(&clock_system) - begin_ms;
    assert_true(took_ms >= 40 && took_ms < 5000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* Many wakes are one; one before the wait counts. */
    dealer_wake(pair->dealer);
    dealer_wake(pair->dealer);
    assert_int_equal(dealer_wait(pair->dealer, 0, &bytes), DEALER_WOKEN);
    assert_int_equal(dealer_wait(pair->dealer, 20, &bytes), DEALER_NOTHING);
}

/* A server that has the right key and breaks the rules of the frame. */
static void test_server_that_misbehaves(void **state)
{
    struct pair *pair = *state;
    static uint8_t large[WIRE_FRAME_MAX + 1];
    static const struct {
        struct span first;
        bool more;
    } cases[] = {{{(const uint8_t *)"part", 4}, true}, {{large, sizeof large}, false}};
    for (size_t i = 0; i < 2; i++) {
        void *zmq = zmq_ctx_new();
        void *socket = zmq_socket(zmq, ZMQ_ROUTER);
        set_number(socket, ZMQ_LINGER, 0);
        set_number(socket, ZMQ_CURVE_SERVER, 1);
        assert_int_equal(
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, pair->server.keys.secret_key, KEY_SIZE), 0);
        assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
        size_t size = sizeof pair->server.endpoint;
        assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, pair->server.endpoint, &size),
                         0);
        connect_with(pair, pair->server.keys.public_key);
        expect_event(pair, DEALER_UP);
        assert_int_equal(dealer_send(pair->dealer, span_str("hello")), 0);
        uint8_t id[5];
        char text[16];
        assert_int_equal(zmq_recv(socket, id, sizeof id, 0), sizeof id);
        assert_int_equal(zmq_recv(socket, text, sizeof text, 0), 5);
        assert_int_equal(zmq_send(socket, id, sizeof id, ZMQ_SNDMORE), sizeof id);
        assert_int_equal(zmq_send(socket, cases[i].first.data, cases[i].first.size,
                                  cases[i].more ? ZMQ_SNDMORE : 0),
                         cases[i].first.size);
        if (cases[i].more) {
            assert_int_equal(zmq_send(socket, "part", 4, 0), 4);
        }
        expect_event(pair, DEALER_DOWN);
        assert_int_equal(dealer_send(pair->dealer, span_str("x")), E_UNREACHABLE);
        (void)zmq_close(socket);
        (void)zmq_ctx_term(zmq);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct dealer *dealer = NULL;
    struct err err = {0};
    fail_alloc_at(1);
    assert_int_equal(dealer_new(&dealer, &err), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(dealer);
}

/* In a process of its own. With few descriptors it fails with a sentence or works; it never dies
 * and leaves nothing open. */
static int stand_few_descriptors(void)
{
    int wrong = 0;
    for (rlim_t most = 3; most < 24; most++) {
        struct rlimit limit = {most, 64};
        struct dealer *dealer = NULL;
        struct err err = {0};
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            return 1;
        }
        int rc = dealer_new(&dealer, &err);
        struct key_pair keys;
        key_pair_make(&keys);
        if (rc == 0) {
            rc = dealer_connect(dealer, "tcp://127.0.0.1:1", keys.public_key, &keys, &err);
        }
        wrong += rc == 0 || (rc == err.code && err.text[0] != '\0') ? 0 : 1;
        dealer_free(&dealer);
    }
    return wrong == 0 ? 0 : 2;
}

static void test_few_descriptors(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(20);
        _exit(stand_few_descriptors());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    struct dealer *dealer = NULL;
    dealer_free(&dealer);
    dealer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_server_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_endpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_goes_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye_behind_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goodbye_to_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connect_again_drops_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_that_misbehaves, setup, teardown),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_few_descriptors),
        cmocka_unit_test(test_free_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
