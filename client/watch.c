/* client/watch.c - queues of places that changed, and the callbacks that are told. */
#include "client/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/hash.h"

enum { SLOTS = 2 * WATCH_MAX, VALUE_ROOM = VALUE_MAX_BYTES + 1 };

/* A place that changed. */
struct place {
    struct place *next;
    uint64_t hash;
    struct owner owner;
    struct span path; /* points behind the struct; empty: the bag as a whole */
    uint64_t seq;
};

struct kb_watch {
    struct kb_watch *next;
    bool has_owner;
    struct owner owner;
    kb_change_fn *on_change;
    void *context;
    int fd; /* -1: the hub's */
    struct place *first, *last;
    size_t count;
    struct place **slots; /* open addressing by hash: which places wait */
    bool again;           /* the queue was too small */
    bool running;
    bool freed; /* by its own callback: the dispatcher ends it */
    pthread_t runner;
};

struct hub {
    pthread_mutex_t lock; /* guards watches and their queues: told by any thread */
    pthread_cond_t idle;
    struct kb_watch *watches;
    int fd;
    uint64_t seed;
    watch_read_fn *read;
    void *context;
};

int hub_new(struct hub **out, watch_read_fn *read, void *context, struct err *err)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    hub->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hub->fd < 0) {
        free(hub);
        return err_sys(err, "eventfd", "for kb_fd");
    }
    (void)pthread_mutex_init(&hub->lock, NULL);
    (void)pthread_cond_init(&hub->idle, NULL);
    hub->seed = random_u64();
    hub->read = read;
    hub->context = context;
    *out = hub;
    return 0;
}

/* --- a queue --- */

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t done = write(fd, &one, sizeof one);
    (void)done; /* full means that it is readable already */
}

static void drain_fd(int fd)
{
    uint64_t count;
    ssize_t done = read(fd, &count, sizeof count);
    (void)done; /* empty is fine */
}

static void clear(struct kb_watch *watch)
{
    struct place *next = NULL;
    for (struct place *place = watch->first; place != NULL; place = next) {
        next = place->next;
        free(place);
    }
    watch->first = NULL;
    watch->last = NULL;
    watch->count = 0;
    memset(watch->slots, 0, SLOTS * sizeof(struct place *));
}

static size_t find_slot(const struct kb_watch *watch, uint64_t hash, const struct owner *owner,
                        struct span path)
{
    size_t slot = hash % SLOTS;
    for (;; slot = (slot + 1) % SLOTS) {
        const struct place *place = watch->slots[slot];
        if (place == NULL || (place->hash == hash && owner_equal(&place->owner, owner) &&
                              span_equal(place->path, path))) {
            return slot;
        }
    }
}

static struct place *place_new(uint64_t hash, const struct owner *owner, struct span path,
                               uint64_t seq)
{
    struct place *place = calloc(1, sizeof *place + path.size);
    if (place == NULL) {
        return NULL;
    }
    uint8_t *bytes = (uint8_t *)(place + 1);
    *place = (struct place){
        .hash = hash, .owner = *owner, .path = span_of(bytes, path.size), .seq = seq};
    if (path.size > 0) {
        memcpy(bytes, path.data, path.size);
    }
    return place;
}

static void too_much(struct kb_watch *watch)
{
    clear(watch);
    watch->again = true;
}

static void enqueue(struct kb_watch *watch, uint64_t hash, const struct owner *owner,
                    struct span path, uint64_t seq)
{
    if (watch->again) {
        return; /* everything is read again anyway */
    }
    size_t slot = find_slot(watch, hash, owner, path);
    if (watch->slots[slot] != NULL) {
        watch->slots[slot]->seq = seq > watch->slots[slot]->seq ? seq : watch->slots[slot]->seq;
        return;
    }
    struct place *place = watch->count < WATCH_MAX ? place_new(hash, owner, path, seq) : NULL;
    if (place == NULL) {
        too_much(watch);
        return;
    }
    watch->slots[slot] = place;
    if (watch->last != NULL) {
        watch->last->next = place;
    } else {
        watch->first = place;
    }
    watch->last = place;
    watch->count++;
}

