/* Tests of cli/kitbag_files.c. */
#include "tests/cli/run_kitbag.h"

#include <limits.h>

static const char *path_of(const char *name)
{
    static char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ran.folder, name);
    return path;
}

static void save(const char *name)
{
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "copy/default", "one", NULL), 0);
    assert_int_equal(run_kitbag("export", path_of(name), NULL), 0);
}

static void what_was_exported_comes_back(void **state)
{
    (void)state;
    save("mine.kitbag");
    assert_said("1 items of 1 people and 0 groups are in");
    assert_said("by this one's fingerprint: ");
    assert_int_equal(ran.out_size, 0);
    assert_int_equal(run_kitbag("set", "zoe", "copy/default", "two", NULL), 0);
    assert_int_equal(run_kitbag("import", path_of("mine.kitbag"), "--dry-run", NULL), 0);
    assert_said("This would be written: 1 items of 1 bags; 0 are here just so.");
    assert_int_equal(run_kitbag("get", "zoe", "copy/default", NULL), 0);
    assert_string_equal(ran.out, "two");
    assert_int_equal(run_kitbag("import", path_of("mine.kitbag"), "-o", "json", NULL), 0);
    json_t *report = ran_json();
    assert_string_equal(json_string_value(json_object_get(report, "kind")), "machine");
    assert_int_equal(json_integer_value(json_object_get(report, "items_taken")), 1);
    assert_int_equal(strlen(json_string_value(json_object_get(report, "signer"))), 95);
    json_decref(report);
    assert_said("Written: 1 items of 1 bags");
    assert_int_equal(run_kitbag("get", "zoe", "copy/default", NULL), 0);
    assert_string_equal(ran.out, "one");
}

static void files_are_named_from_here(void **state)
{
    (void)state;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(chdir(ran.folder), 0);
    assert_int_equal(run_kitbag("export", "mine.kitbag", NULL), 0);
    assert_int_equal(access("mine.kitbag", R_OK), 0);
    assert_int_equal(run_kitbag("import", "mine.kitbag", NULL), 0);
    assert_int_equal(run_kitbag("export", "mine.kitbag", NULL), 4);
    assert_said("there is a file");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(run_kitbag("export", path_of("no/such/file"), NULL), 3);
    assert_int_equal(run_kitbag("export", path_of(""), NULL), 2);
    assert_int_equal(run_kitbag("import", path_of("nothing"), NULL), 3);
}

static void passwords_come_from_a_file(void **state)
{
    (void)state;
    char password[TMP_FOLDER_MAX];
    tmp_folder_path(password, ran.folder, "password");
    tmp_folder_write(password, "correct horse\n");
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(
        run_kitbag("export", path_of("mine.kitbag"), "--password-file", password, NULL), 0);
    assert_int_equal(run_kitbag("import", path_of("mine.kitbag"), NULL), 5);
    assert_said("sealed with a password: give it");
    assert_int_equal(
        run_kitbag("import", path_of("mine.kitbag"), "--password-file", password, NULL), 0);
    tmp_folder_write(password, "another one\n");
    assert_int_equal(
        run_kitbag("import", path_of("mine.kitbag"), "--password-file", password, NULL), 5);
    assert_said("the password is another one");
    assert_int_equal(
        run_kitbag("import", path_of("mine.kitbag"), "--password-file", "/nowhere/password", NULL),
        3);
}

static void another_machines_file_needs_its_fingerprint(void **state)
{
    (void)state;
    char other[TMP_FOLDER_MAX];
    char fingerprint[96];
    save("mine.kitbag");
    const char *at = strstr(ran.err, "fingerprint: ");
    assert_non_null(at);
    (void)snprintf(fingerprint, sizeof fingerprint, "%.95s", at + strlen("fingerprint: "));
    tmp_folder_path(other, ran.folder, "other");
    memcpy(ran.data, other, sizeof ran.data);
    assert_int_equal(run_kitbag("import", path_of("mine.kitbag"), NULL), 5);
    assert_said(fingerprint);
    assert_int_equal(run_kitbag("import", path_of("mine.kitbag"), "--trust", fingerprint, NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "copy/default", NULL), 0);
    assert_string_equal(ran.out, "one");
}

static void an_outbox_needs_a_server(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("outbox", "export", path_of("outbox.kitbag"), NULL), 5);
    assert_said("has not joined a server");
    assert_int_equal(access(path_of("outbox.kitbag"), F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(what_was_exported_comes_back),
        KITBAG_TEST(files_are_named_from_here),
        KITBAG_TEST(passwords_come_from_a_file),
        KITBAG_TEST(another_machines_file_needs_its_fingerprint),
        KITBAG_TEST(an_outbox_needs_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
