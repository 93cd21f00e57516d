/* tests/server/test_backup.c - a backup of a server that is written to. */
#include <dirent.h>
#include <errno.h>

#include "tests/server/backup_fixture.h"
#include "tests/support/io_calls.h"

static ino_t inode_of(const char *path)
{
    struct stat info = {0};
    assert_int_equal(stat(path, &info), 0);
    return info.st_ino;
}

static void it_is_whole_and_tells_what_it_is(void **state)
{
    (void)state;
    struct ground ground;
    struct manifest manifest = {0};
    struct backup_verified verified;
    struct err err = {0};
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    uint64_t head = ground_head(&ground);
    ground_backup(&ground);
    ground_put(&ground, "user:ann", "2");
    assert_true(ground.report.seq == head && ground.report.fresh && ground.report.same_disk);
    assert_int_equal(manifest_read(&manifest, ground.report.path, &err), 0);
    assert_int_equal(manifest.seq, head);
    assert_int_equal(manifest.users, 1);
    assert_memory_equal(manifest.server, ground.sign.public_key, KEY_SIZE);
    assert_int_equal(manifest.count, ground.report.files);
    assert_int_equal(manifest_bytes(&manifest), ground.report.bytes);
    assert_non_null(manifest_find(&manifest, "format"));
    assert_non_null(manifest_find(&manifest, "keys/curve.key"));
    assert_non_null(manifest_find(&manifest, "keys/sign.key"));
    manifest_free(&manifest);
    int rc = backup_verify(ground.report.path, NULL, &verified, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_true(verified.seq == head && verified.bags >= 3);
    ground_close(&ground);
}

static void secrets_are_for_their_owner_alone(void **state)
{
    (void)state;
    struct ground ground;
    struct stat info;
    char path[PATH_MAX];
    ground_open(&ground);
    ground_backup(&ground);
    static const char *const folders[] = {"", "keys", "journal", "state"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        ground_file(&ground, folders[i], path);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0700);
    }
    ground_file(&ground, "keys/sign.key", path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    ground_close(&ground);
}

/* 8 MiB of changes fill a segment, which never changes again. */
static void fill_a_segment(struct ground *ground)
{
    size_t size = 900000;
    char *value = calloc(1, size + 1);
    memset(value, 'x', size);
    for (int i = 0; i < 10; i++) {
        value[0] = (char)('a' + i);
        ground_put(ground, "user:large", value);
    }
    free(value);
}

static void the_next_one_shares_what_did_not_change(void **state)
{
    (void)state;
    struct ground ground;
    char first[PATH_MAX];
    char second[PATH_MAX];
    ground_open(&ground);
    fill_a_segment(&ground);
    ground_backup(&ground);
    uint64_t bytes = ground.report.bytes;
    assert_int_equal(ground.report.new_bytes, bytes);
    ground_file(&ground, "journal/00000000000000000001.kbj", first);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    assert_false(ground.report.fresh);
    assert_true(ground.report.new_bytes + (8 << 20) <= ground.report.bytes);
    ground_file(&ground, "journal/00000000000000000001.kbj", second);
    assert_string_not_equal(first, second);
    assert_true(inode_of(first) == inode_of(second));
    assert_int_equal(backup_tree_remove(first, NULL), 0); /* the older one may go */
    struct backup_verified verified;
    assert_int_equal(backup_verify(ground.folder, NULL, &verified, NULL), 0);
    assert_string_equal(verified.path, ground.report.path);
    ground_close(&ground);
}

static size_t entries_in(const char *dir)
{
    size_t count = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count - 2;
}

/* Whichever call to the disk fails: what has a backup's name is whole, and the next one works. */
static void a_failure_leaves_nothing_half_made(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        unsigned most;
    } rows[] = {{"pwrite", 8}, {"fsync", 10}, {"rename", 2}};
    struct ground ground;
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    size_t failures = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned nth = 1; nth <= rows[i].most; nth++) {
            struct err err = {0};
            io_calls_start();
            io_calls_fail(rows[i].call, nth, ENOSPC);
            int rc = ground_try(&ground, &err);
            io_calls_stop();
            failures += rc != 0;
            assert_true((rc == 0) == (err.text[0] == '\0'));
            struct backup_verified verified;
            assert_int_equal(backup_verify(ground.folder, NULL, &verified, NULL), 0);
            char stage[PATH_MAX];
            assert_int_equal(path_join(stage, PATH_MAX, ground.fx->dir, "backup.partial"), 0);
            assert_int_not_equal(access(stage, F_OK), 0);
        }
    }
    assert_true(failures > 10);
    ground_backup(&ground);
    struct backup_verified verified;
    assert_int_equal(backup_verify(ground.folder, NULL, &verified, NULL), 0);
    ground_close(&ground);
}

