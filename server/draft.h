/* server/draft.h - one batch of the journal while it is made, and the answers that wait for it.
 *
 * Changes come in sets; a set is encoded when it is complete. Whatever a change or an answer points
 * to lives until draft_reset: answers in the draft's arena, changes in the era of the overlay that
 * the draft holds. Owned by the committer's thread, and only read by the one that applies.
 */
#ifndef KITBAG_SERVER_DRAFT_H
#define KITBAG_SERVER_DRAFT_H

#include "journal/journal.h"
#include "server/eras.h"
#include "transport/wire.h"

enum {
    DRAFT_CHANGES_MAX = 16384,                /* a draft with so many takes no further set */
    DRAFT_BYTES_MAX = BATCH_PAYLOAD_MAX - 16, /* of encoded changes; the count stands before them */
};

/* What a request is answered with. */
enum reply_kind {
    REPLY_OUTCOME, /* of an operation */
    REPLY_SIGNED_IN,
    REPLY_SIGNED_OUT,
    REPLY_JOINED,
    REPLY_SUBMITTED,
};

struct reply {
    enum reply_kind kind;
    bool pending;               /* true only if this draft's batch becomes durable */
    uint64_t session;           /* who asked; 0: administration */
    uint64_t number;            /* operation's number, ref, or index of a submit */
    int code;                   /* 0 or negative */
    uint64_t seq;               /* of the last change */
    struct wire_split split;    /* OUTCOME */
    const char *text;           /* NULL: none */
    const struct bag_row *bags; /* SIGNED_IN */
    size_t bag_count;
    uint64_t id;  /* JOINED: the device; SUBMITTED: the bag */
    bool created; /* SUBMITTED */
    void *ticket; /* SUBMITTED: whose */
};

struct draft {
    struct draft *next;         /* in the committer's lists */
    struct draft *next_applied; /* in the applier's */
    struct era *era;            /* held by the committer; NULL: none */
    struct arena arena;         /* of answers */
    struct change *changes;
    size_t count;
    size_t capacity;
    size_t sealed;          /* changes that are encoded */
    struct buf body;        /* the payload; the first DRAFT_GAP bytes are for the count */
    size_t bytes;           /* of the payload, also when its memory is gone */
    struct buf count_bytes; /* the count, encoded; its memory is there from the start */
    uint64_t base_seq;
    uint64_t time_ms;
    struct reply *replies;
    size_t reply_count;
    size_t reply_capacity;
    /* After the commit. */
    int code;       /* 0: durable */
    bool delivered; /* nobody needs its answers and changes any more, */
    bool applied;   /* and nobody its changes: in kv/, or never to be */
    struct err err;
    struct journal_position head;
};

MUST_CHECK int draft_new(struct draft **out);
void draft_free(struct draft **draft);
/* Empty again; its changes will be numbered from `base_seq`. */
void draft_reset(struct draft *draft, uint64_t base_seq, uint64_t time_ms);

/* Room for one more change behind the others: zeroed but for owner and history, which their makers
 * set; seq and time set. NULL: out of memory. It
 * counts after draft_push. */
struct change *draft_next(struct draft *draft);
void draft_push(struct draft *draft);

/* All changes since the last seal are one set: number them (set_left) and encode them. E_TOO_LARGE
 * (they do not fit any more) or E_NOMEM: nothing was encoded. */
MUST_CHECK int draft_seal(struct draft *draft);
/* Forget the changes since the last seal. */
void draft_cut(struct draft *draft);
/* Forget all of them, sealed or not; the answers stay. */
void draft_empty(struct draft *draft);

/* The payload of the batch: only sealed sets. */
struct span draft_payload(struct draft *draft);
/* Nobody needs the payload of `draft` any more: when its memory is more than each may keep it is
 * `next`'s, which has no changes yet. So one draft at a time has so much, and it need not be taken
 * from the system anew. */
void draft_pass_memory(struct draft *draft, struct draft *next);

/* Copies `reply`; text and bags are borrowed and must live as long as the draft. Out of memory is
 * E_NOMEM: the request stays without an answer, and is repeated by whoever sent it. */
int draft_reply(struct draft *draft, const struct reply *reply);

#endif
