/* client/network_bags.c - which bags are followed, how far they are, and which are gone. */
#include "base/array.h"
#include "client/kb_policy.h"
#include "client/network_inside.h"

/* --- the list --- */

/* Where a bag stands in network->followed. */
struct place {
    uint64_t id;
    size_t at;
};

void network_bags_init(struct network *network)
{
    idmap_init(&network->places, sizeof(struct place), client_random(network->kb));
}

struct followed *network_find_followed(const struct network *network, uint64_t bag_id)
{
    const struct place *place = idmap_find(&network->places, bag_id);
    return place != NULL ? &network->followed[place->at] : NULL;
}

static struct followed *add_followed(struct network *network, uint64_t bag_id)
{
    struct followed *list = array_reserve(network->followed, &network->followed_capacity,
                                          network->followed_count + 1, sizeof *list);
    if (list == NULL) {
        return NULL;
    }
    network->followed = list;
    struct place *place = idmap_add(&network->places, bag_id);
    if (place == NULL) {
        return NULL;
    }
    if (network->care_at_ms > network->now_ms + NETWORK_CARE_MS) {
        network->care_at_ms = network->now_ms + NETWORK_CARE_MS;
    }
    place->at = network->followed_count++;
    network->followed[place->at] = (struct followed){.id = bag_id};
    return &network->followed[place->at];
}

static void remove_followed(struct network *network, uint64_t bag_id)
{
    const struct place *place = idmap_find(&network->places, bag_id);
    if (place == NULL) {
        return;
    }
    size_t at = place->at;
    network->caught -= network->followed[at].caught ? 1 : 0;
    idmap_remove(&network->places, bag_id);
    network->followed[at] = network->followed[--network->followed_count];
    if (at < network->followed_count) {
        ((struct place *)idmap_find(&network->places, network->followed[at].id))->at = at;
        if (network->followed[at].verified_ms < network->verify_oldest_ms) {
            network->verify_oldest_ms = network->followed[at].verified_ms; /* passed by, perhaps */
        }
    }
}

void network_drop_followed(struct network *network, uint64_t bag_id)
{
    remove_followed(network, bag_id);
    network_tell_caught(network);
}

void network_forget_followed(struct network *network)
{
    idmap_free(&network->places);
    network->followed_count = 0;
    network->caught = 0;
    network->verify_next = 0;
    network->verify_quiet = 0;
}

/* --- telling the follow --- */

