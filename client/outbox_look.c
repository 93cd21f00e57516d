/* client/outbox_look.c - reading the outbox. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/outbox_inside.h"

uint64_t outbox_writer(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    uint64_t writer = outbox->writer;
    (void)pthread_mutex_unlock(&outbox->lock);
    return writer;
}

uint64_t outbox_last(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    uint64_t last = outbox_window_end(outbox) - 1;
    for (; last >= outbox->window_first; last--) {
        if (outbox_is_durable(outbox, outbox_window_at(outbox, last))) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return last;
}

uint64_t outbox_confirmed(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    uint64_t confirmed = outbox->window_first - 1;
    (void)pthread_mutex_unlock(&outbox->lock);
    return confirmed;
}

void outbox_counts(struct outbox *outbox, uint64_t *pending, uint64_t *refused)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    *pending = outbox->pending;
    *refused = outbox->refused;
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- operations --- */

static int tell(const struct entry *entry, outbox_entry_fn *each, void *context, struct err *err)
{
    struct owner owner;
    int rc = owner_parse(&owner, entry->text, err);
    ASSERT(rc == 0); /* it was made by owner_format */
    struct outbox_entry told = {
        .id = entry->id,
        .state = entry->state,
        .kind = entry->kind,
        .owner = &owner,
        .bag_id = entry->bag_id,
        .device_bag = entry->device_seq != 0 ? entry->device_bag : 0,
        .time_ms = entry->time_ms,
        .items = entry->write_count,
        .bytes = entry->size,
        .seq = entry->seq,
        .code = entry->code,
        .text = entry->why != NULL ? entry->why : "",
    };
    if (entry->write_count > 0) {
        told.first_path = entry->writes[0].path;
    }
    return each(context, &told, err);
}

