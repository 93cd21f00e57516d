/* tests/client/test_network_judge.c - when a policy of joining judges. */
#include "client/kb_policy.h"
#include "tests/client/kb_samples.h"

static void set_sign_in_code(struct toy *toy, void *context)
{
    toy->sign_in_code = *(int *)context;
}

static void put_people(struct toy *toy, void *context)
{
    (void)context;
    const char *names[] = {"Ann", "Bob"};
    for (size_t i = 0; i < 2; i++) {
        struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str(names[i]));
        struct span value = SPAN_LITERAL("there");
        (void)toy_put(toy, bag, SPAN_LITERAL("a"), &value);
    }
}

static void join_by(struct machine *m, struct toy *toy, enum kb_join_policy policy)
{
    char token[TOKEN_TEXT_MAX];
    struct kb_error error = {0};
    struct kb_join_options options = {.size = sizeof options, .policy = policy};
    toy_token(toy, token);
    ok(kb_join(m->kb, token, &options, NULL, &error), &error);
}

/* The bags come when their users are signed in: until then their writes stay where they are. */
static void bags_that_do_not_come_are_waited_for(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_judged done = {.size = sizeof done};
    int code = E_QUOTA;
    struct toy *toy = toy_new();
    toy_do(toy, put_people, NULL);
    toy_do(toy, set_sign_in_code, &code);
    machine_begin(&m);
    login(&m, "ann");
    login(&m, "bob");
    (void)set(&m, "user:ann", "a", "here");
    (void)set(&m, "user:bob", "a", "here");
    join_by(&m, toy, KB_CLIENT_WINS);
    machine_start(&m);
    wait_until(status_of(&m).refused == 2);
    assert_int_equal(kb_judged(m.kb, 300, &done, &error), KB_E_TIMEOUT);
    assert_int_equal(done.replaced_there, 0);
    code = 0;
    toy_do(toy, set_sign_in_code, &code);
    machine_again(&m); /* it is still known what is to be judged */
    machine_start(&m);
    ok(kb_judged(m.kb, 10000, &done, &error), &error);
    assert_int_equal(done.users, 2);
    assert_int_equal(done.replaced_there, 2);
    wait_until(status_of(&m).pending == 0);
    assert_int_equal(status_of(&m).refused, 0);
    assert_non_null(strstr(status_of(&m).text, "2 there were replaced"));
    machine_end(&m);
    toy_free(toy);
}

/* Who signs out in between leaves nothing to be judged; the writes stay where people see them. */
static void who_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_judged done = {.size = sizeof done};
    int code = E_QUOTA;
    struct toy *toy = toy_new();
    toy_do(toy, put_people, NULL);
    toy_do(toy, set_sign_in_code, &code);
    machine_begin(&m);
    login(&m, "ann");
    (void)set(&m, "user:ann", "a", "here");
    join_by(&m, toy, KB_MERGE);
    machine_start(&m);
    wait_until(status_of(&m).refused == 1);
    ok(kb_logout(m.kb, "ann", &error), &error);
    ok(kb_judged(m.kb, 10000, &done, &error), &error);
    assert_int_equal(done.replaced_here, 0);
    assert_int_equal(status_of(&m).refused, 1);
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bags_that_do_not_come_are_waited_for),
        cmocka_unit_test(who_is_gone_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("client/network_judge", tests, NULL, NULL);
}
