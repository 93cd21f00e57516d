/* kv/known.h - which rows of items were written lately, so that applying need not look them up.
 *
 * A table of fixed size, of the hash of a row's key -> its state and seq: many rows in little
 * memory, for the values of items are never asked for. The hash is keyed with a secret seed, and
 * 64 bits of it stand for the key. When a row has no room the one written longest ago goes.
 *
 * The applying thread's own.
 */
#ifndef KITBAG_KV_KNOWN_H
#define KITBAG_KV_KNOWN_H

#include "journal/apply.h"

enum { KV_KNOWN_ROWS = 1 << 21, KV_KNOWN_WAYS = 4 };

struct kv_known_entry {
    uint64_t hash;
    uint64_t what; /* seq << 2 | state; 0: free */
};

/* Born zeroed; an empty one knows nothing. */
struct kv_known {
    struct kv_known_entry *entries; /* 32 MiB, touched as they fill */
};

MUST_CHECK int kv_known_init(struct kv_known *known, struct err *err); /* E_NOMEM */
void kv_known_free(struct kv_known *known);

/* Whether the row is known; then its state and seq. */
bool kv_known_get(const struct kv_known *known, uint64_t hash, struct item_row *row);
/* The row is of this state and seq from now on; its other fields are not looked at. */
void kv_known_put(struct kv_known *known, uint64_t hash, const struct item_row *row);
/* Nothing is known of the row from now on. */
void kv_known_forget(struct kv_known *known, uint64_t hash);

#endif
