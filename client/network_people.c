/* client/network_people.c - signing in, for those who wait and for those who are kept: what is
 * sent, and what comes of it.
 */
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

enum { DUE_AGAIN_MS = 5000 }; /* before a signing that was put off is told again */

/* --- requests --- */

static int is_pending(void *context, const struct outbox_made *made, struct err *err)
{
    (void)err;
    bool *pending = context;
    *pending |= made->bag_id == 0 && made->code == 0;
    return 0;
}

/* Users and groups of this machine's own come first: a sign-in would register them as others. */
bool network_creates_pending(struct network *network)
{
    bool pending = false;
    int rc = outbox_creates(network->kb->outbox, is_pending, &pending, NULL);
    return rc != 0 || pending;
}

void network_send_sign_in(struct network *network, uint64_t ref, const struct owner *user,
                          const struct kb_groups *groups, uint64_t bag_id)
{
    struct span names[KB_GROUPS_MAX];
    struct follow_event event = {.kind = FOLLOW_SIGN_IN};
    for (size_t i = 0; i < groups->count; i++) {
        names[i] = span_str(groups->list[i].shown);
    }
    event.sign_in.ref = ref;
    event.sign_in.user = span_str(user->shown);
    event.sign_in.groups = names;
    event.sign_in.group_count = groups->count;
    event.sign_in.bag_id = bag_id;
    network_step(network, event);
}

/* The server's bag that is kept of the user, 0: none. When the server says that it is gone, its
 * deletion is obeyed: without it, whoever is not known there is registered. */
static uint64_t kept_bag(struct network *network, const struct owner *user)
{
    struct replica_bag bag;
    int rc = replica_bag_by_owner(network->kb->replica, user, &bag, NULL);
    return rc == 0 && bag.keep ? bag.bag_id : 0;
}

