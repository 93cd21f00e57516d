/* transport/router.c - one ROUTER, the answers to ZAP, and what becomes of connections.
 *
 * Of ZeroMQ it is known that: without ROUTER_MANDATORY it drops in silence at the high-water mark,
 * and with it a blocking send may hang, so that every send is DONTWAIT; ZAP is asked at the
 * handshake only; heartbeats sent by the server cost a core at 10,000 idle peers (clients send
 * them); a routing id that a peer chose itself may be another's, so that only ids of ROUTER's own
 * making are taken.
 */
#include "transport/router.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "transport/connections.h"
#include "transport/descriptors.h"
#include "transport/socket.h"
#include "transport/wire.h"
#include "transport/zap.h"

enum {
    LISTEN_MAX = 8,
    ENDPOINT_MAX = 256,
    RECEIVE_HWM = 16, /* messages of one peer that wait to be read, under CONNECTION_AHEAD_MAX */
    SEND_HWM = 1024,  /* messages to one peer; how many bytes is the caller's (credit) */
    HANDSHAKE_MS = 10000,
    BACKLOG = 1024,
    DESCRIPTORS_KEPT = 64, /* at least, from connections: ZeroMQ's own are some twenty */
    SWALLOWED_MAX = 64,    /* bad messages that one router_receive passes over */
    BUSY_POLL_NS = 50000,
    OWN_ITEMS = 4,       /* of a poll: ROUTER, ZAP, monitor, wake */
    ROUTING_ID_SIZE = 5, /* of ROUTER's own making: a zero byte and a number */
};

/* The header shows this option to drafts only; the library has it since 4.3. */
enum { ZAP_ENFORCE_DOMAIN = 93 };

#define MONITOR_ENDPOINT "inproc://kitbag.router.monitor"

struct router {
    void *zmq;
    void *socket;
    void *monitor;
    struct zap zap;
    struct connections *connections;
    int wake_fd;
    atomic_bool woken;
    bool busy_poll;
    struct pollfd own[OWN_ITEMS]; /* ROUTER, ZAP, monitor, wake */
    int ports[LISTEN_MAX];
    size_t port_count;
    zmq_msg_t message; /* the newest, which router_receive lends */
    struct pollfd *items;
    size_t items_size;
    char address[128];
};

/* --- opening --- */

/* More descriptors than connections: files, web clients and duplicates need some. */
static size_t connections_allowed(void)
{
    struct rlimit limit = {0};
    int rc = getrlimit(RLIMIT_NOFILE, &limit);
    ASSERT(rc == 0);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        rc = getrlimit(RLIMIT_NOFILE, &limit);
        ASSERT(rc == 0);
    }
    size_t most = limit.rlim_cur > 1 << 20 ? 1 << 20 : (size_t)limit.rlim_cur;
    size_t others = most / 4 > DESCRIPTORS_KEPT ? most / 4 : DESCRIPTORS_KEPT;
    return most > others ? most - others : 1;
}

static int set_options(void *socket, const struct key_pair *keys)
{
    int failed = socket_set_remote(socket);
    failed |= socket_set(socket, ZMQ_ROUTER_MANDATORY, 1);
    failed |= socket_set(socket, ZMQ_RCVHWM, RECEIVE_HWM);
    failed |= socket_set(socket, ZMQ_SNDHWM, SEND_HWM);
    failed |= socket_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    failed |= socket_set(socket, ZMQ_BACKLOG, BACKLOG);
    failed |= zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN));
    failed |= socket_set(socket, ZAP_ENFORCE_DOMAIN, 1);
    failed |= socket_set(socket, ZMQ_CURVE_SERVER, 1);
    failed |= zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_SIZE);
    return failed;
}

static int open_monitor(struct router *router)
{
    router->monitor = socket_monitor(router->zmq, router->socket, MONITOR_ENDPOINT,
                                     ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED);
    return router->monitor != NULL ? 0 : -1;
}

