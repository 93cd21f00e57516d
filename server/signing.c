/* server/signing.c - the few items that say who is signed in where. */
#include "server/signing.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "server/access.h"
#include "server/adopting.h"

struct job {
    struct plan *plan;
    struct plan_by by;
    struct reply reply;
    struct err err;
    uint64_t device_bag;
    struct bag_row user;
    struct bag_row *bags; /* of the reply, in the arena */
    size_t bag_count;
    size_t bag_room;
};

static int answer(struct job *job, int code)
{
    if (code == PLAN_FULL || code == PLAN_SETTLE) {
        return code;
    }
    if (code == PLAN_TROUBLE) {
        log_err(LOG_ERROR, "commit", "signing.trouble", &job->err);
        code = err_set(&job->err, E_BUSY, "the server could not read its state: try again");
    }
    job->reply.code = code;
    job->reply.pending = job->plan->draft->count > 0;
    if (code != 0) {
        const char *text = job->err.code == code ? job->err.text : err_meaning(code);
        job->reply.text = arena_text(&job->plan->draft->arena, text);
    } else {
        job->reply.bags = job->bags;
        job->reply.bag_count = job->bag_count;
    }
    (void)draft_reply(job->plan->draft, &job->reply);
    return 0;
}

/* Every change of a sign-in goes through here first. */
static int may_change(struct job *job)
{
    int closed = job->plan->closed;
    return closed == 0 ? 0 : err_set(&job->err, closed, "%s", plan_closed_text(job->plan));
}

/* Machines sign nobody in or out meanwhile, also where nothing would change by it: whom they keep
 * they sign in by themselves, and nobody else's bags would come. */
static int may_sign(struct job *job)
{
    return job->plan->sync.stopped ? err_set(&job->err, E_STOPPED, "%s", PLAN_STOPPED) : 0;
}

static int add_bag(struct job *job, const struct bag_row *bag)
{
    if (job->bag_count == job->bag_room) {
        size_t room = job->bag_room == 0 ? 8 : job->bag_room * 2;
        struct bag_row *bags = arena_alloc(&job->plan->draft->arena, room * sizeof *bags);
        if (bags == NULL) {
            (void)err_set(&job->err, E_NOMEM, "a sign-in: out of memory");
            return PLAN_TROUBLE;
        }
        if (job->bag_count > 0) {
            memcpy(bags, job->bags, job->bag_count * sizeof *bags);
        }
        job->bags = bags;
        job->bag_room = room;
    }
    job->bags[job->bag_count++] = *bag;
    return 0;
}

/* The bag of this owner, made when there is none. */
static int find_or_make(struct job *job, const struct owner *owner, struct bag_row *bag)
{
    struct plan *plan = job->plan;
    int rc = plan_read(overlay_bag_of(&plan->overlay, owner, bag, &job->err));
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    rc = may_change(job);
    if (rc == 0) {
        rc = plan_make_room(plan, owner, &job->err);
    }
    if (rc == 0) {
        rc = adopting_plan_close(plan, &job->by, owner, &job->err);
    }
    uint64_t bag_id = 0;
    if (rc == 0) {
        rc = plan_create(plan, &job->by, owner, 0, &bag_id, &job->err);
    }
    if (rc == 0 && overlay_bag(&plan->overlay, bag_id, bag, &job->err) != 0) {
        rc = PLAN_TROUBLE;
    }
    return rc;
}

static int has_item(struct job *job, uint64_t bag_id, struct span path, bool *has)
{
    struct item_row row = {0};
    if (overlay_item(&job->plan->overlay, bag_id, path, &row, &job->err) != 0) {
        return PLAN_TROUBLE;
    }
    *has = row.state == ITEM_LIVE;
    return 0;
}

static int ensure_item(struct job *job, uint64_t bag_id, struct span path, const char *value)
{
    bool has = false;
    int rc = has_item(job, bag_id, path, &has);
    if (rc != 0 || has) {
        return rc;
    }
    rc = may_change(job);
    return rc != 0 ? rc : plan_set(job->plan, &job->by, bag_id, path, span_str(value), &job->err);
}

static int ensure_no_item(struct job *job, uint64_t bag_id, struct span path)
{
    bool has = false;
    int rc = has_item(job, bag_id, path, &has);
    if (rc != 0 || !has) {
        return rc;
    }
    rc = may_change(job);
    return rc != 0 ? rc : plan_remove(job->plan, &job->by, bag_id, path, &job->err);
}

