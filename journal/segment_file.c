/* journal/segment_file.c - making a segment's file ahead of need, and opening one after a crash. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "journal/segment_inside.h"

enum { FILL_CHUNK = 1 << 20 }; /* the pattern is written in such pieces */

/* --- making --- */

static int fill(struct segment *segment, off_t from, off_t to, struct err *err)
{
    size_t size = to - from < FILL_CHUNK ? (size_t)(to - from) : FILL_CHUNK;
    if (size == 0) {
        return 0;
    }
    uint8_t *chunk = malloc(size);
    if (chunk == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    format_fill(chunk, size, segment->file.word);
    int rc = 0;
    while (rc == 0 && from < to) {
        size = to - from < FILL_CHUNK ? (size_t)(to - from) : FILL_CHUNK;
        rc = disk_write(segment->disk, segment->fd, chunk, size, from, segment->path, err);
        from += (off_t)size;
    }
    free(chunk);
    return rc;
}

static int write_file_header(struct segment *segment, const char *path, struct err *err)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    format_put_file(header, &segment->file);
    return disk_write(segment->disk, segment->fd, header, sizeof header, 0, path, err);
}

/* From its header on it is as good as new. */
static void begin(struct segment *segment, const struct segment_id *id)
{
    segment->writable = true;
    segment->file.id = *id;
    segment->file.created_ms = clock_wall_ms(&clock_system);
    segment->next_seq = id->base_seq;
    memcpy(segment->last_hash, id->prev_hash, SHA256_SIZE);
    atomic_init(&segment->end, SEGMENT_HEADER_SIZE);
}

/* `from` becomes `path`. Behind a rename that may or may not be durable nothing can be undone:
 * that is told as E_IO. */
static int give_name(const struct disk *disk, const char *from, const char *path, struct err *err)
{
    if (disk->rename(disk->context, from, path) != 0) {
        return err_sys(err, "rename", from);
    }
    int rc = disk_sync_parent(disk, path, err);
    return rc == 0 ? 0 : segment_io_failed(err);
}

static int must_not_exist(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        return err_set(err, E_EXISTS, "'%s' exists already", path);
    }
    return errno == ENOENT ? 0 : err_sys(err, "stat", path);
}

static int create_scratch(struct segment *segment, const char *scratch, int flags, struct err *err)
{
    segment->fd = open(scratch, O_RDWR | O_CLOEXEC | flags, 0600);
    if (segment->fd < 0) {
        return err_sys(err, "open", scratch);
    }
    int rc = write_file_header(segment, scratch, err);
    if (rc == 0) {
        rc = fill(segment, SEGMENT_HEADER_SIZE, segment_file_end(segment), err);
    }
    if (rc == 0 && segment->disk->fsync(segment->disk->context, segment->fd) != 0) {
        rc = err_sys(err, "fsync", scratch);
    }
    return rc;
}

int segment_create(struct segment **out, const char *path, const struct segment_id *id,
                   uint64_t size_bytes, const struct disk *disk, struct err *err)
{
    ASSERT(out != NULL && path != NULL && id != NULL);

    size_bytes -= size_bytes % SEGMENT_SECTOR;
    char scratch[PATH_MAX];
    int len = snprintf(scratch, sizeof scratch, "%s.partial", path);
    if (len < 0 || (size_t)len >= sizeof scratch) {
        return err_set(err, E_INVALID, "path too long: '%.40s...'", path);
    }
    /* a batch of one sector, and the mark of a clean stop */
    if (size_bytes < SEGMENT_HEADER_SIZE + 2 * SEGMENT_SECTOR || size_bytes > INT64_MAX) {
        return err_set(err, E_INVALID, "'%s': a file of %llu bytes is too small or too large", path,
                       (unsigned long long)size_bytes);
    }
    struct segment *segment = NULL;
    int rc = must_not_exist(path, err);
    if (rc != 0) {
        return rc;
    }
    rc = segment_new(&segment, path, disk, err);
    if (rc != 0) {
        goto out;
    }
    segment->file.file_size = size_bytes;
    segment->file.word = random_u64();
    begin(segment, id);
    rc = create_scratch(segment, scratch, O_CREAT | O_TRUNC, err);
    if (rc == 0) {
        rc = give_name(segment->disk, scratch, path, err);
    }
    if (rc != 0) { /* best effort: a scratch file that stays is overwritten by the next attempt */
        (void)segment->disk->unlink(segment->disk->context, scratch);
        goto out;
    }
    *out = segment;
    segment = NULL;

out:
    segment_close(&segment);
    return rc;
}

