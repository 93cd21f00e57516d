/* server/clock_watch.c - two clocks side by side. */
#include "server/clock_watch.h"

#include "base/err.h"

static int64_t difference(uint64_t a, uint64_t b)
{
    return a >= b ? (int64_t)(a - b) : -(int64_t)(b - a);
}

static void compare_from(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms)
{
    watch->wall_ms = wall_ms;
    watch->mono_ms = mono_ms;
}

static void hold(struct clock_watch *watch, int64_t step_ms)
{
    watch->hold_ms = CLOCK_HOLD_MS;
    watch->step_ms = step_ms;
}

void clock_watch_begin(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms,
                       const struct clock_record *before)
{
    ASSERT(watch != NULL && before != NULL);
    *watch = (struct clock_watch){.looked_ms = mono_ms};
    compare_from(watch, wall_ms, mono_ms);
    if (wall_ms + CLOCK_STEP_MS < before->wall_ms) {
        hold(watch, difference(wall_ms, before->wall_ms));
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
    int64_t step_ms = difference(wall_ms, watch->wall_ms) - difference(mono_ms, watch->mono_ms);
    if (step_ms > CLOCK_STEP_MS || step_ms < -(int64_t)CLOCK_STEP_MS) {
        hold(watch, step_ms);
        compare_from(watch, wall_ms, mono_ms);
        return true;
    }
    if (mono_ms - watch->mono_ms >= CLOCK_STEP_MS) {
        compare_from(watch, wall_ms, mono_ms); /* two clocks drift apart: that is no step */
    }
    return false;
}

void clock_watch_confirm(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms)
{
    ASSERT(watch != NULL);
    watch->hold_ms = 0;
    watch->step_ms = 0;
    compare_from(watch, wall_ms, mono_ms);
}

struct clock_record clock_watch_record(const struct clock_watch *watch, uint64_t wall_ms)
{
    ASSERT(watch != NULL);
    return (struct clock_record){wall_ms, watch->hold_ms, watch->step_ms};
}
