/* tests/admin/api/api_fixture.h - a fake server for the tests of the API's routes. */
#ifndef KITBAG_TESTS_ADMIN_API_FIXTURE_H
#define KITBAG_TESTS_ADMIN_API_FIXTURE_H

#include "tests/admin/api/ask.h"
#include "tests/admin/fake_fixture.h"

static inline int close_api(void **state)
{
    ask_if_match = NULL;
    return close_fake(state);
}

#define API_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_api)

/* Ask, and expect a problem. */
static inline void refused(const char *method, const char *target, const char *body, int status,
                           const char *code, const char *detail)
{
    struct answer answer = ask(&fake, method, target, body);
    expect_problem(&answer, status, code, detail);
}

#endif
