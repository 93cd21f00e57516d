/* Tests of admin/api/items.c: lists now and in the past, one value; what fences hide. (More of the
 * present lists is tested with the owners.)
 */
#include "tests/admin/api/api_fixture.h"

static void a_past_list_has_pages(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "2"); /* 4 */
    (void)fake_put(&fake, "user:ann", "c", "3"); /* 5 */
    (void)fake_remove(&fake, "user:ann", "a");   /* 6 */
    struct answer answer =
        ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=5&limit=2&values=1", NULL);
    assert_int_equal(rows_of(&answer, "items"), 2);
    assert_string_equal(row_text(&answer, "items", 0, "item"), "a");
    assert_string_equal(row_text(&answer, "items", 0, "value"), "1");
    assert_string_equal(row_text(&answer, "items", 0, "seq"), "3");
    assert_string_equal(row_text(&answer, "items", 0, "time"), "2023-11-14T22:13:21.000Z");
    assert_string_equal(text_at(&answer, "seq"), "5");
    assert_string_equal(text_at(&answer, "next"), "b");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=5&limit=2&cursor=b", NULL);
    assert_int_equal(rows_of(&answer, "items"), 1);
    assert_string_equal(row_text(&answer, "items", 0, "item"), "c");
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=2023-11-14T22:13:22", NULL);
    assert_int_equal(rows_of(&answer, "items"), 2);
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=2", NULL);
    assert_int_equal(rows_of(&answer, "items"), 1); /* the change set that begins with 2 */
    answer_free(&answer);
}

static void moments_are_refused_with_a_reason(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    refused("GET", "/api/v1/owners/user/ann/items?at=99", NULL, 400, "invalid",
            "there is no change 99 yet: the newest one is 3");
    refused("GET", "/api/v1/owners/user/ann/items?at=1999-01-01", NULL, 404, "not_found",
            "nothing was written before 1999-01-01 yet");
    refused("GET", "/api/v1/owners/user/ann?at=1", NULL, 404, "not_found",
            "after change 1 there was no user 'ann', it was made with change 2");
    refused("GET", "/api/v1/owners/group/ann?device=0000000000000007", NULL, 400, "invalid",
            "'device' asks for what a user has on one machine alone: a group has nothing of that "
            "kind");
}

static void what_a_fence_hides_is_not_listed(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    (void)fake_put(&fake, "user:ann", "scan/a", "22");
    (void)fake_fence_up(&fake, "copy");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items", NULL);
    assert_int_equal(rows_of(&answer, "items"), 1);
    assert_string_equal(row_text(&answer, "items", 0, "item"), "scan/a");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann", NULL);
    assert_int_equal(number_at(&answer, "items"), 1);
    assert_int_equal(number_at(&answer, "hidden"), 1);
    assert_int_equal(number_at(&answer, "bytes"), 8);
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann?at=4", NULL);
    assert_int_equal(number_at(&answer, "items"), 2);
    assert_int_equal(number_at(&answer, "hidden"), 0);
    assert_string_equal(text_at(&answer, "at"), "4");
    answer_free(&answer);
}

static void one_value_is_its_bytes(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "old");
    (void)fake_put(&fake, "user:ann", "copy/a", "new");
    (void)fake_put(&fake, "user:ann", "keychain/x", "secret");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items/copy%2Fa", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.raw, "new");
    assert_int_equal(answer.etag, 4);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items/copy%2Fa?at=3", NULL);
    assert_string_equal(answer.raw, "old");
    assert_int_equal(answer.etag, 3);
    refused("GET", "/api/v1/owners/user/ann/items/x", NULL, 404, "not_found",
            "user 'ann' has no item 'x'");
    refused("GET", "/api/v1/owners/user/ann/items/keychain%2Fx?at=5", NULL, 403, "not_allowed",
            "'keychain/x' is secret: its value is shown nowhere but on its user's machines");
    struct answer listed = ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=5&values=1", NULL);
    assert_true(json_is_true(row_at(&listed, "items", 1, "masked")));
    assert_null(row_at(&listed, "items", 1, "value"));
    answer_free(&listed);
}

static void a_deleted_user_and_device_bags_are_shown(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");                          /* 2, 3 */
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "d", "22"); /* 4, 5 */
    (void)fake_delete(&fake, "user:ann");                                 /* 6, 7 */
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann?at=5", NULL);
    assert_string_equal(text_at(&answer, "deleted"), "7");
    assert_string_equal(row_text(&answer, "device_bags", 0, "device"), "0000000000000007");
    assert_int_equal(json_integer_value(row_at(&answer, "device_bags", 0, "items")), 1);
    answer_free(&answer);
    answer = ask(&fake, "GET",
                 "/api/v1/owners/user/ann/items?at=5&device=0000000000000007&values=1", NULL);
    assert_string_equal(row_text(&answer, "items", 0, "value"), "22");
    answer_free(&answer);
    refused("GET", "/api/v1/owners/user/ann/items", NULL, 404, "not_found",
            "there is no user 'ann', it was deleted with change 7");
}

static void no_memory_is_told(void **state)
{
    (void)state;
    ask_with_jansson();
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, "user:ann", "a", "2");
    ask_fails.nth = 1;
    do {
        struct answer answer =
            ask(&fake, "GET", "/api/v1/owners/user/ann/items?at=3&values=1", NULL);
        assert_true(answer.status == 200 || answer.status == 500);
        assert_true(!ask_fails.failed || answer.status == 500 || answer.json != NULL);
        answer_free(&answer);
        ask_fails.nth++;
    } while (ask_fails.failed);
    assert_true(ask_fails.nth > 10);
    ask_fails.nth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_past_list_has_pages),
        API_TEST(moments_are_refused_with_a_reason),
        API_TEST(what_a_fence_hides_is_not_listed),
        API_TEST(one_value_is_its_bytes),
        API_TEST(a_deleted_user_and_device_bags_are_shown),
        API_TEST(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
