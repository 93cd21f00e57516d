/* Tests of cli/ctl_backup.c: backups that are made, listed, forgotten, and a restore's
 * confirmation.
 */
#include "tests/cli/run_ctl.h"

#define BEGUN "202 {\"dry_run\":false,\"folder\":\"/srv/b\",\"number\":3}"
#define FOLDERS                                                                                    \
    "\"backups\":[{\"folder\":\"/srv/b\",\"backups\":2,\"newest\":\"N\",\"newest_time\":"          \
    "\"T\",\"newest_seq\":\"7\",\"removals_seq\":\"8\",\"reachable\":true,\"text\":null}]}"
#define CURRENT(number, more)                                                                      \
    "{\"current\":{\"number\":" number ",\"folder\":\"/srv/b\"," more "}," FOLDERS
#define RUNNING                                                                                    \
    CURRENT("3", "\"state\":\"running\",\"verifying\":false,\"done_bytes\":1,\"total_bytes\":2")
#define DONE                                                                                       \
    CURRENT("3",                                                                                   \
            "\"state\":\"done\",\"path\":\"/srv/b/N\",\"seq\":\"7\",\"time\":\"T\",\"files\":9,"   \
            "\"bytes\":100,\"new_bytes\":10,\"frozen_us\":5,\"took_ms\":6,\"verified\":true")
#define FAILED                                                                                     \
    CURRENT("3", "\"state\":\"failed\",\"code\":\"no_space\",\"text\":\"the disk is full\"")
#define RESTORED(held)                                                                             \
    "{\"restored\":true,\"held\":" held ",\"backup\":\"N\",\"made\":\"T\",\"parent_seq\":\"7\","   \
    "\"time\":\"U\",\"removals_known\":false,\"removals_known_to\":null,\"devices\":3,\"users\":"  \
    "4,"                                                                                           \
    "\"groups\":5,\"confirmed\":null,\"confirmed_by\":null,\"dry_run\":false,\"seq\":\"9\"}"

static void one_is_waited_for(void **state)
{
    (void)state;
    ctl_answers(BEGUN, RUNNING, RUNNING, DONE, NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", "--verify", NULL), 0);
    assert_printed("Backup:              /srv/b/N\n");
    assert_printed("Up to change:        7\n");
    assert_printed("Read back:           yes\n");
    assert_asked("POST /api/v1/backups HTTP");
    assert_asked("{\"path\":\"/srv/b\",\"verify\":true,\"dry_run\":false}");
}

static void a_short_path_is_from_here_where_the_server_is_here(void **state)
{
    (void)state;
    char here[PATH_MAX];
    char wanted[PATH_MAX + 64];
    assert_non_null(getcwd(here, sizeof here));
    ctl_answers(BEGUN, DONE, NULL);
    assert_int_equal(run_ctl("backup", "some/where", NULL), 0);
    (void)snprintf(wanted, sizeof wanted, "{\"path\":\"%s/some/where\",\"verify\":false", here);
    assert_asked(wanted);
}

static void what_became_of_it_is_told(void **state)
{
    (void)state;
    ctl_answers(BEGUN, RUNNING, FAILED, NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", NULL), 1);
    assert_said("the disk is full");
    assert_string_equal(ctl.out, "");
    ctl_answers(BEGUN, CURRENT("4", "\"state\":\"running\""), NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", NULL), 1);
    assert_said("the server knows nothing more of this backup");
    ctl_answers(BEGUN, "{\"current\":null," FOLDERS, NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", NULL), 1);
    assert_said("the server knows nothing more of this backup");
    ctl_answers("409 {\"code\":\"exists\",\"detail\":\"it is another server's\"}", NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", NULL), 4);
    assert_said("it is another server's");
    assert_int_equal(run_ctl("backup", NULL), 2);
}

static void a_dry_run_makes_none(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":true,\"folder\":\"/srv/b\",\"seq\":\"7\",\"bytes\":100,\"new_bytes\":"
                "10,\"links\":true,\"first\":false,\"room_bytes\":1000}",
                NULL);
    assert_int_equal(run_ctl("backup", "/srv/b", "-n", NULL), 0);
    assert_printed("Of these new:       10\n");
    assert_asked("\"dry_run\":true");
}

static void the_folders_are_listed(void **state)
{
    (void)state;
    ctl_answers(RUNNING, DONE, NULL);
    assert_int_equal(run_ctl("backup", "ls", NULL), 0);
    assert_printed("FOLDER  BACKUPS  NEWEST  MADE  REMOVALS UP TO  REACHABLE\n"
                   "/srv/b        2  N       T                  8  yes\n");
    assert_said("A backup is being made in '/srv/b'.");
    assert_int_equal(run_ctl("backup", "ls", "-o", "ndjson", NULL), 0);
    assert_printed("\"newest\":\"N\"");
}

static void forgetting_one_asks_first(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"folder\":\"/srv/b\",\"seq\":\"9\"}", NULL);
    assert_int_equal(run_ctl("backup", "forget", "/srv/b", NULL), 2);
    assert_said("this asks before it acts");
    assert_int_equal(run_ctl("backup", "forget", "/srv/b", "--yes", NULL), 0);
    assert_printed("Forgotten: /srv/b\nSeq:       9\n");
    assert_asked("{\"path\":\"/srv/b\",\"dry_run\":false}");
}

static void a_restore_is_confirmed_by_a_person(void **state)
{
    (void)state;
    ctl_answers(RESTORED("true"), RESTORED("true"), RESTORED("true"), RESTORED("false"), NULL);
    assert_int_equal(run_ctl("restore", "status", NULL), 0);
    assert_printed("Waits to be confirmed: yes\n");
    assert_said("Nobody is served yet.");
    assert_int_equal(run_ctl("restore", "confirm", NULL), 2);
    assert_said("this asks before it acts");
    assert_int_equal(run_ctl("restore", "confirm", "--yes", NULL), 0);
    assert_printed("Waits to be confirmed: no\n");
    assert_asked("POST /api/v1/restore/confirm HTTP");
}

static void without_the_servers_program_none_is_read(void **state)
{
    (void)state;
    assert_int_equal(setenv("PATH", ctl.folder, 1), 0);
    assert_int_equal(run_ctl("backup", "verify", "/srv/b", NULL), 3);
    assert_said("on the server's machine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(one_is_waited_for),
        CTL_TEST(a_short_path_is_from_here_where_the_server_is_here),
        CTL_TEST(what_became_of_it_is_told),
        CTL_TEST(a_dry_run_makes_none),
        CTL_TEST(the_folders_are_listed),
        CTL_TEST(forgetting_one_asks_first),
        CTL_TEST(a_restore_is_confirmed_by_a_person),
        CTL_TEST(without_the_servers_program_none_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
