/* server/session_answers.c - what a feed asks of the server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/access.h"
#include "server/sessions_inside.h"

static bool end(struct feed_event *answer, int code, const char *text)
{
    *answer = (struct feed_event){.kind = FEED_END, .end = {.code = code, .text = text}};
    return true;
}

static bool end_plainly(struct feed_event *answer, int code)
{
    return end(answer, code, err_meaning(code));
}

/* --- HELLO --- */

/* What is needed of a HELLO after other feeds were stepped. */
struct greeting {
    uint64_t device;
    uint64_t writer;
    bool has_history;
    uint8_t history[HISTORY_SIZE];
    struct wire_position position;
    char software[64];
};

static void copy_greeting(struct greeting *greeting, const struct wire_hello *hello)
{
    *greeting = (struct greeting){
        .device = hello->device,
        .writer = hello->writer,
        .has_history = hello->has_history,
        .position = hello->position,
    };
    memcpy(greeting->history, hello->history, HISTORY_SIZE);
    size_t size = hello->software.size;
    size = size < sizeof greeting->software ? size : sizeof greeting->software - 1;
    if (size > 0) {
        memcpy(greeting->software, hello->software.data, size);
    }
}

/* Does the machine's newest position lie on our line of changes? 0, E_HISTORY, E_DIVERGED, E_IO. */
static int check_position(struct journal *journal, const struct greeting *greeting)
{
    if (!greeting->has_history) {
        return 0;
    }
    uint8_t history[HISTORY_SIZE];
    struct journal_position head;
    journal_history(journal, history);
    journal_head(journal, &head);
    if (memcmp(history, greeting->history, HISTORY_SIZE) != 0) {
        return E_HISTORY;
    }
    uint64_t seq = greeting->position.seq;
    if (seq == 0 || seq + 1 < journal_floor(journal)) {
        return 0; /* from before the journal's floor: it gets whole bags */
    }
    if (seq > head.seq) {
        return E_DIVERGED;
    }
    uint8_t hash[SHA256_SIZE];
    if (seq == head.seq) {
        memcpy(hash, head.hash, SHA256_SIZE);
    } else {
        struct err err = {0};
        int rc = journal_hash_at(journal, seq, hash, &err);
        if (rc == E_NOT_FOUND) {
            return E_DIVERGED; /* no batch of ours ends there */
        }
        if (rc != 0) {
            log_err(LOG_ERROR, "session", "journal.unreadable", &err);
            return E_IO;
        }
    }
    return memcmp(hash, greeting->position.hash, SHA256_SIZE) == 0 ? 0 : E_DIVERGED;
}

static bool refuse_hello(const struct sessions *sessions, uint64_t device, int code,
                         struct feed_event *answer)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    if (log_limit_pass(&limit, sessions_now(sessions), &held_back)) {
        log_event(LOG_WARNING, "session", "refused",
                  "device=%016" PRIx64 " code=%s held_back=%" PRIu64, device, err_name(code),
                  held_back);
    }
    return end_plainly(answer, code);
}

static void note_seen(struct sessions *sessions, const struct session *session,
                      const struct greeting *greeting)
{
    struct seen *seen = sessions_seen(sessions, session->device);
    if (seen == NULL) {
        return; /* it is missing in the list of devices, nothing else */
    }
    const struct sessions_port *port = &sessions->options.port;
    seen->live.seq = greeting->position.seq;
    seen->live.last_seen_ms = clock_wall_ms(sessions->options.clock);
    (void)snprintf(seen->live.address, sizeof seen->live.address, "%s",
                   port->address(port->context, &session->peer));
    (void)snprintf(seen->live.software, sizeof seen->live.software, "%s", greeting->software);
    log_event(LOG_INFO, "session", "opened", "device=%016" PRIx64 " peer=%s seq=%" PRIu64,
              session->device, seen->live.address, seen->live.seq);
}

