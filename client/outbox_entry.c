/* client/outbox_entry.c - operations in memory. */
#include <stdlib.h>
#include <string.h>

#include "client/outbox_inside.h"

enum { WINDOW_FIRST = 64 };

/* --- an entry --- */

/* Where paths and values lie in the bytes. Counts are what they were, or fewer. */
static int point(struct entry *entry, const struct operation *operation, struct err *err)
{
    for (size_t i = 0; i < operation->write_count; i++) {
        struct operation_write write;
        int rc = operation_write_at(operation, i, &write);
        if (rc != 0) {
            return err_set(err, rc, "an operation of the outbox can't be read");
        }
        entry->writes[i].path = write.path;
        entry->writes[i].value = write.value;
        entry->writes[i].remove = write.remove;
        entry->writes[i].bag = entry->key;
        entry->writes[i].entry = entry;
    }
    return 0;
}

static int decode(struct span bytes, struct unpacked *unpacked, struct operation *operation,
                  struct err *err)
{
    int rc = unpack_open(unpacked, bytes, OUTBOX_ELEMENTS_MAX);
    if (rc != 0) {
        return err_set(err, rc, "an operation of the outbox can't be read");
    }
    return operation_decode(&unpacked->root, operation, err);
}

static char *format_key(const struct owner *owner)
{
    struct owner folded = *owner;
    char text[OWNER_TEXT_MAX];
    memcpy(folded.shown, owner->folded, sizeof folded.shown);
    owner_format(&folded, text);
    return strdup(text);
}

