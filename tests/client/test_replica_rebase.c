/* tests/client/test_replica_rebase.c - a server that went back to an older state. */
#include "tests/client/replica_samples.h"

#include "tests/support/fail_alloc.h"

static const uint8_t old_history[HISTORY_SIZE] = {1};
static const uint8_t new_history[HISTORY_SIZE] = {2};

struct lost {
    char text[256];
    unsigned stop_at;
    unsigned count;
};

static int note_lost(void *context, const struct replica_bag *bag, struct span path,
                     const struct item_row *row, struct err *err)
{
    struct lost *lost = context;
    size_t used = strlen(lost->text);
    if (++lost->count == lost->stop_at) {
        return err_set(err, E_QUOTA, "no more");
    }
    (void)snprintf(lost->text + used, sizeof lost->text - used, "%d:%.*s=%.*s@%d ",
                   (int)bag->bag_id, (int)path.size, (const char *)path.data, (int)row->value.size,
                   (const char *)row->value.data, (int)row->seq);
    return 0;
}

/* Ann at 60 with a@50, b@60; Bob at 51; the fleet at 61; a bag that stands alone. */
static void begin(struct fixture *f)
{
    fixture_begin(f);
    assert_int_equal(replica_set_history(f->replica, old_history, NULL), 0);
    (void)sample_fleet(f);
    (void)sample_bag(f, "Ann", 40, 40);
    (void)sample_bag(f, "Bob", 45, 45);
    struct replica_bag local = {.complete = true, .keep = true, .owner = sample_owner("Cy")};
    assert_int_equal(replica_bag_add(f->replica, &local, NULL), 0);
    apply_set(f, 40, 50, 40, "a", "1");
    apply_set(f, 45, 51, 45, "x", "1");
    apply_set(f, 40, 60, 50, "b", "2");
    apply_set(f, 9, 61, 9, "policy", "on");
}

static void what_is_newer_is_told_and_fetched_anew(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    apply_set(&f, 40, 62, 60, "@kitbag/own", "1"); /* no machine may write it */
    struct replica_bag ann = bag_with_id(&f, 40);
    struct lost lost = {.text = ""};
    assert_int_equal(replica_rebase(f.replica, new_history, 55, note_lost, &lost, NULL), 0);
    assert_string_equal(lost.text, "40:b=2@60 ");
    assert_int_equal(bag_with_id(&f, 40).cursor, 0);
    assert_false(bag_with_id(&f, 40).complete);
    assert_int_equal(bag_with_id(&f, 9).cursor, 0);
    assert_int_equal(bag_with_id(&f, 45).cursor, 51);
    assert_true(bag_with_id(&f, 45).complete);
    struct replica_bag cy;
    struct owner owner = sample_owner("Cy");
    assert_int_equal(replica_bag_by_owner(f.replica, &owner, &cy, NULL), 0);
    assert_true(cy.complete);
    assert_string_equal(value_of(&f, ann.local, "b"), "2"); /* until the new copy is here */
    struct replica_position position;
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_memory_equal(position.history, new_history, HISTORY_SIZE);
    assert_int_equal(position.seq, 0);
    fixture_end(&f);
}

/* The new history may give its id to a bag of somebody else. */
static void a_bag_that_was_made_later_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct lost lost = {.text = ""};
    struct replica_bag bob;
    struct replica_bag other = {.bag_id = 45, .keep = true, .owner = sample_owner("Di")};
    struct owner owner = sample_owner("Bob");
    uint64_t bobs = bag_with_id(&f, 45).local;
    assert_int_equal(replica_rebase(f.replica, new_history, 42, note_lost, &lost, NULL), 0);
    assert_string_equal(lost.text, "40:a=1@50 40:b=2@60 45:x=1@51 ");
    assert_int_equal(replica_bag_by_owner(f.replica, &owner, &bob, NULL), E_NOT_FOUND);
    assert_int_equal(replica_bag_by_id(f.replica, 45, &bob, NULL), E_NOT_FOUND);
    assert_int_equal(bag_with_id(&f, 40).cursor, 0);
    assert_null(value_of(&f, bobs, "x"));
    assert_int_equal(replica_bag_add(f.replica, &other, NULL), 0);
    assert_int_equal(bag_with_id(&f, 45).local, other.local);
    fixture_end(&f);
}

static void what_is_not_ahead_keeps_its_position(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct lost lost = {.text = ""};
    assert_int_equal(replica_rebase(f.replica, new_history, 61, note_lost, &lost, NULL), 0);
    assert_string_equal(lost.text, "");
    assert_int_equal(bag_with_id(&f, 40).cursor, 60);
    struct replica_position position;
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_memory_equal(position.history, new_history, HISTORY_SIZE);
    assert_int_equal(position.seq, 61);
    fixture_end(&f);
}

/* A bag that was to be fetched anew already still holds what was lost. */
static void an_incomplete_bag_is_looked_at_too(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    const struct digest other = {1, 2};
    bool differs = false;
    assert_int_equal(replica_complete(f.replica, 40, 60, &other, &differs, NULL), 0);
    assert_true(differs);
    struct lost lost = {.text = ""};
    assert_int_equal(replica_rebase(f.replica, new_history, 55, note_lost, &lost, NULL), 0);
    assert_string_equal(lost.text, "40:b=2@60 ");
    fixture_end(&f);
}

static void who_can_not_put_it_aside_stops_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct lost lost = {.stop_at = 2};
    assert_int_equal(replica_rebase(f.replica, new_history, 45, note_lost, &lost, NULL), E_QUOTA);
    assert_int_equal(bag_with_id(&f, 40).cursor, 60);
    assert_int_equal(bag_with_id(&f, 9).cursor, 61);
    struct replica_position position;
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_memory_equal(position.history, old_history, HISTORY_SIZE);
    assert_int_equal(position.seq, 61);
    fixture_end(&f);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (unsigned nth = 1;; nth++) {
        struct lost lost = {.text = ""};
        fail_alloc_at(nth);
        int rc = replica_rebase(f.replica, new_history, 55, note_lost, &lost, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            assert_string_equal(lost.text, "40:b=2@60 ");
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(bag_with_id(&f, 40).cursor, 60);
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_newer_is_told_and_fetched_anew),
        cmocka_unit_test(a_bag_that_was_made_later_goes),
        cmocka_unit_test(what_is_not_ahead_keeps_its_position),
        cmocka_unit_test(an_incomplete_bag_is_looked_at_too),
        cmocka_unit_test(who_can_not_put_it_aside_stops_it),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_rebase", tests, NULL, NULL);
}
