/* client/kb_people.c - signing in and out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/kb_inside.h"
#include "client/network.h"
#include "transport/wire.h"

enum { LOGIN_MS = 5000 };

/* --- kept by a right --- */

bool client_keeps(struct kb *kb, enum owner_kind kind)
{
    (void)pthread_mutex_lock(&kb->lock);
    unsigned kept = kb->kept;
    (void)pthread_mutex_unlock(&kb->lock);
    return kind == OWNER_GROUP ? kept >= WIRE_KEEP_GROUPS : kept == WIRE_KEEP_EVERYBODY;
}

bool client_is_listed(struct kb *kb, uint64_t bag_id)
{
    char path[32];
    struct replica_bag bag;
    struct item_row row;
    (void)pthread_mutex_lock(&kb->lock);
    struct owner device = {.kind = OWNER_DEVICE, .device = kb->identity.device};
    (void)pthread_mutex_unlock(&kb->lock);
    (void)snprintf(path, sizeof path, "@user/%llu", (unsigned long long)bag_id);
    return replica_bag_by_owner(kb->replica, &device, &bag, NULL) == 0 &&
           replica_item(kb->replica, bag.local, span_str(path), &row, NULL, NULL) == 0;
}

/* --- signing in on a machine that stands alone --- */

/* What an earlier sign-in left half done, for want of room, is done first. */
static int find_local(struct kb *kb, const struct owner *owner, struct replica_bag *bag,
                      struct err *err)
{
    int rc = replica_bag_by_owner(kb->replica, owner, bag, err);
    if (rc == E_NOT_FOUND) {
        rc = client_settle_creates(kb, err);
        rc = rc != 0 ? rc : replica_bag_by_owner(kb->replica, owner, bag, err);
    }
    return rc;
}

static int keep_local(struct kb *kb, const struct owner *owner, uint64_t *local, struct err *err)
{
    struct replica_bag bag;
    int rc = find_local(kb, owner, &bag, err);
    if (rc == E_NOT_FOUND) {
        bag = (struct replica_bag){.complete = true, .keep = true, .owner = *owner};
        rc = outbox_create(kb->outbox, owner, client_wall_ms(kb), &bag.made_by, err);
        rc = rc != 0 ? rc : replica_bag_add(kb->replica, &bag, err);
    } else if (rc == 0 && !bag.keep) {
        bag.keep = true;
        rc = replica_bag_update(kb->replica, &bag, err);
    }
    if (rc == 0) {
        *local = bag.local;
    }
    return rc;
}

static int login_alone(struct kb *kb, const struct owner *user, const struct kb_groups *groups,
                       struct err *err)
{
    uint64_t local = 0;
    uint64_t group_local = 0;
    int rc = keep_local(kb, user, &local, err);
    for (size_t i = 0; rc == 0 && i < groups->count; i++) {
        rc = keep_local(kb, &groups->list[i], &group_local, err);
    }
    if (rc == 0 && groups->count > 0) {
        rc = client_groups_set(kb, local, groups, err);
    }
    return rc;
}

/* --- signing in with a server --- */

static bool is_kept(struct kb *kb, const struct owner *user)
{
    struct replica_bag bag;
    return replica_bag_by_owner(kb->replica, user, &bag, NULL) == 0 && bag.keep &&
           (bag.complete || bag.bag_id == 0);
}

/* Why somebody who is not kept can't sign in now; 0: it can be tried. With kb->lock. */
static int why_not(const struct kb *kb, const struct owner *user, struct err *err)
{
    if (kb->closing) {
        return err_set(err, E_CLOSED, "the folder is being closed");
    }
    if (kb->network == NULL) {
        return err_set(err, E_STOPPED,
                       "'%s' is not kept on this machine, and synchronization is stopped",
                       user->shown);
    }
    if (kb->live.refused) {
        return err_set(err, kb->live.code != 0 ? kb->live.code : E_NOT_ALLOWED,
                       "'%.100s' is not kept on this machine, and the server refuses it: %s",
                       user->shown, kb->live.text);
    }
    return 0;
}

static void unlink_request(struct kb *kb, struct request *request)
{
    struct request **link = &kb->requests;
    while (*link != request) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = request->next;
}

