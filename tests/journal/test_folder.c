/* tests/journal/test_folder.c - which names of a folder are segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "journal/folder.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

static char dir[TMP_FOLDER_MAX];

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

static void put(const char *name)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, dir, name);
    tmp_folder_write(path, "");
}

static void segments_are_listed_in_order(void **state)
{
    (void)state;
    struct folder folder;
    put("00000000000000000300.kbj");
    put("18446744073709551615.kbj");
    put("00000000000000000001.kbj");
    put("00000000000000000020.kbj");
    assert_int_equal(folder_list(&folder, dir, NULL), 0);
    assert_int_equal(folder.count, 4);
    assert_int_equal(folder.seqs[0], 1);
    assert_int_equal(folder.seqs[1], 20);
    assert_int_equal(folder.seqs[2], 300);
    assert_true(folder.seqs[3] == UINT64_MAX);
    folder_free(&folder);
    assert_int_equal(folder.count, 0);
    folder_free(&folder);
    folder_free(NULL);
}

static void other_names_are_none(void **state)
{
    (void)state;
    struct folder folder;
    put(FOLDER_PREPARED);
    put("00000000000000000001.kbj.partial");
    put("0000000000000000001.kbj");   /* 19 digits */
    put("000000000000000000001.kbj"); /* 21 */
    put("00000000000000000000.kbj");  /* no seq */
    put("18446744073709551616.kbj");  /* larger than any */
    put("0000000000000000000x.kbj");
    put("-0000000000000000001.kbj");
    put("00000000000000000001.kb");
    assert_int_equal(folder_list(&folder, dir, NULL), 0);
    assert_int_equal(folder.count, 0);
    folder_free(&folder);
}

static void failures_are_told(void **state)
{
    (void)state;
    struct folder folder;
    struct err err = {0};
    char path[PATH_MAX];
    char long_dir[PATH_MAX];
    assert_int_equal(folder_list(&folder, "/no/such/folder", &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/folder"));
    put("00000000000000000001.kbj");
    fail_alloc_at(1);
    int rc = folder_list(&folder, dir, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(folder_segment_path(path, "/j", 7, &err), 0);
    assert_string_equal(path, "/j/00000000000000000007.kbj");
    assert_int_equal(folder_segment_path(path, "/j", UINT64_MAX, &err), 0);
    assert_string_equal(path, "/j/18446744073709551615.kbj");
    memset(long_dir, 'x', sizeof long_dir);
    long_dir[sizeof long_dir - 1] = '\0';
    assert_int_equal(folder_segment_path(path, long_dir, 1, &err), E_INVALID);
}

static void a_file_has_to_go_on_behind_the_one_before(void **state)
{
    (void)state;
    struct segment_id before = {.purpose = SEGMENT_JOURNAL, .base_seq = 5};
    struct segment_id id = {.purpose = SEGMENT_JOURNAL, .base_seq = 9};
    assert_null(folder_check_id(&id, 9, NULL));
    assert_null(folder_check_id(&id, 9, &before));
    assert_non_null(folder_check_id(&id, 8, &before));
    id.purpose = SEGMENT_MIRROR;
    assert_null(folder_check_id(&id, 9, &before));
    id.purpose = SEGMENT_OUTBOX;
    assert_non_null(folder_check_id(&id, 9, NULL));
    id.purpose = SEGMENT_JOURNAL;
    id.history[0] = 1; /* another history, that does not tell where it comes from */
    assert_non_null(folder_check_id(&id, 9, &before));
    lineage_add(&id.lineage, before.history, 7);
    assert_non_null(folder_check_id(&id, 9, &before)); /* from elsewhere */
    id.lineage.of[0].last_seq = 8;
    assert_null(folder_check_id(&id, 9, &before));
    before = id;
    id.base_seq = 20;
    assert_null(folder_check_id(&id, 20, &before));
    id.lineage.of[0].history[3] = 1;
    assert_non_null(folder_check_id(&id, 20, &before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments_are_listed_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(other_names_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_told, setup, teardown),
        cmocka_unit_test(a_file_has_to_go_on_behind_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
