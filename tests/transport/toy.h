/* tests/transport/toy.h - a toy world: one server and some machines in memory, joined by feeds and
 * followers.
 *
 * The server's bags have TOY_PATHS items at most, a value is a number and a size. Every change is
 * kept, so that what a bag held at any seq can be told and compared with what a replica holds at
 * its cursor. toy_server.h and toy_client.h carry out the actions of the two sides.
 */
#ifndef KITBAG_TESTS_TRANSPORT_TOY_H
#define KITBAG_TESTS_TRANSPORT_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/digest.h"
#include "tests/transport/trace.h"

enum {
    TOY_CLIENTS = 4,
    TOY_USERS = 4,
    TOY_FLEET = 4, /* whose the fleet's bag is: nobody's */
    TOY_PATHS = 12,
    TOY_BAGS = 64,
    TOY_CHANGES = 8192,
    TOY_SESSIONS = 64,
    TOY_QUEUE = 4096,
    TOY_OPS = 1024,
    TOY_HEARTBEAT_MS = 2000,
    TOY_NOBODY = -1,
};

struct toy_item {
    uint64_t seq;
    bool live;
    uint64_t stamp; /* what the value is */
    uint32_t size;
};

struct toy_bag {
    uint64_t id; /* 0: none */
    int user;    /* whose */
    bool exists;
    uint64_t last_seq;
    uint64_t purged_to;
    struct toy_item items[TOY_PATHS];
};

struct toy_change {
    uint64_t seq;
    uint64_t prev;
    uint64_t bag_id;
    enum change_kind kind;
    int path;
    uint64_t stamp;
    uint32_t size;
};

struct toy_queue {
    uint8_t *frames[TOY_QUEUE];
    size_t sizes[TOY_QUEUE];
    size_t first;
    size_t count;
};

/* A connection, and the feed at its server end. */
struct toy_session {
    bool used;
    bool attached; /* the client has this end still */
    bool closing;  /* the server has cut: what is on the way may arrive */
    int client;
    struct feed *feed;
    uint64_t writer;
    struct toy_queue up;
    struct toy_queue down;
    bool wants_turn;
    bool subscribed[TOY_BAGS];
    bool owes_bag; /* answers that are given later: FEED_BAG, FEED_PAGE */
    bool owes_page;
    bool mirrors;
    bool holds_back; /* all of these answers */
    uint64_t asked_bag;
    struct feed_action asked_page;
    uint8_t after[PATH_MAX_BYTES];
};

struct toy_op {
    uint64_t bag_id;
    int path;
    bool remove;
    uint64_t stamp;
    uint32_t size;
    bool settled;
};

/* An operation that the server has taken in and not yet judged. */
struct toy_pending {
    int session;
    uint64_t session_number;
    uint64_t writer;
    uint64_t number;
    struct toy_op op;
};

struct toy_writer {
    uint64_t id;
    uint64_t highest;
    uint64_t seqs[TOY_OPS + 1];
    int codes[TOY_OPS + 1];
};

struct toy_replica {
    uint64_t id; /* 0: none */
    uint64_t cursor;
    bool damaged; /* it holds what was never written, and does not know it */
    struct toy_item items[TOY_PATHS];
    bool staging;
    struct toy_item staged[TOY_PATHS];
};

struct toy_client {
    struct follow *follow;
    int session; /* TOY_NOBODY: not connected */
    bool connecting;
    bool joined;
    uint64_t window;
    uint64_t position;
    struct toy_replica bags[TOY_BAGS];
    bool signed_in[TOY_USERS];
    bool to_follow; /* replicas that were added since FOLLOW_BAGS */
    bool to_tell_ops;
    uint64_t writer;
    struct toy_op ops[TOY_OPS];
    size_t op_count;
    uint64_t first_op; /* index of operation number 1 under this writer */
    uint64_t confirmed;
    enum follow_phase phase;
    int why;
    uint64_t retry_at_ms;
    bool writer_lost;
    bool fleet_complete; /* in this session */
    bool keeps;          /* everybody's bags */
    bool to_list;
    bool listing;
    uint64_t listed_to;
    uint64_t listed_newest; /* what the server had said when it was asked */
    bool mirrors;
    bool to_mirror;
    uint64_t mirror_first; /* of the copy's changes; 0: it holds none */
    uint64_t mirror_seq;
    unsigned mirrored;
    unsigned too_old;
    unsigned healed;
    unsigned compared;
    unsigned renumbered;
    unsigned applied_pages;
    unsigned applied_lives;
    unsigned outcomes;
    unsigned deferrals;
};

struct toy {
    uint64_t random;
    bool chaos; /* answers come late, replicas fail, versions of a page are old */
    uint64_t now_ms;
    struct buf *trace; /* NULL: none */
    struct feed_pool *pool;
    enum wire_state state;
    uint64_t head;
    struct toy_bag bags[TOY_BAGS];
    struct toy_change changes[TOY_CHANGES];
    uint64_t floor; /* the journal's oldest change */
    uint64_t fleet; /* the fleet's bag, 0: none */
    struct toy_session sessions[TOY_SESSIONS];
    struct toy_client clients[TOY_CLIENTS];
    struct toy_pending pending[TOY_OPS];
    size_t pending_count;
    struct toy_writer writers[64];
    size_t writer_count;
    uint64_t last_session;
    uint64_t last_stamp;
    uint64_t page_bytes_max; /* 0: as asked */
};

