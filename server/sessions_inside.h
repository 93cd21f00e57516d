/* server/sessions_inside.h - what the files of the sessions share; nobody else includes it.
 *
 * sessions.c: tables, messages, ticks. session_step.c: a step and its actions. session_answers.c:
 * the questions of a feed; session_hello.c the first of them, session_later.c those that are
 * answered a slice at a time, session_mirror.c those about the journal. session_deliver.c: answers
 * and changes that the committer delivers. session_rights.c: what a change takes from whom.
 * session_replicas.c: how the replicas are, all together.
 */
#ifndef KITBAG_SERVER_SESSIONS_INSIDE_H
#define KITBAG_SERVER_SESSIONS_INSIDE_H

#include "base/log.h"
#include "server/access.h"
#include "server/followers.h"
#include "server/pages.h"
#include "server/sessions.h"
#include "server/turns.h"

struct sessions;
struct device_seen;

/* Follows the journal for a session that mirrors it. */
struct mirroring {
    bool on;
    struct journal_cursor *cursor; /* NULL: opened at the next read */
    uint64_t at;                   /* the last change that was read */
    struct batch batch;            /* read but not told: it found no room; count 0: there is none */
    struct span raw;               /* its bytes, the cursor's */
    struct session *next;          /* the line of all that mirror */
    struct session *prev;
};

/* Questions of one session that are answered by and by. */
struct later {
    struct turn turn;
    uint64_t round;     /* of sessions->round, in which: */
    size_t follows;     /* were answered so many FOLLOWs */
    uint64_t follow;    /* the bag of the one that waits, 0: none */
    uint64_t cursor;    /* that the machine has of it */
    bool lists;         /* a LIST waits */
    uint64_t looked_at; /* bags up to here were looked at for it */
    uint64_t listed;    /* the last bag that was told */
    size_t restarts;    /* how often it asked for what it had been told */
};

/* Changes that stand next to each other in sessions->followed. */
struct run {
    uint32_t first;
    uint32_t count;
};

struct session {
    struct table_node by_peer;
    struct table_node by_number;
    struct table_node by_device; /* when device is not 0 */
    struct session *next;        /* the ring of all, for ticks */
    struct session *prev;
    struct peer peer;
    uint64_t number;
    uint8_t key[KEY_SIZE];
    struct feed *feed;
    uint64_t device; /* 0: no HELLO was accepted */
    uint64_t device_bag;
    uint64_t writer;
    uint64_t deferred_from;        /* see struct operation_from */
    struct registry_rights rights; /* as WELCOME told them: when they change the session ends */
    struct device_seen *seen;      /* of its device; NULL: no memory for it */
    bool resumes;       /* it came with an older history, and may have to put aside what it holds */
    uint64_t opened_ms; /* monotonic, when HELLO was accepted */
    uint64_t newest_bag; /* that it has to list, beside sessions->newest_bag */
    struct follower follower;
    struct turn turn;
    struct later later;
    struct mirroring mirror;
    bool waits;         /* it told of writes that the server has not */
    int mirror_refused; /* why its copy of the journal is not gone on with; 0: it is, or has none */
    /* Keeps everybody: it is offered every change, and its feed knows which bags it follows (60
     * bytes each). A subscription for each of a million bags would take 160 MB more. */
    bool wide;
    struct session *wide_next;
    struct session *wide_prev;
    /* While a batch is delivered: which of its changes go there. */
    struct run *runs;
    size_t run_count;
    size_t run_capacity;
    bool run_failed;
    uint64_t picked_batch; /* sessions->batch, once it is in the line of those that get changes */
    struct session *next_picked;
    bool suspected; /* while it is looked for who lost a right: it stands in that line */
};

/* What is known of a device since the start. */
struct device_seen {
    struct table_node by_device;
    struct device_live live;
    uint64_t sign_ins;    /* that it may ask for now */
    uint64_t sign_ins_ms; /* when that was reckoned; 0: never */
    uint64_t healed_ms;   /* when bags that it healed were counted last; 0: never */
    uint64_t told_ms;     /* when the log was told that it is diverged; 0: never */
    struct log_limit opened;
    struct log_limit ended;
};

/* Changes of a batch, and each in the stream form. */
struct delivery {
    const struct change **changes;
    struct span *encoded; /* in sessions->stream */
    size_t capacity;
};

struct sessions {
    struct sessions_options options;
    struct feed_pool *pool;
    struct table by_peer;
    struct table by_number;
    struct table by_device;
    struct table seen;
    struct session *ring; /* the next one to get a tick */
    size_t count;
    struct followers followers;
    struct turns turns;
    struct pages pages;
    struct turns laters; /* sessions with questions to be answered by and by */
    uint64_t round;      /* of sessions_turns */
    struct session *mirrors;
    struct session *wides;
    uint64_t delivered;                      /* the newest change that was handed to sessions */
    uint64_t newest_bag[KEEP_EVERYBODY + 1]; /* made since the start, that one has to list */
    uint64_t waiting;                        /* sessions that wait to write */
    uint64_t healed;                         /* bags, on all devices, since the start */
    struct server_replicas replicas;         /* as found at replicas_ms */
    uint64_t replicas_ms;                    /* monotonic */
    uint64_t replicas_began_ms;              /* since 1970: when they were first looked at */
    struct bag_row *listed;                  /* of one OWNERS */
    struct buf batches;                      /* of one BATCHES */
    uint64_t batch;                          /* that is delivered */
    struct buf stream;
    struct delivery followed; /* by somebody */
    struct delivery picked;   /* of one session's event, when it is not one run */
    struct feed_outcome *outcomes;
    size_t outcome_capacity;
};

