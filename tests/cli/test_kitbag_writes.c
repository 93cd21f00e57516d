/* Tests of cli/kitbag_writes.c: set, rm, apply, and what they refuse. */
#include "tests/cli/run_kitbag.h"

#include "base/name.h"

static void zoe_signs_in(void)
{
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
}

static void set_and_rm(void **state)
{
    (void)state;
    zoe_signs_in();
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", NULL), 0);
    assert_int_equal(run_kitbag("set", "ZOE", "a", "2", NULL), 0); /* names fold */
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 0);
    assert_string_equal(ran.out, "2");
    assert_int_equal(run_kitbag("rm", "zoe", "a", NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 3);
}

static void bad_paths_are_refused_by_name(void **state)
{
    (void)state;
    char path[PATH_MAX_BYTES + 2];
    zoe_signs_in();
    const char *bad[] = {"", "/a", "a/", "a//b", "a/../b", "..", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run_kitbag("set", "zoe", bad[i], "1", NULL), 2);
        assert_true(strlen(ran.err) > 20);
    }
    memset(path, 'p', sizeof path);
    path[PATH_MAX_BYTES + 1] = '\0';
    assert_int_equal(run_kitbag("set", "zoe", path, "1", NULL), 2);
    assert_said("255");
    path[PATH_MAX_BYTES] = '\0';
    assert_int_equal(run_kitbag("set", "zoe", path, "1", NULL), 0);
}

static void a_value_is_at_most_one_mebibyte(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char at[TMP_FOLDER_MAX + 1];
    zoe_signs_in();
    tmp_folder_path(path, ran.folder, "value");
    (void)snprintf(at, sizeof at, "@%s", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, VALUE_MAX_BYTES), 0);
    assert_int_equal(run_kitbag("set", "zoe", "a", at, NULL), 0);
    assert_int_equal(ftruncate(fd, VALUE_MAX_BYTES + 1), 0);
    assert_int_equal(run_kitbag("set", "zoe", "a", at, NULL), 2);
    assert_said("1 MiB");
    (void)close(fd);
    assert_int_equal(run_kitbag("set", "zoe", "a", "@/nowhere", NULL), 3);
    assert_said("/nowhere");
}

static void apply_is_all_or_none(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    zoe_signs_in();
    tmp_folder_path(path, ran.folder, "settings.json");
    assert_int_equal(run_kitbag("set", "zoe", "old", "1", NULL), 0);
    tmp_folder_write(path, "{\"old\": null, \"a\": \"text\", \"b\": {\"sides\": 2}}");
    assert_int_equal(run_kitbag("apply", "zoe", path, NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "old", NULL), 3);
    assert_int_equal(run_kitbag("get", "zoe", "b", NULL), 0);
    assert_string_equal(ran.out, "{\"sides\":2}");
    tmp_folder_write(path, "{\"a\": \"new\", \"bad//path\": \"x\"}");
    assert_int_equal(run_kitbag("apply", "zoe", path, NULL), 2);
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 0);
    assert_string_equal(ran.out, "text");
    tmp_folder_write(path, "{\"a\": \"1\", \"a\": \"2\"}");
    assert_int_equal(run_kitbag("apply", "zoe", path, NULL), 2);
    assert_said("line 1");
    tmp_folder_write(path, "[]");
    assert_int_equal(run_kitbag("apply", "zoe", path, NULL), 2);
}

static void options_are_checked(void **state)
{
    (void)state;
    zoe_signs_in();
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", "--if-seq", "x", NULL), 2);
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", "--wait=soon", NULL), 2);
    assert_int_equal(run_kitbag("set", "zoe", "a", NULL), 2);
    assert_int_equal(run_kitbag("set", "nobody", "a", "1", NULL), 3);
    assert_said("nobody");
    assert_int_equal(run_kitbag("set", "--bag", "fleet", "a", "1", NULL), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(set_and_rm),
        KITBAG_TEST(bad_paths_are_refused_by_name),
        KITBAG_TEST(a_value_is_at_most_one_mebibyte),
        KITBAG_TEST(apply_is_all_or_none),
        KITBAG_TEST(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
