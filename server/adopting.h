/* server/adopting.h - "delete here and take the next machine's copy", as changes (adoptions.h). */
#ifndef KITBAG_SERVER_ADOPTING_H
#define KITBAG_SERVER_ADOPTING_H

#include "server/plan.h"

/* In the open set that deletes the bag: the next machine's copy of it is wanted. E_NOT_ALLOWED (it
 * is no user's and no group's), PLAN_TROUBLE. */
MUST_CHECK int adopting_plan_mark(struct plan *plan, const struct plan_by *by,
                                  const struct bag_row *bag, struct err *err);
/* In the open set that makes a bag of this owner: nothing is wanted of them any more. 0 or
 * PLAN_TROUBLE. */
MUST_CHECK int adopting_plan_close(struct plan *plan, const struct plan_by *by,
                                   const struct owner *owner, struct err *err);
/* A set of its own: this machine is the one that is asked. 0, E_NOT_FOUND, PLAN_FULL,
 * PLAN_TROUBLE, or what plan->closed says. */
MUST_CHECK int adopting_plan_claim(struct plan *plan, uint64_t bag_id, uint64_t device);

#endif
