/* server/registry.h - the devices and join tokens, in memory: which key is whose.
 *
 * The truth is the server's bag (the items of records.h); this follows it, change by change. An
 * item that can't be understood is logged and counts as absent. Owned by the main thread.
 */
#ifndef KITBAG_SERVER_REGISTRY_H
#define KITBAG_SERVER_REGISTRY_H

#include "kv/kv.h"
#include "server/backup_record.h"
#include "server/records.h"

struct registry;

/* Whose key a connection shows. */
enum registry_kind { REGISTRY_NOBODY, REGISTRY_DEVICE, REGISTRY_REMOVED, REGISTRY_TOKEN };
struct registry_peer {
    enum registry_kind kind;
    uint64_t device; /* of DEVICE and REMOVED */
};

MUST_CHECK int registry_new(struct registry **out);
void registry_free(struct registry **registry);

/* Read everything from the server's bag; what was known before is forgotten. */
MUST_CHECK int registry_load(struct registry *registry, struct kv *kv, uint64_t server_bag,
                             struct err *err);
/* A change was committed: when it is of the server's bag, follow it. */
void registry_apply(struct registry *registry, const struct change *change, uint64_t server_bag);

/* What a device may have beyond its own: nothing when it is removed, or unknown. */
struct registry_rights {
    enum device_keep keep;
    bool mirror;
};
struct registry_rights registry_rights(const struct registry *registry, uint64_t device);

struct registry_peer registry_peer(const struct registry *registry, const uint8_t key[KEY_SIZE]);
/* Is the key known at all? One that is not is told of in the log, now and then. */
bool registry_admits(const struct registry *registry, const uint8_t key[KEY_SIZE], uint64_t now_ms);
/* Is this still the key of the device, and the device not removed? */
bool registry_holds(const struct registry *registry, uint64_t device, const uint8_t key[KEY_SIZE]);
bool registry_knows(const struct registry *registry, uint64_t device);  /* removed or not */
bool registry_active(const struct registry *registry, uint64_t device); /* not removed */
uint64_t registry_devices(const struct registry *registry);             /* not removed */
/* The data was restored from a backup, it is not known what was removed since, and nobody has
 * confirmed who is to be served: nobody is. */
bool registry_held(const struct registry *registry);

#endif
