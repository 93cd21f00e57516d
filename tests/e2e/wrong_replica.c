/* tests/e2e/wrong_replica.c - makes a stopped machine's replica wrong, under valid checksums.
 *
 *     kitbag-wrong-replica FOLDER USER ITEM row|lie|lose
 *
 * row   the item's value becomes "wrong"; the bag's digest stays as it was
 * lie   the same, and the bag's digest fits: only who compares with the server can see it
 * lose  the item is gone, and the bag's digest and counts fit
 *
 * What a fault of ours, or of the memory, could leave behind; damage on the disk would not have the
 * checksums. Exit code 0 when it was done.
 */
#include <stdio.h>
#include <string.h>

#include "client/replica_inside.h"
#include "journal/digest.h"

static int read_item(struct replica *replica, MDB_txn *txn, const struct record_key *key,
                     struct item_row *row, struct err *err)
{
    struct span bytes;
    int rc = replica_record_get(replica, txn, TABLE_ITEMS, key, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    return replica_record_item(bytes, row) && row->state == ITEM_LIVE
               ? 0
               : err_set(err, E_NOT_FOUND, "there is no such item");
}

static int put_item(struct replica *replica, MDB_txn *txn, const struct record_key *key,
                    const struct item_row *row, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = replica_error(replica, mdb_cursor_open(txn, replica->tables[TABLE_ITEMS], &cursor),
                           "open", err);
    if (rc == 0) {
        rc = replica_record_put_item(replica, cursor, TABLE_ITEMS, key, row, 0, err);
        mdb_cursor_close(cursor);
    }
    return rc;
}

static int spoil(struct replica *replica, MDB_txn *txn, const struct owner *owner, struct span path,
                 const char *how, struct err *err)
{
    struct replica_bag bag;
    int rc = replica_bag_get_by_owner(replica, txn, owner, &bag, err);
    if (rc != 0) {
        return rc;
    }
    struct record_key key = replica_key_item(bag.local, bag.copy, path);
    struct item_row old = {0};
    rc = read_item(replica, txn, &key, &old, err);
    if (rc != 0) {
        return rc;
    }
    char value[4096];
    struct item_row wrong = old;
    wrong.value = span_str("wrong");
    if (old.value.size > sizeof value) {
        return err_set(err, E_TOO_LARGE, "the value is too large");
    }
    memcpy(value, old.value.data, old.value.size); /* what the map holds goes with the write */
    old.value = span_of(value, old.value.size);
    digest_subtract(&bag.digest, path, old.seq, old.value);
    bag.bytes -= old.value.size;
    if (strcmp(how, "lose") == 0) {
        bag.items--;
        bag.bytes -= path.size;
        rc = replica_record_delete(replica, txn, TABLE_ITEMS, &key, err);
    } else {
        digest_add(&bag.digest, path, wrong.seq, wrong.value);
        bag.bytes += wrong.value.size;
        rc = put_item(replica, txn, &key, &wrong, err);
    }
    return rc == 0 && strcmp(how, "row") != 0 ? replica_bag_put(replica, txn, &bag, err) : rc;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct owner owner = {0};
    struct replica *replica = NULL;
    MDB_txn *txn = NULL;
    char dir[4096];
    if (argc != 5 ||
        (strcmp(argv[4], "row") != 0 && strcmp(argv[4], "lie") != 0 &&
         strcmp(argv[4], "lose") != 0) ||
        snprintf(dir, sizeof dir, "%s/replica", argv[1]) >= (int)sizeof dir) {
        (void)fputs("usage: kitbag-wrong-replica FOLDER USER ITEM row|lie|lose\n", stderr);
        return 2;
    }
    int rc = owner_make(&owner, OWNER_USER, span_str(argv[2]), 0, &err);
    rc = rc != 0 ? rc : replica_open(&replica, dir, UINT64_C(1) << 30, &err);
    rc = rc != 0 ? rc : replica_write_begin(replica, &txn, &err);
    if (rc == 0) {
        rc = spoil(replica, txn, &owner, span_str(argv[3]), argv[4], &err);
        rc = replica_write_end(replica, &txn, rc, &err);
    }
    replica_close(&replica);
    if (rc != 0) {
        (void)fprintf(stderr, "kitbag-wrong-replica: %s\n", err.text);
    }
    return rc == 0 ? 0 : 1;
}
