/* server/session_answers.c - what a feed asks of the server. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/sessions_inside.h"

enum {
    SIGN_INS_MAX = 2000, /* of one device, at once */
    SIGN_INS_PER_SECOND = 200,
};

bool session_answer_end(struct feed_event *answer, int code, const char *text)
{
    *answer = (struct feed_event){.kind = FEED_END, .end = {.code = code, .text = text}};
    return true;
}

static bool end_plainly(struct feed_event *answer, int code)
{
    return session_answer_end(answer, code, err_meaning(code));
}

/* --- JOIN --- */

static bool on_join(struct sessions *sessions, struct session *session,
                    const struct wire_join *join, struct feed_event *answer)
{
    switch (registry_peer(sessions->options.registry, session->key).kind) {
    case REGISTRY_NOBODY:
        return end_plainly(answer, E_TOKEN_UNKNOWN);
    case REGISTRY_DEVICE:
        return session_answer_end(answer, E_NOT_ALLOWED,
                                  "this key is a machine's: it has joined already");
    case REGISTRY_REMOVED:
        return end_plainly(answer, E_DEVICE_REMOVED);
    case REGISTRY_TOKEN:
        break;
    }
    if (registry_held(sessions->options.registry)) { /* the token may have been used since */
        return session_answer_held(answer);
    }
    struct join wanted = {
        .session = session->number,
        .token = session->key,
        .public_key = join->public_key,
        .name = join->name,
        .serial = join->serial,
        .model = join->model,
        .software = join->software,
    };
    committer_join(sessions->options.committer, &wanted);
    return false;
}

/* --- signing in and out --- */

/* A sign-in may register a user: a commit of its own. Nobody signs in thousands of people in a
 * moment, but a machine that joins may sign in all whom it had; who asks for more than that waits.
 */
static bool may_sign_in(const struct sessions *sessions, struct device_seen *seen)
{
    if (seen == NULL) {
        return true; /* the next one may find memory to count */
    }
    uint64_t now_ms = sessions_now(sessions);
    uint64_t passed_ms = now_ms - seen->sign_ins_ms;
    uint64_t earned = passed_ms * SIGN_INS_PER_SECOND / 1000;
    if (seen->sign_ins_ms == 0 || passed_ms > UINT32_MAX ||
        seen->sign_ins + earned > SIGN_INS_MAX) {
        seen->sign_ins = SIGN_INS_MAX;
        seen->sign_ins_ms = now_ms;
    } else if (earned > 0) {
        seen->sign_ins += earned;
        seen->sign_ins_ms = now_ms;
    }
    if (seen->sign_ins == 0) {
        return false;
    }
    seen->sign_ins--;
    return true;
}

static bool hold_sign_in(struct sessions *sessions, const struct session *session, uint64_t ref,
                         struct feed_event *answer)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    if (log_limit_pass(&limit, sessions_now(sessions), &held_back)) {
        log_event(LOG_WARNING, "session", "sign_in.flood",
                  "device=%016" PRIx64 " held_back=%" PRIu64, session->device, held_back);
    }
    *answer = (struct feed_event){.kind = FEED_SIGNED_IN};
    answer->signed_in.ref = ref;
    answer->signed_in.code = E_BUSY;
    answer->signed_in.text = "this machine asks for too many sign-ins: try again in a moment";
    return true;
}

static bool on_sign_in(struct sessions *sessions, struct session *session,
                       const struct feed_action *action, struct feed_event *answer)
{
    if (!may_sign_in(sessions, session->seen)) {
        return hold_sign_in(sessions, session, action->sign_in.ref, answer);
    }
    struct span groups[WIRE_GROUPS_MAX];
    const struct wire_list *list = &action->sign_in.groups;
    ASSERT(list->count <= WIRE_GROUPS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        groups[i] = wire_group_at(list, i);
    }
    struct sign_in wanted = {
        .session = session->number,
        .device = session->device,
        .device_bag = session->device_bag,
        .ref = action->sign_in.ref,
        .bag_id = action->sign_in.bag_id,
        .user = action->sign_in.user,
        .groups = groups,
        .group_count = list->count,
    };
    committer_sign_in(sessions->options.committer, &wanted);
    return false;
}

