/* transport/follow.h - the client's side of the protocol, as a pure step.
 *
 * follow_step(follow, event) -> actions: no socket, no clock, no disk. The caller (client/) owns
 * the dealer, the replica and the outbox, carries out the actions in order and reports what came of
 * them.
 *
 * How to answer. DO_IDENTIFY, DO_LIST_BAGS, DO_LIVE, DO_PAGE, DO_BATCHES and DO_READ_OPS are
 * questions: a step asks at most one, as its last action, and the answer is the next event. So the
 * caller carries out the list; when a question was in it, it steps again with the answer; else it
 * waits for the next event of the world. The list lives until the next step.
 *
 * Keeps true:
 *
 *   - pages of a bag are handed on with first/last marks and never mixed with live changes of it;
 *   - live changes that do not fit the cursor are not handed on: the bag is followed anew. A LIVE
 *     message that is handed on holds exactly the changes to apply, none that is old or strange;
 *   - operations are sent in order of their numbers, within the unanswered window; after a
 *     deferral, nothing behind it is sent before it is sent again;
 *   - credit is given only for what was worked off;
 *   - after a fatal refusal (token, removed, history, diverged, version) it tries again once a
 *     minute only.
 */
#ifndef KITBAG_TRANSPORT_FOLLOW_H
#define KITBAG_TRANSPORT_FOLLOW_H

#include "transport/wire.h"

struct follow;

enum {
    FOLLOW_CONNECT_MS = 5000,    /* for each of the handshakes and HELLO */
    FOLLOW_RETRY_FIRST_MS = 200, /* the second try at the latest; the first comes at once */
    FOLLOW_RETRY_MAX_MS = 5000,
    FOLLOW_REFUSED_MS = 60000,   /* after a refusal that stands until somebody acts */
    FOLLOW_STEADY_MS = 5000,     /* a session that lasted so long makes the pauses short again */
    FOLLOW_DEFER_FIRST_MS = 200, /* before deferred operations are sent again */
    FOLLOW_DEFER_MAX_MS = 5000,
};

/* E_STOPPED of a server, for the person at the machine. */
#define FOLLOW_STOPPED_TEXT                                                                        \
    "stopped by the administrator: what is written here is kept and sent when synchronization is " \
    "started again"

enum follow_phase {
    FOLLOW_IDLE,       /* stopped */
    FOLLOW_WAITING,    /* before the next try; `retry_at_ms` */
    FOLLOW_CONNECTING, /* TCP and CURVE */
    FOLLOW_GREETING,   /* HELLO (or JOIN) sent */
    FOLLOW_OPEN,       /* WELCOME came */
};

struct follow_options {
    size_t address_count; /* tried in turn */
    uint64_t seed;        /* of the back-off's jitter */
    bool join;            /* this connection joins: JOIN instead of HELLO, then it ends */
};

enum follow_event_kind {
    FOLLOW_START, /* begin to connect */
    FOLLOW_STOP,  /* say BYE and disconnect */
    FOLLOW_UP,    /* the handshakes are done */
    FOLLOW_DOWN,  /* the connection was lost or could not be made; code E_UNREACHABLE, or
                     E_TOKEN_UNKNOWN / E_NOT_ALLOWED when the server refused the key */
    FOLLOW_FRAME,
    FOLLOW_TICK,     /* time passed; also what follow_next_tick asked for */
    FOLLOW_IDENTITY, /* answer to DO_IDENTIFY */
    FOLLOW_BAGS,     /* the replica's bags and cursors: answer to DO_LIST_BAGS, and again for
                        bags that became known later (after SIGNED_IN), or whose cursor went
                        back because they are to be fetched anew. A bag that is complete, with
                        the cursor that it has: the server is asked for its digest again. The
                        fleet's bag is followed first, the others when it is complete */
    FOLLOW_FORGET,   /* a bag is no longer kept: UNFOLLOW it */
    FOLLOW_APPLIED,  /* answer to DO_LIVE and DO_PAGE: 0, or E_CORRUPT: nothing of it was
                        applied, fetch that bag anew from cursor; any other code disconnects.
                        To DO_BATCHES: 0; any other code disconnects */
    FOLLOW_OPS,      /* the outbox holds operations up to number `last`; outcomes up to
                        `confirmed` are known for good. Before START, after each write, and
                        after DO_NEW_WRITER with the new numbers */
    FOLLOW_OPS_READ, /* answer to DO_READ_OPS */
    FOLLOW_SIGN_IN,  /* not OPEN: answered with E_UNREACHABLE at once. An answer that a lost
                        session owed never comes: DO_STATUS tells of the loss */
    FOLLOW_SIGN_OUT,
    FOLLOW_LIST,   /* which bags behind `after` is this machine to keep? One question at a time:
                      what comes before its answer is dropped. Not OPEN: answered with E_UNREACHABLE
                      at once. An answer that a lost session owed never comes */
    FOLLOW_MIRROR, /* send the journal from here. Once a session, and again after a refusal; else
                      dropped. Not OPEN: as FOLLOW_LIST */
    FOLLOW_HEALED, /* how many bags were ever fetched anew because their digest differed: for the
                      heartbeats */
};

