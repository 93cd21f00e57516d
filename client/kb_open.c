/* client/kb_open.c - opening a data folder: what is there, and does it fit together? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "client/kb_policy.h"
#include "client/network.h"

static const uint64_t MAP_BYTES = (uint64_t)16 << 30;
static const uint64_t OUTBOX_BYTES = (uint64_t)64 << 20;

static const struct clock *clock_of(const struct kb *kb)
{
    return kb->world.clock != NULL ? kb->world.clock : &clock_system;
}

uint64_t client_wall_ms(const struct kb *kb)
{
    return clock_wall_ms(clock_of(kb));
}

uint64_t client_mono_ms(const struct kb *kb)
{
    return clock_mono_ms(clock_of(kb));
}

uint64_t client_up_ms(const struct kb *kb)
{
    return clock_up_ms(clock_of(kb));
}

uint64_t client_random(const struct kb *kb)
{
    const struct client_world *world = &kb->world;
    return world->random != NULL ? world->random(world->random_context) : random_u64();
}

int client_fail(struct kb_error *error, const struct err *err)
{
    _Static_assert(sizeof error->text == sizeof err->text, "the public sentence is as long");
    if (error != NULL) {
        error->code = err->code;
        memcpy(error->text, err->text, sizeof error->text);
    }
    return err->code;
}

bool client_joined(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool joined = kb->identity.device != 0;
    (void)pthread_mutex_unlock(&kb->lock);
    return joined;
}

uint64_t client_device(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    uint64_t device = kb->identity.device;
    (void)pthread_mutex_unlock(&kb->lock);
    return device;
}

int client_store_identity(struct kb *kb, const struct identity *identity, struct err *err)
{
    int rc = identity_store(identity, kb->identity_path, err);
    if (rc == 0) {
        (void)pthread_mutex_lock(&kb->lock);
        kb->identity = *identity;
        (void)pthread_mutex_unlock(&kb->lock);
    }
    return rc;
}

/* --- opening --- */

static int busy(struct err *err, const char *socket, const char *dir)
{
    char path[PATH_MAX];
    if (socket == NULL) {
        (void)snprintf(path, sizeof path, "%s/agent.sock", dir);
        socket = path;
    }
    struct err was = *err;
    return err_set(err, E_BUSY, "%.200s; its agent, if it is one, serves '%.150s'", was.text,
                   socket);
}

static int not_ours(struct err *err)
{
    struct err was = *err;
    return err_set(err, E_PERMISSION,
                   "%.250s: run this as the account that owns the data folder, or name another one",
                   was.text);
}

static int lock_folder(struct kb *kb, const struct kb_options *options, struct err *err)
{
    struct err why = {0};
    int rc = dir_make(kb->dir, 0700, &why);
    if (rc == 0) {
        kb->lock_fd = dir_lock(kb->dir, &why);
        rc = kb->lock_fd >= 0 ? 0 : kb->lock_fd;
    }
    switch (rc) {
    case 0:
        return 0;
    case E_BUSY:
        rc = busy(&why, options->socket, kb->dir);
        break;
    case E_PERMISSION:
        rc = not_ours(&why);
        break;
    default:
        break;
    }
    return err_set(err, rc, "%s", why.text);
}

/* A file that can't be used as a whole is kept aside; what was in it is on the server, or still in
 * the outbox. */
static int replace_replica(struct kb *kb, const char *dir, uint64_t map_bytes, struct err *err)
{
    char aside[PATH_MAX];
    int length = snprintf(aside, sizeof aside, "%s.damaged-%llu", dir,
                          (unsigned long long)client_wall_ms(kb));
    if (length < 0 || (size_t)length >= sizeof aside || rename(dir, aside) != 0) {
        return err_sys(err, "move the damaged replica aside", dir);
    }
    (void)snprintf(kb->note, sizeof kb->note,
                   "the replica was damaged: it lies in '%.200s', and all is fetched anew", aside);
    return replica_open(&kb->replica, dir, map_bytes, err);
}

