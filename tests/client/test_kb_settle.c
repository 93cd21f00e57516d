/* tests/client/test_kb_settle.c - what the outbox tells the replica of bags, and how writes that
 * are there leave it.
 */
#include "tests/client/driven.h"
#include "tests/client/sharing_samples.h"

enum { ANN = 40, ANNS = 45, DEVICE = 7 };

static const uint8_t no_hash[SHA256_SIZE] = {0};

static struct owner owner_of(const char *text)
{
    struct owner owner;
    assert_int_equal(owner_parse(&owner, text, NULL), 0);
    return owner;
}

static const char ANNS_TEXT[] = "user:Ann/device:0000000000000007";

static void add_ann(struct machine *m)
{
    struct replica_bag bag = {.bag_id = ANN, .cursor = ANN, .complete = true, .keep = true};
    bag.owner = owner_of("user:Ann");
    assert_int_equal(replica_bag_add(m->kb->replica, &bag, NULL), 0);
}

static void begin(struct machine *m)
{
    machine_begin(m);
    m->kb->identity.device = DEVICE;
    outbox_set_alone(m->kb->outbox, false);
    add_ann(m);
}

/* What the server sends of a bag. */
static void comes(struct machine *m, uint64_t bag_id, uint64_t prev, uint64_t seq, const char *path,
                  const char *value)
{
    uint64_t bad = 0;
    struct change change = {.seq = seq,
                            .time_ms = 5,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = bag_id,
                            .prev = prev,
                            .path = span_str(path),
                            .value = span_str(value)};
    assert_int_equal(
        replica_apply(m->kb->replica, &change, 1, seq, no_hash, &bad, NULL, NULL, NULL), 0);
}

/* The first write was taken up at 60, into Ann's bag on this machine alone. */
static void answer(struct machine *m)
{
    const struct outbox_answer said = {
        .number = 1, .seq = 60, .split = true, .device_bag = ANNS, .device_seq = 60};
    outbox_outcome(m->kb->outbox, &said, NULL);
    assert_int_equal(outbox_flush(m->kb->outbox, NULL), 0);
}

static struct client_settled settle(struct machine *m)
{
    struct client_settled settled;
    struct err err = {0};
    assert_int_equal(client_settle_passed(m->kb, &settled, &err), 0);
    return settled;
}

static void the_bag_that_a_write_made_is_kept(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag own;
    begin(&m);
    (void)set(&m, "user:Ann", "copy/paper", "mine");
    answer(&m);
    struct owner owner = owner_of(ANNS_TEXT);
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &owner, &own, NULL), E_NOT_FOUND);
    struct client_settled settled = settle(&m);
    assert_true(settled.added);
    assert_false(settled.waiting);
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &owner, &own, NULL), 0);
    assert_int_equal(own.bag_id, ANNS);
    assert_true(own.keep && !own.complete);
    assert_false(settle(&m).added); /* once */
    assert_string_equal(get(&m, "user:Ann", "copy/paper"), "mine");
    own.cursor = ANNS;
    own.complete = true;
    assert_int_equal(replica_bag_update(m.kb->replica, &own, NULL), 0);
    (void)settle(&m);
    assert_string_equal(get(&m, "user:Ann", "copy/paper"), "mine"); /* it is not there yet */
    struct replica_bag fleet = {.bag_id = FLEET, .cursor = FLEET, .complete = true, .keep = true};
    fleet.owner = owner_of("fleet");
    assert_int_equal(replica_bag_add(m.kb->replica, &fleet, NULL), 0);
    fleet_category(m.kb->replica, "copy", 0, 50, FLEET);
    fleet_flag(m.kb->replica, "copy", true, false, 51, 50);
    comes(&m, ANNS, ANNS, 60, "copy/paper", "mine");
    (void)settle(&m);
    struct kb_error error = {0};
    struct kb_explanation e = {.size = sizeof e};
    ok(kb_explain(m.kb, "user:Ann", "copy/paper", &e, NULL, &error), &error);
    assert_int_equal(e.layer, KB_LAYER_DEVICE);
    assert_int_equal(e.seq, 60);
    assert_int_equal(outbox_acked_seq(m.kb->outbox, &fleet.owner, span_str("copy/paper")), 0);
    struct owner ann = owner_of("user:Ann");
    assert_int_equal(outbox_acked_seq(m.kb->outbox, &ann, span_str("copy/paper")), 0);
    machine_end(&m);
}

/* A kill between the outcome and the bag: opening makes up for it. */
static void opening_keeps_it_too(void **state)
{
    (void)state;
    struct driven d;
    struct replica_bag own;
    driven_begin(&d, 1);
    add_ann(&d.m);
    (void)set(&d.m, "user:Ann", "copy/paper", "mine");
    answer(&d.m);
    kb_close(&d.m.kb);
    driven_open(&d);
    struct owner owner = owner_of("user:Ann");
    owner.kind = OWNER_USER_DEVICE;
    owner.device = TOY_DEVICE;
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &owner, &own, NULL), 0);
    assert_int_equal(own.bag_id, ANNS);
    assert_string_equal(get(&d.m, "user:Ann", "copy/paper"), "mine");
    driven_end(&d);
}

static void who_is_not_kept_here_has_no_bag_to_wait_for(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag ann;
    struct replica_bag own;
    begin(&m);
    (void)set(&m, "user:Ann", "copy/paper", "mine");
    answer(&m);
    struct owner owner = owner_of("user:Ann");
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &owner, &ann, NULL), 0);
    ann.keep = false;
    assert_int_equal(replica_bag_update(m.kb->replica, &ann, NULL), 0);
    assert_false(settle(&m).added);
    struct owner device = owner_of(ANNS_TEXT);
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &device, &own, NULL), E_NOT_FOUND);
    bool removed = false;
    uint64_t time_ms = 0;
    assert_int_equal(
        outbox_lookup(m.kb->outbox, &owner, span_str("copy/paper"), NULL, &removed, &time_ms),
        E_NOT_FOUND);
    machine_end(&m);
}

/* The bag was deleted and made again meanwhile: what was kept of the old one goes. */
static void another_bag_of_the_same_owner_takes_its_place(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag own;
    begin(&m);
    struct owner owner = owner_of(ANNS_TEXT);
    assert_int_equal(client_keep_bag(m.kb, &owner, 41, &own, NULL), 0);
    assert_int_equal(own.bag_id, 41);
    (void)set(&m, "user:Ann", "copy/paper", "mine");
    answer(&m);
    assert_true(settle(&m).added);
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &owner, &own, NULL), 0);
    assert_int_equal(own.bag_id, ANNS);
    machine_end(&m);
}

static void without_memory_nothing_is_let_go_of(void **state)
{
    (void)state;
    struct machine m;
    begin(&m);
    (void)set(&m, "user:Ann", "copy/paper", "mine");
    answer(&m);
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct client_settled settled;
        fail_alloc_at(nth);
        int rc = client_settle_passed(m.kb, &settled, NULL);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        assert_string_equal(get(&m, "user:Ann", "copy/paper"), "mine");
    }
    assert_true(nth > 1);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bag_that_a_write_made_is_kept),
        cmocka_unit_test(opening_keeps_it_too),
        cmocka_unit_test(who_is_not_kept_here_has_no_bag_to_wait_for),
        cmocka_unit_test(another_bag_of_the_same_owner_takes_its_place),
        cmocka_unit_test(without_memory_nothing_is_let_go_of),
    };
    return cmocka_run_group_tests_name("client/kb_settle", tests, NULL, NULL);
}
