/* tests/server/test_backup_files.c - files that are linked, copied, summed up and removed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/backup_files.h"
#include "tests/support/io_calls.h"
#include "tests/support/tmp_folder.h"

static char dir[TMP_FOLDER_MAX];
static char from[TMP_FOLDER_MAX];
static char to[TMP_FOLDER_MAX];

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(dir);
    tmp_folder_path(from, dir, "from");
    tmp_folder_path(to, dir, "to");
    tmp_folder_write(from, "what is in it");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(dir);
    return 0;
}

static struct stat look(const char *path)
{
    struct stat info = {0};
    assert_int_equal(lstat(path, &info), 0);
    return info;
}

static int fails_to_link; /* with this errno; 0: the system does it */

/* Instead of the C library's. */
int link(const char *old_path, const char *new_path)
{
    if (fails_to_link != 0) {
        errno = fails_to_link;
        return -1;
    }
    return linkat(AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

static void on_one_disk_it_is_the_same_file(void **state)
{
    (void)state;
    bool linked = false;
    assert_int_equal(backup_file_link(from, to, NULL, &linked, NULL), 0);
    assert_true(linked);
    assert_true(look(from).st_ino == look(to).st_ino);
    assert_int_not_equal(backup_file_link(from, to, NULL, &linked, NULL), 0); /* it is there */
}

static void elsewhere_it_is_a_copy_on_the_disk(void **state)
{
    (void)state;
    static const int reasons[] = {EXDEV, EPERM, EMLINK};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        bool linked = true;
        uint8_t sums[2][SHA256_SIZE];
        uint64_t size = 0;
        fails_to_link = reasons[i];
        io_calls_start();
        int rc = backup_file_link(from, to, NULL, &linked, NULL);
        io_calls_stop();
        fails_to_link = 0;
        assert_int_equal(rc, 0);
        assert_false(linked);
        assert_string_equal(io_calls_text(), "pwrite:to fsync:to");
        assert_true(look(from).st_ino != look(to).st_ino);
        assert_int_equal(look(to).st_mode & 0777, 0600);
        assert_int_equal(backup_file_sum(from, &size, sums[0], NULL, NULL), 0);
        assert_int_equal(backup_file_sum(to, &size, sums[1], NULL, NULL), 0);
        assert_int_equal(size, 13);
        assert_memory_equal(sums[0], sums[1], SHA256_SIZE);
        assert_int_equal(unlink(to), 0);
    }
    fails_to_link = ENOSPC;
    assert_int_equal(backup_file_link(from, to, NULL, NULL, NULL), E_NOSPACE);
    fails_to_link = 0;
}

static void a_copy_that_fails_is_told(void **state)
{
    (void)state;
    static const char *const calls[] = {"pwrite", "fsync"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        io_calls_start();
        io_calls_fail(calls[i], 1, ENOSPC);
        int rc = backup_file_copy(from, to, 0600, NULL, NULL);
        io_calls_stop();
        assert_int_equal(rc, E_NOSPACE);
        (void)unlink(to);
    }
    assert_int_equal(backup_file_copy("/nowhere/at/all", to, 0600, NULL, NULL), E_NOT_FOUND);
}

static void the_sum_is_the_one_that_others_compute(void **state)
{
    (void)state;
    uint8_t sum[SHA256_SIZE];
    uint64_t size = 0;
    char text[2 * SHA256_SIZE + 1];
    assert_int_equal(backup_file_sum(from, &size, sum, NULL, NULL), 0);
    hex_encode(sum, SHA256_SIZE, text);
    assert_int_equal(size, 13); /* printf 'what is in it' | sha256sum */
    struct span whole = SPAN_LITERAL("what is in it");
    uint8_t at_once[SHA256_SIZE];
    sha256(&whole, 1, at_once);
    assert_memory_equal(sum, at_once, SHA256_SIZE);
    assert_int_equal(backup_file_sum(to, &size, sum, NULL, NULL), E_NOT_FOUND);
}

static void count_calls(void *context, const struct backup_progress *progress)
{
    (void)progress;
    ++*(size_t *)context;
}

static void progress_is_told_and_work_can_be_given_up(void **state)
{
    (void)state;
    atomic_bool cancelled = false;
    size_t calls = 0;
    struct backup_progress progress = {
        .cancelled = &cancelled, .tell = count_calls, .context = &calls};
    uint8_t sum[SHA256_SIZE];
    uint64_t size = 0;
    assert_int_equal(backup_file_sum(from, &size, sum, &progress, NULL), 0);
    assert_int_equal(atomic_load(&progress.done), 13);
    assert_int_equal(calls, 1);
    atomic_store(&cancelled, true);
    assert_int_equal(backup_file_sum(from, &size, sum, &progress, NULL), E_CLOSED);
    assert_int_equal(backup_file_copy(from, to, 0600, &progress, NULL), E_CLOSED);
}

static void a_source_changes_with_the_file(void **state)
{
    (void)state;
    char first[MANIFEST_SOURCE_MAX];
    char second[MANIFEST_SOURCE_MAX];
    uint64_t size = 0;
    assert_int_equal(backup_file_source(from, first, &size, NULL), 0);
    assert_int_equal(size, 13);
    assert_int_equal(backup_file_link(from, to, NULL, NULL, NULL), 0);
    assert_int_equal(backup_file_source(to, second, &size, NULL), 0);
    assert_string_equal(first, second); /* the same file under another name */
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1, .tv_nsec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, from, times, 0), 0);
    assert_int_equal(backup_file_source(from, second, &size, NULL), 0);
    assert_string_not_equal(first, second);
}

