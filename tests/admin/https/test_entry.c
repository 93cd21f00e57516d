/* Tests of admin/https/entry.c: who may ask for what, and whose body is taken. */
#include "tests/admin/https/https_fixture.h"

/* The answer to a request of somebody. */
static const char *ask_as(const char *line, const char *who)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%s\r\n%s", line, who);
    return https_ask(text);
}

static void roles_are_compared(void **state)
{
    (void)state;
    https_open();
    static const struct {
        const char *line;
        enum admin_role least;
    } routes[] = {{"GET /view HTTP/1.1", ADMIN_ROLE_VIEWER},
                  {"POST /change HTTP/1.1", ADMIN_ROLE_OPERATOR},
                  {"GET /rule HTTP/1.1", ADMIN_ROLE_ADMIN}};
    static const char *const names[] = {"", "v", "o", "a"};
    static const char *const told[] = {"", "; 'token:v' is a viewer\"",
                                       "; 'token:o' is an operator\"", ""};
    for (enum admin_role role = ADMIN_ROLE_VIEWER; role <= ADMIN_ROLE_ADMIN; role++) {
        const char *who = https_token(names[role], role);
        for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
            int before = atomic_load(&https.runs);
            bool may = role >= routes[i].least;
            https_expect(ask_as(routes[i].line, who),
                         may ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 403 Forbidden\r\n",
                         may ? "\"known\":true" : "\"code\":\"not_allowed\"");
            assert_true(may || strstr(https.answer, told[role]) != NULL);
            assert_int_equal(atomic_load(&https.runs) - before, may);
        }
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        https_expect(https_ask(routes[i].line), "HTTP/1.1 401 Unauthorized\r\n",
                     "WWW-Authenticate: Bearer\r\n");
    }
}

static void the_route_knows_who_asks(void **state)
{
    (void)state;
    https_open();
    https_expect(ask_as("GET /view HTTP/1.1", https_token("load", ADMIN_ROLE_VIEWER)),
                 "HTTP/1.1 200 OK\r\n",
                 "{\"actor\":\"token:load\",\"role\":1,\"via\":2,\"address\":\"127.0.0.1\","
                 "\"known\":true}");
    static const char nobody[] = "{\"actor\":\"\",\"role\":0,\"via\":1,\"address\":\"127.0.0.1\","
                                 "\"known\":false}";
    https_expect(https_ask("GET /open HTTP/1.1"), "HTTP/1.1 200 OK\r\n", nobody);
    https_expect(ask_as("GET /open HTTP/1.1", "Authorization: Bearer kba_none"),
                 "HTTP/1.1 200 OK\r\n", nobody);
    https_expect(ask_as("GET /open HTTP/1.1", "Cookie: " AUTH_COOKIE "=old"), "HTTP/1.1 200 OK\r\n",
                 nobody);
}

