/* server/switching.h - what is shared is changed for everybody, by one set in the fleet's bag.
 *
 * The set holds the flags (journal/sharing.h) and the fences (journal/fence.h) of what is
 * initialised with them (journal/sharing_switch.h), so that everybody switches at one seq, and
 * nothing is walked over.
 *
 * With a copy nothing is initialised. Categories within one that is initialised, and are not
 * themselves, are excepted.
 */
#ifndef KITBAG_SERVER_SWITCHING_H
#define KITBAG_SERVER_SWITCHING_H

#include "server/plan.h"

/* Each write names a category once and "device" or "shared". Those that are so already are left
 * out; when that is all of them no change is planned. The caller seals or undoes. 0, PLAN_TROUBLE,
 * E_NOT_FOUND (no such category), E_INVALID (it has no flag, is named twice, or another value), and
 * what fencing_plan_fence returns. */
MUST_CHECK int switching_plan(struct plan *plan, const struct plan_by *by,
                              const struct operation_write *writes, size_t count, bool copy,
                              struct err *err);

/* Every flag and fence of the set that the change `seq` belongs to becomes what it was before it.
 * Wants a draft without changes. 0, PLAN_TROUBLE, E_NOT_FOUND (no such change, or it changed
 * nothing of what is shared), E_CONDITION (one of them was changed since), E_TOO_OLD. */
MUST_CHECK int switching_plan_undo(struct plan *plan, const struct plan_by *by, uint64_t seq,
                                   struct err *err);

#endif