struct sweep {
    struct sessions *sessions;
    const struct session *session;
};

static int sweep_user(void *context, uint64_t bag_id, struct err *err)
{
    const struct sweep *sweep = context;
    struct committer *committer = sweep->sessions->options.committer;
    struct bag_row bag = {0};
    int rc = kv_bag(committer_kv(committer), NULL, bag_id, &bag, err);
    if (rc == E_BAG_GONE || rc == E_NOT_FOUND) {
        struct sign_out gone = {
            .device = sweep->session->device,
            .device_bag = sweep->session->device_bag,
            .bag_id = bag_id,
        };
        committer_sign_out(committer, &gone);
        rc = 0;
    }
    return rc;
}

/* Users who were deleted while this machine was away are no longer signed in there. */
static void sweep_users(struct sessions *sessions, const struct session *session)
{
    struct sweep sweep = {sessions, session};
    struct err err = {0};
    if (access_users(committer_kv(sessions->options.committer), session->device_bag, sweep_user,
                     &sweep, &err) != 0) {
        log_err(LOG_ERROR, "session", "users.unreadable", &err); /* the next HELLO tries again */
    }
}

static bool welcome(struct sessions *sessions, struct session *session,
                    const struct greeting *greeting, struct feed_event *answer)
{
    struct owner owner = {.kind = OWNER_DEVICE, .device = greeting->device};
    struct bag_row bag = {0};
    int rc = kv_bag_of(committer_kv(sessions->options.committer), NULL, &owner, &bag, NULL);
    if (rc != 0) {
        return refuse_hello(sessions, greeting->device, rc == E_NOT_FOUND ? E_DEVICE_REMOVED : E_IO,
                            answer);
    }
    sessions_adopt(sessions, session, greeting->device);
    session->device_bag = bag.bag_id;
    session->writer = greeting->writer;
    session->deferred_from = 0;
    note_seen(sessions, session, greeting);
    sweep_users(sessions, session);
    struct journal_position head;
    journal_head(sessions->options.journal, &head);
    *answer = (struct feed_event){.kind = FEED_WELCOME};
    answer->welcome.head_seq = head.seq;
    answer->welcome.state = sessions_state(sessions);
    answer->welcome.device = greeting->device;
    answer->welcome.device_bag = bag.bag_id;
    answer->welcome.fleet_bag = committer_fleet_bag(sessions->options.committer);
    answer->welcome.resume_seq = WIRE_SAME_HISTORY; /* another one was refused */
    journal_history(sessions->options.journal, answer->welcome.history);
    return true;
}

static bool on_hello(struct sessions *sessions, struct session *session,
                     const struct wire_hello *hello, struct feed_event *answer)
{
    struct greeting greeting;
    copy_greeting(&greeting, hello);
    struct registry_peer peer = registry_peer(sessions->options.registry, session->key);
    switch (peer.kind) {
    case REGISTRY_NOBODY:
        return refuse_hello(sessions, greeting.device, E_NOT_ALLOWED, answer);
    case REGISTRY_TOKEN:
        return refuse_hello(sessions, greeting.device, E_NOT_JOINED, answer);
    case REGISTRY_REMOVED:
        return refuse_hello(sessions, greeting.device, E_DEVICE_REMOVED, answer);
    case REGISTRY_DEVICE:
        break;
    }
    int rc = check_position(sessions->options.journal, &greeting);
    if (rc != E_HISTORY && peer.device != greeting.device) {
        rc = E_NOT_ALLOWED; /* of another history the number would mean nothing */
    }
    return rc != 0 ? refuse_hello(sessions, greeting.device, rc, answer)
                   : welcome(sessions, session, &greeting, answer);
}

/* --- JOIN --- */

