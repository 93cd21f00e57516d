/* tests/kv/test_purge.c - tombstones go by their age, and nothing else does. */
#include "tests/kv/state.h"

#include "kv/inside.h"
#include "tests/support/fail_alloc.h"

/* How many rows of a kind the store holds. */
static size_t rows(struct state *state, struct kv_key prefix)
{
    struct kv_scan scan;
    kv_scan_open(&scan, &state->kv->store, NULL, &prefix, &prefix, false);
    size_t count = 0;
    struct span key;
    struct span row;
    while (kv_scan_row(&scan, &key, &row, NULL) == 0) {
        count++;
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return count;
}

static bool purge(struct state *state, uint64_t up_to, size_t budget)
{
    bool more = false;
    struct err err = {0};
    int rc = kv_purge(state->kv, up_to, budget, &more, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return more;
}

static uint64_t purged_to(struct state *state, uint64_t bag_id)
{
    return state_bag(state, bag_id).purged_to;
}

static void tombstones_go_by_age(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    assert_false(purge(&state, UINT64_MAX, 1)); /* of a new state */
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t bea = state_create(&state, "user:Bea", 0);
    (void)state_put(&state, ann, "live", "1");
    (void)state_put(&state, ann, "a", "1");
    uint64_t a = state_put(&state, ann, "a", NULL);
    uint64_t b = state_put(&state, bea, "b", NULL); /* there was none: that leaves one, too */
    uint64_t c = state_put(&state, ann, "c", NULL);
    assert_int_equal(rows(&state, kv_key_tombstones()), 3);
    const struct digest digest = state_bag(&state, ann).digest;

    assert_false(purge(&state, a - 1, 10));
    assert_string_equal(state_get(&state, NULL, ann, "a"), "-");
    assert_false(purge(&state, b, 10));
    assert_string_equal(state_get(&state, NULL, ann, "a"), "");
    assert_string_equal(state_get(&state, NULL, bea, "b"), "");
    assert_string_equal(state_get(&state, NULL, ann, "c"), "-");
    assert_int_equal(purged_to(&state, ann), a);
    assert_int_equal(purged_to(&state, bea), b);
    assert_int_equal(rows(&state, kv_key_tombstones()), 1);
    state_reopen(&state, true);
    assert_int_equal(purged_to(&state, ann), a);
    assert_false(purge(&state, UINT64_MAX, 10));
    assert_string_equal(state_get(&state, NULL, ann, "c"), "");
    assert_int_equal(purged_to(&state, ann), c);
    assert_int_equal(purged_to(&state, bea), b);
    assert_string_equal(state_get(&state, NULL, ann, "live"), "=1");
    const struct bag_row bag = state_bag(&state, ann);
    assert_true(digest_equal(&bag.digest, &digest));
    assert_int_equal(rows(&state, kv_key_tombstones()), 0);
    assert_int_equal(rows(&state, kv_key_item(ann, span_of(NULL, 0))), 1);
    state_close(&state);
}

static void a_tombstone_that_was_replaced_has_no_row(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", NULL);
    (void)state_put(&state, ann, "a", NULL);
    assert_int_equal(rows(&state, kv_key_tombstones()), 1);
    (void)state_put(&state, ann, "a", "again");
    assert_int_equal(rows(&state, kv_key_tombstones()), 0);
    assert_false(purge(&state, UINT64_MAX, 10));
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=again");
    assert_int_equal(purged_to(&state, ann), 0);
    state_close(&state);
}

static void a_budget_is_kept(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    for (int i = 0; i < 25; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%03d", i);
        (void)state_put(&state, ann, path, NULL);
    }
    assert_true(purge(&state, UINT64_MAX, 10));
    assert_int_equal(rows(&state, kv_key_tombstones()), 15);
    assert_int_equal(purged_to(&state, ann), ann + 10); /* the oldest went first */
    assert_false(purge(&state, ann + 20, 10));
    assert_int_equal(rows(&state, kv_key_tombstones()), 5);
    assert_false(purge(&state, UINT64_MAX, 5)); /* all there were */
    assert_int_equal(rows(&state, kv_key_tombstones()), 0);
    state_close(&state);
}

static void tombstones_of_deleted_bags_go_too(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t bea = state_create(&state, "user:Bea", 0);
    (void)state_put(&state, ann, "a", NULL);
    (void)state_put(&state, ann, "b", "1");
    (void)state_put(&state, bea, "a", NULL);
    (void)state_delete(&state, ann);
    (void)state_delete(&state, bea);
    assert_true(purge(&state, UINT64_MAX, 1));
    assert_int_equal(rows(&state, kv_key_item(ann, span_of(NULL, 0))), 1);
    bool more = true; /* cleaning takes with it what finds a tombstone */
    assert_int_equal(kv_clean(state.kv, UINT64_MAX, 10, &more, NULL), 0);
    assert_int_equal(rows(&state, kv_key_tombstones()), 0);
    assert_false(purge(&state, UINT64_MAX, 1));
    state_close(&state);
}

/* The journal is the same, whether the state has purged by then or not. */
static void a_change_meets_what_was_purged_or_not(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t gone = state_put(&state, ann, "a", NULL);
    uint64_t flushed = 0;
    assert_int_equal(kv_flush(state.kv, &flushed, NULL), 0);
    struct change changes[] = {
        /* planned before it was purged, applied afterwards */
        {.kind = CHANGE_ITEM_SET, .value = SPAN_LITERAL("1"), .old_seq = gone},
        /* planned after another was purged; applied, after a crash, to where it is still there */
        {.kind = CHANGE_ITEM_REMOVE, .has_old = true, .old_value = SPAN_LITERAL("1")},
        {.kind = CHANGE_ITEM_SET, .value = SPAN_LITERAL("2"), .old_seq = 0},
    };
    for (size_t i = 0; i < 3; i++) {
        changes[i].bag_id = ann;
        changes[i].prev = gone + i;
        changes[i].path = SPAN_LITERAL("a");
    }
    changes[1].old_seq = gone + 1;
    assert_false(purge(&state, gone, 10));
    (void)state_apply(&state, &changes[0]);
    (void)state_apply(&state, &changes[1]);
    assert_false(purge(&state, UINT64_MAX, 10));
    (void)state_apply(&state, &changes[2]);
    const struct bag_row before = state_bag(&state, ann);
    assert_int_equal(before.purged_to, gone + 2);

    state_reopen(&state, false);
    assert_int_equal(state_seq(&state), flushed);
    for (size_t i = 0; i < 3; i++) {
        (void)state_apply(&state, &changes[i]);
    }
    const struct bag_row after = state_bag(&state, ann);
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=2");
    assert_int_equal(after.items, before.items);
    assert_int_equal(after.bytes, before.bytes);
    assert_true(digest_equal(&after.digest, &before.digest));
    assert_int_equal(after.purged_to, 0);
    state_close(&state);
}

/* One that is left behind, for the tombstone was taken for purged, is dropped and purges nothing.
 */
static void a_row_without_its_tombstone_is_dropped(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", NULL);
    state_reopen(&state, true); /* so that it is not known without a look-up */
    struct change set = {.kind = CHANGE_ITEM_SET,
                         .bag_id = ann,
                         .prev = ann + 1,
                         .path = SPAN_LITERAL("a"),
                         .value = SPAN_LITERAL("1")};
    (void)state_apply(&state, &set);
    assert_int_equal(rows(&state, kv_key_tombstones()), 1);
    assert_false(purge(&state, UINT64_MAX, 10));
    assert_int_equal(rows(&state, kv_key_tombstones()), 0);
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=1");
    assert_int_equal(purged_to(&state, ann), 0);
    state_close(&state);
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t gone = state_put(&state, ann, "a", NULL);
    int rc = E_NOMEM;
    unsigned nth = 1;
    for (; rc != 0; nth++) {
        bool more = false;
        fail_alloc_at(nth);
        rc = kv_purge(state.kv, UINT64_MAX, 10, &more, NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || (rc == E_NOMEM && failed));
        assert_int_equal(purged_to(&state, ann), rc == 0 ? gone : 0);
        assert_true(nth < 100);
    }
    assert_true(nth > 3);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tombstones_go_by_age),
        cmocka_unit_test(a_tombstone_that_was_replaced_has_no_row),
        cmocka_unit_test(a_budget_is_kept),
        cmocka_unit_test(tombstones_of_deleted_bags_go_too),
        cmocka_unit_test(a_change_meets_what_was_purged_or_not),
        cmocka_unit_test(a_row_without_its_tombstone_is_dropped),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
