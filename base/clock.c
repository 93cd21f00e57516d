/* base/clock.c - the system's clocks, a fake one, and durations as text. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/err.h"

static const uint64_t YEAR_9999_END_MS = 253402300799999;

static uint64_t read_ns(clockid_t id)
{
    struct timespec now = {0};
    int rc = clock_gettime(id, &now);
    ASSERT(rc == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t system_wall_ms(void *context)
{
    (void)context;
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

static uint64_t system_mono_ms(void *context)
{
    (void)context;
    return read_ns(CLOCK_MONOTONIC) / 1000000u;
}

const struct clock clock_system = {system_wall_ms, system_mono_ms, NULL};

uint64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->context);
}

uint64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_ms(clock->context);
}

uint64_t clock_up_ms(const struct clock *clock)
{
    return clock->mono_ms == system_mono_ms ? read_ns(CLOCK_BOOTTIME) / 1000000u
                                            : clock_mono_ms(clock);
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t fake_wall_ms(void *context)
{
    return ((struct clock_fake *)context)->wall_ms;
}

static uint64_t fake_mono_ms(void *context)
{
    return ((struct clock_fake *)context)->mono_ms;
}

struct clock clock_of_fake(struct clock_fake *fake)
{
    ASSERT(fake != NULL);
    return (struct clock){fake_wall_ms, fake_mono_ms, fake};
}

int64_t clock_pair_step(struct clock_pair *pair, struct clock_pair now)
{
    ASSERT(pair != NULL && now.mono_ms >= pair->mono_ms);
    uint64_t passed_ms = now.mono_ms - pair->mono_ms;
    int64_t step_ms = (int64_t)(now.wall_ms - pair->wall_ms - passed_ms);
    bool stepped = step_ms > CLOCK_STEP_MS || step_ms < -(int64_t)CLOCK_STEP_MS;
    if (stepped || passed_ms >= CLOCK_STEP_MS) {
        *pair = now;
    }
    return stepped ? step_ms : 0;
}

void clock_format(uint64_t wall_ms, char *out)
{
    /* Later years would not fit the format; a wrong clock must not break a log. */
    uint64_t shown_ms = wall_ms < YEAR_9999_END_MS ? wall_ms : YEAR_9999_END_MS;
    time_t seconds = (time_t)(shown_ms / 1000);
    struct tm parts;
    struct tm *done = gmtime_r(&seconds, &parts);
    ASSERT(done != NULL);
    size_t len = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    ASSERT(len == 19);
    (void)snprintf(out + len, CLOCK_TEXT_MAX - len, ".%03uZ", (unsigned)(shown_ms % 1000));
}

static bool unit_ms(const char *unit, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            *ms = units[i].ms;
            return true;
        }
    }
    return false;
}

int clock_parse_duration(const char *text, uint64_t *ms)
{
    ASSERT(text != NULL);
    ASSERT(ms != NULL);
    uint64_t number = 0;
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) {
            return E_INVALID;
        }
        at++;
    }
    uint64_t unit = 0;
    uint64_t result = 0;
    if (at == text || !unit_ms(at, &unit) || __builtin_mul_overflow(number, unit, &result)) {
        return E_INVALID;
    }
    *ms = result;
    return 0;
}
