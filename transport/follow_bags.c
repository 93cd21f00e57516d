/* transport/follow_bags.c - the bags that are kept: their cursors, live changes, pages.
 *
 * The cursor of a bag here is the replica's: it moves when the replica said that it applied. The
 * fleet's bag holds the fences, which say what in other bags counts: it is complete before these
 * are followed, so that nobody sees what a fence has made void.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "journal/change.h"
#include "transport/follow_state.h"

static struct follow_bag *find(const struct follow *follow, uint64_t bag_id)
{
    return idmap_find(&follow->bags, bag_id);
}

/* FOLLOW it at the end of the step, from its cursor. */
static void want(struct follow *follow, struct follow_bag *bag)
{
    bag->state = FOLLOW_BAG_ASKED;
    follow->current_seq = 0; /* the server's word was not about this */
    struct wire_bag *list = array_reserve(follow->to_follow, &follow->to_follow_capacity,
                                          follow->to_follow_count + 1, sizeof *list);
    if (list == NULL) {
        follow->failed = E_NOMEM;
        return;
    }
    follow->to_follow = list;
    follow->to_follow[follow->to_follow_count++] =
        (struct wire_bag){.bag_id = bag->id, .cursor = bag->cursor};
}

/* Once it was complete in this session its changes come before whatever they are about. */
static bool fleet_is_awaited(const struct follow *follow)
{
    return !follow->fleet_complete && find(follow, follow->fleet_bag) != NULL;
}

static void go_live(struct follow *follow, struct follow_bag *bag)
{
    bag->state = FOLLOW_BAG_LIVE;
    follow->fleet_complete = follow->fleet_complete || bag->id == follow->fleet_bag;
}

/* While the fleet's bag is awaited, that one alone: it comes to the front of the list. */
static size_t may_follow(struct follow *follow)
{
    struct wire_bag *list = follow->to_follow;
    if (!fleet_is_awaited(follow)) {
        return follow->to_follow_count;
    }
    size_t found = 0;
    for (size_t i = 0; i < follow->to_follow_count; i++) {
        if (list[i].bag_id == follow->fleet_bag) {
            struct wire_bag first = list[found];
            list[found++] = list[i];
            list[i] = first;
        }
    }
    return found;
}

void follow_send_wanted(struct follow *follow)
{
    size_t all = may_follow(follow);
    for (size_t sent = 0; sent < all;) {
        size_t left = all - sent;
        size_t count = left < WIRE_BAGS_MAX ? left : WIRE_BAGS_MAX;
        wire_put_follow(follow_frame(follow), follow->session, follow->to_follow + sent, count);
        follow_frame_end(follow);
        sent += count;
    }
    follow->to_follow_count -= all;
    if (all > 0 && follow->to_follow_count > 0) {
        memmove(follow->to_follow, follow->to_follow + all,
                follow->to_follow_count * sizeof *follow->to_follow);
    }
}

/* It is complete, by the server's word: what it adds up to is to be told again. What the server
 * said of all bags stays true meanwhile. */
static void ask_again(struct follow *follow, struct follow_bag *bag)
{
    uint64_t current_seq = follow->current_seq;
    want(follow, bag);
    follow->current_seq = current_seq;
}

void follow_bags(struct follow *follow, const struct wire_bag *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct follow_bag *bag = find(follow, list[i].bag_id);
        if (bag != NULL && bag->cursor == list[i].cursor) {
            if (bag->state == FOLLOW_BAG_LIVE) {
                ask_again(follow, bag);
            }
            continue; /* it is under way */
        }
        if (bag == NULL) {
            bag = idmap_add(&follow->bags, list[i].bag_id);
        }
        if (bag == NULL) {
            follow->failed = E_NOMEM;
            return;
        }
        bag->cursor = list[i].cursor;
        want(follow, bag);
    }
}

/* It may still wait for the fleet's bag. */
static void want_no_more(struct follow *follow, uint64_t bag_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < follow->to_follow_count; i++) {
        if (follow->to_follow[i].bag_id != bag_id) {
            follow->to_follow[kept++] = follow->to_follow[i];
        }
    }
    follow->to_follow_count = kept;
}

void follow_forget(struct follow *follow, uint64_t bag_id)
{
    if (find(follow, bag_id) != NULL) {
        idmap_remove(&follow->bags, bag_id);
        want_no_more(follow, bag_id);
        wire_put_unfollow(follow_frame(follow), follow->session, &bag_id, 1);
        follow_frame_end(follow);
    }
}

