/* kv/known.c - a table of buckets, each a cache line. */
#include "kv/known.h"

#include <stdlib.h>

enum { STATE_BITS = 2, BUCKETS = KV_KNOWN_ROWS / KV_KNOWN_WAYS };

int kv_known_init(struct kv_known *known, struct err *err)
{
    ASSERT(known != NULL);
    known->entries = calloc(KV_KNOWN_ROWS, sizeof *known->entries);
    return known->entries != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

void kv_known_free(struct kv_known *known)
{
    ASSERT(known != NULL);
    free(known->entries);
    known->entries = NULL;
}

/* The bucket is named by the upper half of the hash: the lower one orders the overlays' tables. */
static struct kv_known_entry *bucket_of(const struct kv_known *known, uint64_t hash)
{
    return &known->entries[(hash >> 32) % BUCKETS * KV_KNOWN_WAYS];
}

static struct kv_known_entry *find(const struct kv_known *known, uint64_t hash)
{
    struct kv_known_entry *bucket = bucket_of(known, hash);
    for (size_t i = 0; i < KV_KNOWN_WAYS; i++) {
        if (bucket[i].what != 0 && bucket[i].hash == hash) {
            return &bucket[i];
        }
    }
    return NULL;
}

bool kv_known_get(const struct kv_known *known, uint64_t hash, struct item_row *row)
{
    ASSERT(known != NULL && row != NULL);
    const struct kv_known_entry *entry = find(known, hash);
    if (entry == NULL) {
        return false;
    }
    *row = (struct item_row){
        .state = (enum item_state)(entry->what & ((1U << STATE_BITS) - 1)),
        .seq = entry->what >> STATE_BITS,
    };
    return true;
}

void kv_known_put(struct kv_known *known, uint64_t hash, const struct item_row *row)
{
    ASSERT(known != NULL && row != NULL);
    ASSERT(row->state != ITEM_ABSENT && row->seq > 0);
    struct kv_known_entry *entry = find(known, hash);
    if (entry == NULL) {
        struct kv_known_entry *bucket = bucket_of(known, hash);
        entry = bucket;
        for (size_t i = 1; i < KV_KNOWN_WAYS; i++) {
            entry = bucket[i].what < entry->what ? &bucket[i] : entry; /* free, or of lowest seq */
        }
    }
    *entry = (struct kv_known_entry){hash, row->seq << STATE_BITS | (uint64_t)row->state};
}

void kv_known_forget(struct kv_known *known, uint64_t hash)
{
    ASSERT(known != NULL);
    struct kv_known_entry *entry = find(known, hash);
    if (entry != NULL) {
        *entry = (struct kv_known_entry){0};
    }
}
