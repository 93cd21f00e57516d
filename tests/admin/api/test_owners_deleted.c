/* Tests of admin/api/owners_deleted.c: who was deleted, when, by whom, and where back to. */
#include "tests/admin/api/api_fixture.h"

static const char target[] = "/api/v1/owners/deleted";

static json_t *member_at(const struct answer *answer, size_t i, const char *member)
{
    return row_at(answer, "deleted", i, member);
}

static const char *name_at(const struct answer *answer, size_t i)
{
    return row_text(answer, "deleted", i, "name");
}

static struct answer list(const char *query)
{
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s%s", target, query);
    struct answer answer = ask(&fake, "GET", whole, NULL);
    assert_int_equal(answer.status, 200);
    return answer;
}

static void the_last_deletion_comes_first(void **state)
{
    (void)state;
    fake.status.undo_keep_ms = 7 * 86400000ull;
    (void)fake_put(&fake, "user:Ann", "a", "12345"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "1");     /* 4 */
    (void)fake_put(&fake, "group:Sales", "g", "1");  /* 5, 6 */
    (void)fake_put(&fake, "user:eve", "e", "1");     /* 7, 8 */
    (void)fake_delete(&fake, "user:ann");            /* 9 */
    (void)fake_delete(&fake, "group:sales");         /* 10 */
    struct answer answer = list("");
    assert_int_equal(rows_of(&answer, "deleted"), 2);
    assert_string_equal(name_at(&answer, 0), "Sales");
    assert_string_equal(row_text(&answer, "deleted", 0, "kind"), "group");
    assert_string_equal(name_at(&answer, 1), "Ann");
    assert_string_equal(row_text(&answer, "deleted", 1, "kind"), "user");
    assert_string_equal(row_text(&answer, "deleted", 1, "deleted"), "9");
    assert_string_equal(row_text(&answer, "deleted", 1, "before"), "8");
    assert_string_equal(row_text(&answer, "deleted", 1, "bag_id"), "2");
    assert_string_equal(row_text(&answer, "deleted", 1, "actor"), "admin");
    assert_string_equal(row_text(&answer, "deleted", 1, "time"), "2023-11-14T22:13:25.000Z");
    assert_string_equal(row_text(&answer, "deleted", 1, "until"), "2023-11-21T22:13:25.000Z");
    assert_int_equal(json_integer_value(member_at(&answer, 1, "items")), 2);
    assert_int_equal(json_integer_value(member_at(&answer, 1, "bytes")), 8);
    assert_true(json_is_true(member_at(&answer, 1, "whole")));
    assert_true(json_is_false(member_at(&answer, 1, "registered")));
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

/* What a user had on one machine goes with the user, is no row, and comes back with them. */
static void what_was_on_one_machine_is_no_row(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");                         /* 2, 3 */
    (void)fake_put(&fake, "user:ann/device:0000000000000002", "c", "1"); /* 4, 5 */
    (void)fake_put(&fake, "user:ann/device:0000000000000003", "c", "1"); /* 6, 7 */
    (void)fake_delete(&fake, "user:ann");                                /* 8, 9, 10 */
    struct answer answer = list("");
    assert_int_equal(rows_of(&answer, "deleted"), 1);
    assert_string_equal(row_text(&answer, "deleted", 0, "deleted"), "10");
    assert_string_equal(row_text(&answer, "deleted", 0, "before"), "7");
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/restore", "{\"users\":[\"ann\"],\"at\":\"7\"}");
    assert_int_equal(number_at(&answer, "set"), 3);
    assert_int_equal(number_at(&answer, "bags"), 3);
    answer_free(&answer);
}

static void each_deletion_of_a_name_is_told(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_delete(&fake, "user:ann");        /* 4 */
    (void)fake_put(&fake, "user:ANN", "a", "2"); /* 5, 6 */
    (void)fake_delete(&fake, "user:ann");        /* 7 */
    (void)fake_put(&fake, "user:ann", "a", "3"); /* 8, 9 */
    struct answer answer = list("");
    assert_int_equal(rows_of(&answer, "deleted"), 2);
    assert_string_equal(name_at(&answer, 0), "ANN");
    assert_string_equal(row_text(&answer, "deleted", 0, "before"), "6");
    assert_true(json_is_true(member_at(&answer, 0, "registered")));
    assert_string_equal(name_at(&answer, 1), "ann");
    assert_string_equal(row_text(&answer, "deleted", 1, "before"), "3");
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/restore", "{\"users\":[\"ann\"],\"at\":\"3\"}");
    assert_int_equal(number_at(&answer, "changed"), 1);
    answer_free(&answer);
}

static void search_and_kind_choose(void **state)
{
    (void)state;
    static const char *const owners[] = {"user:Sales-Ann", "group:SALES", "user:bob"};
    for (size_t i = 0; i < 3; i++) {
        (void)fake_put(&fake, owners[i], "a", "1");
        (void)fake_delete(&fake, owners[i]);
    }
    struct answer answer = list("?search=sAl");
    assert_int_equal(rows_of(&answer, "deleted"), 2);
    answer_free(&answer);
    answer = list("?search=sal&kind=user");
    assert_int_equal(rows_of(&answer, "deleted"), 1);
    assert_string_equal(name_at(&answer, 0), "Sales-Ann");
    answer_free(&answer);
    answer = list("?kind=group");
    assert_int_equal(rows_of(&answer, "deleted"), 1);
    answer_free(&answer);
    (void)fake_put(&fake, "user:BOB", "a", "1");
    answer = list("?search=bob");
    assert_int_equal(rows_of(&answer, "deleted"), 1);
    answer_free(&answer);
    answer = list("?gone=1");
    assert_int_equal(rows_of(&answer, "deleted"), 2);
    assert_string_equal(name_at(&answer, 0), "SALES");
    answer_free(&answer);
    answer = list("?search=nobody");
    assert_int_equal(rows_of(&answer, "deleted"), 0);
    answer_free(&answer);
}

/* More were deleted than are held at once: each is told once, and none is left out. */
static void pages_follow_one_another(void **state)
{
    (void)state;
    enum { COUNT = 11 };
    char query[64] = "?limit=2";
    char name[16];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "user:u%02d", i);
        (void)fake_put(&fake, name, NULL, NULL);
    }
    for (int i = 0; i < COUNT; i++) { /* not in the order in which they were registered */
        (void)snprintf(name, sizeof name, "user:u%02d", (i * 4) % COUNT);
        (void)fake_delete(&fake, name);
    }
    int told = 0;
    for (bool more = true; more;) {
        struct answer answer = list(query);
        for (size_t i = 0; i < rows_of(&answer, "deleted"); i++, told++) {
            (void)snprintf(name, sizeof name, "u%02d", ((COUNT - 1 - told) * 4) % COUNT);
            assert_string_equal(name_at(&answer, i), name);
        }
        more = json_object_get(answer.json, "next") != NULL;
        (void)snprintf(query, sizeof query, "?limit=2&cursor=%s", text_at(&answer, "next"));
        answer_free(&answer);
    }
    assert_int_equal(told, COUNT);
}

