/* tests/transport/toy_hostile.h - the toy world's machine that means no good: it says what comes to
 * its mind, says it again, takes no answers and grants the credit it likes.
 *
 * It has a session of its own, which is judged here.
 */
#ifndef KITBAG_TESTS_TRANSPORT_TOY_HOSTILE_H
#define KITBAG_TESTS_TRANSPORT_TOY_HOSTILE_H

#include "tests/transport/toy_client.h"
#include "transport/feed_state.h"

enum {
    HOSTILE_CLIENT = TOY_CLIENTS, /* no machine of the world's */
    HOSTILE_KEPT = 8,
    HOSTILE_BAGS_MAX = 64,
    /* of memory: the feed, its table of bags, a path for each lane, what is unanswered */
    HOSTILE_FEED_BYTES = 32768,
};

struct toy_hostile {
    int session; /* TOY_NOBODY: not connected */
    uint64_t window;
    uint64_t data_bytes;           /* that were sent to it in this session */
    struct buf kept[HOSTILE_KEPT]; /* what it said, to say it again */
    size_t said;
    unsigned sessions;
    unsigned cut;
    unsigned frames;
};

static inline void hostile_end(struct toy_hostile *hostile)
{
    for (size_t i = 0; i < HOSTILE_KEPT; i++) {
        buf_free(&hostile->kept[i]);
    }
}

static inline struct buf *hostile_words(struct toy_hostile *hostile)
{
    struct buf *words = &hostile->kept[hostile->said++ % HOSTILE_KEPT];
    buf_free(words);
    buf_init(words, WIRE_MESSAGE_MAX);
    return words;
}

static inline void hostile_say(struct toy *toy, struct toy_hostile *hostile,
                               const struct buf *words)
{
    assert_int_equal(buf_error(words), 0);
    if (words->size > 0 && words->size <= WIRE_FRAME_MAX) {
        toy_push(&toy->sessions[hostile->session].up, buf_span(words));
        hostile->frames++;
    }
}

static inline void hostile_connect(struct toy *toy, struct toy_hostile *hostile)
{
    static const uint64_t windows[] = {0, 1, 900, 70000, UINT64_MAX};
    hostile->session = toy_free_session(toy);
    hostile->window = windows[toy_below(toy, sizeof windows / sizeof *windows)];
    hostile->data_bytes = 0;
    hostile->sessions++;
    struct toy_session *session = &toy->sessions[hostile->session];
    struct feed_options options = {
        .session = ++toy->last_session,
        .heartbeat_ms = TOY_HEARTBEAT_MS,
        .bags_max = HOSTILE_BAGS_MAX,
        .pool = toy->pool,
    };
    *session = (struct toy_session){.used = true, .attached = true, .client = HOSTILE_CLIENT};
    assert_int_equal(feed_new(&session->feed, &options), 0);
    struct wire_hello hello = {
        .version = WIRE_VERSION, .device = 99, .writer = 9999, .window = hostile->window};
    struct buf *words = hostile_words(hostile);
    wire_put_hello(words, &hello);
    hostile_say(toy, hostile, words);
}

static inline void hostile_follow(struct toy *toy, struct buf *words, uint64_t number)
{
    struct wire_bag bags[40];
    size_t count = 1 + toy_below(toy, 40);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = toy->bags[toy_below(toy, TOY_BAGS)].id;
        bags[i].bag_id = id != 0 && toy_below(toy, 4) != 0 ? id : 100000 + toy_below(toy, 200);
        bags[i].cursor = toy_below(toy, 3) == 0 ? 0 : toy_below(toy, (size_t)toy->head + 3);
    }
    wire_put_follow(words, number, bags, count);
}

