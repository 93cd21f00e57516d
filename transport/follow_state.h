/* transport/follow_state.h - what the files of the follower share; nobody else includes it.
 *
 * follow.c: events and frames. follow_connect.c: phases, connecting again, silence. follow_send.c:
 * actions, frames out, parts, credit. follow_bags.c: bags, live changes, pages. follow_ops.c:
 * operations and their outcomes. follow_mirror.c: which bags to keep, and the journal itself.
 */
#ifndef KITBAG_TRANSPORT_FOLLOW_STATE_H
#define KITBAG_TRANSPORT_FOLLOW_STATE_H

#include "transport/follow.h"
#include "transport/idmap.h"
#include "transport/parts.h"
#include "transport/unanswered.h"

enum follow_bag_state {
    FOLLOW_BAG_ASKED,  /* FOLLOW was sent: what comes before its answer is of an older one */
    FOLLOW_BAG_PAGING, /* between the first and the last page */
    FOLLOW_BAG_LIVE,
};

struct follow_bag {
    uint64_t id;
    uint64_t cursor;  /* of the replica */
    uint64_t pending; /* the cursor once the LIVE message in hand is applied */
    enum follow_bag_state state : 8;
    bool touched : 1; /* by the LIVE message in hand */
    bool gap : 1;     /* which does not fit it */
};

/* A change of the LIVE message in hand that fits, as far as was seen. */
struct follow_taken {
    const msgpack_object *change;
    uint32_t bag; /* number in the table */
    bool deletes; /* it is the bag's last */
};

struct follow {
    struct follow_options options;
    uint64_t random;
    enum follow_phase phase;
    uint64_t now_ms; /* of this step */

    size_t address; /* connecting */
    unsigned attempts;
    uint64_t retry_at_ms;
    uint64_t deadline_ms; /* of CONNECTING and GREETING */
    uint64_t opened_ms;
    uint64_t heard_ms;
    uint64_t beat_ms; /* of the newest heartbeat, or of WELCOME */

    uint64_t session;
    uint64_t heartbeat_ms;
    uint64_t window; /* credit */
    uint64_t received_bytes;
    uint64_t credited_bytes;
    uint64_t worked_off_frames; /* since the last CREDIT */
    uint64_t frame_bytes;       /* of the data frame in hand, counted when it is worked off */
    uint64_t head_seq;
    uint64_t position_seq; /* what the replica has applied */
    uint64_t current_seq;  /* what is followed is complete to here, by the server's word */
    enum wire_state server_state;

    struct idmap bags;          /* struct follow_bag */
    uint64_t fleet_bag;         /* of the server */
    bool fleet_complete;        /* in this session: others may be followed */
    struct wire_bag *to_follow; /* sent at the end of the step, or when the fleet is complete */
    size_t to_follow_count;
    size_t to_follow_capacity;
    struct follow_taken *taken;
    size_t taken_count;
    size_t taken_capacity;
    msgpack_object *changes; /* that are handed on */
    size_t changes_capacity;
    msgpack_object changes_array;
    uint64_t page_bag; /* of DO_PAGE */
    uint64_t page_cursor;
    bool page_last;
    uint64_t applying_seq; /* the position after DO_LIVE or the last DO_PAGE */

    bool listing;        /* LIST is out */
    bool mirror_asked;   /* MIRROR is out */
    bool mirroring;      /* and was answered: BATCHES come */
    uint64_t newest_bag; /* heartbeats: heard */
    uint64_t healed;     /* told */

    uint64_t ops_last; /* operations: of the outbox */
    uint64_t ops_confirmed;
    uint64_t ops_done;     /* outcomes up to here were handed on */
    uint64_t ops_next;     /* to be sent */
    size_t ops_need_bytes; /* of the next one, which waits for room in the window */
    bool ops_drained;      /* the outbox gave none */
    bool ops_deferred;     /* from ops_next on: sent again at: */
    uint64_t ops_resume_ms;
    uint64_t ops_pause_ms;
    struct unanswered unanswered;

