/* Tests of admin/api/accounts.c. */
#include "tests/admin/api/session_fixture.h"

static void one_is_added(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/accounts",
            "{\"name\":\"Ann\",\"role\":\"viewer\",\"password\":\"" PASSWORD "\"}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(text_at(&answer, "name"), "Ann");
    assert_string_equal(text_at(&answer, "role"), "viewer");
    assert_string_equal(text_at(&answer, "created_at"), "2027-01-15T08:00:00.000Z");
    assert_true(json_is_null(json_object_get(answer.json, "last_sign_in")));
    assert_true(json_is_true(json_object_get(answer.json, "must_change")));
    assert_null(json_object_get(answer.json, "password"));
    audited("account.add", "\"about\":{\"account\":\"Ann\",\"role\":\"viewer\"}");
    assert_null(strstr(server_item("@audit"), PASSWORD));
    answer_free(&answer);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    /* made up */
    answer = ask(&fake, "POST", "/api/v1/accounts", "{\"name\":\"bob\",\"role\":\"admin\"}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(sign_in("bob", text_at(&answer, "password"), &entry), 0);
    assert_null(strstr(server_item("@audit"), text_at(&answer, "password")));
    answer_free(&answer);
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    refused("POST", "/api/v1/accounts", "{\"role\":\"viewer\"}", 400, "invalid",
            "'name' has to be there");
    refused("POST", "/api/v1/accounts", "{\"name\":\"ann\"}", 400, "invalid",
            "'role' is viewer, operator or admin");
    refused("POST", "/api/v1/accounts", "{\"name\":\"ann\",\"role\":\"none\"}", 400, "invalid",
            "'role' is viewer, operator or admin");
    refused("POST", "/api/v1/accounts", "{\"name\":7,\"role\":\"admin\"}", 400, "invalid",
            "'name' is a text");
    refused("POST", "/api/v1/accounts",
            "{\"name\":\"ann\",\"role\":\"admin\",\"password\":\"short\"}", 400, "invalid",
            "a password has at least 8 characters");
    refused("POST", "/api/v1/accounts", "{\"name\":\"ROOT\",\"role\":\"admin\"}", 409, "exists",
            "there is an account 'ROOT' already");
    assert_string_equal(server_item("@audit"), "");
}

static void they_are_listed(void **state)
{
    (void)state;
    add_account("Ann", ADMIN_ROLE_VIEWER, PASSWORD);
    add_account("zoe", ADMIN_ROLE_OPERATOR, PASSWORD);
    struct answer answer = ask(&fake, "GET", "/api/v1/accounts?limit=2", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rows_of(&answer, "accounts"), 2);
    assert_string_equal(row_text(&answer, "accounts", 0, "name"), "Ann");
    assert_string_equal(row_text(&answer, "accounts", 1, "last_sign_in"),
                        "2027-01-15T08:00:00.000Z");
    assert_true(json_is_false(row_at(&answer, "accounts", 0, "locked")));
    assert_null(row_at(&answer, "accounts", 0, "password"));
    assert_string_equal(text_at(&answer, "next"), "root");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/accounts?limit=2&cursor=root", NULL);
    assert_int_equal(rows_of(&answer, "accounts"), 1);
    assert_string_equal(row_text(&answer, "accounts", 0, "role"), "operator");
    assert_string_equal(text_at(&answer, "next"), "(none)");
    answer_free(&answer);
    refused("GET", "/api/v1/accounts?limit=0", NULL, 400, "invalid",
            "'limit' is a number from 1 to 1000, not '0'");
}

static void one_is_changed(void **state)
{
    (void)state;
    struct auth_entry entry;
    char seq[32];
    add_account("Ann", ADMIN_ROLE_VIEWER, PASSWORD);
    struct answer answer = ask(&fake, "PATCH", "/api/v1/accounts/ANN", "{\"role\":\"operator\"}");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "role"), "operator");
    assert_true(answer.etag > 0);
    (void)snprintf(seq, sizeof seq, "\"%" PRIu64 "\"", answer.etag);
    audited("account.change", "\"account\":\"Ann\",\"password\":false,\"unlock\":false,"
                              "\"role\":\"operator\"");
    answer_free(&answer);
    answer = ask(&fake, "PATCH", "/api/v1/accounts/ann",
                 "{\"password\":\"a new horse\",\"unlock\":true}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "must_change")));
    audited("account.change", "\"password\":true,\"unlock\":true");
    assert_null(strstr(server_item("@audit"), "horse"));
    answer_free(&answer);
    assert_int_equal(sign_in("ann", "a new horse", &entry), 0);
    /* of what was seen before the second change nothing is decided */
    ask_if_match = seq;
    refused("PATCH", "/api/v1/accounts/ann", "{\"role\":\"admin\"}", 412, "condition_failed",
            "the account 'Ann' was changed meanwhile: look at it again, then decide");
}

