/* client/replica.h - what a client machine holds, in LMDB: bags, their cursors and their items.
 *
 * Keeps true: a bag and its cursor change in one transaction, so a bag is always exactly the
 * server's bag at one seq. Every record carries an XXH3-64 over key and value that is compared at
 * each read: a record that fails is never handed out, its bag is marked damaged (cursor 0, to be
 * fetched anew). Read transactions never outlive a call. All functions are safe from any thread;
 * writing ones take turns (LMDB's writer lock) and return when the commit is synced.
 */
#ifndef KITBAG_CLIENT_REPLICA_H
#define KITBAG_CLIENT_REPLICA_H

#include "journal/apply.h"

struct replica;

/* A bag on this machine. Local bags (made by a machine that stood alone, not yet known to any server)
 * have bag_id 0 and are named by their `local` number alone. */
struct replica_bag {
    uint64_t local;    /* own number of this replica, > 0; never reused */
    uint64_t bag_id;   /* the server's, 0: not known yet */
    uint64_t made_by;  /* number of the CREATE operation that is to make it, else 0 */
    uint64_t cursor;   /* complete up to this seq; 0: nothing yet */
    bool complete;     /* a first whole page run has ended */
    bool keep;         /* still kept here (false: waits to be dropped after sign-out) */
    uint64_t items, bytes;
    struct owner owner;
};

/* Who this machine is to its server; kept in the replica's meta record. */
struct replica_position {
    bool has_history;
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

MUST_CHECK int replica_open(struct replica **out, const char *dir, uint64_t map_bytes,
                            struct err *err);
void replica_close(struct replica **replica);

MUST_CHECK int replica_position(struct replica *replica, struct replica_position *out,
                                struct err *err);
/* A replica of another history is emptied by its owner first; then this sets the new one. */
MUST_CHECK int replica_set_history(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                                   struct err *err);

/* Small named records of the client (sign-ins, wishes): NULL value removes. */
MUST_CHECK int replica_note_set(struct replica *replica, const char *name, struct span value,
                                struct err *err);
MUST_CHECK int replica_note_get(struct replica *replica, const char *name, struct buf *out,
                                struct err *err); /* E_NOT_FOUND */

/* Bags. `bag->local` is assigned by replica_bag_add; E_EXISTS when the owner has one. */
MUST_CHECK int replica_bag_add(struct replica *replica, struct replica_bag *bag, struct err *err);
MUST_CHECK int replica_bag_update(struct replica *replica, const struct replica_bag *bag,
                                  struct err *err); /* bag_id, made_by, keep, complete, cursor */
MUST_CHECK int replica_bag_drop(struct replica *replica, uint64_t local, struct err *err);
MUST_CHECK int replica_bag_by_owner(struct replica *replica, const struct owner *owner,
                                    struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_by_id(struct replica *replica, uint64_t bag_id,
                                 struct replica_bag *out, struct err *err);
typedef int replica_bag_fn(void *context, const struct replica_bag *bag, struct err *err);
MUST_CHECK int replica_bags(struct replica *replica, replica_bag_fn *each, void *context,
                            struct err *err);

/* Items. The value is appended to `value` (may be NULL to ask only for the row). E_NOT_FOUND;
 * E_CORRUPT after the bag was marked damaged. */
MUST_CHECK int replica_item(struct replica *replica, uint64_t local, struct span path,
                            struct item_row *row, struct buf *value, struct err *err);
typedef int replica_item_fn(void *context, struct span path, const struct item_row *row,
                            struct err *err);
/* In order of paths, those that begin with `prefix`; reads in pages of its own, so `each` may take
 * its time. */
MUST_CHECK int replica_items(struct replica *replica, uint64_t local, struct span prefix,
                             replica_item_fn *each, void *context, struct err *err);

/* Apply live changes of one message: all, with cursors and the position, in one transaction, by
 * apply_change. Changes not newer than their bag's cursor are skipped; changes of unknown bags too.
 * `done` (may be NULL) is told each change that took effect, after the commit. E_CONDITION with
 * `gap_bag` set: a change does not follow its bag's cursor; nothing was applied. */
typedef void replica_change_fn(void *context, uint64_t local, const struct change *change);
MUST_CHECK int replica_apply(struct replica *replica, const struct change *changes, size_t count,
                             uint64_t seq, const uint8_t hash[SHA256_SIZE], uint64_t *gap_bag,
                             replica_change_fn *done, void *context, struct err *err);

/* Catching up: stage rows, then move the bag to `cursor` in one transaction. A page that is first
 * and last at once is applied directly. Staged rows are thrown away at open and by `first`. */
struct replica_page {
    uint64_t bag_id;
    bool first, last, whole;
    uint64_t cursor;
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};
struct replica_row {
    struct span path;
    struct item_row row; /* ITEM_LIVE or ITEM_TOMBSTONE */
};
MUST_CHECK int replica_stage(struct replica *replica, const struct replica_page *page,
                             const struct replica_row *rows, size_t count, struct err *err);

/* The bag is complete at `cursor` without any row (BAG code 0). */
MUST_CHECK int replica_complete(struct replica *replica, uint64_t bag_id, uint64_t cursor,
                                struct err *err);

/* Read everything and compare checksums. `damaged` bags are marked. */
MUST_CHECK int replica_verify(struct replica *replica, uint64_t *records, uint64_t *damaged,
                              struct err *err);

#endif