static void the_name_comes_last(void **state)
{
    (void)state;
    struct ground ground;
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground); /* makes the folder */
    io_calls_start();
    ground_backup(&ground);
    io_calls_stop();
    const char *calls = io_calls_text();
    const char *manifest = strstr(calls, "rename:manifest.json");
    const char *name = strrchr(calls, ':');
    assert_non_null(manifest);
    assert_string_equal(name, ":backups"); /* the folder's sync, behind the backup's rename */
    const char *last = manifest;
    for (const char *at = strstr(manifest, "rename:"); at != NULL; at = strstr(at + 1, "rename:")) {
        last = at;
    }
    assert_ptr_not_equal(last, manifest);
    assert_null(strstr(last, "pwrite:")); /* nothing is written once it has its name */
    ground_close(&ground);
}

static void it_can_be_given_up(void **state)
{
    (void)state;
    struct ground ground;
    atomic_bool cancelled = true;
    struct backup_progress progress = {.cancelled = &cancelled};
    struct err err = {0};
    ground_open(&ground);
    ground_backup(&ground);
    size_t before = entries_in(ground.folder);
    assert_int_equal(backup_make(&ground.source, &ground.place, &progress, &ground.report, &err),
                     E_CLOSED);
    assert_int_equal(entries_in(ground.folder), before);
    ground_close(&ground);
}

static void too_little_room_is_told_before(void **state)
{
    (void)state;
    struct ground ground;
    struct admin_backup_report report;
    struct err err = {0};
    ground_open(&ground);
    ground_backup(&ground);
    assert_int_equal(backup_look(&ground.source, &ground.place, &report, &err), 0);
    assert_true(report.room_bytes > 0 && report.bytes > 0 && report.same_disk && !report.fresh);
    size_t before = entries_in(ground.folder);
    ground.source.reserve_bytes = UINT64_MAX / 2;
    assert_int_equal(backup_look(&ground.source, &ground.place, &report, &err), E_NOSPACE);
    assert_non_null(strstr(err.text, "what the server itself needs"));
    assert_int_equal(ground_try(&ground, &err), E_NOSPACE);
    assert_int_equal(entries_in(ground.folder), before);
    ground_close(&ground);
}

static void what_is_left_of_a_broken_off_one_goes(void **state)
{
    (void)state;
    struct ground ground;
    char stage[TMP_FOLDER_MAX];
    char partial[TMP_FOLDER_MAX];
    ground_open(&ground);
    ground_backup(&ground);
    tmp_folder_path(stage, ground.fx->dir, "backup.partial");
    tmp_folder_path(partial, ground.folder, "20200101T000000Z-5.partial");
    assert_int_equal(mkdir(stage, 0700), 0);
    assert_int_equal(mkdir(partial, 0700), 0);
    ground_backup(&ground);
    assert_int_not_equal(access(stage, F_OK), 0);
    assert_int_not_equal(access(partial, F_OK), 0);
    assert_int_equal(mkdir(stage, 0700), 0);
    assert_int_equal(backup_tidy(ground.fx->dir, NULL), 0);
    assert_int_not_equal(access(stage, F_OK), 0);
    ground_close(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_whole_and_tells_what_it_is),
        cmocka_unit_test(secrets_are_for_their_owner_alone),
        cmocka_unit_test(the_next_one_shares_what_did_not_change),
        cmocka_unit_test(a_failure_leaves_nothing_half_made),
        cmocka_unit_test(the_name_comes_last),
        cmocka_unit_test(it_can_be_given_up),
        cmocka_unit_test(too_little_room_is_told_before),
        cmocka_unit_test(what_is_left_of_a_broken_off_one_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
