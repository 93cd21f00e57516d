/* tests/client/driven.h - a machine without thread and socket: its clock, its chance and its
 * connection to a toy are the test's, which runs its turns.
 */
#ifndef KITBAG_TESTS_CLIENT_DRIVEN_H
#define KITBAG_TESTS_CLIENT_DRIVEN_H

#include "base/file.h"
#include "client/network_inside.h"
#include "tests/client/kb_samples.h"
#include "tests/support/fail_alloc.h"

enum { DRIVEN_FRAMES = 256 };

struct driven {
    struct machine m;
    struct toy *toy;
    struct clock_fake time;
    struct clock clock;
    uint64_t chance;
    struct network_port port;
    struct disk disk; /* of the outbox: it syncs nothing, no test here cuts the power */
    struct client_world world;
    bool refuses; /* connecting fails */
    bool dialled, up;
    bool silent; /* what is sent does not arrive */
    unsigned connects, sends;
    uint64_t trace;                   /* of all that was sent, and when */
    struct buf frames[DRIVEN_FRAMES]; /* to the machine; a ring */
    size_t first, count;
};

static inline void driven_post(void *context, struct span bytes)
{
    struct driven *d = context;
    assert_true(d->count < DRIVEN_FRAMES);
    struct buf *frame = &d->frames[(d->first + d->count++) % DRIVEN_FRAMES];
    buf_init(frame, WIRE_FRAME_MAX);
    (void)buf_append(frame, bytes.data, bytes.size);
    assert_int_equal(buf_error(frame), 0);
}

static inline void driven_lose_frames(struct driven *d)
{
    for (; d->count > 0; d->count--) {
        buf_free(&d->frames[d->first]);
        d->first = (d->first + 1) % DRIVEN_FRAMES;
    }
}

static inline int driven_connect(void *context, const char *address,
                                 const uint8_t server_key[KEY_SIZE], const struct key_pair *own,
                                 struct err *err)
{
    struct driven *d = context;
    assert_string_equal(address, "toy:1");
    assert_memory_equal(server_key, d->toy->keys.public_key, KEY_SIZE);
    assert_non_null(own);
    driven_lose_frames(d);
    d->connects++;
    d->dialled = !d->refuses;
    d->up = false;
    return d->refuses ? err_set(err, E_UNREACHABLE, "nobody is there") : 0;
}

static inline void driven_disconnect(void *context)
{
    struct driven *d = context;
    d->dialled = d->up = false;
    d->toy->peers[0].open = false;
    driven_lose_frames(d);
}

static inline int driven_send(void *context, struct span bytes)
{
    struct driven *d = context;
    if (!d->up) {
        return E_UNREACHABLE;
    }
    d->sends++;
    d->trace = hash64(bytes, d->trace ^ d->time.mono_ms);
    unsigned paused = fail_alloc_pause();
    if (!d->silent) {
        toy_message(d->toy, &d->toy->peers[0], bytes);
    }
    fail_alloc_resume(paused);
    return 0;
}

static inline int driven_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static inline uint64_t driven_random(void *context)
{
    struct driven *d = context;
    d->chance = d->chance * 6364136223846793005u + 1442695040888963407u;
    return d->chance | 1;
}

static inline void driven_turn(struct driven *d, struct network_event event)
{
    network_turn(d->m.kb->network, &event);
}

/* Everything that is due now, and all answers to it. */
static inline void driven_settle(struct driven *d)
{
    for (bool busy = true; busy;) {
        if (d->dialled && !d->up) {
            d->up = true;
            driven_turn(d, (struct network_event){.kind = NETWORK_UP});
        } else if (d->count > 0) {
            struct buf frame = d->frames[d->first];
            d->first = (d->first + 1) % DRIVEN_FRAMES;
            d->count--;
            driven_turn(d,
                        (struct network_event){.kind = NETWORK_FRAME, .frame = buf_span(&frame)});
            buf_free(&frame);
        } else if (network_next_ms(d->m.kb->network) <= d->time.mono_ms) {
            driven_turn(d, (struct network_event){.kind = NETWORK_TIME});
        } else {
            busy = false;
        }
    }
}

