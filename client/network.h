/* client/network.h - the one thread that talks to the server.
 *
 * It owns the dealer and the follow, carries out what the follow wants done, and is the only one
 * that writes what comes from the server into the replica. Applications' threads reach it by
 * network_wake and by requests; it never holds a lock that a read waits for while it is on the
 * network.
 */
#ifndef KITBAG_CLIENT_NETWORK_H
#define KITBAG_CLIENT_NETWORK_H

#include "client/kb_inside.h"

/* Start connecting / say goodbye and wait for the thread to end. The caller holds kb->control. */
MUST_CHECK int network_start(struct network **out, struct kb *kb, struct err *err);
void network_stop(struct network **network);

/* What there is to look at; safe from any thread while the network lives (kb->lock or control). */
enum network_news {
    NETWORK_OPS = 1,      /* the outbox has more */
    NETWORK_REQUESTS = 2, /* kb->requests changed */
    NETWORK_BAGS = 4,     /* bags were dropped, cleared or marked damaged by others */
};
void network_wake(struct network *network, unsigned news);

/* A sign-in somebody waits for, in kb->requests; guarded by kb->lock. */
enum request_state {
    REQUEST_NEW,
    REQUEST_SENT,
    REQUEST_FETCHING, /* signed in; its bags are not complete yet */
    REQUEST_DONE,
};
enum { REQUEST_BAGS_MAX = 256 }; /* more than one SIGNED_IN can list */
struct request {
    struct request *next;
    uint64_t ref;
    enum request_state state;
    struct owner user;
    struct kb_groups groups;
    int code;
    char text[ERR_TEXT_MAX];
    size_t bag_count;
    struct awaited {
        uint64_t bag_id, seq;
    } bags[REQUEST_BAGS_MAX];
};

#endif
