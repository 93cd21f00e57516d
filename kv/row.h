/* kv/row.h - the rows of the state: values as RocksDB keeps them, by their keys' letters
 * (kv/key.h). Pure.
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
 *   U  device 8, time_ms 8
 *   P  the same; the device is 0
 */
#ifndef KITBAG_KV_ROW_H
#define KITBAG_KV_ROW_H

#include "kv/key.h"

enum {
    KV_FORMAT_VERSION = 4,
    KV_FORMAT_UNLINKED = 3, /* the same without 'U' and 'P' rows: they are made when it is opened */
    KV_FORMAT_UNNAMED = 2,  /* and without 'N' rows */
};

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

/* What a link's row tells beside its key. */
struct kv_link {
    uint64_t device;  /* the machine's number, of a sign-in */
    uint64_t time_ms; /* when its item was written */
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
void kv_row_put_link(struct buf *out, struct span key, const struct kv_link *link); /* 'U', 'P' */
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
MUST_CHECK int kv_row_get_link(struct span key, struct span row, struct kv_link *out,
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
