/* Every allocation of a command fails once: it prints what it prints otherwise, or exits with 1 and
 * a sentence; and the same command again is done. */
#include "tests/cli/run_kitbag.h"
#include "tests/support/fail_alloc.h"

enum { TRIES_MAX = 1000, WORDS = 5 };

static int run_words(const char *const words[WORDS])
{
    return run_kitbag(words[0], words[1], words[2], words[3], words[4], NULL);
}

/* Returns how often it failed. */
static unsigned check_command(const char *const words[WORDS])
{
    static char expected[RUN_TEXT_MAX];
    unsigned refused = 0;
    bool failed = true;
    assert_int_equal(run_words(words), 0);
    memcpy(expected, ran.out, sizeof expected);
    for (unsigned nth = 1; failed; nth++) {
        assert_true(nth < TRIES_MAX);
        fail_alloc_at(nth);
        int code = run_words(words);
        failed = fail_alloc_stop();
        if (code == 0) {
            assert_string_equal(ran.out, expected);
        } else {
            if (!failed || code != 1) {
                fail_msg("%s, allocation %u: %d: %s", words[0], nth, code, ran.err);
            }
            assert_true(ran.err[0] != '\0');
            refused++;
        }
    }
    assert_int_equal(run_words(words), 0);
    assert_string_equal(ran.out, expected);
    return refused;
}

static void reading(void **state)
{
    (void)state;
    static const char *const commands[][WORDS] = {
        {"get", "zoe", "copy/default"}, {"ls", "zoe", "copy", "-o", "json"},
        {"ls", "zoe", "--values"},      {"users", "-o", "json"},
        {"outbox", "ls", "-o", "json"}, {"outbox", "refused"},
        {"status", "-o", "json"},
    };
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "copy/default", "{\"sides\":2}", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "fax/default", "a", NULL), 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_true(check_command(commands[i]) > 3);
    }
}

/* In a new folder each time. What a failed one was asked for may be done all the same: it was not
 * refused, there was no memory for the answer. */
static void writing(void **state)
{
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        assert_true(nth < TRIES_MAX);
        assert_int_equal(ran_teardown(state), 0);
        assert_int_equal(ran_setup(state), 0);
        assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
        fail_alloc_at(nth);
        int code = run_kitbag("set", "zoe", "copy/default", "b", NULL);
        failed = fail_alloc_stop();
        if (code != 0 && (!failed || code != 1 || ran.err[0] == '\0')) {
            fail_msg("allocation %u: %d: %s", nth, code, ran.err);
        }
        bool written = run_kitbag("get", "zoe", "copy/default", NULL) == 0;
        assert_true(written || code != 0);
        assert_true(!written || strcmp(ran.out, "b") == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading, ran_setup, ran_teardown),
        cmocka_unit_test_setup_teardown(writing, ran_setup, ran_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
