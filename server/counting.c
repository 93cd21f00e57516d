/* server/counting.c - lists what a category has, from kv/ and the open set, and removes the oldest.
 */
#include "server/counting.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "server/rows.h"

/* What is known of an item at one seq. */
struct member {
    uint64_t seq;
    bool there;
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

static int add(struct members *members, struct span path, uint64_t seq, bool there)
{
    struct member *list =
        array_reserve(members->list, &members->capacity, members->count + 1, sizeof *list);
    if (list == NULL) {
        return E_NOMEM;
    }
    members->list = list;
    struct member *member = &list[members->count++];
    member->seq = seq;
    member->there = there;
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
    return add(members, path, row->seq, true) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static struct span path_of(const struct member *member)
{
    return span_of(member->path, member->size);
}

static int by_seq(const void *a, const void *b)
{
    const struct member *one = a;
    const struct member *other = b;
    return (one->seq > other->seq) - (one->seq < other->seq);
}

static int by_path(const void *a, const void *b)
{
    int order = span_compare(path_of(a), path_of(b));
    return order != 0 ? order : by_seq(a, b);
}

/* Of each item the last that is known; those that are there by then, the oldest first. A set may
 * have very many of them: they are sorted, not looked up one by one. */
static void settle(struct members *members)
{
    size_t kept = 0;
    qsort(members->list, members->count, sizeof members->list[0], by_path);
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        bool last = i + 1 == members->count || !span_equal(path_of(member), path_of(member + 1));
        if (last && member->there) {
            memmove(&members->list[kept++], member, sizeof *member);
        }
    }
    members->count = kept;
    qsort(members->list, members->count, sizeof members->list[0], by_seq);
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
        rc = concerns(members, change)
                 ? add(members, change->path, change->seq, change->kind == CHANGE_ITEM_SET)
                 : 0;
    }
    if (rc == 0 && members->count > 0) {
        settle(members);
    }
    return rc;
}

/* --- removing --- */

/* At least as many as the set added: it leaves no more behind than there were, or than the limit.
 */
static int keep_newest(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                       const struct category *category, size_t added, struct err *err)
{
    struct members members = {.plan = plan, .bag = bag, .category = category};
    size_t most = added > COUNTING_REMOVES_MAX ? added : COUNTING_REMOVES_MAX;
    int rc = list(&members, err) == 0 ? 0 : PLAN_TROUBLE;
    size_t over = members.count > category->count_max ? members.count - category->count_max : 0;
    for (size_t i = 0; i < over && i < most && rc == 0; i++) {
        rc = plan_remove(plan, by, bag->bag_id, path_of(&members.list[i]), err);
    }
    free(members.list);
    return rc;
}

/* How many items did the open set put there that were not? What a fence hides is not there either.
 */
static size_t count_added(const struct plan *plan, const struct bag_row *bag,
                          const struct category *category)
{
    size_t added = 0;
    for (size_t i = plan->draft->sealed; i < plan->draft->count; i++) {
        const struct change *change = &plan->draft->changes[i];
        if (change->kind == CHANGE_ITEM_SET && change->bag_id == bag->bag_id &&
            sharing_find(&plan->sharing, change->path) == category &&
            (!change->has_old ||
             change->old_seq < fences_position(&plan->fences, bag->owner.kind, change->path))) {
            added++;
        }
    }
    return added;
}

int counting_plan(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                  struct err *err)
{
    ASSERT(plan != NULL && by != NULL && bag != NULL);
    int rc = 0;
    const struct category *category = sharing_next(&plan->sharing, NULL);
    for (; category != NULL && rc == 0; category = sharing_next(&plan->sharing, category)) {
        size_t added = category->count_max != 0 ? count_added(plan, bag, category) : 0;
        if (added > 0) {
            rc = keep_newest(plan, by, bag, category, added, err);
        }
    }
    return rc;
}
