#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/followers.h"
#include "tests/support/fail_alloc.h"

struct shown {
    struct follower *list[10];
    size_t count;
    struct followers *followers; /* to remove from while walking */
    uint64_t bag_id;
};

static void show(void *context, struct follower *follower)
{
    struct shown *shown = context;
    assert_true(shown->count < 10);
    shown->list[shown->count++] = follower;
    if (shown->followers != NULL) {
        followers_remove(shown->followers, follower, shown->bag_id);
    }
}

static size_t count_of(const struct followers *followers, uint64_t bag_id)
{
    struct shown shown = {0};
    followers_each(followers, bag_id, show, &shown);
    assert_int_equal(followers_any(followers, bag_id), shown.count > 0);
    return shown.count;
}

static struct bag_row bag(uint64_t bag_id)
{
    struct bag_row row = {.exists = true, .bag_id = bag_id, .parent = 70 + bag_id};
    row.owner.kind = OWNER_GROUP;
    return row;
}

static int add(struct followers *followers, struct follower *follower, uint64_t bag_id)
{
    struct bag_row row = bag(bag_id);
    return followers_add(followers, follower, &row);
}

static void each_pair_once(void **state)
{
    (void)state;
    struct followers followers = {0};
    struct follower a = {0};
    struct follower b = {0};
    assert_int_equal(add(&followers, &a, 1), 0);
    assert_int_equal(add(&followers, &a, 1), 0);
    assert_int_equal(add(&followers, &b, 1), 0);
    assert_int_equal(add(&followers, &a, 2), 0);
    assert_int_equal(count_of(&followers, 1), 2);
    assert_int_equal(count_of(&followers, 2), 1);
    assert_true(followers_follows(&followers, &a, 2));
    assert_false(followers_follows(&followers, &b, 2));
    assert_int_equal(count_of(&followers, 3), 0);
    assert_int_equal(a.count, 2);
    followers_remove(&followers, &a, 1);
    followers_remove(&followers, &a, 1);
    followers_remove(&followers, &a, 9);
    assert_int_equal(count_of(&followers, 1), 1);
    followers_remove_all(&followers, &a);
    followers_remove_all(&followers, &b);
    assert_int_equal(followers.count, 0);
    assert_int_equal(followers.bags.count, 0);
    followers_free(&followers);
}

static void one_may_leave_while_it_is_shown(void **state)
{
    (void)state;
    struct followers followers = {0};
    struct follower list[5] = {0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(add(&followers, &list[i], 1), 0);
    }
    struct shown shown = {.followers = &followers, .bag_id = 1};
    followers_each(&followers, 1, show, &shown);
    assert_int_equal(shown.count, 5);
    assert_int_equal(followers.count, 0);
    followers_free(&followers);
}

struct walked {
    struct followers *followers;
    struct follower *follower;
    uint64_t sum;
};

static void walk(void *context, const struct followed *followed)
{
    struct walked *walked = context;
    assert_int_equal(followed->parent, 70 + followed->bag_id);
    assert_int_equal(followed->kind, OWNER_GROUP);
    walked->sum += followed->bag_id;
    followers_remove(walked->followers, walked->follower, followed->bag_id);
}

static void shows_what_one_follows(void **state)
{
    (void)state;
    struct followers followers = {0};
    struct follower a = {0};
    for (uint64_t id = 1; id <= 100; id++) {
        assert_int_equal(add(&followers, &a, id), 0);
    }
    struct walked walked = {&followers, &a, 0};
    followers_bags(&a, walk, &walked);
    assert_int_equal(walked.sum, 5050);
    assert_int_equal(a.count, 0);
    followers_free(&followers);
}

static void without_memory(void **state)
{
    (void)state;
    struct followers followers = {0};
    struct follower a = {0};
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = add(&followers, &a, 1);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(followers.count, 0);
        assert_int_equal(followers.bags.count, 0);
    }
    followers_remove_all(&followers, &a);
    followers_free(&followers);
}

static void groups_are_counted(void **state)
{
    (void)state;
    struct followers followers = {0};
    struct follower a = {0};
    struct bag_row group = bag(1);
    group.owner.kind = OWNER_GROUP;
    assert_int_equal(followers_add(&followers, &a, &group), 0);
    assert_int_equal(followers_add(&followers, &a, &group), 0);
    struct bag_row user = bag(2);
    user.owner.kind = OWNER_USER;
    assert_int_equal(followers_add(&followers, &a, &user), 0);
    assert_int_equal(a.groups, 1);
    assert_int_equal(followers.groups, 1);
    followers_remove(&followers, &a, 2);
    assert_int_equal(a.groups, 1);
    followers_remove(&followers, &a, 1);
    assert_int_equal(a.groups, 0);
    assert_int_equal(followers.groups, 0);
    followers_free(&followers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_once),
        cmocka_unit_test(groups_are_counted),
        cmocka_unit_test(one_may_leave_while_it_is_shown),
        cmocka_unit_test(shows_what_one_follows),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
