/* server/plan.c - one change after the other into the draft and the overlay. */
#include "server/plan.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "server/access.h"
#include "server/rows.h"

const char *plan_closed_text(const struct plan *plan)
{
    return plan->closed == E_NOSPACE ? PLAN_NO_ROOM : err_meaning(plan->closed);
}

/* --- what is kept of all sets --- */

static int load_fence(void *context, struct span path, const struct item_row *row, struct err *err)
{
    return fences_put(context, path, row->seq, row->value, err);
}

/* One that can't be understood counts as running: machines are not to stand still for it. */
static void follow_sync(struct plan *plan, struct span value)
{
    struct err err = {0};
    plan->sync = (struct sync_record){0};
    if (record_get_sync(&plan->sync, value, &err) != 0) {
        log_err(LOG_ERROR, "commit", "record.unreadable", &err);
    }
}

static int load_sync(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)path;
    (void)err;
    follow_sync(context, row->value);
    return 0;
}

/* One that can't be understood counts as none: the deletion is obeyed. */
static int load_adoption(void *context, struct span path, const struct item_row *row,
                         struct err *err)
{
    struct plan *plan = context;
    struct err why = {0};
    int rc = adoptions_put(&plan->adoptions, path, row->value, &why);
    if (rc == E_MALFORMED) {
        log_err(LOG_ERROR, "commit", "record.unreadable", &why);
        return 0;
    }
    return rc != 0 ? err_set(err, rc, "%s", why.text) : 0;
}

int plan_load(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    struct fences loaded = {0};
    struct kv_counts counts = {0};
    plan->sync = (struct sync_record){0};
    adoptions_free(&plan->adoptions);
    int rc = rows_each(plan->overlay.kv, plan->fleet_bag, SPAN_LITERAL("@fence/"), load_fence,
                       &loaded, err);
    if (rc == 0) {
        rc = rows_each(plan->overlay.kv, plan->server_bag, SPAN_LITERAL(RECORD_SYNC_PATH),
                       load_sync, plan, err);
    }
    if (rc == 0) {
        rc = rows_each(plan->overlay.kv, plan->server_bag, SPAN_LITERAL(ADOPTION_PREFIX),
                       load_adoption, plan, err);
    }
    if (rc == 0) {
        rc = kv_counts(plan->overlay.kv, NULL, &counts, err);
    }
    if (rc != 0) {
        fences_free(&loaded);
        return rc;
    }
    fences_free(&plan->fences);
    plan->fences = loaded;
    plan->users = counts.users;
    plan->rights_seq = 0; /* kv/ has all that could be in a list */
    plan->children_seq = 0;
    plan->rights_version++; /* and never 0, which stands for a right that is not known */
    plan->stale = false;
    return 0;
}

void plan_free(struct plan *plan)
{
    ASSERT(plan != NULL);
    fences_free(&plan->fences);
    adoptions_free(&plan->adoptions);
    overlay_free(&plan->overlay);
}

static void keep_fence(struct plan *plan, const struct change *change)
{
    if (change->bag_id != plan->fleet_bag || !fence_path_is(change->path)) {
        return;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        fences_remove(&plan->fences, change->path);
    } else if (fences_put(&plan->fences, change->path, change->seq, change->value, NULL) != 0) {
        plan->stale = true; /* its form was checked: it is memory */
    }
}

static void keep_sync(struct plan *plan, const struct change *change)
{
    if (change->bag_id != plan->server_bag ||
        !span_equal(change->path, SPAN_LITERAL(RECORD_SYNC_PATH))) {
        return;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        plan->sync = (struct sync_record){0};
    } else {
        follow_sync(plan, change->value);
    }
}

static void keep_adoption(struct plan *plan, const struct change *change)
{
    if (change->bag_id != plan->server_bag || !adoption_path_is(change->path)) {
        return;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        adoptions_remove(&plan->adoptions, change->path);
    } else if (adoptions_put(&plan->adoptions, change->path, change->value, NULL) == E_NOMEM) {
        plan->stale = true;
    }
}

