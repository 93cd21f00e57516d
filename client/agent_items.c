/* client/agent_items.c - the verbs that read and write items. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/agent_inside.h"
#include "client/kb_inside.h"
#include "client/watch.h"

enum { WAIT_SLICE_MS = 100, WAIT_MAX_MS = 3600000, APPLY_MAX = 10000 };

int agent_get(struct agent_job *job)
{
    const char *bag = agent_text(job);
    const char *item = agent_text(job);
    struct kb_value value = {0};
    int rc = agent_args_end(job);
    rc = rc != 0 ? rc : kb_get(job->kb, bag, item, &value, &job->error);
    if (rc != 0) {
        return rc;
    }
    agent_put_row(&job->frame, 4);
    pack_bin(&job->frame, span_of(value.data, value.size));
    pack_u64(&job->frame, value.seq);
    pack_u64(&job->frame, value.time_ms);
    pack_bool(&job->frame, value.pending);
    kb_value_free(&value);
    return agent_tell(job);
}

/* --- writes --- */

/* Until the server took it up, nobody waits any more, or the time is over. */
static int wait_for(struct agent_job *job, uint64_t op, uint64_t wait_ms)
{
    uint64_t end_ms = clock_mono_ms(&clock_system) + wait_ms;
    int rc = agent_need_server(job);
    if (rc != 0) {
        return rc;
    }
    for (;;) {
        uint64_t now_ms = clock_mono_ms(&clock_system);
        uint64_t left_ms = now_ms < end_ms ? end_ms - now_ms : 0;
        rc = kb_wait(job->kb, op, (unsigned)(left_ms < WAIT_SLICE_MS ? left_ms : WAIT_SLICE_MS),
                     &job->error);
        if (rc != E_TIMEOUT || left_ms <= WAIT_SLICE_MS || agent_cancelled(job)) {
            return rc;
        }
    }
}

struct write_tail {
    struct kb_write_options options;
    uint64_t wait_ms;
};

/* The two arguments that every write ends with. */
static int read_tail(struct agent_job *job, struct write_tail *tail)
{
    *tail = (struct write_tail){.options = {.size = sizeof tail->options}};
    if (!walk_nil(&job->args)) {
        tail->options.has_if_seq = true;
        tail->options.if_seq = walk_u64(&job->args);
    }
    tail->wait_ms = walk_u64_max(&job->args, WAIT_MAX_MS);
    return agent_args_end(job);
}

/* The write is made: its number is a result, whatever waiting brings. */
static int written(struct agent_job *job, const struct write_tail *tail, uint64_t op)
{
    pack_u64(&job->results, op);
    job->result_count = 1;
    return tail->wait_ms == 0 ? 0 : wait_for(job, op, tail->wait_ms);
}

int agent_set(struct agent_job *job)
{
    const char *bag = agent_text(job);
    const char *item = agent_text(job);
    struct span value = walk_bin(&job->args);
    struct write_tail tail;
    uint64_t op = 0;
    int rc = read_tail(job, &tail);
    rc = rc != 0
             ? rc
             : kb_set(job->kb, bag, item, value.data, value.size, &tail.options, &op, &job->error);
    return rc != 0 ? rc : written(job, &tail, op);
}

int agent_rm(struct agent_job *job)
{
    const char *bag = agent_text(job);
    const char *item = agent_text(job);
    struct write_tail tail;
    struct kb_value value = {0};
    uint64_t op = 0;
    int rc = read_tail(job, &tail);
    /* a person who removes what is not there mistyped */
    rc = rc != 0 ? rc : kb_get(job->kb, bag, item, &value, &job->error);
    kb_value_free(&value);
    rc = rc != 0 ? rc : kb_remove(job->kb, bag, item, &tail.options, &op, &job->error);
    return rc != 0 ? rc : written(job, &tail, op);
}

static bool read_write(struct agent_job *job, struct walk *list, struct kb_write *out)
{
    const msgpack_object *pair = walk_any(list);
    if (pair == NULL) {
        return false;
    }
    struct walk outer = job->args;
    job->args = walk_array(pair);
    out->item = agent_text(job);
    out->remove = walk_nil(&job->args);
    struct span bytes = out->remove ? (struct span){NULL, 0} : walk_bin(&job->args);
    out->bytes = bytes.data;
    out->size = bytes.size;
    bool good = walk_end(&job->args, false) == 0;
    job->args = outer;
    return good;
}

