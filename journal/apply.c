/* journal/apply.c - the apply rule. */
#include "journal/apply.h"

#include <inttypes.h>

static int corrupt(const struct change *change, const char *what, uint64_t found, struct err *err)
{
    return err_set(err, E_CORRUPT,
                   "change %" PRIu64 " does not fit bag %" PRIu64 ": %s (%" PRIu64 ")", change->seq,
                   change->bag_id, what, found);
}

static int apply_create(const struct change *change, struct bag_row *bag, struct err *err)
{
    if (bag->exists) {
        return corrupt(change, "the bag exists already, last change", bag->last_seq, err);
    }
    if (change->bag_id != change->seq || change->prev != 0) {
        return corrupt(change, "a new bag bears its own seq and has no past; previous",
                       change->prev, err);
    }
    *bag = (struct bag_row){
        .exists = true,
        .bag_id = change->seq,
        .parent = change->parent,
        .last_seq = change->seq,
        .owner = change->owner,
    };
    return 0;
}

/* A change that continues a bag names the bag's newest change as its `prev`. */
static int check_chain(const struct change *change, const struct bag_row *bag, struct err *err)
{
    if (!bag->exists || bag->bag_id != change->bag_id) {
        return corrupt(change, "there is no such bag; found", bag->bag_id, err);
    }
    if (bag->last_seq != change->prev) {
        return corrupt(change, "its previous change is not the bag's last", bag->last_seq, err);
    }
    if (change->seq <= change->prev) {
        return corrupt(change, "it is not newer than the bag's last change", bag->last_seq, err);
    }
    return 0;
}

static int apply_item(const struct change *change, struct bag_row *bag, struct item_row *item,
                      bool check_old, struct err *err)
{
    uint64_t row_seq = item->state == ITEM_ABSENT ? 0 : item->seq;
    if (check_old && change->old_seq != row_seq) {
        return corrupt(change, "what it replaces is not the item's row, which is of", row_seq, err);
    }
    uint64_t items = bag->items;
    uint64_t bytes = bag->bytes;
    if (item->state == ITEM_LIVE) {
        uint64_t old_bytes = change->path.size + item->value.size;
        if (items == 0 || bytes < old_bytes) {
            return corrupt(change, "the bag counts fewer bytes than the item has", bytes, err);
        }
        items--;
        bytes -= old_bytes;
    }
    bool live = change->kind == CHANGE_ITEM_SET;
    *item = (struct item_row){
        .state = live ? ITEM_LIVE : ITEM_TOMBSTONE,
        .conflict = change->conflict,
        .seq = change->seq,
        .time_ms = change->time_ms,
        .origin = change->origin,
        .value = live ? change->value : (struct span){NULL, 0},
    };
    bag->items = items + (live ? 1 : 0);
    bag->bytes = bytes + (live ? change->path.size + change->value.size : 0);
    bag->last_seq = change->seq;
    return 0;
}

int apply_change(const struct change *change, struct bag_row *bag, struct item_row *item,
                 bool check_old, struct err *err)
{
    ASSERT(change != NULL);
    if (change->kind == CHANGE_HISTORY || change->kind == CHANGE_OP_VOID) {
        return 0;
    }
    ASSERT(bag != NULL);
    if (change->kind == CHANGE_BAG_CREATE) {
        return apply_create(change, bag, err);
    }
    int rc = check_chain(change, bag, err);
    if (rc != 0) {
        return rc;
    }
    if (change->kind == CHANGE_BAG_DELETE) {
        bag->exists = false;
        bag->last_seq = change->seq;
        bag->items = 0;
        bag->bytes = 0;
        return 0;
    }
    ASSERT(change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE);
    ASSERT(item != NULL);
    return apply_item(change, bag, item, check_old, err);
}
