/* journal/journal_copy.c - the journal as of one moment, in another folder, while it is written.
 *
 * Full segments never change again, so hard links do. The last one that holds a change is copied,
 * also when a newer file has begun: a fork that got no first batch is undone at the next opening,
 * and then that segment is appended to again.
 *
 * While a reader stands in the oldest segment none goes. Its file may be let go of later; its bytes
 * stay with the link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "journal/folder.h"
#include "journal/format.h"
#include "journal/journal_inside.h"

enum {
    COPY_CHUNK = 1 << 20,
    PUSH = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER,
};

/* A segment as it was when it was looked at. */
struct part {
    uint64_t base_seq;
    off_t end; /* what is synced of it, at least */
    const char *path;
};

/* What is copied. The first piece has a reader until the copy is done. */
struct plan {
    struct piece *first;
    struct part *parts;
    size_t count;
    size_t capacity;
};

/* --- which --- */

static int add_part(struct plan *plan, const struct piece *piece, off_t end, struct err *err)
{
    struct part *parts =
        array_reserve(plan->parts, &plan->capacity, plan->count + 1, sizeof *parts);
    if (parts == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    plan->parts = parts;
    plan->parts[plan->count++] = (struct part){piece->id.base_seq, end, piece->path};
    return 0;
}

static int look(struct journal *journal, struct plan *plan, struct err *err)
{
    int rc = 0;
    (void)pthread_mutex_lock(&journal->lock);
    plan->first = journal->first;
    plan->first->readers++;
    for (const struct piece *piece = plan->first; rc == 0 && piece != NULL;) {
        const struct piece *next = atomic_load_explicit(&piece->next, memory_order_acquire);
        off_t end = atomic_load_explicit(&piece->end, memory_order_acquire);
        if (end > SEGMENT_HEADER_SIZE) {
            rc = add_part(plan, piece, end, err);
        }
        piece = next;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    if (rc == 0 && plan->count == 0) {
        rc = err_set(err, E_NOT_FOUND, "the journal holds no change that could be copied");
    }
    return rc;
}

static void leave(struct journal *journal, struct plan *plan)
{
    (void)pthread_mutex_lock(&journal->lock);
    plan->first->readers--;
    (void)pthread_mutex_unlock(&journal->lock);
    free(plan->parts);
}

/* --- full segments --- */

static int link_full(const char *dir, const struct part *part, struct err *err)
{
    char path[PATH_MAX];
    int rc = folder_segment_path(path, dir, part->base_seq, err);
    if (rc != 0) {
        return rc;
    }
    return link(part->path, path) == 0 ? 0 : err_sys(err, "link", path);
}

/* --- the last one --- */

struct copy {
    struct segment *from;
    struct buf scratch;
    int fd;
    char path[PATH_MAX];
    struct segment_position at;
    uint64_t time_ms;
};

/* Whole batches, verified, up to what was synced. */
static int find_end(struct copy *copy, off_t end, struct err *err)
{
    struct batch batch;
    segment_start(copy->from, &copy->at);
    int rc = 0;
    while (rc == 0 && copy->at.offset < end) {
        rc = segment_step(copy->from, &copy->at, &copy->scratch, &batch, err);
        copy->time_ms = rc == 0 ? batch.time_ms : copy->time_ms;
    }
    return rc;
}

/* The bytes go to the disk as they are written: one large sync at the end would hold up the
 * journal's own. Whether they arrived is that sync's to say. */
static int copy_batches(struct copy *copy, const char *from, struct err *err)
{
    int rc = buf_reserve(&copy->scratch, COPY_CHUNK);
    int in = rc == 0 ? open(from, O_RDONLY | O_CLOEXEC) : -1;
    if (in < 0) {
        return rc != 0 ? err_set(err, rc, "out of memory") : err_sys(err, "open", from);
    }
    uint8_t *chunk = copy->scratch.data;
    for (off_t at = SEGMENT_HEADER_SIZE; rc == 0 && at < copy->at.offset; at += COPY_CHUNK) {
        off_t left = copy->at.offset - at;
        size_t size = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;
        rc = file_read_at(in, chunk, size, at, from, err);
        if (rc == 0) {
            rc = file_write_at(copy->fd, chunk, size, at, copy->path, err);
        }
        (void)sync_file_range(copy->fd, at, (off_t)size, PUSH);
    }
    (void)close(in); /* only read from */
    return rc;
}

/* A header with the file's size as it is here, and the mark behind the last batch, which leaves no
 * room for more: the file is full. */
static int write_ends(struct copy *copy, struct err *err)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    uint8_t mark[SEGMENT_SECTOR] = {0};
    struct format_file file = {.id = *segment_id(copy->from),
                               .file_size = (uint64_t)copy->at.offset + SEGMENT_SECTOR,
                               .created_ms = copy->time_ms,
                               .word = random_u64()};
    struct format_batch batch = {
        .clean_stop = true, .base_seq = copy->at.seq, .time_ms = copy->time_ms};
    memcpy(batch.history, file.id.history, HISTORY_SIZE);
    format_put_file(header, &file);
    format_put_batch(mark, &batch, copy->at.hash);
    int rc = file_write_at(copy->fd, mark, sizeof mark, copy->at.offset, copy->path, err);
    if (rc == 0) {
        rc = file_write_at(copy->fd, header, sizeof header, 0, copy->path, err);
    }
    if (rc == 0 && fsync(copy->fd) != 0) {
        rc = err_sys(err, "fsync", copy->path);
    }
    return rc;
}

static int copy_last(const char *dir, const struct part *part, struct journal_copied *out,
                     struct err *err)
{
    struct copy copy = {.fd = -1};
    buf_init(&copy.scratch, BATCH_SIZE_MAX);
    int rc = segment_open_read(&copy.from, part->path, err);
    if (rc == 0) {
        rc = find_end(&copy, part->end, err);
    }
    if (rc == 0) {
        rc = folder_segment_path(copy.path, dir, part->base_seq, err);
    }
    if (rc != 0) {
        goto out;
    }
    copy.fd = open(copy.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (copy.fd < 0) {
        rc = err_sys(err, "open", copy.path);
        goto out;
    }
    rc = copy_batches(&copy, part->path, err);
    if (rc == 0) {
        rc = write_ends(&copy, err);
    }
    if (rc == 0) {
        out->head.seq = copy.at.seq - 1;
        out->time_ms = copy.time_ms;
        memcpy(out->head.hash, copy.at.hash, SHA256_SIZE);
        memcpy(out->history, segment_id(copy.from)->history, HISTORY_SIZE);
    }

out:
    if (copy.fd >= 0) {
        (void)close(copy.fd); /* what counts is synced */
    }
    segment_close(&copy.from);
    buf_free(&copy.scratch);
    return rc;
}

int journal_copy(struct journal *journal, const char *dir, struct journal_copied *out,
                 struct err *err)
{
    ASSERT(journal != NULL && dir != NULL && out != NULL);

    struct plan plan = {0};
    int rc = look(journal, &plan, err);
    for (size_t i = 0; rc == 0 && i + 1 < plan.count; i++) {
        rc = link_full(dir, &plan.parts[i], err);
    }
    if (rc == 0) {
        rc = copy_last(dir, &plan.parts[plan.count - 1], out, err);
    }
    if (rc == 0) {
        out->floor = plan.parts[0].base_seq;
        out->full_files = plan.count - 1;
    }
    leave(journal, &plan);
    return rc;
}
