/* client/replica_record.c - records with a checksum over table, key and value.
 *
 * A flipped bit in a value fails its checksum. A flipped bit in a key makes a look-up miss; but the
 * binary search for the key that was there ends right beside it, so a miss compares both
 * neighbours, and says "damaged" when one of them fails.
 */
#include <string.h>

#include "base/hash.h"
#include "client/replica_inside.h"

enum { FLAG_CONFLICT = 1, FLAG_TOMBSTONE = 2 };

/* --- keys --- */

struct record_key replica_key_number(uint64_t number)
{
    struct record_key key = {.size = 8};
    put_be64(key.bytes, number);
    return key;
}

struct record_key replica_key_item(uint64_t local, unsigned copy, struct span path)
{
    ASSERT(path.size <= PATH_MAX_BYTES);
    ASSERT(copy <= 1);
    struct record_key key;
    key.size = ITEM_KEY + path.size;
    put_be64(key.bytes, local);
    key.bytes[8] = (uint8_t)copy;
    if (path.size > 0) {
        memcpy(key.bytes + ITEM_KEY, path.data, path.size);
    }
    return key;
}

bool replica_key_begins(const MDB_val *key, const struct record_key *prefix)
{
    return key->mv_size >= prefix->size && memcmp(key->mv_data, prefix->bytes, prefix->size) == 0;
}

struct record_key replica_key_owner(const struct owner *owner)
{
    struct record_key key = {.size = 9};
    key.bytes[0] = (uint8_t)owner->kind;
    put_be64(key.bytes + 1, owner->device);
    size_t size = strlen(owner->folded);
    memcpy(key.bytes + key.size, owner->folded, size);
    key.size += size;
    return key;
}

/* --- checksums --- */

static uint64_t sum_of(enum table table, const void *key, size_t key_size, struct span value)
{
    uint64_t sum = hash64(span_of(key, key_size), (uint64_t)table + 1);
    return hash64(value, sum);
}

bool replica_record_check(enum table table, const MDB_val *key, const MDB_val *data,
                          struct span *value)
{
    if (data->mv_size < RECORD_SUM) {
        return false;
    }
    const uint8_t *bytes = data->mv_data;
    *value = span_of(bytes + RECORD_SUM, data->mv_size - RECORD_SUM);
    return sum_of(table, key->mv_data, key->mv_size, *value) == get_be64(bytes);
}

static int damaged(const struct replica *replica, struct err *err)
{
    return err_set(err, E_CORRUPT, "a record of the replica in '%s' is damaged", replica->path);
}

/* After a miss the cursor stands at the next greater key, or behind the last one. */
static bool neighbours_hold(MDB_cursor *cursor, enum table table, int at_next, MDB_val *key,
                            MDB_val *data)
{
    struct span value;
    if (at_next == 0 && !replica_record_check(table, key, data, &value)) {
        return false;
    }
    int rc = mdb_cursor_get(cursor, key, data, at_next == 0 ? MDB_PREV : MDB_LAST);
    return rc != 0 || replica_record_check(table, key, data, &value);
}

/* The whole key was found, but is its record the one that was put there? */
int replica_record_seek(struct replica *replica, MDB_cursor *cursor, enum table table,
                        const struct record_key *wanted, struct span *value, struct err *err)
{
    MDB_val key = {wanted->size, (void *)(uintptr_t)wanted->bytes};
    MDB_val data = {0, NULL};
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    if (rc != 0 && rc != MDB_NOTFOUND) {
        return replica_error(replica, rc, "read", err);
    }
    bool found = rc == 0 && key.mv_size == wanted->size &&
                 memcmp(key.mv_data, wanted->bytes, wanted->size) == 0;
    if (found) {
        struct span bytes;
        if (!replica_record_check(table, &key, &data, &bytes)) {
            return damaged(replica, err);
        }
        *value = bytes;
        return 0;
    }
    if (!neighbours_hold(cursor, table, rc, &key, &data)) {
        return damaged(replica, err);
    }
    return E_NOT_FOUND;
}

int replica_record_get(struct replica *replica, MDB_txn *txn, enum table table,
                       const struct record_key *key, struct span *value, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[table], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "read", err);
    }
    rc = replica_record_seek(replica, cursor, table, key, value, err);
    mdb_cursor_close(cursor);
    return rc == E_NOT_FOUND ? err_set(err, rc, "there is no such record") : rc;
}

/* --- writing --- */

static void seal(enum table table, const struct record_key *key, uint8_t *record, size_t size)
{
    struct span value = span_of(record + RECORD_SUM, size);
    put_be64(record, sum_of(table, key->bytes, key->size, value));
}

