/* server/operations.c - exactly once, rights, conditions, limits; then changes. */
#include "server/operations.h"

#include <inttypes.h>

#include "base/log.h"
#include "journal/past.h"
#include "server/access.h"
#include "server/adopting.h"
#include "server/placing.h"

/* One operation on its way. */
struct job {
    struct plan *plan;
    struct operation_from *from;
    struct operation operation;
    struct plan_by by;
    struct reply reply;
    struct err err; /* the sentence of a refusal */
};

/* --- answers --- */

static int answer(struct job *job, int code, uint64_t seq, const char *text)
{
    uint64_t *deferred_from = &job->from->deferred_from;
    if (wire_deferred(code) && (*deferred_from == 0 || *deferred_from > job->operation.number)) {
        *deferred_from = job->operation.number;
    }
    job->reply.code = code;
    job->reply.seq = seq;
    job->reply.text =
        text != NULL && text[0] != '\0' ? arena_text(&job->plan->draft->arena, text) : NULL;
    /* Without memory for the reply the client gets none, and sends the operation again. */
    (void)draft_reply(job->plan->draft, &job->reply);
    return 0;
}

static int answer_trouble(struct job *job)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    if (log_limit_pass(&limit, job->plan->draft->time_ms, &held_back)) {
        log_event(LOG_ERROR, "commit", "operation.trouble",
                  "device=%016" PRIx64 " code=%s text=%s held_back=%" PRIu64, job->from->device,
                  err_name(job->err.code), LOG_Q(job->err.text), held_back);
    }
    return answer(job, E_BUSY, 0, "the server could not read its state: it is tried again");
}

/* --- exactly once --- */

/* The bag that the change at `seq` is of: what is not in the journal yet is in the draft. */
static int bag_at(struct job *job, uint64_t seq, uint64_t *bag_id)
{
    const struct draft *draft = job->plan->draft;
    if (seq >= draft->base_seq) {
        ASSERT(seq - draft->base_seq < draft->sealed);
        *bag_id = draft->changes[seq - draft->base_seq].bag_id;
        return 0;
    }
    struct past_change change = {0};
    int rc = journal_change_at(job->plan->journal, seq, &change, &job->err);
    *bag_id = rc == 0 ? change.change.bag_id : 0;
    past_change_free(&change);
    return rc == E_TOO_OLD ? 0 : rc;
}

/* The user's bag that a write meant, told by the bag that its last change is of; 0: that is gone.
 */
static int bag_by_change(struct job *job, uint64_t seq, uint64_t *bag_id)
{
    struct bag_row row = {0};
    int rc = bag_at(job, seq, bag_id);
    if (rc != 0 || *bag_id == 0) {
        return rc;
    }
    rc = plan_read(overlay_bag(&job->plan->overlay, *bag_id, &row, &job->err));
    *bag_id = rc != 0 ? 0 : row.owner.kind == OWNER_USER_DEVICE ? row.parent : row.bag_id;
    return rc == PLAN_TROUBLE ? rc : 0;
}

/* The bag that a write means, also when the making of it was confirmed meanwhile. */
static int bag_of_repeat(struct job *job, uint64_t seq, uint64_t *bag_id)
{
    const struct operation *operation = &job->operation;
    struct kv_outcome made = {0};
    *bag_id = operation->bag_id;
    if (*bag_id != 0) {
        return 0;
    }
    int rc = overlay_outcome(&job->plan->overlay, job->from->writer, operation->made_by, &made,
                             &job->err);
    if (rc == E_NOT_FOUND) {
        return bag_by_change(job, seq, bag_id);
    }
    *bag_id = made.seq;
    return rc;
}

/* What of it is in the bag on the device, as the bags are now. */
static int find_split(struct job *job, uint64_t seq)
{
    uint64_t bag_id = 0;
    int rc = bag_of_repeat(job, seq, &bag_id);
    if (rc != 0 || bag_id == 0) {
        return rc;
    }
    return placing_find(job->plan, bag_id, job->from->device, seq, &job->reply.split, &job->err);
}

