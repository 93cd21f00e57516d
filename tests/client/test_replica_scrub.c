/* tests/client/test_replica_scrub.c - wrong values under right checksums: found by digests. */
#include "tests/client/replica_samples.h"

#include <sys/stat.h>

#include "client/replica_inside.h"
#include "tests/support/fail_alloc.h"

/* What a fault of a program, or of memory before the checksum was made, leaves: the item has
 * another value, and its record is whole. */
static void write_wrong(struct fixture *f, const struct replica_bag *bag, const char *path,
                        uint64_t seq, const char *value)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    struct item_row row = {.state = ITEM_LIVE, .seq = seq, .value = span_str(value)};
    struct record_key key = replica_key_item(bag->local, bag->copy, span_str(path));
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, f->replica->tables[TABLE_ITEMS], &cursor), 0);
    assert_int_equal(replica_record_put_item(f->replica, cursor, TABLE_ITEMS, &key, &row, 0, NULL),
                     0);
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

/* Ann's bag with a=1, b=2, Bob's with a=1. */
static struct replica_bag begin(struct fixture *f)
{
    fixture_begin(f);
    (void)sample_bag(f, "Ann", 40, 40);
    (void)sample_bag(f, "Bob", 50, 50);
    apply_set(f, 40, 41, 40, "a", "1");
    apply_set(f, 40, 42, 41, "b", "2");
    apply_set(f, 50, 51, 50, "a", "1");
    return bag_with_id(f, 40);
}

static void a_scrub_finds_a_wrong_value(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    assert_int_equal(scrub_all(&f), 0);
    write_wrong(&f, &ann, "a", 41, "x"); /* of the same size */
    assert_string_equal(value_of(&f, ann.local, "a"), "x");
    assert_int_equal(scrub_all(&f), 1);
    assert_int_equal(bag_with_id(&f, 40).cursor, 0);
    assert_false(bag_with_id(&f, 40).complete);
    assert_int_equal(bag_with_id(&f, 50).cursor, 51);
    uint64_t records = 0;
    uint64_t damaged = 0;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 1);
    fixture_end(&f);
}

static void the_next_change_to_a_wrong_value_shows_at_the_server(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    struct digest expected = {0}; /* what the server has */
    digest_add(&expected, span_str("a"), 43, span_str("new"));
    digest_add(&expected, span_str("b"), 42, span_str("2"));
    write_wrong(&f, &ann, "a", 41, "x");
    apply_set(&f, 40, 43, 42, "a", "new");
    bool differs = false;
    assert_int_equal(replica_complete(f.replica, 40, 43, &expected, &differs, NULL), 0);
    assert_true(differs);
    struct replica_row rows[] = {sample_row("a", 43, "new"), sample_row("b", 42, "2")};
    struct replica_page page = {
        .bag_id = 40, .first = true, .last = true, .whole = true, .cursor = 43, .seq = 51};
    assert_int_equal(replica_stage(f.replica, &page, rows, 2, NULL), 0);
    assert_int_equal(replica_complete(f.replica, 40, 43, &expected, &differs, NULL), 0);
    assert_false(differs);
    assert_int_equal(scrub_all(&f), 0);
    fixture_end(&f);
}

/* A change that came with another value than the server has. */
static void a_wrongly_applied_change_shows_at_the_server(void **state)
{
    (void)state;
    struct fixture f;
    (void)begin(&f);
    struct digest expected = bag_with_id(&f, 50).digest;
    digest_add(&expected, span_str("b"), 52, span_str("right"));
    apply_set(&f, 50, 52, 51, "b", "wrong");
    bool differs = false;
    assert_int_equal(scrub_all(&f), 0); /* by itself it is consistent */
    assert_int_equal(replica_complete(f.replica, 50, 52, &expected, &differs, NULL), 0);
    assert_true(differs);
    fixture_end(&f);
}

static void after_an_unclean_end_all_is_scrubbed(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    write_wrong(&f, &ann, "a", 41, "x");
    fixture_again(&f); /* a clean end: the slow scrub will come to it */
    assert_int_equal(bag_with_id(&f, 40).cursor, 42);
    char copy[TMP_FOLDER_MAX]; /* as a kill leaves it */
    tmp_folder_path(copy, f.folder, "copy");
    assert_int_equal(mkdir(copy, 0700), 0);
    assert_int_equal(mdb_env_copy(f.replica->env, copy), 0);
    replica_close(&f.replica);
    (void)snprintf(f.dir, sizeof f.dir, "%s", copy);
    fixture_open(&f);
    assert_int_equal(bag_with_id(&f, 40).cursor, 0);
    assert_int_equal(bag_with_id(&f, 50).cursor, 51);
    fixture_end(&f);
}

static void a_budget_divides_the_round(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    write_wrong(&f, &ann, "a", 41, "x");
    unsigned wrong = 0;
    uint64_t next = 0;
    uint64_t bags = 0;
    assert_int_equal(replica_scrub(f.replica, &next, 1, &bags, count_wrong, &wrong, NULL), 0);
    assert_int_equal(bags, 1);
    assert_int_equal(wrong, 1);
    assert_true(next > ann.local);
    assert_int_equal(replica_scrub(f.replica, &next, 1, &bags, count_wrong, &wrong, NULL), 0);
    assert_int_equal(bags, 1);
    assert_int_equal(wrong, 1);
    assert_int_equal(next, 0);
    fixture_end(&f);
}

/* A half-made copy is not the bag's. */
static void what_is_in_the_making_is_not_scrubbed(void **state)
{
    (void)state;
    struct fixture f;
    (void)begin(&f);
    struct replica_row row = sample_row("z", 60, "1");
    struct replica_page page = {.bag_id = 40, .first = true, .whole = true, .seq = 60};
    assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
    assert_int_equal(scrub_all(&f), 0);
    fixture_end(&f);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    (void)begin(&f);
    unsigned nth = 1;
    for (;; nth++) {
        uint64_t next = 0;
        uint64_t bags = 0;
        fail_alloc_at(nth);
        int rc = replica_scrub(f.replica, &next, UINT64_MAX, &bags, NULL, NULL, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            assert_int_equal(bags, 2);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(bag_with_id(&f, 40).cursor, 42); /* no memory is no damage */
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scrub_finds_a_wrong_value),
        cmocka_unit_test(the_next_change_to_a_wrong_value_shows_at_the_server),
        cmocka_unit_test(a_wrongly_applied_change_shows_at_the_server),
        cmocka_unit_test(after_an_unclean_end_all_is_scrubbed),
        cmocka_unit_test(a_budget_divides_the_round),
        cmocka_unit_test(what_is_in_the_making_is_not_scrubbed),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_scrub", tests, NULL, NULL);
}
