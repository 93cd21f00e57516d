/* journal/journal_open.c - from the files of a folder to a journal that can be appended to. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/folder.h"
#include "journal/journal_inside.h"

/* A file that is worth nothing, if it is there. */
static int remove_file(const struct disk *disk, const char *path, struct err *err)
{
    if (disk->unlink(disk->context, path) != 0 && errno != ENOENT) {
        return err_sys(err, "remove", path);
    }
    return 0;
}

/* Scratch of a file that was being made when the process died. */
static int remove_partial(const struct disk *disk, const char *path, struct err *err)
{
    char partial[PATH_MAX];
    int len = snprintf(partial, sizeof partial, "%s.partial", path);
    if (len < 0 || (size_t)len >= sizeof partial) {
        return err_set(err, E_INVALID, "path too long: '%.40s...'", path);
    }
    return remove_file(disk, partial, err);
}

/* Keep the file that was written ahead when it is one that can be used. */
static int adopt_prepared(struct journal *journal, struct err *err)
{
    int rc = remove_partial(journal->disk, journal->prepared_path, err);
    if (rc != 0 || access(journal->prepared_path, F_OK) != 0) {
        return rc;
    }
    struct segment *segment = NULL;
    rc = segment_open_read(&segment, journal->prepared_path, NULL);
    bool usable = rc == 0 && segment_file_size(segment) == journal->segment_bytes;
    segment_close(&segment);
    if (!usable) {
        return remove_file(journal->disk, journal->prepared_path, err);
    }
    journal->prepared = PREPARED_READY;
    journal->stat.file_bytes += journal->segment_bytes;
    return 0;
}