/* Of a set that is sealed: it will not be taken back alone. */
static void keep(struct plan *plan, const struct change *change)
{
    const struct bag_row *bag = NULL;
    if (change->kind == CHANGE_BAG_CREATE) {
        plan->users += change->owner.kind == OWNER_USER;
    } else if (change->kind == CHANGE_BAG_DELETE) {
        /* The row tells whose it was. */
        bool known = overlay_look_at_deleted(&plan->overlay, change->bag_id, &bag);
        plan->stale = plan->stale || !known;
        plan->users -= known && bag->owner.kind == OWNER_USER;
    } else if (change->bag_id != 0) {
        keep_fence(plan, change);
        keep_sync(plan, change);
        keep_adoption(plan, change);
    }
}

/* --- sets --- */

void plan_begin(struct plan *plan)
{
    ASSERT(plan != NULL && plan->draft != NULL);
    ASSERT(plan->draft->count == plan->draft->sealed);
    overlay_begin(&plan->overlay);
}

int plan_seal(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    size_t first = plan->draft->sealed;
    int rc = draft_seal(plan->draft);
    if (rc == E_TOO_LARGE) {
        return PLAN_FULL;
    }
    if (rc != 0) {
        (void)err_set(err, rc, "a batch of changes: out of memory");
        return PLAN_TROUBLE;
    }
    for (size_t i = first; i < plan->draft->count; i++) {
        keep(plan, &plan->draft->changes[i]);
    }
    overlay_begin(&plan->overlay);
    return 0;
}

