/* kv/row.h - the rows of the state: keys and values as RocksDB keeps them. Pure.
 *
 * Keys begin with a letter and go on with numbers (big-endian, so that rows lie in their order):
 *
 *   'F'                            the format: version le32
 *   'M'                            the mark: position and counts, written with every batch
 *   'B' bag_id                     a bag
 *   'O' owner kind, folded name    whose bag it is -> bag_id; of a device its number for the name.
 *                                  These rows are the directory too.
 *   'C' parent, device             a user's bag of that device -> bag_id
 *   'G' bag_id                     the grave of a deleted bag: its row as it was at the end, with
 *                                  the deletion as its last change
 *   'N' owner kind, folded name,   a grave, found by whose bag it was -> bag_id: a user's and its
 *       0, bag_id                  device-specific ones together; of a device as in 'O'
 *   'D' seq                        a bag that was deleted by this change: what became of its rows
 *   'I' bag_id, path               an item or its tombstone
 *   'T' seq                        a tombstone, found by its age -> bag_id, path
 *   'W' writer                     a writer
 *   'Q' writer, number             the outcome of its operation
 *   'S' name                       a note: bytes that are somebody else's, not of the journal
 *
 * A value begins with an XXH3-64 (le64) over the rest, seeded by the key's, so that a row that was
 * spoiled, or lies under another's key, is noticed. The rest is of fixed layout, numbers le:
 *
 *   F  version 4
 *   M  history 16, seq 8, hash 32, users 8, groups 8, bags 8, items 8, bytes 8
 *   B  parent 8, last_seq 8, items 8, bytes 8, purged_to 8, digest 16, owner kind 1, device 8,
 *      shown size 1, shown, folded size 1, folded
 *   G  the same
 *   N  bag_id 8
 *   O  bag_id 8
 *   C  bag_id 8
 *   D  bag_id 8, stage 1 (enum kv_doom_stage)
 *   I  state 1 (1 live, 2 tombstone), flags 1 (1 conflict), seq 8, time_ms 8, origin 8, value
 *   T  bag_id 8, path
 *   W  device 8, highest 8, confirmed 8, begun 8
 *   Q  hash 8, code 8, seq 8, bag_id 8
 *   S  the bytes
 */
#ifndef KITBAG_KV_ROW_H
#define KITBAG_KV_ROW_H

#include "kv/kv.h"

enum {
    KV_FORMAT_VERSION = 3,
    KV_FORMAT_UNNAMED = 2, /* the same without 'N' rows: they are made when it is opened */
    KV_KEY_MAX = 1 + 8 + PATH_MAX_BYTES,
};

struct kv_key {
    size_t size;
    uint8_t data[KV_KEY_MAX];
};

/* What the keys of all rows of a kind begin with. */
struct kv_key kv_key_bags(void);
struct kv_key kv_key_graves(void);
struct kv_key kv_key_doomed_all(void);
struct kv_key kv_key_tombstones(void);

struct kv_key kv_key_format(void);
struct kv_key kv_key_mark(void);
struct kv_key kv_key_bag(uint64_t bag_id);
struct kv_key kv_key_grave(uint64_t bag_id);
/* The row that finds a grave; what the keys of all that find this owner's begin with. */
struct kv_key kv_key_named_grave(const struct owner *owner, uint64_t bag_id);
struct kv_key kv_key_named_graves(const struct owner *owner);
struct kv_key kv_key_doomed(uint64_t seq);
struct kv_key kv_key_tombstone(uint64_t seq);
struct kv_key kv_key_note(struct span name); /* at most KV_NOTE_NAME_MAX bytes; empty: of all */
struct kv_key kv_key_writer(uint64_t writer);
struct kv_key kv_key_outcome(uint64_t writer, uint64_t number);
struct kv_key kv_key_child(uint64_t parent, uint64_t device);
struct kv_key kv_key_children(uint64_t parent);        /* what the keys of all begin with */
struct kv_key kv_key_owner(const struct owner *owner); /* any kind but OWNER_USER_DEVICE */
struct kv_key kv_key_owner_named(enum owner_kind kind, const char *folded); /* at most 255 bytes */
/* `path` of at most PATH_MAX_BYTES; empty: what the keys of all items of the bag begin with. */
struct kv_key kv_key_item(uint64_t bag_id, struct span path);
struct span kv_key_span(const struct kv_key *key);
/* The path in an item's key, borrowed from it. */
struct span kv_key_path(struct span key);
/* The bag_id in the key of a bag, a grave or an item. */
uint64_t kv_key_bag_id(struct span key);
/* The seq in the key of a doomed bag or of a tombstone's row. */
uint64_t kv_key_seq(struct span key);

/* What became of a deleted bag's rows. */
enum kv_doom_stage {
    KV_DOOM_WHOLE = 0,    /* all are there, and can be brought back */
    KV_DOOM_EMPTYING = 1, /* some were removed */
    KV_DOOM_EMPTY = 2,    /* none is left but the grave */
};

struct kv_doom {
    uint64_t bag_id;
    enum kv_doom_stage stage;
};

/* Where a tombstone is. */
struct kv_place {
    uint64_t bag_id;
    struct span path; /* borrowed */
};

struct kv_mark {
    struct kv_position position;
    struct kv_counts counts;
};

/* Replace `out`'s content by the row; errors stay in the buffer. */
void kv_row_put_format(struct buf *out, struct span key, uint32_t version);
void kv_row_put_mark(struct buf *out, struct span key, const struct kv_mark *mark);
void kv_row_put_bag(struct buf *out, struct span key, const struct bag_row *bag); /* 'B', 'G' */
void kv_row_put_id(struct buf *out, struct span key, uint64_t bag_id); /* 'O', 'C', 'N' */
void kv_row_put_doom(struct buf *out, struct span key, const struct kv_doom *doom);
void kv_row_put_place(struct buf *out, struct span key, const struct kv_place *place); /* 'T' */
void kv_row_put_note(struct buf *out, struct span key, struct span bytes);
void kv_row_put_item(struct buf *out, struct span key, const struct item_row *item);
void kv_row_put_writer(struct buf *out, struct span key, const struct kv_writer *writer);
void kv_row_put_outcome(struct buf *out, struct span key, const struct kv_outcome *outcome);

/* E_CORRUPT with a sentence, `out` untouched: the checksum or the shape is wrong. */
MUST_CHECK int kv_row_get_format(struct span key, struct span row, uint32_t *version,
                                 struct err *err);
MUST_CHECK int kv_row_get_mark(struct span key, struct span row, struct kv_mark *out,
                               struct err *err);
MUST_CHECK int kv_row_get_bag(struct span key, struct span row, struct bag_row *out,
                              struct err *err);
MUST_CHECK int kv_row_get_id(struct span key, struct span row, uint64_t *bag_id, struct err *err);
MUST_CHECK int kv_row_get_doom(struct span key, struct span row, struct kv_doom *out,
                               struct err *err);
/* The path is borrowed from `row`. */
MUST_CHECK int kv_row_get_place(struct span key, struct span row, struct kv_place *out,
                                struct err *err);
/* Borrowed from `row`. */
MUST_CHECK int kv_row_get_note(struct span key, struct span row, struct span *out, struct err *err);
/* The value is borrowed from `row`. */
MUST_CHECK int kv_row_get_item(struct span key, struct span row, struct item_row *out,
                               struct err *err);
MUST_CHECK int kv_row_get_writer(struct span key, struct span row, struct kv_writer *out,
                                 struct err *err);
MUST_CHECK int kv_row_get_outcome(struct span key, struct span row, struct kv_outcome *out,
                                  struct err *err);

#endif