/* A repeat: the same outcome again. */
static int answer_repeat(struct job *job)
{
    struct kv_outcome outcome = {0};
    int rc = overlay_outcome(&job->plan->overlay, job->from->writer, job->operation.number,
                             &outcome, &job->err);
    if (rc == E_NOT_FOUND) {
        return answer(job, E_WRITER, 0, "this operation's outcome was confirmed long ago");
    }
    if (rc != 0) {
        return answer_trouble(job);
    }
    if (outcome.hash != job->by.op.hash) {
        return answer(job, E_WRITER, 0, "another operation was sent under this number before");
    }
    job->reply.pending = true; /* what it repeats may be in this very draft */
    int code = outcome.code == 0 ? 0 : err_from_wire(outcome.code);
    uint64_t seq = outcome.seq;
    if (code == 0 && job->operation.kind == OPERATION_WRITE && find_split(job, seq) != 0) {
        return answer_trouble(job);
    }
    if (code == E_BAG_EXISTS && job->operation.kind == OPERATION_CREATE) {
        struct bag_row bag = {0};
        if (overlay_bag_of(&job->plan->overlay, &job->operation.owner, &bag, NULL) == 0) {
            seq = bag.bag_id;
        }
    }
    return answer(job, code, seq, code == 0 ? NULL : err_meaning(code));
}

/* Is it the writer's next one? 0: go on; 1: answered. */
static int check_number(struct job *job)
{
    struct kv_writer writer = {0};
    const struct operation_from *from = job->from;
    uint64_t number = job->operation.number;
    if (overlay_writer(&job->plan->overlay, from->writer, &writer, &job->err) != 0) {
        (void)answer_trouble(job);
        return 1;
    }
    if (from->writer == 0 || (writer.known && writer.device != from->device) ||
        (!writer.known && number != 1)) {
        (void)answer(job, E_WRITER, 0, NULL);
        return 1;
    }
    if (number <= writer.highest) {
        (void)answer_repeat(job);
        return 1;
    }
    /* Before the gap is looked at: a server that was put back would wait for ever for what it once
     * had. */
    if (from->confirmed > writer.highest) {
        (void)answer(job, E_WRITER, 0, "outcomes are confirmed that were never sent");
        return 1;
    }
    if (number != writer.highest + 1) {
        (void)answer(job, E_DEFERRED, 0, "an operation before it is missing");
        return 1;
    }
    uint64_t confirmed = from->confirmed > writer.confirmed ? from->confirmed : writer.confirmed;
    if (writer.highest - confirmed >= OPERATIONS_UNCONFIRMED_MAX) {
        (void)answer(job, E_BUSY, 0, "too many outcomes are not confirmed yet");
        return 1;
    }
    job->by.begun = writer.known ? writer.begun : plan_next_seq(job->plan);
    return 0;
}

/* --- what it asks for --- */

static int plan_creation(struct job *job, uint64_t *seq)
{
    struct plan *plan = job->plan;
    const struct owner *owner = &job->operation.owner;
    struct bag_row bag = {0};
    char path[ACCESS_PATH_MAX];
    int rc = plan_read(overlay_bag_of(&plan->overlay, owner, &bag, &job->err));
    if (rc == 0) {
        *seq = bag.bag_id;
        char text[OWNER_TEXT_MAX];
        owner_format(&bag.owner, text);
        return err_set(&job->err, E_BAG_EXISTS, "the server has '%s' already", text);
    }
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    const struct adoption *adoption = adoptions_of_owner(&plan->adoptions, owner);
    bool asked = adoption != NULL && adoption->device == job->from->device;
    if (owner->kind == OWNER_GROUP && plan->limits.groups_managed && !asked) {
        return err_set(&job->err, E_NOT_ALLOWED,
                       "only administrators make groups on this server: there is no '%s'",
                       owner->shown);
    }
    struct bag_row device = {0};
    rc = plan_read(overlay_bag(&plan->overlay, job->from->device_bag, &device, &job->err));
    if (rc != 0) {
        return rc == PLAN_TROUBLE ? rc : E_NOT_ALLOWED;
    }
    rc = plan_make_room(plan, owner, &job->err);
    if (rc == 0) {
        rc = adopting_plan_close(plan, &job->by, owner, &job->err);
    }
    if (rc != 0) {
        return rc;
    }
    /* The right to use it comes first, so that the last change is the bag's creation. */
    uint64_t bag_id = plan_next_seq(plan) + 1;
    struct span right =
        owner->kind == OWNER_USER ? access_user_path(path, bag_id) : access_made_path(path, bag_id);
    rc = plan_set(plan, &job->by, device.bag_id, right, span_str(owner->shown), &job->err);
    if (rc == 0) {
        rc = plan_create(plan, &job->by, owner, 0, seq, &job->err);
    }
    ASSERT(rc != 0 || *seq == bag_id);
    return rc;
}

