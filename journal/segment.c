/* journal/segment.c - one file of batches: appended to and read.
 *
 * Making and opening files is segment_file.c's, the bytes are format.c's, the judgement of what a
 * crash left is tail.c's.
 *
 * Who sees what: the appending thread stores `end` with release order after the sync of the bytes
 * below it; a reader loads it with acquire order and reads no byte at or above it. So a reader
 * never meets bytes that are still being written, and the two need no lock.
 */
#include "journal/segment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/segment_inside.h"

enum {
    FIRST_READ = 4096, /* one page; most batches of a lone writer fit it */
    BATCH_CAPACITY_MIN = 64 << 10,
};

int segment_new(struct segment **out, const char *path, const struct disk *disk, struct err *err)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    segment->fd = -1;
    segment->disk = disk != NULL ? disk : &disk_system;
    segment->path = strdup(path);
    *out = segment;
    return segment->path != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

void segment_close(struct segment **segment)
{
    if (segment == NULL || *segment == NULL) {
        return;
    }
    if ((*segment)->fd >= 0) {
        (void)close((*segment)->fd); /* what counts is synced */
    }
    free((*segment)->path);
    free((*segment)->batch);
    free(*segment);
    *segment = NULL;
}

int segment_io_failed(struct err *err)
{
    if (err != NULL) {
        err->code = E_IO;
    }
    return E_IO;
}

/* --- looking --- */

const struct segment_id *segment_id(const struct segment *segment)
{
    return &segment->file.id;
}

const char *segment_path(const struct segment *segment)
{
    return segment->path;
}

uint64_t segment_file_size(const struct segment *segment)
{
    return segment->file.file_size;
}

off_t segment_end(const struct segment *segment)
{
    return atomic_load_explicit(&segment->end, memory_order_acquire);
}

uint64_t segment_next_seq(const struct segment *segment)
{
    ASSERT(segment->writable);
    return segment->next_seq;
}

void segment_last_hash(const struct segment *segment, uint8_t out[SHA256_SIZE])
{
    ASSERT(segment->writable);
    memcpy(out, segment->last_hash, SHA256_SIZE);
}

/* One sector stays free for the mark of a clean stop. */
bool segment_has_room(const struct segment *segment, size_t payload_size)
{
    ASSERT(segment->writable);
    off_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    return payload_size <= BATCH_PAYLOAD_MAX &&
           end + (off_t)format_batch_size(payload_size) + SEGMENT_SECTOR <=
               segment_file_end(segment);
}

/* --- appending --- */

static int reserve(struct segment *segment, size_t size, struct err *err)
{
    if (size <= segment->batch_capacity) {
        return 0;
    }
    size_t capacity = BATCH_CAPACITY_MIN;
    while (capacity < size) {
        capacity *= 2;
    }
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    free(segment->batch);
    segment->batch = bytes;
    segment->batch_capacity = capacity;
    return 0;
}

/* The one write and the one sync. */
static int write_synced(struct segment *segment, struct span bytes, struct err *err)
{
    off_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    int rc =
        disk_write(segment->disk, segment->fd, bytes.data, bytes.size, end, segment->path, err);
    if (rc == 0 && segment->disk->fdatasync(segment->disk->context, segment->fd) != 0) {
        rc = err_sys(err, "fdatasync", segment->path);
    }
    if (rc != 0) {
        segment->failed = true;
        return segment_io_failed(err);
    }
    return 0;
}

static int failed_before(const struct segment *segment, struct err *err)
{
    return err_set(err, E_READ_ONLY,
                   "'%s' takes nothing more: writing to it failed before. Look after the disk, "
                   "then start again",
                   segment->path);
}

static int append(struct segment *segment, struct format_batch *batch, struct span payload,
                  struct err *err)
{
    if (segment->failed) {
        return failed_before(segment, err);
    }
    size_t size = format_batch_size(payload.size);
    int rc = reserve(segment, size, err);
    if (rc != 0) {
        return rc;
    }
    memcpy(batch->history, segment->file.id.history, HISTORY_SIZE);
    batch->base_seq = segment->next_seq;
    batch->payload_size = (uint32_t)payload.size;
    if (payload.size > 0) {
        memcpy(segment->batch + BATCH_HEADER_SIZE, payload.data, payload.size);
    }
    size_t used = BATCH_HEADER_SIZE + payload.size;
    memset(segment->batch + used, 0, size - used);
    format_put_batch(segment->batch, batch, segment->last_hash);
    return write_synced(segment, span_of(segment->batch, size), err);
}

static void describe(struct batch *out, const struct format_batch *batch, struct span payload,
                     off_t offset)
{
    *out = (struct batch){
        .base_seq = batch->base_seq,
        .count = batch->count,
        .clean_stop = batch->clean_stop,
        .time_ms = batch->time_ms,
        .payload = payload,
        .offset = offset,
        .next = offset + (off_t)format_batch_size(payload.size),
    };
    memcpy(out->hash, batch->hash, SHA256_SIZE);
}

