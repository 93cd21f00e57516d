/* Tests of cli/ctl_past.c: the history of people and groups, and differences between moments. */
#include "tests/cli/run_ctl.h"

#define CONFLICT                                                                                   \
    "{\"seq\":\"9\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"origin\":\"00ff\","    \
    "\"device\":\"lobby\",\"actor\":\"\",\"item\":\"copy\",\"size\":1,\"old_seq\":\"8\","          \
    "\"old_size\":1,\"value\":\"3\",\"old_value\":\"2\",\"conflict\":true}"
#define SECRET                                                                                     \
    "{\"seq\":\"8\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"origin\":\"\","        \
    "\"device\":\"\",\"actor\":\"admin\",\"item\":\"keychain/x\",\"size\":1,\"masked\":true}"
#define BYTES                                                                                      \
    "{\"seq\":\"7\",\"time\":\"T\",\"kind\":\"item.remove\",\"bag_id\":\"2\",\"origin\":\"00fe\"," \
    "\"device\":\"\",\"actor\":\"\",\"item\":\"b\",\"old_seq\":\"6\",\"old_size\":1,"              \
    "\"old_value_base64\":\"/w==\"}"
#define PAGE(rows, end) "{\"name\":\"ann\",\"changes\":[" rows "]," end "}"
#define WHOLE           "\"complete\":true,\"oldest\":\"1\""

static void changes_are_shown_with_who_and_what_was(void **state)
{
    (void)state;
    ctl_answers(PAGE(CONFLICT "," SECRET, WHOLE ",\"next\":\"7\""), PAGE(BYTES, WHOLE),
                PAGE(CONFLICT, WHOLE), NULL);
    assert_int_equal(run_ctl("user", "history", "ann", "--values", NULL), 0);
    assert_string_equal(
        ctl.out,
        "SEQ  TIME  WHAT         ITEM        FROM          REPLACED  CONFLICT  VALUE     WAS\n"
        "  9  T     item.set     copy        lobby (00ff)         8  yes       3         2\n"
        "  8  T     item.set     keychain/x  admin                             (secret)  \n"
        "  7  T     item.remove  b           00fe                 6                      (not "
        "text)\n");
    assert_asked("GET /api/v1/owners/user/ann/history?limit=1000&values=1 HTTP");
    assert_asked("&cursor=7 HTTP");
    assert_string_equal(ctl.err, "");
    assert_int_equal(run_ctl("group", "history", "g", "copy/x", "--from", "5", "--to",
                             "2026-11-22T08:00:00Z", "--device", "00ff", NULL),
                     0);
    assert_asked("GET /api/v1/owners/group/g/history?limit=1000&item=copy%2Fx&device=00ff&from=5&"
                 "to=2026-11-22T08%3A00%3A00Z HTTP");
    assert_null(strstr(ctl.out, "VALUE"));
}

static void a_number_of_lines_is_enough(void **state)
{
    (void)state;
    ctl_answers(PAGE(CONFLICT "," SECRET, WHOLE ",\"next\":\"7\""),
                PAGE(BYTES, "\"complete\":false,\"oldest\":\"6\""), NULL);
    assert_int_equal(run_ctl("user", "history", "ann", "--lines", "1", "-o", "ndjson", NULL), 0);
    json_t *row = json_loads(ctl.out, 0, NULL); /* one line alone */
    assert_string_equal(json_string_value(json_object_get(row, "old_value")), "2");
    assert_null(json_object_get(row, "from")); /* as the server said it */
    json_decref(row);
    assert_int_equal(run_ctl("user", "history", "ann", NULL), 0);
    assert_said("There was more: the journal begins with change 6.\n");
    assert_int_equal(run_ctl("user", "history", "ann", "--lines", "0", NULL), 2);
    assert_said("--lines takes a number from 1 on, not '0'");
    assert_int_equal(run_ctl("user", "history", "ann", "--lines", "x", NULL), 2);
}

static void how_long_ago_becomes_a_time(void **state)
{
    (void)state;
    ctl_answers(PAGE("", WHOLE), NULL);
    assert_int_equal(run_ctl("user", "history", "ann", "--from", "-2h", NULL), 0);
    assert_asked("&from=20");
    assert_null(strstr(canned_http_requests(ctl.server), "-2h"));
    assert_said("(none)");
    assert_int_equal(run_ctl("user", "history", "ann", "--from", "-x", NULL), 2);
    assert_said("--from takes a seq, a time, or how long ago (-2h), not '-x'");
}

static void differences_are_shown(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"name\":\"ann\",\"from\":\"5\",\"to\":null,\"differences\":["
        "{\"change\":\"changed\",\"item\":\"a\",\"old_seq\":\"3\",\"old_value\":\"1\",\"seq\":"
        "\"6\",\"time\":\"T\",\"origin\":\"00ff\",\"value\":\"2\"},"
        "{\"change\":\"removed\",\"item\":\"b\",\"old_seq\":\"4\",\"old_value_base64\":\"/w==\"},"
        "{\"change\":\"added\",\"item\":\"keychain/k\",\"seq\":\"7\",\"time\":\"T\",\"origin\":"
        "\"\",\"masked\":true}]}";
    ctl_answers(answer, answer, NULL);
    assert_int_equal(run_ctl("user", "diff", "ann", "--from", "5", NULL), 0);
    assert_string_equal(ctl.out,
                        "CHANGE   ITEM        OLD SEQ  SEQ  TIME  FROM  WAS         IS\n"
                        "changed  a                 3    6  T     00ff  1           2\n"
                        "removed  b                 4                   (not text)  \n"
                        "added    keychain/k             7  T                       (secret)\n");
    assert_asked("GET /api/v1/owners/user/ann/diff?limit=1000&values=1&from=5 HTTP");
    assert_int_equal(run_ctl("group", "diff", "g", "--from", "5", "--to", "9", "-o", "json", NULL),
                     0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    assert_int_equal(run_ctl("user", "diff", "ann", NULL), 2);
    assert_said("since when? give --from SEQ, --from TIME or --from -2h");
}

static void what_is_too_old_exits_with_3(void **state)
{
    (void)state;
    ctl_answers("410 {\"code\":\"too_old\",\"detail\":\"the journal begins with change 9\","
                "\"oldest\":\"9\"}",
                NULL);
    assert_int_equal(run_ctl("user", "diff", "ann", "--from", "5", NULL), 3);
    assert_said("kitbagctl: the journal begins with change 9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(changes_are_shown_with_who_and_what_was),
        CTL_TEST(a_number_of_lines_is_enough),
        CTL_TEST(how_long_ago_becomes_a_time),
        CTL_TEST(differences_are_shown),
        CTL_TEST(what_is_too_old_exits_with_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
