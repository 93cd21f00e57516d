/* client/network_data.c - what comes of bags, and what became of operations. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/network_inside.h"

/* --- telling watchers --- */

/* A change under a local write that lies over it is not visible. */
static void tell_visible(struct kb *kb, const struct owner *owner, struct span path, uint64_t seq)
{
    bool removed = false;
    uint64_t time_ms = 0;
    if (outbox_lookup(kb->outbox, owner, path, NULL, &removed, &time_ms) == E_NOT_FOUND) {
        hub_tell(kb->hub, owner, path, seq);
    }
}

static void tell_item(struct kb *kb, const struct owner *owner, struct span path, uint64_t seq)
{
    struct owner user;
    tell_visible(kb, owner, path, seq);
    if (client_user_of(kb, owner, &user)) {
        tell_visible(kb, &user, path, seq);
    }
}

static void tell_bag(struct kb *kb, const struct owner *owner)
{
    client_tell(kb, owner, (struct span){NULL, 0}, 0);
}

/* --- what came, many messages in one transaction --- */

static int begin_batch(struct network *network, struct err *err)
{
    return network->batch != NULL ? 0
                                  : replica_batch_begin(network->kb->replica, &network->batch, err);
}

/* E_NOMEM. */
static int note_bag(struct network *network, const struct changed_bag *changed)
{
    struct changed_bag *list = array_reserve(network->touched, &network->touched_capacity,
                                             network->touched_count + 1, sizeof *list);
    if (list == NULL) {
        return E_NOMEM;
    }
    network->touched = list;
    network->touched[network->touched_count++] = *changed;
    return 0;
}

static int note_changed(struct network *network, uint64_t bag_id)
{
    size_t count = network->touched_count;
    const struct changed_bag changed = {.bag_id = bag_id};
    bool again = count > 0 && network->touched[count - 1].bag_id == bag_id;
    return again ? 0 : note_bag(network, &changed);
}

static void bag_deleted(struct network *network, const struct replica_bag *bag)
{
    network_note_gone(network, bag->bag_id);
    outbox_hide(network->kb->outbox, bag->bag_id);
    network_drop_followed(network, bag->bag_id);
    tell_bag(network->kb, &bag->owner);
}

static void took_effect(void *context, const struct replica_bag *bag, const struct change *change)
{
    struct network *network = context;
    bool item = change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
    if (change->kind == CHANGE_BAG_DELETE) {
        bag_deleted(network, bag);
        return;
    }
    if (item && change->path.size > 0) {
        tell_item(network->kb, &bag->owner, change->path, change->seq);
    } else if (item) {
        tell_bag(network->kb, &bag->owner);
    }
    if (bag->owner.kind == OWNER_FLEET &&
        (change->path.size == 0 || replica_rules_concern(change->path))) {
        network->rules_changed = true;
    }
    if (bag->bag_id == network->device_bag) {
        network->reconcile_due = true;
    }
}

/* Writes of this machine that the bag has now are let go of. */
static void pass_changed(struct network *network, const struct changed_bag *changed, bool *waiting)
{
    struct replica_bag bag;
    if (changed->stale) {
        network_bag_stale(network, changed->bag_id);
    } else if (changed->differs) {
        network_differs(network, changed->bag_id);
    } else if (changed->end) {
        network_bag_moved(network, changed->bag_id, changed->cursor);
        network_verified(network, changed->bag_id, changed->compared);
    } else if (replica_bag_by_id(network->kb->replica, changed->bag_id, &bag, NULL) == 0) {
        client_passed(network->kb, changed->bag_id, bag.cursor, waiting);
    }
}

static void pass_touched(struct network *network)
{
    bool waiting = false;
    for (size_t i = 0; i < network->touched_count; i++) {
        pass_changed(network, &network->touched[i], &waiting);
    }
    if (waiting) {
        network_pass_later(network);
    }
}

int network_commit(struct network *network, struct err *err)
{
    if (network->batch == NULL) {
        return 0;
    }
    network->batch_count = 0;
    network->batch_bytes = 0;
    network->batch_weight = 0;
    int rc = replica_batch_commit(&network->batch, took_effect, network, err);
    if (rc == 0) {
        pass_touched(network);
        network_finish_requests(network);
    }
    if (rc == 0 && network->rules_changed) { /* which items are seen otherwise is not listed */
        hub_tell_users(network->kb->hub);
    }
    network->rules_changed = false;
    network->touched_count = 0;
    return rc;
}

/* Once it was said that a message is applied, it has to be: else its session starts over, from the
 * cursors that there are. */
void network_commit_or_lose(struct network *network)
{
    struct err err = {0};
    int rc = network_commit(network, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
        network_lose(network, rc, err.text);
    }
}

static void count_message(struct network *network)
{
    network->batch_count++;
    network->batch_weight += NETWORK_MESSAGE_WEIGHT;
}

