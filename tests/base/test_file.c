/* Tests of base/file.c: outcomes, and the order of the calls that make them durable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/io_calls.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX]; /* of the whole program */
static char path[TMP_FOLDER_MAX];   /* "state" in it */
static char scratch[TMP_FOLDER_MAX];
static const char *folder_name;

static int make_folder(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "state");
    tmp_folder_path(scratch, folder, "state.partial");
    folder_name = strrchr(folder, '/') + 1;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    io_calls_stop();
    tmp_folder_remove(folder);
    return 0;
}

static bool exists(const char *name)
{
    struct stat st;
    return lstat(name, &st) == 0;
}

static void expect_content(const char *name, const char *text)
{
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(file_read(name, &buf, NULL), 0);
    assert_true(span_equal(buf_span(&buf), span_str(text)));
    buf_free(&buf);
}

/* The calls before and after the sync of the test's folder. */
static void expected_calls(char *out, size_t size, const char *before, const char *after)
{
    (void)snprintf(out, size, "%sfsync:%s%s", before, folder_name, after);
}

static void replace_is_durable_in_this_order(void **state)
{
    (void)state;
    char expected[512];
    expected_calls(expected, sizeof expected,
                   "pwrite:state.partial fsync:state.partial rename:state ", "");
    struct err err = {0};
    io_calls_start();
    assert_int_equal(file_replace(path, "one", 3, 0640, &err), 0);
    assert_string_equal(io_calls_text(), expected);
    assert_int_equal(err.code, 0);
    expect_content(path, "one");
    assert_false(exists(scratch));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

/* The same outcome without the first sync: the recorder, and nothing else here, tells it. */
static void the_recorder_notices_a_dropped_sync(void **state)
{
    (void)state;
    char expected[512];
    expected_calls(expected, sizeof expected,
                   "pwrite:state.partial fsync:state.partial rename:state ", "");
    io_calls_start();
    int fd = open(scratch, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_at(fd, "one", 3, 0, scratch, NULL), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(rename(scratch, path), 0);
    assert_int_equal(dir_sync_parent(path, NULL), 0);
    expect_content(path, "one");
    assert_string_not_equal(io_calls_text(), expected);
}

static void every_failing_call_leaves_old_or_new(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        unsigned nth;
        int error_number;
        int code;
        const char *content;
    } rows[] = {{"pwrite", 1, ENOSPC, E_NOSPACE, "old"},
                {"fsync", 1, EIO, E_IO, "old"},
                {"rename", 1, EACCES, E_PERMISSION, "old"},
                {"fsync", 2, EIO, E_IO, "new"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(file_replace(path, "old", 3, 0600, NULL), 0);
        struct err err = {0};
        io_calls_start();
        io_calls_fail(rows[i].call, rows[i].nth, rows[i].error_number);
        assert_int_equal(file_replace(path, "new", 3, 0600, &err), rows[i].code);
        io_calls_stop();
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.text, folder));
        expect_content(path, rows[i].content);
        assert_false(exists(scratch));
    }
}

static void a_failed_sync_is_not_tried_again(void **state)
{
    (void)state;
    io_calls_start();
    io_calls_fail("fsync", 1, EIO);
    assert_int_equal(file_replace(path, "new", 3, 0600, NULL), E_IO);
    assert_string_equal(io_calls_text(), "pwrite:state.partial !fsync:state.partial");
}

static void short_and_interrupted_writes_go_on(void **state)
{
    (void)state;
    io_calls_start();
    io_calls_shorten(1, 2);
    assert_int_equal(file_replace(path, "12345", 5, 0600, NULL), 0);
    expect_content(path, "12345");
    io_calls_start();
    io_calls_fail("pwrite", 1, EINTR);
    assert_int_equal(file_replace(path, "abcde", 5, 0600, NULL), 0);
    expect_content(path, "abcde");
}

static void a_leftover_scratch_file_does_no_harm(void **state)
{
    (void)state;
    tmp_folder_write(scratch, "much longer than what comes");
    assert_int_equal(chmod(scratch, 0666), 0);
    assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
    expect_content(path, "x");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* A link there must not lead the write to another file. */
    char victim[TMP_FOLDER_MAX];
    tmp_folder_path(victim, folder, "victim");
    tmp_folder_write(victim, "safe");
    assert_int_equal(symlink(victim, scratch), 0);
    struct err err = {0};
    assert_int_equal(file_replace(path, "y", 1, 0600, &err), E_SYSTEM);
    expect_content(victim, "safe");
    expect_content(path, "x");
    assert_int_equal(unlink(scratch), 0);
}

