/* tests/sim/chance.c - splitmix64, and the stand-ins for what the product takes from outside. */
#include "tests/sim/chance.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

struct chance chance;

void __wrap_random_bytes(void *out, size_t size);
uint64_t __wrap_random_u64(void);
uint64_t __wrap_clock_mono_ns(void);
extern const struct clock __wrap_clock_system;

static uint64_t next_of(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

void chance_begin(uint64_t seed)
{
    uint64_t state = seed;
    chance = (struct chance){.trace = seed};
    chance.world = next_of(&state);
    chance.product = next_of(&state);
}

uint64_t chance_u64(void)
{
    return next_of(&chance.world);
}

uint64_t chance_below(uint64_t bound)
{
    ASSERT(bound > 0);
    return chance_u64() % bound;
}

bool chance_percent(unsigned percent)
{
    return chance_below(100) < percent;
}

uint64_t chance_mostly_small(uint64_t most)
{
    uint64_t bound = chance_percent(90) ? most / 20 + 1 : most + 1;
    return chance_below(bound);
}

void chance_note(const char *what, uint64_t a, uint64_t b)
{
    uint64_t numbers[3] = {a, b, chance.now_ms};
    chance.trace = hash64(span_str(what), chance.trace);
    chance.trace = hash64(span_of(numbers, sizeof numbers), chance.trace);
}

void chance_note_bytes(struct span bytes)
{
    chance.trace = hash64(bytes, chance.trace);
}

/* --- what the product asks for --- */

void __wrap_random_bytes(void *out, size_t size)
{
    uint8_t *at = out;
    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t value = next_of(&chance.product);
        size_t left = size - done;
        memcpy(at + done, &value, left < sizeof value ? left : sizeof value);
    }
}

uint64_t __wrap_random_u64(void)
{
    return next_of(&chance.product) | 1;
}

static uint64_t wall_ms(void *context)
{
    (void)context;
    return UINT64_C(1700000000000) + chance.now_ms;
}

static uint64_t mono_ms(void *context)
{
    (void)context;
    return 1000 + chance.now_ms;
}

const struct clock __wrap_clock_system = {wall_ms, mono_ms, NULL};

/* It goes on while somebody waits for it. */
uint64_t __wrap_clock_mono_ns(void)
{
    static uint64_t calls;
    return ++calls * 1000;
}
