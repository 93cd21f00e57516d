/* server/seen.c - a table under a lock, and its notes. */
#include "server/seen.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "journal/owner.h"
#include "server/table.h"

static const char PREFIX[] = "seen/";

enum {
    NAME_MAX_SIZE = sizeof PREFIX + DEVICE_TEXT_MAX,
    NOTE_SIZE = 16,
    SAVE_TIME_MS = 3600000, /* a later time alone is worth a note after this */
};

struct entry {
    struct table_node by_id;
    uint64_t device;
    struct seen_device now;
    struct seen_device saved;
};

struct seen {
    /* The lock guards the table: the main thread notes while housekeeping reads and saves. It is
     * never held while the disk is waited for. */
    pthread_mutex_t lock;
    struct table devices;
};

int seen_new(struct seen **out)
{
    ASSERT(out != NULL);
    struct seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL) {
        return E_NOMEM;
    }
    (void)pthread_mutex_init(&seen->lock, NULL);
    *out = seen;
    return 0;
}

static void free_entry(void *context, struct table_node *node)
{
    (void)context;
    free(TABLE_OWNER(node, struct entry, by_id));
}

void seen_free(struct seen **seen)
{
    if (seen == NULL || *seen == NULL) {
        return;
    }
    table_each(&(*seen)->devices, free_entry, NULL);
    table_free(&(*seen)->devices);
    (void)pthread_mutex_destroy(&(*seen)->lock);
    free(*seen);
    *seen = NULL;
}

/* --- the table, under the lock --- */

static bool match_id(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_id)->device == *(const uint64_t *)key;
}

static uint64_t hash_id(uint64_t device)
{
    return table_hash(span_of(&device, sizeof device), 0);
}

static struct entry *find(struct seen *seen, uint64_t device)
{
    struct table_node *node = table_find(&seen->devices, hash_id(device), match_id, &device);
    return node != NULL ? TABLE_OWNER(node, struct entry, by_id) : NULL;
}

/* NULL: out of memory. */
static struct entry *find_or_make(struct seen *seen, uint64_t device)
{
    struct entry *entry = find(seen, device);
    if (entry == NULL && (entry = calloc(1, sizeof *entry)) != NULL) {
        entry->device = device;
        table_add(&seen->devices, &entry->by_id, hash_id(device));
    }
    return entry;
}

static void raise_to(struct seen_device *what, const struct seen_device *at)
{
    what->seq = at->seq > what->seq ? at->seq : what->seq;
    what->last_ms = at->last_ms > what->last_ms ? at->last_ms : what->last_ms;
}

void seen_note(struct seen *seen, uint64_t device, const struct seen_device *at)
{
    ASSERT(seen != NULL && at != NULL);
    (void)pthread_mutex_lock(&seen->lock);
    struct entry *entry = find_or_make(seen, device);
    if (entry != NULL) {
        raise_to(&entry->now, at);
    }
    (void)pthread_mutex_unlock(&seen->lock);
}

bool seen_get(struct seen *seen, uint64_t device, struct seen_device *out)
{
    ASSERT(seen != NULL && out != NULL);
    (void)pthread_mutex_lock(&seen->lock);
    const struct entry *entry = find(seen, device);
    *out = entry != NULL ? entry->now : (struct seen_device){0};
    (void)pthread_mutex_unlock(&seen->lock);
    return entry != NULL;
}

/* --- notes --- */

static const char *note_name(uint64_t device, char out[NAME_MAX_SIZE])
{
    char digits[DEVICE_TEXT_MAX];
    device_format(device, digits);
    (void)snprintf(out, NAME_MAX_SIZE, "%s%s", PREFIX, digits);
    return out;
}

static int load_note(void *context, const char *name, struct span bytes, struct err *err)
{
    struct seen *seen = context;
    uint64_t device = 0;
    if (bytes.size != NOTE_SIZE || device_parse(name + sizeof PREFIX - 1, &device, NULL) != 0) {
        log_event(LOG_WARNING, "seen", "note.unreadable", "name=%s", LOG_Q(name));
        return 0;
    }
    struct seen_device at = {.seq = get_be64(bytes.data), .last_ms = get_be64(bytes.data + 8)};
    (void)pthread_mutex_lock(&seen->lock);
    struct entry *entry = find_or_make(seen, device);
    if (entry != NULL) {
        raise_to(&entry->now, &at);
        entry->saved = at;
    }
    (void)pthread_mutex_unlock(&seen->lock);
    return entry != NULL ? 0 : err_set(err, E_NOMEM, "the devices' positions: out of memory");
}

