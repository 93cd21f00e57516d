/* transport/idmap.h - a small table of items by a 64-bit id that peers choose.
 *
 * Items lie in one block; an index of slots (open addressing, keyed hash) finds them. Small tables
 * grow by eight items, so that twenty bags of a session cost little. An item keeps its number until
 * it is removed, so lists link items by number; pointers end with the next idmap_add.
 */
#ifndef KITBAG_TRANSPORT_IDMAP_H
#define KITBAG_TRANSPORT_IDMAP_H

#include "base/buf.h"

#define IDMAP_NONE UINT32_MAX /* no item has this number */

struct idmap {
    uint64_t seed;
    size_t item_size;
    uint8_t *items;
    uint32_t *slots; /* numbers of items, IDMAP_NONE when empty */
    uint32_t count;
    uint32_t capacity;   /* items */
    uint32_t slot_count; /* 0 or a power of two, more than the capacity */
    uint32_t used;       /* items that ever were in use: behind them all is fresh */
    uint32_t free;       /* first of the list of removed items */
};

/* An item is a struct of `item_size` bytes that begins with `uint64_t id`. */
void idmap_init(struct idmap *map, size_t item_size, uint64_t seed);
void idmap_free(struct idmap *map); /* empties it; it can be used again */

void *idmap_find(const struct idmap *map, uint64_t id); /* NULL: none */
/* A new item, zero but for its id, which must not be there yet. NULL: no memory, nothing done. */
void *idmap_add(struct idmap *map, uint64_t id);
void idmap_remove(struct idmap *map, uint64_t id); /* it must be there */

void *idmap_at(const struct idmap *map, uint32_t number); /* of an item that is there */
uint32_t idmap_number(const struct idmap *map, const void *item);
size_t idmap_bytes(const struct idmap *map); /* of memory that it holds */

#endif