static void a_session_needs_its_token_for_changes(void **state)
{
    (void)state;
    struct auth_entry entry;
    char text[512];
    https_open();
    add_account("ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    (void)snprintf(text, sizeof text, "GET /view HTTP/1.1\r\nCookie: x=y; %s=%s", AUTH_COOKIE,
                   entry.id);
    https_expect(https_ask(text), "HTTP/1.1 200 OK\r\n", "\"actor\":\"ann\",\"role\":2,\"via\":1,");
    (void)snprintf(text, sizeof text, "POST /change HTTP/1.1\r\nCookie: %s=%s", AUTH_COOKIE,
                   entry.id);
    https_expect(https_ask(text), "HTTP/1.1 403 Forbidden\r\n", "\"code\":\"csrf\"");
    (void)snprintf(text, sizeof text, "POST /change HTTP/1.1\r\nCookie: %s=%s\r\nX-CSRF-Token: %s",
                   AUTH_COOKIE, entry.id, entry.who.csrf);
    https_expect(https_ask(text), "HTTP/1.1 200 OK\r\n", "\"actor\":\"ann\"");
    (void)snprintf(text, sizeof text,
                   "POST /change HTTP/1.1\r\nCookie: %s=%s\r\nX-CSRF-Token: %s\r\n"
                   "Sec-Fetch-Site: cross-site",
                   AUTH_COOKIE, entry.id, entry.who.csrf);
    https_expect(https_ask(text), "HTTP/1.1 403 Forbidden\r\n", "a page of another site");
    https_expect(https_ask("POST /open HTTP/1.1\r\nSec-Fetch-Site: cross-site"),
                 "HTTP/1.1 403 Forbidden\r\n", "\"code\":\"csrf\"");
    /* another port or a sister's name: the browser sends our cookie along */
    https_expect(https_ask("POST /open HTTP/1.1\r\nSec-Fetch-Site: same-site"),
                 "HTTP/1.1 403 Forbidden\r\n", "\"code\":\"csrf\"");
    https_expect(https_ask("POST /open HTTP/1.1\r\nSec-Fetch-Site: same-origin"),
                 "HTTP/1.1 200 OK\r\n", "\"known\":false");
    https_expect(https_ask("POST /open HTTP/1.1\r\nSec-Fetch-Site: none"), "HTTP/1.1 200 OK\r\n",
                 "\"known\":false");
}

/* Signing in again replaces the session that the browser has still: it has to be known. */
static void what_anybody_may_do_needs_no_token_to_tell_who_does(void **state)
{
    (void)state;
    struct auth_entry entry;
    char text[512];
    https_open();
    add_account("ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    (void)snprintf(text, sizeof text, "POST /open HTTP/1.1\r\nCookie: %s=%s", AUTH_COOKIE,
                   entry.id);
    https_expect(https_ask(text), "HTTP/1.1 200 OK\r\n", "\"actor\":\"ann\"");
}

