/* server/committer.c - drafts: the open one, and those that are committed and not delivered. */
#include "server/committer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/histories.h"

enum {
    SPARE_DRAFTS = 2,
    ARENA_BYTES_MAX = 32 << 20, /* of refused and accepted requests in one draft */
};

struct committer {
    struct committer_options options;
    struct plan plan;
    struct draft *done; /* committed (or failed), to be delivered, the oldest first */
    struct draft **done_end;
    struct draft *spare;
    size_t spare_count;
    enum committer_state state;
    struct err why;
    int deferring; /* an append could not begin: until that was delivered this is everybody's code
                    */
    struct journal_position head;
    uint64_t last_time_ms; /* of the newest batch: time never goes back in the journal */
    uint64_t changes;
    struct log_limit deferred;
};

/* --- drafts --- */

/* A new open draft; NULL: out of memory. */
static struct draft *take_draft(struct committer *committer)
{
    struct draft *draft = committer->spare;
    if (draft != NULL) {
        committer->spare = draft->next;
        committer->spare_count--;
    } else if (draft_new(&draft) != 0) {
        return NULL;
    }
    return draft;
}

static void give_back(struct committer *committer, struct draft *draft)
{
    if (committer->spare_count >= SPARE_DRAFTS) {
        draft_free(&draft);
        return;
    }
    draft_reset(draft, 0, 0);
    draft->next = committer->spare;
    committer->spare = draft;
    committer->spare_count++;
}

/* The open draft begins anew behind the journal's head. */
static void begin_draft(struct committer *committer, struct draft *draft)
{
    uint64_t now = clock_wall_ms(committer->options.clock);
    uint64_t time_ms = now > committer->last_time_ms ? now : committer->last_time_ms;
    /* First: the overlay's rows may lie in this very draft's arena. */
    overlay_reset(&committer->plan.overlay, committer->options.kv, &draft->arena);
    draft_reset(draft, committer->head.seq + 1, time_ms);
    committer->plan.draft = draft;
}

static bool has_room(const struct committer *committer)
{
    const struct committer_options *options = &committer->options;
    return options->has_room == NULL || options->has_room(options->room_context);
}

/* Are changes taken? */
static void update_closed(struct committer *committer)
{
    struct plan *plan = &committer->plan;
    plan->closed = 0;
    plan->closed_why = "";
    if (committer->state != COMMITTER_RUNNING) {
        plan->closed = E_READ_ONLY;
        plan->closed_why = committer->why.text;
    } else if (plan->fences_stale) {
        plan->closed = E_BUSY;
        plan->closed_why = "the fences could not be read: it is tried again";
    } else if (committer->deferring != 0) {
        plan->closed = committer->deferring;
        plan->closed_why = err_meaning(committer->deferring);
    } else if (!has_room(committer)) {
        plan->closed = E_NOSPACE;
        plan->closed_why = "there is too little room on the server's disk: writing goes on by "
                           "itself when there is more";
    }
}

/* What is known of fences is not what the journal says: of a batch that was not written, or for
 * lack of memory. */
static void reload_fences(struct committer *committer)
{
    struct err err = {0};
    if (committer->plan.fences_stale && committer->state == COMMITTER_RUNNING &&
        plan_load_fences(&committer->plan, &err) != 0) {
        log_err(LOG_ERROR, "commit", "fences.unreadable", &err);
    }
}

/* A new batch begins with the first request after the last: its time, and whether it may be. */
static void touch_draft(struct committer *committer)
{
    struct draft *draft = committer->plan.draft;
    if (draft->count == 0) {
        uint64_t now = clock_wall_ms(committer->options.clock);
        draft->time_ms = now > committer->last_time_ms ? now : committer->last_time_ms;
        reload_fences(committer);
        update_closed(committer);
    }
}

/* --- the commit --- */

static void stop(struct committer *committer, enum committer_state state, const char *event,
                 const struct err *err)
{
    committer->state = state;
    committer->why = *err;
    update_closed(committer);
    log_err(LOG_ERROR, "commit", event, err);
}

