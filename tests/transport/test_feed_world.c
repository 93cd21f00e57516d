/* tests/transport/test_feed_world.c - a server and its machines in one process, by chance.
 *
 * Frames are lost with their connections at any place, answers come late, replicas lose bags,
 * bags are deleted and made again, tombstones are purged, windows are small. One machine keeps
 * everybody's bags, one mirrors the journal, whose past is dropped now and then, and one means no
 * good. Replicas are damaged unseen. After every step each replica that was not is exactly what the
 * bag was at its cursor; once all is quiet and was compared, all are equal. The same seed gives the
 * same trace.
 */
#include <stdio.h>

#include "tests/transport/toy_hostile.h"

enum { SEEDS = 200, STEPS = 1500, QUIET_STEPS = 60000 };

static struct toy toy;
static struct toy_hostile hostile;

static uint32_t some_size(void)
{
    size_t kind = toy_below(&toy, 40);
    if (kind == 0) {
        return 60000 + (uint32_t)toy_below(&toy, 100000);
    }
    return 8 + (uint32_t)toy_below(&toy, kind < 8 ? 5000 : 60);
}

/* Now and then the fleet's. */
static struct toy_bag *some_bag(void)
{
    return toy_bag_of(&toy, (int)toy_below(&toy, TOY_USERS + 1));
}

static void administrator_writes(void)
{
    uint64_t before = toy.head;
    size_t count = 1 + toy_below(&toy, 5);
    for (size_t i = 0; i < count; i++) {
        const struct toy_bag *bag = some_bag();
        int path = (int)toy_below(&toy, TOY_PATHS);
        if (bag != NULL && toy_below(&toy, 4) == 0) {
            toy_remove(&toy, bag->id, path);
        } else if (bag != NULL) {
            toy_set(&toy, bag->id, path, ++toy.last_stamp, some_size());
        }
    }
    if (toy.head > before) {
        toy_dispatch(&toy, before + 1);
    }
}

static void machine_writes(int number)
{
    struct toy_client *client = &toy.clients[number];
    const struct toy_replica *replica = &client->bags[toy_below(&toy, 8)];
    if (replica->id != 0 && client->op_count + 1 < TOY_OPS / 2) {
        struct toy_op op = {
            .bag_id = replica->id,
            .path = (int)toy_below(&toy, TOY_PATHS),
            .remove = toy_below(&toy, 5) == 0,
            .size = some_size(),
        };
        toy_write(&toy, client, op);
        toy_follow_step(&toy, number, (struct follow_event){.kind = FOLLOW_TICK});
    }
}

static void delete_or_purge(void)
{
    struct toy_bag *bag = some_bag();
    bool may_go = bag != NULL && bag->id != toy.fleet && toy.bags[TOY_BAGS / 2].id == 0;
    if (may_go && toy_below(&toy, 3) == 0) {
        toy_delete(&toy, bag);
    } else if (bag != NULL) {
        toy_purge(bag);
    }
}

static void connect_or_cut(int number)
{
    struct toy_client *client = &toy.clients[number];
    if (client->connecting && toy_below(&toy, 4) != 0) {
        toy_attach(&toy, number);
    } else if (client->connecting || (client->session != TOY_NOBODY && toy_below(&toy, 8) == 0)) {
        toy_down(&toy, number, E_UNREACHABLE);
    }
}

static void pass_time(uint64_t ms)
{
    toy.now_ms += ms;
    for (int i = 0; i < TOY_CLIENTS; i++) {
        if (toy.now_ms >= follow_next_tick(toy.clients[i].follow)) {
            toy_follow_step(&toy, i, (struct follow_event){.kind = FOLLOW_TICK});
        }
    }
    for (int i = 0; i < TOY_SESSIONS; i++) {
        if (toy.sessions[i].feed != NULL) {
            struct feed_event event = {.kind = FEED_TICK};
            event.head_seq = toy.head;
            int client = toy.sessions[i].client;
            bool keeps = client != HOSTILE_CLIENT && toy.clients[client].keeps;
            event.newest_bag = keeps ? toy_newest_bag(&toy) : 0;
            toy_feed_step(&toy, i, event);
        }
    }
}

static void change_state(void)
{
    toy.state = toy.state == WIRE_RUNNING ? WIRE_STOPPED : WIRE_RUNNING;
    for (int i = 0; i < TOY_SESSIONS; i++) {
        if (toy.sessions[i].feed != NULL) {
            struct feed_event event = {.kind = FEED_STATE};
            event.state = toy.state;
            toy_feed_step(&toy, i, event);
        }
    }
}

/* The server's disk was rolled back, as far as this writer goes: what it did may be done again. */
static void lose_writer(int number)
{
    struct toy_writer *writer = toy_writer(&toy, toy.clients[number].writer);
    if (writer != NULL && toy.writer_count < 50 && toy.pending_count == 0) {
        writer->id = 0;
        toy.clients[number].writer_lost = true;
    }
}

