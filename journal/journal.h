/* journal/journal.h - the append-only change journal: segments in a folder, one of them written.
 *
 * journal_append, journal_fork, journal_close and journal_open belong to one thread (the
 * committer's), journal_drop and journal_prepare to one thread (housekeeping's, or the same).
 * Cursors and everything that tells or finds something are safe from any thread. A cursor never
 * shows a batch that is not synced, and no segment is taken away under it.
 *
 * The segments are a row without gaps, from the floor to the head, after a crash at any moment too.
 */
#ifndef KITBAG_JOURNAL_JOURNAL_H
#define KITBAG_JOURNAL_JOURNAL_H

#include "journal/segment.h"

struct journal;

struct journal_options {
    const char *dir;         /* borrowed during the call; made when it is not there (0700) */
    uint64_t segment_bytes;  /* of new segments; 64 MiB is usual, at least 8 MiB */
    const struct disk *disk; /* borrowed for life; NULL: the real one */
};

/* A position of the journal: the last change of a batch, and the hash up to it. */
struct journal_position {
    uint64_t seq; /* 0 and zeros: before the first change */
    uint8_t hash[SHA256_SIZE];
};

/* What opening found. */
struct journal_opened {
    bool fresh; /* the folder held no segment: a new one with `new_history` was made */
    enum segment_tail tail;
    uint64_t batches; /* verified in the newest segment */
};

/* Open the folder. When it is empty a first segment is made with `new_history`. The newest segment
 * is verified whole and its tail settled (see segment.h); of older ones the header chain is checked
 * at the joints. A fork that had not got its first batch when the process ended is undone. The
 * folder may be a mirror's. E_CORRUPT names file, offset and seq; E_FORMAT, E_NOSPACE, E_IO,
 * E_PERMISSION. */
MUST_CHECK int journal_open(struct journal **out, const struct journal_options *options,
                            const uint8_t new_history[HISTORY_SIZE], struct journal_opened *opened,
                            struct err *err);

/* With `clean`, leaves the mark of a clean stop (not after a failure). */
void journal_close(struct journal **journal, bool clean);

void journal_history(const struct journal *journal, uint8_t out[HISTORY_SIZE]);
void journal_head(const struct journal *journal, struct journal_position *out);
uint64_t journal_floor(const struct journal *journal); /* the first seq that it holds */

/* Group commit: one write, one fdatasync; rolls to the next segment when this one is full. The
 * batch's first seq is head + 1. Returns 0 when it is on disk. After E_IO (a failed write or
 * sync) every further append returns E_READ_ONLY: nothing is retried, because a retry may lie.
 * E_NOSPACE while making a new segment leaves the journal usable: the append was not begun. */
MUST_CHECK int journal_append(struct journal *journal, uint32_t count, uint64_t time_ms,
                              struct span payload, struct journal_position *head, struct err *err);
bool journal_failed(const struct journal *journal);

/* Pre-write the next segment when the current one is more than half full, so that rolling costs
 * a rename. Blocks on the disk: call it from housekeeping. */
MUST_CHECK int journal_prepare(struct journal *journal, struct err *err);

/* The hash after change `seq`; of the one before the floor too, which the oldest segment's header
 * tells. E_NOT_FOUND: older than that, above the head, or no batch ends there. Reads at most one
 * segment the first time, then 256 KiB and a batch at most (it keeps sparse marks). */
MUST_CHECK int journal_hash_at(struct journal *journal, uint64_t seq, uint8_t out[SHA256_SIZE],
                               struct err *err);

/* --- letting go of the oldest changes --- */

/* Let go of whole segments whose last change is below `below_seq`; never of the newest one.
 * `floor` (may be NULL) is told the first seq that is left. A segment that a cursor reads is no
 * longer shown to others, and goes from the disk with the first call after the cursor left it:
 * call it now and then with the same seq. One file becomes the next segment's when none is
 * prepared. Blocks on the disk, a sync for each file. E_IO, E_NOSPACE, E_SYSTEM, E_PERMISSION: the
 * files are still there, the next call tries again. */
MUST_CHECK int journal_drop(struct journal *journal, uint64_t below_seq, uint64_t *floor,
                            struct err *err);

struct journal_segment_info {
    uint64_t base_seq;
    uint64_t last_seq;      /* base_seq - 1: no change in it yet */
    uint64_t first_time_ms; /* of its first batch, 0 when there is none */
    uint64_t last_time_ms;  /* of its last batch */
    uint64_t bytes;         /* of batches */
    uint64_t file_bytes;    /* on disk */
    uint8_t history[HISTORY_SIZE];
    bool newest;
    unsigned readers; /* cursors that stand in it */
};

/* The oldest segment whose last change is not below `seq`; for all of them begin with 0 and go on
 * with last_seq + 1 until one is the newest (which may hold nothing yet). E_NOT_FOUND: `seq` is
 * past the head. */
