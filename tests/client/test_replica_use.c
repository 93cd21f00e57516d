/* tests/client/test_replica_use.c - who used what when. */
#include "tests/client/replica_samples.h"

#include <stdlib.h>

#include "tests/support/fail_alloc.h"

static const uint64_t HOUR_MS = 3600 * 1000;
static const uint64_t NOON_MS = 1700000000000;

static void use(struct fixture *f, uint64_t local, uint64_t now_ms)
{
    assert_int_equal(replica_used(f->replica, local, now_ms, NULL), 0);
}

static void it_is_noted_once_an_hour(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    assert_int_equal(bag_with_id(&f, 40).used_ms, 0);
    use(&f, ann.local, NOON_MS);
    use(&f, ann.local, NOON_MS + HOUR_MS - 1);
    assert_int_equal(bag_with_id(&f, 40).used_ms, NOON_MS);
    use(&f, ann.local, NOON_MS + HOUR_MS);
    fixture_again(&f);
    assert_int_equal(bag_with_id(&f, 40).used_ms, NOON_MS + HOUR_MS);
    use(&f, ann.local, NOON_MS); /* the clock went back */
    assert_int_equal(bag_with_id(&f, 40).used_ms, NOON_MS);
    apply_set(&f, 40, 41, 40, "a", "1"); /* what comes from the server is no use */
    assert_int_equal(bag_with_id(&f, 40).used_ms, NOON_MS);
    assert_int_equal(replica_used(f.replica, 99, NOON_MS, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void users_come_by_their_last_use(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_use *list = NULL;
    size_t count = 9;
    (void)sample_fleet(&f);
    assert_int_equal(replica_least_used(f.replica, &list, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_null(list);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 41, 41);
    struct replica_bag cy = sample_bag(&f, "Cy", 42, 42);
    struct replica_bag gone = sample_bag(&f, "Gone", 43, 43);
    struct replica_bag device = {.bag_id = 44, .cursor = 44, .complete = true, .keep = true};
    assert_int_equal(owner_make(&device.owner, OWNER_USER_DEVICE, span_str("ANN"), 7, NULL), 0);
    assert_int_equal(replica_bag_add(f.replica, &device, NULL), 0);
    gone.keep = false;
    assert_int_equal(replica_bag_update(f.replica, &gone, NULL), 0);
    use(&f, ann.local, NOON_MS);
    use(&f, bob.local, NOON_MS + 2 * HOUR_MS);
    use(&f, cy.local, NOON_MS + HOUR_MS);
    use(&f, device.local, NOON_MS + 3 * HOUR_MS); /* Ann's too */
    assert_int_equal(replica_least_used(f.replica, &list, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_string_equal(list[0].owner.shown, "Cy");
    assert_string_equal(list[1].owner.shown, "Bob");
    assert_string_equal(list[2].owner.shown, "Ann");
    assert_int_equal(list[2].local, ann.local);
    assert_int_equal(list[2].bag_id, 40);
    assert_int_equal(list[2].used_ms, NOON_MS + 3 * HOUR_MS);
    free(list);
    fixture_end(&f);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 40);
    unsigned nth = 1;
    for (;; nth++) {
        struct replica_use *list = NULL;
        size_t count = 0;
        fail_alloc_at(nth);
        int rc = replica_least_used(f.replica, &list, &count, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            assert_int_equal(count, 1);
            free(list);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(list);
    }
    assert_true(nth > 1);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_noted_once_an_hour),
        cmocka_unit_test(users_come_by_their_last_use),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_use", tests, NULL, NULL);
}
