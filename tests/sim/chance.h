/* tests/sim/chance.h - one seed decides everything: the world's chance, the product's randomness,
 * and the trace by which two runs are compared.
 *
 * The linker puts stand-ins in the places of the product's random_bytes, random_u64, clock_system
 * and clock_mono_ns (see tests/CMakeLists.txt), so that nothing comes from outside.
 */
#ifndef KITBAG_TESTS_SIM_CHANCE_H
#define KITBAG_TESTS_SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Streams of their own, so that one more question of the product changes no decision here. */
struct chance {
    uint64_t world;
    uint64_t product;
    uint64_t trace;  /* of all that happened so far */
    uint64_t now_ms; /* virtual, from 0 */
};
extern struct chance chance;

void chance_begin(uint64_t seed);
uint64_t chance_u64(void);
uint64_t chance_below(uint64_t bound); /* 0 <= n < bound */
/* true `percent` times of a hundred */
bool chance_percent(unsigned percent);
/* Mostly small, sometimes up to `most`. */
uint64_t chance_mostly_small(uint64_t most);

void chance_note(const char *what, uint64_t a, uint64_t b);
void chance_note_bytes(struct span bytes);

#endif
