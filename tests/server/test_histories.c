/* How a history begins. */
#include "server/histories.h"
#include "tests/server/fixture.h"

static void a_new_server_has_its_two_bags(void **state)
{
    struct fixture *fx = *state;
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, 2, &row, NULL), 0);
    assert_int_equal(row.owner.kind, OWNER_SERVER);
    assert_int_equal(kv_bag(fx->kv, NULL, 3, &row, NULL), 0);
    assert_int_equal(row.owner.kind, OWNER_FLEET);
    struct kv_position position = {0};
    uint8_t history[HISTORY_SIZE];
    kv_position(fx->kv, &position);
    journal_history(fx->journal, history);
    assert_int_equal(position.seq, 3);
    assert_memory_equal(position.history, history, HISTORY_SIZE);
}

static void a_state_without_them_is_damaged(void **state)
{
    (void)state;
    struct err err = {0};
    struct draft *draft = NULL;
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv *kv = NULL;
    struct kv_options options = {.dir = dir, .memtable_bytes = 1 << 20, .cache_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &options, NULL), 0);
    assert_int_equal(draft_new(&draft), 0);
    struct plan plan = {.draft = draft};
    assert_int_equal(overlay_open(&plan.overlay, kv), 0);
    assert_int_equal(histories_load(&plan, &err), E_CORRUPT);
    assert_true(strlen(err.text) > 0);
    plan_free(&plan);
    draft_free(&draft);
    kv_close(&kv, false);
    tmp_folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_server_has_its_two_bags, fx_setup, fx_teardown),
        cmocka_unit_test(a_state_without_them_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
