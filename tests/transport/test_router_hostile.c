/* tests/transport/test_router_hostile.c - peers that attack: each is cut, and nobody else notices.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
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

#include "tests/transport/peers.h"
#include "transport/wire.h"

/* The server, and a peer that behaves all the time. */
struct stage {
    struct server server;
    struct client honest;
    struct peer honest_peer;
};

static int setup(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    struct received received;
    assert_non_null(stage);
    server_open(&stage->server);
    client_open(&stage->honest, &stage->server);
    client_send(&stage->honest, "hello");
    expect_message(&stage->server, &received, "hello");
    stage->honest_peer = received.peer;
    *state = stage;
    return 0;
}

/* Whatever was done: the peer that behaves is served as before, on the connection it had. */
static int teardown(void **state)
{
    struct stage *stage = *state;
    struct received received;
    char text[16];
    client_send(&stage->honest, "still here");
    do {
        assert_int_equal(server_next(&stage->server, WAIT_MS, &received), 0);
    } while (memcmp(received.key, stage->honest.keys.public_key, KEY_SIZE) != 0);
    assert_memory_equal(&received.peer, &stage->honest_peer, sizeof received.peer);
    assert_int_equal(router_send(stage->server.router, &received.peer, span_str("yes")), 0);
    assert_int_equal(client_receive(&stage->honest, &stage->server, WAIT_MS, text, sizeof text), 3);
    client_close(&stage->honest);
    router_close(&stage->server.router);
    free(stage);
    return 0;
}

static void run_for(struct stage *stage, int ms)
{
    uint64_t end_ms = clock_mono_ms(&clock_system) + (uint64_t)ms;
    while (clock_mono_ms(&clock_system) < end_ms) {
        assert_int_equal(router_wait(stage->server.router, NULL, 0, 10), 0);
    }
}

/* Returns how long it took until the peer was gone. */
static uint64_t wait_until_gone(struct stage *stage, const struct peer *peer)
{
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    while (router_send(stage->server.router, peer, span_str("?")) != E_NOT_FOUND) {
        run_for(stage, 10);
        assert_true(clock_mono_ms(&clock_system) - begin_ms < WAIT_MS);
    }
    return clock_mono_ms(&clock_system) - begin_ms;
}

/* A client whose first message was read; it does not come again when it is cut. */
static void open_known(struct stage *stage, struct client *client, struct received *received)
{
    client_make(client);
    client_curve(client, stage->server.keys.public_key);
    set_number(client->socket, ZMQ_RECONNECT_IVL, -1);
    server_admit(&stage->server, &client->keys);
    client_connect(client, &stage->server);
    client_send(client, "hello");
    expect_message(&stage->server, received, "hello");
}

