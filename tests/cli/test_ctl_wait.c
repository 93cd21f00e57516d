/* Tests of cli/ctl_wait.c: until machines are there, or the time is over. */
#include "tests/cli/run_ctl.h"

#define DEVICE(id, name, seq, connected)                                                           \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"current_seq\":" seq ",\"connected\":" connected "}"
#define LOBBY(seq) DEVICE("0000000000000007", "lobby", seq, "true")
#define ATTIC(seq) DEVICE("0000000000000008", "attic", seq, "false")

static void all_machines_are_waited_for(void **state)
{
    (void)state;
    ctl_answers("{\"seq\":\"9\"}", "{\"devices\":[" LOBBY("\"8\"") "," ATTIC("null") "]}",
                "{\"devices\":[" LOBBY("\"9\"") "," ATTIC("\"12\"") "]}", NULL);
    assert_int_equal(run_ctl("wait", "--device", "all", NULL), 0);
    assert_printed("Machines:  2\nAt seq:    9\n");
    assert_asked("GET /api/v1/devices?limit=1000&state=active HTTP");
}

static void one_machine_is_waited_for(void **state)
{
    (void)state;
    ctl_answers(LOBBY("\"8\""), LOBBY("\"9\""), NULL);
    assert_int_equal(
        run_ctl("wait", "--device", "0000000000000007", "--seq", "9", "-o", "ndjson", NULL), 0);
    assert_printed("{\"machines\":1,\"seq\":\"9\",\"waited_ms\":");
    assert_asked("GET /api/v1/devices/0000000000000007 HTTP");
}

static void the_time_may_be_over_first(void **state)
{
    (void)state;
    static const char behind[] = "{\"devices\":[" LOBBY("\"8\"") "," ATTIC("null") "]}";
    ctl_answers(behind, behind, behind, behind, behind, behind, NULL);
    assert_int_equal(run_ctl("wait", "--device", "all", "--seq", "9", "--timeout", "150ms", NULL),
                     6);
    assert_said("2 of 2 machines are not at seq 9 yet: lobby, attic (not connected)");
}

static void what_is_asked_has_to_make_sense(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("wait", NULL), 2);
    assert_said("--device ID, or --device all");
    assert_int_equal(run_ctl("wait", "--device", "all", "--seq", "x", NULL), 2);
    assert_int_equal(run_ctl("wait", "--device", "all", "--timeout", "x", NULL), 2);
    assert_said("--timeout takes a time such as 30s or 5m, not 'x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(all_machines_are_waited_for),
        CTL_TEST(one_machine_is_waited_for),
        CTL_TEST(the_time_may_be_over_first),
        CTL_TEST(what_is_asked_has_to_make_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
