/* client/outbox_commit.c - group commit: whoever finds nobody leading writes and syncs for all that
 * wait, without the lock; the others queue their records meanwhile and wait for their turn.
 */
#include <string.h>

#include "client/outbox_inside.h"

/* --- the queue --- */

struct buf *outbox_queue_begin(struct outbox *outbox, size_t room)
{
    struct buf *waiting = &outbox->waiting;
    if (waiting->size == 0) {
        (void)buf_extend(waiting, OUTBOX_BATCH_HEAD);
    }
    if (waiting->size + room > OUTBOX_BATCH_MAX) {
        outbox->rewrite = true; /* what does not fit is in memory, and a new file takes it there */
        buf_reset(waiting);
        outbox->waiting_count = 0;
        (void)buf_extend(waiting, OUTBOX_BATCH_HEAD);
    }
    return waiting;
}

uint64_t outbox_queue_end(struct outbox *outbox)
{
    if (buf_error(&outbox->waiting) != 0) {
        outbox->rewrite = true;
        buf_reset(&outbox->waiting);
        outbox->waiting_count = 0;
    } else {
        outbox->waiting_count++;
    }
    return ++outbox->tickets;
}

/* --- the leader --- */

void outbox_lead_begin(struct outbox *outbox)
{
    while (outbox->leading) {
        (void)pthread_cond_wait(&outbox->changed, &outbox->lock);
    }
    outbox->leading = true;
}

void outbox_lead_end(struct outbox *outbox)
{
    ASSERT(outbox->leading);
    outbox->leading = false;
    (void)pthread_cond_broadcast(&outbox->changed);
}

static int append(struct outbox *outbox, uint32_t count, struct err *err)
{
    uint8_t *head = outbox->writing.data;
    head[0] = 0xdd; /* an array with a count of four bytes */
    put_be32(head + 1, count);
    return segment_append(outbox->segment, count, outbox_wall_ms(outbox),
                          buf_span(&outbox->writing), NULL, err);
}

/* What was added and did not come to the disk is taken back: nobody was told of it, and it never
 * was visible. */
static void take_back(struct outbox *outbox)
{
    while (outbox->window_count > 0) {
        struct entry *entry = outbox_window_at(outbox, outbox_window_end(outbox) - 1);
        if (entry->ticket <= outbox->durable) {
            break;
        }
        outbox_window_pop_newest(outbox);
        outbox->pending--;
        struct entry *maker = outbox_by_id(outbox, entry->made_id);
        if (maker != NULL && maker->refs > 0) {
            maker->refs--;
        }
        outbox_forget(outbox, entry);
    }
    struct entry *before = NULL;
    for (struct entry *entry = outbox->last; entry != NULL; entry = before) {
        before = entry->prev;
        if (entry->ticket > outbox->durable) { /* refused ones have no number */
            outbox->refused--;
            outbox_forget(outbox, entry);
        }
    }
    buf_reset(&outbox->waiting);
    outbox->waiting_count = 0;
    outbox->rewrite = true; /* outcomes among the lost records live in memory alone */
}

/* From the newest back to the first that is new on disk, then shown in order. */
static void show_new(struct outbox *outbox, uint64_t before)
{
    struct entry *entry = outbox->last;
    while (entry != NULL && entry->ticket > before) {
        entry = entry->prev;
    }
    entry = entry != NULL ? entry->next : outbox->first;
    for (; entry != NULL && entry->ticket <= outbox->durable; entry = entry->next) {
        if (entry->ticket > before && entry->state != OUTBOX_REFUSED) {
            outbox_show(outbox, entry);
        }
    }
}

static void finish_waiters(struct outbox *outbox, int rc, const struct err *err)
{
    struct waiter **link = &outbox->waiters;
    while (*link != NULL) {
        struct waiter *waiter = *link;
        if (rc == 0 && waiter->ticket > outbox->durable) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->done = true;
        waiter->rc = waiter->ticket <= outbox->durable ? 0 : rc;
        waiter->err = *err;
    }
}

/* Writes what waits. Called with the lock and nobody leading. */
static void lead(struct outbox *outbox)
{
    struct err err = {0};
    outbox_lead_begin(outbox);
    struct buf writing = outbox->waiting;
    outbox->waiting = outbox->writing;
    outbox->writing = writing;
    uint32_t count = outbox->waiting_count;
    outbox->waiting_count = 0;
    uint64_t upto = outbox->tickets;
    bool rewrite = outbox->rewrite;
    int rc = outbox->dead != 0
                 ? err_set(&err, outbox->dead,
                           "'%s' takes nothing more: writing to it failed before. Look after the "
                           "disk, then start again",
                           outbox->path)
                 : 0;
    (void)pthread_mutex_unlock(&outbox->lock);

    if (rc == 0) {
        rewrite = rewrite || !segment_has_room(outbox->segment, outbox->writing.size);
        rc = rewrite ? outbox_rewrite(outbox, &upto, &err)
                     : (count > 0 ? append(outbox, count, &err) : 0);
    }

    (void)pthread_mutex_lock(&outbox->lock);
    buf_reset(&outbox->writing);
    uint64_t before = outbox->durable;
    if (rc == 0) {
        outbox->durable = upto;
        show_new(outbox, before);
        outbox_advance(outbox);
    } else {
        take_back(outbox);
        if (rc != E_NOSPACE && rc != E_NOMEM && outbox->dead == 0) {
            outbox->dead = E_IO;
        }
    }
    finish_waiters(outbox, rc, &err);
    outbox_lead_end(outbox);
}

int outbox_commit(struct outbox *outbox, uint64_t ticket, struct err *err)
{
    if (ticket <= outbox->durable) {
        return 0;
    }
    /* of the thread, not of this call: gcc can't see that the list lets go of it before the end */
    static _Thread_local struct waiter waiter;
    waiter = (struct waiter){.ticket = ticket, .next = outbox->waiters};
    outbox->waiters = &waiter;
    while (!waiter.done) {
        if (outbox->leading) {
            (void)pthread_cond_wait(&outbox->changed, &outbox->lock);
        } else {
            lead(outbox);
        }
    }
    return waiter.rc == 0 ? 0 : err_set(err, waiter.rc, "%s", waiter.err.text);
}
