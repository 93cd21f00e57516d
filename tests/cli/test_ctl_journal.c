/* Tests of cli/ctl_journal.c: the numbers, what holds them, the tail. */
#include "tests/cli/run_ctl.h"

static void the_size_is_shown(void **state)
{
    (void)state;
    ctl_answers("{\"history\":\"aa\",\"floor\":\"1\",\"head\":\"9\",\"first_time\":\"F\","
                "\"last_time\":\"L\",\"segments\":2,\"bytes\":10,\"file_bytes\":20}",
                NULL);
    assert_int_equal(run_ctl("journal", "stat", NULL), 0);
    assert_string_equal(ctl.out, "First change:  1\nLast change:   9\nFrom:          F\n"
                                 "To:            L\nFiles:         2\nBytes:         10\n"
                                 "Bytes on disk: 20\nHistory:       aa\n");
    assert_asked("GET /api/v1/journal/stat HTTP");
}

static void what_holds_the_journal_is_explained(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"history\":\"aa\",\"floor\":\"1\",\"head\":\"9\",\"flushed\":\"7\","
        "\"segments\":2,\"bytes\":10,\"file_bytes\":20,\"room_bytes\":99,"
        "\"clock_stepped\":true,\"retention\":["
        "{\"what\":\"journal\",\"seq\":\"1\",\"text\":\"it is young\"},"
        "{\"what\":\"undo\",\"seq\":\"5\",\"text\":\"7 days\"}]}";
    ctl_answers(answer, answer, NULL);
    assert_int_equal(run_ctl("journal", "stat", NULL), 0);
    assert_printed("Flushed to:    7\n");
    assert_printed("Bytes free:    99\n");
    assert_printed("\n\nKEPT     FROM SEQ  BECAUSE\n"
                   "journal         1  it is young\n"
                   "undo            5  7 days\n");
    assert_said("The server's clock stepped: nothing is dropped for its age until a day has "
                "passed. If it is right now: kitbagctl clock confirm\n");
    assert_int_equal(run_ctl("journal", "stat", "-o", "json", NULL), 0);
    json_t *stat = json_loads(ctl.out, 0, NULL); /* one document */
    assert_int_equal(json_array_size(json_object_get(stat, "retention")), 2);
    json_decref(stat);
    assert_string_equal(ctl.err, "");
}

#define LINES                                                                                      \
    "{\"seq\":\"8\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"bag\":\"user:ann\","   \
    "\"item\":\"a\",\"size\":1,\"value\":\"x\",\"origin\":\"00ff\",\"actor\":\"\"}\n"              \
    "{\"heartbeat\":true,\"head\":\"8\"}\n"                                                        \
    "{\"seq\":\"9\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"bag\":\"user:ann\","   \
    "\"item\":\"keychain/k\",\"size\":1,\"masked\":true,\"origin\":\"\",\"actor\":\"admin\"}\n"

static void the_tail_is_printed(void **state)
{
    (void)state;
    ctl_answers(LINES, LINES, LINES, NULL);
    assert_int_equal(run_ctl("journal", "tail", NULL), 0);
    assert_string_equal(ctl.out, "8  T  item.set  user:ann  a  00ff    x\n"
                                 "9  T  item.set  user:ann  keychain/k  admin    (secret)\n");
    assert_asked("GET /api/v1/changes?feed=ndjson&follow=0&values=0 HTTP");
    assert_int_equal(run_ctl("journal", "tail", "-f", "-o", "ndjson", "--values", "--lines", "5",
                             "--bag", "user:a b", NULL),
                     0);
    assert_asked("?feed=ndjson&follow=1&values=1&tail=5&bag=user%3Aa%20b HTTP");
    json_t *line = json_loads(ctl.out, JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(json_string_value(json_object_get(line, "seq")), "8");
    assert_null(json_object_get(line, "from")); /* as the server said it */
    json_decref(line);
    assert_null(strstr(ctl.out, "heartbeat"));
    assert_int_equal(run_ctl("journal", "tail", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
}

static void the_tail_is_asked_for_sensibly(void **state)
{
    (void)state;
    ctl_answers("404 {\"code\":\"not_found\",\"detail\":\"there is no bag 'user:x'\"}",
                "{\"code\":\"corrupt\",\"detail\":\"it is damaged\"}\n", NULL);
    assert_int_equal(run_ctl("journal", "tail", "--lines", "x", NULL), 2);
    assert_said("--lines takes a number, not 'x'");
    assert_int_equal(run_ctl("journal", "tail", "--lines", "", NULL), 2);
    assert_int_equal(run_ctl("journal", "tail", "-f", "-o", "json", NULL), 2);
    assert_said("--follow never ends: use -o ndjson, a document a line");
    assert_int_equal(run_ctl("journal", "tail", "--bag", "user:x", NULL), 3);
    assert_said("there is no bag 'user:x'");
    assert_int_equal(run_ctl("journal", "tail", "-o", "json", NULL), 1);
    assert_said("it is damaged");
}

static void the_tail_may_begin_at_a_place(void **state)
{
    (void)state;
    static const char history[] = "000102030405060708090a0b0c0d0e0f";
    char place[64];
    (void)snprintf(place, sizeof place, "%s:7", history);
    ctl_answers("200 {\"seq\":\"8\"}\n", "{\"history\":\"000102030405060708090a0b0c0d0e0f\"}",
                "200 {\"seq\":\"8\"}\n", "{}",
                "410 {\"code\":\"too_old\",\"detail\":\"the journal begins with 9\"}", NULL);
    assert_int_equal(run_ctl("journal", "tail", "--since", place, NULL), 0);
    assert_asked("&values=0&since=000102030405060708090a0b0c0d0e0f%3A7 HTTP");
    assert_int_equal(run_ctl("journal", "tail", "--since", "6", "--bag", "fleet", NULL), 0);
    assert_asked("GET /api/v1/status HTTP");
    assert_asked("&bag=fleet&since=000102030405060708090a0b0c0d0e0f:6 HTTP");
    assert_int_equal(run_ctl("journal", "tail", "--since", "6", NULL), 1);
    assert_said("the server's status names no history");
    assert_int_equal(run_ctl("journal", "tail", "--since", place, NULL), 3);
    assert_said("the journal begins with 9");
    static const char *const wrong[] = {"", "x", "-1", "x:", "a:b", "12345678901234567890"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(run_ctl("journal", "tail", "--since", wrong[i], NULL), 2);
        assert_said("--since takes SEQ or HISTORY:SEQ");
    }
    assert_int_equal(run_ctl("journal", "tail", "--since", "1", "--lines", "2", NULL), 2);
    assert_said("exclude each other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(the_size_is_shown),
        CTL_TEST(what_holds_the_journal_is_explained),
        CTL_TEST(the_tail_is_printed),
        CTL_TEST(the_tail_is_asked_for_sensibly),
        CTL_TEST(the_tail_may_begin_at_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
