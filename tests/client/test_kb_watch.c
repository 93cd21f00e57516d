/* tests/client/test_kb_watch.c - what a watcher of the library is told, by local writes and by the
 * server's, and that nothing is told twice. */
#include "tests/client/kb_samples.h"

#include <poll.h>

struct heard {
    char text[1024];
};

static void note(void *context, const struct kb_change *change)
{
    struct heard *heard = context;
    size_t used = strlen(heard->text);
    (void)snprintf(heard->text + used, sizeof heard->text - used, "%s%s:%s%s%.*s%s",
                   used > 0 ? " " : "", change->bag, change->item != NULL ? change->item : "?",
                   change->removed ? "!" : "=", (int)change->size,
                   change->bytes != NULL ? (const char *)change->bytes : "",
                   change->seq != 0 ? "@" : "");
}

static bool is_readable(struct machine *m)
{
    struct pollfd fd = {.fd = kb_fd(m->kb), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void local_writes_are_told(void **state)
{
    (void)state;
    struct machine m;
    struct heard heard = {""};
    struct kb_watch *watch = NULL;
    struct kb_error error = {0};
    machine_begin(&m);
    login(&m, "Ann");
    login(&m, "Bob");
    assert_int_equal(kb_watch(m.kb, "Ann", note, &heard, &watch, &error), KB_E_INVALID);
    ok(kb_watch(m.kb, "user:ann", note, &heard, &watch, &error), &error);
    (void)set(&m, "user:Ann", "a", "1");
    (void)set(&m, "user:Bob", "a", "1");
    ok(kb_remove(m.kb, "user:Ann", "b", NULL, NULL, &error), &error);
    assert_true(is_readable(&m));
    assert_int_equal(kb_dispatch(m.kb), 2);
    assert_string_equal(heard.text, "user:Ann:a=1 user:Ann:b!");
    assert_false(is_readable(&m));
    kb_unwatch(m.kb, &watch);
    (void)set(&m, "user:Ann", "a", "2");
    assert_int_equal(kb_dispatch(m.kb), 0);
    machine_end(&m);
}

static void put_text(struct toy *toy, void *context)
{
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Ann"));
    toy_put_text(toy, bag, "a", context);
}

static void a_write_that_comes_back_is_not_told_again(void **state)
{
    (void)state;
    struct machine m;
    struct heard heard = {""};
    struct kb_watch *watch = NULL;
    struct kb_error error = {0};
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    machine_start(&m);
    login(&m, "Ann");
    ok(kb_watch(m.kb, "user:Ann", note, &heard, &watch, &error), &error);
    ok(kb_wait(m.kb, set(&m, "user:Ann", "a", "mine"), 10000, &error), &error);
    (void)kb_dispatch(m.kb);
    wait_until(strcmp(get(&m, "user:Ann", "a"), "mine") == 0); /* it left the outbox */
    assert_int_equal(kb_dispatch(m.kb), 0);
    assert_true(strncmp(heard.text, "user:Ann:a=mine", 15) == 0);
    heard.text[0] = '\0';
    toy_do(toy, put_text, (char[]){"theirs"});
    wait_until(kb_dispatch(m.kb) > 0);
    assert_string_equal(heard.text, "user:Ann:a=theirs@");
    machine_end(&m);
    toy_free(toy);
}

static void delete_ann(struct toy *toy, void *context)
{
    (void)context;
    toy_delete(toy, toy_ensure(toy, OWNER_USER, span_str("Ann")));
}

static void a_bag_that_comes_or_goes_is_told_as_a_whole(void **state)
{
    (void)state;
    struct machine m;
    struct heard heard = {""};
    struct kb_watch *watch = NULL;
    struct kb_error error = {0};
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    toy_do(toy, put_text, (char[]){"theirs"});
    machine_start(&m);
    ok(kb_watch(m.kb, "user:Ann", note, &heard, &watch, &error), &error);
    login(&m, "Ann");
    wait_until(kb_dispatch(m.kb) > 0);
    assert_string_equal(heard.text, "user:Ann:?=");
    heard.text[0] = '\0';
    toy_do(toy, delete_ann, NULL);
    wait_until(kb_dispatch(m.kb) > 0);
    assert_string_equal(heard.text, "user:Ann:?=");
    struct kb_value value;
    assert_int_equal(kb_get(m.kb, "user:Ann", "a", &value, &error), KB_E_NOT_SIGNED_IN);
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_writes_are_told),
        cmocka_unit_test(a_write_that_comes_back_is_not_told_again),
        cmocka_unit_test(a_bag_that_comes_or_goes_is_told_as_a_whole),
    };
    return cmocka_run_group_tests_name("client/kb_watch", tests, NULL, NULL);
}
