/* server/submits.h - what administration writes: change sets of any owner, deletions.
 *
 * Administration is trusted: it may write every bag and the items that begin with '@'. Names,
 * paths, values, conditions and limits are checked as for everybody.
 */
#ifndef KITBAG_SERVER_SUBMITS_H
#define KITBAG_SERVER_SUBMITS_H

#include "admin/backend.h"
#include "server/plan.h"

/* Plans one submit and puts the reply (kind REPLY_SUBMITTED, with `ticket` and `index`) into the
 * draft. Returns 0, PLAN_FULL or PLAN_SETTLE (nothing was done, no reply), or E_NOMEM: no reply. */
MUST_CHECK int submit_plan(struct plan *plan, const struct submit *submit, void *ticket,
                           uint64_t index);

/* It does not fit an empty draft: refused with E_TOO_LARGE. */
MUST_CHECK int submit_refuse_large(struct plan *plan, void *ticket, uint64_t index);

/* Copy what the reply says into the submit's results. */
void submit_finish(struct submit *submit, const struct reply *reply);

#endif
