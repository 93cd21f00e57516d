/* client/network_inside.h - the inside of struct network, for the files that are made of it:
 *
 *   network.c         its turns, what it tells of itself
 *   network_thread.c  the thread that runs them, with a dealer
 *   network_act.c     one step of the follow: its actions, one by one; sending
 *   network_data.c    what comes of bags: live changes, pages, ends of bags; outcomes
 *   network_people.c  signing in and out, and what the server's list of sign-ins asks for
 *
 * Everything here is its own who runs the turns, but `news`.
 */
#ifndef KITBAG_CLIENT_NETWORK_INSIDE_H
#define KITBAG_CLIENT_NETWORK_INSIDE_H

#include <stdatomic.h>

#include "base/thread.h"
#include "client/network.h"
#include "transport/follow.h"

enum {
    NETWORK_PASSED_MS = 20,  /* outcomes are made durable so long after they came, unless a
                                write took them along before */
    NETWORK_AGAIN_MS = 1000, /* before the outbox is read again that could not be read */
    NETWORK_RETRY_MS = 2,    /* for a socket that took no more */
    NETWORK_QUEUED_MAX = 16 << 20,
    NETWORK_GONE_MAX = 4096,
};

/* A bag that is followed in this session. */
struct followed {
    uint64_t id;
    bool caught; /* complete, as of this session */
};

/* A sign-in or sign-out of the network's own in this session. */
struct signing {
    struct signing *next;
    uint64_t ref;
    bool out;
    bool answered; /* refused: not tried again in this session */
    struct owner user;
    uint64_t bag_id; /* sign-out */
};

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
    size_t followed_count, followed_capacity;
    size_t caught;
    struct signing *signings;
    uint64_t gone[NETWORK_GONE_MAX]; /* bags that were deleted, the last ones in a ring */
    size_t gone_count;
    bool reconcile_due; /* sign-ins of the server and of here are to be compared */
    bool passed_due;
    uint64_t passed_at_ms;
    bool pass_failed;                   /* there was no room for it */
    uint64_t told_last, told_confirmed; /* of FOLLOW_OPS */
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

/* --- network.c --- */
/* Changes what the others see of the network. `why` may be NULL. */
void network_tell_status(struct network *network, const struct follow_action *status);
void network_tell_caught(struct network *network);
void network_tell_trouble(struct network *network, int code, const char *text);
/* Something to be shown as long as nothing worse is. */
void network_tell_note(struct network *network, const char *text);
void network_pass_later(struct network *network);
void network_ask_again_later(struct network *network);

/* --- network_data.c --- */
/* Fills network->bags with the bags to follow. */
MUST_CHECK int network_list_bags(struct network *network, struct err *err);
/* Tells the follow of all bags again: new ones, those to be fetched anew, those dropped. Steps. */
void network_refollow(struct network *network);
void network_forget_followed(struct network *network);
void network_live(struct network *network, const struct follow_action *action,
                  struct follow_event *answer);
void network_page(struct network *network, const struct follow_action *action,
                  struct follow_event *answer);
void network_bag(struct network *network, const struct follow_action *action);
void network_outcome(struct network *network, const struct follow_action *action);
/* Was the bag deleted, as far as this process was told? The server's list of sign-ins may still
 * name it for a while. */
bool network_is_gone(const struct network *network, uint64_t bag_id);

/* --- network_people.c --- */
void network_welcome(struct network *network, const struct wire_welcome *welcome);
void network_signed_in(struct network *network, const struct follow_action *action);
void network_signed_out(struct network *network, const struct follow_action *action);
/* Sends the requests that are new. Steps: not for use while actions are carried out. */
void network_send_requests(struct network *network);
/* Ends those whose bags are complete. */
void network_finish_requests(struct network *network);
void network_session_lost(struct network *network);
/* Compares who is kept here with who the server thinks is. Steps. */
void network_reconcile(struct network *network);

#endif
