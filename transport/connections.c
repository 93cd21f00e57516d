/* transport/connections.c - a table by descriptor, and a look at each now and then. */
#include "transport/connections.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"

/* A peer may choose its routing id, so that the table's hash is keyed; and a table that can't grow
 * is an error of one connection, not the end of the program. */
static uint64_t table_seed;
#define HASH_FUNCTION(key, size, value)                                                            \
    ((value) = (unsigned)hash64(span_of((key), (size)), table_seed))
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct connection {
    int fd;
    uint64_t cookie;
    uint64_t opened_ms;
    uint64_t bytes_before; /* received up to the last look that found a message had come */
    uint64_t sent;         /* bytes that were given to ZeroMQ for it, as they lie on the wire */
    uint64_t arrived;      /* of these, when it was asked last */
    uint64_t extra;        /* that arrived beside: the handshake, ZMTP's own words */
    bool heard;            /* since the last look */
    bool heard_ever;
    uint64_t cut_at_ms;             /* 0: not to be cut */
    struct peer peer;               /* size 0: not heard yet */
    UT_hash_handle hh;              /* by peer */
    struct connection *prev, *next; /* of those to be cut, in order of their time */
};

struct connections {
    struct connection **by_fd;
    struct peer *last_of_fd; /* the peer of the connection that had it before; size 0: none */
    size_t by_fd_size;
    size_t count;
    size_t max;
    struct connection *by_peer;
    struct connection *to_cut;
    size_t look_at; /* the descriptor to look at next */
    uint64_t look_ms;
    int null_fd;  /* of /dev/null */
    int spare_fd; /* its duplicate, in the place of which another's stands for a moment */
};

int connections_new(struct connections **out, size_t max, struct err *err)
{
    ASSERT(max > 0);
    struct connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL) {
        return err_set(err, E_NOMEM, "no memory for a table of connections");
    }
    connections->max = max;
    connections->spare_fd = -1;
    connections->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (connections->null_fd >= 0) {
        connections->spare_fd = fcntl(connections->null_fd, F_DUPFD_CLOEXEC, 0);
    }
    if (connections->spare_fd < 0) {
        int rc = err_sys(err, "open", "/dev/null");
        connections_free(&connections);
        return rc;
    }
    if (table_seed == 0) {
        table_seed = random_u64();
    }
    *out = connections;
    return 0;
}

static struct connection *at_fd(const struct connections *connections, int fd)
{
    return fd >= 0 && (size_t)fd < connections->by_fd_size ? connections->by_fd[fd] : NULL;
}

static struct connection *of_peer(const struct connections *connections, const struct peer *peer)
{
    struct connection *found = NULL;
    HASH_FIND(hh, connections->by_peer, peer, sizeof *peer, found);
    return found;
}

static void forget(struct connections *connections, struct connection *connection)
{
    if (connection->peer.size > 0) {
        HASH_DEL(connections->by_peer, connection);
        connections->last_of_fd[connection->fd] = connection->peer;
    }
    if (connection->cut_at_ms != 0) {
        DL_DELETE(connections->to_cut, connection);
    }
    connections->by_fd[connection->fd] = NULL;
    connections->count--;
    free(connection);
}

void connections_free(struct connections **connections)
{
    if (connections == NULL || *connections == NULL) {
        return;
    }
    for (size_t i = 0; i < (*connections)->by_fd_size; i++) {
        if ((*connections)->by_fd[i] != NULL) {
            forget(*connections, (*connections)->by_fd[i]);
        }
    }
    if ((*connections)->null_fd >= 0) {
        (void)close((*connections)->null_fd);
    }
    if ((*connections)->spare_fd >= 0) {
        (void)close((*connections)->spare_fd);
    }
    free((*connections)->by_fd);
    free((*connections)->last_of_fd);
    free(*connections);
    *connections = NULL;
}

/* --- descriptors --- */

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

/* ZeroMQ's thread may close the descriptor, and another take its number, at any moment: a duplicate
 * stays what it is while its cookie is compared and it is shut down. It takes the place of a
 * descriptor that is held for this, because at the limit there is no other to be had. */
static void shut(const struct connections *connections, const struct connection *connection)
{
    int fd = connections->spare_fd;
    if (dup3(connection->fd, fd, O_CLOEXEC) < 0) {
        return; /* closed already */
    }
    if (cookie_of(fd) == connection->cookie) {
        (void)shutdown(fd, SHUT_RDWR); /* ENOTCONN: the peer was faster */
    }
    int rc = dup3(connections->null_fd, fd, O_CLOEXEC);
    ASSERT(rc == fd);
}

