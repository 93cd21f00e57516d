/* tests/client/test_network_people.c - signing in and out with a server. */
#include "tests/client/kb_samples.h"

struct fixture {
    struct toy *toy;
    struct machine m;
};

static void begin(struct fixture *f)
{
    f->toy = toy_new();
    machine_begin(&f->m);
    machine_join(&f->m, f->toy);
    machine_start(&f->m);
}

static void end(struct fixture *f)
{
    machine_end(&f->m);
    toy_free(f->toy);
}

static void put_bob(struct toy *toy, void *context)
{
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Bob"));
    toy_put_text(toy, bag, "a", context);
}

static void copy_groups(struct toy *toy, void *context)
{
    memcpy(context, toy->last_groups, sizeof toy->last_groups);
}

static void signing_in_fetches_the_bags(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    const char *groups[] = {"Sales", "Labs", NULL};
    begin(&f);
    toy_do(f.toy, put_bob, (char[]){"there before"});
    ok(kb_login(f.m.kb, "bob", groups, 10000, &error), &error);
    assert_string_equal(get(&f.m, "user:Bob", "a"), "there before");
    char told[sizeof f.toy->last_groups];
    toy_do(f.toy, copy_groups, told);
    assert_string_equal(told, "Sales Labs ");
    assert_null(get(&f.m, "group:sales", "nothing"));
    assert_int_equal(status_of(&f.m).bags, 5);
    (void)set(&f.m, "group:labs", "g", "1");
    end(&f);
}

/* Nothing comes for who has it all: the answer ends the wait. */
static void signing_in_again_does_not_wait(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    login(&f.m, "Bob");
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    ok(kb_login(f.m.kb, "Bob", NULL, 10000, &error), &error);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 5000);
    end(&f);
}

static void set_sign_in_code(struct toy *toy, void *context)
{
    toy->sign_in_code = *(int *)context;
}

static void a_refused_sign_in_says_why(void **state)
{
    (void)state;
    struct fixture f;
    int code = E_NOT_ALLOWED;
    struct kb_error error = {0};
    begin(&f);
    toy_do(f.toy, set_sign_in_code, &code);
    assert_int_equal(kb_login(f.m.kb, "Bob", NULL, 10000, &error), KB_E_NOT_ALLOWED);
    assert_string_equal(error.text, "the toy says no");
    assert_int_equal(status_of(&f.m).users, 0);
    end(&f);
}

static bool is_kept(struct machine *m, const char *bag)
{
    struct kb_value value = {0};
    int rc = kb_get(m->kb, bag, "nothing", &value, NULL);
    return rc != KB_E_NOT_SIGNED_IN;
}

static void signing_out_drops_what_nobody_needs(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    const char *both[] = {"Sales", NULL};
    const char *one[] = {"Sales", "Labs", NULL};
    begin(&f);
    ok(kb_login(f.m.kb, "Ann", both, 10000, &error), &error);
    ok(kb_login(f.m.kb, "Bob", one, 10000, &error), &error);
    uint64_t op = set(&f.m, "user:Bob", "last", "words");
    ok(kb_logout(f.m.kb, "Bob", &error), &error);
    assert_false(is_kept(&f.m, "user:Bob"));
    assert_false(is_kept(&f.m, "group:Labs"));
    assert_true(is_kept(&f.m, "group:Sales"));
    assert_int_equal(kb_wait(f.m.kb, op, 15000, &error), 0); /* not lost by it */
    wait_until(f.toy->sign_outs == 1);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    ok(kb_login(f.m.kb, "Bob", NULL, 10000, &error), &error);
    assert_string_equal(get(&f.m, "user:Bob", "last"), "words");
    ok(kb_logout(f.m.kb, "Bob", &error), &error);
    wait_until(f.toy->sign_outs == 2);
    end(&f);
}

static void signing_out_while_away_is_told_later(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    login(&f.m, "Ann");
    ok(kb_stop(f.m.kb, &error), &error);
    (void)set(&f.m, "user:Ann", "a", "1");
    ok(kb_logout(f.m.kb, "Ann", &error), &error);
    machine_again(&f.m);
    assert_false(is_kept(&f.m, "user:Ann"));
    machine_start(&f.m);
    wait_until(f.toy->sign_outs == 1);
    wait_until(status_of(&f.m).pending == 0);
    assert_int_equal(status_of(&f.m).refused, 0); /* it went out before */
    wait_until(status_of(&f.m).bags == 2);
    end(&f);
}

