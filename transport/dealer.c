/* transport/dealer.c - one DEALER and the monitor that tells how its connection does.
 *
 * A dealer never connects again by itself: a session begins with a new socket, so that nothing of
 * the last one can arrive in it.
 */
#include "transport/dealer.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "transport/descriptors.h"
#include "transport/socket.h"
#include "transport/wire.h"

enum {
    HIGH_WATER = 64, /* messages, each way */
    CONNECT_MS = 5000,
    HANDSHAKE_MS = 5000,
    SLACK_MS = 500, /* a timer may be early, and we may look late */
    HEARTBEAT_MS = 2000,
    HEARTBEAT_LOST_MS = 10000,
    GOODBYE_MS = 100, /* for what was sent before disconnecting */
    RECONNECT_NEVER = -1,
    DESCRIPTORS_OF_START = 20, /* eleven today */
    DESCRIPTORS_OF_TRY = 8,    /* three today */
    ITEMS = 3,                 /* of a poll: wake, monitor, DEALER */
};

enum state { IDLE, CONNECTING, SHAKING, UP };

struct dealer {
    void *zmq;
    void *socket;  /* NULL when IDLE */
    void *monitor; /* of the socket */
    int socket_fd; /* where ZeroMQ tells that it has something to say */
    int monitor_fd;
    enum state state;
    uint64_t connected_ms; /* since when SHAKING */
    unsigned
        tries; /* each try's monitor has a name of its own: the last one's may not be free yet */
    int wake_fd;
    atomic_bool woken;
    zmq_msg_t message; /* the newest, which dealer_wait lends */
};

/* ZeroMQ starts its threads with its first socket, and dies when it finds no descriptor then. */
static int start(struct dealer *dealer, struct err *err)
{
    int rc = descriptors_need(DESCRIPTORS_OF_START, err);
    if (rc != 0) {
        return rc;
    }
    dealer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dealer->zmq = zmq_ctx_new();
    void *first = dealer->zmq != NULL ? zmq_socket(dealer->zmq, ZMQ_DEALER) : NULL;
    if (dealer->wake_fd < 0 || first == NULL) {
        return err_set(err, E_SYSTEM, "ZeroMQ does not start: %s", zmq_strerror(errno));
    }
    (void)zmq_close(first);
    return 0;
}

int dealer_new(struct dealer **out, struct err *err)
{
    ASSERT(out != NULL);
    struct dealer *dealer = calloc(1, sizeof *dealer);
    if (dealer == NULL) {
        return err_set(err, E_NOMEM, "no memory for a connection to the server");
    }
    dealer->wake_fd = -1;
    int rc = zmq_msg_init(&dealer->message);
    ASSERT(rc == 0);
    rc = start(dealer, err);
    if (rc != 0) {
        dealer_free(&dealer);
        return rc;
    }
    *out = dealer;
    return 0;
}

void dealer_free(struct dealer **dealer)
{
    if (dealer == NULL || *dealer == NULL) {
        return;
    }
    dealer_disconnect(*dealer);
    (void)zmq_msg_close(&(*dealer)->message);
    if ((*dealer)->zmq != NULL) {
        (void)zmq_ctx_term((*dealer)->zmq);
    }
    if ((*dealer)->wake_fd >= 0) {
        (void)close((*dealer)->wake_fd);
    }
    free(*dealer);
    *dealer = NULL;
}

static void drop(struct dealer *dealer, int linger_ms)
{
    if (dealer->socket != NULL) {
        (void)zmq_socket_monitor(dealer->socket, NULL, 0);
        (void)socket_set(dealer->socket, ZMQ_LINGER, linger_ms);
        (void)zmq_close(dealer->socket);
        dealer->socket = NULL;
    }
    if (dealer->monitor != NULL) {
        (void)zmq_close(dealer->monitor);
        dealer->monitor = NULL;
    }
    dealer->state = IDLE;
}

