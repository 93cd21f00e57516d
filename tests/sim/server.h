/* tests/sim/server.h - the server: the product's journal, state, committer and sessions, joined as
 * server/start.c and server/loop.c join them, with rounds that the simulation runs.
 */
#ifndef KITBAG_TESTS_SIM_SERVER_H
#define KITBAG_TESTS_SIM_SERVER_H

#include "base/clock.h"
#include "server/recovery.h"
#include "server/retaining.h"
#include "server/sessions.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"

struct sim_clock {
    int64_t jumped_ms; /* the wall is off by this */
    struct clock clock;
};
void sim_clock_init(struct sim_clock *clock);

struct server_side {
    struct sim_disk disk;
    struct sim_clock time;
    bool up;
    struct recovered open;
    struct registry *registry;
    struct committer *committer;
    struct sessions *sessions;
    struct seen *seen;
    struct upkeep *upkeep;
    struct retaining *retaining;
    uint64_t flushed_seq;
    uint64_t tick_ms;
    bool more_work;
    bool room_low;
    unsigned applies_fail; /* so many calls that bring changes into kv/ fail */
    unsigned lag_percent;  /* how often kv/ is left behind */
    enum committer_state state;
    uint64_t joined; /* the device of the last JOINED */
    /* counts */
    uint64_t rounds, starts, crashes, submits_done, recoveries;
};
extern struct server_side server;

void server_begin(void); /* the first start of its life */
void server_open(void);
/* In order; or with the power gone: what was not synced is lost. */
void server_stop_clean(void);
void server_crash(bool power);
void server_end(void);
uint64_t server_next_ms(void);
void server_round(void);

/* An administrator's change; `done` is told when it was answered, in some later round. NULL: all
 * that counts is that it is durable then. */
void server_submit(struct submit *submit); /* copied with all it points to */
void server_join(const uint8_t token[KEY_SIZE], const uint8_t key[KEY_SIZE], const char *name);
/* Is every submit answered? */
bool server_rests(void);

/* Housekeeping's work, a piece of it. */
void server_flush(void);
void server_prepare(void);
void server_retain(void);
void server_scrub(void);

#endif
