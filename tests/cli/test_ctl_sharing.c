/* Tests of cli/ctl_sharing.c: seeing what is shared, changing it, taking that back. */
#include "tests/cli/run_ctl.h"

#define ROW(path, sharing, seq, by)                                                                \
    "{\"path\":\"" path "\",\"sharing\":\"" sharing "\",\"copy\":false,\"since_seq\":" seq         \
    ",\"since\":null,\"by\":" by "}"

static const char listed[] =
    "{\"sharing\":[" ROW("copy/default", "device", "\"9\"", "\"admin\"") "," ROW(
        "home/timeline", "shared", "null",
        "null") "],"
                "\"undo\":[{\"seq\":\"9\",\"time\":\"T\",\"by\":\"admin\",\"copy\":false,"
                "\"changes\":{\"copy/default\":\"device\",\"pins\":\"shared\"},\"categories\":[],"
                "\"until\":\"U\",\"refused\":null},"
                "{\"seq\":\"7\",\"time\":\"S\",\"by\":\"ann\",\"copy\":true,"
                "\"changes\":{\"pins\":\"device\"},\"categories\":[],\"until\":null,\"refused\":"
                "null},"
                "{\"seq\":\"5\",\"time\":\"R\",\"by\":\"ann\",\"copy\":false,"
                "\"changes\":{\"pins\":\"device\"},\"categories\":[],\"until\":\"U\","
                "\"refused\":\"it was changed since\"}]}";

