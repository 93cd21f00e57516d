/* tests/sim/repair.c - what is down comes back; and at the end everything does, and then all must
 * be equal. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/chance.h"
#include "tests/sim/checks.h"
#include "tests/sim/effective.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world.h"

/* A refusal that somebody has to mend is tried again after 60 s. */
enum {
    HEAL_MS = 100000,
    LOOK_MS = 50,
    REST_MS = 500, /* what was taken up is let go of by then */
};

static bool is_due(uint64_t *at_ms)
{
    if (*at_ms == 0 || *at_ms > chance.now_ms) {
        return false;
    }
    *at_ms = 0;
    return true;
}

static void start_server(void)
{
    if (server.up) {
        server_stop_clean(); /* it takes no more writes: somebody starts it again */
    }
    server_open();
    if (!server.up) {
        world.server_back_ms = chance.now_ms + 500;
    }
}

static void start_machine(unsigned i)
{
    struct machine *machine = &machines[i];
    if (machine->kb != NULL) {
        machine_close(machine);
    }
    machine_open(machine);
    if (machine->disk.dead && machine->kb != NULL) {
        machine_cut(machine);
    } else if (machine->disk.dead) {
        sim_disk_cut(&machine->disk);
    }
    if (machine->kb == NULL) {
        world.machine_back_ms[i] = chance.now_ms + 500;
    }
}

/* Whoever was hit just now is started again some time later. */
static void notice(void)
{
    bool server_down = !server.up || server.state == COMMITTER_FAILED;
    if (server_down && world.server_back_ms == 0) {
        world.server_back_ms = chance.now_ms + 1 + chance_mostly_small(8000);
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        if (machines[i].kb != NULL && machines[i].disk.dead) {
            machine_cut(&machines[i]);
        }
        bool machine_down = machines[i].kb == NULL || machines[i].sick;
        if (machine_down && world.machine_back_ms[i] == 0) {
            world.machine_back_ms[i] = chance.now_ms + 1 + chance_mostly_small(8000);
        }
    }
}

void repair(void)
{
    if (is_due(&world.server_full_ms)) {
        server.disk.full = server.room_low = false;
        tell("server: there is room again");
    }
    if (is_due(&world.server_back_ms)) {
        start_server();
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        if (is_due(&world.machine_full_ms[i])) {
            machines[i].disk.full = false;
            tell("machine %u: there is room again", i);
        }
        if (is_due(&world.machine_back_ms[i])) {
            start_machine(i);
        }
    }
    notice();
}

/* --- everything is mended --- */

void heal_all(void)
{
    world.healing = true;
    tell("everything is mended");
    net_calm();
    server.disk.dies_at = 0;
    server.disk.full = server.disk.sync_fails = server.room_low = false;
    server.applies_fail = 0;
    server.lag_percent = 0;
    world.server_full_ms = 0;
    world.server_back_ms = 0;
    if (!server.up || server.state != COMMITTER_RUNNING) {
        start_server();
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        struct machine *machine = &machines[i];
        machine->disk.dies_at = 0;
        machine->disk.full = machine->disk.sync_fails = false;
        machine->frozen_ms = 0;
        world.machine_full_ms[i] = world.machine_back_ms[i] = 0;
        if (machine->kb == NULL || machine->sick) {
            start_machine(i);
        }
    }
}

/* --- is everybody equal? --- */

struct equal {
    struct machine *machine;
    const char *why; /* not yet; NULL: it is */
    uint64_t bag_id;
};

static int look_at_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    struct equal *equal = context;
    const struct model_bag *mine = bag->bag_id != 0 ? model_bag(bag->bag_id) : NULL;
    equal->bag_id = bag->bag_id;
    if (!bag->keep) {
        equal->why = "a sign-out has still to be told";
    } else if (mine == NULL || mine->deleted) {
        equal->why = "it keeps a bag that is gone";
    } else if (!model_may_read(equal->machine->device, bag->bag_id, model.head)) {
        equal->why = "it keeps a bag that it may not";
    } else if (!bag->complete) {
        equal->why = "a bag is not complete";
    } else if (bag->cursor < mine->last_seq) {
        equal->why = "a bag is behind";
        tell("machine %u: bag %" PRIu64 " is at %" PRIu64 " and should be at %" PRIu64,
             equal->machine->index, bag->bag_id, bag->cursor, mine->last_seq);
    }
    return equal->why != NULL;
}

