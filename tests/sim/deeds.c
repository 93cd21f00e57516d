/* tests/sim/deeds.c - what people do, and what goes wrong, by chance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/chance.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world.h"

enum { GAP_MS = 200, VALUE_LARGE = 200000 };

static const char *const users[] = {"ann", "Bob", "cid", "Dora"};
static const char *const groups[] = {"red", "blue"};
static const char *const paths[] = {"copy/default", "copy/sides", "copy",   "fax/list/a",
                                    "fax/list/b",   "fax/speed",  "scan/x", "mail"};
static const char *const categories[] = {"copy", "fax", "fax/list", "scan"};

#define SOME(list) ((list)[chance_below(sizeof(list) / sizeof *(list))])

/* --- machines and people --- */

/* One that is on. */
static struct machine *some_machine(void)
{
    struct machine *machine = &machines[chance_below(MACHINES)];
    if (machine->kb == NULL || machine->sick) {
        return NULL;
    }
    machine_rest(machine);
    return machine;
}

static void some_bag(const struct machine *machine, char out[64])
{
    switch (chance_below(8)) {
    case 0:
        (void)snprintf(out, 64, "device:%016" PRIx64, machine->device);
        break;
    case 1:
        (void)snprintf(out, 64, "user:%s/device:%016" PRIx64, SOME(users), machine->device);
        break;
    case 2:
        (void)snprintf(out, 64, "group:%s", SOME(groups));
        break;
    default:
        (void)snprintf(out, 64, "user:%s", SOME(users));
        break;
    }
}

static size_t some_size(void)
{
    size_t large = world.large ? VALUE_LARGE : 3000;
    return 9 + (size_t)(chance_percent(5) ? chance_below(large) : chance_below(60));
}

static void write_some(void)
{
    struct machine *machine = some_machine();
    struct machine_write write = {.count = chance_percent(70) ? 1 : 1 + chance_below(4)};
    char bag[64];
    if (machine == NULL) {
        return;
    }
    some_bag(machine, bag);
    write.bag = bag;
    size_t first = chance_below(8);
    for (size_t i = 0; i < write.count; i++) {
        write.paths[i] = paths[(first + i) % 8];
        write.remove[i] = chance_percent(20);
        write.sizes[i] = some_size();
    }
    if (chance_percent(15)) {
        struct kb_value value = {0};
        write.has_if_seq = true;
        if (kb_get(machine->kb, bag, write.paths[0], &value, NULL) == 0) {
            write.if_seq = value.seq;
            kb_value_free(&value);
        }
    }
    machine_write(machine, &write);
}

static void write_many(void)
{
    for (uint64_t i = chance_below(12); i > 0; i--) {
        write_some();
    }
}

static void sign_in(void)
{
    struct machine *machine = some_machine();
    const char *wanted[3] = {NULL, NULL, NULL};
    if (machine != NULL) {
        size_t count = (size_t)chance_below(3);
        for (size_t i = 0; i < count; i++) {
            wanted[i] = groups[i];
        }
        machine_login(machine, SOME(users), wanted);
    }
}

static void sign_out(void)
{
    struct machine *machine = some_machine();
    if (machine != NULL) {
        machine_logout(machine, SOME(users));
    }
}

/* --- administrators --- */

static void some_owner(struct owner *owner)
{
    char text[64];
    struct err err = {0};
    switch (chance_below(6)) {
    case 0:
        (void)snprintf(text, sizeof text, "fleet");
        break;
    case 1:
        (void)snprintf(text, sizeof text, "group:%s", SOME(groups));
        break;
    case 2:
        (void)snprintf(text, sizeof text, "user:%s/device:%016" PRIx64, SOME(users),
                       machines[chance_below(MACHINES)].device);
        break;
    default:
        (void)snprintf(text, sizeof text, "user:%s", SOME(users));
        break;
    }
    must_hold(owner_parse(owner, text, &err) == 0, "an owner: %s", err.text);
}