static int listen_error(const char *endpoint, struct err *err)
{
    switch (errno) {
    case EADDRINUSE:
        return err_set(err, E_BUSY, "%s is in use by another program", endpoint);
    case EACCES:
        return err_set(err, E_PERMISSION, "the system does not permit to listen at %s", endpoint);
    default:
        return err_set(err, E_INVALID, "can't listen at %s: %s (it should be like %s)", endpoint,
                       zmq_strerror(errno), "tcp://0.0.0.0:8443");
    }
}

static int listen_at(struct router *router, const char *endpoint, struct err *err)
{
    if (router->port_count == LISTEN_MAX) {
        return err_set(err, E_INVALID, "more than %d addresses to listen at", LISTEN_MAX);
    }
    if (strncmp(endpoint, "tcp://", 6) != 0) {
        errno = EPROTONOSUPPORT;
        return listen_error(endpoint, err);
    }
    if (zmq_bind(router->socket, endpoint) != 0) {
        return listen_error(endpoint, err);
    }
    char bound[ENDPOINT_MAX] = "";
    size_t size = sizeof bound;
    int rc = zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, bound, &size);
    ASSERT(rc == 0);
    const char *colon = strrchr(bound, ':');
    ASSERT(colon != NULL);
    router->ports[router->port_count++] = (int)strtol(colon + 1, NULL, 10);
    return 0;
}

/* What ZeroMQ tells of connections: an event number and a descriptor, then an address. */
static void read_monitor(struct router *router)
{
    uint8_t bytes[6];
    uint64_t now_ms = clock_mono_ms(&clock_system);
    while (zmq_recv(router->monitor, bytes, sizeof bytes, ZMQ_DONTWAIT) == sizeof bytes) {
        uint16_t event;
        int32_t fd;
        memcpy(&event, bytes, sizeof event);
        memcpy(&fd, bytes + sizeof event, sizeof fd);
        char address[ENDPOINT_MAX];
        (void)zmq_recv(router->monitor, address, sizeof address, ZMQ_DONTWAIT);
        if (event == ZMQ_EVENT_ACCEPTED) {
            connections_opened(router->connections, fd, now_ms);
        } else if (event == ZMQ_EVENT_DISCONNECTED) {
            connections_closed(router->connections, fd);
        }
    }
}

