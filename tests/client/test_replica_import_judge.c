/* tests/client/test_replica_import_judge.c - who holds more is not overwritten. */
#include "tests/client/import_samples.h"

static enum replica_fate judge(struct fixture *f, const struct snapshot_bag *bag)
{
    enum replica_fate fate = REPLICA_IS_THERE;
    struct replica_bag here;
    assert_int_equal(replica_import_judge(f->replica, bag, &fate, &here, NULL), 0);
    return fate;
}

static void assert_fate(struct fixture *f, uint64_t bag_id, uint64_t last_seq,
                        enum replica_fate expected)
{
    struct snapshot_bag bag = import_bag("Ann", bag_id, last_seq);
    assert_int_equal(judge(f, &bag), expected);
}

static void by_position(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_fate(&f, 7, 900, REPLICA_IS_NEW);
    struct replica_bag bag = sample_bag(&f, "Ann", 7, 900);
    assert_fate(&f, 7, 901, REPLICA_REPLACES);
    assert_fate(&f, 7, 900, REPLICA_IS_THERE);
    assert_fate(&f, 7, 899, REPLICA_IS_OLDER);
    assert_fate(&f, 6, 901, REPLICA_IS_OLDER);
    assert_fate(&f, 8, 800, REPLICA_REPLACES);
    bag.complete = false; /* damaged, or not fetched yet */
    bag.cursor = 0;
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), 0);
    assert_fate(&f, 7, 800, REPLICA_REPLACES);
    fixture_end(&f);
}

static void one_that_was_made_here(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag own = {
        .made_by = 3, .complete = true, .keep = true, .owner = sample_owner("Ann")};
    assert_int_equal(replica_bag_add(f.replica, &own, NULL), 0);
    assert_fate(&f, 7, 900, REPLICA_MADE_HERE);
    fixture_end(&f);
}

/* For what a file left out a bag's cursor is behind its items: a file from before is older still.
 */
static void by_what_is_in_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    import_item(import, "copy", 900, "one");
    bag.left_out = 1;
    bag.complete_to = 8;
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(import_commit(&import, 1000), 0);
    assert_fate(&f, 7, 899, REPLICA_IS_OLDER);
    assert_fate(&f, 7, 900, REPLICA_REPLACES);
    fixture_end(&f);
}

static void a_difference_needs_what_it_builds_on(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    enum replica_fate fate;
    struct replica_bag here;
    fixture_begin(&f);
    struct snapshot_bag bag = import_difference("Ann", 7, 900, 700);
    assert_int_equal(replica_import_judge(f.replica, &bag, &fate, &here, &err), E_CONDITION);
    assert_non_null(strstr(err.text, "has nothing of it"));
    struct replica_bag own = sample_bag(&f, "Ann", 7, 650);
    assert_int_equal(replica_import_judge(f.replica, &bag, &fate, &here, &err), E_CONDITION);
    assert_non_null(strstr(err.text, "has come to change 0"));
    own.cursor = 700;
    assert_int_equal(replica_bag_update(f.replica, &own, NULL), 0);
    assert_int_equal(judge(&f, &bag), REPLICA_REPLACES);

    /* nothing of it changed from 650 to 700, and the machine has come so far */
    own.cursor = 650;
    assert_int_equal(replica_bag_update(f.replica, &own, NULL), 0);
    (void)sample_bag(&f, "Bo", 8, 640);
    assert_int_equal(replica_set_history(f.replica, import_position(1).history, NULL), 0);
    const uint64_t seqs[] = {699, 700};
    uint64_t before = 640;
    for (size_t i = 0; i < 2; i++) {
        uint64_t bad = 0;
        struct change change = sample_set(8, seqs[i], before, "copy", "x");
        assert_int_equal(
            replica_apply(f.replica, &change, 1, seqs[i], sample_hash, &bad, NULL, NULL, NULL), 0);
        before = seqs[i];
        if (seqs[i] < 700) {
            assert_int_equal(replica_import_judge(f.replica, &bag, &fate, &here, &err),
                             E_CONDITION);
        }
    }
    assert_int_equal(judge(&f, &bag), REPLICA_REPLACES);
    own.cursor = 901;
    assert_int_equal(replica_bag_update(f.replica, &own, NULL), 0);
    assert_int_equal(judge(&f, &bag), REPLICA_IS_OLDER);
    bag.bag_id = 8; /* another bag */
    assert_int_equal(replica_import_judge(f.replica, &bag, &fate, &here, &err), E_CONDITION);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_position),
        cmocka_unit_test(one_that_was_made_here),
        cmocka_unit_test(by_what_is_in_it),
        cmocka_unit_test(a_difference_needs_what_it_builds_on),
    };
    return cmocka_run_group_tests_name("client/replica_import_judge", tests, NULL, NULL);
}
