/* journal/journal_drop.c - letting go of the oldest segments.
 *
 * A folder's sync may make a later removal durable without an earlier one. So each is synced before
 * the next begins: after a crash at any moment the files are a row without gaps.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "journal/journal_inside.h"

/* From now on nobody begins to read below `below_seq`. Not the newest goes, nor the one before a
 * newest that holds nothing yet: the head is always in the row. */
static void raise_floor(struct journal *journal, uint64_t below_seq, uint64_t *floor)
{
    (void)pthread_mutex_lock(&journal->lock);
    for (;;) {
        struct piece *next = atomic_load_explicit(&journal->first->next, memory_order_acquire);
        if (next == NULL || next->id.base_seq > below_seq ||
            next->id.base_seq > journal->shown_head.seq) {
            break;
        }
        journal->stat.segments--;
        journal->stat.bytes -= (uint64_t)(atomic_load(&journal->first->end) - SEGMENT_HEADER_SIZE);
        journal->stat.leaving_bytes += (uint64_t)journal->first->file_bytes;
        journal->first = next;
    }
    if (floor != NULL) {
        *floor = journal->first->id.base_seq;
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

/* The oldest piece when nobody needs it any more. Who reads in a piece below the floor can only
 * leave it: the answer stays right. */
static struct piece *next_to_go(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    struct piece *piece = journal->oldest;
    bool goes = piece != journal->first && piece->readers == 0;
    (void)pthread_mutex_unlock(&journal->lock);
    return goes ? piece : NULL;
}

/* Its file is no longer in the row, for certain. */
static void forget(struct journal *journal, struct piece *piece)
{
    (void)pthread_mutex_lock(&journal->lock);
    journal->oldest = atomic_load(&piece->next);
    journal->stat.file_bytes -= (uint64_t)piece->file_bytes;
    journal->stat.leaving_bytes -= (uint64_t)piece->file_bytes;
    (void)pthread_mutex_unlock(&journal->lock);
    piece_free(&piece);
}

/* It was gone already when an earlier call could not sync the folder. */
static int remove_file(struct journal *journal, const struct piece *piece, struct err *err)
{
    if (journal->disk->unlink(journal->disk->context, piece->path) != 0 && errno != ENOENT) {
        return err_sys(err, "remove", piece->path);
    }
    return disk_sync_parent(journal->disk, piece->path, err);
}

/* The file becomes the next segment's. Its old name has to be gone for certain before its content
 * is overwritten. */
static int recycle(struct journal *journal, struct piece *piece, struct err *err)
{
    char scratch[PATH_MAX];
    int len = snprintf(scratch, sizeof scratch, "%s.partial", journal->prepared_path);
    if (len < 0 || (size_t)len >= sizeof scratch) {
        return err_set(err, E_INVALID, "path too long: '%.40s...'", journal->prepared_path);
    }
    if (journal->disk->rename(journal->disk->context, piece->path, scratch) != 0) {
        return err_sys(err, "rename", piece->path);
    }
    int rc = disk_sync_parent(journal->disk, piece->path, err);
    if (rc != 0) {
        return rc;
    }
    forget(journal, piece);
    struct segment_id id = {.purpose = SEGMENT_JOURNAL}; /* base seq 0: not in use yet */
    return segment_recycle(scratch, journal->prepared_path, &id, journal->disk, err);
}

/* A file that a backup shares is the backup's from now on: what is written into it would change
 * there. Nobody links one that is below the floor, so the count only falls. */
static bool is_shared(const struct piece *piece)
{
    struct stat info;
    return stat(piece->path, &info) != 0 || info.st_nlink > 1;
}

static bool can_recycle(struct journal *journal, const struct piece *piece)
{
    return (uint64_t)piece->file_bytes == journal->segment_bytes && !is_shared(piece) &&
           journal_prepare_begin(journal, true);
}

int journal_drop(struct journal *journal, uint64_t below_seq, uint64_t *floor, struct err *err)
{
    ASSERT(journal != NULL);

    raise_floor(journal, below_seq, floor);
    int rc = 0;
    for (struct piece *piece = next_to_go(journal); rc == 0 && piece != NULL;
         piece = next_to_go(journal)) {
        if (can_recycle(journal, piece)) {
            rc = recycle(journal, piece, err);
            journal_prepare_end(journal, rc == 0);
        } else {
            rc = remove_file(journal, piece, err);
            if (rc == 0) {
                forget(journal, piece);
            }
        }
    }
    return rc;
}
