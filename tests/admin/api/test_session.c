/* Tests of admin/api/session.c. */
#include "tests/admin/api/session_fixture.h"

static const char GOOD[] = "{\"name\":\"Root\",\"password\":\"" PASSWORD "\"}";
static const char WRONG[] = "{\"name\":\"root\",\"password\":\"wrong horse\"}";

/* The session of the cookie that an answer sets. */
static struct auth_entry entry_of(const struct answer *answer)
{
    struct auth_entry entry = {0};
    size_t skip = strlen(AUTH_COOKIE "=");
    assert_int_equal(strncmp(answer->set_cookie, AUTH_COOKIE "=", skip), 0);
    memcpy(entry.id, answer->set_cookie + skip, AUTH_SECRET_CHARS);
    assert_string_equal(answer->set_cookie + skip + AUTH_SECRET_CHARS,
                        "; Path=/; HttpOnly; Secure; SameSite=Strict");
    return entry;
}

static void somebody_signs_in(void **state)
{
    (void)state;
    struct admin_identity who;
    ask_by(NULL);
    struct answer answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "name"), "root");
    assert_string_equal(text_at(&answer, "role"), "admin");
    assert_string_equal(text_at(&answer, "via"), "session");
    assert_string_equal(text_at(&answer, "expires_at"), "2027-01-15T08:30:00.000Z");
    assert_true(json_is_false(json_object_get(answer.json, "must_change")));
    struct auth_entry entry = entry_of(&answer);
    assert_int_equal(check(&entry, true, text_at(&answer, "csrf"), &who), 0);
    assert_null(strstr(text_at(&answer, "csrf"), entry.id));
    assert_string_equal(server_item("@audit"),
                        "{\"actor\":\"root\",\"action\":\"session.begin\",\"via\":\"session\","
                        "\"address\":\"192.0.2.1\",\"status\":200,\"about\":{}}");
    answer_free(&answer);
}

static void who_was_signed_in_gets_a_new_session(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.status, 200);
    assert_false(admin_auth_alive(auth, &root.who));
    answer_free(&answer);
    /* an attempt that fails ends nothing */
    assert_int_equal(sign_in("root", PASSWORD, &root), 0);
    refused("POST", "/api/v1/session", WRONG, 401, "bad_credentials",
            "the name or the password is wrong");
    assert_true(admin_auth_alive(auth, &root.who));
}

static void bad_requests(void **state)
{
    (void)state;
    ask_by(NULL);
    refused("POST", "/api/v1/session", "{}", 400, "invalid",
            "'name' is a text, and has to be there");
    refused("POST", "/api/v1/session", "{\"name\":\"root\"}", 400, "invalid",
            "'password' is a text, and has to be there");
    refused("POST", "/api/v1/session", "{\"name\":\"root\",\"password\":7}", 400, "invalid",
            "'password' is a text, and has to be there");
    refused("POST", "/api/v1/session", "{\"name\":\"root\",\"pass\":\"x\"}", 400, "invalid",
            "the body has a member 'pass', which is none of: name password");
    refused("POST", "/api/v1/session", "{\"name\":\"nobody\",\"password\":\"wrong horse\"}", 401,
            "bad_credentials", "the name or the password is wrong");
    assert_string_equal(server_item("@audit"), "");
}

static void who_guesses_is_told_for_how_long_to_wait(void **state)
{
    (void)state;
    ask_by(NULL);
    ask_as.address = "192.0.2.7";
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        struct answer answer = ask(&fake, "POST", "/api/v1/session", WRONG);
        assert_int_equal(answer.status, 401);
        assert_string_equal(answer.set_cookie, "");
        answer_free(&answer);
    }
    audited("session.locked", "\"account\":\"root\"");
    struct answer answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.retry_after_s, 1);
    assert_int_equal(number_at(&answer, "retry_after_s"), 1);
    expect_problem(&answer, 429, "locked",
                   "too many attempts to sign in failed: wait 1 seconds, then try again");
    assert_true(admin_auth_alive(auth, &root.who)); /* who is in stays in */
    ask_as.address = "192.0.2.1";                   /* where root signed in before */
    answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

