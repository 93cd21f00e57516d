/* server/sign_ins.c - notes of the newest days, and a walk over all users. */
#include "server/sign_ins.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/table.h"

enum {
    NAME_ROOM = 40,
    NOTE_SIZE = 8,
    SHARDS = 256,
    DAY_MS = 86400000,
    AGAIN_MS = 10000, /* before all users are looked at once more, when nobody was found */
    NEAR_PERCENT = 90,
};

struct entry {
    struct table_node by_bag;
    uint64_t bag_id;
    uint64_t last_ms;
};

struct candidate {
    uint64_t bag_id;
    uint64_t last_ms;
};

/* A walk over all bags: the least recent so far, as a heap whose top is the most recent of them. */
struct search {
    bool on;
    uint64_t after; /* bags up to here were looked at */
    size_t count;
    struct candidate heap[SIGN_INS_CANDIDATES];
};

struct sign_ins {
    struct sign_ins_options options;
    /* The lock guards what the main thread and housekeeping share: the notes, the candidates. */
    pthread_mutex_t lock;
    struct table noted;
    struct candidate found[SIGN_INS_CANDIDATES];
    size_t found_count, found_next;
    bool looked; /* there was a search */
    bool wanted; /* they are used up */
    /* Housekeeping's. */
    struct search search;
    uint64_t searched_ms; /* monotonic, when the last one ended; 0: never */
    unsigned shard;       /* of the notes, to be tidied next */
    unsigned told;        /* percent that the log was told of */
};

int sign_ins_new(struct sign_ins **out, const struct sign_ins_options *options)
{
    ASSERT(out != NULL && options != NULL && options->clock != NULL);
    struct sign_ins *sign_ins = calloc(1, sizeof *sign_ins);
    if (sign_ins == NULL) {
        return E_NOMEM;
    }
    sign_ins->options = *options;
    (void)pthread_mutex_init(&sign_ins->lock, NULL);
    *out = sign_ins;
    return 0;
}

static void free_entry(void *context, struct table_node *node)
{
    (void)context;
    free(TABLE_OWNER(node, struct entry, by_bag));
}

void sign_ins_free(struct sign_ins **sign_ins)
{
    if (sign_ins == NULL || *sign_ins == NULL) {
        return;
    }
    table_each(&(*sign_ins)->noted, free_entry, NULL);
    table_free(&(*sign_ins)->noted);
    (void)pthread_mutex_destroy(&(*sign_ins)->lock);
    free(*sign_ins);
    *sign_ins = NULL;
}

/* --- what is noted --- */

static uint64_t hash_bag(uint64_t bag_id)
{
    return table_hash(span_of(&bag_id, sizeof bag_id), 0);
}

static bool match_bag(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_bag)->bag_id == *(const uint64_t *)key;
}

/* With the lock. */
static struct entry *find(const struct sign_ins *sign_ins, uint64_t bag_id)
{
    struct table_node *node = table_find(&sign_ins->noted, hash_bag(bag_id), match_bag, &bag_id);
    return node != NULL ? TABLE_OWNER(node, struct entry, by_bag) : NULL;
}

void sign_ins_note(struct sign_ins *sign_ins, uint64_t bag_id)
{
    ASSERT(sign_ins != NULL);
    uint64_t now_ms = clock_wall_ms(sign_ins->options.clock);
    (void)pthread_mutex_lock(&sign_ins->lock);
    struct entry *entry = find(sign_ins, bag_id);
    if (entry == NULL && sign_ins->noted.count < SIGN_INS_NOTED_MAX) {
        entry = calloc(1, sizeof *entry);
        if (entry != NULL) {
            entry->bag_id = bag_id;
            table_add(&sign_ins->noted, &entry->by_bag, hash_bag(bag_id));
        }
    }
    if (entry != NULL) {
        entry->last_ms = now_ms;
    }
    (void)pthread_mutex_unlock(&sign_ins->lock);
}

static const char *note_name(char out[NAME_ROOM], uint64_t bag_id)
{
    (void)snprintf(out, NAME_ROOM, "signin/%02x/%016" PRIx64, (unsigned)(bag_id % SHARDS), bag_id);
    return out;
}

