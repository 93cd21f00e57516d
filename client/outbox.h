/* client/outbox.h - local writes that the server has not taken up, in a file of their own.
 *
 * People's unsent writes must survive a damaged replica, so they lie in a segment file
 * (journal/segment.h), DIR/outbox.seg; its records are described at the head of outbox_record.c.
 *
 * Names: an operation has an `id` for good, by which programs and people ask for it, and for the
 * server a `number` that rises by one per writer. Ids survive a new writer, numbers do not.
 *
 * Keeps true:
 *   - A function that adds returns when the operation is on disk, and only then is it visible or
 *     sent. Threads that add at the same time share one sync.
 *   - What was perhaps sent is sent again byte for byte until its outcome is known and durable.
 *   - An operation that was taken up stays visible until outbox_passed: its bag's cursor passed its
 *     seq; of one of which a part went to the bag of the user on this device, both bags' cursors.
 *     Of several visible writes to an item the newest counts.
 *   - After a failed write nothing more is taken (E_IO) until it is opened again; reading goes on.
 *   - Memory and file: what is pending, visible or refused, at most `max_bytes` of it; the file is
 *     rewritten small when it is full. On a machine that never joined (outbox_set_alone) writes
 *     that later ones replaced go then, so what it keeps is bounded by its live items.
 *
 * Safe from any thread. Callbacks run under the outbox's lock: they may read the replica, and
 * nothing of the outbox.
 */
#ifndef KITBAG_CLIENT_OUTBOX_H
#define KITBAG_CLIENT_OUTBOX_H

#include "base/clock.h"
#include "journal/disk.h"
#include "journal/operation.h"

struct outbox;

/* `dir` is made when it is not there. `disk` NULL: the real one. E_CORRUPT names the file, E_FORMAT
 * a newer version; nothing is changed then. */
MUST_CHECK int outbox_open(struct outbox **out, const char *dir, uint64_t max_bytes,
                           const struct disk *disk, struct err *err);
/* The same with a world of the caller's; each NULL: the real one. Borrowed until outbox_close. */
struct outbox_world {
    const struct disk *disk;
    const struct clock *clock;
    uint64_t (*random)(void *context); /* never 0 */
    void *random_context;
};
MUST_CHECK int outbox_open_in(struct outbox **out, const char *dir, uint64_t max_bytes,
                              const struct outbox_world *world, struct err *err);
/* Writes what is not durable yet and the mark of a clean stop. */
void outbox_close(struct outbox **outbox);

/* `barrier` is called before a smaller file takes the place of one that still holds writes which
 * were let go of: it makes durable what stands in their stead. Called by any thread, without the
 * outbox's lock. */
typedef int outbox_barrier_fn(void *context, struct err *err);
void outbox_set_barrier(struct outbox *outbox, outbox_barrier_fn *barrier, void *context);

/* True until the machine joins: nothing was ever sent. */
void outbox_set_alone(struct outbox *outbox, bool alone);

uint64_t outbox_writer(struct outbox *outbox);
uint64_t outbox_last(struct outbox *outbox); /* the highest number that is on disk */
/* The server may forget outcomes up to this number: they are durable here, and no operation that
 * may be sent again names one of these as its maker. */
uint64_t outbox_confirmed(struct outbox *outbox);

/* --- adding --- */

/* Whose bag is written to. */
struct outbox_target {
    const struct owner *owner;
    uint64_t bag_id; /* 0: the bag that the CREATE with id `made_by` makes */
    uint64_t made_by;
    uint64_t seen; /* cursor of the replica's bag */
};
/* E_QUOTA (full: max_bytes), E_TOO_LARGE (over OPERATION_BYTES_MAX), E_NOSPACE, E_IO, E_BAG_GONE
 * (no such CREATE), or the code with which its CREATE was refused. `id` may be NULL. */
MUST_CHECK int outbox_write(struct outbox *outbox, const struct outbox_target *target,
                            const struct operation_write *writes, size_t count, uint64_t time_ms,
                            uint64_t *id, struct err *err);
