/* transport/router.h - the server's ROUTER socket: CURVE, ZAP, one part a message, cutting.
 *
 * Owned by one thread (the server's main loop), which also answers ZAP from here. Any thread may
 * call router_wake. Connections are capped at three quarters of RLIMIT_NOFILE (which is raised to
 * what the system permits): those above are cut at once. A peer is cut as well when it sends a
 * message of more than one part or of more than WIRE_FRAME_MAX bytes, when bytes come from it that
 * never become a message, when its first message takes more than 10 s, and when it chose a routing
 * id of its own.
 */
#ifndef KITBAG_TRANSPORT_ROUTER_H
#define KITBAG_TRANSPORT_ROUTER_H

#include "transport/keys.h"

struct router;

enum { PEER_MAX_BYTES = 16 };

/* A peer: the routing id that the socket gave its connection. Compared as bytes. No two connections
 * of a router's life have the same one. */
struct peer {
    uint8_t size;
    uint8_t id[PEER_MAX_BYTES];
};

struct router_options {
    const char *const *listen;   /* endpoints, "tcp://0.0.0.0:8443"; NULL-ended */
    const struct key_pair *keys; /* borrowed for life */
    int io_threads;              /* 2 is usual */
    /* ZAP: may a connection with this public key finish the handshake? Called by router_wait. */
    bool (*admit)(void *context, const uint8_t key[KEY_SIZE]);
    void *context;
    bool busy_poll; /* spin instead of sleeping, for the last 50 us */
};

/* E_BUSY "tcp://0.0.0.0:8443 is in use by another program", E_INVALID, E_PERMISSION. */
MUST_CHECK int router_open(struct router **out, const struct router_options *options,
                           struct err *err);
void router_close(struct router **router);
/* The port of the i-th endpoint after binding (for "tcp://127.0.0.1:*"). */
int router_port(const struct router *router, size_t i);

/* Wait until a message, a wake or the time; answers ZAP meanwhile. `fds` (may be NULL) are polled
 * as well: revents are set. timeout_ms -1: for ever. A signal ends it too. Returns 0, E_NOMEM or
 * E_SYSTEM. */
struct pollfd;
MUST_CHECK int router_wait(struct router *router, struct pollfd *fds, size_t fd_count,
                           int timeout_ms);
void router_wake(struct router *router); /* from any thread: ends a router_wait */

/* The next message without waiting: who, with which public key (checked by CURVE), and the bytes,
 * borrowed until the next router_receive. E_NOT_FOUND: none. Messages that break the rules of the
 * frame (parts, size) are swallowed and their peer cut as by router_cut: reported once, as
 * E_MALFORMED with the peer. */
MUST_CHECK int router_receive(struct router *router, struct peer *peer, uint8_t key[KEY_SIZE],
                              struct span *bytes);

/* Never blocks. E_BUSY: the peer does not read, and 1 MiB, or 1,024 messages beyond what the system
 * holds, wait for it; E_NOT_FOUND: it is gone. */
MUST_CHECK int router_send(struct router *router, const struct peer *peer, struct span bytes);

/* Cut the peer's TCP connection (found by the socket of its newest message and checked by its
 * cookie) after 100 ms, so that what was sent before, such as the ERROR that says why, can still
 * arrive. Its messages are swallowed from now on. */
void router_cut(struct router *router, const struct peer *peer);
/* "192.0.2.7:51234", "" when unknown, of the newest message received. */
const char *router_address(const struct router *router, const struct peer *peer);

#endif
