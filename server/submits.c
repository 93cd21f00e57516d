/* server/submits.c - an administrator's change set. */
#include "server/submits.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/adopting.h"
#include "server/fencing.h"
#include "server/histories.h"
#include "server/switching.h"

struct job {
    struct plan *plan;
    const struct submit *submit;
    struct plan_by by;
    struct reply reply;
    struct err err;
};

static int answer(struct job *job, int code)
{
    if (code == PLAN_FULL || code == PLAN_SETTLE) {
        return code;
    }
    if (code == PLAN_TROUBLE) {
        log_err(LOG_ERROR, "commit", "submit.trouble", &job->err);
        code = err_set(&job->err, E_IO, "the server could not read its state: see its log");
    }
    job->reply.code = code;
    job->reply.pending = job->plan->draft->count > 0;
    if (code != 0) {
        const char *text = job->err.code == code ? job->err.text : err_meaning(code);
        job->reply.text = arena_text(&job->plan->draft->arena, text);
    }
    return draft_reply(job->plan->draft, &job->reply);
}

/* --- deleting --- */

static int plan_deletion(struct job *job)
{
    struct plan *plan = job->plan;
    struct bag_row bag = {0};
    if (job->submit->owner.kind == OWNER_FLEET || job->submit->owner.kind == OWNER_SERVER) {
        return err_set(&job->err, E_NOT_ALLOWED, "the bag of the fleet or the server stays");
    }
    int rc = plan_read(overlay_bag_of(&plan->overlay, &job->submit->owner, &bag, &job->err));
    if (rc != 0) {
        return rc;
    }
    rc = job->submit->adopt ? adopting_plan_mark(plan, &job->by, &bag, &job->err) : 0;
    if (rc == 0) {
        rc = plan_delete_owner(plan, &job->by, &bag, &job->err);
    }
    job->reply.seq = plan_next_seq(plan) - 1;
    job->reply.id = bag.bag_id;
    return rc;
}

/* --- writing --- */

static int make_bag(struct job *job, struct bag_row *bag)
{
    struct plan *plan = job->plan;
    uint64_t parent = 0;
    int rc = plan_make_room(plan, &job->submit->owner, &job->err);
    if (rc == 0) {
        rc = adopting_plan_close(plan, &job->by, &job->submit->owner, &job->err);
    }
    if (rc == 0 && job->submit->owner.kind == OWNER_USER_DEVICE) {
        struct owner user = job->submit->owner;
        user.kind = OWNER_USER;
        user.device = 0;
        struct bag_row row = {0};
        rc = plan_read(overlay_bag_of(&plan->overlay, &user, &row, &job->err));
        parent = row.bag_id;
    }
    uint64_t bag_id = 0;
    if (rc == 0) {
        rc = plan_create(plan, &job->by, &job->submit->owner, parent, &bag_id, &job->err);
    }
    if (rc == 0 && overlay_bag(&plan->overlay, bag_id, bag, &job->err) != 0) {
        rc = PLAN_TROUBLE;
    }
    job->reply.created = rc == 0;
    return rc;
}

static int plan_item(struct job *job, const struct bag_row *bag,
                     const struct operation_write *write)
{
    struct plan *plan = job->plan;
    struct item_row row = {0};
    struct operation_write judged = *write;
    if (write->remove &&
        overlay_item(&plan->overlay, bag->bag_id, write->path, &row, &job->err) != 0) {
        return PLAN_TROUBLE;
    }
    if (row.state == ITEM_LIVE && judged.has_if_seq && judged.if_seq == row.seq) {
        judged.has_if_seq =
            false; /* the very row, also of what a fence hides: that is cleared so */
    }
    int rc = plan_check_write(plan, bag, &judged, true, &job->err);
    if (rc != 0) {
        return rc;
    }
    if (!write->remove) {
        return plan_set(plan, &job->by, bag->bag_id, write->path, write->value, &job->err);
    }
    /* Nobody waits for a change that tells that nothing was there. */
    return row.state != ITEM_LIVE
               ? 0
               : plan_remove(plan, &job->by, bag->bag_id, write->path, &job->err);
}

