/* server/fencing.h - initialising a category for everybody, and taking that back.
 *
 * A fence is one item of the fleet's bag (journal/fence.h): putting one up is one change, however
 * many items it hides; lifting it is one change too, and brings back the fence that it had
 * replaced, for what that one hid stays hidden. What a fence replaced is read from the journal.
 */
#ifndef KITBAG_SERVER_FENCING_H
#define KITBAG_SERVER_FENCING_H

#include "server/plan.h"

struct fencing {
    enum fence_layer layer;
    struct span category;      /* borrowed */
    const struct span *except; /* borrowed */
    size_t except_count;
};

/* Plan the one change of each, which the caller seals or undoes. 0, E_PATH (no category),
 * PLAN_TROUBLE and
 *
 *   fence  E_INVALID (an exception is not within the category), E_QUOTA (too many exceptions or
 *          fences), E_EXISTS (the fence that stands hides what would be excepted now: it is to be
 *          lifted first)
 *   lift   E_NOT_FOUND (there is none), E_TOO_OLD (what it hid was removed for good, or the journal
 *          does not reach back to it). Wants a draft without changes. */
MUST_CHECK int fencing_plan_fence(struct plan *plan, const struct plan_by *by,
                                  const struct fencing *fencing, struct err *err);
MUST_CHECK int fencing_plan_lift(struct plan *plan, const struct plan_by *by,
                                 const struct fencing *fencing, struct err *err);

#endif
