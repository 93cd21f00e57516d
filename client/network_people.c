/* client/network_people.c - signing in and out, for those who wait and for those who are kept.
 *
 * The server remembers in the device's bag who is signed in here ("@user/BAG_ID" = shown name).
 * Comparing that list with the users kept here heals every way in which the two can part: a
 * replica that was lost, a sign-out while not connected, users that were made while this machine
 * stood alone.
 */
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

enum { LISTED_PREFIX = 6 }; /* "@user/" */

/* --- bags to be kept --- */

/* The owner's bag here is the server's bag `bag_id` from now on, and kept. */
static int keep_bag(struct network *network, const struct owner *owner, uint64_t bag_id,
                    struct replica_bag *out, struct err *err)
{
    struct replica *replica = network->kb->replica;
    struct replica_bag bag;
    int rc = replica_bag_by_owner(replica, owner, &bag, err);
    if (rc == 0 && bag.bag_id != 0 && bag.bag_id != bag_id) { /* deleted and made again */
        outbox_hide(network->kb->outbox, bag.bag_id);
        rc = replica_bag_drop(replica, bag.local, err);
        rc = rc == 0 ? E_NOT_FOUND : rc;
    }
    if (rc == E_NOT_FOUND) {
        bag = (struct replica_bag){.bag_id = bag_id, .keep = true, .owner = *owner};
        rc = replica_bag_add(replica, &bag, err);
    } else if (rc == 0 && (bag.bag_id == 0 || bag.made_by != 0 || !bag.keep ||
                           strcmp(bag.owner.shown, owner->shown) != 0)) {
        bag.complete = bag.complete && bag.bag_id != 0;
        bag.bag_id = bag_id;
        bag.made_by = 0;
        bag.keep = true;
        bag.owner = *owner;
        rc = replica_bag_update(replica, &bag, err);
    }
    if (rc == 0 && out != NULL) {
        *out = bag;
    }
    return rc;
}

void network_welcome(struct network *network, const struct wire_welcome *welcome)
{
    struct err err = {0};
    struct replica *replica = network->kb->replica;
    struct owner fleet = {.kind = OWNER_FLEET};
    struct owner device = {.kind = OWNER_DEVICE, .device = network->identity.device};
    int rc = 0;
    network->device_bag = welcome->device_bag;
    network->device_caught = false;
    if (!network->position.has_history) {
        rc = replica_set_history(replica, welcome->history, &err);
    }
    if (rc == 0 && welcome->fleet_bag != 0) {
        rc = keep_bag(network, &fleet, welcome->fleet_bag, NULL, &err);
    }
    if (rc == 0 && welcome->device_bag != 0) {
        rc = keep_bag(network, &device, welcome->device_bag, NULL, &err);
    }
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
    }
}

/* --- requests --- */

static int is_pending(void *context, const struct outbox_made *made, struct err *err)
{
    (void)err;
    bool *pending = context;
    *pending |= made->bag_id == 0 && made->code == 0;
    return 0;
}

/* Users and groups of this machine's own come first: a sign-in would register them as others. */
static bool creates_pending(struct network *network)
{
    bool pending = false;
    int rc = outbox_creates(network->kb->outbox, is_pending, &pending, NULL);
    return rc != 0 || pending;
}

