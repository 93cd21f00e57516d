/* server/session_deliver.c - what the committer delivers, to the sessions that it is for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "server/access.h"
#include "server/sessions_inside.h"

enum { RUNS_KEPT = 64 };

/* --- replies --- */

/* Outcomes that follow each other and are for the same session go out together. Returns how many
 * replies those are. */
static size_t deliver_outcomes(struct sessions *sessions, const struct reply *replies, size_t count)
{
    size_t same = 1;
    while (same < count && replies[same].kind == REPLY_OUTCOME &&
           replies[same].session == replies[0].session) {
        same++;
    }
    struct session *session = sessions_find_number(sessions, replies[0].session);
    if (session == NULL) {
        return same; /* it is gone; the machine will ask again */
    }
    struct feed_outcome *outcomes =
        array_reserve(sessions->outcomes, &sessions->outcome_capacity, same, sizeof *outcomes);
    if (outcomes == NULL) {
        session_end(sessions, session, E_BUSY, "the server is out of memory: try again later");
        return same;
    }
    sessions->outcomes = outcomes;
    for (size_t i = 0; i < same; i++) {
        const struct reply *reply = &replies[i];
        outcomes[i] = (struct feed_outcome){reply->number, reply->code, reply->seq, reply->text,
                                            reply->split};
        if (wire_deferred(reply->code) &&
            (session->deferred_from == 0 || session->deferred_from > reply->number)) {
            session->deferred_from = reply->number;
        }
    }
    struct feed_event event = {.kind = FEED_OUTCOMES};
    event.outcomes.list = outcomes;
    event.outcomes.count = same;
    session_run(sessions, session, event);
    return same;
}

static void deliver_joined(struct sessions *sessions, struct session *session,
                           const struct reply *reply)
{
    if (reply->code != 0) {
        static struct log_limit limit;
        uint64_t held_back = 0;
        if (log_limit_pass(&limit, sessions_now(sessions), &held_back)) {
            log_event(LOG_WARNING, "session", "device.auth_failed", "code=%s held_back=%" PRIu64,
                      err_name(reply->code), held_back);
        }
        session_end(sessions, session, reply->code, reply->text);
        return;
    }
    log_event(LOG_INFO, "session", "device.joined", "device=%016" PRIx64, reply->id);
    struct feed_event event = {.kind = FEED_JOINED};
    event.joined.device = reply->id;
    journal_history(sessions->options.journal, event.joined.history);
    session_run(sessions, session, event);
}

static void deliver_one(struct sessions *sessions, const struct reply *reply)
{
    struct session *session = sessions_find_number(sessions, reply->session);
    if (session == NULL) {
        return;
    }
    struct feed_event event = {0};
    switch (reply->kind) {
    case REPLY_SIGNED_IN:
        if (reply->code == 0 && reply->bag_count > 0 && sessions->options.sign_ins != NULL) {
            sign_ins_note(sessions->options.sign_ins, reply->bags[0].bag_id); /* the user's */
        }
        event.kind = FEED_SIGNED_IN;
        event.signed_in.ref = reply->number;
        event.signed_in.code = reply->code;
        event.signed_in.text = reply->text != NULL ? reply->text : "";
        if (reply->code == E_BAG_WANTED && !session_is_asked(sessions, session, reply->id, 1)) {
            event.signed_in.code = E_BAG_GONE; /* another machine was asked meanwhile */
            event.signed_in.text = err_meaning(E_BAG_GONE);
        }
        event.signed_in.bags = reply->bags;
        event.signed_in.count = reply->bag_count;
        session_run(sessions, session, event);
        break;
    case REPLY_SIGNED_OUT:
        event.kind = FEED_SIGNED_OUT;
        event.signed_out.ref = reply->number;
        event.signed_out.code = reply->code;
        event.signed_out.text = reply->text != NULL ? reply->text : "";
        session_run(sessions, session, event);
        break;
    case REPLY_JOINED:
        deliver_joined(sessions, session, reply);
        break;
    case REPLY_OUTCOME:
    case REPLY_SUBMITTED:
        break;
    }
}

