/* server/plan.h - making changes: each is put into the draft and applied to the overlay at once.
 *
 * A request is planned as one or more sets between plan_begin and plan_seal: all of it or, with
 * plan_undo, none. Owned by the committer's thread.
 */
#ifndef KITBAG_SERVER_PLAN_H
#define KITBAG_SERVER_PLAN_H

#include "journal/fence.h"
#include "journal/operation.h"
#include "journal/sharing.h"
#include "server/adoptions.h"
#include "server/draft.h"
#include "server/overlay.h"
#include "server/records.h"

/* What the configuration allows. */
struct limits {
    uint64_t items_per_bag;
    uint64_t bytes_per_bag;
    uint64_t users;
    uint64_t undo_keep_ms; /* for so long a change of what is shared can be taken back; 0: always */
    bool groups_managed;   /* only administrators put users into groups */
    bool users_evict;      /* at the limit, who signed in longest ago makes room for a new user */
};

/* In the journal, for whom they had to go. */
#define PLAN_EVICTS "limits.users"

/* Results of planning besides 0 and the negative codes, which are refusals. */
enum {
    PLAN_FULL = 1,    /* it does not fit this draft any more: commit, then plan it again */
    PLAN_TROUBLE = 2, /* the state could not be read or memory ran out: not now; `err` tells */
    PLAN_SETTLE = 3,  /* it needs a list from kv/: commit, let kv/ take it in, then plan it again */
};

/* A device was found to have the right to write to a bag. */
struct plan_right {
    uint64_t device_bag;
    uint64_t bag_id;
    uint64_t version;
};

enum { PLAN_RIGHTS = 1024 }; /* that are kept in mind */

struct plan {
    struct overlay overlay;
    struct journal *journal; /* borrowed: what a fence replaced is in it */
    struct draft *draft;     /* the open one */
    struct limits limits;
    uint64_t server_bag; /* 0: not yet made */
    uint64_t fleet_bag;
    /* Of all sets that are sealed: */
    struct fences fences;       /* of the fleet */
    struct sharing sharing;     /* its catalogue */
    uint64_t users;             /* how many there are */
    struct adoptions adoptions; /* copies that are wanted */
    struct sync_record sync;    /* while it is stopped, machines change nothing */
    bool stale;                 /* they could not be kept: plan_load before the next request */
    /* Lists (who is signed in, groups, bags under a user's) are read from kv/, which has all up to
     */
    uint64_t applied_seq;
    uint64_t rights_seq;   /* the newest change that may be in such a list */
    uint64_t children_seq; /* the newest creation of a user-device bag */
    /* Rights that were looked up since the last change that could end one. */
    uint64_t rights_version;
    struct plan_right rights[PLAN_RIGHTS];
    /* Who is to make room for a user; NULL: nobody. As of committer_options. */
    int (*evict)(void *context, uint64_t *bag_id);
    void *evict_context;
    int closed;             /* 0: changes are taken; else the code that every request gets */
    const char *closed_why; /* for administration; machines get plan_closed_text */
};

#define PLAN_NO_ROOM                                                                               \
    "there is too little room on the server's disk: writing goes on by itself when there is more"

/* To machines, while plan->sync is stopped. */
#define PLAN_STOPPED                                                                               \
    "an administrator stopped synchronization: it goes on by itself when it is started again"

/* What machines are told of `closed`: nothing of the server's folders, but whose disk it is. */
const char *plan_closed_text(const struct plan *plan);

/* Who makes a change, and by which operation. */
struct plan_by {
    uint64_t origin;   /* a device; 0: the server or an administrator */
    const char *actor; /* "" for devices; copied */
    bool has_op;
    struct change_op op;
    uint64_t seen;  /* the writer knows versions up to here, UINT64_MAX: all */
    uint64_t begun; /* and those of its origin from here on, where its outbox began: what its
                       machine wrote before may be lost there. Others that it overwrites are marked
                       as conflicts. */
};

/* Reads fences and counts from kv/, which holds all that was committed, in place of what was known;
 * while nothing is planned. */
MUST_CHECK int plan_load(struct plan *plan, struct err *err);
void plan_free(struct plan *plan); /* the fences and the overlay; not the draft */

