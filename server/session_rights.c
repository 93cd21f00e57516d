/* server/session_rights.c - what a change takes away, and from whom.
 *
 * A right may end by the removal of an item that stands for it (access.h), by the deletion of a
 * bag, or by a change of the device's record. Who loses something by it is told no change that
 * comes after it: this runs before the batch is delivered.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server/sessions_inside.h"

enum { DELETED_AT_ONCE = 64 };

/* --- the device's record --- */

void sessions_device_changed(struct sessions *sessions, uint64_t device)
{
    ASSERT(sessions != NULL);
    const struct registry *registry = sessions->options.registry;
    struct session *session = sessions_find_device(sessions, device);
    if (session == NULL) {
        return;
    }
    if (!registry_holds(registry, device, session->key)) {
        bool replaced = registry_peer(registry, session->key).kind == REGISTRY_NOBODY;
        session_end(sessions, session, E_DEVICE_REMOVED,
                    replaced ? "another machine has taken this one's place"
                             : err_meaning(E_DEVICE_REMOVED));
        return;
    }
    struct registry_rights rights = registry_rights(registry, device);
    if (rights.keep != session->rights.keep || rights.mirror != session->rights.mirror) {
        session_end(sessions, session, E_SUPERSEDED, "what this machine may keep has changed");
    }
}

/* --- items that stand for rights --- */

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
    struct access access = session_access(recheck->sessions, recheck->session);
    struct bag_row bag = {0};
    int rc = kv_bag(access.kv, NULL, followed->bag_id, &bag, NULL);
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
    if (kv_bag(sessions_settled(sessions), NULL, change->bag_id, &bag, NULL) != 0) {
        return;
    }
    struct session *session = sessions_find_device(sessions, bag.owner.device);
    if (session == NULL || session->device_bag != change->bag_id || session->wide) {
        return; /* one that keeps everybody goes on to read them */
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
    if (session->rights.keep >= KEEP_GROUPS || follower->groups == 0) {
        return; /* it reads every group, or none */
    }
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
    if (kv_bag_of(sessions_settled(sessions), NULL, &owner, &group, NULL) == 0) {
        followers_each(&sessions->followers, group.bag_id, after_leaving_of, &ended);
    }
    end_those(&ended);
}

/* Sessions at which a deleted user was signed in, by next_picked; each once. */
static void suspect(struct ended *ended, struct session *session)
{
    if (session->follower.groups > 0 && !session->suspected) {
        session->suspected = true;
        session->next_picked = ended->first;
        ended->first = session;
    }
}

