/* server/switching.c - flags with their fences, and both back again. */
#include "server/switching.h"

#include <inttypes.h>

#include "journal/past.h"
#include "journal/sharing_switch.h"
#include "server/fencing.h"

struct job {
    struct plan *plan;
    const struct plan_by *by;
    bool to_device; /* a category becomes device-specific, */
    bool to_shared; /* or shared */
    struct err *err;
};

static bool within(const struct category *inner, const struct category *outer)
{
    size_t size = outer->path_size;
    return inner->path_size > size && inner->path[size] == '/' &&
           span_equal(span_of(inner->path, size), span_of(outer->path, size));
}

/* --- flags --- */

static int judge(const struct plan *plan, const struct operation_write *write,
                 const struct category **category, bool *device, struct err *err)
{
    int size = (int)write->path.size;
    const char *path = (const char *)write->path.data;
    *category = sharing_get(&plan->sharing, write->path);
    if (*category == NULL) {
        return err_set(err, E_NOT_FOUND, "there is no category '%.*s'", size, path);
    }
    if (!(*category)->has_flag) {
        return err_set(err, E_INVALID, "'%.*s' is always shared: it can't be switched", size, path);
    }
    *device = span_equal(write->value, SPAN_LITERAL("device"));
    if (write->remove || (!*device && !span_equal(write->value, SPAN_LITERAL("shared")))) {
        return err_set(err, E_INVALID, "'%.*s' can be 'shared' or 'device', not '%.*s'", size, path,
                       (int)write->value.size, (const char *)write->value.data);
    }
    return 0;
}

static int named_twice(const struct operation_write *writes, size_t count, struct err *err)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (span_equal(writes[i].path, writes[j].path)) {
                return err_set(err, E_INVALID, "'%.*s' is named twice", (int)writes[i].path.size,
                               (const char *)writes[i].path.data);
            }
        }
    }
    return 0;
}

static int put_flag(struct job *job, const struct category *category, bool device, bool copy)
{
    struct buf path;
    struct buf value;
    buf_init(&path, PATH_MAX_BYTES);
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = sharing_path(&path, SHARING_FLAG, span_of(category->path, category->path_size));
    sharing_put_flag(&value, device, copy);
    if (rc == 0) {
        rc = buf_error(&value);
    }
    rc = rc != 0 ? PLAN_TROUBLE
                 : plan_set(job->plan, job->by, job->plan->fleet_bag, buf_span(&path),
                            buf_span(&value), job->err);
    buf_free(&path);
    buf_free(&value);
    return rc;
}

static int switch_one(struct job *job, const struct operation_write *write, bool copy)
{
    const struct category *category = NULL;
    bool device = false;
    int rc = judge(job->plan, write, &category, &device, job->err);
    if (rc != 0 || category->device == device) {
        return rc;
    }
    job->to_device = job->to_device || device;
    job->to_shared = job->to_shared || !device;
    return put_flag(job, category, device, copy && device);
}

/* --- fences --- */

static bool is_initialised(const struct job *job, const struct category *category,
                           enum fence_layer layer)
{
    const struct sharing_switch change = {job->to_device, job->to_shared};
    return sharing_initialises(change, category, layer);
}

static int initialise(struct job *job, const struct category *category, enum fence_layer layer)
{
    struct span except[FENCE_EXCEPT_MAX];
    struct fencing fencing = {
        .layer = layer, .category = span_of(category->path, category->path_size), .except = except};
    const struct category *inner = category; /* what lies within it comes right behind it */
    while ((inner = sharing_next(&job->plan->sharing, inner)) != NULL) {
        if (!within(inner, category) || is_initialised(job, inner, layer)) {
            continue;
        }
        if (fencing.except_count == FENCE_EXCEPT_MAX) {
            return err_set(job->err, E_QUOTA, "'%s' holds more than %d other categories",
                           category->path, (int)FENCE_EXCEPT_MAX);
        }
        except[fencing.except_count++] = span_of(inner->path, inner->path_size);
    }
    return fencing_plan_fence(job->plan, job->by, &fencing, job->err);
}

static int initialise_all(struct job *job)
{
    const struct sharing *sharing = &job->plan->sharing;
    const struct category *category = sharing_next(sharing, NULL);
    int rc = 0;
    for (; category != NULL && rc == 0; category = sharing_next(sharing, category)) {
        for (enum fence_layer layer = FENCE_SHARED; layer <= FENCE_DEVICE && rc == 0; layer++) {
            rc = is_initialised(job, category, layer) ? initialise(job, category, layer) : 0;
        }
    }
    return rc;
}

int switching_plan(struct plan *plan, const struct plan_by *by,
                   const struct operation_write *writes, size_t count, bool copy, struct err *err)
{
    ASSERT(plan != NULL && by != NULL && (writes != NULL || count == 0));
    struct job job = {plan, by, false, false, err};
    if (count > SHARING_CATEGORIES_MAX) {
        return err_set(err, E_INVALID, "there are no more than %d categories",
                       (int)SHARING_CATEGORIES_MAX);
    }
    int rc = named_twice(writes, count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = switch_one(&job, &writes[i], copy);
    }
    return rc != 0 || copy ? rc : initialise_all(&job);
}

/* --- back again --- */

static int too_old(struct err *err)
{
    return err_set(err, E_TOO_OLD, "the time in which this could be taken back has passed");
}

