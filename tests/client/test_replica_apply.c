/* tests/client/test_replica_apply.c - live changes. */
#include "tests/client/replica_samples.h"

#include "tests/support/fail_alloc.h"

struct told {
    unsigned count;
    uint64_t last_seq;
    char owner[NAME_MAX_BYTES + 1];
};

static void tell(void *context, const struct replica_bag *bag, const struct change *change)
{
    struct told *told = context;
    told->count++;
    told->last_seq = change->seq;
    (void)snprintf(told->owner, sizeof told->owner, "%s", bag->owner.shown);
}

static int apply(struct fixture *f, const struct change *changes, size_t count, uint64_t *bad,
                 struct told *told)
{
    return replica_apply(f->replica, changes, count, changes[count - 1].seq, sample_hash, bad, tell,
                         told, NULL);
}

static void a_message_is_applied_as_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 50);
    struct change changes[] = {
        sample_set(40, 60, 40, "a", "1"), sample_set(99, 61, 3, "foreign", "x"),
        sample_set(50, 62, 50, "b", "2"), sample_set(40, 63, 60, "a", "333"),
        sample_set(40, 64, 63, "c", "4"),
    };
    changes[4].kind = CHANGE_ITEM_REMOVE;
    struct told told = {0};
    uint64_t bad = 0;
    assert_int_equal(apply(&f, changes, 5, &bad, &told), 0);
    assert_int_equal(told.count, 4);
    assert_items(&f, ann.local, "", "a=333");
    assert_items(&f, bob.local, "", "b=2");
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), 0);
    assert_int_equal(bag.cursor, 64);
    assert_int_equal(bag.items, 1);
    assert_int_equal(bag.bytes, 4);
    struct replica_position position;
    assert_int_equal(replica_set_history(f.replica, sample_hash, NULL), 0);
    assert_int_equal(apply(&f, changes, 5, &bad, &told), 0); /* again: all are old */
    assert_int_equal(told.count, 4);
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_int_equal(position.seq, 64);
    fixture_end(&f);
}

static void a_gap_applies_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    (void)sample_bag(&f, "Bob", 50, 50);
    struct change changes[] = {
        sample_set(40, 60, 40, "a", "1"),
        sample_set(50, 62, 61, "b", "2"),
    };
    struct told told = {0};
    uint64_t bad = 0;
    assert_int_equal(apply(&f, changes, 2, &bad, &told), E_CONDITION);
    assert_int_equal(bad, 50);
    assert_int_equal(told.count, 0);
    assert_items(&f, ann.local, "", "");
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), 0);
    assert_int_equal(bag.cursor, 40);
    /* a bag that is not there yet takes no live change */
    (void)sample_bag(&f, "Cy", 55, 0);
    struct change early = sample_set(55, 70, 0, "x", "1");
    assert_int_equal(apply(&f, &early, 1, &bad, &told), E_CONDITION);
    assert_int_equal(bad, 55);
    fixture_end(&f);
}

static void a_deleted_bag_goes_with_all_it_had(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    apply_set(&f, 40, 60, 40, "a", "1");
    struct change changes[] = {
        sample_set(40, 61, 60, "b", "2"),
        {.seq = 62, .kind = CHANGE_BAG_DELETE, .bag_id = 40, .prev = 61},
        sample_set(40, 63, 62, "late", "3"),
    };
    struct told told = {0};
    uint64_t bad = 0;
    assert_int_equal(apply(&f, changes, 3, &bad, &told), 0);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.last_seq, 62);
    assert_string_equal(told.owner, "Ann");
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), E_NOT_FOUND);
    assert_items(&f, ann.local, "", "");
    uint64_t records = 0;
    uint64_t damaged = 9;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
    fixture_end(&f);
}

static void a_new_bag_can_come_live(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag bag = sample_bag(&f, "Ann", 40, 0);
    struct change changes[] = {
        {.seq = 40, .kind = CHANGE_BAG_CREATE, .bag_id = 40, .owner = sample_owner("Ann")},
        sample_set(40, 41, 40, "a", "1"),
    };
    struct told told = {0};
    uint64_t bad = 0;
    assert_int_equal(apply(&f, changes, 2, &bad, &told), 0);
    assert_items(&f, bag.local, "", "a=1");
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), 0);
    assert_true(bag.complete);
    assert_int_equal(bag.cursor, 41);
    fixture_end(&f);
}

static void a_failed_allocation_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct change change = sample_set(40, 60, 40, "a", "1");
    struct told told = {0};
    uint64_t bad = 0;
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = apply(&f, &change, 1, &bad, &told);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_items(&f, ann.local, "", "");
    }
    assert_true(nth > 2);
    assert_items(&f, ann.local, "", "a=1");
    fixture_end(&f);
}

/* Sets and removals in any order: the digest is always that of the items there are. */
static void the_digest_follows_every_change(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 40);
    uint64_t seed = 7;
    for (uint64_t seq = 41; seq < 341; seq++) {
        char path[16];
        char value[16];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        (void)snprintf(path, sizeof path, "p%02d", (int)(seed >> 33) % 40);
        (void)snprintf(value, sizeof value, "v%d", (int)(seed >> 40) % 1000);
        struct change change = sample_set(40, seq, seq - 1, path, value);
        change.kind = (seed >> 60) < 5 ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET;
        struct told told = {0};
        uint64_t bad = 0;
        assert_int_equal(apply(&f, &change, 1, &bad, &told), 0);
    }
    assert_true(bag_with_id(&f, 40).items > 10);
    assert_int_equal(scrub_all(&f), 0);
    struct replica_bag bag = bag_with_id(&f, 40);
    bool differs = true;
    assert_int_equal(replica_complete(f.replica, 40, 340, &bag.digest, &differs, NULL), 0);
    assert_false(differs);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_applied_as_one),
        cmocka_unit_test(a_gap_applies_nothing),
        cmocka_unit_test(a_deleted_bag_goes_with_all_it_had),
        cmocka_unit_test(a_new_bag_can_come_live),
        cmocka_unit_test(a_failed_allocation_leaves_all_as_it_was),
        cmocka_unit_test(the_digest_follows_every_change),
    };
    return cmocka_run_group_tests_name("client/replica_apply", tests, NULL, NULL);
}
