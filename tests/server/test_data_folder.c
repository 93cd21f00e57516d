/* The data folder: made, taken by one, refused when it is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "server/data_folder.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX];
static char data[TMP_FOLDER_MAX];
static char format[TMP_FOLDER_MAX];

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(data, folder, "deep/data");
    tmp_folder_path(format, data, "format");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static void made_at_the_first_start(void **state)
{
    (void)state;
    int lock = -1;
    assert_int_equal(data_folder_open(data, &lock, NULL), 0);
    struct stat info;
    assert_int_equal(stat(data, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(format, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(close(lock), 0);
    assert_int_equal(chmod(data, 0755), 0); /* it is ours: nobody else may look */
    assert_int_equal(data_folder_open(data, &lock, NULL), 0);
    assert_int_equal(stat(data, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(close(lock), 0);
}

static void taken_by_one_process(void **state)
{
    (void)state;
    int lock = -1;
    assert_int_equal(data_folder_open(data, &lock, NULL), 0);
    struct err err = {0};
    int second = -1;
    assert_int_equal(data_folder_open(data, &second, &err), E_BUSY);
    assert_int_equal(second, -1);
    char wanted[TMP_FOLDER_MAX + 100];
    (void)snprintf(wanted, sizeof wanted,
                   "the data folder '%s' is in use by process %d (stop that kitbagd first)", data,
                   (int)getpid());
    assert_string_equal(err.text, wanted);
    assert_int_equal(close(lock), 0);
}

static void expect(int code, const char *words)
{
    int lock = -1;
    struct err err = {0};
    assert_int_equal(data_folder_open(data, &lock, &err), code);
    assert_int_equal(lock, -1);
    if (strstr(err.text, words) == NULL || strstr(err.text, data) == NULL) {
        fail_msg("'%s' lacks '%s'", err.text, words);
    }
}

static void formats(void **state)
{
    (void)state;
    int lock = -1;
    assert_int_equal(data_folder_open(data, &lock, NULL), 0);
    assert_int_equal(close(lock), 0);
    tmp_folder_write(format, "kitbag-data 2\n");
    expect(E_FORMAT, "start the newer kitbagd");
    tmp_folder_write(format, "kitbag-data 0\n");
    expect(E_CORRUPT, "damaged");
    tmp_folder_write(format, "");
    expect(E_CORRUPT, "damaged");
    tmp_folder_write(format, "something else, and far longer than any format's line can be, far");
    expect(E_CORRUPT, "damaged");
    tmp_folder_write(format, "kitbag-data 1\n");
    assert_int_equal(data_folder_open(data, &lock, NULL), 0);
    assert_int_equal(close(lock), 0);
}

static void somebody_else_s_folder(void **state)
{
    (void)state;
    assert_int_equal(dir_make(data, 0700, NULL), 0);
    char file[TMP_FOLDER_MAX];
    tmp_folder_path(file, data, "letters");
    tmp_folder_write(file, "x");
    assert_int_equal(chmod(data, 0755), 0);
    expect(E_EXISTS, "'letters'");
    assert_int_equal(access(format, F_OK), -1);
    struct stat info; /* it is left as it is */
    assert_int_equal(stat(data, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0755);
    tmp_folder_path(file, data, "lock");
    assert_int_equal(access(file, F_OK), -1);
}

static void a_file_in_its_place(void **state)
{
    (void)state;
    char file[TMP_FOLDER_MAX];
    tmp_folder_path(file, folder, "deep");
    tmp_folder_write(file, "x");
    int lock = -1;
    struct err err = {0};
    assert_int_not_equal(data_folder_open(data, &lock, &err), 0);
    assert_true(strlen(err.text) > 0);
    char deep[5000];
    memset(deep, 'x', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(data_folder_open(deep, &lock, &err), E_INVALID);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(made_at_the_first_start), TEST(taken_by_one_process), TEST(formats),
        TEST(somebody_else_s_folder),  TEST(a_file_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
