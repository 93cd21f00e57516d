/* client/network_supply.c - this machine's copy of a bag that was deleted at the server is wanted.
 *
 * An administrator deleted a user or group there and asked for the next machine's copy. What is
 * kept here, with what was written since, becomes a user or group that this machine makes: a CREATE
 * and its writes in the outbox, as of one that it had made while it stood alone. The copy leaves
 * the replica when the outbox has it durably; when that is cut short, it is asked for again, and
 * what lies in the outbox already is written once more, which changes nothing.
 *
 * Writes to the deleted bag may have been refused before we heard of the wish: they are tried again
 * with it. Those that are under way will be; what they wrote is in the copy, so nobody is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/network_inside.h"

enum { SET_ITEMS = 1000, SET_BYTES = 1 << 20 };

struct copy {
    bool pending;                   /* of what lies in the outbox; else of the replica */
    struct operation_write *writes; /* path and value in one piece of memory, the path's */
    size_t count, capacity;
    int failed;
};

static int take_item(void *context, const struct kb_item *item)
{
    struct copy *copy = context;
    if (item->pending != copy->pending || path_reserved(span_str(item->path)) ||
        item->layer == KB_LAYER_DEFAULT) {
        return 0; /* what Kitbag keeps for itself is made by the server again; a default is there */
    }
    size_t path = strlen(item->path);
    struct operation_write *writes =
        array_reserve(copy->writes, &copy->capacity, copy->count + 1, sizeof *writes);
    if (writes == NULL) {
        copy->failed = E_NOMEM;
        return 1;
    }
    copy->writes = writes;
    uint8_t *bytes = malloc(path + item->size);
    writes[copy->count] =
        (struct operation_write){.path = {bytes, path}, .device = item->layer == KB_LAYER_DEVICE};
    if (bytes == NULL) {
        copy->failed = E_NOMEM;
        return 1;
    }
    memcpy(bytes, item->path, path);
    if (item->size > 0) {
        memcpy(bytes + path, item->bytes, item->size);
    }
    writes[copy->count++].value = (struct span){bytes + path, item->size};
    return 0;
}

static void free_copy(struct copy *copy)
{
    for (size_t i = 0; i < copy->count; i++) {
        free((void *)copy->writes[i].path.data);
    }
    free(copy->writes);
}

static int take_copy(struct network *network, const struct replica_bag *bag, struct copy *copy,
                     struct err *err)
{
    char text[OWNER_TEXT_MAX];
    struct kb_error why = {0};
    owner_format(&bag->owner, text);
    int rc = kb_list(network->kb, text, "", take_item, copy, &why);
    rc = copy->failed != 0 ? copy->failed : rc;
    return rc == 0 ? 0 : err_set(err, rc, "%s", copy->failed != 0 ? "out of memory" : why.text);
}

struct made {
    const struct owner *owner;
    uint64_t id;
};

static int is_made(void *context, const struct outbox_made *made, struct err *err)
{
    (void)err;
    struct made *wanted = context;
    if (made->bag_id == 0 && made->code == 0 && owner_equal(&made->owner, wanted->owner)) {
        wanted->id = made->id;
    }
    return 0;
}

static int find_or_make(struct network *network, const struct owner *owner, uint64_t *made_by,
                        struct err *err)
{
    struct outbox *outbox = network->kb->outbox;
    struct made made = {.owner = owner};
    int rc = outbox_creates(outbox, is_made, &made, err);
    if (rc == 0 && made.id == 0) {
        rc = outbox_create(outbox, owner, client_wall_ms(network->kb), &made.id, err);
    }
    *made_by = made.id;
    return rc;
}

static int write_copy(struct network *network, const struct outbox_target *target,
                      const struct copy *copy, struct err *err)
{
    uint64_t now_ms = client_wall_ms(network->kb);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < copy->count;) {
        size_t count = 0;
        size_t bytes = 0;
        while (i + count < copy->count && count < SET_ITEMS && (count == 0 || bytes < SET_BYTES)) {
            bytes += copy->writes[i + count].path.size + copy->writes[i + count].value.size;
            count++;
        }
        rc = outbox_write(network->kb->outbox, target, &copy->writes[i], count, now_ms, NULL, err);
        i += count;
    }
    return rc;
}

/* --- writes that were refused meanwhile --- */

struct refused {
    uint64_t bag_id;
    uint64_t *ids;
    size_t count, capacity;
};