/* The first segment of a new history. */
static int make_first(struct journal *journal, const uint8_t *new_history, struct err *err)
{
    struct segment_id id = {.purpose = SEGMENT_JOURNAL, .base_seq = 1};
    memcpy(id.history, new_history, HISTORY_SIZE);
    char path[PATH_MAX];
    int rc = folder_segment_path(path, journal->dir, id.base_seq, err);
    if (rc == 0) {
        rc = segment_create(&journal->segment, path, &id, journal->segment_bytes, journal->disk,
                            err);
    }
    if (rc == 0) { /* the folder itself may be new */
        rc = disk_sync_parent(journal->disk, journal->dir, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct piece *piece = piece_new(journal->segment, segment_end(journal->segment));
    if (piece == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    journal_link(journal, piece);
    return 0;
}

/* Is the file what its name says, and does it go on behind the one before (NULL: none)? */
static int check_id(const struct segment *segment, uint64_t seq, const struct segment_id *before,
                    struct err *err)
{
    const char *why = folder_check_id(segment_id(segment), seq, before);
    if (why == NULL) {
        return 0;
    }
    return err_set(err, E_CORRUPT, "'%s' is damaged at offset 0, where change %llu begins: %s",
                   segment_path(segment), (unsigned long long)seq, why);
}

static int open_by_seq(const struct journal *journal, uint64_t seq, struct segment **out,
                       struct err *err)
{
    char path[PATH_MAX];
    int rc = folder_segment_path(path, journal->dir, seq, err);
    return rc == 0 ? segment_open_read(out, path, err) : rc;
}

/* A full segment: the joint to the one that follows, and the times that it spans. */
static int load_full(struct journal *journal, struct segment *segment,
                     const struct segment_id *next, struct err *err)
{
    struct batch first;
    struct batch last;
    int rc = segment_check_joint(segment, next, &last, err);
    if (rc == 0) {
        rc = segment_peek(segment, SEGMENT_HEADER_SIZE, &first, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct piece *piece = piece_new(segment, last.next);
    if (piece == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    piece->first_ms = first.time_ms;
    piece->last_ms = last.time_ms;
    journal->stat.last_time_ms = last.time_ms;
    journal_link(journal, piece);
    return 0;
}

/* The row of full segments, oldest first; each joint needs the header behind it. */
static int load_full_ones(struct journal *journal, const struct folder *folder, struct err *err)
{
    struct segment *segment = NULL;
    int rc = open_by_seq(journal, folder->seqs[0], &segment, err);
    if (rc == 0) {
        rc = check_id(segment, folder->seqs[0], NULL, err);
    }
    for (size_t i = 0; rc == 0 && i + 1 < folder->count; i++) {
        struct segment *next = NULL;
        rc = open_by_seq(journal, folder->seqs[i + 1], &next, err);
        if (rc == 0) {
            rc = check_id(next, folder->seqs[i + 1], segment_id(segment), err);
        }
        if (rc == 0) {
            rc = load_full(journal, segment, segment_id(next), err);
        }
        segment_close(&segment);
        segment = next;
    }
    segment_close(&segment);
    return rc;
}

struct newest {
    struct journal *journal;
    struct piece *piece;
    uint64_t batches;
};

static int on_batch(void *context, const struct batch *batch, struct err *err)
{
    (void)err;
    struct newest *newest = context;
    struct segment_position behind = {
        .offset = batch->next,
        .seq = batch->base_seq + batch->count,
    };
    memcpy(behind.hash, batch->hash, SHA256_SIZE);
    piece_mark(newest->piece, &behind, batch->time_ms);
    if (newest->batches == 0) {
        newest->piece->first_ms = batch->time_ms;
    }
    newest->piece->last_ms = batch->time_ms;
    newest->journal->stat.last_time_ms = batch->time_ms;
    newest->batches++;
    return 0;
}

/* The segment that is appended to: verified whole, its tail settled. */
static int load_newest(struct journal *journal, uint64_t seq, struct journal_opened *opened,
                       struct err *err)
{
    struct segment *header = NULL;
    struct newest newest = {.journal = journal};
    int rc = open_by_seq(journal, seq, &header, err);
    if (rc != 0) {
        goto out;
    }
    newest.piece = piece_new(header, SEGMENT_HEADER_SIZE);
    if (newest.piece == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
        goto out;
    }
    rc = segment_open(&journal->segment, newest.piece->path, journal->disk, on_batch, &newest,
                      &opened->tail, err);
    if (rc != 0) {
        goto out;
    }
    opened->batches = newest.batches;
    atomic_store(&newest.piece->end, segment_end(journal->segment));
    journal_link(journal, newest.piece);
    newest.piece = NULL;

out:
    piece_free(&newest.piece);
    segment_close(&header);
    return rc;
}

/* Is the newest file a fork that has not got its first batch? */
static int is_begun_fork(const struct journal *journal, const struct folder *folder, bool *begun,
                         struct err *err)
{
    struct segment *before = NULL;
    struct segment *newest = NULL;
    struct buf scratch;
    *begun = false;
    buf_init(&scratch, BATCH_SIZE_MAX);
    int rc = open_by_seq(journal, folder->seqs[folder->count - 2], &before, err);
    if (rc == 0) {
        rc = open_by_seq(journal, folder->seqs[folder->count - 1], &newest, err);
    }
    if (rc != 0) {
        goto out;
    }
    if (memcmp(segment_id(newest)->history, segment_id(before)->history, HISTORY_SIZE) != 0) {
        struct segment_position at;
        struct batch batch;
        enum segment_tail tail;
        segment_start(newest, &at);
        /* what is wrong with it, opening it tells better */
        *begun = segment_step(newest, &at, &scratch, &batch, NULL) != 0 &&
                 segment_judge(newest, &at, &tail, NULL) == 0;
    }

out:
    segment_close(&before);
    segment_close(&newest);
    buf_free(&scratch);
    return rc;
}

/* Nobody was told of it: a fork is done when its first batch is on disk. */
static int undo_fork(const struct journal *journal, struct folder *folder, struct err *err)
{
    bool begun = false;
    int rc = folder->count > 1 ? is_begun_fork(journal, folder, &begun, err) : 0;
    if (rc != 0 || !begun) {
        return rc;
    }
    char path[PATH_MAX];
    rc = folder_segment_path(path, journal->dir, folder->seqs[folder->count - 1], err);
    if (rc == 0) {
        rc = remove_file(journal->disk, path, err);
    }
    if (rc == 0) {
        rc = disk_sync_parent(journal->disk, path, err);
    }
    folder->count -= rc == 0 ? 1 : 0;
    return rc;
}

static int load_folder(struct journal *journal, struct folder *folder,
                       struct journal_opened *opened, struct err *err)
{
    int rc = undo_fork(journal, folder, err);
    if (rc == 0) {
        rc = load_full_ones(journal, folder, err);
    }
    uint64_t seq = folder->seqs[folder->count - 1];
    return rc == 0 ? load_newest(journal, seq, opened, err) : rc;
}

/* A file that was being made for the very next seq may be left over, whole or in part. */
static int clean_up(struct journal *journal, struct err *err)
{
    char path[PATH_MAX];
    int rc = folder_segment_path(path, journal->dir, journal->head.seq + 1, err);
    if (rc == 0) {
        rc = remove_partial(journal->disk, path, err);
    }
    return rc == 0 ? adopt_prepared(journal, err) : rc;
}

int journal_load(struct journal *journal, const uint8_t new_history[HISTORY_SIZE],
                 struct journal_opened *opened, struct err *err)
{
    struct folder folder = {0};
    struct journal_opened found = {.tail = SEGMENT_TAIL_OPEN};
    int rc = dir_make(journal->dir, 0700, err);
    if (rc == 0) {
        rc = folder_list(&folder, journal->dir, err);
    }
    if (rc != 0) {
        goto out;
    }
    found.fresh = folder.count == 0;
    rc = found.fresh ? make_first(journal, new_history, err)
                     : load_folder(journal, &folder, &found, err);
    if (rc != 0) {
        goto out;
    }
    journal->head.seq = segment_next_seq(journal->segment) - 1;
    segment_last_hash(journal->segment, journal->head.hash);
    journal->shown_head = journal->head;
    rc = clean_up(journal, err);
    if (rc == 0) {
        *opened = found;
    }

out:
    folder_free(&folder);
    return rc;
}
