/* Tests of admin/api/diff.c: rows of two sides, pages, moments at which there was nothing. */
#include "tests/admin/api/api_fixture.h"

static const char diff[] = "/api/v1/owners/user/ann/diff";

static void both_sides_are_told(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");          /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "2");          /* 4 */
    (void)fake_put(&fake, "user:ann", "keychain/k", "s"); /* 5 */
    fake.origin = 7;
    (void)fake_put(&fake, "user:ann", "a", "33"); /* 6 */
    fake.origin = 0;
    (void)fake_remove(&fake, "user:ann", "b");            /* 7 */
    (void)fake_put(&fake, "user:ann", "keychain/k", "t"); /* 8 */
    (void)fake_put(&fake, "user:ann", "z", "4");          /* 9 */
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/diff?from=5&values=1", NULL);
    assert_int_equal(rows_of(&answer, "differences"), 4);
    assert_string_equal(text_at(&answer, "from"), "5");
    assert_true(json_is_null(json_object_get(answer.json, "to")));
    assert_string_equal(row_text(&answer, "differences", 0, "change"), "changed");
    assert_string_equal(row_text(&answer, "differences", 0, "item"), "a");
    assert_string_equal(row_text(&answer, "differences", 0, "old_value"), "1");
    assert_string_equal(row_text(&answer, "differences", 0, "value"), "33");
    assert_string_equal(row_text(&answer, "differences", 0, "old_seq"), "3");
    assert_string_equal(row_text(&answer, "differences", 0, "seq"), "6");
    assert_string_equal(row_text(&answer, "differences", 0, "origin"), "0000000000000007");
    assert_string_equal(row_text(&answer, "differences", 1, "change"), "removed");
    assert_null(row_at(&answer, "differences", 1, "seq"));
    assert_true(json_is_true(row_at(&answer, "differences", 2, "masked")));
    assert_null(row_at(&answer, "differences", 2, "value"));
    assert_null(row_at(&answer, "differences", 2, "old_value"));
    assert_string_equal(row_text(&answer, "differences", 3, "change"), "added");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/diff?from=5&to=6", NULL);
    assert_int_equal(rows_of(&answer, "differences"), 1);
    assert_null(row_at(&answer, "differences", 0, "value"));
    answer_free(&answer);
}

static void a_long_one_has_pages(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "1");
    (void)fake_put(&fake, "user:ann", "c", "1");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/diff?from=1&limit=2", NULL);
    assert_int_equal(rows_of(&answer, "differences"), 2);
    assert_string_equal(text_at(&answer, "next"), "b");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/diff?from=1&limit=2&cursor=b", NULL);
    assert_int_equal(rows_of(&answer, "differences"), 1);
    assert_string_equal(row_text(&answer, "differences", 0, "item"), "c");
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

static void a_sensible_question_is_asked_for(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    refused("GET", diff, NULL, 400, "invalid", "'from' is missing: since which change or time?");
    refused("GET", "/api/v1/owners/user/bob/diff?from=1", NULL, 404, "not_found",
            "there was no user 'bob' at either moment");
    (void)fake_delete(&fake, "user:ann");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/diff?from=3", NULL);
    assert_string_equal(row_text(&answer, "differences", 0, "change"), "removed");
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(both_sides_are_told),
        API_TEST(a_long_one_has_pages),
        API_TEST(a_sensible_question_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
