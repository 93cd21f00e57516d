/* client/kb_items.c - reading: the outbox first, the replica second. Never waits for the network.
 *
 * A user's bag is shown as it counts on this machine: where a category is device-specific, by the
 * values of the user's bag on this machine, and where there is none, by the fleet's defaults.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/kb_inside.h"
#include "client/network.h"

enum { USED_MS = 3600 * 1000 };

/* Once an hour it is written down. It only guides which users' bags are let go of first, so that it
 * can't be written (a full disk) is nobody's trouble here. */
static void note_use(struct kb *kb, const struct replica_bag *bag)
{
    uint64_t now_ms = client_wall_ms(kb);
    if (bag->used_ms > now_ms || now_ms - bag->used_ms >= USED_MS) {
        int rc = replica_used(kb->replica, bag->local, now_ms, NULL);
        (void)rc; /* as above */
    }
}

int client_find_bag(struct kb *kb, const char *text, struct replica_bag *bag, struct err *err)
{
    struct owner owner;
    struct replica_bag found;
    int rc = owner_parse(&owner, text, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_by_owner(kb->replica, &owner, &found, err);
    if (rc == E_NOT_FOUND || (rc == 0 && !found.keep)) {
        return err_set(err, E_NOT_SIGNED_IN, "'%.200s' is not kept here: sign in first", text);
    }
    if (rc == 0) {
        if (found.owner.kind == OWNER_USER || found.owner.kind == OWNER_USER_DEVICE) {
            note_use(kb, &found);
        }
        *bag = found;
    }
    return rc;
}

/* --- what lies over the replica --- */

static int find_local(struct kb *kb, const struct owner *owner, struct span path,
                      struct replica_local *local, struct buf *value, struct replica_locals *out,
                      struct err *err)
{
    *local = (struct replica_local){.path = path};
    int rc = outbox_lookup(kb->outbox, owner, path, value, &local->removed, &local->time_ms);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc != 0) {
        return err_set(err, rc, "the value of '%.*s' does not fit", (int)path.size,
                       (const char *)path.data);
    }
    local->seq = outbox_acked_seq(kb->outbox, owner, path);
    local->value = buf_span(value);
    *out = (struct replica_locals){local, 1};
    return 0;
}

/* The view of an owner's bag on this machine; `device` is borrowed as `owner` is. */
static bool begin_view(struct kb *kb, const struct owner *owner, struct owner *device,
                       struct replica_view *view)
{
    *view = (struct replica_view){.owner = owner};
    if (owner->kind == OWNER_USER) {
        *device = *owner;
        device->kind = OWNER_USER_DEVICE;
        device->device = client_device(kb);
        view->device = device->device;
    }
    return view->device != 0;
}

int client_over_find(struct kb *kb, const struct owner *owner, struct span path,
                     struct client_over *over, struct err *err)
{
    buf_init(&over->own_value, VALUE_MAX_BYTES + 1);
    buf_init(&over->device_value, VALUE_MAX_BYTES + 1);
    bool personal = begin_view(kb, owner, &over->device, &over->view);
    int rc = find_local(kb, owner, path, &over->own, &over->own_value, &over->view.over, err);
    if (rc == 0 && personal) {
        rc = find_local(kb, &over->device, path, &over->on_device, &over->device_value,
                        &over->view.over_device, err);
    }
    return rc;
}

void client_over_free(struct client_over *over)
{
    buf_free(&over->own_value);
    buf_free(&over->device_value);
}

void client_tell_damage(struct kb *kb, int rc)
{
    if (rc == E_CORRUPT) {
        (void)pthread_mutex_lock(&kb->lock);
        if (kb->network != NULL) {
            network_wake(kb->network, NETWORK_BAGS);
        }
        (void)pthread_mutex_unlock(&kb->lock);
    }
}

/* --- one item --- */

/* The outbox was looked at first; a write that left it meanwhile is in the replica. */
static int read_over(struct kb *kb, const struct client_over *over, struct span path,
                     struct replica_seen *out, struct buf *value, struct err *err)
{
    const struct replica_local *own = over->view.over.count > 0 ? &over->own : NULL;
    if (own == NULL || own->removed) {
        int rc = replica_view_item(kb->replica, &over->view, path, out, value, err);
        client_tell_damage(kb, rc);
        return rc;
    }
    *out = (struct replica_seen){.path = path, .local = true};
    out->row = (struct item_row){.state = ITEM_LIVE, .seq = own->seq, .time_ms = own->time_ms};
    return value == NULL || buf_append_span(value, own->value) == 0
               ? 0
               : err_set(err, buf_error(value), "the value of '%.*s' does not fit", (int)path.size,
                         (const char *)path.data);
}

int client_read(struct kb *kb, const struct owner *owner, struct span path, struct buf *value,
                struct item_row *row, bool *pending, struct err *err)
{
    struct client_over over;
    struct replica_seen seen;
    int rc = client_over_find(kb, owner, path, &over, err);
    rc = rc != 0 ? rc : read_over(kb, &over, path, &seen, value, err);
    client_over_free(&over);
    if (rc == 0) {
        *row = seen.row;
        row->value = (struct span){NULL, 0};
        row->seq = seen.layer == REPLICA_DEFAULT ? 0 : row->seq; /* there is no item of this seq */
        *pending = seen.local && row->seq == 0;
    }
    return rc;
}

