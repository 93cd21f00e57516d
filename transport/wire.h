/* transport/wire.h - the messages of docs/protocol.md <-> bytes.
 *
 * Pure. Everything that comes in is guarded, then checked to the last element: what wire_decode
 * returns 0 for has the right shape, counts within limits, and nothing left over. Lists stay
 * msgpack arrays of the decoded message and are read element by element.
 */
#ifndef KITBAG_TRANSPORT_WIRE_H
#define KITBAG_TRANSPORT_WIRE_H

#include "base/pack.h"
#include "journal/apply.h"
#include "journal/digest.h"
#include "journal/operation.h"

enum {
    WIRE_VERSION = 3,
    WIRE_FRAME_MAX = 65536,
    WIRE_MESSAGE_MAX = 4259840, /* 4 MiB and 64 KiB: the journal's largest batch, in parts */
    WIRE_PART_BYTES = 61440,    /* of a logical message in one PART frame */
    WIRE_WINDOW_MAX = 262144,
    WIRE_WINDOW_MIRROR = 786432, /* of one that may mirror; under CONNECTION_UNREAD_MAX */
    WIRE_CREDIT_FRAMES = 256,    /* data frames after which a client acknowledges, at the latest */
    WIRE_BAGS_MAX = 1000,        /* of one FOLLOW or UNFOLLOW */
    WIRE_OWNERS_MAX = 200,       /* of one OWNERS: it fits a frame */
    WIRE_GROUPS_MAX = 64,        /* of one SIGN_IN */
    WIRE_OPS_MAX = 1000,         /* of one WRITE */
    WIRE_OPS_UNANSWERED = 1024,
    WIRE_OPS_BYTES_UNANSWERED = 4 << 20,
    WIRE_ELEMENTS_MAX = 200000, /* msgpack objects of one logical message */
    WIRE_TEXT_MAX = 384,        /* of a sentence */
    WIRE_LABEL_MAX = 255,       /* of a machine's name, serial, model, software */
};

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_JOIN = 2,
    WIRE_SIGN_IN = 3,
    WIRE_SIGN_OUT = 4,
    WIRE_FOLLOW = 5,
    WIRE_UNFOLLOW = 6,
    WIRE_CREDIT = 7,
    WIRE_WRITE = 8,
    WIRE_HEARTBEAT = 9,
    WIRE_BYE = 11,
    WIRE_PART = 12,
    WIRE_LIST = 13,
    WIRE_MIRROR = 14,
    WIRE_WELCOME = 32,
    WIRE_JOINED = 33,
    WIRE_SIGNED_IN = 34,
    WIRE_SIGNED_OUT = 35,
    WIRE_OUTCOME = 36,
    WIRE_LIVE = 37,
    WIRE_PAGE = 38,
    WIRE_BAG = 39,
    WIRE_STATE = 40,
    WIRE_ERROR = 41,
    WIRE_OWNERS = 42,
    WIRE_MIRRORING = 43,
    WIRE_BATCHES = 44,
    WIRE_TYPES, /* one more than the highest */
};

enum wire_state { WIRE_RUNNING = 1, WIRE_STOPPED = 2, WIRE_READ_ONLY = 3 };

/* Whose bags a device keeps, beside its own and the fleet's. */
enum wire_keep { WIRE_KEEP_SIGNED_IN = 0, WIRE_KEEP_GROUPS = 1, WIRE_KEEP_EVERYBODY = 2 };

/* Of WELCOME: the client's history is the server's. */
#define WIRE_SAME_HISTORY UINT64_MAX

enum { WIRE_PAGE_FIRST = 1, WIRE_PAGE_LAST = 2, WIRE_PAGE_WHOLE = 4, WIRE_ROW_CONFLICT = 1 };

