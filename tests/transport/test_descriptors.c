/* tests/transport/test_descriptors.c - are there descriptors left? */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/descriptors.h"

static int next_fd(void)
{
    int fd = dup(0);
    (void)close(fd);
    return fd;
}

static int free_below(int limit)
{
    int count = 0;
    for (int fd = 0; fd < limit; fd++) {
        count += fcntl(fd, F_GETFD) < 0 ? 1 : 0;
    }
    return count;
}

static void test_at_the_limit(void **state)
{
    (void)state;
    int first = next_fd();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit limit = {(rlim_t)first + 10, before.rlim_max};
    int left = free_below(first + 10);
    char text[64];
    (void)snprintf(text, sizeof text, "only %d of %d", left, left + 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct err err = {0};
    int at = descriptors_need(left, &err);
    int above = descriptors_need(left + 1, &err);
    int most = descriptors_need(DESCRIPTORS_MAX, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(at, 0);
    assert_int_equal(above, E_SYSTEM);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, "LimitNOFILE"));
    assert_int_equal(most, E_SYSTEM);
    assert_int_equal(descriptors_need(DESCRIPTORS_MAX, NULL), 0);
    assert_int_equal(next_fd(), first); /* all are closed again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
