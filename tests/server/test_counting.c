/* A category that keeps so many items keeps the newest. */
#include "server/counting.h"
#include "tests/server/sharing_fixture.h"

static struct machine a;
static uint64_t ann;

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    sx_catalogue(fx);
    fx_join(fx, &a, 1);
    ann = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    return 0;
}

/* Which of home/timeline/0 to 9 are there, "013" and so on. */
static const char *there(struct fixture *fx, uint64_t bag_id)
{
    static char names[11];
    size_t count = 0;
    for (char name = '0'; name <= '9'; name++) {
        char path[32];
        (void)snprintf(path, sizeof path, "home/timeline/%c", name);
        if (fx_value(fx, bag_id, path)[0] != '\0') {
            names[count++] = name;
        }
    }
    names[count] = '\0';
    return names;
}

static struct sx_item job(char name)
{
    static char paths[16][32];
    static size_t next;
    char *path = paths[next++ % 16];
    (void)snprintf(path, 32, "home/timeline/%c", name);
    return (struct sx_item){.path = path, .value = "v"};
}

static void one_more_removes_the_oldest(void **state)
{
    struct fixture *fx = *state;
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(sx_write(fx, &a, n, ann, job((char)('0' + n)))->code, 0);
    }
    assert_int_equal(sx_write(fx, &a, 4, ann, job('1'))->code, 0); /* is the newest again */
    fx_forget(fx);
    assert_int_equal(sx_write(fx, &a, 5, ann, job('4'))->code, 0);
    assert_string_equal(there(fx, ann), "134");
    assert_int_equal(fx->change_count, 2);
    assert_int_equal(fx->changes[0].change.set_left, 1); /* one set */
    assert_int_equal(fx->changes[1].change.kind, CHANGE_ITEM_REMOVE);
    assert_string_equal(sx_path(fx, 1), "home/timeline/2");
    assert_int_equal(fx_last(fx)->reply.seq, fx->changes[1].change.seq);
    /* Room that a removal made, and what is no item of it. */
    struct sx_item gone = job('3');
    gone.value = NULL;
    assert_int_equal(sx_write(fx, &a, 6, ann, gone)->code, 0);
    assert_int_equal(
        sx_write(fx, &a, 7, ann, (struct sx_item){.path = "home/timeline-x", .value = "v"})->code,
        0);
    assert_int_equal(sx_write(fx, &a, 8, ann, job('5'))->code, 0);
    assert_string_equal(there(fx, ann), "145");
    assert_string_equal(fx_value(fx, ann, "home/timeline-x"), "v");
}

static void a_set_that_is_too_large_by_itself(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(sx_write(fx, &a, 1, ann, job('0'))->code, 0);
    struct sx_item many[] = {job('9'), job('1'), job('2'), job('0'), job('3')};
    sx_plan_write(fx, &a, 2, ann, 0, many, 5);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_string_equal(there(fx, ann), "023");
    struct sx_item swap[] = {job('3'), job('4')};
    swap[0].value = NULL;
    fx_forget(fx);
    sx_plan_write(fx, &a, 3, ann, 0, swap, 2);
    sx_run(fx);
    assert_string_equal(there(fx, ann), "024");
    assert_int_equal(fx->change_count, 2);
}

/* However many it brings: what is over the limit goes with it. */
static void a_set_of_very_many(void **state)
{
    enum { MANY = 3 * COUNTING_REMOVES_MAX };
    static struct sx_item items[MANY];
    static char paths[MANY][32];
    struct fixture *fx = *state;
    struct bag_row row = {0};
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "home/timeline/x%zu", MANY - i);
        items[i] = (struct sx_item){.path = paths[i], .value = "v"};
    }
    assert_int_equal(sx_write(fx, &a, 1, ann, job('0'))->code, 0);
    sx_plan_write(fx, &a, 2, ann, 0, items, MANY);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_int_equal(kv_bag(fx->kv, NULL, ann, &row, NULL), 0);
    assert_int_equal(row.items, 3);
    assert_string_equal(fx_value(fx, ann, "home/timeline/x1"), "v");
    assert_string_equal(fx_value(fx, ann, "home/timeline/x3"), "v");
    assert_string_equal(fx_value(fx, ann, "home/timeline/x4"), "");
    struct sx_item twice[] = {job('1'), job('1'), job('2'), job('1')};
    twice[1].value = NULL;
    sx_plan_write(fx, &a, 3, ann, 0, twice, 4);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_string_equal(there(fx, ann), "12");
    assert_string_equal(fx_value(fx, ann, "home/timeline/x1"), "v");
    assert_string_equal(fx_value(fx, ann, "home/timeline/x2"), "");
}