static void set_write_code(struct toy *toy, void *context)
{
    toy->write_code = *(int *)context;
}

/* It is their sign-in that gives the right to write to the group. */
static void signing_out_waits_for_what_was_written_to_a_group(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    const char *groups[] = {"Sales", NULL};
    int code = E_NOSPACE;
    begin(&f);
    ok(kb_login(f.m.kb, "Ann", groups, 10000, &error), &error);
    toy_do(f.toy, set_write_code, &code);
    uint64_t op = set(&f.m, "group:Sales", "a", "1");
    wait_until(status_of(&f.m).code == KB_E_NOSPACE);
    ok(kb_logout(f.m.kb, "Ann", &error), &error);
    assert_int_equal(kb_wait(f.m.kb, op, 300, &error), KB_E_TIMEOUT);
    assert_int_equal(f.toy->sign_outs, 0);
    code = 0;
    toy_do(f.toy, set_write_code, &code);
    assert_int_equal(kb_wait(f.m.kb, op, 10000, &error), 0);
    wait_until(f.toy->sign_outs == 1);
    end(&f);
}

static void a_lost_replica_learns_who_is_signed_in(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    login(&f.m, "Ann");
    assert_int_equal(kb_wait(f.m.kb, set(&f.m, "user:Ann", "a", "1"), 10000, NULL), 0);
    kb_close(&f.m.kb);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, f.m.dir, "replica");
    tmp_folder_remove(path);
    machine_open(&f.m);
    assert_false(is_kept(&f.m, "user:Ann"));
    machine_start(&f.m);
    wait_until(is_kept(&f.m, "user:Ann") && get(&f.m, "user:Ann", "a") != NULL);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    assert_string_equal(get(&f.m, "user:Ann", "a"), "1");
    end(&f);
}

/* --- who was deleted --- */

