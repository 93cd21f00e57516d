/* Tests of cli/ctl_log.c: the newest lines, and those that follow. */
#include "tests/cli/run_ctl.h"

#define LINE(id, text)                                                                             \
    "{\"id\":\"" id "\",\"time\":\"T\",\"level\":\"info\",\"module\":\"m\",\"event\":\"e\","       \
    "\"text\":\"" text "\"}"

static void the_newest_lines_are_printed(void **state)
{
    (void)state;
    static const char two[] = "{\"log\":[" LINE("1", "a=1") "," LINE("2", "b\\u001b") "]}";
    ctl_answers(two, two, "{\"log\":[]}", NULL);
    assert_int_equal(run_ctl("log", "--level", "info", "--search", "a b", NULL), 0);
    assert_string_equal(ctl.out, "T  info  m  e  a=1\nT  info  m  e  b?\n");
    assert_asked("GET /api/v1/log?limit=100&level=info&search=a%20b HTTP");
    assert_int_equal(run_ctl("log", "-o", "json", "--lines", "7", NULL), 0);
    assert_asked("GET /api/v1/log?limit=7 HTTP");
    assert_printed("\"id\": \"2\"");
    assert_int_equal(run_ctl("log", NULL), 0);
    assert_said("(none)");
}

/* The end of a long one says what to do. */
static void lines_are_printed_whole(void **state)
{
    (void)state;
    char stream[1024];
    char whole[512];
    (void)snprintf(whole, sizeof whole, "T  info  m  e  %0400d end\n", 7);
    (void)snprintf(stream, sizeof stream, "{\"log\":[" LINE("1", "%0400d end") "]}", 7);
    ctl_answers(stream, NULL);
    assert_int_equal(run_ctl("log", NULL), 0);
    assert_string_equal(ctl.out, whole);
    (void)snprintf(stream, sizeof stream, LINE("1", "%0400d end") "\n", 7);
    ctl_answers(stream, NULL);
    assert_int_equal(run_ctl("log", "-f", NULL), 0);
    assert_string_equal(ctl.out, whole);
}

static void lines_that_follow_come_one_by_one(void **state)
{
    (void)state;
    static const char stream[] =
        LINE("1", "one") "\n{\"heartbeat\":true}\n{\"missed\":5}\n" LINE("7", "two") "\n";
    ctl_answers(stream, stream, NULL);
    assert_int_equal(run_ctl("log", "-f", NULL), 0);
    assert_string_equal(ctl.out, "T  info  m  e  one\nT  info  m  e  two\n");
    assert_said("(5 lines were not caught");
    assert_asked("GET /api/v1/log?limit=100&feed=ndjson HTTP");
    assert_int_equal(run_ctl("log", "-f", "-o", "ndjson", NULL), 0);
    assert_printed("{\"missed\":5}\n");
    assert_int_equal(run_ctl("log", "-f", "-o", "json", NULL), 2);
    assert_said("--follow never ends");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(the_newest_lines_are_printed),
        CTL_TEST(lines_are_printed_whole),
        CTL_TEST(lines_that_follow_come_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
