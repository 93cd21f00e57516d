/* Planning: sets are whole or undone, checks name what is wrong. */
#include "server/access.h"
#include "tests/server/fixture.h"

static struct plan plan;
static struct draft *draft;
static const struct plan_by by = {.origin = 7, .actor = "me", .seen = UINT64_MAX};

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0); /* 4, 5 */
    plan = (struct plan){.limits = fx->limits, .server_bag = 2, .fleet_bag = 3};
    assert_int_equal(draft_new(&draft), 0);
    draft_reset(draft, 6, 1000);
    plan.draft = draft;
    assert_int_equal(overlay_open(&plan.overlay, fx->kv), 0);
    assert_int_equal(plan_load(&plan, NULL), 0);
    plan_begin(&plan);
    return 0;
}

static int teardown(void **state)
{
    plan_free(&plan);
    draft_free(&draft);
    return fx_teardown(state);
}

static void changes_name_what_they_replace(void **state)
{
    (void)state;
    char path[] = "p";
    char value[] = "w";
    assert_int_equal(plan_set(&plan, &by, 4, span_str(path), span_str(value), NULL), 0);
    assert_int_equal(plan_remove(&plan, &by, 4, SPAN_LITERAL("p"), NULL), 0);
    assert_int_equal(plan_set(&plan, &by, 4, SPAN_LITERAL("p"), SPAN_LITERAL("x"), NULL), 0);
    path[0] = value[0] = '?'; /* what is given is copied */
    assert_int_equal(plan_seal(&plan, NULL), 0);
    const struct change *c = draft->changes;
    assert_int_equal(c[0].seq, 6);
    assert_int_equal(c[0].prev, 5);
    assert_int_equal(c[0].old_seq, 5);
    assert_true(c[0].has_old && span_equal(c[0].old_value, SPAN_LITERAL("v")));
    assert_true(span_equal(c[0].value, SPAN_LITERAL("w")));
    assert_true(span_equal(c[0].actor, SPAN_LITERAL("me")));
    assert_int_equal(c[0].origin, 7);
    assert_true(c[1].has_old && span_equal(c[1].old_value, SPAN_LITERAL("w")));
    assert_int_equal(c[2].old_seq, 7); /* a tombstone has a seq and no value */
    assert_false(c[2].has_old);
    assert_int_equal(plan_next_seq(&plan), 9);
}

static void an_undone_set_leaves_no_trace(void **state)
{
    (void)state;
    assert_int_equal(plan_set(&plan, &by, 4, SPAN_LITERAL("a"), SPAN_LITERAL("1"), NULL), 0);
    assert_int_equal(plan_seal(&plan, NULL), 0);
    plan_begin(&plan);
    struct owner bob = {.kind = OWNER_USER, .shown = "Bob", .folded = "bob"};
    uint64_t bag_id = 0;
    assert_int_equal(plan_create(&plan, &by, &bob, 0, &bag_id, NULL), 0);
    assert_int_equal(plan_set(&plan, &by, bag_id, SPAN_LITERAL("a"), SPAN_LITERAL("2"), NULL), 0);
    plan_undo(&plan);
    assert_int_equal(draft->count, 1);
    struct bag_row bag = {0};
    assert_int_equal(overlay_bag_of(&plan.overlay, &bob, &bag, NULL), E_NOT_FOUND);
    struct item_row row = {0};
    assert_int_equal(overlay_item(&plan.overlay, 4, SPAN_LITERAL("a"), &row, NULL), 0);
    assert_int_equal(row.state, ITEM_LIVE);
}

static void a_bag_that_is_not_there_is_trouble(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(plan_set(&plan, &by, 99, SPAN_LITERAL("a"), SPAN_LITERAL("1"), &err),
                     PLAN_TROUBLE);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(plan_delete(&plan, &by, 99, NULL), PLAN_TROUBLE);
    plan_undo(&plan);
}

static int check_write(const char *path, const char *value, int64_t if_seq, bool reserved)
{
    struct operation_write write = {.path = span_str(path),
                                    .remove = value == NULL,
                                    .value = span_str(value != NULL ? value : ""),
                                    .has_if_seq = if_seq >= 0,
                                    .if_seq = (uint64_t)if_seq};
    struct err err = {0};
    struct bag_row bag = {.exists = true, .bag_id = 4, .owner.kind = OWNER_USER};
    int rc = plan_check_write(&plan, &bag, &write, reserved, &err);
    assert_int_equal(rc, err.code);
    return rc;
}