static int plan_writes(struct job *job)
{
    const struct submit *submit = job->submit;
    struct bag_row bag = {0};
    int rc = plan_read(overlay_bag_of(&job->plan->overlay, &submit->owner, &bag, &job->err));
    if (rc == E_NOT_FOUND && submit->create) {
        rc = make_bag(job, &bag);
    }
    uint64_t first = plan_next_seq(job->plan);
    for (size_t i = 0; i < submit->write_count && rc == 0; i++) {
        rc = plan_item(job, &bag, &submit->writes[i]);
    }
    if (rc == 0) {
        rc = plan_check_quota(job->plan, &bag, &job->err);
    }
    uint64_t next = plan_next_seq(job->plan);
    job->reply.id = bag.bag_id;
    job->reply.seq = next > first || job->reply.created ? next - 1 : 0;
    return rc;
}

/* --- fences --- */

static int plan_fencing(struct job *job)
{
    const struct submit *submit = job->submit;
    struct fencing fencing = {submit->layer, submit->category, submit->except,
                              submit->except_count};
    job->reply.seq = plan_next_seq(job->plan);
    job->reply.id = job->plan->fleet_bag;
    return submit->kind == SUBMIT_FENCE
               ? fencing_plan_fence(job->plan, &job->by, &fencing, &job->err)
               : fencing_plan_lift(job->plan, &job->by, &fencing, &job->err);
}

/* --- what is shared --- */

static int plan_switching(struct job *job)
{
    const struct submit *submit = job->submit;
    struct plan *plan = job->plan;
    uint64_t first = plan_next_seq(plan);
    int rc = submit->kind == SUBMIT_SHARING
                 ? switching_plan(plan, &job->by, submit->writes, submit->write_count, submit->copy,
                                  &job->err)
                 : switching_plan_undo(plan, &job->by, submit->undo_seq, &job->err);
    uint64_t next = plan_next_seq(plan);
    job->reply.id = plan->fleet_bag;
    job->reply.seq = next > first ? next - 1 : 0;
    return rc;
}

static int plan_kind(struct job *job)
{
    switch (job->submit->kind) {
    case SUBMIT_DELETE:
        return plan_deletion(job);
    case SUBMIT_FENCE:
    case SUBMIT_LIFT:
        return plan_fencing(job);
    case SUBMIT_FORK:
        job->reply.seq = plan_next_seq(job->plan);
        return histories_plan_fork(job->plan, &job->by, &job->err);
    case SUBMIT_SHARING:
    case SUBMIT_SHARING_UNDO:
        return plan_switching(job);
    case SUBMIT_WRITE:
        break;
    }
    return plan_writes(job);
}

static int run(struct job *job)
{
    struct plan *plan = job->plan;
    if (plan->closed != 0) {
        return err_set(&job->err, plan->closed, "%s", plan->closed_why);
    }
    int rc = plan_kind(job);
    bool keep = plan->draft->count > plan->draft->sealed && !job->submit->dry_run;
    return rc == 0 && keep ? plan_seal(plan, &job->err) : rc;
}

int submit_plan(struct plan *plan, const struct submit *submit, void *ticket, uint64_t index)
{
    ASSERT(plan != NULL && submit != NULL);
    ASSERT(submit->writes != NULL || submit->write_count == 0);
    ASSERT(submit->actor != NULL && strlen(submit->actor) <= ACTOR_MAX_BYTES);
    ASSERT(!submit->dry_run || submit->kind == SUBMIT_SHARING ||
           submit->kind == SUBMIT_SHARING_UNDO);
    struct job job = {
        .plan = plan,
        .submit = submit,
        .by = {.actor = submit->actor, .seen = UINT64_MAX},
        .reply = {.kind = REPLY_SUBMITTED, .number = index, .ticket = ticket},
    };
    plan_begin(plan);
    int rc = run(&job);
    if (rc != 0 || submit->dry_run) {
        plan_undo(plan);
        job.reply.created = false;
        job.reply.seq = 0;
        job.reply.id = 0;
    }
    return answer(&job, rc);
}

int submit_refuse_large(struct plan *plan, void *ticket, uint64_t index)
{
    ASSERT(plan != NULL);
    struct job job = {
        .plan = plan,
        .reply = {.kind = REPLY_SUBMITTED, .number = index, .ticket = ticket},
    };
    int code = err_set(&job.err, E_TOO_LARGE,
                       "with the values that it replaces, the change set is larger than %d MiB: "
                       "write fewer items at once",
                       BATCH_PAYLOAD_MAX >> 20);
    return answer(&job, code);
}

void submit_finish(struct submit *submit, const struct reply *reply)
{
    ASSERT(submit != NULL && reply != NULL);
    submit->code = reply->code;
    submit->created = reply->created;
    submit->bag_id = reply->id;
    submit->seq = reply->seq;
    (void)snprintf(submit->text, sizeof submit->text, "%s", reply->text != NULL ? reply->text : "");
}
