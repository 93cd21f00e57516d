/* client/outbox_rewrite.c - the file made small: what memory has, in a new file that takes the name
 * of the old one when it is whole.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "client/outbox_inside.h"

enum {
    CHUNK_BYTES = 1 << 20,                 /* of a batch, unless one record is larger */
    RECORD_ROOM = 2 * OUTBOX_RECORD_EXTRA, /* an operation's record, and its outcome's */
    GROWTH = 3, /* the new file is so many times what is written to it, at least */
};

/* --- collecting --- */

struct chunk {
    struct buf bytes;
    uint32_t count;
};

struct snapshot {
    struct chunk *chunks;
    size_t count;
    size_t bytes; /* of all batches as they lie in the file */
};

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        buf_free(&snapshot->chunks[i].bytes);
    }
    free(snapshot->chunks);
}

/* The buffer for one more record. */
static struct buf *snapshot_next(struct snapshot *snapshot, size_t room)
{
    struct chunk *last = snapshot->count > 0 ? &snapshot->chunks[snapshot->count - 1] : NULL;
    if (last == NULL || last->bytes.size + room > CHUNK_BYTES) {
        struct chunk *chunks =
            realloc(snapshot->chunks, (snapshot->count + 1) * sizeof *snapshot->chunks);
        if (chunks == NULL) {
            return NULL;
        }
        snapshot->chunks = chunks;
        last = &chunks[snapshot->count++];
        *last = (struct chunk){0};
        buf_init(&last->bytes, OUTBOX_BATCH_MAX);
        (void)buf_extend(&last->bytes, OUTBOX_BATCH_HEAD);
    }
    last->count++;
    return &last->bytes;
}

static int put_made(const struct outbox *outbox, struct snapshot *snapshot)
{
    for (size_t i = 0; i < outbox->made_count; i++) {
        const struct made *made = &outbox->made[i];
        const struct entry *entry = outbox_by_id(outbox, made->id);
        if (made->done && (entry == NULL || entry->number == 0)) {
            continue;
        }
        struct buf *out = snapshot_next(snapshot, OUTBOX_RECORD_EXTRA);
        if (out == NULL) {
            return E_NOMEM;
        }
        outbox_record_made(made, UINT64_MAX, out);
    }
    return 0;
}

/* What has no number any more; then the window, in order of numbers, with the outcomes. */
static int put_old(const struct outbox *outbox, struct snapshot *snapshot)
{
    for (const struct entry *e = outbox->first; e != NULL; e = e->next) {
        if (e->number != 0) {
            continue;
        }
        struct buf *out = snapshot_next(snapshot, e->size + RECORD_ROOM);
        if (out == NULL) {
            return E_NOMEM;
        }
        outbox_record_old(e, out);
    }
    return 0;
}

static int put_window(const struct outbox *outbox, struct snapshot *snapshot)
{
    for (uint64_t n = outbox->window_first; n < outbox_window_end(outbox); n++) {
        const struct entry *entry = outbox_window_at(outbox, n);
        struct buf *out = snapshot_next(snapshot, entry->size + RECORD_ROOM);
        if (out == NULL) {
            return E_NOMEM;
        }
        struct entry named = *entry;
        if (!entry->listed) { /* nothing but its number is of interest */
            static char none[] = "";
            named.id = 0;
            named.text = none;
        }
        outbox_record_add(&named, out);
        if (entry->state != OUTBOX_PENDING) {
            snapshot->chunks[snapshot->count - 1].count++;
            struct outbox_answer answer = outbox_answer_of(entry, n);
            outbox_record_outcome(&answer, out);
        }
    }
    return 0;
}

static int collect(struct outbox *outbox, struct snapshot *snapshot)
{
    struct buf *out = snapshot_next(snapshot, OUTBOX_RECORD_EXTRA);
    if (out == NULL) {
        return E_NOMEM;
    }
    outbox_record_state(outbox, out);
    int rc = put_made(outbox, snapshot);
    rc = rc != 0 ? rc : put_old(outbox, snapshot);
    rc = rc != 0 ? rc : put_window(outbox, snapshot);
    for (size_t i = 0; rc == 0 && i < snapshot->count; i++) {
        struct chunk *chunk = &snapshot->chunks[i];
        rc = buf_error(&chunk->bytes);
        if (rc == 0) {
            chunk->bytes.data[0] = 0xdd;
            put_be32(chunk->bytes.data + 1, chunk->count);
            snapshot->bytes += chunk->bytes.size + BATCH_HEADER_SIZE + SEGMENT_SECTOR;
        }
    }
    return rc;
}

/* --- a machine that never joined --- */

