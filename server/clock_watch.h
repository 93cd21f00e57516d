/* server/clock_watch.h - does the wall clock go as the monotonic one does?
 *
 * What is deleted by age relies on the wall clock. When that one steps by more than an hour, ages
 * mean nothing: until a day has passed, or an administrator confirmed the time, they are not used.
 * Pure; one thread.
 */
#ifndef KITBAG_SERVER_CLOCK_WATCH_H
#define KITBAG_SERVER_CLOCK_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { CLOCK_HOLD_MS = 86400000 }; /* for so long of running ages are not used */

struct clock_watch {
    struct clock_pair pair; /* what later ones are compared with */
    uint64_t looked_ms;     /* monotonic: of the newest look */
    uint64_t hold_ms;       /* left; 0: the clock is trusted */
    int64_t step_ms;        /* the step that is held for: forward when positive */
};

/* What must survive a restart. */
struct clock_record {
    uint64_t wall_ms;
    uint64_t hold_ms;
    int64_t step_ms;
};

/* `before`: what was kept at the last run; zeros: nothing. A clock that stands more than an hour
 * before it was set back meanwhile; how long nothing ran can't be told, so one that stands behind
 * it is believed. */
void clock_watch_begin(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms,
                       const struct clock_record *before);
/* Call it often; true when a step was found just now. */
bool clock_watch_look(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms);
/* The time is right: ages are used again. */
void clock_watch_confirm(struct clock_watch *watch, uint64_t wall_ms, uint64_t mono_ms);
struct clock_record clock_watch_record(const struct clock_watch *watch, uint64_t wall_ms);

#endif
