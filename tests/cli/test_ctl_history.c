/* Tests of cli/ctl_history.c: a new history, and a clock that is confirmed. */
#include "tests/cli/run_ctl.h"

#define FORK(dry, history, seq)                                                                    \
    "{\"dry_run\":" dry ",\"parent\":\"aa\",\"parent_seq\":\"9\",\"history\":" history             \
    ",\"seq\":" seq ",\"connected\":3}"

static void a_fork_asks_first(void **state)
{
    (void)state;
    ctl_answers(FORK("true", "null", "null"), FORK("true", "null", "null"),
                FORK("false", "\"bb\"", "\"10\""), NULL);
    assert_int_equal(run_ctl("history", "fork", NULL), 2);
    assert_said("this asks before it acts");
    assert_asked("{\"dry_run\":true}");
    assert_null(strstr(canned_http_requests(ctl.server), "{\"dry_run\":false}"));
    assert_int_equal(run_ctl("history", "fork", "-n", NULL), 0);
    assert_string_equal(ctl.out, "Dry run:            yes\nHistory so far:     aa\n"
                                 "Up to seq:          9\nMachines connected: 3\n");
    assert_int_equal(run_ctl("history", "fork", "--yes", NULL), 0);
    assert_printed("New history:        bb\nFrom seq:           10\n");
    assert_asked("POST /api/v1/history/fork HTTP");
    assert_asked("{\"dry_run\":false}");
}

static void the_clock_is_confirmed(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"had_stepped\":true,\"time\":\"T\"}",
                "503 {\"code\":\"closed\",\"detail\":\"the server is shutting down\"}", NULL);
    assert_int_equal(run_ctl("clock", "confirm", NULL), 0);
    assert_string_equal(ctl.out, "The server's time: T\nIt had stepped:    yes\n");
    assert_asked("POST /api/v1/clock/confirm HTTP");
    assert_int_equal(run_ctl("clock", "confirm", "-n", NULL), 1);
    assert_said("the server is shutting down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_fork_asks_first),
        CTL_TEST(the_clock_is_confirmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
