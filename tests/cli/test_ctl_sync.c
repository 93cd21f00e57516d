/* Tests of cli/ctl_sync.c: what a start and a stop will do is told before. */
#include "tests/cli/run_ctl.h"

#define SYNC(more)                                                                                 \
    "{\"state\":\"stopped\",\"since\":\"T\",\"by\":\"ann\",\"users\":3,\"groups\":2,\"devices\":"  \
    "4,"                                                                                           \
    "\"connected\":1,\"waiting\":2,\"head\":\"9\"" more "}"

static void the_state_is_told(void **state)
{
    (void)state;
    ctl_answers(SYNC(""), NULL);
    assert_int_equal(run_ctl("sync", "status", NULL), 0);
    assert_string_equal(ctl.out, "Synchronization:    stopped\nSince:              T\n"
                                 "By:                 ann\nUsers:              3\n"
                                 "Groups:             2\nMachines:           4\n"
                                 "Connected:          1\nWith unsent writes: 2\n"
                                 "Seq:                9\n");
    assert_asked("GET /api/v1/sync HTTP");
}

static void a_change_says_whom_it_is_about(void **state)
{
    (void)state;
    ctl_answers(SYNC(""), SYNC(""), SYNC(",\"dry_run\":false,\"changed\":true"),
                SYNC(",\"dry_run\":true,\"changed\":false"), NULL);
    assert_int_equal(run_ctl("sync", "start", NULL), 2);
    assert_int_equal(run_ctl("sync", "stop", NULL), 2);
    assert_null(strstr(canned_http_requests(ctl.server), "PUT"));
    assert_int_equal(run_ctl("sync", "start", "--yes", NULL), 0);
    assert_printed("Changed:            yes\n");
    assert_asked("PUT /api/v1/sync HTTP");
    assert_asked("{\"state\":\"running\",\"dry_run\":false}");
    assert_int_equal(run_ctl("sync", "stop", "--dry-run", NULL), 0);
    assert_printed("Dry run:            yes\n");
    assert_asked("{\"state\":\"stopped\",\"dry_run\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(the_state_is_told),
        CTL_TEST(a_change_says_whom_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
