/* server/session_hello.c - who says HELLO, and does what they hold lie on our line of changes?
 *
 * A machine that was here before names its history and the newest position it knows.
 *
 * History: ours, or an ancestor of ours (a fork, a restored backup), whose changes we share up to
 * the seq where it was left. What the machine holds behind that seq was never ours: it is told the
 * seq (resume_seq) and saves and replaces those bags by itself. Any other history is refused.
 *
 * A machine that is ahead of the fork, or has another hash before it, left our line earlier: when
 * the server's data was put back, which then took other changes until the fork. Its resume_seq is
 * the newest position that it told us before, 0 when nothing is known of it: the one position that
 * it names is no proof of another. What it puts aside may be a little too much then, never too
 * little.
 *
 * Position: where we share the history, the hash there must be ours. Ahead of our head, or with
 * another hash, the machine holds what this server never had or has lost (a disk that was put back,
 * two servers with one history). It is `diverged`: not served, so that nothing of it is
 * overwritten, and reported loudly until an administrator decides (kitbagctl history fork).
 *
 * Below the journal's floor there is no hash left to compare. Such a machine is served: its history
 * is ours, so it can only differ if a disk was rolled back, and then the bags tell: a cursor below
 * a bag's purged_to gets the whole bag, one ahead of the bag is found at its FOLLOW, and for all
 * others the digest that comes with BAG is compared and the bag fetched anew. Refusing it instead
 * would lock out every machine that was off for longer than the journal is kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/sessions_inside.h"

enum { DIVERGED_EVERY_MS = 600000 }; /* the log is told of one device */

/* What is needed of a HELLO after other feeds were stepped. */
struct greeting {
    uint64_t device;
    uint64_t writer;
    bool has_history;
    uint8_t history[HISTORY_SIZE];
    struct wire_position position;
    uint64_t resume_seq;
    char software[64];
};

static void copy_greeting(struct greeting *greeting, const struct wire_hello *hello)
{
    *greeting = (struct greeting){
        .device = hello->device,
        .writer = hello->writer,
        .has_history = hello->has_history,
        .position = hello->position,
        .resume_seq = WIRE_SAME_HISTORY,
    };
    memcpy(greeting->history, hello->history, HISTORY_SIZE);
    size_t size = hello->software.size;
    size = size < sizeof greeting->software ? size : sizeof greeting->software - 1;
    if (size > 0) {
        memcpy(greeting->software, hello->software.data, size);
    }
}

/* --- the position --- */

/* 0, E_DIVERGED, E_IO. */
static int compare_hash(struct journal *journal, const struct wire_position *position)
{
    struct journal_position head;
    journal_head(journal, &head);
    if (position->seq > head.seq) {
        return E_DIVERGED;
    }
    uint8_t hash[SHA256_SIZE];
    memcpy(hash, head.hash, SHA256_SIZE);
    if (position->seq != head.seq) {
        struct err err = {0};
        int rc = journal_hash_at(journal, position->seq, hash, &err);
        if (rc == E_NOT_FOUND) {
            /* The floor may have moved past it since the caller looked. Else no batch ends there.
             */
            return position->seq + 1 < journal_floor(journal) ? 0 : E_DIVERGED;
        }
        if (rc != 0) {
            log_err(LOG_ERROR, "session", "journal.unreadable", &err);
            return E_IO;
        }
    }
    return memcmp(hash, position->hash, SHA256_SIZE) == 0 ? 0 : E_DIVERGED;
}

/* It left our line before the fork, nobody knows where; but not before the newest position that it
 * told while it was on it. */
static void resume_where_it_was(const struct sessions *sessions, struct greeting *greeting)
{
    struct seen_device at = {0};
    if (sessions->options.seen != NULL) {
        (void)seen_get(sessions->options.seen, greeting->device, &at); /* zeros when unknown */
    }
    if (at.seq < greeting->resume_seq) {
        greeting->resume_seq = at.seq;
    }
}

/* Does the machine's newest position lie on our line of changes? Fills in resume_seq. 0, E_HISTORY,
 * E_DIVERGED, E_IO. */