struct follow_event {
    enum follow_event_kind kind;
    uint64_t now_ms; /* monotonic; with every event */
    union {
        struct {
            int code;
            const char *text;
        } down;
        struct span frame;
        struct {
            struct wire_hello hello;
            struct wire_join join;
        } identity;
        struct {
            const struct wire_bag *list;
            size_t count;
            bool urgent;
        } bags;
        struct {
            uint64_t bag_id;
        } forget;
        struct {
            int code;
            uint64_t bag_id, cursor;
        } applied;
        struct {
            uint64_t last, confirmed;
        } ops;
        /* encoded operations of consecutive numbers, one after the other */
        struct {
            uint64_t first;
            uint32_t count;
            struct span bytes;
        } ops_read;
        struct {
            uint64_t ref;
            struct span user;
            const struct span *groups;
            size_t group_count;
            uint64_t bag_id; /* that this machine keeps of the user, 0: none */
        } sign_in;
        struct {
            uint64_t ref, bag_id;
        } sign_out;
        struct {
            uint64_t after;
        } list;
        struct wire_mirror mirror;
        uint64_t healed;
    };
};

enum follow_action_kind {
    FOLLOW_DO_CONNECT, /* to address number `address`, a new socket */
    FOLLOW_DO_DISCONNECT,
    FOLLOW_DO_SEND,
    FOLLOW_DO_IDENTIFY,  /* who are we now? answer FOLLOW_IDENTITY at once */
    FOLLOW_DO_LIST_BAGS, /* after WELCOME: answer FOLLOW_BAGS with all bags kept */
    FOLLOW_DO_WELCOME,   /* for status; the fleet and device bags that are to be kept */
    FOLLOW_DO_JOINED,
    FOLLOW_DO_LIVE,       /* apply in one transaction; answer FOLLOW_APPLIED at once */
    FOLLOW_DO_PAGE,       /* stage or, at the last, apply; answer FOLLOW_APPLIED at once */
    FOLLOW_DO_BAG,        /* code 0: complete at last_seq, where it has this digest; E_BAG_GONE,
                             E_NOT_ALLOWED: drop it (it is followed no longer) */
    FOLLOW_DO_READ_OPS,   /* operations from number `from`, at most so many bytes and so many, but
                             one when the first is larger; answer FOLLOW_OPS_READ at once (count 0:
                             none; it is not asked again before the next FOLLOW_OPS) */
    FOLLOW_DO_OUTCOME,    /* of one operation, in order of numbers, each once; never a deferral */
    FOLLOW_DO_DEFERRED,   /* for status: why operations wait */
    FOLLOW_DO_NEW_WRITER, /* the server says our numbers do not fit: renumber under a new writer,
                             then FOLLOW_OPS; it connects again, so that HELLO tells the writer */
    FOLLOW_DO_SIGNED_IN,
    FOLLOW_DO_SIGNED_OUT,
    FOLLOW_DO_STATUS,    /* the phase changed, or why it is as it is: code 0, or E_STOPPED and
                            E_READ_ONLY of the server while OPEN, or what ended the session */
    FOLLOW_DO_OWNERS,    /* answer to FOLLOW_LIST: some of the bags, in order; `end`: all. Else ask
                            again behind the last of them */
    FOLLOW_DO_MIRRORING, /* answer to FOLLOW_MIRROR: 0: DO_BATCHES follow; E_TOO_OLD (floor_seq is
                            the oldest there is; also later, when the server had to let go of what
                            comes next), E_DIVERGED, E_NOT_ALLOWED */
    FOLLOW_DO_BATCHES,   /* take these batches of the journal; answer FOLLOW_APPLIED at once */
};

struct follow_action {
    enum follow_action_kind kind;
    union {
        size_t address;
        struct span send;
        struct wire_welcome welcome;
        struct {
            uint64_t device;
            uint8_t history[HISTORY_SIZE];
        } joined;
        struct {
            struct wire_position position;
            struct wire_list changes;
        } live;
        struct {
            uint64_t bag_id, flags, since, cursor;
            struct wire_position position;
            struct wire_list rows;
        } page;
        struct {
            uint64_t bag_id;
            int code;
            uint64_t last_seq;
            const char *text;
            bool has_digest;
            struct digest digest;
        } bag;
        struct {
            uint64_t from;
            uint32_t max_count;
            size_t max_bytes;
        } read_ops;
        struct {
            uint64_t number;
            int code;
            uint64_t seq;
            const char *text;
            struct wire_split split;
        } outcome;
        struct {
            int code;
            const char *text;
        } deferred;
        struct {
            uint64_t ref;
            int code;
            const char *text;
            struct wire_list bags;
        } signed_in; /* wire_owner_at */
        struct {
            uint64_t ref;
            int code;
            const char *text;
        } signed_out;
        struct {
            enum follow_phase phase;
            int code;
            const char *text;
            uint64_t retry_at_ms;
        } status;
        struct {
            int code;
            bool end;
            struct wire_list list; /* wire_owner_at */
        } owners;
        struct {
            int code;
            uint64_t floor_seq;
            const char *text;
        } mirroring;
        struct {
            uint64_t head_seq;
            struct span bytes;
        } batches;
    };
};

/* As for feed: in order, valid until the next step. */
struct follow_actions {
    const struct follow_action *list;
    size_t count;
};

MUST_CHECK int follow_new(struct follow **out, const struct follow_options *options);
void follow_free(struct follow **follow);
struct follow_actions follow_step(struct follow *follow, const struct follow_event *event);

/* Monotonic ms when a FOLLOW_TICK is due; UINT64_MAX: none. */
uint64_t follow_next_tick(const struct follow *follow);
uint64_t follow_head_seq(const struct follow *follow); /* the server's, as last heard */
/* The server said in this session: up to here, all that it was told to follow was sent (and is
 * applied, for it came before). It means nothing while a bag is not complete. */
uint64_t follow_current_seq(const struct follow *follow);
/* The newest bag that this machine has to keep, as last heard in this session; 0: none was told. Of
 * a machine that may keep who is signed in alone, one of theirs on this device: a sign-in lists it.
 * When it has risen since FOLLOW_LIST was asked, and is beyond the last that came, ask again. */
uint64_t follow_newest_bag(const struct follow *follow);

#endif
