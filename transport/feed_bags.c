/* transport/feed_bags.c - the bags that a session follows: each stands in one line or lane, or
 * none.
 *
 * Lines are doubly linked through the items of the table, by number.
 */
#include "transport/feed_state.h"

struct feed_bag *feed_bag_find(const struct feed *feed, uint64_t bag_id)
{
    return idmap_find(&feed->bags, bag_id);
}

struct feed_bag *feed_bag_at(const struct feed *feed, uint32_t number)
{
    return idmap_at(&feed->bags, number);
}

void feed_lines_init(struct feed *feed)
{
    for (int i = 0; i < LINE_COUNT; i++) {
        feed->lines[i] = (struct feed_line){IDMAP_NONE, IDMAP_NONE};
    }
    for (int i = 0; i < LANE_COUNT; i++) {
        feed->lanes[i].bag = IDMAP_NONE;
        buf_init(&feed->lanes[i].after, PATH_MAX_BYTES);
    }
    feed->reading = READING_NONE;
}

struct feed_bag *feed_line_first(const struct feed *feed, enum feed_line_name line)
{
    uint32_t first = feed->lines[line].first;
    return first == IDMAP_NONE ? NULL : feed_bag_at(feed, first);
}

static enum feed_line_name line_of(const struct feed_bag *bag)
{
    switch (bag->state) {
    case FEED_BAG_ASK:
        return LINE_ASK;
    case FEED_BAG_TELL:
        return LINE_TELL;
    case FEED_BAG_BEHIND:
        if (bag->urgent) {
            return LINE_URGENT;
        }
        return bag->fleet ? LINE_FLEET : LINE_BEHIND;
    case FEED_BAG_ASKED:
    case FEED_BAG_PAGING:
    case FEED_BAG_LIVE:
    default:
        return LINE_COUNT;
    }
}

/* Into the line of its state, at the end. */
static void enter(struct feed *feed, struct feed_bag *bag)
{
    enum feed_line_name name = line_of(bag);
    if (name == LINE_COUNT) {
        return;
    }
    struct feed_line *line = &feed->lines[name];
    uint32_t number = idmap_number(&feed->bags, bag);
    bag->prev = line->last;
    bag->next = IDMAP_NONE;
    if (line->last == IDMAP_NONE) {
        line->first = number;
    } else {
        feed_bag_at(feed, line->last)->next = number;
    }
    line->last = number;
}

static void leave_line(struct feed *feed, struct feed_bag *bag, struct feed_line *line)
{
    if (bag->prev == IDMAP_NONE) {
        line->first = bag->next;
    } else {
        feed_bag_at(feed, bag->prev)->next = bag->next;
    }
    if (bag->next == IDMAP_NONE) {
        line->last = bag->prev;
    } else {
        feed_bag_at(feed, bag->next)->prev = bag->prev;
    }
}

/* The page that is being read for the lane, if any, is of no use any more. */
static void leave_lane(struct feed *feed, struct feed_bag *bag)
{
    uint32_t number = idmap_number(&feed->bags, bag);
    for (int i = 0; i < LANE_COUNT; i++) {
        struct feed_lane *lane = &feed->lanes[i];
        if (lane->bag == number) {
            lane->bag = IDMAP_NONE;
            lane->begun = false;
            buf_free(&lane->after);
            if (feed->reading == i) {
                feed->reading = READING_CANCELLED;
            }
        }
    }
}

static void leave(struct feed *feed, struct feed_bag *bag)
{
    enum feed_line_name name = line_of(bag);
    if (name != LINE_COUNT) {
        leave_line(feed, bag, &feed->lines[name]);
    } else if (bag->state == FEED_BAG_PAGING) {
        leave_lane(feed, bag);
    }
}

static void go_to(struct feed *feed, struct feed_bag *bag, enum feed_bag_state state)
{
    leave(feed, bag);
    bag->state = state;
    enter(feed, bag);
}

void feed_bag_to_ask(struct feed *feed, struct feed_bag *bag)
{
    go_to(feed, bag, FEED_BAG_ASK);
}

void feed_bag_to_asked(struct feed *feed, struct feed_bag *bag)
{
    go_to(feed, bag, FEED_BAG_ASKED);
}

void feed_bag_to_tell(struct feed *feed, struct feed_bag *bag, int code)
{
    go_to(feed, bag, FEED_BAG_TELL);
    bag->code = (uint8_t)-code;
}

void feed_bag_to_behind(struct feed *feed, struct feed_bag *bag)
{
    go_to(feed, bag, FEED_BAG_BEHIND);
    bag->since = bag->sent;
    bag->whole = bag->sent == 0;
    bag->started = false;
}

void feed_bag_to_next_round(struct feed *feed, struct feed_bag *bag, uint64_t since)
{
    go_to(feed, bag, FEED_BAG_BEHIND);
    bag->since = since;
}

void feed_bag_to_lane(struct feed *feed, struct feed_bag *bag, int lane)
{
    ASSERT(feed->lanes[lane].bag == IDMAP_NONE);
    go_to(feed, bag, FEED_BAG_PAGING);
    feed->lanes[lane].bag = idmap_number(&feed->bags, bag);
}

void feed_bag_to_live(struct feed *feed, struct feed_bag *bag, uint64_t sent)
{
    go_to(feed, bag, FEED_BAG_LIVE);
    bag->sent = sent;
    bag->newest = bag->newest < sent ? sent : bag->newest;
    bag->urgent = false;
}

void feed_bag_unsubscribe(struct feed *feed, struct feed_bag *bag)
{
    if (bag->subscribed) {
        feed_act(feed, FEED_DO_UNFOLLOW)->unfollow.bag_id = bag->id;
        bag->subscribed = false;
    }
}

void feed_bag_drop(struct feed *feed, struct feed_bag *bag)
{
    feed_bag_unsubscribe(feed, bag);
    leave(feed, bag);
    idmap_remove(&feed->bags, bag->id);
}