int replica_record_put(struct replica *replica, MDB_txn *txn, enum table table,
                       const struct record_key *key, struct span value, struct err *err)
{
    MDB_val name = {key->size, (void *)(uintptr_t)key->bytes};
    MDB_val data = {RECORD_SUM + value.size, NULL};
    int rc = mdb_put(txn, replica->tables[table], &name, &data, MDB_RESERVE);
    if (rc != 0) {
        return replica_error(replica, rc, "write", err);
    }
    uint8_t *record = data.mv_data;
    if (value.size > 0) {
        memcpy(record + RECORD_SUM, value.data, value.size);
    }
    seal(table, key, record, value.size);
    return 0;
}

int replica_record_delete(struct replica *replica, MDB_txn *txn, enum table table,
                          const struct record_key *key, struct err *err)
{
    MDB_val name = {key->size, (void *)(uintptr_t)key->bytes};
    int rc = mdb_del(txn, replica->tables[table], &name, NULL);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "remove", err);
}

int replica_record_delete_all(struct replica *replica, MDB_txn *txn, enum table table,
                              const struct record_key *prefix, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[table], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "remove", err);
    }
    MDB_val key = {prefix->size, (void *)(uintptr_t)prefix->bytes};
    MDB_val data = {0, NULL};
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && replica_key_begins(&key, prefix)) {
        rc = mdb_cursor_del(cursor, 0); /* NEXT then is what followed the deleted one */
        rc = rc != 0 ? rc : mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "remove", err);
}

/* --- items --- */

int replica_record_put_item(struct replica *replica, MDB_cursor *cursor, enum table table,
                            const struct record_key *key, const struct item_row *row,
                            unsigned flags, struct err *err)
{
    ASSERT(row->state != ITEM_ABSENT);
    size_t size = ITEM_HEADER + row->value.size;
    MDB_val name = {key->size, (void *)(uintptr_t)key->bytes};
    MDB_val data = {RECORD_SUM + size, NULL};
    int rc = mdb_cursor_put(cursor, &name, &data, MDB_RESERVE | flags);
    if (rc != 0) {
        return replica_error(replica, rc, "write", err);
    }
    uint8_t *record = data.mv_data;
    uint8_t *at = record + RECORD_SUM;
    at[0] = (uint8_t)((row->conflict ? FLAG_CONFLICT : 0) |
                      (row->state == ITEM_TOMBSTONE ? FLAG_TOMBSTONE : 0));
    put_be64(at + 1, row->seq);
    put_be64(at + 9, row->time_ms);
    put_be64(at + 17, row->origin);
    if (row->value.size > 0) {
        memcpy(at + ITEM_HEADER, row->value.data, row->value.size);
    }
    seal(table, key, record, size);
    return 0;
}

bool replica_record_item(struct span bytes, struct item_row *row)
{
    if (bytes.size < ITEM_HEADER) {
        return false;
    }
    *row = (struct item_row){
        .state = (bytes.data[0] & FLAG_TOMBSTONE) != 0 ? ITEM_TOMBSTONE : ITEM_LIVE,
        .conflict = (bytes.data[0] & FLAG_CONFLICT) != 0,
        .seq = get_be64(bytes.data + 1),
        .time_ms = get_be64(bytes.data + 9),
        .origin = get_be64(bytes.data + 17),
        .value = span_of(bytes.data + ITEM_HEADER, bytes.size - ITEM_HEADER),
    };
    return true;
}

static int tell_item(enum table table, const MDB_val *key, const MDB_val *data,
                     replica_item_fn *each, void *context, struct err *err)
{
    struct span bytes;
    struct item_row row;
    struct span path = {NULL, 0};
    if (key->mv_size > ITEM_KEY) {
        path = span_of((const uint8_t *)key->mv_data + ITEM_KEY, key->mv_size - ITEM_KEY);
    }
    bool good = path.size > 0 && replica_record_check(table, key, data, &bytes) &&
                replica_record_item(bytes, &row);
    return each(context, path, good ? &row : NULL, err);
}

int replica_record_items(struct replica *replica, MDB_txn *txn, enum table table,
                         const struct record_key *prefix, replica_item_fn *each, void *context,
                         const char *doing, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[table], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, doing, err);
    }
    MDB_val key = {prefix->size, (void *)(uintptr_t)prefix->bytes};
    MDB_val data;
    int told = 0;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && told == 0 && replica_key_begins(&key, prefix)) {
        told = tell_item(table, &key, &data, each, context, err);
        rc = told != 0 ? 0 : mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (told != 0) {
        return told;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, doing, err);
}
