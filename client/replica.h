/* client/replica.h - what a client machine holds, in LMDB: bags, their cursors and their items.
 *
 * Keeps true:
 *   - A bag and its cursor change in one transaction, so a bag is always exactly the server's bag
 *     at one seq, and who reads it sees it at one seq (one call is one snapshot).
 *   - Every record carries an XXH3-64 over its table, key and value that is compared at each read;
 *     a miss compares the neighbours too, so a damaged key is noticed. A record that fails is never
 *     handed out: its bag is marked damaged (cursor 0, not complete: to be fetched anew). A bag
 *     whose own record fails is dropped with its items.
 *   - A bag's digest, kept change by change, is that of its items. It is compared with the server's
 *     (replica_complete), and with the items themselves (replica_scrub).
 *   - A bag that is to be fetched anew can be read as it was until its new copy is whole; then the
 *     copy takes its place in one transaction.
 *   - Items behind a fence of the fleet's bag (journal/fence.h) are absent for who reads, under the
 *     snapshot that the items are read from. They are still there, and count in the digest. The
 *     same holds for what a flag (journal/sharing.h) keeps from a device: see replica_view_item.
 *   - Read transactions never outlive a call.
 *
 * All functions are safe from any thread; writing ones take turns (LMDB's writer lock) and return
 * when their data is synced. LMDB's own root is synced with the next commit or replica_sync: after
 * a power cut the last transaction may be undone, as a whole, never a part of it.
 */
#ifndef KITBAG_CLIENT_REPLICA_H
#define KITBAG_CLIENT_REPLICA_H

#include "journal/apply.h"
#include "journal/digest.h"
#include "journal/sharing.h"

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
    struct digest digest;  /* of these */
    uint8_t copy;          /* the replica's own: under which of two prefixes its items are */
    uint64_t used_ms;      /* when it was last used, to the hour; since 1970, 0: not noted */
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
 * earlier run are thrown away; bags whose record is damaged are dropped. When the run before did
 * not end with replica_close, all bags are scrubbed. E_CORRUPT: the file as a whole can't be used,
 * the owner moves it aside. E_FORMAT: another version made it. */
MUST_CHECK int replica_open(struct replica **out, const char *dir, uint64_t map_bytes,
                            struct err *err);
void replica_close(struct replica **replica);
/* What was committed survives a power cut when this returned 0. */
MUST_CHECK int replica_sync(struct replica *replica, struct err *err);

MUST_CHECK int replica_position(struct replica *replica, struct replica_position *out,
                                struct err *err);
/* From now on it is a replica of this history; its position is forgotten, its bags stay as they are
 * (another server's: see replica_rebase). */
MUST_CHECK int replica_set_history(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                                   struct err *err);

/* Small named records of the client: name 1 to 100 bytes; an empty value removes. `get` appends to
 * `out`; E_NOT_FOUND, E_CORRUPT. */
MUST_CHECK int replica_note_set(struct replica *replica, const char *name, struct span value,
                                struct err *err);
MUST_CHECK int replica_note_get(struct replica *replica, const char *name, struct buf *out,
                                struct err *err);
/* The replica's own note that bags were dropped, for their records were damaged: whoever sees to it
 * that they come again removes it. */
#define REPLICA_NOTE_DROPPED "dropped"

/* --- bags --- */

/* `bag->local` is assigned. E_EXISTS when the owner has a bag here. */
MUST_CHECK int replica_bag_add(struct replica *replica, struct replica_bag *bag, struct err *err);
/* Many in one transaction. One whose owner has a bag here already is left as it is, and its `local`
 * becomes 0. After an error none was added, and what `bags` says of them is of no use. */
MUST_CHECK int replica_bags_add(struct replica *replica, struct replica_bag *bags, size_t count,
                                struct err *err);
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

/* How many there are, of what is kept. Costs nothing, with any number of bags. */
struct replica_counts {
    uint64_t users, bags, complete, items; /* users: bags of users */
    /* Users' bags whose sign-out has to be told, or that this machine made and is not signed in to
     * yet. */
    uint64_t unsettled;
};
void replica_counts(struct replica *replica, struct replica_counts *out);

/* --- reading --- */

/* The value is appended to `value` (may be NULL to ask only for the row, whose value is then
 * empty). E_NOT_FOUND; E_CORRUPT after the bag was marked damaged, or the fleet's bag when the
 * damage is in its fences. */
MUST_CHECK int replica_item(struct replica *replica, uint64_t local, struct span path,
                            struct item_row *row, struct buf *value, struct err *err);
/* In order of paths, those that begin with `prefix`, under one snapshot. Spans are borrowed for the
 * callback. E_CORRUPT after the good ones were told and the bag was marked damaged. */
typedef int replica_item_fn(void *context, struct span path, const struct item_row *row,
                            struct err *err);
MUST_CHECK int replica_items(struct replica *replica, uint64_t local, struct span prefix,
                             replica_item_fn *each, void *context, struct err *err);

/* --- what is shared --- */