static void a_bad_question_is_refused(void **state)
{
    (void)state;
    static const char cursor[] = "'cursor' is not what an earlier answer gave as 'next'";
    refused("GET", "/api/v1/owners/deleted?kind=fleet", NULL, 400, "invalid",
            "an owner's kind is user or group, not 'fleet'");
    refused("GET", "/api/v1/owners/deleted?cursor=user:ann", NULL, 400, "invalid", cursor);
    refused("GET", "/api/v1/owners/deleted?cursor=12x", NULL, 400, "invalid", cursor);
    refused("GET", "/api/v1/owners/deleted?gone=perhaps", NULL, 400, "invalid",
            "'gone' is 1 or 0, not 'perhaps'");
    refused("GET", "/api/v1/owners/deleted?limit=1001", NULL, 400, "invalid",
            "'limit' is a number from 1 to 1000, not '1001'");
    fake.fail_code = E_CLOSED;
    refused("GET", target, NULL, 503, "closed", "the fake was told to fail");
}

static void memory_runs_out(void **state)
{
    (void)state;
    ask_with_jansson();
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_delete(&fake, "user:ann");
    bool failed = true;
    for (ask_fails.nth = 1; failed; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", target, NULL);
        failed = ask_fails.failed;
        assert_true(failed || answer.status == 200);
        answer_free(&answer);
    }
    assert_true(ask_fails.nth > 10);
    ask_fails.nth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(the_last_deletion_comes_first),
        API_TEST(what_was_on_one_machine_is_no_row),
        API_TEST(each_deletion_of_a_name_is_told),
        API_TEST(search_and_kind_choose),
        API_TEST(pages_follow_one_another),
        API_TEST(a_bad_question_is_refused),
        API_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
