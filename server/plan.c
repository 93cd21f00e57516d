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

static int load_sharing(void *context, struct span path, const struct item_row *row,
                        struct err *err)
{
    return sharing_put(context, path, row->seq, row->value, err);
}

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

/* What of the fleet's bag counts for everybody. */
static int load_rules(struct plan *plan, struct fences *fences, struct sharing *sharing,
                      struct err *err)
{
    struct kv *kv = plan->overlay.kv;
    int rc = rows_each(kv, plan->fleet_bag, SPAN_LITERAL("@fence/"), load_fence, fences, err);
    if (rc == 0) {
        rc = rows_each(kv, plan->fleet_bag, SPAN_LITERAL(SHARING_CATEGORY), load_sharing, sharing,
                       err);
    }
    if (rc == 0) {
        rc = rows_each(kv, plan->fleet_bag, SPAN_LITERAL(SHARING_FLAG), load_sharing, sharing, err);
    }
    return rc;
}

int plan_load(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    struct fences fences = {0};
    struct sharing sharing = {0};
    struct kv_counts counts = {0};
    plan->sync = (struct sync_record){0};
    adoptions_free(&plan->adoptions);
    int rc = load_rules(plan, &fences, &sharing, err);
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
        fences_free(&fences);
        sharing_free(&sharing);
        return rc;
    }
    fences_free(&plan->fences);
    sharing_free(&plan->sharing);
    plan->fences = fences;
    plan->sharing = sharing;
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
    sharing_free(&plan->sharing);
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

static void keep_sharing(struct plan *plan, const struct change *change)
{
    if (change->bag_id != plan->fleet_bag || !sharing_path_is(change->path)) {
        return;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        sharing_remove(&plan->sharing, change->path);
    } else if (sharing_put(&plan->sharing, change->path, change->seq, change->value, NULL) != 0) {
        plan->stale = true; /* as with a fence */
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
        keep_sharing(plan, change);
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