static void log_deferred(struct committer *committer, const struct err *err)
{
    uint64_t held_back = 0;
    if (log_limit_pass(&committer->deferred, clock_mono_ms(committer->options.clock), &held_back)) {
        log_event(LOG_ERROR, "commit", "journal.deferred", "code=%s text=%s held_back=%" PRIu64,
                  err_name(err->code), LOG_Q(err->text), held_back);
    }
}

/* Into the journal: 0 when it is on disk. */
static int append(struct committer *committer, struct draft *draft)
{
    struct err *err = &draft->err;
    int rc = journal_append(committer->options.journal, (uint32_t)draft->count, draft->time_ms,
                            draft_payload(draft), &draft->head, err);
    if (rc == 0) {
        committer->head = draft->head;
        committer->last_time_ms = draft->time_ms;
        return 0;
    }
    if (!journal_failed(committer->options.journal)) {
        /* It was not begun: no room, no memory, no descriptor. What follows in this round is
         * deferred too, so that nothing overtakes what was. */
        log_deferred(committer, err);
        committer->deferring = rc == E_NOSPACE ? E_NOSPACE : E_BUSY;
        update_closed(committer);
        return committer->deferring;
    }
    (void)err_prefix(err, "the journal can't be written and nothing more is taken until kitbagd "
                          "was started again: ");
    stop(committer, COMMITTER_FAILED, "journal.failed", err);
    return E_READ_ONLY;
}

/* Into the state. The values that changes replaced were the overlay's: nobody needs them now. */
static int apply(struct committer *committer, struct draft *draft)
{
    int rc = committer->options.apply(committer->options.kv, draft->changes, draft->count,
                                      draft->head.hash, &draft->err);
    for (size_t i = 0; i < draft->count; i++) {
        draft->changes[i].has_old = false;
        draft->changes[i].old_value = (struct span){NULL, 0};
    }
    if (rc != 0) {
        (void)err_prefix(&draft->err, "the state can't be written; it is opened again: ");
        stop(committer, COMMITTER_BEHIND, "state.failed", &draft->err);
        return E_READ_ONLY;
    }
    for (size_t i = 0; i < draft->count; i++) {
        registry_apply(committer->options.registry, &draft->changes[i], committer->plan.server_bag);
    }
    committer->changes += draft->count;
    return 0;
}

static void commit_draft(struct committer *committer, struct draft *draft)
{
    if (draft->count == 0) {
        return;
    }
    draft->code = append(committer, draft);
    if (draft->code == 0) {
        draft->code = apply(committer, draft);
    }
    if (draft->code != 0) {
        committer->plan.fences_stale = true; /* some may have been this draft's */
    }
}

void committer_commit(struct committer *committer)
{
    ASSERT(committer != NULL);
    struct draft *draft = committer->plan.draft;
    ASSERT(draft->count == draft->sealed);
    if (draft->count == 0 && draft->reply_count == 0) {
        if (draft->arena.bytes > 0) {
            begin_draft(committer, draft); /* what was looked up for nobody */
        }
        return;
    }
    struct draft *next = take_draft(committer);
    if (next == NULL) {
        return; /* there will be one when what is done was delivered */
    }
    commit_draft(committer, draft);
    draft->next = NULL;
    *committer->done_end = draft;
    committer->done_end = &draft->next;
    begin_draft(committer, next);
}

void committer_settle(struct committer *committer)
{
    ASSERT(committer != NULL); /* nothing is delivered before it was applied */
}

bool committer_waiting(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->done != NULL || committer->plan.draft->count > 0 ||
           committer->plan.draft->reply_count > 0;
}

/* --- delivering --- */

