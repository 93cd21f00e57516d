/* admin/https/crowd.c - who is let in when there is no room.
 *
 * Somebody who opens connections and says little must not keep others out, be they at the same
 * address (an office behind one router) or elsewhere. So whoever comes takes the place of the one
 * who has kept us waiting the longest; an honest request is whole within milliseconds.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include "admin/https/inside.h"
#include "base/clock.h"

enum { IPV6_GROUP_BYTES = 8, SLOW_READER_MS = 2000 };

void admin_peer_of(struct admin_peer *peer, const struct sockaddr *address)
{
    *peer = (struct admin_peer){0};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        memset(&peer->group.s6_addr[10], 0xff, 2); /* as an IPv6 address, ::ffff:a.b.c.d */
        memcpy(&peer->group.s6_addr[12], &v4->sin_addr, sizeof v4->sin_addr);
        (void)inet_ntop(AF_INET, &v4->sin_addr, peer->address, sizeof peer->address);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        memcpy(&peer->group, &v6->sin6_addr, IPV6_GROUP_BYTES);
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, peer->address, sizeof peer->address);
    }
}

/* How easily is it spared? 0: not at all. */
static int spared(const struct admin_connection *c, uint64_t now_ms)
{
    switch (c->state) {
    case ADMIN_STATE_HANDSHAKE:
    case ADMIN_STATE_LINGER:
        return 3;
    case ADMIN_STATE_HEAD:
    case ADMIN_STATE_BODY:
        return c->known ? 1 : 3;
    case ADMIN_STATE_ANSWER:
        return !c->known && now_ms - c->since_ms > SLOW_READER_MS ? 2 : 0;
    case ADMIN_STATE_RUNNING:
    case ADMIN_STATE_STREAM:
        break;
    }
    return 0;
}

static bool same_group(const struct admin_connection *c, const struct admin_peer *peer)
{
    return memcmp(&c->peer.group, &peer->group, sizeof peer->group) == 0;
}

/* Cut the one that is spared most easily, of them the one that has waited longest: of those from
 * `peer`, or of all when it is NULL. */
static bool make_room(struct admin_http *http, const struct admin_peer *peer)
{
    uint64_t now_ms = clock_mono_ms(&clock_system);
    struct admin_connection *out = NULL;
    int best = 0;
    for (struct admin_connection *c = http->connections; c != NULL; c = c->next) {
        int rank = peer == NULL || same_group(c, peer) ? spared(c, now_ms) : 0;
        bool longer = out != NULL && rank == best && c->since_ms < out->since_ms;
        if (rank > best || (rank > 0 && longer)) {
            out = c;
            best = rank;
        }
    }
    if (out == NULL) {
        return false;
    }
    out->cut = true;
    admin_connection_close(out);
    return true;
}

bool admin_crowd_admit(struct admin_http *http, const struct admin_peer *peer)
{
    const struct admin_http_limits *limits = http->options.limits;
    if (limits->per_address == 0) {
        return true; /* the listener is disabled when there is no room */
    }
    unsigned same = 0;
    for (const struct admin_connection *c = http->connections; c != NULL; c = c->next) {
        same += same_group(c, peer);
    }
    if (same >= limits->per_address) {
        return make_room(http, peer);
    }
    return http->connection_count < limits->connections || make_room(http, NULL);
}
