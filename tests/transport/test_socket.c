/* Tests of transport/socket.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <zmq.h>

#include "transport/socket.h"

enum { PATIENCE_MS = 10000 };

static const char MONITOR[] = "inproc://monitor";

struct pair {
    void *zmq, *server, *client;
    char endpoint[64];
};

static void open_pair(struct pair *pair)
{
    pair->zmq = zmq_ctx_new();
    pair->server = zmq_socket(pair->zmq, ZMQ_ROUTER);
    pair->client = zmq_socket(pair->zmq, ZMQ_DEALER);
    assert_true(pair->server != NULL && pair->client != NULL);
    assert_int_equal(socket_set_remote(pair->server), 0);
    assert_int_equal(socket_set_remote(pair->client), 0);
    assert_int_equal(zmq_bind(pair->server, "tcp://127.0.0.1:*"), 0);
    size_t size = sizeof pair->endpoint;
    assert_int_equal(zmq_getsockopt(pair->server, ZMQ_LAST_ENDPOINT, pair->endpoint, &size), 0);
}

static void close_pair(struct pair *pair)
{
    assert_int_equal(zmq_close(pair->server), 0);
    assert_int_equal(zmq_close(pair->client), 0);
    assert_int_equal(zmq_ctx_term(pair->zmq), 0); /* at once: nothing lingers */
}

static void remote_sockets_take_both_families_and_bounded_messages(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    int ipv6 = 0;
    int linger = -1;
    int64_t most = -1;
    size_t size = sizeof ipv6;
    assert_int_equal(zmq_getsockopt(pair.server, ZMQ_IPV6, &ipv6, &size), 0);
    assert_int_equal(zmq_getsockopt(pair.server, ZMQ_LINGER, &linger, &size), 0);
    size = sizeof most;
    assert_int_equal(zmq_getsockopt(pair.server, ZMQ_MAXMSGSIZE, &most, &size), 0);
    assert_int_equal(ipv6, 1);
    assert_int_equal(linger, 0);
    assert_int_equal(most, 65536 + 128); /* a frame, encrypted */
    close_pair(&pair);
}

static void the_monitor_tells_of_a_connection(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    void *monitor = socket_monitor(pair.zmq, pair.server, MONITOR, ZMQ_EVENT_ACCEPTED);
    assert_non_null(monitor);
    struct pollfd item = {.fd = socket_fd(monitor), .events = POLLIN};
    uint8_t bytes[6];
    assert_int_equal(zmq_recv(monitor, bytes, sizeof bytes, ZMQ_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN); /* it was heard to the end: what is new is told by its fd */
    assert_int_equal(zmq_connect(pair.client, pair.endpoint), 0);
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    assert_int_equal(socket_set(monitor, ZMQ_RCVTIMEO, PATIENCE_MS), 0);
    uint16_t event = 0;
    assert_int_equal(zmq_recv(monitor, bytes, sizeof bytes, 0), sizeof bytes);
    memcpy(&event, bytes, sizeof event);
    assert_int_equal(event, ZMQ_EVENT_ACCEPTED);
    int high_water = -1;
    size_t size = sizeof high_water;
    assert_int_equal(zmq_getsockopt(monitor, ZMQ_RCVHWM, &high_water, &size), 0);
    assert_int_equal(high_water, 0);
    assert_int_equal(zmq_close(monitor), 0);
    close_pair(&pair);
}

static void without_a_monitor_the_reason_is_told(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    errno = 0;
    assert_null(socket_monitor(pair.zmq, pair.server, "tcp://127.0.0.1:1", ZMQ_EVENT_ACCEPTED));
    assert_int_equal(errno, EPROTONOSUPPORT);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remote_sockets_take_both_families_and_bounded_messages),
        cmocka_unit_test(the_monitor_tells_of_a_connection),
        cmocka_unit_test(without_a_monitor_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
