/* Tests of cli/ctl_saved.c: what a sign-in leaves behind, and who may read it. */
#include "tests/cli/https_server.h"

#include <sys/stat.h>

#include "cli/ctl_saved.h"

static const char url[] = "https://localhost:8444";

static void what_is_saved_is_read_again(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct stat about;
    json_t *saved = NULL;
    assert_int_equal(ctl_saved_read(&saved, NULL), 0);
    assert_int_equal(json_object_size(saved), 0);
    assert_string_equal(ctl_saved_current(saved), "");
    assert_string_equal(ctl_saved_text(saved, url, "cookie"), "");
    assert_int_equal(ctl_saved_set(saved, url, "cookie", "abc"), 0);
    assert_int_equal(ctl_saved_set(saved, url, "name", "ann"), 0);
    assert_int_equal(json_object_set_new(saved, "server", json_string(url)), 0);
    assert_int_equal(ctl_saved_write(saved, NULL), 0);
    json_decref(saved);
    tmp_folder_path(path, ctl.folder, "kitbag/kitbagctl.json");
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(ctl_saved_read(&saved, NULL), 0);
    assert_string_equal(ctl_saved_current(saved), url);
    assert_string_equal(ctl_saved_text(saved, url, "cookie"), "abc");
    assert_int_equal(ctl_saved_set(saved, url, "cookie", ""), 0);
    assert_string_equal(ctl_saved_text(saved, url, "cookie"), "");
    assert_string_equal(ctl_saved_text(saved, url, "name"), "ann");
    assert_string_equal(ctl_saved_text(saved, "https://other:1", "name"), "");
    json_decref(saved);
}

static void a_file_that_is_no_sign_in_is_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    json_t *saved = json_object();
    assert_int_equal(ctl_saved_write(saved, NULL), 0);
    json_decref(saved);
    tmp_folder_path(path, ctl.folder, "kitbag/kitbagctl.json");
    tmp_folder_write(path, "[1]");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(ctl_saved_read(&saved, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "is damaged: remove it, and sign in again"));
    tmp_folder_write(path, "{}");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(ctl_saved_read(&saved, &err), E_NOT_ALLOWED);
    assert_non_null(strstr(err.text, "others may read"));
}

static void without_a_home_there_is_nothing_saved(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *saved = NULL;
    char *home = getenv("HOME");
    char *kept = home != NULL ? strdup(home) : NULL;
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(ctl_saved_read(&saved, &err), 0);
    assert_int_equal(ctl_saved_write(saved, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "HOME does not name it"));
    json_decref(saved);
    assert_int_equal(setenv("HOME", ctl.folder, 1), 0);
    saved = json_object();
    assert_int_equal(ctl_saved_write(saved, &err), 0);
    json_decref(saved);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, ".config/kitbag/kitbagctl.json");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(kept != NULL ? setenv("HOME", kept, 1) : unsetenv("HOME"), 0);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(what_is_saved_is_read_again),
        HTTPS_TEST(a_file_that_is_no_sign_in_is_told),
        HTTPS_TEST(without_a_home_there_is_nothing_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
