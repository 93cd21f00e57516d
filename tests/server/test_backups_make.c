/* tests/server/test_backups_make.c - backups that are made by order. */
#include "tests/server/backups_fixture.h"

static void one_is_made_by_order(void **state)
{
    (void)state;
    struct admin_backup_view view;
    admin.view(admin.context, &view);
    assert_int_equal(view.state, ADMIN_BACKUP_NONE);
    (void)change(SUBMIT_WRITE, "user:ann", "a", "1");
    view = make(ground.folder);
    assert_int_equal(view.state, ADMIN_BACKUP_DONE);
    assert_true(view.number == 1 && view.report.verified);
    assert_string_equal(view.by, "ann");
    struct backup_verified verified;
    assert_int_equal(backup_verify(view.report.path, NULL, &verified, NULL), 0);
    assert_true(verified.seq >= ground_head(&ground) - 1);
    assert_int_equal(make(ground.folder).number, 2);
}

static void a_place_that_does_not_fit_is_refused_at_once(void **state)
{
    (void)state;
    struct admin_backup_view view;
    struct err err = {0};
    assert_int_equal(order(ground.fx->dir, false, &err), E_INVALID);
    assert_int_equal(order("relative", false, &err), E_INVALID);
    assert_int_equal(order(ground.folder, true, &err), 0);
    assert_int_not_equal(access(ground.folder, F_OK), 0);
    admin.view(admin.context, &view);
    assert_int_equal(view.state, ADMIN_BACKUP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_made_by_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_that_does_not_fit_is_refused_at_once, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
