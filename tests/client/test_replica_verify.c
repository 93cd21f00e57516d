/* tests/client/test_replica_verify.c - looking at everything: counts, indexes, orphans. Damage of
 * single bits is test_replica_record.c's. */
#include "tests/client/replica_samples.h"

#include "client/replica_inside.h"

static void write_raw(struct fixture *f, enum table table, struct span key, struct span value)
{
    MDB_txn *txn = NULL;
    MDB_val name = {key.size, (void *)(uintptr_t)key.data};
    MDB_val data = {value.size, (void *)(uintptr_t)value.data};
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, f->replica->tables[table], &name, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void delete_raw(struct fixture *f, enum table table, struct span key)
{
    MDB_txn *txn = NULL;
    MDB_val name = {key.size, (void *)(uintptr_t)key.data};
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_del(txn, f->replica->tables[table], &name, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static uint64_t verify(struct fixture *f, uint64_t *records)
{
    uint64_t damaged = 99;
    uint64_t read = 0;
    assert_int_equal(replica_verify(f->replica, &read, &damaged, NULL), 0);
    if (records != NULL) {
        *records = read;
    }
    return damaged;
}

static void a_healthy_one_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    uint64_t before = 0;
    uint64_t after = 0;
    assert_int_equal(verify(&f, &before), 0);
    (void)sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    assert_int_equal(verify(&f, &after), 0);
    assert_int_equal(after - before, 6); /* bag, name, id, item, position, the next number */
    fixture_end(&f);
}

static void a_lost_item_shows_in_the_count(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    struct record_key key = replica_key_item(bag.local, 0, span_str("a"));
    delete_raw(&f, TABLE_ITEMS, span_of(key.bytes, key.size));
    assert_int_equal(verify(&f, NULL), 1);
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), 0);
    assert_int_equal(bag.cursor, 0);
    assert_false(bag.complete);
    fixture_end(&f);
}

static void what_belongs_to_no_bag_is_removed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    for (uint64_t i = 0; i < 150; i++) {
        struct record_key key = replica_key_item(bag.local + 1 + i, 0, span_str("x"));
        write_raw(&f, TABLE_ITEMS, span_of(key.bytes, key.size), span_str("no checksum"));
    }
    assert_true(verify(&f, NULL) >= 150);
    assert_int_equal(verify(&f, NULL), 0);
    assert_string_equal(value_of(&f, bag.local, "a"), "1");
    fixture_end(&f);
}

static void spoiled_indexes_and_notes_are_mended(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    assert_int_equal(replica_note_set(f.replica, "wish", span_str("1"), NULL), 0);
    struct record_key key = replica_key_number(40);
    write_raw(&f, TABLE_IDS, span_of(key.bytes, key.size), span_str("spoiled!spoiled!"));
    write_raw(&f, TABLE_META, span_str("note:wish"), span_str("spoiled!spoiled!"));
    assert_int_equal(verify(&f, NULL), 2);
    assert_int_equal(verify(&f, NULL), 0);
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), 0);
    struct buf out;
    buf_init(&out, 10);
    assert_int_equal(replica_note_get(f.replica, "wish", &out, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void a_spoiled_bag_goes_with_its_items(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    struct record_key key = replica_key_number(bag.local);
    write_raw(&f, TABLE_BAGS, span_of(key.bytes, key.size), span_str("spoiled!spoiled!"));
    assert_true(verify(&f, NULL) >= 1);
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), E_NOT_FOUND);
    assert_int_equal(replica_bag_by_owner(f.replica, &bag.owner, &bag, NULL), E_NOT_FOUND);
    assert_int_equal(verify(&f, NULL), 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_one_is_counted),
        cmocka_unit_test(a_lost_item_shows_in_the_count),
        cmocka_unit_test(what_belongs_to_no_bag_is_removed),
        cmocka_unit_test(spoiled_indexes_and_notes_are_mended),
        cmocka_unit_test(a_spoiled_bag_goes_with_its_items),
    };
    return cmocka_run_group_tests_name("client/replica_verify", tests, NULL, NULL);
}
