/* server/restore_swap.h - what was restored takes the place of what was there.
 *
 *   DATA/restore.partial   is being put together: worth nothing
 *   DATA/restore.ready     is whole: its parts are taking their places. `replaces` in it names the
 *                          folder that what was there goes to
 *
 * One rename makes the first the second: before it the old data is what counts, after it the new.
 * What is left of the renames behind it is done by whoever opens the folder next.
 */
#ifndef KITBAG_SERVER_RESTORE_SWAP_H
#define KITBAG_SERVER_RESTORE_SWAP_H

#include <limits.h>

#include "base/err.h"

#define RESTORE_PARTIAL "restore.partial"
#define RESTORE_READY   "restore.ready"

/* From here on the restored data counts. `replaces`: the name of the folder for the old data. */
MUST_CHECK int restore_commit(const char *data_dir, const char *replaces, struct err *err);

/* Do the renames that are left. `replaced` (PATH_MAX bytes; may be NULL) is told where the old data
 * is, "" when there was none. E_NOT_FOUND, without a sentence: nothing is left to do. */
MUST_CHECK int restore_finish(const char *data_dir, char *replaced, struct err *err);

/* Before a server serves the folder: finishes, too. E_CONDITION: a restore was broken off before it
 * was whole, and somebody has to decide. */
MUST_CHECK int restore_settle(const char *data_dir, struct err *err);

#endif
