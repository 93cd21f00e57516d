/* journal/change.h - one entry of the journal: what happened to one item or bag at one position.
 *
 * Bytes: a msgpack array [kind, bag_id, prev, origin, actor, set_left, flags, op, body...], with
 *
 *   kind      see enum change_kind
 *   bag_id    the bag; of a BAG_CREATE the change's own seq; 0 when there is none
 *   prev      the bag's previous change, 0 for its first
 *   origin    the device it came from; 0: the server itself or an administrator
 *   actor     str, who at the server ("admin"), "" for devices; 64 bytes at most
 *   set_left  how many changes of the same change set follow directly
 *   flags     bit 0: conflict (it overwrote a version its writer had not seen)
 *   op        nil or [writer, number, hash, confirmed]
 *   body      HISTORY:     history bin16, parent bin16 (zeros: none), parent_seq, parent_hash bin32
 *             BAG_CREATE:  owner kind, shown str, folded str, device, parent bag_id
 *             BAG_DELETE:  nothing
 *             ITEM_SET:    path str, value bin, old_seq, old bin or nil
 *             ITEM_REMOVE: path str, old_seq, old bin or nil
 *             OP_VOID:     code (of base/err.h, positive)
 *
 * seq and time are the batch's: its base seq plus the index, its time. In the stream a change goes
 * alone, so there the same array is preceded by seq and time_ms, and op is nil, actor "", old nil.
 * old_seq is the seq of the row that is replaced, live or tombstone, 0 when there was none.
 */
#ifndef KITBAG_JOURNAL_CHANGE_H
#define KITBAG_JOURNAL_CHANGE_H

#include "base/hash.h"
#include "base/pack.h"
#include "journal/owner.h"

enum change_kind {
    CHANGE_HISTORY = 1,
    CHANGE_BAG_CREATE = 2,
    CHANGE_BAG_DELETE = 3,
    CHANGE_ITEM_SET = 4,
    CHANGE_ITEM_REMOVE = 5,
    CHANGE_OP_VOID = 6, /* an operation that was refused for good, or was empty: its outcome */
};

enum { HISTORY_SIZE = 16, ACTOR_MAX_BYTES = 64 };

/* Which operation of which outbox made the change. */
struct change_op {
    uint64_t writer;
    uint64_t number;
    uint64_t hash;      /* XXH3-64 of the operation's content */
    uint64_t confirmed; /* outcomes up to this number are known to the writer */
};

struct change_history {
    uint8_t id[HISTORY_SIZE];
    uint8_t parent[HISTORY_SIZE];
    uint64_t parent_seq;
    uint8_t parent_hash[SHA256_SIZE];
};

struct change {
    uint64_t seq;
    uint64_t time_ms; /* since 1970 */
    enum change_kind kind;
    bool conflict;
    bool has_op;
    bool has_old; /* old_value is there (it may be empty) */
    uint32_t set_left;
    uint64_t bag_id;
    uint64_t prev;
    uint64_t origin;
    struct span actor;
    struct change_op op;
    struct span path;  /* ITEM_SET, ITEM_REMOVE */
    struct span value; /* ITEM_SET */
    uint64_t old_seq;
    struct span old_value;
    uint64_t code;   /* OP_VOID: positive number of base/err.h */
    uint64_t parent; /* BAG_CREATE: the user's bag of a user-device bag, else 0 */
    union {
        struct owner owner;            /* BAG_CREATE */
        struct change_history history; /* HISTORY */
    };
};

enum change_form {
    CHANGE_JOURNAL, /* all fields but seq and time */
    CHANGE_STREAM,  /* seq and time first; without op, actor and old value */
};

/* Copy what a change of its kind uses: owners and histories are the bulk of the struct, and few
 * have one. What it points to is shared. */
void change_copy(struct change *to, const struct change *from);

/* Append the change's bytes; errors stay in the buffer. */
void change_encode(struct buf *out, const struct change *change, enum change_form form);

/* Read one change from an unpacked array. Spans of `out` point into the bytes it was unpacked
 * from. Of CHANGE_JOURNAL seq and time are the caller's to set (before the call: BAG_CREATE is
 * checked against seq). Everything is checked: kinds, limits, names (folded = fold(shown) is not
 * recomputed), paths, sizes. E_MALFORMED with a sentence. */
MUST_CHECK int change_decode(const msgpack_object *object, enum change_form form,
                             struct change *out, struct err *err);

/* How many msgpack objects `count` changes may have: the element budget for the guard. */
size_t change_elements_max(size_t count);

#endif
