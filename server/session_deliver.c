/* server/session_deliver.c - what the committer delivers, to the sessions that it is for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/access.h"
#include "server/sessions_inside.h"

/* --- devices --- */

void sessions_device_changed(struct sessions *sessions, uint64_t device)
{
    ASSERT(sessions != NULL);
    struct session *session = sessions_find_device(sessions, device);
    if (session != NULL && !registry_holds(sessions->options.registry, device, session->key)) {
        session_end(sessions, session, E_DEVICE_REMOVED, err_meaning(E_DEVICE_REMOVED));
    }
}

/* --- replies --- */

/* At least `count` elements; false: out of memory. */
static bool room_for(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity) {
        return true;
    }
    size_t wanted = *capacity == 0 ? 64 : *capacity;
    while (wanted < count) {
        wanted *= 2;
    }
    void *wider = realloc(*array, wanted * size);
    if (wider == NULL) {
        return false;
    }
    *array = wider;
    *capacity = wanted;
    return true;
}

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
    void *array = sessions->outcomes;
    bool ok = room_for(&array, &sessions->outcome_capacity, same, sizeof *sessions->outcomes);
    sessions->outcomes = array;
    if (!ok) {
        session_end(sessions, session, E_BUSY, "the server is out of memory: try again later");
        return same;
    }
    for (size_t i = 0; i < same; i++) {
        const struct reply *reply = &replies[i];
        sessions->outcomes[i] =
            (struct feed_outcome){reply->number, reply->code, reply->seq, reply->text};
        if (wire_deferred(reply->code) &&
            (session->deferred_from == 0 || session->deferred_from > reply->number)) {
            session->deferred_from = reply->number;
        }
    }
    struct feed_event event = {.kind = FEED_OUTCOMES};
    event.outcomes.list = sessions->outcomes;
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
            log_event(LOG_WARNING, "session", "join.refused", "code=%s held_back=%" PRIu64,
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
        event.kind = FEED_SIGNED_IN;
        event.signed_in.ref = reply->number;
        event.signed_in.code = reply->code;
        event.signed_in.text = reply->text != NULL ? reply->text : "";
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

/* --- rights that end --- */

/* Looks through the bags of one session whose right may have ended. */
struct recheck {
    struct sessions *sessions;
    struct session *session;
    uint64_t user_bag; /* look at this one, those under it, and groups; 0: at groups only */
    bool lost;         /* something was taken away */
};

static void recheck_bag(void *context, const struct followed *followed)
{
    struct recheck *recheck = context;
    bool of_user = recheck->user_bag != 0 &&
                   (followed->bag_id == recheck->user_bag || followed->parent == recheck->user_bag);
    if (!of_user && followed->kind != OWNER_GROUP) {
        return;
    }
    struct kv *kv = committer_kv(recheck->sessions->options.committer);
    struct access access = {
        .kv = kv, .device = recheck->session->device, .device_bag = recheck->session->device_bag};
    struct bag_row bag = {0};
    int rc = kv_bag(kv, NULL, followed->bag_id, &bag, NULL);
    if (rc == 0) {
        rc = access_check(&access, ACCESS_READ, &bag, NULL);
    }
    if (rc != 0) { /* also when it can't be told */
        followers_remove(&recheck->sessions->followers, &recheck->session->follower,
                         followed->bag_id);
        recheck->lost = true;
    }
}

/* A user was signed out of a device: the machine asked for it and unfollows by itself. */
static void after_sign_out(struct sessions *sessions, const struct change *change)
{
    struct bag_row bag = {0};
    struct kv *kv = committer_kv(sessions->options.committer);
    if (kv_bag(kv, NULL, change->bag_id, &bag, NULL) != 0) {
        return;
    }
    struct session *session = sessions_find_device(sessions, bag.owner.device);
    if (session == NULL || session->device_bag != change->bag_id) {
        return;
    }
    struct recheck recheck = {
        .sessions = sessions, .session = session, .user_bag = access_user_of_path(change->path)};
    followers_bags(&session->follower, recheck_bag, &recheck);
}

struct ended {
    struct sessions *sessions;
    uint64_t bag_id;
    struct session *first; /* sessions that lost something, by next_picked */
};

static void after_leaving_of(void *context, struct follower *follower)
{
    struct ended *ended = context;
    struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    struct recheck recheck = {.sessions = ended->sessions, .session = session};
    followers_bags(&session->follower, recheck_bag, &recheck);
    if (recheck.lost) {
        session->next_picked = ended->first;
        ended->first = session;
    }
}

/* They connect again, and are told then. */
static void end_those(struct ended *ended)
{
    while (ended->first != NULL) {
        struct session *session = ended->first;
        ended->first = session->next_picked;
        session_end(ended->sessions, session, E_SUPERSEDED,
                    "what this machine may read has changed");
    }
}

/* A user left a group: it is who follows the group that may have lost it. */
static void after_leaving(struct sessions *sessions, const struct change *change)
{
    struct ended ended = {.sessions = sessions};
    struct owner owner = {.kind = OWNER_GROUP};
    struct bag_row group = {0};
    access_group_of_path(change->path, owner.folded);
    if (kv_bag_of(committer_kv(sessions->options.committer), NULL, &owner, &group, NULL) == 0) {
        followers_each(&sessions->followers, group.bag_id, after_leaving_of, &ended);
    }
    end_those(&ended);
}

/* A user was deleted. Which groups were theirs is gone with them. */
static void after_users(struct sessions *sessions)
{
    struct ended ended = {.sessions = sessions};
    struct session *session = sessions->ring;
    for (size_t i = 0; i < sessions->count; i++, session = session->next) {
        after_leaving_of(&ended, &session->follower);
    }
    end_those(&ended);
}

static bool was_user(const struct sessions *sessions, uint64_t bag_id)
{
    struct kv_grave grave = {0};
    return kv_grave(committer_kv(sessions->options.committer), NULL, bag_id, &grave, NULL) != 0 ||
           grave.owner.kind == OWNER_USER;
}

/* A bag was deleted, perhaps a user's: they are no longer signed in on machines that follow it.
 * Machines that do not are swept when they say HELLO. */
static void sign_out_of(void *context, struct follower *follower)
{
    const struct ended *ended = context;
    const struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    struct sign_out gone = {
        .device = session->device, .device_bag = session->device_bag, .bag_id = ended->bag_id};
    committer_sign_out(ended->sessions->options.committer, &gone);
}

static void follow_rights(struct sessions *sessions, const struct change *changes, size_t count)
{
    bool users_gone = false;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == CHANGE_BAG_DELETE) {
            users_gone = users_gone || was_user(sessions, changes[i].bag_id);
            struct ended ended = {.sessions = sessions, .bag_id = changes[i].bag_id};
            followers_each(&sessions->followers, changes[i].bag_id, sign_out_of, &ended);
        }
        if (changes[i].kind != CHANGE_ITEM_REMOVE || !path_reserved(changes[i].path)) {
            continue;
        }
        if (access_user_of_path(changes[i].path) != 0) {
            after_sign_out(sessions, &changes[i]);
        } else if (access_is_group_path(changes[i].path)) {
            after_leaving(sessions, &changes[i]);
        }
    }
    if (users_gone) {
        after_users(sessions);
    }
}

