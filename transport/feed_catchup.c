/* transport/feed_catchup.c - FOLLOW, and reading what the client lacks, page by page. */
#include <stdlib.h>
#include <string.h>

#include "transport/feed_state.h"

/* BAG_BYTES: of a BAG without a sentence, at most. */
enum { PAGE_HEAD_BYTES = 256, PAGE_BYTES_MIN = 1024, BAG_BYTES = 64 };

/* --- following --- */

/* Does a sign-in wait for this bag? It is asked once. */
static bool is_expected(struct feed *feed, uint64_t bag_id)
{
    for (size_t i = 0; i < feed->urgent_count; i++) {
        if (feed->urgent[i] == bag_id) {
            feed->urgent[i] = feed->urgent[--feed->urgent_count];
            if (feed->urgent_count == 0) {
                free(feed->urgent);
                feed->urgent = NULL;
            }
            return true;
        }
    }
    return false;
}

void feed_expect_bags(struct feed *feed, const struct bag_row *bags, size_t count)
{
    free(feed->urgent);
    feed->urgent_count = 0;
    feed->urgent = count == 0 ? NULL : malloc(count * sizeof *feed->urgent);
    for (size_t i = 0; feed->urgent != NULL && i < count; i++) {
        feed->urgent[feed->urgent_count++] = bags[i].bag_id;
    }
}

/* Followed again: the client tells another cursor, what was sent before does not count. What is
 * known to exist stays known; but that is never taken from what a client says. */
static void follow_again(struct feed *feed, struct feed_bag *bag, uint64_t cursor)
{
    bag->sent = cursor;
    if (bag->state != FEED_BAG_ASKED) {
        feed_bag_to_ask(feed, bag);
    }
}

static int follow_new_bag(struct feed *feed, struct wire_bag wanted)
{
    if (feed->bags.count >= feed->bags_max) {
        return E_QUOTA;
    }
    struct feed_bag *bag = idmap_add(&feed->bags, wanted.bag_id);
    if (bag == NULL) {
        return E_NOMEM;
    }
    bag->sent = wanted.cursor;
    bag->urgent = is_expected(feed, wanted.bag_id);
    bag->fleet = wanted.bag_id == feed->fleet_bag;
    bag->state = FEED_BAG_ASKED; /* in no line yet */
    feed_bag_to_ask(feed, bag);
    return 0;
}

void feed_follow(struct feed *feed, const struct wire_list *bags)
{
    for (size_t i = 0; i < bags->count; i++) {
        struct wire_bag wanted = wire_bag_at(bags, i);
        struct feed_bag *bag = feed_bag_find(feed, wanted.bag_id);
        int rc = 0;
        if (bag != NULL) {
            follow_again(feed, bag, wanted.cursor);
        } else {
            rc = follow_new_bag(feed, wanted);
        }
        if (rc != 0) {
            feed_end(feed, rc, rc == E_QUOTA ? "this session follows too many bags" : "");
            return;
        }
    }
}

void feed_unfollow(struct feed *feed, const struct wire_list *bags)
{
    for (size_t i = 0; i < bags->count; i++) {
        struct feed_bag *bag = feed_bag_find(feed, wire_id_at(bags, i));
        if (bag != NULL) {
            feed_bag_drop(feed, bag);
        }
    }
}

/* Is there room for a BAG that says "up to date"? */
static bool may_tell(const struct feed *feed)
{
    return feed_may_begin(feed) && feed_may_send(feed, BAG_BYTES);
}

/* A bag is asked about when the answer can be told at once: so that the digest in it is of the very
 * moment, and none is kept for each bag of each session. */
void feed_ask(struct feed *feed)
{
    struct feed_bag *bag = feed_line_first(feed, LINE_ASK);
    if (feed->pool->asked || feed->asked_bag != 0 || bag == NULL || !may_tell(feed)) {
        return;
    }
    feed->asked_bag = bag->id;
    struct feed_action *action = feed_act(feed, FEED_DO_FOLLOW);
    action->follow.bag_id = bag->id;
    action->follow.cursor = bag->sent;
    feed_bag_to_asked(feed, bag);
}

/* BAG: "this is all, and it adds up to so much". */
static void tell_complete(struct feed *feed, const struct feed_bag *bag,
                          const struct digest *digest)
{
    struct buf *out = feed_frame(feed);
    size_t before = out->size;
    wire_put_bag(out, feed->session, bag->id, 0, bag->sent, "", digest);
    size_t size = out->size - before;
    ASSERT(size <= BAG_BYTES);
    feed_frame_end(feed);
    feed_count(feed, size);
}

static void may_read(struct feed *feed, struct feed_bag *bag, const struct feed_event *event)
{
    uint64_t last_seq = event->bag.last_seq;
    bag->subscribed = true;
    bag->newest = last_seq > bag->newest ? last_seq : bag->newest;
    if (bag->sent > bag->newest) {
        feed_end(feed, E_DIVERGED, "this machine holds changes of a bag that the server lacks");
    } else if (bag->sent < bag->newest) {
        feed_bag_to_behind(feed, bag);
    } else if (!may_tell(feed)) {
        feed_bag_to_ask(feed, bag);
    } else {
        bool known = event->bag.has_digest && last_seq == bag->sent;
        feed_bag_to_live(feed, bag, bag->sent);
        tell_complete(feed, bag, known ? &event->bag.digest : NULL);
    }
}