/* `rc` of one message; what the others in its batch come to is not told here. */
static void answer_applied(struct network *network, int rc, uint64_t bag_id, const struct err *err,
                           struct follow_event *answer)
{
    struct replica_bag bag;
    bool refused = rc == E_CONDITION || rc == E_NOT_FOUND;
    bool alone = network->batch_count == 0;
    if (rc == 0) {
        count_message(network);
    } else if (refused || alone) {
        struct err why = {0};
        int ended = network_commit(network, &why); /* marks what was found damaged */
        if (refused && ended != 0) {
            network_lose(network, ended, why.text);
        }
    } else {
        network_commit_or_lose(network);
    }
    answer->kind = FOLLOW_APPLIED;
    answer->applied.code = refused ? E_CORRUPT : rc;
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

/* --- live changes --- */

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

static int apply_changes(struct network *network, const struct follow_action *action,
                         uint64_t *bad_bag, struct err *err)
{
    size_t count = action->live.changes.count;
    int rc = read_changes(network, &action->live.changes, err);
    rc = rc != 0 ? rc : begin_batch(network, err);
    network->batch_weight += count;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (network->changes[i].bag_id != 0) {
            rc = note_changed(network, network->changes[i].bag_id);
        }
    }
    return rc != 0 ? rc
                   : replica_batch_changes(network->batch, network->changes, count,
                                           action->live.position.seq, action->live.position.hash,
                                           bad_bag, err);
}

void network_live(struct network *network, const struct follow_action *action,
                  struct follow_event *answer)
{
    struct err err = {0};
    uint64_t bad_bag = 0;
    network->data_ms = network->now_ms;
    int rc = apply_changes(network, action, &bad_bag, &err);
    answer_applied(network, rc, bad_bag, &err, answer);
    /* Nothing of it was applied: all its bags are asked for again. */
    for (size_t i = 0; answer->applied.code == E_CORRUPT && i < action->live.changes.count; i++) {
        network_bag_behind(network, network->changes[i].bag_id);
    }
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

static int apply_page(struct network *network, const struct follow_action *action, struct err *err)
{
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
    int rc = read_rows(network, &action->page.rows, err);
    rc = rc != 0 ? rc : begin_batch(network, err);
    rc = rc != 0 ? rc : replica_batch_page(network->batch, &page, network->rows, count, err);
    network->batch_weight += count;
    const struct changed_bag changed = {.bag_id = page.bag_id, .cursor = page.cursor, .end = true};
    return rc == 0 && page.last ? note_bag(network, &changed) : rc;
}

void network_page(struct network *network, const struct follow_action *action,
                  struct follow_event *answer)
{
    struct err err = {0};
    network->data_ms = network->now_ms;
    int rc = apply_page(network, action, &err);
    if (rc == E_NOT_FOUND) { /* dropped meanwhile: the follow is told when it has its answer */
        atomic_fetch_or(&network->news, NETWORK_BAGS);
        rc = 0;
    }
    answer_applied(network, rc, action->page.bag_id, &err, answer);
    if (answer->applied.code == E_CORRUPT) {
        network_bag_behind(network, action->page.bag_id);
    }
}

/* --- complete --- */

static int compare(struct network *network, const struct follow_action *action, struct err *err)
{
    bool compares = action->bag.has_digest && network_compares(network, action->bag.bag_id);
    const struct digest *expected = compares ? &action->bag.digest : NULL;
    struct changed_bag told = {.bag_id = action->bag.bag_id, .cursor = action->bag.last_seq};
    int rc = begin_batch(network, err);
    rc = rc != 0 ? rc
                 : replica_batch_complete(network->batch, told.bag_id, told.cursor, expected,
                                          &told.differs, err);
    if (rc != 0 && rc != E_CONDITION) {
        return rc;
    }
    told.stale = rc == E_CONDITION;
    told.end = rc == 0 && !told.differs;
    told.compared = told.end && expected != NULL;
    rc = note_bag(network, &told);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}

void network_complete(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    int rc = compare(network, action, &err);
    if (rc == 0) {
        count_message(network);
    } else if (rc != E_NOT_FOUND) { /* the next session asks again */
        network_commit_or_lose(network);
        network_tell_trouble(network, rc, err.text);
        network_lose(network, rc, err.text);
    }
}

/* --- outcomes --- */

void network_outcome(struct network *network, const struct follow_action *action)
{
    struct err err = {0};
    struct outbox_told told;
    struct kb *kb = network->kb;
    int code = action->outcome.code;
    const struct wire_split *split = &action->outcome.split;
    const struct outbox_answer answer = {.number = action->outcome.number,
                                         .code = code,
                                         .seq = action->outcome.seq,
                                         .text = span_str(action->outcome.text),
                                         .split = split->is,
                                         .device_bag = split->device_bag,
                                         .shared_seq = split->shared_seq,
                                         .device_seq = split->device_seq};
    outbox_outcome(kb->outbox, &answer, &told);
    if (code == E_BAG_GONE && told.news && network_is_supplied(network, told.bag_id)) {
        (void)!outbox_drop(kb->outbox, told.id, NULL); /* else it is seen among the refused */
    }
    network_pass_later(network);
    if (network->troubled) { /* writes are taken up again */
        network_tell_trouble(network, 0, "");
    }
    if (!told.news) {
        return;
    }
    if (told.kind == OPERATION_CREATE) {
        network_commit_or_lose(network);
        int rc = client_settle_creates(kb, &err);
        if (rc != 0) {
            network_tell_trouble(network, rc, err.text);
        }
    }
    if (told.kind == OPERATION_WRITE && code != 0) {
        tell_bag(kb, &told.owner); /* what it showed is not shown any more */
    }
    if (told.kind == OPERATION_CREATE || network->unsettled) {
        network->reconcile_due = true; /* a sign-out may wait for the last answer of its bag */
    }
}