struct timespec client_after(unsigned timeout_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static int late(const struct kb *kb, const struct request *request, struct err *err)
{
    const char *name = request->user.shown;
    if (!kb->live.connected) {
        const char *why = kb->live.text;
        bool known = why[0] != '\0' && strcmp(why, err_meaning(E_UNREACHABLE)) != 0;
        return err_set(err, E_UNREACHABLE,
                       "'%.100s' is not kept on this machine, and the server can't be reached%s%s",
                       name, known ? ": " : "", known ? why : "");
    }
    return err_set(err, E_TIMEOUT,
                   request->state == REQUEST_FETCHING
                       ? "'%s' is signed in, but not all of it came in time: it goes on coming"
                       : "the server did not sign '%s' in in time",
                   name);
}

/* The server is told before it gets their writes. Whoever is kept because of a sign-in is known to
 * it already, unless it has still to be told, or may just have been told, of the sign-out. */
static int note_sign_in(struct kb *kb, const struct owner *user, const struct kb_groups *groups,
                        struct err *err)
{
    struct replica_bag bag;
    int rc = replica_bag_by_owner(kb->replica, user, &bag, err);
    if (rc == 0) { /* not noted, it counts as used since it is looked at */
        (void)!replica_used(kb->replica, bag.local, client_wall_ms(kb), NULL);
    }
    if (rc != 0 || !client_keeps(kb, OWNER_USER) || bag.bag_id == 0 || bag.made_by != 0 ||
        (client_is_listed(kb, bag.bag_id) && !client_is_due(kb, bag.bag_id))) {
        return rc;
    }
    struct due *due = calloc(1, sizeof *due);
    if (due == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    *due = (struct due){.bag_id = bag.bag_id, .in = true, .user = *user, .groups = *groups};
    rc = client_due_add(kb, due, err);
    free(due);
    return rc;
}

/* With `request` NULL after it: it is done. */
static int ask(struct kb *kb, const struct owner *user, const struct kb_groups *groups,
               struct request **request, struct err *err)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool connected = kb->network != NULL && kb->live.connected;
    (void)pthread_mutex_unlock(&kb->lock);
    if (!connected && is_kept(kb, user)) {
        return note_sign_in(kb, user, groups, err);
    }
    struct request *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    made->user = *user;
    made->groups = *groups;
    (void)pthread_mutex_lock(&kb->lock);
    made->ref = ++kb->last_ref;
    made->next = kb->requests;
    kb->requests = made;
    if (kb->network != NULL) {
        network_wake(kb->network, NETWORK_REQUESTS);
    }
    (void)pthread_mutex_unlock(&kb->lock);
    *request = made;
    return 0;
}

static int read_names(const char *user, const char *const *groups, struct owner *owner,
                      struct kb_groups *out, struct err *err)
{
    int rc = owner_make(owner, OWNER_USER, span_str(user), 0, err);
    for (size_t i = 0; rc == 0 && groups != NULL && groups[i] != NULL; i++) {
        if (out->count == KB_GROUPS_MAX) {
            return err_set(err, E_QUOTA, "a sign-in names at most %d groups", KB_GROUPS_MAX);
        }
        rc = owner_make(&out->list[out->count++], OWNER_GROUP, span_str(groups[i]), 0, err);
    }
    return rc;
}

int client_login_begin(struct kb *kb, const char *user, const char *const *groups,
                       struct request **request, struct err *err)
{
    ASSERT(kb != NULL && user != NULL && request != NULL && *request == NULL);
    struct owner owner;
    struct kb_groups *list = calloc(1, sizeof *list);
    int rc = list == NULL ? err_set(err, E_NOMEM, "out of memory")
                          : read_names(user, groups, &owner, list, err);
    if (rc == 0) {
        rc = client_joined(kb) ? ask(kb, &owner, list, request, err)
                               : login_alone(kb, &owner, list, err);
    }
    free(list);
    return rc;
}

/* E_DEFERRED: it goes on. With kb->lock. */
static int look_at(const struct kb *kb, const struct request *request, bool give_up,
                   struct err *err)
{
    if (request->state == REQUEST_DONE) {
        return request->code != 0 ? err_set(err, request->code, "%s", request->text) : 0;
    }
    int rc = why_not(kb, &request->user, err);
    if (rc != 0) {
        return rc;
    }
    return give_up ? late(kb, request, err) : E_DEFERRED;
}

int client_login_end(struct kb *kb, struct request **request, bool give_up, struct err *err)
{
    ASSERT(kb != NULL && request != NULL && *request != NULL);
    struct err why = {0};
    (void)pthread_mutex_lock(&kb->lock);
    int rc = look_at(kb, *request, give_up, &why);
    if (rc != E_DEFERRED) {
        unlink_request(kb, *request);
        if ((*request)->state != REQUEST_DONE && kb->network != NULL) {
            network_wake(kb->network, NETWORK_BAGS); /* a sign-out may have waited for its end */
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
    if (rc == E_DEFERRED) {
        return rc;
    }
    bool absent = rc == E_UNREACHABLE || rc == E_TIMEOUT || rc == E_STOPPED;
    if (absent && is_kept(kb, &(*request)->user)) { /* the connection was lost just now */
        rc = note_sign_in(kb, &(*request)->user, &(*request)->groups, &why);
    } else if (rc == E_STOPPED && (*request)->state == REQUEST_DONE) { /* by the server */
        (void)err_prefix(&why, "'%.100s' is not kept on this machine: ", (*request)->user.shown);
    }
    free(*request);
    *request = NULL;
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

/* Until it is done, can't be done, or the time is over. */
static void wait_for(struct kb *kb, const struct request *request, unsigned timeout_ms)
{
    struct timespec until = client_after(timeout_ms);
    int timed_out = 0;
    (void)pthread_mutex_lock(&kb->lock);
    while (timed_out == 0 && look_at(kb, request, false, NULL) == E_DEFERRED) {
        timed_out = pthread_cond_timedwait(&kb->changed, &kb->lock, &until);
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

int kb_login(struct kb *kb, const char *user, const char *const *groups, unsigned timeout_ms,
             struct kb_error *error)
{
    struct err err = {0};
    struct request *request = NULL;
    int rc = client_login_begin(kb, user, groups, &request, &err);
    if (rc == 0 && request != NULL) {
        wait_for(kb, request, timeout_ms != 0 ? timeout_ms : LOGIN_MS);
        rc = client_login_end(kb, &request, true, &err);
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* --- signing out --- */

struct own_devices {
    struct kb *kb;
    const struct owner *user;
};

/* The user's device-specific bags go with them. */
static int drop_own_device(void *context, const struct replica_bag *bag, struct err *err)
{
    struct own_devices *own = context;
    bool theirs =
        bag->owner.kind == OWNER_USER_DEVICE && strcmp(bag->owner.folded, own->user->folded) == 0;
    return theirs ? replica_bag_drop(own->kb->replica, bag->local, err) : 0;
}

int client_drop_own_devices(struct kb *kb, const struct owner *user, struct err *err)
{
    struct own_devices own = {.kb = kb, .user = user};
    return replica_bags(kb->replica, drop_own_device, &own, err);
}

static void ignore_bag(void *context, uint64_t bag_id)
{
    (void)context;
    (void)bag_id;
}

/* Or of a group: the right to write there may be this user's. */
static int is_theirs(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    const struct replica_bag *bag = context;
    return entry->bag_id == bag->bag_id || entry->owner->kind == OWNER_GROUP ? 1 : 0;
}

static int take_groups(void *context, const struct due *noted, struct err *err)
{
    (void)err;
    struct due *due = context;
    if (noted->bag_id == due->bag_id) {
        due->groups = noted->groups;
    }
    return 0;
}

/* The user's bags stay, for they are kept by a right: only the sign-in ends. One that was not told
 * yet is told with its groups, for what was written there. */
static int end_sign_in(struct kb *kb, struct replica_bag *bag, struct err *err)
{
    bool listed = client_is_listed(kb, bag->bag_id);
    if (!listed && outbox_each(kb->outbox, OUTBOX_PENDING, is_theirs, bag, NULL) == 0) {
        return client_due_done(kb, bag->bag_id, true, err); /* it need not be told any more */
    }
    struct due *due = calloc(1, sizeof *due);
    if (due == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    *due = (struct due){.bag_id = bag->bag_id, .in = !listed, .out = true, .user = bag->owner};
    int rc = client_dues(kb, take_groups, due, err);
    rc = rc != 0 ? rc : client_due_add(kb, due, err);
    free(due);
    return rc;
}

/* The record stays until the server was told. */
static int drop_bags(struct kb *kb, struct replica_bag *bag, struct err *err)
{
    int rc = 0;
    if (bag->bag_id != 0) {
        rc = replica_bag_clear(kb->replica, bag->local, err);
        bag->cursor = 0;
        bag->complete = false;
    }
    bag->keep = false;
    rc = rc != 0 ? rc : replica_bag_update(kb->replica, bag, err);
    return rc != 0 ? rc : client_drop_own_devices(kb, &bag->owner, err);
}

int client_let_go(struct kb *kb, const struct owner *user, struct err *err)
{
    struct replica_bag bag;
    int rc = replica_bag_by_owner(kb->replica, user, &bag, err);
    if (rc == E_NOT_FOUND || (rc == 0 && !bag.keep)) {
        return err_set(err, E_NOT_SIGNED_IN, "'%.200s' is not signed in here", user->shown);
    }
    if (rc == 0 && bag.bag_id != 0 && bag.made_by == 0 && client_keeps(kb, OWNER_USER)) {
        return end_sign_in(kb, &bag, err);
    }
    rc = rc != 0 ? rc : drop_bags(kb, &bag, err);
    if (rc == 0 && bag.bag_id != 0) { /* the server need not hear of the sign-in any more */
        rc = client_due_done(kb, bag.bag_id, true, err);
        rc = rc != 0 ? rc : client_groups_forget(kb, bag.local, err);
        rc = rc != 0 ? rc : client_drop_spare_groups(kb, ignore_bag, NULL, err);
    }
    if (rc == 0) {
        hub_tell(kb->hub, user, (struct span){NULL, 0}, 0);
    }
    return rc;
}

int kb_logout(struct kb *kb, const char *user, struct kb_error *error)
{
    ASSERT(kb != NULL && user != NULL);
    struct err err = {0};
    struct owner owner;
    int rc = owner_make(&owner, OWNER_USER, span_str(user), 0, &err);
    rc = rc != 0 ? rc : client_let_go(kb, &owner, &err);
    if (rc != 0) {
        return client_fail(error, &err);
    }
    (void)pthread_mutex_lock(&kb->lock);
    if (kb->network != NULL) {
        network_wake(kb->network, NETWORK_BAGS);
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return 0;
}

/* --- who is kept --- */

struct telling {
    struct kb *kb;
    kb_user_fn *each;
    void *context;
    int stopped;
};

static int count_item(void *context, struct span path, const struct span *value, uint64_t time_ms,
                      struct err *err)
{
    (void)path;
    (void)time_ms;
    (void)err;
    uint64_t *count = context;
    *count += value != NULL ? 1 : 0;
    return 0;
}

static int tell_user(void *context, const struct replica_bag *bag, struct err *err)
{
    struct telling *telling = context;
    uint64_t items = bag->items;
    if (bag->owner.kind != OWNER_USER || !bag->keep) {
        return 0;
    }
    if (bag->bag_id == 0) { /* all it has lies in the outbox */
        items = 0;
        int rc = outbox_items(telling->kb->outbox, &bag->owner, (struct span){NULL, 0}, count_item,
                              &items, err);
        if (rc != 0) {
            return rc;
        }
    }
    struct kb_user user = {
        .name = bag->owner.shown, .cursor = bag->cursor, .items = items, .complete = bag->complete};
    telling->stopped = telling->each(telling->context, &user);
    return telling->stopped;
}

int kb_users(struct kb *kb, kb_user_fn *each, void *context, struct kb_error *error)
{
    ASSERT(kb != NULL && each != NULL);
    struct err err = {0};
    struct telling telling = {.kb = kb, .each = each, .context = context};
    int rc = replica_bags(kb->replica, tell_user, &telling, &err);
    if (telling.stopped != 0) {
        return telling.stopped;
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}