/* Operations behind each other in one batch: what is not in kv/ yet counts as well. */
static void many_at_once(void **state)
{
    struct fixture *fx = *state;
    for (uint64_t n = 1; n <= 9; n++) {
        struct sx_item one = job((char)('0' + n));
        sx_plan_write(fx, &a, n, ann, 0, &one, 1);
    }
    sx_run(fx);
    assert_int_equal(fx->reply_count, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(fx->replies[i].reply.code, 0);
    }
    assert_string_equal(there(fx, ann), "789");
}

static void each_bag_counts_for_itself(void **state)
{
    struct fixture *fx = *state;
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(sx_write(fx, &a, n, ann, job((char)('0' + n)))->code, 0);
    }
    (void)sx_switch_one(fx, false, "home/timeline=device");
    for (uint64_t n = 4; n <= 8; n++) {
        assert_int_equal(sx_write(fx, &a, n, ann, job((char)('0' + n)))->code, 0);
    }
    assert_string_equal(there(fx, ann), "123");
    assert_string_equal(there(fx, sx_own(fx, &a, "ann")), "678");
}

/* What is hidden is not there: it neither counts nor is removed. */
static void what_a_fence_hides_does_not_count(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, true, "home/timeline=device");
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(sx_write(fx, &a, n, ann, job((char)('0' + n)))->code, 0);
    }
    (void)sx_switch_one(fx, false, "home/timeline=shared"); /* initialises the device's */
    (void)sx_switch_one(fx, true, "home/timeline=device");
    uint64_t own = sx_own(fx, &a, "ann");
    assert_int_equal(sx_write(fx, &a, 4, ann, job('4'))->code, 0);
    assert_int_equal(sx_write(fx, &a, 5, ann, job('1'))->code, 0); /* it is new again */
    assert_int_equal(sx_write(fx, &a, 6, ann, job('5'))->code, 0);
    assert_string_equal(there(fx, own), "12345"); /* 2 and 3 are hidden */
    assert_int_equal(sx_write(fx, &a, 7, ann, job('6'))->code, 0);
    assert_string_equal(there(fx, own), "12356");
}

static void a_limit_that_was_lowered(void **state)
{
    struct fixture *fx = *state;
    sx_category(fx, "home/timeline",
                (struct category){.class = SHARING_TIMELINE, .count_max = 400});
    struct sx_item items[350];
    char paths[350][32];
    for (size_t i = 0; i < 350; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "home/timeline/x%zu", i);
        items[i] = (struct sx_item){.path = paths[i], .value = "v"};
    }
    sx_plan_write(fx, &a, 1, ann, 0, items, 350);
    sx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    sx_category(fx, "home/timeline", (struct category){.class = SHARING_TIMELINE, .count_max = 2});
    fx_forget(fx);
    assert_int_equal(sx_write(fx, &a, 2, ann, job('1'))->code, 0);
    assert_int_equal(fx->change_count, 1 + COUNTING_REMOVES_MAX);
    assert_int_equal(sx_write(fx, &a, 3, ann, job('2'))->code, 0);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, ann, &row, NULL), 0);
    assert_int_equal(row.items, 2);
    assert_string_equal(there(fx, ann), "12");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_more_removes_the_oldest), TEST(a_set_that_is_too_large_by_itself),
        TEST(a_set_of_very_many),          TEST(many_at_once),
        TEST(each_bag_counts_for_itself),  TEST(what_a_fence_hides_does_not_count),
        TEST(a_limit_that_was_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
