/* client/network_data.c - what comes of bags, and what became of operations. */
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

/* --- which bags are followed --- */

static struct followed *find_followed(const struct network *network, uint64_t bag_id)
{
    for (size_t i = 0; i < network->followed_count; i++) {
        if (network->followed[i].id == bag_id) {
            return &network->followed[i];
        }
    }
    return NULL;
}

static int add_followed(struct network *network, uint64_t bag_id)
{
    if (network->followed_count == network->followed_capacity) {
        size_t capacity = network->followed_capacity > 0 ? 2 * network->followed_capacity : 16;
        struct followed *list = realloc(network->followed, capacity * sizeof *list);
        if (list == NULL) {
            return E_NOMEM;
        }
        network->followed = list;
        network->followed_capacity = capacity;
    }
    network->followed[network->followed_count++] = (struct followed){.id = bag_id};
    return 0;
}

static void drop_followed(struct network *network, uint64_t bag_id)
{
    struct followed *followed = find_followed(network, bag_id);
    if (followed != NULL) {
        network->caught -= followed->caught ? 1 : 0;
        *followed = network->followed[--network->followed_count];
    }
    network_tell_caught(network);
}

void network_forget_followed(struct network *network)
{
    network->followed_count = 0;
    network->caught = 0;
}

static int list_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    struct network *network = context;
    /* One that this machine made and is not signed in to yet waits for the sign-in. */
    if (!bag->keep || bag->bag_id == 0 || bag->made_by != 0) {
        return 0;
    }
    if (network->bag_count == network->bag_capacity) {
        size_t capacity = network->bag_capacity > 0 ? 2 * network->bag_capacity : 16;
        struct wire_bag *bags = realloc(network->bags, capacity * sizeof *bags);
        if (bags == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        network->bags = bags;
        network->bag_capacity = capacity;
    }
    network->bags[network->bag_count++] =
        (struct wire_bag){.bag_id = bag->bag_id, .cursor = bag->complete ? bag->cursor : 0};
    struct followed *followed = find_followed(network, bag->bag_id);
    if (followed == NULL) {
        int rc = add_followed(network, bag->bag_id);
        return rc != 0 ? err_set(err, rc, "out of memory") : 0;
    }
    if (followed->caught && !bag->complete) { /* to be fetched anew */
        followed->caught = false;
        network->caught--;
    }
    return 0;
}

int network_list_bags(struct network *network, struct err *err)
{
    network->bag_count = 0;
    int rc = replica_bags(network->kb->replica, list_bag, network, err);
    network_tell_caught(network);
    return rc;
}