static void replaces_with_nothing(void **state)
{
    (void)state;
    assert_int_equal(file_replace(path, NULL, 0, 0600, NULL), 0);
    expect_content(path, "");
}

static void paths_too_long_or_missing_are_errors(void **state)
{
    (void)state;
    char name[PATH_MAX + 10];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct err err = {0};
    assert_int_equal(file_replace(name, "x", 1, 0600, &err), E_INVALID);
    assert_int_equal(err.code, E_INVALID);
    name[PATH_MAX - sizeof ".partial" + 1] = '\0'; /* one too long, with what is put behind */
    assert_int_equal(file_replace(name, "x", 1, 0600, &err), E_INVALID);
    name[sizeof name - 2] = '\0';
    memset(name, 'a', sizeof name - 2);
    assert_int_equal(dir_sync_parent(name, &err), E_INVALID);
    assert_int_equal(dir_make(name, 0700, &err), E_INVALID);
    assert_int_equal(dir_lock(name, &err), E_INVALID);
    char missing[TMP_FOLDER_MAX];
    tmp_folder_path(missing, folder, "no/such/file");
    assert_int_equal(file_replace(missing, "x", 1, 0600, &err), E_NOT_FOUND);
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(file_read(missing, &buf, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, missing));
    assert_int_equal(dir_sync(missing, &err), E_NOT_FOUND);
    assert_int_equal(dir_lock(missing, &err), E_NOT_FOUND);
    assert_true(file_read(folder, &buf, &err) < 0);
    buf_free(&buf);
}

static void read_appends_up_to_the_maximum(void **state)
{
    (void)state;
    enum { LIMIT = 40000 };
    for (size_t size = LIMIT - 1; size <= LIMIT + 1; size++) {
        uint8_t *data = calloc(1, size);
        assert_non_null(data);
        assert_int_equal(file_replace(path, data, size, 0600, NULL), 0);
        struct buf buf;
        buf_init(&buf, LIMIT + 2);
        buf_append(&buf, "ab", 2);
        struct err err = {0};
        int rc = file_read(path, &buf, &err);
        assert_int_equal(rc, size <= LIMIT ? 0 : E_TOO_LARGE);
        assert_int_equal(err.code, rc);
        assert_int_equal(buf.size, size <= LIMIT ? size + 2 : 2);
        assert_memory_equal(buf.data, "ab", 2);
        buf_free(&buf);
        free(data);
    }
}

static void read_at_wants_all_bytes(void **state)
{
    (void)state;
    tmp_folder_write(path, "0123456789");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    char out[10];
    struct err err = {0};
    assert_int_equal(file_read_at(fd, out, 3, 7, path, &err), 0);
    assert_memory_equal(out, "789", 3);
    assert_int_equal(file_read_at(fd, NULL, 0, 99, path, &err), 0);
    assert_int_equal(file_read_at(fd, out, 4, 7, path, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "1 are missing"));
    assert_int_equal(file_write_at(fd, "xy", 2, 9, path, &err), 0);
    expect_content(path, "012345678xy");
    assert_int_equal(close(fd), 0);
    assert_true(file_read_at(fd, out, 1, 0, path, &err) < 0);
    assert_true(file_write_at(fd, "x", 1, 0, path, &err) < 0);
}

static void the_parent_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *calls;
    } rows[] = {{"/", "fsync:"},      {"/etc", "fsync:"},      {"//etc/", "fsync:"},
                {"/etc//", "fsync:"}, {"/dev/x", "fsync:dev"}, {"/dev/x//", "fsync:dev"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_calls_start();
        io_calls_fail("fsync", 1, EIO); /* which folder, not whether it can be synced */
        assert_int_equal(dir_sync_parent(rows[i].path, NULL), E_IO);
        assert_string_equal(io_calls_text() + 1, rows[i].calls);
    }
    io_calls_start();
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(dir_sync_parent("name", NULL), 0);
    char expected[512];
    expected_calls(expected, sizeof expected, "", "");
    assert_string_equal(io_calls_text(), expected);
    assert_int_equal(chdir("/"), 0);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    char deep[TMP_FOLDER_MAX];
    char expected[512];
    tmp_folder_path(deep, folder, "a//b/c/");
    expected_calls(expected, sizeof expected, "", " fsync:a fsync:b");
    struct err err = {0};
    io_calls_start();
    assert_int_equal(dir_make(deep, 0700, &err), 0);
    assert_string_equal(io_calls_text(), expected);
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    io_calls_start();
    assert_int_equal(dir_make(deep, 0755, &err), 0);
    assert_string_equal(io_calls_text(), "");
    tmp_folder_write(path, "");
    assert_int_equal(dir_make(path, 0700, &err), E_INVALID);
    char below[TMP_FOLDER_MAX];
    tmp_folder_path(below, path, "x");
    assert_int_equal(dir_make(below, 0700, &err), E_INVALID);
    assert_int_equal(dir_make("", 0700, &err), E_INVALID);
    assert_int_equal(dir_make("/proc/kitbag", 0700, &err), E_NOT_FOUND);
}

