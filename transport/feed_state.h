/* transport/feed_state.h - what the files of the feed share; nobody else includes it.
 *
 * feed.c: the session, frames, answers. feed_send.c: the pool, actions, credit. feed_bags.c: the
 * bags that are followed and the lines they stand in. feed_live.c: live changes. feed_catchup.c:
 * FOLLOW, turns, pages. feed_list.c: which bags to keep. feed_mirror.c: the journal itself.
 */
#ifndef KITBAG_TRANSPORT_FEED_STATE_H
#define KITBAG_TRANSPORT_FEED_STATE_H

#include "transport/feed.h"
#include "transport/idmap.h"
#include "transport/parts.h"
#include "transport/unanswered.h"

/* --- bags --- */

enum feed_bag_state {
    FEED_BAG_ASK,    /* in LINE_ASK: it is to be asked whether the client may read it */
    FEED_BAG_ASKED,  /* DO_FOLLOW is out */
    FEED_BAG_TELL,   /* in LINE_TELL: BAG is owed, which says why it can't be followed */
    FEED_BAG_BEHIND, /* in LINE_BEHIND, _URGENT or _FLEET: its next round of pages is due */
    FEED_BAG_PAGING, /* in a lane: between the first and last page of a round */
    FEED_BAG_LIVE,   /* the client was sent all up to `sent` */
};

enum feed_line_name { LINE_ASK, LINE_TELL, LINE_BEHIND, LINE_URGENT, LINE_FLEET, LINE_COUNT };
/* LANE_MIRROR is none of a bag's: the journal is read. */
enum { LANE_ORDINARY, LANE_URGENT, LANE_FLEET, LANE_COUNT, LANE_MIRROR = LANE_COUNT };

struct feed_bag {
    uint64_t id;
    uint64_t sent;   /* the client's cursor once all that was sent has arrived */
    uint64_t newest; /* the newest change that is known to exist */
    uint64_t since;  /* of its next round */
    uint32_t next;   /* in its line: numbers of the idmap */
    uint32_t prev;
    uint32_t batch_bytes;          /* scratch of feed_live */
    enum feed_bag_state state : 8; /* small: a session has many bags */
    uint8_t code;                  /* TELL: positive number of base/err.h */
    bool urgent : 1;               /* a sign-in waits for it */
    bool fleet : 1;                /* it is the fleet's: read before all but a sign-in's */
    bool started : 1;              /* its first page was sent, its last was not */
    bool whole : 1;                /* the pages are the whole bag */
    bool subscribed : 1;           /* the caller hands us its changes */
};

struct feed_line {
    uint32_t first;
    uint32_t last;
};

/* Where one round of one bag has come to. */
struct feed_lane {
    uint32_t bag; /* IDMAP_NONE: the lane is free */
    bool begun;   /* the round's first page was read, under: */
    uint64_t first_seq;
    struct buf after; /* path to go on behind */
};

/* --- the feed --- */

enum feed_phase { FEED_FRESH, FEED_ASKED, FEED_OPEN, FEED_ENDED };
enum feed_turn { TURN_NONE, TURN_WANTED, TURN_URGENT };
enum { READING_NONE = -1, READING_CANCELLED = -2 }; /* else the lane's number */
enum feed_list { LIST_NONE, LIST_WANTED, LIST_ASKED };
enum feed_mirror {
    MIRROR_NONE,
    MIRROR_ASKED,   /* DO_MIRROR is out */
    MIRROR_DUE,     /* there is more of the journal to be read */
    MIRROR_WAITING, /* for the next batch, or for the answer to DO_READ_JOURNAL */
};

struct feed {
    struct feed_pool *pool;
    uint64_t session;
    uint64_t heartbeat_ms;
    size_t bags_max;
    enum feed_phase phase;
    bool began; /* the first step set the times */
    uint64_t heard_ms;
    uint64_t beat_ms; /* of the newest heartbeat, or of WELCOME */
    uint64_t head_seq;
    uint64_t fleet_bag;
    uint64_t newest_bag; /* told by the newest heartbeat */

    uint64_t window; /* credit */
    uint64_t sent_bytes;
    uint64_t acknowledged_bytes;
    uint64_t group_bytes; /* sent_bytes when the group of frames that is being sent began */
    uint32_t group_frames;
    bool held;           /* synchronization is stopped: no data message is begun */
    struct buf outgoing; /* one data message that waits for credit, charged to the budget */
    size_t outgoing_offset;
    uint64_t outgoing_since_ms;
    uint64_t in_since_ms; /* since when a message of the client is put together */
    uint64_t part_id;

    struct idmap bags; /* struct feed_bag */
    struct feed_line lines[LINE_COUNT];
    struct feed_lane lanes[LANE_COUNT];
    uint64_t asked_bag; /* of DO_FOLLOW, 0: none */
    bool answered;      /* the first FOLLOW was */
    int reading;
    enum feed_turn turn;
    bool starved;     /* no budget for a page: again at the next tick */
    uint64_t *urgent; /* bags of the newest sign-in that were not followed yet */
    size_t urgent_count;

    enum feed_list list;
    uint64_t list_after;
    bool list_again; /* the answer found no memory */
    enum feed_mirror mirror;
    bool mirror_next;    /* bags and the journal take turns */
    uint64_t mirror_seq; /* what was sent of the journal, or was there */

    struct parts_in in; /* charged to the budget */
    struct unanswered unanswered;
};

