/* transport/feed.h - the server's side of one client connection, as a pure step.
 *
 * feed_step(feed, event) -> actions. No socket, no clock, no disk: the caller (server/) carries out
 * the actions in order and reports what came of them as further events.
 *
 * How to answer. Some actions are questions: DO_HELLO, DO_JOIN, DO_SIGN_IN, DO_SIGN_OUT, DO_FOLLOW,
 * DO_READ, DO_WRITE, DO_LIST, DO_MIRROR, DO_READ_JOURNAL. A step asks at most one. The caller first
 * finishes the whole list, and then steps a feed again (this one with the answer, or any other of
 * the same pool): a loop, no queue. An answer may also come later, with other events between. What
 * an action points to (the fields of a HELLO, operations) is to be used or copied before the next
 * step of any feed of the pool.
 *
 * Keeps true, per session:
 *
 *   - nothing but ERROR is sent before a HELLO or JOIN was accepted;
 *   - outstanding LIVE, PAGE, BAG, OWNERS, BATCHES bytes (and PART frames of them) <= min(window,
 *     256 KiB), but for one message that does not fit at all, sent a part at a time;
 *   - what the client was sent of a bag is a prefix of its changes, by cursor: a bag whose live
 *     changes could not go out is BEHIND and is paged from its cursor when it gets a turn;
 *   - between a bag's first and last page no live change of that bag is sent;
 *   - memory is bounded: the table of followed bags (bags_max), one outgoing message in parts
 *     and one incoming one, both against the budget of the pool. 20 bags take less than 2 KiB.
 *
 * A bag is read in rounds: the first sends what differs from the client's cursor, each later one
 * what changed since the first page of the round before, until a round ends under the last_seq
 * that it began with. One bag at a time is in a round (and one of a sign-in, which goes first, and
 * the fleet's, which goes next): between rounds it goes to the end of the line, so that a bag that
 * never rests holds up no other. Bags and the journal of a mirror take turns.
 */
#ifndef KITBAG_TRANSPORT_FEED_H
#define KITBAG_TRANSPORT_FEED_H

#include "transport/wire.h"

struct feed;
struct feed_pool;

enum {
    FEED_MESSAGE_MS =
        120000, /* for one message in parts: it has its share of all machines' memory */
    FEED_SILENT_HEARTBEATS = 5, /* without a word from the client: the session ends */
    FEED_LIVE_MAX = 262144,     /* bytes of one LIVE message: what is more is paged */
    FEED_PAGE_BYTES = 57344,    /* of rows in one page: with its head it fits a frame */
    FEED_BATCHES_BYTES = 61440, /* of batches in one BATCHES, as PAGE; but one may be longer */
    FEED_SIGNED_IN_MAX = 200,   /* bags of one SIGNED_IN: it fits a frame */
};

/* What all feeds of one thread share: the memory that a step works in, and the budget of messages
 * that are being put together or sent in parts (64 MiB is usual). Freed after its feeds. */
MUST_CHECK int feed_pool_new(struct feed_pool **out, size_t bytes_max);
void feed_pool_free(struct feed_pool **pool);
size_t feed_pool_bytes(const struct feed_pool *pool); /* of the budget, used now */

struct feed_options {
    uint64_t session;       /* random, not 0 */
    uint64_t heartbeat_ms;  /* 2000 is usual; silence of five of them ends the session */
    size_t bags_max;        /* that one session may follow: 100,000 is usual */
    struct feed_pool *pool; /* borrowed for the feed's life */
};

