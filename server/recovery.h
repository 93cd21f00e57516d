/* server/recovery.h - opening the journal and the state, and bringing the state up to the journal.
 *
 * The journal is the truth. A state that lacks its newest batches gets them replayed; one that is
 * ahead of the journal, or of another history or hash, is not touched: the sentence says what
 * belongs together.
 */
#ifndef KITBAG_SERVER_RECOVERY_H
#define KITBAG_SERVER_RECOVERY_H

#include "journal/journal.h"
#include "kv/kv.h"

struct recovery_options {
    const char *dir; /* the data folder; journal/ and state/ are in it */
    uint64_t segment_bytes;
    uint64_t memtable_bytes;
    uint64_t cache_bytes;
    const struct disk *disk; /* of the journal; NULL: the real one */
    /* Told now and then while replaying; may be NULL. */
    void (*progress)(void *context, uint64_t seq, uint64_t head);
    void *context;
};

struct recovered {
    struct journal *journal;
    struct kv *kv;
    struct journal_opened opened;
    uint64_t replayed; /* changes */
};

/* E_CORRUPT, E_DIVERGED, E_FORMAT, E_PERMISSION, E_NOSPACE, E_IO: the sentence names the file or
 * folder and the remedy; nothing is open then. */
MUST_CHECK int recovery_open(struct recovered *out, const struct recovery_options *options,
                             struct err *err);

/* Open the state alone and replay: the journal stays open. */
MUST_CHECK int recovery_open_state(struct kv **out, struct journal *journal,
                                   const struct recovery_options *options, uint64_t *replayed,
                                   struct err *err);

#endif