static int open_replica(struct kb *kb, uint64_t map_bytes, struct err *err)
{
    char dir[PATH_MAX];
    int rc = path_join(dir, sizeof dir, kb->dir, "replica");
    if (rc != 0) {
        return err_set(err, rc, "path too long: '%.40s...'", kb->dir);
    }
    struct err why = {0};
    rc = replica_open(&kb->replica, dir, map_bytes, &why);
    if (rc == E_CORRUPT) {
        return replace_replica(kb, dir, map_bytes, err);
    }
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

static int sync_replica(void *context, struct err *err)
{
    return replica_sync(context, err);
}

/* On a full disk reading goes on: the next sign-in or opening tries again. (To LMDB a write that
 * was cut short for want of room is EIO.) */
static int settle_if_there_is_room(struct kb *kb, struct err *err)
{
    struct err why = {0};
    int rc = client_settle_creates(kb, &why);
    if (rc != E_NOSPACE && rc != E_IO) {
        return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
    }
    if (kb->note[0] == '\0') {
        memcpy(kb->note, why.text, sizeof kb->note);
    }
    return 0;
}

static int open_parts(struct kb *kb, const struct kb_options *options, struct err *err)
{
    char dir[PATH_MAX];
    int rc = path_join(kb->identity_path, sizeof kb->identity_path, kb->dir, "identity");
    rc = rc != 0 ? rc : path_join(dir, sizeof dir, kb->dir, "outbox");
    if (rc != 0) {
        return err_set(err, rc, "path too long: '%.40s...'", kb->dir);
    }
    const struct outbox_world world = {.disk = kb->world.disk,
                                       .clock = kb->world.clock,
                                       .random = kb->world.random,
                                       .random_context = kb->world.random_context};
    rc = identity_load(&kb->identity, kb->identity_path, err);
    rc = rc != 0 ? rc
                 : outbox_open_in(&kb->outbox, dir,
                                  options->outbox_bytes != 0 ? options->outbox_bytes : OUTBOX_BYTES,
                                  &world, err);
    rc = rc != 0 ? rc
                 : open_replica(kb, options->map_bytes != 0 ? options->map_bytes : MAP_BYTES, err);
    if (rc != 0) {
        return rc;
    }
    outbox_set_barrier(kb->outbox, sync_replica, kb->replica);
    outbox_set_alone(kb->outbox, kb->identity.device == 0);
    struct client_settled settled;
    rc = settle_if_there_is_room(kb, err);
    rc = rc != 0 ? rc : client_settle_passed(kb, &settled, err);
    rc = rc != 0 ? rc : client_hide_gone(kb, err);
    if (rc == 0) {
        client_mirror_begin(kb);
        client_judging_load(kb);
        kb->kept = client_kept_note(kb);
        kb->live.healed = client_healed_note(kb);
    }
    return rc;
}

static int read_visible(void *context, const struct owner *owner, struct span path,
                        struct buf *value, uint64_t *seq)
{
    struct item_row row;
    bool pending = false;
    int rc = client_read(context, owner, path, value, &row, &pending, NULL);
    *seq = rc == 0 && !pending ? row.seq : 0;
    return rc;
}

static int make(struct kb **out, const struct kb_options *options, const struct client_world *world,
                struct err *err)
{
    struct kb *kb = calloc(1, sizeof *kb);
    if (kb == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&kb->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&kb->control, NULL);
    (void)pthread_mutex_init(&kb->lock, NULL);
    (void)pthread_mutex_init(&kb->due_lock, NULL);
    kb->lock_fd = -1;
    kb->mirror_lock_fd = -1;
    if (world != NULL) {
        kb->world = *world;
    }
    *out = kb;
    size_t size = strlen(options->data_dir);
    if (size == 0 || size >= sizeof kb->dir - 64) {
        return err_set(err, E_INVALID, "'%.60s' is no path for a data folder", options->data_dir);
    }
    memcpy(kb->dir, options->data_dir, size + 1);
    size = options->mirror_dir != NULL ? strlen(options->mirror_dir) : 0;
    if (size >= sizeof kb->mirror_dir - 64) {
        return err_set(err, E_INVALID, "'%.60s...' is no path for a folder", options->mirror_dir);
    }
    if (size > 0) {
        memcpy(kb->mirror_dir, options->mirror_dir, size + 1);
    }
    kb->mirror_keep_ms = options->mirror_keep_ms;
    kb->keep_users_max = options->keep_users_max;
    kb->keep_unused_ms = options->keep_unused_ms;
    return hub_new(&kb->hub, read_visible, kb, err);
}

int kb_open(struct kb **out, const struct kb_options *options, struct kb_error *error)
{
    return client_open(out, options, NULL, error);
}

int client_open(struct kb **out, const struct kb_options *options, const struct client_world *world,
                struct kb_error *error)
{
    ASSERT(out != NULL);
    struct err err = {0};
    struct kb *kb = NULL;
    if (options == NULL || options->size != sizeof *options || options->data_dir == NULL) {
        (void)err_set(&err, E_INVALID, "kb_open needs options with their size and a data folder");
        return client_fail(error, &err);
    }
    int rc = make(&kb, options, world, &err);
    rc = rc != 0 ? rc : lock_folder(kb, options, &err);
    rc = rc != 0 ? rc : open_parts(kb, options, &err);
    if (rc != 0) {
        kb_close(&kb);
        err.code = rc;
        return client_fail(error, &err);
    }
    *out = kb;
    return 0;
}

void client_give_up(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    kb->closing = true;
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
    if (kb->outbox != NULL) {
        outbox_wake_all(kb->outbox);
    }
}

void kb_close(struct kb **kb)
{
    if (kb == NULL || *kb == NULL) {
        return;
    }
    struct kb *old = *kb;
    client_give_up(old);
    network_stop(&old->network);
    client_mirror_close(old);
    hub_free(&old->hub);
    outbox_close(&old->outbox); /* before the replica: its barrier is there */
    replica_close(&old->replica);
    identity_wipe(&old->identity);
    if (old->lock_fd >= 0) {
        (void)close(old->lock_fd);
    }
    (void)pthread_cond_destroy(&old->changed);
    (void)pthread_mutex_destroy(&old->due_lock);
    (void)pthread_mutex_destroy(&old->lock);
    (void)pthread_mutex_destroy(&old->control);
    free(old);
    *kb = NULL;
}
