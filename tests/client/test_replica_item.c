/* tests/client/test_replica_item.c - reading items. */
#include "tests/client/replica_samples.h"

#include "tests/support/fail_alloc.h"

static void a_value_comes_with_its_row(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "copy/default", "{}");
    struct item_row row;
    struct buf value;
    buf_init(&value, 100);
    assert_int_equal(buf_append(&value, "before", 6), 0);
    assert_int_equal(
        replica_item(f.replica, bag.local, span_str("copy/default"), &row, &value, NULL), 0);
    assert_int_equal(row.state, ITEM_LIVE);
    assert_int_equal(row.seq, 41);
    assert_int_equal(row.time_ms, 1041);
    assert_int_equal(row.origin, 5);
    assert_true(span_equal(row.value, span_str("{}")));
    assert_true(span_equal(buf_span(&value), span_str("before{}")));
    assert_int_equal(replica_item(f.replica, bag.local, span_str("copy/default"), &row, NULL, NULL),
                     0);
    assert_int_equal(row.value.size, 0);
    buf_free(&value);
    buf_init(&value, 1);
    assert_int_equal(
        replica_item(f.replica, bag.local, span_str("copy/default"), &row, &value, NULL),
        E_TOO_LARGE);
    assert_int_equal(replica_item(f.replica, bag.local, span_str("copy"), &row, &value, NULL),
                     E_NOT_FOUND);
    buf_free(&value);
    fixture_end(&f);
}

static void lists_in_order_and_by_prefix(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 50);
    apply_set(&f, 40, 60, 40, "copy/z", "1");
    apply_set(&f, 40, 61, 60, "copy/a", "2");
    apply_set(&f, 40, 62, 61, "copz", "3");
    apply_set(&f, 40, 63, 62, "b", "");
    apply_set(&f, 50, 64, 50, "a", "other");
    assert_items(&f, ann.local, "", "b= copy/a=2 copy/z=1 copz=3");
    assert_items(&f, ann.local, "copy/", "copy/a=2 copy/z=1");
    assert_items(&f, ann.local, "copy/z", "copy/z=1");
    assert_items(&f, ann.local, "d", "");
    assert_items(&f, bob.local, "", "a=other");
    assert_items(&f, bob.local + 1, "", "");
    fixture_end(&f);
}

static int write_inside(void *context, struct span path, const struct item_row *row,
                        struct err *err)
{
    (void)path;
    (void)row;
    (void)err;
    struct fixture *f = context;
    static uint64_t seq = 60;
    apply_set(f, 40, seq + 1, seq, "z", "new");
    seq++;
    return 0;
}

static void a_listing_is_one_snapshot_and_may_write(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 59, 40, "a", "1");
    apply_set(&f, 40, 60, 59, "b", "1");
    assert_int_equal(replica_items(f.replica, bag.local, span_str(""), write_inside, &f, NULL), 0);
    assert_items(&f, bag.local, "", "a=1 b=1 z=new");
    struct replica_bag found;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &found, NULL), 0);
    assert_int_equal(found.cursor, 62); /* two were told, so two were written: "z" was not told */
    fixture_end(&f);
}

static void without_memory_for_the_value_it_is_said(void **state)
{
    (void)state;
    struct fixture f;
    struct buf value;
    struct item_row row;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "value");
    buf_init(&value, 100);
    fail_alloc_at(1);
    int rc = replica_item(f.replica, bag.local, span_str("a"), &row, &value, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(bag_with_id(&f, 40).cursor, 41); /* no memory is no damage */
    buf_free(&value);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_comes_with_its_row),
        cmocka_unit_test(lists_in_order_and_by_prefix),
        cmocka_unit_test(a_listing_is_one_snapshot_and_may_write),
        cmocka_unit_test(without_memory_for_the_value_it_is_said),
    };
    return cmocka_run_group_tests_name("client/replica_item", tests, NULL, NULL);
}
