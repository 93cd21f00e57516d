/* transport/idmap.c - open addressing with linear probing; removal shifts back what follows. */
#include "transport/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { STEP = 8, STEPS_UP_TO = 64 };

void idmap_init(struct idmap *map, size_t item_size, uint64_t seed)
{
    ASSERT(item_size >= sizeof(uint64_t) + sizeof(uint32_t));
    *map = (struct idmap){.seed = seed, .item_size = item_size, .free = IDMAP_NONE};
}

void idmap_free(struct idmap *map)
{
    free(map->items);
    free(map->slots);
    idmap_init(map, map->item_size, map->seed);
}

static uint64_t id_of(const void *item)
{
    uint64_t id;
    memcpy(&id, item, sizeof id);
    return id;
}

void *idmap_at(const struct idmap *map, uint32_t number)
{
    ASSERT(number < map->used);
    return map->items + number * map->item_size;
}

uint32_t idmap_number(const struct idmap *map, const void *item)
{
    return (uint32_t)((size_t)((const uint8_t *)item - map->items) / map->item_size);
}

static uint32_t home_of(const struct idmap *map, uint64_t id)
{
    return (uint32_t)hash64(span_of(&id, sizeof id), map->seed) & (map->slot_count - 1);
}

/* The slot that holds `id`, or the empty one where it would go. */
static uint32_t slot_of(const struct idmap *map, uint64_t id)
{
    uint32_t slot = home_of(map, id);
    while (map->slots[slot] != IDMAP_NONE && id_of(idmap_at(map, map->slots[slot])) != id) {
        slot = (slot + 1) & (map->slot_count - 1);
    }
    return slot;
}

void *idmap_find(const struct idmap *map, uint64_t id)
{
    if (map->count == 0) {
        return NULL;
    }
    uint32_t number = map->slots[slot_of(map, id)];
    return number == IDMAP_NONE ? NULL : idmap_at(map, number);
}

/* Room for one more item, and a third more slots than items. */
static bool grow(struct idmap *map)
{
    uint32_t capacity =
        map->capacity < STEPS_UP_TO ? map->capacity + STEP : map->capacity + map->capacity / 2;
    uint32_t slot_count = map->slot_count == 0 ? 2 * STEP : map->slot_count;
    while (slot_count < capacity + capacity / 3) {
        slot_count *= 2;
    }
    uint8_t *items = realloc(map->items, capacity * map->item_size);
    if (items == NULL) {
        return false;
    }
    map->items = items;
    uint32_t *slots = malloc(slot_count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    uint32_t *old = map->slots;
    uint32_t old_count = map->slot_count;
    map->slots = slots;
    map->slot_count = slot_count;
    map->capacity = capacity;
    memset(slots, 0xff, slot_count * sizeof *slots);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i] != IDMAP_NONE) {
            slots[slot_of(map, id_of(idmap_at(map, old[i])))] = old[i];
        }
    }
    free(old);
    return true;
}

/* Removed items are a list: the number of the next one lies where the id was. */
static uint32_t take_number(struct idmap *map)
{
    if (map->free == IDMAP_NONE) {
        return map->used++;
    }
    uint32_t number = map->free;
    map->free = (uint32_t)id_of(idmap_at(map, number));
    return number;
}

void *idmap_add(struct idmap *map, uint64_t id)
{
    ASSERT(idmap_find(map, id) == NULL);
    if (map->free == IDMAP_NONE && map->used == map->capacity && !grow(map)) {
        return NULL;
    }
    uint32_t number = take_number(map);
    void *item = idmap_at(map, number);
    memset(item, 0, map->item_size);
    memcpy(item, &id, sizeof id);
    map->slots[slot_of(map, id)] = number;
    map->count++;
    return item;
}

/* The items behind the hole that would not be found across it move into it. */
static void close_hole(struct idmap *map, uint32_t hole)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t slot = (hole + 1) & mask;
    while (map->slots[slot] != IDMAP_NONE) {
        uint32_t home = home_of(map, id_of(idmap_at(map, map->slots[slot])));
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
        slot = (slot + 1) & mask;
    }
    map->slots[hole] = IDMAP_NONE;
}

void idmap_remove(struct idmap *map, uint64_t id)
{
    ASSERT(map->count > 0);
    uint32_t slot = slot_of(map, id);
    uint32_t number = map->slots[slot];
    ASSERT(number != IDMAP_NONE);
    close_hole(map, slot);
    uint64_t next = map->free;
    memcpy(idmap_at(map, number), &next, sizeof next);
    map->free = number;
    map->count--;
    if (map->count == 0) {
        idmap_free(map);
    }
}

size_t idmap_bytes(const struct idmap *map)
{
    return map->capacity * map->item_size + map->slot_count * sizeof *map->slots;
}
