/* tests/kv/test_apply.c - applying changes: what does not fit, operations, all or nothing. */
#include "tests/kv/state.h"

#include "tests/support/fail_alloc.h"

/* The state must be exactly as before: position, counts. */
static void check_refused(struct state *state, struct change change, const char *why)
{
    uint64_t seq = state_seq(state);
    struct kv_counts before;
    struct kv_counts after;
    assert_int_equal(kv_counts(state->kv, NULL, &before, NULL), 0);
    change.seq = change.seq != 0 ? change.seq : seq + 1;
    if (change.kind == CHANGE_BAG_CREATE && change.bag_id == 0) {
        change.bag_id = change.seq;
    }
    struct err err = {0};
    assert_int_equal(kv_apply(state->kv, &change, 1, state_hash, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, why));
    assert_int_equal(state_seq(state), seq);
    assert_int_equal(kv_counts(state->kv, NULL, &after, NULL), 0);
    assert_memory_equal(&before, &after, sizeof after);
}

static void changes_follow_the_position(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct change change = {.kind = CHANGE_BAG_CREATE, .owner = state_owner("user:Ann")};
    change.seq = 2;
    check_refused(&state, change, "does not follow");
    (void)state_create(&state, "user:Ann", 0);
    change.owner = state_owner("user:Bea");
    for (change.seq = 1; change.seq < 5; change.seq += change.seq == 1 ? 2 : 1) {
        check_refused(&state, change, "does not follow");
    }
    state_close(&state);
}

static void bags_that_do_not_fit(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t staff = state_create(&state, "group:Staff", 0);
    struct change create = {.kind = CHANGE_BAG_CREATE};
    create.owner = state_owner("user:ANN");
    check_refused(&state, create, "has a bag already");
    create.owner = state_owner("user:Bea");
    create.bag_id = 77;
    check_refused(&state, create, "bears its own seq");
    create.bag_id = 0;

    create.owner = state_owner("user:Ann/device:0000000000000001");
    const uint64_t parents[] = {0, staff, 99};
    for (size_t i = 0; i < 3; i++) {
        create.parent = parents[i];
        check_refused(&state, create, "hangs on");
    }
    create.owner = state_owner("user:Bea/device:0000000000000001");
    create.parent = ann;
    check_refused(&state, create, "hangs on");
    (void)state_create(&state, "user:Ann/device:0000000000000001", ann);
    create.owner = state_owner("user:ANN/device:0000000000000001");
    check_refused(&state, create, "has a bag already");

    struct change delete = {.kind = CHANGE_BAG_DELETE, .bag_id = ann, .prev = ann + 1};
    check_refused(&state, delete, "previous change");
    delete.bag_id = 99;
    check_refused(&state, delete, "no such bag");
    (void)state_delete(&state, ann);
    delete.bag_id = ann;
    check_refused(&state, delete, "no such bag");
    state_close(&state);
}

static void items_that_do_not_fit(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t seq = state_put(&state, ann, "a", "1");
    struct change set = {
        .kind = CHANGE_ITEM_SET, .bag_id = ann, .prev = seq, .path = SPAN_LITERAL("a")};
    check_refused(&state, set, "what it replaces");
    set.old_seq = seq;
    check_refused(&state, set, "what it replaces"); /* the item is live */
    set.has_old = true;
    set.old_seq = ann;
    check_refused(&state, set, "what it replaces");
    set.old_seq = seq;
    set.old_value = SPAN_LITERAL("larger than the bag");
    check_refused(&state, set, "fewer bytes");
    set.path = SPAN_LITERAL("b"); /* there is none */
    check_refused(&state, set, "what it replaces");
    state_reopen(&state, true); /* and nothing is known without a look-up */
    check_refused(&state, set, "what it replaces");
    set.path = SPAN_LITERAL("a");
    set.old_seq = ann;
    check_refused(&state, set, "what it replaces");
    set.old_seq = seq;
    set.prev = ann;
    check_refused(&state, set, "previous change");
    set.prev = seq;
    set.bag_id = 99;
    check_refused(&state, set, "no such bag");
    set.bag_id = ann;
    set.path = span_of(NULL, 0);
    check_refused(&state, set, "path");
    state_close(&state);
}

/* --- several changes at once --- */

