/* admin/walk.h - everybody's items of some categories, one after the other, to count them.
 *
 * User by user: the items of the user's bag, and those of the bags on single machines that hang on
 * it. All is of the view's moment. Memory does not grow with the number of people. Blocks on the
 * disk, for as long as there are people; ends early once nobody waits any more.
 */
#ifndef KITBAG_ADMIN_WALK_H
#define KITBAG_ADMIN_WALK_H

#include <stdatomic.h>

#include "kv/kv.h"

/* A live item of `bag`, a user's or one on a machine. Whatever it returns but 0 ends the walk. */
typedef int admin_walk_item_fn(void *context, const struct bag_row *bag, struct span path,
                               const struct item_row *row, struct err *err);
/* All items of the user were told. */
typedef int admin_walk_user_fn(void *context, const struct bag_row *user, struct err *err);

struct admin_walk {
    struct kv *kv;
    struct kv_view *view;
    const atomic_bool *given_up;
    bool shared;                   /* tell what users have on all machines, */
    bool device;                   /* and what they have on one alone */
    const struct span *categories; /* none lies within another; borrowed */
    size_t category_count;
    admin_walk_item_fn *item;
    admin_walk_user_fn *user; /* may be NULL */
    void *context;
};

/* E_CLOSED: given up; what reading the state and the functions may return. */
MUST_CHECK int admin_walk_people(const struct admin_walk *walk, struct err *err);

/* Is the path the category, or does it go on behind it with '/'? */
bool admin_walk_within(struct span path, struct span category);

#endif