/* 0: there is none that can be read. */
static uint64_t read_note(struct kv *kv, uint64_t bag_id)
{
    char name[NAME_ROOM];
    struct buf bytes;
    buf_init(&bytes, NOTE_SIZE);
    int rc = kv_note_get(kv, note_name(name, bag_id), &bytes, NULL);
    uint64_t last_ms = rc == 0 && bytes.size == NOTE_SIZE ? get_be64(bytes.data) : 0;
    buf_free(&bytes);
    return last_ms;
}

uint64_t sign_ins_last(struct sign_ins *sign_ins, struct kv *kv, uint64_t bag_id)
{
    ASSERT(sign_ins != NULL && kv != NULL);
    (void)pthread_mutex_lock(&sign_ins->lock);
    const struct entry *entry = find(sign_ins, bag_id);
    uint64_t noted_ms = entry != NULL ? entry->last_ms : 0;
    (void)pthread_mutex_unlock(&sign_ins->lock);
    return noted_ms != 0 ? noted_ms : read_note(kv, bag_id);
}

/* --- saving --- */

struct unsaved {
    struct candidate *list;
    size_t count, capacity;
};

static void collect(void *context, struct table_node *node)
{
    struct unsaved *unsaved = context;
    const struct entry *entry = TABLE_OWNER(node, struct entry, by_bag);
    if (unsaved->count < unsaved->capacity) {
        unsaved->list[unsaved->count++] = (struct candidate){entry->bag_id, entry->last_ms};
    }
}

static int collect_all(struct sign_ins *sign_ins, struct unsaved *unsaved, struct err *err)
{
    (void)pthread_mutex_lock(&sign_ins->lock);
    unsaved->capacity = sign_ins->noted.count;
    unsaved->list = unsaved->capacity > 0 ? calloc(unsaved->capacity, sizeof *unsaved->list) : NULL;
    if (unsaved->list != NULL) {
        table_each(&sign_ins->noted, collect, unsaved);
    }
    bool failed = unsaved->capacity > 0 && unsaved->list == NULL;
    (void)pthread_mutex_unlock(&sign_ins->lock);
    return failed ? err_set(err, E_NOMEM, "the users' last sign-ins: out of memory") : 0;
}

/* It is in the state, or need not be; unless it was renewed meanwhile. */
static void forget(struct sign_ins *sign_ins, const struct candidate *saved)
{
    (void)pthread_mutex_lock(&sign_ins->lock);
    struct entry *entry = find(sign_ins, saved->bag_id);
    if (entry != NULL && entry->last_ms == saved->last_ms) {
        table_remove(&sign_ins->noted, &entry->by_bag);
        free(entry);
    }
    (void)pthread_mutex_unlock(&sign_ins->lock);
}

static int save_one(struct kv *kv, const struct candidate *noted, struct err *err)
{
    char name[NAME_ROOM];
    uint8_t bytes[NOTE_SIZE];
    uint64_t before_ms = read_note(kv, noted->bag_id);
    if (before_ms <= noted->last_ms && noted->last_ms - before_ms < DAY_MS) {
        return 0; /* the day is known */
    }
    put_be64(bytes, noted->last_ms);
    return kv_note_put(kv, note_name(name, noted->bag_id), span_of(bytes, sizeof bytes), err);
}

/* --- notes of bags that are gone --- */

struct stale {
    struct kv *kv;
    size_t count;
    char names[64][NAME_ROOM];
};

static int see_note(void *context, const char *name, struct span bytes, struct err *err)
{
    (void)bytes;
    (void)err;
    struct stale *stale = context;
    const char *digits = strrchr(name, '/');
    uint64_t bag_id = digits != NULL ? strtoull(digits + 1, NULL, 16) : 0;
    struct bag_row bag = {0};
    int rc = kv_bag(stale->kv, NULL, bag_id, &bag, NULL);
    if ((rc == E_NOT_FOUND || rc == E_BAG_GONE) && strlen(name) < NAME_ROOM) {
        memcpy(stale->names[stale->count++], name, strlen(name) + 1);
    }
    return stale->count == sizeof stale->names / sizeof stale->names[0] ? 1 : 0;
}

