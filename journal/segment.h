/* journal/segment.h - one file of batches: written ahead, appended, read, and judged after a crash.
 *
 * The server's journal is a row of segments; a client machine's outbox is one. The byte format is
 * described at the head of format.c and in docs/journal-format.md.
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
#include "journal/disk.h"
#include "journal/lineage.h"

enum {
    SEGMENT_HEADER_SIZE = 4096,
    SEGMENT_SECTOR = 512, /* batches begin on one; what a disk writes whole or not */
    BATCH_HEADER_SIZE = 88,
    BATCH_PAYLOAD_MAX = 4 << 20,                         /* and 4 MiB at most */
    BATCH_SIZE_MAX = BATCH_PAYLOAD_MAX + SEGMENT_SECTOR, /* in the file, with header and zeros */
};

enum segment_purpose { SEGMENT_JOURNAL = 1, SEGMENT_OUTBOX = 2, SEGMENT_MIRROR = 3 };

struct segment_id {
    enum segment_purpose purpose;
    uint8_t history[HISTORY_SIZE];
    uint64_t base_seq; /* of its first batch */
    /* Of the batch before its first; zeros at the start. Zeros with another base seq: it is not
     * known (a mirror that began there), and the first batch's hash is taken as it is. */
    uint8_t prev_hash[SHA256_SIZE];
    struct lineage lineage;
};

struct batch {
    uint64_t base_seq;
    uint32_t count; /* of changes; 0 for the mark of a clean stop */
    bool clean_stop;
    uint64_t time_ms;
    uint8_t hash[SHA256_SIZE]; /* chained: over the previous hash, this header, this payload */
    struct span payload;
    off_t offset; /* of its header in the file */
    off_t next;   /* where the next batch begins */
};