static void move_session(int number)
{
    struct toy_session *session = &toy.sessions[number];
    if (session->up.count > 0) {
        toy_arrive_up(&toy, number);
    }
    if (session->feed != NULL && session->wants_turn && toy_below(&toy, 2) == 0) {
        toy_turn(&toy, number);
    }
    if (session->feed != NULL && (session->owes_bag || session->owes_page) &&
        toy_below(&toy, 2) == 0) {
        toy_answer_later(&toy, number);
    }
}

static void move_client(int number)
{
    if (toy_something_comes(&toy, &toy.clients[number])) {
        toy_arrive_down(&toy, number);
    }
}

static void sign_out(int number)
{
    struct toy_client *client = &toy.clients[number];
    struct toy_replica *replica = &client->bags[toy_below(&toy, 8)];
    if (replica->id != 0 && replica->id != toy.fleet && !client->keeps) {
        struct follow_event event = {.kind = FOLLOW_FORGET};
        event.forget.bag_id = replica->id;
        memset(replica, 0, sizeof *replica);
        toy_follow_step(&toy, number, event);
    }
}

/* The server compares what the machine has; and the machine's disk is not what it should be. */
static void damage_or_compare(int number)
{
    struct toy_client *client = &toy.clients[number];
    if (toy_below(&toy, 2) == 0) {
        for (size_t i = toy_below(&toy, 4); i < 8; i++) {
            toy_damage(&client->bags[i], (int)toy_below(&toy, TOY_PATHS));
        }
    } else if (client->phase == FOLLOW_OPEN) {
        toy_tell_bags(&toy, number, false);
    }
}

static void drop_the_past(void)
{
    toy.floor += toy_below(&toy, (size_t)(toy.head - toy.floor + 2));
}

static void take_step(void)
{
    int number = (int)toy_below(&toy, TOY_CLIENTS);
    size_t what = toy_below(&toy, 100);
    if (toy_below(&toy, 5) == 0) {
        hostile_step(&toy, &hostile);
    }
    if (what < 35) {
        move_session((int)toy_below(&toy, 12));
    } else if (what < 60) {
        move_client(number);
    } else if (what < 68) {
        administrator_writes();
    } else if (what < 76) {
        machine_writes(number);
    } else if (what < 82) {
        toy_commit(&toy);
    } else if (what < 86) {
        toy_sign_in(&toy, number, (int)toy_below(&toy, TOY_USERS));
    } else if (what < 91) {
        connect_or_cut(number);
    } else if (what < 97) {
        pass_time(toy_below(&toy, 400));
    } else if (what < 98) {
        delete_or_purge();
    } else if (what < 99) {
        damage_or_compare(number);
    } else if (toy_below(&toy, 8) == 0) {
        drop_the_past();
    } else if (toy_below(&toy, 3) == 0) {
        change_state();
    } else if (toy_below(&toy, 4) == 0) {
        lose_writer(number);
    } else {
        sign_out(number);
    }
}

/* --- after the storm --- */

/* Does the machine have all that it is to have, beside the bags that it follows? */
static bool keeps_all(struct toy_client *client)
{
    for (size_t i = 0; client->keeps && i < TOY_BAGS; i++) {
        if (toy.bags[i].exists && toy_replica(client, toy.bags[i].id) == NULL) {
            return false;
        }
    }
    return !client->mirrors || client->mirror_seq == toy.head;
}

static bool client_is_settled(int number)
{
    struct toy_client *client = &toy.clients[number];
    if (client->phase != FOLLOW_OPEN || client->first_op + client->confirmed != client->op_count ||
        !keeps_all(client)) {
        return false;
    }
    for (size_t i = 0; i < TOY_BAGS; i++) {
        const struct toy_replica *replica = &client->bags[i];
        const struct toy_bag *bag = toy_bag(&toy, replica->id);
        if (replica->id != 0 &&
            (!bag->exists || replica->cursor != bag->last_seq || replica->damaged)) {
            return false;
        }
    }
    return true;
}

static bool all_settled(void)
{
    bool settled = true;
    for (int i = 0; i < TOY_CLIENTS; i++) {
        settled = settled && client_is_settled(i);
    }
    return settled;
}

static void compare_all(void)
{
    for (int i = 0; i < TOY_CLIENTS; i++) {
        if (toy.clients[i].phase == FOLLOW_OPEN) {
            toy_tell_bags(&toy, i, false);
        }
    }
}

static void settle(void)
{
    size_t steps = 0;
    while (!all_settled()) {
        assert_true(steps++ < QUIET_STEPS);
        pass_time(steps % 20 == 0 ? 300 : 1);
        if (steps % 500 == 0) {
            compare_all();
        }
        toy_commit(&toy);
        for (int i = 0; i < TOY_SESSIONS; i++) {
            move_session(i);
        }
        for (int i = 0; i < TOY_CLIENTS; i++) {
            if (toy.clients[i].connecting) {
                toy_attach(&toy, i);
            }
            move_client(i);
        }
    }
}

