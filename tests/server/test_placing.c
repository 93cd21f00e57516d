/* Items go where they belong at the commit, whatever was so when they were written. */
#include <inttypes.h>

#include "tests/server/sharing_fixture.h"

static struct machine a;
static struct machine b;
static uint64_t ann;

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    sx_catalogue(fx);
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    ann = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_user(fx, &b, "Ann"), ann);
    fx_forget(fx);
    return 0;
}

static struct sx_item item(const char *path, const char *value)
{
    return (struct sx_item){.path = path, .value = value};
}

static struct sx_item made_under_device(const char *path, const char *value)
{
    return (struct sx_item){.path = path, .value = value, .device = true};
}

static void shared_goes_to_the_user(void **state)
{
    struct fixture *fx = *state;
    const struct reply *reply = sx_write(fx, &a, 1, ann, item("copy/default", "1"));
    assert_true(reply->code == 0 && !reply->split.is);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "1");
    assert_int_equal(sx_own(fx, &a, "ann"), 0);
    assert_int_equal(fx->change_count, 1);
}

/* Written under either, it goes to the device's own bag, which is made with its first item. */
static void device_specific_goes_to_the_device(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    struct reply reply = *sx_write(fx, &a, 1, ann, item("copy/default", "made before"));
    uint64_t own = sx_own(fx, &a, "ann");
    assert_int_equal(reply.code, 0);
    assert_int_equal(fx->change_count, 2);
    assert_int_equal(fx->changes[0].change.kind, CHANGE_BAG_CREATE);
    assert_int_equal(fx->changes[0].change.parent, ann);
    assert_int_equal(fx->changes[0].change.set_left, 1); /* one set */
    assert_int_equal(fx->changes[1].change.bag_id, own);
    assert_true(reply.split.is && reply.split.device_bag == own);
    assert_true(reply.split.shared_seq == 0 && reply.split.device_seq == reply.seq);
    assert_string_equal(fx_value(fx, own, "copy/default"), "made before");
    assert_string_equal(fx_value(fx, ann, "copy/default"), "");

    reply = *sx_write(fx, &a, 2, ann, made_under_device("copy/default", "made since"));
    assert_true(reply.code == 0 && reply.split.is && reply.split.device_bag == own);
    assert_string_equal(fx_value(fx, own, "copy/default"), "made since");
    /* Another machine has another bag. */
    assert_int_equal(sx_write(fx, &b, 1, ann, item("copy/default/x", "b's"))->code, 0);
    assert_int_not_equal(sx_own(fx, &b, "ann"), own);
    assert_string_equal(fx_value(fx, sx_own(fx, &b, "ann"), "copy/default/x"), "b's");
    /* What has no flag, or belongs nowhere, stays shared. */
    assert_false(sx_write(fx, &a, 3, ann, item("network", "x"))->split.is);
    assert_false(sx_write(fx, &a, 4, ann, item("elsewhere", "x"))->split.is);
    assert_string_equal(fx_value(fx, ann, "network"), "x");
}

static void what_was_for_one_machine_is_not_shared_unasked(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    (void)sx_switch_one(fx, false, "copy/default=shared");
    fx_forget(fx);
    struct sx_item both[] = {item("elsewhere", "1"), made_under_device("copy/default", "2")};
    sx_plan_write(fx, &a, 1, ann, 0, both, 2);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_SHARING_CHANGED);
    assert_string_equal(fx_last(fx)->text,
                        "'copy/default' was written for one machine alone, and is shared across "
                        "all machines by now: sent again, it is written for all of them");
    assert_string_equal(fx_value(fx, ann, "elsewhere"), ""); /* nothing of it was done */
    assert_int_equal(sx_own(fx, &a, "ann"), 0);
    assert_int_equal(fx->change_count, 1); /* its outcome, for ever: */
    assert_int_equal(fx->changes[0].change.kind, CHANGE_OP_VOID);
    sx_plan_write(fx, &a, 1, ann, 0, both, 2);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_SHARING_CHANGED);
    assert_int_equal(fx->change_count, 1);
    /* Sent again it is another operation, made under what is so now. */
    assert_int_equal(sx_write(fx, &a, 2, ann, item("copy/default", "2"))->code, 0);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "2");
}

static void a_category_that_is_gone_is_shared(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "fleet", "@category/copy/default", NULL).code, 0);
    const struct reply *reply = sx_write(fx, &a, 1, ann, made_under_device("copy/default", "2"));
    assert_int_equal(reply->code, E_SHARING_CHANGED);
    assert_int_equal(sx_write(fx, &a, 2, ann, item("copy/default", "2"))->code, 0);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "2");
}

