/* kv/lately.h - the rows of bags and writers that were touched lately: hot ones cost no look-up.
 *
 * Rows as the store has them, in two generations: what is put goes into the young one, and when
 * that is full it becomes the old one, and the old one is forgotten. A row that is always in use is
 * therefore always known. The hash is the overlay's, keyed with the same seed.
 *
 * One owner; several may look at once.
 */
#ifndef KITBAG_KV_LATELY_H
#define KITBAG_KV_LATELY_H

#include "base/buf.h"

enum { KV_LATELY_ROWS = 131072, KV_LATELY_KEY = 9 }; /* of a generation; bytes of a key */

struct kv_generation {
    uint8_t *bytes; /* the rows, each behind a header */
    size_t size;
    size_t capacity;
    uint32_t *slots; /* a hash table, half full at the most: where the row is, + 1; 0: free */
    size_t count;
};

/* Born zeroed. */
struct kv_lately {
    struct kv_generation generations[2];
    unsigned young; /* which of them */
};

void kv_lately_free(struct kv_lately *lately); /* and it knows nothing, and can be used again */
/* Whether the row of `key` is known; then it is borrowed until the next put, and empty when it is
 * known that there is none. */
bool kv_lately_get(const struct kv_lately *lately, struct span key, uint64_t hash,
                   struct span *row);
/* The row is this one from now on. Without memory everything is forgotten. */
void kv_lately_put(struct kv_lately *lately, struct span key, uint64_t hash, struct span row);

#endif