MUST_CHECK int journal_segment_info(struct journal *journal, uint64_t seq,
                                    struct journal_segment_info *out, struct err *err);

/* --- times and histories --- */

/* The last change whose time is not behind `time_ms` (times never go back). 0: all changes are
 * newer, and the journal holds them all. E_TOO_OLD: the floor is newer, which the sentence names.
 * Reads at most one segment the first time. */
MUST_CHECK int journal_seek_time(struct journal *journal, uint64_t time_ms, uint64_t *seq,
                                 struct err *err);

/* Begin a new history behind the head: a new segment, the same row and the same chain of hashes.
 * The committer's thread; the caller then appends the HISTORY change as the first batch. Until
 * that one is on disk, opening the journal again undoes the fork. E_INVALID: it is the present
 * history or an ancestor, or the newest segment holds no change that could be forked from;
 * E_READ_ONLY, E_NOSPACE, E_IO as of journal_append. */
MUST_CHECK int journal_fork(struct journal *journal, const uint8_t new_history[HISTORY_SIZE],
                            struct err *err);

/* Which of our changes belong to `history`: all (UINT64_MAX) when it is the present one, those up
 * to *resume_seq when it is an ancestor. The segments' headers carry the last LINEAGE_MAX ancestors
 * on, so that this does not depend on the floor. E_HISTORY: it is neither. */
MUST_CHECK int journal_lineage(struct journal *journal, const uint8_t history[HISTORY_SIZE],
                               uint64_t *resume_seq, struct err *err);

struct journal_stat {
    uint64_t segments;
    uint64_t bytes;         /* of batches, without what is pre-written */
    uint64_t file_bytes;    /* on disk, with what is prepared and with `leaving_bytes` */
    uint64_t leaving_bytes; /* of files that were let go of while a cursor reads them */
    uint64_t floor_seq;
    uint64_t head_seq;
    uint64_t first_time_ms;
    uint64_t last_time_ms;
};
MUST_CHECK int journal_stat(struct journal *journal, struct journal_stat *out, struct err *err);

/* --- copying --- */

struct journal_copied {
    struct journal_position head; /* the last change in the copy */
    uint64_t floor;               /* the first one */
    uint8_t history[HISTORY_SIZE];
    uint64_t time_ms;    /* of the last batch */
    uint64_t full_files; /* those that are links: they have their names and will never change */
};

/* Put the journal as of now into `dir`, an empty folder on the same disk, which is a journal's
 * folder then: full segments as hard links, the newest as a copy up to a synced batch's end with
 * the mark of a clean stop. The copy was verified, and is synced; so are the links' bytes; the
 * folder is not. A file that is linked is not recycled when it is let go of. Any thread. E_CORRUPT,
 * E_EXISTS, E_NOSPACE, E_IO, E_PERMISSION, E_NOMEM; E_NOT_FOUND: it holds no change. What was made
 * stays then. */
MUST_CHECK int journal_copy(struct journal *journal, const char *dir, struct journal_copied *out,
                            struct err *err);

/* --- following the tail --- */

struct journal_cursor;

/* From the batch that holds `seq` (a batch is never cut). E_NOT_FOUND below the floor. A seq past
 * the head is fine: the cursor waits there. */
MUST_CHECK int journal_cursor_open(struct journal_cursor **out, struct journal *journal,
                                   uint64_t seq, struct err *err);
void journal_cursor_close(struct journal_cursor **cursor);
/* The next batch, verified; its payload lives until the next call. E_NOT_FOUND at the head. */
MUST_CHECK int journal_cursor_next(struct journal_cursor *cursor, struct batch *out,
                                   struct err *err);

/* The same, and `raw` is told its bytes as they are in the file, header and payload without the
 * zeros behind: what mirror_take takes. They live until the next call too. Of these the checksum is
 * verified, not the hash: whoever takes them verifies the chain, as mirror_take does. */
MUST_CHECK int journal_cursor_next_raw(struct journal_cursor *cursor, struct batch *out,
                                       struct span *raw, struct err *err);

/* Decode a batch's changes one by one. `each` returning non-zero stops and is returned. `scratch`
 * is zeroed before its first use, and closed by its owner. E_MALFORMED names the change. */
typedef int journal_change_fn(void *context, const struct change *change, struct err *err);
MUST_CHECK int batch_changes(const struct batch *batch, struct unpacked *scratch,
                             journal_change_fn *each, void *context, struct err *err);
/* The two halves of it, for those who pick: unpack once (`scratch` as above; valid as long as the
 * batch's payload), then decode any change of the batch in constant time. E_MALFORMED, E_NOMEM. */
MUST_CHECK int batch_unpack(const struct batch *batch, struct unpacked *scratch, struct err *err);
MUST_CHECK int batch_change(const struct batch *batch, const struct unpacked *unpacked,
                            uint64_t seq, struct change *out, struct err *err);
/* The payload of a batch is the concatenation's array: begin with the count, then each change. */
void batch_begin(struct buf *payload, uint32_t count);

#endif