static int note_refused(void *context, const struct outbox_entry *entry, struct err *err)
{
    struct refused *refused = context;
    if (entry->bag_id != refused->bag_id || entry->code != E_BAG_GONE ||
        entry->kind != OPERATION_WRITE) {
        return 0;
    }
    uint64_t *ids =
        array_reserve(refused->ids, &refused->capacity, refused->count + 1, sizeof *ids);
    if (ids == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    refused->ids = ids;
    ids[refused->count++] = entry->id;
    return 0;
}

static int retry_refused(struct network *network, uint64_t bag_id,
                         const struct outbox_target *target, struct err *err)
{
    struct refused refused = {.bag_id = bag_id};
    struct outbox *outbox = network->kb->outbox;
    uint64_t now_ms = client_wall_ms(network->kb);
    const struct replica_rules *rules = NULL;
    int rc = outbox_each(outbox, OUTBOX_REFUSED, note_refused, &refused, err);
    if (rc == 0 && target->owner->kind == OWNER_USER) {
        rc = replica_rules_take(network->kb->replica, &rules, err);
    }
    for (size_t i = 0; rc == 0 && i < refused.count; i++) {
        rc = outbox_retry(outbox, refused.ids[i], target, client_is_device_specific,
                          (void *)(uintptr_t)rules, now_ms, NULL, err);
        rc = rc == E_NOT_FOUND ? 0 : rc; /* somebody dropped it just now */
    }
    replica_rules_put_back(network->kb->replica, &rules);
    free(refused.ids);
    return rc;
}

bool network_is_supplied(const struct network *network, uint64_t bag_id)
{
    for (size_t i = 0; i < network->supplied_count && i < NETWORK_SUPPLIED_MAX; i++) {
        if (network->supplied[i] == bag_id) {
            return true;
        }
    }
    return false;
}

/* From now on it is one that was made here. */
static int turn(struct network *network, struct replica_bag *bag, uint64_t made_by, struct err *err)
{
    struct replica *replica = network->kb->replica;
    int rc = replica_bag_clear(replica, bag->local, err);
    bag->bag_id = 0;
    bag->made_by = made_by;
    bag->cursor = 0;
    bag->complete = true;
    bag->keep = true;
    return rc != 0 ? rc : replica_bag_update(replica, bag, err);
}

/* In the order in which all of it was written. */
static int supply(struct network *network, uint64_t bag_id, struct replica_bag *bag,
                  struct err *err)
{
    struct copy copy = {.count = 0};
    struct copy late = {.pending = true};
    struct outbox_target target = {.owner = &bag->owner};
    int rc = take_copy(network, bag, &copy, err);
    rc = rc != 0 ? rc : take_copy(network, bag, &late, err);
    rc = rc != 0 ? rc : find_or_make(network, &bag->owner, &target.made_by, err);
    rc = rc != 0 ? rc : write_copy(network, &target, &copy, err);
    rc = rc != 0 ? rc : retry_refused(network, bag_id, &target, err);
    rc = rc != 0 ? rc : write_copy(network, &target, &late, err);
    if (rc == 0) {
        network->supplied[network->supplied_count++ % NETWORK_SUPPLIED_MAX] = bag_id;
        outbox_hide(network->kb->outbox, bag_id);
        rc = turn(network, bag, target.made_by, err);
    }
    free_copy(&copy);
    free_copy(&late);
    return rc;
}

void network_supply(struct network *network, uint64_t bag_id)
{
    struct err err = {0};
    struct replica_bag bag;
    int rc = replica_bag_by_id(network->kb->replica, bag_id, &bag, &err);
    bool whole = rc == 0 && bag.keep && bag.complete &&
                 (bag.owner.kind == OWNER_USER || bag.owner.kind == OWNER_GROUP);
    network_note_gone(network, bag_id);
    if (!whole) { /* there is no copy to be had */
        network_drop_bag(network, bag_id);
        return;
    }
    rc = supply(network, bag_id, &bag, &err);
    if (rc != 0) { /* it is asked for again in the next session */
        network_tell_trouble(network, rc, err.text);
        return;
    }
    network_drop_followed(network, bag_id);
    hub_tell(network->kb->hub, &bag.owner, (struct span){NULL, 0}, 0);
    atomic_fetch_or(&network->news, NETWORK_OPS | NETWORK_REQUESTS | NETWORK_BAGS);
}