/* Which writes of an operation still count; how many. */
static size_t choose(const struct entry *entry, bool *keep)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->write_count; i++) {
        const struct overlay_write *write = &entry->writes[i];
        /* Of a bag that no server has, a removed item needs no mark. */
        keep[i] = write->shown && write->newer == NULL && !(write->remove && entry->made_id != 0);
        count += keep[i] ? 1 : 0;
    }
    return count;
}

/* A new entry in place of `old`, with the writes that count. */
static int replace(struct outbox *outbox, struct entry *old, const bool *keep)
{
    struct buf bytes;
    struct entry *entry = NULL;
    struct owner owner;
    struct entry *maker = outbox_by_id(outbox, old->made_id);
    buf_init(&bytes, OPERATION_BYTES_MAX + OUTBOX_RECORD_EXTRA);
    outbox_entry_encode(old, old->number, old->made_id != 0 ? 0 : old->bag_id,
                        maker != NULL ? maker->number : 0, keep, &bytes);
    int rc = buf_error(&bytes);
    rc = rc != 0 ? rc : owner_parse(&owner, old->text, NULL);
    rc = rc != 0 ? rc : outbox_entry_new(&entry, &owner, buf_span(&bytes), NULL);
    buf_free(&bytes);
    if (rc != 0) {
        return rc;
    }
    entry->id = old->id;
    entry->time_ms = old->time_ms;
    entry->ticket = old->ticket;
    entry->made_id = old->made_id;
    entry->bag_id = old->bag_id;
    outbox_hide_entry(outbox, old);
    outbox_window_set(outbox, old->number, entry);
    old->number = 0;
    outbox_forget(outbox, old);
    outbox_list_add(outbox, entry);
    outbox_show(outbox, entry); /* each was the newest of its item, so it is that again */
    return 0;
}

