/* server/registry.c - two tables: what stands at a path, and whose a key is. */
#include "server/registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/rows.h"
#include "server/table.h"

struct entry {
    struct table_node by_key;
    struct table_node by_id; /* devices only */
    enum registry_kind kind; /* DEVICE, REMOVED or TOKEN */
    uint64_t device;         /* of DEVICE and REMOVED */
    struct registry_rights rights;
    uint8_t key[KEY_SIZE];
};

struct registry {
    struct table keys;
    struct table devices;
    uint64_t active;
    bool held;
};

int registry_new(struct registry **out)
{
    ASSERT(out != NULL);
    *out = calloc(1, sizeof **out);
    return *out != NULL ? 0 : E_NOMEM;
}

static void free_entry(void *context, struct table_node *node)
{
    (void)context;
    free(TABLE_OWNER(node, struct entry, by_key));
}

static void forget_all(struct registry *registry)
{
    table_each(&registry->keys, free_entry, NULL);
    table_clear(&registry->keys);
    table_clear(&registry->devices);
    registry->active = 0;
    registry->held = false;
}

void registry_free(struct registry **registry)
{
    if (registry == NULL || *registry == NULL) {
        return;
    }
    forget_all(*registry);
    table_free(&(*registry)->keys);
    table_free(&(*registry)->devices);
    free(*registry);
    *registry = NULL;
}

/* --- finding --- */

static uint64_t hash_key(const uint8_t *key)
{
    return table_hash(span_of(key, KEY_SIZE), 0);
}

static uint64_t hash_id(uint64_t device)
{
    return table_hash(span_of(&device, sizeof device), 1);
}

static bool match_key(const struct table_node *node, const void *key)
{
    return memcmp(TABLE_OWNER(node, struct entry, by_key)->key, key, KEY_SIZE) == 0;
}

static bool match_id(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_id)->device == *(const uint64_t *)key;
}

static struct entry *find_key(const struct registry *registry, const uint8_t *key)
{
    struct table_node *node = table_find(&registry->keys, hash_key(key), match_key, key);
    return node != NULL ? TABLE_OWNER(node, struct entry, by_key) : NULL;
}

static struct entry *find_device(const struct registry *registry, uint64_t device)
{
    struct table_node *node = table_find(&registry->devices, hash_id(device), match_id, &device);
    return node != NULL ? TABLE_OWNER(node, struct entry, by_id) : NULL;
}

struct registry_peer registry_peer(const struct registry *registry, const uint8_t key[KEY_SIZE])
{
    ASSERT(registry != NULL && key != NULL);
    const struct entry *entry = find_key(registry, key);
    if (entry == NULL) {
        return (struct registry_peer){REGISTRY_NOBODY, 0};
    }
    return (struct registry_peer){entry->kind, entry->device};
}

bool registry_admits(const struct registry *registry, const uint8_t key[KEY_SIZE], uint64_t now_ms)
{
    static struct log_limit limit;
    uint64_t held_back = 0;
    if (registry_peer(registry, key).kind != REGISTRY_NOBODY) {
        return true;
    }
    if (log_limit_pass(&limit, now_ms, &held_back)) {
        log_event(
            LOG_WARNING, "session", "device.auth_failed",
            "code=not_allowed text=\"a key that this server does not know\" held_back=%" PRIu64,
            held_back);
    }
    return false;
}

bool registry_holds(const struct registry *registry, uint64_t device, const uint8_t key[KEY_SIZE])
{
    struct registry_peer peer = registry_peer(registry, key);
    return peer.kind == REGISTRY_DEVICE && peer.device == device;
}

bool registry_knows(const struct registry *registry, uint64_t device)
{
    ASSERT(registry != NULL);
    return find_device(registry, device) != NULL;
}

bool registry_active(const struct registry *registry, uint64_t device)
{
    ASSERT(registry != NULL);
    const struct entry *entry = find_device(registry, device);
    return entry != NULL && entry->kind == REGISTRY_DEVICE;
}

struct registry_rights registry_rights(const struct registry *registry, uint64_t device)
{
    ASSERT(registry != NULL);
    const struct entry *entry = find_device(registry, device);
    return entry != NULL && entry->kind == REGISTRY_DEVICE ? entry->rights
                                                           : (struct registry_rights){0};
}

uint64_t registry_devices(const struct registry *registry)
{
    ASSERT(registry != NULL);
    return registry->active;
}

bool registry_held(const struct registry *registry)
{
    ASSERT(registry != NULL);
    return registry->held;
}

/* --- following --- */

static void unlink_entry(struct registry *registry, struct entry *entry)
{
    table_remove(&registry->keys, &entry->by_key);
    if (entry->kind != REGISTRY_TOKEN) {
        table_remove(&registry->devices, &entry->by_id);
    }
    registry->active -= entry->kind == REGISTRY_DEVICE;
}

static void forget(struct registry *registry, struct entry *entry)
{
    unlink_entry(registry, entry);
    free(entry);
}