/* The user's changes come first, then those of the bag on the device; one set. */
static void a_mixed_set(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    struct sx_item mixed[] = {item("copy/default/a", "1"), item("x", "2"),
                              made_under_device("copy/default/b", "3"), item("y", "4")};
    sx_plan_write(fx, &a, 1, ann, 0, mixed, 4);
    sx_run(fx);
    struct reply reply = fx_last(fx)->reply;
    assert_int_equal(reply.code, 0);
    assert_int_equal(fx->change_count, 5);
    assert_string_equal(sx_path(fx, 0), "x");
    assert_string_equal(sx_path(fx, 1), "y");
    assert_int_equal(fx->changes[2].change.kind, CHANGE_BAG_CREATE);
    assert_string_equal(sx_path(fx, 3), "copy/default/a");
    assert_string_equal(sx_path(fx, 4), "copy/default/b");
    uint64_t first = fx->changes[0].change.seq;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fx->changes[i].change.set_left, 4 - i);
        assert_int_equal(fx->changes[i].change.seq, first + i);
    }
    assert_true(reply.seq == first + 4 && reply.split.shared_seq == first + 1);
    assert_true(reply.split.device_bag == first + 2 && reply.split.device_seq == first + 4);
    /* One that is refused refuses both parts. */
    struct sx_item refused[] = {item("x", "new"),
                                item("copy/default/a", "new"),
                                {.path = "copy/default/b", .has_if_seq = true, .if_seq = 1}};
    sx_plan_write(fx, &a, 2, ann, 0, refused, 3);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_CONDITION);
    assert_false(fx_last(fx)->reply.split.is);
    assert_string_equal(fx_value(fx, ann, "x"), "2");
    assert_string_equal(fx_value(fx, sx_own(fx, &a, "ann"), "copy/default/a"), "1");
}

/* The answer to a repeat tells where it is as far as the bags have come now. */
static void a_repeat_tells_where_it_went(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    struct sx_item own = item("copy/default", "1");
    struct sx_item shared = item("x", "1");
    struct reply first = *sx_write(fx, &a, 1, ann, own);
    struct reply before = *sx_write(fx, &a, 2, ann, shared);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, ann, &row, NULL), 0);
    sx_plan_write(fx, &a, 1, ann, 0, &own, 1);
    sx_run(fx);
    const struct reply *again = &fx_last(fx)->reply;
    assert_true(again->code == 0 && again->seq == first.seq && again->split.is);
    assert_int_equal(again->split.device_bag, first.split.device_bag);
    assert_int_equal(again->split.device_seq, first.seq);
    assert_int_equal(again->split.shared_seq, first.seq); /* it came further since */
    /* One that went to the user's bag alone: it is there, and the other bag has not to wait. */
    sx_plan_write(fx, &a, 2, ann, 0, &shared, 1);
    sx_run(fx);
    again = &fx_last(fx)->reply;
    assert_true(again->seq == before.seq && again->split.shared_seq == before.seq);
    assert_int_equal(again->split.device_seq, first.seq);
    /* And when the bag on the device is gone, nobody waits for it. */
    char name[OWNER_TEXT_MAX];
    (void)snprintf(name, sizeof name, "user:ann/device:%016" PRIx64, a.device);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, name, NULL, NULL).code, 0);
    own.value = "3";
    uint64_t third = sx_write(fx, &a, 3, ann, own)->seq;
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, name, NULL, NULL).code, 0);
    sx_plan_write(fx, &a, 3, ann, 0, &own, 1);
    sx_run(fx);
    again = &fx_last(fx)->reply;
    assert_true(again->code == 0 && again->seq == third && again->split.is);
    assert_true(again->split.device_bag == 0 && again->split.device_seq == 0);
    assert_int_equal(again->split.shared_seq, before.seq);
}

/* Also while what it repeats is in the very batch that is being made. */
static void a_repeat_in_the_same_batch(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    struct sx_item own = item("copy/default", "1");
    fx_create(fx, &a, 1, OWNER_USER, "Bob");
    sx_plan_write(fx, &a, 2, 0, 1, &own, 1);
    sx_plan_write(fx, &a, 2, 0, 1, &own, 1);
    sx_run(fx);
    assert_int_equal(fx->reply_count, 3);
    const struct wire_split *split = &fx->replies[1].reply.split;
    assert_true(split->is && split->device_bag == sx_own(fx, &a, "bob"));
    assert_true(fx->replies[2].reply.split.device_bag == split->device_bag);
    assert_true(fx->replies[2].reply.split.device_seq == split->device_seq);
}

