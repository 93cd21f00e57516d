/* server/committer.c - drafts: the open one, and those that are committed and not delivered. */
#include "server/committer_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/histories.h"

enum { SPARE_DRAFTS = 8 };

/* --- are changes taken? --- */

static bool has_room(const struct committer *committer)
{
    const struct committer_options *options = &committer->options;
    return options->has_room == NULL || options->has_room(options->room_context);
}

void committer_update_closed(struct committer *committer)
{
    struct plan *plan = &committer->plan;
    plan->closed = 0;
    plan->closed_why = "";
    if (committer->state != COMMITTER_RUNNING) {
        plan->closed = E_READ_ONLY;
        plan->closed_why = committer->why.text;
    } else if (plan->stale) {
        plan->closed = E_BUSY;
        plan->closed_why = "the state could not be read: it is tried again";
    } else if (committer->deferring != 0) {
        plan->closed = committer->deferring;
        plan->closed_why = err_meaning(committer->deferring);
    } else if (!has_room(committer)) {
        plan->closed = E_NOSPACE;
        plan->closed_why = PLAN_NO_ROOM;
    }
}

void committer_stop(struct committer *committer, enum committer_state state, const char *event,
                    const struct err *err)
{
    committer->state = state;
    committer->why = *err;
    committer_update_closed(committer);
    log_err(LOG_ERROR, "commit", event, err);
}

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

void committer_give_back(struct committer *committer, struct draft *draft)
{
    eras_release(&committer->plan.overlay.eras, &draft->era);
    if (committer->spare_count >= SPARE_DRAFTS) {
        draft_free(&draft);
        return;
    }
    draft_reset(draft, 0, 0);
    draft->next = committer->spare;
    committer->spare = draft;
    committer->spare_count++;
}

/* --- a new draft --- */

/* Rows that were used long ago are forgotten, when kv/ has them for sure. */
static void turn_overlay(struct committer *committer)
{
    struct overlay *overlay = &committer->plan.overlay;
    if (!overlay_is_full(overlay)) {
        return;
    }
    uint64_t seq = overlay_old_seq(overlay);
    seq = seq < committer->head.seq ? seq : committer->head.seq; /* or it was never committed */
    if (committer->plan.applied_seq < seq) {
        committer_wait_applied(committer, seq);
    }
    if (committer->plan.applied_seq >= seq) {
        overlay_turn(overlay);
    }
}

/* The open draft begins anew behind the journal's head. */
static void begin_draft(struct committer *committer, struct draft *draft)
{
    struct plan *plan = &committer->plan;
    uint64_t now = clock_wall_ms(committer->options.clock);
    uint64_t time_ms = now > committer->last_time_ms ? now : committer->last_time_ms;
    eras_release(&plan->overlay.eras, &draft->era);
    turn_overlay(committer);
    draft_reset(draft, committer->head.seq + 1, time_ms);
    draft->era = eras_hold(&plan->overlay.eras);
    plan->draft = draft;
}

/* What was planned is not what the journal has, or could not be kept in mind: all of it is
 * forgotten and read anew from kv/. */
static void start_over(struct committer *committer)
{
    struct plan *plan = &committer->plan;
    struct err err = {0};
    committer_settle(committer);
    overlay_reset(&plan->overlay, committer->options.kv);
    plan->stale = true;
    if (committer->state != COMMITTER_BEHIND && plan_load(plan, &err) != 0) {
        log_err(LOG_ERROR, "commit", "state.unreadable", &err);
    }
}

void committer_touch(struct committer *committer)
{
    struct draft *draft = committer->plan.draft;
    if (draft->count == 0) {
        uint64_t now = clock_wall_ms(committer->options.clock);
        draft->time_ms = now > committer->last_time_ms ? now : committer->last_time_ms;
        if (committer->plan.stale && committer->state != COMMITTER_BEHIND) {
            start_over(committer);
        }
        committer_update_closed(committer);
    }
}

/* --- the commit --- */

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
    bool forking = committer->forking;
    committer->forking = false;
    if (rc == 0) {
        committer->head = draft->head;
        committer->last_time_ms = draft->time_ms;
        return 0;
    }
    /* With the first change of a history that was begun nothing else may be written either. */
    if (!journal_failed(committer->options.journal) && !forking) {
        /* It was not begun: no room, no memory, no descriptor. What follows in this round is
         * deferred too, so that nothing overtakes what was. */
        log_deferred(committer, err);
        committer->deferring = rc == E_NOSPACE ? E_NOSPACE : E_BUSY;
        committer_update_closed(committer);
        return committer->deferring;
    }
    (void)err_prefix(err, "the journal can't be written and nothing more is taken until kitbagd "
                          "was started again: ");
    committer_stop(committer, COMMITTER_FAILED, "journal.failed", err);
    return E_READ_ONLY;
}

/* `next` takes over its memory; NULL: it is itself used again. */
static void commit_draft(struct committer *committer, struct draft *draft, struct draft *next)
{
    draft->applied = true; /* nothing to apply, or never to be */
    if (draft->count == 0) {
        return;
    }
    draft->code = append(committer, draft);
    if (next != NULL) {
        draft_pass_memory(draft, next);
    }
    if (draft->code != 0) {
        start_over(committer);
        return;
    }
    for (size_t i = 0; i < draft->count; i++) {
        registry_apply(committer->options.registry, &draft->changes[i], committer->plan.server_bag);
    }
    committer->changes += draft->count;
    draft->applied = false;
    committer_hand_over(committer, draft);
}

