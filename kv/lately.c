/* kv/lately.c - two generations of rows. */
#include "kv/lately.h"

#include <stdlib.h>
#include <string.h>

struct header {
    uint64_t hash;
    uint32_t row_size;
    uint8_t key[KV_LATELY_KEY];
};

enum { SLOTS = 2 * KV_LATELY_ROWS, FIRST_BYTES = 64 << 10, ALIGN = 8 };

static void free_generation(struct kv_generation *generation)
{
    free(generation->bytes);
    free(generation->slots);
    *generation = (struct kv_generation){0};
}

void kv_lately_free(struct kv_lately *lately)
{
    ASSERT(lately != NULL);
    free_generation(&lately->generations[0]);
    free_generation(&lately->generations[1]);
}

static const struct header *header_at(const struct kv_generation *generation, uint32_t slot)
{
    return (const void *)(generation->bytes + (size_t)(slot - 1) * ALIGN);
}

/* Where the key is, or the free slot where it belongs. */
static uint32_t *find_slot(const struct kv_generation *generation, struct span key, uint64_t hash)
{
    size_t slot = (size_t)hash % SLOTS;
    while (generation->slots[slot] != 0) {
        const struct header *header = header_at(generation, generation->slots[slot]);
        if (header->hash == hash && memcmp(header->key, key.data, KV_LATELY_KEY) == 0) {
            break;
        }
        slot = (slot + 1) % SLOTS;
    }
    return &generation->slots[slot];
}

static bool find(const struct kv_generation *generation, struct span key, uint64_t hash,
                 struct span *row)
{
    uint32_t slot = generation->slots != NULL ? *find_slot(generation, key, hash) : 0;
    if (slot != 0) {
        const struct header *header = header_at(generation, slot);
        *row = span_of(header + 1, header->row_size);
    }
    return slot != 0;
}

bool kv_lately_get(const struct kv_lately *lately, struct span key, uint64_t hash, struct span *row)
{
    ASSERT(lately != NULL && row != NULL);
    ASSERT(key.size == KV_LATELY_KEY);
    return find(&lately->generations[lately->young], key, hash, row) ||
           find(&lately->generations[1 - lately->young], key, hash, row);
}

/* Room for one more row; NULL without memory. */
static struct header *append(struct kv_generation *generation, size_t row_size)
{
    size_t size = (sizeof(struct header) + row_size + ALIGN - 1) / ALIGN * ALIGN;
    if (generation->slots == NULL) {
        generation->slots = calloc(SLOTS, sizeof *generation->slots);
        if (generation->slots == NULL) {
            return NULL;
        }
    }
    if (generation->capacity - generation->size < size) {
        size_t capacity = generation->capacity > 0 ? 2 * generation->capacity : FIRST_BYTES;
        while (capacity - generation->size < size) {
            capacity *= 2;
        }
        uint8_t *bytes = realloc(generation->bytes, capacity);
        if (bytes == NULL) {
            return NULL;
        }
        generation->bytes = bytes;
        generation->capacity = capacity;
    }
    struct header *header = (void *)(generation->bytes + generation->size);
    generation->size += size;
    return header;
}

void kv_lately_put(struct kv_lately *lately, struct span key, uint64_t hash, struct span row)
{
    ASSERT(lately != NULL);
    ASSERT(key.size == KV_LATELY_KEY);
    struct kv_generation *young = &lately->generations[lately->young];
    struct span known;
    if (find(young, key, hash, &known) && known.size == row.size) {
        if (row.size > 0) {
            memcpy((uint8_t *)(uintptr_t)known.data, row.data, row.size);
        }
        return;
    }
    if (young->count == KV_LATELY_ROWS) {
        lately->young = 1 - lately->young;
        young = &lately->generations[lately->young];
        free_generation(young); /* it is the old one until now */
    }
    struct header *header = append(young, row.size);
    if (header == NULL) {
        kv_lately_free(lately);
        return;
    }
    *header = (struct header){.hash = hash, .row_size = (uint32_t)row.size};
    memcpy(header->key, key.data, KV_LATELY_KEY);
    if (row.size > 0) {
        memcpy(header + 1, row.data, row.size);
    }
    uint32_t *slot = find_slot(young, key, hash);
    young->count += *slot == 0;
    *slot = (uint32_t)((size_t)((uint8_t *)header - young->bytes) / ALIGN + 1);
}
