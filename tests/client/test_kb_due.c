/* tests/client/test_kb_due.c - sign-ins and sign-outs that are still to be told. */
#include "tests/client/kb_samples.h"

static int write_down(void *context, const struct due *due, struct err *err)
{
    char *text = context;
    size_t used = strlen(text);
    (void)err;
    (void)snprintf(text + used, 512 - used, "%llu%s%s %s %zu;", (unsigned long long)due->bag_id,
                   due->in ? " in" : "", due->out ? " out" : "", due->user.shown,
                   due->groups.count);
    return 0;
}

static const char *all(struct machine *m)
{
    static char text[512];
    text[0] = '\0';
    assert_int_equal(client_dues(m->kb, write_down, text, NULL), 0);
    return text;
}

static struct due *due_of(const char *name, uint64_t bag_id)
{
    struct due *due = calloc(1, sizeof *due);
    assert_non_null(due);
    due->bag_id = bag_id;
    assert_int_equal(owner_make(&due->user, OWNER_USER, span_str(name), 0, NULL), 0);
    return due;
}

static void add(struct machine *m, const char *name, uint64_t bag_id, bool in, bool out)
{
    struct due *due = due_of(name, bag_id);
    due->in = in;
    due->out = out;
    due->groups.count = in ? 2 : 0;
    assert_int_equal(owner_make(&due->groups.list[0], OWNER_GROUP, span_str("a"), 0, NULL), 0);
    assert_int_equal(owner_make(&due->groups.list[1], OWNER_GROUP, span_str("b"), 0, NULL), 0);
    assert_int_equal(client_due_add(m->kb, due, NULL), 0);
    free(due);
}

static void they_are_kept_in_order_and_over_a_restart(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    assert_string_equal(all(&m), "");
    add(&m, "Ann", 7, true, false);
    add(&m, "Bob", 5, false, true);
    assert_string_equal(all(&m), "7 in Ann 2;5 out Bob 0;");
    machine_again(&m);
    assert_string_equal(all(&m), "7 in Ann 2;5 out Bob 0;");
    add(&m, "Ann", 7, true, true); /* in its place, as the newest */
    assert_string_equal(all(&m), "5 out Bob 0;7 in out Ann 2;");
    machine_end(&m);
}

static void what_was_told_goes(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    add(&m, "Ann", 7, true, true);
    add(&m, "Bob", 5, true, false);
    assert_int_equal(client_due_done(m.kb, 99, false, NULL), 0);
    assert_int_equal(client_due_done(m.kb, 5, false, NULL), 0);
    assert_string_equal(all(&m), "7 in out Ann 2;");
    assert_int_equal(client_due_done(m.kb, 7, false, NULL), 0);
    assert_string_equal(all(&m), "7 out Ann 2;"); /* the sign-out is still to be told */
    assert_int_equal(client_due_done(m.kb, 7, true, NULL), 0);
    assert_string_equal(all(&m), "");
    machine_end(&m);
}

static int stop_at_once(void *context, const struct due *due, struct err *err)
{
    unsigned *calls = context;
    (void)due;
    (void)err;
    return ++*calls == 1 ? 3 : 0;
}

static void a_callback_ends_it(void **state)
{
    (void)state;
    struct machine m;
    unsigned calls = 0;
    machine_begin(&m);
    add(&m, "Ann", 7, true, false);
    add(&m, "Bob", 5, true, false);
    assert_int_equal(client_dues(m.kb, stop_at_once, &calls, NULL), 3);
    assert_int_equal(calls, 1);
    machine_end(&m);
}

static void there_are_not_more_than_a_thousand(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    struct due *due = due_of("Ann", 1);
    machine_begin(&m);
    for (uint64_t i = 1; i <= 1000; i++) {
        due->bag_id = i;
        due->in = true;
        assert_int_equal(client_due_add(m.kb, due, NULL), 0);
    }
    due->bag_id = 1001;
    assert_int_equal(client_due_add(m.kb, due, &err), E_QUOTA);
    assert_non_null(strstr(err.text, "connect first"));
    due->bag_id = 500; /* instead of another */
    assert_int_equal(client_due_add(m.kb, due, NULL), 0);
    free(due);
    machine_end(&m);
}

static void a_note_that_can_not_be_read_is_none(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    assert_int_equal(replica_note_set(m.kb->replica, "due", span_str("\xc1 nonsense"), NULL), 0);
    assert_string_equal(all(&m), "");
    assert_int_equal(replica_note_set(m.kb->replica, "due", span_str("\x91\xa3zzz"), NULL), 0);
    assert_string_equal(all(&m), "");
    add(&m, "Ann", 7, true, false);
    assert_string_equal(all(&m), "7 in Ann 2;");
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_kept_in_order_and_over_a_restart),
        cmocka_unit_test(what_was_told_goes),
        cmocka_unit_test(a_callback_ends_it),
        cmocka_unit_test(there_are_not_more_than_a_thousand),
        cmocka_unit_test(a_note_that_can_not_be_read_is_none),
    };
    return cmocka_run_group_tests_name("client/kb_due", tests, NULL, NULL);
}