static void test_frames_of_every_size(void **state)
{
    struct stage *stage = *state;
    static uint8_t bytes[1 << 20];
    static const struct {
        size_t size;
        int rc; /* E_TIMEOUT: ZeroMQ itself drops it */
    } cases[] = {
        {WIRE_FRAME_MAX, 0},
        {WIRE_FRAME_MAX + 1, E_MALFORMED},
        {WIRE_FRAME_MAX + 95, E_MALFORMED},
        {WIRE_FRAME_MAX + 96, E_TIMEOUT},
        {sizeof bytes, E_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client client;
        struct received received;
        open_known(stage, &client, &received);
        assert_true(zmq_send(client.socket, bytes, cases[i].size, 0) >= 0);
        int rc = server_next(&stage->server, cases[i].rc == E_TIMEOUT ? 300 : WAIT_MS, &received);
        if (rc != cases[i].rc) {
            fail_msg("%zu bytes gave %s", cases[i].size, err_name(rc));
        }
        if (rc == 0) {
            assert_int_equal(received.bytes.size, cases[i].size);
        } else {
            assert_int_equal(received.bytes.size, 0);
            (void)wait_until_gone(stage, &received.peer);
        }
        client_close(&client);
    }
}

static void test_more_than_one_part(void **state)
{
    struct stage *stage = *state;
    for (int parts = 2; parts <= 1000; parts += 499) {
        struct client client;
        struct received received;
        open_known(stage, &client, &received);
        struct peer peer = received.peer;
        for (int i = 0; i < parts; i++) {
            int more = i + 1 < parts ? ZMQ_SNDMORE : 0;
            assert_int_equal(zmq_send(client.socket, "part", 4, more), 4);
        }
        client_send(&client, "after");
        assert_int_equal(server_next(&stage->server, WAIT_MS, &received), E_MALFORMED);
        assert_memory_equal(&received.peer, &peer, sizeof peer);
        assert_memory_equal(received.key, client.keys.public_key, KEY_SIZE);
        /* It can be told why, and is heard no more. */
        char text[16];
        assert_int_equal(router_send(stage->server.router, &peer, span_str("because")), 0);
        assert_int_equal(client_receive(&client, &stage->server, WAIT_MS, text, sizeof text), 7);
        expect_silence(&stage->server, 50);
        (void)wait_until_gone(stage, &peer);
        client_close(&client);
    }
}

/* Without encryption, or with passwords: never asked about, never heard. */
static void test_other_mechanisms(void **state)
{
    struct stage *stage = *state;
    size_t asked = stage->server.asked;
    for (int plain = 0; plain < 2; plain++) {
        struct client client;
        client_make(&client);
        if (plain == 1) {
            assert_int_equal(zmq_setsockopt(client.socket, ZMQ_PLAIN_USERNAME, "ann", 3), 0);
            assert_int_equal(zmq_setsockopt(client.socket, ZMQ_PLAIN_PASSWORD, "ann", 3), 0);
        }
        client_connect(&client, &stage->server);
        client_send(&client, "hello");
        expect_silence(&stage->server, 300);
        client_close(&client);
    }
    assert_int_equal(stage->server.asked, asked);
}

/* --- raw TCP --- */

/* -1 when it fails; asserts nothing, for children. */
static int connect_port(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ? -1 : fd;
}

static int connect_raw(const struct stage *stage)
{
    int fd = connect_port(router_port(stage->server.router, 0));
    assert_true(fd >= 0);
    return fd;
}

static void expect_closed(struct stage *stage, int fd)
{
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    char bytes[256];
    ssize_t got = 1;
    while (got > 0 || (got < 0 && errno == EAGAIN)) {
        got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        run_for(stage, 2);
        assert_true(clock_mono_ms(&clock_system) - begin_ms < WAIT_MS);
    }
    (void)close(fd);
}

static void test_garbage_greetings(void **state)
{
    struct stage *stage = *state;
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    uint8_t noise[4096];
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 7 + 13);
    }
    /* A greeting of ZMTP 3.1 for CURVE, and noise in place of the handshake. */
    uint8_t greeting[64 + 512] = {0xff, 0, 0, 0,   0,   0,   0,   0,  0,
                                  0x7f, 3, 1, 'C', 'U', 'R', 'V', 'E'};
    memset(greeting + 64, 0x55, sizeof greeting - 64);
    const struct span inputs[] = {
        {(const uint8_t *)http, sizeof http - 1},
        {noise, sizeof noise},
        {greeting, sizeof greeting},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        int fd = connect_raw(stage);
        assert_int_equal(send(fd, inputs[i].data, inputs[i].size, MSG_NOSIGNAL), inputs[i].size);
        expect_closed(stage, fd);
    }
    expect_silence(&stage->server, 10);
}

/* A peer chose its routing id: it might be another's. */
static void test_chosen_routing_id(void **state)
{
    struct stage *stage = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } ids[] = {{"abc", 3}, {"12345", 5}, {"a name of seventeen", 17}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct client client;
        client_make(&client);
        client_curve(&client, stage->server.keys.public_key);
        set_number(client.socket, ZMQ_RECONNECT_IVL, -1);
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_ROUTING_ID, ids[i].bytes, ids[i].size),
                         0);
        server_admit(&stage->server, &client.keys);
        client_connect(&client, &stage->server);
        for (int j = 0; j < 500; j++) { /* more than one router_receive passes over */
            client_send(&client, "hello");
        }
        expect_silence(&stage->server, 300);
        struct peer peer = {.size = 5};
        memcpy(peer.id, ids[i].bytes, ids[i].size < 5 ? ids[i].size : 5);
        assert_int_equal(router_send(stage->server.router, &peer, span_str("x")), E_NOT_FOUND);
        client_close(&client);
    }
}

/* --- a message of endless parts --- */

