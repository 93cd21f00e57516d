/* server/fencing.c - one item of the fleet's bag, made, put back or removed. */
#include "server/fencing.h"

#include <inttypes.h>
#include <string.h>

#include "journal/past.h"
#include "server/clearing.h"

/* A fence as it stands. */
struct standing {
    char path[PATH_MAX_BYTES];
    size_t path_size;
    struct item_row row; /* ITEM_LIVE: there is one, and */
    struct unpacked scratch;
    struct fence fence;
};

static struct span path_of(const struct standing *standing)
{
    return span_of(standing->path, standing->path_size);
}

static int make_path(struct standing *standing, const struct fencing *fencing, struct err *err)
{
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    int rc = fence_path(&path, fencing->layer, fencing->category);
    if (rc == 0) {
        memcpy(standing->path, path.data, path.size);
        standing->path_size = path.size;
    }
    buf_free(&path);
    if (rc == E_PATH) {
        return err_set(err, rc, "'%.*s' is not a category's path", (int)fencing->category.size,
                       (const char *)fencing->category.data);
    }
    return rc != 0 ? PLAN_TROUBLE : 0;
}

/* Reads what stands there now. */
static int look(struct plan *plan, const struct fencing *fencing, struct standing *standing,
                struct err *err)
{
    int rc = make_path(standing, fencing, err);
    if (rc != 0) {
        return rc;
    }
    if (overlay_item(&plan->overlay, plan->fleet_bag, path_of(standing), &standing->row, err) !=
        0) {
        return PLAN_TROUBLE;
    }
    if (standing->row.state == ITEM_LIVE &&
        fence_get_value(standing->row.value, &standing->scratch, &standing->fence, err) != 0) {
        return PLAN_TROUBLE; /* its form was checked when it was written */
    }
    return 0;
}

static int put(struct plan *plan, const struct plan_by *by, const struct standing *standing,
               const struct fence *fence, struct err *err)
{
    struct bag_row fleet = {0};
    if (overlay_bag(&plan->overlay, plan->fleet_bag, &fleet, err) != 0) {
        return PLAN_TROUBLE;
    }
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    fence_put_value(&value, fence);
    struct operation_write write = {.path = path_of(standing), .value = buf_span(&value)};
    int rc = buf_error(&value) != 0 ? PLAN_TROUBLE : 0;
    if (rc == 0) {
        rc = plan_check_write(plan, &fleet, &write, true, err);
    }
    if (rc == 0) {
        rc = plan_set(plan, by, plan->fleet_bag, write.path, write.value, err);
    }
    buf_free(&value);
    return rc;
}

/* --- putting one up --- */

static bool within(struct span path, struct span category)
{
    return path.size > category.size && path.data[category.size] == '/' &&
           memcmp(path.data, category.data, category.size) == 0;
}

static bool stays_excepted(const struct fence *fence, struct span category)
{
    for (size_t i = 0; i < fence->except_count; i++) {
        if (span_equal(category, fence->except[i]) || within(category, fence->except[i])) {
            return true;
        }
    }
    return false;
}

/* Is something behind the standing fence? When it is cleared, until the last of that is removed. */
static int look_behind(const struct plan *plan, const struct standing *standing, bool *hides,
                       struct err *err)
{
    bool done = false;
    *hides = standing->row.state == ITEM_LIVE;
    if (!*hides || !standing->fence.cleared) {
        return 0;
    }
    int rc = clearing_is_done(plan->overlay.kv, standing->row.seq, &done, err);
    *hides = !done;
    return rc == 0 ? 0 : PLAN_TROUBLE;
}

