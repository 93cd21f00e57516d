/* tests/sim/server.c - rounds, starts and ends of the server. */
#include "tests/sim/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/applier.h"
#include "tests/sim/chance.h"
#include "tests/sim/checks.h"
#include "tests/sim/control.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"

enum { TICK_MS = 100, RECEIVE_MAX = 64, TURNS = 8, WRITES_MAX = 16 };

struct server_side server;

/* The committer's applier has no thread here. */
static struct applier *applier;
int __real_applier_start(struct applier **out, const struct applier_options *options, uint64_t seq,
                         struct err *err);
int __wrap_applier_start(struct applier **out, const struct applier_options *options, uint64_t seq,
                         struct err *err);
bool __real_applier_apply_here(struct applier *it, struct draft *draft);
bool __wrap_applier_apply_here(struct applier *it, struct draft *draft);

int __wrap_applier_start(struct applier **out, const struct applier_options *options, uint64_t seq,
                         struct err *err)
{
    struct applier_options driven = *options;
    driven.driven = true;
    int rc = __real_applier_start(out, &driven, seq, err);
    applier = rc == 0 ? *out : NULL;
    return rc;
}

/* As if it were at something else. */
bool __wrap_applier_apply_here(struct applier *it, struct draft *draft)
{
    return !chance_percent(server.lag_percent) && __real_applier_apply_here(it, draft);
}

/* --- clocks --- */

static uint64_t wall_ms(void *context)
{
    const struct sim_clock *clock = context;
    return (uint64_t)((int64_t)(UINT64_C(1700000000000) + chance.now_ms) + clock->jumped_ms);
}

static uint64_t mono_ms(void *context)
{
    (void)context;
    return 100000 + chance.now_ms;
}

void sim_clock_init(struct sim_clock *clock)
{
    *clock = (struct sim_clock){.clock = {wall_ms, mono_ms, clock}};
}

/* --- what is submitted --- */

struct pending {
    struct pending *next;
    struct submit submit;
    struct operation_write writes[WRITES_MAX];
    struct span except[4];
    uint8_t bytes[];
};
static struct pending *pendings;

