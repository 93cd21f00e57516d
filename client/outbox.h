/* client/outbox.h - local writes that the server has not taken up, in a file of their own.
 *
 * People's unsent writes must survive a damaged replica, so they lie in segment files
 * (journal/segment.h) of their own folder: DIR/outbox/. Each batch holds one record:
 * [1, time_ms, operation bytes bin, bag text str]     an operation
 * [2, number, code, seq, text]                        its outcome (code 0: taken up at seq)
 * [3, number]                                         it is gone: visible in the replica, or dropped
 * [4, writer]                                         the writer number from here on
 *
 * Keeps true: outbox_add returns when the operation is on disk. Numbers rise by one per writer. An
 * operation that was taken up stays visible (`acked`) until its bag's cursor passed its seq.
 * Memory: the operations that are not gone, at most `max_bytes` of them. The file is rewritten
 * small when most of it is gone. Safe from any thread.
 */
#ifndef KITBAG_CLIENT_OUTBOX_H
#define KITBAG_CLIENT_OUTBOX_H

#include "journal/operation.h"
#include "journal/segment.h"

struct outbox;

enum outbox_state { OUTBOX_PENDING, OUTBOX_ACKED, OUTBOX_REFUSED };

/* Borrowed for the callback. */
struct outbox_entry {
    uint64_t number;
    enum outbox_state state;
    uint64_t time_ms;
    const char *bag;         /* text form of the owner it was written to */
    struct operation operation;
    struct span bytes;       /* the operation's encoding */
    uint64_t seq;            /* ACKED: last seq of its changes */
    int code;                /* REFUSED */
    const char *text;
};

/* E_CORRUPT names the file; what can be read before the fault is kept aside by the caller's word
 * only (nothing is thrown away here). */
MUST_CHECK int outbox_open(struct outbox **out, const char *dir, uint64_t max_bytes,
                           const struct disk *disk, struct err *err);
void outbox_close(struct outbox **outbox);

uint64_t outbox_writer(struct outbox *outbox);
uint64_t outbox_last(struct outbox *outbox);      /* the highest number given out */
uint64_t outbox_confirmed(struct outbox *outbox); /* all outcomes up to it are recorded here */

/* Add an operation: `encode` is called under the lock with the number it gets. E_QUOTA (full). */
typedef void outbox_encode_fn(void *context, uint64_t number, struct buf *out);
MUST_CHECK int outbox_add(struct outbox *outbox, const char *bag, uint64_t time_ms,
                          outbox_encode_fn *encode, void *context, uint64_t *number,
                          struct err *err);
/* Record what the server said of it (durable; several may be recorded in one call and sync). */
struct outbox_outcome {
    uint64_t number;
    int code;
    uint64_t seq;
    char text[ERR_TEXT_MAX];
};
MUST_CHECK int outbox_record(struct outbox *outbox, const struct outbox_outcome *outcomes,
                             size_t count, struct err *err);
/* Acked operations on `bag_id` up to `cursor` are visible in the replica: they go (need not be
 * durable: after a crash they are found acked again, and go then). */
void outbox_passed(struct outbox *outbox, uint64_t bag_id, uint64_t cursor);
/* The CREATE `number` made (or met) bag_id: its WRITEs name that from now on. */
MUST_CHECK int outbox_made(struct outbox *outbox, uint64_t number, uint64_t bag_id,
                           struct err *err);
/* Forget a refused one, or a pending one (it is then sent EMPTY). E_NOT_FOUND. */
MUST_CHECK int outbox_drop(struct outbox *outbox, uint64_t number, struct err *err);
/* A new writer number: everything pending is renumbered from 1. */
MUST_CHECK int outbox_renumber(struct outbox *outbox, struct err *err);

/* In order of numbers. */
typedef int outbox_entry_fn(void *context, const struct outbox_entry *entry, struct err *err);
MUST_CHECK int outbox_each(struct outbox *outbox, enum outbox_state state, outbox_entry_fn *each,
                           void *context, struct err *err);
/* What is to be sent from number `from` on: encodings one after the other (dropped ones EMPTY). */
MUST_CHECK int outbox_read(struct outbox *outbox, uint64_t from, uint32_t max_count,
                           size_t max_bytes, struct buf *out, uint32_t *count, struct err *err);
/* The newest visible (pending or acked) write to an item: 1 found (value appended to `value`, or
 * `removed`), 0 none. */
int outbox_lookup(struct outbox *outbox, const char *bag, struct span path, struct buf *value,
                  bool *removed, uint64_t *time_ms);
/* All visible writes of a bag, newest per path, in order of paths. */
typedef int outbox_item_fn(void *context, struct span path, const struct span *value,
                           uint64_t time_ms, struct err *err); /* value NULL: removed */
MUST_CHECK int outbox_items(struct outbox *outbox, const char *bag, struct span prefix,
                            outbox_item_fn *each, void *context, struct err *err);
/* 0 when it was taken up, its code when refused, E_DEFERRED while pending, E_NOT_FOUND. `text`
 * (ERR_TEXT_MAX bytes) gets the sentence of a refusal. */
int outbox_outcome(struct outbox *outbox, uint64_t number, char *text);
void outbox_counts(struct outbox *outbox, uint64_t *pending, uint64_t *refused);
MUST_CHECK int outbox_verify(struct outbox *outbox, uint64_t *batches, struct err *err);

#endif
