/* tests/client/test_replica_stage.c - catching up by pages. */
#include "tests/client/replica_samples.h"

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

static void one_page_makes_a_bag_complete(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_row rows[] = {sample_row("a", 41, "1"), sample_row("b", 42, "22"),
                                 sample_removed("c", 43)};
    struct replica_page page = page_of(true, true, true, 43);
    assert_int_equal(replica_stage(f.replica, &page, rows, 3, NULL), 0);
    assert_items(&f, bag.local, "", "a=1 b=22");
    bag = bag_with_id(&f, 40);
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
    struct replica_row one[] = {sample_row("a", 45, "1"), sample_row("b", 46, "2")};
    struct replica_row two[] = {sample_row("a", 47, "new"), sample_removed("b", 48),
                                sample_row("z", 49, "3")};
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, one, 2, NULL), 0);
    assert_items(&f, bag.local, "", "old=1");
    assert_int_equal(bag_with_id(&f, 40).cursor, 41);
    page = page_of(false, true, true, 49);
    assert_int_equal(replica_stage(f.replica, &page, two, 3, NULL), 0);
    assert_items(&f, bag.local, "", "a=new z=3");
    assert_int_equal(bag_with_id(&f, 40).cursor, 49);
    assert_int_equal(bag_with_id(&f, 40).items, 2);
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
    struct replica_row one[] = {sample_row("b", 50, "two")};
    struct replica_row two[] = {sample_removed("c", 51), sample_removed("never", 52)};
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
    struct replica_row stale[] = {sample_row("stale", 41, "1")};
    struct replica_row fresh[] = {sample_row("fresh", 42, "2")};
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

/* The bag is found up to date between them, and goes on live: what was staged is in nobody's way,
 * and is thrown away by the pages that come next. */
static void pages_that_nobody_ends(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "1");
    struct replica_row stale[] = {sample_row("a", 39, "stale"), sample_row("b", 39, "stale")};
    struct replica_row fresh[] = {sample_row("c", 50, "3")};
    for (int whole = 0; whole <= 1; whole++) {
        uint64_t cursor = bag_with_id(&f, 40).cursor;
        struct replica_page page = page_of(true, false, whole != 0, cursor);
        assert_int_equal(replica_stage(f.replica, &page, stale, 2, NULL), 0);
        apply_set(&f, 40, cursor + 1, cursor, "live", "2");
        assert_items(&f, bag.local, "", whole != 0 ? "a=1 c=3 live=2" : "a=1 live=2");
        page = page_of(true, false, false, 0);
        assert_int_equal(replica_stage(f.replica, &page, fresh, 1, NULL), 0);
        page = page_of(false, true, false, 60);
        assert_int_equal(replica_stage(f.replica, &page, NULL, 0, NULL), 0);
        assert_items(&f, bag.local, "", "a=1 c=3 live=2");
    }
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
        struct replica_row row = sample_row(path, 41 + i, big);
        struct replica_page page = page_of(i == 0, i == 19, true, 61);
        assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
    }
    bag = bag_with_id(&f, 40);
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
    assert_false(bag_with_id(&f, 40).complete);
    struct replica_row row = sample_row("b", 42, "2");
    struct replica_page page = page_of(true, true, false, 42);
    page.since = 41;
    assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), E_CONDITION);
    assert_false(bag_with_id(&f, 40).complete);
    assert_items(&f, bag.local, "", "");
    fixture_end(&f);
}

static void the_rest_of_pages_is_not_taken_for_all(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_row one = sample_row("a", 41, "1");
    struct replica_row two = sample_row("b", 42, "2");
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, &one, 1, NULL), 0);
    assert_int_equal(replica_bag_clear(f.replica, bag.local, NULL), 0); /* a sign-out */
    bag.keep = false;
    assert_int_equal(replica_bag_update(f.replica, &bag, NULL), 0);
    page = page_of(false, true, true, 42);
    assert_int_equal(replica_stage(f.replica, &page, &two, 1, NULL), E_NOT_FOUND);
    assert_false(bag_with_id(&f, 40).complete);
    fixture_end(&f);
}

static struct digest digest_of(const struct replica_row *rows, size_t count)
{
    struct digest digest = {0};
    for (size_t i = 0; i < count; i++) {
        digest_add(&digest, rows[i].path, rows[i].row.seq, rows[i].row.value);
    }
    return digest;
}