static void admin_writes(void)
{
    static uint8_t bytes[2][VALUE_LARGE + 64];
    struct operation_write writes[2] = {0};
    struct submit submit = {.kind = SUBMIT_WRITE, .create = true, .writes = writes};
    submit.write_count = 1 + chance_below(2);
    size_t first = chance_below(8);
    for (size_t i = 0; i < submit.write_count; i++) {
        size_t size = some_size();
        writes[i].path = span_str(paths[(first + i) % 8]);
        writes[i].remove = chance_percent(15);
        if (!writes[i].remove) {
            stamp_value(stamp_next(), bytes[i], size);
            writes[i].value = span_of(bytes[i], size);
        }
    }
    some_owner(&submit.owner);
    tell("admin: writes");
    server_submit(&submit);
}

/* Megabytes, so that the journal begins a new segment and can let go of an old one. */
static void admin_fills(void)
{
    static uint8_t bytes[1 << 20];
    char names[3][32];
    struct operation_write writes[3] = {0};
    struct submit submit = {.kind = SUBMIT_WRITE, .create = true, .writes = writes};
    struct err err = {0};
    stamp_value(stamp_next(), bytes, sizeof bytes);
    submit.write_count = 3;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(names[i], sizeof names[i], "ballast/%" PRIu64, world.steps * 3 + i);
        writes[i].path = span_str(names[i]);
        writes[i].value = span_of(bytes, sizeof bytes - i);
    }
    must_hold(owner_parse(&submit.owner, "group:ballast", &err) == 0, "an owner: %s", err.text);
    tell("admin: writes megabytes");
    server_submit(&submit);
}

static void admin_deletes(void)
{
    struct submit submit = {.kind = SUBMIT_DELETE};
    do {
        some_owner(&submit.owner);
    } while (submit.owner.kind == OWNER_FLEET);
    tell("admin: deletes %s", submit.owner.shown);
    server_submit(&submit);
}

static void admin_fences(void)
{
    struct span except = span_str("fax/list");
    struct submit submit = {.kind = chance_percent(60) ? SUBMIT_FENCE : SUBMIT_LIFT,
                            .layer = chance_percent(70) ? FENCE_SHARED : FENCE_DEVICE,
                            .category = span_str(SOME(categories))};
    if (submit.kind == SUBMIT_FENCE && span_equal(submit.category, span_str("fax")) &&
        chance_percent(50)) {
        submit.except = &except;
        submit.except_count = 1;
    }
    tell("admin: %s", submit.kind == SUBMIT_FENCE ? "sets a fence" : "lifts a fence");
    server_submit(&submit);
}