void sessions_replies(struct sessions *sessions, const struct reply *replies, size_t count)
{
    ASSERT(sessions != NULL && (replies != NULL || count == 0));
    size_t i = 0;
    while (i < count) {
        if (replies[i].kind == REPLY_OUTCOME) {
            i += deliver_outcomes(sessions, &replies[i], count - i);
        } else {
            deliver_one(sessions, &replies[i]);
            i++;
        }
    }
}

/* --- live changes --- */

/* What is delivered is encoded once, whoever gets it; each session is told which runs of it are
 * its own. Most follow one bag that changed: their event points into the arrays of all. */
struct gathering {
    struct sessions *sessions;
    struct session *first; /* sessions with runs */
    struct run run;        /* of changes of one bag */
};

static void pick(struct gathering *gathering, struct session *session)
{
    if (session->picked_batch != gathering->sessions->batch) {
        session->picked_batch = gathering->sessions->batch;
        session->run_count = 0;
        session->run_failed = false;
        session->next_picked = gathering->first;
        gathering->first = session;
    }
    struct run *runs =
        array_reserve(session->runs, &session->run_capacity, session->run_count + 1, sizeof *runs);
    if (runs == NULL) {
        session->run_failed = true;
        return;
    }
    session->runs = runs;
    session->runs[session->run_count++] = gathering->run;
}

static void pick_for(void *context, struct follower *follower)
{
    struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    if (!session->wide) { /* that one gets all of them as it is */
        pick(context, session);
    }
}

static bool room_for(struct delivery *delivery, size_t count)
{
    size_t capacity = delivery->capacity;
    const struct change **changes =
        array_reserve((void *)delivery->changes, &capacity, count, sizeof *changes);
    if (changes == NULL) {
        return false;
    }
    delivery->changes = changes;
    capacity = delivery->capacity;
    struct span *encoded = array_reserve(delivery->encoded, &capacity, count, sizeof *encoded);
    if (encoded == NULL) {
        return false;
    }
    delivery->encoded = encoded;
    delivery->capacity = capacity;
    return true;
}

/* Changes of the server's bag go to nobody, not even as far as to a feed that would drop them. */
static bool is_wanted(const struct sessions *sessions, uint64_t bag_id)
{
    if (bag_id == 0 || bag_id == committer_server_bag(sessions->options.committer)) {
        return false;
    }
    return sessions->wides != NULL || followers_any(&sessions->followers, bag_id);
}

/* Encode the changes from `changes` on that are of one bag, when somebody follows it. Returns how
 * many those are, followed or not; 0: out of memory. */
static size_t encode_run(struct gathering *gathering, const struct change *changes, size_t count)
{
    struct sessions *sessions = gathering->sessions;
    uint64_t bag_id = changes[0].bag_id;
    size_t same = 1;
    while (same < count && changes[same].bag_id == bag_id) {
        same++;
    }
    if (!is_wanted(sessions, bag_id)) {
        return same;
    }
    gathering->run.first += gathering->run.count;
    gathering->run.count = 0;
    for (size_t i = 0; i < same; i++) {
        uint32_t at = gathering->run.first + gathering->run.count;
        size_t offset = sessions->stream.size;
        if (!room_for(&sessions->followed, (size_t)at + 1)) {
            return 0;
        }
        change_encode(&sessions->stream, &changes[i], CHANGE_STREAM);
        sessions->followed.changes[at] = &changes[i];
        sessions->followed.encoded[at].size = sessions->stream.size - offset; /* data: later */
        gathering->run.count++;
    }
    followers_each(&sessions->followers, bag_id, pick_for, gathering);
    return buf_error(&sessions->stream) == 0 ? same : 0;
}

/* Encode what somebody follows; false: out of memory, and all have ended: they come again and catch
 * up. */