static bool grow(struct connections *connections, size_t needed)
{
    size_t size = connections->by_fd_size != 0 ? connections->by_fd_size : 64;
    while (size < needed) {
        size *= 2;
    }
    size_t more = size - connections->by_fd_size;
    struct connection **by_fd = realloc(connections->by_fd, size * sizeof *by_fd);
    if (by_fd == NULL) {
        return false;
    }
    connections->by_fd = by_fd;
    struct peer *last_of_fd = realloc(connections->last_of_fd, size * sizeof *last_of_fd);
    if (last_of_fd == NULL) {
        return false;
    }
    connections->last_of_fd = last_of_fd;
    memset(by_fd + connections->by_fd_size, 0, more * sizeof *by_fd);
    memset(last_of_fd + connections->by_fd_size, 0, more * sizeof *last_of_fd);
    connections->by_fd_size = size;
    return true;
}

void connections_opened(struct connections *connections, int fd, uint64_t now_ms)
{
    struct connection *before = at_fd(connections, fd);
    struct connection connection = {.fd = fd, .cookie = cookie_of(fd), .opened_ms = now_ms};
    if (before != NULL && before->cookie == connection.cookie) {
        return; /* told already */
    }
    if (before != NULL) {
        forget(connections, before); /* its end was not told: the number is another's now */
    }
    if (fd < 0 || connection.cookie == 0) {
        return; /* closed already */
    }
    struct connection *kept = NULL;
    if ((size_t)fd < connections->by_fd_size || grow(connections, (size_t)fd + 1)) {
        kept = malloc(sizeof *kept);
    }
    if (kept == NULL) {
        shut(connections, &connection);
        return;
    }
    *kept = connection;
    connections->by_fd[fd] = kept;
    connections->count++;
    if (connections->count > connections->max) {
        shut(connections, kept);
    }
}

bool connections_is_open(const struct connections *connections, int fd)
{
    return at_fd(connections, fd) != NULL;
}

void connections_closed(struct connections *connections, int fd)
{
    struct connection *connection = at_fd(connections, fd);
    if (connection != NULL) {
        forget(connections, connection);
    }
}

/* --- peers --- */

static bool peer_equal(const struct peer *a, const struct peer *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool connections_current(const struct connections *connections, int fd, const struct peer *peer)
{
    const struct connection *connection = at_fd(connections, fd);
    return connection != NULL && peer_equal(&connection->peer, peer);
}

/* ROUTER counts its ids, behind a zero byte, from anywhere, and round 2^32. */
static uint32_t id_number(const struct peer *peer)
{
    uint32_t number = 0;
    for (size_t i = 1; i < peer->size; i++) {
        number = number << 8 | peer->id[i];
    }
    return number;
}

static bool is_newer(const struct peer *peer, const struct peer *than)
{
    uint32_t ahead = id_number(peer) - id_number(than);
    return ahead != 0 && ahead <= UINT32_MAX / 2;
}

/* False: another connection bears this id, or there is no memory. */
static bool name(struct connections *connections, struct connection *connection,
                 const struct peer *peer)
{
    if (of_peer(connections, peer) != NULL) {
        return false;
    }
    if (connection->peer.size > 0) { /* by a late message of who had the descriptor before */
        HASH_DEL(connections->by_peer, connection);
    }
    connection->peer = *peer;
    HASH_ADD(hh, connections->by_peer, peer, sizeof connection->peer, connection);
    if (connection->hh.tbl == NULL) {
        connection->peer = (struct peer){0};
        return false;
    }
    return true;
}

enum connections_heard connections_heard(struct connections *connections, int fd,
                                         const struct peer *peer)
{
    ASSERT(peer->size > 0 && peer->size <= PEER_MAX_BYTES);
    struct connection *connection = at_fd(connections, fd);
    if (connection == NULL) {
        return CONNECTION_GONE;
    }
    if (!peer_equal(&connection->peer, peer)) {
        const struct peer *other =
            connection->peer.size > 0 ? &connection->peer : &connections->last_of_fd[fd];
        if (other->size > 0 && !is_newer(peer, other)) {
            return CONNECTION_GONE;
        }
        if (!name(connections, connection, peer)) {
            return CONNECTION_WRONG;
        }
    }
    connection->heard = true;
    connection->heard_ever = true;
    return connection->cut_at_ms == 0 ? CONNECTION_HEARD : CONNECTION_GONE;
}

/* --- sending --- */

/* What CURVE and ZMTP make of a message: a command's name, a nonce, a tag and flags, and a head. */
static uint64_t wire_bytes(size_t size)
{
    enum { CURVE_BYTES = 33, HEAD_BYTES = 2, LONG_HEAD_BYTES = 9, LONG = 255 };
    uint64_t body = size + CURVE_BYTES;
    return body + (body > LONG ? LONG_HEAD_BYTES : HEAD_BYTES);
}

/* More cannot have arrived of what we sent than we sent: the rest is ZeroMQ's own. */
static void note_arrived(struct connection *connection, uint64_t acknowledged)
{
    uint64_t ours = acknowledged < connection->extra ? 0 : acknowledged - connection->extra;
    if (ours > connection->sent) {
        connection->extra += ours - connection->sent;
        ours = connection->sent;
    }
    connection->arrived = ours;
}

bool connections_may_send(struct connections *connections, const struct peer *peer, size_t size)
{
    struct connection *connection = of_peer(connections, peer);
    if (connection == NULL) {
        return true;
    }
    uint64_t sent = connection->sent + wire_bytes(size);
    if (sent - connection->arrived > CONNECTION_UNREAD_MAX) {
        struct tcp_info info = {0};
        socklen_t info_size = sizeof info;
        if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) != 0) {
            return true; /* it is gone, as will be told */
        }
        note_arrived(connection, info.tcpi_bytes_acked);
    }
    if (sent - connection->arrived > CONNECTION_UNREAD_MAX) {
        return false;
    }
    connection->sent = sent;
    return true;
}