enum feed_event_kind {
    FEED_FRAME,       /* bytes came from the peer */
    FEED_TICK,        /* time passed (about each second) */
    FEED_WELCOME,     /* answer to DO_HELLO: accepted; welcome is filled but session, heartbeat,
                         window */
    FEED_JOINED,      /* answer to DO_JOIN: accepted */
    FEED_SIGNED_IN,   /* answer to DO_SIGN_IN: code, text, bags; more than FEED_SIGNED_IN_MAX of
                         them are told the client as E_QUOTA */
    FEED_SIGNED_OUT,  /* answer to DO_SIGN_OUT: code, text */
    FEED_BAG,         /* answer to DO_FOLLOW: code 0 (it may read, and is subscribed), or why not;
                         last_seq is no older than what FEED_COMMITTED told any feed before */
    FEED_TURN,        /* this feed may read one page now, as DO_WANT_TURN asked */
    FEED_PAGE,        /* answer to DO_READ */
    FEED_OUTCOMES,    /* answers to DO_WRITE: some operations have outcomes, in order of WRITEs */
    FEED_COMMITTED,   /* changes of one batch, of bags this session follows. A feed that mirrors
                         gets one for every batch, with or without changes */
    FEED_WANTED,      /* a bag is being deleted, and this client's copy of it is wanted */
    FEED_STATE,       /* the server's state changed. While it is WIRE_STOPPED (also as of
                         WELCOME) nothing of bags, lists and the journal is sent */
    FEED_SENT_FAILED, /* router_send failed (after the list was finished): the session ends */
    FEED_END,         /* end the session with this code and sentence */
    FEED_LISTED,      /* answer to DO_LIST */
    FEED_MIRRORING,   /* answer to DO_MIRROR */
    FEED_BATCHES,     /* answer to DO_READ_JOURNAL */
};

struct feed_page {
    uint64_t bag_id;
    int code;          /* 0; E_BAG_GONE; E_IO, E_CORRUPT: the session ends with E_IO */
    uint64_t last_seq; /* of the bag, under the snapshot the page was read from */
    bool whole;        /* `since` is older than the bag's purged_to: the whole bag is needed; no
                          rows then; never for since 0 */
    struct wire_position position; /* of the same snapshot */
    struct span rows;              /* encoded by wire_put_row, one after the other */
    uint32_t row_count;
    struct span next; /* path to go on behind */
    bool end;         /* no more rows under this snapshot */
    bool has_digest;  /* with `end`: of the bag at last_seq */
    struct digest digest;
};

struct feed_batches {
    int code; /* 0; E_TOO_OLD: what comes next is no longer there; else: it ends with E_IO */
    struct span bytes;  /* whole batches, verbatim, in order: one at least but at the end */
    uint64_t last_seq;  /* of these batches */
    uint64_t head_seq;  /* of the journal */
    bool end;           /* nothing more for now */
    uint64_t floor_seq; /* of E_TOO_OLD: the oldest seq there is */
    const char *text;   /* of E_TOO_OLD */
};

struct feed_outcome {
    uint64_t number;
    int code; /* 0 or negative */
    uint64_t seq;
    const char *text; /* NULL: "" */
    struct wire_split split;
};

struct feed_event {
    enum feed_event_kind kind;
    uint64_t now_ms; /* monotonic; with every event */
    union {
        struct span frame;
        /* TICK. newest_bag: of a device with `keep`, the newest bag's that it has to list; else
         * 0. A rise is told the client at once. */
        struct {
            uint64_t head_seq; /* what was handed over by COMMITTED so far */
            uint64_t newest_bag;
        };
        struct wire_welcome welcome;
        struct {
            uint64_t device;
            uint8_t history[HISTORY_SIZE];
        } joined;
        struct {
            uint64_t ref;
            int code;
            const char *text;
            const struct bag_row *bags;
            size_t count;
        } signed_in;
        struct {
            uint64_t ref;
            int code;
            const char *text;
        } signed_out;
        struct {
            uint64_t bag_id;
            int code;
            const char *text;
            uint64_t last_seq;
            bool has_digest;
            struct digest digest; /* at last_seq */
        } bag;
        struct feed_page page;
        struct {
            const struct feed_outcome *list;
            size_t count;
        } outcomes;
        /* COMMITTED: in order of seq. `encoded[i]` is changes[i] in the stream form, made once per
         * batch and shared by all feeds. Changes of bags that are not followed are skipped. */
        struct {
            struct wire_position position;
            const struct change *const *changes;
            const struct span *encoded;
            size_t count;
        } committed;
        struct {
            uint64_t bag_id;
        } wanted;
        enum wire_state state;
        struct {
            int code;
            const char *text;
        } end;
        /* Bags behind the `after` of DO_LIST in order of bag_id, at most WIRE_OWNERS_MAX. */
        struct {
            int code;
            const struct bag_row *bags;
            size_t count;
            bool end; /* there are no more */
        } listed;
        struct {
            int code; /* 0: it may, and the journal goes on where its copy ends; E_TOO_OLD,
                         E_DIVERGED, E_NOT_ALLOWED */
            uint64_t floor_seq; /* of E_TOO_OLD: the oldest seq there is */
            const char *text;
        } mirroring;
        struct feed_batches batches;
    };
};

