/* server/applier.h - the thread that brings committed batches into kv/, behind the committer.
 *
 * Batches are applied in the order in which they are given, many of them at once when many wait:
 * rows that several of them change are then written once. The committer's thread may apply a batch
 * itself while the applier rests, which is faster for a lone write. When nothing waits the thread
 * does idle work, in short slices.
 *
 * Keeps true: one thread at a time applies to kv/ or does idle work. A batch that could not be
 * applied stops the applier: nothing after it is applied until applier_restart.
 *
 * All functions are the committer's thread's.
 */
#ifndef KITBAG_SERVER_APPLIER_H
#define KITBAG_SERVER_APPLIER_H

#include "kv/kv.h"
#include "server/draft.h"

enum {
    APPLIER_MERGE_CHANGES = 16384,    /* so many are applied at once, or one batch */
    APPLIER_WAITING_CHANGES = 65536,  /* with more than this not applied, a giver waits */
    APPLIER_WAITING_BYTES = 64 << 20, /* the same, of encoded changes */
};

struct applier;

struct applier_options {
    struct kv *kv; /* borrowed until applier_restart gives another */
    int (*apply)(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err);
    /* A slice of idle work; false: there is none now. NULL: never any. By the applier's thread. */
    bool (*idle)(void *context, struct kv *kv);
    void *idle_context;
    /* kv/ reached what applier_reached was asked for. By whichever thread applied it; calls nothing
     * of the applier. NULL: nobody is told. */
    void (*reached)(void *context);
    void *reached_context;
    /* There is no thread: applier_step does its work, and who would wait for it does it itself. For
     * a simulation, which decides how far kv/ lags. */
    bool driven;
};

/* kv/ holds all changes up to `seq`. E_NOMEM, E_SYSTEM. */
MUST_CHECK int applier_start(struct applier **out, const struct applier_options *options,
                             uint64_t seq, struct err *err);
/* Everything was taken back (applier_take). Accepts NULL and a nulled pointer. */
void applier_stop(struct applier **applier);

/* To be applied: sealed, in the journal, untouched until applier_take gives it back. Waits while
 * too much is not applied yet. */
void applier_give(struct applier *applier, struct draft *draft);
/* Applied on this thread, now; false: the applier does not rest. It is not given back. */
bool applier_apply_here(struct applier *applier, struct draft *draft);
/* The committer's thread has nothing to do: idle work goes on, until there is none. */
void applier_idle(struct applier *applier);
/* Of a driven one: what the thread would do next, once. false: it would rest. */
bool applier_step(struct applier *applier);
/* What was given and is done with, applied or not, the oldest first, by draft->next_applied; NULL:
 * nothing. */
struct draft *applier_take(struct applier *applier);

/* kv/ holds all changes up to this. */
uint64_t applier_applied(struct applier *applier);
/* Does kv/ hold all changes up to `seq`, or could a batch not be applied? When not, `reached` of
 * the options is called once it does; one such question waits at a time, the newest one. */
bool applier_reached(struct applier *applier, uint64_t seq);
/* Wait until it does, or a batch could not be applied. */
void applier_wait(struct applier *applier, uint64_t seq);

/* 0, or why a batch could not be applied: `err` tells. */
int applier_failure(struct applier *applier, struct err *err);
/* After a failure: kv/ is about to be closed, nobody touches it from now on. */
void applier_let_go(struct applier *applier);
/* It was opened again as `kv` and holds all changes up to `seq`. */
void applier_restart(struct applier *applier, struct kv *kv, uint64_t seq);

#endif
