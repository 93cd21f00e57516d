/* journal/snapshot_format.h - the bytes of a snapshot file: header, heads of blocks, records, end.
 *
 * Pure: no file is touched, nothing is encrypted. The layout stands at the head of
 * snapshot_format.c.
 */
#ifndef KITBAG_JOURNAL_SNAPSHOT_FORMAT_H
#define KITBAG_JOURNAL_SNAPSHOT_FORMAT_H

#include "journal/snapshot.h"

enum {
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_START_SIZE = 16,                              /* magic, version, size of the header */
    SNAPSHOT_HEADER_MAX = 4096,                            /* bytes of its msgpack */
    SNAPSHOT_HEAD_SIZE = 16,                               /* of a block */
    SNAPSHOT_STORED_MAX = SNAPSHOT_BLOCK_MAX + (64 << 10), /* what a full block may be stored as */
    SNAPSHOT_BLOCK_WANTED = 256 << 10, /* a block ends when it has so many bytes ... */
    SNAPSHOT_RECORDS_MAX = 8192,       /* ... or so many records */
    SNAPSHOT_SALT_SIZE = 16,
    SNAPSHOT_TAG_SIZE = 16, /* of AES-256-GCM */
    SNAPSHOT_SIGNATURE_SIZE = 64,
    /* What heads and small fields may add to the items of an operation, which have
     * OPERATION_BYTES_MAX: its bytes still lie in one block. */
    SNAPSHOT_OPERATION_MORE = 512 << 10,
};

/* How the key of a sealed file comes about, and whether it is the right one. */
struct snapshot_lock {
    uint64_t log_n, r, p; /* scrypt's; 0 with SNAPSHOT_KEY */
    uint8_t salt[SNAPSHOT_SALT_SIZE];
    uint8_t check[SNAPSHOT_TAG_SIZE]; /* what the right key makes of nothing */
};

/* Appends the start, the header and their checksum; errors stay in the buffer. `lock` is not looked
 * at when the file is open. */
void snapshot_put_header(struct buf *out, const struct snapshot_header *header,
                         const struct snapshot_lock *lock);
/* From the first SNAPSHOT_START_SIZE bytes: how many bytes the header has in all, with start and
 * checksum. E_MALFORMED, E_FORMAT; `why` then completes "the file ...". */
MUST_CHECK int snapshot_header_size(const uint8_t *start, size_t *size, const char **why);
/* From all of these bytes. */
MUST_CHECK int snapshot_get_header(struct span bytes, struct snapshot_header *header,
                                   struct snapshot_lock *lock, const char **why);

enum snapshot_block_kind { SNAPSHOT_BLOCK_RECORDS = 1, SNAPSHOT_BLOCK_END = 2 };

struct snapshot_block {
    enum snapshot_block_kind kind;
    uint32_t stored_size; /* of what follows the head */
    uint32_t plain_size;  /* of what it unpacks to */
    uint32_t crc;
};
/* All SNAPSHOT_HEAD_SIZE bytes. */
void snapshot_put_block(uint8_t *out, const struct snapshot_block *block);
/* E_MALFORMED: no such kind, sizes over the limits. */
MUST_CHECK int snapshot_get_block(const uint8_t *head, struct snapshot_block *out);
/* The checksum of the block with this number: its head without the checksum, and what follows. */
uint32_t snapshot_block_crc(const uint8_t *head, uint64_t number, struct span stored);

/* --- records of a block: an array of them --- */

void snapshot_put_bag_record(struct buf *out, const struct snapshot_bag *bag);
void snapshot_put_item_record(struct buf *out, struct span path, const struct item_row *row);
void snapshot_put_bag_end_record(struct buf *out, const struct snapshot_bag *bag);
void snapshot_put_operation_record(struct buf *out, uint64_t number, struct span bytes);
/* The number of records, which stands before them: SNAPSHOT_COUNT_SIZE bytes. */
enum { SNAPSHOT_COUNT_SIZE = 5 };
void snapshot_put_count(uint8_t *out, uint32_t count);
/* Guards and unpacks a block; the walk is over its records. E_MALFORMED, E_TOO_LARGE, E_NOMEM. */
MUST_CHECK int snapshot_get_records(struct span plain, struct unpacked *scratch, struct walk *out);
/* One record. A BAG fills `bag`, a BAG_END of it what that tells alone. Shapes, names, paths and
 * sizes are checked; what has to fit to other records is not. E_MALFORMED, E_PATH, E_NAME,
 * E_TOO_LARGE with a sentence. */
MUST_CHECK int snapshot_get_record(const msgpack_object *object, struct snapshot_record *out,
                                   struct snapshot_bag *bag, struct err *err);

/* --- the end --- */

void snapshot_put_counts(struct buf *out, const struct snapshot_counts *counts);
MUST_CHECK int snapshot_get_counts(struct span bytes, struct snapshot_counts *out);
bool snapshot_counts_equal(const struct snapshot_counts *a, const struct snapshot_counts *b);

#endif