/* Time passes; what falls due meanwhile is done at its time. */
static inline void driven_pass(struct driven *d, uint64_t ms)
{
    uint64_t end_ms = d->time.mono_ms + ms;
    driven_settle(d);
    for (uint64_t next_ms; (next_ms = network_next_ms(d->m.kb->network)) <= end_ms;) {
        d->time.wall_ms += next_ms - d->time.mono_ms;
        d->time.mono_ms = next_ms;
        driven_settle(d);
    }
    d->time.wall_ms += end_ms - d->time.mono_ms;
    d->time.mono_ms = end_ms;
}

static inline void driven_down(struct driven *d)
{
    driven_disconnect(d);
    driven_turn(d, (struct network_event){.kind = NETWORK_DOWN, .code = E_UNREACHABLE});
}

/* The server is away: every try to connect fails while `refuses`. */
static inline void driven_server_goes(struct driven *d)
{
    d->refuses = true;
    driven_down(d);
    driven_settle(d);
}

static inline void driven_reconnect(struct driven *d)
{
    driven_down(d);
    driven_pass(d, 10000);
    assert_int_equal(status_of(&d->m).phase, KB_PHASE_CURRENT);
}

static inline void driven_open(struct driven *d)
{
    struct kb_options options = {
        .size = sizeof options, .data_dir = d->m.dir, .map_bytes = 64 << 20};
    struct kb_error error = {0};
    ok(client_open(&d->m.kb, &options, &d->world, &error), &error);
}

/* Joined, not started. */
static inline void driven_begin(struct driven *d, uint64_t seed)
{
    struct identity identity = {
        .has_keys = true, .device = TOY_DEVICE, .address_count = 1, .name = "driven"};
    char path[TMP_FOLDER_MAX];
    memset(d, 0, sizeof *d);
    d->toy = toy_new_quiet();
    d->toy->post = driven_post;
    d->toy->post_context = d;
    memset(d->toy->history, 7, HISTORY_SIZE);
    d->time = (struct clock_fake){.wall_ms = 1700000000000, .mono_ms = 5000};
    d->clock = clock_of_fake(&d->time);
    d->chance = seed;
    d->port = (struct network_port){driven_connect, driven_disconnect, driven_send, d};
    d->disk = disk_system;
    d->disk.fdatasync = driven_sync;
    d->disk.fsync = driven_sync;
    d->world = (struct client_world){.disk = &d->disk,
                                     .clock = &d->clock,
                                     .random = driven_random,
                                     .random_context = d,
                                     .port = &d->port};
    tmp_folder_make(d->m.folder);
    tmp_folder_path(d->m.dir, d->m.folder, "data");
    assert_int_equal(dir_make(d->m.dir, 0700, NULL), 0);
    tmp_folder_path(path, d->m.dir, "identity");
    key_pair_make(&identity.keys);
    memcpy(identity.history, d->toy->history, HISTORY_SIZE);
    memcpy(identity.server_key, d->toy->keys.public_key, KEY_SIZE);
    memcpy(identity.addresses[0], "toy:1", 6);
    assert_int_equal(identity_store(&identity, path, NULL), 0);
    driven_open(d);
}

static inline void driven_end(struct driven *d)
{
    machine_end(&d->m);
    driven_lose_frames(d);
    toy_free(d->toy);
}

static inline void driven_start(struct driven *d)
{
    machine_start(&d->m);
    driven_settle(d);
}

/* Signs in and waits, in the machine's time. */
static inline int driven_login(struct driven *d, const char *user, struct err *err)
{
    struct request *request = NULL;
    int rc = client_login_begin(d->m.kb, user, NULL, &request, err);
    if (rc == 0 && request != NULL) {
        driven_settle(d);
        rc = client_login_end(d->m.kb, &request, false, err);
    }
    if (rc == E_DEFERRED) {
        driven_pass(d, 5000);
        rc = client_login_end(d->m.kb, &request, true, err);
    }
    return rc;
}

/* Ann is signed in, and has an item that came from the server: "a" is "1". */
static inline void driven_begin_with_ann(struct driven *d)
{
    struct err err = {0};
    driven_begin(d, 1);
    d->toy->tells_digests = true;
    driven_start(d);
    assert_int_equal(driven_login(d, "Ann", &err), 0);
    toy_put_text(d->toy, toy_ensure(d->toy, OWNER_USER, span_str("Ann")), "a", "1");
    driven_settle(d);
    assert_string_equal(get(&d->m, "user:Ann", "a"), "1");
}

#endif