static inline uint64_t toy_draw(struct toy *toy)
{
    uint64_t z = toy->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline size_t toy_below(struct toy *toy, size_t limit)
{
    return (size_t)(toy_draw(toy) % limit);
}

/* One in `n`, in a chaotic world only. */
static inline bool toy_chance(struct toy *toy, size_t n)
{
    return toy->chaos && toy_below(toy, n) == 0;
}

static inline void toy_push(struct toy_queue *queue, struct span bytes)
{
    assert_true(queue->count < TOY_QUEUE);
    size_t at = (queue->first + queue->count++) % TOY_QUEUE;
    queue->frames[at] = malloc(bytes.size + 1);
    assert_non_null(queue->frames[at]);
    memcpy(queue->frames[at], bytes.data, bytes.size);
    queue->sizes[at] = bytes.size;
}

/* The caller frees the frame. */
static inline struct span toy_pop(struct toy_queue *queue)
{
    assert_true(queue->count > 0);
    struct span frame = {queue->frames[queue->first], queue->sizes[queue->first]};
    queue->first = (queue->first + 1) % TOY_QUEUE;
    queue->count--;
    return frame;
}

static inline void toy_drop_behind(struct toy_queue *queue, size_t keep)
{
    while (queue->count > keep) {
        queue->count--;
        free(queue->frames[(queue->first + queue->count) % TOY_QUEUE]);
    }
}

static inline struct toy_bag *toy_bag(struct toy *toy, uint64_t id)
{
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (id != 0 && toy->bags[i].id == id) {
            return &toy->bags[i];
        }
    }
    return NULL;
}

static inline struct toy_bag *toy_bag_of(struct toy *toy, int user)
{
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (toy->bags[i].id != 0 && toy->bags[i].exists && toy->bags[i].user == user) {
            return &toy->bags[i];
        }
    }
    return NULL;
}

/* --- values, paths and changes as the wire has them --- */

enum { TOY_VALUE_MAX = 200000 };

static inline struct span toy_path(int path)
{
    static const char *const paths[TOY_PATHS] = {
        "copy/default", "copy/previous", "fax/default", "home/language", "home/layout", "mail/to",
        "print/paper",  "print/tray",    "scan/colour", "scan/format",   "scan/size",   "zoom",
    };
    return span_str(paths[path]);
}

static inline int toy_path_number(struct span path)
{
    for (int i = 0; i < TOY_PATHS; i++) {
        if (span_equal(toy_path(i), path)) {
            return i;
        }
    }
    fail_msg("a path that was never written");
    return 0;
}

static inline struct span toy_value(uint64_t stamp, uint32_t size)
{
    static uint8_t value[TOY_VALUE_MAX];
    assert_in_range(size, 8, TOY_VALUE_MAX);
    put_be64(value, stamp);
    return span_of(value, size);
}

static inline struct toy_item toy_item_of(uint64_t seq, bool live, struct span value)
{
    struct toy_item item = {.seq = seq, .live = live};
    if (live) {
        assert_true(value.size >= 8);
        item.stamp = get_be64(value.data);
        item.size = (uint32_t)value.size;
    }
    return item;
}

static inline struct change toy_wire_change(const struct toy_change *change)
{
    struct change out = {
        .seq = change->seq,
        .time_ms = 1,
        .kind = change->kind,
        .bag_id = change->bag_id,
        .prev = change->prev,
        .origin = 1,
    };
    if (change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE) {
        out.path = toy_path(change->path);
    }
    if (change->kind == CHANGE_ITEM_SET) {
        out.value = toy_value(change->stamp, change->size);
    }
    if (change->kind == CHANGE_BAG_CREATE) {
        int rc = owner_make(&out.owner, OWNER_USER, SPAN_LITERAL("somebody"), 0, NULL);
        assert_int_equal(rc, 0);
    }
    return out;
}

static inline struct wire_position toy_position(uint64_t seq)
{
    struct wire_position position = {.seq = seq};
    put_be64(position.hash, seq);
    return position;
}

/* Of what is live. */
static inline struct digest toy_digest(const struct toy_item items[TOY_PATHS])
{
    struct digest digest = {0};
    for (int i = 0; i < TOY_PATHS; i++) {
        if (items[i].live) {
            uint8_t stamp[8];
            put_be64(stamp, items[i].stamp);
            digest_add(&digest, toy_path(i), items[i].seq, span_of(stamp, sizeof stamp));
        }
    }
    return digest;
}

/* The newest bag that is there, 0: none. */
static inline uint64_t toy_newest_bag(const struct toy *toy)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (toy->bags[i].exists && toy->bags[i].id > newest) {
            newest = toy->bags[i].id;
        }
    }
    return newest;
}

/* What the bag held at `seq`; only live items count. */
static inline void toy_content_at(const struct toy *toy, uint64_t bag_id, uint64_t seq,
                                  struct toy_item items[TOY_PATHS])
{
    memset(items, 0, TOY_PATHS * sizeof *items);
    for (uint64_t i = bag_id; i <= seq && i <= toy->head; i++) {
        const struct toy_change *change = &toy->changes[i];
        if (change->bag_id != bag_id) {
            continue;
        }
        if (change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE) {
            items[change->path] = (struct toy_item){
                .seq = change->seq,
                .live = change->kind == CHANGE_ITEM_SET,
                .stamp = change->stamp,
                .size = change->size,
            };
        }
    }
}

/* The safety property: at its cursor a replica is exactly what the bag was at that seq. */
static inline void toy_check_replica(const struct toy *toy, const struct toy_replica *replica)
{
    struct toy_item items[TOY_PATHS];
    if (replica->damaged) {
        return;
    }
    toy_content_at(toy, replica->id, replica->cursor, items);
    for (int i = 0; i < TOY_PATHS; i++) {
        assert_int_equal(replica->items[i].live, items[i].live);
        if (items[i].live) {
            assert_int_equal(replica->items[i].seq, items[i].seq);
            assert_int_equal(replica->items[i].stamp, items[i].stamp);
            assert_int_equal(replica->items[i].size, items[i].size);
        }
    }
}

#endif