static void note_kept(struct network *network, uint64_t ref, uint64_t bag_id)
{
    struct kb *kb = network->kb;
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        if (r->ref == ref) {
            r->kept_bag = bag_id;
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

/* Takes the next new request; false: there is none. */
static bool take_request(struct network *network, uint64_t *ref, struct owner *user,
                         struct kb_groups *groups)
{
    struct kb *kb = network->kb;
    bool found = false;
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL && !found; r = r->next) {
        if (r->state == REQUEST_NEW) {
            r->state = REQUEST_SENT;
            *ref = r->ref;
            *user = r->user;
            *groups = r->groups;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return found;
}

void network_send_requests(struct network *network)
{
    uint64_t ref = 0;
    struct owner user;
    struct kb_groups *groups = NULL;
    if (!network->open || network_creates_pending(network)) {
        return; /* looked at again when that changes */
    }
    groups = calloc(1, sizeof *groups);
    if (groups == NULL) {
        return;
    }
    while (network->open && take_request(network, &ref, &user, groups)) {
        uint64_t bag_id = kept_bag(network, &user);
        note_kept(network, ref, bag_id);
        network_send_sign_in(network, ref, &user, groups, bag_id);
    }
    free(groups);
}

static void end_request(struct kb *kb, struct request *request, int code, const char *text)
{
    request->state = REQUEST_DONE;
    request->code = code;
    size_t length = strnlen(text, sizeof request->text - 1);
    memcpy(request->text, text, length);
    request->text[length] = '\0';
    (void)pthread_cond_broadcast(&kb->changed);
}

/* 0: all complete; E_DEFERRED: not yet. */
static int is_complete(struct kb *kb, const struct request *request)
{
    int result = 0;
    for (size_t i = 0; i < request->bag_count; i++) {
        struct replica_bag bag;
        int rc = replica_bag_by_id(kb->replica, request->bags[i].bag_id, &bag, NULL);
        if (rc != 0) {
            return rc == E_NOT_FOUND ? E_BAG_GONE : rc;
        }
        if (!bag.complete || bag.cursor < request->bags[i].seq) {
            result = E_DEFERRED;
        }
    }
    return result;
}

void network_finish_requests(struct network *network)
{
    struct kb *kb = network->kb;
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        int rc = r->state == REQUEST_FETCHING ? is_complete(kb, r) : E_DEFERRED;
        if (rc != E_DEFERRED) {
            end_request(kb, r, rc, rc == 0 ? "" : err_meaning(rc));
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

/* --- signed in --- */

/* Sign-outs of a bag are no longer of interest: it is kept again, or its record is gone. */
void network_forget_sign_out(struct network *network, uint64_t bag_id)
{
    struct signing **link = &network->signings;
    while (*link != NULL) {
        struct signing *signing = *link;
        if (signing->out && signing->bag_id == bag_id) {
            *link = signing->next;
            free(signing);
        } else {
            link = &signing->next;
        }
    }
}

int network_owner_of(const struct wire_owner *row, struct owner *owner, struct err *err)
{
    if (row->kind == OWNER_USER || row->kind == OWNER_GROUP || row->kind == OWNER_USER_DEVICE) {
        return owner_make(owner, row->kind, row->shown, row->device, err);
    }
    *owner = (struct owner){.kind = row->kind, .device = row->device};
    return 0;
}

struct signed_in {
    uint64_t user_local, user_bag;
    struct kb_groups groups;
    size_t bag_count;
    struct awaited bags[REQUEST_BAGS_MAX];
};

static int keep_listed(struct network *network, const struct wire_owner *row,
                       struct signed_in *result, struct err *err)
{
    struct owner owner;
    struct replica_bag bag;
    int rc = network_owner_of(row, &owner, err);
    rc = rc != 0 ? rc : client_keep_bag(network->kb, &owner, row->bag_id, &bag, err);
    if (rc != 0) {
        return rc;
    }
    const struct followed *followed = network_find_followed(network, row->bag_id);
    if (followed == NULL || !followed->caught) { /* else there is nothing new to be followed */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    if (owner.kind == OWNER_USER) {
        result->user_local = bag.local;
        result->user_bag = row->bag_id;
        /* Not noted, it counts as used since it is looked at. */
        (void)!replica_used(network->kb->replica, bag.local, client_wall_ms(network->kb), NULL);
        network_forget_sign_out(network, row->bag_id);
    }
    if (owner.kind == OWNER_GROUP && result->groups.count < KB_GROUPS_MAX) {
        result->groups.list[result->groups.count++] = owner;
    }
    if (result->bag_count < REQUEST_BAGS_MAX) {
        result->bags[result->bag_count++] =
            (struct awaited){.bag_id = row->bag_id, .seq = row->last_seq};
    }
    return 0;
}

static void group_dropped(void *context, uint64_t bag_id)
{
    struct network *network = context;
    outbox_hide(network->kb->outbox, bag_id);
    atomic_fetch_or(&network->news, NETWORK_BAGS);
}

/* All bags of the list are kept, and the groups are remembered. */
static int keep_all(struct network *network, const struct wire_list *list, struct signed_in *result,
                    struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        struct wire_owner row = wire_owner_at(list, i);
        rc = keep_listed(network, &row, result, err);
    }
    if (rc == 0 && result->user_local != 0) {
        rc = client_groups_set(network->kb, result->user_local, &result->groups, err);
        rc = rc != 0 ? rc : client_drop_spare_groups(network->kb, group_dropped, network, err);
    }
    return rc;
}

static void answer_request(struct network *network, const struct follow_action *action, int code,
                           const char *text, const struct signed_in *result)
{
    struct kb *kb = network->kb;
    struct replica_bag bag;
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        if (r->ref != action->signed_in.ref || r->state != REQUEST_SENT) {
            continue;
        }
        bool gone = code == E_BAG_GONE || code == E_BAG_WANTED;
        bool went = gone && r->kept_bag != 0 && /* else it would be named again */
                    replica_bag_by_id(kb->replica, r->kept_bag, &bag, NULL) == E_NOT_FOUND;
        if (code == E_UNREACHABLE || went) {
            r->state = REQUEST_NEW; /* sent again in the next session, or without that bag */
        } else if (code != 0) {
            end_request(kb, r, code, text);
        } else {
            r->state = REQUEST_FETCHING;
            r->bag_count = result->bag_count;
            memcpy(r->bags, result->bags, result->bag_count * sizeof result->bags[0]);
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

/* Somebody signed in who had signed out before, and the server was not told of that yet: it need
 * not be any more. */
static void withdraw_sign_out(struct network *network, uint64_t ref, uint64_t bag_id)
{
    struct kb *kb = network->kb;
    bool requested = false;
    (void)pthread_mutex_lock(&kb->lock);
    for (const struct request *r = kb->requests; r != NULL; r = r->next) {
        requested |= r->ref == ref;
    }
    (void)pthread_mutex_unlock(&kb->lock);
    if (requested && bag_id != 0) { /* without room they are signed out again, and see that */
        (void)!client_due_done(kb, bag_id, true, NULL);
    }
}

/* Which bag was named in this sign-in? 0: none. */
static uint64_t named_bag(struct network *network, uint64_t ref)
{
    struct kb *kb = network->kb;
    uint64_t bag_id = 0;
    for (const struct signing *s = network->signings; s != NULL; s = s->next) {
        bag_id = s->ref == ref && !s->out ? s->bag_id : bag_id;
    }
    (void)pthread_mutex_lock(&kb->lock);
    for (const struct request *r = kb->requests; r != NULL; r = r->next) {
        bag_id = r->ref == ref ? r->kept_bag : bag_id;
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return bag_id;
}

void network_let_operations_go(struct network *network)
{
    network->told_confirmed = UINT64_MAX;
    atomic_fetch_or(&network->news, NETWORK_OPS);
}

/* A sign-in that can't be taken now, as writes can't: it is told again, and operations wait. */
static bool is_put_off(const struct signing *signing, int code)
{
    return signing->due && !signing->out && wire_deferred(code);
}

/* The server knows now, or never will. */
static void due_answered(struct network *network, struct signing *signing, int code)
{
    if (!signing->due || code == E_UNREACHABLE) {
        return;
    }
    if (wire_deferred(code)) { /* a sign-out: when the list is compared again */
        network->due_unsent |= !signing->out;
        network->due_at_ms = network->now_ms + DUE_AGAIN_MS;
        return;
    }
    signing->due = false;
    /* Without room the server is told again in the next session, which changes nothing there. */
    (void)!client_due_done(network->kb, signing->bag_id, signing->out, NULL);
    network->due_told = true;
    if (!signing->out && --network->held == 0) {
        network_let_operations_go(network);
    }
}

static void mark_answered(struct network *network, uint64_t ref, int code)
{
    struct signing **link = &network->signings;
    while (*link != NULL && (*link)->ref != ref) {
        link = &(*link)->next;
    }
    struct signing *signing = *link;
    if (signing == NULL) {
        return;
    }
    signing->answered = true;
    due_answered(network, signing, code);
    if (wire_deferred(code) && !is_put_off(signing, code)) {
        signing->put_off = true;
        network->put_off_at_ms = network->now_ms + DUE_AGAIN_MS;
    }
    if ((code == 0 && !signing->out) ||
        is_put_off(signing, code)) { /* a sign-out stays noted until the list of users says so */
        *link = signing->next;
        free(signing);
    }
}

void network_signed_in(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    struct signed_in *result = calloc(1, sizeof *result);
    int code = action->signed_in.code;
    const char *text = action->signed_in.text;
    if (result == NULL) {
        code = err_set(&err, E_NOMEM, "out of memory");
        text = err.text;
    }
    if (code == 0) {
        code = keep_all(network, &action->signed_in.bags, result, &err);
        text = err.text;
    }
    if (code == 0) {
        withdraw_sign_out(network, action->signed_in.ref, result->user_bag);
    }
    bool wanted = code == E_BAG_WANTED;
    uint64_t named = code == E_BAG_GONE || wanted ? named_bag(network, action->signed_in.ref) : 0;
    if (named != 0 && wanted) {
        network_supply(network, named);
    } else if (named != 0) {
        network_obey_deletion(network, named);
        atomic_fetch_or(&network->news, NETWORK_BAGS | NETWORK_REQUESTS);
    }
    mark_answered(network, action->signed_in.ref, code);
    answer_request(network, action, code, text, result);
    free(result);
    network_finish_requests(network); /* nothing more comes for who has it all */
    network->reconcile_due = true;
}

void network_signed_out(struct network *network, const struct follow_action *action)
{
    mark_answered(network, action->signed_out.ref, action->signed_out.code);
    network->reconcile_due = true;
}

void network_try_put_off(struct network *network)
{
    if (network->put_off_at_ms == 0 || network->now_ms < network->put_off_at_ms) {
        return;
    }
    struct signing **link = &network->signings;
    while (*link != NULL) {
        struct signing *signing = *link;
        if (signing->put_off) {
            *link = signing->next;
            free(signing);
        } else {
            link = &signing->next;
        }
    }
    network->put_off_at_ms = 0;
    network->reconcile_due = true;
}

void network_session_lost(struct network *network)
{
    struct kb *kb = network->kb;
    while (network->signings != NULL) {
        struct signing *signing = network->signings;
        network->signings = signing->next;
        free(signing);
    }
    network_forget_followed(network);
    network->device_caught = false;
    network->held = 0;
    network->put_off_at_ms = 0;
    network->list_due = network->list_asked = false;
    network->mirror_due = false;
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        if (r->state == REQUEST_SENT) {
            r->state = REQUEST_NEW;
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
    atomic_fetch_or(&network->news, NETWORK_REQUESTS);
}