static bool on_sign_out(struct sessions *sessions, struct session *session,
                        const struct feed_action *action)
{
    struct sign_out wanted = {
        .session = session->number,
        .device = session->device,
        .device_bag = session->device_bag,
        .ref = action->sign_out.ref,
        .bag_id = action->sign_out.bag_id,
    };
    committer_sign_out(sessions->options.committer, &wanted);
    return false;
}

/* --- bags --- */

struct kv *sessions_settled(struct sessions *sessions)
{
    struct committer *committer = sessions->options.committer;
    struct kv_position position = {0};
    kv_position(committer_kv(committer), &position);
    if (position.seq < sessions->delivered) {
        committer_settle(committer);
    }
    return committer_kv(committer);
}

bool sessions_behind(const struct sessions *sessions)
{
    return committer_is_behind(sessions->options.committer);
}

struct access session_access(const struct sessions *sessions, const struct session *session)
{
    return (struct access){
        .kv = committer_kv(sessions->options.committer),
        .device = session->device,
        .device_bag = session->device_bag,
        .keep = session->rights.keep,
    };
}

/* It is sent a digest to compare. */
static void note_verified(const struct sessions *sessions, const struct session *session)
{
    if (session->seen != NULL) {
        session->seen->live.verified_ms = clock_wall_ms(sessions->options.clock);
    }
}

/* What it keeps by this right is not subscribed bag by bag, when it keeps everybody. */
static bool is_offered(const struct session *session, const struct bag_row *bag)
{
    return session->wide && access_keeps(session->rights.keep, session->device, &bag->owner);
}

bool session_follow(struct sessions *sessions, struct session *session, uint64_t bag_id,
                    uint64_t cursor, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && answer != NULL);
    /* Rights and last_seq are to be as new as what was delivered. */
    committer_settle_bag(sessions->options.committer, bag_id);
    if (sessions_behind(sessions)) {
        return end_plainly(answer, E_READ_ONLY);
    }
    struct kv *kv = committer_kv(sessions->options.committer);
    struct access access = session_access(sessions, session);
    struct err err = {0};
    struct bag_row bag = {0};
    int rc = kv_bag(kv, NULL, bag_id, &bag, &err);
    if (rc == 0) {
        rc = access_check(&access, ACCESS_READ, &bag, &err);
    }
    if (rc == 0 && !is_offered(session, &bag)) {
        rc = followers_add(&sessions->followers, &session->follower, &bag);
    }
    if (rc == E_NOMEM) {
        return session_answer_end(answer, E_BUSY, "the server is out of memory: try again later");
    }
    if (rc != 0 && rc != E_NOT_FOUND && rc != E_BAG_GONE && rc != E_NOT_ALLOWED) {
        log_err(LOG_ERROR, "session", "bag.unreadable", &err);
        return session_answer_end(answer, E_IO, "the server can't read a bag");
    }
    *answer = (struct feed_event){.kind = FEED_BAG};
    answer->bag.bag_id = bag_id;
    answer->bag.code = rc == E_NOT_FOUND ? E_BAG_GONE : rc;
    if (answer->bag.code == E_BAG_GONE && session_is_asked(sessions, session, bag_id, cursor)) {
        answer->bag.code = E_BAG_WANTED;
    }
    answer->bag.text = rc == 0 ? "" : err_meaning(answer->bag.code);
    answer->bag.last_seq = bag.last_seq;
    answer->bag.has_digest = rc == 0;
    answer->bag.digest = bag.digest; /* of the same row: at last_seq */
    if (rc == 0) {
        note_verified(sessions, session);
    }
    return true;
}

static bool on_follow(struct sessions *sessions, struct session *session,
                      const struct feed_action *action, struct feed_event *answer)
{
    uint64_t bag_id = action->follow.bag_id;
    uint64_t cursor = action->follow.cursor;
    return !session_follow_waits(sessions, session, bag_id, cursor) &&
           session_follow(sessions, session, bag_id, cursor, answer);
}