int segment_append(struct segment *segment, uint32_t count, uint64_t time_ms, struct span payload,
                   struct batch *out, struct err *err)
{
    ASSERT(segment != NULL && segment->writable && !segment->stopped);
    ASSERT(count > 0 && (payload.data != NULL || payload.size == 0));

    if (payload.size > BATCH_PAYLOAD_MAX) {
        return err_set(err, E_TOO_LARGE, "a batch of %zu bytes is larger than the limit of %d",
                       payload.size, BATCH_PAYLOAD_MAX);
    }
    if (!segment->failed && !segment_has_room(segment, payload.size)) {
        return err_set(err, E_NOSPACE, "'%s' is full", segment->path);
    }
    struct format_batch batch = {.count = count, .time_ms = time_ms};
    int rc = append(segment, &batch, payload, err);
    if (rc != 0) {
        return rc;
    }
    struct batch written;
    off_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    describe(&written, &batch, payload, end);
    segment->next_seq += count;
    memcpy(segment->last_hash, batch.hash, SHA256_SIZE);
    atomic_store_explicit(&segment->end, written.next, memory_order_release);
    if (out != NULL) {
        *out = written;
    }
    return 0;
}

int segment_mark_clean(struct segment *segment, uint64_t time_ms, struct err *err)
{
    ASSERT(segment != NULL && segment->writable && !segment->stopped);

    struct format_batch mark = {.clean_stop = true, .time_ms = time_ms};
    int rc = append(segment, &mark, (struct span){NULL, 0}, err);
    segment->stopped = rc == 0;
    return rc;
}

int segment_append_group(struct segment *segment, struct span batches,
                         const struct segment_position *behind, struct err *err)
{
    ASSERT(segment != NULL && segment->writable && !segment->stopped);
    ASSERT(segment->file.id.purpose == SEGMENT_MIRROR && behind != NULL);
    ASSERT(batches.size > 0 && batches.size <= BATCH_SIZE_MAX);
    ASSERT(batches.size % SEGMENT_SECTOR == 0);

    off_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    if (segment->failed) {
        return failed_before(segment, err);
    }
    if (end + (off_t)batches.size + SEGMENT_SECTOR > segment_file_end(segment)) {
        return err_set(err, E_NOSPACE, "'%s' is full", segment->path);
    }
    int rc = write_synced(segment, batches, err);
    if (rc != 0) {
        return rc;
    }
    segment->next_seq = behind->seq;
    memcpy(segment->last_hash, behind->hash, SHA256_SIZE);
    atomic_store_explicit(&segment->end, end + (off_t)batches.size, memory_order_release);
    return 0;
}

/* --- reading --- */

static int damaged(const struct segment *segment, off_t offset, int code, const char *what,
                   const char *why, struct err *err)
{
    return err_set(err, code, "'%s' is damaged at offset %lld: %s %s", segment->path,
                   (long long)offset, what, why);
}

/* Behind what `scratch` holds. The file had these bytes when it was opened. */
static int read_more(struct segment *segment, struct buf *scratch, size_t size, off_t offset,
                     struct err *err)
{
    if (buf_reserve(scratch, size) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    uint8_t *bytes = scratch->data + scratch->size;
    int rc = file_read_at(segment->fd, bytes, size, offset, segment->path, err);
    if (rc == E_MALFORMED) {
        return damaged(segment, offset, E_CORRUPT, "the file", "was cut short", err);
    }
    scratch->size += rc == 0 ? size : 0;
    return rc;
}

/* The header's page, then the rest of the batch when there is more. */
static int read_header(struct segment *segment, off_t offset, struct buf *scratch,
                       struct format_batch *out, struct err *err)
{
    off_t end = segment_end(segment);
    if (offset >= end) {
        return err_set(err, E_NOT_FOUND, "'%s' ends at %lld", segment->path, (long long)end);
    }
    size_t size = end - offset < FIRST_READ ? (size_t)(end - offset) : FIRST_READ;
    buf_reset(scratch);
    int rc = read_more(segment, scratch, size, offset, err);
    if (rc != 0) {
        return rc;
    }
    const uint8_t *bytes = scratch->data;
    if (format_is_pattern(bytes, segment->file.word)) {
        return segment->writable
                   ? damaged(segment, offset, E_CORRUPT, "the batch there", "is gone", err)
                   : err_set(err, E_NOT_FOUND, "'%s' ends at %lld", segment->path,
                             (long long)offset);
    }
    const char *why = NULL;
    rc = format_get_batch(bytes, out, &why);
    if (rc != 0) {
        return damaged(segment, offset, rc, "the batch's header", why, err);
    }
    if (offset + (off_t)format_batch_size(out->payload_size) > end) {
        return damaged(segment, offset, E_CORRUPT, "the batch", "reaches behind the end", err);
    }
    return 0;
}

static int read_rest(struct segment *segment, off_t offset, struct buf *scratch, size_t size,
                     struct err *err)
{
    size_t have = scratch->size;
    if (size <= have) {
        buf_truncate(scratch, size);
        return 0;
    }
    return read_more(segment, scratch, size - have, offset + (off_t)have, err);
}

int segment_read(struct segment *segment, off_t offset, const uint8_t *prev_hash,
                 struct buf *scratch, struct batch *out, struct err *err)
{
    ASSERT(segment != NULL && scratch != NULL && out != NULL);
    ASSERT(offset >= SEGMENT_HEADER_SIZE && offset % SEGMENT_SECTOR == 0);
    ASSERT(scratch->max >= BATCH_SIZE_MAX);

