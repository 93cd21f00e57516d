/* client/outbox_lost.c - writes that a server took up and that its new history lacks, and those
 * that wait for a bag that it lacks. */
#include <string.h>

#include "client/outbox_inside.h"

static bool is_lost(const struct entry *entry, uint64_t after_seq)
{
    return entry->kind == OPERATION_WRITE && entry->state == OUTBOX_ACKED && !entry->settled &&
           entry->id != 0 && entry->seq > after_seq;
}

/* Its bag was made later, and its id may be another bag's in the new history. */
static bool is_homeless(const struct entry *entry, uint64_t after_seq)
{
    return entry->kind == OPERATION_WRITE && entry->state == OUTBOX_PENDING && entry->id != 0 &&
           entry->bag_id > after_seq;
}

static void refuse(struct outbox *outbox, struct entry *entry, int code, const char *text)
{
    outbox_hide_entry(outbox, entry);
    entry->state = OUTBOX_REFUSED;
    entry->code = code;
    entry->why = strdup(text); /* without memory for the sentence the code has to do */
    outbox->refused++;
}

/* Those behind an entry that can't be refused for want of memory stay as they are. */
static int refuse_all(struct outbox *outbox, uint64_t after_seq, int code, const char *text,
                      uint64_t *lost, struct err *err)
{
    int rc = 0;
    struct entry *next = NULL;
    for (struct entry *entry = outbox->first; rc == 0 && entry != NULL; entry = next) {
        next = entry->next;
        bool homeless = is_homeless(entry, after_seq);
        if (homeless) {
            rc = outbox_refuse_unsent(outbox, entry, code, text, err);
        } else if (is_lost(entry, after_seq)) {
            refuse(outbox, entry, code, text);
        } else {
            continue;
        }
        *lost += rc == 0 ? 1 : 0;
    }
    return rc;
}

/* What was said of them before is in the file, so that is written anew. */
static int make_durable(struct outbox *outbox, struct err *err)
{
    struct buf *record = outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA);
    outbox_record_sending(outbox->sending, outbox->sent_max, record);
    return outbox_commit(outbox, outbox_queue_end(outbox), err);
}

int outbox_lost(struct outbox *outbox, uint64_t after_seq, int code, const char *text,
                uint64_t *count, struct err *err)
{
    ASSERT(outbox != NULL && code < 0 && text != NULL && count != NULL);
    uint64_t lost = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_commit(outbox, outbox->tickets, err);
    if (rc == 0) {
        outbox_lead_begin(outbox); /* nobody writes a file meanwhile that has half of it */
        rc = refuse_all(outbox, after_seq, code, text, &lost, err);
        outbox->rewrite = outbox->rewrite || lost > 0;
        outbox_lead_end(outbox);
    }
    /* A try before this one may have found no room: then they are refused, and not on disk. */
    if (rc == 0 && outbox->rewrite) {
        rc = make_durable(outbox, err);
    }
    *count = rc == 0 ? lost : 0;
    (void)pthread_cond_broadcast(&outbox->changed);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}