struct wire_position {
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

struct wire_hello {
    uint64_t version, device;
    bool has_history;
    uint8_t history[HISTORY_SIZE];
    struct wire_position position;
    uint64_t writer;
    struct span software;
    uint64_t window;
};
struct wire_join {
    uint64_t version;
    uint8_t public_key[32];
    struct span name, serial, model, software;
};
struct wire_welcome {
    uint64_t version;
    uint8_t history[HISTORY_SIZE];
    uint64_t head_seq, state, device, device_bag, fleet_bag, heartbeat_ms, window;
    uint64_t keep; /* enum wire_keep */
    bool mirror;   /* it may have the journal */
    /* Where the client's history, an ancestor of the server's, was left: what it has up to here is
     * still true. WIRE_SAME_HISTORY; also when the client named none. */
    uint64_t resume_seq;
};
/* seq: the head, or the replica's position; current: what is followed is complete to here, 0: not.
 * healed: the client's, how many bags it ever fetched anew because their digest differed.
 * newest_bag: the server's, the newest bag's that a device with `keep` has to list, or that was
 * made for one of its users on this device, 0: none. waiting: the client's, how many of its
 * operations have no outcome yet. */
struct wire_heartbeat {
    uint64_t seq, current, healed;
    union {
        uint64_t newest_bag;
        uint64_t waiting;
    };
};
struct wire_mirror {
    uint64_t seq;              /* the copy's last; where to begin behind when it holds nothing */
    bool has_hash;             /* not when it holds nothing */
    uint8_t hash[SHA256_SIZE]; /* of its batch's end */
};
struct wire_part {
    uint64_t id, total, offset;
    struct span bytes;
};
/* A list field: an array of the decoded message. */
struct wire_list {
    const msgpack_object *array;
    size_t count;
};

/* A decoded message: `type` tells which member counts. Borrowed from the bytes and `unpacked`. */
struct wire_message {
    enum wire_type type;
    uint64_t session;
    union {
        struct wire_hello hello;
        struct wire_join join;
        struct {
            uint64_t ref;
            struct span user;
            struct wire_list groups;
            uint64_t bag_id; /* the user's bag that this machine keeps, 0: none */
        } sign_in;
        struct {
            uint64_t ref, bag_id;
        } sign_out;
        struct {
            struct wire_list bags;
        } follow; /* wire_bag_at */
        struct {
            struct wire_list bags;
        } unfollow; /* wire_id_at */
        struct {
            uint64_t received;
        } credit;
        struct {
            uint64_t confirmed;
            struct wire_list operations;
        } write;
        struct wire_heartbeat heartbeat;
        struct {
            uint64_t after;
        } list;
        struct wire_mirror mirror;
        struct wire_part part;
        struct wire_welcome welcome;
        struct {
            uint64_t device;
            uint8_t history[HISTORY_SIZE];
        } joined;
        struct {
            uint64_t ref, code;
            struct span text;
            struct wire_list bags;
        } signed_in;
        struct {
            uint64_t ref, code;
            struct span text;
        } signed_out;
        struct {
            struct wire_list entries;
        } outcome; /* wire_outcome_at */
        struct {
            struct wire_position position;
            struct wire_list changes;
        } live;
        struct {
            uint64_t bag_id, flags, since, cursor;
            struct wire_position position;
            struct wire_list rows; /* wire_row_at */
        } page;
        struct {
            uint64_t bag_id, code, last_seq;
            struct span text;
            bool has_digest;
            struct digest digest;
        } bag;
        struct {
            uint64_t state;
        } state;
        struct {
            uint64_t code;
            struct span text;
            bool fatal;
        } error;
        struct {
            uint64_t code;
            bool end;
            struct wire_list bags; /* wire_owner_at */
        } owners;
        struct {
            uint64_t code, floor_seq;
            struct span text;
        } mirroring;
        struct {
            uint64_t head_seq;
            struct span bytes;
        } batches;
    };
};

struct wire_bag { /* of FOLLOW */
    uint64_t bag_id, cursor;
};
struct wire_owner { /* of SIGNED_IN and OWNERS */
    uint64_t bag_id;
    enum owner_kind kind;
    struct span shown;
    uint64_t device, last_seq;
};
/* Of an operation on a user's bag of which something landed in that user's bag on this device. */
struct wire_split {
    bool is;             /* false: all of it is in the bag that it names */
    uint64_t device_bag; /* 0: that one is gone meanwhile */
    uint64_t shared_seq; /* the user's bag has its part of it at this seq; 0: there is none */
    uint64_t device_seq; /* and this one its own; 0: it is gone */
};
struct wire_outcome {
    uint64_t number, code, seq;
    struct span text;
    struct wire_split split;
};

/* `scratch` keeps the unpacked objects: zeroed before the first use, unpack_close'd at the end,
 * reused between messages. `out` is untouched on failure. Texts of the result are UTF-8, labels
 * without control characters; sign_in.user and groups are any text (they are judged as names by who
 * registers them). Of a HELLO, JOIN or WELCOME whose version is not WIRE_VERSION only the version
 * was read. A PART may have come inside of a message that travelled in parts: the caller refuses
 * it. E_MALFORMED, E_TOO_LARGE (bytes, depth, elements) or E_NOMEM, with a sentence. */
MUST_CHECK int wire_decode(struct span bytes, struct unpacked *scratch, struct wire_message *out,
                           struct err *err);

/* Elements of lists, i < count. Shapes were checked by wire_decode where it says so above, except
 * operations and changes: operation_decode and change_decode do that. */
struct wire_bag wire_bag_at(const struct wire_list *list, size_t i);
uint64_t wire_id_at(const struct wire_list *list, size_t i);
struct span wire_group_at(const struct wire_list *list, size_t i);
struct wire_owner wire_owner_at(const struct wire_list *list, size_t i);
struct wire_outcome wire_outcome_at(const struct wire_list *list, size_t i);
void wire_row_at(const struct wire_list *list, size_t i, struct span *path, struct item_row *row);
const msgpack_object *wire_object_at(const struct wire_list *list, size_t i);

/* Encoding appends one whole message (errors stay in the buffer). Lists: begin with the count, then
 * put the elements. `code` is 0 or a code of base/err.h (negative). `text` is a sentence, NULL for
 * none: it is cut to WIRE_TEXT_MAX, and what is no UTF-8 in it becomes '?'. Labels are the caller's
 * to check (WIRE_LABEL_MAX, text_is_printable): a bad one is a mistake of ours, as is a list over
 * its limit. */
void wire_put_hello(struct buf *out, const struct wire_hello *hello);
void wire_put_join(struct buf *out, const struct wire_join *join);
void wire_put_sign_in(struct buf *out, uint64_t session, uint64_t ref, struct span user,
                      const struct span *groups, size_t group_count, uint64_t bag_id);
void wire_put_sign_out(struct buf *out, uint64_t session, uint64_t ref, uint64_t bag_id);
void wire_put_follow(struct buf *out, uint64_t session, const struct wire_bag *bags, size_t count);
void wire_put_unfollow(struct buf *out, uint64_t session, const uint64_t *bags, size_t count);
void wire_put_credit(struct buf *out, uint64_t session, uint64_t received);
void wire_begin_write(struct buf *out, uint64_t session, uint64_t confirmed, uint32_t count);
void wire_put_heartbeat(struct buf *out, uint64_t session, const struct wire_heartbeat *beat);
void wire_put_bye(struct buf *out, uint64_t session);
void wire_put_part(struct buf *out, uint64_t session, const struct wire_part *part);
void wire_put_welcome(struct buf *out, uint64_t session, const struct wire_welcome *welcome);
void wire_put_joined(struct buf *out, uint64_t device, const uint8_t history[HISTORY_SIZE]);
void wire_put_signed_in(struct buf *out, uint64_t session, uint64_t ref, int code, const char *text,
                        const struct bag_row *bags, size_t count);
void wire_put_signed_out(struct buf *out, uint64_t session, uint64_t ref, int code,
                         const char *text);
void wire_begin_outcome(struct buf *out, uint64_t session, uint32_t count);
void wire_put_outcome(struct buf *out, uint64_t number, int code, uint64_t seq, const char *text);
/* The same of one that is done (code 0) and split. */
void wire_put_outcome_split(struct buf *out, uint64_t number, uint64_t seq,
                            const struct wire_split *split);
void wire_begin_live(struct buf *out, uint64_t session, const struct wire_position *position,
                     uint32_t count);
void wire_begin_page(struct buf *out, uint64_t session, uint64_t bag_id, uint64_t flags,
                     uint64_t since, uint64_t cursor, const struct wire_position *position,
                     uint32_t count);
void wire_put_row(struct buf *out, struct span path, const struct item_row *row);
/* `digest` of the bag at last_seq; NULL: not told. */
void wire_put_bag(struct buf *out, uint64_t session, uint64_t bag_id, int code, uint64_t last_seq,
                  const char *text, const struct digest *digest);
void wire_put_state(struct buf *out, uint64_t session, enum wire_state state);
void wire_put_error(struct buf *out, uint64_t session, int code, const char *text, bool fatal);
void wire_put_list(struct buf *out, uint64_t session, uint64_t after);
void wire_put_mirror(struct buf *out, uint64_t session, const struct wire_mirror *mirror);
void wire_put_owners(struct buf *out, uint64_t session, int code, bool end,
                     const struct bag_row *bags, size_t count);
void wire_put_mirroring(struct buf *out, uint64_t session, int code, uint64_t floor_seq,
                        const char *text);
/* Ends the message: `bytes` are whole batches of the journal, verbatim, one at least. */
void wire_put_batches(struct buf *out, uint64_t session, uint64_t head_seq, struct span bytes);

/* Does this outcome code mean "not now, send it again"? Takes a code of base/err.h (negative). */
bool wire_deferred(int code);

#endif
