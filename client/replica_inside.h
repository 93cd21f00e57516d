/* client/replica_inside.h - the inside of struct replica, for the files that are made of it:
 *
 *   replica.c         opening, transactions, meta records
 *   replica_record.c  checksums, records <-> bytes
 *   replica_bag.c     bags and how they are found
 *   replica_item.c    reading items, writing one
 *   replica_rules.c   which items are void, and which a device has of its own
 *   replica_view.c    what a user sees on a device
 *   replica_batch.c   many messages in one transaction, with
 *   replica_apply.c   live changes and
 *   replica_stage.c   pages
 *   replica_rebase.c  another history
 *   replica_import.c  bags from a file
 *   replica_use.c     what was used when
 *   replica_count.c   how many there are
 *   replica_scrub.c   digests against items, and replica_verify.c: everything
 *
 * Tables, all numbers big-endian, every value behind its checksum (8 bytes):
 *
 *   meta    "format"       -> version
 *           "running"      -> nothing; there while it is open: it was not closed
 *           "history"      -> 16 bytes
 *           "position"     -> seq, hash (32)
 *           "next"         -> the next bag's local number
 *           "fences"       -> generation, local: the fleet's bag has fences, categories, flags or
 *                             defaults; else not there
 *           "note:NAME"    -> bytes
 *   bags    local          -> flags (1: complete, 2: keep, 4: copy 1 is its items), bag_id,
 * made_by, cursor, items, bytes, digest (16), used_ms, kind (1 byte), device, size of shown (1
 * byte), shown, folded names   kind (1 byte), device, folded -> local      made anew from `bags`
 * when it is damaged ids     bag_id         -> local                      as well items   local,
 * copy (1 byte), path -> flags (1: conflict, 2: tombstone), seq, time_ms, origin, value. The bag
 * says which copy counts; the other one is in the making stage   local          -> items, bytes,
 * digest of the copy that is in the making local, 0 (1 byte), path -> as an item: a difference in
 * the making
 */
#ifndef KITBAG_CLIENT_REPLICA_INSIDE_H
#define KITBAG_CLIENT_REPLICA_INSIDE_H

#include <pthread.h>

#include <lmdb.h>

#include "client/replica.h"

enum table { TABLE_META, TABLE_BAGS, TABLE_NAMES, TABLE_IDS, TABLE_ITEMS, TABLE_STAGE, TABLES };

enum {
    REPLICA_FORMAT = 2,
    RECORD_SUM = 8,   /* bytes of a checksum */
    ITEM_HEADER = 25, /* flags, seq, time, origin */
    ITEM_KEY = 9,     /* what stands before the path */
    RECORD_KEY_MAX = 8 + PATH_MAX_BYTES + 16,
    RECORD_BAG_MAX = 96 + 2 * NAME_MAX_BYTES, /* of a bag, without the checksum */
    NOTE_NAME_MAX = 100,
};

/* Decoded under one snapshot, and never changed then. */
struct replica_rules {
    unsigned refs; /* guarded by the replica's rules_lock, as its pointer is */
    uint64_t generation;
    struct replica_bag fleet; /* whose they are: the defaults are read there */
    struct fences fences;
    struct sharing sharing;
};

struct replica {
    MDB_env *env;
    char *path;
    MDB_dbi tables[TABLES];
    pthread_mutex_t rules_lock; /* of `rules`: readers on any thread share what one decoded */
    struct replica_rules *rules;
    /* Held while a thread writes, as LMDB's own lock is, and until what it counted is known to the
     * next: of `next_counts`, what it will be, and `recount`, that this is not known. */
    pthread_mutex_t write_lock;
    struct replica_counts next_counts;
    bool recount;
    pthread_mutex_t count_lock; /* of `counts`, as committed: read by any thread */
    struct replica_counts counts;
};

