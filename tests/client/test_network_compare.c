/* tests/client/test_network_compare.c - who is signed in, as the server knows it, and who is kept
 * here: every way in which the two can part heals. */
#include "tests/client/driven.h"

static void begin(struct driven *d)
{
    struct err err = {0};
    driven_begin(d, 1);
    driven_start(d);
    assert_int_equal(driven_login(d, "Ann", &err), 0);
    toy_put_text(d->toy, toy_ensure(d->toy, OWNER_USER, span_str("Ann")), "a", "1");
    driven_settle(d);
}

static void lose_replica(struct driven *d)
{
    char path[TMP_FOLDER_MAX];
    kb_close(&d->m.kb);
    tmp_folder_path(path, d->m.dir, "replica");
    tmp_folder_remove(path);
    driven_open(d);
}

static void a_lost_replica_is_filled_again(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    uint64_t bag_id = toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id;
    lose_replica(&d);
    driven_start(&d);
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_int_equal(d.toy->sign_in_bag, bag_id); /* that one, and no other */
    driven_end(&d);
}

/* "Not now" is no refusal: it is told again, in the same session, and not at once. */
static void a_sign_in_that_is_put_off_is_tried_again(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    lose_replica(&d);
    d.toy->sign_in_code = E_READ_ONLY;
    unsigned before = d.toy->sign_ins;
    driven_start(&d);
    driven_pass(&d, 1000);
    assert_int_equal(d.toy->sign_ins - before, 1);
    driven_pass(&d, 20000);
    assert_in_range(d.toy->sign_ins - before, 4, 6);
    d.toy->sign_in_code = 0;
    driven_pass(&d, 6000);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    before = d.toy->sign_ins;
    driven_pass(&d, 60000);
    assert_int_equal(d.toy->sign_ins, before);
    assert_int_equal(d.connects, 2);
    driven_end(&d);
}

static bool exists(struct driven *d, const char *name)
{
    struct owner owner;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str(name), 0, NULL), 0);
    return toy_bag_of(d->toy, &owner) != NULL;
}

/* The server's list names a user of whom this machine, which lost its replica, has nothing, and who
 * is deleted before the sign-in arrives. */
static void a_lost_replica_does_not_make_a_deleted_person_again(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    lose_replica(&d);
    toy_delete(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    driven_start(&d); /* the toy still lists who was signed in */
    driven_pass(&d, 10000);
    assert_int_equal(d.toy->sign_ins, 2);
    assert_false(exists(&d, "Ann"));
    assert_int_equal(status_of(&d.m).users, 0);
    driven_pass(&d, 60000);
    assert_int_equal(d.toy->sign_ins, 2); /* not again and again */
    driven_end(&d);
}

/* A person stands there and signs in with what this machine keeps of a deleted bag: the copy goes,
 * and they begin anew. */
static void a_kept_bag_that_was_deleted_goes_at_the_sign_in(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d);
    struct toy_bag *old = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    uint64_t old_id = old->bag_id;
    old->gone = true; /* without a live change: it is not known here yet */
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    assert_int_equal(d.toy->sign_ins, 3);
    assert_int_equal(d.toy->sign_in_bag, 0);
    assert_null(get(&d.m, "user:Ann", "a"));
    assert_true(toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id > old_id);
    driven_end(&d);
}

static void a_sign_out_without_a_connection_is_told_later(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    driven_server_goes(&d);
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    kb_close(&d.m.kb);
    d.refuses = false;
    driven_open(&d);
    driven_start(&d);
    driven_pass(&d, 1000);
    assert_int_equal(d.toy->sign_outs, 1);
    assert_int_equal(status_of(&d.m).users, 0);
    driven_end(&d);
}

/* Between the WELCOME and the sign-ins that it is to be followed by, applications go on. */
static void a_sign_in_that_is_withdrawn_holds_nothing_up(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    struct network *network = d.m.kb->network;
    struct due due = {.bag_id = toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id, .in = true};
    assert_int_equal(owner_make(&due.user, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(client_due_add(d.m.kb, &due, NULL), 0);
    network_hold_for_due(network);
    assert_int_equal(network->held, 1);
    assert_int_equal(client_due_done(d.m.kb, due.bag_id, true, NULL), 0);
    driven_pass(&d, 1000);
    uint64_t op = set(&d.m, "user:Ann", "a", "2");
    driven_pass(&d, 1000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_replica_is_filled_again),
        cmocka_unit_test(a_sign_in_that_is_put_off_is_tried_again),
        cmocka_unit_test(a_lost_replica_does_not_make_a_deleted_person_again),
        cmocka_unit_test(a_kept_bag_that_was_deleted_goes_at_the_sign_in),
        cmocka_unit_test(a_sign_out_without_a_connection_is_told_later),
        cmocka_unit_test(a_sign_in_that_is_withdrawn_holds_nothing_up),
    };
    return cmocka_run_group_tests_name("client/network_compare", tests, NULL, NULL);
}
