/* journal/segment.h - one file of batches: written ahead, appended, read, and judged after a crash.
 *
 * The server's journal is a row of segments; a client machine's outbox is one. The byte format is
 * described at the head of segment.c and in docs/journal-format.md.
 *
 * Keeps true: a batch that segment_append returned 0 for is on disk. After a failed write or sync
 * the segment takes nothing more: what the disk holds is unknown until it is opened again.
 *
 * One thread appends; others may read batches below segment_end at the same time.
 */
#ifndef KITBAG_JOURNAL_SEGMENT_H
#define KITBAG_JOURNAL_SEGMENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "journal/change.h"
#include "journal/disk.h"

enum {
    SEGMENT_HEADER_SIZE = 4096,
    SEGMENT_SECTOR = 512,          /* batches begin on one; what a disk writes whole or not */
    BATCH_HEADER_SIZE = 88,
    BATCH_PAYLOAD_MAX = 4 << 20,   /* and 4 MiB at most */
};

enum segment_purpose { SEGMENT_JOURNAL = 1, SEGMENT_OUTBOX = 2 };

struct segment_id {
    enum segment_purpose purpose;
    uint8_t history[HISTORY_SIZE];
    uint64_t base_seq;                /* of its first batch */
    uint8_t prev_hash[SHA256_SIZE];   /* of the batch before its first; zeros at the start */
};

struct batch {
    uint64_t base_seq;
    uint32_t count;      /* of changes; 0 for the mark of a clean stop */
    bool clean_stop;
    uint64_t time_ms;
    uint8_t hash[SHA256_SIZE]; /* chained: over the previous hash, this header, this payload */
    struct span payload;
    off_t offset;        /* of its header in the file */
    off_t next;          /* where the next batch begins */
};

/* What opening found behind the last whole batch. */
enum segment_tail {
    SEGMENT_TAIL_CLEAN, /* the mark of a clean stop, and pattern behind it */
    SEGMENT_TAIL_OPEN,  /* pattern: it was killed between writes */
    SEGMENT_TAIL_TORN,  /* a write the crash cut short: has been overwritten with the pattern */
};

struct segment;

/* Make a file of `size_bytes`, pre-written with the pattern, synced, and open for appending. A
 * file that is there is an error (E_EXISTS); it appears under its name only when it is whole. */
MUST_CHECK int segment_create(struct segment **out, const char *path, const struct segment_id *id,
                              uint64_t size_bytes, const struct disk *disk, struct err *err);

/* Open for appending: reads and verifies all batches (CRC, hashes, order), settles the tail: a torn
 * one is overwritten with the pattern and synced; the last whole batch is written again and
 * synced (its bytes may only have been in the page cache). `each` (may be NULL) sees every batch.
 * E_CORRUPT names file, offset and seq; E_FORMAT a newer version; the file is then untouched. */
typedef int segment_batch_fn(void *context, const struct batch *batch, struct err *err);
MUST_CHECK int segment_open(struct segment **out, const char *path, const struct disk *disk,
                            segment_batch_fn *each, void *context, enum segment_tail *tail,
                            struct err *err);

/* Open to read only, and change nothing: for verify, and for the segments that are full. */
MUST_CHECK int segment_open_read(struct segment **out, const char *path, struct err *err);
void segment_close(struct segment **segment);

const struct segment_id *segment_id(const struct segment *segment);
const char *segment_path(const struct segment *segment);
off_t segment_end(const struct segment *segment);       /* where the next batch will begin */
uint64_t segment_next_seq(const struct segment *segment);
void segment_last_hash(const struct segment *segment, uint8_t out[SHA256_SIZE]);
bool segment_has_room(const struct segment *segment, size_t payload_size);

/* One write, one fdatasync. `out` (may be NULL) tells the batch as it was written, payload
 * borrowed from the caller. E_NOSPACE (no room in the file: the caller rolls; nothing was written),
 * E_TOO_LARGE, E_IO (nothing more is taken), E_READ_ONLY (after such a failure). */
MUST_CHECK int segment_append(struct segment *segment, uint32_t count, uint64_t time_ms,
                              struct span payload, struct batch *out, struct err *err);
/* The mark after which nothing is torn. */
MUST_CHECK int segment_mark_clean(struct segment *segment, uint64_t time_ms, struct err *err);

/* Read and verify (CRC) the batch at `offset` into `scratch` (its maximum at least a batch's);
 * `prev_hash` not NULL: verify the chained hash as well. E_NOT_FOUND: the end (pattern, or
 * segment_end of one that is open for appending). E_CORRUPT. */
MUST_CHECK int segment_read(struct segment *segment, off_t offset, const uint8_t *prev_hash,
                            struct buf *scratch, struct batch *out, struct err *err);

#endif