/* The child holds the lock until it is told to go, and dies with it. */
static pid_t lock_in_a_child(int *hold)
{
    int ready[2];
    int go[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(go[1]);
        char c = dir_lock(folder, NULL) >= 0 ? 'y' : 'n';
        if (write(ready[1], &c, 1) == 1) {
            (void)!read(go[0], &c, 1);
        }
        _exit(0);
    }
    char c = 0;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    (void)close(go[0]);
    *hold = go[1];
    return child;
}

static void a_locked_folder_names_its_process(void **state)
{
    (void)state;
    int hold = -1;
    pid_t child = lock_in_a_child(&hold);
    struct err err = {0};
    assert_int_equal(dir_lock(folder, &err), E_BUSY);
    char expected[TMP_FOLDER_MAX + 64];
    (void)snprintf(expected, sizeof expected, "'%s' is in use by process %ld", folder, (long)child);
    assert_string_equal(err.text, expected);
    char lock[TMP_FOLDER_MAX];
    tmp_folder_path(lock, folder, "lock");
    tmp_folder_write(lock, "");
    assert_int_equal(dir_lock(folder, &err), E_BUSY);
    assert_non_null(strstr(err.text, "another process"));
    assert_int_equal(close(hold), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);

    int fd = dir_lock(folder, &err);
    assert_true(fd >= 0);
    assert_int_equal(dir_lock(folder, &err), E_BUSY); /* also within one process */
    assert_int_equal(close(fd), 0);
    tmp_folder_write(lock, "4194304000\nand more than comes\n");
    fd = dir_lock(folder, &err);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    char own[32];
    (void)snprintf(own, sizeof own, "%ld\n", (long)getpid());
    expect_content(lock, own);
}

static void a_lock_that_cannot_be_written_is_let_go(void **state)
{
    (void)state;
    static const char *const calls[] = {"ftruncate", "pwrite"};
    for (size_t i = 0; i < 2; i++) {
        struct err err = {0};
        io_calls_start();
        io_calls_fail(calls[i], 1, EIO);
        assert_int_equal(dir_lock(folder, &err), E_IO);
        io_calls_stop();
        int fd = dir_lock(folder, &err);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
    }
}

static void joins_paths_with_one_slash(void **state)
{
    (void)state;
    char out[6];
    assert_int_equal(path_join(out, sizeof out, "ab", "cd"), 0);
    assert_string_equal(out, "ab/cd");
    assert_int_equal(path_join(out, sizeof out, "ab/", "cd"), 0);
    assert_string_equal(out, "ab/cd");
    assert_int_equal(path_join(out, sizeof out, "/", "abcd"), 0);
    assert_string_equal(out, "/abcd");
    assert_int_equal(path_join(out, sizeof out, "", "abcde"), 0);
    assert_string_equal(out, "abcde");
    assert_int_equal(path_join(out, sizeof out, "ab", "cde"), E_INVALID);
    assert_int_equal(path_join(out, sizeof out, "ab", "cdef"), E_INVALID);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(replace_is_durable_in_this_order),
        IN_FOLDER(the_recorder_notices_a_dropped_sync),
        IN_FOLDER(every_failing_call_leaves_old_or_new),
        IN_FOLDER(a_failed_sync_is_not_tried_again),
        IN_FOLDER(short_and_interrupted_writes_go_on),
        IN_FOLDER(a_leftover_scratch_file_does_no_harm),
        IN_FOLDER(replaces_with_nothing),
        IN_FOLDER(paths_too_long_or_missing_are_errors),
        IN_FOLDER(read_appends_up_to_the_maximum),
        IN_FOLDER(read_at_wants_all_bytes),
        IN_FOLDER(the_parent_is_found),
        IN_FOLDER(folders_are_made_with_their_parents),
        IN_FOLDER(a_locked_folder_names_its_process),
        IN_FOLDER(a_lock_that_cannot_be_written_is_let_go),
        IN_FOLDER(joins_paths_with_one_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