MUST_CHECK int outbox_create(struct outbox *outbox, const struct owner *owner, uint64_t time_ms,
                             uint64_t *id, struct err *err);
/* A refused write as a new one, without its conditions; the refused one is gone. `device` (NULL: of
 * none) says of which items the category is device-specific now. E_NOT_FOUND: no refused write has
 * this id. */
typedef bool outbox_device_fn(void *context, struct span path);
MUST_CHECK int outbox_retry(struct outbox *outbox, uint64_t id, const struct outbox_target *target,
                            outbox_device_fn *device, void *context, uint64_t time_ms,
                            uint64_t *new_id, struct err *err);
/* What the server lost, or could not take, put among the refused writes: it never was pending, is
 * not visible and not sent, and can be retried or dropped. Durable; `code` is not 0, `text` is the
 * sentence. Errors as of outbox_write. */
MUST_CHECK int outbox_refuse(struct outbox *outbox, const struct outbox_target *target,
                             const struct operation_write *writes, size_t count, uint64_t time_ms,
                             int code, const char *text, uint64_t *id, struct err *err);
/* The server's new history goes on behind `after_seq` of the old one: writes that were taken up
 * later and that the replica has not got are refused writes from now on, with `code` and the
 * sentence, and so are those that wait for a bag with an id behind it. `count` gets how many.
 * Durable; after an error it is to be called again. E_NOSPACE, E_IO, E_NOMEM. */
MUST_CHECK int outbox_lost(struct outbox *outbox, uint64_t after_seq, int code, const char *text,
                           uint64_t *count, struct err *err);
/* Forget a refused one, or a pending one that was not sent yet (in its place an empty one is sent).
 * E_NOT_FOUND; E_BUSY: it was perhaps sent, its outcome has to be awaited. */
MUST_CHECK int outbox_drop(struct outbox *outbox, uint64_t id, struct err *err);
/* The same of many, durable together; those that are gone already, or were perhaps sent, are passed
 * over. */
MUST_CHECK int outbox_drop_all(struct outbox *outbox, const uint64_t *ids, size_t count,
                               struct err *err);

/* --- sending --- */

/* Operations from number `from` on, one encoding after the other: at least one when there is one,
 * at most `max_count`, and at most `max_bytes` unless the first alone is larger. What is handed out
 * counts as sent from now on. E_NOSPACE, E_IO: it could not be noted that something is sent;
 * E_NOMEM.
 */
MUST_CHECK int outbox_read(struct outbox *outbox, uint64_t from, uint32_t max_count,
                           size_t max_bytes, struct buf *out, uint32_t *count, struct err *err);
/* No more is sent for now (noted with the next write). */
void outbox_stop_sending(struct outbox *outbox);

/* What the server said of an operation; not a deferral. Visible at once (who waits is woken),
 * durable with the next write or outbox_flush; repeats are ignored. `told` is filled (may be NULL).
 */
struct outbox_answer {
    uint64_t number;
    int code;
    uint64_t seq;
    struct span text;
    bool split;          /* a part of it, or all, went to the bag of the user on this device: */
    uint64_t device_bag; /* that one; 0: it is gone */
    uint64_t shared_seq, device_seq; /* what each cursor has to pass; 0: nothing */
};
struct outbox_told {
    uint64_t id; /* 0: nothing is known of this number */
    enum operation_kind kind;
    bool news;          /* false: this outcome was known */
    struct owner owner; /* of the bag */
    uint64_t bag_id;    /* CREATE, code 0 or E_BAG_EXISTS: the bag; WRITE: its bag */
};
void outbox_outcome(struct outbox *outbox, const struct outbox_answer *answer,
                    struct outbox_told *told);
/* Makes outcomes durable. Costs nothing when all are. */
MUST_CHECK int outbox_flush(struct outbox *outbox, struct err *err);
/* A new writer number: what has no outcome is numbered from 1 on. Durable. */
MUST_CHECK int outbox_renumber(struct outbox *outbox, struct err *err);

