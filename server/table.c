/* server/table.c - chains in buckets; as many buckets as nodes, where memory allows. */
#include "server/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    seed = random_u64();
}

uint64_t table_hash(struct span bytes, uint64_t more)
{
    (void)pthread_once(&seed_once, make_seed);
    return hash64(bytes, seed ^ (more * UINT64_C(0x9e3779b97f4a7c15)));
}

static size_t width(const struct table *table)
{
    return table->buckets != NULL ? table->bucket_count : TABLE_SMALL;
}

static struct table_node *const *buckets(const struct table *table)
{
    return table->buckets != NULL ? table->buckets : table->small;
}

static struct table_node **bucket(struct table *table, uint64_t hash)
{
    struct table_node **all = table->buckets != NULL ? table->buckets : table->small;
    return &all[hash & (width(table) - 1)];
}

struct table_node *table_find(const struct table *table, uint64_t hash, table_match_fn *match,
                              const void *key)
{
    ASSERT(table != NULL && match != NULL);
    struct table_node *node = buckets(table)[hash & (width(table) - 1)];
    while (node != NULL && (node->hash != hash || !match(node, key))) {
        node = node->next;
    }
    return node;
}

static void push(struct table *table, struct table_node *node)
{
    struct table_node **head = bucket(table, node->hash);
    node->next = *head;
    *head = node;
}

static void grow(struct table *table)
{
    size_t old_width = width(table);
    struct table_node **wider = calloc(old_width * 2, sizeof(struct table_node *));
    if (wider == NULL) {
        return; /* chains get longer, nothing else */
    }
    struct table_node **old = table->buckets;
    struct table_node *const *from = buckets(table);
    struct table_node *all = NULL;
    for (size_t i = 0; i < old_width; i++) {
        struct table_node *node = from[i];
        while (node != NULL) {
            struct table_node *next = node->next;
            node->next = all;
            all = node;
            node = next;
        }
    }
    table->buckets = wider;
    table->bucket_count = old_width * 2;
    while (all != NULL) {
        struct table_node *next = all->next;
        push(table, all);
        all = next;
    }
    free(old);
}

void table_add(struct table *table, struct table_node *node, uint64_t hash)
{
    ASSERT(table != NULL && node != NULL);
    if (table->count >= width(table)) {
        grow(table);
    }
    node->hash = hash;
    push(table, node);
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    ASSERT(table != NULL && node != NULL);
    struct table_node **at = bucket(table, node->hash);
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

void table_each(const struct table *table, void (*each)(void *context, struct table_node *node),
                void *context)
{
    ASSERT(table != NULL && each != NULL);
    for (size_t i = 0; i < width(table); i++) {
        struct table_node *node = buckets(table)[i];
        while (node != NULL) {
            struct table_node *next = node->next;
            each(context, node);
            node = next;
        }
    }
}

void table_clear(struct table *table)
{
    ASSERT(table != NULL);
    if (table->count * 8 < width(table)) {
        table_free(table); /* it was wide once: clearing it would cost more than it is worth */
        return;
    }
    memset(table->small, 0, sizeof table->small);
    if (table->buckets != NULL) {
        memset(table->buckets, 0, table->bucket_count * sizeof table->buckets[0]);
    }
    table->count = 0;
}

void table_free(struct table *table)
{
    ASSERT(table != NULL);
    free(table->buckets);
    *table = (struct table){0};
}
