/* Requests that need a draft of their own, or more room than there is. */
#include "tests/server/fixture.h"

/* What is planned before a sign-in is committed first, and answered first. */
static void a_sign_in_stands_alone(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    struct item item = {"p", "v", -1};
    fx_write_items(fx, &a, 1, a.bag, 0, 0, &item, 1);
    struct sign_in sign_in = {
        .session = a.session, .device = a.device, .device_bag = a.bag, .user = SPAN_LITERAL("Ann")};
    committer_sign_in(fx->committer, &sign_in);
    fx_write_items(fx, &a, 2, a.bag, 0, 0, &item, 1);
    fx_run(fx);
    assert_int_equal(fx->reply_count, 3);
    assert_int_equal(fx->replies[0].reply.kind, REPLY_OUTCOME);
    assert_int_equal(fx->replies[1].reply.kind, REPLY_SIGNED_IN);
    assert_int_equal(fx->replies[2].reply.kind, REPLY_OUTCOME);
    fx->order[fx->order_count] = '\0';
    assert_string_equal(fx->order, "rcrc");
    assert_int_equal(fx->changes[1].change.seq, fx->replies[0].reply.seq + 1);
}

/* A batch takes so many changes; the set that does not fit goes into the next one, whole. */
static void a_full_draft_is_committed(void **state)
{
    enum { SETS = 6, ITEMS = 4000 };
    struct fixture *fx = *state;
    struct operation_write writes[ITEMS];
    char paths[ITEMS][16];
    struct submit submit = {.create = true, .actor = "t", .writes = writes, .write_count = ITEMS};
    assert_int_equal(owner_parse(&submit.owner, "group:big", NULL), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%zu", i);
        writes[i] = (struct operation_write){.path = span_str(paths[i])};
    }
    fx->limits.items_per_bag = ITEMS;
    fx_close(fx, true);
    fx_open(fx);
    for (uint64_t i = 0; i < SETS; i++) {
        assert_int_equal(committer_submit(fx->committer, &submit, fx, i), 0);
    }
    fx_run(fx);
    assert_int_equal(fx->reply_count, SETS);
    for (size_t i = 0; i < SETS; i++) {
        assert_int_equal(fx->replies[i].reply.code, 0);
        assert_int_equal(fx->replies[i].reply.number, i);
    }
    fx->order[fx->order_count] = '\0';
    assert_string_equal(fx->order, "rcrc");
    struct bag_row row = {0};
    assert_int_equal(kv_bag_of(fx->kv, NULL, &submit.owner, &row, NULL), 0);
    assert_int_equal(row.items, ITEMS);
}

/* Many answers without a change do not pile up either. */
static void answers_alone_are_bounded(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    struct item item = {"p", "v", -1};
    for (int i = 0; i <= 65536; i++) {
        assert_int_equal(fx->reply_count, 0);
        fx_write_items(fx, &a, 7, a.bag, 0, 0, &item, 1); /* its number is not the next */
        if (i >= 65535) {
            committer_deliver(fx->committer); /* only what was committed */
        }
    }
    assert_true(fx->reply_count > 0);
    assert_int_equal(fx->replies[0].reply.code, E_WRITER);
    fx_run(fx);
    assert_int_equal(fx->change_count, 0);
}

static void a_join_is_told_the_time(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    memset(&a, 0, sizeof a);
    a.token[0] = a.key[0] = 9;
    fx_token(fx, a.token, fx->time.wall_ms + 1000);
    fx->time.wall_ms += 2000;
    fx_try_join(fx, &a, "late");
    assert_int_equal(fx_last(fx)->reply.code, E_TOKEN_EXPIRED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sign_in_stands_alone),
        TEST(a_full_draft_is_committed),
        TEST(answers_alone_are_bounded),
        TEST(a_join_is_told_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