/* A name is what somebody chose: it does not look like other members of the line. */
static void the_log_quotes_who_changed_something(void **state)
{
    (void)state;
    int ends[2];
    char line[2048] = "";
    https_open();
    assert_int_equal(pipe(ends), 0);
    const char *who = https_token("x status=500", ADMIN_ROLE_ADMIN);
    log_setup(ends[1], LOG_INFO);
    https_expect(ask_as("POST /change HTTP/1.1", who), "HTTP/1.1 200 OK\r\n", "x status=500");
    log_setup(2, LOG_ERROR + 1);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    if (strstr(line, "request.done route=/change status=200 actor=\"token:x status=500\"") ==
        NULL) {
        fail_msg("%s", line);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_password_that_others_know_lets_in_to_change_it_alone(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_row row;
    struct auth_account_change change = {.password = "made by another"};
    struct auth_entry entry;
    char cookie[256];
    https_open();
    add_account("ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(auth_account_change(&by, "ann", &change, &row, NULL), 0);
    assert_int_equal(sign_in("ann", change.password, &entry), 0);
    (void)snprintf(cookie, sizeof cookie, "Cookie: %s=%s\r\nX-CSRF-Token: %s", AUTH_COOKIE,
                   entry.id, entry.who.csrf);
    int before = atomic_load(&https.runs);
    static const char *const lines[] = {"GET /view HTTP/1.1", "POST /change HTTP/1.1",
                                        "GET /rule HTTP/1.1"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        https_expect(ask_as(lines[i], cookie), "HTTP/1.1 403 Forbidden\r\n",
                     "\"code\":\"must_change\"");
    }
    assert_int_equal(atomic_load(&https.runs), before);
    https_expect(ask_as("GET /api/v1/session HTTP/1.1", cookie), "HTTP/1.1 200 OK\r\n",
                 "\"actor\":\"ann\",\"role\":2");
    https_expect(ask_as("GET /open HTTP/1.1", cookie), "HTTP/1.1 200 OK\r\n", "\"known\":true");

    struct auth_own_password own = {.who = &entry.who,
                                    .from = {"192.0.2.1", false},
                                    .old = change.password,
                                    .password = "known to ann alone"};
    struct auth_entry after;
    assert_int_equal(auth_own_password(&by, &own, &after, NULL), 0);
    (void)snprintf(cookie, sizeof cookie, "Cookie: %s=%s", AUTH_COOKIE, after.id);
    https_expect(ask_as("GET /view HTTP/1.1", cookie), "HTTP/1.1 200 OK\r\n", "\"known\":true");
}

static void who_is_not_let_in_need_not_send_the_body(void **state)
{
    (void)state;
    https_open();
    SSL *ssl = https_connect(1);
    https_say(ssl, "POST /change HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    https_expect(https_read(ssl, NULL), "HTTP/1.1 401 Unauthorized\r\n", "Connection: close\r\n");
    https_close(ssl);
    https_expect(https_ask("POST /open HTTP/1.1\r\nContent-Length: 4097"),
                 "HTTP/1.1 413 Content Too Large\r\n", "at most 4096 are taken here");
    ssl = https_connect(1);
    https_say(ssl, "GET /view HTTP/1.1\r\nHost: x\r\n\r\n"); /* it was whole: others may follow */
    https_expect(https_read(ssl, "}"), "HTTP/1.1 401 Unauthorized\r\n", "not_signed_in");
    https_say(ssl, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
    https_expect(https_read(ssl, "}"), "HTTP/1.1 200 OK\r\n", "\"known\":false");
    https_close(ssl);
}

static void bodies_share_a_limited_memory(void **state)
{
    (void)state;
    https.limits.body_bytes = 3000;
    https_open();
    SSL *ssl = https_connect(1);
    https_say(ssl, "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{");
    (void)usleep(50000);
    https_expect(https_ask("POST /open HTTP/1.1\r\nContent-Length: 2000"),
                 "HTTP/1.1 503 Service Unavailable\r\n", "too many large requests");
    https_close(ssl);
    for (int i = 0; i < 100; i++) {
        (void)usleep(20000);
        SSL *again = https_connect(1);
        https_say(again, "POST /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                         "Content-Length: 2002\r\n\r\n{");
        char rest[2002];
        memset(rest, ' ', sizeof rest);
        rest[2000] = '}';
        (void)SSL_write(again, rest, 2001);
        (void)https_read(again, NULL);
        https_close(again);
        if (strncmp(https.answer, "HTTP/1.1 200", 12) == 0) {
            return; /* what the one that left had promised is free */
        }
    }
    fail_msg("%s", https.answer);
}

static void without_a_state_there_is_little_to_answer(void **state)
{
    (void)state;
    https.away = true;
    https_open();
    https_expect(https_ask("GET /open HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\"known\":false");
    https_expect(ask_as("GET /view HTTP/1.1", https_token("x", ADMIN_ROLE_VIEWER)),
                 "HTTP/1.1 503 Service Unavailable\r\n", "Retry-After: 1\r\n");
    https_expect(https_ask("POST /open HTTP/1.1"), "HTTP/1.1 503 Service Unavailable\r\n",
                 "opening its state");
    https_expect(https_ask("GET / HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "<p>hello</p>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(roles_are_compared),
        HTTPS_TEST(a_password_that_others_know_lets_in_to_change_it_alone),
        HTTPS_TEST(the_log_quotes_who_changed_something),
        HTTPS_TEST(the_route_knows_who_asks),
        HTTPS_TEST(a_session_needs_its_token_for_changes),
        HTTPS_TEST(what_anybody_may_do_needs_no_token_to_tell_who_does),
        HTTPS_TEST(who_is_not_let_in_need_not_send_the_body),
        HTTPS_TEST(bodies_share_a_limited_memory),
        HTTPS_TEST(without_a_state_there_is_little_to_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
