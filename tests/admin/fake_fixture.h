/* tests/admin/fake_fixture.h - a fake server for each test. */
#ifndef KITBAG_TESTS_ADMIN_FAKE_FIXTURE_H
#define KITBAG_TESTS_ADMIN_FAKE_FIXTURE_H

#include "tests/admin/fake_backend.h"

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
    fake_close(&fake);
    return 0;
}

#define FAKE_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

#endif
