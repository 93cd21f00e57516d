/* What administration writes. */
#include "tests/server/fixture.h"

static void writes_and_registers(void **state)
{
    struct fixture *fx = *state;
    fx_forget(fx);
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, "user:Ann", NULL, NULL);
    assert_int_equal(submit.code, 0);
    assert_true(submit.created);
    assert_int_equal(submit.seq, submit.bag_id);
    uint64_t bag = submit.bag_id;
    submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v");
    assert_false(submit.created);
    assert_int_equal(submit.bag_id, bag);
    assert_int_equal(submit.seq, bag + 1);
    assert_string_equal(fx_value(fx, bag, "p"), "v");
    assert_int_equal(fx->changes[1].change.origin, 0);
    submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", NULL, NULL);
    assert_int_equal(submit.seq, 0); /* nothing had to be done */
    submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", "absent", NULL);
    assert_int_equal(submit.code, 0);
    assert_int_equal(submit.seq, 0);
    submit = fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", NULL);
    assert_int_equal(submit.seq, bag + 2);
}

static void the_actor_stands_in_the_journal(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:Ann", "p", "v").code, 0);
    struct journal_cursor *cursor = NULL;
    struct batch batch = {0};
    assert_int_equal(journal_cursor_open(&cursor, fx->journal, 4, NULL), 0);
    assert_int_equal(journal_cursor_next(cursor, &batch, NULL), 0);
    assert_non_null(memmem(batch.payload.data, batch.payload.size, "test", 4));
    journal_cursor_close(&cursor);
}

static int submit_code(struct fixture *fx, struct submit *submit)
{
    assert_int_equal(committer_submit(fx->committer, submit, fx, 3), 0);
    fx_run(fx);
    submit_finish(submit, &fx_last(fx)->reply);
    assert_int_equal(fx_last(fx)->reply.number, 3);
    assert_ptr_equal(fx_last(fx)->reply.ticket, fx);
    return submit->code;
}

static void refusals_change_nothing(void **state)
{
    struct fixture *fx = *state;
    fx_forget(fx);
    struct operation_write writes[] = {{.path = SPAN_LITERAL("a"), .value = SPAN_LITERAL("1")},
                                       {.path = SPAN_LITERAL("a//b")}};
    struct submit submit = {.actor = "test", .create = true, .writes = writes, .write_count = 2};
    assert_int_equal(owner_parse(&submit.owner, "user:Ann", NULL), 0);
    assert_int_equal(submit_code(fx, &submit), E_PATH);
    assert_true(strlen(submit.text) > 0);
    assert_false(submit.created);
    writes[1] =
        (struct operation_write){.path = SPAN_LITERAL("b"), .has_if_seq = true, .if_seq = 12};
    assert_int_equal(submit_code(fx, &submit), E_CONDITION);
    submit.create = false;
    assert_int_equal(submit_code(fx, &submit), E_NOT_FOUND);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:Ann", NULL, NULL).code, E_NOT_FOUND);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "fleet", NULL, NULL).code, E_NOT_ALLOWED);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "server", NULL, NULL).code, E_NOT_ALLOWED);
    assert_int_equal(
        fx_submit(fx, SUBMIT_WRITE, "user:nobody/device:0000000000000001", "p", "v").code,
        E_NOT_FOUND);
    assert_int_equal(fx->change_count, 0);
}

static void a_user_goes_with_all_that_is_theirs(void **state)
{
    struct fixture *fx = *state;
    static const char one[] = "user:ann/device:0000000000000001";
    static const char two[] = "user:ann/device:0000000000000002";
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:Ann", "p", "v").code, 0);
    uint64_t first = fx_submit(fx, SUBMIT_WRITE, one, "p", "v").bag_id;
    uint64_t second = fx_submit(fx, SUBMIT_WRITE, two, "p", "v").bag_id;
    fx_forget(fx);
    struct submit submit = fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL);
    assert_int_equal(submit.code, 0);
    assert_int_equal(fx->change_count, 3);
    assert_int_equal(fx->changes[0].change.set_left, 2);
    assert_int_equal(fx->changes[2].change.bag_id, submit.bag_id);
    assert_int_equal(fx->changes[2].change.seq, submit.seq);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, first, &row, NULL), E_BAG_GONE);
    assert_int_equal(kv_bag(fx->kv, NULL, second, &row, NULL), E_BAG_GONE);
}

/* All of it planned into one batch. */
static void a_deletion_sees_the_batch(void **state)
{
    struct fixture *fx = *state;
    static const char one[] = "user:ann/device:0000000000000001";
    uint64_t ann = fx_submit(fx, SUBMIT_WRITE, "user:Ann", "p", "v").bag_id;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, one, "p", "v").code, 0);
    struct submit drop_child = {.kind = SUBMIT_DELETE, .actor = "t"};
    struct submit make_child = {.create = true, .actor = "t"};
    struct submit drop_user = {.kind = SUBMIT_DELETE, .actor = "t"};
    struct submit make_user = {.create = true, .actor = "t"};
    assert_int_equal(owner_parse(&drop_child.owner, one, NULL), 0);
    assert_int_equal(owner_parse(&make_child.owner, "user:ann/device:0000000000000002", NULL), 0);
    assert_int_equal(owner_parse(&drop_user.owner, "user:ann", NULL), 0);
    make_user.owner = drop_user.owner;
    fx_forget(fx);
    struct submit *const all[] = {&drop_child, &make_child, &drop_user,
                                  &make_user,  &drop_user,  &drop_user};
    static const int codes[] = {0, 0, 0, 0, 0, E_NOT_FOUND};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(committer_submit(fx->committer, all[i], fx, i), 0);
    }
    fx_run(fx);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(fx->replies[i].reply.code, codes[i]);
    }
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, ann, &row, NULL), E_BAG_GONE);
    assert_int_equal(kv_bag(fx->kv, NULL, fx->replies[1].reply.id, &row, NULL), E_BAG_GONE);
    struct kv_counts counts = {0};
    assert_int_equal(kv_counts(fx->kv, NULL, &counts, NULL), 0);
    assert_int_equal(counts.users, 0);
}

/* The bag under the user's that was planned and taken back is not waited for. */
static void a_deletion_goes_on_after_a_refused_creation(void **state)
{
    struct fixture *fx = *state;
    static const char one[] = "user:ann/device:0000000000000001";
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:Ann", "p", "v").code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, one, "a//b", "v").code, E_PATH);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
}

static void a_set_larger_than_a_batch_is_refused(void **state)
{
    struct fixture *fx = *state;
    char *large = calloc(1, VALUE_MAX_BYTES);
    assert_non_null(large);
    struct operation_write writes[5];
    static const char *const paths[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        writes[i] = (struct operation_write){.path = span_str(paths[i]),
                                             .value = span_of(large, VALUE_MAX_BYTES)};
    }
    struct submit submit = {.actor = "t", .create = true, .writes = writes, .write_count = 5};
    assert_int_equal(owner_parse(&submit.owner, "user:Ann", NULL), 0);
    assert_int_equal(submit_code(fx, &submit), E_TOO_LARGE);
    submit.write_count = 3;
    assert_int_equal(submit_code(fx, &submit), 0);
    free(large);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_and_registers),
        TEST(the_actor_stands_in_the_journal),
        TEST(refusals_change_nothing),
        TEST(a_user_goes_with_all_that_is_theirs),
        TEST(a_deletion_sees_the_batch),
        TEST(a_set_larger_than_a_batch_is_refused),
        TEST(a_deletion_goes_on_after_a_refused_creation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
