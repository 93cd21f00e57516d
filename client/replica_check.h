/* client/replica_check.h - is an LMDB file whole enough to be mapped and searched?
 *
 * LMDB trusts its pages: a flipped bit in one that holds the tree together (an offset, a size, a
 * page's number) kills the process, or hides items from look-ups. Records carry checksums of their
 * own; what holds them together is checked here, before LMDB is given the file.
 */
#ifndef KITBAG_CLIENT_REPLICA_CHECK_H
#define KITBAG_CLIENT_REPLICA_CHECK_H

#include <stddef.h>

#include "base/err.h"

/* Reads every page of the trees in `path` (LMDB 0.9, this machine's byte order) that holds keys,
 * and the first page of every long value:
 *
 *   - pages are of their kind and bear their own number, nodes lie inside them without gaps;
 *   - keys rise strictly, within a page and across pages, and the depth is the same everywhere;
 *   - the counts of pages and records are those that the root says;
 *   - no page is used twice, and none that is used is in the list of free ones;
 *   - the tables are those of `tables`, or there is none yet.
 *
 * Returns 0 (also when there is no file yet), E_CORRUPT, E_NOMEM, E_SYSTEM, E_PERMISSION. Reading a
 * page that the disk can't read is E_CORRUPT too. */
MUST_CHECK int replica_check_file(const char *path, const char *const *tables, size_t table_count,
                                  struct err *err);

#endif
