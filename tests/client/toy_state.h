/* tests/client/toy_state.h - what the toy server of toy.h holds, and how it changes. */
#ifndef KITBAG_TESTS_CLIENT_TOY_STATE_H
#define KITBAG_TESTS_CLIENT_TOY_STATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "client/kb_inside.h"
#include "tests/support/tmp_folder.h"
#include "transport/router.h"
#include "transport/wire.h"

enum { TOY_BAGS = 64, TOY_ITEMS = 200, TOY_PEERS = 16, TOY_DEVICE = 0x77, TOY_VALUE = 64 };

struct toy_item {
    char path[64];
    char value[TOY_VALUE];
    size_t size;
    bool live;
    uint64_t seq;
};

struct toy_bag {
    uint64_t bag_id, last_seq;
    struct owner owner;
    bool gone;
    size_t count;
    struct toy_item items[TOY_ITEMS];
};

struct toy_peer {
    bool open;
    struct peer peer;
    uint64_t session;
    size_t followed_count;
    uint64_t followed[TOY_BAGS];
};

struct toy {
    struct router *router;
    struct key_pair keys;
    struct key_pair token; /* of joining */
    struct thread *thread;
    atomic_bool stopping;
    int port;
    /* the thread's own, but while toy_do runs */
    uint8_t history[HISTORY_SIZE];
    uint64_t head;
    size_t bag_count;
    struct toy_bag *bags;
    struct toy_peer peers[TOY_PEERS];
    uint64_t writer, highest;
    struct {
        int code;
        uint64_t seq;
        uint64_t user_bag, device_bag; /* of one that was split */
    } outcomes[4096];
    uint8_t device_key[KEY_SIZE];
    atomic_uint joins, writes, sign_ins, sign_outs; /* read by tests as they are */
    char last_groups[256];
    /* knobs */
    int refuse_hello; /* code */
    int write_code;   /* every WRITE is answered with it */
    int sign_in_code;
    int join_code;
    int gone_code;      /* of a bag that is gone; 0: E_BAG_GONE */
    bool mute;          /* nothing is answered */
    bool forget_device; /* its key is not known */
    bool wrong_writer;  /* once */
    bool tells_digests;
    bool lies;           /* its digests are wrong */
    bool only_signed_in; /* may write, whatever may be read */
    bool own_copies;     /* users' items below "copy/" are each machine's own */
    bool hurries;        /* its outcomes tell that there is nothing to wait for */
    unsigned keep;       /* enum wire_keep */
    uint64_t newest_bag;
    uint64_t resume_seq; /* 0: the client's history is ours */
    size_t owners_page;
    bool mirror;
    int mirror_code; /* what MIRROR is answered with; once with E_TOO_OLD */
    uint64_t floor_seq;
    struct span batches; /* follow a code of 0 */
    /* what was said */
    uint64_t healed, mirror_from, sign_in_bag;
    unsigned follows, lists, mirrors;
    /* without a socket: where its frames go instead (toy_new_quiet) */
    void (*post)(void *context, struct span bytes);
    void *post_context;
    uint64_t sessions;
    /* toy_do */
    pthread_mutex_t lock;
    pthread_cond_t done;
    void (*task)(struct toy *toy, void *context);
    void *task_context;
};

/* --- state --- */

static inline struct toy_bag *toy_bag(struct toy *toy, uint64_t bag_id)
{
    for (size_t i = 0; i < toy->bag_count; i++) {
        if (toy->bags[i].bag_id == bag_id && !toy->bags[i].gone) {
            return &toy->bags[i];
        }
    }
    return NULL;
}

static inline struct toy_bag *toy_bag_of(struct toy *toy, const struct owner *owner)
{
    for (size_t i = 0; i < toy->bag_count; i++) {
        if (owner_equal(&toy->bags[i].owner, owner) && !toy->bags[i].gone) {
            return &toy->bags[i];
        }
    }
    return NULL;
}

