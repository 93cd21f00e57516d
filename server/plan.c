/* server/plan.c - one change after the other into the draft and the overlay. */
#include "server/plan.h"

#include <inttypes.h>
#include <string.h>

#include "server/access.h"

void plan_begin(struct plan *plan)
{
    ASSERT(plan != NULL && plan->draft != NULL);
    ASSERT(plan->draft->count == plan->draft->sealed);
    overlay_begin(&plan->overlay);
}

int plan_seal(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    int rc = draft_seal(plan->draft);
    if (rc == E_TOO_LARGE) {
        return PLAN_FULL;
    }
    if (rc != 0) {
        (void)err_set(err, rc, "a batch of changes: out of memory");
        return PLAN_TROUBLE;
    }
    overlay_begin(&plan->overlay);
    return 0;
}

void plan_undo(struct plan *plan)
{
    ASSERT(plan != NULL);
    overlay_rollback(&plan->overlay);
    draft_cut(plan->draft);
}

uint64_t plan_next_seq(const struct plan *plan)
{
    ASSERT(plan != NULL);
    return plan->draft->base_seq + plan->draft->count;
}

int plan_read(int rc)
{
    return rc == 0 || rc == E_NOT_FOUND || rc == E_BAG_GONE ? rc : PLAN_TROUBLE;
}

/* --- making --- */

static int out_of_memory(struct err *err)
{
    (void)err_set(err, E_NOMEM, "a batch of changes: out of memory");
    return PLAN_TROUBLE;
}

static struct change *begin_change(struct plan *plan, const struct plan_by *by,
                                   enum change_kind kind)
{
    struct change *change = draft_next(plan->draft);
    if (change == NULL) {
        return NULL;
    }
    change->kind = kind;
    change->origin = by->origin;
    change->has_op = by->has_op;
    change->op = by->op;
    if (!arena_copy(&plan->draft->arena, span_str(by->actor), &change->actor)) {
        return NULL;
    }
    return change;
}

static int end_change(struct plan *plan, struct change *change, struct err *err)
{
    int rc = overlay_apply(&plan->overlay, change, err);
    if (rc != 0) {
        return PLAN_TROUBLE;
    }
    draft_push(plan->draft);
    return 0;
}

int plan_create(struct plan *plan, const struct plan_by *by, const struct owner *owner,
                uint64_t parent, uint64_t *bag_id, struct err *err)
{
    ASSERT(plan != NULL && by != NULL && owner != NULL && bag_id != NULL);
    struct change *change = begin_change(plan, by, CHANGE_BAG_CREATE);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->bag_id = change->seq;
    change->parent = parent;
    change->owner = *owner;
    *bag_id = change->bag_id;
    return end_change(plan, change, err);
}

/* A change to a bag that is there: names the bag's newest change as its previous one. */
static int begin_in_bag(struct plan *plan, const struct plan_by *by, enum change_kind kind,
                        uint64_t bag_id, struct change **out, struct err *err)
{
    struct bag_row bag = {0};
    if (overlay_bag(&plan->overlay, bag_id, &bag, err) != 0) {
        return PLAN_TROUBLE;
    }
    struct change *change = begin_change(plan, by, kind);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->bag_id = bag_id;
    change->prev = bag.last_seq;
    *out = change;
    return 0;
}

int plan_delete(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    int rc = begin_in_bag(plan, by, CHANGE_BAG_DELETE, bag_id, &change, err);
    return rc != 0 ? rc : end_change(plan, change, err);
}