/* What can be switched, and "copy/sides", which can't, within "copy", which can. */
static const struct {
    const char *path;
    struct category row;
} rows[] = {
    {"copy", {.class = SHARING_DEFAULT_SETTINGS, .has_flag = true}},
    {"copy/sides", {.class = SHARING_OTHER}},
    {"fax/list", {.class = SHARING_PREVIOUS_SETTINGS, .has_flag = true, .count_max = 1}},
    {"mail", {.class = SHARING_TIMELINE, .has_flag = true, .default_device = true}},
    {"scan", {.class = SHARING_SHARED_BUTTONS, .has_flag = true}},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void admin_has_catalogue(void)
{
    static char paths_of[ROWS + 1][64];
    static struct buf values[ROWS];
    struct operation_write writes[ROWS + 1] = {0};
    struct submit submit = {.kind = SUBMIT_WRITE, .writes = writes, .write_count = ROWS + 1};
    submit.owner.kind = OWNER_FLEET;
    for (size_t i = 0; i < ROWS; i++) {
        struct category row = rows[i].row;
        row.title = row.title_ja = rows[i].path;
        buf_init(&values[i], 256);
        sharing_put_category(&values[i], &row);
        (void)snprintf(paths_of[i], sizeof paths_of[i], "%s%s", SHARING_CATEGORY, rows[i].path);
        writes[i].path = span_str(paths_of[i]);
        writes[i].value = buf_span(&values[i]);
    }
    writes[ROWS].path = SPAN_LITERAL(SHARING_DEFAULT "scan/x");
    writes[ROWS].value = SPAN_LITERAL("a default");
    tell("admin: the catalogue");
    server_submit(&submit);
    for (size_t i = 0; i < ROWS; i++) {
        buf_free(&values[i]);
    }
}

/* One of the newest changes of a flag; 0: there is none. */
static uint64_t some_switch(void)
{
    uint64_t skip = chance_mostly_small(4);
    for (uint64_t seq = model.head; seq > 0; seq--) {
        const char *path = model.changes[seq].path;
        if (path != NULL && strncmp(path, SHARING_FLAG, strlen(SHARING_FLAG)) == 0 && skip-- == 0) {
            return seq;
        }
    }
    return 0;
}

static void admin_switches(void)
{
    struct operation_write writes[2] = {0};
    struct submit submit = {.kind = SUBMIT_SHARING, .writes = writes};
    size_t first = chance_below(ROWS);
    submit.copy = chance_percent(30);
    submit.write_count = 1 + chance_below(2);
    for (size_t i = 0; i < submit.write_count; i++) {
        writes[i].path = span_str(rows[(first + i) % ROWS].path);
        writes[i].value = chance_percent(50) ? SPAN_LITERAL("device") : SPAN_LITERAL("shared");
    }
    tell("admin: switches %s%s", rows[first].path, submit.copy ? ", with a copy" : "");
    server_submit(&submit);
}

static void admin_shares(void)
{
    struct submit submit = {.kind = SUBMIT_SHARING_UNDO};
    if (model.sharing.count == 0) {
        admin_has_catalogue();
    } else if (chance_percent(75)) {
        admin_switches();
    } else if ((submit.undo_seq = some_switch()) != 0) {
        tell("admin: takes back %" PRIu64, submit.undo_seq);
        server_submit(&submit);
    }
}

static void write_record(struct machine *machine, bool removed)
{
    char path[RECORD_PATH_MAX];
    struct buf text;
    struct device_record record = {.id = machine->device, .removed = removed, .name = "a machine"};
    struct operation_write write = {.path = record_device_path(path, machine->device)};
    struct submit submit = {.kind = SUBMIT_WRITE, .writes = &write, .write_count = 1};
    memcpy(record.key, machine->keys.public_key, KEY_SIZE);
    record.keep = (enum device_keep)chance_below(3);
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_device(&text, &record);
    write.value = buf_span(&text);
    submit.owner.kind = OWNER_SERVER;
    tell("admin: machine %u %s", machine->index,
         removed ? "is removed" : device_keep_name(record.keep));
    server_submit(&submit);
    buf_free(&text);
}

static void admin_gives_rights(void)
{
    struct machine *machine = &machines[chance_below(MACHINES)];
    if (!machine->removed && server.up) {
        write_record(machine, false);
    }
}

/* The last of them stay. The record is written until the journal has it. */
static void admin_removes(void)
{
    struct machine *machine = &machines[0];
    if (!machine->removed && chance_percent(10) && server.up) {
        write_record(machine, true);
        machine->removed = true;
    }
}

/* --- the net --- */

static void net_trouble(void)
{
    unsigned machine = (unsigned)chance_below(MACHINES);
    uint64_t until_ms = chance.now_ms + chance_mostly_small(20000);
    if (chance_percent(40)) {
        tell("net: the connection of machine %u breaks", machine);
        net_break(machine);
        return;
    }
    uint64_t sides = 1 + chance_below(3);
    world.partitions++;
    tell("net: machine %u is cut off%s%s", machine, (sides & 1) != 0 ? ", up" : "",
         (sides & 2) != 0 ? ", down" : "");
    if ((sides & 1) != 0) {
        net_block(machine, NET_UP, until_ms);
    }
    if ((sides & 2) != 0) {
        net_block(machine, NET_DOWN, until_ms);
    }
}

static void freeze(void)
{
    struct machine *machine = some_machine();
    if (machine != NULL) {
        machine->frozen_ms = chance.now_ms + chance_mostly_small(15000);
        tell("machine %u: stands still", machine->index);
    }
}

/* --- disks, power, clocks --- */

static void server_trouble(void)
{
    if (!server.up) {
        return;
    }
    switch (chance_below(4)) {
    case 0:
        server.disk.sync_fails = true;
        break;
    case 1:
        server.disk.full = chance_percent(50);
        server.room_low = !server.disk.full || chance_percent(50);
        world.server_full_ms = chance.now_ms + 1 + chance_mostly_small(10000);
        tell("server: there is no room");
        break;
    case 2:
        server.applies_fail = 1;
        break;
    default:
        server_flush();
        break;
    }
}

static void server_falls(void)
{
    if (!server.up) {
        return;
    }
    switch (chance_below(4)) {
    case 0:
        server_stop_clean();
        break;
    case 1:
        server_crash(false);
        break;
    case 2:
        server_crash(true);
        break;
    default: /* in the middle of something */
        server.disk.dies_at = server.disk.calls + 1 + chance_below(12);
        break;
    }
}

static void machine_falls(void)
{
    struct machine *machine = some_machine();
    if (machine == NULL) {
        return;
    }
    switch (chance_below(3)) {
    case 0:
        machine_close(machine);
        break;
    case 1:
        machine_cut(machine);
        break;
    default:
        machine->disk.dies_at = machine->disk.calls + 1 + chance_below(8);
        break;
    }
}

static void machine_trouble(void)
{
    struct machine *machine = some_machine();
    if (machine == NULL) {
        return;
    }
    if (chance_percent(50)) {
        machine->disk.sync_fails = true;
        machine->sick = true; /* what fails is not told in every case */
        return;
    }
    machine->disk.full = true;
    world.machine_full_ms[machine->index] = chance.now_ms + 1 + chance_mostly_small(10000);
    tell("machine %u: there is no room", machine->index);
}

static void roll_back(void)
{
    struct machine *machine = some_machine();
    if (machine == NULL) {
        return;
    }
    machine_close(machine);
    if (machine->backup == NULL || chance_percent(30)) {
        machine_keep_image(machine);
    } else {
        (void)machine_roll_back(machine);
    }
}

static void clock_jumps(void)
{
    struct sim_clock *clock =
        chance_percent(50) ? &server.time : &machines[chance_below(MACHINES)].time;
    int64_t month_ms = INT64_C(31) * 24 * 3600 * 1000;
    clock->jumped_ms = (int64_t)chance_mostly_small(2 * (uint64_t)month_ms) - month_ms;
    tell("a clock jumps");
}

static void housekeeping(void)
{
    if (!server.up || server.disk.dead) {
        return;
    }
    switch (chance_below(5)) {
    case 0:
        server_prepare();
        break;
    case 1:
        server_scrub();
        break;
    default:
        if (chance_percent(50)) {
            server_flush();
        }
        server_retain();
        break;
    }
}

/* --- which --- */

static const bool always = true;
static const struct {
    unsigned weight;
    const bool *enabled;
    void (*act)(void);
} table[] = {
    {300, &always, write_some},
    {30, &always, write_many},
    {60, &always, sign_in},
    {12, &always, sign_out},
    {60, &always, admin_writes},
    {8, &world.large, admin_fills},
    {10, &world.deletes, admin_deletes},
    {15, &world.fences, admin_fences},
    {15, &world.shares, admin_shares},
    {8, &world.rights, admin_gives_rights},
    {5, &world.removals, admin_removes},
    {40, &world.net_faults, net_trouble},
    {10, &world.net_faults, freeze},
    {6, &world.server_crashes, server_falls},
    {6, &world.server_faults, server_trouble},
    {10, &world.machine_cuts, machine_falls},
    {6, &world.machine_faults, machine_trouble},
    {6, &world.rollbacks, roll_back},
    {10, &world.clocks, clock_jumps},
    {20, &world.retains, housekeeping},
};

void deeds_begin(void)
{
    world.deed_ms = chance.now_ms + 1;
}

void deed(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        sum += *table[i].enabled ? table[i].weight : 0;
    }
    uint64_t at = chance_below(sum);
    size_t chosen = 0;
    while (!*table[chosen].enabled || at >= table[chosen].weight) {
        at -= *table[chosen].enabled ? table[chosen].weight : 0;
        chosen++;
    }
    chance_note("deed", chosen, 0);
    table[chosen].act();
    world.deed_ms = chance.now_ms + (chance_percent(30) ? 0 : chance_below(GAP_MS));
    repair();
}
