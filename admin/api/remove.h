/* admin/api/remove.h - POST .../delete of what lies in the server's bag: machines, join tokens.
 *
 * Many at once; one that can't be removed keeps the others from nothing, and is told of. When all
 * of it ends early, the audit is told what was removed before.
 */
#ifndef KITBAG_ADMIN_API_REMOVE_H
#define KITBAG_ADMIN_API_REMOVE_H

#include "admin/route.h"

struct admin_removal {
    const struct admin_request *request;
    bool dry_run;
    json_int_t removed;
    uint64_t seq; /* of the last change; 0: none */
    json_t *told; /* the first of those removed, for the audit */
    json_t *missing;
    json_t *failed;
};

/* What can be removed. All borrowed. */
struct admin_removable {
    const char *things; /* the member of the answer that counts them: "devices" */
    const char *thing;  /* one of them: "machine" */
    const char *none;   /* "no registered machine", when no id was that of any */
    bool is_named;      /* the audit names them, not only how many */
    /* Remove the one with this id, by admin_removal_write; in a dry run only look whether that
     * could be done. E_NOT_FOUND: there is none. E_CONDITION: it changed meanwhile, and is looked
     * at anew. E_CLOSED and E_NOMEM end everything, other codes are told of this one. */
    int (*remove)(struct admin_removal *removal, const char *id, struct err *err);
};

/* The route's function: reads the body {"ids": [...], "dry_run": false} and answers. */
MUST_CHECK int admin_removal_run(const struct admin_removable *kind,
                                 const struct admin_request *request,
                                 struct admin_response *response, struct err *err);

/* One write to the server's bag. */
MUST_CHECK int admin_removal_write(struct admin_removal *removal,
                                   const struct operation_write *write, struct err *err);

#endif