#define SESSION_OF(node, member) TABLE_OWNER(node, struct session, member)

/* It is offered every change from now on. */
void sessions_widen(struct sessions *sessions, struct session *session);
uint64_t sessions_now(const struct sessions *sessions); /* monotonic, ms */

struct session *sessions_find_device(const struct sessions *sessions, uint64_t device);
struct session *sessions_find_number(const struct sessions *sessions, uint64_t number);
/* The session belongs to this device from now on; an older one of the device ends. */
void sessions_adopt(struct sessions *sessions, struct session *session, uint64_t device);
/* Take it out of everything and free it. */
void sessions_forget(struct sessions *sessions, struct session *session);
struct device_seen *sessions_seen(struct sessions *sessions,
                                  uint64_t device); /* NULL: out of memory */

/* Step the feed with the event (now_ms is filled in), and with the answers to what it asks, until
 * it asks nothing more. The session may be gone afterwards. */
void session_run(struct sessions *sessions, struct session *session, struct feed_event event);
void session_end(struct sessions *sessions, struct session *session, int code, const char *text);

/* Carry out a question. True: `answer` is to be given now. */
bool session_answer(struct sessions *sessions, struct session *session,
                    const struct feed_action *action, struct feed_event *answer);
/* The answer is that the session ends. */
bool session_answer_end(struct feed_event *answer, int code, const char *text);
/* The same while nobody is served (registry_held). */
bool session_answer_held(struct feed_event *answer);
/* Of a FOLLOW; `cursor`: what the machine has of the bag. */
bool session_follow(struct sessions *sessions, struct session *session, uint64_t bag_id,
                    uint64_t cursor, struct feed_event *answer);

/* All that was delivered is in kv/ from here on: before something is read there that decides about
 * a right, or tells where a bag stands. */
struct kv *sessions_settled(struct sessions *sessions);
/* The state could not be brought up to what was delivered: until it was opened again, which ends
 * all sessions, it does not tell what there is and what not. */
bool sessions_behind(const struct sessions *sessions);
struct access session_access(const struct sessions *sessions, const struct session *session);

/* --- session_hello.c --- */

bool session_hello(struct sessions *sessions, struct session *session,
                   const struct wire_hello *hello, struct feed_event *answer);
/* It holds what this server never had: say so in the log, but not each time it tries, and in what
 * is told of the device. */
void session_diverged(struct sessions *sessions, uint64_t device, uint64_t seq);

/* --- session_later.c --- */

/* Is a FOLLOW to wait? Then it is asked again by session_later. */
bool session_follow_waits(struct sessions *sessions, struct session *session, uint64_t bag_id,
                          uint64_t cursor);
/* `again`: the machine did not ask for it, its answer found no memory. */
bool session_list(struct sessions *sessions, struct session *session, uint64_t after, bool again,
                  struct feed_event *answer);
/* The session has its turn. It may be gone afterwards. */
void session_later(struct sessions *sessions, struct session *session);
/* What LIST would tell: the newest bag that the device is to keep, as far as this is known. */
uint64_t session_newest_bag(const struct sessions *sessions, const struct session *session);
/* A bag was made. */
void sessions_bag_made(struct sessions *sessions, const struct change *change);

/* --- session_mirror.c --- */

bool session_mirror(struct sessions *sessions, struct session *session,
                    const struct wire_mirror *wanted, struct feed_event *answer);
bool session_read_journal(struct sessions *sessions, struct session *session, uint64_t after_seq,
                          size_t budget_bytes, struct feed_event *answer);
/* Now and then: those that the journal's floor has passed hold nothing of it on the disk. */
void sessions_mirrors_tick(struct sessions *sessions);
void session_mirror_stop(struct sessions *sessions, struct session *session);

/* --- session_adopt.c --- */

/* The bag is gone, and the machine held it up to `cursor`: is this the machine whose copy is
 * wanted? Then it is from now on. */
bool session_is_asked(struct sessions *sessions, struct session *session, uint64_t bag_id,
                      uint64_t cursor);
/* Before these changes are delivered: of bags that they delete, and of which a copy is wanted, one
 * of those that are connected and hold it is asked. */
void sessions_ask_copies(struct sessions *sessions, const struct change *changes, size_t count);

/* --- session_rights.c --- */

/* Before these changes are delivered: what their bags' readers lost by them is taken away. */
void sessions_follow_rights(struct sessions *sessions, const struct change *changes, size_t count);

#endif
