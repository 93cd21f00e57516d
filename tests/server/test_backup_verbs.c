/* tests/server/test_backup_verbs.c - what kitbagd restore and kitbagd verify print. */
#include "server/backup_verbs.h"

#include <jansson.h>

#include "tests/server/backup_fixture.h"

static struct ground ground;
static struct settings settings;
static struct buf out;
static char data_dir[2 * TMP_FOLDER_MAX];

static int setup(void **state)
{
    (void)state;
    ground_open(&ground);
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    settings = (struct settings){.segment_bytes = 8 << 20,
                                 .memtable_bytes = 4 << 20,
                                 .cache_bytes = 4 << 20,
                                 .limits = ground.fx->limits};
    (void)snprintf(data_dir, sizeof data_dir, "%s/new", ground.dir);
    settings.data_dir = data_dir;
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&out);
    ground_close(&ground);
    return 0;
}

static const char *text(void)
{
    assert_int_equal(buf_append_u8(&out, 0), 0);
    return (const char *)out.data;
}

static void a_verified_one_is_told(void **state)
{
    (void)state;
    assert_int_equal(backup_verbs_verify(ground.folder, false, &out, NULL), 0);
    assert_non_null(strstr(text(), "It is                     whole\n"));
    assert_non_null(strstr(text(), "Users                     1\n"));
    buf_reset(&out);
    assert_int_equal(backup_verbs_verify(ground.folder, true, &out, NULL), 0);
    json_t *document = json_loads(text(), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(document, "backup")), ground.report.path);
    assert_string_equal(json_string_value(json_object_get(document, "state")), "whole");
    json_decref(document);
}

static void a_damaged_one_prints_nothing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct err err = {0};
    ground_file(&ground, "keys/sign.key", path);
    ground_damage(path);
    assert_int_equal(backup_verbs_verify(ground.folder, false, &out, &err), E_CORRUPT);
    assert_int_equal(backup_verbs_restore(ground.folder, &settings, false, &out, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "sign.key"));
    assert_int_equal(out.size, 0);
}

static void a_restored_one_is_told(void **state)
{
    (void)state;
    char seq[64];
    assert_int_equal(backup_verbs_restore(ground.folder, &settings, false, &out, NULL), 0);
    (void)snprintf(seq, sizeof seq, "Up to change              %llu\n",
                   (unsigned long long)ground.report.seq);
    assert_non_null(strstr(text(), seq));
    assert_non_null(strstr(text(), "Removals known            yes\n"));
    buf_reset(&out);
    (void)snprintf(data_dir, sizeof data_dir, "%s/other", ground.dir);
    assert_int_equal(backup_verbs_restore(ground.folder, &settings, true, &out, NULL), 0);
    json_t *document = json_loads(text(), 0, NULL);
    assert_true(json_is_false(json_object_get(document, "held")));
    assert_true(json_is_null(json_object_get(document, "replaced")));
    assert_int_equal(json_integer_value(json_object_get(document, "machines_removed")), 0);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_verified_one_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_one_prints_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restored_one_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
