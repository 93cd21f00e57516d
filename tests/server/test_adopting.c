/* "Delete here and take the next machine's copy", as changes. */
#include "server/adopting.h"

#include "tests/server/fixture.h"

static struct submit delete_and_adopt(struct fixture *fx, const char *owner)
{
    struct submit submit = {.kind = SUBMIT_DELETE, .adopt = true, .actor = "test"};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 7), 0);
    fx_run(fx);
    submit_finish(&submit, &fx_last(fx)->reply);
    return submit;
}

static uint64_t wanted(struct fixture *fx, uint64_t bag_id)
{
    const struct adoption *adoption = adoptions_of_bag(committer_adoptions(fx->committer), bag_id);
    return adoption != NULL ? adoption->device : UINT64_MAX;
}

static void the_wish_is_noted_with_the_deletion(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    struct submit submit = delete_and_adopt(fx, "user:ann");
    assert_int_equal(submit.code, 0);
    assert_int_equal(fx->change_count, 2);
    assert_int_equal(fx->changes[0].change.set_left, 1);
    assert_int_equal(fx->changes[1].change.kind, CHANGE_BAG_DELETE);
    assert_int_equal(submit.seq, fx->changes[1].change.seq);
    assert_int_equal(wanted(fx, ann), 0);
    committer_claim(fx->committer, ann, a.device);
    committer_claim(fx->committer, 999, a.device); /* nothing is wanted of it */
    fx_run(fx);
    assert_int_equal(wanted(fx, ann), a.device);
    fx_close(fx, true);
    fx_open(fx);
    assert_int_equal(wanted(fx, ann), a.device);
}

static void whoever_is_made_ends_it(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    for (int way = 0; way < 3; way++) {
        uint64_t ann = fx_user(fx, &a, "Ann");
        assert_int_equal(delete_and_adopt(fx, "user:ann").code, 0);
        assert_int_equal(wanted(fx, ann), 0);
        if (way == 0) {
            (void)fx_user(fx, &a, "ANN");
        } else if (way == 1) {
            assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
        } else {
            fx_create(fx, &a, 1, OWNER_USER, "Ann");
            fx_run(fx);
            assert_int_equal(fx_last(fx)->reply.code, 0);
            struct bag_row bag = {0}; /* its outcome tells the bag */
            assert_int_equal(kv_bag(fx->kv, NULL, fx_last(fx)->reply.seq, &bag, NULL), 0);
        }
        assert_int_equal(wanted(fx, ann), UINT64_MAX);
        assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    }
}

/* Also where only administrators make groups: this one is made by their wish. */
static void a_managed_group(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_close(fx, true);
    fx->limits.groups_managed = true;
    fx_open(fx);
    fx_join(fx, &a, 1);
    uint64_t group = fx_submit(fx, SUBMIT_WRITE, "group:sales", "p", "v").bag_id;
    assert_int_equal(delete_and_adopt(fx, "group:sales").code, 0);
    fx_create(fx, &a, 1, OWNER_GROUP, "Sales");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_NOT_ALLOWED);
    committer_claim(fx->committer, group, a.device);
    fx_create(fx, &a, 2, OWNER_GROUP, "Sales");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
}

static void machines_have_no_copy_that_is_wanted(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    char owner[64];
    fx_join(fx, &a, 1);
    (void)snprintf(owner, sizeof owner, "device:%016llx", (unsigned long long)a.device);
    assert_int_equal(delete_and_adopt(fx, owner).code, E_NOT_ALLOWED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_wish_is_noted_with_the_deletion),
        TEST(whoever_is_made_ends_it),
        TEST(a_managed_group),
        TEST(machines_have_no_copy_that_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