static size_t resident_bytes(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    const char *second = strchr(text, ' '); /* of the numbers: resident pages */
    assert_non_null(second);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

enum { PART_SIZE = 65000, PARTS = 3000 }; /* 186 MiB */

/* A client of ZeroMQ's can't send a message that never ends, but one that ends after a long while:
 * nobody sees the difference before. In a process of its own: its memory is not ours. */
static pid_t start_endless(struct stage *stage, const struct key_pair *keys)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        return child;
    }
    (void)alarm(60);
    static uint8_t bytes[PART_SIZE];
    struct client client;
    client_make(&client);
    client.keys = *keys;
    client_curve(&client, stage->server.keys.public_key);
    set_number(client.socket, ZMQ_RECONNECT_IVL, -1);
    client_connect(&client, &stage->server);
    (void)zmq_send(client.socket, "hello", 5, 0);
    for (int i = 0; i < PARTS; i++) {
        (void)zmq_send(client.socket, bytes, sizeof bytes, i + 1 < PARTS ? ZMQ_SNDMORE : 0);
    }
    (void)pause();
    _exit(0);
}

static void test_endless_parts(void **state)
{
    struct stage *stage = *state;
    struct received received;
    struct key_pair keys;
    key_pair_make(&keys);
    server_admit(&stage->server, &keys);
    size_t before = resident_bytes();
    pid_t child = start_endless(stage, &keys);
    expect_message(&stage->server, &received, "hello");
    size_t most = before;
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    while (router_send(stage->server.router, &received.peer, span_str("?")) != E_NOT_FOUND) {
        size_t now = resident_bytes();
        most = now > most ? now : most;
        struct received none;
        assert_int_equal(server_next(&stage->server, 5, &none), E_TIMEOUT);
        assert_true(clock_mono_ms(&clock_system) - begin_ms < WAIT_MS);
    }
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    print_message("endless parts: cut after %llu ms, %zu KiB more at most\n",
                  (unsigned long long)(clock_mono_ms(&clock_system) - begin_ms),
                  (most - before) / 1024);
    assert_true(most - before < (size_t)64 << 20);
}

/* --- more connections than descriptors --- */

enum { DESCRIPTORS = 200, CROWD = 150, CROWDS = 2, SPARE = 20 };

/* A process that opens connections to the port it is told, and says nothing. It begins before
 * there is a server, so that it has none of the server's descriptors. */
static pid_t start_crowd(int tell[2])
{
    int rc = pipe(tell);
    pid_t child = rc == 0 ? fork() : -1;
    if (child == 0) {
        int port = 0;
        (void)alarm(20);
        bool told = read(tell[0], &port, sizeof port) == sizeof port;
        for (int i = 0; i < CROWD && told; i++) {
            (void)connect_port(port);
        }
        (void)pause();
        _exit(0);
    }
    return child;
}

static long processor_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static bool descriptors_left(void)
{
    int spare[SPARE];
    bool enough = true;
    for (int i = 0; i < SPARE; i++) {
        spare[i] = dup(0);
        enough &= spare[i] >= 0;
    }
    for (int i = 0; i < SPARE; i++) {
        (void)close(spare[i]);
    }
    return enough;
}

static void tell_crowds(const struct stage *stage, int tell[CROWDS][2])
{
    int port = router_port(stage->server.router, 0);
    for (int i = 0; i < CROWDS; i++) {
        assert_int_equal(write(tell[i][1], &port, sizeof port), sizeof port);
    }
}

/* In a process of its own: limits can't be raised again. Returns what was wrong. */
static int stand_a_crowd(void)
{
    struct rlimit limit = {DESCRIPTORS / 2, DESCRIPTORS}; /* the first is for the router to raise */
    static struct stage stage;
    struct received received;
    pid_t crowds[CROWDS];
    int tell[CROWDS][2];
    for (int i = 0; i < CROWDS; i++) {
        crowds[i] = start_crowd(tell[i]);
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1;
    }
    server_open(&stage.server);
    tell_crowds(&stage, tell);
    run_for(&stage, 1000);
    bool enough = descriptors_left();
    long before_us = processor_us();
    run_for(&stage, 500);
    bool asleep = processor_us() - before_us < 250000;
    for (int i = 0; i < CROWDS; i++) {
        (void)kill(crowds[i], SIGKILL);
        (void)waitpid(crowds[i], NULL, 0);
    }
    run_for(&stage, 200);
    struct client client;
    client_open(&client, &stage.server);
    client_send(&client, "hello");
    expect_message(&stage.server, &received, "hello");
    client_close(&client);
    router_close(&stage.server.router);
    return enough ? asleep ? 0 : 3 : 2;
}

static void test_more_connections_than_descriptors(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(30);
        _exit(stand_a_crowd());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_connections_than_descriptors),
        cmocka_unit_test_setup_teardown(test_frames_of_every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_one_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_mechanisms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_greetings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chosen_routing_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_parts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