/* `wanted` tells all but its nodes. The memory of `was` (may be NULL), which it replaces, is used
 * again: what is known is not lost for want of memory. */
static int remember(struct registry *registry, struct entry *was, const struct entry *wanted)
{
    struct entry *same = find_key(registry, wanted->key);
    struct entry *entry = was != NULL ? was : same;
    if (same != NULL && same != entry) {
        forget(registry, same);
    }
    if (entry != NULL) {
        unlink_entry(registry, entry);
    } else {
        entry = malloc(sizeof *entry);
    }
    if (entry == NULL) {
        return E_NOMEM;
    }
    *entry = *wanted;
    table_add(&registry->keys, &entry->by_key, hash_key(entry->key));
    if (entry->kind != REGISTRY_TOKEN) {
        table_add(&registry->devices, &entry->by_id, hash_id(entry->device));
    }
    registry->active += entry->kind == REGISTRY_DEVICE;
    return 0;
}

static int follow_device(struct registry *registry, struct span path, const struct span *value,
                         struct err *err)
{
    uint64_t device = 0;
    if (!record_device_of(path, &device)) {
        return err_set(err, E_MALFORMED, "its path names no device");
    }
    struct entry *entry = find_device(registry, device);
    struct device_record record = {0};
    int rc = value != NULL ? record_get_device(&record, path, *value, err) : 0;
    if (value == NULL || rc != 0) {
        if (entry != NULL) {
            forget(registry, entry);
        }
        return rc;
    }
    struct entry wanted = {
        .kind = record.removed ? REGISTRY_REMOVED : REGISTRY_DEVICE,
        .device = record.id,
        .rights = {record.keep, record.mirror},
    };
    memcpy(wanted.key, record.key, KEY_SIZE);
    if (record.removed && entry != NULL && entry->kind == REGISTRY_DEVICE) {
        log_event(LOG_INFO, "registry", "device.removed", "device=%016" PRIx64 " name=%s",
                  record.id, LOG_Q(record.name));
    }
    return remember(registry, entry, &wanted);
}

static int follow_token(struct registry *registry, struct span path, const struct span *value,
                        struct err *err)
{
    uint8_t key[KEY_SIZE];
    if (!record_token_of(path, key)) {
        return err_set(err, E_MALFORMED, "its path names no join token");
    }
    struct entry *entry = find_key(registry, key);
    if (entry != NULL && entry->kind != REGISTRY_TOKEN) {
        return 0; /* a machine has this key by now: that counts */
    }
    struct token_record record = {0};
    int rc = value != NULL ? record_get_token(&record, path, *value, err) : 0;
    if (value == NULL || rc != 0) {
        if (entry != NULL) {
            forget(registry, entry);
        }
        return rc;
    }
    struct entry wanted = {.kind = REGISTRY_TOKEN};
    memcpy(wanted.key, key, KEY_SIZE);
    return remember(registry, entry, &wanted);
}

/* One that can't be read holds: whom it is about nobody knows. */
static int follow_restored(struct registry *registry, const struct span *value, struct err *err)
{
    struct restored_record record = {0};
    int rc = value != NULL ? restored_get(&record, *value, err) : 0;
    registry->held = rc != 0 || restored_held(&record);
    return rc;
}

/* `value` NULL: the item was removed. */
static int follow(struct registry *registry, struct span path, const struct span *value)
{
    struct err err = {0};
    int rc = 0;
    switch (record_kind(path)) {
    case RECORD_DEVICE:
        rc = follow_device(registry, path, value, &err);
        break;
    case RECORD_TOKEN:
        rc = follow_token(registry, path, value, &err);
        break;
    case RECORD_OTHER:
        rc = span_equal(path, SPAN_LITERAL(RESTORED_ITEM)) ? follow_restored(registry, value, &err)
                                                           : 0;
        break;
    }
    if (rc != 0) {
        log_event(LOG_ERROR, "registry", "record.unreadable", "item=%.*s code=%s text=%s",
                  (int)path.size, (const char *)path.data, err_name(rc), LOG_Q(err.text));
    }
    return rc;
}

static int each_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    int rc = follow(context, path, &row->value);
    return rc == E_NOMEM ? err_set(err, rc, "out of memory") : 0;
}

int registry_load(struct registry *registry, struct kv *kv, uint64_t server_bag, struct err *err)
{
    ASSERT(registry != NULL && kv != NULL);
    forget_all(registry);
    return rows_each(kv, server_bag, SPAN_LITERAL(""), each_item, registry, err);
}

void registry_apply(struct registry *registry, const struct change *change, uint64_t server_bag)
{
    ASSERT(registry != NULL && change != NULL);
    if (change->bag_id != server_bag) {
        return;
    }
    if (change->kind == CHANGE_ITEM_SET) {
        (void)follow(registry, change->path, &change->value); /* it was logged */
    } else if (change->kind == CHANGE_ITEM_REMOVE) {
        (void)follow(registry, change->path, NULL);
    }
}
