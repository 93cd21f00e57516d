/* client/replica_inside.h - the inside of struct replica, for the files that are made of it:
 * replica.c (opening, meta records), replica_record.c (checksums), replica_bag.c, replica_item.c
 * (reading), replica_apply.c (live changes), replica_stage.c (pages) and replica_verify.c.
 *
 * Tables, all numbers big-endian, every value behind its checksum (8 bytes):
 *
 *   meta    "format"       -> version (u32)
 *           "history"      -> 16 bytes
 *           "position"     -> seq, hash (32)
 *           "next"         -> the next bag's local number
 *           "note:NAME"    -> bytes
 *   bags    local          -> flags (1: complete, 2: keep), bag_id, made_by, cursor, items, bytes,
 *                             kind (1 byte), device, size of shown (1 byte), shown, folded
 *   names   kind (1 byte), device, folded -> local      made anew from `bags` when it is damaged
 *   ids     bag_id         -> local                      as well
 *   items   local, path    -> flags (1: conflict, 2: tombstone), seq, time_ms, origin, value
 *   stage   local, path    -> the same
 */
#ifndef KITBAG_CLIENT_REPLICA_INSIDE_H
#define KITBAG_CLIENT_REPLICA_INSIDE_H

#include <lmdb.h>

#include "client/replica.h"

enum table { TABLE_META, TABLE_BAGS, TABLE_NAMES, TABLE_IDS, TABLE_ITEMS, TABLE_STAGE, TABLES };

enum {
    REPLICA_FORMAT = 1,
    RECORD_SUM = 8,   /* bytes of a checksum */
    ITEM_HEADER = 25, /* flags, seq, time, origin */
    RECORD_KEY_MAX = 8 + PATH_MAX_BYTES + 16,
    NOTE_NAME_MAX = 100,
};

struct replica {
    MDB_env *env;
    char *path;
    MDB_dbi tables[TABLES];
};

/* A key being made. */
struct record_key {
    uint8_t bytes[RECORD_KEY_MAX];
    size_t size;
};
struct record_key replica_key_number(uint64_t number);
struct record_key replica_key_item(uint64_t local, struct span path);
struct record_key replica_key_owner(const struct owner *owner);

/* --- replica.c --- */
/* An LMDB result as one of ours: 0 stays 0. */
int replica_error(const struct replica *replica, int rc, const char *doing, struct err *err);
MUST_CHECK int replica_read_begin(struct replica *replica, MDB_txn **txn, struct err *err);
MUST_CHECK int replica_write_begin(struct replica *replica, MDB_txn **txn, struct err *err);
/* Commits when rc is 0, else aborts; returns rc or what the commit failed with. Nulls `txn`. */
MUST_CHECK int replica_write_end(struct replica *replica, MDB_txn **txn, int rc, struct err *err);
/* Moves the position forward to `seq`; an older one changes nothing. */
MUST_CHECK int replica_put_position(struct replica *replica, MDB_txn *txn, uint64_t seq,
                                    const uint8_t hash[SHA256_SIZE], struct err *err);

/* --- replica_record.c --- */
/* `value` points into the map and is without the checksum. E_NOT_FOUND, E_CORRUPT (it or, on a
 * miss, a neighbour fails: what was asked for may be the damaged one). */
MUST_CHECK int replica_record_get(struct replica *replica, MDB_txn *txn, enum table table,
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
/* All records of `table` whose key begins with `local`. */
MUST_CHECK int replica_record_delete_all(struct replica *replica, MDB_txn *txn, enum table table,
                                         uint64_t local, struct err *err);
/* An item's record. `bytes` of decode without the checksum; false: not of this form. */
MUST_CHECK int replica_record_put_item(struct replica *replica, MDB_txn *txn, enum table table,
                                       const struct record_key *key, const struct item_row *row,
                                       struct err *err);
bool replica_record_item(struct span bytes, struct item_row *row);

/* --- replica_bag.c --- */
bool replica_bag_decode(struct span bytes, struct replica_bag *out);
MUST_CHECK int replica_bag_get(struct replica *replica, MDB_txn *txn, uint64_t local,
                               struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_get_by_id(struct replica *replica, MDB_txn *txn, uint64_t bag_id,
                                     struct replica_bag *out, struct err *err);
MUST_CHECK int replica_bag_put(struct replica *replica, MDB_txn *txn, const struct replica_bag *bag,
                               struct err *err);
MUST_CHECK int replica_bag_delete(struct replica *replica, MDB_txn *txn,
                                  const struct replica_bag *bag, struct err *err);
/* Cursor 0 and not complete, in a transaction of its own. Returns E_CORRUPT with a sentence. */
int replica_bag_mark_damaged(struct replica *replica, uint64_t local, struct err *err);
/* Drops bags whose record fails, with their items, and makes `names` and `ids` anew. */
MUST_CHECK int replica_bag_repair(struct replica *replica, uint64_t *dropped, struct err *err);

/* --- replica_item.c --- */
/* Set or remove an item within a transaction, and count it. E_CORRUPT: what it replaces is
 * damaged. */
MUST_CHECK int replica_item_put(struct replica *replica, MDB_txn *txn, struct replica_bag *bag,
                                struct span path, const struct item_row *row, struct err *err);
/* The row (state ABSENT when there is none); its value points into the map. */
MUST_CHECK int replica_item_get(struct replica *replica, MDB_txn *txn, uint64_t local,
                                struct span path, struct item_row *row, struct err *err);

#endif