/* --- groups --- */

/* What a group's bag means for the reply and for the right that its maker had. */
static int list_group(struct job *job, const struct bag_row *group)
{
    for (size_t i = 0; i < job->bag_count; i++) {
        if (job->bags[i].bag_id == group->bag_id) {
            return 0;
        }
    }
    int rc = add_bag(job, group);
    char path[ACCESS_PATH_MAX];
    if (rc == 0 && job->plan->closed == 0) {
        rc = ensure_no_item(job, job->device_bag, access_made_path(path, group->bag_id));
    }
    return rc;
}

static int join_group(struct job *job, struct span name)
{
    struct owner owner = {0};
    int rc = owner_make(&owner, OWNER_GROUP, name, 0, &job->err);
    if (rc != 0) {
        return rc;
    }
    rc = plan_check_owner(job->plan, &owner, &job->err);
    if (rc != 0) {
        return rc;
    }
    char path[ACCESS_PATH_MAX];
    struct span item = access_group_path(path, owner.folded);
    bool member = false;
    rc = has_item(job, job->user.bag_id, item, &member);
    if (rc != 0) {
        return rc;
    }
    if (job->plan->limits.groups_managed && !member) {
        return err_set(&job->err, E_NOT_ALLOWED,
                       "'%s' does not belong to the group '%s': an administrator decides that",
                       job->user.owner.shown, owner.shown);
    }
    if (job->plan->limits.groups_managed) {
        return 0; /* it is listed with the others, if it has a bag */
    }
    struct bag_row group = {0};
    rc = find_or_make(job, &owner, &group);
    if (rc == 0) {
        rc = ensure_item(job, job->user.bag_id, item, owner.shown);
    }
    return rc != 0 ? rc : list_group(job, &group);
}

/* A group that the user belongs to already. Of one that was deleted nothing is left to list. */
static int each_group(void *context, struct span folded, struct span shown, struct err *err)
{
    (void)shown;
    (void)err;
    struct job *job = context;
    if (folded.size == 0 || folded.size > GROUP_FOLDED_MAX) {
        return 0;
    }
    struct owner owner = {.kind = OWNER_GROUP};
    memcpy(owner.folded, folded.data, folded.size);
    struct bag_row group = {0};
    int rc = plan_read(overlay_bag_of(&job->plan->overlay, &owner, &group, &job->err));
    if (rc == E_NOT_FOUND || rc == E_BAG_GONE) {
        return 0;
    }
    return rc != 0 ? rc : list_group(job, &group);
}

static int plan_groups(struct job *job, const struct sign_in *sign_in)
{
    int rc = 0;
    for (size_t i = 0; i < sign_in->group_count && rc == 0; i++) {
        rc = join_group(job, sign_in->groups[i]);
    }
    if (rc == 0) {
        rc = access_groups(job->plan->overlay.kv, job->user.bag_id, each_group, job, &job->err);
        if (rc == E_NOT_FOUND) {
            rc = 0; /* the user's bag is made by this sign-in: kv/ does not have it yet */
        }
        rc = rc < 0 ? PLAN_TROUBLE : rc;
    }
    if (rc == 0 && job->bag_count > SIGNING_BAGS_MAX) {
        rc = err_set(&job->err, E_QUOTA, "'%s' would have more than %d bags: too many groups",
                     job->user.owner.shown, SIGNING_BAGS_MAX);
    }
    return rc;
}

/* --- the sign-in --- */

/* This device's own bag of the user is listed when there is one. */
static int list_own(struct job *job, uint64_t device)
{
    struct owner owner = job->user.owner;
    owner.kind = OWNER_USER_DEVICE;
    owner.device = device;
    struct bag_row bag = {0};
    int rc = plan_read(overlay_bag_of(&job->plan->overlay, &owner, &bag, &job->err));
    if (rc == E_NOT_FOUND || rc == E_BAG_GONE) {
        return 0;
    }
    return rc != 0 ? rc : add_bag(job, &bag);
}

/* Is the machine's copy of the deleted bag wanted? Unless another machine was asked for its own. */
static bool is_asked(struct job *job, const struct sign_in *sign_in)
{
    job->reply.id = sign_in->bag_id; /* of which the copy is */
    const struct adoption *adoption = adoptions_of_bag(&job->plan->adoptions, sign_in->bag_id);
    return adoption != NULL && (adoption->device == 0 || adoption->device == sign_in->device);
}

