/* client/network_inside.h - the inside of struct network, for the files that are made of it:
 *
 *   network.c         its turns, what it tells of itself
 *   network_thread.c  the thread that runs them, with a dealer
 *   network_act.c     one step of the follow: its actions, one by one; sending
 *   network_bags.c    which bags are followed, which are complete, which are gone
 *   network_data.c    what comes of bags: live changes, pages; outcomes
 *   network_people.c  signing in: what is sent, and what comes of it
 *   network_compare.c what the server's list of sign-ins asks for
 *   network_welcome.c what a session begins with: whose history it is, which rights there are
 *   network_supply.c  the copy of a deleted bag that is wanted
 *   network_keep.c    bags that are kept by a right, whoever is signed in
 *   network_mirror.c  the copy of the server's journal
 *   network_judge.c   what a policy of joining has to judge (kb_policy.h), when all of it is here
 *   network_care.c    when nothing else is to be done: digests, a slow check, users nobody needs
 *
 * Everything here is its own who runs the turns, but `news`.
 */
#ifndef KITBAG_CLIENT_NETWORK_INSIDE_H
#define KITBAG_CLIENT_NETWORK_INSIDE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "client/network.h"
#include "transport/follow.h"
#include "transport/idmap.h"

enum {
    NETWORK_PASSED_MS = 20,  /* outcomes are made durable so long after they came, unless a
                                write took them along before */
    NETWORK_AGAIN_MS = 1000, /* before the outbox is read again that could not be read */
    NETWORK_RETRY_MS = 2,    /* for a socket that took no more */
    NETWORK_QUEUED_MAX = 16 << 20,
    /* Of what is applied in one transaction; each message weighs this, and one for each change or
     * row. So 64 full messages are committed together, or a thousand small ones. */
    NETWORK_MESSAGE_WEIGHT = 16,
    NETWORK_BATCH_WEIGHT = 16384,
    NETWORK_BATCH_BYTES = 4 << 20,
    NETWORK_CARE_MS = 1000, /* what can wait is done a piece a second */
    NETWORK_GONE_MAX = 4096,
    NETWORK_SUPPLIED_MAX = 64,
};

/* A bag that is followed in this session. */
struct followed {
    uint64_t id;
    uint64_t round;       /* the last network_list_bags that had it */
    uint64_t asked_ms;    /* monotonic; 0: its digest was not asked for again */
    uint64_t verified_ms; /* since 1970; 0: not compared in this session */
    uint64_t differed_ms; /* monotonic; 0: it did not differ in this session */
    bool caught;          /* complete, as of this session */
};

/* A bag that the open batch changes, or that the server spoke of in it. */
struct changed_bag {
    uint64_t bag_id;
    uint64_t cursor;
    bool end;      /* it is complete at `cursor` */
    bool compared; /* by its digest, and is the server's */
    bool differs;  /* it is not */
    bool stale;    /* the server spoke of a cursor that it has not any more */
};

/* A sign-in or sign-out of the network's own in this session. */
struct signing {
    struct signing *next;
    uint64_t ref;
    bool out;
    bool due;      /* told by somebody while there was no connection */
    bool answered; /* refused: not tried again in this session */
    bool put_off;  /* not refused: told again at network->put_off_at_ms */
    struct owner user;
    uint64_t bag_id; /* sign-out: of the user; sign-in: what is kept of the user, or 0 */
};

/* A bag of a user on this machine that was lost here by damage, or that an administrator made, is
 * told of by a sign-in alone: whoever the server has signed in here is signed in again. */
enum network_recall { NETWORK_RECALL_NONE, NETWORK_RECALL_DUE, NETWORK_RECALL_SENT };

/* A frame that the socket did not take yet. */
struct outgoing {
    struct outgoing *next;
    size_t size;
    uint8_t bytes[];
};

struct network {
    struct kb *kb;
    struct network_thread *own; /* NULL: others run the turns */
    struct network_port port;
    atomic_uint news;