/* Which bag a write means. */
static int find_bag(struct job *job, struct bag_row *bag)
{
    const struct operation *operation = &job->operation;
    uint64_t bag_id = operation->bag_id;
    if (bag_id == 0) {
        struct kv_outcome made = {0};
        int rc = plan_read(overlay_outcome(&job->plan->overlay, job->from->writer,
                                           operation->made_by, &made, &job->err));
        if (rc == PLAN_TROUBLE) {
            return rc;
        }
        if (rc != 0) {
            return err_set(&job->err, E_BAG_GONE,
                           "operation %" PRIu64 " was confirmed: name the bag that it made",
                           operation->made_by);
        }
        if (made.code != 0) {
            return err_set(&job->err, err_from_wire(made.code),
                           "operation %" PRIu64 ", which was to make the bag, was refused",
                           operation->made_by);
        }
        bag_id = made.seq;
    }
    int rc = plan_read(overlay_bag(&job->plan->overlay, bag_id, bag, &job->err));
    return rc == E_NOT_FOUND ? E_BAG_GONE : rc;
}

static int look_up_right(struct job *job, const struct bag_row *bag)
{
    if (bag->owner.kind == OWNER_GROUP && plan_list_lags(job->plan, job->from->device_bag)) {
        return PLAN_SETTLE; /* who is signed in there is read from kv/ */
    }
    struct access access = {
        .kv = job->plan->overlay.kv,
        .overlay = &job->plan->overlay,
        .device = job->from->device,
        .device_bag = job->from->device_bag,
    };
    int rc = access_check(&access, ACCESS_WRITE, bag, &job->err);
    return rc == 0 || rc == E_NOT_ALLOWED ? rc : PLAN_TROUBLE;
}

static int check_right(struct job *job, const struct bag_row *bag)
{
    struct plan_right *right = plan_right(job->plan, job->from->device_bag, bag->bag_id);
    if (right->version == job->plan->rights_version) {
        return 0;
    }
    int rc = look_up_right(job, bag);
    if (rc == 0) {
        right->version = job->plan->rights_version;
    }
    return rc;
}

static int plan_items(struct job *job, uint64_t *seq)
{
    struct bag_row bag = {0};
    int rc = find_bag(job, &bag);
    if (rc == 0) {
        rc = check_right(job, &bag);
    }
    if (rc == 0) {
        rc = placing_plan(job->plan, &job->by, &job->operation, &bag, &job->reply.split, &job->err);
    }
    *seq = plan_next_seq(job->plan) - 1;
    return rc;
}

/* 0, a refusal, PLAN_FULL or PLAN_TROUBLE. */
static int plan_content(struct job *job, int refused, uint64_t *seq)
{
    if (refused != 0) {
        return refused;
    }
    int rc = 0;
    switch (job->operation.kind) {
    case OPERATION_EMPTY:
        rc = E_DROPPED;
        break;
    case OPERATION_CREATE:
        rc = plan_creation(job, seq);
        break;
    case OPERATION_WRITE:
        rc = plan_items(job, seq);
        break;
    }
    return rc == 0 ? plan_seal(job->plan, &job->err) : rc;
}