static void override_replies(struct draft *draft)
{
    for (size_t i = 0; i < draft->reply_count; i++) {
        struct reply *reply = &draft->replies[i];
        if (reply->pending) {
            reply->code = draft->code;
            /* Paths of the server are for its administrators. */
            reply->text =
                reply->kind == REPLY_SUBMITTED ? draft->err.text : err_meaning(draft->code);
            reply->seq = 0;
            reply->id = 0;
            reply->created = false;
            reply->bag_count = 0;
        }
    }
}

static void tell_devices(struct committer *committer, const struct draft *draft)
{
    const struct committer_sink *sink = &committer->options.sink;
    for (size_t i = 0; i < draft->count; i++) {
        uint64_t device = 0;
        if (draft->changes[i].bag_id == committer->plan.server_bag &&
            record_device_of(draft->changes[i].path, &device)) {
            sink->device_changed(sink->context, device);
        }
    }
}

static void deliver_draft(struct committer *committer, struct draft *draft)
{
    const struct committer_sink *sink = &committer->options.sink;
    bool committed = draft->count > 0 && draft->code == 0;
    if (draft->code != 0) {
        override_replies(draft);
    }
    if (committed) {
        tell_devices(committer, draft);
    }
    if (draft->reply_count > 0) {
        sink->replies(sink->context, draft->replies, draft->reply_count);
    }
    if (committed) {
        sink->changes(sink->context, draft->changes, draft->count, &draft->head);
    }
}

void committer_deliver(struct committer *committer)
{
    ASSERT(committer != NULL);
    while (committer->done != NULL) {
        struct draft *draft = committer->done;
        committer->done = draft->next;
        if (committer->done == NULL) {
            committer->done_end = &committer->done;
        }
        deliver_draft(committer, draft);
        give_back(committer, draft);
    }
    committer->deferring = 0;
}

/* --- requests --- */

/* Commits what is in the draft; false when there is no memory for another one. */
static bool flush(struct committer *committer)
{
    committer_commit(committer);
    return committer->plan.draft->count == 0;
}

/* Room for a request in the open draft, which is committed when it holds too much. */
static void before_request(struct committer *committer)
{
    if (committer->plan.draft->arena.bytes > ARENA_BYTES_MAX) {
        committer_commit(committer);
    }
    touch_draft(committer);
}

