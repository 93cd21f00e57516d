/* transport/feed_live.c - the changes of a batch, to a session that is caught up with their bags.
 *
 * Changes of a bag go out all or not at all: what does not follow what was sent, or does not fit
 * the credit, leaves its bag behind, to be paged.
 */
#include <stdlib.h>

#include "transport/feed_state.h"

enum { LIVE_HEAD_BYTES = 512 }; /* of the message and of the PART frames around it, at most */

static bool room_for_picks(struct feed_pool *pool, size_t count)
{
    if (count > pool->pick_capacity) {
        uint32_t *picks = realloc(pool->picks, count * sizeof *picks);
        if (picks == NULL) {
            pool->failed = E_NOMEM;
            return false;
        }
        pool->picks = picks;
        pool->pick_capacity = count;
    }
    return true;
}

/* Whether the change goes on where the session's sight of its bag ends. */
static bool pick(struct feed *feed, struct feed_bag *bag, const struct change *change)
{
    if (change->seq > bag->newest) {
        bag->newest = change->seq;
    }
    if (bag->state != FEED_BAG_LIVE || change->seq <= bag->sent) {
        return false;
    }
    if (bag->batch_bytes == 0 && change->prev != bag->sent) {
        feed_bag_to_behind(feed, bag);
        return false;
    }
    return true;
}

/* Changes of one bag mostly lie side by side: it is looked up once. */
static void pick_all(struct feed *feed, const struct feed_event *event)
{
    struct feed_bag *bag = NULL;
    for (size_t i = 0; i < event->committed.count; i++) {
        const struct change *change = event->committed.changes[i];
        if (bag == NULL || bag->id != change->bag_id) {
            bag = feed_bag_find(feed, change->bag_id);
        }
        feed->pool->picks[i] = IDMAP_NONE;
        if (bag != NULL && pick(feed, bag, change)) {
            feed->pool->picks[i] = idmap_number(&feed->bags, bag);
            bag->batch_bytes += (uint32_t)event->committed.encoded[i].size;
        }
    }
}

static size_t room(const struct feed *feed)
{
    size_t credit = feed_may_begin(feed) ? feed_credit(feed) : 0;
    size_t max = credit < FEED_LIVE_MAX ? credit : FEED_LIVE_MAX;
    return max < LIVE_HEAD_BYTES ? 0 : max - LIVE_HEAD_BYTES;
}

struct chosen {
    uint32_t count;
    size_t bytes;
};

/* Of the picked ones those whose bags fit, bag by bag as they come. */
static struct chosen choose(struct feed *feed, size_t count)
{
    size_t left = room(feed);
    struct chosen chosen = {0};
    for (size_t i = 0; i < count; i++) {
        uint32_t *number = &feed->pool->picks[i];
        if (*number == IDMAP_NONE) {
            continue;
        }
        struct feed_bag *bag = feed_bag_at(feed, *number);
        size_t bytes = bag->batch_bytes; /* 0: its bag was judged before */
        bag->batch_bytes = 0;
        if (bytes > left) {
            feed_bag_to_behind(feed, bag);
        }
        if (bag->state != FEED_BAG_LIVE) {
            *number = IDMAP_NONE;
            continue;
        }
        left -= bytes;
        chosen.count++;
        chosen.bytes += bytes;
    }
    return chosen;
}

/* What lies side by side in memory, as a batch does that was encoded in one go, is copied as one.
 */
static void put_chosen(struct feed *feed, const struct feed_event *event, struct buf *message)
{
    struct span run = {NULL, 0};
    for (size_t i = 0; i < event->committed.count; i++) {
        if (feed->pool->picks[i] == IDMAP_NONE) {
            continue;
        }
        struct span next = event->committed.encoded[i];
        if (run.size == 0 || run.data + run.size != next.data) {
            (void)buf_append_span(message, run);
            run = (struct span){next.data, 0};
        }
        run.size += next.size;
        feed_bag_at(feed, feed->pool->picks[i])->sent = event->committed.changes[i]->seq;
    }
    (void)buf_append_span(message, run);
}

/* One frame, for which there is credit: written where it is sent from. Most are. */
static void send_frame(struct feed *feed, const struct feed_event *event, struct chosen chosen)
{
    struct buf *out = feed_frame(feed);
    size_t before = out->size;
    wire_begin_live(out, feed->session, &event->committed.position, chosen.count);
    put_chosen(feed, event, out);
    size_t size = out->size - before;
    feed_frame_end(feed);
    feed_count(feed, size);
}

static void send_chosen(struct feed *feed, const struct feed_event *event, struct chosen chosen)
{
    if (chosen.bytes + LIVE_HEAD_BYTES <= WIRE_FRAME_MAX) {
        send_frame(feed, event, chosen);
        return;
    }
    struct buf *message = &feed->pool->message;
    buf_reset(message);
    wire_begin_live(message, feed->session, &event->committed.position, chosen.count);
    put_chosen(feed, event, message);
    int rc = feed_send_message(feed);
    if (rc != 0) {
        feed->pool->failed = rc;
    }
}

/* The deletion was sent, or it is told by BAG as soon as there is credit. */
static void drop_deleted(struct feed *feed, const struct feed_event *event)
{
    for (size_t i = 0; i < event->committed.count; i++) {
        const struct change *change = event->committed.changes[i];
        struct feed_bag *bag = NULL;
        if (change->kind == CHANGE_BAG_DELETE) {
            bag = feed_bag_find(feed, change->bag_id);
        }
        if (bag == NULL || !bag->subscribed) {
            continue;
        }
        if (feed->pool->picks[i] != IDMAP_NONE) {
            feed_bag_drop(feed, bag);
        } else {
            feed_bag_unsubscribe(feed, bag);
            feed_bag_to_tell(feed, bag, E_BAG_GONE);
        }
    }
}

void feed_live(struct feed *feed, const struct feed_event *event)
{
    size_t count = event->committed.count;
    feed_mirror_committed(feed);
    if (!room_for_picks(feed->pool, count)) {
        return;
    }
    pick_all(feed, event);
    struct chosen chosen = choose(feed, count);
    if (chosen.count > 0) {
        send_chosen(feed, event, chosen);
    }
    drop_deleted(feed, event);
}
