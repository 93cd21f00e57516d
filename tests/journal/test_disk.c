/* tests/journal/test_disk.c - writing all bytes, and making a name durable. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/disk.h"
#include "tests/support/crash_disk.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX];
static char path[TMP_FOLDER_MAX];

static int make_folder(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "file");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static void system_calls_reach_the_file(void **state)
{
    (void)state;
    char moved[TMP_FOLDER_MAX];
    char bytes[8] = "";
    tmp_folder_path(moved, folder, "moved");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(disk_write(&disk_system, fd, "kitbag", 6, 2, path, NULL), 0);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), 8);
    assert_memory_equal(bytes, "\0\0kitbag", 8);
    assert_int_equal(disk_system.fdatasync(NULL, fd), 0);
    assert_int_equal(disk_system.fsync(NULL, fd), 0);
    assert_int_equal(disk_system.rename(NULL, path, moved), 0);
    assert_int_equal(access(moved, F_OK), 0);
    assert_int_equal(disk_system.unlink(NULL, moved), 0);
    assert_int_equal(access(moved, F_OK), -1);
    (void)close(fd);
}

static void short_writes_and_interruptions_are_gone_over(void **state)
{
    (void)state;
    struct crash_disk disk;
    char bytes[101] = "";
    char expected[100];
    memset(expected, 'x', sizeof expected);
    crash_disk_init(&disk);
    disk.short_writes = true;
    disk.fail_at = 2;
    disk.fail_errno = EINTR;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(disk_write(&disk.disk, fd, expected, 100, 0, path, NULL), 0);
    assert_true(disk.calls > 3);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), 100);
    assert_memory_equal(bytes, expected, 100);
    (void)close(fd);
    crash_disk_free(&disk);
}

static void failures_are_told_by_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        int code;
    } cases[] = {{EIO, E_IO}, {ENOSPC, E_NOSPACE}, {EBADF, E_SYSTEM}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crash_disk disk;
        struct err err = {0};
        crash_disk_init(&disk);
        disk.fail_at = 1;
        disk.fail_errno = cases[i].number;
        assert_int_equal(disk_write(&disk.disk, 0, "x", 1, 0, "/a/b", &err), cases[i].code);
        assert_non_null(strstr(err.text, "/a/b"));
        crash_disk_restart(&disk);
        assert_int_equal(disk_sync_parent(&disk.disk, path, &err), cases[i].code);
        assert_non_null(strstr(err.text, folder));
        crash_disk_free(&disk);
    }
}

static ssize_t takes_nothing(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context;
    (void)fd;
    (void)data;
    (void)size;
    (void)offset;
    return 0;
}

static void a_disk_that_takes_nothing_is_an_error(void **state)
{
    (void)state;
    struct disk disk = disk_system;
    disk.pwrite = takes_nothing;
    struct err err = {0};
    assert_int_equal(disk_write(&disk, 0, "x", 1, 0, path, &err), E_IO);
    assert_int_equal(disk_write(&disk, 0, NULL, 0, 0, path, &err), 0);
}

static void the_folder_of_a_name_is_synced(void **state)
{
    (void)state;
    struct crash_disk disk;
    struct err err = {0};
    char expected[TMP_FOLDER_MAX];
    crash_disk_init(&disk);
    assert_int_equal(disk_sync_parent(&disk.disk, path, &err), 0);
    (void)snprintf(expected, sizeof expected, "fsync:%s", strrchr(folder, '/') + 1);
    assert_string_equal(disk.text, expected);
    assert_int_equal(disk_sync_parent(&disk.disk, "/name", &err), 0);
    assert_int_equal(disk_sync_parent(&disk.disk, "name", &err), 0);
    assert_int_equal(disk.calls, 3);
    assert_int_equal(disk_sync_parent(&disk.disk, "/no/such/folder", &err), E_NOT_FOUND);
    crash_disk_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(system_calls_reach_the_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(short_writes_and_interruptions_are_gone_over, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(failures_are_told_by_name, make_folder, remove_folder),
        cmocka_unit_test(a_disk_that_takes_nothing_is_an_error),
        cmocka_unit_test_setup_teardown(the_folder_of_a_name_is_synced, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
