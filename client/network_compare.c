/* client/network_compare.c - who is kept here, and who is signed in as the server knows it.
 *
 * The server remembers in the device's bag who is signed in here ("@user/BAG_ID" = shown name).
 * Comparing that list with the users kept here heals every way in which the two can part: a
 * replica that was lost, a sign-out while not connected, users that were made while this machine
 * stood alone, a right that was given or taken away.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/network_inside.h"

enum { LISTED_PREFIX = 6 }; /* "@user/" */

struct listed {
    uint64_t bag_id;
    struct owner user;
};

struct comparing {
    struct network *network;
    struct listed *listed; /* by the server */
    size_t count, capacity;
    struct replica_bag *kept; /* users here who are to be looked at */
    size_t kept_count, kept_capacity;
    uint64_t device_cursor;
    uint64_t settled; /* a bag whose sign-out need not be told any more */
    bool left;        /* bags whose right was taken away and that can't go yet */
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
    struct listed *list =
        array_reserve(comparing->listed, &comparing->capacity, comparing->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    comparing->listed = list;
    comparing->listed[comparing->count++] = listed;
    return 0;
}

static int note_user(void *context, const struct replica_bag *bag, struct err *err)
{
    struct comparing *comparing = context;
    bool as_it_is = bag->keep && bag->made_by == 0 && !comparing->network->letting_go;
    if (bag->owner.kind != OWNER_USER || bag->bag_id == 0 || as_it_is) {
        return 0;
    }
    struct replica_bag *list = array_reserve(comparing->kept, &comparing->kept_capacity,
                                             comparing->kept_count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    comparing->kept = list;
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
    return entry->bag_id == *(uint64_t *)context || entry->owner->kind == OWNER_GROUP ? 1 : 0;
}

static bool writes_pending(struct network *network, uint64_t bag_id)
{
    return outbox_each(network->kb->outbox, OUTBOX_PENDING, is_of_bag, &bag_id, NULL) != 0;
}

static int is_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    return due->in && due->bag_id == *(uint64_t *)context ? 1 : 0;
}

bool network_has_unsent(struct network *network, uint64_t bag_id)
{
    if (!network->letting_go && network->held == 0) {
        return false;
    }
    return writes_pending(network, bag_id) || client_dues(network->kb, is_due, &bag_id, NULL) != 0;
}

/* Is it under way, or was it refused in this session? */
static bool is_signing(const struct network *network, const struct owner *user, bool out,
                       uint64_t bag_id)
{
    for (const struct signing *s = network->signings; s != NULL; s = s->next) {
        if (out ? s->out && s->bag_id == bag_id : !s->out && owner_equal(&s->user, user)) {
            return true;
        }
    }
    return false;
}

bool network_is_requested(struct network *network, const struct owner *user)
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

static struct signing *note_signing(struct network *network, const struct owner *user, bool out,
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
    signing->out = out;
    signing->user = *user;
    signing->bag_id = bag_id;
    signing->next = network->signings;
    network->signings = signing;
    return signing;
}

/* `bag_id`: the one that was signed in here, or is kept. */
static void sign_in(struct network *network, const struct owner *user, uint64_t local,
                    uint64_t bag_id)
{
    if (is_signing(network, user, false, 0) || network_is_requested(network, user)) {
        return;
    }
    struct kb_groups *groups = calloc(1, sizeof *groups);
    int rc = groups == NULL ? E_NOMEM : 0;
    rc = rc == 0 && local != 0 ? client_groups_get(network->kb, local, groups, NULL) : rc;
    struct signing *signing = rc == 0 ? note_signing(network, user, false, bag_id) : NULL;
    if (signing != NULL) {
        network_send_sign_in(network, signing->ref, user, groups, bag_id);
    }
    free(groups);
}

/* Not before the last of their writes was answered: it would be refused after the sign-out. */
static void sign_out(struct network *network, const struct owner *user, uint64_t bag_id, bool due)
{
    if (is_signing(network, user, true, bag_id) || network_is_requested(network, user) ||
        writes_pending(network, bag_id)) {
        return;
    }
    struct signing *signing = note_signing(network, user, true, bag_id);
    if (signing != NULL) {
        struct follow_event event = {.kind = FOLLOW_SIGN_OUT};
        signing->due = due;
        event.sign_out.ref = signing->ref;
        event.sign_out.bag_id = bag_id;
        network_step(network, event);
    }
}

static void drop_user(struct network *network, const struct replica_bag *bag)
{
    if (client_drop_own_devices(network->kb, &bag->owner, NULL) == 0 &&
        replica_bag_drop(network->kb->replica, bag->local, NULL) == 0) {
        network->spare_due = true;
        outbox_hide(network->kb->outbox, bag->bag_id);
        network_forget_sign_out(network, bag->bag_id);
        client_tell(network->kb, &bag->owner, (struct span){NULL, 0}, 0);
    }
}

/* The server knows of the sign-out. The bag goes, unless it is kept by a right all the same. */
static void signed_out(struct network *network, const struct replica_bag *bag)
{
    struct replica_bag kept = *bag;
    if (!network_keeps(network, OWNER_USER)) {
        drop_user(network, bag);
        return;
    }
    kept.keep = true;
    if (replica_bag_update(network->kb->replica, &kept, NULL) == 0) {
        network_forget_sign_out(network, bag->bag_id);
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
}

/* The right to keep everybody was taken away. */
static void let_go(struct comparing *comparing, const struct replica_bag *bag)
{
    if (network_has_unsent(comparing->network, bag->bag_id)) {
        comparing->left = true;
    } else {
        drop_user(comparing->network, bag);
        atomic_fetch_or(&comparing->network->news, NETWORK_BAGS);
    }
}

/* A user who was made by this machine is listed by the change before the bag's creation. Whoever is
 * not any more was deleted: a sign-in would make them anew. */
static void sign_in_made(struct comparing *comparing, const struct replica_bag *bag, bool listed)
{
    bool made_here = bag->cursor != 0;
    if (listed || !made_here) {
        sign_in(comparing->network, &bag->owner, bag->local, bag->bag_id);
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
        sign_out(comparing->network, &bag->owner, bag->bag_id, false);
    } else if (!bag->keep) {
        signed_out(comparing->network, bag);
    } else if (!listed && !network_keeps(comparing->network, OWNER_USER)) {
        let_go(comparing, bag);
    } else if (is_signing(comparing->network, &bag->owner, true, bag->bag_id)) {
        comparing->left = true; /* the list does not tell of the sign-out yet */
    }
}

static bool is_known(const struct comparing *comparing, uint64_t bag_id)
{
    struct replica_bag bag;
    return replica_bag_by_id(comparing->network->kb->replica, bag_id, &bag, NULL) != E_NOT_FOUND;
}

/* Is everybody who was signed in again told of? Those who were refused are another time. */
static bool is_recalled(const struct network *network)
{
    const struct signing *signing = network->signings;
    while (signing != NULL && signing->out) {
        signing = signing->next;
    }
    return signing == NULL;
}

static void recall(struct comparing *comparing)
{
    struct network *network = comparing->network;
    struct replica_bag bag;
    if (network->recall == NETWORK_RECALL_SENT && is_recalled(network)) {
        network_recalled(network);
    }
    if (network->recall != NETWORK_RECALL_DUE) {
        return;
    }
    network->recall = NETWORK_RECALL_SENT;
    for (size_t i = 0; network->open && i < comparing->count; i++) {
        const struct listed *listed = &comparing->listed[i];
        if (replica_bag_by_id(network->kb->replica, listed->bag_id, &bag, NULL) == 0 && bag.keep) {
            sign_in(network, &listed->user, bag.local, listed->bag_id);
        }
    }
}

/* Sign-outs of people whose bags stay. */
static int compare_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct comparing *comparing = context;
    bool listed = is_listed(comparing, due->bag_id);
    comparing->network->unsettled = true;
    comparing->left |= due->out; /* their bags go when the sign-out was told */
    if (due->out && !due->in && listed) {
        sign_out(comparing->network, &due->user, due->bag_id, true);
    }
    if (due->out && !due->in && !listed) {
        comparing->settled = due->bag_id;
    }
    return comparing->network->open ? 0 : 1;
}

static void group_dropped(void *context, uint64_t bag_id)
{
    struct network *network = context;
    outbox_hide(network->kb->outbox, bag_id);
    atomic_fetch_or(&network->news, NETWORK_BAGS);
}

/* The server stops sending a group without a word when the last of its users here signed out. */
static void drop_spare(struct network *network)
{
    if (network->spare_due &&
        client_drop_spare_groups(network->kb, group_dropped, network, NULL) == 0) {
        network->spare_due = false;
    }
}

/* Of a right that was taken away, everything is gone that may go. */
static void end_letting_go(struct network *network, const struct comparing *comparing)
{
    if (!network->letting_go || comparing->left) {
        return;
    }
    network->spare_due = true;
    drop_spare(network);
    if (!network->spare_due) {
        network_let_go_done(network);
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
}

static void compare(struct comparing *comparing)
{
    for (size_t i = 0; comparing->network->open && i < comparing->kept_count; i++) {
        compare_kept(comparing, &comparing->kept[i]);
    }
    for (size_t i = 0; comparing->network->open && i < comparing->count; i++) {
        uint64_t bag_id = comparing->listed[i].bag_id;
        if (!is_known(comparing, bag_id) && !network_is_gone(comparing->network, bag_id)) {
            sign_in(comparing->network, &comparing->listed[i].user, 0, bag_id);
        }
    }
}

void network_reconcile(struct network *network)
{
    struct comparing comparing = {.network = network};
    struct replica *replica = network->kb->replica;
    struct replica_bag device;
    struct replica_counts counts;
    network->reconcile_due = false;
    network->unsettled = network_creates_pending(network);
    if (network->unsettled) {
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
    replica_counts(replica, &counts);
    if (rc == 0 && (counts.unsettled > 0 || network->letting_go)) {
        rc = replica_bags(replica, note_user, &comparing, NULL);
    }
    if (rc == 0) {
        network->unsettled = comparing.kept_count > 0;
        compare(&comparing);
        recall(&comparing);
        (void)!client_dues(network->kb, compare_due, &comparing, NULL);
        if (comparing.settled != 0 && !network->due_told) { /* else the list may lag behind */
            (void)!client_due_done(network->kb, comparing.settled, true, NULL);
            network->reconcile_due |= network->letting_go;
        }
        drop_spare(network);
        end_letting_go(network, &comparing);
    } else if (rc == E_CORRUPT) {
        network->device_caught = false; /* its bag comes anew */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    free(comparing.listed);
    free(comparing.kept);
}

/* --- people who signed in while there was no connection --- */

static int count_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct network *network = context;
    network->held += due->in ? 1 : 0;
    return 0;
}

void network_hold_for_due(struct network *network)
{
    network->held = 0;
    network->due_at_ms = 0;
    network->due_told = false;
    (void)!client_dues(network->kb, count_due, network, NULL);
    network->due_unsent = network->held > 0;
}

static bool is_under_way(const struct network *network, uint64_t bag_id)
{
    const struct signing *s = network->signings;
    while (s != NULL && (!s->due || s->out || s->bag_id != bag_id)) {
        s = s->next;
    }
    return s != NULL;
}

static int send_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct network *network = context;
    if (due->in && is_under_way(network, due->bag_id)) {
        network->held++;
        return 0;
    }
    if (!due->in || is_signing(network, &due->user, false, 0)) {
        return 0;
    }
    struct signing *signing = note_signing(network, &due->user, false, due->bag_id);
    if (signing == NULL) {
        return 1; /* the next session does it */
    }
    signing->due = true;
    network->held++;
    network_send_sign_in(network, signing->ref, &due->user, &due->groups, due->bag_id);
    return network->open ? 0 : 1;
}

void network_sign_in_due(struct network *network)
{
    if (!network->due_unsent || network->now_ms < network->due_at_ms) {
        return;
    }
    network->due_unsent = false;
    network->held = 0; /* who signed out since is not waited for */
    if (client_dues(network->kb, send_due, network, NULL) != 0) {
        network->held++; /* not all were sent: operations wait for the next session as well */
    } else if (network->held == 0) {
        network_let_operations_go(network);
    }
}
