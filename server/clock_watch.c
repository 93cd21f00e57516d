/* server/clock_watch.c - two clocks side by side. */
#include "server/clock_watch.h"

#include "base/err.h"

static void hold(struct clock_watch *watch, int64_t step_ms)
{
    watch->hold_ms = CLOCK_HOLD_MS;
    watch->step_ms = step_ms;
}

void clock_watch_begin(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms,
                       const struct clock_record *before)
{
    ASSERT(watch != NULL && before != NULL);
    *watch = (struct clock_watch){.pair = {wall_ms, mono_ms}, .looked_ms = mono_ms};
    if (wall_ms + CLOCK_STEP_MS < before->wall_ms) {
        hold(watch, (int64_t)(wall_ms - before->wall_ms));
    } else {
        watch->hold_ms = before->hold_ms <= CLOCK_HOLD_MS ? before->hold_ms : CLOCK_HOLD_MS;
        watch->step_ms = before->step_ms;
    }
}

bool clock_watch_look(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms)
{
    ASSERT(watch != NULL && mono_ms >= watch->looked_ms);
    uint64_t passed_ms = mono_ms - watch->looked_ms;
    watch->looked_ms = mono_ms;
    watch->hold_ms -= passed_ms < watch->hold_ms ? passed_ms : watch->hold_ms;
    int64_t step_ms = clock_pair_step(&watch->pair, (struct clock_pair){wall_ms, mono_ms});
    if (step_ms != 0) {
        hold(watch, step_ms);
    }
    return step_ms != 0;
}

void clock_watch_confirm(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms)
{
    ASSERT(watch != NULL);
    watch->hold_ms = 0;
    watch->step_ms = 0;
    watch->pair = (struct clock_pair){wall_ms, mono_ms};
}

struct clock_record clock_watch_record(const struct clock_watch *watch, uint64_t wall_ms)
{
    ASSERT(watch != NULL);
    return (struct clock_record){wall_ms, watch->hold_ms, watch->step_ms};
}
