/* tests/kv/test_clean.c - the items of deleted bags go a few at a time, and nothing else does. */
#include "tests/kv/state.h"

#include "kv/inside.h"

static size_t rows_of(struct state *state, const struct kv_key *prefix)
{
    struct kv_scan scan;
    kv_scan_open(&scan, &state->kv->store, NULL, prefix, prefix, false);
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

/* How many rows of a bag's items the store holds, hidden or not. */
static size_t rows(struct state *state, uint64_t bag_id)
{
    struct kv_key prefix = kv_key_item(bag_id, span_of(NULL, 0));
    return rows_of(state, &prefix);
}

static uint64_t make_bag(struct state *state, const char *owner, int items)
{
    uint64_t bag_id = state_create(state, owner, 0);
    for (int i = 0; i < items; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%03d", i);
        (void)state_put(state, bag_id, path, "value");
    }
    return bag_id;
}

static bool clean(struct state *state, size_t budget)
{
    bool more = false;
    assert_int_equal(kv_clean(state->kv, UINT64_MAX, budget, &more, NULL), 0);
    return more;
}

static void nothing_to_do(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    assert_false(clean(&state, 10));
    uint64_t ann = make_bag(&state, "user:Ann", 3);
    assert_false(clean(&state, 10));
    assert_int_equal(rows(&state, ann), 3);
    state_close(&state);
}

static void a_budget_is_kept(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = make_bag(&state, "user:Ann", 25);
    uint64_t bea = make_bag(&state, "user:Bea", 10);
    (void)state_delete(&state, ann);
    assert_int_equal(rows(&state, ann), 25); /* deleting looked at none of them */
    assert_true(clean(&state, 10));
    assert_int_equal(rows(&state, ann), 15);
    assert_true(clean(&state, 10));
    assert_int_equal(rows(&state, ann), 5);
    assert_false(clean(&state, 10));
    assert_int_equal(rows(&state, ann), 0);
    assert_int_equal(rows(&state, bea), 10);
    assert_false(clean(&state, 10));
    struct bag_row bag;
    assert_int_equal(kv_bag(state.kv, NULL, ann, &bag, NULL), E_BAG_GONE); /* its grave stays */
    state_close(&state);
}

static void several_bags_in_one_go(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t bags[5];
    static const char *const owners[] = {"user:a", "user:b", "user:c", "user:d", "user:e"};
    for (int i = 0; i < 5; i++) {
        bags[i] = make_bag(&state, owners[i], i); /* the first one is empty */
    }
    for (int i = 0; i < 4; i++) {
        (void)state_delete(&state, bags[i]);
    }
    assert_false(clean(&state, 100));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rows(&state, bags[i]), 0);
    }
    assert_int_equal(rows(&state, bags[4]), 4);
    state_close(&state);
}

static void empty_bags_cost_too(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    for (int i = 0; i < 25; i++) {
        char owner[16];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        (void)state_delete(&state, state_create(&state, owner, 0));
    }
    assert_true(clean(&state, 10));
    assert_true(clean(&state, 10));
    assert_false(clean(&state, 10));
    state_close(&state);
}

static void a_budget_of_one_comes_to_an_end(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    (void)state_delete(&state, make_bag(&state, "user:a", 0));
    (void)state_delete(&state, make_bag(&state, "user:b", 3));
    int calls = 0;
    while (clean(&state, 1)) {
        assert_true(++calls < 20);
    }
    assert_true(calls >= 3);
    state_close(&state);
}

static void a_crash_undoes_no_more_than_it_may(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = make_bag(&state, "user:Ann", 20);
    uint64_t flushed = 0;
    assert_int_equal(kv_flush(state.kv, &flushed, NULL), 0);
    (void)state_delete(&state, ann);
    assert_true(clean(&state, 10));
    state_reopen(&state, false);
    /* Back before the deletion: all items are there. */
    assert_int_equal(state_seq(&state), flushed);
    assert_int_equal(rows(&state, ann), 20);
    assert_string_equal(state_get(&state, NULL, ann, "p000"), "=value");

    (void)state_delete(&state, ann);
    assert_true(clean(&state, 10));
    assert_int_equal(kv_flush(state.kv, &flushed, NULL), 0);
    assert_false(clean(&state, 100));
    state_reopen(&state, false);
    /* Back in the middle of it: it goes on. */
    assert_int_equal(rows(&state, ann), 10);
    assert_true(clean(&state, 5));
    state_reopen(&state, true);
    assert_int_equal(rows(&state, ann), 5);
    assert_false(clean(&state, 100));
    assert_int_equal(rows(&state, ann), 0);
    state_close(&state);
}

static void a_view_keeps_what_is_cleaned(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = make_bag(&state, "user:Ann", 3);
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_delete(&state, ann);
    assert_false(clean(&state, 100));
    assert_string_equal(state_get(&state, view, ann, "p002"), "=value");
    assert_string_equal(state_get(&state, NULL, ann, "p002"), "");
    kv_view_free(&view);
    state_close(&state);
}

