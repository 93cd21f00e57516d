/* client/outbox_settle.c - what becomes of an operation. Memory alone: the same for an answer of
 * the server and for its record that is replayed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/outbox_inside.h"

/* --- made bags --- */

struct made *outbox_made_find(const struct outbox *outbox, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < outbox->made_count; i++) {
        if (outbox->made[i].id == id) {
            return &outbox->made[i];
        }
    }
    return NULL;
}

static int made_add(struct outbox *outbox, const struct made *made, struct span text,
                    struct err *err)
{
    struct made *list =
        array_reserve(outbox->made, &outbox->made_capacity, outbox->made_count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    outbox->made = list;
    struct made added = *made;
    added.text = span_dup(text);
    if (added.text == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    outbox->made[outbox->made_count++] = added;
    return 0;
}

/* An empty operation in place of `entry`, which has no number any more. */
static int put_place_holder(struct outbox *outbox, struct entry *entry, struct err *err)
{
    struct buf bytes;
    struct entry *empty = NULL;
    buf_init(&bytes, 64);
    operation_put_empty(&bytes, entry->number);
    int rc = buf_error(&bytes);
    rc = rc != 0 ? err_set(err, rc, "out of memory")
                 : outbox_entry_new(&empty, NULL, buf_span(&bytes), err);
    buf_free(&bytes);
    if (rc != 0) {
        return rc;
    }
    empty->ticket = entry->ticket;
    outbox_window_set(outbox, entry->number, empty);
    entry->number = 0;
    return 0;
}

static void unname_maker(struct outbox *outbox, struct entry *entry)
{
    struct entry *maker = outbox_by_id(outbox, entry->made_id);
    if (maker != NULL && maker->refs > 0) {
        maker->refs--;
    }
    entry->made_id = 0;
}

static void refuse(struct outbox *outbox, struct entry *entry, int code, struct span why)
{
    outbox_hide_entry(outbox, entry);
    entry->state = OUTBOX_REFUSED;
    entry->code = code;
    entry->why = span_dup(why);
    outbox->refused++; /* without memory for the sentence the code has to do */
}

int outbox_refuse_unsent(struct outbox *outbox, struct entry *entry, int code, const char *why,
                         struct err *err)
{
    ASSERT(entry->state == OUTBOX_PENDING && entry->id != 0);
    int rc = put_place_holder(outbox, entry, err);
    if (rc != 0) {
        return rc;
    }
    unname_maker(outbox, entry);
    refuse(outbox, entry, code, span_str(why));
    return 0; /* the place holder is pending instead */
}

int outbox_empty_unsent(struct outbox *outbox, struct entry *entry, struct err *err)
{
    ASSERT(entry->state == OUTBOX_PENDING && entry->id != 0);
    int rc = put_place_holder(outbox, entry, err);
    if (rc != 0) {
        return rc;
    }
    unname_maker(outbox, entry);
    outbox_forget(outbox, entry);
    return 0;
}

/* A pending WRITE of the bag that was made. */
static int name_bag(struct outbox *outbox, struct entry *entry, const struct made *made,
                    uint64_t from, struct err *err)
{
    bool has_bag = made->code == 0 || made->code == E_BAG_EXISTS;
    if (made->code == 0) {
        entry->bag_id = made->bag_id;
    }
    if (entry->number < from) {
        return 0; /* perhaps sent: it stays as it is, and the server knows what it means */
    }
    if (made->code != 0) {
        return outbox_refuse_unsent(outbox, entry, made->code,
                                    has_bag ? "the server has this owner already: its copy "
                                              "replaced the one of this machine"
                                            : "the server refused to make this bag",
                                    err);
    }
    struct buf bytes;
    buf_init(&bytes, OPERATION_BYTES_MAX + OUTBOX_RECORD_EXTRA);
    outbox_entry_encode(entry, entry->number, made->bag_id, 0, NULL, &bytes);
    int rc = buf_error(&bytes);
    outbox->used_bytes -= outbox_entry_cost(entry);
    rc = rc != 0 ? err_set(err, rc, "out of memory")
                 : outbox_entry_set_bytes(entry, buf_span(&bytes), err);
    outbox->used_bytes += outbox_entry_cost(entry);
    buf_free(&bytes);
    if (rc == 0) {
        unname_maker(outbox, entry);
    }
    return rc;
}

int outbox_settle_made(struct outbox *outbox, uint64_t id, struct span text, uint64_t bag_id,
                       int code, uint64_t from, struct err *err)
{
    struct made *made = outbox_made_find(outbox, id);
    if (made == NULL) {
        struct made added = {.id = id, .bag_id = bag_id, .code = code};
        int rc = made_add(outbox, &added, text, err);
        if (rc != 0) {
            return rc;
        }
        made = outbox_made_find(outbox, id);
    }
    struct entry *next = NULL;
    for (struct entry *entry = outbox->first; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->made_id != id || entry->state != OUTBOX_PENDING || entry->number == 0) {
            continue;
        }
        int rc = name_bag(outbox, entry, made, from, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* --- outcomes --- */

void outbox_await(struct entry *entry, const struct outbox_answer *answer)
{
    entry->seq = answer->seq;
    entry->split = answer->split;
    entry->shared_seq = answer->split ? answer->shared_seq : answer->seq;
    entry->device_bag = answer->split ? answer->device_bag : 0;
    entry->device_seq = entry->device_bag != 0 ? answer->device_seq : 0;
}

void outbox_settle(struct outbox *outbox, struct entry *entry, const struct outbox_answer *answer)
{
    ASSERT(entry->state == OUTBOX_PENDING);
    int code = answer->code;
    outbox->pending--;
    bool met = code == 0 || (entry->kind == OPERATION_CREATE && code == E_BAG_EXISTS);
    if (entry->made_id != 0) {
        const struct made *made = outbox_made_find(outbox, entry->made_id);
        entry->bag_id = made != NULL && made->code == 0 ? made->bag_id : entry->bag_id;
        unname_maker(outbox, entry);
    }
    if (entry->id == 0 || met) { /* of a place holder only the answer counts */
        entry->state = OUTBOX_ACKED;
        outbox_await(entry, answer);
        entry->settled = entry->id == 0 || entry->kind != OPERATION_WRITE;
        return;
    }
    refuse(outbox, entry, code, answer->text);
}

void outbox_advance(struct outbox *outbox)
{
    while (outbox->window_count > 0) {
        struct entry *entry = outbox_window_at(outbox, outbox->window_first);
        if (entry->state == OUTBOX_PENDING || entry->answer_ticket > outbox->durable ||
            entry->refs > 0) {
            return;
        }
        outbox_window_pop(outbox);
        if (entry->settled) {
            outbox_forget(outbox, entry);
        }
    }
}

/* --- passed, gone --- */

static void tell_gone(struct outbox *outbox, const struct entry *entry,
                      const struct overlay_write *write, outbox_gone_fn *each, void *context)
{
    struct owner owner;
    if (each == NULL || client_overlay_find(outbox->overlay, entry->key, write->path) != NULL ||
        owner_parse(&owner, entry->text, NULL) != 0) {
        return;
    }
    each(context, &owner, write->path, write->remove ? NULL : &write->value);
}

static void pass(struct outbox *outbox, struct entry *entry, outbox_gone_fn *each, void *context)
{
    for (size_t i = 0; i < entry->write_count; i++) {
        struct overlay_write *write = &entry->writes[i];
        bool newest = write->shown && write->newer == NULL;
        client_overlay_hide(outbox->overlay, write);
        if (newest) {
            tell_gone(outbox, entry, write, each, context);
        }
    }
    entry->settled = true;
    if (entry->number == 0) {
        outbox_forget(outbox, entry);
    }
}

/* Is the bag, at this cursor, one that the entry waits for? */
static bool is_awaited(const struct entry *entry, uint64_t bag_id, uint64_t cursor)
{
    return (entry->bag_id == bag_id && entry->shared_seq <= cursor) ||
           (entry->device_bag == bag_id && entry->device_seq <= cursor);
}

/* Does the entry wait for nothing more then? */
static bool note_passed(struct entry *entry, uint64_t bag_id, uint64_t cursor)
{
    if (entry->bag_id == bag_id && entry->shared_seq <= cursor) {
        entry->shared_seq = 0;
    }
    if (entry->device_bag == bag_id && entry->device_seq <= cursor) {
        entry->device_seq = 0;
    }
    return entry->shared_seq == 0 && entry->device_seq == 0;
}

/* Outcomes come in order, so nothing that was taken up lies behind what is pending. */
size_t outbox_passed(struct outbox *outbox, uint64_t bag_id, uint64_t cursor, outbox_gone_fn *each,
                     void *context)
{
    ASSERT(outbox != NULL);
    size_t waiting = 0;
    struct entry *next = NULL;
    (void)pthread_mutex_lock(&outbox->lock);
    for (struct entry *entry = outbox->first; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->state == OUTBOX_PENDING) {
            break;
        }
        if (entry->state != OUTBOX_ACKED || entry->settled || !is_awaited(entry, bag_id, cursor)) {
            continue;
        }
        if (entry->answer_ticket > outbox->durable) {
            waiting++;
        } else if (note_passed(entry, bag_id, cursor)) {
            pass(outbox, entry, each, context);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return waiting;
}

void outbox_hide(struct outbox *outbox, uint64_t bag_id)
{
    ASSERT(outbox != NULL);
    struct entry *next = NULL;
    (void)pthread_mutex_lock(&outbox->lock);
    for (struct entry *entry = outbox->first; entry != NULL; entry = next) {
        next = entry->next;
        bool acked = entry->state == OUTBOX_ACKED && !entry->settled;
        if (acked && entry->device_bag == bag_id && note_passed(entry, bag_id, UINT64_MAX)) {
            pass(outbox, entry, NULL, NULL);
            continue;
        }
        if (entry->bag_id != bag_id || entry->kind != OPERATION_WRITE ||
            entry->state == OUTBOX_REFUSED) {
            continue;
        }
        outbox_hide_entry(outbox, entry);
        if (acked) {
            pass(outbox, entry, NULL, NULL);
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- what the server says --- */

static void tell(const struct entry *entry, bool news, struct outbox_told *told)
{
    if (told == NULL) {
        return;
    }
    told->id = entry->id;
    told->kind = entry->kind;
    told->news = news;
    told->bag_id = entry->bag_id;
    if (entry->text[0] != '\0') {
        int rc = owner_parse(&told->owner, entry->text, NULL);
        ASSERT(rc == 0); /* it was made by owner_format */
    }
}

/* The highest number that was perhaps sent. */
static uint64_t sent_max(const struct outbox *outbox)
{
    return outbox->alone ? 0 : outbox->sent_max;
}

static void answer_create(struct outbox *outbox, struct entry *entry, int code, uint64_t bag_id)
{
    struct made made = {.id = entry->id, .bag_id = bag_id, .code = code, .text = entry->text};
    uint64_t from = sent_max(outbox) + 1;
    struct buf *record = outbox_queue_begin(outbox, strlen(entry->text) + OUTBOX_RECORD_EXTRA);
    outbox_record_made(&made, from, record);
    entry->answer_ticket = outbox_queue_end(outbox);
    entry->bag_id = bag_id;
    if (outbox_settle_made(outbox, entry->id, span_str(entry->text), bag_id, code, from, NULL) !=
        0) {
        outbox->dead = E_NOMEM; /* opened again it is settled by its record */
    }
}

void outbox_outcome(struct outbox *outbox, const struct outbox_answer *answer,
                    struct outbox_told *told)
{
    ASSERT(outbox != NULL && answer != NULL);
    struct outbox_answer said = *answer;
    (void)pthread_mutex_lock(&outbox->lock);
    struct entry *entry = outbox_window_at(outbox, said.number);
    if (told != NULL) {
        *told = (struct outbox_told){0};
    }
    if (entry == NULL || !outbox_is_durable(outbox, entry) || entry->state != OUTBOX_PENDING) {
        if (entry != NULL) {
            tell(entry, false, told);
        }
        (void)pthread_mutex_unlock(&outbox->lock);
        return;
    }
    bool made = entry->kind == OPERATION_CREATE && (said.code == 0 || said.code == E_BAG_EXISTS);
    if (made && said.seq == 0) { /* nothing could be written to a bag without an id */
        said.code = E_MALFORMED;
        said.text = span_str("the server made the bag and did not say which one it is");
    }
    struct buf *record = outbox_queue_begin(outbox, said.text.size + OUTBOX_RECORD_EXTRA);
    outbox_record_outcome(&said, record);
    entry->answer_ticket = outbox_queue_end(outbox);
    outbox_settle(outbox, entry, &said);
    if (entry->kind == OPERATION_CREATE) {
        answer_create(outbox, entry, said.code, said.seq);
    }
    tell(entry, true, told);
    (void)pthread_cond_broadcast(&outbox->changed);
    (void)pthread_mutex_unlock(&outbox->lock);
}
