/* tests/sim/machine.h - client machines: libkitbag with its replica and its outbox, without thread
 * and socket, in turns that the simulation runs.
 */
#ifndef KITBAG_TESTS_SIM_MACHINE_H
#define KITBAG_TESTS_SIM_MACHINE_H

#include "client/network.h"
#include "tests/sim/server.h"

enum { MACHINES = 4, MACHINE_OPS_MAX = 512, MACHINE_BAGS_MAX = 64 };

/* A write that a program made. */
struct sim_op {
    uint64_t id;    /* of the outbox */
    uint32_t stamp; /* of its first value, then one after the other; 0: removals */
    uint32_t stamps;
    bool raw;    /* to the user's bag on the machine, by its name */
    bool unsure; /* kb_set failed: it may have got onto the disk */
};

/* A bag as it was looked at last. */
struct seen_bag {
    uint64_t bag_id;
    uint64_t cursor;
    struct digest digest;
};

struct image; /* what was on a machine's disk */

struct machine {
    unsigned index;
    char dir[16];
    struct kb *kb; /* NULL: switched off */
    struct sim_disk disk;
    struct sim_clock time;
    struct network_port port;
    struct client_world world;
    struct key_pair keys;
    uint64_t device;
    bool removed;     /* an administrator wanted that */
    bool dying;       /* nothing that it does counts any more */
    bool rolled_back; /* its disk was, some time */
    bool sick;        /* its outbox takes nothing until it is opened again */
    uint64_t frozen_ms;
    struct request *request;
    uint64_t request_ms;
    char request_user[32];
    struct image *backup;
    struct sim_op ops[MACHINE_OPS_MAX];
    size_t op_count;
    struct seen_bag bags[MACHINE_BAGS_MAX];
    size_t bag_count;
    uint64_t starts, cuts, turns, refused;
};
extern struct machine machines[MACHINES];

void machine_begin(struct machine *machine, unsigned index);
void machine_end(struct machine *machine);
void machine_open(struct machine *machine);
void machine_close(struct machine *machine);
/* The power goes. */
void machine_cut(struct machine *machine);
/* Keep what is on the disk now (it is closed) / put that back. */
void machine_keep_image(struct machine *machine);
bool machine_roll_back(struct machine *machine);

uint64_t machine_next_ms(const struct machine *machine);
void machine_turn(struct machine *machine);

/* Before a program does something: its thread would wait for the network's, which may have a batch
 * open; here both are the same one. */
void machine_rest(struct machine *machine);

/* --- what programs do --- */
void machine_login(struct machine *machine, const char *user, const char *const *groups);
void machine_logout(struct machine *machine, const char *user);
struct machine_write {
    const char *bag;
    const char *paths[4];
    bool remove[4];
    size_t sizes[4];
    size_t count;
    bool has_if_seq;
    uint64_t if_seq;
};
void machine_write(struct machine *machine, const struct machine_write *write);

/* A value that says which write it is of. */
uint32_t stamp_next(void);
void stamp_value(uint32_t stamp, uint8_t *out, size_t size);
void stamp_begin(void);

#endif