    struct parts_in in;
    bool in_counts; /* its PART frames count for credit */
    uint64_t part_id;

    enum follow_action_kind question; /* asked and not answered, when is_asked */
    bool is_asked;
    int failed; /* memory ran out in this step */
    struct follow_action *actions;
    size_t action_count;
    size_t action_capacity;
    struct follow_action spare;
    struct buf out; /* the frames of all DO_SEND, one after the other */
    size_t frame_begin;
    struct buf message;
    struct buf texts; /* sentences of the message in hand, NUL-ended */
    struct unpacked scratch;
};

/* --- follow_send.c --- */

void follow_begin(struct follow *follow, uint64_t now_ms);
struct follow_actions follow_finish(struct follow *follow);
struct follow_action *follow_act(struct follow *follow, enum follow_action_kind kind);
/* A question: nothing else is asked in this step. */
struct follow_action *follow_ask(struct follow *follow, enum follow_action_kind kind);
struct buf *follow_frame(struct follow *follow);
void follow_frame_end(struct follow *follow);
/* A whole message, in parts when it is longer than a frame. */
void follow_send(struct follow *follow, struct span message);
/* A data frame is done with; 0: it was none. */
void follow_worked_off(struct follow *follow, uint64_t frame_bytes);
void follow_give_credit(struct follow *follow, bool all);
/* A NUL-ended copy, until the next step; room for all sentences of a message is kept before. */
bool follow_texts_begin(struct follow *follow, size_t message_bytes);
const char *follow_text(struct follow *follow, struct span text);
int follow_code(uint64_t number); /* of the wire -> 0 or negative */

/* --- follow_connect.c --- */

void follow_tell_status(struct follow *follow, int code, const char *text);
void follow_start(struct follow *follow);
void follow_stop(struct follow *follow);
void follow_connection(struct follow *follow, const struct follow_event *event); /* UP, DOWN */
void follow_greet(struct follow *follow); /* to say HELLO, for the first time or again */
void follow_tick(struct follow *follow);
void follow_forget_session(struct follow *follow);
/* The session is lost, or was refused: what to do about it. `told`: the server said so. */
void follow_lose(struct follow *follow, int code, const char *text, bool told);

/* --- follow_bags.c --- */

void follow_bags(struct follow *follow, const struct wire_bag *list, size_t count);
void follow_forget(struct follow *follow, uint64_t bag_id);
void follow_live(struct follow *follow, const struct wire_message *message);
void follow_page(struct follow *follow, const struct wire_message *message);
void follow_bag_told(struct follow *follow, const struct wire_message *message);
void follow_applied(struct follow *follow, const struct follow_event *event);
void follow_send_wanted(struct follow *follow); /* FOLLOW of all that is to be followed (again) */

/* --- follow_mirror.c --- */

void follow_list(struct follow *follow, uint64_t after);
void follow_owners(struct follow *follow, const struct wire_message *message);
void follow_mirror(struct follow *follow, const struct wire_mirror *mirror);
void follow_mirroring(struct follow *follow, const struct wire_message *message);
void follow_batches(struct follow *follow, const struct wire_message *message);

/* --- follow_ops.c --- */

void follow_ops_open(struct follow *follow); /* a session begins */
void follow_ops(struct follow *follow, uint64_t last, uint64_t confirmed);
void follow_ops_read(struct follow *follow, const struct follow_event *event);
void follow_outcomes(struct follow *follow, const struct wire_message *message);
void follow_ops_running(struct follow *follow); /* the server takes writes again */
void follow_ops_more(struct follow *follow);    /* DO_READ_OPS, when some are to be sent */
uint64_t follow_ops_tick(const struct follow *follow);
uint64_t follow_ops_waiting(const struct follow *follow); /* without an outcome */

#endif
