/* Tests of server/descriptors.c: the limit is raised, and too low a one is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "server/descriptors.h"

/* What is logged while the limit is raised for so many machines. */
static const char *raise_for(uint64_t machines)
{
    static char text[1024];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_setup(ends[1], LOG_WARNING);
    assert_int_equal(descriptors_raise(machines, NULL), 0);
    log_setup(2, LOG_ERROR);
    (void)close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    (void)close(ends[0]);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void the_limit_is_raised_to_what_is_allowed(void **state)
{
    (void)state;
    struct rlimit limit = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_max = limit.rlim_max < 1000 ? limit.rlim_max : 1000;
    limit.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_string_equal(raise_for(750), "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

static void too_low_a_limit_is_told(void **state)
{
    (void)state;
    const char *text = raise_for(751);
    assert_non_null(strstr(text, "files.few limit=1000 machines=750"));
    assert_non_null(strstr(text, "LimitNOFILE="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_raised_to_what_is_allowed),
        cmocka_unit_test(too_low_a_limit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
