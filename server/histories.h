/* server/histories.h - how a history begins.
 *
 * The first batch of a new server: seq 1 HISTORY, 2 the server's bag, 3 the fleet's. A fork, which
 * is asked for by an administrator, begins with one HISTORY change that names its parent: whoever
 * follows knows up to where their data is of both.
 */
#ifndef KITBAG_SERVER_HISTORIES_H
#define KITBAG_SERVER_HISTORIES_H

#include "server/plan.h"

/* Plans and seals the first batch of a journal without changes. E_NOMEM. */
MUST_CHECK int histories_plan_first(struct plan *plan, struct err *err);

/* Begins a new history behind the journal's head: the journal's segment, and the change, planned
 * and sealed, in a draft without changes. It has to be committed; when that fails nothing else may
 * be, for opening the journal again takes back what has begun. E_INVALID (nothing was written since
 * the newest segment began), E_NOMEM, and what journal_fork returns. */
MUST_CHECK int histories_plan_fork(struct plan *plan, const struct plan_by *by, struct err *err);

/* Finds the bags of the server and the fleet for `plan`, and loads what it keeps of them. E_CORRUPT
 * (they are not there), and what reading kv/ may return. */
MUST_CHECK int histories_load(struct plan *plan, struct err *err);

#endif
