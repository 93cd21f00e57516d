/* server/eras.h - rows by key in two generations, and the memory that goes with each.
 *
 * What is looked at is in the young era: a row that the old one has is moved up first. At a turn
 * the old era is left, the young one becomes the old, and an empty one begins; so what is used
 * often stays, and the rest is forgotten after two turns at the latest. Memory is an era's, and
 * goes when it was left and nobody holds it any more.
 *
 * Owned by one thread.
 */
#ifndef KITBAG_SERVER_ERAS_H
#define KITBAG_SERVER_ERAS_H

#include "server/arena.h"
#include "server/table.h"

enum { ERA_TABLES = 5 };

struct era {
    struct arena arena;
    struct table tables[ERA_TABLES];
    uint64_t last_seq; /* the owner's: no row of it was changed later */
    size_t holds;
    bool left; /* neither young nor old: goes with its last hold */
};

/* Born zeroed, then eras_open. */
struct eras {
    size_t keep_bytes; /* of an era's memory that is used again, see arena.h. Set by the owner */
    struct era *young;
    struct era *old;   /* NULL: none yet */
    struct era *spare; /* to be young next; NULL: none */
};

MUST_CHECK int eras_open(struct eras *eras); /* E_NOMEM */
void eras_free(struct eras *eras);           /* nobody holds one any more */
void eras_reset(struct eras *eras);          /* forgets all rows; no memory goes that is held */

/* The young era is kept until it is released. */
struct era *eras_hold(struct eras *eras);
void eras_release(struct eras *eras, struct era **era);

/* False: there is no memory for a new era, and nothing happened. */
bool eras_turn(struct eras *eras);

/* What to look for in a table. A row is `size` bytes and begins with its struct table_node. */
struct era_row {
    size_t table;
    uint64_t hash;
    table_match_fn *match;
    const void *key;
    size_t size;
    /* May be NULL: copy what the row points to into the young era's memory; false: no memory. */
    bool (*moved)(struct arena *arena, struct table_node *row);
};

/* The row, in the young era. 0; E_NOT_FOUND: *out is a new one, zeroed, to be given to eras_add or
 * forgotten; E_NOMEM. */
MUST_CHECK int eras_find(struct eras *eras, const struct era_row *what, struct table_node **out);
void eras_add(struct eras *eras, const struct era_row *what, struct table_node *row);
/* The row wherever it is, left where it is; NULL: none. */
const struct table_node *eras_peek(const struct eras *eras, const struct era_row *what);

#endif