static int check_position(const struct sessions *sessions, struct greeting *greeting)
{
    if (!greeting->has_history) {
        return 0;
    }
    struct err err = {0};
    struct journal *journal = sessions->options.journal;
    int rc = journal_lineage(journal, greeting->history, &greeting->resume_seq, &err);
    if (rc == E_HISTORY) {
        return rc;
    }
    if (rc != 0) {
        log_err(LOG_ERROR, "session", "journal.unreadable", &err);
        return E_IO;
    }
    uint64_t seq = greeting->position.seq;
    bool shared = seq <= greeting->resume_seq;
    if (shared && (seq == 0 || seq + 1 < journal_floor(journal))) {
        return 0; /* why is told above */
    }
    rc = shared ? compare_hash(journal, &greeting->position) : E_DIVERGED;
    if (rc == E_DIVERGED && greeting->resume_seq != WIRE_SAME_HISTORY) {
        resume_where_it_was(sessions, greeting);
        return 0;
    }
    return rc;
}

/* --- refusing --- */

void session_diverged(struct sessions *sessions, uint64_t device, uint64_t seq)
{
    ASSERT(sessions != NULL);
    struct device_seen *seen = sessions_seen(sessions, device);
    uint64_t now_ms = sessions_now(sessions);
    if (seen != NULL) {
        seen->live.refused = E_DIVERGED;
        if (seen->told_ms != 0 && now_ms - seen->told_ms < DIVERGED_EVERY_MS) {
            return;
        }
        seen->told_ms = now_ms;
    }
    struct journal_position head;
    journal_head(sessions->options.journal, &head);
    log_event(LOG_ERROR, "session", "history.diverged",
              "device=%016" PRIx64 " seq=%" PRIu64 " head=%" PRIu64
              " text=\"this machine holds changes that the server does not have: a disk of one of "
              "them was put back to an earlier state. It is not served, so that nothing is "
              "overwritten. When the server's state is the one to go on with: kitbagctl history "
              "fork\"",
              device, seq, head.seq);
}

static bool refuse(struct sessions *sessions, const struct greeting *greeting, int code,
                   struct feed_event *answer)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    if (log_limit_pass(&limit, sessions_now(sessions), &held_back)) {
        bool stranger = code == E_NOT_ALLOWED || code == E_DEVICE_REMOVED || code == E_NOT_JOINED;
        log_event(LOG_WARNING, "session", stranger ? "device.auth_failed" : "device.refused",
                  "device=%016" PRIx64 " code=%s held_back=%" PRIu64, greeting->device,
                  err_name(code), held_back);
    }
    return session_answer_end(answer, code, err_meaning(code));
}

/* The key is this device's: what it is refused for is told of it. */
static bool refuse_device(struct sessions *sessions, const struct greeting *greeting, int code,
                          struct feed_event *answer)
{
    if (code == E_DIVERGED) {
        session_diverged(sessions, greeting->device, greeting->position.seq);
        return session_answer_end(answer, code, err_meaning(code));
    }
    struct device_seen *seen = sessions_seen(sessions, greeting->device);
    if (seen != NULL) {
        seen->live.refused = code;
    }
    return refuse(sessions, greeting, code, answer);
}

/* --- accepting --- */

