/* server/sessions_inside.h - what the files of the sessions share; nobody else includes it.
 *
 * sessions.c: tables, messages, ticks. session_step.c: a step and its actions. session_answers.c:
 * the questions of a feed. session_deliver.c: answers and changes that the committer delivers.
 */
#ifndef KITBAG_SERVER_SESSIONS_INSIDE_H
#define KITBAG_SERVER_SESSIONS_INSIDE_H

#include "server/followers.h"
#include "server/pages.h"
#include "server/sessions.h"
#include "server/turns.h"

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
    uint64_t deferred_from; /* see struct operation_from */
    struct follower follower;
    struct turn turn;
    /* While a batch is delivered: which of its changes go there. */
    uint32_t *picks;
    size_t pick_count;
    size_t pick_capacity;
    bool pick_failed;
    struct session *next_picked;
};

/* What is known of a device since the start. */
struct seen {
    struct table_node by_device;
    struct device_live live;
};

/* One change of a batch in the stream form. */
struct encoded {
    size_t index;  /* of the change */
    size_t offset; /* in sessions->stream */
    size_t size;
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
    struct buf stream; /* of the batch that is delivered */
    struct encoded *encoded;
    size_t encoded_capacity;
    const struct change **changes; /* arrays for one session's event */
    struct span *spans;
    size_t span_capacity;
    struct feed_outcome *outcomes;
    size_t outcome_capacity;
};

#define SESSION_OF(node, member) TABLE_OWNER(node, struct session, member)

uint64_t sessions_now(const struct sessions *sessions); /* monotonic, ms */

struct session *sessions_find_device(const struct sessions *sessions, uint64_t device);
struct session *sessions_find_number(const struct sessions *sessions, uint64_t number);
/* The session belongs to this device from now on; an older one of the device ends. */
void sessions_adopt(struct sessions *sessions, struct session *session, uint64_t device);
/* Take it out of everything and free it. */
void sessions_forget(struct sessions *sessions, struct session *session);
struct seen *sessions_seen(struct sessions *sessions, uint64_t device); /* NULL: out of memory */

/* Step the feed with the event (now_ms is filled in), and with the answers to what it asks, until
 * it asks nothing more. The session may be gone afterwards. */
void session_run(struct sessions *sessions, struct session *session, struct feed_event event);
void session_end(struct sessions *sessions, struct session *session, int code, const char *text);

/* Carry out a question. True: `answer` is to be given now. */
bool session_answer(struct sessions *sessions, struct session *session,
                    const struct feed_action *action, struct feed_event *answer);

#endif
