/* Tests of cli/ctl_status.c. */
#include "tests/cli/run_ctl.h"

#define STATUS(state, why, uptime)                                                                 \
    "{\"version\":\"9.9\",\"history\":\"aa\",\"seq\":\"12\",\"hash\":\"bb\",\"state\":\"" state    \
    "\",\"state_text\":\"" why "\",\"uptime_ms\":" uptime ",\"writes\":3,\"counts\":{\"users\":5," \
    "\"groups\":1,\"bags\":7,\"items\":9,\"bytes\":11,\"devices\":4,\"connected\":2},\"journal\":" \
    "{\"floor\":\"1\",\"head\":\"12\",\"flushed\":\"3\",\"segments\":2,\"bytes\":512,"             \
    "\"file_bytes\":1024}}"

static void a_person_reads_lines(void **state)
{
    (void)state;
    ctl_answers(STATUS("running", "", "4000"), NULL);
    assert_int_equal(run_ctl("status", NULL), 0);
    assert_string_equal(ctl.out, "State:    running\n"
                                 "Seq:      12\n"
                                 "People:   users 5, groups 1\n"
                                 "Kept:     items 9, bytes 11\n"
                                 "Machines: registered 4, connected 2\n"
                                 "Journal:  changes 1 to 12, files 2, bytes 512\n"
                                 "History:  aa\n"
                                 "Uptime:   4 s\n"
                                 "Version:  9.9\n");
    assert_asked("GET /api/v1/status HTTP/1.1");
}

static void why_it_takes_no_writes_is_told(void **state)
{
    (void)state;
    ctl_answers(STATUS("read-only", "the disk failed", "4000"), NULL);
    assert_int_equal(run_ctl("status", NULL), 0);
    assert_printed("State:    read-only: the disk failed\n");
}

static void digests_and_the_disk_are_told(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"state\":\"running\",\"state_text\":\"\",\"seq\":\"1\",\"history\":\"aa\","
        "\"version\":\"9\",\"uptime_ms\":0,\"digests\":{\"checked\":5,\"wrong\":%d,"
        "\"round\":null,\"healed\":2},\"disk\":{\"room_bytes\":%d,\"reserve_bytes\":"
        "2097152},\"clock_stepped\":%s}";
    char good[512];
    char bad[512];
    (void)snprintf(good, sizeof good, answer, 0, 4 << 20, "false");
    (void)snprintf(bad, sizeof bad, answer, 1, 1 << 20, "true");
    ctl_answers(good, bad, NULL);
    assert_int_equal(run_ctl("status", NULL), 0);
    assert_printed("Digests:  checked 5, wrong 0, fetched anew by machines 2\n");
    assert_printed("Disk:     4 MiB free; below 2 MiB writes wait\n");
    assert_string_equal(ctl.err, "");
    assert_int_equal(run_ctl("status", NULL), 0);
    assert_printed("wrong 1, fetched anew by machines 2 (the server's log names the bags)\n");
    assert_printed("1 MiB free; below 2 MiB writes wait: they do now, make room\n");
    assert_printed(
        "Clock:    the clock stepped: nothing is dropped for its age until a day has passed; if it "
        "is right now: kitbagctl clock confirm\n");
    assert_string_equal(ctl.err, "");
}

static void an_uptime_has_two_units(void **state)
{
    (void)state;
    static const char *const wanted[] = {"Uptime:   59 s\n",        "Uptime:   1 min 0 s\n",
                                         "Uptime:   59 min 59 s\n", "Uptime:   1 h 0 min\n",
                                         "Uptime:   23 h 59 min\n", "Uptime:   2 d 1 h\n"};
    ctl_answers(STATUS("running", "", "59999"), STATUS("running", "", "60000"),
                STATUS("running", "", "3599999"), STATUS("running", "", "3600000"),
                STATUS("running", "", "86399999"), STATUS("running", "", "177000000"), NULL);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(run_ctl("status", NULL), 0);
        assert_printed(wanted[i]);
    }
}

static void a_program_reads_the_document(void **state)
{
    (void)state;
    ctl_answers(STATUS("running", "", "4000"), NULL);
    assert_int_equal(run_ctl("-o", "json", "status", NULL), 0);
    json_t *status = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(status, "seq")), "12");
    assert_string_equal(json_string_value(json_object_get(status, "state")), "running");
    assert_true(json_is_object(json_object_get(status, "counts")));
    assert_true(json_is_object(json_object_get(status, "journal")));
    json_decref(status);
}

static void no_server_exits_with_6(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("status", NULL), 6);
    assert_said("kitbagctl: no server runs with the data folder '");
    assert_said("': start it with 'kitbagd --data ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_person_reads_lines),    CTL_TEST(why_it_takes_no_writes_is_told),
        CTL_TEST(an_uptime_has_two_units), CTL_TEST(a_program_reads_the_document),
        CTL_TEST(no_server_exits_with_6),  CTL_TEST(digests_and_the_disk_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