/* Has it to keep this bag? Groups and device-specific bags that came to be after a sign-in are told
 * with the next one, unless they are kept by a right. */
static bool has_to_keep(const struct machine *machine, const struct model_bag *bag)
{
    enum device_keep keep = model_keeps(machine->device);
    if (bag->deleted || !model_may_read(machine->device, bag->bag_id, model.head)) {
        return false;
    }
    return bag->owner.kind == OWNER_GROUP         ? keep >= KEEP_GROUPS
           : bag->owner.kind == OWNER_USER_DEVICE ? keep == KEEP_EVERYBODY
                                                  : true;
}

/* The first bag that it should keep and does not; 0: there is none. */
static uint64_t missing_bag(struct machine *machine)
{
    for (size_t i = 0; i < model.bag_count; i++) {
        struct replica_bag bag = {0};
        uint64_t bag_id = model.bags[i].bag_id;
        if (has_to_keep(machine, &model.bags[i]) &&
            (replica_bag_by_id(machine->kb->replica, bag_id, &bag, NULL) != 0 || !bag.keep)) {
            return bag_id;
        }
    }
    return 0;
}

static const char *why_unequal(struct machine *machine, uint64_t *bag_id)
{
    struct equal equal = {.machine = machine};
    struct kb_status status = {.size = sizeof status};
    struct err err = {0};
    kb_status(machine->kb, &status);
    if (model_removed(machine->device, model.head)) {
        return status.phase == KB_PHASE_REFUSED ? NULL : "it does not know that it was removed";
    }
    if (machine->request != NULL) {
        return "somebody is signing in";
    }
    if (status.phase != KB_PHASE_CURRENT) {
        return status.text[0] != '\0' ? "it is not current, and says why" : "it is not current";
    }
    if (status.pending != 0) {
        return "writes wait to be sent";
    }
    int rc = replica_bags(machine->kb->replica, look_at_bag, &equal, &err);
    *bag_id = equal.bag_id;
    if (rc != 0) {
        return equal.why;
    }
    *bag_id = missing_bag(machine);
    return *bag_id != 0 ? "it does not keep a bag" : NULL;
}

static const char *why_not_yet(unsigned *which, uint64_t *bag_id)
{
    for (unsigned i = 0; i < MACHINES; i++) {
        const char *why = why_unequal(&machines[i], bag_id);
        if (why != NULL) {
            *which = i;
            return why;
        }
    }
    return server_rests() ? NULL : "the server has answers to give";
}

/* --- nothing was lost, nothing was done twice --- */

struct listed {
    const struct sim_op *op;
    bool found;
};

static int find_op(void *context, const struct kb_op *op)
{
    struct listed *listed = context;
    listed->found |= op->op == listed->op->id;
    return 0;
}

static bool is_refused(struct machine *machine, const struct sim_op *op)
{
    struct listed listed = {.op = op};
    struct kb_error error = {0};
    int rc = kb_outbox(machine->kb, KB_OUTBOX_REFUSED, find_op, &listed, &error);
    must_hold(rc == 0, "refused writes are listed: %s", error.text);
    return listed.found;
}

static void check_op(struct machine *machine, const struct sim_op *op)
{
    size_t least = SIZE_MAX;
    size_t most = 0;
    for (uint32_t i = 0; i < op->stamps; i++) {
        size_t times = model_stamp(op->stamp + i);
        least = times < least ? times : least;
        most = times > most ? times : most;
    }
    if (op->stamps == 0) {
        return;
    }
    must_hold(least == most, "the change set with stamp %" PRIu32 " is done whole", op->stamp);
    must_hold(most <= 1 || machine->rolled_back,
              "the write with stamp %" PRIu32 " of machine %u is done once, not %zu times",
              op->stamp, machine->index, most);
    must_hold(most == 1 || op->unsure || machine->rolled_back || is_refused(machine, op),
              "the write with stamp %" PRIu32 " of machine %u, op %" PRIu64
              ", is in the journal or refused by name",
              op->stamp, machine->index, op->id);
}

static void check_ops(void)
{
    for (unsigned i = 0; i < MACHINES; i++) {
        bool removed = model_removed(machines[i].device, model.head);
        for (size_t j = 0; !removed && j < machines[i].op_count; j++) {
            check_op(&machines[i], &machines[i].ops[j]);
        }
    }
}

