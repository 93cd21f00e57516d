/* tests/client/test_agent_files.c - the verbs of snapshot files. */
#include "tests/client/agent_samples.h"
#include "tests/client/file_samples.h"

static void there_and_back(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    struct file file;
    char text[2 * TMP_FOLDER_MAX];
    char trust[SNAPSHOT_FINGERPRINT_MAX];
    machine_begin(&m);
    file_of_people(&file, m.folder, (struct file_form){.who = 1, .password = "pass"});
    file_fingerprint(1, trust);
    (void)snprintf(text, sizeof text, "import %s pass ~ -", file.path);
    assert_string_equal(ask(&m, &answer, text), "end -51");
    (void)snprintf(text, sizeof text, "import %s wrong %s -", file.path, trust);
    assert_string_equal(ask(&m, &answer, text), "end -52");
    for (int taken = 0; taken < 2; taken++) {
        char expected[512];
        (void)snprintf(text, sizeof text, "import %s pass %s %s", file.path, trust,
                       taken != 0 ? "-" : "+");
        (void)snprintf(expected, sizeof expected,
                       "end 0 [1,the server,%.60s,1700000000000,1000,3,6,0,3,2,6,0,0,0]", trust);
        assert_string_equal(ask(&m, &answer, text), expected);
        assert_int_equal(status_of(&m).users, taken != 0 ? 2 : 0);
    }
    assert_string_equal(ask(&m, &answer, "users"), "[Ann,900,4,true] [Bo,13,1,true] end 0");

    (void)snprintf(text, sizeof text, "export %s/mine.kitbag pass", m.folder);
    (void)ask(&m, &answer, text);
    assert_int_equal(answer.code, 0);
    assert_non_null(strstr(answer.text, ",2,1,5,0,0,"));
    (void)ask(&m, &answer, text);
    assert_int_equal(answer.code, KB_E_EXISTS);
    (void)snprintf(text, sizeof text, "export-outbox %s/outbox.kitbag", m.folder);
    assert_string_equal(ask(&m, &answer, text), "end -34");
    machine_end(&m);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_string_equal(ask(&m, &answer, "import /x ~ ~"), "end -15");
    assert_string_equal(ask(&m, &answer, "import #1 ~ ~ -"), "end -15");
    assert_string_equal(ask(&m, &answer, "import /nowhere/x ~ ~ -"), "end -2");
    assert_string_equal(ask(&m, &answer, "export /x"), "end -15");
    assert_string_equal(ask(&m, &answer, "export-outbox"), "end -15");
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests_name("client/agent_files", tests, NULL, NULL);
}