static int list_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    struct network *network = context;
    /* One that this machine made and is not signed in to yet waits for the sign-in. */
    if (!bag->keep || bag->bag_id == 0 || bag->made_by != 0) {
        return 0;
    }
    struct wire_bag *bags =
        array_reserve(network->bags, &network->bag_capacity, network->bag_count + 1, sizeof *bags);
    if (bags == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    network->bags = bags;
    struct followed *followed = network_find_followed(network, bag->bag_id);
    if (followed == NULL) {
        followed = add_followed(network, bag->bag_id);
    }
    if (followed == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (followed->caught && !bag->complete) { /* to be fetched anew */
        followed->caught = false;
        network->caught--;
    }
    followed->round = network->round;
    network->bags[network->bag_count++] =
        (struct wire_bag){.bag_id = bag->bag_id, .cursor = bag->complete ? bag->cursor : 0};
    return 0;
}

int network_list_bags(struct network *network, struct err *err)
{
    network->bag_count = 0;
    network->round++;
    int rc = replica_bags(network->kb->replica, list_bag, network, err);
    network_tell_caught(network);
    return rc;
}

/* A followed bag that is not in the list any more was dropped by somebody else: a sign-out. */
static void forget_dropped(struct network *network)
{
    size_t i = 0;
    while (network->open && i < network->followed_count) {
        uint64_t gone = network->followed[i].id;
        if (network->followed[i].round == network->round) {
            i++;
            continue;
        }
        struct follow_event event = {.kind = FOLLOW_FORGET};
        event.forget.bag_id = gone;
        network_drop_followed(network, gone);
        network_step(network, event);
    }
}

/* Those whose copy is as the follow knows it are left out: it would ask for their digests again. */
static void leave_out_caught(struct network *network)
{
    size_t count = 0;
    for (size_t i = 0; i < network->bag_count; i++) {
        const struct followed *followed = network_find_followed(network, network->bags[i].bag_id);
        if (followed == NULL || !followed->caught) {
            network->bags[count++] = network->bags[i];
        }
    }
    network->bag_count = count;
}

void network_refollow(struct network *network)
{
    struct err err = {0};
    if (!network->open) {
        return; /* all are told when it is */
    }
    int rc = network_list_bags(network, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
        return;
    }
    forget_dropped(network);
    if (!network->open) { /* the session ended by it */
        return;
    }
    leave_out_caught(network);
    if (network->bag_count == 0) {
        return;
    }
    struct follow_event event = {.kind = FOLLOW_BAGS};
    event.bags.list = network->bags;
    event.bags.count = network->bag_count;
    event.bags.urgent = true;
    network_step(network, event);
}

/* --- a bag is complete --- */

static void caught(struct network *network, uint64_t bag_id)
{
    struct followed *followed = network_find_followed(network, bag_id);
    if (followed != NULL && !followed->caught) {
        followed->caught = true;
        network->caught++;
    }
    if (bag_id == network->device_bag) {
        network->device_caught = true;
        network->reconcile_due = true;
    }
    network_tell_caught(network);
    network_finish_requests(network);
}

void network_bag_moved(struct network *network, uint64_t bag_id, uint64_t cursor)
{
    bool waiting = false;
    client_passed(network->kb, bag_id, cursor, &waiting);
    if (waiting) {
        network_pass_later(network);
    }
    caught(network, bag_id);
}

/* --- or gone --- */

void network_note_gone(struct network *network, uint64_t bag_id)
{
    network->spare_due = true;
    network->reconcile_due = true;
    network->gone[network->gone_count++ % NETWORK_GONE_MAX] = bag_id;
}

bool network_is_gone(const struct network *network, uint64_t bag_id)
{
    for (size_t i = 0; i < network->gone_count && i < NETWORK_GONE_MAX; i++) {
        if (network->gone[i] == bag_id) {
            return true;
        }
    }
    return false;
}

void network_drop_bag(struct network *network, uint64_t bag_id)
{
    struct err err = {0};
    struct replica_bag bag;
    struct kb *kb = network->kb;
    int rc = replica_bag_by_id(kb->replica, bag_id, &bag, &err);
    if (rc == 0 && bag.owner.kind == OWNER_USER) {
        rc = client_drop_own_devices(kb, &bag.owner, &err);
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    rc = rc != 0 ? rc : replica_bag_drop(kb->replica, bag.local, &err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        network_tell_trouble(network, rc, err.text);
        return;
    }
    outbox_hide(kb->outbox, bag_id);
    network_drop_followed(network, bag_id);
    if (rc == 0) {
        client_tell(kb, &bag.owner, (struct span){NULL, 0}, 0);
    }
    network->spare_due = true;
    network->reconcile_due = true;
    network_finish_requests(network);
}

void network_obey_deletion(struct network *network, uint64_t bag_id)
{
    struct err err = {0};
    struct replica_bag bag;
    int rc = replica_bag_by_id(network->kb->replica, bag_id, &bag, NULL);
    rc = rc == 0 ? client_save_copy(network->kb, &bag, &err) : 0;
    if (rc != 0) { /* it stays, until the next session tells it again */
        network_tell_trouble(network, rc, err.text);
        return;
    }
    network_note_gone(network, bag_id);
    network_drop_bag(network, bag_id);
}

/* --- BAG --- */

void network_bag_behind(struct network *network, uint64_t bag_id)
{
    struct followed *followed = network_find_followed(network, bag_id);
    if (followed != NULL && followed->caught) {
        followed->caught = false;
        network->caught--;
        network_tell_caught(network);
    }
}

void network_bag_stale(struct network *network, uint64_t bag_id)
{
    network_bag_behind(network, bag_id);
    atomic_fetch_or(&network->news, NETWORK_BAGS);
}

void network_bag_refused(struct network *network, const struct follow_action *action)
{
    uint64_t bag_id = action->bag.bag_id;
    if (action->bag.code == E_BAG_GONE) {
        network_obey_deletion(network, bag_id);
    } else if (action->bag.code == E_BAG_WANTED) {
        network_supply(network, bag_id);
    } else if (action->bag.code == E_NOT_ALLOWED) {
        /* The right to keep it was taken away; or it is a group's, and comes with people whose
         * sign-ins were not told yet: they name it again. */
        if (network->held > 0 || network_has_unsent(network, bag_id)) {
            network_drop_followed(network, bag_id);
        } else {
            network_drop_bag(network, bag_id);
        }
    } else {
        network_tell_trouble(network, action->bag.code, action->bag.text);
    }
}
