/* tests/sim/machine.c - switching machines on and off, their turns, their programs. */
#include "tests/sim/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "client/network_inside.h"
#include "tests/sim/chance.h"
#include "tests/sim/checks.h"
#include "tests/sim/control.h"
#include "tests/sim/model.h"
#include "tests/sim/power.h"
#include "tests/sim/verdict.h"

enum { LOGIN_MS = 5000 };

struct machine machines[MACHINES];
static uint32_t last_stamp;

/* --- its world --- */

static uint64_t world_random(void *context)
{
    (void)context;
    return random_u64();
}

static int port_connect(void *context, const char *address, const uint8_t server_key[KEY_SIZE],
                        const struct key_pair *own, struct err *err)
{
    const struct machine *machine = context;
    (void)address;
    (void)server_key;
    (void)err;
    if (!machine->dying) {
        net_dial(machine->index, own->public_key);
    }
    return 0;
}

static void port_disconnect(void *context)
{
    const struct machine *machine = context;
    net_hang_up(machine->index);
}

static int port_send(void *context, struct span bytes)
{
    const struct machine *machine = context;
    return machine->dying || machine->disk.dead ? E_UNREACHABLE
                                                : net_send_up(machine->index, bytes);
}

/* --- on and off --- */

void machine_begin(struct machine *machine, unsigned index)
{
    *machine = (struct machine){.index = index};
    (void)snprintf(machine->dir, sizeof machine->dir, "machine-%u", index);
    sim_disk_init(&machine->disk);
    sim_clock_init(&machine->time);
    machine->disk.lies = control == CONTROL_MACHINE_DISK_LIES;
    machine->port = (struct network_port){port_connect, port_disconnect, port_send, machine};
    machine->world = (struct client_world){.clock = &machine->time.clock,
                                           .random = world_random,
                                           .disk = &machine->disk.disk,
                                           .port = &machine->port};
    key_pair_make(&machine->keys);
    struct err err = {0};
    must_hold(dir_make(machine->dir, 0700, &err) == 0, "a folder: %s", err.text);
}

static void forget_request(struct machine *machine)
{
    struct err err = {0};
    if (machine->request != NULL) {
        (void)!client_login_end(machine->kb, &machine->request, true, &err);
    }
}

/* Of whom the server made a new bag, the old one is put into a file before it goes. */
static bool is_put_aside(const char *note)
{
    return strncmp(note, "the server deleted '", 20) == 0;
}

void machine_open(struct machine *machine)
{
    struct kb_options options = {
        .size = sizeof options, .data_dir = machine->dir, .map_bytes = 64 << 20};
    struct kb_error error = {0};
    int rc = client_open(&machine->kb, &options, &machine->world, &error);
    if (rc != 0 && (machine->disk.dead || machine->disk.full)) {
        tell("machine %u: does not open: %s", machine->index, error.text);
        return;
    }
    must_hold(rc == 0, "machine %u opens: %s", machine->index, error.text);
    must_hold(machine->kb->note[0] == '\0' || is_put_aside(machine->kb->note),
              "machine %u opens without a loss: %s", machine->index, machine->kb->note);
    machine->starts++;
    machine->sick = false;
    machine->bag_count = 0;
    if (control == CONTROL_SENDS_TWICE) {
        (void)!outbox_renumber(machine->kb->outbox, NULL);
    }
    rc = kb_start(machine->kb, &error);
    must_hold(rc == 0, "machine %u starts: %s", machine->index, error.text);
    tell("machine %u: on", machine->index);
    checks_machine(machine);
}

static void close_kb(struct machine *machine)
{
    forget_request(machine);
    kb_close(&machine->kb);
    net_hang_up(machine->index);
}

void machine_close(struct machine *machine)
{
    tell("machine %u: off", machine->index);
    close_kb(machine);
    sim_disk_revive(&machine->disk);
}