static void note_seen(struct sessions *sessions, struct session *session,
                      const struct greeting *greeting)
{
    struct device_seen *seen = sessions_seen(sessions, session->device);
    session->seen = seen;
    if (seen == NULL) {
        return; /* it is missing in the list of devices, nothing else */
    }
    const struct sessions_port *port = &sessions->options.port;
    seen->live.seq = greeting->position.seq;
    seen->live.current_seq = 0;
    seen->live.last_seen_ms = clock_wall_ms(sessions->options.clock);
    (void)snprintf(seen->live.address, sizeof seen->live.address, "%s",
                   port->address(port->context, &session->peer));
    (void)snprintf(seen->live.software, sizeof seen->live.software, "%s", greeting->software);
    uint64_t held_back = 0; /* one machine can't fill the log by coming over and over */
    if (log_limit_pass(&seen->opened, sessions_now(sessions), &held_back)) {
        log_event(LOG_INFO, "session", "device.connected",
                  "device=%016" PRIx64 " peer=%s seq=%" PRIu64 " held_back=%" PRIu64,
                  session->device, seen->live.address, seen->live.seq, held_back);
    }
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
    bool gone = rc == E_BAG_GONE || rc == E_NOT_FOUND;
    if (gone && adoptions_of_bag(committer_adoptions(committer), bag_id) != NULL) {
        return 0; /* its copy may be asked for: that it held the bag is to be known until then */
    }
    if (gone) {
        struct sign_out out = {
            .device = sweep->session->device,
            .device_bag = sweep->session->device_bag,
            .bag_id = bag_id,
        };
        committer_sign_out(committer, &out);
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

/* From now on the session is this device's. */
static void open_session(struct sessions *sessions, struct session *session,
                         const struct greeting *greeting, uint64_t device_bag)
{
    struct journal_position head;
    journal_head(sessions->options.journal, &head);
    sessions_adopt(sessions, session, greeting->device);
    session->device_bag = device_bag;
    session->opened_ms = sessions_now(sessions);
    session->writer = greeting->writer;
    session->deferred_from = 0;
    session->resumes = greeting->resume_seq != WIRE_SAME_HISTORY;
    session->rights = registry_rights(sessions->options.registry, greeting->device);
    if (session->rights.keep != KEEP_SIGNED_IN) {
        session->newest_bag = head.seq; /* which bags there are is known when it has listed them */
        feed_allow_bags(session->feed, sessions->options.bags_max_kept);
    }
    if (session->rights.keep == KEEP_EVERYBODY) {
        sessions_widen(sessions, session);
    }
    note_seen(sessions, session, greeting);
    sweep_users(sessions, session);
}

static bool welcome(struct sessions *sessions, struct session *session,
                    const struct greeting *greeting, struct feed_event *answer)
{
    struct owner owner = {.kind = OWNER_DEVICE, .device = greeting->device};
    struct bag_row bag = {0};
    int rc = kv_bag_of(sessions_settled(sessions), NULL, &owner, &bag, NULL);
    if (sessions_behind(sessions)) {
        return session_answer_end(answer, E_READ_ONLY, err_meaning(E_READ_ONLY));
    }
    if (rc != 0) {
        return refuse(sessions, greeting, rc == E_NOT_FOUND ? E_DEVICE_REMOVED : E_IO, answer);
    }
    open_session(sessions, session, greeting, bag.bag_id);
    struct journal_position head;
    journal_head(sessions->options.journal, &head);
    *answer = (struct feed_event){.kind = FEED_WELCOME};
    answer->welcome.head_seq = head.seq;
    answer->welcome.state = sessions_state(sessions);
    answer->welcome.device = greeting->device;
    answer->welcome.device_bag = bag.bag_id;
    answer->welcome.fleet_bag = committer_fleet_bag(sessions->options.committer);
    answer->welcome.keep = session->rights.keep;
    answer->welcome.mirror = session->rights.mirror;
    answer->welcome.resume_seq = greeting->resume_seq;
    journal_history(sessions->options.journal, answer->welcome.history);
    return true;
}

bool session_answer_held(struct feed_event *answer)
{
    ASSERT(answer != NULL);
    return session_answer_end(answer, E_DEFERRED,
                              "the server's data was restored from a backup: it serves when an "
                              "administrator has confirmed its machines and people");
}

bool session_hello(struct sessions *sessions, struct session *session,
                   const struct wire_hello *hello, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && hello != NULL && answer != NULL);
    struct greeting greeting;
    copy_greeting(&greeting, hello);
    struct registry_peer peer = registry_peer(sessions->options.registry, session->key);
    switch (peer.kind) {
    case REGISTRY_NOBODY:
        return refuse(sessions, &greeting, E_NOT_ALLOWED, answer);
    case REGISTRY_TOKEN:
        return refuse(sessions, &greeting, E_NOT_JOINED, answer);
    case REGISTRY_REMOVED:
        return refuse(sessions, &greeting, E_DEVICE_REMOVED, answer);
    case REGISTRY_DEVICE:
        break;
    }
    if (registry_held(sessions->options.registry)) {
        return session_answer_held(answer);
    }
    int rc = check_position(sessions, &greeting);
    if (peer.device != greeting.device) {
        /* Of another history the number would mean nothing. */
        return refuse(sessions, &greeting, rc == E_HISTORY ? rc : E_NOT_ALLOWED, answer);
    }
    return rc != 0 ? refuse_device(sessions, &greeting, rc, answer)
                   : welcome(sessions, session, &greeting, answer);
}
