/* tests/client/test_network_care.c - what is done when nothing else is: comparing, checking, and
 * letting go of users nobody needs. */
#include "client/replica_inside.h"
#include "tests/client/driven.h"

enum { HOUR_MS = 3600000 };

static void begin(struct driven *d)
{
    struct err err = {0};
    driven_begin_with_ann(d);
    assert_int_equal(driven_login(d, "Bob", &err), 0);
}

static void every_bag_is_compared_within_a_minute_and_then_hourly(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    assert_int_equal(status_of(&d.m).verified_ms, 0);
    uint64_t begin_ms = d.time.wall_ms;
    driven_pass(&d, 60000);
    uint64_t verified_ms = status_of(&d.m).verified_ms;
    assert_in_range(verified_ms, begin_ms, begin_ms + 10000);
    unsigned follows = d.toy->follows;
    driven_pass(&d, HOUR_MS / 2);
    assert_int_equal(d.toy->follows, follows);
    driven_pass(&d, HOUR_MS);
    assert_int_equal(d.toy->follows, follows + 4);
    assert_true(status_of(&d.m).verified_ms >= verified_ms + HOUR_MS);
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

static void what_differs_is_found_and_healed_without_a_reconnect(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    driven_pass(&d, 60000);
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_item(bag, span_str("a"))->value[0] = '2';
    driven_pass(&d, HOUR_MS + 120000);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "2");
    assert_int_equal(status_of(&d.m).healed, 1);
    assert_int_equal(d.toy->healed, 1);
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

/* A bag that will never be equal does not keep the machine and the network busy. */
static void what_always_differs_is_fetched_once_an_hour(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    d.toy->lies = true;
    driven_pass(&d, HOUR_MS + 60000); /* they were compared when they came */
    uint64_t healed = status_of(&d.m).healed;
    assert_in_range(healed, 4, 8); /* four bags */
    driven_pass(&d, HOUR_MS / 2);
    assert_int_equal(status_of(&d.m).healed, healed);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    d.toy->lies = false;
    driven_pass(&d, 2 * HOUR_MS);
    assert_in_range(status_of(&d.m).healed, healed, healed + 4);
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

/* With a server that tells no digests, what does not fit its own bag's digest is found here. */
static void the_replica_is_checked_by_itself(void **state)
{
    (void)state;
    struct driven d;
    struct owner ann;
    struct replica_bag bag;
    begin(&d);
    d.toy->tells_digests = false;
    assert_int_equal(owner_make(&ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &ann, &bag, NULL), 0);
    MDB_txn *txn = NULL;
    bag.digest.low ^= 1;
    assert_int_equal(replica_write_begin(d.m.kb->replica, &txn, NULL), 0);
    assert_int_equal(replica_bag_put(d.m.kb->replica, txn, &bag, NULL), 0);
    assert_int_equal(replica_write_end(d.m.kb->replica, &txn, 0, NULL), 0);
    driven_pass(&d, HOUR_MS + 120000);
    assert_int_equal(status_of(&d.m).healed, 1);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &ann, &bag, NULL), 0);
    struct digest digest = toy_digest(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    assert_true(digest_equal(&bag.digest, &digest));
    driven_end(&d);
}

/* --- users nobody needs --- */

static void reopen(struct driven *d, uint64_t users_max, uint64_t unused_ms)
{
    kb_close(&d->m.kb);
    struct kb_options options = {.size = sizeof options,
                                 .data_dir = d->m.dir,
                                 .map_bytes = 64 << 20,
                                 .keep_users_max = users_max,
                                 .keep_unused_ms = unused_ms};
    struct kb_error error = {0};
    ok(client_open(&d->m.kb, &options, &d->world, &error), &error);
    driven_start(d);
}

static bool is_here(struct driven *d, const char *bag)
{
    struct kb_value value = {0};
    int rc = kb_get(d->m.kb, bag, "a", &value, NULL);
    kb_value_free(&value);
    return rc != KB_E_NOT_SIGNED_IN;
}

static void the_least_recently_used_go_when_there_are_too_many(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    begin(&d);
    reopen(&d, 1, 0);
    driven_pass(&d, 2 * HOUR_MS);
    assert_true(is_here(&d, "user:Ann") != is_here(&d, "user:Bob"));
    assert_int_equal(d.toy->sign_outs, 1);
    const char *gone = is_here(&d, "user:Ann") ? "Bob" : "Ann";
    assert_int_equal(driven_login(&d, gone, &err), 0); /* a sign-in brings them back */
    assert_true(is_here(&d, "user:Ann") && is_here(&d, "user:Bob"));
    driven_end(&d);
}

static void who_is_used_stays_and_who_is_not_goes(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    reopen(&d, 0, 8 * (uint64_t)HOUR_MS);
    for (int hour = 0; hour < 24; hour++) {
        assert_true(is_here(&d, "user:Ann")); /* and this uses it */
        driven_pass(&d, HOUR_MS);
    }
    assert_true(is_here(&d, "user:Ann"));
    assert_false(is_here(&d, "user:Bob"));
    assert_int_equal(d.toy->sign_outs, 1);
    driven_end(&d);
}

/* What a clock that steps says of disuse is not believed: it counts anew. */
static void a_clock_that_steps_lets_go_of_nobody(void **state)
{
    (void)state;
    static const uint64_t month_ms = 31 * (uint64_t)86400000;
    struct driven d;
    begin(&d);
    reopen(&d, 0, 12 * (uint64_t)HOUR_MS);
    driven_pass(&d, 2 * HOUR_MS);
    d.time.wall_ms += month_ms;
    driven_pass(&d, 2 * HOUR_MS);
    assert_int_equal(d.toy->sign_outs, 0);
    reopen(&d, 0, 12 * (uint64_t)HOUR_MS); /* and it is remembered */
    driven_pass(&d, 8 * (uint64_t)HOUR_MS);
    assert_int_equal(d.toy->sign_outs, 0);
    assert_true(is_here(&d, "user:Ann"));
    d.time.wall_ms -= month_ms; /* what was noted is of times to come */
    driven_pass(&d, 8 * (uint64_t)HOUR_MS);
    assert_int_equal(d.toy->sign_outs, 0);
    driven_pass(&d, 5 * (uint64_t)HOUR_MS); /* since the last step */
    assert_int_equal(d.toy->sign_outs, 2);
    driven_end(&d);
}

/* It may have been set wrong while nothing ran: there is time to set it right. */
static void a_clock_is_believed_an_hour_after_the_start(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    d.time.wall_ms += 31 * (uint64_t)86400000;
    reopen(&d, 0, 12 * (uint64_t)HOUR_MS);
    driven_pass(&d, HOUR_MS - 60000);
    assert_int_equal(d.toy->sign_outs, 0);
    d.time.wall_ms -= 31 * (uint64_t)86400000;
    driven_pass(&d, 2 * HOUR_MS);
    assert_int_equal(d.toy->sign_outs, 0);
    driven_end(&d);
}

static void none_goes_whose_writes_were_not_sent(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    reopen(&d, 0, 8 * (uint64_t)HOUR_MS);
    d.toy->write_code = E_STOPPED;
    (void)set(&d.m, "user:Ann", "b", "waits");
    driven_pass(&d, 24 * (uint64_t)HOUR_MS);
    assert_true(is_here(&d, "user:Ann"));
    assert_false(is_here(&d, "user:Bob"));
    d.toy->write_code = 0;
    driven_pass(&d, 24 * (uint64_t)HOUR_MS);
    assert_int_equal(status_of(&d.m).pending, 0);
    assert_false(is_here(&d, "user:Ann"));
    assert_int_equal(d.toy->sign_outs, 2);
    driven_end(&d);
}

static void none_goes_while_there_is_no_connection(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    d.refuses = true;
    reopen(&d, 1, HOUR_MS);
    driven_pass(&d, 24 * (uint64_t)HOUR_MS);
    assert_true(is_here(&d, "user:Ann") && is_here(&d, "user:Bob"));
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bag_is_compared_within_a_minute_and_then_hourly),
        cmocka_unit_test(what_differs_is_found_and_healed_without_a_reconnect),
        cmocka_unit_test(what_always_differs_is_fetched_once_an_hour),
        cmocka_unit_test(the_replica_is_checked_by_itself),
        cmocka_unit_test(the_least_recently_used_go_when_there_are_too_many),
        cmocka_unit_test(who_is_used_stays_and_who_is_not_goes),
        cmocka_unit_test(a_clock_that_steps_lets_go_of_nobody),
        cmocka_unit_test(a_clock_is_believed_an_hour_after_the_start),
        cmocka_unit_test(none_goes_whose_writes_were_not_sent),
        cmocka_unit_test(none_goes_while_there_is_no_connection),
    };
    return cmocka_run_group_tests_name("client/network_care", tests, NULL, NULL);
}