void machine_cut(struct machine *machine)
{
    tell("machine %u: power cut", machine->index);
    machine->cuts++;
    struct image *image = power_image(machine->dir, machine->kb->replica);
    machine->dying = true;
    machine->disk.dead = true;
    close_kb(machine);
    power_put_back(&image);
    sim_disk_cut(&machine->disk);
    machine->dying = false;
}

void machine_keep_image(struct machine *machine)
{
    power_image_free(&machine->backup);
    machine->backup = power_folder(machine->dir);
}

bool machine_roll_back(struct machine *machine)
{
    if (machine->backup == NULL) {
        return false;
    }
    tell("machine %u: its disk is rolled back", machine->index);
    sim_disk_cut(&machine->disk); /* nothing of before is of interest */
    power_put_back(&machine->backup);
    machine->rolled_back = true;
    return true;
}

void machine_end(struct machine *machine)
{
    if (machine->kb != NULL) {
        machine_close(machine);
    }
    sim_disk_free(&machine->disk);
    power_image_free(&machine->backup);
}

/* --- turns --- */

uint64_t machine_next_ms(const struct machine *machine)
{
    if (machine->kb == NULL) {
        return UINT64_MAX;
    }
    uint64_t turn_ms = network_next_ms(machine->kb->network);
    uint64_t zero_ms = clock_mono_ms(&machine->time.clock) - chance.now_ms;
    turn_ms = turn_ms == UINT64_MAX ? turn_ms : turn_ms > zero_ms ? turn_ms - zero_ms : 0;
    uint64_t net_ms = net_next_ms(machine->index);
    uint64_t at_ms = turn_ms < net_ms ? turn_ms : net_ms;
    if (machine->request != NULL && machine->request_ms < at_ms) {
        at_ms = machine->request_ms;
    }
    return at_ms > machine->frozen_ms ? at_ms : machine->frozen_ms;
}

static void look_at_request(struct machine *machine)
{
    struct err err = {0};
    if (machine->request == NULL || machine->kb->network->batch != NULL) {
        return;
    }
    bool late = chance.now_ms >= machine->request_ms;
    int rc = client_login_end(machine->kb, &machine->request, late, &err);
    if (rc != E_DEFERRED) {
        chance_note("login", machine->index, (uint64_t)-rc);
        tell("machine %u: %s is %s", machine->index, machine->request_user,
             rc == 0 ? "signed in" : err.text);
    }
}

void machine_turn(struct machine *machine)
{
    struct network_event event = {.kind = NETWORK_TIME};
    struct net_frame *frame = NULL;
    machine->turns++;
    switch (net_take(machine->index, &frame)) {
    case NET_IS_UP:
        event.kind = NETWORK_UP;
        break;
    case NET_IS_DOWN:
        event = (struct network_event){.kind = NETWORK_DOWN, .code = E_UNREACHABLE};
        break;
    case NET_IS_REFUSED:
        event = (struct network_event){.kind = NETWORK_DOWN, .code = E_NOT_ALLOWED};
        break;
    case NET_IS_FRAME:
        event.kind = NETWORK_FRAME;
        event.frame = span_of(frame->bytes, frame->size);
        break;
    case NET_NOTHING:
        break;
    }
    chance_note("turn", machine->index, event.kind);
    if (event.kind == NETWORK_UP || event.kind == NETWORK_DOWN) {
        tell("machine %u: its connection is %s", machine->index,
             event.kind == NETWORK_UP ? "up" : "down");
    }
    network_turn(machine->kb->network, &event);
    free(frame);
    look_at_request(machine);
    if (machine->disk.dead) {
        machine_cut(machine);
    } else {
        checks_machine(machine);
    }
}

void machine_rest(struct machine *machine)
{
    const struct network_event event = {.kind = NETWORK_TIME};
    if (machine->kb->network->batch != NULL) {
        network_turn(machine->kb->network, &event);
    }
    must_hold(machine->kb->network->batch == NULL, "a turn without a frame ends the batch");
}