/* The user's bag: the one that the machine keeps, or whichever there is, or a new one. */
static int find_user(struct job *job, const struct sign_in *sign_in)
{
    struct owner owner = {0};
    int rc = owner_make(&owner, OWNER_USER, sign_in->user, 0, &job->err);
    if (rc != 0 || sign_in->bag_id == 0) {
        return rc != 0 ? rc : find_or_make(job, &owner, &job->user);
    }
    rc = plan_read(overlay_bag_of(&job->plan->overlay, &owner, &job->user, &job->err));
    bool gone =
        rc == E_NOT_FOUND || rc == E_BAG_GONE || (rc == 0 && job->user.bag_id != sign_in->bag_id);
    return gone && is_asked(job, sign_in)
               ? err_set(&job->err, E_BAG_WANTED, "%s", err_meaning(E_BAG_WANTED))
           : gone ? err_set(&job->err, E_BAG_GONE,
                            "the data of '%s' that this machine keeps was "
                            "deleted at the server",
                            owner.shown)
                  : rc;
}

static int plan_sign_in(struct job *job, const struct sign_in *sign_in)
{
    int rc = find_user(job, sign_in);
    if (rc != 0) {
        return rc;
    }
    bool made = job->user.bag_id >= job->plan->draft->base_seq;
    if (!made && plan_list_lags(job->plan, job->user.bag_id)) {
        return PLAN_SETTLE; /* the groups are read from kv/ */
    }
    struct bag_row before = job->user;
    char path[ACCESS_PATH_MAX];
    rc = ensure_item(job, job->device_bag, access_user_path(path, job->user.bag_id),
                     job->user.owner.shown);
    if (rc == 0) {
        rc = add_bag(job, &job->user);
    }
    if (rc == 0) {
        rc = list_own(job, sign_in->device);
    }
    if (rc == 0) {
        rc = plan_groups(job, sign_in);
    }
    if (rc == 0) {
        rc = plan_check_quota(job->plan, &before, &job->err);
    }
    return rc;
}

/* The rows as they are after all of it: the user's bag has changed when a group was added. */
static int refresh_bags(struct job *job)
{
    for (size_t i = 0; i < job->bag_count; i++) {
        struct bag_row *bag = &job->bags[i];
        if (overlay_bag(&job->plan->overlay, bag->bag_id, bag, &job->err) != 0) {
            return PLAN_TROUBLE;
        }
    }
    return 0;
}

static int seal(struct job *job, int rc)
{
    if (rc == 0 && job->plan->draft->count > job->plan->draft->sealed) {
        rc = plan_seal(job->plan, &job->err);
    }
    if (rc != 0) {
        plan_undo(job->plan);
    }
    return answer(job, rc);
}

int sign_in_plan(struct plan *plan, const struct sign_in *sign_in)
{
    ASSERT(plan != NULL && sign_in != NULL);
    ASSERT(plan->draft->count == 0);
    struct job job = {
        .plan = plan,
        .by = {.origin = sign_in->device, .actor = "", .seen = UINT64_MAX},
        .reply = {.kind = REPLY_SIGNED_IN, .session = sign_in->session, .number = sign_in->ref},
        .device_bag = sign_in->device_bag,
    };
    plan_begin(plan);
    int rc = may_sign(&job);
    if (rc == 0) {
        rc = plan_sign_in(&job, sign_in);
    }
    if (rc == 0) {
        rc = refresh_bags(&job);
    }
    return seal(&job, rc);
}

int sign_out_plan(struct plan *plan, const struct sign_out *sign_out)
{
    ASSERT(plan != NULL && sign_out != NULL);
    struct job job = {
        .plan = plan,
        .by = {.origin = sign_out->device, .actor = "", .seen = UINT64_MAX},
        .reply = {.kind = REPLY_SIGNED_OUT, .session = sign_out->session, .number = sign_out->ref},
        .device_bag = sign_out->device_bag,
    };
    char path[ACCESS_PATH_MAX];
    plan_begin(plan);
    int rc = sign_out->session != 0 ? may_sign(&job) : 0;
    if (rc == 0) {
        rc = ensure_no_item(&job, sign_out->device_bag, access_user_path(path, sign_out->bag_id));
    }
    return seal(&job, rc);
}