static bool bury(struct state *state, uint64_t floor, size_t budget)
{
    bool more = false;
    assert_int_equal(kv_bury(state->kv, floor, budget, &more, NULL), 0);
    return more;
}

static bool has_grave(struct state *state, uint64_t bag_id)
{
    struct kv_grave grave;
    int rc = kv_grave(state->kv, NULL, bag_id, &grave, NULL);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    struct bag_row bag;
    assert_int_equal(kv_bag(state->kv, NULL, bag_id, &bag, NULL),
                     rc == 0 ? E_BAG_GONE : E_NOT_FOUND);
    return rc == 0;
}

/* By the seq of the deletion, not by the bags' own. */
static void only_what_was_deleted_by_then_goes(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = make_bag(&state, "user:Ann", 5);
    uint64_t bea = make_bag(&state, "user:Bea", 5);
    uint64_t bea_seq = state_delete(&state, bea);
    uint64_t ann_seq = state_delete(&state, ann);
    bool more = true;
    assert_int_equal(kv_clean(state.kv, bea_seq - 1, 100, &more, NULL), 0);
    assert_false(more);
    assert_int_equal(rows(&state, bea), 5);
    assert_int_equal(kv_clean(state.kv, bea_seq, 100, &more, NULL), 0);
    assert_false(more);
    assert_int_equal(rows(&state, bea), 0);
    assert_int_equal(rows(&state, ann), 5);
    assert_int_equal(kv_clean(state.kv, ann_seq, 3, &more, NULL), 0);
    assert_true(more);
    assert_int_equal(kv_clean(state.kv, bea_seq, 3, &more, NULL), 0); /* the horizon went back */
    assert_false(more);
    assert_int_equal(rows(&state, ann), 2);
    assert_int_equal(kv_clean(state.kv, ann_seq, 3, &more, NULL), 0);
    assert_false(more);
    assert_int_equal(rows(&state, ann), 0);
    state_close(&state);
}

/* The rows that find an owner's graves. */
static size_t count_names(struct state *state, const char *text)
{
    struct owner owner = state_owner(text);
    struct kv_key prefix = kv_key_named_graves(&owner);
    return rows_of(state, &prefix);
}

static void graves_go_when_they_are_empty_and_old(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    assert_false(bury(&state, UINT64_MAX, 1));
    uint64_t bags[4];
    uint64_t seqs[4];
    static const char *const owners[] = {"user:a", "user:b", "user:c", "user:d"};
    for (int i = 0; i < 4; i++) {
        bags[i] = make_bag(&state, owners[i], 2);
        seqs[i] = state_delete(&state, bags[i]);
    }
    assert_false(bury(&state, UINT64_MAX, 10)); /* none is cleaned */
    bool more = false;
    assert_int_equal(kv_clean(state.kv, seqs[2], 100, &more, NULL), 0);
    assert_false(bury(&state, seqs[0], 10)); /* its seq has to be below */
    assert_true(has_grave(&state, bags[0]));
    assert_true(bury(&state, seqs[2], 1));
    assert_false(has_grave(&state, bags[0]));
    assert_int_equal(count_names(&state, owners[0]), 0);
    assert_true(has_grave(&state, bags[1]));
    assert_int_equal(count_names(&state, owners[1]), 1);
    assert_false(bury(&state, seqs[2], 1));
    assert_false(has_grave(&state, bags[1]));
    assert_true(has_grave(&state, bags[2]));
    state_reopen(&state, true);
    assert_false(bury(&state, UINT64_MAX, 10)); /* the last is not cleaned */
    assert_false(has_grave(&state, bags[2]));
    assert_true(has_grave(&state, bags[3]));
    assert_false(clean(&state, 100));
    assert_false(bury(&state, UINT64_MAX, 10));
    assert_false(has_grave(&state, bags[3]));
    state_close(&state);
}

/* What was emptied long ago is stepped over within the budget, and only once. */
static void long_rows_of_empty_graves_are_passed(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    for (int i = 0; i < 30; i++) {
        char owner[16];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        (void)state_delete(&state, state_create(&state, owner, 0));
    }
    assert_false(clean(&state, 100));
    uint64_t ann = make_bag(&state, "user:Ann", 3);
    (void)state_delete(&state, ann);
    state_reopen(&state, true); /* it has forgotten how far it was */
    for (int calls = 0; calls < 3; calls++) {
        assert_true(clean(&state, 10));
        assert_int_equal(rows(&state, ann), 3);
    }
    assert_false(clean(&state, 10));
    assert_int_equal(rows(&state, ann), 0);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(a_budget_is_kept),
        cmocka_unit_test(several_bags_in_one_go),
        cmocka_unit_test(empty_bags_cost_too),
        cmocka_unit_test(a_budget_of_one_comes_to_an_end),
        cmocka_unit_test(a_crash_undoes_no_more_than_it_may),
        cmocka_unit_test(a_view_keeps_what_is_cleaned),
        cmocka_unit_test(only_what_was_deleted_by_then_goes),
        cmocka_unit_test(graves_go_when_they_are_empty_and_old),
        cmocka_unit_test(long_rows_of_empty_graves_are_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
