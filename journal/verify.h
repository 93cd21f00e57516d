/* journal/verify.h - is the journal in this folder whole? Reads only. The server may be running: it
 * may append meanwhile, and let go of the oldest files. A mirror's folder is verified the same way.
 */
#ifndef KITBAG_JOURNAL_VERIFY_H
#define KITBAG_JOURNAL_VERIFY_H

#include "journal/journal.h"

struct verify_report {
    uint64_t segments;
    uint64_t batches;
    uint64_t changes;
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t bytes;
    enum segment_tail tail; /* of the newest segment, judged but not settled */
    /* The first fault, when verify returned E_CORRUPT or E_FORMAT. */
    char file[256];
    uint64_t offset;
    uint64_t fault_seq;  /* changes up to fault_seq - 1 are whole */
    uint64_t fault_base; /* of the batch with the fault: a cut at `offset` keeps those before it */
    uint64_t faults;     /* files with a fault, and gaps between files */
    uint64_t whole_from; /* the files from this change on are whole again; 0: there are none */
};

/* Verifies CRC, chained SHA-256, order, the joints between segments, and that every change
 * decodes. It goes on behind a fault with the next file, so that the counts are of all that is
 * whole. `progress` (may be NULL) is told the bytes read of all. Returns 0, E_NOT_FOUND (no
 * journal there), E_CORRUPT or E_FORMAT (the sentence names file, offset and seq and what can be
 * recovered), E_IO, E_PERMISSION. */
MUST_CHECK int journal_verify(const char *dir, struct verify_report *report,
                              void (*progress)(void *context, uint64_t done, uint64_t total),
                              void *context, struct err *err);

#endif
