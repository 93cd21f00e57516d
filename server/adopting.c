/* server/adopting.c - an item of the server's bag is set, changed, removed. */
#include "server/adopting.h"

static int put(struct plan *plan, const struct plan_by *by, const struct adoption *adoption,
               struct err *err)
{
    char path[ADOPTION_PATH_MAX];
    struct buf text;
    buf_init(&text, ADOPTION_TEXT_MAX);
    adoption_put_value(&text, adoption);
    int rc = buf_error(&text) != 0
                 ? PLAN_TROUBLE
                 : plan_set(plan, by, plan->server_bag, adoption_path(path, adoption->bag_id),
                            buf_span(&text), err);
    buf_free(&text);
    return rc;
}

int adopting_plan_mark(struct plan *plan, const struct plan_by *by, const struct bag_row *bag,
                       struct err *err)
{
    ASSERT(plan != NULL && by != NULL && bag != NULL);
    struct adoption adoption = {.bag_id = bag->bag_id, .owner = bag->owner};
    if (bag->owner.kind != OWNER_USER && bag->owner.kind != OWNER_GROUP) {
        return err_set(err, E_NOT_ALLOWED, "a machine's copy is taken of users and groups alone");
    }
    return put(plan, by, &adoption, err);
}

int adopting_plan_close(struct plan *plan, const struct plan_by *by, const struct owner *owner,
                        struct err *err)
{
    ASSERT(plan != NULL && by != NULL && owner != NULL);
    char path[ADOPTION_PATH_MAX];
    const struct adoption *adoption = adoptions_of_owner(&plan->adoptions, owner);
    return adoption == NULL ? 0
                            : plan_remove(plan, by, plan->server_bag,
                                          adoption_path(path, adoption->bag_id), err);
}

int adopting_plan_claim(struct plan *plan, uint64_t bag_id, uint64_t device)
{
    ASSERT(plan != NULL && device != 0);
    const struct plan_by by = {.origin = device, .actor = "", .seen = UINT64_MAX};
    const struct adoption *adoption = adoptions_of_bag(&plan->adoptions, bag_id);
    if (adoption == NULL || plan->closed != 0) {
        return adoption == NULL ? E_NOT_FOUND : plan->closed;
    }
    struct adoption claimed = *adoption;
    claimed.device = device;
    plan_begin(plan);
    int rc = put(plan, &by, &claimed, NULL);
    if (rc == 0) {
        rc = plan_seal(plan, NULL);
    }
    if (rc != 0) {
        plan_undo(plan);
    }
    return rc;
}