int outbox_each(struct outbox *outbox, enum outbox_state state, outbox_entry_fn *each,
                void *context, struct err *err)
{
    ASSERT(outbox != NULL);
    ASSERT(each != NULL);
    int rc = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    for (const struct entry *e = outbox->first; rc == 0 && e != NULL; e = e->next) {
        if (e->state == state && !e->settled && outbox_is_durable(outbox, e)) {
            rc = tell(e, each, context, err);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

static int tell_made(const char *text, uint64_t id, uint64_t bag_id, int code, outbox_made_fn *each,
                     void *context, struct err *err)
{
    struct outbox_made made = {.id = id, .bag_id = bag_id, .code = code};
    int rc = owner_parse(&made.owner, text, err);
    return rc != 0 ? rc : each(context, &made, err);
}

int outbox_creates(struct outbox *outbox, outbox_made_fn *each, void *context, struct err *err)
{
    ASSERT(outbox != NULL);
    ASSERT(each != NULL);
    int rc = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    for (size_t i = 0; rc == 0 && i < outbox->made_count; i++) {
        const struct made *made = &outbox->made[i];
        if (!made->done) {
            rc = tell_made(made->text, made->id, made->bag_id, made->code, each, context, err);
        }
    }
    for (const struct entry *e = outbox->first; rc == 0 && e != NULL; e = e->next) {
        if (e->kind == OPERATION_CREATE && e->state == OUTBOX_PENDING &&
            outbox_is_durable(outbox, e)) {
            rc = tell_made(e->text, e->id, 0, 0, each, context, err);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

void outbox_made_done(struct outbox *outbox, uint64_t id)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    struct made *made = outbox_made_find(outbox, id);
    if (made != NULL) {
        made->done = true;
    }
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- items --- */

static void key_of(const struct owner *owner, char out[OWNER_TEXT_MAX])
{
    struct owner folded = *owner;
    memcpy(folded.shown, owner->folded, sizeof folded.shown);
    owner_format(&folded, out);
}

static uint64_t time_of(const struct overlay_write *write)
{
    const struct entry *entry = write->entry;
    return entry->time_ms;
}

int outbox_lookup(struct outbox *outbox, const struct owner *owner, struct span path,
                  struct buf *value, bool *removed, uint64_t *time_ms)
{
    ASSERT(outbox != NULL);
    char key[OWNER_TEXT_MAX];
    key_of(owner, key);
    int rc = E_NOT_FOUND;
    (void)pthread_mutex_lock(&outbox->lock);
    const struct overlay_write *write = client_overlay_find(outbox->overlay, key, path);
    if (write != NULL) {
        rc = value != NULL ? buf_append_span(value, write->value) : 0;
        *removed = write->remove;
        *time_ms = time_of(write);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

uint64_t outbox_acked_seq(struct outbox *outbox, const struct owner *owner, struct span path)
{
    ASSERT(outbox != NULL);
    char key[OWNER_TEXT_MAX];
    key_of(owner, key);
    (void)pthread_mutex_lock(&outbox->lock);
    const struct overlay_write *write = client_overlay_find(outbox->overlay, key, path);
    const struct entry *entry = write != NULL ? write->entry : NULL;
    bool acked = entry != NULL && entry->state == OUTBOX_ACKED && entry->write_count == 1;
    uint64_t seq = acked ? entry->seq : 0;
    (void)pthread_mutex_unlock(&outbox->lock);
    return seq;
}

int outbox_items(struct outbox *outbox, const struct owner *owner, struct span prefix,
                 outbox_item_fn *each, void *context, struct err *err)
{
    ASSERT(outbox != NULL);
    ASSERT(each != NULL);
    const struct overlay_write **list = NULL;
    size_t count = 0;
    char key[OWNER_TEXT_MAX];
    key_of(owner, key);
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = client_overlay_list(outbox->overlay, key, prefix, &list, &count);
    if (rc != 0) {
        rc = err_set(err, rc, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = each(context, list[i]->path, list[i]->remove ? NULL : &list[i]->value,
                  time_of(list[i]), err);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    free(list);
    return rc;
}

/* --- waiting --- */

/* E_DEFERRED while it is not known. */
static int outcome_of(const struct outbox *outbox, uint64_t id, struct err *err)
{
    const struct entry *entry = outbox_by_id(outbox, id);
    if (entry == NULL) {
        return id != 0 && id < outbox->next_id
                   ? 0
                   : err_set(err, E_NOT_FOUND, "there is no such operation: %llu",
                             (unsigned long long)id);
    }
    if (entry->state == OUTBOX_PENDING) {
        return E_DEFERRED;
    }
    bool refused = entry->state == OUTBOX_REFUSED;
    return refused ? err_set(err, entry->code, "%s",
                             entry->why != NULL && entry->why[0] != '\0' ? entry->why
                                                                         : err_meaning(entry->code))
                   : 0;
}

static struct timespec after(unsigned timeout_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

int outbox_wait(struct outbox *outbox, uint64_t id, unsigned timeout_ms, struct err *err)
{
    ASSERT(outbox != NULL);
    struct timespec until = after(timeout_ms);
    int late = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outcome_of(outbox, id, err);
    while (rc == E_DEFERRED && late == 0 && !outbox->woken) {
        late = pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until);
        rc = outcome_of(outbox, id, err);
    }
    if (rc == E_DEFERRED) {
        rc = outbox->woken ? err_set(err, E_CLOSED, "the folder is being closed")
                           : err_set(err, E_TIMEOUT,
                                     "operation %llu is kept here and was not acknowledged in time",
                                     (unsigned long long)id);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

void outbox_wake_all(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->woken = true;
    (void)pthread_cond_broadcast(&outbox->changed);
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- verifying --- */

static int count_batches(struct segment *segment, uint64_t *batches, struct err *err)
{
    struct segment_position at;
    struct buf scratch;
    struct err why = {0};
    int rc = 0;
    buf_init(&scratch, BATCH_SIZE_MAX);
    segment_start(segment, &at);
    while (rc == 0) {
        struct batch batch;
        rc = segment_step(segment, &at, &scratch, &batch, &why);
        *batches += rc == 0 ? 1 : 0;
    }
    buf_free(&scratch);
    return rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", why.text);
}

int outbox_verify(struct outbox *outbox, uint64_t *batches, struct err *err)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    outbox_lead_begin(outbox); /* the file stays as it is meanwhile */
    (void)pthread_mutex_unlock(&outbox->lock);
    *batches = 0;
    int rc = count_batches(outbox->segment, batches, err);
    (void)pthread_mutex_lock(&outbox->lock);
    outbox_lead_end(outbox);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}