static inline struct toy_bag *toy_create(struct toy *toy, const struct owner *owner)
{
    assert_true(toy->bag_count < TOY_BAGS);
    struct toy_bag *bag = &toy->bags[toy->bag_count++];
    *bag = (struct toy_bag){.bag_id = ++toy->head, .last_seq = toy->head, .owner = *owner};
    return bag;
}

static inline struct toy_item *toy_item(struct toy_bag *bag, struct span path)
{
    for (size_t i = 0; i < bag->count; i++) {
        if (span_equal(span_str(bag->items[i].path), path)) {
            return &bag->items[i];
        }
    }
    assert_true(bag->count < TOY_ITEMS && path.size < sizeof bag->items[0].path);
    struct toy_item *item = &bag->items[bag->count++];
    memset(item, 0, sizeof *item);
    memcpy(item->path, path.data, path.size);
    return item;
}

static inline void toy_send(struct toy *toy, struct toy_peer *peer, struct buf *out)
{
    assert_int_equal(buf_error(out), 0);
    if (toy->post != NULL) {
        toy->post(toy->post_context, buf_span(out));
    } else {
        int rc = router_send(toy->router, &peer->peer, buf_span(out));
        (void)rc; /* it may be gone */
    }
    buf_free(out);
}

static inline struct wire_position toy_position(const struct toy *toy)
{
    return (struct wire_position){.seq = toy->head, .hash = {(uint8_t)toy->head}};
}

/* A change to all who follow its bag. */
static inline void toy_live(struct toy *toy, const struct change *change)
{
    struct wire_position position = toy_position(toy);
    for (size_t i = 0; i < TOY_PEERS; i++) {
        struct toy_peer *peer = &toy->peers[i];
        for (size_t j = 0; peer->open && j < peer->followed_count; j++) {
            if (peer->followed[j] == change->bag_id) {
                struct buf out;
                buf_init(&out, WIRE_FRAME_MAX);
                wire_begin_live(&out, peer->session, &position, 1);
                change_encode(&out, change, CHANGE_STREAM);
                toy_send(toy, peer, &out);
                break;
            }
        }
    }
}

/* One item is set (or, with value NULL, removed), and everybody hears of it. */
static inline uint64_t toy_put(struct toy *toy, struct toy_bag *bag, struct span path,
                               const struct span *value)
{
    struct toy_item *item = toy_item(bag, path);
    struct change change = {.seq = ++toy->head,
                            .time_ms = 1000 + toy->head,
                            .kind = value != NULL ? CHANGE_ITEM_SET : CHANGE_ITEM_REMOVE,
                            .bag_id = bag->bag_id,
                            .prev = bag->last_seq,
                            .path = span_str(item->path),
                            .old_seq = item->seq};
    item->live = value != NULL;
    item->seq = toy->head;
    item->size = value != NULL ? value->size : 0;
    assert_true(item->size < sizeof item->value);
    if (item->size > 0) {
        memcpy(item->value, value->data, value->size);
    }
    change.value = span_of(item->value, item->size);
    bag->last_seq = toy->head;
    toy_live(toy, &change);
    return change.seq;
}

static inline void toy_put_text(struct toy *toy, struct toy_bag *bag, const char *path,
                                const char *text)
{
    struct span value = span_str(text);
    (void)toy_put(toy, bag, span_str(path), &value);
}

static inline void toy_delete(struct toy *toy, struct toy_bag *bag)
{
    struct change change = {.seq = ++toy->head,
                            .kind = CHANGE_BAG_DELETE,
                            .bag_id = bag->bag_id,
                            .prev = bag->last_seq};
    toy_live(toy, &change);
    bag->gone = true;
}

static inline struct toy_bag *toy_device_bag(struct toy *toy)
{
    return &toy->bags[1];
}

static inline void toy_user_path(char out[64], uint64_t bag_id)
{
    (void)snprintf(out, 64, "@user/%llu", (unsigned long long)bag_id);
}

static inline bool toy_is_signed_in(struct toy *toy, uint64_t bag_id)
{
    char path[64];
    toy_user_path(path, bag_id);
    return toy_item(toy_device_bag(toy), span_str(path))->live;
}

#endif
