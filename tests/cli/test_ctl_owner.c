/* Tests of cli/ctl_owner.c: listing, showing and deleting people and groups. */
#include "tests/cli/run_ctl.h"

#define OWNER(name, next)                                                                          \
    "{\"owners\":[{\"name\":\"" name "\",\"kind\":\"user\",\"bag_id\":\"2\",\"items\":3,"          \
    "\"bytes\":10,\"seq\":\"7\"}]" next "}"
#define REPORT(dry, users, missing, failed)                                                        \
    "{\"dry_run\":" dry ",\"users\":" users ",\"groups\":0,\"items\":3,\"bytes\":10,"              \
    "\"devices\":2,\"seq\":\"8\",\"missing\":[" missing "],\"failed\":[" failed "]}"

static void all_users_are_listed(void **state)
{
    (void)state;
    ctl_answers(OWNER("ann", ",\"next\":\"user:ann\""), OWNER("Zo\xc3\xab", ""), NULL);
    assert_int_equal(run_ctl("user", "ls", NULL), 0);
    assert_string_equal(ctl.out, "NAME  ITEMS  BYTES  SEQ\n"
                                 "ann       3     10    7\n"
                                 "Zo\xc3\xab       3     10    7\n");
    assert_asked("GET /api/v1/owners?kind=user&limit=1000&search= HTTP");
    assert_asked("&cursor=user%3Aann HTTP");
}

static void a_search_that_finds_nobody_exits_with_3(void **state)
{
    (void)state;
    ctl_answers("{\"owners\":[]}", "{\"owners\":[]}", OWNER("ann", ""), NULL);
    assert_int_equal(run_ctl("user", "ls", "a b", NULL), 3);
    assert_said("no user has 'a b' in the name");
    assert_asked("&search=a%20b HTTP");
    assert_int_equal(run_ctl("group", "ls", NULL), 0); /* none at all is no failure */
    assert_said("(none)");
    assert_asked("?kind=group&");
    assert_int_equal(run_ctl("user", "ls", "ann", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "name")), "ann");
    json_decref(rows);
}

#define SHOWN                                                                                      \
    "{\"name\":\"Ann\",\"kind\":\"user\",\"bag_id\":\"2\",\"items\":3,\"bytes\":9,"                \
    "\"seq\":\"7\",\"device_bags\":[]}"
#define ITEMS                                                                                      \
    "{\"items\":[{\"item\":\"a\",\"size\":2,\"seq\":\"3\",\"time\":\"T\",\"origin\":\"00ff\","     \
    "\"value\":\"hi\"},{\"item\":\"b\",\"size\":1,\"seq\":\"4\",\"time\":\"T\",\"origin\":\"\","   \
    "\"value_base64\":\"/w==\"},{\"item\":\"keychain/x\",\"size\":9,\"seq\":\"5\",\"time\":\"T\"," \
    "\"origin\":\"\",\"masked\":true}]}"

static void a_user_is_shown_with_items(void **state)
{
    (void)state;
    ctl_answers(SHOWN, ITEMS, NULL);
    assert_int_equal(run_ctl("user", "show", "Ann", "--values", NULL), 0);
    assert_string_equal(ctl.out, "user Ann, bag 2, at seq 7: 3 items\n\n"
                                 "ITEM        SIZE  SEQ  TIME  FROM  VALUE\n"
                                 "a              2    3  T     00ff  hi\n"
                                 "b              1    4  T           (not text)\n"
                                 "keychain/x     9    5  T           (secret)\n");
    assert_asked("GET /api/v1/owners/user/Ann HTTP");
    assert_asked("GET /api/v1/owners/user/Ann/items?limit=10000&values=1 HTTP");
}

static void a_program_gets_one_document(void **state)
{
    (void)state;
    ctl_answers(SHOWN, ITEMS, NULL);
    assert_int_equal(run_ctl("user", "show", "a/b", "-o", "json", NULL), 0);
    json_t *shown = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(shown, "name")), "Ann");
    assert_string_equal(json_string_value(json_object_get(shown, "bag_id")), "2");
    assert_string_equal(json_string_value(json_object_get(shown, "seq")), "7");
    json_t *items = json_object_get(shown, "items");
    assert_int_equal(json_array_size(items), 3);
    assert_null(json_object_get(json_array_get(items, 2), "value")); /* as the server said it */
    json_decref(shown);
    assert_asked("GET /api/v1/owners/user/a%2Fb/items?limit=10000 HTTP");
}