static void pages_leave_the_digest_of_their_items(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 0);
    struct replica_row one[] = {sample_row("b", 41, "1"), sample_row("c", 42, "2")};
    struct replica_row two[] = {sample_row("a", 43, "3"), sample_row("c", 44, "4"),
                                sample_removed("b", 45), sample_row("d", 46, "5")};
    struct replica_row result[] = {two[0], two[1], two[3]};
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, one, 2, NULL), 0);
    page = page_of(false, true, true, 46); /* neither in order nor without repeats */
    assert_int_equal(replica_stage(f.replica, &page, two, 4, NULL), 0);
    struct digest expected = digest_of(result, 3);
    struct replica_bag bag = bag_with_id(&f, 40);
    assert_true(digest_equal(&bag.digest, &expected));
    assert_items(&f, bag.local, "", "a=3 c=4 d=5");
    struct replica_row change[] = {sample_row("c", 50, "new"), sample_removed("a", 51)};
    struct replica_row after[] = {change[0], two[3]};
    page = page_of(true, true, false, 51);
    page.since = 46;
    assert_int_equal(replica_stage(f.replica, &page, change, 2, NULL), 0);
    expected = digest_of(after, 2);
    bag = bag_with_id(&f, 40);
    assert_true(digest_equal(&bag.digest, &expected));
    assert_int_equal(scrub_all(&f), 0);
    fixture_end(&f);
}

static void a_bag_that_differs_is_read_until_its_new_copy_is_whole(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 41, 40, "a", "old");
    apply_set(&f, 40, 42, 41, "b", "old");
    struct replica_row rows[] = {sample_row("a", 41, "right"), sample_row("b", 42, "right")};
    struct digest expected = digest_of(rows, 2);
    bool differs = false;
    assert_int_equal(replica_complete(f.replica, 40, 42, NULL, &differs, NULL), 0);
    assert_false(differs);
    assert_int_equal(replica_complete(f.replica, 40, 42, &expected, &differs, NULL), 0);
    assert_true(differs);
    assert_int_equal(bag_with_id(&f, 40).cursor, 0);
    assert_false(bag_with_id(&f, 40).complete);
    assert_items(&f, bag.local, "", "a=old b=old");
    struct change late = sample_set(40, 43, 42, "c", "x"); /* nothing builds on it */
    uint64_t bad = 0;
    assert_int_equal(replica_apply(f.replica, &late, 1, 43, sample_hash, &bad, NULL, NULL, NULL),
                     E_CONDITION);
    struct replica_page page = page_of(true, false, true, 0);
    assert_int_equal(replica_stage(f.replica, &page, rows, 1, NULL), 0);
    assert_items(&f, bag.local, "", "a=old b=old");
    assert_string_equal(value_of(&f, bag.local, "a"), "old");
    page = page_of(false, true, true, 42);
    assert_int_equal(replica_stage(f.replica, &page, rows + 1, 1, NULL), 0);
    assert_items(&f, bag.local, "", "a=right b=right");
    assert_int_equal(replica_complete(f.replica, 40, 42, &expected, &differs, NULL), 0);
    assert_false(differs);
    fixture_end(&f);
}

/* Copies alternate: many times whole, beside bags whose keys lie around them. */
static void a_bag_can_come_whole_again_and_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag before = sample_bag(&f, "Aaron", 39, 39);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct replica_bag behind = sample_bag(&f, "Bob", 50, 50);
    apply_set(&f, 39, 60, 39, "x", "before");
    apply_set(&f, 50, 61, 50, "x", "behind");
    for (uint64_t round = 1; round <= 5; round++) {
        for (uint64_t i = 0; i < 300; i++) {
            char path[32];
            (void)snprintf(path, sizeof path, "item/%03d", (int)i);
            struct replica_row row = sample_row(path, 100 * round + i, "value");
            struct replica_page page = page_of(i == 0, i == 299, true, 1000 * round);
            assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
        }
        assert_int_equal(bag_with_id(&f, 40).items, 300);
        assert_int_equal(scrub_all(&f), 0);
    }
    assert_items(&f, before.local, "", "x=before");
    assert_items(&f, behind.local, "", "x=behind");
    uint64_t records = 0;
    uint64_t damaged = 9;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
    assert_true(records < 330); /* of the old copies nothing is left */
    assert_string_equal(value_of(&f, bag.local, "item/007"), "value");
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_page_makes_a_bag_complete),
        cmocka_unit_test(staged_pages_show_with_the_last_one_only),
        cmocka_unit_test(a_difference_keeps_the_rest),
        cmocka_unit_test(a_first_page_and_a_new_start_throw_away_what_was_staged),
        cmocka_unit_test(pages_that_nobody_ends),
        cmocka_unit_test(a_page_moves_the_position_forward_only),
        cmocka_unit_test(many_pages_of_large_values),
        cmocka_unit_test(nothing_new_is_complete_too),
        cmocka_unit_test(what_builds_on_a_bag_that_was_cleared_is_not_taken),
        cmocka_unit_test(the_rest_of_pages_is_not_taken_for_all),
        cmocka_unit_test(pages_leave_the_digest_of_their_items),
        cmocka_unit_test(a_bag_that_differs_is_read_until_its_new_copy_is_whole),
        cmocka_unit_test(a_bag_can_come_whole_again_and_again),
    };
    return cmocka_run_group_tests_name("client/replica_stage", tests, NULL, NULL);
}
