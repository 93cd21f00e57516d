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

static void one_machine_is_shown(void **state)
{
    (void)state;
    static const char shown[] =
        "{\"id\":\"0000000000000007\",\"name\":\"lobby\",\"state\":\"diverged\",\"refused\":"
        "\"diverged\",\"refused_text\":\"both sides\",\"keep\":\"groups\",\"mirror\":true,"
        "\"cursor\":\"9\",\"lag\":2,\"current_seq\":\"8\",\"mirror_seq\":\"7\","
        "\"healed\":1,\"verified\":\"T\",\"address\":\"\"}";
    ctl_answers("{\"devices\":[" ATTIC "," LOBBY "]}", shown, shown, NULL);
    assert_int_equal(run_ctl("device", "show", "lobby", NULL), 0);
    assert_printed("State:         diverged\nRefused:       diverged\nBecause:       both sides\n");
    assert_printed("Keeps:         groups\nMay mirror:    yes\nTold seq:      9\n"
                   "Behind by:     2\nComplete to:   8\nMirrored to:   7\nCompared:      T\n"
                   "Fetched anew:  1\n");
    assert_asked("GET /api/v1/devices/0000000000000007 HTTP");
    assert_int_equal(run_ctl("device", "show", "0000000000000007", "-o", "json", NULL), 0);
    json_t *device = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(device, "lag")), 2);
    json_decref(device);
}

#define PATCHED                                                                                    \
    "{\"dry_run\":false,\"id\":\"0000000000000007\",\"name\":\"lobby\",\"keep\":\"groups\","       \
    "\"mirror\":"                                                                                  \
    "false,\"changed\":true,\"seq\":\"9\"}"

static void names_and_rights_are_given(void **state)
{
    (void)state;
    ctl_answers(PATCHED, PATCHED, PATCHED, PATCHED,
                "400 {\"code\":\"invalid\",\"detail\":\"'keep' is signed-in, groups or "
                "everybody\"}",
                NULL);
    assert_int_equal(run_ctl("device", "keep", "0000000000000007", "groups", NULL), 0);
    assert_string_equal(ctl.out, "ID:         0000000000000007\nName:       lobby\n"
                                 "Keeps:      groups\nMay mirror: no\nChanged:    yes\n"
                                 "Seq:        9\n");
    assert_asked("PATCH /api/v1/devices/0000000000000007 HTTP");
    assert_asked("{\"keep\":\"groups\",\"dry_run\":false}");
    assert_int_equal(run_ctl("device", "mirror", "0000000000000007", "yes", "-n", NULL), 0);
    assert_asked("{\"mirror\":true,\"dry_run\":true}");
    assert_int_equal(run_ctl("device", "mirror", "0000000000000007", "no", NULL), 0);
    assert_asked("{\"mirror\":false,\"dry_run\":false}");
    assert_int_equal(run_ctl("device", "rename", "0000000000000007", "x y", NULL), 0);
    assert_asked("{\"name\":\"x y\",\"dry_run\":false}");
    assert_int_equal(run_ctl("device", "keep", "0000000000000007", "all", NULL), 2);
    assert_said("'keep' is signed-in, groups or everybody");
    assert_int_equal(run_ctl("device", "mirror", "0000000000000007", "maybe", NULL), 2);
    assert_said("a machine may mirror the journal, yes or no, not 'maybe'");
    assert_int_equal(run_ctl("device", "rename", "0000000000000007", "\xff", NULL), 2);
}

static void machines_of_a_state_are_listed(void **state)
{
    (void)state;
    ctl_answers("{\"devices\":[" ATTIC "]}", NULL);
    assert_int_equal(run_ctl("device", "ls", "--state", "diverged", NULL), 0);
    assert_asked("GET /api/v1/devices?limit=1000&filter=&state=diverged HTTP");
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
        CTL_TEST(one_machine_is_shown),
        CTL_TEST(names_and_rights_are_given),
        CTL_TEST(machines_of_a_state_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
