/* tests/admin/api/session_fixture.h - requests of somebody who signed in, put to the routes. */
#ifndef KITBAG_TESTS_ADMIN_SESSION_FIXTURE_H
#define KITBAG_TESTS_ADMIN_SESSION_FIXTURE_H

#include "tests/admin/api/ask.h"
#include "tests/admin/auth/auth_fixture.h"

static struct auth_entry root; /* an administrator's session */

static inline void ask_by(const struct admin_identity *who)
{
    ask_as.who = who;
}

static inline int open_session(void **state)
{
    (void)open_auth(state);
    add_account("root", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("root", PASSWORD, &root), 0);
    ask_as.auth = auth;
    ask_as.address = "192.0.2.1";
    ask_by(&root.who);
    return 0;
}

static inline int close_session(void **state)
{
    ask_as.auth = NULL;
    ask_as.address = NULL;
    ask_by(NULL);
    ask_if_match = NULL;
    return close_auth(state);
}

#define SESSION_TEST(test) cmocka_unit_test_setup_teardown(test, open_session, close_session)

static inline void refused(const char *method, const char *target, const char *body, int status,
                           const char *code, const char *detail)
{
    struct answer answer = ask(&fake, method, target, body);
    expect_problem(&answer, status, code, detail);
}

/* The newest event of the audit has these pieces, in this order. */
static inline void audited(const char *action, const char *about)
{
    const char *event = server_item("@audit");
    const char *at = strstr(event, action);
    if (at == NULL || strstr(at, about) == NULL) {
        fail_msg("the audit tells %s", event);
    }
}

#endif