void follow_bag_told(struct follow *follow, const struct wire_message *message)
{
    struct follow_bag *bag = find(follow, message->bag.bag_id);
    int code = follow_code(message->bag.code);
    if (bag == NULL || (code == 0 && message->bag.last_seq != bag->cursor)) {
        return; /* it answers a FOLLOW that another has replaced */
    }
    struct follow_action *action = follow_act(follow, FOLLOW_DO_BAG);
    action->bag.bag_id = bag->id;
    action->bag.code = code;
    action->bag.last_seq = message->bag.last_seq;
    action->bag.text = follow_text(follow, message->bag.text);
    action->bag.has_digest = message->bag.has_digest;
    action->bag.digest = message->bag.digest;
    if (code == 0) {
        go_live(follow, bag);
    } else {
        idmap_remove(&follow->bags, bag->id);
    }
}

/* --- live changes --- */

static bool room_for(struct follow *follow, size_t count)
{
    if (count > follow->taken_capacity) {
        struct follow_taken *taken = realloc(follow->taken, count * sizeof *taken);
        if (taken == NULL) {
            return false;
        }
        follow->taken = taken;
        follow->taken_capacity = count;
    }
    if (count > follow->changes_capacity) {
        msgpack_object *changes = realloc(follow->changes, count * sizeof *changes);
        if (changes == NULL) {
            return false;
        }
        follow->changes = changes;
        follow->changes_capacity = count;
    }
    return true;
}

static void take(struct follow *follow, struct follow_bag *bag, const struct change *change,
                 const msgpack_object *object)
{
    if (change->seq <= (bag->touched ? bag->pending : bag->cursor)) {
        return; /* old */
    }
    if (!bag->touched) {
        bag->touched = true;
        bag->pending = bag->cursor;
        bag->gap = false;
    }
    if (change->prev == bag->pending) {
        bag->pending = change->seq;
    } else {
        bag->gap = true;
    }
    follow->taken[follow->taken_count++] = (struct follow_taken){
        .change = object,
        .bag = idmap_number(&follow->bags, bag),
        .deletes = change->kind == CHANGE_BAG_DELETE,
    };
}

/* What may fit: changes of bags that are kept and are not in the middle of pages. */
static int take_all(struct follow *follow, const struct wire_list *changes, struct err *err)
{
    follow->taken_count = 0;
    for (size_t i = 0; i < changes->count; i++) {
        const msgpack_object *object = wire_object_at(changes, i);
        struct change change;
        int rc = change_decode(object, CHANGE_STREAM, &change, err);
        if (rc != 0) {
            return rc;
        }
        struct follow_bag *bag = find(follow, change.bag_id);
        if (bag != NULL && bag->state != FOLLOW_BAG_PAGING) {
            take(follow, bag, &change, object);
        }
    }
    return 0;
}

static struct follow_bag *bag_of(const struct follow *follow, size_t i)
{
    return idmap_at(&follow->bags, follow->taken[i].bag);
}

/* All of a bag or nothing: where one does not fit, the bag is followed anew, once. What is left is
 * what can be applied. */
static void drop_gaps(struct follow *follow)
{
    size_t kept = 0;
    for (size_t i = 0; i < follow->taken_count; i++) {
        struct follow_bag *bag = bag_of(follow, i);
        if (!bag->gap) {
            follow->taken[kept++] = follow->taken[i];
        } else if (bag->touched) {
            bag->touched = false;
            if (bag->state == FOLLOW_BAG_LIVE) {
                want(follow, bag);
            }
        }
    }
    follow->taken_count = kept;
}

static void hand_on(struct follow *follow, const struct wire_position *position)
{
    for (size_t i = 0; i < follow->taken_count; i++) {
        follow->changes[i] = *follow->taken[i].change;
    }
    follow->changes_array = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
    follow->changes_array.via.array.ptr = follow->changes;
    follow->changes_array.via.array.size = (uint32_t)follow->taken_count;
    follow->applying_seq = position->seq;
    follow_send_wanted(follow);
    struct follow_action *action = follow_ask(follow, FOLLOW_DO_LIVE);
    action->live.position = *position;
    action->live.changes =
        (struct wire_list){.array = &follow->changes_array, .count = follow->taken_count};
}

