/* server/committer.h - THE write path: whatever changes the journal comes through here.
 *
 * Requests are judged and planned as they come, into the open draft; committer_commit makes it
 * durable (one journal_append: one write, one sync) and tells the registry; committer_deliver hands
 * out the answers and the changes. A draft that is full is committed at once, so nothing waits in a
 * queue and memory is bounded by what one caller adds in between. kv/ takes what is durable in
 * afterwards: by a thread of its own (applier.h) or, when there is little and that thread rests, by
 * this one after delivering. What kv/ lacks lies in the overlay, where requests are judged.
 *
 * Keeps true: no answer that a batch is the ground for, and no change, leaves before the batch's
 * sync returned. After a failed write or sync nothing is written ever again (COMMITTER_FAILED).
 * When kv/ could not take a batch in, no request is taken (COMMITTER_BEHIND) until
 * committer_recovered; what was answered before is in the journal, from which the state is brought
 * up again. A full disk defers what is in the draft, and the next draft is tried again.
 *
 * Who reads kv/ sees a state that may lack the newest batches. So
 * - requests are judged by the overlay; lists that are read from kv/ (who is signed in, groups, a
 *   user's bags) wait for what they lack (PLAN_SETTLE);
 * - administration reads kv/ from threads of its own: it is told of an answer when kv/ has what
 *   the answer is about (desk.h; committer_reached);
 * - where a bag's newest seq or a right is read (FOLLOW, for a client's cursor is held against it;
 *   LIST; HELLO; when a right ends) committer_settle_bag or committer_settle comes first;
 * - pages are read as they come: a page tells the seq it was read at, and who has heard of a newer
 *   change of the bag reads on from there; but one that ends a bag which lags (committer_bag_lags)
 *   is read again after committer_settle_bag, or a bag that is written all the time had no end;
 * - for counts and lists of people the state of some moments ago is fine.
 *
 * Owned by the main thread.
 */
#ifndef KITBAG_SERVER_COMMITTER_H
#define KITBAG_SERVER_COMMITTER_H

#include "server/joining.h"
#include "server/operations.h"
#include "server/signing.h"
#include "server/submits.h"

struct committer;

enum committer_state {
    COMMITTER_RUNNING,
    COMMITTER_BEHIND, /* kv/ can't take in a batch that the journal has */
    COMMITTER_FAILED, /* the journal takes nothing more */
};

/* Where what was committed goes. Called by committer_deliver only, in this order for each batch:
 * devices, replies, changes. What is given is borrowed for the call. A call may plan further
 * requests, but neither commit nor deliver. */
struct committer_sink {
    /* The record of this device changed: it may be removed. */
    void (*device_changed)(void *context, uint64_t device);
    void (*replies)(void *context, const struct reply *replies, size_t count);
    void (*changes)(void *context, const struct change *changes, size_t count,
                    const struct journal_position *head);
    void *context;
};

struct committer_options {
    struct journal *journal;   /* borrowed for life */
    struct kv *kv;             /* borrowed until committer_release; holds all that the journal has;
                                  nobody else applies to it, purges, cleans or buries */
    struct registry *registry; /* borrowed for life, loaded */
    struct limits limits;
    const struct clock *clock; /* borrowed for life */
    struct committer_sink sink;
    /* Is there room on the disk? While there is none, changes are deferred as E_NOSPACE. Asked
     * before each batch; NULL: always. */
    bool (*has_room)(void *context);
    void *room_context;
    /* At the limit of users: whose bag is to be deleted to make room for a new one? 0, E_BUSY (not
     * known yet), E_NOT_FOUND (nobody's). NULL: new users are refused. */
    int (*evict)(void *context, uint64_t *bag_id);
    void *evict_context;
    /* A slice of work at kv/ by the thread that applies, when nothing waits to be applied; false:
     * there is none now. NULL: never any. */
    bool (*idle)(void *context, struct kv *kv);
    void *idle_context;
    /* kv/ has what committer_reached was asked for; from any thread. NULL: nobody is told. */
    void (*reached)(void *context);
    void *reached_context;
    /* Instead of kv_apply, for tests; NULL: kv_apply. */
    int (*apply)(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err);
};