/* The outcome of making the bag was confirmed, and forgotten: the journal tells whose it is. */
static void a_repeat_whose_bag_was_confirmed(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    struct sx_item own = item("copy/default", "1");
    fx_create(fx, &a, 1, OWNER_USER, "Bob");
    sx_run(fx);
    sx_plan_write(fx, &a, 2, 0, 1, &own, 1);
    sx_run(fx);
    struct wire_split split = fx_last(fx)->reply.split;
    a.confirmed = 1;
    assert_int_equal(sx_write(fx, &a, 3, ann, item("x", "1"))->code, 0);
    sx_plan_write(fx, &a, 2, 0, 1, &own, 1);
    sx_run(fx);
    const struct reply *again = &fx_last(fx)->reply;
    assert_true(again->code == 0 && again->split.is);
    assert_true(again->split.device_bag == split.device_bag);
    assert_true(again->split.device_seq == split.device_seq);
}

/* --- conditions --- */

static int write_if(struct fixture *fx, uint64_t number, uint64_t if_seq)
{
    struct sx_item own = {
        .path = "copy/default", .value = "x", .has_if_seq = true, .if_seq = if_seq};
    return sx_write(fx, &a, number, ann, own)->code;
}

/* What the device sees counts: nothing of the shared value... */
static void conditions_after_initialising(void **state)
{
    struct fixture *fx = *state;
    uint64_t shared = sx_write(fx, &a, 1, ann, item("copy/default", "old"))->seq;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_int_equal(write_if(fx, 2, shared), E_CONDITION);
    assert_int_equal(write_if(fx, 3, 0), 0);
    uint64_t own = fx_last(fx)->reply.seq;
    assert_int_equal(write_if(fx, 4, 0), E_CONDITION);
    assert_int_equal(write_if(fx, 5, own), 0);
}

/* ...but with a copy the one from before, until there is one of its own. */
static void conditions_with_a_copy(void **state)
{
    struct fixture *fx = *state;
    uint64_t shared = sx_write(fx, &a, 1, ann, item("copy/default", "old"))->seq;
    (void)sx_switch_one(fx, true, "copy/default=device");
    assert_int_equal(write_if(fx, 2, 0), E_CONDITION);
    assert_int_equal(write_if(fx, 3, shared), 0);
    uint64_t own = fx_last(fx)->reply.seq;
    assert_int_equal(write_if(fx, 4, shared), E_CONDITION);
    assert_int_equal(write_if(fx, 5, own), 0);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "old");
    /* What an administrator writes into the shared layer since is not seen here. */
    uint64_t later = fx_submit(fx, SUBMIT_WRITE, "user:ann", "copy/default", "new").seq;
    struct sx_item own_b = {
        .path = "copy/default", .value = "x", .has_if_seq = true, .if_seq = later};
    assert_int_equal(sx_write(fx, &b, 1, ann, own_b)->code, E_CONDITION);
    own_b.if_seq = 0;
    assert_int_equal(sx_write(fx, &b, 2, ann, own_b)->code, 0);
}

/* --- values, limits, rights --- */

static void values_are_of_their_category(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 2; i++) { /* shared, then device-specific */
        a.writer += 1;
        assert_int_equal(sx_write(fx, &a, 1, ann, item("form", "{\"a\":1}"))->code, 0);
        assert_int_equal(sx_write(fx, &a, 2, ann, item("form/x", "{a}"))->code, E_CATEGORY);
        assert_int_equal(sx_write(fx, &a, 3, ann, item("form", "[1,2,3,4,5,6,7,8,9,0]"))->code,
                         E_TOO_LARGE);
        assert_int_equal(sx_write(fx, &a, 4, ann, item("form/x", NULL))->code, 0);
        assert_int_equal(sx_write(fx, &a, 5, ann, item("@form", "1"))->code, E_PATH);
        (void)sx_switch_one(fx, false, "form=device");
    }
}

static void only_users_have_such_items(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_int_equal(sx_write(fx, &a, 1, a.bag, made_under_device("copy/default", "1"))->code,
                     E_INVALID);
    const struct reply *reply = sx_write(fx, &a, 2, a.bag, item("copy/default", "1"));
    assert_true(reply->code == 0 && !reply->split.is);
    assert_string_equal(fx_value(fx, a.bag, "copy/default"), "1");
}

