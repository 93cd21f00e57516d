/* What the fleet's rules have to be, so that every machine understands them; conditions. */
#include "tests/server/sharing_fixture.h"

static struct plan plan;
static struct draft *draft;
static struct bag_row fleet;

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    sx_catalogue(fx);
    uint64_t seq = fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").seq;
    plan = (struct plan){.limits = fx->limits, .server_bag = 2, .fleet_bag = 3};
    assert_int_equal(draft_new(&draft), 0);
    draft_reset(draft, seq + 1, 1000);
    plan.draft = draft;
    assert_int_equal(overlay_open(&plan.overlay, fx->kv), 0);
    assert_int_equal(plan_load(&plan, NULL), 0);
    plan_begin(&plan);
    assert_int_equal(overlay_bag(&plan.overlay, 3, &fleet, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    plan_free(&plan);
    draft_free(&draft);
    return fx_teardown(state);
}

static int check(const char *path, struct span value)
{
    struct operation_write write = {.path = span_str(path), .value = value};
    struct err err = {0};
    int rc = plan_check_write(&plan, &fleet, &write, true, &err);
    assert_int_equal(rc, err.code);
    return rc;
}

static void rules_have_a_form(void **state)
{
    (void)state;
    assert_int_equal(check("@sharing/copy/default", SPAN_LITERAL("\x92\xc3\xc2")), 0);
    assert_int_equal(check("@sharing/copy/default", SPAN_LITERAL("\x92\xc3")), E_MALFORMED);
    assert_int_equal(check("@sharing/@x", SPAN_LITERAL("\x92\xc3\xc2")), E_MALFORMED);
    assert_int_equal(check("@category/x", SPAN_LITERAL("x")), E_MALFORMED);
    assert_int_equal(check("@category/x", SPAN_LITERAL("\x97\x01\xa5other\x00\x00\x00\xa1t\xa1t")),
                     0);
    assert_int_equal(check("@fence/shared/x", SPAN_LITERAL("x")), E_MALFORMED);
    assert_int_equal(check("@default/x", SPAN_LITERAL("whatever")), 0);
    struct operation_write gone = {.path = SPAN_LITERAL("@category/x"), .remove = true};
    assert_int_equal(plan_check_write(&plan, &fleet, &gone, true, NULL), 0);
}

/* Of other bags they are items as any. */
static void rules_are_the_fleets(void **state)
{
    (void)state;
    struct bag_row ann = {.exists = true, .bag_id = 10, .owner.kind = OWNER_USER};
    struct operation_write write = {.path = SPAN_LITERAL("@sharing/x"), .value = SPAN_LITERAL("x")};
    assert_int_equal(plan_check_write(&plan, &ann, &write, true, NULL), 0);
}

static void the_catalogue_has_a_limit(void **state)
{
    (void)state;
    const struct span row = SPAN_LITERAL("\x97\x01\xa5other\x00\x00\x00\xa1t\xa1t");
    static const struct plan_by by = {.actor = "me", .seen = UINT64_MAX};
    char path[32];
    size_t more = SHARING_CATEGORIES_MAX - plan.sharing.count;
    for (size_t i = 0; i < more; i++) {
        (void)snprintf(path, sizeof path, "@category/c%zu", i);
        assert_int_equal(check(path, row), 0);
        assert_int_equal(plan_set(&plan, &by, 3, span_str(path), row, NULL), 0);
    }
    assert_int_equal(check("@category/one-more", row), E_QUOTA);
    assert_int_equal(check("@sharing/one-more", SPAN_LITERAL("\x92\xc3\xc2")), E_QUOTA);
    assert_int_equal(check("@category/c7", row), 0); /* replaced */
    assert_int_equal(check("@sharing/copy/default", SPAN_LITERAL("\x92\xc3\xc2")), 0); /* known */
    assert_int_equal(plan_seal(&plan, NULL), 0);
    assert_int_equal(plan.sharing.count, SHARING_CATEGORIES_MAX);
    plan_begin(&plan);
    assert_int_equal(check("@category/one-more", row), E_QUOTA);
}

/* What is sealed counts from then on, what is undone never. */
static void rules_are_kept_at_the_seal(void **state)
{
    (void)state;
    static const struct plan_by by = {.actor = "me", .seen = UINT64_MAX};
    const struct span path = SPAN_LITERAL("@sharing/copy/default");
    const struct span item = SPAN_LITERAL("copy/default");
    assert_int_equal(plan_set(&plan, &by, 3, path, SPAN_LITERAL("\x92\xc3\xc3"), NULL), 0);
    assert_false(sharing_find(&plan.sharing, item)->device);
    plan_undo(&plan);
    plan_begin(&plan);
    assert_false(sharing_find(&plan.sharing, item)->device);
    uint64_t seq = plan_next_seq(&plan);
    assert_int_equal(plan_set(&plan, &by, 3, path, SPAN_LITERAL("\x92\xc3\xc3"), NULL), 0);
    assert_int_equal(plan_seal(&plan, NULL), 0);
    const struct category *category = sharing_find(&plan.sharing, item);
    assert_true(category->device && category->copy && category->flag_seq == seq);
    plan_begin(&plan);
    assert_int_equal(plan_remove(&plan, &by, 3, path, NULL), 0);
    assert_int_equal(plan_remove(&plan, &by, 3, SPAN_LITERAL("@category/network"), NULL), 0);
    assert_int_equal(plan_seal(&plan, NULL), 0);
    assert_false(sharing_find(&plan.sharing, item)->device);
    assert_null(sharing_find(&plan.sharing, SPAN_LITERAL("network")));
}

static void conditions(void **state)
{
    (void)state;
    struct operation_write write = {.path = SPAN_LITERAL("p")};
    struct err err = {0};
    assert_int_equal(plan_check_condition(&write, 7, &err), 0);
    write.has_if_seq = true;
    assert_int_equal(plan_check_condition(&write, 0, &err), 0);
    assert_int_equal(plan_check_condition(&write, 7, &err), E_CONDITION);
    assert_string_equal(err.text, "the item 'p' is at version 7, and the condition names 0");
    write.if_seq = 7;
    assert_int_equal(plan_check_condition(&write, 7, &err), 0);
    assert_int_equal(plan_check_condition(&write, 0, &err), E_CONDITION);
    assert_string_equal(err.text, "the item 'p' is not there, and the condition names version 7");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_have_a_form),
        TEST(rules_are_the_fleets),
        TEST(the_catalogue_has_a_limit),
        TEST(rules_are_kept_at_the_seal),
        TEST(conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
