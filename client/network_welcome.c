/* client/network_welcome.c - what a session begins with: whose history it is, and which rights this
 * machine has.
 *
 * A server whose data was restored goes on with a new history, whose parent is ours. What was
 * newer here than the moment of the restored data is put aside among the refused writes before the
 * server's copy takes its place: nobody who holds more is overwritten unseen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/network_inside.h"

/* --- a new history --- */

static const char LOST[] = "the server's data was put back to a state before this value";

struct putting_aside {
    struct network *network;
    uint64_t count;
    uint64_t resume_seq;
    struct owner *going; /* whose bags were made later: they are dropped */
    size_t going_count, going_capacity;
};

/* What is in a user's bag on this device is put aside as a write to the user's bag: trying it again
 * makes the server have that bag again, too. */
static bool written_by_user(struct kb *kb, struct replica_bag *bag)
{
    struct replica_bag user;
    struct owner owner = bag->owner;
    bool own = owner.kind == OWNER_USER_DEVICE;
    owner.kind = OWNER_USER;
    owner.device = 0;
    if (!own || replica_bag_by_owner(kb->replica, &owner, &user, NULL) != 0) {
        return false;
    }
    *bag = user;
    return true;
}

static int put_aside(void *context, const struct replica_bag *bag, struct span path,
                     const struct item_row *row, struct err *err)
{
    struct putting_aside *aside = context;
    struct kb *kb = aside->network->kb;
    struct replica_bag written = *bag;
    struct operation_write write = {
        .path = path, .value = row->value, .remove = row->state == ITEM_TOMBSTONE};
    write.device = written_by_user(kb, &written);
    struct outbox_target target = {
        .owner = &written.owner, .bag_id = written.bag_id, .seen = written.cursor};
    int rc =
        outbox_refuse(kb->outbox, &target, &write, 1, row->time_ms, E_HISTORY,
                      "the server's data was put back to a state before this value", NULL, err);
    aside->count += rc == 0 ? 1 : 0;
    return rc;
}

/* Writes that were taken up and have not come back to the replica: what it has itself is told by
 * it. */
static int put_acked_aside(struct putting_aside *aside, uint64_t resume_seq, struct err *err)
{
    struct client_settled settled;
    struct kb *kb = aside->network->kb;
    int rc = outbox_flush(kb->outbox, err);
    rc = rc != 0 ? rc : client_settle_passed(kb, &settled, err);
    return rc != 0 ? rc : outbox_lost(kb->outbox, resume_seq, E_HISTORY, LOST, &aside->count, err);
}

static int note_going(void *context, const struct replica_bag *bag, struct err *err)
{
    struct putting_aside *aside = context;
    if (bag->bag_id <= aside->resume_seq) {
        return 0;
    }
    struct owner *going =
        array_reserve(aside->going, &aside->going_capacity, aside->going_count + 1, sizeof *going);
    if (going == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    aside->going = going;
    going[aside->going_count++] = bag->owner;
    return 0;
}

/* What was known of the old history by the numbers that the new one gives out again. */
static void forget_numbers(struct putting_aside *aside)
{
    struct network *network = aside->network;
    network->gone_count = 0;
    for (size_t i = 0; i < aside->going_count; i++) {
        client_tell(network->kb, &aside->going[i], (struct span){NULL, 0}, 0);
    }
}

static int put_all_aside(struct putting_aside *aside, const struct wire_welcome *welcome,
                         struct err *err)
{
    struct replica *replica = aside->network->kb->replica;
    int rc = put_acked_aside(aside, welcome->resume_seq, err);
    rc = rc != 0 ? rc : network_keep_rebase(aside->network, welcome->resume_seq, err);
    rc = rc != 0 ? rc : replica_bags(replica, note_going, aside, err);
    rc = rc != 0 ? rc
                 : replica_rebase(replica, welcome->history, welcome->resume_seq, put_aside, aside,
                                  err);
    if (rc == 0) {
        forget_numbers(aside);
    }
    return rc;
}

/* The values are kept in any case; E_QUOTA: the outbox is full of others. */
static int rebase(struct network *network, const struct wire_welcome *welcome, struct err *err)
{
    struct putting_aside aside = {.network = network, .resume_seq = welcome->resume_seq};
    struct err why = {0};
    char text[ERR_TEXT_MAX];
    int rc = put_all_aside(&aside, welcome, &why);
    free(aside.going);
    if (rc != 0) {
        return err_set(err, rc,
                       "the server's data was put back to an older state, and what this machine "
                       "has beyond it could not be put aside (nothing was changed): %.150s",
                       why.text);
    }
    (void)snprintf(text, sizeof text,
                   "the server's data was put back to change %llu: %llu values that are newer "
                   "here were put among the refused writes ('kitbag outbox refused')",
                   (unsigned long long)welcome->resume_seq, (unsigned long long)aside.count);
    network_tell_note(network, text);
    return 0;
}

static int take_history(struct network *network, const struct wire_welcome *welcome,
                        struct err *err)
{
    const struct replica_position *position = &network->position;
    if (!position->has_history) {
        return replica_set_history(network->kb->replica, welcome->history, err);
    }
    bool same = memcmp(position->history, welcome->history, HISTORY_SIZE) == 0;
    if (!same && welcome->resume_seq == WIRE_SAME_HISTORY) {
        return err_set(err, E_HISTORY, "the server's data is not what this machine has joined");
    }
    return same ? 0 : rebase(network, welcome, err);
}

/* --- WELCOME --- */

void network_welcome(struct network *network, const struct wire_welcome *welcome)
{
    struct err err = {0};
    struct owner fleet = {.kind = OWNER_FLEET};
    struct owner device = {.kind = OWNER_DEVICE, .device = network->identity.device};
    network->device_bag = welcome->device_bag;
    network->device_caught = false;
    int rc = take_history(network, welcome, &err);
    if (rc != 0) { /* nothing may be fetched over what is here */
        network_tell_trouble(network, rc, err.text);
        network_lose(network, rc, err.text);
        return;
    }
    network_keep_welcome(network, (enum wire_keep)welcome->keep);
    network->spare_due = true; /* an earlier run may have ended before it was done */
    network_mirror_welcome(network, welcome->mirror);
    network_hold_for_due(network);
    if (welcome->fleet_bag != 0) {
        rc = client_keep_bag(network->kb, &fleet, welcome->fleet_bag, NULL, &err);
    }
    if (rc == 0 && welcome->device_bag != 0) {
        rc = client_keep_bag(network->kb, &device, welcome->device_bag, NULL, &err);
    }
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
    }
}