static void both_bags_keep_their_limits(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->limits.items_per_bag = 4;
    fx_open(fx);
    (void)sx_switch_one(fx, false, "copy/default=device");
    char path[32];
    for (uint64_t n = 1; n <= 5; n++) {
        (void)snprintf(path, sizeof path, "copy/default/%d", (int)n);
        assert_int_equal(sx_write(fx, &a, n, ann, item(path, "v"))->code, n <= 4 ? 0 : E_QUOTA);
    }
    for (uint64_t n = 6; n <= 9; n++) {
        (void)snprintf(path, sizeof path, "x/%d", (int)n);
        assert_int_equal(sx_write(fx, &a, n, ann, item(path, "v"))->code, 0);
    }
    struct sx_item mixed[] = {item("x/6", "w"), item("copy/default/6", "v")};
    sx_plan_write(fx, &a, 10, ann, 0, mixed, 2);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_QUOTA);
    assert_string_equal(fx_value(fx, ann, "x/6"), "v");
}

static void who_may_not_write_the_user_may_not_write_that(void **state)
{
    struct fixture *fx = *state;
    struct machine c;
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_join(fx, &c, 3);
    assert_int_equal(sx_write(fx, &c, 1, ann, item("copy/default", "1"))->code, E_NOT_ALLOWED);
    assert_int_equal(sx_own(fx, &c, "ann"), 0);
}

/* It dies with the user, and a user of the same name has none of it. */
static void the_bag_on_the_device_goes_with_its_user(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_int_equal(sx_write(fx, &a, 1, ann, item("copy/default", "1"))->code, 0);
    uint64_t own = sx_own(fx, &a, "ann");
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    assert_int_equal(sx_own(fx, &a, "ann"), 0);
    assert_int_equal(sx_write(fx, &a, 2, ann, item("copy/default", "2"))->code, E_BAG_GONE);
    uint64_t again = fx_user(fx, &a, "Ann");
    assert_int_equal(sx_write(fx, &a, 3, again, item("copy/default", "3"))->code, 0);
    assert_int_not_equal(sx_own(fx, &a, "ann"), own);
}

/* A machine that signs in is told of its bag of the user. */
static void the_bag_is_listed_at_the_next_sign_in(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_int_equal(sx_write(fx, &a, 1, ann, item("copy/default", "1"))->code, 0);
    const struct kept_reply *kept = fx_sign_in(fx, &a, "Ann", NULL);
    assert_int_equal(kept->reply.bag_count, 2);
    assert_int_equal(kept->bags[1].bag_id, sx_own(fx, &a, "ann"));
    assert_int_equal(fx_sign_in(fx, &b, "Ann", NULL)->reply.bag_count, 1);
}

static bool full;

static bool has_room(void *context)
{
    (void)context;
    return !full;
}

/* What can't be committed now went nowhere, and is done when it is sent again. */
static void a_disk_without_room(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, true, "copy/default=device");
    fx_close(fx, true);
    fx->has_room = has_room;
    fx_open(fx);
    full = true;
    const struct reply *reply = sx_write(fx, &a, 1, ann, item("copy/default", "1"));
    assert_true(reply->code == E_NOSPACE && !reply->split.is);
    full = false;
    reply = sx_write(fx, &a, 1, ann, item("copy/default", "1"));
    assert_true(reply->code == 0 && reply->split.is);
}

/* What is so is read again at the next start. */
static void it_is_the_same_after_a_restart(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, true, "copy/default=device");
    fx_close(fx, true);
    fx_open(fx);
    assert_int_equal(sx_write(fx, &a, 1, ann, item("copy/default", "1"))->code, 0);
    assert_string_equal(fx_value(fx, sx_own(fx, &a, "ann"), "copy/default"), "1");
    fx_close(fx, false);
    fx_open(fx);
    assert_int_equal(sx_write(fx, &a, 2, ann, item("copy/default", "2"))->code, 0);
    assert_string_equal(fx_value(fx, sx_own(fx, &a, "ann"), "copy/default"), "2");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shared_goes_to_the_user),
        TEST(device_specific_goes_to_the_device),
        TEST(what_was_for_one_machine_is_not_shared_unasked),
        TEST(a_category_that_is_gone_is_shared),
        TEST(a_mixed_set),
        TEST(a_repeat_tells_where_it_went),
        TEST(a_repeat_in_the_same_batch),
        TEST(a_repeat_whose_bag_was_confirmed),
        TEST(conditions_after_initialising),
        TEST(conditions_with_a_copy),
        TEST(values_are_of_their_category),
        TEST(only_users_have_such_items),
        TEST(both_bags_keep_their_limits),
        TEST(who_may_not_write_the_user_may_not_write_that),
        TEST(the_bag_on_the_device_goes_with_its_user),
        TEST(the_bag_is_listed_at_the_next_sign_in),
        TEST(a_disk_without_room),
        TEST(it_is_the_same_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