    struct follow *follow;
    bool begun;
    uint64_t now_ms; /* monotonic, of this turn */
    struct identity identity;
    struct replica_position position; /* scratch of HELLO */
    bool open;
    bool troubled; /* `live` says why writes wait, or what went wrong */
    uint64_t device_bag;
    bool device_caught; /* in this session */
    struct followed *followed;
    struct idmap places; /* bag_id -> where it stands in `followed` */
    size_t followed_count, followed_capacity;
    size_t caught;
    uint64_t round;
    struct signing *signings;
    uint64_t put_off_at_ms;          /* 0: none of them was put off */
    uint64_t gone[NETWORK_GONE_MAX]; /* bags that were deleted, the last ones in a ring */
    size_t gone_count;
    uint64_t supplied[NETWORK_SUPPLIED_MAX]; /* bags whose copy was wanted, the last ones */
    size_t supplied_count;
    bool reconcile_due; /* sign-ins of the server and of here are to be compared */
    bool unsettled;     /* and again after each outcome: somebody waits for the last of theirs */
    bool spare_due;     /* a user may have gone whose groups nobody else needs */
    bool passed_due;
    uint64_t passed_at_ms;
    bool pass_failed;                   /* there was no room for it */
    uint64_t told_last, told_confirmed; /* of FOLLOW_OPS */
    bool due_unsent, due_told;          /* in this session */
    uint64_t due_at_ms;                 /* not before */
    size_t held;                        /* sign-ins to be answered before operations are sent */
    struct replica_batch *batch;        /* open: nothing else of the replica may be called */
    size_t batch_count, batch_bytes, batch_weight;
    struct changed_bag *touched;
    size_t touched_count, touched_capacity;
    bool rules_changed;
    uint64_t data_ms; /* monotonic, when a bag last changed */

    uint64_t healed; /* bags ever fetched anew because they differed */
    bool healed_due; /* to be told to the follow */
    uint64_t care_at_ms, scrub_at_ms, evict_at_ms;
    struct clock_pair clocks; /* what later ones are compared with */
    uint64_t disused_at_ms;   /* monotonic: by then the wall clock is believed */
    uint64_t disused_from_ms; /* since 1970: disuse before it is not counted */
    bool disused_noted;
    uint64_t scrub_next;       /* as of replica_scrub */
    uint64_t wrong_bag;        /* that it found */
    size_t verify_next;        /* in `followed` */
    size_t verify_quiet;       /* looked at since one was due */
    uint64_t verify_oldest_ms; /* of those looked at in this round */

    uint64_t mirror_pause_ms; /* after what came could not be taken; 0: it was */

    enum wire_keep keep;   /* of this session */
    uint64_t listed;       /* bags up to this one were listed and are kept */
    uint64_t asked_newest; /* what the server had told when it was asked */
    bool list_due, list_asked;
    enum network_recall recall;
    uint64_t own_newest; /* of users' bags on this machine, up to here they are known */
    uint64_t own_at_ms;  /* when a newer one is looked for; 0: there is none */
    bool letting_go;     /* bags kept by a right that was taken away are looked for */

    bool judge_due, judge_holds; /* operations are not sent before */
    uint64_t judge_at_ms;        /* not before */
    uint64_t judge_until_ms;     /* so long all of them are waited for; 0: not set */

    bool mirror_due;
    uint64_t mirror_at_ms; /* not before */
    uint64_t mirror_drop_ms;
    bool mirror_drop_failed;

    int down; /* not 0: the connection could not be made, to be told to the follow */
    char down_text[ERR_TEXT_MAX];
    uint64_t heard_ms; /* when `live` was last told of a message */

    struct outgoing *first, *last;
    size_t queued_bytes;

    struct buf ops; /* of the last READ_OPS */
    struct change *changes;
    size_t change_capacity;
    struct replica_row *rows;
    size_t row_capacity;
    struct wire_bag *bags; /* of the last LIST_BAGS */
    size_t bag_count, bag_capacity;
};

