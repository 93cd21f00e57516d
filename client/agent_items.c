/* client/agent_items.c - the verbs that read, write and watch items. */
#include <poll.h>
#include <stdlib.h>

#include "client/agent_inside.h"

enum { WRITES_MAX = 10001, WAIT_DEFAULT_MS = 10000, WAIT_SLICE_MS = 200 };

/* --- items --- */

int call_get(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    char item[CALL_ITEM_ROOM];
    struct kb_value value = {.data = NULL};
    call_text(call, bag, sizeof bag);
    call_text(call, item, sizeof item);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_get(call->kb, bag, item, &value, &call->error);
    if (rc == 0) {
        struct buf *out = call_row(call, 4);
        pack_bin(out, span_of(value.data, value.size));
        pack_u64(out, value.seq);
        pack_u64(out, value.time_ms);
        pack_bool(out, value.pending);
        (void)call_send(call);
    }
    kb_value_free(&value);
    return rc;
}

static int send_item(void *context, const struct kb_item *item)
{
    struct call *call = context;
    struct buf *out = call_row(call, 5);
    pack_cstr(out, item->path);
    pack_bin(out, span_of(item->bytes, item->size));
    pack_u64(out, item->seq);
    pack_u64(out, item->time_ms);
    pack_bool(out, item->pending);
    return call_send(call);
}

int call_ls(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    char prefix[CALL_ITEM_ROOM];
    call_text(call, bag, sizeof bag);
    call_text(call, prefix, sizeof prefix);
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_list(call->kb, bag, prefix, send_item, call, &call->error);
}

static void pack_found(struct buf *out, const struct kb_found *found)
{
    pack_array(out, 6);
    pack_bool(out, found->there);
    pack_u64(out, found->initialised_seq);
    pack_u64(out, found->seq);
    pack_u64(out, found->time_ms);
    pack_cstr(out, found->origin);
    pack_u64(out, found->bytes);
}

static void send_explanation(struct call *call, const struct kb_explanation *e,
                             const struct kb_value *value)
{
    struct buf *out = call_row(call, 14);
    pack_u64(out, (uint64_t)e->layer);
    pack_bool(out, e->pending);
    pack_cstr(out, e->category);
    pack_u64(out, (uint64_t)e->sharing);
    pack_bool(out, e->copy);
    pack_u64(out, e->sharing_seq);
    pack_u64(out, e->seq);
    pack_u64(out, e->time_ms);
    pack_cstr(out, e->origin);
    pack_cstr(out, e->device);
    if (e->layer != KB_LAYER_NONE) {
        pack_bin(out, span_of(value->data, value->size));
    } else {
        pack_nil(out);
    }
    pack_found(out, &e->shared);
    pack_found(out, &e->own);
    pack_found(out, &e->fallback);
    (void)call_send(call);
}

int call_explain(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    char item[CALL_ITEM_ROOM];
    struct kb_value value = {.data = NULL};
    struct kb_explanation explanation = {.size = sizeof explanation};
    call_text(call, bag, sizeof bag);
    call_text(call, item, sizeof item);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_explain(call->kb, bag, item, &explanation, &value, &call->error);
    if (rc == 0) {
        send_explanation(call, &explanation, &value);
    }
    kb_value_free(&value);
    return rc;
}

/* In slices, to notice that nobody waits any more. */
static int wait_for(struct call *call, uint64_t op, unsigned wait_ms)
{
    int rc = call_connect(call);
    if (rc != 0) {
        return rc;
    }
    for (;;) {
        unsigned slice_ms = wait_ms < WAIT_SLICE_MS ? wait_ms : WAIT_SLICE_MS;
        rc = kb_wait(call->kb, op, slice_ms, &call->error);
        wait_ms -= slice_ms;
        if (rc != E_TIMEOUT || wait_ms == 0 || call_cancelled(call)) {
            return rc;
        }
    }
}

/* A write was made: its number is told whatever comes of waiting for it. */
static int written(struct call *call, uint64_t op, unsigned wait_ms)
{
    pack_u64(call_results(call, 1), op);
    return wait_ms == 0 ? 0 : wait_for(call, op, wait_ms);
}