/* The disk is full, or the server reads only: administrators have to get in. */
static void an_audit_that_fails_keeps_nobody_out(void **state)
{
    (void)state;
    ask_by(NULL);
    fake.refuse_code = E_NOSPACE;
    struct answer answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

static void who_one_is(void **state)
{
    (void)state;
    struct admin_identity local;
    struct answer answer = ask(&fake, "GET", "/api/v1/session", NULL);
    assert_string_equal(text_at(&answer, "name"), "root");
    assert_string_equal(text_at(&answer, "csrf"), root.who.csrf);
    assert_string_equal(text_at(&answer, "via"), "session");
    answer_free(&answer);
    admin_auth_local(&local);
    ask_by(&local);
    answer = ask(&fake, "GET", "/api/v1/session", NULL);
    assert_string_equal(text_at(&answer, "name"), "admin");
    assert_string_equal(text_at(&answer, "role"), "admin");
    assert_string_equal(text_at(&answer, "csrf"), "");
    assert_string_equal(text_at(&answer, "via"), "local");
    assert_true(json_is_null(json_object_get(answer.json, "expires_at")));
    answer_free(&answer);
    ask_by(NULL);
    refused("GET", "/api/v1/session", NULL, 401, "not_signed_in", "nobody is signed in here");
}

static void who_has_to_change_the_password_is_told(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_row row;
    struct auth_entry entry;
    struct auth_account_change change = {.password = "another horse"};
    assert_int_equal(auth_account_change(&by, "root", &change, &row, NULL), 0);
    assert_int_equal(sign_in("root", "another horse", &entry), 0);
    ask_by(&entry.who);
    struct answer answer = ask(&fake, "GET", "/api/v1/session", NULL);
    assert_true(json_is_true(json_object_get(answer.json, "must_change")));
    answer_free(&answer);
}

static void somebody_signs_out(void **state)
{
    (void)state;
    struct admin_identity who;
    struct answer answer = ask(&fake, "DELETE", "/api/v1/session", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.set_cookie,
                        "__Host-kitbag=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0");
    assert_int_equal(check(&root, false, NULL, &who), E_UNAUTHENTICATED);
    audited("session.end", "\"about\":{}");
    answer_free(&answer);
    struct admin_identity local;
    admin_auth_local(&local);
    ask_by(&local);
    refused("DELETE", "/api/v1/session", NULL, 400, "invalid",
            "this is for those who signed in with a password; of others, administrators change "
            "accounts and API tokens");
}

static void ones_own_password(void **state)
{
    (void)state;
    struct admin_identity who;
    refused("POST", "/api/v1/session/password", "{\"old\":\"wrong horse\",\"new\":\"a new horse\"}",
            403, "bad_credentials", "the old password is wrong");
    refused("POST", "/api/v1/session/password", "{\"old\":\"" PASSWORD "\",\"new\":\"short\"}", 400,
            "invalid", "a password has at least 8 characters");
    refused("POST", "/api/v1/session/password", "{\"old\":\"" PASSWORD "\"}", 400, "invalid",
            "'new' is a text, and has to be there");
    struct answer answer = ask(&fake, "POST", "/api/v1/session/password",
                               "{\"old\":\"" PASSWORD "\",\"new\":\"a new horse\"}");
    assert_int_equal(answer.status, 200);
    struct auth_entry entry = entry_of(&answer);
    assert_int_equal(check(&entry, true, text_at(&answer, "csrf"), &who), 0);
    assert_int_equal(check(&root, false, NULL, &who), E_UNAUTHENTICATED);
    audited("account.password", "\"about\":{}");
    assert_null(strstr(server_item("@audit"), "horse"));
    answer_free(&answer);
    assert_int_equal(sign_in("root", "a new horse", &root), 0);
}

/* Each refused with out of memory, and the next time good. */
static void memory_runs_out(void **state)
{
    (void)state;
    ask_by(NULL);
    ask_with_jansson();
    for (ask_fails.nth = 1;; ask_fails.nth++) {
        struct answer answer = ask(&fake, "POST", "/api/v1/session", "{\"name\":\"root\"}");
        bool failed = ask_fails.failed;
        assert_true(failed || answer.status == 400);
        answer_free(&answer);
        if (!failed) {
            break;
        }
    }
    assert_true(ask_fails.nth > 5);
    ask_fails.nth = 0;
    struct answer answer = ask(&fake, "POST", "/api/v1/session", GOOD);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(somebody_signs_in),
        SESSION_TEST(who_was_signed_in_gets_a_new_session),
        SESSION_TEST(bad_requests),
        SESSION_TEST(who_guesses_is_told_for_how_long_to_wait),
        SESSION_TEST(an_audit_that_fails_keeps_nobody_out),
        SESSION_TEST(who_one_is),
        SESSION_TEST(who_has_to_change_the_password_is_told),
        SESSION_TEST(somebody_signs_out),
        SESSION_TEST(ones_own_password),
        SESSION_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
