/* Signing in: users and groups are registered, rights are kept, nothing changes twice. */
#include "server/access.h"
#include "tests/server/fixture.h"

static void registers_and_lists(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    const struct kept_reply *kept = fx_sign_in(fx, &a, "Ann Ö", "Staff");
    assert_int_equal(kept->reply.kind, REPLY_SIGNED_IN);
    assert_int_equal(kept->reply.number, 5);
    assert_int_equal(kept->reply.code, 0);
    assert_int_equal(kept->reply.bag_count, 2);
    assert_string_equal(kept->bags[0].owner.shown, "Ann Ö");
    assert_int_equal(kept->bags[1].owner.kind, OWNER_GROUP);
    assert_int_equal(fx->change_count, 4); /* two bags, two items */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fx->changes[i].change.set_left, 3 - i);
        assert_int_equal(fx->changes[i].change.origin, a.device);
    }
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, kept->bags[0].bag_id, &row, NULL), 0);
    assert_int_equal(kept->bags[0].last_seq, row.last_seq);
    /* again, in other letters: the same, and no change */
    uint64_t ann = kept->bags[0].bag_id;
    fx_forget(fx);
    kept = fx_sign_in(fx, &a, "ANN ö", NULL);
    assert_int_equal(kept->reply.code, 0);
    assert_int_equal(kept->reply.bag_count, 2); /* the group, which was not named, too */
    assert_int_equal(kept->bags[0].bag_id, ann);
    assert_int_equal(fx->change_count, 0);
}

static void lists_this_machine_s_own_bag(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    (void)fx_user(fx, &a, "Ann");
    char owner[OWNER_TEXT_MAX];
    char digits[DEVICE_TEXT_MAX];
    device_format(a.device, digits);
    (void)snprintf(owner, sizeof owner, "user:ann/device:%s", digits);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, owner, "p", "v").code, 0);
    const struct kept_reply *kept = fx_sign_in(fx, &a, "Ann", NULL);
    assert_int_equal(kept->reply.bag_count, 2);
    assert_int_equal(kept->bags[1].owner.kind, OWNER_USER_DEVICE);
    assert_int_equal(kept->bags[1].parent, kept->bags[0].bag_id);
}

static void bad_names_are_refused_whole(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    assert_int_equal(fx_sign_in(fx, &a, "a/b", NULL)->reply.code, E_NAME);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "x:y")->reply.code, E_NAME);
    char group[GROUP_FOLDED_MAX + 2];
    memset(group, 'g', sizeof group);
    group[GROUP_FOLDED_MAX + 1] = '\0';
    assert_int_equal(fx_sign_in(fx, &a, "Ann", group)->reply.code, E_NAME);
    assert_true(strlen(fx_last(fx)->text) > 0);
    assert_int_equal(fx->change_count, 0);
    group[GROUP_FOLDED_MAX] = '\0';
    assert_int_equal(fx_sign_in(fx, &a, "Ann", group)->reply.code, 0);
}

static void managed_groups(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->limits.groups_managed = true;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "Staff")->reply.code, E_NOT_ALLOWED);
    assert_int_equal(fx->change_count, 0); /* Ann was not registered either */
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "group:Staff", NULL, NULL).code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:Ann", "@group/staff", "Staff").code, 0);
    const struct kept_reply *kept = fx_sign_in(fx, &a, "Ann", "Staff");
    assert_int_equal(kept->reply.code, 0);
    assert_int_equal(kept->reply.bag_count, 2);
    assert_string_equal(kept->bags[1].owner.folded, "staff");
}

static void a_deleted_group_is_not_listed(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "Staff")->reply.bag_count, 2);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "group:staff", NULL, NULL).code, 0);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", NULL)->reply.bag_count, 1);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "Staff")->reply.bag_count, 2); /* made again */
}

static void too_many_groups(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    char name[16];
    for (int i = 1; i < SIGNING_BAGS_MAX; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        fx_forget(fx);
        assert_int_equal(fx_sign_in(fx, &a, "Ann", name)->reply.code, 0);
    }
    assert_int_equal(fx_last(fx)->reply.bag_count, SIGNING_BAGS_MAX);
    fx_forget(fx);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "one more")->reply.code, E_QUOTA);
    assert_int_equal(fx->change_count, 0);
}

static void signing_out_twice_is_fine(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    struct sign_out out = {
        .session = 3, .device = a.device, .device_bag = a.bag, .ref = 9, .bag_id = ann};
    for (size_t i = 0; i < 2; i++) {
        committer_sign_out(fx->committer, &out);
        fx_run(fx);
        assert_int_equal(fx_last(fx)->reply.kind, REPLY_SIGNED_OUT);
        assert_int_equal(fx_last(fx)->reply.code, 0);
        assert_int_equal(fx_last(fx)->reply.number, 9);
        assert_int_equal(fx_last(fx)->reply.session, 3);
    }
    assert_int_equal(fx->change_count, 1);
    assert_int_equal(fx->changes[0].change.kind, CHANGE_ITEM_REMOVE);
}

static int sign_in_with(struct fixture *fx, const struct machine *a, const char *user,
                        uint64_t bag_id)
{
    struct sign_in sign_in = {.session = a->session,
                              .device = a->device,
                              .device_bag = a->bag,
                              .bag_id = bag_id,
                              .user = span_str(user)};
    committer_sign_in(fx->committer, &sign_in);
    fx_run(fx);
    return fx_last(fx)->reply.code;
}

/* A machine that keeps a deleted user's bag, or of one who was made anew, registers nobody. */
static void a_kept_bag_that_is_gone(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    uint64_t bob = fx_user(fx, &a, "Bob");
    assert_int_equal(sign_in_with(fx, &a, "ANN", ann), 0);
    assert_int_equal(fx_last(fx)->bags[0].bag_id, ann);
    fx_forget(fx);
    assert_int_equal(sign_in_with(fx, &a, "Ann", bob), E_BAG_GONE);
    assert_int_equal(sign_in_with(fx, &a, "Cid", ann), E_BAG_GONE);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    fx_forget(fx);
    assert_int_equal(sign_in_with(fx, &a, "Ann", ann), E_BAG_GONE);
    assert_true(strlen(fx_last(fx)->text) > 0);
    assert_int_equal(fx->change_count, 0);
    assert_int_not_equal(fx_user(fx, &a, "Ann"), ann); /* without it she is registered again */
    assert_int_equal(sign_in_with(fx, &a, "Ann", ann), E_BAG_GONE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_and_lists),           TEST(lists_this_machine_s_own_bag),
        TEST(bad_names_are_refused_whole),   TEST(managed_groups),
        TEST(a_deleted_group_is_not_listed), TEST(too_many_groups),
        TEST(signing_out_twice_is_fine),     TEST(a_kept_bag_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