void follow_live(struct follow *follow, const struct wire_message *message)
{
    struct err err = {0};
    if (!room_for(follow, message->live.changes.count)) {
        follow->failed = E_NOMEM;
        return;
    }
    int rc = take_all(follow, &message->live.changes, &err);
    if (rc != 0) {
        const char *text = follow_text(follow, span_str(err.text));
        follow_lose(follow, E_MALFORMED, text, false);
        return;
    }
    drop_gaps(follow);
    if (follow->taken_count > 0) {
        hand_on(follow, &message->live.position);
    }
}

/* The replica has it: cursors move. Or nothing of it was applied: all its bags are followed anew,
 * the damaged one from where the replica says. */
static void settle_live(struct follow *follow, const struct follow_event *event)
{
    bool applied = event->applied.code == 0;
    for (size_t i = 0; i < follow->taken_count; i++) {
        struct follow_bag *bag = bag_of(follow, i);
        if (!bag->touched) {
            continue; /* another of its changes was here before */
        }
        bag->touched = false;
        if (applied) {
            bag->cursor = bag->pending;
        } else {
            bag->cursor = bag->id == event->applied.bag_id ? event->applied.cursor : bag->cursor;
            want(follow, bag);
        }
    }
    for (size_t i = 0; applied && i < follow->taken_count; i++) {
        if (follow->taken[i].deletes) { /* the last change of its bag */
            idmap_remove(&follow->bags, bag_of(follow, i)->id);
        }
    }
}

/* --- pages --- */

/* Does this page belong to what is in the making? May begin it. */
static bool page_fits(struct follow *follow, struct follow_bag *bag,
                      const struct wire_message *message)
{
    bool first = (message->page.flags & WIRE_PAGE_FIRST) != 0;
    bool last = (message->page.flags & WIRE_PAGE_LAST) != 0;
    bool whole = (message->page.flags & WIRE_PAGE_WHOLE) != 0;
    if (!first && bag->state != FOLLOW_BAG_PAGING) {
        return false; /* the rest of what another FOLLOW has replaced */
    }
    bool too_new = !whole && message->page.since > bag->cursor;
    bool too_old = last && message->page.cursor < bag->cursor;
    if (too_new || too_old) {
        if (bag->state != FOLLOW_BAG_ASKED) {
            want(follow, bag);
        }
        return false;
    }
    bag->state = FOLLOW_BAG_PAGING;
    return true;
}

void follow_page(struct follow *follow, const struct wire_message *message)
{
    struct follow_bag *bag = find(follow, message->page.bag_id);
    if (bag == NULL || !page_fits(follow, bag, message)) {
        return;
    }
    follow->page_bag = bag->id;
    follow->page_cursor = message->page.cursor;
    follow->page_last = (message->page.flags & WIRE_PAGE_LAST) != 0;
    follow->applying_seq = message->page.position.seq;
    follow_send_wanted(follow);
    struct follow_action *action = follow_ask(follow, FOLLOW_DO_PAGE);
    action->page.bag_id = message->page.bag_id;
    action->page.flags = message->page.flags;
    action->page.since = message->page.since;
    action->page.cursor = message->page.cursor;
    action->page.position = message->page.position;
    action->page.rows = message->page.rows;
}

static void settle_page(struct follow *follow, const struct follow_event *event)
{
    struct follow_bag *bag = find(follow, follow->page_bag);
    ASSERT(bag != NULL);
    if (event->applied.code != 0) {
        bag->cursor = event->applied.cursor;
        want(follow, bag);
    } else if (follow->page_last) {
        bag->cursor = follow->page_cursor;
        go_live(follow, bag);
    }
}

void follow_applied(struct follow *follow, const struct follow_event *event)
{
    bool live = follow->question == FOLLOW_DO_LIVE;
    bool batches = follow->question == FOLLOW_DO_BATCHES;
    if (event->applied.code != 0 && (event->applied.code != E_CORRUPT || batches)) {
        follow_lose(follow, event->applied.code, err_meaning(event->applied.code), false);
        return;
    }
    follow_worked_off(follow, follow->frame_bytes);
    if (batches) {
        return;
    }
    if (live) {
        settle_live(follow, event);
    } else {
        settle_page(follow, event);
    }
    bool moved = event->applied.code == 0 && (live || follow->page_last);
    if (moved && follow->applying_seq > follow->position_seq) {
        follow->position_seq = follow->applying_seq;
    }
}
