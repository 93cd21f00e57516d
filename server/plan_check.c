/* server/plan_check.c - is it allowed, does it fit? Judged before a change is made. */
#include <inttypes.h>
#include <string.h>

#include "server/access.h"
#include "server/plan.h"

bool plan_is_there(const struct plan *plan, const struct bag_row *bag, struct span path,
                   const struct item_row *row)
{
    ASSERT(plan != NULL && bag != NULL && row != NULL);
    return row->state == ITEM_LIVE &&
           row->seq >= fences_position(&plan->fences, bag->owner.kind, path);
}

/* How many of the kind of this path the open set adds. */
static size_t count_planned(const struct plan *plan, struct span path)
{
    size_t planned = 0;
    bool fences = fence_path_is(path);
    for (size_t i = plan->draft->sealed; i < plan->draft->count; i++) {
        const struct change *change = &plan->draft->changes[i];
        bool same = fences ? fence_path_is(change->path) : sharing_path_is(change->path);
        planned += same && change->kind == CHANGE_ITEM_SET && change->bag_id == plan->fleet_bag &&
                   !change->has_old;
    }
    return planned;
}

/* May there be one more of those that are kept? What the open set removes is not counted on: of a
 * category its flag may stay. */
static int check_room(struct plan *plan, const struct operation_write *write, size_t count,
                      size_t limit, const char *what, struct err *err)
{
    size_t changes = plan->draft->count - plan->draft->sealed;
    struct item_row row = {0};
    if (count + changes < limit || count + count_planned(plan, write->path) < limit) {
        return 0;
    }
    if (overlay_item(&plan->overlay, plan->fleet_bag, write->path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    return row.state != ITEM_LIVE
               ? err_set(err, E_QUOTA, "there are %zu %s already, the limit is %zu", count, what,
                         limit)
               : 0;
}

static int check_fence(struct plan *plan, const struct operation_write *write, struct err *err)
{
    enum fence_layer layer = FENCE_SHARED;
    struct span category;
    struct fence fence;
    struct unpacked scratch = {0};
    int rc = fence_of_path(write->path, &layer, &category);
    if (rc != 0) {
        return err_set(err, rc, "the path '%.*s' is not a fence's", (int)write->path.size,
                       (const char *)write->path.data);
    }
    rc = fence_get_value(write->value, &scratch, &fence, err);
    unpack_close(&scratch);
    if (rc == 0) {
        rc = check_room(plan, write, plan->fences.count, FENCES_MAX, "fences", err);
    }
    return rc == E_NOMEM ? PLAN_TROUBLE : rc;
}

/* The flag of a category that is there takes no room of its own. */
static bool is_known_flag(const struct plan *plan, struct span path)
{
    size_t size = sizeof SHARING_FLAG - 1;
    return path.size > size && memcmp(path.data, SHARING_FLAG, size) == 0 &&
           sharing_get(&plan->sharing, span_of(path.data + size, path.size - size)) != NULL;
}

/* What every machine of the fleet has to understand: fences, the catalogue and its flags. */
static int check_rule(struct plan *plan, const struct operation_write *write, struct err *err)
{
    if (write->remove) {
        return 0;
    }
    if (fence_path_is(write->path)) {
        return check_fence(plan, write, err);
    }
    int rc = sharing_check(write->path, write->value, err);
    if (rc == 0 && sharing_path_is(write->path) && !is_known_flag(plan, write->path)) {
        rc =
            check_room(plan, write, plan->sharing.count, SHARING_CATEGORIES_MAX, "categories", err);
    }
    return rc == E_NOMEM ? PLAN_TROUBLE : rc;
}

int plan_seq_of(struct plan *plan, const struct bag_row *bag, struct span path, uint64_t *seq,
                struct err *err)
{
    ASSERT(plan != NULL && bag != NULL && seq != NULL);
    struct item_row row = {0};
    if (overlay_item(&plan->overlay, bag->bag_id, path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    *seq = plan_is_there(plan, bag, path, &row) ? row.seq : 0;
    return 0;
}

int plan_check_condition(const struct operation_write *write, uint64_t seq, struct err *err)
{
    ASSERT(write != NULL);
    int size = (int)write->path.size;
    const char *path = (const char *)write->path.data;
    if (!write->has_if_seq || seq == write->if_seq) {
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

int plan_check_write(struct plan *plan, const struct bag_row *bag,
                     const struct operation_write *write, bool reserved, struct err *err)
{
    ASSERT(plan != NULL && bag != NULL && write != NULL);
    int rc = path_check(write->path, err);
    if (rc != 0) {
        return rc;
    }
    if (!reserved && path_reserved(write->path)) {
        return err_set(err, E_PATH, "the path '%.*s' begins with '@': such items are Kitbag's own",
                       (int)write->path.size, (const char *)write->path.data);
    }
    rc = write->remove ? 0 : value_check(write->path, write->value, err);
    if (rc == 0 && bag->bag_id == plan->fleet_bag) {
        rc = check_rule(plan, write, err);
    }
    uint64_t seq = 0;
    if (rc == 0 && write->has_if_seq) {
        rc = plan_seq_of(plan, bag, write->path, &seq, err);
    }
    return rc != 0 ? rc : plan_check_condition(write, seq, err);
}

static bool was_user(struct plan *plan, uint64_t bag_id)
{
    const struct bag_row *bag = NULL;
    return overlay_look_at_deleted(&plan->overlay, bag_id, &bag) && bag->owner.kind == OWNER_USER;
}

/* How many there are with the open set. */
static uint64_t count_users(struct plan *plan)
{
    uint64_t users = plan->users;
    for (size_t i = plan->draft->sealed; i < plan->draft->count; i++) {
        const struct change *change = &plan->draft->changes[i];
        users += change->kind == CHANGE_BAG_CREATE && change->owner.kind == OWNER_USER;
        users -= change->kind == CHANGE_BAG_DELETE && was_user(plan, change->bag_id);
    }
    return users;
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
    if (count_users(plan) >= plan->limits.users) {
        return err_set(err, E_QUOTA, "there are %" PRIu64 " users already, the limit",
                       plan->limits.users);
    }
    return 0;
}

/* Takes those who are gone already for nobody. 0, E_NOT_FOUND, or PLAN_TROUBLE: not now. */
static int find_leaving(struct plan *plan, struct bag_row *bag, struct err *err)
{
    int rc = E_NOT_FOUND;
    while (rc == E_NOT_FOUND || rc == E_BAG_GONE) {
        uint64_t bag_id = 0;
        int code = plan->evict(plan->evict_context, &bag_id);
        if (code != 0) {
            (void)err_set(err, code, "somebody is looked for who makes room for a new user");
            return code == E_NOT_FOUND ? code : PLAN_TROUBLE;
        }
        rc = plan_read(overlay_bag(&plan->overlay, bag_id, bag, err));
    }
    return rc;
}

int plan_make_room(struct plan *plan, const struct owner *owner, struct err *err)
{
    static const struct plan_by by = {.actor = PLAN_EVICTS, .seen = UINT64_MAX};
    int rc = plan_check_owner(plan, owner, err);
    if (rc != E_QUOTA || owner->kind != OWNER_USER || plan->evict == NULL) {
        return rc;
    }
    struct bag_row bag = {0};
    struct err why = {0};
    int found = find_leaving(plan, &bag, &why);
    if (found == E_NOT_FOUND) {
        return rc; /* everybody is needed: the limit holds */
    }
    if (found != 0) {
        (void)err_set(err, why.code, "%s", why.text);
        return found;
    }
    return plan_delete_owner(plan, &by, &bag, err);
}

int plan_check_quota(struct plan *plan, const struct bag_row *before, struct err *err)
{
    ASSERT(plan != NULL && before != NULL);
    if (before->owner.kind == OWNER_SERVER || before->owner.kind == OWNER_FLEET) {
        return 0; /* only administration writes there */
    }
    const struct bag_row *after = NULL;
    if (overlay_look_at_bag(&plan->overlay, before->bag_id, &after, err) != 0) {
        return PLAN_TROUBLE;
    }
    if (after->items > plan->limits.items_per_bag && after->items > before->items) {
        return err_set(err, E_QUOTA, "the bag would hold %" PRIu64 " items, the limit is %" PRIu64,
                       after->items, plan->limits.items_per_bag);
    }
    if (after->bytes > plan->limits.bytes_per_bag && after->bytes > before->bytes) {
        return err_set(err, E_QUOTA, "the bag would hold %" PRIu64 " bytes, the limit is %" PRIu64,
                       after->bytes, plan->limits.bytes_per_bag);
    }
    return 0;
}
