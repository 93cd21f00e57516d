/* tests/kv/state.h - a state in a folder of its own, and changes for it as a committer makes them:
 * each names its bag's previous change and what it replaces. */
#ifndef KITBAG_TESTS_KV_STATE_H
#define KITBAG_TESTS_KV_STATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kv/kv.h"
#include "tests/support/tmp_folder.h"

struct state {
    char dir[TMP_FOLDER_MAX];
    struct kv *kv;
};

static const uint8_t state_hash[SHA256_SIZE] = {1, 2, 3};

static inline void state_reopen(struct state *state, bool flush)
{
    kv_close(&state->kv, flush);
    const struct kv_options options = {state->dir, 4 << 20, 1 << 20};
    struct err err = {0};
    int rc = kv_open(&state->kv, &options, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

static inline void state_open(struct state *state)
{
    *state = (struct state){0};
    tmp_folder_make(state->dir);
    state_reopen(state, false);
}

static inline void state_close(struct state *state)
{
    kv_close(&state->kv, false);
    tmp_folder_remove(state->dir);
}

static inline uint64_t state_seq(struct state *state)
{
    struct kv_position position;
    kv_position(state->kv, &position);
    return position.seq;
}

static inline uint64_t state_apply(struct state *state, struct change *change)
{
    change->seq = state_seq(state) + 1;
    change->time_ms = 1000 + change->seq;
    if (change->kind == CHANGE_BAG_CREATE) {
        change->bag_id = change->seq;
    }
    struct err err = {0};
    int rc = kv_apply(state->kv, change, 1, state_hash, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return change->seq;
}

static inline struct owner state_owner(const char *text)
{
    struct owner owner;
    assert_int_equal(owner_parse(&owner, text, NULL), 0);
    return owner;
}

/* Returns the bag_id. `parent` 0 but for "user:NAME/device:ID". */
static inline uint64_t state_create(struct state *state, const char *owner, uint64_t parent)
{
    struct change change = {
        .kind = CHANGE_BAG_CREATE, .parent = parent, .owner = state_owner(owner)};
    return state_apply(state, &change);
}

static inline struct bag_row state_bag(struct state *state, uint64_t bag_id)
{
    struct bag_row bag;
    assert_int_equal(kv_bag(state->kv, NULL, bag_id, &bag, NULL), 0);
    return bag;
}

static inline uint64_t state_delete(struct state *state, uint64_t bag_id)
{
    struct change change = {
        .kind = CHANGE_BAG_DELETE, .bag_id = bag_id, .prev = state_bag(state, bag_id).last_seq};
    return state_apply(state, &change);
}

static inline uint64_t state_put(struct state *state, uint64_t bag_id, const char *path,
                                 const char *value)
{
    struct kv_item item;
    assert_int_equal(kv_item(state->kv, NULL, bag_id, span_str(path), &item, NULL), 0);
    struct change change = {.kind = value != NULL ? CHANGE_ITEM_SET : CHANGE_ITEM_REMOVE,
                            .bag_id = bag_id,
                            .prev = state_bag(state, bag_id).last_seq,
                            .path = span_str(path),
                            .value = value != NULL ? span_str(value) : span_of(NULL, 0),
                            .old_seq = item.row.seq,
                            .has_old = item.row.state == ITEM_LIVE,
                            .old_value = item.row.value};
    uint64_t seq = state_apply(state, &change);
    kv_item_free(&item);
    return seq;
}

/* The item's value as text: "-" for a tombstone, "" when absent, or "=VALUE". */
static inline const char *state_get(struct state *state, struct kv_view *view, uint64_t bag_id,
                                    const char *path)
{
    static char text[256];
    struct kv_item item;
    struct err err = {0};
    int rc = kv_item(state->kv, view, bag_id, span_str(path), &item, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    if (item.row.state == ITEM_LIVE) {
        (void)snprintf(text, sizeof text, "=%.*s", (int)item.row.value.size,
                       (const char *)item.row.value.data);
    } else {
        (void)snprintf(text, sizeof text, "%s", item.row.state == ITEM_TOMBSTONE ? "-" : "");
    }
    kv_item_free(&item);
    return text;
}

#endif
