/* client/kb_items.c - reading: the outbox first, the replica second. Never waits for the network.
 */
#include <stdlib.h>
#include <string.h>

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

/* The bag is found again from its owner at each read: it may have been dropped and made anew. */
static int read_replica(struct kb *kb, const struct owner *owner, struct span path,
                        struct buf *value, struct item_row *row, struct err *err)
{
    int rc = replica_item_of(kb->replica, owner, path, row, value, err);
    if (rc == E_CORRUPT) {
        (void)pthread_mutex_lock(&kb->lock);
        if (kb->network != NULL) {
            network_wake(kb->network, NETWORK_BAGS);
        }
        (void)pthread_mutex_unlock(&kb->lock);
    }
    return rc;
}

static int no_item(struct span path, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no item '%.*s'", (int)path.size,
                   (const char *)path.data);
}

int client_read(struct kb *kb, const struct owner *owner, struct span path, struct buf *value,
                struct item_row *row, bool *pending, struct err *err)
{
    bool removed = false;
    struct item_row found = {.state = ITEM_LIVE};
    int rc = outbox_lookup(kb->outbox, owner, path, value, &removed, &found.time_ms);
    found.seq = rc == 0 ? outbox_acked_seq(kb->outbox, owner, path) : 0;
    *pending = rc == 0 && found.seq == 0;
    if (rc == E_NOT_FOUND) {
        rc = read_replica(kb, owner, path, value, &found, err);
        if (rc == E_NOT_FOUND) {
            return no_item(path, err);
        }
    } else if (rc == 0 && removed) {
        return no_item(path, err);
    } else if (rc != 0) {
        return err_set(err, rc, "the value of '%.*s' does not fit", (int)path.size,
                       (const char *)path.data);
    }
    if (rc == 0) {
        *row = found;
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
        struct kb_value made = {.time_ms = row.time_ms, .pending = pending};
        made.seq = pending ? 0 : row.seq;
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

/* A visible local write, copied: the list is told without any lock. */
struct local {
    struct local *next;
    struct span path;
    struct span value;
    bool removed;
    uint64_t time_ms;
    uint8_t bytes[];
};

struct listing {
    struct kb *kb;
    struct owner owner;
    struct local *first, **link;
    kb_item_fn *each;
    void *context;
    int stopped; /* what the callback said */
};

static int copy_local(void *context, struct span path, const struct span *value, uint64_t time_ms,
                      struct err *err)
{
    struct listing *listing = context;
    size_t value_size = value != NULL ? value->size : 0;
    struct local *local = calloc(1, sizeof *local + path.size + value_size);
    if (local == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    memcpy(local->bytes, path.data, path.size);
    local->path = span_of(local->bytes, path.size);
    if (value_size > 0) {
        memcpy(local->bytes + path.size, value->data, value_size);
    }
    local->value = span_of(local->bytes + path.size, value_size);
    local->removed = value == NULL;
    local->time_ms = time_ms;
    *listing->link = local;
    listing->link = &local->next;
    return 0;
}

static int tell(struct listing *listing, struct span path, struct span value, uint64_t seq,
                uint64_t time_ms, bool pending)
{
    char text[PATH_MAX_BYTES + 1];
    memcpy(text, path.data, path.size);
    text[path.size] = '\0';
    struct kb_item item = {.path = text,
                           .bytes = value.size > 0 ? (const void *)value.data : "",
                           .size = value.size,
                           .seq = seq,
                           .time_ms = time_ms,
                           .pending = pending};
    listing->stopped = listing->each(listing->context, &item);
    return listing->stopped;
}

/* The first of the local writes that are left. */
static int tell_local(struct listing *listing)
{
    struct local *local = listing->first;
    listing->first = local->next;
    uint64_t seq = outbox_acked_seq(listing->kb->outbox, &listing->owner, local->path);
    int rc = local->removed
                 ? 0
                 : tell(listing, local->path, local->value, seq, local->time_ms, seq == 0);
    free(local);
    return rc;
}

/* A row of the replica: local writes that come before it go first, one to the same item instead. */
static int merge(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct listing *listing = context;
    int rc = 0;
    bool replaced = false;
    while (rc == 0 && !replaced && listing->first != NULL) {
        int order = span_compare(listing->first->path, path);
        if (order > 0) {
            break;
        }
        replaced = order == 0;
        rc = tell_local(listing);
    }
    return rc != 0 || replaced ? rc
                               : tell(listing, path, row->value, row->seq, row->time_ms, false);
}

static int list(struct kb *kb, const char *bag_text, struct span prefix, struct listing *listing,
                struct err *err)
{
    struct replica_bag bag;
    int rc = client_find_bag(kb, bag_text, &bag, err);
    listing->kb = kb;
    if (rc != 0) {
        return rc;
    }
    listing->owner = bag.owner;
    rc = outbox_items(kb->outbox, &bag.owner, prefix, copy_local, listing, err);
    rc = rc != 0 ? rc : replica_items(kb->replica, bag.local, prefix, merge, listing, err);
    while (rc == 0 && listing->first != NULL) {
        rc = tell_local(listing);
    }
    return rc;
}

int kb_list(struct kb *kb, const char *bag, const char *prefix, kb_item_fn *each, void *context,
            struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && each != NULL);
    struct err err = {0};
    struct listing listing = {.each = each, .context = context};
    listing.link = &listing.first;
    int rc = list(kb, bag, span_str(prefix != NULL ? prefix : ""), &listing, &err);
    while (listing.first != NULL) {
        struct local *local = listing.first;
        listing.first = local->next;
        free(local);
    }
    if (listing.stopped != 0) {
        return listing.stopped;
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}
