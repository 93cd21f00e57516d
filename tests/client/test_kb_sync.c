/* tests/client/test_kb_sync.c - starting and stopping. */
#include "tests/client/kb_samples.h"

static void starting_and_stopping_is_remembered(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    struct kb_error error = {0};
    struct toy *toy = toy_new();
    machine_begin(&m);
    assert_int_equal(kb_stop(m.kb, &error), 0); /* nothing to stop */
    machine_join(&m, toy);
    machine_start(&m);
    machine_start(&m); /* again: nothing */
    wait_until(status_of(&m).phase == KB_PHASE_CURRENT);
    assert_true(status_of(&m).connected);
    ok(kb_stop(m.kb, &error), &error);
    assert_int_equal(status_of(&m).phase, KB_PHASE_STOPPED);
    assert_false(client_wanted(m.kb));
    machine_again(&m);
    assert_int_equal(client_connect(m.kb, &err), 0); /* not wanted: nothing */
    assert_int_equal(status_of(&m).phase, KB_PHASE_STOPPED);
    machine_start(&m);
    machine_again(&m);
    assert_int_equal(client_connect(m.kb, &err), 0);
    wait_until(status_of(&m).phase == KB_PHASE_CURRENT);
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_and_stopping_is_remembered),
    };
    return cmocka_run_group_tests_name("client/kb_sync", tests, NULL, NULL);
}
