/* journal/journal_inside.h - the inside of struct journal, for the files that are made of it:
 * journal.c (append, roll), journal_open.c (open), cursor.c (follow the tail, find a hash).
 * journal_drop.c (let go of the oldest), journal_history.c (fork, tell about segments).
 *
 * The segments are a row of `piece`s, oldest first, linked by `next`. It grows at the newest, and
 * loses the oldest:
 *
 *   oldest ... first ... newest        oldest: of those whose files are there
 *                                      first: the floor; readers begin here or behind it
 *
 * journal_drop moves `first` on, then removes files and pieces from `oldest` on, one by one, up to
 * the first that has a reader. So what a reader stands in is there, and all that is behind it, and
 * the files are a row without gaps at any moment. Those who read are counted under the lock.
 *
 * A cursor goes on in the row without a lock. It relies on this order:
 *
 *   the committer  1. syncs a batch  2. stores the piece's `end` (release)
 *   and to roll    3. makes the new piece  4. stores the old piece's `next` (release); from then
 *                  on the old piece's `end` stands still
 *   the cursor     a. loads `next` (acquire)  b. loads `end` (acquire): below it everything is
 *                  synced. At `end` it goes on to `next` if (a) found one: then (b) was final
 */
#ifndef KITBAG_JOURNAL_JOURNAL_INSIDE_H
#define KITBAG_JOURNAL_JOURNAL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/journal.h"

enum {
    MARK_DISTANCE = 256 << 10,           /* bytes between two marks, at least */
    JOURNAL_SEGMENT_BYTES_MIN = 8 << 20, /* room for the largest batch, twice over */
};

/* A place to start reading from. */
struct mark {
    struct segment_position at;
    uint64_t time_ms; /* of the batch before it */
};

/* One segment of the folder. */
struct piece {
    /* Fixed. */
    struct segment_id id;
    char *path;
    off_t file_bytes;
    /* Shared without a lock; see above. */
    _Atomic(off_t) end; /* of what is synced */
    _Atomic(struct piece *) next;
    /* Under the journal's lock. */
    unsigned readers;
    uint64_t first_ms; /* times of its first and last batch; 0: it holds none */
    uint64_t last_ms;
    struct mark *marks; /* rising, MARK_DISTANCE apart */
    size_t mark_count;
    size_t mark_capacity;
};

enum prepared { PREPARED_NONE, PREPARED_MAKING, PREPARED_READY };

struct journal {
    /* Fixed once it is open. */
    char *dir;
    char *prepared_path;
    uint64_t segment_bytes;
    const struct disk *disk;
    /* The committer's. */
    struct segment *segment; /* the newest piece, open for appending */
    struct journal_position head;
    /* Everybody's. */
    atomic_bool failed;

    /* Guards what stands below. Needed because sessions and web pages ask for the head, for hashes
     * and for counters while the committer appends, and because housekeeping makes the file that
     * the committer takes. Held for a few copies only, never over a call to the disk. */
    pthread_mutex_t lock;
    pthread_cond_t prepared_changed; /* `prepared` is no longer MAKING */
    enum prepared prepared;
    struct piece *oldest;
    struct piece *first;
    struct piece *newest;
    struct journal_position shown_head; /* a copy of `head` */
    struct journal_stat stat;
};

/* A piece that is not in the row yet; NULL when out of memory. */
struct piece *piece_new(const struct segment *segment, off_t end);
void piece_free(struct piece **piece);

/* Put a mark when the last one is far enough away. Under the lock, or before anybody else can see
 * the piece. Marks only save time: without memory there is none. */
void piece_mark(struct piece *piece, const struct segment_position *position, uint64_t time_ms);

/* The seq of the piece's last change; base seq - 1 when it holds none. Under the lock. */
uint64_t piece_last_seq(const struct journal *journal, const struct piece *piece);

/* The history, ancestors and hash of a segment that goes on behind the head. */
void journal_next_id(const struct journal *journal, struct segment_id *out);

/* On to a new segment with this id. Any failure but E_IO leaves the journal as it was. */
MUST_CHECK int journal_roll(struct journal *journal, const struct segment_id *id, struct err *err);

/* "Writing failed before", E_READ_ONLY. */
int journal_failed_before(struct err *err);

/* The file that is made ahead: is it this thread's to make (when there is none yet and, unless
 * `now`, it is time to), and: it is done. */
bool journal_prepare_begin(struct journal *journal, bool now);
void journal_prepare_end(struct journal *journal, bool ready);

/* A reader takes the lock too, which changes nothing that it can see. */
static inline pthread_mutex_t *journal_lock_of(const struct journal *journal)
{
    return &((struct journal *)(uintptr_t)journal)->lock;
}

/* The row's last piece from now on. */
void journal_link(struct journal *journal, struct piece *piece);

/* What journal_open does once the object is there: fills it from the folder. */
MUST_CHECK int journal_load(struct journal *journal, const uint8_t new_history[HISTORY_SIZE],
                            struct journal_opened *opened, struct err *err);

#endif