/* What the fleet's bag says of everybody's items at one moment. It never changes. */
struct replica_rules;
/* Those of now, NULL: it says nothing; to be given back. E_CORRUPT after the fleet's bag was marked
 * damaged. */
MUST_CHECK int replica_rules_take(struct replica *replica, const struct replica_rules **out,
                                  struct err *err);
void replica_rules_put_back(struct replica *replica, const struct replica_rules **rules);
/* The category that a user's item belongs to; NULL: none. Valid as long as the rules are. */
const struct category *replica_rules_category(const struct replica_rules *rules, struct span path);
/* Do users' items depend on this item of the fleet's bag? */
bool replica_rules_concern(struct span path);

/* --- what a person sees --- */

/* Where a value is. Of what is no user's bag all is REPLICA_SHARED. */
enum replica_layer {
    REPLICA_NONE,
    REPLICA_SHARED,  /* in the bag itself */
    REPLICA_DEVICE,  /* in the user's bag on this device */
    REPLICA_DEFAULT, /* in the fleet's bag, for everybody who has none */
    REPLICA_LAYERS,  /* how many there are */
};

/* A write of this machine that lies over what is here. Borrowed. */
struct replica_local {
    struct span path;
    bool removed;
    struct span value;
    uint64_t seq; /* that the server gave it; 0: not yet */
    uint64_t time_ms;
};
struct replica_locals {
    const struct replica_local *list; /* in the order of paths, each once */
    size_t count;
};

/* Whose items, and where they are looked at. */
struct replica_view {
    const struct owner *owner;
    uint64_t device;                   /* of a user's bag: whose own values count; 0: none */
    struct replica_locals over;        /* over the owner's bag */
    struct replica_locals over_device; /* over the user's bag on the device */
};

/* What counts for an item: a local write to the owner's bag; else, of a user's item whose category
 * is device-specific, the value in the bag of the user on the device, or with *copy* the shared one
 * from before the flag was set; of any other item the shared value; without these the default. A
 * local removal hides the layer that is written to now, and no other. Fences count in each layer.
 */
struct replica_seen {
    struct span path;
    enum replica_layer layer; /* of a local write: where it would go now */
    bool local;               /* it is one */
    struct item_row row;      /* of a local write: its seq, time and value */
};
/* One item, under one snapshot; lists of `view` may hold that item alone. The value is appended to
 * `value` (may be NULL to ask only for the rest; out->row.value is empty then). E_NOT_FOUND;
 * E_CORRUPT after a bag was marked damaged. */
MUST_CHECK int replica_view_item(struct replica *replica, const struct replica_view *view,
                                 struct span path, struct replica_seen *out, struct buf *value,
                                 struct err *err);
/* All that begin with `prefix`, in the order of paths, under one snapshot; so do the lists of
 * `view`. Spans are borrowed for the callback; not 0 from it stops, and is returned. E_CORRUPT
 * after the good ones were told and a bag was marked damaged. */
typedef int replica_seen_fn(void *context, const struct replica_seen *seen, struct err *err);
MUST_CHECK int replica_view_items(struct replica *replica, const struct replica_view *view,
                                  struct span prefix, replica_seen_fn *each, void *context,
                                  struct err *err);
/* The same as replica_view_item, and what each layer has, whether it counts or not. E_NOT_FOUND is
 * said by seen.layer instead. */
struct replica_found {
    bool there;
    uint64_t hidden_by;  /* the position of the fence that hides it; 0: none does */
    struct item_row row; /* without its value */
    size_t size;         /* of that */
};
struct replica_explained {
    struct replica_seen seen;
    char category[SHARING_PATH_MAX + 1]; /* "": none */
    bool has_flag, device, copy;         /* of it, now */
    uint64_t flag_seq;
    struct replica_found layers[REPLICA_LAYERS];
};
MUST_CHECK int replica_view_explain(struct replica *replica, const struct replica_view *view,
                                    struct span path, struct replica_explained *out,
                                    struct buf *value, struct err *err);

/* --- following the server --- */

/* What came from the server, many messages in one transaction that is synced once. A bag, its
 * cursor and the position change together, and nobody sees a part of it before the commit.
 *
 *     replica_batch_begin, any of replica_batch_changes, _page and _complete, replica_batch_commit
 *
 * It holds the writer's lock: begin late and commit soon. It stays on its thread, which calls no
 * other function of the replica until the commit or replica_batch_abort (a read would not see the
 * batch, and writing would wait for itself).
 *
 * E_CONDITION and E_NOT_FOUND refuse one message, of which nothing is taken; the batch goes on
 * without it. Any other error spoils the batch: later calls and the commit return it, and nothing
 * of the batch is applied; bags that were found damaged are marked by the commit. */
struct replica_batch;
MUST_CHECK int replica_batch_begin(struct replica *replica, struct replica_batch **out,
                                   struct err *err);
void replica_batch_abort(struct replica_batch **batch);