/* An exception that the standing fence does not make would show again what that one hides. */
static int check_except(const struct plan *plan, const struct standing *standing,
                        const struct fencing *fencing, struct span except, struct err *err)
{
    int size = (int)except.size;
    const char *name = (const char *)except.data;
    if (!within(except, fencing->category)) {
        return err_set(err, E_INVALID, "the exception '%.*s' does not lie within '%.*s'", size,
                       name, (int)fencing->category.size, (const char *)fencing->category.data);
    }
    bool hides = false;
    int rc = look_behind(plan, standing, &hides, err);
    if (rc == 0 && hides && !stays_excepted(&standing->fence, except)) {
        return err_set(err, E_EXISTS,
                       "'%.*s' was initialised together with '%.*s' before, and excepting it now "
                       "would bring its old values back: lift that first, or do not except it",
                       size, name, (int)fencing->category.size,
                       (const char *)fencing->category.data);
    }
    return rc;
}

int fencing_plan_fence(struct plan *plan, const struct plan_by *by, const struct fencing *fencing,
                       struct err *err)
{
    ASSERT(plan != NULL && by != NULL && fencing != NULL);
    struct fence fence = {0};
    if (fencing->except_count > FENCE_EXCEPT_MAX) {
        return err_set(err, E_QUOTA, "there are more than %d exceptions", (int)FENCE_EXCEPT_MAX);
    }
    struct standing standing = {0};
    int rc = look(plan, fencing, &standing, err);
    for (size_t i = 0; i < fencing->except_count && rc == 0; i++) {
        fence.except[fence.except_count++] = fencing->except[i];
        rc = check_except(plan, &standing, fencing, fencing->except[i], err);
    }
    if (rc == 0) {
        rc = put(plan, by, &standing, &fence, err);
    }
    unpack_close(&standing.scratch);
    return rc;
}

/* --- lifting --- */

static int too_old(struct err *err)
{
    return err_set(err, E_TOO_OLD,
                   "what it hid is gone for good: the time in which this could be taken back has "
                   "passed");
}

/* Puts back what the change that made the fence had replaced. */
static int put_back(struct plan *plan, const struct plan_by *by, const struct standing *standing,
                    const struct change *made, struct err *err)
{
    if (!made->has_old) {
        return plan_remove(plan, by, plan->fleet_bag, path_of(standing), err);
    }
    struct unpacked scratch = {0};
    struct fence fence;
    int rc = fence_get_value(made->old_value, &scratch, &fence, err);
    if (rc == 0) {
        fence.from = fence.from != 0 ? fence.from : made->old_seq;
        rc = put(plan, by, standing, &fence, err);
    } else {
        rc = PLAN_TROUBLE;
    }
    unpack_close(&scratch);
    return rc;
}

/* The change that put the fence up, and what it replaced. A fence that was put back by a lift is at
 * the position of the one that it was. */
static int lift_standing(struct plan *plan, const struct plan_by *by,
                         const struct standing *standing, struct err *err)
{
    uint64_t seq = standing->fence.from != 0 ? standing->fence.from : standing->row.seq;
    struct past_change made = {0};
    int rc = journal_change_at(plan->journal, seq, &made, err);
    if (rc == E_TOO_OLD) {
        return too_old(err);
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return PLAN_TROUBLE;
    }
    if (rc == E_NOT_FOUND || !span_equal(made.change.path, path_of(standing))) {
        rc = err_set(err, E_NOT_FOUND,
                     "the journal does not tell at %" PRIu64 " what this fence replaced", seq);
    } else {
        rc = put_back(plan, by, standing, &made.change, err);
    }
    past_change_free(&made);
    return rc;
}

int fencing_plan_lift(struct plan *plan, const struct plan_by *by, const struct fencing *fencing,
                      struct err *err)
{
    ASSERT(plan != NULL && by != NULL && fencing != NULL);
    ASSERT(plan->draft->count == 0); /* the journal holds all that was planned */
    struct standing standing = {0};
    int rc = look(plan, fencing, &standing, err);
    if (rc == 0 && standing.row.state != ITEM_LIVE) {
        rc = err_set(err, E_NOT_FOUND, "'%.*s' is not initialised: there is nothing to take back",
                     (int)fencing->category.size, (const char *)fencing->category.data);
    } else if (rc == 0) {
        rc = standing.fence.cleared ? too_old(err) : lift_standing(plan, by, &standing, err);
    }
    unpack_close(&standing.scratch);
    return rc;
}