static void writes_are_judged(void **state)
{
    (void)state;
    assert_int_equal(check_write("p", "x", -1, false), 0);
    assert_int_equal(check_write("p", "x", 5, false), 0);
    assert_int_equal(check_write("p", "x", 4, false), E_CONDITION);
    assert_int_equal(check_write("p", NULL, 0, false), E_CONDITION);
    assert_int_equal(check_write("q", "x", 0, false), 0);
    assert_int_equal(check_write("q", "x", 5, false), E_CONDITION);
    assert_int_equal(check_write("@q", "x", -1, false), E_PATH);
    assert_int_equal(check_write("@q", "x", -1, true), 0);
    assert_int_equal(check_write("", "x", -1, true), E_PATH);
    assert_int_equal(check_write("a/./b", "x", -1, true), E_PATH);
}

static void quotas_bind_what_grows(void **state)
{
    (void)state;
    struct bag_row before = {0};
    assert_int_equal(overlay_bag(&plan.overlay, 4, &before, NULL), 0);
    plan.limits.items_per_bag = 1;
    plan.limits.bytes_per_bag = 2;
    assert_int_equal(plan_set(&plan, &by, 4, SPAN_LITERAL("p"), SPAN_LITERAL("w"), NULL), 0);
    assert_int_equal(plan_check_quota(&plan, &before, NULL), 0);
    assert_int_equal(plan_set(&plan, &by, 4, SPAN_LITERAL("p"), SPAN_LITERAL("ww"), NULL), 0);
    assert_int_equal(plan_check_quota(&plan, &before, NULL), E_QUOTA);
    plan.limits.bytes_per_bag = 100;
    assert_int_equal(plan_set(&plan, &by, 4, SPAN_LITERAL("q"), SPAN_LITERAL(""), NULL), 0);
    assert_int_equal(plan_check_quota(&plan, &before, NULL), E_QUOTA);
    /* one that is over a limit that was lowered may shrink */
    plan.limits.items_per_bag = 0;
    assert_int_equal(plan_remove(&plan, &by, 4, SPAN_LITERAL("q"), NULL), 0);
    assert_int_equal(plan_check_quota(&plan, &before, NULL), 0);
    plan_undo(&plan);
}

static void owners_are_judged(void **state)
{
    (void)state;
    struct owner user = {.kind = OWNER_USER, .shown = "X", .folded = "x"};
    struct owner group = {.kind = OWNER_GROUP, .shown = "G"};
    memset(group.folded, 'g', GROUP_FOLDED_MAX);
    assert_int_equal(plan_check_owner(&plan, &group, NULL), 0);
    group.folded[GROUP_FOLDED_MAX] = 'g';
    assert_int_equal(plan_check_owner(&plan, &group, NULL), E_NAME);
    plan.limits.users = 2; /* Ann is one */
    assert_int_equal(plan_check_owner(&plan, &user, NULL), 0);
    uint64_t bag_id = 0;
    assert_int_equal(plan_create(&plan, &by, &user, 0, &bag_id, NULL), 0);
    assert_int_equal(plan_check_owner(&plan, &user, NULL), E_QUOTA);
    plan_undo(&plan);
    plan.limits.users = 1;
    assert_int_equal(plan_check_owner(&plan, &user, NULL), E_QUOTA);
}

static void codes_of_reading(void **state)
{
    (void)state;
    assert_int_equal(plan_read(0), 0);
    assert_int_equal(plan_read(E_NOT_FOUND), E_NOT_FOUND);
    assert_int_equal(plan_read(E_BAG_GONE), E_BAG_GONE);
    assert_int_equal(plan_read(E_IO), PLAN_TROUBLE);
    assert_int_equal(plan_read(E_CORRUPT), PLAN_TROUBLE);
    assert_int_equal(plan_read(E_NOMEM), PLAN_TROUBLE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_name_what_they_replace),
        TEST(an_undone_set_leaves_no_trace),
        TEST(a_bag_that_is_not_there_is_trouble),
        TEST(writes_are_judged),
        TEST(quotas_bind_what_grows),
        TEST(owners_are_judged),
        TEST(codes_of_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