static int suspect_machine(void *context, const struct kv_sign_in *sign_in, struct err *err)
{
    (void)err;
    struct ended *suspects = context;
    struct session *session = sessions_find_device(suspects->sessions, sign_in->device);
    if (session != NULL) {
        suspect(suspects, session);
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *other = b;
    return (*one > *other) - (*one < *other);
}

/* Some of the bags that a batch deleted; those that are nobody's tell of no sign-in. */
struct deleted {
    uint64_t bags[DELETED_AT_ONCE];
    size_t count;
};

static int suspect_where(struct ended *suspects, struct deleted *deleted, struct err *err)
{
    struct kv *kv = sessions_settled(suspects->sessions);
    struct kv_view *view = NULL;
    qsort(deleted->bags, deleted->count, sizeof deleted->bags[0], by_number);
    int rc = kv_view_new(&view, kv, err);
    if (rc == 0) {
        rc = kv_sign_ins(kv, view, deleted->bags, deleted->count, suspect_machine, suspects, err);
    }
    kv_view_free(&view);
    deleted->count = 0;
    return rc;
}

/* All of them, when it can't be told at which. */
static void suspect_some(struct ended *suspects, struct deleted *deleted)
{
    struct sessions *sessions = suspects->sessions;
    struct err err = {0};
    if (deleted->count == 0 || suspect_where(suspects, deleted, &err) == 0) {
        return;
    }
    log_err(LOG_ERROR, "session", "rights.unreadable", &err);
    struct session *session = sessions->ring;
    for (size_t i = 0; i < sessions->count; i++, session = session->next) {
        suspect(suspects, session);
    }
}

/* Users were deleted. Which groups were theirs is gone with them, so all groups of machines where
 * they were signed in are looked at. While nobody follows a group, kv/ is not waited for. */
static void after_users(struct ended *ended, const struct change *changes, size_t count)
{
    struct sessions *sessions = ended->sessions;
    struct ended suspects = {.sessions = sessions};
    struct deleted deleted = {.count = 0};
    for (size_t i = 0; i < count && sessions->followers.groups > 0; i++) {
        if (changes[i].kind == CHANGE_BAG_DELETE) {
            deleted.bags[deleted.count++] = changes[i].bag_id;
        }
        if (deleted.count == DELETED_AT_ONCE) {
            suspect_some(&suspects, &deleted);
        }
    }
    suspect_some(&suspects, &deleted);
    while (suspects.first != NULL) {
        struct session *session = suspects.first;
        suspects.first = session->next_picked;
        session->suspected = false;
        after_leaving_of(ended, &session->follower);
    }
}

/* A bag was deleted, perhaps a user's: they are no longer signed in on machines that follow it.
 * Machines that do not are swept when they say HELLO. */
static void sign_out_one(struct sessions *sessions, const struct session *session, uint64_t bag_id)
{
    struct sign_out gone = {
        .device = session->device, .device_bag = session->device_bag, .bag_id = bag_id};
    committer_sign_out(sessions->options.committer, &gone);
}

static void sign_out_of(void *context, struct follower *follower)
{
    const struct ended *ended = context;
    const struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    if (!session->wide) {
        sign_out_one(ended->sessions, session, ended->bag_id);
    }
}

static void sign_out_all(struct ended *ended, uint64_t bag_id)
{
    ended->bag_id = bag_id;
    followers_each(&ended->sessions->followers, bag_id, sign_out_of, ended);
    for (struct session *wide = ended->sessions->wides; wide != NULL; wide = wide->wide_next) {
        sign_out_one(ended->sessions, wide, bag_id);
    }
}

static void note_evicted(const struct change *change)
{
    if (span_equal(change->actor, SPAN_LITERAL(PLAN_EVICTS))) {
        log_event(LOG_INFO, "limits", "limits.users_evicted", "bag=%" PRIu64 " seq=%" PRIu64,
                  change->bag_id, change->seq);
    }
}

/* Who had a right by a user is looked up before the first sign-out is planned: so many machines may
 * be signed out that a batch is committed in between, and they would not be found any more. */
static void after_deletions(struct sessions *sessions, const struct change *changes, size_t count)
{
    struct ended ended = {.sessions = sessions};
    after_users(&ended, changes, count);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == CHANGE_BAG_DELETE) {
            note_evicted(&changes[i]);
            sign_out_all(&ended, changes[i].bag_id);
        }
    }
    end_those(&ended);
}

/* A machine that has just come has not said yet what it follows; one that keeps everybody follows
 * those too who are not signed in there. */
enum { FRESH_MS = 60000 };

static void see_use(void *context, struct follower *follower)
{
    bool *used = context;
    const struct session *session = (void *)((char *)follower - offsetof(struct session, follower));
    *used = *used || session->rights.keep != KEEP_EVERYBODY;
}

bool sessions_uses(void *context, uint64_t user_bag)
{
    ASSERT(context != NULL);
    struct sessions *sessions = context;
    bool used = false;
    uint64_t now_ms = sessions_now(sessions);
    followers_each(&sessions->followers, user_bag, see_use, &used);
    struct session *session = sessions->ring;
    for (size_t i = 0; i < sessions->count && !used; i++, session = session->next) {
        if (session->device != 0 && (session->wide || now_ms - session->opened_ms < FRESH_MS)) {
            struct access access = session_access(sessions, session);
            used = access_signed_in(&access, user_bag, NULL) != 0;
        }
    }
    return used;
}

void sessions_follow_rights(struct sessions *sessions, const struct change *changes, size_t count)
{
    ASSERT(sessions != NULL && (changes != NULL || count == 0));
    sessions_ask_copies(sessions, changes, count);
    after_deletions(sessions, changes, count);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind != CHANGE_ITEM_REMOVE || !path_reserved(changes[i].path)) {
            continue;
        }
        if (access_user_of_path(changes[i].path) != 0) {
            after_sign_out(sessions, &changes[i]);
        } else if (access_is_group_path(changes[i].path)) {
            after_leaving(sessions, &changes[i]);
        }
    }
}