/* Does it still have the right that it had when it followed the bag? */
static bool may_go_on(struct sessions *sessions, const struct session *session, uint64_t bag_id)
{
    if (followers_follows(&sessions->followers, &session->follower, bag_id)) {
        return true;
    }
    struct bag_row bag = {0};
    return session->wide &&
           kv_bag(committer_kv(sessions->options.committer), NULL, bag_id, &bag, NULL) == 0 &&
           is_offered(session, &bag);
}

/* Whose right has ended since is told what one is told of a bag that is not there. */
static bool on_read(struct sessions *sessions, const struct session *session,
                    const struct feed_action *action, struct feed_event *answer)
{
    struct page_request request = {
        .bag_id = action->read.bag_id,
        .since = action->read.since,
        .after = action->read.after,
        .budget_bytes = action->read.budget_bytes,
    };
    *answer = (struct feed_event){.kind = FEED_PAGE};
    if (!may_go_on(sessions, session, request.bag_id)) {
        answer->page.bag_id = request.bag_id;
        answer->page.code = E_BAG_GONE;
        return true;
    }
    struct committer *committer = sessions->options.committer;
    pages_read(&sessions->pages, committer_kv(committer), &request, &answer->page);
    if (answer->page.end && committer_bag_lags(committer, request.bag_id)) {
        /* It would not be the last one: of a bag that is written all the time there would be no
         * last one ever. */
        committer_settle_bag(committer, request.bag_id);
        pages_read(&sessions->pages, committer_kv(committer), &request, &answer->page);
    }
    if (answer->page.has_digest) {
        note_verified(sessions, session);
    }
    return true;
}

/* --- WRITE --- */

static bool on_write(struct sessions *sessions, struct session *session,
                     const struct feed_action *action, struct feed_event *answer)
{
    struct operation_from from = {
        .session = session->number,
        .device = session->device,
        .device_bag = session->device_bag,
        .writer = session->writer,
        .confirmed = action->write.confirmed,
        .deferred_from = session->deferred_from,
    };
    const struct wire_list *list = &action->write.operations;
    for (size_t i = 0; i < list->count; i++) {
        const msgpack_object *object = wire_object_at(list, i);
        if (from.deferred_from != 0 && operation_number(object) <= from.deferred_from) {
            from.deferred_from = 0;
        }
        struct err err = {0};
        if (committer_operation(sessions->options.committer, &from, object, &err) != 0) {
            log_event(LOG_WARNING, "session", "operation.malformed",
                      "device=%016" PRIx64 " text=%s", session->device, LOG_Q(err.text));
            return session_answer_end(answer, E_MALFORMED, "an operation is not what it should be");
        }
    }
    session->deferred_from = from.deferred_from;
    return false;
}

bool session_answer(struct sessions *sessions, struct session *session,
                    const struct feed_action *action, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && action != NULL && answer != NULL);
    switch (action->kind) {
    case FEED_DO_HELLO:
        return session_hello(sessions, session, &action->hello, answer);
    case FEED_DO_JOIN:
        return on_join(sessions, session, &action->join, answer);
    case FEED_DO_SIGN_IN:
        return on_sign_in(sessions, session, action, answer);
    case FEED_DO_SIGN_OUT:
        return on_sign_out(sessions, session, action);
    case FEED_DO_FOLLOW:
        return on_follow(sessions, session, action, answer);
    case FEED_DO_READ:
        return on_read(sessions, session, action, answer);
    case FEED_DO_WRITE:
        return on_write(sessions, session, action, answer);
    case FEED_DO_LIST:
        return session_list(sessions, session, action->list.after, action->list.again, answer);
    case FEED_DO_MIRROR:
        return session_mirror(sessions, session, &action->mirror, answer);
    case FEED_DO_READ_JOURNAL:
        return session_read_journal(sessions, session, action->read_journal.after_seq,
                                    action->read_journal.budget_bytes, answer);
    case FEED_DO_SEND:
    case FEED_DO_UNFOLLOW:
    case FEED_DO_WANT_TURN:
    case FEED_DO_HEARD:
    case FEED_DO_CUT:
        break;
    }
    ASSERT(false); /* it is no question */
    return false;
}
