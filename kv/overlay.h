/* kv/overlay.h - the rows that a run of changes touches, decoded, until they are written at once.
 *
 * A row is read from the store once and written once, however many changes touch it: later changes
 * meet what earlier ones made of it. Written in the order of keys, which RocksDB takes fastest.
 *
 * A hash table of our own, because running out of memory has to be an error that leaves the state
 * as it was. The hash is keyed: paths are chosen by peers.
 */
#ifndef KITBAG_KV_OVERLAY_H
#define KITBAG_KV_OVERLAY_H

#include "kv/known.h"
#include "kv/lately.h"
#include "kv/store.h"

/* One row. What of the union is used follows from the key's letter: B and G bag, I item, W writer,
 * Q outcome, O, C and N id, D doom, T place, U and P link. An item that was read has no value. */
struct kv_cell {
    bool present; /* there is such a row */
    bool dirty;   /* it has to be written (or deleted, when it is not present) */
    bool stored;  /* the store has such a row */
    uint64_t hash;
    union {
        struct bag_row *bag;
        struct item_row item;
        struct kv_writer writer;
        struct kv_outcome outcome;
        uint64_t id;
        struct kv_doom doom;
        struct kv_place place; /* its path is borrowed from the change */
        struct kv_link link;
    };
    size_t key_size;
    uint8_t key[];
};

struct kv_slot {
    uint64_t hash;
    struct kv_cell *cell; /* NULL: free */
};

struct kv_block; /* memory of cells */

/* What is known without the store, from overlays that were written. */
struct kv_memory {
    uint64_t seed; /* of the hashes of keys */
    struct kv_lately lately;
    struct kv_known known;
};

struct kv_overlay {
    const struct kv_store *store;
    const struct kv_memory *memory; /* asked before the store; NULL: none */
    uint64_t seed;
    struct kv_cell **cells; /* in the order they came */
    size_t count;
    size_t capacity;
    struct kv_slot *slots; /* the hash table: a power of two, at most half full */
    size_t slot_count;
    struct kv_block *blocks;
};

/* `memory` NULL: none. */
void kv_overlay_init(struct kv_overlay *overlay, const struct kv_store *store,
                     const struct kv_memory *memory);
void kv_overlay_free(struct kv_overlay *overlay);

/* The row of `key` as it is now, read from the store the first time. It stays where it is until
 * kv_overlay_free. E_NOMEM, E_CORRUPT, E_IO: the overlay is of no more use then. */
MUST_CHECK int kv_overlay_get(struct kv_overlay *overlay, const struct kv_key *key,
                              struct kv_cell **out, struct err *err);

/* The same without asking the store, for rows of which is known whether it has them: a look-up is
 * what applying costs. Not present and not dirty the first time; `stored` as told. E_NOMEM. */
MUST_CHECK int kv_overlay_put(struct kv_overlay *overlay, const struct kv_key *key, bool stored,
                              struct kv_cell **out, struct err *err);

/* The same for an item of which it is said that there is no row: only what is known of it without
 * the store. E_NOMEM. */
MUST_CHECK int kv_overlay_guess(struct kv_overlay *overlay, const struct kv_key *key,
                                struct kv_cell **out, struct err *err);

/* Append all dirty rows to `batch`, in the order of keys. `scratch` holds one row. E_NOMEM. */
MUST_CHECK int kv_overlay_write(struct kv_overlay *overlay, rocksdb_writebatch_t *batch,
                                struct buf *scratch, struct err *err);

MUST_CHECK int kv_memory_init(struct kv_memory *memory, struct err *err); /* E_NOMEM */
void kv_memory_free(struct kv_memory *memory);
/* After an overlay with this memory was written: its bags, writers and items (these without their
 * values) are known from now on. `scratch` holds one row; without memory less is known. */
void kv_memory_keep(struct kv_memory *memory, const struct kv_overlay *written,
                    struct buf *scratch);

#endif