static void categories_are_listed(void **state)
{
    (void)state;
    ctl_answers(listed, listed, NULL);
    assert_int_equal(run_ctl("sharing", "ls", NULL), 0);
    assert_string_equal(ctl.out, "CATEGORY       SHARING  COPY  SINCE SEQ  TIME  BY\n"
                                 "copy/default   device   no            9        admin\n"
                                 "home/timeline  shared   no                     \n");
    assert_asked("GET /api/v1/sharing HTTP");
    assert_int_equal(run_ctl("sharing", "ls", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
}

static void changes_that_can_be_taken_back_are_listed(void **state)
{
    (void)state;
    ctl_answers(listed, listed, NULL);
    assert_int_equal(run_ctl("sharing", "undo", NULL), 0);
    assert_string_equal(
        ctl.out, "SEQ  TIME  BY     CHANGES                           COPY  CAN BE TAKEN BACK "
                 "UNTIL\n"
                 "  9  T     admin  copy/default=device, pins=shared  no    U\n"
                 "  7  S     ann    pins=device                       yes   always\n"
                 "  5  R     ann    pins=device                       no    no: it was changed "
                 "since\n");
    assert_int_equal(run_ctl("sharing", "undo", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_true(json_is_object(json_object_get(json_array_get(rows, 0), "changes")));
    json_decref(rows);
}

#define PREVIEW                                                                                    \
    "{\"dry_run\":true,\"copy\":false,\"seq\":null,\"categories\":["                               \
    "{\"path\":\"copy/default\",\"was\":\"shared\",\"sharing\":\"device\","                        \
    "\"initialised\":[\"shared\"],\"lifted\":[],\"users\":2,\"devices\":3,\"items\":4,"            \
    "\"returning\":0},"                                                                            \
    "{\"path\":\"copy/previous\",\"was\":\"shared\",\"sharing\":\"shared\","                       \
    "\"initialised\":[\"shared\",\"device\"],\"lifted\":[],\"users\":1,\"devices\":1,\"items\":1," \
    "\"returning\":0}]}"
#define DONE                                                                                       \
    "{\"dry_run\":false,\"copy\":false,\"seq\":\"9\",\"categories\":["                             \
    "{\"path\":\"copy/default\",\"sharing\":\"device\",\"initialised\":[\"shared\"],"              \
    "\"lifted\":[]}]}"
#define NOTHING "{\"dry_run\":false,\"copy\":false,\"seq\":null,\"categories\":[]}"

static void it_is_told_before_it_is_done(void **state)
{
    (void)state;
    ctl_answers(PREVIEW, PREVIEW, DONE, NULL);
    assert_int_equal(run_ctl("sharing", "set", "copy/default=device", NULL), 2);
    assert_said("  copy/default: becomes device-specific; is initialised; users 2, machines 3, "
                "items that go 4, that come back 0\n");
    assert_said("  copy/previous: is initialised; users 1, machines 1, items that go 1, that "
                "come back 0\n");
    assert_said("this asks before it acts");
    assert_null(strstr(canned_http_requests(ctl.server), "\"dry_run\":false"));
    assert_int_equal(run_ctl("sharing", "set", "copy/default=device", "-n", NULL), 0);
    assert_string_equal(
        ctl.out,
        "CATEGORY       WAS     BECOMES  INITIALISED     TAKEN BACK  USERS  MACHINES  ITEMS GO  "
        "COME BACK\n"
        "copy/default   shared  device   shared                          2         3         4  "
        "        0\n"
        "copy/previous  shared  shared   shared, device                  1         1         1  "
        "        0\n");
    assert_int_equal(run_ctl("sharing", "set", "copy/default=device", "-y", NULL), 0);
    assert_string_equal(ctl.out, "CATEGORY      SHARING  INITIALISED  TAKEN BACK\n"
                                 "copy/default  device   shared       \n");
    assert_said("done at seq 9");
    assert_said("'kitbagctl sharing undo 9' takes it back");
    assert_asked("PUT /api/v1/sharing HTTP");
    assert_asked("{\"changes\":{\"copy/default\":\"device\"},\"copy\":false,\"dry_run\":false}");
}

static void several_at_once_with_a_copy(void **state)
{
    (void)state;
    ctl_answers(DONE, NOTHING, NULL);
    assert_int_equal(run_ctl("sharing", "set", "a=b=shared", "copy/default=device", "--copy", "-y",
                             "-o", "json", NULL),
                     0);
    assert_asked("{\"changes\":{\"a=b\":\"shared\",\"copy/default\":\"device\"},\"copy\":true,"
                 "\"dry_run\":false}");
    json_t *answer = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(answer, "seq")), "9");
    json_decref(answer);
    assert_int_equal(run_ctl("sharing", "set", "copy/default=device", "-y", NULL), 0);
    assert_string_equal(ctl.out, "");
    assert_said("all of that is so already: nothing changed");
}

/* Nothing to ask about: it is done without a question, and nothing is. */
static void nobody_is_asked_about_nothing(void **state)
{
    (void)state;
    ctl_answers(NOTHING, NOTHING, NULL);
    assert_int_equal(run_ctl("sharing", "set", "copy/default=device", NULL), 0);
    assert_said("all of that is so already: nothing changed");
}

static void it_is_taken_back(void **state)
{
    (void)state;
    static const char undone[] =
        "{\"dry_run\":true,\"undone\":\"9\",\"seq\":null,\"categories\":["
        "{\"path\":\"copy/default\",\"was\":\"device\",\"sharing\":\"shared\",\"initialised\":[],"
        "\"lifted\":[\"shared\"],\"users\":2,\"devices\":3,\"items\":1,\"returning\":4}]}";
    ctl_answers(undone, DONE, "412 {\"code\":\"condition_failed\",\"detail\":\"changed again\"}",
                NULL);
    assert_int_equal(run_ctl("sharing", "undo", "9", NULL), 2);
    assert_said("  copy/default: becomes shared; its initialisation is taken back; users 2, "
                "machines 3, items that go 1, that come back 4\n");
    assert_int_equal(run_ctl("sharing", "undo", "9", "-y", NULL), 0);
    assert_asked("POST /api/v1/sharing/undo HTTP");
    assert_asked("{\"seq\":\"9\",\"dry_run\":false}");
    assert_int_equal(run_ctl("sharing", "undo", "9", "-y", NULL), 4);
    assert_said("changed again");
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"copy/default", "copy/default=", "=device",
                                        "copy/default=Device", "copy/default:device"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(run_ctl("sharing", "set", words[i], "-y", NULL), 2);
        assert_said("is not CATEGORY=shared or CATEGORY=device, such as copy/default=device");
    }
    assert_int_equal(run_ctl("sharing", "set", "a=shared", "a=device", "-y", NULL), 2);
    assert_said("'a' is named twice");
    assert_int_equal(run_ctl("sharing", "set", "\xff=shared", "-y", NULL), 2);
    assert_said("is not UTF-8 text");
    static char large[1100];
    memset(large, 'a', sizeof large);
    memcpy(large + sizeof large - sizeof "=device", "=device", sizeof "=device");
    assert_int_equal(run_ctl("sharing", "set", large, "-y", NULL), 2);
    assert_said("is too long");
    assert_int_equal(run_ctl("sharing", "undo", "last", NULL), 2);
    assert_said("'last' is not the seq of a change: 'kitbagctl sharing undo' lists those that can "
                "be taken back");
    assert_int_equal(run_ctl("sharing", "set", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(categories_are_listed),
        CTL_TEST(changes_that_can_be_taken_back_are_listed),
        CTL_TEST(it_is_told_before_it_is_done),
        CTL_TEST(several_at_once_with_a_copy),
        CTL_TEST(nobody_is_asked_about_nothing),
        CTL_TEST(it_is_taken_back),
        CTL_TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
