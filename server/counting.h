/* server/counting.h - categories that keep only so many items: the newest ones.
 *
 * A set that adds to such a category removes what is too much, the oldest first, as a part of
 * itself. What a fence hides does not count.
 */
#ifndef KITBAG_SERVER_COUNTING_H
#define KITBAG_SERVER_COUNTING_H

#include "server/plan.h"

/* By one set, of one category, unless it adds more by itself: a limit that was lowered is reached
 * with the next ones. */
enum { COUNTING_REMOVES_MAX = 256 };

/* Before a set that may add to a category with a limit: is kv/, which lists what is there, complete
 * for this bag? 0 or PLAN_SETTLE. */
MUST_CHECK int counting_ready(const struct plan *plan, const struct bag_row *bag);

/* After the changes of the open set to this bag: removes what is too much. `bag` is its row from
 * before. 0 or PLAN_TROUBLE. */
MUST_CHECK int counting_plan(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                             struct err *err);

#endif