static int tidy(struct sign_ins *sign_ins, struct kv *kv, struct err *err)
{
    char prefix[NAME_ROOM];
    struct stale stale = {.kv = kv};
    (void)snprintf(prefix, sizeof prefix, "signin/%02x/", sign_ins->shard);
    sign_ins->shard = (sign_ins->shard + 1) % SHARDS;
    int rc = kv_notes(kv, prefix, see_note, &stale, err);
    rc = rc < 0 ? rc : 0;
    for (size_t i = 0; i < stale.count && rc == 0; i++) {
        rc = kv_note_remove(kv, stale.names[i], err);
    }
    return rc;
}

int sign_ins_save(struct sign_ins *sign_ins, struct kv *kv, struct err *err)
{
    ASSERT(sign_ins != NULL && kv != NULL);
    struct unsaved unsaved = {.count = 0};
    int rc = collect_all(sign_ins, &unsaved, err);
    for (size_t i = 0; i < unsaved.count && rc == 0; i++) {
        rc = save_one(kv, &unsaved.list[i], err);
        if (rc == 0) {
            forget(sign_ins, &unsaved.list[i]);
        }
    }
    free(unsaved.list);
    return rc != 0 ? rc : tidy(sign_ins, kv, err);
}

/* --- who is next --- */

/* Later than the other, or known to be here for less long. */
static bool is_after(const struct candidate *one, const struct candidate *other)
{
    return one->last_ms != other->last_ms ? one->last_ms > other->last_ms
                                          : one->bag_id > other->bag_id;
}

static void swap(struct candidate *one, struct candidate *other)
{
    struct candidate kept = *one;
    *one = *other;
    *other = kept;
}

static void sift_down(struct search *search)
{
    size_t at = 0;
    for (size_t child = 1; child < search->count; child = 2 * at + 1) {
        if (child + 1 < search->count && is_after(&search->heap[child + 1], &search->heap[child])) {
            child++;
        }
        if (!is_after(&search->heap[child], &search->heap[at])) {
            return;
        }
        swap(&search->heap[child], &search->heap[at]);
        at = child;
    }
}