void committer_commit(struct committer *committer)
{
    ASSERT(committer != NULL);
    struct draft *draft = committer->plan.draft;
    ASSERT(draft->count == draft->sealed);
    committer_collect(committer);
    if (draft->count == 0 && draft->reply_count == 0) {
        if (overlay_is_full(&committer->plan.overlay)) {
            begin_draft(committer, draft); /* what was looked up for nobody */
        }
        return;
    }
    struct draft *next = take_draft(committer);
    if (next == NULL) {
        return; /* there will be one when what is done was delivered */
    }
    commit_draft(committer, draft, next);
    draft->next = NULL;
    *committer->done_end = draft;
    committer->done_end = &draft->next;
    begin_draft(committer, next);
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
            reply->split = (struct wire_split){0};
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
        draft->delivered = true;
        if (draft->applied) {
            committer_give_back(committer, draft);
        }
    }
    committer->deferring = 0;
    committer_apply_here(committer);
    committer_collect(committer);
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
    commit_draft(committer, draft, NULL);
    if (draft->code != 0) {
        return err_set(err, draft->err.code, "%s", draft->err.text);
    }
    committer_settle(committer);
    if (committer->state != COMMITTER_RUNNING) {
        return err_set(err, committer->why.code, "%s", committer->why.text);
    }
    begin_draft(committer, draft);
    return 0;
}

static int prepare(struct committer *committer, struct err *err)
{
    const struct committer_options *options = &committer->options;
    struct draft *draft = take_draft(committer);
    if (draft == NULL || overlay_open(&committer->plan.overlay, options->kv) != 0) {
        draft_free(&draft);
        return err_set(err, E_NOMEM, "the committer: out of memory");
    }
    begin_draft(committer, draft);
    struct journal_stat stat = {0};
    journal_head(options->journal, &committer->head);
    int rc = journal_stat(options->journal, &stat, err);
    if (rc != 0) {
        return rc;
    }
    committer->last_time_ms = stat.last_time_ms;
    struct applier_options applier = {.kv = options->kv,
                                      .apply = options->apply,
                                      .idle = options->idle,
                                      .idle_context = options->idle_context,
                                      .reached = options->reached,
                                      .reached_context = options->reached_context};
    rc = applier_start(&committer->applier, &applier, committer->head.seq, err);
    if (rc != 0) {
        return rc;
    }
    committer->plan.applied_seq = committer->head.seq;
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
    committer->plan.evict = options->evict;
    committer->plan.evict_context = options->evict_context;
    int rc = prepare(committer, err);
    if (rc != 0) {
        committer_free(&committer);
        return rc;
    }
    *out = committer;
    return 0;
}

static void free_drafts(struct committer *committer, struct draft *draft)
{
    while (draft != NULL) {
        struct draft *next = draft->next;
        eras_release(&committer->plan.overlay.eras, &draft->era);
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
    if (gone->applier != NULL) {
        committer_wait_applied(gone, gone->head.seq);
        applier_stop(&gone->applier);
    }
    free_drafts(gone, gone->plan.draft);
    free_drafts(gone, gone->done);
    free_drafts(gone, gone->spare);
    plan_free(&gone->plan);
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

const struct sync_record *committer_sync(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return &committer->plan.sync;
}

const struct adoptions *committer_adoptions(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return &committer->plan.adoptions;
}

uint64_t committer_users(const struct committer *committer)
{
    ASSERT(committer != NULL);
    return committer->plan.users;
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

int committer_release(struct committer *committer, struct err *err)
{
    ASSERT(committer != NULL);
    ASSERT(committer->state == COMMITTER_BEHIND);
    bool forking = committer->forking; /* and no memory to commit it since */
    committer->forking = false;
    draft_empty(committer->plan.draft); /* what the sink planned: nobody was answered */
    applier_let_go(committer->applier);
    committer_collect(committer);
    if (forking) {
        struct err why = {0};
        (void)err_set(&why, E_READ_ONLY,
                      "a history was begun and could not be written: nothing more is taken until "
                      "kitbagd was started again, which takes it back");
        committer_stop(committer, COMMITTER_FAILED, "history.not_begun", &why);
        return err_set(err, E_READ_ONLY, "%s", why.text);
    }
    return 0;
}

void committer_recovered(struct committer *committer, struct kv *kv)
{
    ASSERT(committer != NULL && kv != NULL);
    ASSERT(committer->state == COMMITTER_BEHIND);
    ASSERT(committer->plan.draft->count == 0);
    committer->state = COMMITTER_RUNNING;
    committer->options.kv = kv;
    applier_restart(committer->applier, kv, committer->head.seq);
    committer->plan.applied_seq = committer->head.seq;
    start_over(committer);
    begin_draft(committer, committer->plan.draft);
    log_event(LOG_INFO, "commit", "state.recovered", "seq=%" PRIu64, committer->head.seq);
}