static struct span put(uint8_t **at, struct span bytes)
{
    struct span out = span_of(*at, bytes.size);
    if (bytes.size > 0) {
        memcpy(*at, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return out;
}

static struct pending *pending_of(const struct submit *submit)
{
    size_t size = submit->category.size;
    must_hold(submit->write_count <= WRITES_MAX && submit->except_count <= 4, "a submit is small");
    for (size_t i = 0; i < submit->write_count; i++) {
        size += submit->writes[i].path.size + submit->writes[i].value.size;
    }
    for (size_t i = 0; i < submit->except_count; i++) {
        size += submit->except[i].size;
    }
    struct pending *made = calloc(1, sizeof *made + size);
    must_hold(made != NULL, "there is memory");
    uint8_t *at = made->bytes;
    made->submit = *submit;
    for (size_t i = 0; i < submit->write_count; i++) {
        made->writes[i] = submit->writes[i];
        made->writes[i].path = put(&at, submit->writes[i].path);
        made->writes[i].value = put(&at, submit->writes[i].value);
    }
    for (size_t i = 0; i < submit->except_count; i++) {
        made->except[i] = put(&at, submit->except[i]);
    }
    made->submit.category = put(&at, submit->category);
    made->submit.writes = made->writes;
    made->submit.except = made->except;
    return made;
}

void server_submit(struct submit *submit)
{
    if (!server.up) {
        return;
    }
    struct pending *made = pending_of(submit);
    made->submit.actor = "admin";
    made->next = pendings;
    pendings = made;
    chance_note("submit", made->submit.kind, made->submit.write_count);
    must_hold(committer_submit(server.committer, &made->submit, made, 0) == 0,
              "a submit is answered");
    server.more_work = true;
}

void server_join(const uint8_t token[KEY_SIZE], const uint8_t key[KEY_SIZE], const char *name)
{
    struct join join = {.session = 1, /* nobody's */
                        .token = token,
                        .public_key = key,
                        .name = span_str(name),
                        .serial = SPAN_LITERAL("S-1"),
                        .model = SPAN_LITERAL("M"),
                        .software = SPAN_LITERAL("sim")};
    server.joined = 0;
    committer_join(server.committer, &join);
    server.more_work = true;
}

static void take_pending(struct pending *gone)
{
    struct pending **at = &pendings;
    while (*at != gone) {
        at = &(*at)->next;
    }
    *at = gone->next;
}

bool server_rests(void)
{
    return pendings == NULL;
}

static void submitted(const struct reply *reply)
{
    struct pending *done = reply->ticket;
    take_pending(done);
    if (!server.disk.dead) {
        model_follow();
        checks_submitted(&done->submit, reply);
        server.submits_done += reply->code == 0 ? 1 : 0;
    }
    free(done);
}

/* --- what the committer delivers --- */

static void on_device(void *context, uint64_t device)
{
    (void)context;
    if (control == CONTROL_KEEPS_REMOVED) {
        model_follow();
        if (model_removed(device, model.head)) {
            return;
        }
    }
    sessions_device_changed(server.sessions, device);
}

static void on_replies(void *context, const struct reply *replies, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        if (replies[i].kind == REPLY_SUBMITTED) {
            submitted(&replies[i]);
            continue;
        }
        if (replies[i].kind == REPLY_JOINED) {
            server.joined = replies[i].code == 0 ? replies[i].id : 0;
        }
        sessions_replies(server.sessions, &replies[i], 1);
    }
}

static void on_changes(void *context, const struct change *changes, size_t count,
                       const struct journal_position *head)
{
    (void)context;
    sessions_changes(server.sessions, changes, count, head);
}

static int apply(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err)
{
    if (server.applies_fail > 0) {
        server.applies_fail--;
        return err_set(err, E_IO, "the state's disk fails");
    }
    return kv_apply(kv, changes, count, hash, err);
}

static bool has_room(void *context)
{
    (void)context;
    return !server.room_low;
}

static bool on_idle(void *context, struct kv *kv)
{
    return upkeep_work(context, kv);
}

/* --- the sockets --- */

static int port_send(void *context, const struct peer *peer, struct span bytes)
{
    (void)context;
    if (server.disk.dead) {
        return 0; /* nothing leaves any more */
    }
    model_follow();
    checks_sent(net_conn_of(peer), bytes);
    return net_send_down(peer, bytes);
}

static void port_cut(void *context, const struct peer *peer)
{
    (void)context;
    net_cut(peer);
}

static const char *port_address(void *context, const struct peer *peer)
{
    (void)context;
    (void)peer;
    return "192.0.2.1:9";
}

bool server_is_up(void)
{
    return server.up;
}

bool server_admits(const uint8_t key[KEY_SIZE])
{
    return registry_peer(server.registry, key).kind != REGISTRY_NOBODY;
}

/* --- opening --- */

static const struct recovery_options recovery = {.dir = "server",
                                                 .segment_bytes = 8 << 20,
                                                 .memtable_bytes = 64 << 20,
                                                 .cache_bytes = 4 << 20,
                                                 .disk = &server.disk.disk};

static int open_committer(struct err *err)
{
    struct committer_options options = {
        .journal = server.open.journal,
        .kv = server.open.kv,
        .registry = server.registry,
        .limits = {.items_per_bag = 200, .bytes_per_bag = 64 << 20, .users = 100},
        .clock = &server.time.clock,
        .sink = {on_device, on_replies, on_changes, NULL},
        .has_room = has_room,
        .idle = on_idle,
        .idle_context = server.upkeep,
        .apply = apply,
    };
    int rc = committer_new(&server.committer, &options, err);
    return rc != 0 ? rc
                   : registry_load(server.registry, server.open.kv,
                                   committer_server_bag(server.committer), err);
}

static int open_sessions(struct err *err)
{
    struct sessions_options options = {
        .port = {port_send, port_cut, port_address, NULL},
        .committer = server.committer,
        .registry = server.registry,
        .journal = server.open.journal,
        .clock = &server.time.clock,
        .seen = server.seen,
        .heartbeat_ms = 2000,
        .bags_max = 1000,
        .bags_max_kept = 2000,
        .sessions_max = 100,
        .budget_bytes = 8 << 20,
    };
    return sessions_new(&server.sessions, &options, err);
}

static int open_retaining(struct err *err)
{
    struct retaining_options options = {
        .settings = {.journal_keep_ms = 20000,
                     .tombstones_keep_ms = 8000,
                     .undo_keep_ms = 5000,
                     .devices_active_ms = 30000},
        .journal = server.open.journal,
        .kv = server.open.kv,
        .seen = server.seen,
        .upkeep = server.upkeep,
    };
    return retaining_new(&server.retaining, &options, err);
}

static int open_all(struct err *err)
{
    int rc = recovery_open(&server.open, &recovery, err);
    rc = rc != 0 ? rc : registry_new(&server.registry);
    rc = rc != 0 ? rc : seen_new(&server.seen);
    rc = rc != 0 ? rc : seen_load(server.seen, server.open.kv, err);
    rc = rc != 0 ? rc : upkeep_new(&server.upkeep);
    rc = rc != 0 ? rc : open_committer(err);
    rc = rc != 0 ? rc : open_sessions(err);
    return rc != 0 ? rc : open_retaining(err);
}

static void close_all(bool clean)
{
    retaining_free(&server.retaining);
    sessions_free(&server.sessions);
    committer_free(&server.committer);
    upkeep_free(&server.upkeep);
    seen_free(&server.seen);
    registry_free(&server.registry);
    kv_close(&server.open.kv, clean);
    journal_close(&server.open.journal, clean);
    server.open = (struct recovered){0};
}

void server_open(void)
{
    struct err err = {0};
    server.flushed_seq = 0;
    int rc = open_all(&err);
    if (rc != 0 && (server.disk.dead || server.disk.full)) {
        tell("server: does not open: %s", err.text);
        close_all(false); /* the power went again, or there is no room: later */
        if (server.disk.dead) {
            sim_disk_cut(&server.disk);
        }
        return;
    }
    must_hold(rc == 0, "the server opens: %s", err.text);
    server.up = true;
    server.starts++;
    server.state = committer_state(server.committer);
    server.tick_ms = chance.now_ms;
    tell("server: open, %" PRIu64 " replayed", server.open.replayed);
    model_reopen(server.open.journal);
}

void server_begin(void)
{
    server = (struct server_side){0};
    sim_disk_init(&server.disk);
    sim_clock_init(&server.time);
    server.disk.lies = control == CONTROL_SERVER_DISK_LIES;
    server_open();
}

static void forget_pendings(void)
{
    while (pendings != NULL) {
        struct pending *gone = pendings;
        pendings = gone->next;
        free(gone);
    }
}

static void down(bool clean)
{
    model_close();
    server.up = false;
    close_all(clean);
    forget_pendings();
    net_server_ended();
}

void server_stop_clean(void)
{
    bool clean = committer_state(server.committer) == COMMITTER_RUNNING;
    tell("server: stops");
    sessions_end_all(server.sessions, E_CLOSED, "the server is shutting down");
    down(clean);
    sim_disk_revive(&server.disk);
}

void server_crash(bool power)
{
    tell("server: crashes%s", power ? ", without power" : "");
    if (!server.disk.dead) {
        model_follow();
    }
    server.crashes++;
    server.disk.dead = true; /* what is closed now leaves no trace */
    down(false);
    if (power) {
        sim_disk_cut(&server.disk);
    } else {
        sim_disk_revive(&server.disk);
    }
}

void server_end(void)
{
    if (server.up) {
        server_stop_clean();
    }
    sim_disk_free(&server.disk);
    server = (struct server_side){0};
}

/* --- rounds --- */

uint64_t server_next_ms(void)
{
    if (!server.up) {
        return UINT64_MAX;
    }
    if (server.more_work || committer_waiting(server.committer)) {
        return 0;
    }
    uint64_t tick_ms = server.tick_ms + TICK_MS;
    uint64_t frame_ms = net_server_next_ms();
    return frame_ms < tick_ms ? frame_ms : tick_ms;
}

static void receive(void)
{
    size_t most = 1 + chance_below(RECEIVE_MAX);
    for (size_t i = 0; i < most; i++) {
        struct conn *conn = NULL;
        struct net_frame *frame = net_server_take(&conn);
        if (frame == NULL) {
            return;
        }
        struct peer peer = net_peer_of(conn);
        sessions_message(server.sessions, &peer, conn->key, span_of(frame->bytes, frame->size));
        free(frame);
    }
}

static void recover(void)
{
    struct err err = {0};
    uint64_t replayed = 0;
    tell("server: the state is opened again");
    server.recoveries++;
    retaining_free(&server.retaining);
    sessions_end_all(server.sessions, E_READ_ONLY, err_meaning(E_READ_ONLY));
    int rc = committer_release(server.committer, &err);
    must_hold(rc == 0, "the committer lets go of the state: %s", err.text);
    kv_close(&server.open.kv, false);
    rc = recovery_open_state(&server.open.kv, server.open.journal, &recovery, &replayed, &err);
    rc = rc != 0 ? rc
                 : registry_load(server.registry, server.open.kv,
                                 committer_server_bag(server.committer), &err);
    must_hold(rc == 0, "the state opens again: %s", err.text);
    committer_recovered(server.committer, server.open.kv);
    must_hold(open_retaining(&err) == 0, "retention begins again: %s", err.text);
}

static void look_at_state(void)
{
    enum committer_state state = committer_state(server.committer);
    if (state == server.state) {
        return;
    }
    tell("server: %s", committer_state_text(server.committer));
    sessions_state_changed(server.sessions);
    if (state == COMMITTER_BEHIND && !server.disk.dead) {
        recover();
    }
    server.state = committer_state(server.committer);
}

void server_round(void)
{
    server.rounds++;
    server.more_work = false;
    checks_round_begins();
    receive();
    committer_commit(server.committer);
    committer_deliver(server.committer);
    look_at_state();
    if (sessions_turns(server.sessions, TURNS)) {
        server.more_work = true;
    }
    if (chance.now_ms >= server.tick_ms + TICK_MS) {
        server.tick_ms = chance.now_ms;
        sessions_tick(server.sessions);
        if (server.state == COMMITTER_RUNNING) {
            committer_idle(server.committer);
        }
    }
    if (!server.disk.dead && !chance_percent(server.lag_percent)) {
        (void)applier_step(applier);
    }
    if (server.disk.dead) {
        server_crash(true);
        return;
    }
    model_follow();
    checks_round_ends();
}

/* --- housekeeping --- */

void server_flush(void)
{
    uint64_t flushed_seq = 0;
    struct err err = {0};
    must_hold(kv_flush(server.open.kv, &flushed_seq, &err) == 0, "the state is flushed: %s",
              err.text);
    server.flushed_seq = flushed_seq;
    must_hold(seen_save(server.seen, server.open.kv, &err) == 0, "positions are noted: %s",
              err.text);
}

void server_prepare(void)
{
    struct err err = {0};
    int rc = journal_prepare(server.open.journal, &err);
    tell("server: prepares a segment: %s", rc == 0 ? "done" : err.text);
}

void server_retain(void)
{
    struct err err = {0};
    struct retaining_now now = {.wall_ms = clock_wall_ms(&server.time.clock),
                                .flushed_seq = server.flushed_seq,
                                .clock_held = chance_percent(20),
                                .room_low = chance_percent(20)};
    int rc = retaining_round(server.retaining, &now, &err);
    must_hold(rc == 0 || server.disk.dead || server.disk.full, "retention works: %s", err.text);
    tell("server: retention, the journal begins at %" PRIu64, journal_floor(server.open.journal));
}

static void wrong_bag(void *context, const struct kv_wrong *wrong)
{
    (void)context;
    must_hold(false, "the state's bag %" PRIu64 " is what its rows say: %s", wrong->bag_id,
              wrong->text);
}

void server_scrub(void)
{
    uint64_t next = 0;
    uint64_t checked = 0;
    uint64_t wrong = 0;
    struct err err = {0};
    must_hold(kv_scrub(server.open.kv, &next, 1 << 30, &checked, &wrong, wrong_bag, NULL, &err) ==
                  0,
              "the state can be scrubbed: %s", err.text);
}
