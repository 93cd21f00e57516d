/* bench/fleet.c - child processes full of machines, and the orders they get. */
#include "bench/fleet.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/load.h"

enum {
    MACHINE_BAGS = FLEET_BAGS + 2, /* the device's and the fleet's as well */
    AT_ONCE = 64,                  /* that enroll or sign in at the same moment */
    TOKENS_AT_ONCE = 1000,
    BEAT_MS = 3000,
    PATIENCE_MS = 600000, /* thousands of machines, on a busy computer */
};

struct machine {
    struct bench_peer peer;
    bool open;
    struct peer_identity identity;
    char *token;
    uint64_t bags[MACHINE_BAGS];
    uint64_t cursors[MACHINE_BAGS];
    bool complete[MACHINE_BAGS];
    size_t bag_count;
    size_t waiting; /* answers or bags */
};

/* One child. */
struct crew {
    struct machine *machines;
    size_t count;
    size_t first; /* number of its first machine in the fleet */
    size_t all;   /* machines of the fleet */
    void *zmq;
    struct load load;
    enum fleet_order order;
    size_t next; /* that has not begun */
    size_t begun;
    size_t done;
};

/* --- what one machine does --- */

static void follow(struct machine *machine)
{
    struct wire_bag list[MACHINE_BAGS];
    for (size_t i = 0; i < machine->bag_count; i++) {
        list[i] = (struct wire_bag){machine->bags[i], machine->cursors[i]};
        machine->complete[i] = false;
    }
    machine->waiting = machine->bag_count;
    wire_put_follow(&machine->peer.out, machine->peer.session, list, machine->bag_count);
    peer_send(&machine->peer);
}

static void sign_in(struct crew *crew, struct machine *machine)
{
    char user[32];
    size_t self = crew->first + (size_t)(machine - crew->machines);
    machine->waiting = FLEET_BAGS;
    for (size_t i = 0; i < FLEET_BAGS; i++) {
        (void)snprintf(user, sizeof user, FLEET_USER, (self + i * 7919) % crew->all);
        wire_put_sign_in(&machine->peer.out, machine->peer.session, i, span_str(user), NULL, 0, 0);
        peer_send(&machine->peer);
    }
}

static void finish(struct crew *crew, struct machine *machine)
{
    crew->done++;
    crew->begun--;
    if (crew->order == FLEET_ENROLL || crew->order == FLEET_SIGN_IN) {
        peer_close(&machine->peer);
        machine->open = false;
    }
}

static void bag_complete(struct crew *crew, struct machine *machine, uint64_t bag_id,
                         uint64_t cursor)
{
    for (size_t i = 0; i < machine->bag_count; i++) {
        if (machine->bags[i] == bag_id) {
            machine->cursors[i] = cursor;
            if (!machine->complete[i] && machine->waiting > 0) {
                machine->complete[i] = true;
                if (--machine->waiting == 0) {
                    finish(crew, machine);
                }
            }
            return;
        }
    }
}

static void welcome(struct crew *crew, struct machine *machine, const struct wire_message *message)
{
    machine->peer.session = message->session;
    machine->bags[0] = message->welcome.fleet_bag;
    machine->bags[1] = message->welcome.device_bag;
    machine->bag_count = machine->bag_count < 2 ? 2 : machine->bag_count;
    if (crew->order == FLEET_SIGN_IN) {
        sign_in(crew, machine);
    } else if (crew->order == FLEET_RECONNECT) {
        follow(machine);
    } else {
        finish(crew, machine);
    }
}

static void take(struct crew *crew, struct machine *machine, const struct wire_message *message)
{
    switch (message->type) {
    case WIRE_JOINED:
        machine->identity.device = message->joined.device;
        finish(crew, machine);
        break;
    case WIRE_WELCOME:
        welcome(crew, machine, message);
        break;
    case WIRE_SIGNED_IN:
        if (message->signed_in.code != 0 || machine->bag_count == MACHINE_BAGS) {
            bench_fail("signing in was refused", NULL);
        }
        machine->bags[machine->bag_count++] = wire_owner_at(&message->signed_in.bags, 0).bag_id;
        if (--machine->waiting == 0) {
            finish(crew, machine);
        }
        break;
    case WIRE_PAGE:
        if ((message->page.flags & WIRE_PAGE_LAST) != 0) {
            bag_complete(crew, machine, message->page.bag_id, message->page.cursor);
        }
        break;
    case WIRE_BAG:
        if (message->bag.code != 0) {
            bench_fail("a bag was refused", NULL);
        }
        bag_complete(crew, machine, message->bag.bag_id, message->bag.last_seq);
        break;
    default:
        break;
    }
}

static void receive(struct crew *crew, struct machine *machine)
{
    struct wire_message message;
    while (machine->open && peer_try(&machine->peer, &message)) {
        take(crew, machine, &message);
    }
}

/* --- a child --- */

static void begin(struct crew *crew, struct machine *machine)
{
    crew->begun++;
    if (crew->order == FLEET_FOLLOW) {
        follow(machine);
    } else {
        if (crew->order == FLEET_ENROLL) {
            peer_begin_join(&machine->peer, crew->zmq, machine->token, &machine->identity);
        } else {
            peer_begin_open(&machine->peer, crew->zmq, &machine->identity);
        }
        machine->open = true;
        load_add(&crew->load, &machine->peer, (size_t)(machine - crew->machines));
    }
    receive(crew, machine); /* sending may have swallowed the news of an answer */
}