static void caught(struct network *network, uint64_t bag_id)
{
    struct followed *followed = find_followed(network, bag_id);
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

/* A followed bag that is not in the list any more was dropped by somebody else: a sign-out. */
static uint64_t find_dropped(const struct network *network)
{
    for (size_t i = 0; i < network->followed_count; i++) {
        bool listed = false;
        for (size_t j = 0; !listed && j < network->bag_count; j++) {
            listed = network->bags[j].bag_id == network->followed[i].id;
        }
        if (!listed) {
            return network->followed[i].id;
        }
    }
    return 0;
}

static void forget_dropped(struct network *network)
{
    for (uint64_t gone; (gone = find_dropped(network)) != 0;) {
        struct follow_event event = {.kind = FOLLOW_FORGET};
        event.forget.bag_id = gone;
        drop_followed(network, gone);
        network_step(network, event);
    }
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
    struct follow_event event = {.kind = FOLLOW_BAGS};
    event.bags.list = network->bags;
    event.bags.count = network->bag_count;
    event.bags.urgent = true;
    network_step(network, event);
}

/* --- telling watchers --- */

/* A change under a local write that lies over it is not visible. */
static void tell_item(struct kb *kb, const struct owner *owner, struct span path, uint64_t seq)
{
    bool removed = false;
    uint64_t time_ms = 0;
    if (outbox_lookup(kb->outbox, owner, path, NULL, &removed, &time_ms) == E_NOT_FOUND) {
        hub_tell(kb->hub, owner, path, seq);
    }
}

static void tell_bag(struct kb *kb, const struct owner *owner)
{
    hub_tell(kb->hub, owner, (struct span){NULL, 0}, 0);
}

/* --- bags that were deleted --- */

static void note_gone(struct network *network, uint64_t bag_id)
{
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

/* --- live changes --- */

static void live_done(void *context, const struct replica_bag *bag, const struct change *change)
{
    struct network *network = context;
    if (change->kind == CHANGE_BAG_DELETE) {
        note_gone(network, bag->bag_id);
        outbox_hide(network->kb->outbox, bag->bag_id);
        drop_followed(network, bag->bag_id);
        tell_bag(network->kb, &bag->owner);
        network_finish_requests(network);
        return;
    }
    if (change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE) {
        tell_item(network->kb, &bag->owner, change->path, change->seq);
    }
    if (bag->bag_id == network->device_bag) {
        network->reconcile_due = true;
    }
}

static int read_changes(struct network *network, const struct wire_list *list, struct err *err)
{
    if (list->count > network->change_capacity) {
        struct change *changes = realloc(network->changes, list->count * sizeof *changes);
        if (changes == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        network->changes = changes;
        network->change_capacity = list->count;
    }
    for (size_t i = 0; i < list->count; i++) {
        int rc = change_decode(wire_object_at(list, i), CHANGE_STREAM, &network->changes[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Writes of this machine that these bags have now. */
static void pass_bags(struct network *network, size_t count)
{
    uint64_t last = 0;
    bool waiting = false;
    for (size_t i = 0; i < count; i++) {
        struct replica_bag bag;
        uint64_t bag_id = network->changes[i].bag_id;
        if (bag_id != last && bag_id != 0 &&
            replica_bag_by_id(network->kb->replica, bag_id, &bag, NULL) == 0) {
            client_passed(network->kb, bag_id, bag.cursor, &waiting);
        }
        last = bag_id;
    }
    if (waiting) {
        network_pass_later(network);
    }
}

static void answer_applied(struct network *network, int rc, uint64_t bag_id, const struct err *err,
                           struct follow_event *answer)
{
    struct replica_bag bag;
    answer->kind = FOLLOW_APPLIED;
    answer->applied.code = rc == E_CONDITION || rc == E_NOT_FOUND ? E_CORRUPT : rc;
    answer->applied.bag_id = bag_id;
    answer->applied.cursor = 0;
    if (rc != 0 && rc != E_CONDITION) { /* that heals by itself, at once */
        network_tell_trouble(network, rc, err->text);
    }
    if (rc == E_CONDITION && bag_id != 0 &&
        replica_bag_by_id(network->kb->replica, bag_id, &bag, NULL) == 0 && bag.complete) {
        answer->applied.cursor = bag.cursor;
    }
}

void network_live(struct network *network, const struct follow_action *action,
                  struct follow_event *answer)
{
    struct err err = {0};
    uint64_t bad_bag = 0;
    const struct wire_list *list = &action->live.changes;
    int rc = read_changes(network, list, &err);
    rc = rc != 0 ? rc
                 : replica_apply(network->kb->replica, network->changes, list->count,
                                 action->live.position.seq, action->live.position.hash, &bad_bag,
                                 live_done, network, &err);
    if (rc == 0) {
        pass_bags(network, list->count);
        network_finish_requests(network);
    }
    answer_applied(network, rc, bad_bag, &err, answer);
}

/* --- pages --- */

static int read_rows(struct network *network, const struct wire_list *list, struct err *err)
{
    if (list->count > network->row_capacity) {
        struct replica_row *rows = realloc(network->rows, list->count * sizeof *rows);
        if (rows == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        network->rows = rows;
        network->row_capacity = list->count;
    }
    for (size_t i = 0; i < list->count; i++) {
        wire_row_at(list, i, &network->rows[i].path, &network->rows[i].row);
    }
    return 0;
}

/* The bag stands at `cursor` now. */
static void bag_moved(struct network *network, uint64_t bag_id, uint64_t cursor)
{
    bool waiting = false;
    client_passed(network->kb, bag_id, cursor, &waiting);
    if (waiting) {
        network_pass_later(network);
    }
    caught(network, bag_id);
}

static void tell_page(struct network *network, const struct replica_page *page, size_t count)
{
    struct replica_bag bag;
    if (replica_bag_by_id(network->kb->replica, page->bag_id, &bag, NULL) != 0) {
        return;
    }
    if (!page->first || page->whole) { /* of more than one page the rows are not here any more */
        tell_bag(network->kb, &bag.owner);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        tell_item(network->kb, &bag.owner, network->rows[i].path, network->rows[i].row.seq);
    }
}

void network_page(struct network *network, const struct follow_action *action,
                  struct follow_event *answer)
{
    struct err err = {0};
    uint64_t flags = action->page.flags;
    struct replica_page page = {
        .bag_id = action->page.bag_id,
        .first = (flags & WIRE_PAGE_FIRST) != 0,
        .last = (flags & WIRE_PAGE_LAST) != 0,
        .whole = (flags & WIRE_PAGE_WHOLE) != 0,
        .since = action->page.since,
        .cursor = action->page.cursor,
        .seq = action->page.position.seq,
    };
    memcpy(page.hash, action->page.position.hash, SHA256_SIZE);
    size_t count = action->page.rows.count;
    int rc = read_rows(network, &action->page.rows, &err);
    rc = rc != 0 ? rc : replica_stage(network->kb->replica, &page, network->rows, count, &err);
    if (rc == E_NOT_FOUND) { /* dropped meanwhile: the follow is told when it has its answer */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
        rc = 0;
    } else if (rc == 0 && page.last) {
        tell_page(network, &page, count);
        bag_moved(network, page.bag_id, page.cursor);
    }
    answer_applied(network, rc, page.bag_id, &err, answer);
}

/* --- a bag is complete, or gone --- */

static void drop_bag(struct network *network, uint64_t bag_id)
{
    struct err err = {0};
    struct replica_bag bag;
    struct kb *kb = network->kb;
    int rc = replica_bag_by_id(kb->replica, bag_id, &bag, &err);
    rc = rc != 0 ? rc : replica_bag_drop(kb->replica, bag.local, &err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        network_tell_trouble(network, rc, err.text);
        return;
    }
    outbox_hide(kb->outbox, bag_id);
    drop_followed(network, bag_id);
    if (rc == 0) {
        tell_bag(kb, &bag.owner);
    }
    network->reconcile_due = true;
    network_finish_requests(network);
}

void network_bag(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    if (action->bag.code == 0) {
        bool differs = false;
        int rc = replica_complete(network->kb->replica, action->bag.bag_id, action->bag.last_seq,
                                  NULL, &differs, &err);
        if (rc == 0) {
            bag_moved(network, action->bag.bag_id, action->bag.last_seq);
        } else if (rc == E_CONDITION) {
            atomic_fetch_or(&network->news, NETWORK_BAGS); /* followed from where it is now */
        } else if (rc != E_NOT_FOUND) {
            network_tell_trouble(network, rc, err.text);
        }
    } else if (action->bag.code == E_BAG_GONE || action->bag.code == E_NOT_ALLOWED) {
        if (action->bag.code == E_BAG_GONE) {
            note_gone(network, action->bag.bag_id);
        }
        drop_bag(network, action->bag.bag_id);
    } else {
        network_tell_trouble(network, action->bag.code, action->bag.text);
    }
}

/* --- outcomes --- */

void network_outcome(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    struct outbox_told told;
    struct kb *kb = network->kb;
    int code = action->outcome.code;
    outbox_outcome(kb->outbox, action->outcome.number, code, action->outcome.seq,
                   action->outcome.text, &told);
    network_pass_later(network);
    if (network->troubled) { /* writes are taken up again */
        network_tell_trouble(network, 0, "");
    }
    if (!told.news) {
        return;
    }
    if (told.kind == OPERATION_CREATE) {
        int rc = client_settle_creates(kb, &err);
        if (rc != 0) {
            network_tell_trouble(network, rc, err.text);
        }
    }
    if (told.kind == OPERATION_WRITE && code != 0) {
        tell_bag(kb, &told.owner); /* what it showed is not shown any more */
    }
    network->reconcile_due = true; /* a sign-out may wait for the last answer of its bag */
}
