/* Tests of admin/api/item_write.c: PUT and DELETE of one item, conditions, dry runs. */
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/sharing_samples.h"

static const char item[] = "/api/v1/owners/user/ann/items/copy%2Fa";

static struct answer put(const char *target, const char *value, const char *if_match)
{
    ask_if_match = if_match;
    struct answer answer = ask(&fake, "PUT", target, value);
    ask_if_match = NULL;
    return answer;
}

static void an_item_is_added_changed_and_removed(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:Ann", NULL, NULL); /* 2 */
    struct answer answer = put(item, "1", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "added");
    assert_string_equal(text_at(&answer, "seq"), "3");
    assert_int_equal(answer.etag, 3);
    answer_free(&answer);
    answer = put(item, "22", "\"3\"");
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_string_equal(text_at(&answer, "old_seq"), "3");
    assert_int_equal(number_at(&answer, "size"), 2);
    answer_free(&answer);
    ask_if_match = "*";
    answer = ask(&fake, "DELETE", item, NULL);
    assert_string_equal(text_at(&answer, "change"), "removed");
    assert_string_equal(text_at(&answer, "seq"), "5");
    answer_free(&answer);
    ask_if_match = NULL;
    refused("DELETE", item, NULL, 404, "not_found", "user 'ann' has no item 'copy/a'");
    refused("PUT", "/api/v1/owners/user/bob/items/a", "x", 404, "not_found",
            "there is no user 'bob'");
}

static void conditions_hold_or_refuse(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1"); /* 2, 3 */
    struct answer answer = put(item, "2", "9");
    expect_problem(&answer, 412, "condition_failed", "'copy/a' is at seq 3 now");
    answer = put(item, "2", "0");
    expect_problem(&answer, 412, "condition_failed", "'copy/a' is at seq 3 now");
    answer = put("/api/v1/owners/user/ann/items/b", "2", "*");
    expect_problem(&answer, 412, "condition_failed", "'b' is not there now");
    answer = put("/api/v1/owners/user/ann/items/b", "2", "0");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    answer = put(item, "2", "x");
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    uint64_t head = fake_head(&fake);
    struct answer answer = put("/api/v1/owners/user/ann/items/copy%2Fa?dry_run=1", "2", "3");
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    answer_free(&answer);
    answer = ask(&fake, "DELETE", "/api/v1/owners/user/ann/items/copy%2Fa?dry_run=1", NULL);
    assert_string_equal(text_at(&answer, "change"), "removed");
    answer_free(&answer);
    assert_int_equal(fake_head(&fake), head);
}

static void what_a_fence_hides_is_added_anew(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    (void)fake_fence_up(&fake, "copy");
    refused("DELETE", item, NULL, 404, "not_found", "user 'ann' has no item 'copy/a'");
    struct answer answer = put(item, "2", "0");
    assert_string_equal(text_at(&answer, "change"), "added");
    answer_free(&answer);
}

static void bad_paths_and_owners_are_refused(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    refused("PUT", "/api/v1/owners/user/ann/items/@group%2Fx", "1", 400, "item_path",
            "the path '@group/x' begins with '@': such items are Kitbag's own");
    struct answer answer = put("/api/v1/owners/user/ann/items/a%2F%2Fb", "1", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    fake.refuse_code = E_QUOTA;
    answer = put(item, "1", NULL);
    assert_int_equal(answer.status, 429);
    answer_free(&answer);
}

static void a_device_specific_item_is_set(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "a", "1");
    struct answer answer =
        put("/api/v1/owners/user/ann/items/a?device=0000000000000007", "2", NULL);
    assert_string_equal(text_at(&answer, "change"), "changed");
    answer_free(&answer);
}

/* In the layer that nobody reads nothing is written, but what lies there can be removed. */
static void it_is_written_where_it_is_read(void **state)
{
    (void)state;
    static const char at[] = "/api/v1/owners/user/ann/items/copy%2Fdefault";
    static const char on[] = "/api/v1/owners/user/ann/items/copy%2Fdefault?device=0000000000000007";
    sample_catalogue(&fake);
    (void)fake_put(&fake, "user:ann", "copy/default", "1");
    fake_machine(&fake, 7, "seven", "active");
    refused("PUT", on, "2", 409, "sharing_changed",
            "'copy/default' is shared across all devices now, and a value of one machine alone "
            "would be seen nowhere: leave 'device' out");
    struct answer answer = put(at, "2", NULL);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    sample_flag(&fake, "copy/default", true, true);
    refused("PUT", at, "3", 409, "sharing_changed",
            "'copy/default' is device-specific now, each machine has a value of its own: say whose "
            "it is to be with 'device', the machine's ID");
    refused("PUT", "/api/v1/owners/user/ann/items/copy%2Fdefault?dry_run=1", "3", 409,
            "sharing_changed",
            "'copy/default' is device-specific now, each machine has a value of its own: say whose "
            "it is to be with 'device', the machine's ID");
    answer = put(on, "3", NULL); /* her first item there */
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "added");
    answer_free(&answer);
    answer = ask(&fake, "DELETE", at, NULL);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    (void)fake_put(&fake, "group:sales", NULL, NULL);
    answer = put("/api/v1/owners/group/sales/items/copy%2Fdefault", "any", NULL);
    assert_int_equal(answer.status, 200); /* categories are of what users have */
    answer_free(&answer);
}

static void it_is_what_the_category_holds(void **state)
{
    (void)state;
    static const char at[] = "/api/v1/owners/user/ann/items/copy%2Fdefault";
    char large[120];
    memset(large, '1', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    sample_catalogue(&fake);
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    refused("PUT", at, "{", 400, "category",
            "the value of 'copy/default' is not JSON, which 'copy/default' holds");
    refused("PUT", at, large, 413, "too_large",
            "the value of 'copy/default' has 119 bytes, one of 'copy/default' may have 100");
}

static void a_machine_has_to_be_there(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    sample_flag(&fake, "copy/default", true, false);
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    fake_machine(&fake, 8, "eight", "removed");
    refused("PUT", "/api/v1/owners/user/ann/items/copy%2Fdefault?device=0000000000000007", "1", 404,
            "not_found", "there is no machine 0000000000000007");
    refused("PUT", "/api/v1/owners/user/ann/items/copy%2Fdefault?device=0000000000000008", "1", 404,
            "not_found", "there is no machine 0000000000000008");
    refused("PUT", "/api/v1/owners/user/bob/items/copy%2Fdefault?device=0000000000000007", "1", 404,
            "not_found", "there is no user 'bob'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_item_is_added_changed_and_removed),
        API_TEST(conditions_hold_or_refuse),
        API_TEST(a_dry_run_changes_nothing),
        API_TEST(what_a_fence_hides_is_added_anew),
        API_TEST(bad_paths_and_owners_are_refused),
        API_TEST(a_device_specific_item_is_set),
        API_TEST(it_is_written_where_it_is_read),
        API_TEST(it_is_what_the_category_holds),
        API_TEST(a_machine_has_to_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