static void ones_own_by_this_way(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "PATCH", "/api/v1/accounts/Root", "{\"password\":\"a new horse\"}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_false(json_object_get(answer.json, "must_change")));
    assert_false(admin_auth_alive(auth, &root.who));
    answer_free(&answer);
}

/* Whoever may open the socket resets a password that nobody knows any more. */
static void a_lost_password_is_reset_by_the_local_socket(void **state)
{
    (void)state;
    struct admin_identity local;
    struct auth_entry entry;
    admin_auth_local(&local);
    ask_by(&local);
    struct answer answer =
        ask(&fake, "PATCH", "/api/v1/accounts/root", "{\"password\":\"a new horse\"}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "must_change")));
    audited("account.change", "\"via\":\"local\"");
    answer_free(&answer);
    assert_int_equal(sign_in("root", "a new horse", &entry), 0);
}

static void bad_changes_are_refused(void **state)
{
    (void)state;
    refused("PATCH", "/api/v1/accounts/nobody", "{\"role\":\"admin\"}", 404, "not_found",
            "there is no account 'nobody'");
    refused("PATCH", "/api/v1/accounts/root", "{\"role\":\"viewer\"}", 409, "last_admin",
            "'root' is the only administrator: make somebody else one first");
    refused("PATCH", "/api/v1/accounts/root", "{}", 400, "invalid",
            "nothing is to be changed: give role, password or unlock");
    refused("PATCH", "/api/v1/accounts/root", "{\"unlock\":false}", 400, "invalid",
            "nothing is to be changed: give role, password or unlock");
    refused("PATCH", "/api/v1/accounts/root", "{\"role\":null}", 400, "invalid",
            "'role' is a text");
    refused("PATCH", "/api/v1/accounts/root", "{\"password\":\"short\"}", 400, "invalid",
            "a password has at least 8 characters");
    refused("PATCH", "/api/v1/accounts/root", "{\"unlock\":1}", 400, "invalid",
            "'unlock' is true or false");
    refused("PATCH", "/api/v1/accounts/root", "{\"name\":\"x\"}", 400, "invalid",
            "the body has a member 'name', which is none of: role password unlock");
    assert_string_equal(server_item("@audit"), "");
}

static void some_are_deleted(void **state)
{
    (void)state;
    add_account("Ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    static const char dry[] = "{\"names\":[\"ann\",\"nobody\",\"bob\"],\"dry_run\":true}";
    static const char wet[] = "{\"names\":[\"ann\",\"nobody\",\"bob\"]}";
    struct answer answer = ask(&fake, "POST", "/api/v1/accounts/delete", dry);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "accounts"), 2);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_string_equal(server_item("@audit"), "");
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/accounts/delete", wet);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "accounts"), 2);
    assert_int_equal(rows_of(&answer, "missing"), 1);
    assert_string_not_equal(text_at(&answer, "seq"), "(none)");
    audited("account.delete", "\"about\":{\"accounts\":[\"ann\",\"bob\"]}");
    answer_free(&answer);
    /* the other administrator was quicker */
    answer = ask(&fake, "POST", "/api/v1/accounts/delete", wet);
    assert_int_equal(rows_of(&answer, "missing"), 3);
    expect_problem(&answer, 404, "not_found", "there is no account of one of these names");
    refused("POST", "/api/v1/accounts/delete", "{\"names\":[\"root\"]}", 409, "last_admin",
            "that would leave no administrator: make somebody else one first");
    refused("POST", "/api/v1/accounts/delete", "{\"names\":[]}", 400, "invalid",
            "'names' names no account");
    refused("POST", "/api/v1/accounts/delete", "{\"names\":\"root\"}", 400, "invalid",
            "'names' is an array of at most 1000 texts");
}

static void memory_runs_out(void **state)
{
    (void)state;
    static const char body[] = "{\"names\":[\"nobody\",\"root\"]}";
    ask_with_jansson();
    for (ask_fails.nth = 1;; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", "/api/v1/accounts", NULL);
        bool failed = ask_fails.failed;
        assert_int_equal(answer.status, failed ? 500 : 200);
        answer_free(&answer);
        if (!failed) {
            break;
        }
    }
    for (ask_fails.nth = 1;; ask_fails.nth++) {
        struct answer answer = ask(&fake, "POST", "/api/v1/accounts/delete", body);
        bool failed = ask_fails.failed;
        assert_true(failed || answer.status == 409);
        answer_free(&answer);
        if (!failed) {
            break;
        }
    }
    ask_fails.nth = 0;
    struct answer answer = ask(&fake, "GET", "/api/v1/accounts", NULL);
    assert_int_equal(rows_of(&answer, "accounts"), 1);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(one_is_added),
        SESSION_TEST(bad_ones_are_refused),
        SESSION_TEST(they_are_listed),
        SESSION_TEST(one_is_changed),
        SESSION_TEST(ones_own_by_this_way),
        SESSION_TEST(a_lost_password_is_reset_by_the_local_socket),
        SESSION_TEST(bad_changes_are_refused),
        SESSION_TEST(some_are_deleted),
        SESSION_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