static void cut(struct connections *connections, struct connection *connection, uint64_t now_ms)
{
    if (connection != NULL && connection->cut_at_ms == 0) {
        connection->cut_at_ms = now_ms + CONNECTION_GRACE_MS;
        DL_APPEND(connections->to_cut, connection);
    }
}

void connections_cut(struct connections *connections, const struct peer *peer, uint64_t now_ms)
{
    cut(connections, of_peer(connections, peer), now_ms);
}

void connections_cut_fd(struct connections *connections, int fd, uint64_t now_ms)
{
    cut(connections, at_fd(connections, fd), now_ms);
}

size_t connections_count(const struct connections *connections)
{
    return connections->count;
}

void connections_address(const struct connections *connections, const struct peer *peer, char *out,
                         size_t out_size)
{
    ASSERT(out_size > 0);
    out[0] = '\0';
    const struct connection *connection = of_peer(connections, peer);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (connection == NULL ||
        getpeername(connection->fd, (struct sockaddr *)&address, &size) != 0 ||
        cookie_of(connection->fd) != connection->cookie) {
        return;
    }
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return;
    }
    static const char mapped[] = "::ffff:"; /* an IPv4 peer of a socket for both */
    bool is_mapped = strncmp(host, mapped, sizeof mapped - 1) == 0 && strchr(host, '.') != NULL;
    bool brackets = !is_mapped && strchr(host, ':') != NULL;
    (void)snprintf(out, out_size, brackets ? "[%s]:%s" : "%s:%s",
                   is_mapped ? host + sizeof mapped - 1 : host, port);
}

/* --- looking --- */

/* Bytes that came on the connection and were taken out of it. False when that can't be told. */
static bool bytes_taken(struct connection *connection, uint64_t *taken)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int waiting = 0;
    if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ioctl(connection->fd, SIOCINQ, &waiting) != 0 ||
        (uint64_t)waiting > info.tcpi_bytes_received) {
        return false;
    }
    note_arrived(connection, info.tcpi_bytes_acked);
    *taken = (uint64_t)info.tcpi_bytes_received - (uint64_t)waiting;
    return true;
}

/* A message that is received leaves nothing behind it in ZeroMQ but what came later. */
static void look_at(const struct connections *connections, struct connection *connection,
                    uint64_t now_ms)
{
    if (!connection->heard_ever && now_ms - connection->opened_ms >= CONNECTION_SILENT_MS) {
        shut(connections, connection);
        return;
    }
    uint64_t taken = 0;
    if (!bytes_taken(connection, &taken)) {
        return;
    }
    if (connection->heard) {
        connection->bytes_before = taken;
        connection->heard = false;
    } else if (taken > connection->bytes_before + CONNECTION_AHEAD_MAX) {
        shut(connections, connection);
    }
}

/* Each is shut down once more after every grace, until ZeroMQ tells its end. */
static void cut_those_due(struct connections *connections, uint64_t now_ms)
{
    while (connections->to_cut != NULL && connections->to_cut->cut_at_ms <= now_ms) {
        struct connection *connection = connections->to_cut;
        shut(connections, connection);
        connection->cut_at_ms = now_ms + CONNECTION_GRACE_MS;
        DL_DELETE(connections->to_cut, connection);
        DL_APPEND(connections->to_cut, connection);
    }
}

void connections_look(struct connections *connections, uint64_t now_ms)
{
    cut_those_due(connections, now_ms);
    if (now_ms < connections->look_ms) {
        return;
    }
    connections->look_ms = now_ms + CONNECTION_SCAN_MS;
    size_t looked = 0;
    for (size_t i = 0; i < connections->by_fd_size && looked < CONNECTION_SCAN_COUNT; i++) {
        if (connections->look_at >= connections->by_fd_size) {
            connections->look_at = 0;
        }
        struct connection *connection = connections->by_fd[connections->look_at++];
        if (connection != NULL) {
            look_at(connections, connection, now_ms);
            looked++;
        }
    }
}

int connections_wait_ms(const struct connections *connections, uint64_t now_ms)
{
    if (connections->count == 0) {
        return -1;
    }
    uint64_t next = connections->look_ms;
    if (connections->to_cut != NULL && connections->to_cut->cut_at_ms < next) {
        next = connections->to_cut->cut_at_ms;
    }
    return next > now_ms ? (int)(next - now_ms) : 0;
}
