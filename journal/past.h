/* journal/past.h - backwards: a bag's chain of changes, and one change by its seq.
 *
 * Every change names the change of its bag before it (`prev`), so a bag's whole past is one chain
 * through the journal. Reads only; any thread, each with an object of its own. Blocks on the disk.
 */
#ifndef KITBAG_JOURNAL_PAST_H
#define KITBAG_JOURNAL_PAST_H

#include "journal/journal.h"

struct past;

/* Begin with the change `newest_seq` (a bag's last_seq). The journal has to outlive it. Nothing is
 * read yet. E_NOMEM. */
MUST_CHECK int past_open(struct past **out, struct journal *journal, uint64_t newest_seq,
                         struct err *err);
void past_close(struct past **past);

/* The change at the present seq; the next call gives the one before it. `out` and what its spans
 * point to live until the next call. The batch that was read last is kept, so that changes of one
 * batch cost one reading. E_NOT_FOUND: the one before was the bag's first (or newest_seq was 0, or
 * is ahead of the journal); E_TOO_OLD: the next one is below the floor, which the sentence names;
 * E_CORRUPT, E_IO, E_NOMEM. */
MUST_CHECK int past_next(struct past *past, struct change *out, struct err *err);

/* Go on with the change `seq`, keeping what was read. */
void past_seek(struct past *past, uint64_t seq);

/* A change that owns all it points to. Born zeroed. */
struct past_change {
    struct change change;
    void *bytes;
};
void past_change_free(struct past_change *change);

/* The change `seq`. E_TOO_OLD, E_NOT_FOUND (0, or ahead of the journal), E_CORRUPT, E_IO, E_NOMEM;
 * `out` is then as it was. What it held before is freed with success. */
MUST_CHECK int journal_change_at(struct journal *journal, uint64_t seq, struct past_change *out,
                                 struct err *err);
/* The same of a change at hand. E_NOMEM. */
MUST_CHECK int past_change_copy(struct past_change *out, const struct change *change,
                                struct err *err);

#endif