int seen_load(struct seen *seen, struct kv *kv, struct err *err)
{
    ASSERT(seen != NULL && kv != NULL);
    return kv_notes(kv, PREFIX, load_note, seen, err);
}

/* --- saving --- */

struct unsaved {
    size_t count;
    size_t capacity;
    struct {
        uint64_t device;
        struct seen_device at;
    } * list;
};

static void collect(void *context, struct table_node *node)
{
    struct unsaved *unsaved = context;
    const struct entry *entry = TABLE_OWNER(node, struct entry, by_id);
    if (unsaved->count < unsaved->capacity &&
        (entry->now.seq != entry->saved.seq ||
         entry->now.last_ms >= entry->saved.last_ms + SAVE_TIME_MS)) {
        unsaved->list[unsaved->count].device = entry->device;
        unsaved->list[unsaved->count].at = entry->now;
        unsaved->count++;
    }
}

static int collect_all(struct seen *seen, struct unsaved *unsaved, struct err *err)
{
    int rc = 0;
    (void)pthread_mutex_lock(&seen->lock);
    unsaved->capacity = seen->devices.count;
    if (unsaved->capacity > 0) {
        unsaved->list = calloc(unsaved->capacity, sizeof *unsaved->list);
        rc = unsaved->list != NULL ? 0 : E_NOMEM;
    }
    if (rc == 0) {
        table_each(&seen->devices, collect, unsaved);
    }
    (void)pthread_mutex_unlock(&seen->lock);
    return rc == 0 ? 0 : err_set(err, rc, "the devices' positions: out of memory");
}

static int save_one(struct seen *seen, struct kv *kv, uint64_t device, const struct seen_device *at,
                    struct err *err)
{
    char name[NAME_MAX_SIZE];
    uint8_t bytes[NOTE_SIZE];
    put_be64(bytes, at->seq);
    put_be64(bytes + 8, at->last_ms);
    int rc = kv_note_put(kv, note_name(device, name), span_of(bytes, sizeof bytes), err);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_mutex_lock(&seen->lock);
    struct entry *entry = find(seen, device);
    if (entry != NULL) {
        entry->saved = *at;
    }
    (void)pthread_mutex_unlock(&seen->lock);
    return 0;
}

int seen_save(struct seen *seen, struct kv *kv, struct err *err)
{
    ASSERT(seen != NULL && kv != NULL);
    struct unsaved unsaved = {0};
    int rc = collect_all(seen, &unsaved, err);
    for (size_t i = 0; i < unsaved.count && rc == 0; i++) {
        rc = save_one(seen, kv, unsaved.list[i].device, &unsaved.list[i].at, err);
    }
    free(unsaved.list);
    return rc;
}

int seen_forget(struct seen *seen, struct kv *kv, uint64_t device, struct err *err)
{
    ASSERT(seen != NULL && kv != NULL);
    (void)pthread_mutex_lock(&seen->lock);
    struct entry *entry = find(seen, device);
    if (entry != NULL) {
        table_remove(&seen->devices, &entry->by_id);
    }
    (void)pthread_mutex_unlock(&seen->lock);
    if (entry == NULL) {
        return 0;
    }
    free(entry);
    char name[NAME_MAX_SIZE];
    return kv_note_remove(kv, note_name(device, name), err);
}

/* --- carrying over --- */

struct carrying {
    struct seen *seen;
    uint64_t most_seq;
};

static int carry_note(void *context, const char *name, struct span bytes, struct err *err)
{
    const struct carrying *carrying = context;
    uint64_t device = 0;
    (void)err;
    if (bytes.size == NOTE_SIZE && device_parse(name + sizeof PREFIX - 1, &device, NULL) == 0) {
        struct seen_device at = {.seq = get_be64(bytes.data), .last_ms = get_be64(bytes.data + 8)};
        at.seq = at.seq < carrying->most_seq ? at.seq : carrying->most_seq;
        seen_note(carrying->seen, device, &at);
    }
    return 0;
}

int seen_carry(struct kv *from, struct kv *to, uint64_t most_seq, struct err *err)
{
    ASSERT(from != NULL && to != NULL);
    struct carrying carrying = {.most_seq = most_seq};
    if (seen_new(&carrying.seen) != 0) {
        return err_set(err, E_NOMEM, "the devices' positions: out of memory");
    }
    int rc = seen_load(carrying.seen, to, err);
    if (rc == 0) {
        rc = kv_notes(from, PREFIX, carry_note, &carrying, err);
    }
    if (rc == 0) {
        rc = seen_save(carrying.seen, to, err);
    }
    seen_free(&carrying.seen);
    return rc;
}
