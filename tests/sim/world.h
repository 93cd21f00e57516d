/* tests/sim/world.h - the whole of it: one server, some machines, what happens to them.
 *
 * A step is one round of the server, one turn of a machine, or one deed: somebody writes, something
 * breaks. Which comes next is decided by the virtual time and, of what is due at once, by chance.
 */
#ifndef KITBAG_TESTS_SIM_WORLD_H
#define KITBAG_TESTS_SIM_WORLD_H

#include "tests/sim/machine.h"

/* What may go wrong in this seed. */
struct world {
    uint64_t seed;
    bool net_faults, server_crashes, server_faults, machine_cuts, machine_faults, rollbacks;
    bool clocks, deletes, removals, rights, large, lags, retains, fences, shares;
    bool healing;
    uint64_t deed_ms; /* when the next deed is due */
    uint64_t end_ms;
    uint64_t server_back_ms; /* when it is started again; 0: it runs, or nobody cares */
    uint64_t server_full_ms; /* until then its disk is full */
    uint64_t machine_back_ms[MACHINES];
    uint64_t machine_full_ms[MACHINES];
    uint64_t steps, deeds, partitions;
    uint64_t spin_ms, spins; /* steps without the time going on */
};
extern struct world world;

struct world_result {
    uint64_t trace;
    uint64_t steps, deeds, crashes, cuts, partitions, breaks, acknowledged, admin, compared,
        changes;
    uint64_t heal_ms; /* until all were equal */
};
/* In the present folder, which is empty. */
void world_run(uint64_t seed, struct world_result *result);

/* deeds.c: one thing by chance. */
void deeds_begin(void);
void deed(void);
/* repair.c: those that are down come back when it is time. */
void repair(void);
void heal_all(void);
/* Until everybody is equal. Returns the virtual milliseconds that it took. */
uint64_t heal(void);

void world_step(void);

#endif