static int get(struct kb *kb, const char *bag_text, const char *item, struct kb_value *out,
               struct err *err)
{
    struct replica_bag bag;
    struct item_row row;
    bool pending = false;
    struct buf value;
    int rc = path_check(span_str(item), err);
    rc = rc != 0 ? rc : client_find_bag(kb, bag_text, &bag, err);
    if (rc != 0) {
        return rc;
    }
    buf_init(&value, VALUE_MAX_BYTES + 1);
    rc = client_read(kb, &bag.owner, span_str(item), &value, &row, &pending, err);
    if (rc == 0) {
        struct kb_value made = {.seq = row.seq, .time_ms = row.time_ms, .pending = pending};
        made.data = buf_steal(&value, &made.size);
        if (made.data == NULL) {
            rc = err_set(err, E_NOMEM, "out of memory");
        } else {
            *out = made;
        }
    }
    buf_free(&value);
    return rc;
}

int kb_get(struct kb *kb, const char *bag, const char *item, struct kb_value *value,
           struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && item != NULL && value != NULL);
    struct err err = {0};
    int rc = get(kb, bag, item, value, &err);
    return rc == 0 ? 0 : client_fail(error, &err);
}

void kb_value_free(struct kb_value *value)
{
    if (value != NULL) {
        free(value->data);
        value->data = NULL;
        value->size = 0;
    }
}

/* --- listing --- */

/* Visible local writes, copied: the list is told without the outbox's lock. */
struct bytes {
    struct bytes *next;
    uint8_t data[];
};

struct locals {
    struct replica_local *list;
    size_t count, capacity;
    struct bytes *bytes; /* of paths and values */
};

static int copy_local(void *context, struct span path, const struct span *value, uint64_t time_ms,
                      struct err *err)
{
    struct locals *locals = context;
    size_t size = value != NULL ? value->size : 0;
    struct replica_local *list =
        array_reserve(locals->list, &locals->capacity, locals->count + 1, sizeof *list);
    locals->list = list != NULL ? list : locals->list;
    struct bytes *bytes = list != NULL ? malloc(sizeof *bytes + path.size + size) : NULL;
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    bytes->next = locals->bytes;
    locals->bytes = bytes;
    memcpy(bytes->data, path.data, path.size);
    if (size > 0) {
        memcpy(bytes->data + path.size, value->data, size);
    }
    list[locals->count++] = (struct replica_local){.path = span_of(bytes->data, path.size),
                                                   .removed = value == NULL,
                                                   .value = span_of(bytes->data + path.size, size),
                                                   .time_ms = time_ms};
    return 0;
}

static int copy_locals(struct kb *kb, const struct owner *owner, struct span prefix,
                       struct locals *locals, struct replica_locals *out, struct err *err)
{
    int rc = outbox_items(kb->outbox, owner, prefix, copy_local, locals, err);
    for (size_t i = 0; i < locals->count; i++) {
        locals->list[i].seq = outbox_acked_seq(kb->outbox, owner, locals->list[i].path);
    }
    *out = (struct replica_locals){locals->list, locals->count};
    return rc;
}

static void locals_free(struct locals *locals)
{
    while (locals->bytes != NULL) {
        struct bytes *bytes = locals->bytes;
        locals->bytes = bytes->next;
        free(bytes);
    }
    free(locals->list);
}

struct listing {
    kb_item_fn *each;
    void *context;
    int stopped; /* what the callback said */
};

static int tell(void *context, const struct replica_seen *seen, struct err *err)
{
    (void)err;
    struct listing *listing = context;
    char text[PATH_MAX_BYTES + 1];
    memcpy(text, seen->path.data, seen->path.size);
    text[seen->path.size] = '\0';
    bool inherited = seen->layer == REPLICA_DEFAULT;
    struct kb_item item = {.path = text,
                           .bytes =
                               seen->row.value.size > 0 ? (const void *)seen->row.value.data : "",
                           .size = seen->row.value.size,
                           .seq = inherited ? 0 : seen->row.seq,
                           .time_ms = seen->row.time_ms,
                           .pending = seen->local && seen->row.seq == 0,
                           .layer = client_layer(seen->layer)};
    listing->stopped = listing->each(listing->context, &item);
    return listing->stopped;
}

static int list(struct kb *kb, const char *bag_text, struct span prefix, struct listing *listing,
                struct err *err)
{
    struct replica_bag bag;
    struct replica_view view;
    struct owner device;
    struct locals own = {0};
    struct locals on_device = {0};
    int rc = client_find_bag(kb, bag_text, &bag, err);
    if (rc != 0) {
        return rc;
    }
    bool personal = begin_view(kb, &bag.owner, &device, &view);
    rc = copy_locals(kb, &bag.owner, prefix, &own, &view.over, err);
    if (rc == 0 && personal) {
        rc = copy_locals(kb, &device, prefix, &on_device, &view.over_device, err);
    }
    rc = rc != 0 ? rc : replica_view_items(kb->replica, &view, prefix, tell, listing, err);
    locals_free(&own);
    locals_free(&on_device);
    if (listing->stopped == 0) {
        client_tell_damage(kb, rc);
    }
    return rc;
}

int kb_list(struct kb *kb, const char *bag, const char *prefix, kb_item_fn *each, void *context,
            struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && each != NULL);
    struct err err = {0};
    struct listing listing = {.each = each, .context = context};
    int rc = list(kb, bag, span_str(prefix != NULL ? prefix : ""), &listing, &err);
    if (listing.stopped != 0) {
        return listing.stopped;
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}
