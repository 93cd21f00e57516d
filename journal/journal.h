/* journal/journal.h - the append-only change journal: segments in a folder, one of them written.
 *
 * journal_append, journal_close and journal_open belong to one thread (the committer's). Cursors,
 * journal_head, journal_hash_at and journal_prepare are safe from any thread. A cursor never shows
 * a batch that is not synced.
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
 * at the joints. E_CORRUPT names file, offset and seq; E_FORMAT, E_NOSPACE, E_IO, E_PERMISSION. */
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

/* The hash after change `seq`. E_NOT_FOUND: below the floor, above the head, or no batch ends
 * there. Reads at most one segment the first time, then 256 KiB and a batch at most (it keeps
 * sparse marks). */
MUST_CHECK int journal_hash_at(struct journal *journal, uint64_t seq, uint8_t out[SHA256_SIZE],
                               struct err *err);

struct journal_stat {
    uint64_t segments;
    uint64_t bytes;      /* of batches, without what is pre-written */
    uint64_t file_bytes; /* on disk */
    uint64_t floor_seq;
    uint64_t head_seq;
    uint64_t first_time_ms;
    uint64_t last_time_ms;
};
MUST_CHECK int journal_stat(struct journal *journal, struct journal_stat *out, struct err *err);

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

/* Decode a batch's changes one by one. `each` returning non-zero stops and is returned. `scratch`
 * is zeroed before its first use, and closed by its owner. E_MALFORMED names the change. */
typedef int journal_change_fn(void *context, const struct change *change, struct err *err);
MUST_CHECK int batch_changes(const struct batch *batch, struct unpacked *scratch,
                             journal_change_fn *each, void *context, struct err *err);
/* The payload of a batch is the concatenation's array: begin with the count, then each change. */
void batch_begin(struct buf *payload, uint32_t count);

#endif
