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
    memcpy(journal->history, new_history, HISTORY_SIZE);
    return 0;
}

/* Is the file what its name says, and of this history? */
static int check_id(const struct journal *journal, const struct segment *segment, uint64_t seq,
                    struct err *err)
{
    const struct segment_id *id = segment_id(segment);
    const char *why = NULL;
    if (id->purpose != SEGMENT_JOURNAL) {
        why = "it is no file of a server's journal";
    } else if (id->base_seq != seq) {
        why = "it does not begin with the change that its name tells";
    } else if (memcmp(id->history, journal->history, HISTORY_SIZE) != 0) {
        why = "it belongs to another history";
    }
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

/* The time of the first change that is there. */
static int read_first_time(struct journal *journal, struct segment *segment, struct err *err)
{
    struct buf scratch;
    struct batch batch;
    buf_init(&scratch, BATCH_SIZE_MAX);
    int rc = segment_read(segment, SEGMENT_HEADER_SIZE, NULL, &scratch, &batch, err);
    if (rc == 0) {
        journal->stat.first_time_ms = batch.clean_stop ? 0 : batch.time_ms;
    }
    buf_free(&scratch);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* A full segment: its header, and the joint to the one that follows. */
static int load_full(struct journal *journal, uint64_t seq, const struct segment_id *next,
                     struct err *err)
{
    struct segment *segment = NULL;
    struct batch last;
    int rc = open_by_seq(journal, seq, &segment, err);
    if (rc != 0) {
        goto out;
    }
    rc = check_id(journal, segment, seq, err);
    if (rc == 0) {
        rc = segment_check_joint(segment, next, &last, err);
    }
    if (rc == 0 && journal->first == NULL) {
        rc = read_first_time(journal, segment, err);
    }
    if (rc != 0) {
        goto out;
    }
    struct piece *piece = piece_new(segment, last.next);
    if (piece == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
        goto out;
    }
    journal->stat.last_time_ms = last.time_ms;
    journal_link(journal, piece);

out:
    segment_close(&segment);
    return rc;
}

/* The row of full segments, oldest first; each joint needs the header behind it. */
static int load_full_ones(struct journal *journal, const struct folder *folder, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i + 1 < folder->count; i++) {
        struct segment *next = NULL;
        rc = open_by_seq(journal, folder->seqs[i + 1], &next, err);
        if (rc == 0) {
            rc = check_id(journal, next, folder->seqs[i + 1], err);
        }
        if (rc == 0) {
            rc = load_full(journal, folder->seqs[i], segment_id(next), err);
        }
        segment_close(&next);
    }
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
    piece_mark(newest->piece, &behind);
    struct journal_stat *stat = &newest->journal->stat;
    if (newest->batches == 0 && newest->journal->first == NULL) {
        stat->first_time_ms = batch->time_ms;
    }
    stat->last_time_ms = batch->time_ms;
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

static int load_folder(struct journal *journal, const struct folder *folder,
                       struct journal_opened *opened, struct err *err)
{
    struct segment *newest = NULL;
    uint64_t seq = folder->seqs[folder->count - 1];
    int rc = open_by_seq(journal, seq, &newest, err);
    if (rc != 0) {
        return rc;
    }
    memcpy(journal->history, segment_id(newest)->history, HISTORY_SIZE);
    rc = check_id(journal, newest, seq, err);
    segment_close(&newest);
    if (rc == 0) {
        rc = load_full_ones(journal, folder, err);
    }
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