int segment_recycle(const char *scratch, const char *path, const struct segment_id *id,
                    const struct disk *disk, struct err *err)
{
    ASSERT(scratch != NULL && path != NULL && id != NULL);

    struct segment *segment = NULL;
    struct stat info;
    int rc = segment_new(&segment, path, disk, err);
    if (rc == 0 && stat(scratch, &info) != 0) {
        rc = err_sys(err, "stat", scratch);
    }
    if (rc != 0) {
        goto out;
    }
    segment->file.file_size = (uint64_t)info.st_size - (uint64_t)info.st_size % SEGMENT_SECTOR;
    segment->file.word = random_u64();
    begin(segment, id);
    rc = create_scratch(segment, scratch, 0, err);
    if (rc == 0) {
        rc = give_name(segment->disk, scratch, path, err);
    }

out:
    if (rc != 0) { /* best effort: what stays is removed when the journal is opened */
        (void)(disk != NULL ? disk : &disk_system)
            ->unlink(disk != NULL ? disk->context : NULL, scratch);
    }
    segment_close(&segment);
    return rc;
}

/* --- opening --- */

static int read_file_header(struct segment *segment, struct err *err)
{
    struct stat info;
    if (fstat(segment->fd, &info) != 0) {
        return err_sys(err, "stat", segment->path);
    }
    if (info.st_size < SEGMENT_HEADER_SIZE) {
        return err_set(err, E_CORRUPT, "'%s' is damaged at offset 0: cut short to %lld bytes",
                       segment->path, (long long)info.st_size);
    }
    uint8_t header[SEGMENT_HEADER_SIZE];
    int rc = file_read_at(segment->fd, header, sizeof header, 0, segment->path, err);
    if (rc != 0) {
        return rc;
    }
    const char *why = NULL;
    rc = format_get_file(header, &segment->file, &why);
    if (rc != 0) {
        return err_set(err, rc, "'%s' at offset 0: the file's header %s", segment->path, why);
    }
    if (info.st_size != segment_file_end(segment)) {
        return err_set(err, E_CORRUPT, "'%s' is damaged: it has %lld bytes instead of %lld",
                       segment->path, (long long)info.st_size,
                       (long long)segment_file_end(segment));
    }
    return 0;
}

static int open_file(struct segment **out, const char *path, int flags, const struct disk *disk,
                     struct err *err)
{
    struct segment *segment = NULL;
    int rc = segment_new(&segment, path, disk, err);
    if (rc != 0) {
        goto out;
    }
    segment->fd = open(path, flags | O_CLOEXEC);
    if (segment->fd < 0) {
        rc = err_sys(err, "open", path);
        goto out;
    }
    rc = read_file_header(segment, err);
    if (rc != 0) {
        goto out;
    }
    atomic_init(&segment->end, segment_file_end(segment));
    *out = segment;
    segment = NULL;

out:
    segment_close(&segment);
    return rc;
}

int segment_open_read(struct segment **out, const char *path, struct err *err)
{
    ASSERT(out != NULL && path != NULL);
    return open_file(out, path, O_RDONLY, NULL, err);
}

int segment_create_from(struct segment **out, const char *spare, const char *path,
                        const struct segment_id *id, const struct disk *disk, struct err *err)
{
    ASSERT(out != NULL && spare != NULL && path != NULL && id != NULL);

    struct segment *segment = NULL;
    char *name = NULL;
    int rc = must_not_exist(path, err);
    if (rc != 0) {
        return rc;
    }
    rc = open_file(&segment, spare, O_RDWR, disk, err);
    if (rc != 0) {
        goto out;
    }
    name = strdup(path);
    if (name == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
        goto out;
    }
    begin(segment, id);
    rc = write_file_header(segment, spare, err);
    if (rc == 0 && segment->disk->fdatasync(segment->disk->context, segment->fd) != 0) {
        rc = err_sys(err, "fdatasync", spare);
    }
    if (rc == 0) {
        rc = give_name(segment->disk, spare, path, err);
    }
    if (rc != 0) {
        goto out;
    }
    free(segment->path);
    segment->path = name;
    name = NULL;
    *out = segment;
    segment = NULL;

out:
    free(name);
    segment_close(&segment);
    return rc;
}

/* Walking over the batches of a file that is opened for appending. The newest batch is held back
 * from `each` until it is certain to be on disk: two buffers take turns. */
struct replay {
    struct segment_position at;
    struct batch last; /* in bufs[which]; only when `any` */
    bool any;
    int which;
    struct buf bufs[2];
    segment_batch_fn *each;
    void *context;
};