/* Does the fence stand where the change put it, and can what it hides come back? */
static int check_fence(struct job *job, const struct change *change, const struct item_row *row,
                       bool *same)
{
    struct unpacked scratch = {0};
    struct fence now = {0};
    struct fence put = {0};
    int rc = fence_get_value(row->value, &scratch, &now, job->err);
    uint64_t now_at = now.from != 0 ? now.from : row->seq;
    if (rc == 0) {
        rc = fence_get_value(change->value, &scratch, &put, job->err);
    }
    *same = now_at == (put.from != 0 ? put.from : change->seq);
    unpack_close(&scratch);
    return rc != 0 ? PLAN_TROUBLE : *same && now.cleared ? too_old(job->err) : 0;
}

static int changed_since(const struct change *change, uint64_t seq, struct err *err)
{
    enum fence_layer layer;
    size_t head = sizeof SHARING_FLAG - 1;
    struct span category = span_of(change->path.data + head, change->path.size - head);
    bool fence = fence_of_path(change->path, &layer, &category) == 0;
    return err_set(err, E_CONDITION,
                   "how '%.*s' is %s was changed again since, at %" PRIu64 ": take that back first",
                   (int)category.size, (const char *)category.data,
                   fence ? "initialised" : "shared", seq);
}

/* Is the item as that change left it? Also when it went away and came back since: so a row of
 * changes can be taken back one by one. */
static int check_standing(struct job *job, const struct change *change, struct item_row *row)
{
    if (overlay_item(&job->plan->overlay, job->plan->fleet_bag, change->path, row, job->err) != 0) {
        return PLAN_TROUBLE;
    }
    bool live = row->state == ITEM_LIVE;
    bool same = live == (change->kind == CHANGE_ITEM_SET);
    int rc = 0;
    if (same && live && fence_path_is(change->path)) {
        rc = check_fence(job, change, row, &same);
    } else if (same && live) {
        same = span_equal(row->value, change->value);
    }
    return rc != 0 || same ? rc : changed_since(change, row->seq, job->err);
}

/* A fence goes back to where it stood. */
static int put_fence_back(struct job *job, const struct change *change)
{
    struct unpacked scratch = {0};
    struct fence fence = {0};
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = fence_get_value(change->old_value, &scratch, &fence, job->err);
    if (rc == 0) {
        fence.from = fence.from != 0 ? fence.from : change->old_seq;
        fence_put_value(&value, &fence);
        rc = buf_error(&value);
    }
    rc = rc != 0 ? PLAN_TROUBLE
                 : plan_set(job->plan, job->by, job->plan->fleet_bag, change->path,
                            buf_span(&value), job->err);
    buf_free(&value);
    unpack_close(&scratch);
    return rc;
}

static int put_back(struct job *job, const struct change *change)
{
    struct item_row row = {0};
    struct plan *plan = job->plan;
    int rc = check_standing(job, change, &row);
    if (rc != 0) {
        return rc;
    }
    if (!change->has_old) {
        return row.state == ITEM_LIVE
                   ? plan_remove(plan, job->by, plan->fleet_bag, change->path, job->err)
                   : 0;
    }
    return fence_path_is(change->path) ? put_fence_back(job, change)
                                       : plan_set(plan, job->by, plan->fleet_bag, change->path,
                                                  change->old_value, job->err);
}

/* What reading the journal said, for whoever asked for this seq. */
static int reading_failed(int rc, uint64_t seq, struct err *err)
{
    return rc == E_TOO_OLD     ? too_old(err)
           : rc == E_NOT_FOUND ? err_set(err, rc, "there is no change %" PRIu64, seq)
                               : PLAN_TROUBLE;
}

/* The last change of the set that this one is of, and whether its time has passed. */
static int find_end(const struct job *job, struct past *past, uint64_t seq, uint64_t *end)
{
    struct change change = {0};
    int rc = past_next(past, &change, job->err);
    if (rc != 0) {
        return reading_failed(rc, seq, job->err);
    }
    uint64_t keep_ms = job->plan->limits.undo_keep_ms;
    uint64_t now_ms = job->plan->draft->time_ms;
    *end = seq + change.set_left;
    return keep_ms != 0 && now_ms > change.time_ms && now_ms - change.time_ms > keep_ms
               ? too_old(job->err)
               : 0;
}

/* From the end of the set to its beginning. `flags`: how many of its changes were of flags. */
static int put_set_back(struct job *job, struct past *past, uint64_t end, size_t *flags)
{
    int rc = 0;
    for (uint64_t seq = end; seq > 0 && rc == 0; seq--) {
        struct change change = {0};
        past_seek(past, seq);
        rc = past_next(past, &change, job->err);
        if (rc != 0) {
            return seq < end && rc == E_TOO_OLD ? 0 : reading_failed(rc, seq, job->err);
        }
        if (seq + change.set_left != end) {
            return 0; /* of the set before */
        }
        bool item = change.kind == CHANGE_ITEM_SET || change.kind == CHANGE_ITEM_REMOVE;
        if (item && change.bag_id == job->plan->fleet_bag &&
            (sharing_flag_is(change.path) || fence_path_is(change.path))) {
            *flags += sharing_flag_is(change.path);
            rc = put_back(job, &change);
        }
    }
    return rc;
}

int switching_plan_undo(struct plan *plan, const struct plan_by *by, uint64_t seq, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    ASSERT(plan->draft->count == 0); /* the journal holds all that was planned */
    struct job job = {plan, by, false, false, err};
    struct past *past = NULL;
    uint64_t end = 0;
    size_t flags = 0;
    if (past_open(&past, plan->journal, seq, err) != 0) {
        return PLAN_TROUBLE;
    }
    int rc = find_end(&job, past, seq, &end);
    if (rc == 0) {
        rc = put_set_back(&job, past, end, &flags);
    }
    if (rc == 0 && flags == 0) {
        rc = err_set(err, E_NOT_FOUND, "the change %" PRIu64 " changed nothing of what is shared",
                     seq);
    }
    past_close(&past);
    return rc;
}