static int start(struct router *router, const struct router_options *options, struct err *err)
{
    int rc = descriptors_need(DESCRIPTORS_MAX, err);
    if (rc != 0) {
        return rc;
    }
    router->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (router->wake_fd < 0) {
        return err_sys(err, "eventfd", "to wake the router");
    }
    router->zmq = zmq_ctx_new();
    if (router->zmq == NULL || zmq_ctx_set(router->zmq, ZMQ_IO_THREADS, options->io_threads) != 0) {
        return err_set(err, E_SYSTEM, "ZeroMQ does not start: %s", zmq_strerror(errno));
    }
    rc = zap_open(&router->zap, router->zmq, options->admit, options->context, err);
    if (rc != 0) {
        return rc;
    }
    router->socket = zmq_socket(router->zmq, ZMQ_ROUTER);
    if (router->socket == NULL || set_options(router->socket, options->keys) != 0 ||
        open_monitor(router) != 0) {
        return err_set(err, E_SYSTEM, "ZeroMQ gives no socket: %s", zmq_strerror(errno));
    }
    const int fds[OWN_ITEMS] = {socket_fd(router->socket), socket_fd(router->zap.socket),
                                socket_fd(router->monitor), router->wake_fd};
    for (size_t i = 0; i < OWN_ITEMS; i++) {
        router->own[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    read_monitor(router); /* the first news comes without a sign to who never looked */
    for (size_t i = 0; options->listen[i] != NULL && rc == 0; i++) {
        rc = listen_at(router, options->listen[i], err);
    }
    return rc;
}

int router_open(struct router **out, const struct router_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    ASSERT(options->listen != NULL && options->keys != NULL && options->admit != NULL);
    ASSERT(options->io_threads > 0);
    struct router *router = calloc(1, sizeof *router);
    if (router == NULL) {
        return err_set(err, E_NOMEM, "no memory for the server's socket");
    }
    router->wake_fd = -1;
    router->busy_poll = options->busy_poll;
    int rc = zmq_msg_init(&router->message);
    ASSERT(rc == 0);
    rc = connections_new(&router->connections, connections_allowed(), err);
    if (rc == 0) {
        rc = start(router, options, err);
    }
    if (rc != 0) {
        router_close(&router);
        return rc;
    }
    *out = router;
    return 0;
}

void router_close(struct router **router)
{
    if (router == NULL || *router == NULL) {
        return;
    }
    struct router *self = *router;
    *router = NULL;
    if (self->socket != NULL) {
        (void)zmq_socket_monitor(self->socket, NULL, 0);
        (void)zmq_close(self->socket);
    }
    if (self->monitor != NULL) {
        (void)zmq_close(self->monitor);
    }
    zap_close(&self->zap);
    (void)zmq_msg_close(&self->message);
    if (self->zmq != NULL) {
        (void)zmq_ctx_term(self->zmq);
    }
    if (self->wake_fd >= 0) {
        (void)close(self->wake_fd);
    }
    connections_free(&self->connections);
    free(self->items);
    free(self);
}

int router_port(const struct router *router, size_t i)
{
    ASSERT(i < router->port_count);
    return router->ports[i];
}

/* --- waiting --- */

/* Asking makes ZeroMQ look at what its I/O threads have told the socket, such as that a peer has
 * taken messages: in a burst it would look once a millisecond only, and take a full pipe for one
 * that is not read. */
static bool is_readable(struct router *router)
{
    int events = 0;
    size_t size = sizeof events;
    int rc = zmq_getsockopt(router->socket, ZMQ_EVENTS, &events, &size);
    return rc == 0 && (events & ZMQ_POLLIN) != 0;
}

void router_wake(struct router *router)
{
    if (!atomic_exchange(&router->woken, true)) {
        uint64_t one = 1;
        ssize_t written = write(router->wake_fd, &one, sizeof one);
        ASSERT(written == sizeof one);
    }
}

/* The descriptor is read before the flag is taken back, so that a wake in between is not lost; and
 * whenever it is readable, because the flag may have been taken before it was written. */
static bool take_wake(struct router *router, bool readable)
{
    if (!readable && !atomic_load(&router->woken)) {
        return false;
    }
    uint64_t count;
    (void)!read(router->wake_fd, &count, sizeof count); /* EAGAIN: not written yet */
    return atomic_exchange(&router->woken, false);
}

/* A socket's descriptor tells that its I/O threads have something to say to it, once: whoever waits
 * for it must have heard all of it before. ZAP and the monitor are read to the end whenever they
 * are touched; of the ROUTER itself, which sending makes listen too, is_readable is asked. So a
 * wait costs two calls of the system, where zmq_poll takes ten. */
static int prepare_items(struct router *router, const struct pollfd *fds, size_t fd_count)
{
    size_t count = OWN_ITEMS + fd_count;
    if (count > router->items_size) {
        struct pollfd *items = realloc(router->items, count * sizeof *items);
        if (items == NULL) {
            return E_NOMEM;
        }
        router->items = items;
        router->items_size = count;
    }
    memcpy(router->items, router->own, sizeof router->own);
    for (size_t i = 0; i < fd_count; i++) {
        router->items[OWN_ITEMS + i] = fds[i];
    }
    return 0;
}

static bool take_fds(const struct router *router, struct pollfd *fds, size_t fd_count)
{
    bool any = false;
    for (size_t i = 0; i < fd_count; i++) {
        fds[i].revents = router->items[OWN_ITEMS + i].revents;
        any |= fds[i].revents != 0;
    }
    return any;
}

/* One poll: for up to 50 us without sleeping when that is wished, then asleep. */
static int poll_items(struct router *router, size_t count, int timeout_ms)
{
    int found = 0;
    if (router->busy_poll && timeout_ms != 0) {
        uint64_t end_ns = clock_mono_ns() + BUSY_POLL_NS;
        do {
            found = poll(router->items, count, 0);
        } while (found == 0 && clock_mono_ns() < end_ns);
    }
    return found != 0 ? found : poll(router->items, count, timeout_ms);
}

/* Own affairs: true when the caller has something to do. */
static bool handle(struct router *router, struct pollfd *fds, size_t fd_count)
{
    if (router->items[2].revents != 0) {
        read_monitor(router);
    }
    if (router->items[1].revents != 0) {
        zap_answer(&router->zap);
    }
    bool message = router->items[0].revents != 0 && is_readable(router);
    bool ready = take_fds(router, fds, fd_count);
    bool woken = take_wake(router, router->items[3].revents != 0);
    return woken || message || ready;
}

static int shorter(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int router_wait(struct router *router, struct pollfd *fds, size_t fd_count, int timeout_ms)
{
    ASSERT(fds != NULL || fd_count == 0);
    uint64_t now_ms = clock_mono_ms(&clock_system);
    uint64_t end_ms = now_ms + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    int rc = prepare_items(router, fds, fd_count);
    while (rc == 0) {
        bool ready = is_readable(router);
        int left_ms = timeout_ms < 0 ? -1 : (int)(end_ms - now_ms);
        int look_ms = connections_wait_ms(router->connections, now_ms);
        int wait_ms = ready ? 0 : shorter(left_ms, look_ms);
        int found = poll_items(router, OWN_ITEMS + fd_count, wait_ms);
        if (found < 0 && errno != EINTR) {
            rc = E_SYSTEM;
            break;
        }
        bool done = (found > 0 && handle(router, fds, fd_count)) || ready;
        now_ms = clock_mono_ms(&clock_system);
        connections_look(router->connections, now_ms);
        if (done || found < 0 || (timeout_ms >= 0 && now_ms >= end_ms)) {
            break;
        }
    }
    return rc;
}

/* --- receiving --- */

static bool more_follows(struct router *router)
{
    int more = 0;
    size_t size = sizeof more;
    int rc = zmq_getsockopt(router->socket, ZMQ_RCVMORE, &more, &size);
    ASSERT(rc == 0);
    return more != 0;
}

/* Parts that should not be there. ZeroMQ hands a message over when all of it is there, so that
 * none of these waits. */
static bool swallow_parts(struct router *router)
{
    bool any = false;
    while (more_follows(router)) {
        any = true;
        if (zmq_msg_recv(&router->message, router->socket, ZMQ_DONTWAIT) < 0) {
            break;
        }
    }
    return any;
}

/* The routing id of the next message to `peer`, size 0 when it is not of ROUTER's own making.
 * False when no message waits. */
static bool receive_id(struct router *router, struct peer *peer)
{
    uint8_t id[PEER_MAX_BYTES];
    int size = zmq_recv(router->socket, id, sizeof id, ZMQ_DONTWAIT);
    if (size < 0) {
        return false;
    }
    *peer = (struct peer){0};
    if (size == ROUTING_ID_SIZE && id[0] == 0) {
        peer->size = ROUTING_ID_SIZE;
        memcpy(peer->id, id, ROUTING_ID_SIZE);
    }
    return true;
}

enum received { RECEIVED_NOTHING, RECEIVED_MESSAGE, RECEIVED_SWALLOWED, RECEIVED_BROKEN };

/* Is it a connection to one of our endpoints? */
static bool is_ours(const struct router *router, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int port = -1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return false;
    }
    if (address.ss_family == AF_INET) {
        port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
    } else if (address.ss_family == AF_INET6) {
        port = ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    }
    for (size_t i = 0; i < router->port_count; i++) {
        if (port == router->ports[i]) {
            return true;
        }
    }
    return false;
}

/* Nearly all that the monitor tells happened before this message. But the thread that accepts hands
 * a connection to another one before it tells of it. */
static void learn_of(struct router *router, int fd, uint64_t now_ms)
{
    read_monitor(router);
    if (!connections_is_open(router->connections, fd) && is_ours(router, fd)) {
        connections_opened(router->connections, fd, now_ms);
    }
}

/* Is the message in router->message one that the rules of the frame allow, of a peer we hear? */
static enum received judge(struct router *router, const struct peer *peer, bool parts,
                           uint8_t key[KEY_SIZE])
{
    int fd = zmq_msg_get(&router->message, ZMQ_SRCFD);
    uint64_t now_ms = clock_mono_ms(&clock_system);
    if (!connections_current(router->connections, fd, peer)) {
        learn_of(router, fd, now_ms);
    }
    const char *user = zmq_msg_gets(&router->message, "User-Id");
    if (peer->size == 0 || user == NULL || key_from_z85(user, key) != 0) {
        connections_cut_fd(router->connections, fd, now_ms);
        return RECEIVED_SWALLOWED;
    }
    enum connections_heard heard = connections_heard(router->connections, fd, peer);
    if (heard == CONNECTION_WRONG) {
        connections_cut_fd(router->connections, fd, now_ms);
    }
    if (heard != CONNECTION_HEARD) {
        return RECEIVED_SWALLOWED;
    }
    if (parts || zmq_msg_size(&router->message) > WIRE_FRAME_MAX) {
        connections_cut_fd(router->connections, fd, now_ms);
        return RECEIVED_BROKEN;
    }
    return RECEIVED_MESSAGE;
}

static enum received receive(struct router *router, struct peer *peer, uint8_t key[KEY_SIZE])
{
    if (!receive_id(router, peer)) {
        return RECEIVED_NOTHING;
    }
    if (!more_follows(router) || zmq_msg_recv(&router->message, router->socket, ZMQ_DONTWAIT) < 0) {
        return RECEIVED_SWALLOWED;
    }
    bool parts = swallow_parts(router);
    return judge(router, peer, parts, key);
}

int router_receive(struct router *router, struct peer *peer, uint8_t key[KEY_SIZE],
                   struct span *bytes)
{
    ASSERT(peer != NULL && key != NULL && bytes != NULL);
    *bytes = (struct span){NULL, 0};
    for (int i = 0; i < SWALLOWED_MAX; i++) {
        switch (receive(router, peer, key)) {
        case RECEIVED_NOTHING:
            return E_NOT_FOUND;
        case RECEIVED_MESSAGE:
            *bytes = span_of(zmq_msg_data(&router->message), zmq_msg_size(&router->message));
            return 0;
        case RECEIVED_BROKEN:
            return E_MALFORMED;
        case RECEIVED_SWALLOWED:
            break;
        }
    }
    return E_NOT_FOUND; /* others have their turn; router_wait returns at once */
}

/* --- sending, cutting --- */

static int begin_message(struct router *router, const struct peer *peer)
{
    if (zmq_send(router->socket, peer->id, peer->size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        return errno == EAGAIN ? E_BUSY : E_NOT_FOUND;
    }
    return 0;
}

int router_send(struct router *router, const struct peer *peer, struct span bytes)
{
    ASSERT(peer->size > 0 && peer->size <= PEER_MAX_BYTES);
    ASSERT(bytes.size <= WIRE_FRAME_MAX);
    if (!connections_may_send(router->connections, peer, bytes.size)) {
        return E_BUSY;
    }
    int rc = begin_message(router, peer);
    if (rc == E_BUSY) {
        (void)is_readable(router);
        rc = begin_message(router, peer);
    }
    if (rc != 0) {
        return rc;
    }
    /* After its id a message is taken whole. */
    return zmq_send(router->socket, bytes.data, bytes.size, ZMQ_DONTWAIT) < 0 ? E_BUSY : 0;
}

void router_cut(struct router *router, const struct peer *peer)
{
    read_monitor(router);
    connections_cut(router->connections, peer, clock_mono_ms(&clock_system));
}

const char *router_address(const struct router *router, const struct peer *peer)
{
    struct router *self = (struct router *)router; /* its scratch is no state of the router */
    connections_address(router->connections, peer, self->address, sizeof self->address);
    return self->address;
}
