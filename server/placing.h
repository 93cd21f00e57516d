/* server/placing.h - the items of an operation, each into the bag where it belongs now.
 *
 * A machine names a user's bag and tells of each item whether its category was device-specific when
 * it was written. Now, at the commit:
 *
 *   shared             into the user's bag; but what was written while it was device-specific is
 *                      refused, and the whole operation with it: nobody meant it for all machines
 *   device-specific    into the user's bag on the device that wrote it, which is made with its
 *                      first item
 *
 * The changes of the user's bag come first. All is one set.
 */
#ifndef KITBAG_SERVER_PLACING_H
#define KITBAG_SERVER_PLACING_H

#include "server/plan.h"
#include "transport/wire.h"

/* The items of a WRITE to this bag, which the device `by->origin` may write to. `split` is filled
 * when something went into another bag than that. 0, PLAN_FULL, PLAN_SETTLE, PLAN_TROUBLE, or why
 * it is refused: E_SHARING_CHANGED, E_INVALID (no user's bag has such items), E_CATEGORY, and what
 * plan_check_write and plan_check_quota return. */
MUST_CHECK int placing_plan(struct plan *plan, const struct plan_by *by,
                            const struct operation *operation, const struct bag_row *bag,
                            struct wire_split *split, struct err *err);

/* Where the items of an operation are that was done at `seq`, as far as is known now. */
MUST_CHECK int placing_find(struct plan *plan, uint64_t bag_id, uint64_t device, uint64_t seq,
                            struct wire_split *split, struct err *err);

#endif