/* What later writes replaced goes. Leaves holes in the numbers, which renumbering closes. */
static int collapse(struct outbox *outbox, bool *keep)
{
    struct entry *next = NULL;
    for (struct entry *entry = outbox->first; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->kind != OPERATION_WRITE || entry->state != OUTBOX_PENDING ||
            entry->number == 0 || !outbox_is_durable(outbox, entry)) {
            continue;
        }
        size_t count = choose(entry, keep);
        int rc = 0;
        if (count == 0) {
            rc = outbox_empty_unsent(outbox, entry, NULL);
        } else if (count < entry->write_count) {
            rc = replace(outbox, entry, keep);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* --- numbers --- */

/* The same content under another number, naming its CREATE by that one's number of now. */
static int give_number(struct outbox *outbox, struct entry *entry, uint64_t number)
{
    struct buf bytes;
    struct owner owner;
    struct entry *maker = outbox_by_id(outbox, entry->made_id);
    int rc = 0;
    buf_init(&bytes, OPERATION_BYTES_MAX + OUTBOX_RECORD_EXTRA);
    if (entry->kind == OPERATION_WRITE) {
        outbox_entry_encode(entry, number, maker != NULL ? 0 : entry->bag_id,
                            maker != NULL ? maker->number : 0, NULL, &bytes);
    } else {
        rc = owner_parse(&owner, entry->text, NULL);
        ASSERT(rc == 0 && entry->kind == OPERATION_CREATE);
        operation_put_create(&bytes, number, &owner);
    }
    rc = buf_error(&bytes);
    outbox->used_bytes -= outbox_entry_cost(entry);
    rc = rc != 0 ? rc : outbox_entry_set_bytes(entry, buf_span(&bytes), NULL);
    outbox->used_bytes += outbox_entry_cost(entry);
    buf_free(&bytes);
    if (rc == 0) {
        entry->number = number;
    }
    return rc;
}

/* The window anew: all that is pending, from number 1 on. Place holders go. What was answered has
 * no number any more. An error leaves numbers that are not the file's: nothing is sent then. */
static int number_again(struct outbox *outbox)
{
    outbox->numbers_lost = true;
    while (outbox->window_count > 0) {
        struct entry *entry = outbox_window_at(outbox, outbox->window_first);
        outbox_window_pop(outbox);
        if (!entry->listed || entry->settled) {
            outbox->pending -= entry->state == OUTBOX_PENDING ? 1 : 0;
            outbox_forget(outbox, entry);
        }
    }
    outbox->window_first = 1;
    for (struct entry *e = outbox->first; e != NULL; e = e->next) {
        if (e->state != OUTBOX_PENDING) {
            continue;
        }
        int rc = outbox_window_reserve(outbox);
        rc = rc != 0 ? rc : give_number(outbox, e, outbox_window_end(outbox));
        if (rc != 0) {
            return rc;
        }
        outbox_window_push(outbox, e);
    }
    return 0;
}

static int make_small(struct outbox *outbox)
{
    if (!outbox->alone) {
        return 0;
    }
    bool *keep = calloc(OPERATION_WRITES_MAX, sizeof *keep);
    int rc = keep == NULL ? E_NOMEM : collapse(outbox, keep);
    free(keep);
    return rc != 0 ? rc : number_again(outbox);
}

/* --- writing --- */

static int fill(const struct outbox *outbox, struct segment *segment,
                const struct snapshot *snapshot, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < snapshot->count; i++) {
        const struct chunk *chunk = &snapshot->chunks[i];
        rc = segment_append(segment, chunk->count, outbox_wall_ms(outbox), buf_span(&chunk->bytes),
                            NULL, err);
    }
    return rc;
}

/* The new file beside the old one. */
static int write_beside(struct outbox *outbox, const struct snapshot *snapshot, struct err *err)
{
    struct segment *segment = NULL;
    struct segment_id id = {.purpose = SEGMENT_OUTBOX, .base_seq = 1};
    for (size_t i = 0; i < sizeof id.history; i += sizeof(uint64_t)) {
        uint64_t part = outbox_random(outbox);
        memcpy(id.history + i, &part, sizeof part);
    }
    uint64_t size = snapshot->bytes + OUTBOX_FILE_MIN;
    size = size < GROWTH * snapshot->bytes ? GROWTH * snapshot->bytes : size;
    (void)unlink(outbox->next_path); /* of a try that was cut short */
    int rc = segment_create(&segment, outbox->next_path, &id, size, outbox->disk, err);
    rc = rc != 0 ? rc : fill(outbox, segment, snapshot, err);
    segment_close(&segment);
    if (rc != 0) {
        (void)unlink(outbox->next_path); /* it never counted */
    }
    return rc;
}

static int take_its_place(struct outbox *outbox, struct err *err)
{
    if (outbox->disk->rename(outbox->disk->context, outbox->next_path, outbox->path) != 0) {
        return err_sys(err, "rename", outbox->next_path);
    }
    int rc = disk_sync_parent(outbox->disk, outbox->path, err);
    struct segment *segment = NULL;
    enum segment_tail tail;
    rc = rc != 0 ? rc : segment_open(&segment, outbox->path, outbox->disk, NULL, NULL, &tail, err);
    if (rc != 0) {
        if (err != NULL) {
            err->code = E_IO;
        }
        return E_IO; /* whichever file has the name: nothing more may be added */
    }
    segment_close(&outbox->segment);
    outbox->segment = segment;
    return 0;
}

int outbox_rewrite(struct outbox *outbox, uint64_t *upto, struct err *err)
{
    struct snapshot snapshot = {0};
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = make_small(outbox);
    rc = rc != 0 ? rc : collect(outbox, &snapshot);
    if (rc == 0) {
        *upto = outbox->tickets;
        buf_reset(&outbox->waiting);
        outbox->waiting_count = 0;
        outbox->rewrite = false; /* set again by what can't be queued meanwhile */
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    rc = rc != 0 ? err_set(err, rc, "out of memory") : write_beside(outbox, &snapshot, err);
    if (rc == 0 && outbox->barrier != NULL) { /* what the snapshot lacks was let go of before it */
        rc = outbox->barrier(outbox->barrier_context, err);
    }
    rc = rc != 0 ? rc : take_its_place(outbox, err);
    snapshot_free(&snapshot);
    if (rc == 0) {
        (void)pthread_mutex_lock(&outbox->lock);
        outbox->numbers_lost = false;
        (void)pthread_mutex_unlock(&outbox->lock);
    }
    return rc;
}

/* --- a new writer --- */

/* Pending writes of bags that were made under the old writer name the bag itself from now on; those
 * of a bag that the server had already are refused. */
static int settle_makers(struct outbox *outbox, struct err *err)
{
    for (size_t i = 0; i < outbox->made_count; i++) {
        const struct made made = outbox->made[i];
        int rc = outbox_settle_made(outbox, made.id, span_str(made.text), made.bag_id, made.code, 0,
                                    err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int outbox_renumber(struct outbox *outbox, struct err *err)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_commit(outbox, outbox->tickets, err);
    if (rc == 0) {
        outbox_lead_begin(outbox); /* nobody adds a record with an old number meanwhile */
        rc = settle_makers(outbox, err);
        rc = rc != 0 ? rc : number_again(outbox);
        outbox->writer = outbox_random(outbox);
        outbox->sent_max = 0;
        outbox->sending = false;
        outbox->rewrite = true;
        outbox_lead_end(outbox);
    }
    if (rc == 0) {
        struct buf *record = outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA);
        outbox_record_sending(false, 0, record);
        rc = outbox_commit(outbox, outbox_queue_end(outbox), err);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}