/* To libcurl such a name is a step up, unless it is told otherwise. */
static void a_name_may_be_dots(void **state)
{
    (void)state;
    ctl_answers(SHOWN, ITEMS, NULL);
    assert_int_equal(run_ctl("user", "show", "..", NULL), 0);
    assert_asked("GET /api/v1/owners/user/.. HTTP");
    assert_asked("GET /api/v1/owners/user/../items?limit=10000 HTTP");
}

/* Both questions mean the same moment, whatever was given. */
static void a_user_of_the_past_is_shown(void **state)
{
    (void)state;
    ctl_answers("{\"name\":\"Ann\",\"kind\":\"user\",\"bag_id\":\"2\",\"at\":\"6\",\"items\":1,"
                "\"hidden\":2,\"seq\":\"5\",\"deleted\":\"9\",\"device_bags\":[]}",
                "{\"items\":[]}", NULL);
    assert_int_equal(run_ctl("user", "show", "Ann", "--at", "2026-11-22", "--device", "00ff", NULL),
                     0);
    assert_printed("user Ann, bag 2, at seq 5: 0 items (2 more are initialised: kitbagctl fence "
                   "ls); deleted since, with change 9\n");
    assert_asked("GET /api/v1/owners/user/Ann?&device=00ff&at=2026-11-22 HTTP");
    assert_asked("GET /api/v1/owners/user/Ann/items?limit=10000&device=00ff&at=6 HTTP");
}

static void nobody_can_not_be_shown(void **state)
{
    (void)state;
    ctl_answers("404 {\"code\":\"not_found\",\"detail\":\"there is no group 'x'\"}", NULL);
    assert_int_equal(run_ctl("group", "show", "x", NULL), 3);
    assert_said("kitbagctl: there is no group 'x'\n");
    assert_asked("GET /api/v1/owners/group/x HTTP");
}

static void a_deletion_asks_first(void **state)
{
    (void)state;
    ctl_answers(REPORT("true", "1", "", ""), NULL);
    assert_int_equal(run_ctl("user", "rm", "ann", NULL), 2);
    assert_said("this asks before it acts");
    const char *requests = canned_http_requests(ctl.server);
    assert_non_null(strstr(requests, "{\"users\":[\"ann\"],\"dry_run\":true}"));
    assert_null(strstr(requests, "\"dry_run\":false"));
}

static void a_dry_run_shows_and_does_nothing(void **state)
{
    (void)state;
    ctl_answers(REPORT("true", "1", "", ""), NULL);
    assert_int_equal(run_ctl("user", "rm", "ann", "--dry-run", NULL), 0);
    assert_string_equal(ctl.out, "Dry run:  yes\nDeleted:  1\nItems:    3\nBytes:    10\n"
                                 "Machines: 2\nSeq:      8\n");
    assert_asked("{\"users\":[\"ann\"],\"dry_run\":true}");
}

static void yes_deletes_at_once(void **state)
{
    (void)state;
    ctl_answers(REPORT("false", "2", "", ""), REPORT("false", "2", "", ""), NULL);
    assert_int_equal(run_ctl("user", "rm", "ann", "bob", "--yes", NULL), 0);
    assert_string_equal(ctl.out,
                        "Deleted:  2\nItems:    3\nBytes:    10\nMachines: 2\nSeq:      8\n");
    const char *requests = canned_http_requests(ctl.server);
    assert_non_null(strstr(requests, "{\"users\":[\"ann\",\"bob\"],\"dry_run\":false}"));
    assert_null(strstr(requests, "\"dry_run\":true"));
    assert_int_equal(run_ctl("user", "rm", "g", "-y", "-o", "json", NULL), 0);
    json_t *report = json_loads(ctl.out, 0, NULL);
    assert_true(json_is_false(json_object_get(report, "dry_run")));
    json_decref(report);
}

