/* journal/operation.h - one entry of an outbox: what a client machine asks the server to write.
 *
 * Pure: its bytes lie in the outbox's file, travel in WRITE messages, and their hash tells a repeat
 * from a rolled-back disk. A msgpack array:
 *
 *   EMPTY   [number, 0]                          dropped before it was sent: only its number counts
 *   WRITE   [number, 1, bag_id, made_by, seen, writes]
 *           writes: array of [path str, value bin or nil, if_seq or nil]; nil value removes; a 1
 *           behind them: made while the category was device-specific (sharing.h)
 *   CREATE  [number, 2, owner kind, shown str]   a user or group of a machine that stood alone
 *
 * bag_id is the bag it means, or 0 and made_by is the number of the CREATE that makes it. `seen` is
 * the cursor that the writer's replica had of the bag. if_seq is a condition: the item's seq now, 0
 * for "there is none".
 */
#ifndef KITBAG_JOURNAL_OPERATION_H
#define KITBAG_JOURNAL_OPERATION_H

#include "base/pack.h"
#include "journal/owner.h"

enum operation_kind { OPERATION_EMPTY = 0, OPERATION_WRITE = 1, OPERATION_CREATE = 2 };

enum {
    OPERATION_WRITES_MAX = 10000,  /* items of one change set */
    OPERATION_BYTES_MAX = 3 << 20, /* its encoded size: with old values it fits one batch */
};

struct operation_write {
    struct span path;
    bool remove;
    struct span value;
    bool has_if_seq;
    uint64_t if_seq;
    bool device; /* made while the item's category was device-specific: of a user's bag alone */
};

/* Plain data; spans are borrowed from the bytes it was decoded from. */
struct operation {
    uint64_t number; /* from 1, rising by one */
    enum operation_kind kind;
    uint64_t bag_id;
    uint64_t made_by;
    uint64_t seen;
    struct owner owner;           /* CREATE: kind, shown, folded */
    const msgpack_object *writes; /* WRITE: the array, for operation_write_at */
    size_t write_count;
    const msgpack_object *source; /* the whole, for operation_hash */
};

/* Encoding a WRITE: begin, then `count` times operation_put_write. Errors stay in the buffer. */
void operation_begin_write(struct buf *out, uint64_t number, uint64_t bag_id, uint64_t made_by,
                           uint64_t seen, uint32_t count);
void operation_put_write(struct buf *out, const struct operation_write *write);
void operation_put_create(struct buf *out, uint64_t number, const struct owner *owner);
void operation_put_empty(struct buf *out, uint64_t number);

/* Checks shapes and counts: each write is [path str, value, if_seq] or that and 1, there are 1 to
 * 10,000, and one of bag_id and made_by is 0. Paths, values and names are judged by the committer,
 * which refuses them by name. E_MALFORMED: no operation, `out` is untouched. E_NAME (a CREATE's
 * name that does not fold) and E_TOO_LARGE (the items of a WRITE, over OPERATION_BYTES_MAX): a
 * refusal for good; `out` then has number, kind and what operation_hash needs. */
MUST_CHECK int operation_decode(const msgpack_object *object, struct operation *out,
                                struct err *err);
/* The i-th write; i < write_count. Never fails on what operation_decode returned 0 for. */
MUST_CHECK int operation_write_at(const struct operation *operation, size_t i,
                                  struct operation_write *out);

/* XXH3-64 of the content, everything but the number: elements in order, each hashed with the hash
 * so far as the seed (see operation.c). The same however the numbers in it were encoded. */
uint64_t operation_hash(const struct operation *operation);

#endif
