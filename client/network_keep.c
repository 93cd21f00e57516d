/* client/network_keep.c - bags that are kept by a right, whoever is signed in.
 *
 * An administrator gives a device the right to keep the bags of all groups, or of everybody. Which
 * bags these are the server lists in the order of their ids; how far the list was worked off is
 * noted, and the server's heartbeats tell when there are newer ones. When the right is taken away,
 * the bags go, but those of people who are signed in, and none whose writes were not sent.
 */
#include <stdlib.h>

#include "client/network_inside.h"

/* Of the list: for which right, and up to which bag; 1 + 8 bytes. */
static const char LISTED_NOTE[] = "listed";
enum { LISTED_SIZE = 9 };

static enum wire_keep read_listed(struct kb *kb, uint64_t *listed)
{
    struct buf bytes;
    enum wire_keep keep = WIRE_KEEP_SIGNED_IN;
    buf_init(&bytes, LISTED_SIZE);
    *listed = 0;
    if (replica_note_get(kb->replica, LISTED_NOTE, &bytes, NULL) == 0 &&
        bytes.size == LISTED_SIZE && bytes.data[0] <= WIRE_KEEP_EVERYBODY) {
        keep = (enum wire_keep)bytes.data[0];
        *listed = get_be64(bytes.data + 1);
    }
    buf_free(&bytes);
    return keep;
}

unsigned client_kept_note(struct kb *kb)
{
    uint64_t listed = 0;
    return (unsigned)read_listed(kb, &listed);
}

static int store_listed(struct kb *kb, enum wire_keep keep, uint64_t listed, struct err *err)
{
    uint8_t bytes[LISTED_SIZE] = {(uint8_t)keep};
    put_be64(bytes + 1, listed);
    struct span none = {NULL, 0};
    struct span value = keep == WIRE_KEEP_SIGNED_IN ? none : span_of(bytes, sizeof bytes);
    return replica_note_set(kb->replica, LISTED_NOTE, value, err);
}

static void write_listed(struct network *network, enum wire_keep keep)
{
    struct err err = {0};
    int rc = store_listed(network->kb, keep, network->listed, &err);
    if (rc != 0) { /* the list is asked for again from where the note is */
        network_tell_trouble(network, rc, err.text);
    }
}

bool network_keeps(const struct network *network, enum owner_kind kind)
{
    return client_keeps(network->kb, kind);
}

int network_keep_rebase(struct network *network, uint64_t resume_seq, struct err *err)
{
    uint64_t listed = 0;
    enum wire_keep keep = read_listed(network->kb, &listed);
    return listed <= resume_seq ? 0 : store_listed(network->kb, keep, resume_seq, err);
}

void network_look_for_own(struct network *network)
{
    enum { GRACE_MS = 1000 }; /* most are made by a write of here, whose outcome tells of them */
    struct replica_bag bag;
    uint64_t newest = follow_newest_bag(network->follow);
    if (network->keep == WIRE_KEEP_EVERYBODY || newest <= network->own_newest) {
        return; /* everybody's are listed, these too */
    }
    if (network->own_at_ms == 0) {
        network->own_at_ms = network->now_ms + GRACE_MS;
    }
    if (network->now_ms < network->own_at_ms) {
        return;
    }
    network->own_at_ms = 0;
    network->own_newest = newest;
    if (replica_bag_by_id(network->kb->replica, newest, &bag, NULL) == E_NOT_FOUND) {
        network->recall = NETWORK_RECALL_DUE;
        network->reconcile_due = true;
    }
}

void network_recalled(struct network *network)
{
    network->recall = NETWORK_RECALL_NONE;
    /* Not removed, they are asked for once more. */
    (void)!replica_note_set(network->kb->replica, REPLICA_NOTE_DROPPED, (struct span){NULL, 0},
                            NULL);
}

/* Were bags lost here by damage? */
static bool have_dropped(struct network *network)
{
    struct buf bytes;
    buf_init(&bytes, 16);
    int rc = replica_note_get(network->kb->replica, REPLICA_NOTE_DROPPED, &bytes, NULL);
    buf_free(&bytes);
    return rc == 0;
}

/* They lie behind what was listed: it is listed from the start. */
static void list_dropped(struct network *network, enum wire_keep keep)
{
    network->listed = 0;
    write_listed(network, keep);
    if (keep == WIRE_KEEP_EVERYBODY) { /* and those of users on this machine with them */
        network_recalled(network);
    }
}

