/* journal/mirror.h - a copy of another machine's journal: its batches verbatim, in segments of our
 * own.
 *
 * What is taken was verified (header, checksum, order, chain of hashes, every change decodes), and
 * is on disk when mirror_take returns. journal_verify verifies the folder as a journal's, and
 * journal_open opens it as one, after mirror_close. One thread uses a mirror; it blocks on the
 * disk.
 */
#ifndef KITBAG_JOURNAL_MIRROR_H
#define KITBAG_JOURNAL_MIRROR_H

#include "journal/journal.h"

struct mirror;

struct mirror_options {
    const char *dir;         /* borrowed during the call; made when it is not there (0700) */
    uint64_t segment_bytes;  /* of new segments; at least 8 MiB, 64 MiB is usual */
    const struct disk *disk; /* borrowed for life; NULL: the real one */
};

/* Open or begin. The newest segment is verified whole, and a write that a crash cut short is
 * forgotten: it is asked for again. E_CORRUPT names file, offset and seq; E_INVALID, E_FORMAT,
 * E_IO, E_NOSPACE, E_PERMISSION, E_NOMEM. */
MUST_CHECK int mirror_open(struct mirror **out, const struct mirror_options *options,
                           struct err *err);
void mirror_close(struct mirror **mirror);

/* What to ask for: the batches behind `seq`. */
struct mirror_position {
    uint64_t floor_seq; /* the first change that is there; 0: none */
    uint64_t seq;       /* the last one; 0: begin with the first change there ever was */
    bool has_hash;      /* else there is nothing yet to compare with */
    uint8_t hash[SHA256_SIZE];
    uint8_t history[HISTORY_SIZE]; /* zeros: not known yet */
    uint64_t time_ms;              /* of the last batch, since 1970; 0: not known yet */
    uint64_t disk_bytes;           /* that the segments take */
};
void mirror_position(const struct mirror *mirror, struct mirror_position *out);

/* Take whole batches as journal_cursor_next_raw gives them, one behind the other. They are written
 * with one sync for each 4 MiB, and a sync at the end. E_MALFORMED: these are no whole batches;
 * E_CORRUPT: one was damaged on its way; E_DIVERGED: one does not follow on what is here: none of
 * it is taken then, up to the last sync. E_NOSPACE while a new segment is made: the same, and it
 * may be tried again. E_IO: nothing more is taken (E_READ_ONLY) until it is opened again. */
MUST_CHECK int mirror_take(struct mirror *mirror, struct span raw, struct err *err);

/* Let go of whole segments whose changes are all older than `keep_ms` before the last batch that
 * was taken: by the times of the batches, so that no clock of this machine can take the copy away.
 * Oldest first, never the newest, at most 32 in one call, and each removal is synced before the
 * next: a crash leaves a row without gaps. After an error it is as far as it came, and may be tried
 * again; E_IO, E_CORRUPT (names the file), E_PERMISSION, E_NOMEM. */
MUST_CHECK int mirror_drop(struct mirror *mirror, uint64_t keep_ms, struct err *err);

/* Start over behind change `seq`, because the server has let go of what comes next here. All
 * segments are removed, oldest first. `hash`: after `seq`, NULL when it is not known: then the
 * first batch that comes is taken without comparing its past. After a crash on the way it is either
 * the old mirror, shortened at its beginning, or an empty one, which has to be started over again.
 *
 * Not to be called when the server is behind or has diverged: then this may be the only copy. */
MUST_CHECK int mirror_restart(struct mirror *mirror, uint64_t seq, const uint8_t *hash,
                              struct err *err);

#endif