void feed_bag_answer(struct feed *feed, const struct feed_event *event)
{
    if (event->bag.bag_id != feed->asked_bag) {
        return;
    }
    feed->asked_bag = 0;
    feed->answered = true;
    struct feed_bag *bag = feed_bag_find(feed, event->bag.bag_id);
    bool is_asked = bag != NULL && bag->state == FEED_BAG_ASKED;
    if (!is_asked && event->bag.code == 0) {
        /* The client has changed its mind meanwhile. */
        feed_act(feed, FEED_DO_UNFOLLOW)->unfollow.bag_id = event->bag.bag_id;
    } else if (is_asked && event->bag.code == 0) {
        may_read(feed, bag, event);
    } else if (is_asked) {
        feed_bag_unsubscribe(feed, bag);
        feed_bag_to_tell(feed, bag, event->bag.code);
    }
}

bool feed_holds(const struct feed *feed, uint64_t bag_id)
{
    const struct feed_bag *bag = feed_bag_find(feed, bag_id);
    return bag != NULL && bag->subscribed &&
           (bag->state == FEED_BAG_LIVE ||
            (bag->state == FEED_BAG_BEHIND && !bag->started && bag->sent != 0));
}

void feed_want_copy(struct feed *feed, uint64_t bag_id)
{
    struct feed_bag *bag = feed_bag_find(feed, bag_id);
    if (bag != NULL && bag->subscribed) {
        feed_bag_unsubscribe(feed, bag);
        feed_bag_to_tell(feed, bag, E_BAG_WANTED);
    }
}

/* BAG as far as credit goes: why there is nothing to follow. */
void feed_tell_bags(struct feed *feed)
{
    struct feed_bag *bag;
    while (feed_may_begin(feed) && (bag = feed_line_first(feed, LINE_TELL)) != NULL) {
        struct buf *message = &feed->pool->message;
        int code = -(int)bag->code;
        buf_reset(message);
        wire_put_bag(message, feed->session, bag->id, code, bag->sent, err_meaning(code), NULL);
        if (buf_error(message) != 0) {
            feed->pool->failed = E_NOMEM;
            return;
        }
        if (!feed_may_send(feed, message->size)) {
            return;
        }
        (void)buf_append_span(feed_frame(feed), buf_span(message));
        feed_frame_end(feed);
        feed_count(feed, message->size);
        feed_bag_drop(feed, bag);
    }
}

/* --- turns --- */

static enum feed_line_name line_of_lane(int lane)
{
    static const enum feed_line_name lines[LANE_COUNT] = {
        [LANE_ORDINARY] = LINE_BEHIND, [LANE_URGENT] = LINE_URGENT, [LANE_FLEET] = LINE_FLEET};
    return lines[lane];
}

static bool lane_has_work(const struct feed *feed, int lane)
{
    return feed->lanes[lane].bag != IDMAP_NONE || feed_line_first(feed, line_of_lane(lane)) != NULL;
}

bool feed_has_room(const struct feed *feed)
{
    size_t least =
        feed->window < FEED_PAGE_BYTES ? (size_t)feed->window / 2 + 1 : FEED_PAGE_BYTES / 2;
    bool idle = feed->sent_bytes == feed->acknowledged_bytes;
    return feed->reading == READING_NONE && feed->list != LIST_ASKED && !feed->starved &&
           feed_may_begin(feed) && (idle || feed_credit(feed) >= least);
}

/* The lane to read for now, or READING_NONE: nothing to read, no credit, something is under way. A
 * sign-in's bags come first, then the fleet's; all others and the journal take turns. */
static int next_lane(const struct feed *feed)
{
    if (!feed_has_room(feed)) {
        return READING_NONE;
    }
    if (lane_has_work(feed, LANE_URGENT)) {
        return LANE_URGENT;
    }
    if (lane_has_work(feed, LANE_FLEET)) {
        return LANE_FLEET;
    }
    bool bags = lane_has_work(feed, LANE_ORDINARY);
    if (feed->mirror == MIRROR_DUE && (feed->mirror_next || !bags)) {
        return LANE_MIRROR;
    }
    return bags ? LANE_ORDINARY : READING_NONE;
}

void feed_want(struct feed *feed)
{
    int lane = next_lane(feed);
    if (lane == READING_NONE) {
        return;
    }
    enum feed_turn turn = lane == LANE_URGENT ? TURN_URGENT : TURN_WANTED;
    if (turn > feed->turn) {
        feed->turn = turn;
        feed_act(feed, FEED_DO_WANT_TURN)->turn.urgent = turn == TURN_URGENT;
    }
}

