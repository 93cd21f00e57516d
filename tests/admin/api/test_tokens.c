/* Tests of admin/api/tokens.c. */
#include "tests/admin/api/session_fixture.h"

static void one_is_made_and_shown_once(void **state)
{
    (void)state;
    struct admin_identity who;
    struct answer answer = ask(&fake, "POST", "/api/v1/tokens",
                               "{\"name\":\"Backup\",\"role\":\"viewer\",\"expires_s\":3600}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(text_at(&answer, "name"), "Backup");
    assert_string_equal(text_at(&answer, "by"), "root");
    assert_string_equal(text_at(&answer, "expires_at"), "2027-01-15T09:00:00.000Z");
    assert_true(json_is_null(json_object_get(answer.json, "last_used")));
    assert_int_equal(check_token(text_at(&answer, "token"), &who), 0);
    assert_string_equal(who.actor, "token:Backup");
    audited("token.add", "\"about\":{\"token\":\"Backup\",\"role\":\"viewer\","
                         "\"expires_at\":\"2027-01-15T09:00:00.000Z\"}");
    assert_null(strstr(server_item("@audit"), "kba_"));
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/tokens", NULL);
    assert_int_equal(rows_of(&answer, "tokens"), 1);
    assert_string_equal(row_text(&answer, "tokens", 0, "role"), "viewer");
    assert_string_equal(row_text(&answer, "tokens", 0, "last_used"), "2027-01-15T08:00:00.000Z");
    assert_null(row_at(&answer, "tokens", 0, "token"));
    assert_null(row_at(&answer, "tokens", 0, "secret"));
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/tokens", "{\"name\":\"year\",\"role\":\"admin\"}");
    assert_string_equal(text_at(&answer, "expires_at"), "2028-01-15T08:00:00.000Z");
    answer_free(&answer);
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    struct admin_identity operator= {
        .actor = "token:x", .role = ADMIN_ROLE_OPERATOR, .via = ADMIN_VIA_TOKEN};
    refused("POST", "/api/v1/tokens", "{\"role\":\"viewer\"}", 400, "invalid",
            "'name' is a text, and has to be there");
    refused("POST", "/api/v1/tokens", "{\"name\":\"x\"}", 400, "invalid",
            "'role' is viewer, operator or admin");
    refused("POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"viewer\",\"expires_s\":59}", 400,
            "invalid", "'expires_s' is a number from 60 to 315360000");
    ask_by(&operator);
    refused("POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"admin\"}", 403, "not_allowed",
            "an API token can't do more than whoever makes it");
    struct answer answer =
        ask(&fake, "POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"operator\"}");
    assert_int_equal(answer.status, 201);
    answer_free(&answer);
    refused("POST", "/api/v1/tokens", "{\"name\":\"X\",\"role\":\"viewer\"}", 409, "exists",
            "there is an API token 'X' already");
}

static void they_are_listed_in_pages(void **state)
{
    (void)state;
    char target[64];
    for (int i = 0; i < 3; i++) {
        char body[64];
        (void)snprintf(body, sizeof body, "{\"name\":\"t%d\",\"role\":\"viewer\"}", i);
        struct answer made = ask(&fake, "POST", "/api/v1/tokens", body);
        answer_free(&made);
    }
    struct answer answer = ask(&fake, "GET", "/api/v1/tokens?limit=2", NULL);
    assert_int_equal(rows_of(&answer, "tokens"), 2);
    (void)snprintf(target, sizeof target, "/api/v1/tokens?limit=2&cursor=%s",
                   text_at(&answer, "next"));
    answer_free(&answer);
    answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(rows_of(&answer, "tokens"), 1);
    assert_string_equal(text_at(&answer, "next"), "(none)");
    answer_free(&answer);
    refused("GET", "/api/v1/tokens?cursor=x", NULL, 400, "invalid",
            "'cursor' is not what an earlier answer gave as 'next'");
}

static void some_are_deleted(void **state)
{
    (void)state;
    struct admin_identity who;
    char body[128];
    char text[64];
    struct answer answer =
        ask(&fake, "POST", "/api/v1/tokens", "{\"name\":\"Backup\",\"role\":\"viewer\"}");
    (void)snprintf(text, sizeof text, "%s", text_at(&answer, "token"));
    (void)snprintf(body, sizeof body, "{\"ids\":[\"%s\",\"nonsense\"],\"dry_run\":true}",
                   text_at(&answer, "id"));
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/tokens/delete", body);
    assert_int_equal(number_at(&answer, "tokens"), 1);
    answer_free(&answer);
    assert_int_equal(check_token(text, &who), 0);
    *strstr(body, ",\"dry_run") = '}';
    *(strchr(body, '}') + 1) = '\0';
    answer = ask(&fake, "POST", "/api/v1/tokens/delete", body);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "tokens"), 1);
    assert_int_equal(rows_of(&answer, "missing"), 1);
    answer_free(&answer);
    assert_int_equal(check_token(text, &who), E_UNAUTHENTICATED);
    audited("token.delete", "\"about\":{\"tokens\":[");
    answer = ask(&fake, "POST", "/api/v1/tokens/delete", body);
    expect_problem(&answer, 404, "not_found", "no API token has one of these ids");
    refused("POST", "/api/v1/tokens/delete", "{}", 400, "invalid", "'ids' names no API token");
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct answer made =
        ask(&fake, "POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"admin\"}");
    answer_free(&made);
    ask_with_jansson();
    for (ask_fails.nth = 1;; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", "/api/v1/tokens", NULL);
        bool failed = ask_fails.failed;
        assert_int_equal(answer.status, failed ? 500 : 200);
        answer_free(&answer);
        if (!failed) {
            break;
        }
    }
    ask_fails.nth = 0;
    struct answer answer = ask(&fake, "GET", "/api/v1/tokens", NULL);
    assert_int_equal(rows_of(&answer, "tokens"), 1);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(one_is_made_and_shown_once),
        SESSION_TEST(bad_ones_are_refused),
        SESSION_TEST(they_are_listed_in_pages),
        SESSION_TEST(some_are_deleted),
        SESSION_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