/* What a person sees is what the server has. */
struct seeing {
    const struct model_item *items;
    size_t count, at;
    unsigned machine;
    uint64_t bag_id;
};

static int see_item(void *context, const struct kb_item *item)
{
    struct seeing *seeing = context;
    const struct model_item *mine = seeing->at < seeing->count ? &seeing->items[seeing->at] : NULL;
    bool same = mine != NULL && strcmp(item->path, mine->path) == 0;
    must_hold(same && !item->pending && item->seq == mine->seq &&
                  mine->change->value_hash == hash64(span_of(item->bytes, item->size), 0),
              "machine %u shows %s of bag %" PRIu64 " as the server has it: seq %" PRIu64
              "%s, and it is %s at %" PRIu64,
              seeing->machine, item->path, seeing->bag_id, item->seq,
              item->pending ? ", pending" : "", mine != NULL ? mine->path : "nothing",
              mine != NULL ? mine->seq : 0);
    seeing->at++;
    return 0;
}

/* The bag of the user on this machine; NULL: it knows of none. One that somebody else made is told
 * with the next sign-in. */
static const struct model_bag *own_bag(struct machine *machine, const struct model_bag *user)
{
    struct replica_bag kept = {0};
    struct owner owner = user->owner;
    owner.kind = OWNER_USER_DEVICE;
    owner.device = machine->device;
    const struct model_bag *own = user->owner.kind == OWNER_USER ? model_bag_of(&owner) : NULL;
    bool knows = own != NULL &&
                 replica_bag_by_id(machine->kb->replica, own->bag_id, &kept, NULL) == 0 &&
                 kept.keep;
    return knows ? own : NULL;
}

static void check_visible(struct machine *machine)
{
    for (size_t i = 0; i < model.bag_count; i++) {
        const struct model_bag *bag = &model.bags[i];
        char text[OWNER_TEXT_MAX];
        struct kb_error error = {0};
        if (!has_to_keep(machine, bag)) {
            continue;
        }
        struct seeing seeing = {.machine = machine->index, .bag_id = bag->bag_id};
        seeing.count = effective_items(bag, own_bag(machine, bag), &seeing.items);
        owner_format(&bag->owner, text);
        int rc = kb_list(machine->kb, text, NULL, see_item, &seeing, &error);
        must_hold(rc == 0, "machine %u lists %s: %s", machine->index, text, error.text);
        must_hold(seeing.at == seeing.count, "machine %u shows all of %s", machine->index, text);
    }
}

static const char *owner_text(uint64_t bag_id)
{
    static char text[OWNER_TEXT_MAX];
    const struct model_bag *bag = bag_id != 0 ? model_bag(bag_id) : NULL;
    text[0] = '\0';
    if (bag != NULL) {
        owner_format(&bag->owner, text);
    }
    return text;
}

static void step_until(uint64_t at_ms)
{
    while (chance.now_ms < at_ms) {
        world_step();
        notice();
    }
}

/* Until all are equal. */
static void wait_for_all(uint64_t until_ms)
{
    unsigned which = 0;
    uint64_t bag_id = 0;
    const char *why = NULL;
    while ((why = why_not_yet(&which, &bag_id)) != NULL) {
        struct kb_status status = {.size = sizeof status};
        if (machines[which].kb != NULL) {
            kb_status(machines[which].kb, &status);
        }
        must_hold(chance.now_ms < until_ms,
                  "all are equal in the end: machine %u: %s (bag %" PRIu64 " of %s) %s", which, why,
                  bag_id, owner_text(bag_id), status.text);
        step_until(chance.now_ms + LOOK_MS);
    }
}

uint64_t heal(void)
{
    unsigned which = 0;
    uint64_t bag_id = 0;
    uint64_t took_ms = 0;
    heal_all();
    uint64_t began_ms = chance.now_ms;
    do { /* one that has not heard yet that it lost its connection is equal for a while */
        wait_for_all(began_ms + HEAL_MS);
        took_ms = chance.now_ms - began_ms;
        step_until(chance.now_ms + REST_MS);
    } while (why_not_yet(&which, &bag_id) != NULL);
    check_ops();
    for (unsigned i = 0; i < MACHINES; i++) {
        if (!model_removed(machines[i].device, model.head)) {
            check_visible(&machines[i]);
        }
    }
    server_scrub();
    return took_ms;
}
