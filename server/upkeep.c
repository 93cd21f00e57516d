/* server/upkeep.c - three goals, one after the other, in slices. */
#include "server/upkeep.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    ROWS_MIN = 8,
    ROWS_FIRST = 64,
    ROWS_MAX = 1024,
    SLICE_LONG_NS = 400000,  /* the next one is half as large */
    SLICE_SHORT_NS = 100000, /* the next one is twice as large */
};

typedef int upkeep_fn(struct kv *kv, uint64_t seq, size_t budget, bool *more, struct err *err);

enum { TASKS = 3 };

static const struct {
    upkeep_fn *run;
    const char *event;
} tasks[TASKS] = {
    {kv_purge, "purge.failed"},
    {kv_clean, "clean.failed"},
    {kv_bury, "bury.failed"},
};

struct upkeep {
    _Atomic uint64_t goals[TASKS]; /* set by any thread, read by the one that applies */
    /* The applying thread's. */
    uint64_t done[TASKS]; /* the goal that was reached */
    size_t rows;          /* of a slice */
};

int upkeep_new(struct upkeep **out)
{
    ASSERT(out != NULL);
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (upkeep == NULL) {
        return E_NOMEM;
    }
    upkeep->rows = ROWS_FIRST;
    *out = upkeep;
    return 0;
}

void upkeep_free(struct upkeep **upkeep)
{
    if (upkeep != NULL) {
        free(*upkeep);
        *upkeep = NULL;
    }
}

static void raise_goal(_Atomic uint64_t *goal, uint64_t seq)
{
    uint64_t now = atomic_load(goal);
    while (now < seq && !atomic_compare_exchange_weak(goal, &now, seq)) {
    }
}

void upkeep_set(struct upkeep *upkeep, const struct upkeep_goals *goals)
{
    ASSERT(upkeep != NULL && goals != NULL);
    raise_goal(&upkeep->goals[0], goals->purge_to);
    raise_goal(&upkeep->goals[1], goals->clean_to);
    raise_goal(&upkeep->goals[2], goals->bury_below);
}

static void adapt(struct upkeep *upkeep, uint64_t took_ns)
{
    if (took_ns > SLICE_LONG_NS && upkeep->rows > ROWS_MIN) {
        upkeep->rows /= 2;
    } else if (took_ns < SLICE_SHORT_NS && upkeep->rows < ROWS_MAX) {
        upkeep->rows *= 2;
    }
}

bool upkeep_work(struct upkeep *upkeep, struct kv *kv)
{
    ASSERT(upkeep != NULL && kv != NULL);
    size_t task = 0;
    uint64_t goal = 0;
    while (task < TASKS && upkeep->done[task] >= (goal = atomic_load(&upkeep->goals[task]))) {
        task++;
    }
    if (task == TASKS) {
        return false;
    }
    struct err err = {0};
    bool more = false;
    uint64_t began_ns = clock_mono_ns();
    int rc = tasks[task].run(kv, goal, upkeep->rows, &more, &err);
    adapt(upkeep, clock_mono_ns() - began_ns);
    if (rc != 0) {
        log_err(LOG_ERROR, "upkeep", tasks[task].event, &err);
        more = false;
    }
    if (!more) {
        upkeep->done[task] = goal;
    }
    return true;
}