/* --- network_thread.c --- */
/* Sets network->own and network->port, and starts; half built after an error. */
MUST_CHECK int network_thread_new(struct network *network, struct err *err);
void network_thread_wake(struct network_thread *thread);
/* After it nobody runs turns any more. */
void network_thread_join(struct network_thread *thread);
void network_thread_free(struct network_thread **thread);

/* --- network_act.c --- */
/* Steps with `event`, carries everything out, answers what is asked. */
void network_step(struct network *network, struct follow_event event);
/* Sends what waits; true when nothing waits any more. */
bool network_flush(struct network *network);
void network_drop_queue(struct network *network);
/* The session is to end; the follow is told at the end of the step, or by network_take_down. */
void network_lose(struct network *network, int code, const char *text);
void network_take_down(struct network *network);

/* --- network.c --- */
/* Changes what the others see of the network. `why` may be NULL. */
void network_tell_status(struct network *network, const struct follow_action *status);
void network_tell_caught(struct network *network);
void network_tell_trouble(struct network *network, int code, const char *text);
/* Something to be shown as long as nothing worse is. */
void network_tell_note(struct network *network, const char *text);
void network_pass_later(struct network *network);
void network_ask_again_later(struct network *network);

/* --- network_bags.c --- */
void network_bags_init(struct network *network);
struct followed *network_find_followed(const struct network *network, uint64_t bag_id);
void network_drop_followed(struct network *network, uint64_t bag_id);
void network_forget_followed(struct network *network);
/* Fills network->bags with the bags to follow. */
MUST_CHECK int network_list_bags(struct network *network, struct err *err);
/* Tells the follow of new bags, those to be fetched anew, those dropped. Steps. */
void network_refollow(struct network *network);
/* The bag stands at `cursor` now, and is complete. */
void network_bag_moved(struct network *network, uint64_t bag_id, uint64_t cursor);
/* The follow asks for it again: it is not complete until it came. */
void network_bag_behind(struct network *network, uint64_t bag_id);
/* It stands elsewhere than the server said: it is followed from where it is now. */
void network_bag_stale(struct network *network, uint64_t bag_id);
/* BAG with a code. */
void network_bag_refused(struct network *network, const struct follow_action *action);
/* Its copy here goes, with what it shows of the outbox. */
void network_drop_bag(struct network *network, uint64_t bag_id);
/* The bag was deleted while this machine was away: its copy is saved in a file first. */
void network_obey_deletion(struct network *network, uint64_t bag_id);
void network_note_gone(struct network *network, uint64_t bag_id);
/* Was the bag deleted, as far as this process was told? The server's list of sign-ins may still
 * name it for a while. */
bool network_is_gone(const struct network *network, uint64_t bag_id);

/* --- network_data.c --- */
/* Ends the open batch, if there is one, and tells what came of it. */
MUST_CHECK int network_commit(struct network *network, struct err *err);
void network_commit_or_lose(struct network *network);
void network_live(struct network *network, const struct follow_action *action,
                  struct follow_event *answer);
void network_page(struct network *network, const struct follow_action *action,
                  struct follow_event *answer);
/* BAG code 0: with the pages before it, in one transaction. */
void network_complete(struct network *network, const struct follow_action *action);
void network_outcome(struct network *network, const struct follow_action *action);

/* --- network_welcome.c --- */
void network_welcome(struct network *network, const struct wire_welcome *welcome);

/* --- network_care.c --- */
/* Reads what was noted of earlier runs. */
void network_care_begin(struct network *network);
/* It differs from the server's and is marked to be fetched anew. */
void network_differs(struct network *network, uint64_t bag_id);
/* Is the digest that the server told to be compared? Not soon after the bag was fetched anew: what
 * differs still is not mended by another copy, and each would ask for the next without a pause. */