/* A key being made. */
struct record_key {
    uint8_t bytes[RECORD_KEY_MAX];
    size_t size;
};
struct record_key replica_key_number(uint64_t number);
struct record_key replica_key_item(uint64_t local, unsigned copy, struct span path);
struct record_key replica_key_owner(const struct owner *owner);

/* A writing transaction with a cursor of its own on the items, which stays where it wrote last: the
 * next key is mostly near. */
struct replica_writer {
    struct replica *replica;
    MDB_txn *txn;
    MDB_cursor *items;
};

/* --- replica.c --- */
/* An LMDB result as one of ours: 0 stays 0. */
int replica_error(const struct replica *replica, int rc, const char *doing, struct err *err);
MUST_CHECK int replica_read_begin(struct replica *replica, MDB_txn **txn, struct err *err);
MUST_CHECK int replica_write_begin(struct replica *replica, MDB_txn **txn, struct err *err);
/* Commits when rc is 0, else aborts; returns rc or what the commit failed with. Nulls `txn`. */
MUST_CHECK int replica_write_end(struct replica *replica, MDB_txn **txn, int rc, struct err *err);
/* This thread has a batch open, until it is told NULL: it must not begin to write. */
void replica_write_only(const struct replica *replica);
/* Moves the position forward to `seq`; an older one changes nothing. */
MUST_CHECK int replica_put_position(struct replica *replica, MDB_txn *txn, uint64_t seq,
                                    const uint8_t hash[SHA256_SIZE], struct err *err);
/* What is in the making in `stage`, with the copies that belong to it. */
MUST_CHECK int replica_throw_staged_away(struct replica *replica, MDB_txn *txn, struct err *err);
/* A note of this name, as replica_note_set has them; an empty value removes it. */
MUST_CHECK int replica_put_note(struct replica *replica, MDB_txn *txn, const char *name,
                                struct span value, struct err *err);
/* Begins the history `history`; a position behind `resume_seq` is forgotten. */
MUST_CHECK int replica_put_history(struct replica *replica, MDB_txn *txn,
                                   const uint8_t history[HISTORY_SIZE], uint64_t resume_seq,
                                   struct err *err);

/* --- replica_record.c --- */
/* `value` points into the map and is without the checksum. E_NOT_FOUND, E_CORRUPT (it or, on a
 * miss, a neighbour fails: what was asked for may be the damaged one). */
MUST_CHECK int replica_record_get(struct replica *replica, MDB_txn *txn, enum table table,
                                  const struct record_key *key, struct span *value,
                                  struct err *err);
/* The same by a cursor of the caller's; E_NOT_FOUND is without a sentence: a miss is no trouble,
 * and frequent. */
MUST_CHECK int replica_record_seek(struct replica *replica, MDB_cursor *cursor, enum table table,
                                   const struct record_key *key, struct span *value,
                                   struct err *err);
MUST_CHECK int replica_record_put(struct replica *replica, MDB_txn *txn, enum table table,
                                  const struct record_key *key, struct span value, struct err *err);
MUST_CHECK int replica_record_delete(struct replica *replica, MDB_txn *txn, enum table table,
                                     const struct record_key *key,
                                     struct err *err); /* absent is fine */
/* Does the record's checksum hold? Then `value` is what it says. */
bool replica_record_check(enum table table, const MDB_val *key, const MDB_val *data,
                          struct span *value);
/* All records of `table` whose key begins with `prefix`. */
MUST_CHECK int replica_record_delete_all(struct replica *replica, MDB_txn *txn, enum table table,
                                         const struct record_key *prefix, struct err *err);
bool replica_key_begins(const MDB_val *key, const struct record_key *prefix);
/* Each item in `table` whose key begins with `prefix`, in order, until `each` returns something
 * else than 0: that is returned. `row` NULL: its record is damaged (and so may be the path).
 * `doing` is for the sentence: "read". */
MUST_CHECK int replica_record_items(struct replica *replica, MDB_txn *txn, enum table table,
                                    const struct record_key *prefix, replica_item_fn *each,
                                    void *context, const char *doing, struct err *err);
