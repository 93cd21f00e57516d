/* client/network.h - the one that talks to the server.
 *
 * It owns the follow, carries out what the follow wants done, and is the only one that writes what
 * comes from the server into the replica. It works in turns (network_turn), which its thread runs
 * with what the dealer brings; a machine whose world has a port of its own has no thread, and who
 * made it runs the turns. Applications' threads reach it by network_wake and by requests; it never
 * holds a lock that a read waits for while it is on the network.
 */
#ifndef KITBAG_CLIENT_NETWORK_H
#define KITBAG_CLIENT_NETWORK_H

#include "client/kb_inside.h"

/* Start connecting / say goodbye and wait for the thread to end. The caller holds kb->control. */
MUST_CHECK int network_start(struct network **out, struct kb *kb, struct err *err);
void network_stop(struct network **network);

/* What the connection brought, or that time passed. */
enum network_event_kind {
    NETWORK_TIME,
    NETWORK_UP,   /* the handshakes are done */
    NETWORK_DOWN, /* the connection was lost or could not be made; the port tries no more */
    NETWORK_FRAME,
};
struct network_event {
    enum network_event_kind kind;
    int code;          /* DOWN: E_UNREACHABLE, or E_NOT_ALLOWED: the server refused the key */
    const char *text;  /* DOWN: borrowed; may be NULL */
    struct span frame; /* borrowed */
};
/* One turn: takes `event` in and does all that is to be done now. The first connects. What frames
 * bring is committed together while they come one behind the other: the next turn is then due at
 * once, with the next frame when one waits, else without. */
void network_turn(struct network *network, const struct network_event *event);
/* When the next turn is due without an event, by the world's monotonic clock; 0: at once. A wake
 * (a write, a request) makes it due at once as well. */
uint64_t network_next_ms(const struct network *network);

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
    uint64_t kept_bag; /* what is kept of the user, as the server was told; 0: nothing */
    size_t bag_count;
    struct awaited {
        uint64_t bag_id, seq;
    } bags[REQUEST_BAGS_MAX];
};

#endif