/* For requests that want a draft without changes; false: they were answered E_BUSY. */
static bool before_lonely_request(struct committer *committer, enum reply_kind kind,
                                  uint64_t session, uint64_t ref)
{
    if (committer->plan.draft->count > 0 && !flush(committer)) {
        struct reply busy = {.kind = kind,
                             .session = session,
                             .number = ref,
                             .code = E_BUSY,
                             .text = err_meaning(E_BUSY)};
        (void)draft_reply(committer->plan.draft, &busy);
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
    if (rc == PLAN_FULL && committer->plan.draft->count > 0) {
        rc = flush(committer) ? operations_plan(&committer->plan, from, object, err)
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
    if (before_lonely_request(committer, REPLY_SIGNED_IN, sign_in->session, sign_in->ref)) {
        int rc = sign_in_plan(&committer->plan, sign_in);
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

static bool makes_user_device(const struct draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        if (draft->changes[i].kind == CHANGE_BAG_CREATE &&
            draft->changes[i].owner.kind == OWNER_USER_DEVICE) {
            return true;
        }
    }
    return false;
}

/* Does it want a draft without changes? */
static bool wants_lonely(const struct committer *committer, const struct submit *submit)
{
    switch (submit->kind) {
    case SUBMIT_DELETE:
        return makes_user_device(committer->plan.draft);
    case SUBMIT_LIFT:
    case SUBMIT_FORK:
        return true;
    case SUBMIT_WRITE:
    case SUBMIT_FENCE:
        break;
    }
    return false;
}

int committer_submit(struct committer *committer, const struct submit *submit, void *ticket,
                     uint64_t index)
{
    ASSERT(committer != NULL && submit != NULL);
    before_request(committer);
    if (wants_lonely(committer, submit) && !flush(committer)) {
        return E_NOMEM;
    }
    touch_draft(committer);
    int rc = submit_plan(&committer->plan, submit, ticket, index);
    if (rc == PLAN_FULL && committer->plan.draft->count > 0) {
        if (!flush(committer)) {
            return E_NOMEM;
        }
        rc = submit_plan(&committer->plan, submit, ticket, index);
    }
    return rc == PLAN_FULL ? submit_refuse_large(&committer->plan, ticket, index) : rc;
}

/* --- birth and death --- */

/* The first batch of a history. */
static int begin_history(struct committer *committer, struct err *err)
{
    struct draft *draft = committer->plan.draft;
    int rc = histories_plan_first(&committer->plan, err);
    if (rc != 0) {
        return rc;
    }
    commit_draft(committer, draft);
    if (draft->code != 0) {
        return err_set(err, draft->err.code, "%s", draft->err.text);
    }
    begin_draft(committer, draft);
    return 0;
}

static int prepare(struct committer *committer, struct err *err)
{
    struct draft *draft = take_draft(committer);
    if (draft == NULL) {
        return err_set(err, E_NOMEM, "the committer: out of memory");
    }
    struct journal_stat stat = {0};
    journal_head(committer->options.journal, &committer->head);
    int rc = journal_stat(committer->options.journal, &stat, err);
    if (rc != 0) {
        draft_free(&draft);
        return rc;
    }
    committer->last_time_ms = stat.last_time_ms;
    begin_draft(committer, draft);
    if (committer->head.seq == 0) {
        rc = begin_history(committer, err);
    }
    return rc != 0 ? rc : histories_load(&committer->plan, err);
}

int committer_new(struct committer **out, const struct committer_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    ASSERT(options->journal != NULL && options->kv != NULL && options->registry != NULL);
    struct committer *committer = calloc(1, sizeof *committer);
    if (committer == NULL) {
        return err_set(err, E_NOMEM, "the committer: out of memory");
    }
    committer->options = *options;
    if (options->apply == NULL) {
        committer->options.apply = kv_apply;
    }
    committer->done_end = &committer->done;
    committer->plan.limits = options->limits;
    committer->plan.journal = options->journal;
    int rc = prepare(committer, err);
    if (rc != 0) {
        committer_free(&committer);
        return rc;
    }
    *out = committer;
    return 0;
}

static void free_drafts(struct draft *draft)
{
    while (draft != NULL) {
        struct draft *next = draft->next;
        draft_free(&draft);
        draft = next;
    }
}

void committer_free(struct committer **committer)
{
    if (committer == NULL || *committer == NULL) {
        return;
    }
    struct committer *gone = *committer;
    struct draft *open = gone->plan.draft;
    plan_free(&gone->plan);
    draft_free(&open);
    free_drafts(gone->done);
    free_drafts(gone->spare);
    free(gone);
    *committer = NULL;
}

/* --- looking --- */

enum committer_state committer_state(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->state;
}

const char *committer_state_text(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->state == COMMITTER_RUNNING ? "" : committer->why.text;
}

uint64_t committer_changes(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->changes;
}

uint64_t committer_server_bag(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->plan.server_bag;
}

uint64_t committer_fleet_bag(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->plan.fleet_bag;
}

struct kv *committer_kv(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->options.kv;
}

void committer_release(struct committer *committer)
{
    ASSERT(committer != NULL);
    ASSERT(committer->state == COMMITTER_BEHIND);
    ASSERT(committer->plan.draft->count == 0);
    begin_draft(committer, committer->plan.draft);
}

void committer_recovered(struct committer *committer, struct kv *kv)
{
    ASSERT(committer != NULL && kv != NULL);
    ASSERT(committer->state == COMMITTER_BEHIND);
    ASSERT(committer->plan.draft->count == 0);
    committer->state = COMMITTER_RUNNING;
    committer->options.kv = kv;
    begin_draft(committer, committer->plan.draft);
    log_event(LOG_INFO, "commit", "state.recovered", "seq=%" PRIu64, committer->head.seq);
}
