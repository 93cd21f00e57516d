/* tests/client/test_network_keep.c - bags that are kept by a right: listed, used while the server
 * is away, and let go of. */
#include "client/replica_inside.h"
#include "tests/client/driven.h"

static void add_user(struct driven *d, const char *name, const char *text)
{
    toy_put_text(d->toy, toy_ensure(d->toy, OWNER_USER, span_str(name)), "a", text);
}

static bool is_here(struct driven *d, const char *bag)
{
    struct kb_value value = {0};
    int rc = kb_get(d->m.kb, bag, "a", &value, NULL);
    kb_value_free(&value);
    return rc != KB_E_NOT_SIGNED_IN;
}

static void begin(struct driven *d, unsigned keep)
{
    driven_begin(d, 1);
    d->toy->keep = keep;
    d->toy->owners_page = 2;
    add_user(d, "Ann", "1");
    add_user(d, "Bob", "2");
    (void)toy_ensure(d->toy, OWNER_GROUP, span_str("sales"));
    add_user(d, "Cy", "3");
    (void)toy_ensure(d->toy, OWNER_GROUP, span_str("lab"));
    driven_start(d);
    assert_int_equal(status_of(&d->m).phase, KB_PHASE_CURRENT);
}

static void everybody_is_here_without_a_sign_in(void **state)
{
    (void)state;
    struct driven d;
    begin(&d, WIRE_KEEP_EVERYBODY);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_string_equal(get(&d.m, "user:Cy", "a"), "3");
    assert_true(is_here(&d, "group:lab"));
    assert_string_equal(status_of(&d.m).kept, "everybody");
    assert_int_equal(status_of(&d.m).users, 3);
    assert_int_equal(d.toy->sign_ins, 0);
    assert_int_equal(d.toy->lists, 3); /* five bags, two at a time */
    driven_reconnect(&d);
    assert_int_equal(d.toy->lists, 4); /* from where it was */
    driven_end(&d);
}

static size_t transactions(const struct driven *d)
{
    MDB_envinfo info;
    assert_int_equal(mdb_env_info(d->m.kb->replica->env, &info), 0);
    return info.me_last_txnid;
}

/* Each is a sync of the disk: a machine that is to keep a hundred thousand users would be at it for
 * an hour. */
static void the_first_listing_takes_few_transactions(void **state)
{
    (void)state;
    enum { MANY = 60 };
    struct driven d;
    char name[16];
    driven_begin(&d, 1);
    d.toy->keep = WIRE_KEEP_EVERYBODY;
    d.toy->owners_page = MANY / 2;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "u%d", i);
        add_user(&d, name, name);
    }
    size_t before = transactions(&d);
    driven_start(&d);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_int_equal(status_of(&d.m).users, MANY);
    assert_string_equal(get(&d.m, "user:u59", "a"), "u59");
    assert_true(transactions(&d) - before < 20);
    driven_end(&d);
}

static void a_sign_in_of_who_is_kept_looks_at_no_other_bag(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    uint64_t round = d.m.kb->network->round;
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    driven_pass(&d, 5000);
    assert_int_equal(d.toy->sign_ins, 1);
    assert_int_equal(d.m.kb->network->round, round); /* of all bags that are followed */
    add_user(&d, "Di", "4");
    assert_int_equal(driven_login(&d, "Di", &err), 0);
    assert_string_equal(get(&d.m, "user:Di", "a"), "4");
    assert_true(d.m.kb->network->round > round);
    driven_end(&d);
}

static void groups_are_kept_and_users_are_not(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_GROUPS);
    assert_true(is_here(&d, "group:sales") && is_here(&d, "group:lab"));
    assert_false(is_here(&d, "user:Ann"));
    assert_int_equal(driven_login(&d, "Ann", &err), 0); /* without groups: and they stay */
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    driven_pass(&d, 5000);
    assert_false(is_here(&d, "user:Ann"));
    assert_true(is_here(&d, "group:sales") && is_here(&d, "group:lab"));
    driven_end(&d);
}