static int apply_list(struct agent_job *job, const char *bag, struct walk list,
                      struct kb_write *writes)
{
    size_t count = list.left;
    struct write_tail tail;
    uint64_t op = 0;
    for (size_t i = 0; i < count; i++) {
        if (!read_write(job, &list, &writes[i])) {
            job->args.error = E_MALFORMED;
            return agent_args_end(job);
        }
    }
    int rc = read_tail(job, &tail);
    rc = rc != 0 ? rc : kb_apply(job->kb, bag, writes, count, &tail.options, &op, &job->error);
    return rc != 0 ? rc : written(job, &tail, op);
}

int agent_apply(struct agent_job *job)
{
    const char *bag = agent_text(job);
    const msgpack_object *array = walk_any(&job->args);
    struct walk list = array != NULL ? walk_array(array) : (struct walk){.error = E_MALFORMED};
    if (bag == NULL || list.error != 0) {
        job->args.error = E_MALFORMED;
        return agent_args_end(job);
    }
    if (list.left == 0 || list.left > APPLY_MAX) {
        return agent_fail(job, E_INVALID, "a change set has 1 to 10,000 items");
    }
    struct kb_write *writes = calloc(list.left, sizeof *writes);
    if (writes == NULL) {
        return agent_fail(job, E_NOMEM, "out of memory");
    }
    int rc = apply_list(job, bag, list, writes);
    free(writes);
    return rc;
}

int agent_wait(struct agent_job *job)
{
    uint64_t op = walk_u64(&job->args);
    uint64_t wait_ms = walk_u64_max(&job->args, WAIT_MAX_MS);
    int rc = agent_args_end(job);
    return rc != 0 ? rc : wait_for(job, op, wait_ms);
}

/* --- lists --- */

static int tell_item(void *context, const struct kb_item *item)
{
    struct agent_job *job = context;
    agent_put_row(&job->frame, 5);
    pack_cstr(&job->frame, item->path);
    pack_bin(&job->frame, span_of(item->bytes, item->size));
    pack_u64(&job->frame, item->seq);
    pack_u64(&job->frame, item->time_ms);
    pack_bool(&job->frame, item->pending);
    return agent_tell(job);
}

int agent_ls(struct agent_job *job)
{
    const char *bag = agent_text(job);
    const char *prefix = agent_text(job);
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_list(job->kb, bag, prefix, tell_item, job, &job->error);
}

/* --- watching --- */

static void tell_change(void *context, const struct kb_change *change)
{
    struct agent_job *job = context;
    if (job->stopped != 0) {
        return;
    }
    agent_put_row(&job->frame, 5);
    pack_cstr(&job->frame, change->bag);
    if (change->item != NULL) {
        pack_cstr(&job->frame, change->item);
    } else {
        pack_nil(&job->frame);
    }
    pack_bool(&job->frame, change->removed);
    if (change->bytes != NULL) {
        pack_bin(&job->frame, span_of(change->bytes, change->size));
    } else {
        pack_nil(&job->frame);
    }
    pack_u64(&job->frame, change->seq);
    (void)!agent_tell(job); /* job->stopped keeps it */
}

static int watch_until_gone(struct agent_job *job, struct kb_watch *watch)
{
    struct pollfd fds[2] = {{.fd = watch_fd(watch), .events = POLLIN},
                            {.fd = job->cancel_fd, .events = POLLIN | POLLRDHUP}};
    tell_change(job, &(struct kb_change){.bag = ""}); /* nothing is missed from here */
    while (job->stopped == 0) {
        if (poll(fds, 2, -1) < 0) {
            continue; /* a signal */
        }
        if (fds[1].revents != 0) {
            return 0;
        }
        (void)watch_dispatch(job->kb->hub, watch);
    }
    return 0;
}

int agent_watch(struct agent_job *job)
{
    bool all = false;
    const char *bag = agent_text_or_nil(job, &all);
    struct owner owner;
    struct kb_watch *watch = NULL;
    struct err err = {0};
    int rc = agent_args_end(job);
    rc = rc != 0 ? rc : agent_need_server(job);
    if (rc != 0) {
        return rc;
    }
    rc = all ? 0 : owner_parse(&owner, bag, &err);
    rc = rc != 0
             ? rc
             : watch_new(job->kb->hub, all ? NULL : &owner, true, tell_change, job, &watch, &err);
    if (rc != 0) {
        return agent_fail(job, rc, err.text);
    }
    rc = watch_until_gone(job, watch);
    watch_free(job->kb->hub, &watch);
    return rc;
}
