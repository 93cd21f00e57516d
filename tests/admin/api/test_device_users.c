/* Tests of admin/api/device_users.c: who is signed in at a machine. */
#include "tests/admin/api/api_fixture.h"

static const char lobby[] = "/api/v1/devices/0000000000000002/users";

/* `names`: of the users of a page, joined by blanks. Returns the cursor of the next one, or "". */
static const char *expect_users(const char *target, const char *names)
{
    static char next[32];
    char have[256] = "";
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; i < rows_of(&answer, "users"); i++) {
        size_t size = strlen(have);
        (void)snprintf(have + size, sizeof have - size, "%s%s", i > 0 ? " " : "",
                       row_text(&answer, "users", i, "name"));
        assert_true(json_is_string(row_at(&answer, "users", i, "since")));
    }
    assert_string_equal(have, names);
    const char *text = json_string_value(json_object_get(answer.json, "next"));
    (void)snprintf(next, sizeof next, "%s", text != NULL ? text : "");
    answer_free(&answer);
    return next;
}

static void those_who_are_signed_in_are_listed(void **state)
{
    (void)state;
    fake_machine(&fake, 2, "lobby", "active");
    fake_machine(&fake, 3, "attic", "removed");
    expect_users(lobby, "");
    fake_sign_in(&fake, 2, fake_put(&fake, "user:Ann", "a", "1"));
    uint64_t bob = fake_put(&fake, "user:bob", "a", "1");
    fake_sign_in(&fake, 2, bob);
    fake_sign_in(&fake, 3, bob);
    fake_sign_in(&fake, 2, 4711);   /* deleted meanwhile */
    expect_users(lobby, "bob Ann"); /* by their bags' numbers as text: 10 is before 9 */
    expect_users("/api/v1/devices/0000000000000003/users", "bob");
}

static void many_come_in_pages(void **state)
{
    (void)state;
    fake_machine(&fake, 2, "lobby", "active");
    fake_sign_in(&fake, 2, fake_put(&fake, "user:ann", "a", "1"));
    fake_sign_in(&fake, 2, fake_put(&fake, "user:bob", "a", "1"));
    fake_sign_in(&fake, 2, fake_put(&fake, "user:cleo", "a", "1"));
    char target[96];
    (void)snprintf(target, sizeof target, "%s?limit=2", lobby);
    const char *next = expect_users(target, "cleo ann");
    assert_true(next[0] != '\0');
    (void)snprintf(target, sizeof target, "%s?limit=2&cursor=%s", lobby, next);
    assert_string_equal(expect_users(target, "bob"), "");
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    fake_machine(&fake, 2, "lobby", "active");
    refused("GET", "/api/v1/devices/0000000000000009/users", NULL, 404, "not_found",
            "no registered machine has the ID 0000000000000009");
    refused("GET", "/api/v1/devices/0000000000000002/users?cursor=x", NULL, 400, "invalid",
            "'cursor' is not what an earlier answer gave as 'next'");
    struct answer answer = ask(&fake, "GET", "/api/v1/devices/lobby/users", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(those_who_are_signed_in_are_listed),
        API_TEST(many_come_in_pages),
        API_TEST(what_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