static void groups_are_deleted_by_the_same_words(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"users\":0,\"groups\":1,\"items\":3,\"bytes\":10,"
                "\"devices\":2,\"seq\":\"8\",\"missing\":[\"h\"],\"failed\":[]}",
                NULL);
    assert_int_equal(run_ctl("group", "rm", "g", "h", "-y", NULL), 7);
    assert_printed("Deleted:  1\n");
    assert_said("there is no group 'h'\n");
    assert_asked("{\"groups\":[\"g\",\"h\"],\"dry_run\":false}");
}

static void what_is_left_out_is_told(void **state)
{
    (void)state;
    static const char failure[] =
        "{\"kind\":\"user\",\"name\":\"cy\",\"code\":\"read_only\",\"reason\":\"no writes\"}";
    char report[1024];
    (void)snprintf(report, sizeof report, REPORT("false", "1", "\"bob\"", "%s"), failure);
    ctl_answers(report, NULL);
    assert_int_equal(run_ctl("user", "rm", "ann", "bob", "cy", "--yes", NULL), 7);
    assert_printed("Deleted:  1\n");
    assert_said("there is no user 'bob'\n");
    assert_said("user 'cy': no writes\n");
    assert_said("kitbagctl: 2 of 3 were left out\n");
    (void)snprintf(report, sizeof report, REPORT("false", "0", "", "%s"), failure);
    ctl_answers(report, "404 {\"code\":\"not_found\",\"detail\":\"nobody\"}", NULL);
    assert_int_equal(run_ctl("user", "rm", "cy", "--yes", NULL), 1);
    assert_said("kitbagctl: no writes\n");
    assert_int_equal(run_ctl("user", "rm", "x", "--yes", NULL), 3);
}

static void a_name_that_is_no_text_is_refused(void **state)
{
    (void)state;
    ctl_answers("{}", NULL);
    assert_int_equal(run_ctl("user", "rm", "\xff", "--yes", NULL), 2);
    assert_said("is not UTF-8 text");
}

static void a_copy_of_a_machine_may_be_taken(void **state)
{
    (void)state;
    static const char preview[] =
        "{\"dry_run\":true,\"users\":1,\"groups\":0,\"items\":3,\"bytes\":9,\"devices\":1,"
        "\"seq\":null,\"missing\":[],\"failed\":[],\"suppliers\":[{\"id\":\"07\",\"name\":"
        "\"lobby\",\"connected\":true},{\"id\":\"08\",\"name\":\"\",\"connected\":false}]}";
    ctl_answers(preview, preview,
                "{\"dry_run\":true,\"users\":1,\"items\":3,\"suppliers\":[],\"missing\":[]}", NULL);
    assert_int_equal(run_ctl("user", "rm", "zoe", "--adopt", NULL), 2);
    assert_said("a copy is held by machine lobby (connected)\n");
    assert_said("a copy is held by machine 08 (not connected)\n");
    assert_asked("{\"users\":[\"zoe\"],\"dry_run\":true,\"adopt\":true}");
    assert_int_equal(run_ctl("user", "rm", "zoe", "--adopt", "--dry-run", NULL), 0);
    assert_printed("Deleted:  1\n");
    assert_int_equal(run_ctl("user", "rm", "zoe", "--adopt", "--dry-run", NULL), 0);
    assert_said("no machine is known to hold a copy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_copy_of_a_machine_may_be_taken),
        CTL_TEST(all_users_are_listed),
        CTL_TEST(a_search_that_finds_nobody_exits_with_3),
        CTL_TEST(a_user_is_shown_with_items),
        CTL_TEST(a_program_gets_one_document),
        CTL_TEST(a_name_may_be_dots),
        CTL_TEST(a_user_of_the_past_is_shown),
        CTL_TEST(nobody_can_not_be_shown),
        CTL_TEST(a_deletion_asks_first),
        CTL_TEST(a_dry_run_shows_and_does_nothing),
        CTL_TEST(yes_deletes_at_once),
        CTL_TEST(groups_are_deleted_by_the_same_words),
        CTL_TEST(what_is_left_out_is_told),
        CTL_TEST(a_name_that_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
