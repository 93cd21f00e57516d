/* journal/tail.c - what the bytes behind the last whole batch mean. */
#include "journal/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "journal/format.h"

/* The file is looked at sector by sector through a window that moves over it. */
enum { WINDOW_SIZE = 256 << 10 };

struct window {
    const struct tail_file *file;
    uint8_t *bytes;
    off_t at; /* -1: nothing read yet */
};

static int window_open(struct window *window, const struct tail_file *file, struct err *err)
{
    size_t size = file->size < WINDOW_SIZE ? (size_t)file->size : WINDOW_SIZE;
    *window = (struct window){.file = file, .bytes = malloc(size), .at = -1};
    return window->bytes != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* `out` lives until the next call. */
static int window_sector(struct window *window, off_t offset, const uint8_t **out, struct err *err)
{
    const struct tail_file *file = window->file;
    ASSERT(offset % SEGMENT_SECTOR == 0 && offset >= 0 && offset < file->size);

    off_t at = offset - offset % WINDOW_SIZE;
    if (at != window->at) {
        off_t size = file->size - at < WINDOW_SIZE ? file->size - at : WINDOW_SIZE;
        window->at = -1;
        int rc = file_read_at(file->fd, window->bytes, (size_t)size, at, file->path, err);
        if (rc == E_MALFORMED) { /* it had these bytes when it was opened */
            return err_set(err, E_CORRUPT, "'%s' is damaged at offset %lld: it was cut short",
                           file->path, (long long)at);
        }
        if (rc != 0) {
            return rc;
        }
        window->at = at;
    }
    *out = window->bytes + (offset - at);
    return 0;
}

static int damaged(const struct tail_file *file, const struct segment_position *at,
                   const char *what, struct err *err)
{
    return err_set(err, E_CORRUPT, "'%s' is damaged at offset %lld, where change %llu begins: %s",
                   file->path, (long long)at->offset, (unsigned long long)at->seq, what);
}

/* What lies in a range of whole sectors. */
struct survey {
    bool pattern;  /* at least one sector shows it */
    off_t used_to; /* behind the last sector that does not; the range's start when all do */
};

static int survey(struct window *window, off_t from, off_t to, struct survey *out, struct err *err)
{
    struct survey found = {.used_to = from};
    for (off_t offset = from; offset < to; offset += SEGMENT_SECTOR) {
        const uint8_t *sector = NULL;
        int rc = window_sector(window, offset, &sector, err);
        if (rc != 0) {
            return rc;
        }
        if (format_is_pattern(sector, window->file->word)) {
            found.pattern = true;
        } else {
            found.used_to = offset + SEGMENT_SECTOR;
        }
    }
    *out = found;
    return 0;
}

/* Does a later batch begin in the range? Its header is enough: what a header was written for was
 * only ever written after the batch before it had been synced. */
static int find_later(struct window *window, off_t from, off_t to, uint64_t seq, bool *found,
                      struct err *err)
{
    *found = false;
    for (off_t offset = from; offset < to && !*found; offset += SEGMENT_SECTOR) {
        const uint8_t *sector = NULL;
        int rc = window_sector(window, offset, &sector, err);
        if (rc != 0) {
            return rc;
        }
        struct format_batch batch;
        const char *why = NULL;
        *found = format_get_batch(sector, &batch, &why) == 0 && batch.base_seq > seq &&
                 memcmp(batch.history, window->file->history, HISTORY_SIZE) == 0;
    }
    return 0;
}

/* The sector at `at` shows the pattern: nothing was written there, or the crash kept the first
 * sector of the last write and let others through. */
static int judge_pattern(struct window *window, const struct segment_position *at,
                         struct tail_verdict *out, struct err *err)
{
    const struct tail_file *file = window->file;
    struct survey behind;
    int rc = survey(window, at->offset, file->size, &behind, err);
    if (rc != 0) {
        return rc;
    }
    if (behind.used_to == at->offset) {
        *out = (struct tail_verdict){.tail = SEGMENT_TAIL_OPEN, .used_to = at->offset};
        return 0;
    }
    if (behind.used_to - at->offset > BATCH_SIZE_MAX) {
        return damaged(file, at, "nothing is there, but further behind there is", err);
    }
    bool later = false;
    if (!file->grouped) {
        rc = find_later(window, at->offset + SEGMENT_SECTOR, behind.used_to, at->seq, &later, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (later) {
        return damaged(file, at, "nothing is there, but a later change is behind it", err);
    }
    *out = (struct tail_verdict){.tail = SEGMENT_TAIL_TORN, .used_to = behind.used_to};
    return 0;
}

static int judge_mark(struct window *window, const struct segment_position *at,
                      const struct format_batch *mark, struct tail_verdict *out, struct err *err)
{
    const struct tail_file *file = window->file;
    if (memcmp(mark->hash, at->hash, SHA256_SIZE) != 0) {
        return damaged(file, at, "the mark of a clean stop there belongs to other changes", err);
    }
    off_t behind = at->offset + SEGMENT_SECTOR;
    struct survey rest;
    int rc = survey(window, behind, file->size, &rest, err);
    if (rc != 0) {
        return rc;
    }
    if (rest.used_to != behind) {
        return damaged(file, at, "something is behind the mark of a clean stop", err);
    }
    *out = (struct tail_verdict){.tail = SEGMENT_TAIL_CLEAN, .used_to = behind};
    return 0;
}

/* Its header is whole (a sector is written whole or not), so its size can be believed. */
static int judge_batch(struct window *window, const struct segment_position *at,
                       const struct format_batch *batch, struct tail_verdict *out, struct err *err)
{
    const struct tail_file *file = window->file;
    off_t end = at->offset + (off_t)format_batch_size(batch->payload_size);
    if (end > file->size) {
        return damaged(file, at, "the batch there is larger than the file", err);
    }
    struct survey inside;
    struct survey behind;
    int rc = survey(window, at->offset, end, &inside, err);
    if (rc == 0) {
        rc = survey(window, end, file->size, &behind, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!inside.pattern) {
        return damaged(file, at, "the batch there was whole once", err);
    }
    off_t most = file->grouped ? at->offset + BATCH_SIZE_MAX : end;
    if (behind.used_to > most) {
        return damaged(file, at, "the batch there is not whole, and more is behind it", err);
    }
    *out = (struct tail_verdict){.tail = SEGMENT_TAIL_TORN, .used_to = behind.used_to};
    return 0;
}

static int judge(struct window *window, const struct segment_position *at, struct tail_verdict *out,
                 struct err *err)
{
    const struct tail_file *file = window->file;
    const uint8_t *sector = NULL;
    int rc = window_sector(window, at->offset, &sector, err);
    if (rc != 0) {
        return rc;
    }
    if (format_is_pattern(sector, file->word)) {
        return judge_pattern(window, at, out, err);
    }
    struct format_batch batch;
    const char *why = NULL;
    rc = format_get_batch(sector, &batch, &why);
    if (rc != 0) {
        (void)err_set(err, rc, "'%s' at offset %lld, where change %llu begins: the header %s",
                      file->path, (long long)at->offset, (unsigned long long)at->seq, why);
        return rc;
    }
    if (memcmp(batch.history, file->history, HISTORY_SIZE) != 0) {
        return damaged(file, at, "the batch there belongs to another history", err);
    }
    if (batch.base_seq != at->seq) {
        return damaged(file, at, "the batch there begins with another change", err);
    }
    return batch.clean_stop ? judge_mark(window, at, &batch, out, err)
                            : judge_batch(window, at, &batch, out, err);
}

int tail_judge(const struct tail_file *file, const struct segment_position *at,
               struct tail_verdict *out, struct err *err)
{
    ASSERT(file != NULL && at != NULL && out != NULL);
    ASSERT(at->offset >= SEGMENT_HEADER_SIZE && at->offset <= file->size);

    if (at->offset == file->size) { /* full to the last sector */
        *out = (struct tail_verdict){.tail = SEGMENT_TAIL_OPEN, .used_to = at->offset};
        return 0;
    }
    struct window window;
    int rc = window_open(&window, file, err);
    if (rc == 0) {
        rc = judge(&window, at, out, err);
    }
    free(window.bytes);
    return rc;
}

/* Back from the end of the file over the sectors that show the pattern. */
static int find_used(struct window *window, off_t *used_to, struct err *err)
{
    off_t offset = window->file->size;
    while (offset > SEGMENT_HEADER_SIZE) {
        const uint8_t *sector = NULL;
        int rc = window_sector(window, offset - SEGMENT_SECTOR, &sector, err);
        if (rc != 0) {
            return rc;
        }
        if (!format_is_pattern(sector, window->file->word)) {
            break;
        }
        offset -= SEGMENT_SECTOR;
    }
    *used_to = offset;
    return 0;
}

/* A value can look like a header, but can't hold the hash of the batch it lies in: what carries
 * the hash that the next file asks for is the batch. */
static bool is_last(const struct window *window, const struct format_batch *batch, off_t offset,
                    off_t used_to, const struct segment_id *next)
{
    return !batch->clean_stop && batch->base_seq + batch->count == next->base_seq &&
           memcmp(batch->history, window->file->history, HISTORY_SIZE) == 0 &&
           memcmp(batch->hash, next->prev_hash, SHA256_SIZE) == 0 &&
           offset + (off_t)format_batch_size(batch->payload_size) == used_to;
}

static int find_last(struct window *window, const struct segment_id *next, struct batch *last,
                     struct err *err)
{
    off_t used_to = 0;
    int rc = find_used(window, &used_to, err);
    if (rc != 0) {
        return rc;
    }
    off_t least = used_to - BATCH_SIZE_MAX;
    least = least > SEGMENT_HEADER_SIZE ? least : SEGMENT_HEADER_SIZE;
    for (off_t offset = used_to - SEGMENT_SECTOR; offset >= least; offset -= SEGMENT_SECTOR) {
        const uint8_t *sector = NULL;
        rc = window_sector(window, offset, &sector, err);
        if (rc != 0) {
            return rc;
        }
        struct format_batch batch;
        const char *why = NULL;
        if (format_get_batch(sector, &batch, &why) == 0 &&
            is_last(window, &batch, offset, used_to, next)) {
            *last = (struct batch){.base_seq = batch.base_seq,
                                   .count = batch.count,
                                   .time_ms = batch.time_ms,
                                   .offset = offset,
                                   .next = used_to};
            memcpy(last->hash, batch.hash, SHA256_SIZE);
            return 0;
        }
    }
    return err_set(err, E_CORRUPT,
                   "'%s' is damaged before offset %lld: it does not end with change %llu, which "
                   "the next file follows",
                   window->file->path, (long long)used_to,
                   (unsigned long long)(next->base_seq - 1));
}

int tail_find_last(const struct tail_file *file, const struct segment_id *next, struct batch *last,
                   struct err *err)
{
    ASSERT(file != NULL && next != NULL && last != NULL);

    struct window window;
    int rc = window_open(&window, file, err);
    if (rc == 0) {
        rc = find_last(&window, next, last, err);
    }
    free(window.bytes);
    return rc;
}
