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

/* Is the row what the change, of the journal, says that it replaces? */
static bool replaces(const struct change *change, const struct bag_row *bag,
                     const struct item_row *item)
{
    if (change->has_old || item->state == ITEM_LIVE) {
        return change->has_old && item->state == ITEM_LIVE && item->seq == change->old_seq;
    }
    if (change->old_seq == 0) {
        return true; /* a tombstone was purged when the change was made */
    }
    return item->state == ITEM_TOMBSTONE ? item->seq == change->old_seq
                                         : change->old_seq <= bag->purged_to;
}

/* What the bag holds without the live item of this seq and value. */
static int take_away(const struct change *change, uint64_t seq, struct span value,
                     struct bag_row *bag, struct err *err)
{
    uint64_t size = change->path.size + value.size;
    if (bag->items == 0 || bag->bytes < size) {
        return corrupt(change, "the bag counts fewer bytes than the item has", bag->bytes, err);
    }
    bag->items--;
    bag->bytes -= size;
    digest_subtract(&bag->digest, change->path, seq, value);
    return 0;
}

static int apply_item(const struct change *change, struct bag_row *bag, struct item_row *item,
                      bool check_old, struct err *err)
{
    if (check_old && !replaces(change, bag, item)) {
        return corrupt(change, "what it replaces is not the item's row, which is of",
                       item->state == ITEM_ABSENT ? 0 : item->seq, err);
    }
    if (item->state == ITEM_LIVE) {
        struct span value = check_old ? change->old_value : item->value;
        int rc = take_away(change, item->seq, value, bag, err);
        if (rc != 0) {
            return rc;
        }
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
    if (live) {
        bag->items++;
        bag->bytes += change->path.size + change->value.size;
        digest_add(&bag->digest, change->path, change->seq, change->value);
    }
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
        bag->digest = (struct digest){0};
        return 0;
    }
    ASSERT(change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE);
    ASSERT(item != NULL);
    return apply_item(change, bag, item, check_old, err);
}
