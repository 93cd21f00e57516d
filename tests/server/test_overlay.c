/* The overlay shows the state as it will be, and takes back what was refused. */
#include "server/overlay.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static struct overlay overlay;

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    overlay = (struct overlay){0};
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0); /* 4, 5 */
    assert_int_equal(overlay_open(&overlay, fx->kv), 0);
    overlay_begin(&overlay);
    return 0;
}

static int teardown(void **state)
{
    overlay_free(&overlay);
    return fx_teardown(state);
}

/* `old`: the value that it replaces; NULL: none. */
static struct change item(uint64_t seq, uint64_t prev, const char *path, uint64_t old_seq,
                          const char *old, const char *value)
{
    return (struct change){.has_old = old != NULL,
                           .old_value = span_str(old != NULL ? old : ""),
                           .seq = seq,
                           .kind = value != NULL ? CHANGE_ITEM_SET : CHANGE_ITEM_REMOVE,
                           .bag_id = 4,
                           .prev = prev,
                           .path = span_str(path),
                           .old_seq = old_seq,
                           .value = span_str(value != NULL ? value : "")};
}

static void expect_item(const char *path, enum item_state wanted, const char *value)
{
    struct item_row row = {0};
    assert_int_equal(overlay_item(&overlay, 4, span_str(path), &row, NULL), 0);
    assert_int_equal(row.state, wanted);
    assert_true(span_equal(row.value, span_str(value)));
}

static void items_over_the_state(void **state)
{
    (void)state;
    expect_item("p", ITEM_LIVE, "v");
    expect_item("q", ITEM_ABSENT, "");
    struct change set = item(6, 5, "p", 5, "v", "w");
    assert_int_equal(overlay_apply(&overlay, &set, NULL), 0);
    struct change add = item(7, 6, "q", 0, NULL, "x");
    assert_int_equal(overlay_apply(&overlay, &add, NULL), 0);
    struct change drop = item(8, 7, "p", 6, "w", NULL);
    assert_int_equal(overlay_apply(&overlay, &drop, NULL), 0);
    expect_item("p", ITEM_TOMBSTONE, "");
    expect_item("q", ITEM_LIVE, "x");
    struct bag_row bag = {0};
    assert_int_equal(overlay_bag(&overlay, 4, &bag, NULL), 0);
    assert_int_equal(bag.last_seq, 8);
    assert_int_equal(bag.items, 1);
    overlay_rollback(&overlay);
    expect_item("p", ITEM_LIVE, "v");
    expect_item("q", ITEM_ABSENT, "");
    assert_int_equal(overlay_bag(&overlay, 4, &bag, NULL), 0);
    assert_int_equal(bag.last_seq, 5);
}

static void only_what_came_after_begin_is_taken_back(void **state)
{
    (void)state;
    struct change set = item(6, 5, "p", 5, "v", "w");
    assert_int_equal(overlay_apply(&overlay, &set, NULL), 0);
    overlay_begin(&overlay);
    struct change again = item(7, 6, "p", 6, "w", "x");
    assert_int_equal(overlay_apply(&overlay, &again, NULL), 0);
    overlay_rollback(&overlay);
    expect_item("p", ITEM_LIVE, "w");
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    struct change gap = item(6, 4, "p", 5, "v", "w");
    assert_int_equal(overlay_apply(&overlay, &gap, NULL), E_CORRUPT);
    overlay_rollback(&overlay);
    struct change stale = item(6, 5, "p", 4, "v", "w");
    assert_int_equal(overlay_apply(&overlay, &stale, NULL), E_CORRUPT);
    overlay_rollback(&overlay);
    expect_item("p", ITEM_LIVE, "v");
}

