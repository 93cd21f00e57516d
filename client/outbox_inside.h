/* client/outbox_inside.h - the inside of struct outbox, for the files that are made of it:
 *
 *   outbox.c         opening, adding, sending
 *   outbox_refused.c what was refused: tried again, dropped
 *   outbox_claims.c  what a policy of joining has to judge
 *   outbox_entry.c   operations in memory, and the window of those the server may ask for again
 *   outbox_settle.c  what becomes of an operation: outcomes, bags that are made, passed or gone
 *   outbox_record.c  records <-> bytes
 *   outbox_commit.c  group commit: one thread writes and syncs for all that wait
 *   outbox_rewrite.c the file made small; new writer numbers
 *   outbox_look.c    reading
 *
 * Everything but `segment` is guarded by `lock`: applications' threads add and read, the network's
 * thread sends and settles. The leader (who set `leading`) alone touches `segment`, without the
 * lock, so that nobody waits for a sync who does not have to.
 */
#ifndef KITBAG_CLIENT_OUTBOX_INSIDE_H
#define KITBAG_CLIENT_OUTBOX_INSIDE_H

#include <pthread.h>

#include "client/outbox.h"
#include "client/overlay.h"
#include "journal/segment.h"

enum {
    OUTBOX_FORMAT = 2,                           /* 1: no operation was split */
    OUTBOX_FILE_MIN = BATCH_PAYLOAD_MAX + 65536, /* room for the largest batch */
    OUTBOX_RECORD_EXTRA = 1024,                  /* of a record, at most, around its operation */
    OUTBOX_BATCH_HEAD = 5,                       /* the array of a batch's records */
    OUTBOX_BATCH_MAX = BATCH_PAYLOAD_MAX - 64,
    OUTBOX_UNANSWERED_MAX = 1024, /* what a session may have sent without an answer */
    /* of an operation: each of its writes is an array of at most four */
    OUTBOX_ELEMENTS_MAX = 5 * OPERATION_WRITES_MAX + 16,
};

/* An operation. In `list` while an id names it, in the window while it has a number. */
struct entry {
    struct entry *next, *prev; /* of the list, in order of ids */
    bool listed;
    uint64_t id;            /* 0: it only holds the place of its number */
    uint64_t number;        /* 0: confirmed, or of a writer before this one */
    uint64_t ticket;        /* of the record that adds it */
    uint64_t answer_ticket; /* of the record of its outcome; 0: none yet */
    enum outbox_state state;
    bool settled; /* taken up and passed: only its number keeps it */
    enum operation_kind kind;
    uint64_t time_ms;
    char *text;       /* the owner's text form, as shown; "" of a place holder */
    char *key;        /* the same, folded: the overlay's name of the bag */
    uint64_t bag_id;  /* the bag it means, once that is known */
    uint64_t made_id; /* WRITE: id of the CREATE whose number its bytes name, else 0 */
    uint32_t refs;    /* CREATE: pending writes whose bytes name it */
    uint8_t *bytes;   /* its encoding */
    size_t size;
    uint64_t seq;
    bool split;                      /* ACKED: a part went to the bag of the user on this device */
    uint64_t device_bag;             /* that one; 0: none, or it is gone */
    uint64_t shared_seq, device_seq; /* which cursor of the two it waits for; 0: not any more */
    int code;
    char *why; /* the sentence of a refusal, may be NULL */
    size_t write_count;
    struct overlay_write writes[];
};

/* A CREATE that was answered. */
struct made {
    uint64_t id;
    uint64_t bag_id;
    int code;
    bool done;  /* the replica has it */
    char *text; /* the owner */
};

struct waiter {
    uint64_t ticket;
    bool done;
    int rc;
    struct err err;
    struct waiter *next;
};

struct outbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct outbox_world world;
    const struct disk *disk; /* of the world */
    char *path;              /* DIR/outbox.seg */
    char *next_path;         /* DIR/outbox.next: a smaller one in the making */
    uint64_t max_bytes;
    outbox_barrier_fn *barrier; /* both fixed before threads use it */
    void *barrier_context;

    struct entry *first, *last;
    struct entry **window; /* numbers window_first ..., a ring */
    size_t window_head, window_count, window_capacity;
    uint64_t window_first;
    struct overlay *overlay;
    struct made *made;
    size_t made_count, made_capacity;

    uint64_t writer;
    uint64_t next_id;
    uint64_t used_bytes;
    uint64_t small_bytes; /* of them when the file was made small because of them */
    uint64_t pending, refused;
    bool alone;
    bool sending;      /* noted in the file: more may be sent than it knows of */
    uint64_t sent_max; /* numbers up to this one were perhaps sent */
    bool woken;        /* outbox_wake_all */

    struct buf waiting; /* records, behind room for the head of their batch */
    uint32_t waiting_count;
    struct buf writing; /* the leader's */
    uint64_t tickets;   /* given out: one per record */
    uint64_t durable;   /* records up to this ticket are on disk */
    bool leading;
    bool rewrite;      /* the file lacks something that memory has: only a new one will do */
    bool numbers_lost; /* the numbers in memory are not the file's yet: nothing may be sent */
    int dead;          /* why nothing more is taken */
    struct waiter *waiters;
    struct segment *segment;
};

/* --- outbox.c --- */
uint64_t outbox_wall_ms(const struct outbox *outbox);
uint64_t outbox_random(const struct outbox *outbox);