/* What a step works in. */
struct feed_pool {
    size_t bytes_max;
    size_t bytes_used;
    uint64_t now_ms; /* of this step */
    int failed;      /* memory ran out in this step */
    bool asked;      /* this step asked its question */
    struct feed_action *actions;
    size_t action_count;
    size_t action_capacity;
    struct feed_action spare; /* takes what finds no room */
    struct buf out;           /* the frames of all DO_SEND, one after the other */
    size_t frame_begin;
    struct buf message; /* a data message in the making */
    struct buf held;    /* an incoming message in parts that was completed, charged */
    struct unpacked scratch;
    uint32_t *picks; /* of feed_live */
    size_t pick_capacity;
    char text[ERR_TEXT_MAX]; /* of DO_CUT */
};

/* --- feed_send.c --- */

void feed_pool_begin(struct feed_pool *pool, uint64_t now_ms);
struct feed_actions feed_pool_finish(struct feed_pool *pool, struct feed *feed);
bool feed_pool_charge(struct feed_pool *pool, size_t bytes); /* false: the budget is used up */
void feed_pool_give_back(struct feed_pool *pool, size_t bytes);

/* One more action; never NULL. The second question of a step is a mistake (assertion). */
struct feed_action *feed_act(struct feed *feed, enum feed_action_kind kind);

/* A frame outside the credit: write one message into the buffer, then end it. */
struct buf *feed_frame(struct feed *feed);
void feed_frame_end(struct feed *feed);

/* ERROR (fatal) and DO_CUT; without_word: DO_CUT alone. The feed is ended. */
void feed_end(struct feed *feed, int code, const char *text);
void feed_end_without_word(struct feed *feed, int code, const char *text);

/* Bytes of a message that may be sent now; and whether one of `size` may: one that fits no window
 * at all may when nothing is outstanding. Frames are bounded too, however small they are: a group
 * of WIRE_CREDIT_FRAMES begins when all before the last one is acknowledged. */
size_t feed_credit(const struct feed *feed);
bool feed_may_send(const struct feed *feed, size_t size);
/* A data frame was sent. */
void feed_count(struct feed *feed, size_t frame_bytes);

/* The data message in pool->message (nothing must be outgoing): at once as far as credit goes, the
 * rest is kept. E_BUSY: it does not fit the budget; E_NOMEM, or the buffer's error; nothing was
 * sent. What the buffer holds afterwards is not told. */
MUST_CHECK int feed_send_message(struct feed *feed);
void feed_send_more(struct feed *feed); /* of what is outgoing */
bool feed_outgoing(const struct feed *feed);
/* May a data message be begun? Not before another, nor while synchronization is stopped. */
bool feed_may_begin(const struct feed *feed);
void feed_outgoing_drop(struct feed *feed);

/* --- feed_bags.c --- */

struct feed_bag *feed_bag_find(const struct feed *feed, uint64_t bag_id);
struct feed_bag *feed_bag_at(const struct feed *feed, uint32_t number);
void feed_lines_init(struct feed *feed);
struct feed_bag *feed_line_first(const struct feed *feed, enum feed_line_name line);

/* Takes the bag out of its line or lane, and into the state. */
void feed_bag_to_ask(struct feed *feed, struct feed_bag *bag);
void feed_bag_to_asked(struct feed *feed, struct feed_bag *bag);
void feed_bag_to_tell(struct feed *feed, struct feed_bag *bag, int code);
void feed_bag_to_behind(struct feed *feed, struct feed_bag *bag); /* from `sent`, from the start */
void feed_bag_to_next_round(struct feed *feed, struct feed_bag *bag, uint64_t since);
void feed_bag_to_lane(struct feed *feed, struct feed_bag *bag, int lane);
void feed_bag_to_live(struct feed *feed, struct feed_bag *bag, uint64_t sent);
/* Forgets it, DO_UNFOLLOW when it was subscribed. The pointer ends. */
void feed_bag_drop(struct feed *feed, struct feed_bag *bag);
void feed_bag_unsubscribe(struct feed *feed, struct feed_bag *bag);

/* --- feed_list.c --- */

void feed_list(struct feed *feed, uint64_t after);
void feed_list_ask(struct feed *feed); /* DO_LIST, when it was asked for and there is room */
void feed_listed(struct feed *feed, const struct feed_event *event);

/* --- feed_mirror.c --- */

void feed_mirror(struct feed *feed, const struct wire_mirror *mirror);
void feed_mirroring(struct feed *feed, const struct feed_event *event);
void feed_mirror_read(struct feed *feed);
void feed_batches(struct feed *feed, const struct feed_batches *batches);
void feed_mirror_committed(struct feed *feed);

/* --- feed_live.c --- */

void feed_live(struct feed *feed, const struct feed_event *event);

/* --- feed_catchup.c --- */

void feed_follow(struct feed *feed, const struct wire_list *bags);
void feed_unfollow(struct feed *feed, const struct wire_list *bags);
void feed_bag_answer(struct feed *feed, const struct feed_event *event);
void feed_take_turn(struct feed *feed);
/* May something long be read for the client now? There is credit, and nothing else is under way. */
bool feed_has_room(const struct feed *feed);
size_t feed_room_bytes(const struct feed *feed, size_t head_bytes, size_t max);
void feed_page(struct feed *feed, const struct feed_page *page);
void feed_expect_bags(struct feed *feed, const struct bag_row *bags, size_t count); /* urgent */
void feed_want_copy(struct feed *feed, uint64_t bag_id);
void feed_tell_bags(struct feed *feed);
void feed_ask(struct feed *feed);  /* the next DO_FOLLOW, when there is one to ask */
void feed_want(struct feed *feed); /* DO_WANT_TURN, when there is something to read */

#endif