bool network_compares(const struct network *network, uint64_t bag_id);
/* It is the server's; `compared`: by its digest. */
void network_verified(struct network *network, uint64_t bag_id, bool compared);
/* A little of what can wait; `care_at_ms` says when there is more. Steps. */
void network_care(struct network *network);

/* --- network_judge.c --- */
/* Takes over what is to be judged. */
void network_judge_begin(struct network *network);
/* Judges, when it is time. */
void network_judge(struct network *network);

/* --- network_supply.c --- */
/* The bag was deleted at the server, which asks for the copy that is kept here: it becomes one that
 * this machine makes. Nothing is kept of a bag that is not complete. */
void network_supply(struct network *network, uint64_t bag_id);
/* Is what was written to this bag in such a copy? */
bool network_is_supplied(const struct network *network, uint64_t bag_id);

/* --- network_keep.c --- */
/* What the device may keep, as WELCOME says. */
void network_keep_welcome(struct network *network, enum wire_keep keep);
/* The server goes on behind `resume_seq`: bags that it makes from there on were not listed. */
MUST_CHECK int network_keep_rebase(struct network *network, uint64_t resume_seq, struct err *err);
/* Asks for bags that are not known here yet. Steps. */
void network_keep_ask(struct network *network);
void network_owners(struct network *network, const struct follow_action *action);
/* Is there a bag of a user on this machine that is not known here? */
void network_look_for_own(struct network *network);
/* The bags that were lost by damage are asked for again, all of them. */
void network_recalled(struct network *network);
/* Is a bag of this kind kept whoever is signed in? */
bool network_keeps(const struct network *network, enum owner_kind kind);
/* The right that was taken away is forgotten, when nothing is kept by it any more. */
void network_let_go_done(struct network *network);

/* --- network_mirror.c --- */
void network_mirror_welcome(struct network *network, bool allowed);
/* Asks for the journal, when it is time. Steps. */
void network_mirror_ask(struct network *network);
/* Lets go of what is old in the copy, when it is time. */
void network_mirror_drop(struct network *network);
void network_mirroring(struct network *network, const struct follow_action *action);
void network_batches(struct network *network, const struct follow_action *action,
                     struct follow_event *answer);

/* --- network_people.c --- */
/* Does somebody wait for this user's sign-in? */
bool network_is_requested(struct network *network, const struct owner *user);
/* The owner of a row of SIGNED_IN or OWNERS. */
MUST_CHECK int network_owner_of(const struct wire_owner *row, struct owner *owner, struct err *err);
/* Are users or groups of this machine's own still to be made on the server? They come first: a
 * sign-in would register them as others. */
bool network_creates_pending(struct network *network);
/* `bag_id`: what is kept of the user, 0: nothing. Steps. */
void network_send_sign_in(struct network *network, uint64_t ref, const struct owner *user,
                          const struct kb_groups *groups, uint64_t bag_id);
/* Sign-outs of a bag are no longer of interest: it is kept again, or its record is gone. */
void network_forget_sign_out(struct network *network, uint64_t bag_id);
/* Nobody is to be signed in before them any more. */
void network_let_operations_go(struct network *network);
void network_signed_in(struct network *network, const struct follow_action *action);
void network_signed_out(struct network *network, const struct follow_action *action);
/* What was put off is told again, if it is wanted still, when its time has come. */
void network_try_put_off(struct network *network);
/* Sends the requests that are new. Steps: not for use while actions are carried out. */
void network_send_requests(struct network *network);
/* Ends those whose bags are complete. */
void network_finish_requests(struct network *network);
void network_session_lost(struct network *network);

/* --- network_compare.c --- */
/* Compares who is kept here with who the server thinks is. Steps. */
void network_reconcile(struct network *network);
/* People who signed in while there was no connection are told before any operation is sent. */
void network_hold_for_due(struct network *network);
void network_sign_in_due(struct network *network); /* Steps. */
/* Is there anything of this bag that the server has still to be told, while a right to keep it was
 * taken away? */
bool network_has_unsent(struct network *network, uint64_t bag_id);

#endif