enum feed_action_kind {
    FEED_DO_SEND,      /* bytes to the peer, one ZeroMQ message */
    FEED_DO_HELLO,     /* check device, history, position; answer FEED_WELCOME or FEED_END */
    FEED_DO_JOIN,      /* answer FEED_JOINED or FEED_END */
    FEED_DO_SIGN_IN,   /* answer FEED_SIGNED_IN */
    FEED_DO_SIGN_OUT,  /* answer FEED_SIGNED_OUT */
    FEED_DO_FOLLOW,    /* may this device read bag_id? subscribe it; answer FEED_BAG. Asked for one
                          bag at a time */
    FEED_DO_UNFOLLOW,  /* no longer followed: unsubscribe bag_id (also after its BAG_DELETE) */
    FEED_DO_WANT_TURN, /* put this feed in the line of those that have a page to read; urgent ones
                          (a sign-in) before others; asked once until the turn came, but once more
                          when it became urgent: then it is to be moved */
    FEED_DO_READ,      /* read one page; answer FEED_PAGE. Rows with seq > since (since 0: live ones
                          only) behind path `after`, of budget_bytes once encoded, or one row when
                          the first is larger */
    FEED_DO_WRITE,     /* operations for the committer; answer FEED_OUTCOMES, in any number */
    FEED_DO_HEARD,     /* the client's position, for the list of devices */
    FEED_DO_CUT,       /* last action: cut the connection, unsubscribe all, free the feed */
    FEED_DO_LIST,      /* bags that this device is to keep; answer FEED_LISTED */
    FEED_DO_MIRROR,    /* may it have the journal from here? answer FEED_MIRRORING */
    FEED_DO_READ_JOURNAL, /* batches behind after_seq, of budget_bytes together, or one when the
                             first is larger; answer FEED_BATCHES. after_seq is where the newest
                             FEED_BATCHES ended, or (it could not be sent) where that began */
};

struct feed_action {
    enum feed_action_kind kind;
    union {
        struct span send;
        struct wire_hello hello;
        struct wire_join join;
        struct {
            uint64_t ref;
            struct span user;
            struct wire_list groups;
            uint64_t bag_id; /* that this machine keeps of the user, 0: none */
        } sign_in;
        struct {
            uint64_t ref, bag_id;
        } sign_out;
        struct {
            uint64_t bag_id, cursor;
        } follow;
        struct {
            uint64_t bag_id;
        } unfollow;
        struct {
            bool urgent;
        } turn;
        struct {
            uint64_t bag_id, since;
            struct span after;
            size_t budget_bytes;
        } read;
        struct {
            uint64_t confirmed;
            struct wire_list operations;
        } write;
        struct {
            uint64_t seq; /* position of the replica, but `current` when that is newer */
            uint64_t current;
            uint64_t healed;
            uint64_t waiting; /* operations without an outcome */
        } heard;
        struct {
            int code;
            const char *text;
        } cut; /* why, for the log */
        struct {
            uint64_t after;
            bool again; /* the client asked once: its answer found no memory */
        } list;
        struct wire_mirror mirror;
        struct {
            uint64_t after_seq;
            size_t budget_bytes;
        } read_journal;
    };
};

/* What a step wants done, in order. The list, and everything it points to, belongs to the pool or
 * to the event and lives until the next step of any feed of the pool. */
struct feed_actions {
    const struct feed_action *list;
    size_t count;
};

MUST_CHECK int feed_new(struct feed **out, const struct feed_options *options);
void feed_free(struct feed **feed); /* gives its bytes back to the budget */
/* After DO_CUT (always the last of its list) steps do nothing. */
struct feed_actions feed_step(struct feed *feed, const struct feed_event *event);

/* Another limit than the options': known once it is known whose session it is. */
void feed_allow_bags(struct feed *feed, size_t bags_max);

bool feed_open(const struct feed *feed); /* HELLO was accepted */
uint64_t feed_session(const struct feed *feed);
size_t feed_bags(const struct feed *feed);
/* Was the client sent the whole bag, whatever came of it since? */
bool feed_holds(const struct feed *feed, uint64_t bag_id);
size_t feed_bytes(const struct feed *feed); /* of memory that it holds */

#endif
