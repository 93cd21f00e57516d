/* transport/connections.h - the TCP connections behind the router's socket, and cutting them.
 *
 * ZeroMQ can't disconnect a peer and does not say what it holds of one: this table knows each
 * connection by its descriptor, which the descriptor's cookie ties to one connection for ever, and
 * ends it by shutdown(). Keeps true: no descriptor but that very connection's is ever shut down.
 *
 * A connection is cut when
 *   - there are more than the maximum (the newest goes),
 *   - no message came within CONNECTION_SILENT_MS of its beginning, be it that the handshake is
 *     not done or that the peer has nothing to say,
 *   - CONNECTION_AHEAD_MAX bytes came without a message: a message of endless parts, which
 *     ZeroMQ collects in memory before anybody sees it. Messages that wait to be received are
 *     less: the router lets 16 of one peer wait,
 *   - the owner says so.
 *
 * Owned by the router's thread. Times are a monotonic clock's ms.
 */
#ifndef KITBAG_TRANSPORT_CONNECTIONS_H
#define KITBAG_TRANSPORT_CONNECTIONS_H

#include "transport/router.h"

enum {
    CONNECTION_SILENT_MS = 10000,
    CONNECTION_AHEAD_MAX = 2 << 20,
    CONNECTION_UNREAD_MAX =
        1 << 20,                 /* bytes sent that its machine has not acknowledged: what credit
                                    allows (768 KiB at most, and a part), and some answers */
    CONNECTION_GRACE_MS = 100,   /* from connections_cut to the cut: a last ERROR gets through */
    CONNECTION_SCAN_MS = 50,     /* between two looks */
    CONNECTION_SCAN_COUNT = 512, /* connections of one look */
};

struct connections;

/* `max` connections at a time. E_NOMEM, or the code of a failed open. */
MUST_CHECK int connections_new(struct connections **out, size_t max, struct err *err);
void connections_free(struct connections **connections);

/* A connection was accepted, and closed, as ZeroMQ's monitor tells it. A message can be there
 * before its connection is told: then the owner tells it, and is told the same once more. */
void connections_opened(struct connections *connections, int fd, uint64_t now_ms);
void connections_closed(struct connections *connections, int fd);
bool connections_is_open(const struct connections *connections, int fd);

enum connections_heard {
    CONNECTION_GONE, /* not to be read: it is no more, or is being cut; `fd` may be another's now */
    CONNECTION_HEARD, /* to be read */
    CONNECTION_WRONG, /* not to be read, and to be cut: it bears the id of another, or no memory */
};

/* A message of `peer` came on `fd`. Ids of ROUTER's making rise: of two peers on one descriptor the
 * newer one has it. */
enum connections_heard connections_heard(struct connections *connections, int fd,
                                         const struct peer *peer);
/* Is this the peer that was heard on `fd` last? Then there is no need to ask the monitor. */
bool connections_current(const struct connections *connections, int fd, const struct peer *peer);

/* May so many bytes be sent to the peer, and they are counted; false: what was sent before waits
 * still, because it does not read. TCP tells what has arrived. */
bool connections_may_send(struct connections *connections, const struct peer *peer, size_t size);

/* Cut after CONNECTION_GRACE_MS. */
void connections_cut(struct connections *connections, const struct peer *peer, uint64_t now_ms);
void connections_cut_fd(struct connections *connections, int fd, uint64_t now_ms);

/* Cut those whose time has come, and look at some of the others. */
void connections_look(struct connections *connections, uint64_t now_ms);
/* How long to wait until the next look: -1 when there is nothing to look at. */
int connections_wait_ms(const struct connections *connections, uint64_t now_ms);

size_t connections_count(const struct connections *connections);
/* "192.0.2.7:51234" into `out`; "" when it is gone. */
void connections_address(const struct connections *connections, const struct peer *peer, char *out,
                         size_t out_size);

#endif
