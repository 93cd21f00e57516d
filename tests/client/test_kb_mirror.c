/* tests/client/test_kb_mirror.c - the folder of the copy of the journal: made, owned, and no reason
 * for a machine not to work. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/kb_samples.h"

static int open_with(struct machine *m, const char *mirror, struct kb_error *error)
{
    struct kb_options options = {
        .size = sizeof options, .data_dir = m->dir, .map_bytes = 64 << 20, .mirror_dir = mirror};
    kb_close(&m->kb);
    return kb_open(&m->kb, &options, error);
}

static void it_is_made_and_owned(void **state)
{
    (void)state;
    struct machine m;
    struct machine other;
    struct stat info;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    machine_begin(&m);
    machine_begin(&other);
    tmp_folder_path(path, m.folder, "copy");
    ok(open_with(&m, path, &error), &error);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(status_of(&m).mirror_code, 0);
    assert_int_equal(status_of(&m).mirror_seq, 0);
    ok(open_with(&other, path, &error), &error); /* it works, without the copy */
    assert_int_equal(status_of(&other).mirror_code, KB_E_BUSY);
    assert_non_null(strstr(status_of(&other).mirror_text, path));
    kb_close(&m.kb);
    ok(open_with(&other, path, &error), &error);
    assert_int_equal(status_of(&other).mirror_code, 0);
    machine_open(&m);
    machine_end(&m);
    machine_end(&other);
}

static void a_folder_that_can_not_be_is_told_by_the_status(void **state)
{
    (void)state;
    struct machine m;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    machine_begin(&m);
    tmp_folder_path(path, m.folder, "file");
    tmp_folder_write(path, "no folder");
    ok(open_with(&m, path, &error), &error);
    assert_int_not_equal(status_of(&m).mirror_code, 0);
    assert_non_null(strstr(status_of(&m).mirror_text, path));
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    machine_end(&m);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct machine m;
    char path[PATH_MAX + 1];
    struct kb_error error = {0};
    machine_begin(&m);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(open_with(&m, path, &error), KB_E_INVALID);
    ok(open_with(&m, "", &error), &error); /* none */
    assert_int_equal(status_of(&m).mirror_code, 0);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_and_owned),
        cmocka_unit_test(a_folder_that_can_not_be_is_told_by_the_status),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests_name("client/kb_mirror", tests, NULL, NULL);
}
