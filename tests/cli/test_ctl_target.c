/* Tests of cli/ctl_target.c: what is typed stays one part of a target. */
#include "tests/cli/run_ctl.h"

#include "cli/ctl_target.h"

static void text_is_encoded_for_a_target(void **state)
{
    (void)state;
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, 64);
    ctl_escape(&buf, "aZ09-._~ /?&=+%\xc3\xa9");
    assert_string_equal(ctl_target(&buf, &err), "aZ09-._~%20%2F%3F%26%3D%2B%25%C3%A9");
    buf_reset(&buf);
    ctl_escape(&buf, "////////////////////////////////////");
    assert_null(ctl_target(&buf, &err));
    assert_string_equal(err.text, "that is too long to ask for");
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(text_is_encoded_for_a_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
