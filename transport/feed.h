/* transport/feed.h - the server's side of one client connection, as a pure step.
 *
 * feed_step(feed, event) -> actions. No socket, no clock, no disk: the caller (server/) carries out
 * the actions in order and reports what came of them as further events. Keeps true, per session:
 *
 *   - nothing but ERROR is sent before a HELLO or JOIN was accepted;
 *   - outstanding LIVE, PAGE, BAG bytes (and PART frames of them) <= min(window, 256 KiB), but for
 *     one message that does not fit at all, sent a part at a time;
 *   - what the client was sent of a bag is a prefix of its changes, by cursor: a bag whose live
 *     changes could not go out is BEHIND and is paged from its cursor when it gets a turn;
 *   - between a bag's first and last page no live change of that bag is sent;
 *   - memory is bounded: the table of followed bags (bags_max), one outgoing message in parts
 *     and one incoming one, both against budgets that the caller owns.
 */
#ifndef KITBAG_TRANSPORT_FEED_H
#define KITBAG_TRANSPORT_FEED_H

#include "transport/wire.h"

struct feed;

/* Counted over all feeds by the one thread that steps them. */
struct feed_budget {
    size_t bytes_used;
    size_t bytes_max; /* of messages being put together or sent in parts: 64 MiB is usual */
};

struct feed_options {
    uint64_t session;       /* random, not 0 */
    uint64_t heartbeat_ms;  /* 2000 is usual; silence of five of them ends the session */
    size_t bags_max;        /* that one session may follow: 100,000 is usual */
    struct feed_budget *budget; /* borrowed for the feed's life */
};

enum feed_event_kind {
    FEED_FRAME,       /* bytes came from the peer */
    FEED_TICK,        /* time passed (about each second) */
    FEED_WELCOME,     /* answer to DO_HELLO: accepted; welcome is filled but session, heartbeat,
                         window */
    FEED_JOINED,      /* answer to DO_JOIN: accepted */
    FEED_SIGNED_IN,   /* answer to DO_SIGN_IN: code, text, bags */
    FEED_SIGNED_OUT,  /* answer to DO_SIGN_OUT: code, text */
    FEED_BAG,         /* answer to DO_FOLLOW: code 0 (it may read), or why not; last_seq */
    FEED_TURN,        /* this feed may read one page now, as DO_WANT_TURN asked */
    FEED_PAGE,        /* answer to DO_READ */
    FEED_OUTCOMES,    /* answers to DO_WRITE: some operations have outcomes */
    FEED_COMMITTED,   /* changes of one batch, of bags this session follows */
    FEED_STATE,       /* the server's state changed */
    FEED_SENT_FAILED, /* router_send said E_BUSY: the peer does not read */
    FEED_END,         /* end the session with this code and sentence */
};

struct feed_page {
    uint64_t bag_id;
    int code;          /* 0; E_BAG_GONE; E_IO, E_CORRUPT: the session ends with E_IO */
    uint64_t last_seq; /* of the bag, under the snapshot the page was read from */
    bool whole;        /* the cursor is older than the bag's purged_to: the whole bag is needed;
                          no rows then */
    struct wire_position position; /* of the same snapshot */
    struct span rows;  /* encoded by wire_put_row, one after the other */
    uint32_t row_count;
    struct span next;  /* path to go on behind */
    bool end;          /* no more rows under this snapshot */
};

struct feed_outcome {
    uint64_t number;
    int code; /* 0 or negative */
    uint64_t seq;
    const char *text; /* NULL: "" */
};

struct feed_event {
    enum feed_event_kind kind;
    uint64_t now_ms; /* monotonic; with every event */
    union {
        struct span frame;
        uint64_t head_seq; /* TICK */
        struct wire_welcome welcome;
        struct { uint64_t device; uint8_t history[HISTORY_SIZE]; } joined;
        struct {
            uint64_t ref; int code; const char *text;
            const struct bag_row *bags; size_t count;
        } signed_in;
        struct { uint64_t ref; int code; const char *text; } signed_out;
        struct { uint64_t bag_id; int code; const char *text; uint64_t last_seq; } bag;
        struct feed_page page;
        struct { const struct feed_outcome *list; size_t count; } outcomes;
        /* COMMITTED: in order of seq. `encoded[i]` is changes[i] in the stream form, made once per
         * batch and shared by all feeds. Changes of bags that are not followed are skipped. */
        struct {
            struct wire_position position;
            const struct change *const *changes;
            const struct span *encoded;
            size_t count;
        } committed;
        enum wire_state state;
        struct { int code; const char *text; } end;
    };
};

enum feed_action_kind {
    FEED_DO_SEND,      /* bytes to the peer, one ZeroMQ message */
    FEED_DO_HELLO,     /* check device, history, position; answer FEED_WELCOME or FEED_END */
    FEED_DO_JOIN,      /* answer FEED_JOINED or FEED_END */
    FEED_DO_SIGN_IN,   /* answer FEED_SIGNED_IN */
    FEED_DO_SIGN_OUT,  /* answer FEED_SIGNED_OUT */
    FEED_DO_FOLLOW,    /* may this device read bag_id? subscribe it; answer FEED_BAG */
    FEED_DO_UNFOLLOW,  /* no longer followed: unsubscribe bag_id */
    FEED_DO_WANT_TURN, /* put this feed in the line of those that have a page to read; urgent ones
                          (a sign-in) before others; asked once until the turn came */
    FEED_DO_READ,      /* read one page; answer FEED_PAGE */
    FEED_DO_WRITE,     /* operations for the committer; answer FEED_OUTCOMES, in any number */
    FEED_DO_HEARD,     /* the client's position, for the list of devices */
    FEED_DO_CUT,       /* last action: cut the connection, unsubscribe all, free the feed */
};

struct feed_action {
    enum feed_action_kind kind;
    union {
        struct span send;
        struct wire_hello hello;
        struct wire_join join;
        struct { uint64_t ref; struct span user; struct wire_list groups; } sign_in;
        struct { uint64_t ref, bag_id; } sign_out;
        struct { uint64_t bag_id, cursor; } follow;
        struct { uint64_t bag_id; } unfollow;
        struct { bool urgent; } turn;
        struct { uint64_t bag_id, since; struct span after; size_t budget_bytes; } read;
        struct { uint64_t confirmed; struct wire_list operations; } write;
        struct { uint64_t seq; } heard;
        struct { int code; const char *text; } cut; /* why, for the log */
    };
};

/* What a step wants done, in order. Everything it points to belongs to the feed or to the event and
 * lives until the next step of this feed. */
struct feed_actions {
    const struct feed_action *list;
    size_t count;
};

MUST_CHECK int feed_new(struct feed **out, const struct feed_options *options);
void feed_free(struct feed **feed); /* gives its bytes back to the budget */
struct feed_actions feed_step(struct feed *feed, const struct feed_event *event);

bool feed_open(const struct feed *feed);            /* HELLO was accepted */
uint64_t feed_session(const struct feed *feed);
size_t feed_bags(const struct feed *feed);

#endif