/* Where a reader stands: the next batch begins at `offset` with `seq`, behind `hash`. */
struct segment_position {
    off_t offset;
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

/* What opening found behind the last whole batch. */
enum segment_tail {
    SEGMENT_TAIL_CLEAN, /* the mark of a clean stop, and pattern behind it */
    SEGMENT_TAIL_OPEN,  /* pattern: it was killed between writes */
    SEGMENT_TAIL_TORN,  /* a write the crash cut short: has been overwritten with the pattern */
};

struct segment;

/* Make a file of `size_bytes` (rounded down to sectors), pre-written with the pattern, synced, and
 * open for appending. A file that is there is an error (E_EXISTS); it appears under its name only
 * when it is whole ("<path>.partial" is used as scratch). E_INVALID: too small for a batch. E_IO
 * may leave the file under its name; any other error leaves nothing. */
MUST_CHECK int segment_create(struct segment **out, const char *path, const struct segment_id *id,
                              uint64_t size_bytes, const struct disk *disk, struct err *err);

/* The same from a file that segment_create made ahead of need at `spare` (any id, no batch in it):
 * gives it this id and the name `path`. Costs a write, a sync, a rename. E_IO may leave it under
 * either name; after any other error it is still at `spare`, as it was. */
MUST_CHECK int segment_create_from(struct segment **out, const char *spare, const char *path,
                                   const struct segment_id *id, const struct disk *disk,
                                   struct err *err);

/* The same from the file at `scratch`, of the size wanted, whatever it holds: it is made as good as
 * new and gets the name `path`. It saves the disk the work of finding room. After an error it is
 * gone, or E_IO: it may be at `path`. */
MUST_CHECK int segment_recycle(const char *scratch, const char *path, const struct segment_id *id,
                               const struct disk *disk, struct err *err);

/* Open for appending: reads and verifies all batches (CRC, hashes, order), settles the tail: a torn
 * one is overwritten with the pattern, so is the mark of a clean stop; the last whole batch is
 * written again (its bytes may only have been in the page cache); all is synced. `each` (may be
 * NULL) sees every batch, the last one when it is on disk for certain; its payload lives during
 * the call. E_CORRUPT names file, offset and seq; E_FORMAT a newer version; the file is then
 * untouched. A non-zero result of `each` is returned as it is. */
typedef int segment_batch_fn(void *context, const struct batch *batch, struct err *err);
MUST_CHECK int segment_open(struct segment **out, const char *path, const struct disk *disk,
                            segment_batch_fn *each, void *context, enum segment_tail *tail,
                            struct err *err);

/* Open to read only, and change nothing: for verify, and for the segments that are full. */
MUST_CHECK int segment_open_read(struct segment **out, const char *path, struct err *err);
void segment_close(struct segment **segment);

const struct segment_id *segment_id(const struct segment *segment);
const char *segment_path(const struct segment *segment);
uint64_t segment_file_size(const struct segment *segment);
/* Where the next batch will begin; of one that is open to read only, the end of the file. */
off_t segment_end(const struct segment *segment);
/* Of one that is open for appending. */
uint64_t segment_next_seq(const struct segment *segment);
void segment_last_hash(const struct segment *segment, uint8_t out[SHA256_SIZE]);
bool segment_has_room(const struct segment *segment, size_t payload_size);

/* One write, one fdatasync. `out` (may be NULL) tells the batch as it was written, payload
 * borrowed from the caller. E_NOSPACE (no room in the file: the caller rolls; nothing was written),
 * E_TOO_LARGE, E_IO (nothing more is taken), E_READ_ONLY (after such a failure). */
MUST_CHECK int segment_append(struct segment *segment, uint32_t count, uint64_t time_ms,
                              struct span payload, struct batch *out, struct err *err);
/* The mark after which nothing is torn. It is the last thing: nothing may be appended before the
 * file is opened again. There is always room for it. */
MUST_CHECK int segment_mark_clean(struct segment *segment, uint64_t time_ms, struct err *err);

/* Batches that another machine made, as they have to lie in the file (padded, BATCH_SIZE_MAX in all
 * at most), verified by the caller; `behind` is where the next one follows (its offset is not
 * read). One write, one fdatasync. Of a mirror's file alone, since only there a crash in the middle
 * is judged rightly. Errors as of segment_append. */
MUST_CHECK int segment_append_group(struct segment *segment, struct span batches,
                                    const struct segment_position *behind, struct err *err);

/* Read and verify (CRC) the batch at `offset` into `scratch` (its maximum at least BATCH_SIZE_MAX);
 * `prev_hash` not NULL: verify the chained hash as well. The payload lives in `scratch`. Safe from
 * several threads, each with its own scratch, while one appends. E_NOT_FOUND: the end (segment_end,
 * or pattern). E_CORRUPT, E_FORMAT; E_IO. */
MUST_CHECK int segment_read(struct segment *segment, off_t offset, const uint8_t *prev_hash,
                            struct buf *scratch, struct batch *out, struct err *err);

/* What the batch's header at `offset` tells, by its own checksum; the payload is not read. Errors
 * as of segment_read. */
MUST_CHECK int segment_peek(struct segment *segment, off_t offset, struct batch *out,
                            struct err *err);

/* Before the first batch. */
void segment_start(const struct segment *segment, struct segment_position *out);
/* Step over the next batch, verified with its hash and its seq. `at` moves only with success, and
 * not over a mark of a clean stop (which is told as a batch). Errors as of segment_read. */
MUST_CHECK int segment_step(struct segment *segment, struct segment_position *at,
                            struct buf *scratch, struct batch *out, struct err *err);
/* The same, but that the hash is not worked out: it is believed as the header tells it, under the
 * checksum. For bytes that go to somebody who verifies the chain. */
MUST_CHECK int segment_step_unhashed(struct segment *segment, struct segment_position *at,
                                     struct buf *scratch, struct batch *out, struct err *err);

/* What is at `at`, where no whole batch begins: an end, a torn write, or E_CORRUPT with a sentence
 * that names file, offset and seq. Reads only. Of one that is open to read only. */
MUST_CHECK int segment_judge(struct segment *segment, const struct segment_position *at,
                             enum segment_tail *tail, struct err *err);

/* Of a full segment that `next` follows: find its last batch and check the joint, without reading
 * the rest. `last` is told without its payload. E_CORRUPT: it does not end where `next` begins. */
MUST_CHECK int segment_check_joint(struct segment *segment, const struct segment_id *next,
                                   struct batch *last, struct err *err);

#endif