static void bags_come_and_go(void **state)
{
    (void)state;
    struct owner ann = {.kind = OWNER_USER, .shown = "Ann", .folded = "ann"};
    struct bag_row bag = {0};
    assert_int_equal(overlay_bag_of(&overlay, &ann, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, 4);
    struct change gone = {.seq = 6, .kind = CHANGE_BAG_DELETE, .bag_id = 4, .prev = 5};
    assert_int_equal(overlay_apply(&overlay, &gone, NULL), 0);
    struct err err = {0};
    assert_int_equal(overlay_bag_of(&overlay, &ann, &bag, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "user:"));
    assert_int_equal(overlay_bag(&overlay, 4, &bag, NULL), E_BAG_GONE);
    struct change again = {.seq = 7, .kind = CHANGE_BAG_CREATE, .bag_id = 7, .owner = ann};
    assert_int_equal(overlay_apply(&overlay, &again, NULL), 0);
    assert_int_equal(overlay_bag_of(&overlay, &ann, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, 7);
    assert_int_equal(bag.items, 0);
    overlay_rollback(&overlay);
    assert_int_equal(overlay_bag_of(&overlay, &ann, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, 4);
    assert_int_equal(overlay_bag(&overlay, 7, &bag, NULL), E_NOT_FOUND);
}

static void writers_and_outcomes(void **state)
{
    (void)state;
    struct change set = item(6, 5, "p", 5, "v", "w");
    set.origin = 77;
    set.has_op = true;
    set.op = (struct change_op){.writer = 9, .number = 1, .hash = 123, .confirmed = 0};
    struct kv_writer writer = {0};
    struct kv_outcome outcome = {0};
    assert_int_equal(overlay_writer(&overlay, 9, &writer, NULL), 0);
    assert_false(writer.known);
    assert_int_equal(overlay_outcome(&overlay, 9, 1, &outcome, NULL), E_NOT_FOUND);
    assert_int_equal(overlay_apply(&overlay, &set, NULL), 0);
    assert_int_equal(overlay_writer(&overlay, 9, &writer, NULL), 0);
    assert_int_equal(writer.highest, 1);
    assert_int_equal(writer.device, 77);
    assert_int_equal(writer.begun, 6);
    assert_int_equal(overlay_outcome(&overlay, 9, 1, &outcome, NULL), 0);
    assert_int_equal(outcome.hash, 123);
    assert_int_equal(outcome.seq, 6);
    overlay_rollback(&overlay);
    assert_int_equal(overlay_writer(&overlay, 9, &writer, NULL), 0);
    assert_false(writer.known);
    assert_int_equal(overlay_outcome(&overlay, 9, 1, &outcome, NULL), E_NOT_FOUND);
}

static void without_memory_nothing_is_half_done(void **state)
{
    struct fixture *fx = *state;
    struct change set = item(6, 5, "p", 5, "v", "w");
    set.has_op = true;
    set.op = (struct change_op){.writer = 9, .number = 1};
    undo_begin(&overlay.undo);
    for (unsigned nth = 1;; nth++) {
        overlay_reset(&overlay, fx->kv);
        overlay_begin(&overlay);
        fail_alloc_at(nth);
        int rc = overlay_apply(&overlay, &set, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_not_equal(rc, 0);
        overlay_rollback(&overlay);
        expect_item("p", ITEM_LIVE, "v");
    }
    expect_item("p", ITEM_LIVE, "w");
}

static void confirmed_outcomes_are_not_known(void **state)
{
    (void)state;
    struct change set = item(6, 5, "p", 5, "v", "w");
    set.has_op = true;
    set.op = (struct change_op){.writer = 9, .number = 1};
    assert_int_equal(overlay_apply(&overlay, &set, NULL), 0);
    struct change next = item(7, 6, "p", 6, "w", "x");
    next.has_op = true;
    next.op = (struct change_op){.writer = 9, .number = 2, .confirmed = 1};
    assert_int_equal(overlay_apply(&overlay, &next, NULL), 0);
    struct kv_outcome outcome = {0};
    assert_int_equal(overlay_outcome(&overlay, 9, 1, &outcome, NULL), E_NOT_FOUND);
    assert_int_equal(overlay_outcome(&overlay, 9, 2, &outcome, NULL), 0);
}

/* What was changed stays through one turn, wherever it is looked at; after two it is kv/'s. */
static void rows_of_the_old_era_are_still_seen(void **state)
{
    (void)state;
    char value[] = "w"; /* of the era's memory, in a real batch */
    struct change set = item(6, 5, "p", 5, "v", value);
    assert_int_equal(overlay_apply(&overlay, &set, NULL), 0);
    assert_int_equal(overlay_bag_seq(&overlay, 4), 6);
    assert_int_equal(overlay_old_seq(&overlay), 0);
    overlay_turn(&overlay);
    assert_int_equal(overlay_old_seq(&overlay), 6);
    assert_int_equal(overlay_bag_seq(&overlay, 4), 6);
    expect_item("p", ITEM_LIVE, "w");
    value[0] = '?'; /* it was copied when it moved up */
    expect_item("p", ITEM_LIVE, "w");
    overlay_turn(&overlay);
    assert_int_equal(overlay_old_seq(&overlay), 6); /* the row moved up is still that change's */
    expect_item("p", ITEM_LIVE, "w");
    overlay_turn(&overlay);
    overlay_turn(&overlay);
    expect_item("p", ITEM_LIVE, "v");
    assert_int_equal(overlay_bag_seq(&overlay, 4), 0);
}

static void deleted_bags_tell_whose_they_were(void **state)
{
    (void)state;
    const struct bag_row *row = NULL;
    assert_false(overlay_look_at_deleted(&overlay, 4, &row));
    struct change gone = {.seq = 6, .kind = CHANGE_BAG_DELETE, .bag_id = 4, .prev = 5};
    assert_int_equal(overlay_apply(&overlay, &gone, NULL), 0);
    assert_true(overlay_look_at_deleted(&overlay, 4, &row));
    assert_int_equal(row->owner.kind, OWNER_USER);
    overlay_rollback(&overlay);
    assert_false(overlay_look_at_deleted(&overlay, 4, &row));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_over_the_state),
        TEST(only_what_came_after_begin_is_taken_back),
        TEST(what_does_not_fit_is_told),
        TEST(bags_come_and_go),
        TEST(writers_and_outcomes),
        TEST(without_memory_nothing_is_half_done),
        TEST(confirmed_outcomes_are_not_known),
        TEST(rows_of_the_old_era_are_still_seen),
        TEST(deleted_bags_tell_whose_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
