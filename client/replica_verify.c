/* client/replica_verify.c - every record read, looked up, and compared. */
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

enum { ORPHANS_MAX = 64 }; /* removed per round */

struct verify {
    struct replica *replica;
    uint64_t records;
    uint64_t damaged;
};

/* Does a look-up of this key come to this record? A damaged page above it can hide it. */
static bool can_be_found(struct replica *replica, MDB_txn *txn, enum table table, MDB_val *key,
                         const MDB_val *data)
{
    MDB_val found;
    return mdb_get(txn, replica->tables[table], key, &found) == 0 &&
           found.mv_size == data->mv_size && found.mv_data == data->mv_data;
}

/* Counts records of a table and those that fail. Items are judged by their bags. */
static int count_table(struct verify *verify, MDB_txn *txn, enum table table, uint64_t *bad,
                       struct err *err)
{
    MDB_cursor *cursor = NULL;
    struct replica *replica = verify->replica;
    int rc = mdb_cursor_open(txn, replica->tables[table], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "verify", err);
    }
    MDB_val key;
    MDB_val data;
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        struct span value;
        verify->records++;
        if (!replica_record_check(table, &key, &data, &value) ||
            !can_be_found(replica, txn, table, &key, &data)) {
            ++*bad;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "verify", err);
}

/* Reading all items of a bag compares checksums, counts and the digest, and marks it. */
static int verify_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    struct verify *verify = context;
    uint64_t bytes = 0;
    bool wrong = false;
    int rc = replica_scrub_bag(verify->replica, bag->local, &bytes, &wrong, err);
    verify->damaged += wrong ? 1 : 0;
    return rc;
}

/* Keys of items that no bag claims: what a damaged key or a dropped bag left behind. */
static int find_orphans(struct replica *replica, struct record_key orphans[ORPHANS_MAX],
                        size_t *count, struct err *err)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    uint64_t known = 0;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_open(txn, replica->tables[TABLE_ITEMS], &cursor);
    while (rc == 0 && *count < ORPHANS_MAX) {
        MDB_val key;
        MDB_val data;
        struct replica_bag bag;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        if (rc != 0) {
            break;
        }
        uint64_t local = key.mv_size >= 8 ? get_be64(key.mv_data) : 0;
        if (local != 0 && local == known) {
            continue;
        }
        if (local != 0 && replica_bag_get(replica, txn, local, &bag, NULL) == 0) {
            known = local;
        } else if (key.mv_size <= RECORD_KEY_MAX) {
            orphans[*count].size = key.mv_size;
            memcpy(orphans[(*count)++].bytes, key.mv_data, key.mv_size);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "verify", err);
}

static int remove_orphans(struct verify *verify, struct err *err)
{
    struct record_key orphans[ORPHANS_MAX];
    size_t count = ORPHANS_MAX;
    int rc = 0;
    while (rc == 0 && count == ORPHANS_MAX) {
        MDB_txn *txn = NULL;
        count = 0;
        rc = find_orphans(verify->replica, orphans, &count, err);
        if (rc != 0 || count == 0) {
            return rc;
        }
        verify->damaged += count;
        rc = replica_write_begin(verify->replica, &txn, err);
        if (rc != 0) {
            return rc;
        }
        for (size_t i = 0; rc == 0 && i < count; i++) {
            rc = replica_record_delete(verify->replica, txn, TABLE_ITEMS, &orphans[i], err);
        }
        rc = replica_write_end(verify->replica, &txn, rc, err);
    }
    return rc;
}

int replica_meta_repair(struct replica *replica, struct err *err)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    uint64_t dropped = 0;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_open(txn, replica->tables[TABLE_META], &cursor);
    while (rc == 0) {
        MDB_val key;
        MDB_val data;
        struct span value;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        if (rc == 0 && !replica_record_check(TABLE_META, &key, &data, &value)) {
            rc = mdb_cursor_del(cursor, 0);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    rc = rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "verify", err);
    rc = replica_write_end(replica, &txn, rc, err);
    return rc != 0 ? rc : replica_bag_repair(replica, &dropped, err);
}

/* How many records fail, by table. */
static int count_all(struct verify *verify, uint64_t bad[TABLES], struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(verify->replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    for (int table = 0; rc == 0 && table < TABLE_STAGE; table++) {
        rc = count_table(verify, txn, (enum table)table, &bad[table], err);
    }
    mdb_txn_abort(txn);
    return rc;
}

int replica_verify(struct replica *replica, uint64_t *records, uint64_t *damaged, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(records != NULL);
    ASSERT(damaged != NULL);
    struct verify verify = {.replica = replica};
    uint64_t bad[TABLES] = {0};
    int rc = count_all(&verify, bad, err);
    if (rc != 0) {
        return rc;
    }
    verify.damaged = bad[TABLE_META] + bad[TABLE_BAGS] + bad[TABLE_NAMES] + bad[TABLE_IDS];
    if (bad[TABLE_META] > 0) {
        rc = replica_meta_repair(replica, err);
    }
    if (rc == 0 && bad[TABLE_BAGS] + bad[TABLE_NAMES] + bad[TABLE_IDS] > 0) {
        uint64_t dropped = 0;
        rc = replica_bag_repair(replica, &dropped, err);
    }
    rc = rc != 0 ? rc : replica_bags(replica, verify_bag, &verify, err);
    rc = rc != 0 ? rc : remove_orphans(&verify, err);
    if (rc == 0 && verify.damaged == 0 && bad[TABLE_ITEMS] > 0) {
        verify.damaged = bad[TABLE_ITEMS]; /* hidden by a damaged page */
    }
    if (rc == 0) {
        *records = verify.records;
        *damaged = verify.damaged;
    }
    return rc;
}