/* What the change replaces, from the item's row now. */
static int fill_item(struct plan *plan, const struct plan_by *by, struct change *change,
                     struct span path, struct err *err)
{
    if (!arena_copy(&plan->draft->arena, path, &change->path)) {
        return out_of_memory(err);
    }
    struct item_row row = {0};
    if (overlay_item(&plan->overlay, change->bag_id, change->path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    if (row.state == ITEM_ABSENT) {
        return 0;
    }
    change->old_seq = row.seq;
    change->has_old = row.state == ITEM_LIVE;
    change->old_value = change->has_old ? row.value : (struct span){NULL, 0};
    change->conflict = row.seq > by->seen && row.origin != by->origin;
    return 0;
}

int plan_set(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct span path,
             struct span value, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    int rc = begin_in_bag(plan, by, CHANGE_ITEM_SET, bag_id, &change, err);
    if (rc == 0) {
        rc = fill_item(plan, by, change, path, err);
    }
    if (rc == 0 && !arena_copy(&plan->draft->arena, value, &change->value)) {
        rc = out_of_memory(err);
    }
    return rc != 0 ? rc : end_change(plan, change, err);
}

int plan_remove(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct span path,
                struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    int rc = begin_in_bag(plan, by, CHANGE_ITEM_REMOVE, bag_id, &change, err);
    if (rc == 0) {
        rc = fill_item(plan, by, change, path, err);
    }
    return rc != 0 ? rc : end_change(plan, change, err);
}

int plan_void(struct plan *plan, const struct plan_by *by, int code, struct err *err)
{
    ASSERT(plan != NULL && by != NULL && by->has_op && code < 0);
    struct change *change = begin_change(plan, by, CHANGE_OP_VOID);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->code = (uint64_t)-code;
    return end_change(plan, change, err);
}

int plan_history(struct plan *plan, const uint8_t id[HISTORY_SIZE], struct err *err)
{
    ASSERT(plan != NULL && id != NULL);
    struct plan_by server = {.actor = "", .seen = UINT64_MAX};
    struct change *change = begin_change(plan, &server, CHANGE_HISTORY);
    if (change == NULL) {
        return out_of_memory(err);
    }
    memcpy(change->history.id, id, HISTORY_SIZE);
    return end_change(plan, change, err);
}

/* --- judging --- */

int plan_check_write(struct plan *plan, uint64_t bag_id, const struct operation_write *write,
                     bool reserved, struct err *err)
{
    ASSERT(plan != NULL && write != NULL);
    int rc = path_check(write->path, err);
    if (rc != 0) {
        return rc;
    }
    int size = (int)write->path.size;
    const char *path = (const char *)write->path.data;
    if (!reserved && path_reserved(write->path)) {
        return err_set(err, E_PATH, "the path '%.*s' begins with '@': such items are Kitbag's own",
                       size, path);
    }
    rc = write->remove ? 0 : value_check(write->path, write->value, err);
    if (rc != 0 || !write->has_if_seq) {
        return rc;
    }
    struct item_row row = {0};
    if (overlay_item(&plan->overlay, bag_id, write->path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    uint64_t seq = row.state == ITEM_LIVE ? row.seq : 0;
    if (seq == write->if_seq) {
        return 0;
    }
    if (seq == 0) {
        return err_set(err, E_CONDITION,
                       "the item '%.*s' is not there, and the condition names version %" PRIu64,
                       size, path, write->if_seq);
    }
    return err_set(err, E_CONDITION,
                   "the item '%.*s' is at version %" PRIu64 ", and the condition names %" PRIu64,
                   size, path, seq, write->if_seq);
}

/* Users that the draft makes and kv/ does not count yet. */
static uint64_t users_made(const struct draft *draft)
{
    uint64_t made = 0;
    for (size_t i = 0; i < draft->count; i++) {
        const struct change *change = &draft->changes[i];
        made += change->kind == CHANGE_BAG_CREATE && change->owner.kind == OWNER_USER;
    }
    return made;
}

int plan_check_owner(struct plan *plan, const struct owner *owner, struct err *err)
{
    ASSERT(plan != NULL && owner != NULL);
    if (owner->kind == OWNER_GROUP && strlen(owner->folded) > GROUP_FOLDED_MAX) {
        return err_set(err, E_NAME, "the group's name has more than %d bytes", GROUP_FOLDED_MAX);
    }
    if (owner->kind != OWNER_USER) {
        return 0;
    }
    struct kv_counts counts = {0};
    if (kv_counts(plan->overlay.kv, NULL, &counts, err) != 0) {
        return PLAN_TROUBLE;
    }
    if (counts.users + plan->draft->count >= plan->limits.users && /* else there is room for sure */
        counts.users + users_made(plan->draft) >= plan->limits.users) {
        return err_set(err, E_QUOTA, "there are %" PRIu64 " users already, the limit",
                       plan->limits.users);
    }
    return 0;
}

int plan_check_quota(struct plan *plan, const struct bag_row *before, struct err *err)
{
    ASSERT(plan != NULL && before != NULL);
    if (before->owner.kind == OWNER_SERVER || before->owner.kind == OWNER_FLEET) {
        return 0; /* only administration writes there */
    }
    struct bag_row after = {0};
    if (overlay_bag(&plan->overlay, before->bag_id, &after, err) != 0) {
        return PLAN_TROUBLE;
    }
    if (after.items > plan->limits.items_per_bag && after.items > before->items) {
        return err_set(err, E_QUOTA, "the bag would hold %" PRIu64 " items, the limit is %" PRIu64,
                       after.items, plan->limits.items_per_bag);
    }
    if (after.bytes > plan->limits.bytes_per_bag && after.bytes > before->bytes) {
        return err_set(err, E_QUOTA, "the bag would hold %" PRIu64 " bytes, the limit is %" PRIu64,
                       after.bytes, plan->limits.bytes_per_bag);
    }
    return 0;
}