/* What took effect, told after the commit in the order in which it came. Of `change` only kind,
 * bag_id, seq and path are set; an item's kind with an empty path: the bag as a whole has other
 * items than before. The bag is as it is at the end (or was, after a BAG_DELETE). */
typedef void replica_change_fn(void *context, const struct replica_bag *bag,
                               const struct change *change);
/* Frees the batch, whatever comes of it. `done` may be NULL. */
MUST_CHECK int replica_batch_commit(struct replica_batch **batch, replica_change_fn *done,
                                    void *context, struct err *err);

/* Live changes of one message, by apply_change. Changes not newer than their bag's cursor are
 * skipped; changes of unknown bags too. With `bad_bag` set: E_CONDITION, a change does not follow
 * its bag's cursor; E_CORRUPT, the bag is damaged. */
MUST_CHECK int replica_batch_changes(struct replica_batch *batch, const struct change *changes,
                                     size_t count, uint64_t seq, const uint8_t hash[SHA256_SIZE],
                                     uint64_t *bad_bag, struct err *err);

/* Catching up. A whole bag is made beside the one that is there and takes its place with the last
 * page; a difference is staged and joins it then. What was staged is thrown away by `first`, and
 * when the replica is opened. E_NOT_FOUND: no such bag is kept here; E_CONDITION: the bag was
 * cleared or damaged since, and a difference from `since` has nothing to build on. */
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
MUST_CHECK int replica_batch_page(struct replica_batch *batch, const struct replica_page *page,
                                  const struct replica_row *rows, size_t count, struct err *err);

/* BAG code 0: is the bag complete at `cursor`, with the digest that the server says (NULL: it says
 * none)? `differs`: complete, but other items than the server's; it is to be fetched anew from now
 * on (cursor 0, not complete). E_NOT_FOUND; E_CONDITION: it is not complete at `cursor` any more.
 */
MUST_CHECK int replica_batch_complete(struct replica_batch *batch, uint64_t bag_id, uint64_t cursor,
                                      const struct digest *expected, bool *differs,
                                      struct err *err);

/* The same, each in a batch of its own. E_CORRUPT: the bag was marked damaged. */
MUST_CHECK int replica_apply(struct replica *replica, const struct change *changes, size_t count,
                             uint64_t seq, const uint8_t hash[SHA256_SIZE], uint64_t *bad_bag,
                             replica_change_fn *done, void *context, struct err *err);
MUST_CHECK int replica_stage(struct replica *replica, const struct replica_page *page,
                             const struct replica_row *rows, size_t count, struct err *err);
MUST_CHECK int replica_complete(struct replica *replica, uint64_t bag_id, uint64_t cursor,
                                const struct digest *expected, bool *differs, struct err *err);

/* The server goes on with the history `history` since `resume_seq` of ours. Bags with a cursor up
 * to there stay. Of the others every item that is newer and that machines may write is told to
 * `lost`, who puts it aside durably (not 0 stops, and is returned: nothing was changed then); after
 * that these bags are marked to be fetched anew, those that were made since `resume_seq` are
 * dropped (the new history may give their ids to others), and the position is set back, in one
 * transaction.
 * After a crash in between it is asked again, so an item may be told twice. `lost` may read the
 * replica, and not write to it. Spans are borrowed. */
typedef int replica_lost_fn(void *context, const struct replica_bag *bag, struct span path,
                            const struct item_row *row, struct err *err);
MUST_CHECK int replica_rebase(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                              uint64_t resume_seq, replica_lost_fn *lost, void *context,
                              struct err *err);

/* --- what is used --- */

/* The bag was used now. Written at most once an hour; else it only reads. */
MUST_CHECK int replica_used(struct replica *replica, uint64_t local, uint64_t now_ms,
                            struct err *err);
/* The kept bags of users, the least recently used first; a user's bag on this device counts as the
 * user's. An array to be freed (NULL when there is none). E_NOMEM. */
struct replica_use {
    uint64_t local; /* of the user's bag */
    uint64_t bag_id;
    uint64_t used_ms;
    struct owner owner;
};
MUST_CHECK int replica_least_used(struct replica *replica, struct replica_use **list, size_t *count,
                                  struct err *err);

/* --- looking after it --- */

/* Compares bags' items, one snapshot each, with what their records say: the digest and the counts.
 * A bag that differs is marked damaged and told to `wrong` (may be NULL). Goes on from the bag with
 * the local number `*next` (0: from the start) until it has read `budget_bytes`, at least one bag;
 * `*next` is 0 again when it came to the end. */
typedef void replica_wrong_fn(void *context, const struct replica_bag *bag);
MUST_CHECK int replica_scrub(struct replica *replica, uint64_t *next, uint64_t budget_bytes,
                             uint64_t *bags, replica_wrong_fn *wrong, void *context,
                             struct err *err);

/* Read everything, look every key up, compare checksums and the counts of bags. Damaged bags are
 * marked, what belongs to no bag is removed. Returns 0 also when there was damage. */
MUST_CHECK int replica_verify(struct replica *replica, uint64_t *records, uint64_t *damaged,
                              struct err *err);

#endif