void network_keep_welcome(struct network *network, enum wire_keep keep)
{
    struct kb *kb = network->kb;
    enum wire_keep before = read_listed(kb, &network->listed);
    keep = keep <= WIRE_KEEP_EVERYBODY ? keep : WIRE_KEEP_SIGNED_IN; /* of a later version */
    network->keep = keep;
    network->list_asked = false;
    network->letting_go = keep < before;
    if (keep > before) { /* more is listed than before, from the start */
        network->listed = 0;
        write_listed(network, keep);
    }
    bool dropped = !network->letting_go && have_dropped(network);
    network->recall = dropped ? NETWORK_RECALL_DUE : NETWORK_RECALL_NONE;
    network->own_newest = 0;
    network->own_at_ms = 0;
    if (dropped && keep != WIRE_KEEP_SIGNED_IN) {
        list_dropped(network, keep);
    }
    network->reconcile_due |= network->letting_go;
    (void)pthread_mutex_lock(&kb->lock);
    kb->kept = (unsigned)keep;
    (void)pthread_mutex_unlock(&kb->lock);
    network->list_due = keep != WIRE_KEEP_SIGNED_IN;
}

void network_let_go_done(struct network *network)
{
    network->letting_go = false;
    write_listed(network, network->keep);
}

/* --- the list --- */

void network_keep_ask(struct network *network)
{
    bool newer = follow_newest_bag(network->follow) > network->listed;
    if (network->keep == WIRE_KEEP_SIGNED_IN || network->list_asked ||
        !(network->list_due || newer) || network_creates_pending(network)) {
        return; /* whom this machine made is not to be taken for one of the others */
    }
    network->list_asked = true;
    network->list_due = false;
    network->asked_newest = follow_newest_bag(network->follow);
    struct follow_event event = {.kind = FOLLOW_LIST};
    event.list.after = network->listed;
    network_step(network, event);
}

/* One that is here already, also while its sign-out has to be told, stays as it is. */
static int keep_row(struct network *network, const struct wire_owner *row, struct err *err)
{
    struct owner owner;
    struct replica_bag bag;
    int rc = network_owner_of(row, &owner, err);
    rc = rc != 0 ? rc : replica_bag_by_owner(network->kb->replica, &owner, &bag, err);
    if (rc == 0 && bag.bag_id >= row->bag_id) {
        return 0;
    }
    return rc == 0 || rc == E_NOT_FOUND
               ? client_keep_bag(network->kb, &owner, row->bag_id, NULL, err)
               : rc;
}

/* The first listing may have a hundred thousand bags: those that are new to this machine are added
 * in one transaction. */
static int add_new(struct network *network, const struct wire_list *list, struct err *err)
{
    size_t count = 0;
    struct replica_bag known;
    struct replica *replica = network->kb->replica;
    struct replica_bag *bags = calloc(list->count + 1, sizeof *bags);
    if (bags == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        struct wire_owner row = wire_owner_at(list, i);
        struct replica_bag *bag = &bags[count];
        *bag = (struct replica_bag){.bag_id = row.bag_id, .keep = true};
        rc = network_owner_of(&row, &bag->owner, err);
        int found = rc != 0 ? rc : replica_bag_by_owner(replica, &bag->owner, &known, NULL);
        count += found == E_NOT_FOUND ? 1 : 0;
    }
    rc = rc != 0 || count == 0 ? rc : replica_bags_add(replica, bags, count, err);
    free(bags);
    return rc;
}

static int keep_rows(struct network *network, const struct wire_list *list, uint64_t *last,
                     struct err *err)
{
    int rc = add_new(network, list, err);
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        struct wire_owner row = wire_owner_at(list, i);
        rc = keep_row(network, &row, err);
        *last = row.bag_id > *last ? row.bag_id : *last;
    }
    return rc;
}

/* What was not kept for want of room is asked for again in the next session. */
void network_owners(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    network->list_asked = false;
    if (action->owners.code != 0) { /* without the right, or the session is gone */
        network->keep = WIRE_KEEP_SIGNED_IN;
        return;
    }
    uint64_t last = network->listed;
    int rc = keep_rows(network, &action->owners.list, &last, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
        network->keep = WIRE_KEEP_SIGNED_IN;
        return;
    }
    if (last > network->listed) {
        network->listed = last;
        write_listed(network, network->keep);
    }
    if (action->owners.end) { /* not before: to follow reads the list of all bags */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    network->list_due = !action->owners.end;
    if (action->owners.end && network->asked_newest > network->listed) { /* that one is gone */
        network->listed = network->asked_newest;
    }
}
