/* base/clock.h - the time, real or made up by a test. */
#ifndef KITBAG_BASE_CLOCK_H
#define KITBAG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    uint64_t (*wall_ms)(void *context); /* since 1970, UTC; may jump */
    uint64_t (*mono_ms)(void *context); /* never goes back */
    void *context;
};

extern const struct clock clock_system;

uint64_t clock_wall_ms(const struct clock *clock);
uint64_t clock_mono_ms(const struct clock *clock);
/* As mono_ms, and goes on while the machine sleeps; of a clock that is not the system's: mono_ms.
 */
uint64_t clock_up_ms(const struct clock *clock);
uint64_t clock_mono_ns(void); /* of the system, for measuring */

/* A clock that stands still until it is told, by any thread. `fake` must outlive the clock. */
struct clock_fake {
    _Atomic uint64_t wall_ms;
    _Atomic uint64_t mono_ms;
};
struct clock clock_of_fake(struct clock_fake *fake);

/* Two clocks at one moment, to tell at later ones whether the wall clock stepped: whether it went
 * otherwise than the one that does not jump by more than CLOCK_STEP_MS. Steps that sum up to it
 * within an hour count as one. Pure. */
enum { CLOCK_STEP_MS = 3600000 };
struct clock_pair {
    uint64_t wall_ms;
    uint64_t mono_ms; /* or another that never goes back: the same one at each look */
};
/* The step, forward when positive; 0: none. Call it often. What is compared with moves on after a
 * step, which so is told once, and after an hour: two clocks drift apart, and that is no step. */
int64_t clock_pair_step(struct clock_pair *pair, struct clock_pair now);

enum { CLOCK_TEXT_MAX = 32 };
/* "2026-11-22T17:51:37.123Z" into `out`, which has room for CLOCK_TEXT_MAX bytes. */
void clock_format(uint64_t wall_ms, char *out);

/* "10s", "5m", "1h", "7d", "500ms" or a bare number of seconds, in ms. E_INVALID otherwise. */
int clock_parse_duration(const char *text, uint64_t *ms);

#endif