int call_set(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    char item[CALL_ITEM_ROOM];
    uint64_t op = 0;
    call_text(call, bag, sizeof bag);
    call_text(call, item, sizeof item);
    struct span bytes = walk_bin(&call->arguments);
    struct kb_write_options options = call_condition(call);
    unsigned wait_ms = call_ms(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc
                 : kb_set(call->kb, bag, item, bytes.data, bytes.size, &options, &op, &call->error);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

int call_rm(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    char item[CALL_ITEM_ROOM];
    uint64_t op = 0;
    call_text(call, bag, sizeof bag);
    call_text(call, item, sizeof item);
    struct kb_write_options options = call_condition(call);
    unsigned wait_ms = call_ms(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_remove(call->kb, bag, item, &options, &op, &call->error);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

/* The writes of a change set; their paths lie in one block behind them. */
static struct kb_write *take_writes(struct call *call, size_t *count)
{
    struct walk list = walk_array(walk_any(&call->arguments));
    if (list.error != 0 || list.left > WRITES_MAX) {
        call->arguments.error = E_MALFORMED;
        return NULL;
    }
    *count = list.left;
    struct kb_write *writes = calloc(1, (*count + 1) * sizeof *writes + *count * CALL_ITEM_ROOM);
    if (writes == NULL) {
        call->arguments.error = E_NOMEM;
        return NULL;
    }
    char *at = (char *)(writes + *count + 1);
    for (size_t i = 0; i < *count; i++, at += CALL_ITEM_ROOM) {
        struct walk write = walk_array(walk_any(&list));
        call_copy_text(call, walk_str(&write), at, CALL_ITEM_ROOM);
        writes[i].item = at;
        writes[i].remove = walk_nil(&write);
        if (!writes[i].remove) {
            struct span value = walk_bin(&write);
            writes[i].bytes = value.data;
            writes[i].size = value.size;
        }
        if (walk_end(&write, false) != 0) {
            call->arguments.error = E_MALFORMED;
        }
    }
    return writes;
}

int call_apply(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    uint64_t op = 0;
    size_t count = 0;
    call_text(call, bag, sizeof bag);
    struct kb_write *writes = take_writes(call, &count);
    struct kb_write_options options = call_condition(call);
    unsigned wait_ms = call_ms(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_apply(call->kb, bag, writes, count, &options, &op, &call->error);
    free(writes);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

int call_wait(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    unsigned wait_ms = call_ms(call);
    int rc = call_taken(call);
    return rc != 0 ? rc : wait_for(call, op, wait_ms != 0 ? wait_ms : WAIT_DEFAULT_MS);
}

/* --- watching --- */

static void send_change(void *context, const struct kb_change *change)
{
    struct call *call = context;
    struct buf *out = call_row(call, 5);
    pack_cstr(out, change->bag);
    if (change->item != NULL) {
        pack_cstr(out, change->item);
    } else {
        pack_nil(out);
    }
    pack_bool(out, change->removed);
    if (change->bytes != NULL) {
        pack_bin(out, span_of(change->bytes, change->size));
    } else {
        pack_nil(out);
    }
    pack_u64(out, change->seq);
    (void)call_send(call);
}

/* Until nobody listens any more. */
static int watch_on(struct call *call, struct kb_watch *watch)
{
    struct kb_change begin = {.bag = ""};
    send_change(call, &begin);
    while (call->stopped == 0) {
        struct pollfd fds[2] = {
            {.fd = watch_fd(watch), .events = POLLIN},
            {.fd = call->cancel_fd, .events = POLLIN | POLLRDHUP},
        };
        if (poll(fds, 2, -1) > 0 && fds[1].revents != 0) {
            return 0;
        }
        (void)watch_dispatch(call->kb->hub, watch);
    }
    return 0;
}

int call_watch(struct call *call)
{
    char bag[CALL_BAG_ROOM];
    struct err err = {0};
    struct owner owner;
    struct kb_watch *watch = NULL;
    bool one = call_optional(call, bag, sizeof bag);
    int rc = call_taken(call);
    if (rc != 0) {
        return rc;
    }
    rc = one ? owner_parse(&owner, bag, &err) : 0;
    rc = rc != 0
             ? rc
             : watch_new(call->kb->hub, one ? &owner : NULL, true, send_change, call, &watch, &err);
    if (rc != 0) {
        return client_fail(&call->error, &err);
    }
    rc = call_connect(call);
    rc = rc != 0 ? rc : watch_on(call, watch);
    watch_free(call->kb->hub, &watch);
    return rc;
}
