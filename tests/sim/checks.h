/* tests/sim/checks.h - what must hold after every step: of what the server sends, of what machines
 * have.
 */
#ifndef KITBAG_TESTS_SIM_CHECKS_H
#define KITBAG_TESTS_SIM_CHECKS_H

#include "tests/sim/machine.h"

struct check_counts {
    uint64_t acknowledged; /* operations whose outcome was sent as done */
    uint64_t bags;         /* compared with the model, item by item */
    uint64_t frames;       /* that the server sent */
};
extern struct check_counts check_counts;

void checks_begin(void);
void checks_round_begins(void);
void checks_round_ends(void);
/* The server sends this now: nothing that is not durable, nothing that the device may not have. */
void checks_sent(const struct conn *conn, struct span bytes);
void checks_submitted(const struct submit *submit, const struct reply *reply);
/* Every bag that is complete is the server's at exactly its cursor. */
void checks_machine(struct machine *machine);
/* A write that was taken is visible at once. */
void checks_written(struct machine *machine, const struct machine_write *write,
                    const struct sim_op *op, int code);

#endif