/* Taken up operations that wait for no more than `bag_id` to be at `cursor` stop being visible,
 * once their outcome is durable. Returns how many still wait for that: flush, and call again.
 * `each` (may be NULL) is told every item that was visible by such an operation until now and by no
 * other. */
typedef void outbox_gone_fn(void *context, const struct owner *owner, struct span path,
                            const struct span *value); /* value NULL: it was a removal */
size_t outbox_passed(struct outbox *outbox, uint64_t bag_id, uint64_t cursor, outbox_gone_fn *each,
                     void *context);
/* The bag is gone: nothing of it is visible any more (what is pending will be refused). */
void outbox_hide(struct outbox *outbox, uint64_t bag_id);

/* --- reading --- */

enum outbox_state { OUTBOX_PENDING, OUTBOX_ACKED, OUTBOX_REFUSED };

/* Borrowed for the callback. */
struct outbox_entry {
    uint64_t id;
    enum outbox_state state;
    enum operation_kind kind;
    const struct owner *owner;
    uint64_t bag_id;     /* 0: not known yet */
    uint64_t device_bag; /* ACKED: of the user on this device, whose cursor it waits for; or 0 */
    uint64_t time_ms;
    struct span first_path; /* of its first write */
    size_t items;
    size_t bytes;
    uint64_t seq; /* ACKED: of its last change */
    int code;     /* REFUSED */
    const char *text;
};
/* In order of ids. Not 0 from `each` stops and is returned. */
typedef int outbox_entry_fn(void *context, const struct outbox_entry *entry, struct err *err);
MUST_CHECK int outbox_each(struct outbox *outbox, enum outbox_state state, outbox_entry_fn *each,
                           void *context, struct err *err);
/* The CREATEs whose bag is not settled in the replica yet; code 0 or E_BAG_EXISTS with a bag_id, or
 * bag_id 0 while it is pending, or the code of its refusal. */
struct outbox_made {
    uint64_t id;
    struct owner owner;
    uint64_t bag_id;
    int code;
};
typedef int outbox_made_fn(void *context, const struct outbox_made *made, struct err *err);
MUST_CHECK int outbox_creates(struct outbox *outbox, outbox_made_fn *each, void *context,
                              struct err *err);
/* The replica has it: it need not be told again. */
void outbox_made_done(struct outbox *outbox, uint64_t id);
/* The newest visible write to an item: 0 (value appended to `value`, or `removed`), E_NOT_FOUND,
 * or the buffer's error. */
MUST_CHECK int outbox_lookup(struct outbox *outbox, const struct owner *owner, struct span path,
                             struct buf *value, bool *removed, uint64_t *time_ms);
/* The seq of the newest visible write to an item, when the server took it up; 0: it did not yet, or
 * there is none, or it is of a change set, whose outcome tells its last seq alone. */
uint64_t outbox_acked_seq(struct outbox *outbox, const struct owner *owner, struct span path);
/* The newest visible write of each item of a bag, in order of paths, that begins with `prefix`. */
typedef int outbox_item_fn(void *context, struct span path, const struct span *value,
                           uint64_t time_ms, struct err *err); /* value NULL: removed */
MUST_CHECK int outbox_items(struct outbox *outbox, const struct owner *owner, struct span prefix,
                            outbox_item_fn *each, void *context, struct err *err);
/* Waits until the outcome of `id` is known: 0 (taken up, or dropped), the code of its refusal
 * (sentence in `err`), E_TIMEOUT, E_NOT_FOUND (never given out), E_CLOSED (outbox_wake_all). */
MUST_CHECK int outbox_wait(struct outbox *outbox, uint64_t id, unsigned timeout_ms,
                           struct err *err);
/* Everybody who waits in outbox_wait gets E_CLOSED, now and later. */
void outbox_wake_all(struct outbox *outbox);
void outbox_counts(struct outbox *outbox, uint64_t *pending, uint64_t *refused);
/* Reads the file again: checksums and chained hashes. Adding waits meanwhile. E_CORRUPT. */
MUST_CHECK int outbox_verify(struct outbox *outbox, uint64_t *batches, struct err *err);

#endif