/* --- live changes --- */

struct gathering {
    struct sessions *sessions;
    struct session *first; /* sessions with picks */
    uint32_t index;        /* in sessions->encoded */
};

static void pick_for(void *context, struct follower *follower)
{
    struct gathering *gathering = context;
    struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    if (session->pick_count == 0 && !session->pick_failed) {
        session->next_picked = gathering->first;
        gathering->first = session;
    }
    void *array = session->picks;
    bool ok =
        room_for(&array, &session->pick_capacity, session->pick_count + 1, sizeof *session->picks);
    session->picks = array;
    if (!ok) {
        session->pick_failed = true;
        return;
    }
    session->picks[session->pick_count++] = gathering->index;
}

/* Encode what somebody follows; how many changes those are. Without memory it is fewer, and all
 * who would have got them end: they come again and catch up. */
static uint32_t encode_followed(struct sessions *sessions, const struct change *changes,
                                size_t count, struct gathering *gathering)
{
    uint32_t encoded = 0;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].bag_id == 0 || !followers_any(&sessions->followers, changes[i].bag_id)) {
            continue;
        }
        void *array = sessions->encoded;
        bool ok =
            room_for(&array, &sessions->encoded_capacity, encoded + 1, sizeof *sessions->encoded);
        sessions->encoded = array;
        size_t offset = sessions->stream.size;
        change_encode(&sessions->stream, &changes[i], CHANGE_STREAM);
        if (!ok || buf_error(&sessions->stream) != 0) {
            sessions_end_all(sessions, E_BUSY, "the server is out of memory: try again later");
            gathering->first = NULL;
            return 0;
        }
        sessions->encoded[encoded] = (struct encoded){i, offset, sessions->stream.size - offset};
        gathering->index = encoded++;
        followers_each(&sessions->followers, changes[i].bag_id, pick_for, gathering);
    }
    return encoded;
}

static bool room_for_event(struct sessions *sessions, size_t count)
{
    size_t capacity = sessions->span_capacity;
    void *changes = (void *)sessions->changes;
    bool ok = room_for(&changes, &capacity, count, sizeof *sessions->changes);
    sessions->changes = changes;
    capacity = sessions->span_capacity;
    void *spans = sessions->spans;
    ok = ok && room_for(&spans, &capacity, count, sizeof *sessions->spans);
    sessions->spans = spans;
    if (ok) {
        sessions->span_capacity = capacity;
    }
    return ok;
}

static void deliver_picks(struct sessions *sessions, struct session *session,
                          const struct change *changes, const struct journal_position *head)
{
    for (size_t i = 0; i < session->pick_count; i++) {
        const struct encoded *encoded = &sessions->encoded[session->picks[i]];
        sessions->changes[i] = &changes[encoded->index];
        sessions->spans[i] = span_of(sessions->stream.data + encoded->offset, encoded->size);
    }
    struct feed_event event = {.kind = FEED_COMMITTED};
    event.committed.position.seq = head->seq;
    memcpy(event.committed.position.hash, head->hash, SHA256_SIZE);
    event.committed.changes = sessions->changes;
    event.committed.encoded = sessions->spans;
    event.committed.count = session->pick_count;
    session->pick_count = 0;
    session_run(sessions, session, event);
}

void sessions_changes(struct sessions *sessions, const struct change *changes, size_t count,
                      const struct journal_position *head)
{
    ASSERT(sessions != NULL && changes != NULL && head != NULL);
    follow_rights(sessions, changes, count);
    struct gathering gathering = {.sessions = sessions};
    buf_reset(&sessions->stream);
    uint32_t encoded = encode_followed(sessions, changes, count, &gathering);
    bool ok = room_for_event(sessions, encoded);
    while (gathering.first != NULL) {
        struct session *session = gathering.first;
        gathering.first = session->next_picked;
        if (session->pick_failed || !ok) {
            session_end(sessions, session, E_BUSY, "the server is out of memory: try again later");
        } else {
            deliver_picks(sessions, session, changes, head);
        }
    }
}
