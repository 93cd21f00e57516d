/* Clearing: what a fence made void goes when no undo can bring it back, nothing else does, and the
 * fence says so. */
#include "server/clearing.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

struct ground {
    struct fixture *fx;
    struct clearing *clearing;
    int code_of_all;            /* what every submit is answered with */
    const char *written_before; /* this item of user:ann is written before the next submit */
};

static int hand_in(void *context, struct submit *submits, size_t count, struct err *err)
{
    (void)err;
    struct ground *ground = context;
    struct fixture *fx = ground->fx;
    assert_int_equal(count, 1);
    if (ground->written_before != NULL) {
        const char *path = ground->written_before;
        ground->written_before = NULL;
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", path, "new").code, 0);
    }
    if (ground->code_of_all != 0) {
        submits->code = ground->code_of_all;
        return 0;
    }
    assert_int_equal(committer_submit(fx->committer, submits, fx, 1), 0);
    fx_run(fx);
    submit_finish(submits, &fx_last(fx)->reply);
    return 0;
}

static int setup(void **state)
{
    struct ground *ground = calloc(1, sizeof *ground);
    assert_non_null(ground);
    void *fixture = NULL;
    assert_int_equal(fx_setup(&fixture), 0);
    ground->fx = fixture;
    struct clearing_submit submit = {hand_in, ground};
    assert_int_equal(clearing_new(&ground->clearing, &submit), 0);
    *state = ground;
    return 0;
}

static int teardown(void **state)
{
    struct ground *ground = *state;
    void *fixture = ground->fx;
    clearing_free(&ground->clearing);
    assert_null(ground->clearing);
    assert_int_equal(fx_teardown(&fixture), 0);
    free(ground);
    return 0;
}

static uint64_t put(struct ground *ground, const char *owner, const char *path)
{
    struct submit submit = fx_submit(ground->fx, SUBMIT_WRITE, owner, path, "v");
    assert_int_equal(submit.code, 0);
    fx_forget(ground->fx);
    return submit.bag_id;
}

static struct submit fence(struct ground *ground, enum submit_kind kind, enum fence_layer layer,
                           const char *category, const char *except)
{
    struct span excepts[1] = {span_str(except != NULL ? except : "")};
    struct submit submit = {
        .kind = kind,
        .actor = "test",
        .layer = layer,
        .category = span_str(category),
        .except = excepts,
        .except_count = except != NULL ? 1 : 0,
    };
    assert_int_equal(committer_submit(ground->fx->committer, &submit, ground->fx, 7), 0);
    fx_run(ground->fx);
    submit_finish(&submit, &fx_last(ground->fx)->reply);
    submit.except = NULL;
    return submit;
}

static bool turn(struct ground *ground, uint64_t undo_seq, size_t items)
{
    bool busy = false;
    assert_int_equal(clearing_turn(ground->clearing, ground->fx->kv, undo_seq, items, &busy, NULL),
                     0);
    return busy;
}

/* All turns until there is nothing to do; how many there were. */
static size_t clear(struct ground *ground, uint64_t undo_seq, size_t items)
{
    size_t turns = 0;
    while (turn(ground, undo_seq, items)) {
        turns++;
        assert_true(turns < 10000);
        fx_forget(ground->fx);
    }
    return turns;
}

