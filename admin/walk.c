/* admin/walk.c - bags by pages of bags, items by pages of items. */
#include "admin/walk.h"

#include <string.h>

enum {
    BAGS_AT_ONCE = 1000,
    LOOK_BYTES = 256 << 10,
};

struct walking {
    const struct admin_walk *walk;
    const struct bag_row *bag; /* whose items are read */
    struct span category;      /* those of it */
    uint64_t last_bag;
};

bool admin_walk_within(struct span path, struct span category)
{
    return path.size >= category.size && memcmp(path.data, category.data, category.size) == 0 &&
           (path.size == category.size || path.data[category.size] == '/');
}

static int see_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct walking *walking = context;
    const struct admin_walk *walk = walking->walk;
    bool wanted = row->state == ITEM_LIVE && admin_walk_within(path, walking->category);
    return wanted ? walk->item(walk->context, walking->bag, path, row, err) : 0;
}

static int see_category(struct walking *walking, struct err *err)
{
    const struct admin_walk *walk = walking->walk;
    struct buf next;
    bool end = false;
    int rc = 0;
    buf_init(&next, PATH_MAX_BYTES);
    while (rc == 0 && !end) {
        struct kv_page page = {.bag_id = walking->bag->bag_id,
                               .after = buf_span(&next),
                               .prefix = walking->category,
                               .budget_bytes = LOOK_BYTES};
        rc = kv_page(walk->kv, walk->view, &page, see_item, walking, &next, &end, err);
    }
    buf_free(&next);
    return rc;
}

static int see_items(struct walking *walking, const struct bag_row *bag, struct err *err)
{
    const struct admin_walk *walk = walking->walk;
    int rc = 0;
    walking->bag = bag;
    for (size_t i = 0; i < walk->category_count && bag->items > 0 && rc == 0; i++) {
        walking->category = walk->categories[i];
        rc = see_category(walking, err);
    }
    return rc;
}

static int see_child(void *context, const struct bag_row *bag, struct err *err)
{
    return see_items(context, bag, err);
}

static int see_bag(void *context, const struct bag_row *bag, struct err *err)
{
    struct walking *walking = context;
    const struct admin_walk *walk = walking->walk;
    walking->last_bag = bag->bag_id;
    if (atomic_load(walk->given_up)) {
        return err_set(err, E_CLOSED, "nobody waits for the answer any more");
    }
    if (bag->owner.kind != OWNER_USER) {
        return 0;
    }
    int rc = walk->shared ? see_items(walking, bag, err) : 0;
    if (rc == 0 && walk->device) {
        rc = kv_children(walk->kv, walk->view, bag->bag_id, see_child, walking, err);
    }
    return rc == 0 && walk->user != NULL ? walk->user(walk->context, bag, err) : rc;
}

int admin_walk_people(const struct admin_walk *walk, struct err *err)
{
    ASSERT(walk != NULL && walk->view != NULL && walk->given_up != NULL && walk->item != NULL);
    struct walking walking = {.walk = walk};
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        rc = kv_bags(walk->kv, walk->view, walking.last_bag, BAGS_AT_ONCE, see_bag, &walking, &more,
                     err);
    }
    return rc;
}