static void a_new_bag_is_told_by_a_heartbeat(void **state)
{
    (void)state;
    struct driven d;
    begin(&d, WIRE_KEEP_EVERYBODY);
    unsigned lists = d.toy->lists;
    add_user(&d, "Di", "4");
    d.toy->newest_bag = toy_ensure(d.toy, OWNER_USER, span_str("Di"))->bag_id;
    driven_pass(&d, 10000);
    assert_string_equal(get(&d.m, "user:Di", "a"), "4");
    assert_int_equal(d.toy->lists, lists + 1);
    /* One that is gone already: asked for once, not again and again. */
    struct toy_bag *gone = toy_ensure(d.toy, OWNER_USER, span_str("Ed"));
    d.toy->newest_bag = gone->bag_id;
    gone->gone = true;
    driven_pass(&d, 60000);
    assert_int_equal(d.toy->lists, lists + 2);
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

static void people_sign_in_while_the_server_is_away(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    driven_server_goes(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    uint64_t op = set(&d.m, "user:Ann", "b", "offline");
    kb_close(&d.m.kb); /* and it is switched off */
    driven_open(&d);
    assert_string_equal(status_of(&d.m).kept, "everybody");
    assert_int_equal(driven_login(&d, "Bob", &err), 0);
    d.refuses = false;
    /* The toy takes writes of who is signed in alone. */
    d.toy->keep = WIRE_KEEP_EVERYBODY;
    d.toy->only_signed_in = true;
    driven_start(&d);
    driven_pass(&d, 5000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_int_equal(d.toy->sign_ins, 2);
    assert_int_equal(status_of(&d.m).refused, 0);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "offline");
    driven_reconnect(&d);
    assert_int_equal(d.toy->sign_ins, 2); /* told once */
    driven_end(&d);
}

static void who_came_and_went_while_it_was_away_is_told_both(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    d.toy->only_signed_in = true;
    driven_server_goes(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    uint64_t op = set(&d.m, "user:Ann", "b", "offline");
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    assert_int_equal(driven_login(&d, "Bob", &err), 0);
    assert_int_equal(kb_logout(d.m.kb, "Bob", NULL), 0); /* wrote nothing: nothing to tell */
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_int_equal(d.toy->sign_ins, 1);
    assert_int_equal(d.toy->sign_outs, 1);
    assert_true(is_here(&d, "user:Ann"));
    driven_end(&d);
}

/* Its disk is full: neither sign-ins nor writes are taken for a while. */
static void a_sign_in_that_is_deferred_is_told_again(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    d.toy->only_signed_in = true;
    driven_server_goes(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    uint64_t op = set(&d.m, "user:Ann", "b", "offline");
    d.toy->sign_in_code = E_READ_ONLY;
    d.toy->write_code = E_READ_ONLY;
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_in_range(d.toy->sign_ins, 1, 10);
    unsigned connects = d.connects;
    d.toy->sign_in_code = 0;
    d.toy->write_code = 0;
    driven_pass(&d, 20000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_int_equal(status_of(&d.m).refused, 0);
    unsigned told = d.toy->sign_ins;
    driven_pass(&d, 60000);
    assert_int_equal(d.toy->sign_ins, told);
    assert_int_equal(d.connects, connects);
    driven_end(&d);
}

/* What they wrote there they may write as members alone. */
static void the_groups_of_who_came_and_went_are_told(void **state)
{
    (void)state;
    struct driven d;
    struct kb_error error = {0};
    const char *groups[] = {"sales", NULL};
    begin(&d, WIRE_KEEP_EVERYBODY);
    driven_server_goes(&d);
    ok(kb_login(d.m.kb, "Ann", groups, 1, &error), &error);
    (void)set(&d.m, "group:sales", "b", "offline");
    ok(kb_logout(d.m.kb, "Ann", &error), &error);
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_int_equal(d.toy->sign_ins, 1);
    assert_int_equal(d.toy->sign_outs, 1);
    assert_string_equal(d.toy->last_groups, "sales ");
    driven_end(&d);
}

/* The sign-out that the server was not told yet does not count any more. */
static void who_goes_and_comes_back_while_it_is_away_stays(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    d.toy->only_signed_in = true;
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    driven_server_goes(&d);
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_true(toy_is_signed_in(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id));
    uint64_t op = set(&d.m, "user:Ann", "b", "again");
    driven_pass(&d, 1000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    driven_end(&d);
}

static void who_comes_back_before_the_sign_out_was_told_stays(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    d.toy->write_code = E_READ_ONLY;
    uint64_t op = set(&d.m, "user:Ann", "b", "waits");
    driven_pass(&d, 1000);
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0); /* told when that was answered */
    driven_pass(&d, 1000);
    assert_int_equal(d.toy->sign_outs, 0);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    d.toy->write_code = 0;
    driven_pass(&d, 20000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_int_equal(d.toy->sign_outs, 0);
    assert_true(toy_is_signed_in(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id));
    driven_end(&d);
}

static void what_is_a_persons_on_this_machine_goes_with_them(void **state)
{
    (void)state;
    struct driven d;
    struct replica_bag own = {.keep = true};
    begin(&d, WIRE_KEEP_EVERYBODY);
    assert_int_equal(owner_make(&own.owner, OWNER_USER_DEVICE, span_str("Ann"), TOY_DEVICE, NULL),
                     0);
    assert_int_equal(replica_bag_add(d.m.kb->replica, &own, NULL), 0);
    d.toy->keep = WIRE_KEEP_SIGNED_IN;
    driven_reconnect(&d);
    assert_false(is_here(&d, "user:Ann"));
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &own.owner, &own, NULL), E_NOT_FOUND);
    driven_end(&d);
}

/* Somebody waits for a sign-in, somebody else signs the same person out: it is told when the one
 * who waits gives up. */
static void a_sign_out_is_told_when_nobody_waits_any_more(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    struct request *request = NULL;
    begin(&d, WIRE_KEEP_SIGNED_IN);
    assert_int_equal(client_login_begin(d.m.kb, "Ann", NULL, &request, &err), 0);
    assert_non_null(request);
    driven_turn(&d, (struct network_event){.kind = NETWORK_TIME});
    while (request->state < REQUEST_FETCHING) { /* frame by frame: its bag is not here yet */
        assert_true(d.count > 0);
        struct buf frame = d.frames[d.first];
        d.first = (d.first + 1) % DRIVEN_FRAMES;
        d.count--;
        driven_turn(&d, (struct network_event){.kind = NETWORK_FRAME, .frame = buf_span(&frame)});
        buf_free(&frame);
    }
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    driven_pass(&d, 4000);
    assert_int_equal(client_login_end(d.m.kb, &request, true, &err), E_TIMEOUT);
    driven_pass(&d, 1000);
    assert_int_equal(d.toy->sign_outs, 1);
    driven_end(&d);
}

static void a_sign_out_leaves_what_is_kept_by_the_right(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    struct toy_bag *ann = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    assert_int_equal(d.toy->sign_in_bag, ann->bag_id);
    assert_true(toy_is_signed_in(d.toy, ann->bag_id));
    assert_int_equal(kb_logout(d.m.kb, "Ann", NULL), 0);
    driven_pass(&d, 5000);
    assert_false(toy_is_signed_in(d.toy, ann->bag_id));
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_int_equal(d.toy->sign_outs, 1);
    driven_end(&d);
}

static void a_right_that_is_taken_away_lets_the_bags_go(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    d.toy->keep = WIRE_KEEP_GROUPS;
    driven_reconnect(&d);
    assert_true(is_here(&d, "user:Ann"));
    assert_false(is_here(&d, "user:Bob") || is_here(&d, "user:Cy"));
    assert_true(is_here(&d, "group:lab"));
    d.toy->keep = WIRE_KEEP_SIGNED_IN;
    driven_reconnect(&d);
    assert_true(is_here(&d, "user:Ann"));
    assert_false(is_here(&d, "group:lab") || is_here(&d, "group:sales"));
    assert_string_equal(status_of(&d.m).kept, "signed-in");
    d.toy->keep = WIRE_KEEP_EVERYBODY; /* and given again: all of it comes back */
    driven_reconnect(&d);
    assert_true(is_here(&d, "user:Bob") && is_here(&d, "group:lab"));
    driven_end(&d);
}

/* She signed in while the machine stood alone; the server has her bag, and lists it before it says
 * so. */
static void who_was_made_here_is_signed_in_all_the_same(void **state)
{
    (void)state;
    struct driven d;
    struct owner ann;
    driven_begin(&d, 1);
    d.toy->keep = WIRE_KEEP_EVERYBODY;
    d.toy->owners_page = 2;
    add_user(&d, "Ann", "1");
    assert_int_equal(owner_make(&ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(outbox_create(d.m.kb->outbox, &ann, 1, NULL, NULL), 0);
    assert_int_equal(client_settle_creates(d.m.kb, NULL), 0);
    d.toy->write_code = E_READ_ONLY;
    driven_start(&d);
    driven_pass(&d, 5000);
    d.toy->write_code = 0;
    driven_pass(&d, 20000);
    assert_true(toy_is_signed_in(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann"))->bag_id));
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_end(&d);
}

/* Its items are dropped with the record of a bag that is damaged; the server has listed it long
 * ago. */
static void a_bag_that_was_lost_by_damage_comes_again(void **state)
{
    (void)state;
    struct driven d;
    struct owner bob;
    struct replica_bag bag;
    begin(&d, WIRE_KEEP_EVERYBODY);
    struct replica *replica = d.m.kb->replica;
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(replica, &bob, &bag, NULL), 0);
    MDB_txn *txn = NULL;
    struct record_key key = replica_key_number(bag.local);
    MDB_val name = {key.size, key.bytes};
    MDB_val wrong = {9, "123456789"};
    assert_int_equal(replica_write_begin(replica, &txn, NULL), 0);
    assert_int_equal(mdb_put(txn, replica->tables[TABLE_BAGS], &name, &wrong, 0), 0);
    assert_int_equal(replica_write_end(replica, &txn, 0, NULL), 0);
    kb_close(&d.m.kb);
    driven_open(&d);
    assert_false(is_here(&d, "user:Bob"));
    driven_start(&d);
    driven_pass(&d, 10000);
    assert_string_equal(get(&d.m, "user:Bob", "a"), "2");
    unsigned lists = d.toy->lists;
    driven_reconnect(&d);
    assert_int_equal(d.toy->lists, lists + 1); /* from where it was */
    driven_end(&d);
}

/* The restored server has nothing new to list at first; what it makes later has numbers that were
 * listed before. */
static void after_a_restore_its_new_bags_are_listed(void **state)
{
    (void)state;
    struct driven d;
    begin(&d, WIRE_KEEP_EVERYBODY);
    driven_down(&d);
    uint64_t resume_seq = d.toy->head;
    uint64_t listed = resume_seq + 100;
    uint8_t note[9] = {WIRE_KEEP_EVERYBODY};
    put_be64(note + 1, listed);
    assert_int_equal(replica_note_set(d.m.kb->replica, "listed", span_of(note, 9), NULL), 0);
    d.toy->resume_seq = resume_seq;
    memset(d.toy->history, 9, HISTORY_SIZE);
    driven_pass(&d, 10000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    d.toy->resume_seq = 0; /* it is ours now */
    driven_reconnect(&d);
    add_user(&d, "Di", "4");
    d.toy->newest_bag = toy_ensure(d.toy, OWNER_USER, span_str("Di"))->bag_id;
    assert_true(d.toy->newest_bag < listed);
    driven_pass(&d, 10000);
    assert_string_equal(get(&d.m, "user:Di", "a"), "4");
    driven_end(&d);
}

/* The right is taken away while Bob, who came and went, has still to be told. */
static void who_signed_out_meanwhile_goes_with_the_right(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    d.toy->only_signed_in = true;
    driven_server_goes(&d);
    assert_int_equal(driven_login(&d, "Bob", &err), 0);
    (void)set(&d.m, "user:Bob", "b", "offline");
    assert_int_equal(kb_logout(d.m.kb, "Bob", NULL), 0);
    d.toy->keep = WIRE_KEEP_SIGNED_IN;
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_int_equal(d.toy->sign_outs, 1);
    assert_false(is_here(&d, "user:Bob"));
    driven_end(&d);
}

/* Bob writes while the server is away, and meanwhile the right is taken: his sign-in and his write
 * reach the server, so he is one of those who are signed in. */
static void what_was_not_sent_does_not_go_with_the_right(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d, WIRE_KEEP_EVERYBODY);
    d.toy->only_signed_in = true;
    driven_server_goes(&d);
    assert_int_equal(driven_login(&d, "Bob", &err), 0);
    uint64_t op = set(&d.m, "user:Bob", "b", "offline");
    d.toy->keep = WIRE_KEEP_SIGNED_IN;
    d.refuses = false;
    driven_pass(&d, 20000);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_string_equal(get(&d.m, "user:Bob", "b"), "offline");
    assert_false(is_here(&d, "user:Ann"));
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_here_without_a_sign_in),
        cmocka_unit_test(the_first_listing_takes_few_transactions),
        cmocka_unit_test(a_sign_in_of_who_is_kept_looks_at_no_other_bag),
        cmocka_unit_test(who_signed_out_meanwhile_goes_with_the_right),
        cmocka_unit_test(groups_are_kept_and_users_are_not),
        cmocka_unit_test(a_new_bag_is_told_by_a_heartbeat),
        cmocka_unit_test(people_sign_in_while_the_server_is_away),
        cmocka_unit_test(who_came_and_went_while_it_was_away_is_told_both),
        cmocka_unit_test(a_sign_in_that_is_deferred_is_told_again),
        cmocka_unit_test(the_groups_of_who_came_and_went_are_told),
        cmocka_unit_test(who_goes_and_comes_back_while_it_is_away_stays),
        cmocka_unit_test(who_comes_back_before_the_sign_out_was_told_stays),
        cmocka_unit_test(what_is_a_persons_on_this_machine_goes_with_them),
        cmocka_unit_test(a_sign_out_is_told_when_nobody_waits_any_more),
        cmocka_unit_test(a_sign_out_leaves_what_is_kept_by_the_right),
        cmocka_unit_test(a_right_that_is_taken_away_lets_the_bags_go),
        cmocka_unit_test(who_was_made_here_is_signed_in_all_the_same),
        cmocka_unit_test(a_bag_that_was_lost_by_damage_comes_again),
        cmocka_unit_test(after_a_restore_its_new_bags_are_listed),
        cmocka_unit_test(what_was_not_sent_does_not_go_with_the_right),
    };
    return cmocka_run_group_tests_name("client/network_keep", tests, NULL, NULL);
}
