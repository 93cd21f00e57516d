/* tests/client/test_replica_stage.c - catching up by pages. */
#include "tests/client/replica_samples.h"

static struct replica_row live(const char *path, uint64_t seq, const char *value)
{
    return (struct replica_row){
        .path = span_str(path),
        .row = {.state = ITEM_LIVE, .seq = seq, .time_ms = 1, .value = span_str(value)}};
}

static struct replica_row removed(const char *path, uint64_t seq)
{
    return (struct replica_row){.path = span_str(path),
                                .row = {.state = ITEM_TOMBSTONE, .seq = seq}};
}

static struct replica_page page_of(bool first, bool last, bool whole, uint64_t cursor)
{
    return (struct replica_page){.bag_id = 40,
                                 .first = first,
                                 .last = last,
                                 .whole = whole,
                                 .cursor = cursor,
                                 .seq = cursor + 5,
                                 .hash = {3}};
}

static struct replica_bag bag_now(struct fixture *f)
{
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f->replica, 40, &bag, NULL), 0);
    return bag;
}

static void one_page_makes_a_bag_complete(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_row rows[] = {live("a", 41, "1"), live("b", 42, "22"), removed("c", 43)};
    struct replica_page page = page_of(true, true, true, 43);
    assert_int_equal(replica_stage(f.replica, &page, rows, 3, NULL), 0);
    assert_items(&f, bag.local, "", "a=1 b=22");
    bag = bag_now(&f);
    assert_true(bag.complete);
    assert_int_equal(bag.cursor, 43);
    assert_int_equal(bag.items, 2);
    assert_int_equal(bag.bytes, 5);
    page.bag_id = 41;
    assert_int_equal(replica_stage(f.replica, &page, rows, 3, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void staged_pages_show_with_the_last_one_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "old", "1");
    struct replica_row one[] = {live("a", 45, "1"), live("b", 46, "2")};
    struct replica_row two[] = {live("a", 47, "new"), removed("b", 48), live("z", 49, "3")};
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, one, 2, NULL), 0);
    assert_items(&f, bag.local, "", "old=1");
    assert_int_equal(bag_now(&f).cursor, 41);
    page = page_of(false, true, true, 49);
    assert_int_equal(replica_stage(f.replica, &page, two, 3, NULL), 0);
    assert_items(&f, bag.local, "", "a=new z=3");
    assert_int_equal(bag_now(&f).cursor, 49);
    assert_int_equal(bag_now(&f).items, 2);
    fixture_end(&f);
}

static void a_difference_keeps_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    apply_set(&f, 40, 42, 41, "b", "2");
    apply_set(&f, 40, 43, 42, "c", "3");
    struct replica_row one[] = {live("b", 50, "two")};
    struct replica_row two[] = {removed("c", 51), removed("never", 52)};
    struct replica_page page = page_of(true, false, false, 0);
    assert_int_equal(replica_stage(f.replica, &page, one, 1, NULL), 0);
    page = page_of(false, true, false, 52);
    assert_int_equal(replica_stage(f.replica, &page, two, 2, NULL), 0);
    assert_items(&f, bag.local, "", "a=1 b=two");
    fixture_end(&f);
}

static void a_first_page_and_a_new_start_throw_away_what_was_staged(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_row stale[] = {live("stale", 41, "1")};
    struct replica_row fresh[] = {live("fresh", 42, "2")};
    struct replica_page first = page_of(true, false, true, 0);
    struct replica_page last = page_of(false, true, true, 50);
    assert_int_equal(replica_stage(f.replica, &first, stale, 1, NULL), 0);
    assert_int_equal(replica_stage(f.replica, &first, fresh, 1, NULL), 0);
    assert_int_equal(replica_stage(f.replica, &last, NULL, 0, NULL), 0);
    assert_items(&f, bag.local, "", "fresh=2");
    assert_int_equal(replica_stage(f.replica, &first, stale, 1, NULL), 0);
    fixture_again(&f);
    last.cursor = 51;
    assert_int_equal(replica_stage(f.replica, &last, NULL, 0, NULL), E_CONDITION);
    assert_items(&f, bag.local, "", "fresh=2");
    fixture_end(&f);
}

