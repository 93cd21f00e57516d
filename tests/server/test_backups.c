/* tests/server/test_backups.c - folders that are forgotten, and a restore that is confirmed. */
#include "tests/server/backups_fixture.h"

static void a_folder_is_forgotten(void **state)
{
    (void)state;
    uint64_t seq = 0;
    struct err err = {0};
    (void)make(ground.folder);
    assert_int_equal(admin.forget(admin.context, "/nowhere", "ann", false, &seq, &err),
                     E_NOT_FOUND);
    assert_int_equal(admin.forget(admin.context, ground.folder, "ann", true, &seq, &err), 0);
    assert_true(seq == 0 && folders().count == 1);
    assert_int_equal(admin.forget(admin.context, ground.folder, "ann", false, &seq, &err), 0);
    assert_true(seq > 0 && folders().count == 0);
    stop();
    start();
    assert_int_equal(folders().count, 0);
    (void)make(ground.folder);
    assert_int_equal(folders().count, 1);
}

/* --- a server that came out of a backup --- */

static void a_restore_is_confirmed_once(void **state)
{
    (void)state;
    struct admin_restored restored;
    uint64_t seq = 7;
    assert_int_equal(admin.restored(admin.context, &restored, NULL), 0);
    assert_false(restored.restored || restored.held);
    assert_int_equal(admin.confirm(admin.context, "ann", &seq, NULL), 0);
    assert_int_equal(seq, 0);
    struct buf text;
    struct restored_record record = {.backup = "N", .restored_ms = 5, .unknown = true};
    buf_init(&text, BACKUP_RECORD_MAX);
    restored_put(&text, &record);
    (void)buf_append_u8(&text, 0);
    (void)change(SUBMIT_WRITE, "server", RESTORED_ITEM, (const char *)text.data);
    buf_free(&text);
    assert_true(registry_held(ground.fx->registry));
    assert_int_equal(admin.restored(admin.context, &restored, NULL), 0);
    assert_true(restored.restored && restored.held && !restored.removals_known);
    assert_int_equal(admin.confirm(admin.context, "ann", &seq, NULL), 0);
    assert_true(seq > 0);
    assert_false(registry_held(ground.fx->registry));
    assert_int_equal(admin.restored(admin.context, &restored, NULL), 0);
    assert_false(restored.held);
    assert_string_equal(restored.confirmed_by, "ann");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restore_is_confirmed_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
