/* tests/sim/world.c - what comes next. */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <string.h>

#include "client/identity.h"
#include "server/records.h"
#include "tests/sim/chance.h"
#include "tests/sim/checks.h"
#include "tests/sim/control.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"

enum { LASTS_MS = 30000, SPINS_MAX = 20000 };

struct world world;

/* --- the beginning --- */

static void settle_server(void)
{
    for (int i = 0; i < 1000 && (!server_rests() || server_next_ms() == 0); i++) {
        server_round();
    }
    must_hold(server_rests(), "the server answers");
}

static void enroll(struct machine *machine)
{
    uint8_t token[KEY_SIZE];
    char path[RECORD_PATH_MAX];
    char text[128];
    random_bytes(token, sizeof token);
    struct span item = record_token_path(path, token);
    (void)snprintf(text, sizeof text,
                   "{\"state\":\"new\",\"expires_ms\":%" PRIu64 ",\"device\":\"\"}",
                   clock_wall_ms(&server.time.clock) + 60000);
    struct operation_write write = {.path = item, .value = span_str(text)};
    struct submit submit = {.kind = SUBMIT_WRITE, .writes = &write, .write_count = 1};
    submit.owner.kind = OWNER_SERVER;
    server_submit(&submit);
    settle_server();
    server_join(token, machine->keys.public_key, machine->dir);
    settle_server();
    must_hold(server.joined != 0, "machine %u joins", machine->index);
    machine->device = server.joined;
}

static void give_identity(const struct machine *machine)
{
    struct identity identity = {.has_keys = true,
                                .keys = machine->keys,
                                .device = machine->device,
                                .address_count = 1,
                                .name = "a machine",
                                .started = true};
    char path[64];
    struct err err = {0};
    journal_history(server.open.journal, identity.history);
    memset(identity.server_key, 7, KEY_SIZE);
    (void)snprintf(identity.addresses[0], sizeof identity.addresses[0], "server:8443");
    (void)snprintf(path, sizeof path, "%s/identity", machine->dir);
    must_hold(identity_store(&identity, path, &err) == 0, "an identity: %s", err.text);
}

static void choose_faults(void)
{
    bool *faults[] = {&world.net_faults,   &world.server_crashes, &world.server_faults,
                      &world.machine_cuts, &world.machine_faults, &world.clocks,
                      &world.deletes,      &world.rights,         &world.lags,
                      &world.retains,      &world.fences,         &world.shares};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        *faults[i] = chance_percent(60);
    }
    world.rollbacks = chance_percent(25);
    world.removals = chance_percent(25);
    world.large = chance_percent(15);
    net.delay_ms = chance_percent(50) ? 5 : 200;
    server.lag_percent = world.lags ? (unsigned)chance_below(95) : 0;
}

static void begin(uint64_t seed)
{
    world = (struct world){.seed = seed};
    chance_begin(seed);
    checks_begin();
    model_begin();
    net_begin();
    stamp_begin();
    server_begin();
    for (unsigned i = 0; i < MACHINES; i++) {
        machine_begin(&machines[i], i);
        enroll(&machines[i]);
        give_identity(&machines[i]);
    }
    choose_faults();
    deeds_begin();
    for (unsigned i = 0; i < MACHINES; i++) {
        machine_open(&machines[i]);
    }
    world.end_ms = chance.now_ms + LASTS_MS;
}

static void end(void)
{
    for (unsigned i = 0; i < MACHINES; i++) {
        machine_end(&machines[i]);
    }
    server_end();
    net_end();
    model_end();
}

/* --- one step --- */

struct next {
    uint64_t at_ms;
    enum { DUE_SERVER, DUE_MACHINE, DUE_DEED, DUE_REPAIR } kind;
    unsigned machine;
};

static uint64_t repair_ms(void)
{
    uint64_t at_ms = UINT64_MAX;
    const uint64_t *times[2 + 2 * MACHINES] = {&world.server_back_ms, &world.server_full_ms};
    for (size_t i = 0; i < MACHINES; i++) {
        times[2 + 2 * i] = &world.machine_back_ms[i];
        times[3 + 2 * i] = &world.machine_full_ms[i];
    }
    for (size_t i = 0; i < 2 + 2 * MACHINES; i++) {
        at_ms = *times[i] != 0 && *times[i] < at_ms ? *times[i] : at_ms;
    }
    return at_ms;
}

static void add_due(struct next *dues, size_t *count, struct next due)
{
    due.at_ms = due.at_ms > chance.now_ms ? due.at_ms : chance.now_ms;
    if (*count > 0 && due.at_ms < dues[0].at_ms) {
        *count = 0;
    }
    if (due.at_ms != UINT64_MAX && (*count == 0 || due.at_ms == dues[0].at_ms)) {
        dues[(*count)++] = due;
    }
}

static struct next what_is_next(void)
{
    struct next dues[MACHINES + 3];
    size_t count = 0;
    add_due(dues, &count, (struct next){server_next_ms(), DUE_SERVER, 0});
    for (unsigned i = 0; i < MACHINES; i++) {
        add_due(dues, &count, (struct next){machine_next_ms(&machines[i]), DUE_MACHINE, i});
    }
    if (!world.healing) {
        add_due(dues, &count, (struct next){world.deed_ms, DUE_DEED, 0});
    }
    add_due(dues, &count, (struct next){repair_ms(), DUE_REPAIR, 0});
    must_hold(count > 0, "there is always something to do");
    return dues[chance_below(count)];
}

static void note_spin(uint64_t at_ms)
{
    world.spins = at_ms == world.spin_ms ? world.spins + 1 : 0;
    world.spin_ms = at_ms;
    must_hold(world.spins < SPINS_MAX, "the time goes on: %d steps are done at once", SPINS_MAX);
}

void world_step(void)
{
    struct next next = what_is_next();
    note_spin(next.at_ms);
    chance.now_ms = next.at_ms;
    chance_note("step", next.kind, next.machine);
    world.steps++;
    switch (next.kind) {
    case DUE_SERVER:
        server_round();
        break;
    case DUE_MACHINE:
        machine_turn(&machines[next.machine]);
        break;
    case DUE_DEED:
        world.deeds++;
        deed();
        break;
    case DUE_REPAIR:
        repair();
        break;
    }
}

void world_run(uint64_t seed, struct world_result *result)
{
    begin(seed);
    while (chance.now_ms < world.end_ms) {
        world_step();
    }
    uint64_t heal_ms = heal();
    *result = (struct world_result){
        .trace = chance.trace,
        .steps = world.steps,
        .deeds = world.deeds,
        .crashes = server.crashes,
        .partitions = world.partitions,
        .breaks = net.breaks,
        .acknowledged = check_counts.acknowledged,
        .admin = server.submits_done,
        .compared = check_counts.bags,
        .changes = model.head,
        .heal_ms = heal_ms,
    };
    for (unsigned i = 0; i < MACHINES; i++) {
        result->cuts += machines[i].cuts;
    }
    end();
}