static bool encode_followed(struct gathering *gathering, const struct change *changes, size_t count)
{
    struct sessions *sessions = gathering->sessions;
    buf_reset(&sessions->stream);
    for (size_t i = 0; i < count;) {
        size_t done = encode_run(gathering, &changes[i], count - i);
        if (done == 0) {
            sessions_end_all(sessions, E_BUSY, "the server is out of memory: try again later");
            return false;
        }
        i += done;
    }
    uint32_t followed = gathering->run.first + gathering->run.count;
    const uint8_t *at = sessions->stream.data; /* it grows no more: where it lies is known */
    for (uint32_t i = 0; i < followed; i++) {
        sessions->followed.encoded[i].data = at;
        at += sessions->followed.encoded[i].size;
    }
    gathering->run = (struct run){0, followed};
    for (struct session *wide = sessions->wides; wide != NULL && followed > 0;
         wide = wide->wide_next) {
        pick(gathering, wide);
    }
    return true;
}

static size_t picked_count(const struct session *session)
{
    size_t count = 0;
    for (size_t i = 0; i < session->run_count; i++) {
        count += session->runs[i].count;
    }
    return count;
}

/* Several runs next to each other. */
static bool copy_runs(struct sessions *sessions, const struct session *session,
                      struct feed_event *event)
{
    size_t count = picked_count(session);
    const struct delivery *followed = &sessions->followed;
    struct delivery *picked = &sessions->picked;
    if (!room_for(picked, count)) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < session->run_count; i++) {
        const struct run *run = &session->runs[i];
        memcpy((void *)&picked->changes[at], (const void *)&followed->changes[run->first],
               run->count * sizeof *followed->changes);
        memcpy(&picked->encoded[at], &followed->encoded[run->first],
               run->count * sizeof *followed->encoded);
        at += run->count;
    }
    event->committed.changes = picked->changes;
    event->committed.encoded = picked->encoded;
    event->committed.count = count;
    return true;
}

/* Once in a while a session gets many runs: the room for them is not kept, there are thousands of
 * sessions. */
static void let_go_of_runs(struct session *session)
{
    if (session->run_capacity > RUNS_KEPT) {
        free(session->runs);
        session->runs = NULL;
        session->run_capacity = 0;
    }
}

static void deliver_to(struct sessions *sessions, struct session *session,
                       const struct feed_event *committed)
{
    struct feed_event event = *committed;
    bool ok = !session->run_failed;
    if (session->run_count == 1) {
        const struct run *run = &session->runs[0];
        event.committed.changes = &sessions->followed.changes[run->first];
        event.committed.encoded = &sessions->followed.encoded[run->first];
        event.committed.count = run->count;
    } else {
        ok = ok && copy_runs(sessions, session, &event);
    }
    let_go_of_runs(session);
    if (ok) {
        session_run(sessions, session, event);
    } else {
        session_end(sessions, session, E_BUSY, "the server is out of memory: try again later");
    }
}

/* What concerns sessions beside the bags that they follow. A machine that went on under the name of
 * an old history would be taken for one that has what nobody took over: so all say HELLO again. */
static void note_events(struct sessions *sessions, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == CHANGE_BAG_CREATE) {
            sessions_bag_made(sessions, &changes[i]);
        } else if (changes[i].kind == CHANGE_HISTORY) {
            sessions_end_all(sessions, E_SUPERSEDED, "the server has begun a new history");
        }
    }
}

void sessions_changes(struct sessions *sessions, const struct change *changes, size_t count,
                      const struct journal_position *head)
{
    ASSERT(sessions != NULL && changes != NULL && head != NULL);
    sessions->delivered = head->seq;
    sessions_follow_rights(sessions, changes, count);
    note_events(sessions, changes, count);
    struct gathering gathering = {.sessions = sessions};
    sessions->batch++;
    if (!encode_followed(&gathering, changes, count)) {
        return;
    }
    struct feed_event event = {.kind = FEED_COMMITTED};
    event.committed.position.seq = head->seq;
    memcpy(event.committed.position.hash, head->hash, SHA256_SIZE);
    while (gathering.first != NULL) {
        struct session *session = gathering.first;
        gathering.first = session->next_picked;
        deliver_to(sessions, session, &event);
    }
    struct session *mirror = sessions->mirrors;
    while (mirror != NULL) { /* those that follow nothing of it: there is more of the journal */
        struct session *next = mirror->mirror.next;
        if (mirror->picked_batch != sessions->batch) {
            session_run(sessions, mirror, event);
        }
        mirror = next;
    }
}