    struct format_batch batch;
    int rc = read_header(segment, offset, scratch, &batch, err);
    if (rc != 0) {
        return rc;
    }
    rc = read_rest(segment, offset, scratch, format_batch_size(batch.payload_size), err);
    if (rc != 0) {
        return rc;
    }
    const char *why = NULL;
    if (memcmp(batch.history, segment->file.id.history, HISTORY_SIZE) != 0) {
        why = "belongs to another history";
    } else if (!format_crc_holds(scratch->data, &batch)) {
        why = "fails its checksum";
    } else if (prev_hash != NULL && !format_hash_holds(scratch->data, &batch, prev_hash)) {
        why = "does not follow the one before it: its hash is another";
    }
    if (why != NULL) {
        return damaged(segment, offset, E_CORRUPT, "the batch", why, err);
    }
    struct span payload = span_of(scratch->data + BATCH_HEADER_SIZE, batch.payload_size);
    describe(out, &batch, payload, offset);
    return 0;
}

int segment_peek(struct segment *segment, off_t offset, struct batch *out, struct err *err)
{
    ASSERT(segment != NULL && out != NULL);
    ASSERT(offset >= SEGMENT_HEADER_SIZE && offset % SEGMENT_SECTOR == 0);

    struct buf scratch;
    struct format_batch batch;
    buf_init(&scratch, FIRST_READ);
    int rc = read_header(segment, offset, &scratch, &batch, err);
    if (rc == 0) {
        describe(out, &batch, (struct span){NULL, batch.payload_size}, offset);
        out->payload = (struct span){NULL, 0};
    }
    buf_free(&scratch);
    return rc;
}

void segment_start(const struct segment *segment, struct segment_position *out)
{
    ASSERT(segment != NULL && out != NULL);
    *out = (struct segment_position){
        .offset = SEGMENT_HEADER_SIZE,
        .seq = segment->file.id.base_seq,
    };
    memcpy(out->hash, segment->file.id.prev_hash, SHA256_SIZE);
}

/* What the next batch has to follow on; NULL where a mirror began and never knew. */
static const uint8_t *hash_before(const struct segment *segment, const struct segment_position *at)
{
    static const uint8_t unknown[SHA256_SIZE];
    bool known = segment->file.id.purpose != SEGMENT_MIRROR || at->seq == 1 ||
                 memcmp(at->hash, unknown, SHA256_SIZE) != 0;
    return known ? at->hash : NULL;
}

static int step(struct segment *segment, struct segment_position *at, const uint8_t *prev_hash,
                struct buf *scratch, struct batch *out, struct err *err)
{
    ASSERT(at != NULL);

    struct batch batch;
    int rc = segment_read(segment, at->offset, prev_hash, scratch, &batch, err);
    if (rc != 0) {
        if (rc != E_NOT_FOUND) {
            (void)err_prefix(err, "change %llu: ", (unsigned long long)at->seq);
        }
        return rc;
    }
    if (batch.base_seq != at->seq) {
        return err_set(err, E_CORRUPT,
                       "'%s' is damaged at offset %lld: a batch begins with change %llu where "
                       "change %llu comes next",
                       segment->path, (long long)at->offset, (unsigned long long)batch.base_seq,
                       (unsigned long long)at->seq);
    }
    *out = batch;
    if (!batch.clean_stop) {
        at->offset = batch.next;
        at->seq += batch.count;
        memcpy(at->hash, batch.hash, SHA256_SIZE);
    }
    return 0;
}

int segment_step(struct segment *segment, struct segment_position *at, struct buf *scratch,
                 struct batch *out, struct err *err)
{
    return step(segment, at, hash_before(segment, at), scratch, out, err);
}

int segment_step_unhashed(struct segment *segment, struct segment_position *at, struct buf *scratch,
                          struct batch *out, struct err *err)
{
    return step(segment, at, NULL, scratch, out, err);
}

int segment_judge(struct segment *segment, const struct segment_position *at,
                  enum segment_tail *tail, struct err *err)
{
    ASSERT(segment != NULL && !segment->writable && tail != NULL);
    struct tail_file file = segment_tail_file(segment);
    struct tail_verdict verdict;
    int rc = tail_judge(&file, at, &verdict, err);
    if (rc == 0) {
        *tail = verdict.tail;
    }
    return rc;
}

int segment_check_joint(struct segment *segment, const struct segment_id *next, struct batch *last,
                        struct err *err)
{
    ASSERT(segment != NULL);
    struct tail_file file = segment_tail_file(segment);
    return tail_find_last(&file, next, last, err);
}
