/* Tests of cli/ctl_device.c: seeing machines and removing them. */
#include "tests/cli/run_ctl.h"

#define DEVICE(id, name)                                                                           \
    "{\"id\":\"" id "\",\"name\":\"" name                                                          \
    "\",\"model\":\"Copier\",\"state\":\"active\",\"connected\":true,"                             \
    "\"last_seen\":\"T\",\"lag\":0,\"users\":2,\"address\":\"10.0.0.9\",\"version\":\"0.1\"}"
#define LOBBY DEVICE("0000000000000007", "lobby")
#define ATTIC DEVICE("0000000000000008", "attic lobby")

static void machines_are_listed(void **state)
{
    (void)state;
    ctl_answers("{\"devices\":[" LOBBY "," ATTIC "]}", "{\"devices\":[]}", "{\"devices\":[]}",
                NULL);
    assert_int_equal(run_ctl("device", "ls", "LOB", NULL), 0);
    assert_string_equal(
        ctl.out, "ID                NAME         MODEL   STATE   CONNECTED  LAST SEEN  LAG  USERS  "
                 "ADDRESS   VERSION\n"
                 "0000000000000007  lobby        Copier  active  yes        T            0      2  "
                 "10.0.0.9  0.1\n"
                 "0000000000000008  attic lobby  Copier  active  yes        T            0      2  "
                 "10.0.0.9  0.1\n");
    assert_asked("GET /api/v1/devices?limit=1000&filter=LOB HTTP");
    assert_int_equal(run_ctl("device", "ls", "x", NULL), 3);
    assert_said("no machine has 'x' in name, serial, model or ID");
    assert_int_equal(run_ctl("device", "ls", NULL), 0);
    assert_said("(none)");
}

static void a_machine_is_removed_by_its_id(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"devices\":1,\"seq\":\"9\",\"missing\":[],\"failed\":[]}",
                NULL);
    assert_int_equal(run_ctl("device", "rm", "0000000000000007", "--yes", NULL), 0);
    assert_string_equal(ctl.out, "Removed: 1\nSeq:     9\n");
    assert_asked("POST /api/v1/devices/delete HTTP");
    assert_asked("{\"ids\":[\"0000000000000007\"],\"dry_run\":false}");
}

static void a_machine_is_removed_by_its_name(void **state)
{
    (void)state;
    ctl_answers("{\"devices\":[" ATTIC "," LOBBY "]}",
                "{\"dry_run\":true,\"devices\":1,\"seq\":null,\"missing\":[],\"failed\":[]}", NULL);
    assert_int_equal(run_ctl("device", "rm", "lobby", "--dry-run", NULL), 0);
    assert_string_equal(ctl.out, "Dry run: yes\nRemoved: 1\n");
    assert_asked("filter=lobby HTTP");
    assert_asked("{\"ids\":[\"0000000000000007\"],\"dry_run\":true}");
}

static void a_name_has_to_be_of_one_machine(void **state)
{
    (void)state;
    ctl_answers("{\"devices\":[" LOBBY "," LOBBY "]}", "{\"devices\":[" ATTIC "]}", NULL);
    assert_int_equal(run_ctl("device", "rm", "lobby", "--yes", NULL), 4);
    assert_said("2 machines are called 'lobby': give the ID of one");
    assert_int_equal(run_ctl("device", "rm", "lobby", "--yes", NULL), 3);
    assert_said("no machine has the name or ID 'lobby'");
    assert_null(strstr(canned_http_requests(ctl.server), "delete"));
}

static void a_removal_asks_first(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":true,\"devices\":1,\"seq\":null,\"missing\":[],\"failed\":[]}", NULL);
    assert_int_equal(run_ctl("device", "rm", "0000000000000007", NULL), 2);
    assert_said("this asks before it acts");
    assert_null(strstr(canned_http_requests(ctl.server), "\"dry_run\":false"));
}

static void what_is_left_out_is_told(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"devices\":1,\"seq\":\"9\",\"missing\":[\"00ff\"],"
                "\"failed\":[{\"id\":\"00fe\",\"code\":\"busy\",\"reason\":\"it is busy\"}]}",
                "{\"dry_run\":false,\"devices\":0,\"seq\":null,\"missing\":[],"
                "\"failed\":[{\"id\":\"00fe\",\"code\":\"busy\",\"reason\":\"it is busy\"}]}",
                NULL);
    assert_int_equal(run_ctl("device", "rm", "0000000000000007", "0000000000000008",
                             "0000000000000009", "--yes", NULL),
                     7);
    assert_said("no registered machine has the ID 00ff\n");
    assert_said("machine 00fe: it is busy\n");
    assert_said("kitbagctl: 2 of 3 were left out");
    assert_int_equal(run_ctl("device", "rm", "0000000000000007", "--yes", NULL), 1);
    assert_said("kitbagctl: it is busy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(machines_are_listed),
        CTL_TEST(a_machine_is_removed_by_its_id),
        CTL_TEST(a_machine_is_removed_by_its_name),
        CTL_TEST(a_name_has_to_be_of_one_machine),
        CTL_TEST(a_removal_asks_first),
        CTL_TEST(what_is_left_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
