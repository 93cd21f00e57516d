/* Tests of cli/ctl_audit.c: who did what. */
#include "tests/cli/run_ctl.h"

#define EVENT(seq, about)                                                                          \
    "{\"seq\":\"" seq "\",\"time\":\"T\",\"actor\":\"ann\",\"action\":\"owner.delete\","           \
    "\"via\":\"session\",\"address\":\"10.0.0.9\",\"status\":200,\"about\":" about "}"

static void events_are_told_with_what_they_were_about(void **state)
{
    (void)state;
    ctl_answers("{\"audit\":[" EVENT(
                    "9",
                    "{\"users\":[\"zoe\",\"a\\u001bb\"],\"items\":3,"
                    "\"adopt\":false,\"of\":\"x\"}") "," EVENT("8", "null") "],\"complete\":false}",
                NULL);
    assert_int_equal(run_ctl("audit", NULL), 0);
    assert_string_equal(
        ctl.out, "TIME  WHO  WHAT          FROM      BY       SEQ  ABOUT\n"
                 "T     ann  owner.delete  10.0.0.9  session    9  users=zoe,a?b items=3 adopt=no "
                 "of=x\n"
                 "T     ann  owner.delete  10.0.0.9  session    8  \n");
    assert_said("the journal does not reach back further");
    assert_asked("GET /api/v1/audit?limit=1000 HTTP");
}

static void a_part_of_it_is_asked_for(void **state)
{
    (void)state;
    ctl_answers("{\"audit\":[" EVENT("9", "{}") "," EVENT("8", "{}") "],\"complete\":true}", NULL);
    assert_int_equal(run_ctl("audit", "--actor", "ann b", "--action", "owner", "--from", "4711",
                             "--lines", "1", "-o", "ndjson", NULL),
                     0);
    assert_non_null(strstr(ctl.out, "\"seq\":\"9\""));
    assert_null(strstr(ctl.out, "\"seq\":\"8\""));
    assert_asked("&actor=ann%20b&action=owner&from=4711 HTTP");
    assert_int_equal(run_ctl("audit", "--lines", "0", NULL), 2);
    assert_int_equal(run_ctl("audit", "--from", "-soon", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(events_are_told_with_what_they_were_about),
        CTL_TEST(a_part_of_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
