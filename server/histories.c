/* server/histories.c - the changes that every history begins with. */
#include "server/histories.h"

#include <string.h>

static const struct owner SERVER = {.kind = OWNER_SERVER};
static const struct owner FLEET = {.kind = OWNER_FLEET};

static int plan_bag(struct plan *plan, const struct plan_by *by, const struct owner *owner,
                    struct err *err)
{
    uint64_t bag_id = 0;
    int rc = plan_create(plan, by, owner, 0, &bag_id, err);
    return rc != 0 ? rc : plan_seal(plan, err);
}

int histories_plan_first(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    struct plan_by by = {.actor = "", .seen = UINT64_MAX};
    struct change_history history = {0};
    journal_history(plan->journal, history.id);
    plan_begin(plan);
    int rc = plan_history(plan, &by, &history, err);
    if (rc == 0) {
        rc = plan_seal(plan, err);
    }
    if (rc == 0) {
        rc = plan_bag(plan, &by, &SERVER, err);
    }
    if (rc == 0) {
        rc = plan_bag(plan, &by, &FLEET, err);
    }
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "a new history: out of memory");
}

int histories_plan_fork(struct plan *plan, const struct plan_by *by, struct err *err)
{
    ASSERT(plan != NULL && by != NULL);
    ASSERT(plan->draft->count == 0);
    struct journal_position head = {0};
    struct change_history history = {0};
    journal_head(plan->journal, &head);
    random_bytes(history.id, sizeof history.id);
    journal_history(plan->journal, history.parent);
    history.parent_seq = head.seq;
    memcpy(history.parent_hash, head.hash, SHA256_SIZE);
    plan_begin(plan);
    int rc = plan_history(plan, by, &history, err);
    if (rc == 0) {
        rc = plan_seal(plan, err);
    }
    if (rc == 0) {
        rc = journal_fork(plan->journal, history.id, err);
        if (rc != 0) {
            draft_empty(plan->draft);
        }
        return rc;
    }
    plan_undo(plan);
    return err_set(err, E_NOMEM, "a new history: out of memory");
}

int histories_load(struct plan *plan, struct err *err)
{
    ASSERT(plan != NULL);
    struct bag_row row = {0};
    int rc = kv_bag_of(plan->overlay.kv, NULL, &SERVER, &row, err);
    if (rc == 0) {
        plan->server_bag = row.bag_id;
        rc = kv_bag_of(plan->overlay.kv, NULL, &FLEET, &row, err);
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_CORRUPT, "the state lacks the server's or the fleet's bag");
    }
    if (rc == 0) {
        plan->fleet_bag = row.bag_id;
        rc = plan_load(plan, err);
    }
    return rc;
}
