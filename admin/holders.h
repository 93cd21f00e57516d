/* admin/holders.h - at which machines somebody of certain users and groups is signed in.
 *
 * First who is asked about, then find: it costs as much as these people are signed in, not as there
 * are machines. A group counts by its members. What the machines are, and whether they were
 * removed, is not looked at here.
 */
#ifndef KITBAG_ADMIN_HOLDERS_H
#define KITBAG_ADMIN_HOLDERS_H

#include "kv/kv.h"

struct admin_holder {
    uint64_t device;
    uint64_t since_ms; /* when the newest user signed in there, or the newest of the members who are
                          signed in there became one; at least 1 */
};

struct admin_person; /* one who is asked about */

/* Born zeroed. */
struct admin_holders {
    struct admin_holder *list; /* after find: in order of machines, each once */
    size_t count;
    size_t room;
    struct admin_person *people;
    size_t people_count;
    size_t people_room;
};

MUST_CHECK int admin_holders_add_user(struct admin_holders *holders, uint64_t user_bag,
                                      struct err *err); /* E_NOMEM */
/* All who belong to it. E_NOMEM, and what reading the state may return; `view` must be given. */
MUST_CHECK int admin_holders_add_group(struct admin_holders *holders, struct kv *kv,
                                       struct kv_view *view, const char *folded, struct err *err);
/* Once, after all were added. The same errors. */
MUST_CHECK int admin_holders_find(struct admin_holders *holders, struct kv *kv,
                                  struct kv_view *view, struct err *err);
/* NULL: nobody of them is signed in there. */
const struct admin_holder *admin_holders_at(const struct admin_holders *holders, uint64_t device);
void admin_holders_free(struct admin_holders *holders);

#endif
