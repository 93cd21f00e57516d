/* cli/ctl_list.h - lists of the API, which come in pages, and what became of many at once. */
#ifndef KITBAG_CLI_CTL_LIST_H
#define KITBAG_CLI_CTL_LIST_H

#include "cli/ctl_http.h"
#include "cli/output.h"

/* All rows of a list: the pages' arrays `member` joined, by "next". `target` has a query. */
MUST_CHECK int ctl_list(const struct invocation *invocation, const char *target, const char *member,
                        json_t **rows, struct err *err);

/* All of them printed: `target` and `member` as above. */
MUST_CHECK int ctl_list_print(const struct invocation *invocation, const char *target,
                              const char *member, const struct output_column *columns,
                              struct err *err);

/* As ctl_list, but at most `limit` rows (0: all). `last` (may be NULL) gets the page that ended it,
 * with what it says besides. */
MUST_CHECK int ctl_list_some(const struct invocation *invocation, const char *target,
                             const char *member, size_t limit, json_t **rows, json_t **last,
                             struct err *err);

/* What a deletion left out (its "missing" and "failed") becomes the command's code: 0 when nothing
 * was, E_PARTLY when `done` of them were done, else the code and reason of the first failure. */
MUST_CHECK int ctl_left_out(json_t *report, json_int_t done, struct err *err);

#endif
