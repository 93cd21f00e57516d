/* server/counting.c - lists what a category has, from kv/ and the open set, and removes the oldest.
 */
#include "server/counting.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "server/rows.h"

/* An item that is there. */
struct member {
    uint64_t seq;
    size_t size;
    char path[PATH_MAX_BYTES];
};

struct members {
    struct plan *plan;
    const struct bag_row *bag;
    const struct category *category;
    struct member *list;
    size_t count;
    size_t capacity;
};

/* The changes of the open set begin here. */
static uint64_t first_seq(const struct plan *plan)
{
    return plan->draft->base_seq + plan->draft->sealed;
}

/* One that the open set makes is not in kv/, and has nothing there. */
static bool is_new(const struct plan *plan, const struct bag_row *bag)
{
    return bag->bag_id >= first_seq(plan);
}

int counting_ready(const struct plan *plan, const struct bag_row *bag)
{
    ASSERT(plan != NULL && bag != NULL);
    return is_new(plan, bag) || bag->last_seq <= plan->applied_seq ? 0 : PLAN_SETTLE;
}

/* --- the list --- */

static struct member *find(const struct members *members, struct span path)
{
    for (size_t i = 0; i < members->count; i++) {
        if (span_equal(span_of(members->list[i].path, members->list[i].size), path)) {
            return &members->list[i];
        }
    }
    return NULL;
}

static int add(struct members *members, struct span path, uint64_t seq)
{
    struct member *list =
        array_reserve(members->list, &members->capacity, members->count + 1, sizeof *members->list);
    if (list == NULL) {
        return E_NOMEM;
    }
    members->list = list;
    struct member *member = &list[members->count++];
    member->seq = seq;
    member->size = path.size;
    memcpy(member->path, path.data, path.size);
    return 0;
}

static int add_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct members *members = context;
    if (sharing_find(&members->plan->sharing, path) != members->category ||
        !plan_is_there(members->plan, members->bag, path, row)) {
        return 0;
    }
    return add(members, path, row->seq) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static void take_out(struct members *members, struct member *member)
{
    ASSERT(members->list != NULL && members->count > 0);
    *member = members->list[--members->count];
}

/* What the open set did. */
static int follow(struct members *members, const struct change *change)
{
    struct member *member = find(members, change->path);
    if (change->kind == CHANGE_ITEM_REMOVE) {
        if (member != NULL) {
            take_out(members, member);
        }
        return 0;
    }
    if (member == NULL) {
        return add(members, change->path, change->seq);
    }
    member->seq = change->seq;
    return 0;
}

/* Is it one of the open set's, of an item of this bag and category? */
static bool concerns(const struct members *members, const struct change *change)
{
    return change->bag_id == members->bag->bag_id &&
           (change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE) &&
           sharing_find(&members->plan->sharing, change->path) == members->category;
}

static int list(struct members *members, struct err *err)
{
    const struct plan *plan = members->plan;
    const struct category *category = members->category;
    int rc = 0;
    if (!is_new(plan, members->bag)) {
        rc = rows_each(plan->overlay.kv, members->bag->bag_id,
                       span_of(category->path, category->path_size), add_row, members, err);
    }
    for (size_t i = plan->draft->sealed; i < plan->draft->count && rc == 0; i++) {
        const struct change *change = &plan->draft->changes[i];
        rc = concerns(members, change) ? follow(members, change) : 0;
    }
    return rc;
}

/* --- removing --- */

static struct member *oldest(const struct members *members)
{
    struct member *found = &members->list[0];
    for (size_t i = 1; i < members->count; i++) {
        found = members->list[i].seq < found->seq ? &members->list[i] : found;
    }
    return found;
}

static int remove_oldest(struct members *members, const struct plan_by *by, struct err *err)
{
    struct member *member = oldest(members);
    int rc = plan_remove(members->plan, by, members->bag->bag_id,
                         span_of(member->path, member->size), err);
    take_out(members, member);
    return rc;
}

static int keep_newest(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                       const struct category *category, struct err *err)
{
    struct members members = {.plan = plan, .bag = bag, .category = category};
    int rc = list(&members, err) == 0 ? 0 : PLAN_TROUBLE;
    size_t removed = 0;
    while (rc == 0 && members.count > category->count_max && removed < COUNTING_REMOVES_MAX) {
        rc = remove_oldest(&members, by, err);
        removed++;
    }
    free(members.list);
    return rc;
}

/* Did the open set put an item there that was not? What a fence hides is not there either. */
static bool grew(const struct plan *plan, const struct bag_row *bag,
                 const struct category *category)
{
    for (size_t i = plan->draft->sealed; i < plan->draft->count; i++) {
        const struct change *change = &plan->draft->changes[i];
        if (change->kind == CHANGE_ITEM_SET && change->bag_id == bag->bag_id &&
            sharing_find(&plan->sharing, change->path) == category &&
            (!change->has_old ||
             change->old_seq < fences_position(&plan->fences, bag->owner.kind, change->path))) {
            return true;
        }
    }
    return false;
}

int counting_plan(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                  struct err *err)
{
    ASSERT(plan != NULL && by != NULL && bag != NULL);
    int rc = 0;
    const struct category *category = sharing_next(&plan->sharing, NULL);
    for (; category != NULL && rc == 0; category = sharing_next(&plan->sharing, category)) {
        if (category->count_max != 0 && grew(plan, bag, category)) {
            rc = keep_newest(plan, by, bag, category, err);
        }
    }
    return rc;
}
