/* The state's slow work: nothing beyond its goal, all up to it, in short slices. */
#include "server/upkeep.h"
#include "tests/server/fixture.h"

enum { ITEMS = 3000 };

struct ground {
    struct fixture *fx;
    struct upkeep *upkeep;
};

static int setup(void **state)
{
    struct ground *ground = calloc(1, sizeof *ground);
    assert_non_null(ground);
    void *fixture = NULL;
    assert_int_equal(fx_setup(&fixture), 0);
    ground->fx = fixture;
    assert_int_equal(upkeep_new(&ground->upkeep), 0);
    *state = ground;
    return 0;
}

static int teardown(void **state)
{
    struct ground *ground = *state;
    void *fixture = ground->fx;
    upkeep_free(&ground->upkeep);
    assert_null(ground->upkeep);
    assert_int_equal(fx_teardown(&fixture), 0);
    free(ground);
    return 0;
}

static size_t slices(struct ground *ground)
{
    size_t count = 0;
    while (upkeep_work(ground->upkeep, ground->fx->kv)) {
        count++;
        assert_true(count < 100000);
    }
    return count;
}

static uint64_t purged_to(struct ground *ground, const char *name)
{
    struct owner owner = {0};
    struct bag_row bag = {0};
    assert_int_equal(owner_parse(&owner, name, NULL), 0);
    assert_int_equal(kv_bag_of(ground->fx->kv, NULL, &owner, &bag, NULL), 0);
    return bag.purged_to;
}

static void tombstones_go_up_to_the_goal(void **state)
{
    struct ground *ground = *state;
    struct fixture *fx = ground->fx;
    (void)fx_submit(fx, SUBMIT_WRITE, "user:ann", "a", "1");
    (void)fx_submit(fx, SUBMIT_WRITE, "user:ann", "b", "1");
    uint64_t first = fx_submit(fx, SUBMIT_WRITE, "user:ann", "a", NULL).seq;
    uint64_t second = fx_submit(fx, SUBMIT_WRITE, "user:ann", "b", NULL).seq;
    assert_int_equal(slices(ground), 0); /* no goal */
    struct upkeep_goals goals = {.purge_to = first};
    upkeep_set(ground->upkeep, &goals);
    assert_true(slices(ground) > 0);
    assert_int_equal(purged_to(ground, "user:ann"), first);
    assert_int_equal(slices(ground), 0); /* it was reached */
    goals.purge_to = first - 1;
    upkeep_set(ground->upkeep, &goals);
    assert_int_equal(slices(ground), 0); /* goals do not go back */
    goals.purge_to = second;
    upkeep_set(ground->upkeep, &goals);
    assert_true(slices(ground) > 0);
    assert_int_equal(purged_to(ground, "user:ann"), second);
}

static void a_large_deleted_bag_goes_in_slices(void **state)
{
    struct ground *ground = *state;
    struct fixture *fx = ground->fx;
    struct operation_write *writes = calloc(ITEMS, sizeof *writes);
    char(*paths)[16] = calloc(ITEMS, sizeof *paths);
    assert_non_null(writes);
    assert_non_null(paths);
    for (size_t i = 0; i < ITEMS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "item/%zu", i);
        writes[i] =
            (struct operation_write){.path = span_str(paths[i]), .value = SPAN_LITERAL("value")};
    }
    fx->limits.items_per_bag = ITEMS;
    fx_close(fx, true);
    fx_open(fx);
    struct submit submit = {.create = true, .actor = "test", .writes = writes};
    submit.write_count = ITEMS;
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 7), 0);
    fx_run(fx);
    submit_finish(&submit, &fx_last(fx)->reply);
    assert_int_equal(submit.code, 0);
    uint64_t bag_id = submit.bag_id;
    uint64_t gone = fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).seq;
    struct kv_grave grave = {0};
    struct upkeep_goals goals = {.clean_to = gone - 1, .bury_below = gone};
    upkeep_set(ground->upkeep, &goals);
    (void)slices(ground);
    assert_int_equal(kv_grave(fx->kv, NULL, bag_id, &grave, NULL), 0);
    assert_true(grave.whole); /* an undo is possible */
    goals.clean_to = gone;
    upkeep_set(ground->upkeep, &goals);
    assert_true(slices(ground) >= ITEMS / 1024); /* never all at once */
    assert_int_equal(kv_grave(fx->kv, NULL, bag_id, &grave, NULL), 0);
    assert_false(grave.whole);
    goals.bury_below = gone + 1;
    upkeep_set(ground->upkeep, &goals);
    assert_true(slices(ground) > 0);
    assert_int_equal(kv_grave(fx->kv, NULL, bag_id, &grave, NULL), E_NOT_FOUND);
    free(writes);
    free(paths);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tombstones_go_up_to_the_goal),
        TEST(a_large_deleted_bag_goes_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