/* With a journal without changes, the history is begun: seq 1 HISTORY, 2 the server's bag, 3 the
 * fleet's. E_IO, E_NOSPACE, E_CORRUPT (there is no bag of the server or the fleet), E_NOMEM. */
MUST_CHECK int committer_new(struct committer **out, const struct committer_options *options,
                             struct err *err);
/* What is in the open draft is given up; what was committed is applied first. */
void committer_free(struct committer **committer);

/* Requests. The answer comes by the sink (a join's now_ms is filled in here). Operations:
 * E_MALFORMED with a sentence, the session is to be ended. Submits: E_NOMEM when no answer will
 * come. */
MUST_CHECK int committer_operation(struct committer *committer, struct operation_from *from,
                                   const msgpack_object *object, struct err *err);
void committer_sign_in(struct committer *committer, const struct sign_in *sign_in);
void committer_sign_out(struct committer *committer, const struct sign_out *sign_out);
void committer_join(struct committer *committer, const struct join *join);
/* This machine is asked for its copy of the deleted bag; nobody is answered. */
void committer_claim(struct committer *committer, uint64_t bag_id, uint64_t device);
MUST_CHECK int committer_submit(struct committer *committer, const struct submit *submit,
                                void *ticket, uint64_t index);

/* Commit what was planned. Failures end here: they are answered, logged, and show in the state. */
void committer_commit(struct committer *committer);
void committer_deliver(struct committer *committer);
/* Is there something to commit or to deliver? */
bool committer_waiting(const struct committer *committer);

/* There is nothing else to do: idle work goes on (committer_options.idle). */
void committer_idle(struct committer *committer);

/* Wait until kv/ has all that was committed (or can't take it in). Also from within the sink. */
void committer_settle(struct committer *committer);
/* The same when it lacks a change of this bag, of any right, or of which bags there are. */
void committer_settle_bag(struct committer *committer, uint64_t bag_id);

/* The newest change that was committed. */
uint64_t committer_head(const struct committer *committer);
/* Does kv/ have what was committed up to `seq`, or can it not take it in? When not, `reached` of
 * the options is called as soon as that is so. */
bool committer_reached(struct committer *committer, uint64_t seq);

/* Could kv/ not take a batch in? What it lacks then is not gone. BEHIND, or FAILED as well. */
bool committer_is_behind(const struct committer *committer);
/* Does kv/ lack a change of this bag? */
bool committer_bag_lags(struct committer *committer, uint64_t bag_id);

enum committer_state committer_state(const struct committer *committer);
/* Why it is not running; "" when it is. */
const char *committer_state_text(const struct committer *committer);
/* Of which deleted bags a copy is wanted. Valid until the next request. */
const struct adoptions *committer_adoptions(const struct committer *committer);
/* Whether machines are synchronized. Valid until the next request. */
const struct sync_record *committer_sync(const struct committer *committer);
uint64_t
committer_users(const struct committer *committer); /* registered, as of the last request */
uint64_t committer_changes(const struct committer *committer); /* committed since the start */
uint64_t committer_server_bag(const struct committer *committer);
uint64_t committer_fleet_bag(const struct committer *committer);
struct kv *committer_kv(const struct committer *committer);

/* The state has to be closed before it can be opened again: nobody is at it from now on. What is in
 * the open draft is given up without an answer. Only while BEHIND; between this and
 * committer_recovered no request may be made. E_READ_ONLY: the journal has begun a history whose
 * first change is not in it, and must not be gone on with; FAILED from now on. Opening the journal
 * again takes that history back. */
MUST_CHECK int committer_release(struct committer *committer, struct err *err);
/* The state was opened again as `kv` and holds all that the journal has: go on with it. */
void committer_recovered(struct committer *committer, struct kv *kv);

#endif
