/* Tests of cli/ctl_item.c: setting, removing and restoring. */
#include "tests/cli/run_ctl.h"

#define WRITTEN                                                                                    \
    "{\"dry_run\":false,\"name\":\"ann\",\"item\":\"copy/a\",\"change\":\"changed\",\"size\":3,"   \
    "\"old_seq\":\"4\",\"seq\":\"5\"}"

static void an_item_is_set(void **state)
{
    (void)state;
    char input[TMP_FOLDER_MAX];
    tmp_folder_path(input, ctl.folder, "stdin");
    tmp_folder_write(input, "typed");
    ctl_answers(WRITTEN, WRITTEN, WRITTEN, NULL);
    assert_int_equal(run_ctl("user", "set", "ann", "copy/a", "abc", "--if-seq", "4", NULL), 0);
    assert_string_equal(ctl.out, "Item:     copy/a\nChange:   changed\nBytes:    3\n"
                                 "Replaced: 4\nSeq:      5\n");
    assert_asked("PUT /api/v1/owners/user/ann/items/copy%2Fa?dry_run=0 HTTP");
    assert_asked("If-Match: \"4\"\r\n");
    assert_asked("\r\n\r\nabc");
    assert_int_equal(run_ctl("group", "set", "g", "a", "-n", "--device", "00ff", NULL), 0);
    assert_asked("PUT /api/v1/owners/group/g/items/a?dry_run=1&device=00ff HTTP");
    assert_asked("\r\n\r\ntyped");
    assert_int_equal(run_ctl("user", "set", "ann", "a", "", "-o", "json", NULL), 0);
    json_t *answer = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(answer, "seq")), "5");
    json_decref(answer);
}

static void what_can_not_be_sent_is_refused(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char at[TMP_FOLDER_MAX + 1];
    tmp_folder_path(path, ctl.folder, "large");
    FILE *file = fopen(path, "we");
    assert_int_equal(ftruncate(fileno(file), (1 << 20) + 1), 0);
    (void)fclose(file);
    (void)snprintf(at, sizeof at, "@%s", path);
    ctl_answers("412 {\"code\":\"condition_failed\",\"detail\":\"'a' is at seq 9 now\"}", NULL);
    assert_int_equal(run_ctl("user", "set", "ann", "a", at, NULL), 2);
    assert_said("a value is at most 1 MiB (1048576 bytes)");
    assert_int_equal(run_ctl("user", "set", "ann", "a", "b", "--if-seq", "x", NULL), 2);
    assert_said("--if-seq takes a seq (0: there is none yet), not 'x'");
    assert_int_equal(run_ctl("user", "set", "ann", "a", "@/nowhere", NULL), 3);
    assert_string_equal(canned_http_requests(ctl.server), "");
    assert_int_equal(run_ctl("user", "unset", "ann", "a", "--if-seq", "8", NULL), 4);
    assert_said("'a' is at seq 9 now");
    assert_asked("DELETE /api/v1/owners/user/ann/items/a?dry_run=0 HTTP");
}

#define REPORT(dry, users, sets, failed)                                                           \
    "{\"dry_run\":" dry ",\"users\":" users ",\"groups\":0,\"at\":\"7\",\"set\":2,\"changed\":1,"  \
    "\"removed\":0,\"bytes\":9,\"bags\":1,\"change_sets\":" sets                                   \
    ",\"seq\":\"12\",\"failed\":[" failed "]}"
#define FAILURE                                                                                    \
    "{\"kind\":\"user\",\"name\":\"bob\",\"item\":\"a\",\"code\":\"exists\",\"reason\":\"it is "   \
    "there\"}"

static void a_restore_asks_first(void **state)
{
    (void)state;
    ctl_answers(REPORT("true", "1", "1", ""), REPORT("true", "1", "1", ""),
                REPORT("false", "1", "1", ""), NULL);
    assert_int_equal(run_ctl("user", "restore", "ann", NULL), 2);
    assert_said("this asks before it acts: add --yes (or --dry-run to see)");
    assert_asked("{\"users\":[\"ann\"],\"items\":[],\"dry_run\":true}");
    assert_int_equal(run_ctl("user", "restore", "ann", "--dry-run", NULL), 0);
    assert_string_equal(ctl.out, "Dry run:     yes\nRestored:    1\nAs of:       7\n"
                                 "Items set:   2\nChanged:     1\nRemoved:     0\nBytes:       9\n"
                                 "Change sets: 1\nSeq:         12\n");
    assert_int_equal(
        run_ctl("user", "restore", "ann", "-y", "--at", "7", "--item", "a", "--item", "b/c", NULL),
        0);
    assert_asked("{\"users\":[\"ann\"],\"items\":[\"a\",\"b/c\"],\"at\":\"7\",\"dry_run\":false}");
}

static void large_ones_and_failures_are_told(void **state)
{
    (void)state;
    ctl_answers(REPORT("false", "1", "3", FAILURE), REPORT("false", "0", "0", FAILURE), NULL);
    assert_int_equal(run_ctl("user", "restore", "ann", "bob", "-y", "--at", "7", NULL), 7);
    assert_said("user 'bob', a: it is there\n");
    assert_said("It took 3 change sets: machines may have seen a part of it.\n");
    assert_said("kitbagctl: 1 of 2 was left out");
    assert_int_equal(run_ctl("user", "restore", "bob", "-y", NULL), 4);
    assert_said("kitbagctl: it is there\n");
}

static void names_and_moments_have_to_be_text(void **state)
{
    (void)state;
    ctl_answers("{}", NULL);
    assert_int_equal(run_ctl("group", "restore", "\xff", "-y", NULL), 2);
    assert_said("the group's name '\xff' is not UTF-8 text");
    assert_int_equal(run_ctl("user", "restore", "a", "-y", "--item", "\xff", NULL), 2);
    assert_int_equal(run_ctl("user", "restore", "a", "-y", "--at", "\xff", NULL), 2);
    assert_int_equal(run_ctl("user", "restore", "a", "-y", "--at", "-1x", NULL), 2);
    assert_said("--at takes a seq, a time, or how long ago (-2h), not '-1x'");
    assert_string_equal(canned_http_requests(ctl.server), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(an_item_is_set),
        CTL_TEST(what_can_not_be_sent_is_refused),
        CTL_TEST(a_restore_asks_first),
        CTL_TEST(large_ones_and_failures_are_told),
        CTL_TEST(names_and_moments_have_to_be_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
