/* tests/server/test_restore_swap.c - the renames by which restored data takes its place, broken off
 * at every one of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "server/restore_swap.h"
#include "tests/support/io_calls.h"
#include "tests/support/tmp_folder.h"

static char dir[TMP_FOLDER_MAX];
static const char *const parts[] = {"journal", "keys", "state"};

static void put(const char *folder, const char *text)
{
    for (size_t i = 0; i < 3; i++) {
        char path[2 * TMP_FOLDER_MAX];
        (void)snprintf(path, sizeof path, "%s/%s%s", dir, folder, parts[i]);
        assert_int_equal(dir_make(path, 0700, NULL), 0);
        (void)snprintf(path, sizeof path, "%s/%s%s/file", dir, folder, parts[i]);
        tmp_folder_write(path, text);
    }
}

/* What the file of this part says; "" when there is none. */
static const char *get(const char *folder, size_t part)
{
    static char text[16];
    char path[2 * TMP_FOLDER_MAX];
    struct buf bytes;
    (void)snprintf(path, sizeof path, "%s/%s%s/file", dir, folder, parts[part]);
    buf_init(&bytes, sizeof text - 1);
    (void)!file_read(path, &bytes, NULL);
    (void)snprintf(text, sizeof text, "%.*s", (int)bytes.size, (const char *)bytes.data);
    buf_free(&bytes);
    return text;
}

static void expect(const char *folder, const char *text)
{
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(get(folder, i), text);
    }
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(dir);
    return 0;
}

static void the_new_takes_the_place_of_the_old(void **state)
{
    (void)state;
    char replaced[PATH_MAX];
    struct err err = {0};
    put("", "old");
    put(RESTORE_PARTIAL "/", "new");
    assert_int_equal(restore_settle(dir, &err), E_CONDITION);
    assert_non_null(strstr(err.text, "broken off"));
    assert_int_equal(restore_finish(dir, replaced, &err), E_NOT_FOUND);
    expect("", "old");
    assert_int_equal(restore_commit(dir, "replaced-1", &err), 0);
    expect("", "old");
    assert_int_equal(restore_finish(dir, replaced, &err), 0);
    expect("", "new");
    expect("replaced-1/", "old");
    assert_non_null(strstr(replaced, "/replaced-1"));
    assert_int_equal(restore_finish(dir, replaced, &err), E_NOT_FOUND);
    assert_int_equal(restore_settle(dir, &err), 0);
}

static void where_nothing_was_nothing_is_kept(void **state)
{
    (void)state;
    char replaced[PATH_MAX] = "x";
    put(RESTORE_PARTIAL "/", "new");
    assert_int_equal(restore_commit(dir, "replaced-1", NULL), 0);
    assert_int_equal(restore_finish(dir, replaced, NULL), 0);
    assert_string_equal(replaced, "");
    expect("", "new");
}

/* Broken off at any rename or sync, it is gone on with: by the next restore, or the next start. */
static void it_can_be_broken_off_anywhere(void **state)
{
    (void)state;
    static const char *const calls[] = {"rename", "fsync"};
    unsigned failures = 0;
    for (size_t i = 0; i < 2; i++) {
        for (unsigned nth = 1; nth < 20; nth++) {
            struct err err = {0};
            assert_int_equal(setup(NULL), 0);
            put("", "old");
            put(RESTORE_PARTIAL "/", "new");
            io_calls_start();
            io_calls_fail(calls[i], nth, EIO);
            int rc = restore_commit(dir, "replaced-1", &err);
            rc = rc == 0 ? restore_finish(dir, NULL, &err) : rc;
            io_calls_stop();
            char ready[TMP_FOLDER_MAX];
            tmp_folder_path(ready, dir, RESTORE_READY);
            bool counts = access(ready, F_OK) == 0 || strcmp(get("", 0), "new") == 0;
            failures += rc != 0;
            int settled = restore_settle(dir, &err);
            assert_int_equal(settled, counts ? 0 : E_CONDITION);
            expect("", counts ? "new" : "old");
            if (counts) {
                expect("replaced-1/", "old");
            }
            assert_int_equal(teardown(NULL), 0);
        }
    }
    assert_true(failures >= 12);
    assert_int_equal(setup(NULL), 0);
}

static void a_damaged_word_stops_it(void **state)
{
    (void)state;
    static const char *const names[] = {"", "../x", "a/b", "."};
    put("", "old");
    put(RESTORE_PARTIAL "/", "new");
    assert_int_equal(restore_commit(dir, "replaced-1", NULL), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[TMP_FOLDER_MAX];
        struct err err = {0};
        tmp_folder_path(path, dir, RESTORE_READY "/replaces");
        tmp_folder_write(path, names[i]);
        assert_int_equal(restore_settle(dir, &err), E_CORRUPT);
        assert_non_null(strstr(err.text, "replaces"));
    }
    expect("", "old");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_new_takes_the_place_of_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nothing_was_nothing_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_broken_off_anywhere, NULL, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_word_stops_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