static int replay_tell(const struct replay *replay, struct err *err)
{
    if (!replay->any || replay->each == NULL) {
        return 0;
    }
    return replay->each(replay->context, &replay->last, err);
}

/* Up to where no whole batch begins; `why` says what was found there. */
static int replay_all(struct segment *segment, struct replay *replay, struct err *why,
                      struct err *err)
{
    for (;;) {
        struct batch batch;
        struct buf *scratch = &replay->bufs[1 - replay->which];
        *why = (struct err){0};
        int rc = segment_step(segment, &replay->at, scratch, &batch, why);
        if (rc == E_NOT_FOUND || rc == E_CORRUPT || (rc == 0 && batch.clean_stop)) {
            return 0; /* for the judge */
        }
        if (rc != 0) {
            return err_set(err, rc, "%s", why->text);
        }
        rc = replay_tell(replay, err);
        if (rc != 0) {
            return rc;
        }
        replay->last = batch;
        replay->any = true;
        replay->which = 1 - replay->which;
    }
}

/* A mirror's last write had several batches perhaps: as far back as it can have begun. */
static int rewrite_group(struct segment *segment, off_t end, struct err *err)
{
    off_t from =
        end - BATCH_SIZE_MAX > SEGMENT_HEADER_SIZE ? end - BATCH_SIZE_MAX : SEGMENT_HEADER_SIZE;
    size_t size = (size_t)(end - from);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = file_read_at(segment->fd, bytes, size, from, segment->path, err);
    if (rc == 0) {
        rc = disk_write(segment->disk, segment->fd, bytes, size, from, segment->path, err);
    }
    free(bytes);
    return rc;
}

/* Pattern where the torn write or the mark was; the last whole batch once more; synced. */
static int settle(struct segment *segment, const struct replay *replay, off_t used_to,
                  struct err *err)
{
    int rc = fill(segment, replay->at.offset, used_to, err);
    if (rc == 0 && segment->file.id.purpose == SEGMENT_MIRROR) {
        rc = rewrite_group(segment, replay->at.offset, err);
    } else if (rc == 0 && replay->any) {
        const struct buf *bytes = &replay->bufs[replay->which];
        rc = disk_write(segment->disk, segment->fd, bytes->data, bytes->size, replay->last.offset,
                        segment->path, err);
    }
    if (rc == 0 && segment->disk->fdatasync(segment->disk->context, segment->fd) != 0) {
        rc = err_sys(err, "fdatasync", segment->path);
    }
    return rc;
}

static int recover(struct segment *segment, struct replay *replay, enum segment_tail *tail,
                   struct err *err)
{
    struct err why;
    int rc = replay_all(segment, replay, &why, err);
    if (rc != 0) {
        return rc;
    }
    struct tail_file file = segment_tail_file(segment);
    struct tail_verdict verdict;
    rc = tail_judge(&file, &replay->at, &verdict, err);
    if (rc == E_CORRUPT && why.code == E_CORRUPT) { /* it knows what is wrong with the batch */
        return err_set(err, rc, "%s", why.text);
    }
    if (rc != 0) {
        return rc;
    }
    rc = settle(segment, replay, verdict.used_to, err);
    if (rc != 0) {
        return rc;
    }
    rc = replay_tell(replay, err);
    if (rc != 0) {
        return rc;
    }
    *tail = verdict.tail;
    segment->writable = true;
    segment->next_seq = replay->at.seq;
    memcpy(segment->last_hash, replay->at.hash, SHA256_SIZE);
    atomic_store_explicit(&segment->end, replay->at.offset, memory_order_release);
    return 0;
}

int segment_open(struct segment **out, const char *path, const struct disk *disk,
                 segment_batch_fn *each, void *context, enum segment_tail *tail, struct err *err)
{
    ASSERT(out != NULL && path != NULL && tail != NULL);

    struct segment *segment = NULL;
    int rc = open_file(&segment, path, O_RDWR, disk, err);
    if (rc != 0) {
        return rc;
    }
    struct replay replay = {.each = each, .context = context};
    buf_init(&replay.bufs[0], BATCH_SIZE_MAX);
    buf_init(&replay.bufs[1], BATCH_SIZE_MAX);
    segment_start(segment, &replay.at);
    rc = recover(segment, &replay, tail, err);
    if (rc == 0) {
        *out = segment;
        segment = NULL;
    }
    buf_free(&replay.bufs[0]);
    buf_free(&replay.bufs[1]);
    segment_close(&segment);
    return rc;
}
