/* bench/fleet.h - a fleet of machines in child processes, which do what they are told all at once.
 *
 * Several processes, because a process may have too few descriptors for all sockets. Machine m has
 * FLEET_BAGS users signed in, of as many users as there are machines.
 */
#ifndef KITBAG_BENCH_FLEET_H
#define KITBAG_BENCH_FLEET_H

#include "bench/server.h"

enum { FLEET_CHILDREN = 3, FLEET_BAGS = 20 };
#define FLEET_USER "fleet.%zu"

enum fleet_order {
    FLEET_ENROLL,  /* join, each with a token */
    FLEET_SIGN_IN, /* its users, then it disconnects */
    FLEET_CONNECT, /* until WELCOME */
    FLEET_FOLLOW,  /* all bags, until they are complete */
    FLEET_DISCONNECT,
    FLEET_RECONNECT, /* connect, follow from where it was, until all is complete */
    FLEET_END,
};

struct fleet {
    struct {
        pid_t pid;
        int to;
        int from;
    } children[FLEET_CHILDREN];
};

void fleet_start(struct fleet *fleet, const struct bench_server *server, size_t machines);
/* All machines do it; until the last one is done. In ms. */
double fleet_do(struct fleet *fleet, enum fleet_order order);
void fleet_stop(struct fleet *fleet);

#endif
