/* client/replica.h - what a client machine holds, in LMDB: bags, their cursors and their items.
 *
 * Keeps true:
 *   - A bag and its cursor change in one transaction, so a bag is always exactly the server's bag
 *     at one seq, and who reads it sees it at one seq (one call is one snapshot).
 *   - Every record carries an XXH3-64 over its table, key and value that is compared at each read;
 * a miss compares the neighbours too, so a damaged key is noticed. A record that fails is never
 *     handed out: its bag is marked damaged (cursor 0, not complete: to be fetched anew). A bag
 * whose own record fails is dropped with its items.
 *   - Read transactions never outlive a call.
 *
 * All functions are safe from any thread; writing ones take turns (LMDB's writer lock) and return
 * when their data is synced. LMDB's own root is synced with the next commit or replica_sync: after
 * a power cut the last transaction may be undone, as a whole, never a part of it.
 */
#ifndef KITBAG_CLIENT_REPLICA_H
#define KITBAG_CLIENT_REPLICA_H

#include "journal/apply.h"

struct replica;

/* A bag on this machine. Local bags (made by a machine that stood alone, not yet known to any
 * server) have bag_id 0; all their items are still writes in the outbox. Plain data. */
struct replica_bag {
    uint64_t local;        /* own number of this replica, > 0; never reused */
    uint64_t bag_id;       /* the server's, 0: not known yet */
    uint64_t made_by;      /* the outbox's id of the CREATE that makes it, else 0 */
    uint64_t cursor;       /* complete up to this seq; 0: nothing yet, or damaged */
    bool complete;         /* it is the server's bag at `cursor` (a local bag: always) */
    bool keep;             /* still kept here (false: only its sign-out has to be told) */
    uint64_t items, bytes; /* live ones */
    struct owner owner;
};

/* The newest position of the journal that this replica has seen, and whose journal it is. */
struct replica_position {
    bool has_history;
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

/* Open the folder `dir` (made when it is not there), which no other process may use meanwhile. The
 * file's structure is checked first (replica_check.h): reads all of its pages. Staged pages of an
 * earlier run are thrown away; bags whose record is damaged are dropped. E_CORRUPT: the file as a
 * whole can't be used, the owner moves it aside. E_FORMAT: a newer version made it. */
MUST_CHECK int replica_open(struct replica **out, const char *dir, uint64_t map_bytes,
                            struct err *err);
void replica_close(struct replica **replica);
/* What was committed survives a power cut when this returned 0. */
MUST_CHECK int replica_sync(struct replica *replica, struct err *err);

MUST_CHECK int replica_position(struct replica *replica, struct replica_position *out,
                                struct err *err);
/* From now on it is a replica of this history; its position is forgotten. */
MUST_CHECK int replica_set_history(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                                   struct err *err);

/* Small named records of the client: name 1 to 100 bytes; an empty value removes. `get` appends to
 * `out`; E_NOT_FOUND, E_CORRUPT. */
MUST_CHECK int replica_note_set(struct replica *replica, const char *name, struct span value,
                                struct err *err);
MUST_CHECK int replica_note_get(struct replica *replica, const char *name, struct buf *out,
                                struct err *err);

/* --- bags --- */

/* `bag->local` is assigned. E_EXISTS when the owner has a bag here. */
MUST_CHECK int replica_bag_add(struct replica *replica, struct replica_bag *bag, struct err *err);
/* Sets bag_id, made_by, cursor, complete, keep and owner.shown of the bag with this `local`. */
MUST_CHECK int replica_bag_update(struct replica *replica, const struct replica_bag *bag,
                                  struct err *err);
/* Its items go, its record stays: cursor 0, not complete. */
MUST_CHECK int replica_bag_clear(struct replica *replica, uint64_t local, struct err *err);
MUST_CHECK int replica_bag_drop(struct replica *replica, uint64_t local, struct err *err);
/* E_NOT_FOUND. */
MUST_CHECK int replica_bag_by_owner(struct replica *replica, const struct owner *owner,
                                    struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_by_id(struct replica *replica, uint64_t bag_id, struct replica_bag *out,
                                 struct err *err);
/* In order of `local`. Not 0 from `each` stops and is returned; it may call anything here. */
typedef int replica_bag_fn(void *context, const struct replica_bag *bag, struct err *err);
MUST_CHECK int replica_bags(struct replica *replica, replica_bag_fn *each, void *context,
                            struct err *err);

/* --- reading --- */

/* The value is appended to `value` (may be NULL to ask only for the row, whose value is then
 * empty). E_NOT_FOUND; E_CORRUPT after the bag was marked damaged. */
MUST_CHECK int replica_item(struct replica *replica, uint64_t local, struct span path,
                            struct item_row *row, struct buf *value, struct err *err);
/* In order of paths, those that begin with `prefix`, under one snapshot. Spans are borrowed for the
 * callback. E_CORRUPT after the good ones were told and the bag was marked damaged. */
typedef int replica_item_fn(void *context, struct span path, const struct item_row *row,
                            struct err *err);
MUST_CHECK int replica_items(struct replica *replica, uint64_t local, struct span prefix,
                             replica_item_fn *each, void *context, struct err *err);

/* --- following the server --- */

/* Apply live changes of one message: all, with cursors and the position, in one transaction, by
 * apply_change. Changes not newer than their bag's cursor are skipped; changes of unknown bags too.
 * `done` (may be NULL) is told each change that took effect, after the commit, with its bag as it
 * is (or was, after a BAG_DELETE). With `bad_bag` set nothing was applied: E_CONDITION, a change
 * does not follow its bag's cursor; E_CORRUPT, the bag is damaged and marked so. */
typedef void replica_change_fn(void *context, const struct replica_bag *bag,
                               const struct change *change);
MUST_CHECK int replica_apply(struct replica *replica, const struct change *changes, size_t count,
                             uint64_t seq, const uint8_t hash[SHA256_SIZE], uint64_t *bad_bag,
                             replica_change_fn *done, void *context, struct err *err);

/* Catching up: rows are staged, and with the last page the bag moves to `cursor` in one
 * transaction. A page that is first and last at once is applied directly. Staged rows are thrown
 * away at open and by `first`. E_NOT_FOUND: no such bag is kept here; E_CONDITION: the bag was
 * cleared or damaged since, and a difference from `since` has nothing to build on; E_CORRUPT: the
 * bag is marked damaged. */
struct replica_page {
    uint64_t bag_id;
    bool first, last, whole;
    uint64_t since; /* of a difference */
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

/* Is the bag complete at `cursor`, as BAG code 0 says? E_NOT_FOUND; E_CONDITION: not any more. */
MUST_CHECK int replica_complete(struct replica *replica, uint64_t bag_id, uint64_t cursor,
                                struct err *err);

/* Read everything, look every key up, compare checksums and the counts of bags. Damaged bags are
 * marked, what belongs to no bag is removed. Returns 0 also when there was damage. */
MUST_CHECK int replica_verify(struct replica *replica, uint64_t *records, uint64_t *damaged,
                              struct err *err);

#endif
