/* tests/transport/peers.h - a router of this process, and plain ZeroMQ sockets that talk to it. */
#ifndef KITBAG_TESTS_TRANSPORT_PEERS_H
#define KITBAG_TESTS_TRANSPORT_PEERS_H

#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "transport/router.h"

enum { ADMITTED_MAX = 32, WAIT_MS = 5000 };

struct server {
    struct router *router;
    struct key_pair keys;
    uint8_t admitted[ADMITTED_MAX][KEY_SIZE];
    size_t admitted_count;
    size_t asked; /* how often ZAP asked */
    char endpoint[64];
};

static inline bool server_admits(void *context, const uint8_t key[KEY_SIZE])
{
    struct server *server = context;
    bool found = false;
    server->asked++;
    for (size_t i = 0; i < server->admitted_count; i++) {
        found |= memcmp(server->admitted[i], key, KEY_SIZE) == 0;
    }
    return found;
}

static inline void server_open(struct server *server)
{
    static const char *const listen[] = {"tcp://127.0.0.1:*", NULL};
    memset(server, 0, sizeof *server);
    key_pair_make(&server->keys);
    struct router_options options = {
        .listen = listen,
        .keys = &server->keys,
        .io_threads = 1,
        .admit = server_admits,
        .context = server,
    };
    struct err err = {0};
    if (router_open(&server->router, &options, &err) != 0) {
        fail_msg("%s", err.text);
    }
    (void)snprintf(server->endpoint, sizeof server->endpoint, "tcp://127.0.0.1:%d",
                   router_port(server->router, 0));
}

static inline void server_admit(struct server *server, const struct key_pair *keys)
{
    assert_true(server->admitted_count < ADMITTED_MAX);
    memcpy(server->admitted[server->admitted_count++], keys->public_key, KEY_SIZE);
}

struct received {
    struct peer peer;
    uint8_t key[KEY_SIZE];
    struct span bytes;
};

/* The next message, or E_MALFORMED; E_TIMEOUT when none comes. */
static inline int server_next(struct server *server, int wait_ms, struct received *out)
{
    uint64_t end_ms = clock_mono_ms(&clock_system) + (uint64_t)wait_ms;
    for (;;) {
        int rc = router_receive(server->router, &out->peer, out->key, &out->bytes);
        uint64_t now_ms = clock_mono_ms(&clock_system);
        if (rc != E_NOT_FOUND || now_ms >= end_ms) {
            return rc == E_NOT_FOUND ? E_TIMEOUT : rc;
        }
        assert_int_equal(router_wait(server->router, NULL, 0, 10), 0);
    }
}

static inline void expect_message(struct server *server, struct received *out, const char *text)
{
    int rc = server_next(server, WAIT_MS, out);
    if (rc != 0) {
        fail_msg("no message but %s, waiting for '%s'", err_name(rc), text);
    }
    assert_int_equal(out->bytes.size, strlen(text));
    assert_memory_equal(out->bytes.data, text, out->bytes.size);
}

static inline void expect_silence(struct server *server, int wait_ms)
{
    struct received received;
    assert_int_equal(server_next(server, wait_ms, &received), E_TIMEOUT);
}

/* --- a peer that does what it is told, not what it should --- */

struct client {
    void *zmq;
    void *socket;
    struct key_pair keys;
};

static inline void set_number(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

/* A socket with a new key, not connected yet; admitted when `server` is told so by the caller. */
static inline void client_make(struct client *client)
{
    key_pair_make(&client->keys);
    client->zmq = zmq_ctx_new();
    client->socket = zmq_socket(client->zmq, ZMQ_DEALER);
    assert_non_null(client->socket);
    set_number(client->socket, ZMQ_LINGER, 0);
}

static inline void client_curve(struct client *client, const uint8_t server_key[KEY_SIZE])
{
    void *socket = client->socket;
    const struct key_pair *keys = &client->keys;
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEY_SIZE), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_SIZE), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_SIZE), 0);
}

static inline void client_connect(struct client *client, const struct server *server)
{
    assert_int_equal(zmq_connect(client->socket, server->endpoint), 0);
}

/* As it should be: CURVE with the right key, admitted, connecting. */
static inline void client_open(struct client *client, struct server *server)
{
    client_make(client);
    client_curve(client, server->keys.public_key);
    server_admit(server, &client->keys);
    client_connect(client, server);
}

static inline void client_send(struct client *client, const char *text)
{
    assert_int_equal(zmq_send(client->socket, text, strlen(text), 0), strlen(text));
}

/* The next message within `wait_ms`, NUL-ended; -1 for none. */
static inline int client_receive(struct client *client, struct server *server, int wait_ms,
                                 char *out, size_t size)
{
    uint64_t end_ms = clock_mono_ms(&clock_system) + (uint64_t)wait_ms;
    int got = -1;
    do {
        assert_int_equal(router_wait(server->router, NULL, 0, 5), 0);
        got = zmq_recv(client->socket, out, size - 1, ZMQ_DONTWAIT);
    } while (got < 0 && clock_mono_ms(&clock_system) < end_ms);
    if (got >= 0) {
        out[(size_t)got < size ? (size_t)got : size - 1] = '\0';
    }
    return got;
}

static inline void client_close(struct client *client)
{
    (void)zmq_close(client->socket);
    (void)zmq_ctx_term(client->zmq);
}

#endif
