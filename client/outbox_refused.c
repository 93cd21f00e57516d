/* client/outbox_refused.c - refused writes: kept, tried again, forgotten; and writes that are put
 * among them without ever having been sent. */
#include <stdlib.h>
#include <string.h>

#include "client/outbox_inside.h"

/* --- what the server lost --- */

/* With the lock: among the refused ones, without a number. */
static int enqueue_refused(struct outbox *outbox, struct entry *entry, int code, const char *text,
                           struct err *err)
{
    if (outbox->used_bytes + outbox_entry_cost(entry) > outbox->max_bytes) {
        return outbox_full(outbox, err);
    }
    entry->why = strdup(text);
    if (entry->why == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    entry->id = outbox->next_id++;
    entry->number = 0;
    entry->state = OUTBOX_REFUSED;
    entry->code = code;
    outbox_list_add(outbox, entry);
    outbox->refused++;
    struct buf *record =
        outbox_queue_begin(outbox, entry->size + strlen(text) + OUTBOX_RECORD_EXTRA);
    outbox_record_old(entry, record);
    entry->ticket = outbox_queue_end(outbox);
    return 0;
}

static int add_refused(struct outbox *outbox, const struct outbox_target *target,
                       const struct operation_write *writes, size_t count, uint64_t time_ms,
                       int code, const char *text, struct entry **out, struct err *err)
{
    struct buf bytes;
    struct entry *entry = NULL;
    buf_init(&bytes, OPERATION_BYTES_MAX);
    /* The number is of no account: the entry has none. */
    int rc = outbox_encode_write(&bytes, outbox_window_end(outbox), target, 0, writes, count, err);
    rc = rc != 0 ? rc : outbox_entry_new(&entry, target->owner, buf_span(&bytes), err);
    buf_free(&bytes);
    if (rc == 0) {
        entry->time_ms = time_ms;
        rc = enqueue_refused(outbox, entry, code, text, err);
    }
    if (rc != 0) {
        outbox_entry_free(&entry);
        return rc;
    }
    *out = entry;
    return 0;
}

int outbox_refuse(struct outbox *outbox, const struct outbox_target *target,
                  const struct operation_write *writes, size_t count, uint64_t time_ms, int code,
                  const char *text, uint64_t *id, struct err *err)
{
    ASSERT(outbox != NULL && target != NULL && target->owner != NULL && target->bag_id != 0);
    ASSERT(writes != NULL && count > 0 && count <= OPERATION_WRITES_MAX);
    ASSERT(code < 0 && text != NULL);
    size_t size = outbox_size_of(writes, count);
    if (size > OPERATION_BYTES_MAX + 32 * count) {
        return outbox_too_large(err);
    }
    struct entry *entry = NULL;
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_make_room(outbox, size, err);
    rc =
        rc != 0 ? rc : add_refused(outbox, target, writes, count, time_ms, code, text, &entry, err);
    rc = rc != 0 ? rc : outbox_commit_new(outbox, entry, id, err);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

/* --- refused ones, dropped ones --- */

static int no_such(uint64_t id, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no such write: %llu", (unsigned long long)id);
}

/* A refused write is forgotten; its record goes with the next batch. */
static uint64_t forget(struct outbox *outbox, struct entry *entry)
{
    outbox_record_forget(entry->id, outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
    uint64_t ticket = outbox_queue_end(outbox);
    outbox->refused--;
    entry->settled = true;
    if (entry->number == 0) {
        outbox_forget(outbox, entry);
    } else {
        outbox_list_remove(outbox, entry); /* its number may be asked for */
        entry->id = 0;
    }
    return ticket;
}

static int copy_writes(const struct entry *entry, struct operation_write **out, struct buf *bytes,
                       struct err *err)
{
    struct operation_write *writes = calloc(entry->write_count, sizeof *writes);
    if (writes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    *out = writes;
    if (buf_append(bytes, entry->bytes, entry->size) != 0) {
        return err_set(err, buf_error(bytes), "out of memory");
    }
    for (size_t i = 0; i < entry->write_count; i++) {
        const struct overlay_write *from = &entry->writes[i];
        writes[i].path = span_of(bytes->data + (from->path.data - entry->bytes), from->path.size);
        writes[i].remove = from->remove;
        if (from->value.size > 0) {
            writes[i].value =
                span_of(bytes->data + (from->value.data - entry->bytes), from->value.size);
        }
    }
    return 0;
}

int outbox_retry(struct outbox *outbox, uint64_t id, const struct outbox_target *target,
                 outbox_device_fn *device, void *context, uint64_t time_ms, uint64_t *new_id,
                 struct err *err)
{
    ASSERT(outbox != NULL);
    struct operation_write *writes = NULL;
    size_t count = 0;
    struct buf bytes;
    buf_init(&bytes, OPERATION_BYTES_MAX + OUTBOX_RECORD_EXTRA);
    (void)pthread_mutex_lock(&outbox->lock);
    struct entry *entry = outbox_by_id(outbox, id);
    bool refused = entry != NULL && entry->state == OUTBOX_REFUSED && entry->write_count > 0;
    int rc = refused ? copy_writes(entry, &writes, &bytes, err) : no_such(id, err);
    count = refused ? entry->write_count : 0;
    (void)pthread_mutex_unlock(&outbox->lock);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        writes[i].device = device != NULL && device(context, writes[i].path);
    }
    rc = rc != 0 ? rc : outbox_write(outbox, target, writes, count, time_ms, new_id, err);
    if (rc == 0) { /* now, not before: between the two it stands there twice, never not at all */
        (void)pthread_mutex_lock(&outbox->lock);
        entry = outbox_by_id(outbox, id);
        if (entry != NULL && entry->state == OUTBOX_REFUSED) {
            (void)forget(outbox, entry);
        }
        (void)pthread_mutex_unlock(&outbox->lock);
    }
    free(writes);
    buf_free(&bytes);
    return rc;
}

static int drop(struct outbox *outbox, struct entry *entry, uint64_t *ticket, struct err *err)
{
    if (entry->state == OUTBOX_REFUSED) {
        *ticket = forget(outbox, entry);
        return 0;
    }
    bool alone = outbox->alone;
    if (entry->kind != OPERATION_WRITE || (!alone && entry->number <= outbox->sent_max)) {
        return err_set(err, E_BUSY,
                       "operation %llu was perhaps sent already: it can be dropped no more, only "
                       "followed by another write",
                       (unsigned long long)entry->id);
    }
    uint64_t number = entry->number;
    int rc = outbox_empty_unsent(outbox, entry, err);
    if (rc == 0) {
        outbox_record_empty(number, outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
        *ticket = outbox_queue_end(outbox);
    }
    return rc;
}

int outbox_drop(struct outbox *outbox, uint64_t id, struct err *err)
{
    ASSERT(outbox != NULL);
    uint64_t ticket = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    struct entry *entry = outbox_by_id(outbox, id);
    bool there = entry != NULL && outbox_is_durable(outbox, entry) && entry->state != OUTBOX_ACKED;
    int rc = there ? drop(outbox, entry, &ticket, err) : no_such(id, err);
    rc = rc != 0 ? rc : outbox_commit(outbox, ticket, err);
    (void)pthread_cond_broadcast(&outbox->changed);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

int outbox_drop_all(struct outbox *outbox, const uint64_t *ids, size_t count, struct err *err)
{
    ASSERT(outbox != NULL && (ids != NULL || count == 0));
    uint64_t ticket = 0;
    int rc = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct entry *entry = outbox_by_id(outbox, ids[i]);
        bool there =
            entry != NULL && outbox_is_durable(outbox, entry) && entry->state != OUTBOX_ACKED;
        rc = there ? drop(outbox, entry, &ticket, err) : 0;
        rc = rc == E_BUSY ? 0 : rc;
    }
    rc = rc != 0 || ticket == 0 ? rc : outbox_commit(outbox, ticket, err);
    (void)pthread_cond_broadcast(&outbox->changed);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}