static void heal(void)
{
    toy.chaos = false;
    if (toy.state != WIRE_RUNNING) {
        change_state();
    }
    settle();
    for (int i = 0; i < TOY_CLIENTS; i++) {
        for (size_t j = 0; j < TOY_BAGS; j++) {
            toy_damage(&toy.clients[i].bags[j], (int)toy_below(&toy, TOY_PATHS));
        }
    }
    compare_all();
    settle();
}

static void check_all_equal(void)
{
    for (int i = 0; i < TOY_CLIENTS; i++) {
        for (size_t j = 0; j < TOY_BAGS; j++) {
            if (toy.clients[i].bags[j].id != 0) {
                toy_check_replica(&toy, &toy.clients[i].bags[j]);
            }
        }
    }
}

/* An operation is done once: its value, which nothing else has, is in one change at most. */
static void check_once(void)
{
    for (int i = 0; i < TOY_CLIENTS; i++) {
        const struct toy_client *client = &toy.clients[i];
        for (size_t j = 0; !client->writer_lost && j < client->op_count; j++) {
            unsigned times = 0;
            for (uint64_t seq = 1; seq <= toy.head; seq++) {
                times += toy.changes[seq].kind == CHANGE_ITEM_SET &&
                         toy.changes[seq].stamp == client->ops[j].stamp;
            }
            assert_true(times <= 1);
            assert_true(client->ops[j].settled);
        }
    }
}

static struct {
    unsigned pages, lives, outcomes, deferrals, renumbered, compared, healed, mirrored, too_old;
    unsigned cut, frames; /* of the hostile one */
} seen;

static void count_seen(void)
{
    for (int i = 0; i < TOY_CLIENTS; i++) {
        seen.pages += toy.clients[i].applied_pages;
        seen.lives += toy.clients[i].applied_lives;
        seen.outcomes += toy.clients[i].outcomes;
        seen.deferrals += toy.clients[i].deferrals;
        seen.renumbered += toy.clients[i].renumbered;
        seen.compared += toy.clients[i].compared;
        seen.healed += toy.clients[i].healed;
        seen.mirrored += toy.clients[i].mirrored;
        seen.too_old += toy.clients[i].too_old;
    }
    seen.cut += hostile.cut;
    seen.frames += hostile.frames;
}

/* `trace` may be NULL. */
static void run(uint64_t seed, struct buf *trace)
{
    static const uint64_t windows[] = {0, 300, 2000, 70000, WIRE_WINDOW_MAX};
    toy_begin(&toy, TOY_CLIENTS, seed, 400000);
    toy.chaos = true;
    toy.trace = trace;
    toy.page_bytes_max = toy_below(&toy, 2) == 0 ? 0 : 2000;
    hostile = (struct toy_hostile){.session = TOY_NOBODY};
    toy.floor = 1;
    toy.fleet = toy_create(&toy, TOY_FLEET);
    for (int i = 0; i < TOY_USERS; i++) {
        (void)toy_create(&toy, i);
    }
    toy.clients[2].mirrors = true;
    toy.clients[3].keeps = true;
    for (int i = 0; i < TOY_CLIENTS; i++) {
        toy.clients[i].window = windows[toy_below(&toy, sizeof windows / sizeof *windows)];
        toy_follow_step(&toy, i, (struct follow_event){.kind = FOLLOW_START});
    }
    for (int i = 0; i < STEPS; i++) {
        take_step();
    }
    heal();
    check_all_equal();
    check_once();
    count_seen();
    hostile_end(&hostile);
}

static void all_replicas_agree(void **state)
{
    (void)state;
    const char *text = getenv("KITBAG_SEEDS");
    uint64_t seeds = text != NULL ? strtoull(text, NULL, 10) : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run(seed, NULL);
        toy_end(&toy);
    }
    (void)printf("seeds %d: pages %u, live %u, compared %u, healed %u, mirrored %u, too old %u\n",
                 (int)seeds, seen.pages, seen.lives, seen.compared, seen.healed, seen.mirrored,
                 seen.too_old);
    /* The storm has reached what it is to reach. */
    assert_true(seen.pages > 10 * seeds && seen.lives > 10 * seeds);
    assert_true(seen.outcomes > 10 * seeds && seen.deferrals > seeds);
    assert_true(seen.renumbered > 0);
    assert_true(seen.compared > 10 * seeds && seen.healed > 4 * seeds);
    assert_true(seen.cut > seeds && seen.frames > 50 * seeds);
    assert_true(seen.mirrored > 10 * seeds && seen.too_old > seeds / 10);
}

static void trace_run(struct buf *trace, uint64_t seed)
{
    buf_init(trace, 64 << 20);
    run(seed, trace);
    toy_end(&toy);
    assert_int_equal(buf_error(trace), 0);
}

static void same_seed_same_trace(void **state)
{
    (void)state;
    struct buf first;
    struct buf second;
    trace_run(&first, 7);
    trace_run(&second, 7);
    assert_true(first.size > 10000);
    assert_true(span_equal(buf_span(&first), buf_span(&second)));
    buf_free(&first);
    buf_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_replicas_agree),
        cmocka_unit_test(same_seed_same_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