static void one_batch_is_as_good_as_many(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct change changes[] = {
        {.kind = CHANGE_HISTORY, .history = {.id = {9}}},
        {.kind = CHANGE_BAG_CREATE, .bag_id = 2, .owner = state_owner("user:Ann")},
        {.kind = CHANGE_ITEM_SET, .bag_id = 2, .prev = 2},
        {.kind = CHANGE_ITEM_SET, .bag_id = 2, .prev = 3, .old_seq = 3, .has_old = true},
        {.kind = CHANGE_ITEM_REMOVE, .bag_id = 2, .prev = 4, .old_seq = 4, .has_old = true},
        {.kind = CHANGE_BAG_DELETE, .bag_id = 2, .prev = 5},
        {.kind = CHANGE_BAG_CREATE, .bag_id = 7, .owner = state_owner("user:ann")},
        {.kind = CHANGE_ITEM_SET, .bag_id = 7, .prev = 7},
        {.kind = CHANGE_BAG_CREATE,
         .bag_id = 9,
         .parent = 7,
         .owner = state_owner("user:Ann/device:0000000000000001")},
    };
    enum { COUNT = sizeof changes / sizeof changes[0] };
    for (size_t i = 0; i < COUNT; i++) {
        changes[i].seq = i + 1;
        changes[i].path = SPAN_LITERAL("a");
        changes[i].value = SPAN_LITERAL("v");
        changes[i].old_value = SPAN_LITERAL("v");
    }
    /* Any last change that does not fit leaves nothing of those before it. */
    changes[COUNT - 1].parent = 2;
    assert_int_equal(kv_apply(state.kv, changes, COUNT, state_hash, NULL), E_CORRUPT);
    struct kv_position position;
    kv_position(state.kv, &position);
    assert_true(position.fresh);
    struct bag_row bag;
    assert_int_equal(kv_bag(state.kv, NULL, 7, &bag, NULL), E_NOT_FOUND);

    changes[COUNT - 1].parent = 7;
    assert_int_equal(kv_apply(state.kv, changes, COUNT, state_hash, NULL), 0);
    kv_position(state.kv, &position);
    assert_int_equal(position.seq, COUNT);
    assert_int_equal(position.history[0], 9);
    assert_int_equal(kv_bag(state.kv, NULL, 2, &bag, NULL), E_BAG_GONE);
    assert_string_equal(state_get(&state, NULL, 2, "a"), "");
    assert_string_equal(state_get(&state, NULL, 7, "a"), "=v");
    struct owner owner = changes[COUNT - 1].owner;
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, 9);
    struct kv_counts counts;
    const struct kv_counts want = {.users = 1, .bags = 2, .items = 1, .bytes = 2};
    assert_int_equal(kv_counts(state.kv, NULL, &counts, NULL), 0);
    assert_memory_equal(&counts, &want, sizeof want);
    state_close(&state);
}

/* Applies the changes in the end, and nothing before. Once they are written, memory that is missing
 * for remembering them is no failure. */
static void fail_each_allocation(struct state *state, const struct change *changes, size_t count)
{
    uint64_t seq = state_seq(state);
    int rc = E_NOMEM;
    for (unsigned nth = 1; rc != 0; nth++) {
        fail_alloc_at(nth);
        rc = kv_apply(state->kv, changes, count, state_hash, NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || (rc == E_NOMEM && failed));
        assert_int_equal(state_seq(state), rc == 0 ? seq + count : seq);
        assert_true(nth < 1000);
    }
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    struct change changes[] = {
        {.kind = CHANGE_BAG_CREATE, .bag_id = 1, .owner = state_owner("user:Ann")},
        {.kind = CHANGE_BAG_CREATE,
         .bag_id = 2,
         .parent = 1,
         .owner = state_owner("user:Ann/device:0000000000000001")},
        {.kind = CHANGE_ITEM_SET, .bag_id = 1, .prev = 1, .has_op = true, .op = {7, 1, 1, 0}},
        {.kind = CHANGE_ITEM_SET, .bag_id = 2, .prev = 2, .has_op = true, .op = {7, 2, 1, 1}},
        {.kind = CHANGE_BAG_DELETE, .bag_id = 1, .prev = 3},
    };
    enum { COUNT = sizeof changes / sizeof changes[0] };
    for (size_t i = 0; i < COUNT; i++) {
        changes[i].seq = i + 1;
        changes[i].path = SPAN_LITERAL("a");
    }
    /* At once, and one by one: then the rows of those before are read from the store. */
    const size_t runs[] = {COUNT, 1};
    for (size_t run = 0; run < 2; run++) {
        struct state state;
        state_open(&state);
        for (size_t at = 0; at < COUNT; at += runs[run]) {
            fail_each_allocation(&state, &changes[at], runs[run]);
        }
        state_close(&state);
    }
}

/* --- operations --- */

/* An operation of `writer` that sets "a" in the bag, always to nothing. */
static struct change operation(struct state *state, uint64_t bag_id, struct change_op op)
{
    struct kv_item item;
    assert_int_equal(kv_item(state->kv, NULL, bag_id, SPAN_LITERAL("a"), &item, NULL), 0);
    struct change change = {.kind = CHANGE_ITEM_SET,
                            .bag_id = bag_id,
                            .prev = state_bag(state, bag_id).last_seq,
                            .origin = 5,
                            .has_op = true,
                            .op = op,
                            .path = SPAN_LITERAL("a"),
                            .old_seq = item.row.seq,
                            .has_old = item.row.state == ITEM_LIVE};
    kv_item_free(&item);
    return change;
}