static void a_page_moves_the_position_forward_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 0);
    uint64_t bad = 0;
    assert_int_equal(replica_set_history(f.replica, sample_hash, NULL), 0);
    assert_int_equal(replica_apply(f.replica, NULL, 0, 60, sample_hash, &bad, NULL, NULL, NULL), 0);
    struct replica_page page = page_of(true, true, true, 43);
    struct replica_position position;
    assert_int_equal(replica_stage(f.replica, &page, NULL, 0, NULL), 0);
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_int_equal(position.seq, 60);
    page = page_of(true, true, false, 70);
    assert_int_equal(replica_stage(f.replica, &page, NULL, 0, NULL), 0);
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_int_equal(position.seq, 75);
    assert_int_equal(position.hash[0], 3);
    fixture_end(&f);
}

static void many_pages_of_large_values(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    for (uint64_t i = 0; i < 20; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "item/%02d", (int)i);
        struct replica_row row = live(path, 41 + i, big);
        struct replica_page page = page_of(i == 0, i == 19, true, 61);
        assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
    }
    bag = bag_now(&f);
    assert_int_equal(bag.items, 20);
    assert_int_equal(bag.bytes, 20 * (7 + sizeof big - 1));
    uint64_t records = 0;
    uint64_t damaged = 9;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
    assert_true(records >= 22);
    fixture_end(&f);
}

static void nothing_new_is_complete_too(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    bool differs = true;
    (void)sample_bag(&f, "Ann", 40, 40);
    assert_int_equal(replica_complete(f.replica, 40, 40, NULL, &differs, NULL), 0);
    assert_int_equal(replica_complete(f.replica, 40, 41, NULL, &differs, NULL), E_CONDITION);
    assert_int_equal(replica_complete(f.replica, 41, 40, NULL, &differs, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

/* Pages and answers that were on their way when the user was signed out, or a damaged record was
 * met: what they build on is not here any more. */
static void what_builds_on_a_bag_that_was_cleared_is_not_taken(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    assert_int_equal(replica_bag_clear(f.replica, bag.local, NULL), 0);
    bool differs = true;
    assert_int_equal(replica_complete(f.replica, 40, 41, NULL, &differs, NULL), E_CONDITION);
    assert_false(bag_now(&f).complete);
    struct replica_row row = live("b", 42, "2");
    struct replica_page page = page_of(true, true, false, 42);
    page.since = 41;
    assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), E_CONDITION);
    assert_false(bag_now(&f).complete);
    assert_items(&f, bag.local, "", "");
    fixture_end(&f);
}

static void the_rest_of_pages_is_not_taken_for_all(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_row one = live("a", 41, "1");
    struct replica_row two = live("b", 42, "2");
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, &one, 1, NULL), 0);
    assert_int_equal(replica_bag_clear(f.replica, bag.local, NULL), 0); /* a sign-out */
    bag.keep = false;
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), 0);
    page = page_of(false, true, true, 42);
    assert_int_equal(replica_stage(f.replica, &page, &two, 1, NULL), E_NOT_FOUND);
    assert_false(bag_now(&f).complete);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_page_makes_a_bag_complete),
        cmocka_unit_test(staged_pages_show_with_the_last_one_only),
        cmocka_unit_test(a_difference_keeps_the_rest),
        cmocka_unit_test(a_first_page_and_a_new_start_throw_away_what_was_staged),
        cmocka_unit_test(a_page_moves_the_position_forward_only),
        cmocka_unit_test(many_pages_of_large_values),
        cmocka_unit_test(nothing_new_is_complete_too),
        cmocka_unit_test(what_builds_on_a_bag_that_was_cleared_is_not_taken),
        cmocka_unit_test(the_rest_of_pages_is_not_taken_for_all),
    };
    return cmocka_run_group_tests_name("client/replica_stage", tests, NULL, NULL);
}
