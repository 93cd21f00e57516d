/* transport/feed_mirror.c - the journal, verbatim, to a device that may have all of it.
 *
 * Nothing is kept here but the seq that was sent last: batches are read when there is credit and a
 * turn, and read again when they could not be sent.
 */
#include "transport/feed_state.h"

enum { BATCHES_HEAD_BYTES = 64 };

void feed_mirror(struct feed *feed, const struct wire_mirror *mirror)
{
    if (feed->mirror != MIRROR_NONE) {
        feed_end(feed, E_MALFORMED, "MIRROR came while the journal is sent already");
        return;
    }
    feed->mirror = MIRROR_ASKED;
    feed->mirror_seq = mirror->seq;
    feed_act(feed, FEED_DO_MIRROR)->mirror = *mirror;
}

static void tell(struct feed *feed, int code, uint64_t floor_seq, const char *text)
{
    feed->mirror = code == 0 ? MIRROR_DUE : MIRROR_NONE;
    wire_put_mirroring(feed_frame(feed), feed->session, code, floor_seq, text);
    feed_frame_end(feed);
}

void feed_mirroring(struct feed *feed, const struct feed_event *event)
{
    if (feed->mirror == MIRROR_ASKED) {
        tell(feed, event->mirroring.code, event->mirroring.floor_seq, event->mirroring.text);
    }
}

void feed_mirror_committed(struct feed *feed)
{
    if (feed->mirror == MIRROR_WAITING) {
        feed->mirror = MIRROR_DUE;
    }
}

void feed_mirror_read(struct feed *feed)
{
    ASSERT(feed->mirror == MIRROR_DUE);
    feed->mirror = MIRROR_WAITING; /* a batch that comes before the answer makes it due again */
    struct feed_action *action = feed_act(feed, FEED_DO_READ_JOURNAL);
    action->read_journal.after_seq = feed->mirror_seq;
    action->read_journal.budget_bytes =
        feed_room_bytes(feed, BATCHES_HEAD_BYTES, FEED_BATCHES_BYTES);
}

static void send_batches(struct feed *feed, const struct feed_batches *batches)
{
    struct buf *message = &feed->pool->message;
    ASSERT(batches->last_seq > feed->mirror_seq);
    buf_reset(message);
    wire_put_batches(message, feed->session, batches->head_seq, batches->bytes);
    int rc = feed_send_message(feed);
    if (rc == E_BUSY) {
        feed->starved = true;
        feed->mirror = MIRROR_DUE;
    } else if (rc != 0) {
        feed_end(feed, rc == E_TOO_LARGE ? E_IO : rc, "a batch of the journal can't be sent");
    } else {
        feed->mirror_seq = batches->last_seq;
    }
}

void feed_batches(struct feed *feed, const struct feed_batches *batches)
{
    if (feed->reading != LANE_MIRROR) {
        return;
    }
    feed->reading = READING_NONE;
    if (batches->code == E_TOO_OLD) {
        tell(feed, E_TOO_OLD, batches->floor_seq, batches->text);
        return;
    }
    if (batches->code != 0) {
        feed_end(feed, E_IO, "the server can't read its journal");
        return;
    }
    if (!batches->end) {
        feed->mirror = MIRROR_DUE;
    }
    if (batches->bytes.size > 0) {
        send_batches(feed, batches);
    }
}