static void send_sign_in(struct network *network, uint64_t ref, const struct owner *user,
                         const struct kb_groups *groups)
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
    network_step(network, event);
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
    if (!network->open || creates_pending(network)) {
        return; /* looked at again when that changes */
    }
    groups = calloc(1, sizeof *groups);
    if (groups == NULL) {
        return;
    }
    while (network->open && take_request(network, &ref, &user, groups)) {
        send_sign_in(network, ref, &user, groups);
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
static void forget_sign_out(struct network *network, uint64_t bag_id)
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

static int owner_of(const struct wire_owner *row, struct owner *owner, struct err *err)
{
    if (row->kind == OWNER_USER || row->kind == OWNER_GROUP || row->kind == OWNER_USER_DEVICE) {
        return owner_make(owner, row->kind, row->shown, row->device, err);
    }
    *owner = (struct owner){.kind = row->kind, .device = row->device};
    return 0;
}

struct signed_in {
    uint64_t user_local;
    struct kb_groups groups;
    size_t bag_count;
    struct awaited bags[REQUEST_BAGS_MAX];
};

static int keep_listed(struct network *network, const struct wire_owner *row,
                       struct signed_in *result, struct err *err)
{
    struct owner owner;
    struct replica_bag bag;
    int rc = owner_of(row, &owner, err);
    rc = rc != 0 ? rc : keep_bag(network, &owner, row->bag_id, &bag, err);
    if (rc != 0) {
        return rc;
    }
    if (owner.kind == OWNER_USER) {
        result->user_local = bag.local;
        forget_sign_out(network, row->bag_id);
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
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        if (r->ref != action->signed_in.ref || r->state != REQUEST_SENT) {
            continue;
        }
        if (code == E_UNREACHABLE) {
            r->state = REQUEST_NEW; /* sent again in the next session */
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
    if (code == 0 && !signing->out) { /* a sign-out stays noted until the list of users says so */
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
        atomic_fetch_or(&network->news, NETWORK_BAGS);
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
    (void)pthread_mutex_lock(&kb->lock);
    for (struct request *r = kb->requests; r != NULL; r = r->next) {
        if (r->state == REQUEST_SENT) {
            r->state = REQUEST_NEW;
        }
    }
    (void)pthread_mutex_unlock(&kb->lock);
    atomic_fetch_or(&network->news, NETWORK_REQUESTS);
}

/* --- comparing --- */

struct listed {
    uint64_t bag_id;
    struct owner user;
};

struct comparing {
    struct network *network;
    struct listed *listed; /* by the server */
    size_t count, capacity;
    struct replica_bag *kept; /* users here, kept or waiting for their sign-out */
    size_t kept_count, kept_capacity;
    uint64_t device_cursor;
    uint64_t asked; /* does the outbox hold writes of this bag? */
    bool found;
};

static uint64_t listed_id(struct span path)
{
    uint64_t id = 0;
    for (size_t i = LISTED_PREFIX; i < path.size; i++) {
        if (path.data[i] < '0' || path.data[i] > '9' || id > UINT64_MAX / 10 - 9) {
            return 0;
        }
        id = 10 * id + (uint64_t)(path.data[i] - '0');
    }
    return id;
}

static int note_listed(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct comparing *comparing = context;
    struct listed listed = {.bag_id = listed_id(path)};
    if (listed.bag_id == 0 || owner_make(&listed.user, OWNER_USER, row->value, 0, NULL) != 0) {
        return 0; /* not of a form that this version knows */
    }
    if (comparing->count == comparing->capacity) {
        size_t capacity = comparing->capacity > 0 ? 2 * comparing->capacity : 16;
        struct listed *list = realloc(comparing->listed, capacity * sizeof *list);
        if (list == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        comparing->listed = list;
        comparing->capacity = capacity;
    }
    comparing->listed[comparing->count++] = listed;
    return 0;
}

static int note_user(void *context, const struct replica_bag *bag, struct err *err)
{
    struct comparing *comparing = context;
    if (bag->owner.kind != OWNER_USER || bag->bag_id == 0) {
        return 0;
    }
    if (comparing->kept_count == comparing->kept_capacity) {
        size_t capacity = comparing->kept_capacity > 0 ? 2 * comparing->kept_capacity : 16;
        struct replica_bag *list = realloc(comparing->kept, capacity * sizeof *list);
        if (list == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        comparing->kept = list;
        comparing->kept_capacity = capacity;
    }
    comparing->kept[comparing->kept_count++] = *bag;
    return 0;
}

static bool is_listed(const struct comparing *comparing, uint64_t bag_id)
{
    for (size_t i = 0; i < comparing->count; i++) {
        if (comparing->listed[i].bag_id == bag_id) {
            return true;
        }
    }
    return false;
}

/* Or of a group: the right to write there may be this user's. */
static int is_of_bag(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    struct comparing *comparing = context;
    comparing->found |= entry->bag_id == comparing->asked || entry->owner->kind == OWNER_GROUP;
    return comparing->found ? 1 : 0;
}

static bool writes_pending(struct comparing *comparing, uint64_t bag_id)
{
    comparing->asked = bag_id;
    comparing->found = false;
    int rc =
        outbox_each(comparing->network->kb->outbox, OUTBOX_PENDING, is_of_bag, comparing, NULL);
    return rc != 0;
}

/* Is it under way, or was it refused in this session? */
static bool is_signing(const struct network *network, const struct owner *user, uint64_t bag_id)
{
    for (const struct signing *s = network->signings; s != NULL; s = s->next) {
        if (bag_id != 0 ? s->out && s->bag_id == bag_id : !s->out && owner_equal(&s->user, user)) {
            return true;
        }
    }
    return false;
}

static bool is_requested(struct network *network, const struct owner *user)
{
    struct kb *kb = network->kb;
    bool found = false;
    (void)pthread_mutex_lock(&kb->lock);
    for (const struct request *r = kb->requests; r != NULL; r = r->next) {
        found |= r->state != REQUEST_DONE && owner_equal(&r->user, user);
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return found;
}

static struct signing *note_signing(struct network *network, const struct owner *user,
                                    uint64_t bag_id)
{
    struct signing *signing = calloc(1, sizeof *signing);
    if (signing == NULL) {
        return NULL; /* another time */
    }
    struct kb *kb = network->kb;
    (void)pthread_mutex_lock(&kb->lock);
    signing->ref = ++kb->last_ref;
    (void)pthread_mutex_unlock(&kb->lock);
    signing->out = bag_id != 0;
    signing->user = *user;
    signing->bag_id = bag_id;
    signing->next = network->signings;
    network->signings = signing;
    return signing;
}

static void sign_in(struct network *network, const struct owner *user, uint64_t local)
{
    if (is_signing(network, user, 0) || is_requested(network, user)) {
        return;
    }
    struct kb_groups *groups = calloc(1, sizeof *groups);
    int rc = groups == NULL ? E_NOMEM : 0;
    rc = rc == 0 && local != 0 ? client_groups_get(network->kb, local, groups, NULL) : rc;
    struct signing *signing = rc == 0 ? note_signing(network, user, 0) : NULL;
    if (signing != NULL) {
        send_sign_in(network, signing->ref, user, groups);
    }
    free(groups);
}

/* Not before the last of their writes was answered: it would be refused after the sign-out. */
static void sign_out(struct comparing *comparing, const struct replica_bag *bag)
{
    struct network *network = comparing->network;
    if (is_signing(network, &bag->owner, bag->bag_id) || is_requested(network, &bag->owner) ||
        writes_pending(comparing, bag->bag_id)) {
        return;
    }
    struct signing *signing = note_signing(network, &bag->owner, bag->bag_id);
    if (signing != NULL) {
        struct follow_event event = {.kind = FOLLOW_SIGN_OUT};
        event.sign_out.ref = signing->ref;
        event.sign_out.bag_id = bag->bag_id;
        network_step(network, event);
    }
}

static void drop_user(struct network *network, const struct replica_bag *bag)
{
    if (replica_bag_drop(network->kb->replica, bag->local, NULL) == 0) {
        outbox_hide(network->kb->outbox, bag->bag_id);
        forget_sign_out(network, bag->bag_id);
        hub_tell(network->kb->hub, &bag->owner, (struct span){NULL, 0}, 0);
    }
}

/* A user who was made by this machine is listed by the change before the bag's creation. Whoever is
 * not any more was deleted: a sign-in would make them anew. */
static void sign_in_made(struct comparing *comparing, const struct replica_bag *bag, bool listed)
{
    bool made_here = bag->cursor != 0;
    if (listed || !made_here) {
        sign_in(comparing->network, &bag->owner, bag->local);
    } else if (comparing->device_cursor + 1 >= bag->bag_id) {
        drop_user(comparing->network, bag);
    }
}

static void compare_kept(struct comparing *comparing, const struct replica_bag *bag)
{
    bool listed = is_listed(comparing, bag->bag_id);
    if (bag->keep && bag->made_by != 0) {
        sign_in_made(comparing, bag, listed);
    } else if (!bag->keep && listed) {
        sign_out(comparing, bag);
    } else if (!bag->keep) {
        drop_user(comparing->network, bag);
    }
}

static bool is_known(const struct comparing *comparing, uint64_t bag_id)
{
    for (size_t i = 0; i < comparing->kept_count; i++) {
        if (comparing->kept[i].bag_id == bag_id) {
            return true;
        }
    }
    return false;
}

static void compare(struct comparing *comparing)
{
    for (size_t i = 0; comparing->network->open && i < comparing->kept_count; i++) {
        compare_kept(comparing, &comparing->kept[i]);
    }
    for (size_t i = 0; comparing->network->open && i < comparing->count; i++) {
        uint64_t bag_id = comparing->listed[i].bag_id;
        if (!is_known(comparing, bag_id) && !network_is_gone(comparing->network, bag_id)) {
            sign_in(comparing->network, &comparing->listed[i].user, 0);
        }
    }
}

void network_reconcile(struct network *network)
{
    struct comparing comparing = {.network = network};
    struct replica *replica = network->kb->replica;
    struct replica_bag device;
    network->reconcile_due = false;
    if (creates_pending(network)) {
        return;
    }
    network_send_requests(network);
    if (!network->open || network->device_bag == 0 ||
        replica_bag_by_id(replica, network->device_bag, &device, NULL) != 0) {
        return;
    }
    comparing.device_cursor = device.cursor;
    int rc =
        replica_items(replica, device.local, SPAN_LITERAL("@user/"), note_listed, &comparing, NULL);
    rc = rc != 0 ? rc : replica_bags(replica, note_user, &comparing, NULL);
    if (rc == 0) {
        compare(&comparing);
    } else if (rc == E_CORRUPT) {
        network->device_caught = false; /* its bag comes anew */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    free(comparing.listed);
    free(comparing.kept);
}
