/* server/table.h - hash tables whose nodes stand inside the things they hold.
 *
 * Adding never fails: the node is the caller's, and when there is no memory for more buckets the
 * table stays as wide as it is. (uthash ends the process there, or asks every caller to look.)
 * Hashes are keyed by a random seed of the process, because peers choose names, paths and numbers.
 * Owned by one thread.
 */
#ifndef KITBAG_SERVER_TABLE_H
#define KITBAG_SERVER_TABLE_H

#include "base/buf.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

enum { TABLE_SMALL = 16 };

/* Born zeroed; not to be moved once it holds something. */
struct table {
    struct table_node **buckets; /* NULL: `small` */
    size_t bucket_count;         /* a power of two; 0: TABLE_SMALL */
    size_t count;
    struct table_node *small[TABLE_SMALL];
};

/* The struct of `type` that holds `node` as its `member`. */
#define TABLE_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

uint64_t table_hash(struct span bytes, uint64_t more); /* `more` is a second part of the key */

/* The first node of this hash for which `match` says yes; NULL: none. */
typedef bool table_match_fn(const struct table_node *node, const void *key);
struct table_node *table_find(const struct table *table, uint64_t hash, table_match_fn *match,
                              const void *key);
void table_add(struct table *table, struct table_node *node, uint64_t hash);
void table_remove(struct table *table, struct table_node *node); /* it must be in there */

/* Every node once, in no order; the one that is shown may be removed or freed meanwhile. */
void table_each(const struct table *table, void (*each)(void *context, struct table_node *node),
                void *context);

void table_clear(struct table *table); /* forgets its nodes */
void table_free(struct table *table);  /* and its buckets */

#endif
