/* server/placing.c - which bag an item goes to is decided here, by the flags of this moment. */
#include "server/placing.h"

#include "server/counting.h"

/* The part of an operation that goes to one bag. */
struct part {
    struct plan *plan;
    const struct plan_by *by;
    const struct operation *operation;
    const struct bag_row *bag; /* from before */
    enum sharing_layer layer;
    const struct bag_row *user; /* of a DEVICE part: the user's bag */
    size_t count;               /* items that went there */
    bool counted;               /* one at least of a category that keeps only so many */
    struct err *err;
};

/* --- one item --- */

/* The condition holds for what the device sees: where it has no item of its own, with a copy, the
 * shared one from before the flag. */
static int check_seen(struct part *part, const struct category *category,
                      const struct operation_write *write)
{
    uint64_t seq = 0;
    int rc = plan_seq_of(part->plan, part->bag, write->path, &seq, part->err);
    if (rc == 0 && seq == 0 && category->copy) {
        rc = plan_seq_of(part->plan, part->user, write->path, &seq, part->err);
        seq = seq < category->flag_seq ? seq : 0;
    }
    return rc != 0 ? rc : plan_check_condition(write, seq, part->err);
}

static int check_item(struct part *part, const struct category *category,
                      const struct operation_write *write)
{
    struct operation_write judged = *write;
    bool own = part->layer == SHARING_DEVICE && write->has_if_seq;
    judged.has_if_seq = write->has_if_seq && !own;
    int rc = plan_check_write(part->plan, part->bag, &judged, false, part->err);
    if (rc == 0 && own) {
        rc = check_seen(part, category, write);
    }
    if (rc == 0 && !write->remove) {
        rc = sharing_check_value(category, write->path, write->value, part->err);
    }
    return rc;
}

/* A version that the writer named as its condition is one it has seen. */
static int put_item(struct part *part, const struct category *category,
                    const struct operation_write *write)
{
    struct plan *plan = part->plan;
    int rc = check_item(part, category, write);
    if (rc == 0 && category != NULL && category->count_max != 0) {
        part->counted = true;
        rc = counting_ready(plan, part->bag);
    }
    if (rc != 0) {
        return rc;
    }
    struct plan_by by = *part->by;
    if (write->has_if_seq) {
        by.seen = UINT64_MAX;
    }
    uint64_t bag_id = part->bag->bag_id;
    part->count++;
    return write->remove ? plan_remove(plan, &by, bag_id, write->path, part->err)
                         : plan_set(plan, &by, bag_id, write->path, write->value, part->err);
}

static int refuse_changed(const struct operation_write *write, struct err *err)
{
    return err_set(err, E_SHARING_CHANGED,
                   "'%.*s' was written for one machine alone, and is shared across all machines "
                   "by now: sent again, it is written for all of them",
                   (int)write->path.size, (const char *)write->path.data);
}

/* --- all items of one bag --- */

/* Those of this layer; `others` counts the rest. */
static int put_items(struct part *part, size_t *others)
{
    const struct sharing *sharing = &part->plan->sharing;
    bool of_user = part->layer == SHARING_DEVICE || part->bag->owner.kind == OWNER_USER;
    int rc = 0;
    for (size_t i = 0; i < part->operation->write_count && rc == 0; i++) {
        struct operation_write write = {0};
        rc = operation_write_at(part->operation, i, &write);
        ASSERT(rc == 0); /* it was decoded */
        if (!of_user && write.device) {
            return err_set(part->err, E_INVALID,
                           "only what a user has can be of one machine alone");
        }
        const struct category *category = sharing_find(sharing, write.path);
        enum sharing_layer layer = of_user ? sharing_layer_of(category) : SHARING_SHARED;
        if (layer == SHARING_SHARED && write.device) {
            return refuse_changed(&write, part->err);
        }
        if (layer == part->layer) {
            rc = put_item(part, category, &write);
        } else {
            (*others)++;
        }
    }
    return rc;
}

static int put_part(struct part *part, size_t *others)
{
    int rc = put_items(part, others);
    if (rc == 0 && part->counted) {
        rc = counting_plan(part->plan, part->by, part->bag, part->err);
    }
    return rc != 0 ? rc : plan_check_quota(part->plan, part->bag, part->err);
}

/* --- the bag on the device --- */

static struct owner on_device(const struct owner *user, uint64_t device)
{
    struct owner owner = *user;
    owner.kind = OWNER_USER_DEVICE;
    owner.device = device;
    return owner;
}

static int find_or_make(struct plan *plan, const struct plan_by *by, const struct bag_row *user,
                        struct bag_row *own, struct err *err)
{
    struct owner owner = on_device(&user->owner, by->origin);
    uint64_t bag_id = 0;
    int rc = plan_read(overlay_bag_of(&plan->overlay, &owner, own, err));
    if (rc != E_NOT_FOUND && rc != E_BAG_GONE) {
        return rc;
    }
    rc = plan_create(plan, by, &owner, user->bag_id, &bag_id, err);
    if (rc == 0 && overlay_bag(&plan->overlay, bag_id, own, err) != 0) {
        rc = PLAN_TROUBLE;
    }
    return rc;
}

int placing_plan(struct plan *plan, const struct plan_by *by, const struct operation *operation,
                 const struct bag_row *bag, struct wire_split *split, struct err *err)
{
    ASSERT(plan != NULL && by != NULL && operation != NULL && bag != NULL && split != NULL);
    struct part shared = {plan, by, operation, bag, SHARING_SHARED, NULL, 0, false, err};
    size_t of_device = 0;
    size_t none = 0;
    int rc = put_part(&shared, &of_device);
    if (rc != 0 || of_device == 0) {
        return rc;
    }
    uint64_t shared_seq = shared.count > 0 ? plan_next_seq(plan) - 1 : 0;
    struct bag_row own = {0};
    struct part device = {plan, by, operation, &own, SHARING_DEVICE, bag, 0, false, err};
    rc = find_or_make(plan, by, bag, &own, err);
    if (rc == 0) {
        rc = put_part(&device, &none);
    }
    if (rc == 0) {
        *split = (struct wire_split){true, own.bag_id, shared_seq, plan_next_seq(plan) - 1};
    }
    return rc;
}

/* --- an operation that was done before --- */

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int placing_find(struct plan *plan, uint64_t bag_id, uint64_t device, uint64_t seq,
                 struct wire_split *split, struct err *err)
{
    ASSERT(plan != NULL && split != NULL);
    struct bag_row user = {0};
    struct bag_row own = {0};
    *split = (struct wire_split){0};
    int rc = plan_read(overlay_bag(&plan->overlay, bag_id, &user, err));
    if (rc != 0 || user.owner.kind != OWNER_USER) {
        return rc == PLAN_TROUBLE ? rc : 0; /* who has a bag that is gone is told so */
    }
    struct owner owner = on_device(&user.owner, device);
    rc = plan_read(overlay_bag_of(&plan->overlay, &owner, &own, err));
    if (rc == PLAN_TROUBLE) {
        return rc;
    }
    bool there = rc == 0 && own.bag_id < seq; /* not made since */
    if (there || user.last_seq < seq) {
        *split = (struct wire_split){true, there ? own.bag_id : 0, lower(seq, user.last_seq),
                                     there ? lower(seq, own.last_seq) : 0};
    }
    return 0;
}