/* ZeroMQ sends what was said last, such as BYE, in the background. */
void dealer_disconnect(struct dealer *dealer)
{
    drop(dealer, dealer->state == UP ? GOODBYE_MS : 0);
}

/* --- connecting --- */

static int set_options(void *socket, const uint8_t server_key[KEY_SIZE], const struct key_pair *own)
{
    int failed = socket_set_remote(socket);
    failed |= socket_set(socket, ZMQ_RCVHWM, HIGH_WATER);
    failed |= socket_set(socket, ZMQ_SNDHWM, HIGH_WATER);
    failed |= socket_set(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    failed |= socket_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    failed |= socket_set(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    failed |= socket_set(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_LOST_MS);
    failed |= socket_set(socket, ZMQ_RECONNECT_IVL, RECONNECT_NEVER);
    failed |= zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEY_SIZE);
    failed |= zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->public_key, KEY_SIZE);
    failed |= zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret_key, KEY_SIZE);
    return failed;
}

static int open_monitor(struct dealer *dealer)
{
    const int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED;
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://kitbag.dealer.%u", dealer->tries++);
    dealer->monitor = socket_monitor(dealer->zmq, dealer->socket, name, events);
    return dealer->monitor != NULL ? 0 : -1;
}

int dealer_connect(struct dealer *dealer, const char *endpoint, const uint8_t server_key[KEY_SIZE],
                   const struct key_pair *own, struct err *err)
{
    ASSERT(endpoint != NULL && own != NULL);
    dealer_disconnect(dealer);
    int rc = descriptors_need(DESCRIPTORS_OF_TRY, err);
    if (rc != 0) {
        return rc;
    }
    dealer->socket = zmq_socket(dealer->zmq, ZMQ_DEALER);
    if (dealer->socket == NULL || set_options(dealer->socket, server_key, own) != 0 ||
        open_monitor(dealer) != 0) {
        rc = err_set(err, E_SYSTEM, "ZeroMQ gives no socket: %s", zmq_strerror(errno));
        dealer_disconnect(dealer);
        return rc;
    }
    dealer->socket_fd = socket_fd(dealer->socket);
    dealer->monitor_fd = socket_fd(dealer->monitor);
    if (zmq_connect(dealer->socket, endpoint) != 0) {
        rc = err_set(err, E_INVALID, "can't connect to %s: %s", endpoint, zmq_strerror(errno));
        dealer_disconnect(dealer);
        return rc;
    }
    dealer->state = CONNECTING;
    return 0;
}

/* --- waiting --- */

void dealer_wake(struct dealer *dealer)
{
    if (!atomic_exchange(&dealer->woken, true)) {
        uint64_t one = 1;
        ssize_t written = write(dealer->wake_fd, &one, sizeof one);
        ASSERT(written == sizeof one);
    }
}

/* The descriptor is read before the flag is taken back, so that a wake in between is not lost; and
 * whenever it is readable, because the flag may have been taken before it was written. */
static bool take_wake(struct dealer *dealer, bool readable)
{
    if (!readable && !atomic_load(&dealer->woken)) {
        return false;
    }
    uint64_t count;
    (void)!read(dealer->wake_fd, &count, sizeof count); /* EAGAIN: not written yet */
    return atomic_exchange(&dealer->woken, false);
}

/* Silence ends a handshake when its time is over; who hangs up before has read what we said. */
static enum dealer_event lost(const struct dealer *dealer)
{
    uint64_t now_ms = clock_mono_ms(&clock_system);
    bool hung_up =
        dealer->state == SHAKING && now_ms - dealer->connected_ms < HANDSHAKE_MS - SLACK_MS;
    return hung_up ? DEALER_CUT : DEALER_DOWN;
}