/* A refusal is a change too: its outcome has to be known for ever. */
static int plan_refusal(struct job *job, int code, uint64_t *seq)
{
    uint64_t void_seq = plan_next_seq(job->plan);
    struct err trouble = {0};
    int rc = plan_void(job->plan, &job->by, code, &trouble);
    if (rc == 0) {
        rc = plan_seal(job->plan, &trouble);
    }
    if (code != E_BAG_EXISTS || job->operation.kind != OPERATION_CREATE) {
        *seq = void_seq; /* else it stays the bag that the server has */
    }
    return rc;
}

static int run(struct job *job, int refused)
{
    uint64_t seq = 0;
    plan_begin(job->plan);
    int rc = plan_content(job, refused, &seq);
    int code = rc;
    if (rc < 0) {
        plan_undo(job->plan);
        rc = plan_refusal(job, code, &seq);
    }
    if (rc != 0) {
        plan_undo(job->plan);
        return rc == PLAN_FULL || rc == PLAN_SETTLE ? rc : answer_trouble(job);
    }
    job->reply.pending = true;
    const char *text = job->err.code != 0 ? job->err.text : err_meaning(code);
    return answer(job, code, seq, code == 0 ? NULL : text);
}

/* `refused`: a code that is known beforehand, or 0. 1: answered already. */
static int prepare(struct job *job, struct plan *plan, struct operation_from *from,
                   const msgpack_object *object, int *refused, struct err *err)
{
    *job = (struct job){.plan = plan, .from = from};
    *refused = operation_decode(object, &job->operation, &job->err);
    if (*refused == E_MALFORMED) {
        return err_set(err, E_MALFORMED, "%s", job->err.text);
    }
    job->reply = (struct reply){
        .kind = REPLY_OUTCOME, .session = from->session, .number = job->operation.number};
    if (plan->closed != 0) {
        (void)answer(job, plan->closed, 0, plan_closed_text(plan));
        return 1;
    }
    if (plan->sync.stopped) {
        (void)answer(job, E_STOPPED, 0, PLAN_STOPPED);
        return 1;
    }
    if (from->deferred_from != 0 && job->operation.number > from->deferred_from) {
        (void)answer(job, E_DEFERRED, 0, "an operation before it was deferred");
        return 1;
    }
    job->by = (struct plan_by){
        .origin = from->device,
        .actor = "",
        .has_op = true,
        .op = {.writer = from->writer,
               .number = job->operation.number,
               .hash = operation_hash(&job->operation),
               .confirmed = from->confirmed},
        .seen = job->operation.seen,
    };
    return check_number(job);
}

uint64_t operation_number(const msgpack_object *object)
{
    ASSERT(object != NULL);
    struct walk walk = walk_array(object);
    return walk_u64(&walk);
}

int operations_plan(struct plan *plan, struct operation_from *from, const msgpack_object *object,
                    struct err *err)
{
    ASSERT(plan != NULL && from != NULL && object != NULL);
    struct job job;
    int refused = 0;
    int rc = prepare(&job, plan, from, object, &refused, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    return run(&job, refused);
}

int operations_refuse_large(struct plan *plan, struct operation_from *from,
                            const msgpack_object *object, struct err *err)
{
    ASSERT(plan != NULL && from != NULL && object != NULL);
    struct job job;
    int refused = 0;
    int rc = prepare(&job, plan, from, object, &refused, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    refused = err_set(&job.err, E_TOO_LARGE,
                      "with the values that it replaces, the change set is larger than %d MiB: "
                      "write fewer items at once",
                      BATCH_PAYLOAD_MAX >> 20);
    return run(&job, refused);
}

int operations_answer_busy(struct plan *plan, struct operation_from *from,
                           const msgpack_object *object, struct err *err)
{
    ASSERT(plan != NULL && from != NULL && object != NULL);
    struct job job;
    int refused = 0;
    int rc = prepare(&job, plan, from, object, &refused, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    return answer(&job, E_BUSY, 0, err_meaning(E_BUSY));
}