/* An item's record by a cursor on `table`; `flags` 0 or MDB_APPEND (behind all that is there). */
MUST_CHECK int replica_record_put_item(struct replica *replica, MDB_cursor *cursor,
                                       enum table table, const struct record_key *key,
                                       const struct item_row *row, unsigned flags, struct err *err);
/* `bytes` without the checksum; false: not of this form. */
bool replica_record_item(struct span bytes, struct item_row *row);

/* --- replica_bag.c --- */
/* Returns the size. */
size_t replica_bag_encode(const struct replica_bag *bag, uint8_t out[RECORD_BAG_MAX]);
bool replica_bag_decode(struct span bytes, struct replica_bag *out);
MUST_CHECK int replica_bag_get(struct replica *replica, MDB_txn *txn, uint64_t local,
                               struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_get_by_id(struct replica *replica, MDB_txn *txn, uint64_t bag_id,
                                     struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_put(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                               struct err *err);
MUST_CHECK int replica_bag_delete(struct replica *replica, MDB_txn *txn,
                                  const struct replica_bag *bag, struct err *err);
/* A number that no bag has, or had. */
MUST_CHECK int replica_bag_next_local(struct replica *replica, MDB_txn *txn, uint64_t *local,
                                      struct err *err);
/* The entries of `names` and `ids`; and one of `ids` that does not count any more (0: none). */
MUST_CHECK int replica_bag_put_index(struct replica *replica, MDB_txn *txn,
                                     const struct replica_bag *bag, struct err *err);
MUST_CHECK int replica_bag_delete_id(struct replica *replica, MDB_txn *txn, uint64_t bag_id,
                                     struct err *err);
/* Cursor 0 and not complete, in a transaction of its own. Returns E_CORRUPT with a sentence. */
int replica_bag_mark_damaged(struct replica *replica, uint64_t local, struct err *err);
/* Drops bags whose record fails, with their items, and makes `names` and `ids` anew. */
MUST_CHECK int replica_bag_repair(struct replica *replica, uint64_t *dropped, struct err *err);

/* As replica_bags, from the bag with this `local` on. */
MUST_CHECK int replica_bags_from(struct replica *replica, uint64_t from, replica_bag_fn *each,
                                 void *context, struct err *err);
/* A bag by its owner. */
MUST_CHECK int replica_bag_get_by_owner(struct replica *replica, MDB_txn *txn,
                                        const struct owner *owner, struct replica_bag *out,
                                        struct err *err);

/* --- replica_item.c --- */
/* Set or remove an item, and count it in the bag. An older row than the one that is there changes
 * nothing. E_CORRUPT: what it replaces is damaged. */
MUST_CHECK int replica_item_put(const struct replica_writer *writer, struct replica_bag *bag,
                                struct span path, const struct item_row *row, struct err *err);
/* The row (state ABSENT when there is none), by a cursor on the items; its value points into the
 * map. */
MUST_CHECK int replica_item_get(struct replica *replica, MDB_cursor *items,
                                const struct record_key *key, struct item_row *row,
                                struct err *err);
/* What made the look-up of `key` fail may be a neighbour, of another bag even: it is removed, else
 * every miss beside it would fail for ever. Then the bag is marked damaged; E_CORRUPT with a
 * sentence, or why it could not be healed. */
int replica_item_heal(struct replica *replica, uint64_t local, const struct record_key *key,
                      struct err *err);

/* --- replica_rules.c --- */
/* To be called when rules of the fleet's bag may have changed, before the commit. The bag is as it
 * will be; `there` false: it goes. */
MUST_CHECK int replica_rules_note(struct replica *replica, MDB_txn *txn,
                                  const struct replica_bag *fleet, bool there, struct err *err);
/* The rules of this snapshot, NULL when there are none; to be given back. E_CORRUPT: the fleet's
 * bag is damaged, in its record or in a rule (`fleet_local`, when known). */
MUST_CHECK int replica_rules_get(struct replica *replica, MDB_txn *txn,
                                 const struct replica_rules **out, uint64_t *fleet_local,
                                 struct err *err);
/* After that, without a transaction. 0: the note was made anew, look again; else E_CORRUPT, or why
 * it could not be healed. */
int replica_rules_heal(struct replica *replica, uint64_t fleet_local, struct err *err);
bool replica_rules_hide(const struct replica_rules *rules, enum owner_kind kind, struct span path,
                        uint64_t seq);
/* Below which seq an item is hidden; 0: none is. */
uint64_t replica_rules_fence(const struct replica_rules *rules, enum owner_kind kind,
                             struct span path);

/* --- replica_count.c --- */
void replica_count_begin(struct replica *replica);
/* Before the record of `local` is written as `after`; NULL: it goes. */
MUST_CHECK int replica_count_put(struct replica *replica, MDB_txn *txn, uint64_t local,
                                 const struct replica_bag *after, struct err *err);
/* What went had not been counted, or may have been: all are counted at the end. */
void replica_count_again(struct replica *replica);
/* Before the commit. */
MUST_CHECK int replica_count_end(struct replica *replica, MDB_txn *txn, struct err *err);
void replica_count_commit(struct replica *replica); /* after it */

/* --- replica_batch.c --- */
/* A bag that a batch touches: read once, changed here, written before the commit. */
struct touched {
    struct replica_bag bag;
    struct bag_row row; /* what the apply rule sees of it */
    bool gone;          /* deleted by the batch */
    bool dirty;
    bool rules; /* it is the fleet's, and its rules may have changed */
    /* Where it will be when the message at hand is applied. */
    uint64_t message;
    uint64_t next_cursor;
    bool next_complete, next_gone;
};

struct replica_batch {
    struct replica_writer writer;
    struct touched *bags;
    size_t count, capacity;
    uint32_t *slots; /* by bag_id: 1 + the index of the bag */
    size_t slot_count;
    uint32_t *plan; /* of a message: the bag of each change */
    size_t plan_capacity;
    uint64_t message;   /* counts them */
    struct buf effects; /* what is told after the commit */
    uint64_t seq;       /* the newest position */
    uint8_t hash[SHA256_SIZE];
    int rc; /* why it is spoiled */
    struct err why;
    bool bad; /* a bag that is damaged: to be marked */
    uint64_t bad_local;
    struct record_key bad_key; /* of the item beside which it was noticed; empty: none */
};

/* The bag's index. E_NOT_FOUND: not kept here, or deleted by the batch. */
MUST_CHECK int replica_batch_touch(struct replica_batch *batch, uint64_t bag_id, uint32_t *index,
                                   struct err *err);
/* Ends a message: its position counts, or its error spoils the batch. Returns rc. */
int replica_batch_done(struct replica_batch *batch, int rc, uint64_t seq,
                       const uint8_t hash[SHA256_SIZE], const struct err *err);
/* To be told after the commit; `path` empty: the bag as a whole. */
void replica_batch_tell(struct replica_batch *batch, uint32_t index, enum change_kind kind,
                        uint64_t seq, struct span path);
/* Remember which bag is damaged; `key` may be NULL. */
void replica_batch_blame(struct replica_batch *batch, uint64_t local, const struct record_key *key);

/* --- replica_verify.c --- */
/* Meta records that fail are dropped, and the note of rules is made anew: each has a meaning when
 * it is not there. */
MUST_CHECK int replica_meta_repair(struct replica *replica, struct err *err);

/* --- replica_scrub.c --- */
/* Compares one bag; `bytes` is what was read, `wrong` whether it differs and was marked. */
MUST_CHECK int replica_scrub_bag(struct replica *replica, uint64_t local, uint64_t *bytes,
                                 bool *wrong, struct err *err);

#endif