/* --- outbox.c, with the lock --- */
int outbox_too_large(struct err *err);
int outbox_full(const struct outbox *outbox, struct err *err);
/* What the writes will take, roughly; not more than is allowed by much. */
size_t outbox_size_of(const struct operation_write *writes, size_t count);
/* Room in the batch that waits for so many bytes; may wait. */
MUST_CHECK int outbox_make_room(struct outbox *outbox, size_t size, struct err *err);
/* Until what was queued as `entry`, which may be gone then, is durable; its id, when `id` is not
 * NULL. As outbox_commit. */
MUST_CHECK int outbox_commit_new(struct outbox *outbox, const struct entry *entry, uint64_t *id,
                                 struct err *err);
/* `maker`: the number of the CREATE that makes the target's bag, 0: it has its id. */
MUST_CHECK int outbox_encode_write(struct buf *out, uint64_t number,
                                   const struct outbox_target *target, uint64_t maker,
                                   const struct operation_write *writes, size_t count,
                                   struct err *err);

/* --- outbox_entry.c --- */
/* From an operation's bytes (copied). `owner` NULL: a place holder. E_MALFORMED, E_NOMEM; other
 * codes of operation_decode. */
MUST_CHECK int outbox_entry_new(struct entry **out, const struct owner *owner, struct span bytes,
                                struct err *err);
void outbox_entry_free(struct entry **entry);
size_t outbox_entry_cost(const struct entry *entry);
/* Other bytes for the same content: another number, a bag instead of its CREATE, fewer writes. */
MUST_CHECK int outbox_entry_set_bytes(struct entry *entry, struct span bytes, struct err *err);
/* Encode a WRITE's content under another number and bag; `keep` (NULL: all) tells which writes. */
void outbox_entry_encode(const struct entry *entry, uint64_t number, uint64_t bag_id,
                         uint64_t made_by, const bool *keep, struct buf *out);
void outbox_list_add(struct outbox *outbox, struct entry *entry);
void outbox_list_remove(struct outbox *outbox, struct entry *entry);
struct entry *outbox_by_id(const struct outbox *outbox, uint64_t id);
MUST_CHECK int outbox_window_reserve(struct outbox *outbox);
void outbox_window_push(struct outbox *outbox, struct entry *entry);
struct entry *outbox_window_at(const struct outbox *outbox, uint64_t number); /* NULL: outside */
void outbox_window_set(struct outbox *outbox, uint64_t number, struct entry *entry);
void outbox_window_pop(struct outbox *outbox); /* the oldest; its number becomes 0 */
void outbox_window_pop_newest(struct outbox *outbox);
uint64_t outbox_window_end(const struct outbox *outbox); /* the next number */
void outbox_show(struct outbox *outbox, struct entry *entry);
void outbox_hide_entry(struct outbox *outbox, struct entry *entry);
/* Remove it from wherever it is, and free it. */
void outbox_forget(struct outbox *outbox, struct entry *entry);
bool outbox_is_durable(const struct outbox *outbox, const struct entry *entry);

/* --- outbox_settle.c: changes of memory alone, for replay as well --- */
void outbox_settle(struct outbox *outbox, struct entry *entry, const struct outbox_answer *answer);
/* It was taken up, at answer->seq: which cursors it waits for. */
void outbox_await(struct entry *entry, const struct outbox_answer *answer);
/* The CREATE `id` was answered; WRITEs of it with a number from `from` on were never sent: they
 * name the bag, or (E_BAG_EXISTS) are refused here. */
MUST_CHECK int outbox_settle_made(struct outbox *outbox, uint64_t id, struct span text,
                                  uint64_t bag_id, int code, uint64_t from, struct err *err);
struct made *outbox_made_find(const struct outbox *outbox, uint64_t id);
/* The write stays as a refused one without a number, an empty operation takes its place. */
MUST_CHECK int outbox_refuse_unsent(struct outbox *outbox, struct entry *entry, int code,
                                    const char *why, struct err *err);
MUST_CHECK int outbox_empty_unsent(struct outbox *outbox, struct entry *entry, struct err *err);
/* Lets go of what is confirmed. */
void outbox_advance(struct outbox *outbox);

/* --- outbox_record.c --- */
/* What was said of an answered operation, as far as it still counts. */
struct outbox_answer outbox_answer_of(const struct entry *entry, uint64_t number);
void outbox_record_state(const struct outbox *outbox, struct buf *out);
void outbox_record_add(const struct entry *entry, struct buf *out);
void outbox_record_outcome(const struct outbox_answer *answer, struct buf *out);
void outbox_record_forget(uint64_t id, struct buf *out);
void outbox_record_empty(uint64_t number, struct buf *out);
void outbox_record_made(const struct made *made, uint64_t from, struct buf *out);
void outbox_record_old(const struct entry *entry, struct buf *out);
void outbox_record_sending(bool sending, uint64_t sent_max, struct buf *out);
/* A segment_batch_fn: replays the records of one batch; `context` is the outbox. */
int outbox_replay(void *context, const struct batch *batch, struct err *err);

/* --- outbox_commit.c; the lock is held --- */
/* Queue the record that `out` got behind its old size; its ticket. With an error in the buffer the
 * record is lost there, and the file will be rewritten. */
struct buf *outbox_queue_begin(struct outbox *outbox, size_t room);
uint64_t outbox_queue_end(struct outbox *outbox);
/* Waits until the ticket is on disk. */
MUST_CHECK int outbox_commit(struct outbox *outbox, uint64_t ticket, struct err *err);
/* Becomes the leader without writing / ends it. */
void outbox_lead_begin(struct outbox *outbox);
void outbox_lead_end(struct outbox *outbox);

/* --- outbox_rewrite.c; the leader calls it, without the lock --- */
/* A new file with everything that memory has; `upto` gets the ticket up to which that is. */
MUST_CHECK int outbox_rewrite(struct outbox *outbox, uint64_t *upto, struct err *err);

#endif
