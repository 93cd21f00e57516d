/* journal/journal_inside.h - the inside of struct journal, for the files that are made of it:
 * journal.c (append, roll), journal_open.c (open), cursor.c (follow the tail, find a hash).
 *
 * The segments are a row of `piece`s, oldest first, linked by `next`, that only grows; pieces live
 * until the journal is closed. A cursor follows the row without a lock. It relies on this order:
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

/* One segment of the folder. */
struct piece {
    /* Fixed. */
    struct segment_id id;
    char *path;
    off_t file_bytes;
    /* Shared without a lock; see above. */
    _Atomic(off_t) end; /* of what is synced */
    _Atomic(struct piece *) next;
    /* Under the journal's lock: places to start reading from, rising, MARK_DISTANCE apart. */
    struct segment_position *marks;
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
    uint8_t history[HISTORY_SIZE];
    struct piece *first;
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
    struct piece *newest;
    struct journal_position shown_head; /* a copy of `head` */
    struct journal_stat stat;
};

/* A piece that is not in the row yet; NULL when out of memory. */
struct piece *piece_new(const struct segment *segment, off_t end);
void piece_free(struct piece **piece);

/* Put a mark when the last one is far enough away. Under the lock, or before anybody else can see
 * the piece. Marks only save time: without memory there is none. */
void piece_mark(struct piece *piece, const struct segment_position *position);

/* The row's last piece from now on. */
void journal_link(struct journal *journal, struct piece *piece);

/* What journal_open does once the object is there: fills it from the folder. */
MUST_CHECK int journal_load(struct journal *journal, const uint8_t new_history[HISTORY_SIZE],
                            struct journal_opened *opened, struct err *err);

#endif