static void check_outcome(struct state *state, uint64_t number, struct kv_outcome want)
{
    struct kv_outcome outcome;
    assert_int_equal(kv_outcome(state->kv, 7, number, &outcome, NULL), 0);
    assert_memory_equal(&outcome, &want, sizeof want);
}

static void check_writer(struct state *state, struct kv_writer want)
{
    struct kv_writer writer;
    assert_int_equal(kv_writer(state->kv, 7, &writer, NULL), 0);
    assert_int_equal(writer.known, want.known);
    assert_int_equal(writer.device, want.device);
    assert_int_equal(writer.highest, want.highest);
    assert_int_equal(writer.confirmed, want.confirmed);
    assert_int_equal(writer.begun, want.begun);
}

static void an_operation_leaves_its_outcome(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    check_writer(&state, (struct kv_writer){0});
    struct kv_outcome outcome;
    assert_int_equal(kv_outcome(state.kv, 7, 1, &outcome, NULL), E_NOT_FOUND);

    struct change change = operation(&state, ann, (struct change_op){7, 1, 100, 0});
    change.set_left = 1;
    (void)state_apply(&state, &change);
    check_outcome(&state, 1, (struct kv_outcome){100, 0, 2, ann});
    change = operation(&state, ann, (struct change_op){7, 1, 100, 0}); /* its second change */
    (void)state_apply(&state, &change);
    check_outcome(&state, 1, (struct kv_outcome){100, 0, 3, ann});
    check_writer(&state, (struct kv_writer){true, 5, 1, 0, 2});

    struct change refused = {
        .kind = CHANGE_OP_VOID, .origin = 5, .has_op = true, .op = {7, 2, 200, 0}, .code = 4};
    (void)state_apply(&state, &refused);
    check_outcome(&state, 2, (struct kv_outcome){200, 4, 4, 0});
    state_reopen(&state, true);
    check_writer(&state, (struct kv_writer){true, 5, 2, 0, 2});
    check_outcome(&state, 1, (struct kv_outcome){100, 0, 3, ann});
    state_close(&state);
}

static void what_is_confirmed_is_dropped(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    for (uint64_t number = 1; number <= 5; number++) {
        struct change change = operation(&state, ann, (struct change_op){7, number, number, 0});
        (void)state_apply(&state, &change);
    }
    struct change change = operation(&state, ann, (struct change_op){7, 6, 6, 3});
    (void)state_apply(&state, &change);
    check_writer(&state, (struct kv_writer){true, 5, 6, 3, 2});
    struct kv_outcome outcome;
    for (uint64_t number = 1; number <= 6; number++) {
        assert_int_equal(kv_outcome(state.kv, 7, number, &outcome, NULL),
                         number <= 3 ? E_NOT_FOUND : 0);
    }
    /* Nobody can confirm what is not told yet; nor take a confirmation back. */
    change = operation(&state, ann, (struct change_op){7, 7, 7, UINT64_MAX});
    (void)state_apply(&state, &change);
    check_writer(&state, (struct kv_writer){true, 5, 7, 6, 2});
    check_outcome(&state, 7, (struct kv_outcome){7, 0, change.seq, ann});
    change = operation(&state, ann, (struct change_op){7, 8, 8, 0});
    (void)state_apply(&state, &change);
    check_writer(&state, (struct kv_writer){true, 5, 8, 6, 2});
    state_close(&state);
}

static void an_operation_is_done_once(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    struct change first = operation(&state, ann, (struct change_op){7, 10, 1, 4});
    (void)state_apply(&state, &first); /* a writer may begin anywhere */
    check_writer(&state, (struct kv_writer){true, 5, 10, 9, 2});
    struct change next = operation(&state, ann, (struct change_op){7, 11, 1, 9});
    (void)state_apply(&state, &next);

    check_refused(&state, operation(&state, ann, (struct change_op){7, 11, 2, 9}), "done before");
    check_refused(&state, operation(&state, ann, (struct change_op){7, 10, 1, 9}), "next one");
    check_refused(&state, operation(&state, ann, (struct change_op){7, 1, 1, 0}), "next one");
    check_refused(&state, operation(&state, ann, (struct change_op){7, 13, 1, 9}), "next one");
    struct change other = operation(&state, ann, (struct change_op){7, 12, 1, 9});
    other.origin = 6;
    check_refused(&state, other, "another device");
    check_writer(&state, (struct kv_writer){true, 5, 11, 9, 2});
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_follow_the_position),
        cmocka_unit_test(bags_that_do_not_fit),
        cmocka_unit_test(items_that_do_not_fit),
        cmocka_unit_test(one_batch_is_as_good_as_many),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(an_operation_leaves_its_outcome),
        cmocka_unit_test(what_is_confirmed_is_dropped),
        cmocka_unit_test(an_operation_is_done_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
