/* tests/client/test_replica_bag.c - bags: adding, finding, changing, dropping. */
#include <stdlib.h>

#include "client/replica_inside.h"
#include "tests/client/replica_samples.h"

static void a_bag_is_found_by_owner_and_by_id(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 41);
    struct replica_bag found;
    struct owner folded = sample_owner("ANN");
    assert_int_equal(replica_bag_by_owner(f.replica, &folded, &found, NULL), 0);
    assert_int_equal(found.local, ann.local);
    assert_int_equal(found.bag_id, 40);
    assert_int_equal(found.cursor, 41);
    assert_true(found.complete && found.keep);
    assert_string_equal(found.owner.shown, "Ann");
    fixture_again(&f);
    assert_int_equal(replica_bag_by_id(f.replica, 40, &found, NULL), 0);
    assert_int_equal(found.local, ann.local);
    assert_int_equal(replica_bag_by_id(f.replica, 41, &found, NULL), E_NOT_FOUND);
    struct owner other = sample_owner("Bob");
    assert_int_equal(replica_bag_by_owner(f.replica, &other, &found, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void an_owner_has_one_bag(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 41);
    struct replica_bag again = {.keep = true, .owner = sample_owner("ann")};
    assert_int_equal(replica_bag_add(f.replica, &again, NULL), E_EXISTS);
    again.owner.kind = OWNER_GROUP;
    assert_int_equal(replica_bag_add(f.replica, &again, NULL), 0);
    fixture_end(&f);
}

static void many_are_added_at_once(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct fixture f;
    char name[16];
    struct replica_bag found;
    struct replica_bag *bags = calloc(MANY, sizeof *bags);
    assert_non_null(bags);
    fixture_begin(&f);
    struct replica_bag there = sample_bag(&f, "u7", 7, 7);
    for (size_t i = 0; i < MANY; i++) { /* the last one is the first one again */
        (void)snprintf(name, sizeof name, "U%zu", i % (MANY - 1));
        bags[i] = (struct replica_bag){
            .bag_id = 1000 + i, .items = 9, .keep = true, .owner = sample_owner(name)};
    }
    assert_int_equal(replica_bags_add(f.replica, bags, MANY, NULL), 0);
    for (size_t i = 0; i < MANY - 1; i++) {
        if (i != 7) {
            assert_int_equal(replica_bag_by_id(f.replica, 1000 + i, &found, NULL), 0);
            assert_int_equal(found.local, bags[i].local);
            assert_int_equal(found.items, 0);
        }
    }
    assert_int_equal(bags[7].local, 0);
    assert_int_equal(bags[MANY - 1].local, 0);
    assert_int_equal(replica_bag_by_owner(f.replica, &there.owner, &found, NULL), 0);
    assert_int_equal(found.bag_id, 7);
    assert_int_equal(replica_bags_add(f.replica, NULL, 0, NULL), 0);
    free(bags);
    fixture_end(&f);
}

static void an_update_moves_the_id(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "ann", 0, 0);
    bag.bag_id = 77;
    bag.made_by = 3;
    (void)snprintf(bag.owner.shown, sizeof bag.owner.shown, "Ann");
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), 0);
    struct replica_bag found;
    assert_int_equal(replica_bag_by_id(f.replica, 77, &found, NULL), 0);
    assert_int_equal(found.made_by, 3);
    assert_string_equal(found.owner.shown, "Ann");
    bag.bag_id = 78;
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), 0);
    assert_int_equal(replica_bag_by_id(f.replica, 77, &found, NULL), E_NOT_FOUND);
    assert_int_equal(replica_bag_by_id(f.replica, 78, &found, NULL), 0);
    bag.local = 1000;
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void a_cleared_bag_is_empty_and_a_dropped_one_gone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 50);
    apply_set(&f, 40, 60, 40, "a", "1");
    apply_set(&f, 50, 61, 50, "b", "2");
    assert_int_equal(replica_bag_clear(f.replica, ann.local, NULL), 0);
    struct replica_bag found;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &found, NULL), 0);
    assert_int_equal(found.cursor, 0);
    assert_int_equal(found.items + found.bytes, 0);
    assert_false(found.complete);
    assert_null(value_of(&f, ann.local, "a"));
    assert_int_equal(replica_bag_drop(f.replica, ann.local, NULL), 0);
    assert_int_equal(replica_bag_drop(f.replica, ann.local, NULL), E_NOT_FOUND);
    assert_int_equal(replica_bag_by_id(f.replica, 40, &found, NULL), E_NOT_FOUND);
    assert_string_equal(value_of(&f, bob.local, "b"), "2");
    /* its number is not given out again */
    assert_true(sample_bag(&f, "Ann", 70, 70).local > bob.local);
    fixture_end(&f);
}

static int count_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    uint64_t *sum = context;
    *sum = *sum * 100 + bag->bag_id;
    return *sum > 1000000 ? 17 : 0;
}

static void bags_are_listed_in_order_until_told_to_stop(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    uint64_t sum = 0;
    assert_int_equal(replica_bags(f.replica, count_bag, &sum, NULL), 0);
    assert_int_equal(sum, 0);
    (void)sample_bag(&f, "a", 11, 0);
    (void)sample_bag(&f, "b", 12, 0);
    (void)sample_bag(&f, "c", 13, 0);
    assert_int_equal(replica_bags(f.replica, count_bag, &sum, NULL), 0);
    assert_int_equal(sum, 111213);
    (void)sample_bag(&f, "d", 14, 0);
    (void)sample_bag(&f, "e", 15, 0);
    sum = 0;
    assert_int_equal(replica_bags(f.replica, count_bag, &sum, NULL), 17);
    assert_int_equal(sum, 11121314);
    fixture_end(&f);
}

/* It does not say behind which number to go on. */
static void a_damaged_key_is_passed_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "a", 11, 0);
    (void)sample_bag(&f, "b", 12, 0);
    MDB_val keys[] = {{7, "\0\0\0\0\0\0"}, {1, "\x01"}, {2, "\x7f\xff"}, {9, "\x7f~~~~~~~~"}};
    MDB_txn *txn = NULL;
    assert_int_equal(replica_write_begin(f.replica, &txn, NULL), 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        MDB_val data = {5, "wrong"};
        assert_int_equal(mdb_put(txn, f.replica->tables[TABLE_BAGS], &keys[i], &data, 0), 0);
    }
    assert_int_equal(replica_write_end(f.replica, &txn, 0, NULL), 0);
    uint64_t sum = 0;
    assert_int_equal(replica_bags(f.replica, count_bag, &sum, NULL), 0);
    assert_int_equal(sum, 1112);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bag_is_found_by_owner_and_by_id),
        cmocka_unit_test(an_owner_has_one_bag),
        cmocka_unit_test(many_are_added_at_once),
        cmocka_unit_test(an_update_moves_the_id),
        cmocka_unit_test(a_cleared_bag_is_empty_and_a_dropped_one_gone),
        cmocka_unit_test(bags_are_listed_in_order_until_told_to_stop),
        cmocka_unit_test(a_damaged_key_is_passed_over),
    };
    return cmocka_run_group_tests_name("client/replica_bag", tests, NULL, NULL);
}
