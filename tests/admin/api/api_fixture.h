/* tests/admin/api/api_fixture.h - a fake server for the tests of the API's routes. */
#ifndef KITBAG_TESTS_ADMIN_API_FIXTURE_H
#define KITBAG_TESTS_ADMIN_API_FIXTURE_H

#include "tests/admin/api/ask.h"

static struct fake_backend fake;

static inline int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    return 0;
}

static inline int close_fake(void **state)
{
    (void)state;
    ask_if_match = NULL;
    fake_close(&fake);
    return 0;
}

#define API_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

/* Ask, and expect a problem. */
static inline void refused(const char *method, const char *target, const char *body, int status,
                           const char *code, const char *detail)
{
    struct answer answer = ask(&fake, method, target, body);
    expect_problem(&answer, status, code, detail);
}

#endif
