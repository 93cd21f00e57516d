/* tests/client/test_replica_count.c - what the records of bags add up to. */
#include "client/replica_inside.h"
#include "tests/client/replica_samples.h"

/* As counted by reading all of them. */
static int count_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    struct replica_counts *counts = context;
    bool user = bag->owner.kind == OWNER_USER;
    counts->unsettled += user && bag->bag_id != 0 && (!bag->keep || bag->made_by != 0) ? 1 : 0;
    if (bag->keep) {
        counts->users += user ? 1 : 0;
        counts->bags++;
        counts->complete += bag->complete ? 1 : 0;
        counts->items += bag->items;
    }
    return 0;
}

static struct replica_counts check(struct fixture *f)
{
    struct replica_counts kept;
    struct replica_counts read = {0};
    replica_counts(f->replica, &kept);
    assert_int_equal(replica_bags(f->replica, count_bag, &read, NULL), 0);
    assert_memory_equal(&kept, &read, sizeof kept);
    return kept;
}

static void every_change_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(check(&f).bags, 0);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 0);
    struct replica_bag group = {.bag_id = 60, .keep = true, .owner = sample_owner("staff")};
    group.owner.kind = OWNER_GROUP;
    assert_int_equal(replica_bag_add(f.replica, &group, NULL), 0);
    apply_set(&f, 40, 61, 40, "a", "1");
    struct replica_counts counts = check(&f);
    assert_int_equal(counts.users, 2);
    assert_int_equal(counts.bags, 3);
    assert_int_equal(counts.complete, 1);
    assert_int_equal(counts.items, 1);
    assert_int_equal(counts.unsettled, 0);
    bob.keep = false;
    assert_int_equal(replica_bag_update(f.replica, &bob, NULL), 0);
    counts = check(&f);
    assert_int_equal(counts.users, 1);
    assert_int_equal(counts.unsettled, 1);
    ann.made_by = 3;
    ann.complete = true;
    ann.cursor = 61;
    assert_int_equal(replica_bag_update(f.replica, &ann, NULL), 0);
    assert_int_equal(check(&f).unsettled, 2);
    fixture_again(&f);
    assert_int_equal(check(&f).items, 1);
    assert_int_equal(replica_bag_clear(f.replica, ann.local, NULL), 0);
    assert_int_equal(check(&f).items, 0);
    assert_int_equal(replica_bag_drop(f.replica, ann.local, NULL), 0);
    assert_int_equal(replica_bag_drop(f.replica, bob.local, NULL), 0);
    counts = check(&f);
    assert_int_equal(counts.bags, 1);
    assert_int_equal(counts.unsettled, 0);
    fixture_end(&f);
}

static void what_was_not_committed_does_not_count(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_batch *batch = NULL;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 40);
    struct change change = sample_set(40, 61, 40, "a", "1");
    uint64_t bad = 0;
    for (int commits = 0; commits < 2; commits++) {
        assert_int_equal(replica_batch_begin(f.replica, &batch, NULL), 0);
        assert_int_equal(replica_batch_changes(batch, &change, 1, 61, sample_hash, &bad, NULL), 0);
        if (commits == 0) {
            replica_batch_abort(&batch);
        } else {
            assert_int_equal(replica_batch_commit(&batch, NULL, NULL, NULL), 0);
        }
        assert_int_equal(check(&f).items, (uint64_t)commits);
    }
    struct replica_bag again = {.keep = true, .owner = sample_owner("Ann")};
    assert_int_equal(replica_bag_add(f.replica, &again, NULL), E_EXISTS);
    assert_int_equal(check(&f).bags, 1);
    fixture_end(&f);
}

/* What a damaged record had counted for is not known any more. */
static void after_damage_all_are_counted_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    (void)sample_bag(&f, "Bob", 50, 50);
    MDB_txn *txn = NULL;
    struct record_key name = replica_key_number(ann.local);
    MDB_val key = {name.size, name.bytes};
    MDB_val data = {5, "wrong"};
    assert_int_equal(replica_write_begin(f.replica, &txn, NULL), 0);
    assert_int_equal(mdb_put(txn, f.replica->tables[TABLE_BAGS], &key, &data, 0), 0);
    assert_int_equal(replica_write_end(f.replica, &txn, 0, NULL), 0);
    struct replica_bag found;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &found, NULL), E_NOT_FOUND);
    assert_int_equal(check(&f).bags, 1);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_counted),
        cmocka_unit_test(what_was_not_committed_does_not_count),
        cmocka_unit_test(after_damage_all_are_counted_again),
    };
    return cmocka_run_group_tests_name("client/replica_count", tests, NULL, NULL);
}