static bool on_join(struct sessions *sessions, struct session *session,
                    const struct wire_join *join, struct feed_event *answer)
{
    switch (registry_peer(sessions->options.registry, session->key).kind) {
    case REGISTRY_NOBODY:
        return end_plainly(answer, E_TOKEN_UNKNOWN);
    case REGISTRY_DEVICE:
        return end(answer, E_NOT_ALLOWED, "this key is a machine's: it has joined already");
    case REGISTRY_REMOVED:
        return end_plainly(answer, E_DEVICE_REMOVED);
    case REGISTRY_TOKEN:
        break;
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

static bool on_sign_in(struct sessions *sessions, struct session *session,
                       const struct feed_action *action)
{
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

static bool on_follow(struct sessions *sessions, struct session *session, uint64_t bag_id,
                      struct feed_event *answer)
{
    struct kv *kv = committer_kv(sessions->options.committer);
    struct access access = {.kv = kv, .device = session->device, .device_bag = session->device_bag};
    struct err err = {0};
    struct bag_row bag = {0};
    int rc = kv_bag(kv, NULL, bag_id, &bag, &err);
    if (rc == 0) {
        rc = access_check(&access, ACCESS_READ, &bag, &err);
    }
    if (rc == 0) {
        rc = followers_add(&sessions->followers, &session->follower, &bag);
    }
    if (rc == E_NOMEM) {
        return end(answer, E_BUSY, "the server is out of memory: try again later");
    }
    if (rc != 0 && rc != E_NOT_FOUND && rc != E_BAG_GONE && rc != E_NOT_ALLOWED) {
        log_err(LOG_ERROR, "session", "bag.unreadable", &err);
        return end(answer, E_IO, "the server can't read a bag");
    }
    *answer = (struct feed_event){.kind = FEED_BAG};
    answer->bag.bag_id = bag_id;
    answer->bag.code = rc == E_NOT_FOUND ? E_BAG_GONE : rc;
    answer->bag.text = rc == 0 ? "" : err_meaning(answer->bag.code);
    answer->bag.last_seq = bag.last_seq;
    return true;
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
    if (!followers_follows(&sessions->followers, &session->follower, request.bag_id)) {
        answer->page.bag_id = request.bag_id;
        answer->page.code = E_BAG_GONE;
        return true;
    }
    pages_read(&sessions->pages, committer_kv(sessions->options.committer), &request,
               &answer->page);
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
            return end(answer, E_MALFORMED, "an operation is not what it should be");
        }
    }
    session->deferred_from = from.deferred_from;
    return false;
}

/* --- LIST, MIRROR --- */

static bool on_list(struct feed_event *answer)
{
    *answer = (struct feed_event){.kind = FEED_LISTED};
    answer->listed.code = E_NOT_ALLOWED;
    answer->listed.end = true;
    return true;
}

static bool on_mirror(struct feed_event *answer)
{
    *answer = (struct feed_event){.kind = FEED_MIRRORING};
    answer->mirroring.code = E_NOT_ALLOWED;
    answer->mirroring.text = err_meaning(E_NOT_ALLOWED);
    return true;
}

bool session_answer(struct sessions *sessions, struct session *session,
                    const struct feed_action *action, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && action != NULL && answer != NULL);
    switch (action->kind) {
    case FEED_DO_HELLO:
        return on_hello(sessions, session, &action->hello, answer);
    case FEED_DO_JOIN:
        return on_join(sessions, session, &action->join, answer);
    case FEED_DO_SIGN_IN:
        return on_sign_in(sessions, session, action);
    case FEED_DO_SIGN_OUT:
        return on_sign_out(sessions, session, action);
    case FEED_DO_FOLLOW:
        return on_follow(sessions, session, action->follow.bag_id, answer);
    case FEED_DO_READ:
        return on_read(sessions, session, action, answer);
    case FEED_DO_WRITE:
        return on_write(sessions, session, action, answer);
    case FEED_DO_LIST:
        return on_list(answer);
    case FEED_DO_MIRROR:
        return on_mirror(answer);
    case FEED_DO_READ_JOURNAL: /* nobody mirrors */
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