static void consider(struct search *search, const struct candidate *candidate)
{
    if (search->count == SIGN_INS_CANDIDATES) {
        if (is_after(&search->heap[0], candidate)) {
            search->heap[0] = *candidate;
            sift_down(search);
        }
        return;
    }
    size_t at = search->count++;
    search->heap[at] = *candidate;
    while (at > 0 && is_after(&search->heap[at], &search->heap[(at - 1) / 2])) {
        swap(&search->heap[at], &search->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

struct look {
    struct sign_ins *sign_ins;
    struct kv *kv;
};

static int see_bag(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    const struct look *look = context;
    struct search *search = &look->sign_ins->search;
    search->after = bag->bag_id;
    if (bag->owner.kind == OWNER_USER) {
        struct candidate candidate = {bag->bag_id,
                                      sign_ins_last(look->sign_ins, look->kv, bag->bag_id)};
        consider(search, &candidate);
    }
    return 0;
}

static int by_age(const void *a, const void *b)
{
    return is_after(a, b) ? 1 : is_after(b, a) ? -1 : 0;
}

static void end_search(struct sign_ins *sign_ins)
{
    struct search *search = &sign_ins->search;
    qsort(search->heap, search->count, sizeof search->heap[0], by_age);
    (void)pthread_mutex_lock(&sign_ins->lock);
    memcpy(sign_ins->found, search->heap, search->count * sizeof search->heap[0]);
    sign_ins->found_count = search->count;
    sign_ins->found_next = 0;
    sign_ins->looked = true;
    sign_ins->wanted = false;
    (void)pthread_mutex_unlock(&sign_ins->lock);
    search->on = false;
    sign_ins->searched_ms = clock_mono_ms(sign_ins->options.clock);
}

/* Are there so many users that somebody may have to go soon, and is nobody known who could? */
static bool is_due(struct sign_ins *sign_ins, uint64_t users)
{
    uint64_t max = sign_ins->options.users_max;
    uint64_t now_ms = clock_mono_ms(sign_ins->options.clock);
    (void)pthread_mutex_lock(&sign_ins->lock);
    bool wanted = sign_ins->wanted;
    (void)pthread_mutex_unlock(&sign_ins->lock);
    bool first = sign_ins->searched_ms == 0;
    return sign_ins->options.evict && users >= max - max / 100 * (100 - NEAR_PERCENT) &&
           (first || (wanted && now_ms - sign_ins->searched_ms >= AGAIN_MS));
}

static int search_on(struct sign_ins *sign_ins, struct kv *kv, uint64_t users, struct err *err)
{
    struct search *search = &sign_ins->search;
    if (!search->on && !is_due(sign_ins, users)) {
        return 0;
    }
    if (!search->on) {
        search->on = true;
        search->after = 0;
        search->count = 0;
    }
    bool more = false;
    struct look look = {sign_ins, kv};
    int rc = kv_bags(kv, NULL, search->after, SIGN_INS_LOOK_BAGS, see_bag, &look, &more, err);
    if (rc == 0 && !more) {
        end_search(sign_ins);
    }
    return rc;
}

/* E_NOT_FOUND: there was nobody at all; E_BUSY: they are used up, or were not looked for yet. */
static int take(struct sign_ins *sign_ins, struct candidate *out)
{
    (void)pthread_mutex_lock(&sign_ins->lock);
    bool any = sign_ins->found_next < sign_ins->found_count;
    int rc = any || !sign_ins->looked || sign_ins->found_count > 0 ? E_BUSY : E_NOT_FOUND;
    if (any) {
        *out = sign_ins->found[sign_ins->found_next++];
        rc = 0;
    }
    sign_ins->wanted = sign_ins->wanted || !any;
    (void)pthread_mutex_unlock(&sign_ins->lock);
    return rc;
}

int sign_ins_next(struct sign_ins *sign_ins, struct kv *kv, sign_ins_used_fn *in_use, void *context,
                  uint64_t *bag_id)
{
    ASSERT(sign_ins != NULL && kv != NULL && in_use != NULL && bag_id != NULL);
    struct candidate candidate;
    bool used = false;
    int rc = 0;
    while ((rc = take(sign_ins, &candidate)) == 0) {
        if (in_use(context, candidate.bag_id)) {
            used = true;
        } else if (sign_ins_last(sign_ins, kv, candidate.bag_id) == candidate.last_ms) {
            *bag_id = candidate.bag_id;
            return 0;
        }
    }
    return used ? E_NOT_FOUND : rc;
}

/* --- how many there are --- */

static unsigned level_of(uint64_t users, uint64_t max)
{
    static const unsigned levels[] = {100, NEAR_PERCENT, 80};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (users >= max - max / 100 * (100 - levels[i]) - max % 100 * (100 - levels[i]) / 100) {
            return levels[i];
        }
    }
    return 0;
}

static void tell_level(struct sign_ins *sign_ins, uint64_t users)
{
    uint64_t max = sign_ins->options.users_max;
    unsigned level = level_of(users, max);
    if (level > sign_ins->told) {
        log_event(
            LOG_WARNING, "limits", level == 100 ? "limits.users_exceeded" : "limits.users_near",
            "users=%" PRIu64 " limit=%" PRIu64 " percent=%u text=\"%s\"", users, max, level,
            level < 100               ? "limits.users tells how many there may be"
            : sign_ins->options.evict ? "whoever signed in longest ago makes room for each new user"
                                      : "new users are refused");
    }
    sign_ins->told = level;
}

int sign_ins_look(struct sign_ins *sign_ins, struct kv *kv, struct err *err)
{
    ASSERT(sign_ins != NULL && kv != NULL);
    struct kv_counts counts = {0};
    int rc = kv_counts(kv, NULL, &counts, err);
    if (rc == 0) {
        tell_level(sign_ins, counts.users);
        rc = search_on(sign_ins, kv, counts.users, err);
    }
    return rc;
}