void plan_undo(struct plan *plan)
{
    ASSERT(plan != NULL);
    uint64_t last = plan->draft->base_seq + plan->draft->sealed - 1; /* that stays */
    if (plan->rights_seq > last) {
        plan->rights_seq = last;
        plan->rights_version++; /* what was found meanwhile may be what is taken back */
    }
    if (plan->children_seq > last) {
        plan->children_seq = last; /* or a deletion would wait for what never comes */
    }
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
    if (!arena_copy(overlay_arena(&plan->overlay), span_str(by->actor), &change->actor)) {
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
    bool bags = change->kind == CHANGE_BAG_CREATE || change->kind == CHANGE_BAG_DELETE;
    if (bags || (change->path.size > 0 && path_reserved(change->path))) {
        plan->rights_seq = change->seq;
        plan->rights_version++;
    }
    if (change->kind == CHANGE_BAG_CREATE && change->owner.kind == OWNER_USER_DEVICE) {
        plan->children_seq = change->seq;
    }
    draft_push(plan->draft);
    return 0;
}

struct plan_right *plan_right(struct plan *plan, uint64_t device_bag, uint64_t bag_id)
{
    ASSERT(plan != NULL);
    uint64_t place = (device_bag * UINT64_C(0x9e3779b97f4a7c15)) ^ bag_id;
    struct plan_right *right = &plan->rights[place % PLAN_RIGHTS];
    if (right->device_bag != device_bag || right->bag_id != bag_id) {
        *right = (struct plan_right){device_bag, bag_id, 0};
    }
    return right;
}

bool plan_list_lags(const struct plan *plan, uint64_t bag_id)
{
    ASSERT(plan != NULL);
    return plan->rights_seq > plan->applied_seq &&
           overlay_bag_seq(&plan->overlay, bag_id) > plan->applied_seq;
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
                        uint64_t bag_id, struct change **out, enum owner_kind *owner,
                        struct err *err)
{
    const struct bag_row *bag = NULL;
    if (overlay_look_at_bag(&plan->overlay, bag_id, &bag, err) != 0) {
        return PLAN_TROUBLE;
    }
    struct change *change = begin_change(plan, by, kind);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->bag_id = bag_id;
    change->prev = bag->last_seq;
    *owner = bag->owner.kind;
    *out = change;
    return 0;
}

int plan_delete(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    enum owner_kind owner = OWNER_SERVER;
    int rc = begin_in_bag(plan, by, CHANGE_BAG_DELETE, bag_id, &change, &owner, err);
    return rc != 0 ? rc : end_change(plan, change, err);
}

struct children {
    struct plan *plan;
    const struct plan_by *by;
    struct err err;
};

/* One that is gone was deleted already, by an earlier set of this draft. */
static int delete_child(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct children *children = context;
    struct bag_row row = {0};
    int rc = plan_read(overlay_bag(&children->plan->overlay, bag->bag_id, &row, &children->err));
    if (rc == 0) {
        rc = plan_delete(children->plan, children->by, bag->bag_id, &children->err);
    }
    return rc == PLAN_TROUBLE ? rc : 0;
}

int plan_delete_owner(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                      struct err *err)
{
    ASSERT(plan != NULL && by != NULL && bag != NULL);
    if (bag->owner.kind == OWNER_USER) {
        if (plan->children_seq > plan->applied_seq) {
            return PLAN_SETTLE; /* they are read from kv/ */
        }
        struct children children = {plan, by, {0}};
        int rc = kv_children(plan->overlay.kv, NULL, bag->bag_id, delete_child, &children,
                             &children.err);
        if (rc != 0) {
            (void)err_set(err, children.err.code, "%s", children.err.text);
            return PLAN_TROUBLE;
        }
    }
    return plan_delete(plan, by, bag->bag_id, err);
}

/* What the change replaces, from the item's row now. Nobody could have seen what was behind a
 * fence: replacing that is no conflict. */
static int fill_item(struct plan *plan, const struct plan_by *by, struct change *change,
                     enum owner_kind owner, struct span path, struct err *err)
{
    if (!arena_copy(overlay_arena(&plan->overlay), path, &change->path)) {
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
    bool own = row.origin == by->origin && row.seq >= by->begun;
    change->conflict =
        row.seq > by->seen && !own && row.seq >= fences_position(&plan->fences, owner, path);
    return 0;
}

int plan_set(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct span path,
             struct span value, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    enum owner_kind owner = OWNER_SERVER;
    int rc = begin_in_bag(plan, by, CHANGE_ITEM_SET, bag_id, &change, &owner, err);
    if (rc == 0) {
        rc = fill_item(plan, by, change, owner, path, err);
    }
    if (rc == 0 && !arena_copy(overlay_arena(&plan->overlay), value, &change->value)) {
        rc = out_of_memory(err);
    }
    return rc != 0 ? rc : end_change(plan, change, err);
}

int plan_remove(struct plan *plan, const struct plan_by *by, uint64_t bag_id, struct span path,
                struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    struct change *change = NULL;
    enum owner_kind owner = OWNER_SERVER;
    int rc = begin_in_bag(plan, by, CHANGE_ITEM_REMOVE, bag_id, &change, &owner, err);
    if (rc == 0) {
        rc = fill_item(plan, by, change, owner, path, err);
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

int plan_history(struct plan *plan, const struct plan_by *by, const struct change_history *history,
                 struct err *err)
{
    ASSERT(plan != NULL && by != NULL && history != NULL);
    struct change *change = begin_change(plan, by, CHANGE_HISTORY);
    if (change == NULL) {
        return out_of_memory(err);
    }
    change->history = *history;
    return end_change(plan, change, err);
}

/* --- judging --- */

bool plan_is_there(const struct plan *plan, const struct bag_row *bag, struct span path,
                   const struct item_row *row)
{
    ASSERT(plan != NULL && bag != NULL && row != NULL);
    return row->state == ITEM_LIVE &&
           row->seq >= fences_position(&plan->fences, bag->owner.kind, path);
}

/* What every machine of the fleet has to understand. */
static int check_fence(struct plan *plan, const struct operation_write *write, struct err *err)
{
    if (write->remove || !fence_path_is(write->path)) {
        return 0;
    }
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
    size_t planned = plan->draft->count - plan->draft->sealed; /* perhaps all of them fences */
    struct item_row row = {0};
    if (rc == 0 && overlay_item(&plan->overlay, plan->fleet_bag, write->path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    if (rc == 0 && row.state != ITEM_LIVE && plan->fences.count + planned >= FENCES_MAX) {
        rc = err_set(err, E_QUOTA, "there are %d fences already, the limit", (int)FENCES_MAX);
    }
    return rc == E_NOMEM ? PLAN_TROUBLE : rc;
}

static int check_condition(struct plan *plan, const struct bag_row *bag,
                           const struct operation_write *write, struct err *err)
{
    struct item_row row = {0};
    if (overlay_item(&plan->overlay, bag->bag_id, write->path, &row, err) != 0) {
        return PLAN_TROUBLE;
    }
    int size = (int)write->path.size;
    const char *path = (const char *)write->path.data;
    uint64_t seq = plan_is_there(plan, bag, write->path, &row) ? row.seq : 0;
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
        rc = check_fence(plan, write, err);
    }
    return rc != 0 || !write->has_if_seq ? rc : check_condition(plan, bag, write, err);
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