static struct fence fence_now(struct ground *ground, const char *path)
{
    static const struct owner fleet = {.kind = OWNER_FLEET};
    struct fence out = {0};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    struct unpacked scratch = {0};
    assert_int_equal(kv_bag_of(ground->fx->kv, NULL, &fleet, &bag, NULL), 0);
    assert_int_equal(kv_item(ground->fx->kv, NULL, bag.bag_id, span_str(path), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_LIVE);
    assert_int_equal(fence_get_value(item.row.value, &scratch, &out, NULL), 0);
    unpack_close(&scratch);
    kv_item_free(&item);
    return out;
}

static bool is_row(struct ground *ground, uint64_t bag_id, const char *path)
{
    struct kv_item item = {0};
    assert_int_equal(kv_item(ground->fx->kv, NULL, bag_id, span_str(path), &item, NULL), 0);
    bool live = item.row.state == ITEM_LIVE;
    kv_item_free(&item);
    return live;
}

static void void_items_go_and_others_stay(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy");
    (void)put(ground, "user:ann", "copy/keep/x");
    (void)put(ground, "user:ann", "copying");
    (void)put(ground, "user:ann", "scan/a");
    uint64_t bob = put(ground, "user:bob", "copy/a");
    uint64_t own = put(ground, "user:ann/device:00000000000000aa", "copy/a");
    uint64_t group = put(ground, "group:staff", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/keep");
    assert_int_equal(up.code, 0);
    (void)put(ground, "user:bob", "copy/b");            /* after the fence */
    assert_int_equal(clear(ground, up.seq - 1, 10), 0); /* an undo is possible */
    assert_true(is_row(ground, ann, "copy/a"));
    assert_true(clear(ground, up.seq, 10) > 0);
    assert_false(is_row(ground, ann, "copy/a"));
    assert_false(is_row(ground, ann, "copy"));
    assert_false(is_row(ground, bob, "copy/a"));
    assert_true(is_row(ground, ann, "copy/keep/x"));
    assert_true(is_row(ground, ann, "copying"));
    assert_true(is_row(ground, ann, "scan/a"));
    assert_true(is_row(ground, bob, "copy/b"));
    assert_true(is_row(ground, own, "copy/a"));
    assert_true(is_row(ground, group, "copy/a"));
    struct fence now = fence_now(ground, "@fence/shared/copy");
    assert_true(now.cleared);
    assert_int_equal(now.from, up.seq); /* what it hides is the same */
    assert_int_equal(now.except_count, 1);
    assert_int_equal(clear(ground, UINT64_MAX, 10), 0); /* once */
    assert_int_equal(fence(ground, SUBMIT_LIFT, FENCE_SHARED, "copy", NULL).code, E_TOO_OLD);
}

static void the_layer_of_devices(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    uint64_t own = put(ground, "user:ann/device:00000000000000aa", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_DEVICE, "copy", NULL);
    assert_int_equal(up.code, 0);
    assert_true(clear(ground, up.seq, 10) > 0);
    assert_true(is_row(ground, ann, "copy/a"));
    assert_false(is_row(ground, own, "copy/a"));
    assert_true(fence_now(ground, "@fence/device/copy").cleared);
}

/* Within a turn no more than so many; a turn ends in the middle of a bag, too. */
static void many_items_take_many_turns(void **state)
{
    struct ground *ground = *state;
    uint64_t bag_id = 0;
    for (int i = 0; i < 200; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "copy/%d", i);
        bag_id = put(ground, "user:ann", path);
        (void)put(ground, "user:bob", path);
    }
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    struct journal_position before;
    journal_head(ground->fx->journal, &before);
    static const uint64_t changes[] = {1, 101, 201}; /* the mark comes first */
    struct journal_position after;
    for (size_t i = 0; i < 3; i++) {
        assert_true(turn(ground, up.seq, 100));
        journal_head(ground->fx->journal, &after);
        assert_int_equal(after.seq - before.seq, changes[i]);
        fx_forget(ground->fx);
    }
    (void)clear(ground, up.seq, 100);
    journal_head(ground->fx->journal, &after);
    assert_int_equal(after.seq - before.seq, 401);
    struct bag_row bag = {0};
    assert_int_equal(kv_bag(ground->fx->kv, NULL, bag_id, &bag, NULL), 0);
    assert_int_equal(bag.items, 0);
    assert_true(fence_now(ground, "@fence/shared/copy").cleared);
}

/* An item that is written between the reading and the removal is not void any more. */
static void who_writes_meanwhile_is_not_harmed(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy/b");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 10)); /* the mark */
    ground->written_before = "copy/b";
    assert_true(clear(ground, up.seq, 10) > 0);
    assert_string_equal(fx_value(ground->fx, ann, "copy/b"), "new");
    assert_false(is_row(ground, ann, "copy/a"));
    assert_true(fence_now(ground, "@fence/shared/copy").cleared);
}

static void a_fence_that_is_being_cleared_is_not_lifted(void **state)
{
    struct ground *ground = *state;
    (void)put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy/b");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 1));
    assert_int_equal(fence(ground, SUBMIT_LIFT, FENCE_SHARED, "copy", NULL).code, E_TOO_OLD);
    assert_true(turn(ground, up.seq, 1));
    assert_int_equal(fence(ground, SUBMIT_LIFT, FENCE_SHARED, "copy", NULL).code, E_TOO_OLD);
}

/* A new fence without what is still being cleared would show the rest of it again. */
static void what_is_being_cleared_is_not_excepted(void **state)
{
    struct ground *ground = *state;
    (void)put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy/b");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 1)); /* the mark */
    assert_true(turn(ground, up.seq, 1));
    assert_int_equal(fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/b").code, E_EXISTS);
    (void)clear(ground, up.seq, 1);
    assert_int_equal(fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/b").code, 0);
}

/* It is lifted just before it is marked: nothing of it goes. */
static void who_lifts_first_gets_everything(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_int_equal(fence(ground, SUBMIT_LIFT, FENCE_SHARED, "copy", NULL).code, 0);
    assert_int_equal(clear(ground, up.seq, 10), 0);
    assert_true(is_row(ground, ann, "copy/a"));
}

static void it_goes_on_after_a_restart(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy/b");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 1)); /* the mark */
    assert_true(turn(ground, up.seq, 1)); /* one item */
    clearing_free(&ground->clearing);
    fx_close(ground->fx, true);
    fx_open(ground->fx);
    struct clearing_submit submit = {hand_in, ground};
    assert_int_equal(clearing_new(&ground->clearing, &submit), 0);
    assert_true(clear(ground, 0, 10) > 0);
    assert_false(is_row(ground, ann, "copy/a"));
    assert_false(is_row(ground, ann, "copy/b"));
    assert_int_equal(clear(ground, 0, 10), 0);
}

static void a_refusal_is_told_and_tried_again(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 5)); /* the mark */
    bool busy = false;
    ground->code_of_all = E_NOSPACE;
    assert_int_equal(clearing_turn(ground->clearing, ground->fx->kv, up.seq, 5, &busy, NULL),
                     E_NOSPACE);
    assert_true(is_row(ground, ann, "copy/a"));
    ground->code_of_all = 0;
    (void)clear(ground, up.seq, 5);
    assert_false(is_row(ground, ann, "copy/a"));
}

static void a_bag_that_is_deleted_meanwhile(void **state)
{
    struct ground *ground = *state;
    (void)put(ground, "user:ann", "copy/a");
    (void)put(ground, "user:ann", "copy/b");
    uint64_t bob = put(ground, "user:bob", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    assert_true(turn(ground, up.seq, 1)); /* the mark */
    assert_true(turn(ground, up.seq, 1));
    assert_int_equal(fx_submit(ground->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    (void)clear(ground, up.seq, 1);
    assert_false(is_row(ground, bob, "copy/a"));
    assert_true(fence_now(ground, "@fence/shared/copy").cleared);
}

/* Whatever is missing: it says so, and the next turn goes on. */
static void out_of_memory(void **state)
{
    struct ground *ground = *state;
    uint64_t ann = put(ground, "user:ann", "copy/a");
    struct submit up = fence(ground, SUBMIT_FENCE, FENCE_SHARED, "copy", NULL);
    fx_forget(ground->fx);
    ground->code_of_all = E_BUSY; /* memory is short on this side only */
    clearing_free(&ground->clearing);
    struct clearing_submit submit = {hand_in, ground};
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        bool busy = false;
        fail_alloc_at(nth);
        int rc = clearing_new(&ground->clearing, &submit);
        if (rc == 0) {
            rc = clearing_turn(ground->clearing, ground->fx->kv, up.seq, 5, &busy, NULL);
        }
        failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : E_BUSY);
        clearing_free(&ground->clearing);
    }
    ground->code_of_all = 0;
    assert_int_equal(clearing_new(&ground->clearing, &submit), 0);
    assert_true(clear(ground, up.seq, 10) > 0);
    assert_false(is_row(ground, ann, "copy/a"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(void_items_go_and_others_stay),
        TEST(the_layer_of_devices),
        TEST(many_items_take_many_turns),
        TEST(who_writes_meanwhile_is_not_harmed),
        TEST(a_fence_that_is_being_cleared_is_not_lifted),
        TEST(what_is_being_cleared_is_not_excepted),
        TEST(who_lifts_first_gets_everything),
        TEST(it_goes_on_after_a_restart),
        TEST(a_refusal_is_told_and_tried_again),
        TEST(a_bag_that_is_deleted_meanwhile),
        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