static void delete_ann(struct toy *toy, void *context)
{
    (void)context;
    struct owner ann;
    assert_int_equal(owner_make(&ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    struct toy_bag *bag = toy_bag_of(toy, &ann);
    assert_non_null(bag);
    toy_delete(toy, bag);
}

/* The server sends a group to machines with somebody of it: without a word it stops. */
static void a_group_goes_with_the_last_of_its_users(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    const char *groups[] = {"Sales", NULL};
    begin(&f);
    ok(kb_login(f.m.kb, "Ann", groups, 10000, &error), &error);
    assert_true(is_kept(&f.m, "group:Sales"));
    toy_do(f.toy, delete_ann, NULL);
    wait_until(!is_kept(&f.m, "user:Ann"));
    wait_until(!is_kept(&f.m, "group:Sales"));
    end(&f);
}

static void delete_ann_and_sign_out(struct toy *toy, void *context)
{
    char path[64];
    struct owner ann;
    assert_int_equal(owner_make(&ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    toy_user_path(path, toy_bag_of(toy, &ann)->bag_id);
    delete_ann(toy, context);
    (void)toy_put(toy, toy_device_bag(toy), span_str(path), NULL);
}

static void find_ann(struct toy *toy, void *context)
{
    struct owner ann;
    assert_int_equal(owner_make(&ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    *(bool *)context = toy_bag_of(toy, &ann) != NULL;
}

/* The end of the sign-in is told after the end of the bag, and much can come between. A sign-in
 * would make the user anew. */
static void who_was_deleted_is_not_signed_in_again(void **state)
{
    (void)state;
    struct fixture f;
    bool found = true;
    begin(&f);
    login(&f.m, "Ann");
    login(&f.m, "Bob");
    toy_do(f.toy, delete_ann, NULL);
    wait_until(!is_kept(&f.m, "user:Ann"));
    for (int i = 0; i < 3; i++) { /* its answer has the machine compare */
        assert_int_equal(kb_wait(f.m.kb, set(&f.m, "user:Bob", "a", "1"), 10000, NULL), 0);
    }
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    toy_do(f.toy, find_ann, &found);
    assert_false(found);
    assert_int_equal(f.toy->sign_ins, 2);
    end(&f);
}

/* A user of the machine's own was made at the server, and deleted before the sign-in that follows.
 */
static void who_was_made_and_deleted_is_not_signed_in(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    int code = E_NOT_ALLOWED;
    bool found = true;
    f.toy = toy_new();
    machine_begin(&f.m);
    login(&f.m, "Ann");
    uint64_t op = set(&f.m, "user:Ann", "a", "1");
    toy_do(f.toy, set_sign_in_code, &code);
    machine_join(&f.m, f.toy);
    machine_start(&f.m);
    assert_int_equal(kb_wait(f.m.kb, op, 10000, NULL), 0);
    wait_until(f.toy->sign_ins == 1);
    ok(kb_stop(f.m.kb, &error), &error);
    code = 0;
    toy_do(f.toy, set_sign_in_code, &code);
    toy_do(f.toy, delete_ann_and_sign_out, NULL);
    machine_start(&f.m);
    wait_until(!is_kept(&f.m, "user:Ann"));
    toy_do(f.toy, find_ann, &found);
    assert_false(found);
    assert_int_equal(f.toy->sign_ins, 1);
    end(&f);
}

/* --- what a machine had before it joined --- */

static void put_ann(struct toy *toy, void *context)
{
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Ann"));
    toy_put_text(toy, bag, "a", context);
}

static void joining_with_data(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    const char *groups[] = {"Home", NULL};
    f.toy = toy_new();
    machine_begin(&f.m);
    ok(kb_login(f.m.kb, "Cora", groups, 0, &error), &error);
    login(&f.m, "Ann");
    (void)set(&f.m, "user:Cora", "c", "mine");
    (void)set(&f.m, "group:Home", "h", "ours");
    uint64_t refused = set(&f.m, "user:Ann", "a", "local");
    toy_do(f.toy, put_ann, (char[]){"server"}); /* who is known there already */
    machine_join(&f.m, f.toy);
    machine_start(&f.m);
    wait_until(strcmp(get(&f.m, "user:Cora", "c"), "mine") == 0);
    wait_until(strcmp(get(&f.m, "group:Home", "h"), "ours") == 0);
    assert_int_equal(kb_wait(f.m.kb, refused, 10000, &error), KB_E_BAG_EXISTS);
    wait_until(is_kept(&f.m, "user:Ann") && get(&f.m, "user:Ann", "a") != NULL);
    assert_string_equal(get(&f.m, "user:Ann", "a"), "server"); /* the server's copy wins */
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    assert_true(f.toy->sign_ins >= 2); /* for the group, and for the one who was there before */
    ok(kb_outbox_retry(f.m.kb, refused, &error), &error);
    wait_until(strcmp(get(&f.m, "user:Ann", "a"), "local") == 0);
    machine_again(&f.m);
    assert_string_equal(get(&f.m, "user:Cora", "c"), "mine");
    assert_string_equal(get(&f.m, "user:Ann", "a"), "local");
    end(&f);
}

static void signed_out_before_joining(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    f.toy = toy_new();
    machine_begin(&f.m);
    login(&f.m, "Cora");
    uint64_t op = set(&f.m, "user:Cora", "c", "1");
    ok(kb_logout(f.m.kb, "Cora", &error), &error);
    machine_join(&f.m, f.toy);
    machine_start(&f.m);
    assert_int_equal(kb_wait(f.m.kb, op, 10000, &error), 0);
    wait_until(f.toy->sign_outs == 1);
    wait_until(status_of(&f.m).bags == 2 && status_of(&f.m).phase == KB_PHASE_CURRENT);
    login(&f.m, "Cora");
    assert_string_equal(get(&f.m, "user:Cora", "c"), "1");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signing_in_fetches_the_bags),
        cmocka_unit_test(signing_in_again_does_not_wait),
        cmocka_unit_test(a_refused_sign_in_says_why),
        cmocka_unit_test(signing_out_drops_what_nobody_needs),
        cmocka_unit_test(signing_out_while_away_is_told_later),
        cmocka_unit_test(a_group_goes_with_the_last_of_its_users),
        cmocka_unit_test(signing_out_waits_for_what_was_written_to_a_group),
        cmocka_unit_test(a_lost_replica_learns_who_is_signed_in),
        cmocka_unit_test(who_was_deleted_is_not_signed_in_again),
        cmocka_unit_test(who_was_made_and_deleted_is_not_signed_in),
        cmocka_unit_test(joining_with_data),
        cmocka_unit_test(signed_out_before_joining),
    };
    return cmocka_run_group_tests_name("client/network_people", tests, NULL, NULL);
}
