/* Tests of cli/ctl_token.c: API tokens and join tokens. */
#include "tests/cli/run_ctl.h"

#define DEVICE(id, name) "{\"id\":\"" id "\",\"name\":\"" name "\",\"state\":\"active\"}"

static void an_api_token_is_the_only_output(void **state)
{
    (void)state;
    static const char token[] = "201 {\"id\":\"01\",\"name\":\"ci\",\"role\":\"viewer\","
                                "\"expires_at\":\"T\",\"token\":\"kba_x\"}";
    ctl_answers(token, token, NULL);
    assert_int_equal(run_ctl("token", "new", "ci", "--role", "viewer", "--expires", "30d", NULL),
                     0);
    assert_string_equal(ctl.out, "kba_x\n");
    assert_said("API token 'ci', role viewer, until T; shown this once:");
    assert_asked("POST /api/v1/tokens HTTP");
    assert_asked("{\"name\":\"ci\",\"role\":\"viewer\",\"expires_s\":2592000}");
    assert_int_equal(run_ctl("token", "new", "ci", "--role", "viewer", "-o", "json", NULL), 0);
    assert_printed("\"token\": \"kba_x\"");
}

static void an_api_token_needs_a_role_and_a_time(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("token", "new", "ci", NULL), 2);
    assert_said("--role viewer, operator or admin");
    assert_int_equal(run_ctl("token", "new", "ci", "--role", "viewer", "--expires", "soon", NULL),
                     2);
    assert_said("--expires takes a time such as 30m, 12h or 90d, not 'soon'");
    assert_int_equal(run_ctl("token", "new", "ci", "--role", "viewer", "--dry-run", NULL), 2);
    assert_said("'token new' has no dry run: nothing was done");
}

static void tokens_are_listed_and_removed(void **state)
{
    (void)state;
    ctl_answers("{\"tokens\":[{\"id\":\"01\",\"name\":\"ci\",\"role\":\"viewer\",\"by\":\"ann\","
                "\"created_at\":\"A\",\"expires_at\":\"B\",\"last_used\":null}]}",
                "{\"dry_run\":false,\"tokens\":1,\"seq\":\"9\",\"missing\":[]}",
                "{\"enrollments\":[{\"id\":\"02\",\"state\":\"new\",\"expires_at\":\"E\","
                "\"by\":\"ann\",\"created_at\":\"C\",\"device\":null,\"replaces\":null}]}",
                "{\"dry_run\":false,\"enrollments\":1,\"seq\":\"9\",\"missing\":[]}", NULL);
    assert_int_equal(run_ctl("token", "ls", NULL), 0);
    assert_string_equal(ctl.out, "ID  NAME  ROLE    BY   MADE  EXPIRES  LAST USED\n"
                                 "01  ci    viewer  ann  A     B        \n");
    assert_int_equal(run_ctl("token", "rm", "01", "--yes", NULL), 0);
    assert_asked("{\"ids\":[\"01\"],\"dry_run\":false}");
    assert_int_equal(run_ctl("device", "token", "ls", NULL), 0);
    assert_printed("02  new    E        ann  C");
    assert_int_equal(run_ctl("device", "token", "rm", "02", "--yes", NULL), 0);
    assert_string_equal(ctl.out, "Removed: 1\nSeq:     9\n");
    assert_asked("POST /api/v1/enrollments/delete HTTP");
}

static void join_tokens_come_one_a_line(void **state)
{
    (void)state;
    ctl_answers("{\"tokens\":[\"kb1.a\",\"kb1.b\"]}", "{\"tokens\":[{\"token\":\"kb1.c\"}]}", NULL);
    assert_int_equal(run_ctl("device", "token", "--count", "2", "--expires", "7d", NULL), 0);
    assert_string_equal(ctl.out, "kb1.a\nkb1.b\n");
    assert_asked("{\"count\":2,\"expires_s\":604800}");
    assert_int_equal(run_ctl("device", "token", NULL), 0);
    assert_string_equal(ctl.out, "kb1.c\n");
    assert_asked("\r\n\r\n{}");
    static const char *const bad[] = {"0", "x", "10001", "", "1x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run_ctl("device", "token", "--count", bad[i], NULL), 2);
        assert_said("--count takes a number from 1 to 10000");
    }
}

static void a_replaced_machine_may_be_named(void **state)
{
    (void)state;
    ctl_answers("{\"devices\":[" DEVICE("0000000000000007", "lobby") "]}",
                "{\"tokens\":[\"kb1.a\"]}", "{\"devices\":[]}", NULL);
    assert_int_equal(run_ctl("device", "token", "--replaces", "lobby", NULL), 0);
    assert_asked("{\"replaces\":\"0000000000000007\"}");
    assert_int_equal(run_ctl("device", "token", "--replaces", "attic", NULL), 3);
    assert_said("no machine has the name or ID 'attic'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(an_api_token_is_the_only_output), CTL_TEST(an_api_token_needs_a_role_and_a_time),
        CTL_TEST(tokens_are_listed_and_removed),   CTL_TEST(join_tokens_come_one_a_line),
        CTL_TEST(a_replaced_machine_may_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
