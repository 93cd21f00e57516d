/* tests/client/test_kb_outbox.c - the list of what waits and of what was refused. */
#include "tests/client/kb_samples.h"

static int note_op(void *context, const struct kb_op *op)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 512 - used, "%s%llu:%s:%s:%zu:%d:%s", used > 0 ? " " : "",
                   (unsigned long long)op->op, op->bag, op->item, op->items, op->code, op->text);
    return strcmp(op->item, "stop") == 0 ? 7 : 0;
}

static void assert_ops(struct machine *m, enum kb_outbox_which which, const char *expected)
{
    char text[512] = "";
    struct kb_error error = {0};
    ok(kb_outbox(m->kb, which, note_op, text, &error), &error);
    assert_string_equal(text, expected);
}

static void pending_writes_are_listed_and_dropped(void **state)
{
    (void)state;
    struct machine m;
    char text[512] = "";
    struct kb_error error = {0};
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    uint64_t op = set(&m, "user:Ann", "a", "2");
    (void)set(&m, "user:Ann", "stop", "3");
    (void)set(&m, "user:Ann", "z", "3");
    assert_int_equal(kb_outbox(m.kb, KB_OUTBOX_PENDING, note_op, text, &error), 7);
    assert_string_equal(text, "2:user:Ann:a:1:0: 3:user:Ann:a:1:0: 4:user:Ann:stop:1:0:");
    ok(kb_outbox_drop(m.kb, op, &error), &error);
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    assert_int_equal(kb_outbox_drop(m.kb, op, &error), KB_E_NOT_FOUND);
    assert_int_equal(kb_outbox_drop(m.kb, 1, &error), KB_E_NOT_FOUND);  /* a user is no write */
    assert_int_equal(kb_outbox_retry(m.kb, 2, &error), KB_E_NOT_FOUND); /* it is pending */
    assert_ops(&m, KB_OUTBOX_REFUSED, "");
    machine_end(&m);
}

static void set_write_code(struct toy *toy, void *context)
{
    toy->write_code = *(int *)context;
}

static void refused_writes_are_listed_retried_and_dropped(void **state)
{
    (void)state;
    struct machine m;
    int code = E_QUOTA;
    struct kb_error error = {0};
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    machine_start(&m);
    login(&m, "Ann");
    toy_do(toy, set_write_code, &code);
    uint64_t one = set(&m, "user:Ann", "a", "1");
    uint64_t two = set(&m, "user:Ann", "b", "2");
    uint64_t three = set(&m, "user:Ann", "c", "3");
    assert_int_equal(kb_wait(m.kb, three, 10000, &error), KB_E_QUOTA);
    assert_string_equal(error.text, "the toy says no");
    assert_null(get(&m, "user:Ann", "a"));
    assert_int_equal(status_of(&m).refused, 3);
    assert_ops(&m, KB_OUTBOX_REFUSED,
               "1:user:Ann:a:1:-38:the toy says no 2:user:Ann:b:1:-38:the toy says no "
               "3:user:Ann:c:1:-38:the toy says no");
    ok(kb_outbox_drop(m.kb, two, &error), &error);
    code = 0;
    toy_do(toy, set_write_code, &code);
    ok(kb_outbox_retry(m.kb, one, &error), &error);
    wait_until(get(&m, "user:Ann", "a") != NULL && strcmp(get(&m, "user:Ann", "a"), "1") == 0);
    assert_null(get(&m, "user:Ann", "c"));
    ok(kb_outbox_retry(m.kb, 0, &error), &error); /* all */
    wait_until(get(&m, "user:Ann", "c") != NULL);
    assert_int_equal(status_of(&m).refused, 0);
    ok(kb_outbox_drop(m.kb, 0, &error), &error); /* none is left: fine */
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending_writes_are_listed_and_dropped),
        cmocka_unit_test(refused_writes_are_listed_retried_and_dropped),
    };
    return cmocka_run_group_tests_name("client/kb_outbox", tests, NULL, NULL);
}
