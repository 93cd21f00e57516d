/* tests/server/test_backup_verify.c - what is not as it was written is named. */
#include "tests/server/backup_fixture.h"

static int verify(const struct ground *ground, struct err *err)
{
    struct backup_verified verified;
    return backup_verify(ground->report.path, NULL, &verified, err);
}

static int each_damaged(void *context, const char *name, struct err *err)
{
    (void)err;
    struct ground *ground = context;
    char path[PATH_MAX];
    struct err why = {0};
    assert_int_equal(path_join(path, sizeof path, ground->folder, name), 0);
    ground_damage(path);
    assert_int_equal(verify(ground, &why), E_CORRUPT);
    assert_non_null(strstr(why.text, name));
    ground_damage(path); /* as it was */
    assert_int_equal(verify(ground, &why), 0);
    return 0;
}

static void every_file_counts(void **state)
{
    (void)state;
    static const char *const folders[] = {"", "journal", "keys", "state"};
    struct ground ground;
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        struct ground look = ground;
        char path[PATH_MAX];
        ground_file(&ground, folders[i], path);
        (void)snprintf(look.folder, sizeof look.folder, "%.500s", path);
        assert_int_equal(backup_files_each(path, each_damaged, &look, NULL), 0);
    }
    ground_close(&ground);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct ground ground;
    char path[PATH_MAX];
    struct err err = {0};
    ground_open(&ground);
    ground_backup(&ground);
    ground_file(&ground, "keys/sign.key", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(&ground, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "sign.key' is missing"));
    ground_file(&ground, MANIFEST_NAME, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(&ground, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no whole backup"));
    ground_close(&ground);
}

/* A manifest that somebody made to fit: what is in the files counts. */
static void files_of_another_time_do_not_pass(void **state)
{
    (void)state;
    struct ground ground;
    struct manifest manifest = {0};
    struct err err = {0};
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    assert_int_equal(manifest_read(&manifest, ground.report.path, NULL), 0);
    manifest.seq++;
    assert_int_equal(manifest_write(&manifest, ground.report.path, NULL), 0);
    assert_int_equal(verify(&ground, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "other changes than its manifest"));
    manifest.seq--;
    manifest.hash[0] ^= 1;
    assert_int_equal(manifest_write(&manifest, ground.report.path, NULL), 0);
    assert_int_equal(verify(&ground, &err), E_CORRUPT);
    manifest_free(&manifest);
    ground_close(&ground);
}

static void a_folder_means_its_newest(void **state)
{
    (void)state;
    struct ground ground;
    char found[PATH_MAX];
    struct err err = {0};
    ground_open(&ground);
    assert_int_equal(backup_find(ground.dir, found, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "holds none"));
    assert_int_equal(backup_find("/nowhere/at/all", found, &err), E_NOT_FOUND);
    ground_backup(&ground);
    ground_backup(&ground);
    assert_int_equal(backup_find(ground.folder, found, &err), 0);
    assert_string_equal(found, ground.report.path);
    assert_int_equal(backup_find(ground.report.path, found, &err), 0);
    assert_string_equal(found, ground.report.path);
    char path[PATH_MAX];
    ground_file(&ground, MANIFEST_NAME, path);
    assert_int_equal(backup_find(path, found, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "a backup is a folder"));
    ground_close(&ground);
}

static void it_tells_how_far_it_is_and_can_be_given_up(void **state)
{
    (void)state;
    struct ground ground;
    atomic_bool cancelled = false;
    struct backup_progress progress = {.cancelled = &cancelled};
    struct backup_verified verified;
    ground_open(&ground);
    ground_backup(&ground);
    assert_int_equal(backup_verify(ground.report.path, &progress, &verified, NULL), 0);
    assert_int_equal(atomic_load(&progress.total), ground.report.bytes);
    assert_int_equal(atomic_load(&progress.done), ground.report.bytes);
    assert_int_equal(verified.bytes, ground.report.bytes);
    atomic_store(&cancelled, true);
    assert_int_equal(backup_verify(ground.report.path, &progress, &verified, NULL), E_CLOSED);
    ground_close(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_counts),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(files_of_another_time_do_not_pass),
        cmocka_unit_test(a_folder_means_its_newest),
        cmocka_unit_test(it_tells_how_far_it_is_and_can_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