/* Something that has the shape of a message. */
static inline void hostile_invent(struct toy *toy, struct toy_hostile *hostile, struct buf *words)
{
    const struct feed *feed = toy->sessions[hostile->session].feed;
    uint64_t number = toy_below(toy, 30) == 0 ? 1 : feed_session(feed);
    struct wire_mirror mirror = {.seq = toy_below(toy, (size_t)toy->head + 1)};
    struct wire_part part = {3, 100000, toy_below(toy, 2) * WIRE_PART_BYTES, {NULL, 0}};
    uint64_t bag_id = toy->bags[toy_below(toy, TOY_BAGS)].id;
    uint64_t credit;
    switch (toy_below(toy, 9)) {
    case 0:
        wire_put_list(words, number, toy_below(toy, (size_t)toy->head + 9));
        break;
    case 1:
        wire_put_mirror(words, number, &mirror);
        break;
    case 2: /* what it got, less, or more */
        credit = hostile->data_bytes + toy_below(toy, 3) - 1;
        wire_put_credit(words, number, credit);
        break;
    case 3:
        wire_put_unfollow(words, number, &bag_id, 1);
        break;
    case 4:
        wire_put_sign_in(words, number, 1, SPAN_LITERAL("user0"), NULL, 0, bag_id);
        break;
    case 5:
        part.bytes = toy_value(1, WIRE_PART_BYTES - (uint32_t)(part.offset / 2));
        part.bytes.size = part.offset == 0 ? WIRE_PART_BYTES : 100000 - WIRE_PART_BYTES;
        wire_put_part(words, number, &part);
        break;
    case 6: /* bytes that are none */
        (void)buf_append_span(words, toy_value(toy_draw(toy), 8 + (uint32_t)toy_below(toy, 99)));
        break;
    default:
        hostile_follow(toy, words, number);
        break;
    }
}

/* What came for it: counted, and thrown away. */
static inline void hostile_take(struct toy *toy, struct toy_hostile *hostile)
{
    struct toy_queue *down = &toy->sessions[hostile->session].down;
    while (down->count > 0) {
        struct span frame = toy_pop(down);
        unsigned type = parts_type(frame);
        bool counts = type == WIRE_LIVE || type == WIRE_PAGE || type == WIRE_BAG ||
                      type == WIRE_OWNERS || type == WIRE_BATCHES || type == WIRE_PART;
        hostile->data_bytes += counts ? frame.size : 0;
        free((void *)(uintptr_t)frame.data);
    }
}

/* Whatever it does, it has its share and no more: of memory, of bags, and of what is on its way
 * (its window, or one frame that does not fit that). */
static inline void hostile_judge(const struct feed *feed)
{
    uint64_t most = feed->window > WIRE_FRAME_MAX ? feed->window : WIRE_FRAME_MAX;
    assert_true(feed->sent_bytes - feed->acknowledged_bytes <= most);
    assert_true(feed_bytes(feed) <= HOSTILE_FEED_BYTES + 2 * WIRE_MESSAGE_MAX);
    assert_true(feed_bags(feed) <= HOSTILE_BAGS_MAX);
}

/* One step of its: connect, invent, or say something again; once in a while honest credit. */
static inline void hostile_step(struct toy *toy, struct toy_hostile *hostile)
{
    if (hostile->session == TOY_NOBODY) {
        hostile_connect(toy, hostile);
        return;
    }
    struct toy_session *session = &toy->sessions[hostile->session];
    hostile_take(toy, hostile);
    if (session->feed == NULL || toy_below(toy, 100) == 0) {
        hostile->cut += session->feed == NULL;
        session->attached = false;
        toy_drop_behind(&session->up, 0);
        hostile->session = TOY_NOBODY;
        return;
    }
    hostile_judge(session->feed);
    if (session->up.count > 0) {
        toy_arrive_up(toy, hostile->session);
    } else if (toy_below(toy, 3) == 0) {
        hostile_say(toy, hostile, &hostile->kept[toy_below(toy, HOSTILE_KEPT)]);
    } else if (feed_open(session->feed) && toy_below(toy, 4) == 0) {
        struct buf credit;
        buf_init(&credit, 100);
        wire_put_credit(&credit, feed_session(session->feed), hostile->data_bytes);
        hostile_say(toy, hostile, &credit);
        buf_free(&credit);
    } else {
        struct buf *words = hostile_words(hostile);
        hostile_invent(toy, hostile, words);
        hostile_say(toy, hostile, words);
    }
}

#endif