/* --- people --- */

void machine_login(struct machine *machine, const char *user, const char *const *groups)
{
    struct err err = {0};
    if (machine->request != NULL) {
        return;
    }
    (void)snprintf(machine->request_user, sizeof machine->request_user, "%s", user);
    int rc = client_login_begin(machine->kb, user, groups, &machine->request, &err);
    machine->request_ms = chance.now_ms + LOGIN_MS;
    tell("machine %u: %s signs in%s: %d", machine->index, user,
         groups != NULL && groups[0] != NULL ? " with groups" : "", rc);
}

void machine_logout(struct machine *machine, const char *user)
{
    struct kb_error error = {0};
    int rc = kb_logout(machine->kb, user, &error);
    tell("machine %u: %s signs out: %s", machine->index, user, rc == 0 ? "done" : error.text);
}

/* --- writes --- */

void stamp_begin(void)
{
    last_stamp = 0;
}

uint32_t stamp_next(void)
{
    return ++last_stamp;
}

void stamp_value(uint32_t stamp, uint8_t *out, size_t size)
{
    char text[16];
    ASSERT(size >= 9);
    (void)snprintf(text, sizeof text, "S%08" PRIu32, stamp);
    memset(out, 'a' + (int)(stamp % 26), size);
    memcpy(out, text, 9);
}

static bool may_fail(const struct machine *machine, int rc)
{
    switch (rc) {
    case KB_E_NOT_SIGNED_IN:
    case KB_E_CONDITION:
    case KB_E_BAG_GONE:
    case KB_E_QUOTA:
        return true;
    case KB_E_IO:
    case KB_E_NOSPACE:
        return machine->sick || machine->disk.full;
    default:
        return machine->disk.dead;
    }
}

static void wrote(struct machine *machine, const struct sim_op *op, const struct kb_error *error)
{
    int rc = error->code;
    machine->sick |= rc == KB_E_IO || rc == KB_E_READ_ONLY;
    must_hold(rc == 0 || may_fail(machine, rc), "machine %u takes a write: %s", machine->index,
              error->text);
    if (rc != 0 && !machine->sick && !machine->disk.dead) {
        return; /* refused at once */
    }
    machine->ops[machine->op_count] = *op;
    machine->ops[machine->op_count++].unsure = rc != 0;
}

void machine_write(struct machine *machine, const struct machine_write *write)
{
    static uint8_t bytes[4][1 << 20];
    struct kb_write writes[4] = {0};
    struct kb_write_options options = {
        .size = sizeof options, .has_if_seq = write->has_if_seq, .if_seq = write->if_seq};
    struct sim_op op = {.raw = strstr(write->bag, "/device:") != NULL};
    struct kb_error error = {0};
    if (machine->op_count == MACHINE_OPS_MAX) {
        return;
    }
    for (size_t i = 0; i < write->count; i++) {
        writes[i] = (struct kb_write){.item = write->paths[i], .remove = write->remove[i]};
        if (!write->remove[i]) {
            uint32_t stamp = stamp_next();
            op.stamp = op.stamp == 0 ? stamp : op.stamp;
            op.stamps++;
            stamp_value(stamp, bytes[i], write->sizes[i]);
            writes[i].bytes = bytes[i];
            writes[i].size = write->sizes[i];
        }
    }
    error.code = kb_apply(machine->kb, write->bag, writes, write->count, &options, &op.id, &error);
    tell("machine %u: writes %zu to %s, stamp %" PRIu32 ", op %" PRIu64 ": %s", machine->index,
         write->count, write->bag, op.stamp, op.id, error.code == 0 ? "taken" : error.text);
    wrote(machine, &op, &error);
    chance_note("write", op.id, op.stamp);
    if (machine->disk.dead) {
        machine_cut(machine);
    } else {
        checks_written(machine, write, &op, error.code);
    }
}