static void beat(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct machine *machine = &crew->machines[i];
        if (machine->open && machine->peer.session != 0) {
            peer_heartbeat(&machine->peer);
            receive(crew, machine);
        }
    }
}

static void disconnect(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->machines[i].open) {
            peer_close(&crew->machines[i].peer);
            crew->machines[i].open = false;
        }
    }
}

/* One pass: what came, heartbeats, more machines when few are at it. */
static void turn(struct crew *crew, uint64_t *beat_ms)
{
    size_t ready[LOAD_READY_MAX];
    bool slowly = crew->order == FLEET_ENROLL || crew->order == FLEET_SIGN_IN;
    size_t found = load_wait(&crew->load, ready, crew->done < crew->count ? 10 : 100);
    for (size_t i = 0; i < found; i++) {
        receive(crew, &crew->machines[ready[i]]);
    }
    while (crew->next < crew->count && (!slowly || crew->begun < AT_ONCE)) {
        begin(crew, &crew->machines[crew->next++]);
    }
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (now_ms - *beat_ms >= BEAT_MS) {
        *beat_ms = now_ms;
        beat(crew);
    }
}

static _Noreturn void run_child(struct crew *crew, int orders, int answers)
{
    struct pollfd poll_orders = {.fd = orders, .events = POLLIN};
    uint64_t beat_ms = clock_mono_ns() / 1000000;
    uint64_t since_ms = beat_ms;
    bool told = true;
    crew->zmq = zmq_ctx_new();
    (void)zmq_ctx_set(crew->zmq, ZMQ_MAX_SOCKETS, (int)crew->count + 16);
    load_open(&crew->load);
    crew->done = crew->next = crew->count;
    for (;;) {
        uint8_t order = FLEET_END;
        if (poll(&poll_orders, 1, 0) > 0) {
            if (read(orders, &order, 1) != 1 || order == FLEET_END) {
                _exit(0);
            }
            crew->order = (enum fleet_order)order;
            crew->next = crew->done = crew->begun = 0;
            told = false;
            since_ms = clock_mono_ns() / 1000000;
            if (crew->order == FLEET_DISCONNECT) {
                disconnect(crew);
                crew->next = crew->done = crew->count;
            }
        }
        turn(crew, &beat_ms);
        if (!told && crew->done == crew->count) {
            told = write(answers, &order, 1) == 1;
        } else if (!told && clock_mono_ns() / 1000000 - since_ms > PATIENCE_MS) {
            (void)fprintf(stderr, "kitbag-bench: %zu of %zu machines are done\n", crew->done,
                          crew->count);
            bench_fail("a fleet takes too long", NULL);
        }
    }
}

/* --- the fleet --- */

void fleet_start(struct fleet *fleet, const struct bench_server *server, size_t machines)
{
    char **tokens = calloc(machines, sizeof *tokens);
    ASSERT(tokens != NULL);
    for (size_t done = 0; done < machines; done += TOKENS_AT_ONCE) {
        size_t left = machines - done;
        server_tokens(server, &tokens[done], left < TOKENS_AT_ONCE ? left : TOKENS_AT_ONCE);
    }
    for (size_t i = 0, first = 0; i < FLEET_CHILDREN; i++) {
        int to[2];
        int from[2];
        struct crew crew = {.first = first, .all = machines};
        crew.count = (machines - first) / (FLEET_CHILDREN - i);
        first += crew.count;
        if (pipe(to) != 0 || pipe(from) != 0) {
            bench_fail("a pipe", NULL);
        }
        fleet->children[i].pid = fork();
        if (fleet->children[i].pid == 0) {
            (void)close(to[1]);
            crew.machines = calloc(crew.count, sizeof *crew.machines);
            ASSERT(crew.machines != NULL);
            for (size_t at = 0; at < crew.count; at++) {
                crew.machines[at].token = tokens[crew.first + at];
            }
            run_child(&crew, to[0], from[1]);
        }
        (void)close(to[0]);
        (void)close(from[1]);
        fleet->children[i].to = to[1];
        fleet->children[i].from = from[0];
    }
    for (size_t i = 0; i < machines; i++) {
        free(tokens[i]);
    }
    free(tokens);
}

double fleet_do(struct fleet *fleet, enum fleet_order order)
{
    uint8_t byte = (uint8_t)order;
    uint64_t before = clock_mono_ns();
    for (size_t i = 0; i < FLEET_CHILDREN; i++) {
        if (write(fleet->children[i].to, &byte, 1) != 1) {
            bench_fail("a part of the fleet is gone", NULL);
        }
    }
    for (size_t i = 0; i < FLEET_CHILDREN; i++) {
        if (read(fleet->children[i].from, &byte, 1) != 1) {
            bench_fail("a part of the fleet is gone", NULL);
        }
    }
    return (double)(clock_mono_ns() - before) / 1e6;
}

void fleet_stop(struct fleet *fleet)
{
    for (size_t i = 0; i < FLEET_CHILDREN; i++) {
        uint8_t end = FLEET_END;
        if (write(fleet->children[i].to, &end, 1) != 1) {
            (void)fprintf(stderr, "kitbag-bench: a part of the fleet was gone already\n");
        }
        (void)close(fleet->children[i].to);
        (void)waitpid(fleet->children[i].pid, NULL, 0);
        (void)close(fleet->children[i].from);
    }
}