size_t feed_room_bytes(const struct feed *feed, size_t head_bytes, size_t max)
{
    size_t credit = feed_credit(feed);
    if (credit < head_bytes + PAGE_BYTES_MIN) {
        return PAGE_BYTES_MIN;
    }
    return credit - head_bytes < max ? credit - head_bytes : max;
}

void feed_take_turn(struct feed *feed)
{
    feed->turn = TURN_NONE;
    int number = next_lane(feed);
    if (number == READING_NONE) {
        return;
    }
    feed->mirror_next = number == LANE_ORDINARY;
    feed->reading = number;
    if (number == LANE_MIRROR) {
        feed_mirror_read(feed);
        return;
    }
    struct feed_lane *lane = &feed->lanes[number];
    if (lane->bag == IDMAP_NONE) {
        feed_bag_to_lane(feed, feed_line_first(feed, line_of_lane(number)), number);
    }
    const struct feed_bag *bag = feed_bag_at(feed, lane->bag);
    struct feed_action *action = feed_act(feed, FEED_DO_READ);
    action->read.bag_id = bag->id;
    action->read.since = bag->since;
    action->read.after = buf_span(&lane->after);
    action->read.budget_bytes = feed_room_bytes(feed, PAGE_HEAD_BYTES, FEED_PAGE_BYTES);
}

/* --- pages --- */

/* Does the page end what the client is sent? Only when the bag stood still under the round that it
 * ends, and the page's snapshot is not older than what was heard of the bag. */
static bool is_last(const struct feed_lane *lane, const struct feed_bag *bag,
                    const struct feed_page *page)
{
    return page->end && page->last_seq == lane->first_seq && page->last_seq >= bag->newest;
}

static int send_page(struct feed *feed, const struct feed_bag *bag, const struct feed_page *page,
                     bool last)
{
    struct buf *message = &feed->pool->message;
    uint64_t flags = (bag->started ? 0 : WIRE_PAGE_FIRST) | (last ? WIRE_PAGE_LAST : 0) |
                     (bag->whole ? WIRE_PAGE_WHOLE : 0);
    buf_reset(message);
    wire_begin_page(message, feed->session, bag->id, flags, bag->whole ? 0 : bag->sent,
                    page->last_seq, &page->position, page->row_count);
    (void)buf_append_span(message, page->rows);
    return feed_send_message(feed);
}

/* Where the bag goes after its page was sent. */
static void go_on(struct feed *feed, struct feed_lane *lane, struct feed_bag *bag,
                  const struct feed_page *page, bool last)
{
    if (last) {
        feed_bag_to_live(feed, bag, page->last_seq);
        if (page->has_digest && may_tell(feed)) { /* else it is compared another time */
            tell_complete(feed, bag, &page->digest);
        }
    } else if (page->end) {
        feed_bag_to_next_round(feed, bag, lane->first_seq);
    } else {
        buf_reset(&lane->after);
        if (buf_append_span(&lane->after, page->next) != 0) {
            feed->pool->failed = buf_error(&lane->after);
        }
    }
}

static void take_page(struct feed *feed, struct feed_lane *lane, struct feed_bag *bag,
                      const struct feed_page *page)
{
    if (!lane->begun) {
        lane->begun = true;
        lane->first_seq = page->last_seq;
    }
    bool last = is_last(lane, bag, page);
    if (last || page->row_count > 0) { /* an empty page in between tells nothing */
        int rc = send_page(feed, bag, page, last);
        if (rc == E_BUSY) {
            feed->starved = true;
            return;
        }
        if (rc != 0) {
            feed_end(feed, rc == E_TOO_LARGE ? E_IO : rc, "a page can't be sent");
            return;
        }
        bag->started = true;
    }
    go_on(feed, lane, bag, page, last);
}

/* The difference can't be told any more: what was sent of it is thrown away by the first page of
 * the whole bag. */
static void start_whole(struct feed *feed, struct feed_bag *bag)
{
    ASSERT(bag->since != 0);
    feed_bag_to_behind(feed, bag);
    bag->since = 0;
    bag->whole = true;
}

void feed_page(struct feed *feed, const struct feed_page *page)
{
    int reading = feed->reading;
    feed->reading = READING_NONE;
    if (reading < 0) {
        return; /* cancelled meanwhile */
    }
    ASSERT(reading < LANE_COUNT);
    struct feed_lane *lane = &feed->lanes[reading];
    struct feed_bag *bag = feed_bag_at(feed, lane->bag);
    ASSERT(bag->id == page->bag_id);
    ASSERT(page->next.size <= PATH_MAX_BYTES);
    if (page->code == E_BAG_GONE) {
        feed_bag_unsubscribe(feed, bag);
        feed_bag_to_tell(feed, bag, E_BAG_GONE);
    } else if (page->code != 0) {
        feed_end(feed, E_IO, "the server can't read a bag");
    } else if (page->whole) {
        start_whole(feed, bag);
    } else {
        take_page(feed, lane, bag, page);
    }
}
