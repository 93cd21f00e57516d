/* server/committer_behind.c - what is committed and not in kv/ yet: handing over, and waiting. */
#include "server/committer_inside.h"

/* So few changes are applied by this thread, when nothing else waits: a hand-over would cost more.
 */
enum { HERE_CHANGES = 4 };

/* Nobody needs its changes for kv/ any more. */
static void mark_applied(struct committer *committer, struct draft *draft)
{
    draft->applied = true;
    if (draft->delivered) {
        committer_give_back(committer, draft);
    }
}

void committer_collect(struct committer *committer)
{
    struct draft *draft = applier_take(committer->applier);
    while (draft != NULL) {
        struct draft *next = draft->next_applied;
        mark_applied(committer, draft);
        draft = next;
    }
    struct err err = {0};
    if (committer->state == COMMITTER_RUNNING && applier_failure(committer->applier, &err) != 0) {
        (void)err_prefix(&err, "the state can't be written; it is opened again: ");
        committer_stop(committer, COMMITTER_BEHIND, "state.failed", &err);
    }
    committer->plan.applied_seq = applier_applied(committer->applier);
}

/* What was kept for this thread is applied now, or by the applier when that has begun something. */
void committer_apply_here(struct committer *committer)
{
    struct draft *draft = committer->here;
    committer->here = NULL;
    if (draft == NULL) {
        return;
    }
    if (applier_apply_here(committer->applier, draft)) {
        mark_applied(committer, draft);
    } else {
        applier_give(committer->applier, draft);
    }
}

/* A committed draft goes to the applier at once; but few changes, when nothing else waits, are
 * applied by this thread after they were delivered: a hand-over would cost more. */
void committer_hand_over(struct committer *committer, struct draft *draft)
{
    bool rests = committer->here == NULL && committer->plan.applied_seq + 1 == draft->base_seq;
    committer_apply_here(committer);
    if (rests && draft->count <= HERE_CHANGES) {
        committer->here = draft;
    } else {
        applier_give(committer->applier, draft);
    }
}

void committer_wait_applied(struct committer *committer, uint64_t seq)
{
    committer_apply_here(committer);
    applier_wait(committer->applier, seq);
    committer_collect(committer);
}

void committer_settle(struct committer *committer)
{
    ASSERT(committer != NULL);
    if (committer->plan.applied_seq < committer->head.seq) {
        committer_wait_applied(committer, committer->head.seq);
    }
}

void committer_idle(struct committer *committer)
{
    ASSERT(committer != NULL);
    if (committer->state == COMMITTER_RUNNING) {
        applier_idle(committer->applier);
    }
}

uint64_t committer_head(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->head.seq;
}

bool committer_reached(struct committer *committer, uint64_t seq)
{
    ASSERT(committer != NULL && seq <= committer->head.seq);
    return committer->plan.applied_seq >= seq || applier_reached(committer->applier, seq);
}

bool committer_is_behind(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return applier_failure(committer->applier, NULL) != 0;
}

bool committer_bag_lags(struct committer *committer, uint64_t bag_id)
{
    ASSERT(committer != NULL);
    const struct plan *plan = &committer->plan;
    if (plan->applied_seq < committer->head.seq) {
        committer_collect(committer);
    }
    return plan->applied_seq < committer->head.seq &&
           overlay_bag_seq(&plan->overlay, bag_id) > plan->applied_seq;
}

void committer_settle_bag(struct committer *committer, uint64_t bag_id)
{
    ASSERT(committer != NULL);
    const struct plan *plan = &committer->plan;
    if (committer_bag_lags(committer, bag_id) || plan->rights_seq > plan->applied_seq) {
        committer_settle(committer);
    }
}
