/* admin/api/sharing.h - what the routes of the catalogue and its flags share. */
#ifndef KITBAG_ADMIN_API_SHARING_H
#define KITBAG_ADMIN_API_SHARING_H

#include "admin/api/api.h"
#include "journal/past.h"
#include "journal/sharing_switch.h"

/* --- categories.c --- */

/* A category's path, class and titles (new; NULL: out of memory). */
json_t *admin_api_category(const struct category *category);
/* "shared", "device"; "always": it has no flag, or there is no category. */
const char *admin_api_sharing_name(const struct category *category);
/* All that is told of it (new, in *out). */
MUST_CHECK int admin_api_category_row(struct journal *journal, const struct category *category,
                                      json_t **out, struct err *err);
/* The same of all of them, or of those with a flag: an array. */
MUST_CHECK int admin_api_category_rows(const struct admin_request *request,
                                       const struct admin_catalogue *catalogue, bool flags,
                                       json_t **out, struct err *err);

/* --- sharing_sets.c: changes of what is shared, as the journal has them --- */

/* The changes of the set that the change `seq` belongs to, the newest first. What `each` returns
 * but 0 ends it. E_NOT_FOUND, E_TOO_OLD, and what reading the journal may return. */
typedef int admin_api_set_fn(void *context, const struct change *change, struct err *err);
MUST_CHECK int admin_api_set(struct journal *journal, uint64_t seq, admin_api_set_fn *each,
                             void *context, struct err *err);
/* What the set did: {"seq", "time", "by", "copy", "changes": {PATH: "device"}, "categories": [...]}
 * (new, in *out). The same errors; E_NOMEM. */
MUST_CHECK int admin_api_set_row(struct journal *journal, const struct admin_catalogue *catalogue,
                                 uint64_t seq, json_t **out, struct err *err);
/* The newest sets that changed what is shared since then: the seqs of their last changes. */
enum { ADMIN_API_SETS_MAX = 20 };
struct admin_api_sets {
    uint64_t seqs[ADMIN_API_SETS_MAX];
    size_t count;
};
MUST_CHECK int admin_api_sets(const struct admin_request *request, uint64_t since_ms,
                              struct admin_api_sets *out, struct err *err);

#endif
