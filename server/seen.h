/* server/seen.h - how far each device has come, and when it was heard of last.
 *
 * Not journalled: kept in memory, and as notes of the state ("seen/DEVICE" -> seq, time in ms, both
 * 8 bytes big endian), written about once a minute and at a clean stop. What a crash loses makes a
 * device count as further behind and longer away than it is, which only keeps more.
 *
 * Safe from any thread: the main thread notes, housekeeping reads and writes.
 */
#ifndef KITBAG_SERVER_SEEN_H
#define KITBAG_SERVER_SEEN_H

#include "kv/kv.h"

struct seen;

struct seen_device {
    uint64_t seq;     /* all that it keeps is complete up to here; 0: not known */
    uint64_t last_ms; /* since 1970 */
};

MUST_CHECK int seen_new(struct seen **out);
void seen_free(struct seen **seen);

/* A device told its position just now. Neither goes back. Out of memory: it is not remembered. */
void seen_note(struct seen *seen, uint64_t device, const struct seen_device *at);
/* false: never heard of; zeros then. */
bool seen_get(struct seen *seen, uint64_t device, struct seen_device *out);

/* The device was removed: it and its note go. One that is not there is fine; errors of
 * kv_note_remove. */
MUST_CHECK int seen_forget(struct seen *seen, struct kv *kv, uint64_t device, struct err *err);

/* From the notes of a state that was opened; what is newer in memory stays. A note that can't be
 * read is logged and counts as absent. */
MUST_CHECK int seen_load(struct seen *seen, struct kv *kv, struct err *err);
/* What changed since the last time: a new position, or a time that is an hour later. */
MUST_CHECK int seen_save(struct seen *seen, struct kv *kv, struct err *err);

/* Raise the notes of `to` to those of `from`, the state of a server that had gone further on the
 * same line of changes; but to `most_seq` at the most, where the two part. For a restore: whom the
 * older state has further behind was on the line nevertheless. E_NOMEM, errors of kv_notes and
 * kv_note_put. */
MUST_CHECK int seen_carry(struct kv *from, struct kv *to, uint64_t most_seq, struct err *err);

#endif