void plan_begin(struct plan *plan);
/* The changes since plan_begin (or the last plan_seal) are a set. 0, PLAN_FULL or PLAN_TROUBLE,
 * after which the caller undoes. */
MUST_CHECK int plan_seal(struct plan *plan, struct err *err);
/* Takes back everything since plan_begin that is not sealed. */
void plan_undo(struct plan *plan);

/* Each adds one change; what is given is copied. 0 or PLAN_TROUBLE. The caller has checked that
 * the change is allowed and fits: the bag is there (or is not, to create it). */
MUST_CHECK int plan_create(struct plan *plan, const struct plan_by *by, const struct owner *owner,
                           uint64_t parent, uint64_t *bag_id, struct err *err);
MUST_CHECK int plan_delete(struct plan *plan, const struct plan_by *by, uint64_t bag_id,
                           struct err *err);
/* The bag and, of a user, the device-specific bags under it; also PLAN_SETTLE. */
MUST_CHECK int plan_delete_owner(struct plan *plan, const struct plan_by *by,
                                 const struct bag_row *bag, struct err *err);
MUST_CHECK int plan_set(struct plan *plan, const struct plan_by *by, uint64_t bag_id,
                        struct span path, struct span value, struct err *err);
MUST_CHECK int plan_remove(struct plan *plan, const struct plan_by *by, uint64_t bag_id,
                           struct span path, struct err *err);
MUST_CHECK int plan_void(struct plan *plan, const struct plan_by *by, int code, struct err *err);
MUST_CHECK int plan_history(struct plan *plan, const struct plan_by *by,
                            const struct change_history *history, struct err *err);

/* May lists of this bag's items be other than kv/ has them? Then it is PLAN_SETTLE. */
bool plan_list_lags(const struct plan *plan, uint64_t bag_id);

/* Where the right of this device to write to the bag is kept in mind; it has it when the version is
 * plan->rights_version, and is to be looked up else. */
struct plan_right *plan_right(struct plan *plan, uint64_t device_bag, uint64_t bag_id);

/* The seq that the next change will have. */
uint64_t plan_next_seq(const struct plan *plan);

/* The state's answer as a result of planning: 0 stays 0, `absent` codes (E_NOT_FOUND, E_BAG_GONE)
 * stay, anything else is PLAN_TROUBLE. */
int plan_read(int rc);

/* Is the item there for whoever reads: live, and not behind a fence? */
bool plan_is_there(const struct plan *plan, const struct bag_row *bag, struct span path,
                   const struct item_row *row);

/* The seq of the item, 0 when it is not there. 0 or PLAN_TROUBLE. */
MUST_CHECK int plan_seq_of(struct plan *plan, const struct bag_row *bag, struct span path,
                           uint64_t *seq, struct err *err);
/* Does the write's condition hold for an item at `seq` (0: not there)? 0 or E_CONDITION. */
MUST_CHECK int plan_check_condition(const struct operation_write *write, uint64_t seq,
                                    struct err *err);

/* Judges one write of a set: path (reserved ones only when `reserved` allows), value (of the
 * fleet's fences, categories and flags also its form and their number), condition, for which an
 * item behind a fence is not there. 0, E_PATH, E_TOO_LARGE, E_CONDITION, E_MALFORMED, E_QUOTA,
 * PLAN_TROUBLE. */
MUST_CHECK int plan_check_write(struct plan *plan, const struct bag_row *bag,
                                const struct operation_write *write, bool reserved,
                                struct err *err);
/* May one more bag of this owner be made? 0, E_NAME (of a group: too long), E_QUOTA (of users),
 * PLAN_TROUBLE. */
MUST_CHECK int plan_check_owner(struct plan *plan, const struct owner *owner, struct err *err);
/* The same, before a bag is made; when there are too many users and somebody can make room, the
 * open set deletes that one. Also PLAN_SETTLE. */
MUST_CHECK int plan_make_room(struct plan *plan, const struct owner *owner, struct err *err);
/* After a set's changes: does the bag keep its limits? One that grew over them is E_QUOTA. */
MUST_CHECK int plan_check_quota(struct plan *plan, const struct bag_row *before, struct err *err);

#endif
