/* Fences: what they hide from conditions, and how they are put up and lifted. */
#include "tests/server/fixture.h"

static struct submit fence_with(struct fixture *fx, enum submit_kind kind, enum fence_layer layer,
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
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 7), 0);
    fx_run(fx);
    submit_finish(&submit, &fx_last(fx)->reply);
    submit.except = NULL;
    return submit;
}

static struct submit put_up(struct fixture *fx, const char *category)
{
    return fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, category, NULL);
}

static struct submit lift(struct fixture *fx, const char *category)
{
    return fence_with(fx, SUBMIT_LIFT, FENCE_SHARED, category, NULL);
}

/* Writes the item if it is at this version; 0: if it is not there. */
static int write_if(struct fixture *fx, const char *owner, const char *path, uint64_t if_seq)
{
    struct operation_write write = {
        .path = span_str(path), .value = SPAN_LITERAL("v"), .has_if_seq = true, .if_seq = if_seq};
    struct submit submit = {.actor = "test", .writes = &write, .write_count = 1};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 1), 0);
    fx_run(fx);
    return fx_last(fx)->reply.code;
}

static uint64_t write_item(struct fixture *fx, const char *owner, const char *path)
{
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, owner, path, "v");
    assert_int_equal(submit.code, 0);
    return submit.seq;
}

static void what_a_fence_hides_is_not_there(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = write_item(fx, "user:ann", "copy/a");
    uint64_t other = write_item(fx, "user:ann", "copying");
    struct submit fence = put_up(fx, "copy");
    assert_int_equal(fence.code, 0);
    assert_int_equal(fence.seq, other + 1);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", seq), E_CONDITION);
    assert_int_equal(write_if(fx, "user:ann", "copying", 0), E_CONDITION);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", 0), 0);
    uint64_t now = fx_last(fx)->reply.seq;
    assert_int_equal(write_if(fx, "user:ann", "copy/a", 0), E_CONDITION); /* it is there again */
    assert_int_equal(write_if(fx, "user:ann", "copy/a", now), 0);
}

static void a_lift_shows_it_again(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = write_item(fx, "user:ann", "copy/a");
    assert_int_equal(put_up(fx, "copy").code, 0);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", seq), 0);
    struct submit again = lift(fx, "copy");
    assert_int_equal(again.code, E_NOT_FOUND);
    assert_true(strlen(again.text) > 0);
    assert_int_equal(again.seq, 0);
}

static void lifting_brings_back_what_was_replaced(void **state)
{
    struct fixture *fx = *state;
    uint64_t oldest = write_item(fx, "user:ann", "copy/a");
    assert_int_equal(put_up(fx, "copy").code, 0);
    uint64_t middle = write_item(fx, "user:ann", "copy/b");
    assert_int_equal(put_up(fx, "copy").code, 0);
    assert_int_equal(put_up(fx, "copy").code, 0);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/b", middle), E_CONDITION);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/b", middle), 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", oldest), E_CONDITION);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", oldest), 0);
    assert_int_equal(lift(fx, "copy").code, E_NOT_FOUND);
}

static void layers_and_other_bags_stand_apart(void **state)
{
    struct fixture *fx = *state;
    uint64_t shared = write_item(fx, "user:ann", "copy/a");
    uint64_t group = write_item(fx, "group:staff", "copy/a");
    assert_int_equal(write_item(fx, "user:ann/device:0000000000000007", "copy/a"), group + 2);
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_DEVICE, "copy", NULL).code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", shared), 0);
    assert_int_equal(write_if(fx, "user:ann/device:0000000000000007", "copy/a", group + 2),
                     E_CONDITION);
    assert_int_equal(write_if(fx, "group:staff", "copy/a", group), 0);
}

static void a_cleared_fence_is_not_lifted(void **state)
{
    struct fixture *fx = *state;
    struct submit fence = put_up(fx, "copy");
    struct fence cleared = {.from = fence.seq, .cleared = true};
    struct buf value;
    buf_init(&value, 100);
    fence_put_value(&value, &cleared);
    struct operation_write write = {.path = SPAN_LITERAL("@fence/shared/copy"),
                                    .value = buf_span(&value)};
    struct submit submit = {.actor = "test", .writes = &write, .write_count = 1};
    submit.owner.kind = OWNER_FLEET;
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 1), 0);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    struct submit lifted = lift(fx, "copy");
    assert_int_equal(lifted.code, E_TOO_OLD);
    assert_true(strlen(lifted.text) > 0);
    /* A new one over it can be taken back; the cleared one then stands again. */
    assert_int_equal(put_up(fx, "copy").code, 0);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(lift(fx, "copy").code, E_TOO_OLD);
    buf_free(&value);
}

