/* server/committer_requests.c - requests, planned into the open draft. */
#include "base/clock.h"
#include "server/adopting.h"
#include "server/committer_inside.h"

enum {
    ARENA_BYTES_MAX = 16 << 20, /* of answers in one draft */
    REPLIES_MAX = 65536,        /* the same, that need no memory */
};

/* Commits what is in the draft; false when there is no memory for another one. */
static bool flush(struct committer *committer)
{
    committer_commit(committer);
    return committer->plan.draft->count == 0;
}

/* For a request that could not be planned: PLAN_FULL or PLAN_SETTLE. False: there is no memory. */
static bool clear_way(struct committer *committer, int why)
{
    if (!flush(committer)) {
        return false;
    }
    if (why == PLAN_SETTLE) {
        committer_settle(committer);
    }
    committer_touch(committer);
    return true;
}

/* Room for a request in the open draft, which is committed when it holds too much. */
static void before_request(struct committer *committer)
{
    const struct draft *draft = committer->plan.draft;
    if (draft->arena.bytes > ARENA_BYTES_MAX || draft->reply_count >= REPLIES_MAX ||
        overlay_is_full(&committer->plan.overlay)) {
        committer_commit(committer);
    }
    committer_touch(committer);
}

static void answer_busy(struct committer *committer, enum reply_kind kind, uint64_t session,
                        uint64_t ref)
{
    struct reply busy = {.kind = kind,
                         .session = session,
                         .number = ref,
                         .code = E_BUSY,
                         .text = err_meaning(E_BUSY)};
    (void)draft_reply(committer->plan.draft, &busy);
}

/* For requests that want a draft without changes; false: they were answered E_BUSY. */
static bool before_lonely_request(struct committer *committer, enum reply_kind kind,
                                  uint64_t session, uint64_t ref)
{
    if (committer->plan.draft->count > 0 && !flush(committer)) {
        answer_busy(committer, kind, session, ref);
        return false;
    }
    before_request(committer);
    return true;
}

int committer_operation(struct committer *committer, struct operation_from *from,
                        const msgpack_object *object, struct err *err)
{
    ASSERT(committer != NULL && from != NULL && object != NULL);
    before_request(committer);
    int rc = operations_plan(&committer->plan, from, object, err);
    if (rc == PLAN_SETTLE || (rc == PLAN_FULL && committer->plan.draft->count > 0)) {
        rc = clear_way(committer, rc) ? operations_plan(&committer->plan, from, object, err)
                                      : operations_answer_busy(&committer->plan, from, object, err);
    }
    if (rc == PLAN_FULL) {
        rc = operations_refuse_large(&committer->plan, from, object, err);
    }
    ASSERT(rc <= 0);
    return rc;
}

void committer_sign_in(struct committer *committer, const struct sign_in *sign_in)
{
    ASSERT(committer != NULL && sign_in != NULL);
    if (committer->state == COMMITTER_FAILED && committer_is_behind(committer)) {
        /* The overlay is lost, and kv/ lacks changes: who is not there may have been registered. */
        answer_busy(committer, REPLY_SIGNED_IN, sign_in->session, sign_in->ref);
        return;
    }
    if (before_lonely_request(committer, REPLY_SIGNED_IN, sign_in->session, sign_in->ref)) {
        int rc = sign_in_plan(&committer->plan, sign_in);
        if (rc == PLAN_SETTLE) {
            committer_settle(committer);
            rc = sign_in_plan(&committer->plan, sign_in);
        }
        if (rc == PLAN_SETTLE) { /* kv/ can't be written */
            answer_busy(committer, REPLY_SIGNED_IN, sign_in->session, sign_in->ref);
            rc = 0;
        }
        ASSERT(rc == 0); /* what a sign-in changes is far below what a batch takes */
    }
}

void committer_sign_out(struct committer *committer, const struct sign_out *sign_out)
{
    ASSERT(committer != NULL && sign_out != NULL);
    before_request(committer);
    if (sign_out_plan(&committer->plan, sign_out) == PLAN_FULL &&
        before_lonely_request(committer, REPLY_SIGNED_OUT, sign_out->session, sign_out->ref)) {
        int rc = sign_out_plan(&committer->plan, sign_out);
        ASSERT(rc == 0);
    }
}

void committer_claim(struct committer *committer, uint64_t bag_id, uint64_t device)
{
    ASSERT(committer != NULL);
    before_request(committer);
    if (adopting_plan_claim(&committer->plan, bag_id, device) == PLAN_FULL && flush(committer)) {
        committer_touch(committer);
        /* What can't be noted now is noted when it is asked for again. */
        (void)!adopting_plan_claim(&committer->plan, bag_id, device);
    }
}

void committer_join(struct committer *committer, const struct join *join)
{
    ASSERT(committer != NULL && join != NULL);
    if (before_lonely_request(committer, REPLY_JOINED, join->session, 0)) {
        struct join now = *join;
        now.now_ms = clock_wall_ms(committer->options.clock);
        int rc = join_plan(&committer->plan, committer->options.registry, &now);
        ASSERT(rc == 0);
    }
}

/* What was planned before is in the way of a few kinds, which read the journal. */
static bool wants_lonely(const struct submit *submit)
{
    return submit->kind == SUBMIT_LIFT || submit->kind == SUBMIT_FORK ||
           submit->kind == SUBMIT_SHARING_UNDO;
}

int committer_submit(struct committer *committer, const struct submit *submit, void *ticket,
                     uint64_t index)
{
    ASSERT(committer != NULL && submit != NULL);
    before_request(committer);
    if (wants_lonely(submit) && committer->plan.draft->count > 0 &&
        !clear_way(committer, PLAN_FULL)) {
        return E_NOMEM;
    }
    int rc = submit_plan(&committer->plan, submit, ticket, index);
    if (rc == PLAN_SETTLE || (rc == PLAN_FULL && committer->plan.draft->count > 0)) {
        if (!clear_way(committer, rc)) {
            return E_NOMEM;
        }
        rc = submit_plan(&committer->plan, submit, ticket, index);
    }
    if (submit->kind == SUBMIT_FORK && committer->plan.draft->count > 0) {
        committer->forking = true;
        committer_commit(committer);
    }
    return rc == PLAN_FULL ? submit_refuse_large(&committer->plan, ticket, index) : rc;
}