static int note_name(void *context, const char *name, struct err *err)
{
    (void)err;
    char *names = context;
    (void)snprintf(names + strlen(names), 64, "%s ", name);
    return strcmp(name, "stop") == 0 ? E_CLOSED : 0;
}

static void plain_files_come_in_order(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char names[256] = "";
    static const char *const made[] = {"b", "B", "a-2", "a.1"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        tmp_folder_path(path, dir, made[i]);
        tmp_folder_write(path, "");
    }
    tmp_folder_path(path, dir, "folder");
    assert_int_equal(mkdir(path, 0700), 0);
    tmp_folder_path(path, dir, "symbolic");
    assert_int_equal(symlink("from", path), 0);
    assert_int_equal(backup_files_each(dir, note_name, names, NULL), 0);
    assert_string_equal(names, "B a-2 a.1 b from ");
    names[0] = '\0';
    tmp_folder_path(path, dir, "stop");
    tmp_folder_write(path, "");
    assert_int_equal(backup_files_each(dir, note_name, names, NULL), E_CLOSED);
    assert_int_equal(backup_files_each(to, note_name, names, NULL), E_NOT_FOUND);
}

static void a_folder_goes_with_all_that_is_in_it(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(folder, dir, "folder");
    assert_int_equal(mkdir(folder, 0700), 0);
    tmp_folder_path(path, folder, "sub");
    assert_int_equal(mkdir(path, 0700), 0);
    tmp_folder_path(path, folder, "sub/file");
    tmp_folder_write(path, "");
    tmp_folder_path(path, folder, "elsewhere");
    assert_int_equal(symlink(dir, path), 0);
    assert_int_equal(backup_tree_remove(folder, NULL), 0);
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(access(from, F_OK), 0); /* the link was not followed */
    assert_int_equal(backup_tree_remove(folder, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(on_one_disk_it_is_the_same_file, setup, teardown),
        cmocka_unit_test_setup_teardown(elsewhere_it_is_a_copy_on_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_that_fails_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_sum_is_the_one_that_others_compute, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_is_told_and_work_can_be_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_source_changes_with_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_files_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_goes_with_all_that_is_in_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