static int fill(struct entry *entry, const struct owner *owner, struct span bytes,
                const struct operation *operation, struct err *err)
{
    char text[OWNER_TEXT_MAX] = "";
    if (owner != NULL) {
        owner_format(owner, text);
    }
    entry->text = strdup(text);
    entry->key = owner != NULL ? format_key(owner) : strdup("");
    entry->bytes = malloc(bytes.size);
    if (entry->text == NULL || entry->key == NULL || entry->bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    memcpy(entry->bytes, bytes.data, bytes.size);
    entry->size = bytes.size;
    entry->kind = operation->kind;
    entry->number = operation->number;
    entry->bag_id = operation->bag_id;
    entry->write_count = operation->write_count;
    return 0;
}

int outbox_entry_new(struct entry **out, const struct owner *owner, struct span bytes,
                     struct err *err)
{
    struct unpacked unpacked = {0};
    struct operation operation;
    struct entry *entry = NULL;
    int rc = decode(bytes, &unpacked, &operation, err);
    if (rc != 0) {
        goto out;
    }
    size_t size = sizeof *entry + operation.write_count * sizeof entry->writes[0];
    entry = calloc(1, size);
    if (entry == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
        goto out;
    }
    rc = fill(entry, owner, bytes, &operation, err);
    unpack_close(&unpacked);
    if (rc == 0) { /* once more, for spans into the copy */
        rc = decode(span_of(entry->bytes, entry->size), &unpacked, &operation, err);
    }
    rc = rc != 0 ? rc : point(entry, &operation, err);

out:
    unpack_close(&unpacked);
    if (rc != 0) {
        outbox_entry_free(&entry);
        return rc;
    }
    *out = entry;
    return 0;
}

void outbox_entry_free(struct entry **entry)
{
    if (entry == NULL || *entry == NULL) {
        return;
    }
    free((*entry)->text);
    free((*entry)->key);
    free((*entry)->bytes);
    free((*entry)->why);
    free(*entry);
    *entry = NULL;
}

size_t outbox_entry_cost(const struct entry *entry)
{
    return sizeof *entry + entry->size + entry->write_count * sizeof entry->writes[0];
}

int outbox_entry_set_bytes(struct entry *entry, struct span bytes, struct err *err)
{
    struct unpacked unpacked = {0};
    struct operation operation;
    uint8_t *copy = malloc(bytes.size);
    if (copy == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    memcpy(copy, bytes.data, bytes.size);
    int rc = decode(span_of(copy, bytes.size), &unpacked, &operation, err);
    if (rc != 0) {
        free(copy);
        unpack_close(&unpacked);
        return rc;
    }
    ASSERT(operation.kind == entry->kind && operation.write_count == entry->write_count);
    rc = point(entry, &operation, err);
    ASSERT(rc == 0); /* it was decoded */
    unpack_close(&unpacked);
    free(entry->bytes);
    entry->bytes = copy;
    entry->size = bytes.size;
    return 0;
}

/* The conditions and what it had seen are in its bytes only. */
void outbox_entry_encode(const struct entry *entry, uint64_t number, uint64_t bag_id,
                         uint64_t made_by, const bool *keep, struct buf *out)
{
    ASSERT(entry->kind == OPERATION_WRITE);
    struct unpacked unpacked = {0};
    struct operation operation;
    uint32_t count = 0;
    for (size_t i = 0; i < entry->write_count; i++) {
        count += keep == NULL || keep[i] ? 1 : 0;
    }
    int rc = decode(span_of(entry->bytes, entry->size), &unpacked, &operation, NULL);
    if (rc != 0) {
        ASSERT(rc == E_NOMEM);
        out->error = E_NOMEM;
        unpack_close(&unpacked);
        return;
    }
    operation_begin_write(out, number, bag_id, made_by, operation.seen, count);
    for (size_t i = 0; i < entry->write_count; i++) {
        struct operation_write write;
        rc = operation_write_at(&operation, i, &write);
        ASSERT(rc == 0);
        if (keep == NULL || keep[i]) {
            operation_put_write(out, &write);
        }
    }
    unpack_close(&unpacked);
}

bool outbox_is_durable(const struct outbox *outbox, const struct entry *entry)
{
    return entry->ticket <= outbox->durable;
}

/* --- the list --- */

/* Nearly always the newest id; of a file that was made small some come later. */
void outbox_list_add(struct outbox *outbox, struct entry *entry)
{
    ASSERT(!entry->listed && entry->id != 0);
    struct entry *before = outbox->last;
    while (before != NULL && before->id > entry->id) {
        before = before->prev;
    }
    entry->listed = true;
    entry->prev = before;
    entry->next = before != NULL ? before->next : outbox->first;
    if (entry->prev != NULL) {
        entry->prev->next = entry;
    } else {
        outbox->first = entry;
    }
    if (entry->next != NULL) {
        entry->next->prev = entry;
    } else {
        outbox->last = entry;
    }
    outbox->used_bytes += outbox_entry_cost(entry);
}

void outbox_list_remove(struct outbox *outbox, struct entry *entry)
{
    ASSERT(entry->listed);
    if (entry->prev != NULL) {
        entry->prev->next = entry->next;
    } else {
        outbox->first = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->prev = entry->prev;
    } else {
        outbox->last = entry->prev;
    }
    entry->listed = false;
    outbox->used_bytes -= outbox_entry_cost(entry);
}

/* Mostly one of the newest is asked for. */
struct entry *outbox_by_id(const struct outbox *outbox, uint64_t id)
{
    struct entry *entry = id != 0 ? outbox->last : NULL;
    while (entry != NULL && entry->id > id) {
        entry = entry->prev;
    }
    return entry != NULL && entry->id == id ? entry : NULL;
}

/* --- the window --- */

static struct entry **slot(const struct outbox *outbox, size_t i)
{
    ASSERT(outbox->window_capacity > 0);
    return &outbox->window[(outbox->window_head + i) % outbox->window_capacity];
}

int outbox_window_reserve(struct outbox *outbox)
{
    if (outbox->window_count < outbox->window_capacity) {
        return 0;
    }
    size_t capacity = outbox->window_capacity > 0 ? 2 * outbox->window_capacity : WINDOW_FIRST;
    struct entry **window = calloc(capacity, sizeof(struct entry *));
    if (window == NULL) {
        return E_NOMEM;
    }
    for (size_t i = 0; i < outbox->window_count; i++) {
        window[i] = *slot(outbox, i);
    }
    free(outbox->window);
    outbox->window = window;
    outbox->window_head = 0;
    outbox->window_capacity = capacity;
    return 0;
}

void outbox_window_push(struct outbox *outbox, struct entry *entry)
{
    ASSERT(outbox->window_count < outbox->window_capacity);
    ASSERT(entry->number == outbox_window_end(outbox));
    *slot(outbox, outbox->window_count++) = entry;
}

struct entry *outbox_window_at(const struct outbox *outbox, uint64_t number)
{
    if (number < outbox->window_first || number - outbox->window_first >= outbox->window_count) {
        return NULL;
    }
    return *slot(outbox, (size_t)(number - outbox->window_first));
}

void outbox_window_set(struct outbox *outbox, uint64_t number, struct entry *entry)
{
    ASSERT(outbox_window_at(outbox, number) != NULL);
    *slot(outbox, (size_t)(number - outbox->window_first)) = entry;
}

void outbox_window_pop(struct outbox *outbox)
{
    ASSERT(outbox->window_count > 0);
    (*slot(outbox, 0))->number = 0;
    outbox->window_head = (outbox->window_head + 1) % outbox->window_capacity;
    outbox->window_count--;
    outbox->window_first++;
}

void outbox_window_pop_newest(struct outbox *outbox)
{
    ASSERT(outbox->window_count > 0);
    (*slot(outbox, outbox->window_count - 1))->number = 0;
    outbox->window_count--;
}

uint64_t outbox_window_end(const struct outbox *outbox)
{
    return outbox->window_first + outbox->window_count;
}

/* --- what is visible --- */

void outbox_show(struct outbox *outbox, struct entry *entry)
{
    for (size_t i = 0; i < entry->write_count; i++) {
        client_overlay_show(outbox->overlay, &entry->writes[i]);
    }
}

void outbox_hide_entry(struct outbox *outbox, struct entry *entry)
{
    for (size_t i = 0; i < entry->write_count; i++) {
        client_overlay_hide(outbox->overlay, &entry->writes[i]);
    }
}

void outbox_forget(struct outbox *outbox, struct entry *entry)
{
    ASSERT(entry->number == 0);
    outbox_hide_entry(outbox, entry);
    if (entry->listed) {
        outbox_list_remove(outbox, entry);
    }
    outbox_entry_free(&entry);
}
