/* transport/feed_list.c - LIST: which bags a device is to keep beside those of its own people.
 *
 * One question of the client at a time, one message per answer: what it does not take is read again
 * when there is room, and nothing is kept here.
 */
#include "transport/feed_state.h"

void feed_list(struct feed *feed, uint64_t after)
{
    if (feed->list != LIST_NONE) {
        feed_end(feed, E_QUOTA, "a LIST came before the one before it was answered");
        return;
    }
    feed->list = LIST_WANTED;
    feed->list_after = after;
    feed->list_again = false;
}

void feed_list_ask(struct feed *feed)
{
    if (feed->list == LIST_WANTED && !feed->pool->asked && feed_has_room(feed)) {
        feed->list = LIST_ASKED;
        struct feed_action *action = feed_act(feed, FEED_DO_LIST);
        action->list.after = feed->list_after;
        action->list.again = feed->list_again;
    }
}

void feed_listed(struct feed *feed, const struct feed_event *event)
{
    ASSERT(event->listed.count <= WIRE_OWNERS_MAX);
    if (feed->list != LIST_ASKED) {
        return;
    }
    struct buf *message = &feed->pool->message;
    buf_reset(message);
    wire_put_owners(message, feed->session, event->listed.code, event->listed.end,
                    event->listed.bags, event->listed.count);
    int rc = feed_send_message(feed);
    feed->list = LIST_NONE;
    if (rc == E_BUSY) {
        feed->list = LIST_WANTED;
        feed->list_again = true;
        feed->starved = true;
    } else if (rc != 0) {
        feed->pool->failed = rc;
    }
}
