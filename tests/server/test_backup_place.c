/* tests/server/test_backup_place.c - where backups may be put, and which are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/backup_place.h"
#include "server/removals.h"
#include "tests/support/tmp_folder.h"

static char dir[TMP_FOLDER_MAX];
static char data[TMP_FOLDER_MAX];
static const uint8_t server[KEY_SIZE] = {1};
static const uint8_t other[KEY_SIZE] = {2};

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(dir);
    tmp_folder_path(data, dir, "data");
    return mkdir(data, 0700);
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(dir);
    return 0;
}

static int find(const char *name, struct backup_place *place, const char *word)
{
    char path[2 * TMP_FOLDER_MAX];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : dir,
                   name[0] == '/' ? "" : "/", name);
    int rc = backup_place_find(place, path, data, server, &err);
    assert_true(rc == 0 || strstr(err.text, word) != NULL);
    return rc;
}

static void make(const char *name, mode_t mode)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_in(const char *name)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, dir, name);
    tmp_folder_write(path, "mine");
}

static void a_new_or_an_empty_folder_will_do(void **state)
{
    (void)state;
    struct backup_place place;
    struct stat info;
    assert_int_equal(find("new", &place, ""), 0);
    assert_true(place.fresh);
    assert_int_not_equal(access(place.folder, F_OK), 0); /* nothing was made */
    assert_int_equal(backup_place_make(&place, server, NULL), 0);
    assert_int_equal(stat(place.folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(find("new", &place, ""), 0);
    assert_false(place.fresh);
    assert_int_equal(backup_place_make(&place, server, NULL), 0);
    make("empty", 0700);
    make("empty/lost+found", 0700);
    assert_int_equal(find("empty", &place, ""), 0);
    assert_true(place.fresh);
    assert_int_equal(find("empty/", &place, ""), 0);
}

static void what_is_something_else_stays(void **state)
{
    (void)state;
    struct backup_place place;
    make("full", 0700);
    write_in("full/thesis");
    make("open", 0777);
    make("group", 0720);
    write_in("file");
    assert_int_equal(find("full", &place, "thesis"), E_EXISTS);
    assert_int_equal(find("file", &place, "no folder"), E_EXISTS);
    assert_int_equal(find("open", &place, "chmod 700"), E_NOT_ALLOWED);
    assert_int_equal(find("group", &place, "chmod 700"), E_NOT_ALLOWED);
    assert_int_equal(find("no/where", &place, "is not there"), E_NOT_FOUND);
}

static void the_data_and_what_is_around_it_are_refused(void **state)
{
    (void)state;
    struct backup_place place;
    char path[TMP_FOLDER_MAX];
    assert_int_equal(find("data", &place, "data folder"), E_INVALID);
    assert_int_equal(find("data/sub", &place, "data folder"), E_INVALID);
    assert_int_equal(find("", &place, "data folder"), E_INVALID);
    assert_int_equal(find("/", &place, "data folder"), E_INVALID);
    make("sub", 0700);
    assert_int_equal(find("sub/../data", &place, "'..'"), E_INVALID);
    assert_int_equal(find("sub/..", &place, "'..'"), E_INVALID);
    tmp_folder_path(path, dir, "way");
    assert_int_equal(symlink("data", path), 0);
    assert_int_equal(find("way", &place, "data folder"), E_INVALID);
    assert_int_equal(find("way/sub", &place, "data folder"), E_INVALID);
    assert_int_equal(find("data2", &place, ""), 0); /* beside it, not in it */
    struct err err = {0};
    assert_int_equal(backup_place_find(&place, "relative", data, server, &err), E_INVALID);
    assert_non_null(strstr(err.text, "whole path"));
    char long_path[PATH_MAX + 1];
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[PATH_MAX] = '\0';
    assert_int_equal(backup_place_find(&place, long_path, data, server, &err), E_INVALID);
}

static void anothers_backups_and_copies_of_ours_are_refused(void **state)
{
    (void)state;
    struct backup_place place;
    char moved[TMP_FOLDER_MAX];
    assert_int_equal(find("new", &place, ""), 0);
    assert_int_equal(backup_place_make(&place, other, NULL), 0);
    assert_int_equal(find("new", &place, "another server"), E_EXISTS);
    assert_int_equal(find("ours", &place, ""), 0);
    assert_int_equal(backup_place_make(&place, server, NULL), 0);
    tmp_folder_path(moved, dir, "moved");
    assert_int_equal(rename(place.folder, moved), 0);
    assert_int_equal(find("moved", &place, "copy"), E_EXISTS);
    assert_int_equal(find("moved/removals", &place, "no folder"), E_EXISTS);
    write_in("moved/removals");
    assert_int_equal(find("moved", &place, "damaged"), E_CORRUPT);
}

static void a_folder_that_is_read_only_is_told_with_the_remedy(void **state)
{
    (void)state;
    struct backup_place place = {.folder = "/sys/kernel/kitbag-backup", .fresh = true};
    struct err err = {0};
    int rc = backup_place_make(&place, server, &err); /* /sys takes no folders, or is read-only */
    assert_int_not_equal(rc, 0);
    assert_true(rc != E_NOT_ALLOWED || strstr(err.text, "ReadWritePaths=") != NULL);
    assert_non_null(strstr(err.text, "/sys/kernel"));
}

/* --- which are there --- */

static void the_newest_is_found_by_its_name(void **state)
{
    (void)state;
    char name[BACKUP_NAME_MAX];
    uint64_t count = 9;
    struct err err = {0};
    assert_int_equal(backup_place_newest(dir, name, &err), E_NOT_FOUND);
    assert_int_equal(backup_place_count(dir, &count, &err), 0);
    assert_int_equal(count, 0);
    static const char *const made[] = {"20261123T034858Z-9",         "20261123T034859Z-10",
                                       "20261123T034859Z-x",         "20261123T034900Z-11.partial",
                                       "99991123T034859Z",           "zzz",
                                       "20261123T034859Z-10.partial"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        make(made[i], 0700);
    }
    assert_int_equal(backup_place_newest(dir, name, &err), 0);
    assert_string_equal(name, "20261123T034859Z-10");
    assert_int_equal(backup_place_count(dir, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(backup_place_tidy(dir, &err), 0);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, dir, made[3]);
    assert_int_not_equal(access(path, F_OK), 0);
    tmp_folder_path(path, dir, made[1]);
    assert_int_equal(access(path, F_OK), 0);
    tmp_folder_path(path, dir, "zzz");
    assert_int_equal(access(path, F_OK), 0);
}

static void a_name_is_behind_all_others_whatever_the_clock_says(void **state)
{
    (void)state;
    char name[BACKUP_NAME_MAX];
    const uint64_t now_ms = 1795405738000; /* 2026-11-23 03:48:58 */
    assert_int_equal(backup_place_name(dir, now_ms, 4711, name, NULL), 0);
    assert_string_equal(name, "20261123T034858Z-4711");
    make(name, 0700);
    assert_int_equal(backup_place_name(dir, now_ms, 5, name, NULL), 0);
    assert_string_equal(name, "20261123T034859Z-5");
    make("21001231T235959Z-1", 0700);
    assert_int_equal(backup_place_name(dir, now_ms, 6, name, NULL), 0);
    assert_string_equal(name, "21010101T000000Z-6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_or_an_empty_folder_will_do, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_something_else_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_data_and_what_is_around_it_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(anothers_backups_and_copies_of_ours_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_read_only_is_told_with_the_remedy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_newest_is_found_by_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_behind_all_others_whatever_the_clock_says, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
