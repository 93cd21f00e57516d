/* server/histories.h - how a history begins.
 *
 * The first batch of a new server: seq 1 HISTORY, 2 the server's bag, 3 the fleet's.
 */
#ifndef KITBAG_SERVER_HISTORIES_H
#define KITBAG_SERVER_HISTORIES_H

#include "server/plan.h"

/* Plans and seals the first batch of a journal without changes. E_NOMEM. */
MUST_CHECK int histories_plan_first(struct plan *plan, struct err *err);

/* Finds the bags of the server and the fleet for `plan`, and loads what it keeps of them. E_CORRUPT
 * (they are not there), and what reading kv/ may return. */
MUST_CHECK int histories_load(struct plan *plan, struct err *err);

#endif