/* The next of ZeroMQ's events that means something to us; DEALER_NOTHING when none waits. */
static enum dealer_event read_monitor(struct dealer *dealer)
{
    enum dealer_event why;
    uint8_t bytes[6];
    while (zmq_recv(dealer->monitor, bytes, sizeof bytes, ZMQ_DONTWAIT) == sizeof bytes) {
        uint16_t event;
        memcpy(&event, bytes, sizeof event);
        char address[256];
        (void)zmq_recv(dealer->monitor, address, sizeof address, ZMQ_DONTWAIT);
        switch (event) {
        case ZMQ_EVENT_CONNECTED:
            dealer->state = SHAKING;
            dealer->connected_ms = clock_mono_ms(&clock_system);
            break;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            dealer->state = UP;
            return DEALER_UP;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            dealer_disconnect(dealer);
            return DEALER_REFUSED;
        default:
            why = lost(dealer);
            drop(dealer, 0);
            return why;
        }
    }
    return DEALER_NOTHING;
}

/* A message of more than one part is none of ours: whoever sends it is no server of ours. */
static enum dealer_event read_message(struct dealer *dealer, struct span *bytes)
{
    if (dealer->state != UP || zmq_msg_recv(&dealer->message, dealer->socket, ZMQ_DONTWAIT) < 0) {
        return DEALER_NOTHING;
    }
    if (zmq_msg_more(&dealer->message) != 0 || zmq_msg_size(&dealer->message) > WIRE_FRAME_MAX) {
        dealer_disconnect(dealer);
        return DEALER_DOWN;
    }
    *bytes = span_of(zmq_msg_data(&dealer->message), zmq_msg_size(&dealer->message));
    return DEALER_MESSAGE;
}

/* What is there now. Messages come before the news that the connection is lost, which came after
 * them; none is read before the news that it is up. */
static enum dealer_event look(struct dealer *dealer, bool wake_readable, struct span *bytes)
{
    if (take_wake(dealer, wake_readable)) {
        return DEALER_WOKEN;
    }
    enum dealer_event event = read_message(dealer, bytes);
    if (event == DEALER_NOTHING && dealer->monitor != NULL) {
        event = read_monitor(dealer);
    }
    return event;
}

/* Returns whether the descriptor of the wake is readable. The others tell news once: `look` has
 * heard all of it before, to the end of both sockets. */
static bool wait_for_any(struct dealer *dealer, int timeout_ms)
{
    struct pollfd items[ITEMS] = {
        {.fd = dealer->wake_fd, .events = POLLIN},
        {.fd = dealer->monitor_fd, .events = POLLIN},
        {.fd = dealer->socket_fd, .events = POLLIN},
    };
    nfds_t count = dealer->state == IDLE ? 1 : dealer->state == UP ? ITEMS : ITEMS - 1;
    (void)poll(items, count, timeout_ms); /* EINTR: we look, and wait for the rest */
    return items[0].revents != 0;
}

enum dealer_event dealer_wait(struct dealer *dealer, int timeout_ms, struct span *bytes)
{
    ASSERT(bytes != NULL);
    *bytes = (struct span){NULL, 0};
    enum dealer_event event = look(dealer, false, bytes);
    uint64_t now_ms = clock_mono_ms(&clock_system);
    uint64_t end_ms = now_ms + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    while (event == DEALER_NOTHING && (timeout_ms < 0 || now_ms < end_ms)) {
        bool woken = wait_for_any(dealer, timeout_ms < 0 ? -1 : (int)(end_ms - now_ms));
        event = look(dealer, woken, bytes);
        now_ms = clock_mono_ms(&clock_system);
    }
    return event;
}

int dealer_send(struct dealer *dealer, struct span bytes)
{
    ASSERT(bytes.size <= WIRE_FRAME_MAX);
    if (dealer->state != UP) {
        return E_UNREACHABLE;
    }
    return zmq_send(dealer->socket, bytes.data, bytes.size, ZMQ_DONTWAIT) < 0 ? E_BUSY : 0;
}