static void exceptions(void **state)
{
    struct fixture *fx = *state;
    uint64_t a = write_item(fx, "user:ann", "copy/a");
    uint64_t b = write_item(fx, "user:ann", "copy/b");
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, "copy", "scan").code, E_INVALID);
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, "copy", "copying").code, E_INVALID);
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/b").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", a), E_CONDITION);
    assert_int_equal(write_if(fx, "user:ann", "copy/b", b), 0);
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/b/c").code, 0);
    /* It would show copy/a again. */
    assert_int_equal(fence_with(fx, SUBMIT_FENCE, FENCE_SHARED, "copy", "copy/a").code, E_EXISTS);
}

static void bad_fences_are_refused(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(put_up(fx, "@user").code, E_PATH);
    assert_int_equal(put_up(fx, "a//b").code, E_PATH);
    assert_int_equal(lift(fx, "a//b").code, E_PATH);
    struct submit bad = fx_submit(fx, SUBMIT_WRITE, "fleet", "@fence/shared/copy", "x");
    assert_int_equal(bad.code, E_MALFORMED);
    bad = fx_submit(fx, SUBMIT_WRITE, "fleet", "@fence/nowhere/copy", "\x93\x00\xc2\x90");
    assert_int_equal(bad.code, E_MALFORMED);
    /* Nothing of it is left. */
    assert_int_equal(put_up(fx, "copy").code, 0);
}

static void fences_are_there_after_a_restart(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = write_item(fx, "user:ann", "copy/a");
    assert_int_equal(put_up(fx, "copy").code, 0);
    fx_close(fx, true);
    fx_open(fx);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", seq), E_CONDITION);
    assert_int_equal(lift(fx, "copy").code, 0);
    assert_int_equal(write_if(fx, "user:ann", "copy/a", seq), 0);
}

static void replacing_what_was_hidden_is_no_conflict(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    uint64_t hidden = write_item(fx, "user:ann", "copy/a");
    assert_int_equal(put_up(fx, "copy").code, 0);
    uint64_t seen = write_item(fx, "user:ann", "copy/b");
    fx_forget(fx);
    struct item items[] = {{"copy/a", "1", -1}, {"copy/b", "1", -1}};
    fx_write_items(fx, &a, 1, bag, 0, hidden - 1, items, 2);
    fx_run(fx);
    assert_int_equal(fx->change_count, 2);
    assert_false(fx->changes[0].change.conflict);
    assert_int_equal(fx->changes[0].change.old_seq, hidden); /* the row is still there */
    assert_true(fx->changes[0].change.has_old || fx->changes[0].change.old_value.size == 0);
    assert_true(fx->changes[1].change.conflict);
    assert_int_equal(fx->changes[1].change.old_seq, seen);
}

/* Clearing names the version that it found hidden. */
static void a_hidden_row_can_be_removed_by_its_version(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = write_item(fx, "user:ann", "copy/a");
    assert_int_equal(put_up(fx, "copy").code, 0);
    struct operation_write write = {
        .path = SPAN_LITERAL("copy/a"), .remove = true, .has_if_seq = true, .if_seq = seq + 100};
    struct submit submit = {.actor = "test", .writes = &write, .write_count = 1};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 1), 0);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_CONDITION);
    write.if_seq = seq;
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 1), 0);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    struct bag_row row = {0};
    assert_int_equal(kv_bag_of(fx->kv, NULL, &submit.owner, &row, NULL), 0);
    assert_int_equal(row.items, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_fence_hides_is_not_there),
        TEST(a_lift_shows_it_again),
        TEST(lifting_brings_back_what_was_replaced),
        TEST(layers_and_other_bags_stand_apart),
        TEST(a_cleared_fence_is_not_lifted),
        TEST(exceptions),
        TEST(bad_fences_are_refused),
        TEST(fences_are_there_after_a_restart),
        TEST(replacing_what_was_hidden_is_no_conflict),
        TEST(a_hidden_row_can_be_removed_by_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
