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
#include "kv/store.h"

/* One row. What of the union is used follows from the key's letter: B and G bag, I item, W writer,
 * Q outcome, O and C id, D doom, T place. An item that was read has no value. */
struct kv_cell {
    bool present; /* there is such a row */
    bool dirty;   /* it has to be written (or deleted, when it is not present) */
    bool stored;  /* the store has such a row */
    uint64_t hash;
    union {
        struct bag_row *bag; /* owned */
        struct item_row item;
        struct kv_writer writer;
        struct kv_outcome outcome;
        uint64_t id;
        struct kv_doom doom;
        struct kv_place place; /* its path is borrowed from the change */
    };
    size_t key_size;
    uint8_t key[];
};

struct kv_overlay {
    const struct kv_store *store;
    const struct kv_overlay *recent; /* asked before the store; NULL: none */
    const struct kv_known *known;    /* the same for items; NULL: none */
    uint64_t seed;
    struct kv_cell **cells; /* in the order they came */
    size_t count;
    size_t capacity;
    struct kv_cell **slots; /* the hash table: a power of two, at most half full */
    size_t slot_count;
};

void kv_overlay_init(struct kv_overlay *overlay, const struct kv_store *store);
void kv_overlay_free(struct kv_overlay *overlay);

/* The row of `key` as it is now, read from the store the first time. It stays where it is until
 * kv_overlay_free. E_NOMEM, E_CORRUPT, E_IO: the overlay is of no more use then. */
MUST_CHECK int kv_overlay_get(struct kv_overlay *overlay, const struct kv_key *key,
                              struct kv_cell **out, struct err *err);

/* The same without asking the store, for rows of which is known whether it has them: a look-up is
 * what applying costs. Not present and not dirty the first time; `stored` as told. E_NOMEM. */
MUST_CHECK int kv_overlay_put(struct kv_overlay *overlay, const struct kv_key *key, bool stored,
                              struct kv_cell **out, struct err *err);

/* The same for an item of which it is said that there is no row, or none worth a look-up: only what
 * is known of it without one. E_NOMEM. */
MUST_CHECK int kv_overlay_guess(struct kv_overlay *overlay, const struct kv_key *key,
                                struct kv_cell **out, struct err *err);

/* The cell of `key`, or NULL: a look that changes nothing. */
const struct kv_cell *kv_overlay_find(const struct kv_overlay *overlay, const struct kv_key *key);

/* After `written` reached the store: `recent` knows its bags and writers from now on, and `known`
 * its items. `recent` forgets everything when it holds KV_RECENT_MAX rows, or without memory. */
enum { KV_RECENT_MAX = 16384 };
void kv_overlay_remember(struct kv_overlay *recent, struct kv_known *known,
                         const struct kv_overlay *written);

/* Append all dirty rows to `batch`, in the order of keys. `scratch` holds one row. E_NOMEM. */
MUST_CHECK int kv_overlay_write(struct kv_overlay *overlay, rocksdb_writebatch_t *batch,
                                struct buf *scratch, struct err *err);

#endif