/* All slots anew: rare enough, and simpler than closing gaps. */
static struct place *dequeue(struct kb_watch *watch)
{
    struct place *place = watch->first;
    if (place == NULL) {
        return NULL;
    }
    watch->first = place->next;
    watch->last = watch->first == NULL ? NULL : watch->last;
    watch->count--;
    size_t hole = find_slot(watch, place->hash, &place->owner, place->path);
    watch->slots[hole] = NULL;
    for (size_t at = (hole + 1) % SLOTS; watch->slots[at] != NULL; at = (at + 1) % SLOTS) {
        struct place *moved = watch->slots[at]; /* those behind the hole find their place again */
        watch->slots[at] = NULL;
        watch->slots[find_slot(watch, moved->hash, &moved->owner, moved->path)] = moved;
    }
    place->next = NULL;
    return place;
}

void hub_tell(struct hub *hub, const struct owner *owner, struct span path, uint64_t seq)
{
    ASSERT(hub != NULL && owner != NULL);
    (void)pthread_mutex_lock(&hub->lock);
    uint64_t hash = hash64(span_str(owner->folded), hub->seed + (uint64_t)owner->kind);
    hash = hash64(path, hash ^ owner->device);
    bool inner = owner->kind == OWNER_USER_DEVICE;
    for (struct kb_watch *watch = hub->watches; watch != NULL; watch = watch->next) {
        if (watch->has_owner ? owner_equal(&watch->owner, owner) : !inner) {
            enqueue(watch, hash, owner, path, seq);
            signal_fd(watch->fd >= 0 ? watch->fd : hub->fd);
        }
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

void hub_tell_users(struct hub *hub)
{
    ASSERT(hub != NULL);
    (void)pthread_mutex_lock(&hub->lock);
    for (struct kb_watch *watch = hub->watches; watch != NULL; watch = watch->next) {
        enum owner_kind kind = watch->has_owner ? watch->owner.kind : OWNER_USER;
        if (kind == OWNER_USER || kind == OWNER_USER_DEVICE) {
            too_much(watch);
            signal_fd(watch->fd >= 0 ? watch->fd : hub->fd);
        }
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

/* --- watches --- */

static void destroy(struct kb_watch *watch)
{
    clear(watch);
    if (watch->fd >= 0) {
        (void)close(watch->fd);
    }
    free(watch->slots);
    free(watch);
}

int watch_new(struct hub *hub, const struct owner *owner, bool own_fd, kb_change_fn *on_change,
              void *context, struct kb_watch **out, struct err *err)
{
    ASSERT(hub != NULL && on_change != NULL && out != NULL);
    struct kb_watch *watch = calloc(1, sizeof *watch);
    struct place **slots = calloc(SLOTS, sizeof(struct place *));
    if (watch == NULL || slots == NULL) {
        free(watch);
        free(slots);
        return err_set(err, E_NOMEM, "out of memory");
    }
    watch->slots = slots;
    watch->on_change = on_change;
    watch->context = context;
    watch->has_owner = owner != NULL;
    if (owner != NULL) {
        watch->owner = *owner;
    }
    watch->fd = own_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (own_fd && watch->fd < 0) {
        int rc = err_sys(err, "eventfd", "for a watch");
        destroy(watch);
        return rc;
    }
    (void)pthread_mutex_lock(&hub->lock);
    watch->next = hub->watches;
    hub->watches = watch;
    (void)pthread_mutex_unlock(&hub->lock);
    *out = watch;
    return 0;
}

static void unlink_watch(struct hub *hub, struct kb_watch *watch)
{
    struct kb_watch **link = &hub->watches;
    while (*link != watch) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = watch->next;
}

void watch_free(struct hub *hub, struct kb_watch **watch)
{
    if (watch == NULL || *watch == NULL) {
        return;
    }
    struct kb_watch *old = *watch;
    *watch = NULL;
    (void)pthread_mutex_lock(&hub->lock);
    unlink_watch(hub, old);
    bool inside = old->running && pthread_equal(old->runner, pthread_self()) != 0;
    old->freed = inside;
    while (!inside && old->running) {
        (void)pthread_cond_wait(&hub->idle, &hub->lock);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    if (!inside) {
        destroy(old);
    }
}

void hub_free(struct hub **hub)
{
    if (hub == NULL || *hub == NULL) {
        return;
    }
    while ((*hub)->watches != NULL) {
        struct kb_watch *watch = (*hub)->watches;
        watch_free(*hub, &watch);
    }
    (void)close((*hub)->fd);
    (void)pthread_cond_destroy(&(*hub)->idle);
    (void)pthread_mutex_destroy(&(*hub)->lock);
    free(*hub);
    *hub = NULL;
}

int hub_fd(const struct hub *hub)
{
    return hub->fd;
}

int watch_fd(const struct kb_watch *watch)
{
    return watch->fd;
}

/* --- dispatching --- */

/* Without the lock: the value as it is now, then the callback. */
static void call(struct hub *hub, struct kb_watch *watch, const struct place *place)
{
    char bag[OWNER_TEXT_MAX] = "";
    char path[PATH_MAX_BYTES + 1] = "";
    struct buf value;
    struct kb_change change = {.bag = bag};
    buf_init(&value, VALUE_ROOM);
    if (place != NULL) {
        owner_format(&place->owner, bag);
    } else if (watch->has_owner) {
        owner_format(&watch->owner, bag);
    }
    if (place != NULL && place->path.size > 0) {
        uint64_t seq = 0;
        memcpy(path, place->path.data, place->path.size);
        int rc = hub->read(hub->context, &place->owner, place->path, &value, &seq);
        change.item = rc == 0 || rc == E_NOT_FOUND ? path : NULL;
        change.removed = rc == E_NOT_FOUND;
        change.seq = rc == 0 ? seq : place->seq;
        change.bytes = rc == 0 ? (value.data != NULL ? (const void *)value.data : "") : NULL;
        change.size = value.size;
    }
    watch->on_change(watch->context, &change);
    buf_free(&value);
}

/* With the lock: runs what waits in one watch. Returns how many, and whether the watch is still
 * there. */
static int run(struct hub *hub, struct kb_watch *watch, bool *alive)
{
    int ran = 0;
    size_t most = watch->count + 1; /* not for ever when a callback makes changes */
    watch->running = true;
    watch->runner = pthread_self();
    while (!watch->freed && (watch->again || watch->first != NULL) && most-- > 0) {
        struct place *place = watch->again ? NULL : dequeue(watch);
        watch->again = false;
        (void)pthread_mutex_unlock(&hub->lock);
        call(hub, watch, place);
        free(place);
        ran++;
        (void)pthread_mutex_lock(&hub->lock);
    }
    watch->running = false;
    *alive = !watch->freed;
    if (*alive && (watch->again || watch->first != NULL)) {
        signal_fd(watch->fd >= 0 ? watch->fd : hub->fd);
    }
    (void)pthread_cond_broadcast(&hub->idle);
    if (!*alive) {
        destroy(watch);
    }
    return ran;
}

static bool has_work(const struct kb_watch *watch)
{
    return watch->fd < 0 && !watch->running && (watch->again || watch->first != NULL);
}

int hub_dispatch(struct hub *hub)
{
    ASSERT(hub != NULL);
    int ran = 0;
    size_t rounds = 0;
    (void)pthread_mutex_lock(&hub->lock);
    drain_fd(hub->fd);
    for (const struct kb_watch *watch = hub->watches; watch != NULL; watch = watch->next) {
        rounds++;
    }
    while (rounds-- > 0) { /* callbacks may add and end watches: look from the start each time */
        struct kb_watch *watch = hub->watches;
        bool alive = true;
        while (watch != NULL && !has_work(watch)) {
            watch = watch->next;
        }
        if (watch == NULL) {
            break;
        }
        ran += run(hub, watch, &alive);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return ran;
}

int watch_dispatch(struct hub *hub, struct kb_watch *watch)
{
    ASSERT(hub != NULL && watch != NULL && watch->fd >= 0);
    bool alive = true;
    (void)pthread_mutex_lock(&hub->lock);
    drain_fd(watch->fd);
    int ran = run(hub, watch, &alive);
    (void)pthread_mutex_unlock(&hub->lock);
    return ran;
}
