/* tests/server/test_manifest.c - what a backup says of itself, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "server/manifest.h"
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

static void add(struct manifest *manifest, const char *path, uint64_t size, const char *source)
{
    struct manifest_file *file = NULL;
    assert_int_equal(manifest_add(manifest, path, &file, NULL), 0);
    file->size = size;
    memset(file->sha256, (int)size, SHA256_SIZE);
    (void)snprintf(file->source, sizeof file->source, "%s", source);
}

static struct manifest sample(void)
{
    struct manifest manifest = {.version = "1.2.3",
                                .time_ms = UINT64_MAX,
                                .seq = 9007199254740993u, /* no double holds it */
                                .floor = 3,
                                .users = 4,
                                .groups = 5,
                                .items = 6};
    memset(manifest.server, 1, KEY_SIZE);
    memset(manifest.history, 2, HISTORY_SIZE);
    memset(manifest.hash, 3, SHA256_SIZE);
    add(&manifest, "format", 14, "");
    add(&manifest, "journal/00000000000000000003.kbj", 8192, "12-34.000000005");
    add(&manifest, "keys/curve.key", 32, "");
    add(&manifest, "state/000004.sst", 77, "13-34.000000005");
    return manifest;
}

static int read_it(struct manifest *out, struct err *err)
{
    *out = (struct manifest){0};
    return manifest_read(out, dir, err);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct manifest written = sample();
    struct manifest found;
    struct err err = {0};
    assert_int_equal(manifest_write(&written, dir, &err), 0);
    assert_int_equal(read_it(&found, &err), 0);
    assert_memory_equal(found.server, written.server, KEY_SIZE);
    assert_memory_equal(found.history, written.history, HISTORY_SIZE);
    assert_memory_equal(found.hash, written.hash, SHA256_SIZE);
    assert_string_equal(found.version, "1.2.3");
    assert_true(found.time_ms == UINT64_MAX && found.seq == 9007199254740993u);
    assert_true(found.floor == 3 && found.users == 4 && found.groups == 5 && found.items == 6);
    assert_int_equal(found.count, 4);
    assert_int_equal(manifest_bytes(&found), 14 + 8192 + 32 + 77);
    for (size_t i = 0; i < 4; i++) {
        const struct manifest_file *file = manifest_find(&found, written.files[i].path);
        assert_ptr_equal(file, &found.files[i]);
        assert_int_equal(file->size, written.files[i].size);
        assert_memory_equal(file->sha256, written.files[i].sha256, SHA256_SIZE);
        assert_string_equal(file->source, written.files[i].source);
    }
    assert_null(manifest_find(&found, "state/000005.sst"));
    assert_null(manifest_find(&found, ""));
    manifest_free(&found);
    manifest_free(&written);
}

static void damage_is_noticed_wherever_it_is(void **state)
{
    (void)state;
    struct manifest written = sample();
    struct manifest found;
    char path[TMP_FOLDER_MAX];
    struct buf text;
    assert_int_equal(manifest_write(&written, dir, NULL), 0);
    manifest_free(&written);
    tmp_folder_path(path, dir, MANIFEST_NAME);
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(path, &text, NULL), 0);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        assert_int_equal(file_replace(path, text.data, text.size, 0600, NULL), 0);
        struct err err = {0};
        int rc = read_it(&found, &err);
        assert_true(rc == E_CORRUPT || rc == E_FORMAT);
        assert_non_null(strstr(err.text, MANIFEST_NAME));
        text.data[i] ^= 1;
    }
    for (size_t size = 0; size < text.size - 1; size += 7) {
        assert_int_equal(file_replace(path, text.data, size, 0600, NULL), 0);
        assert_int_equal(read_it(&found, NULL), E_CORRUPT);
    }
    buf_free(&text);
}

static void a_path_that_leads_elsewhere_is_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"../keys/x",   "/etc/passwd", "state/../x", "state/",
                                        "journal/a/b", "other/x",     "keys/.x",    "manifest"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct manifest written = {0};
        struct manifest found;
        add(&written, paths[i], 1, "");
        assert_int_equal(manifest_write(&written, dir, NULL), 0);
        assert_int_equal(read_it(&found, NULL), E_CORRUPT);
        manifest_free(&written);
    }
}

static void files_stand_once_and_in_order(void **state)
{
    (void)state;
    struct manifest written = {0};
    struct manifest found;
    add(&written, "state/b.sst", 1, "");
    add(&written, "state/b.sst", 1, "");
    assert_int_equal(manifest_write(&written, dir, NULL), 0);
    assert_int_equal(read_it(&found, NULL), E_CORRUPT);
    manifest_free(&written);
}

static void a_newer_format_is_told_from_damage(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct manifest found;
    struct err err = {0};
    tmp_folder_path(path, dir, MANIFEST_NAME);
    tmp_folder_write(path, "{\"format\": 2, \"whatever\": true}");
    assert_int_equal(read_it(&found, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "format 2"));
    tmp_folder_write(path, "[]");
    assert_int_equal(read_it(&found, &err), E_CORRUPT);
    tmp_folder_write(path, "");
    assert_int_equal(read_it(&found, &err), E_CORRUPT);
}

static void without_one_it_is_no_backup(void **state)
{
    (void)state;
    struct manifest found;
    struct err err = {0};
    assert_int_equal(read_it(&found, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no whole backup"));
}

static void without_memory_nothing_is_left(void **state)
{
    (void)state;
    struct manifest written = sample();
    assert_int_equal(manifest_write(&written, dir, NULL), 0);
    manifest_free(&written);
    for (unsigned nth = 1;; nth++) {
        struct manifest found;
        fail_alloc_at(nth);
        int rc = read_it(&found, NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || found.files == NULL);
        manifest_free(&found);
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_noticed_wherever_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_that_leads_elsewhere_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(files_stand_once_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_is_told_from_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(without_one_it_is_no_backup, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_left, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
