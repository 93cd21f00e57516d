/* At the limit of users: somebody makes room, as one set with who comes; or nobody new is taken. */
#include "tests/server/fixture.h"

static uint64_t leaving[4]; /* what evict tells, in turn; 0: there is nobody */
static size_t asked;
static int evict_code; /* when nobody is told */

static int evict(void *context, uint64_t *bag_id)
{
    (void)context;
    *bag_id = leaving[asked];
    asked += *bag_id != 0;
    return *bag_id != 0 ? 0 : evict_code;
}

static int open_with(void **state, bool evicts)
{
    struct fixture *fx = fx_new();
    memset(leaving, 0, sizeof leaving);
    asked = 0;
    evict_code = E_NOT_FOUND;
    fx->limits.users = 2;
    fx->evict = evicts ? evict : NULL;
    fx_open(fx);
    *state = fx;
    return 0;
}

static int setup(void **state)
{
    return open_with(state, true);
}

static int setup_refusing(void **state)
{
    return open_with(state, false);
}

static bool is_there(struct fixture *fx, uint64_t bag_id)
{
    struct bag_row bag = {0};
    return kv_bag(fx->kv, NULL, bag_id, &bag, NULL) == 0;
}

static void a_sign_in_sends_somebody_away(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    uint64_t bob = fx_user(fx, &a, "Bob");
    leaving[0] = 999; /* who is gone already is nobody */
    leaving[1] = ann;
    fx_forget(fx);
    uint64_t cid = fx_user(fx, &a, "Cid");
    assert_false(is_there(fx, ann));
    assert_true(is_there(fx, bob) && is_there(fx, cid));
    assert_int_equal(fx->changes[0].change.kind, CHANGE_BAG_DELETE);
    assert_int_equal(fx->changes[0].change.bag_id, ann);
    assert_int_equal(fx->changes[0].change.origin, 0);
    assert_int_equal(fx->changes[0].change.set_left, 2); /* with who comes */
    fx_forget(fx);
    (void)fx_user(fx, &a, "Bob"); /* who is there needs no room */
    assert_int_equal(asked, 2);
    assert_int_equal(committer_users(fx->committer), 2);
}

static void all_ways_of_coming(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t first = fx_submit(fx, SUBMIT_WRITE, "user:first", "p", "v").bag_id;
    leaving[1] = fx_submit(fx, SUBMIT_WRITE, "user:second", "p", "v").bag_id;
    leaving[0] = first;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:third", "p", "v").code, 0);
    assert_false(is_there(fx, first));
    fx_create(fx, &a, 1, OWNER_USER, "Fourth");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_false(is_there(fx, leaving[1]));
    assert_int_equal(committer_users(fx->committer), 2);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "group:many", "p", "v").code, 0);
    assert_int_equal(asked, 2); /* groups are no users */
}

static void what_is_refused_sends_nobody_away(void **state)
{
    struct fixture *fx = *state;
    uint64_t first = fx_submit(fx, SUBMIT_WRITE, "user:first", "p", "v").bag_id;
    (void)fx_submit(fx, SUBMIT_WRITE, "user:second", "p", "v");
    leaving[0] = first;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:third", "bad//path", "v").code, E_PATH);
    assert_int_equal(asked, 1);
    assert_true(is_there(fx, first));
    assert_int_equal(committer_users(fx->committer), 2);
}

static void nobody_can_go(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    (void)fx_user(fx, &a, "Ann");
    (void)fx_user(fx, &a, "Bob");
    const struct kept_reply *kept = fx_sign_in(fx, &a, "Cid", NULL);
    assert_int_equal(kept->reply.code, E_QUOTA);
    assert_string_equal(kept->text, "there are 2 users already, the limit");
    evict_code = E_BUSY; /* not known yet: not now */
    assert_int_equal(fx_sign_in(fx, &a, "Cid", NULL)->reply.code, E_BUSY);
    fx_create(fx, &a, 1, OWNER_USER, "Cid");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_BUSY);
    evict_code = E_NOT_FOUND;
    fx_create(fx, &a, 1, OWNER_USER, "Cid"); /* its number was not used up */
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_QUOTA);
}

static void the_limit_refuses(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    (void)fx_user(fx, &a, "Ann");
    (void)fx_user(fx, &a, "Bob");
    leaving[0] = 5;
    assert_int_equal(fx_sign_in(fx, &a, "Cid", NULL)->reply.code, E_QUOTA);
    assert_int_equal(asked, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    assert_int_equal(fx_sign_in(fx, &a, "Cid", NULL)->reply.code, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sign_in_sends_somebody_away),
        TEST(all_ways_of_coming),
        TEST(what_is_refused_sends_nobody_away),
        TEST(nobody_can_go),
        cmocka_unit_test_setup_teardown(the_limit_refuses, setup_refusing, fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
