/* Tests of admin/auth/lockout.c: attempts as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin/auth/lockout.h"
#include "tests/support/fail_alloc.h"

static struct auth_lockout *lockout;
static uint64_t now_ms;

static int open_lockout(void **state)
{
    (void)state;
    now_ms = 10000000;
    assert_int_equal(auth_lockout_new(&lockout, NULL), 0);
    return 0;
}

static int close_lockout(void **state)
{
    (void)state;
    auth_lockout_free(&lockout);
    assert_null(lockout);
    return 0;
}

/* One attempt: for how long to wait, 0 when the password is looked at. */
static uint64_t attempt(const char *account, const char *address)
{
    struct auth_attempt given = {account, address, now_ms};
    uint64_t wait_ms = 99;
    bool locks = false;
    int rc = auth_lockout_try(lockout, &given, &wait_ms, &locks);
    assert_int_equal(rc, wait_ms > 0 ? E_LOCKED : 0);
    return wait_ms;
}

static void right(const char *account, const char *address)
{
    struct auth_attempt given = {account, address, now_ms};
    auth_lockout_undo(lockout, &given);
    auth_lockout_know(lockout, &given);
}

static void fails(const char *account, const char *address, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(attempt(account, address), 0);
    }
}

static bool is_locked(const char *account)
{
    static struct auth_waits waits;
    auth_lockout_waits(lockout, now_ms, &waits);
    return auth_waits_has(&waits, account);
}

/* Each row: time passes, somebody tries, and waits so long (0: may try). */
static void one_account_from_one_place(void **state)
{
    (void)state;
    static const struct {
        uint64_t later_ms;
        const char *account;
        const char *address;
        uint64_t wait_ms;
    } rows[] = {
        {0, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 0}, /* the sixth: from now on one waits */
        {0, "ann", "192.0.2.1", 1000},
        {400, "ann", "192.0.2.1", 600}, /* waiting does not grow by asking */
        {0, "ann", "192.0.2.2", 0},     /* elsewhere, and somebody else */
        {0, "bob", "192.0.2.1", 0},
        {600, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 2000},
        {2000, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 4000},
        {4000, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 8000},
        {8000, "ann", "192.0.2.1", 0},
        {0, "ann", "192.0.2.1", 16000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        now_ms += rows[i].later_ms;
        uint64_t wait = attempt(rows[i].account, rows[i].address);
        if (wait != rows[i].wait_ms) {
            fail_msg("row %zu waits %llu", i, (unsigned long long)wait);
        }
    }
}

static void the_wait_ends_growing_and_is_forgotten(void **state)
{
    (void)state;
    uint64_t wait = 0;
    for (int failed = 0; failed < 40; failed += wait == 0) {
        now_ms += wait;
        wait = attempt("ann", "192.0.2.1");
    }
    assert_int_equal(attempt("ann", "192.0.2.1"), AUTH_DELAY_MAX_MS);
    /* 40 failed attempts are 5 after three hours: the next has to be right, or one waits */
    now_ms += 3 * (uint64_t)AUTH_HALVE_MS;
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
    now_ms += 40 * (uint64_t)AUTH_HALVE_MS;
    fails("ann", "192.0.2.1", AUTH_PAIR_FREE);
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
}

static void the_right_password_wipes_the_slate(void **state)
{
    (void)state;
    fails("ann", "192.0.2.1", AUTH_PAIR_FREE);
    right("ann", "192.0.2.1"); /* the fifth was right */
    fails("ann", "192.0.2.1", AUTH_PAIR_FREE);
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
}

/* Many at once are counted before any of them is answered. */
static void an_attempt_that_was_not_looked_at_does_not_count(void **state)
{
    (void)state;
    struct auth_attempt given = {"ann", "192.0.2.1", now_ms};
    fails("ann", "192.0.2.1", AUTH_PAIR_FREE + 1);
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
    auth_lockout_undo(lockout, &given);
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
}

static void one_place_for_all_accounts(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i <= AUTH_PLACE_FREE; i++) {
        (void)snprintf(name, sizeof name, "user%d", i);
        assert_int_equal(attempt(name, "192.0.2.1"), 0);
    }
    assert_int_equal(attempt("another", "192.0.2.1"), 1000);
    assert_int_equal(attempt("another", "192.0.2.2"), 0);
}

static void places(void **state)
{
    (void)state;
    static const struct {
        const char *one;
        const char *other;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.3", "::ffff:192.0.2.3", true},
        {"2001:db8::1", "2001:db8::ffff:1", true}, /* one /64 */
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {"fe80::1", "not an address", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "user%zu", i);
        fails(name, rows[i].one, AUTH_PAIR_FREE + 1);
        assert_int_equal(attempt(name, rows[i].other), rows[i].same ? 1000 : 0);
    }
}

/* One attempt each from many places, and each place tries many accounts. */
static void strangers_from_everywhere(unsigned count)
{
    char address[32];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(address, sizeof address, "198.51.%u.%u", i / 250, i % 250);
        (void)attempt("ann", address);
    }
}

static void strangers_do_not_keep_the_owner_out(void **state)
{
    (void)state;
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    right("ann", "192.0.2.1");
    strangers_from_everywhere(AUTH_ACCOUNT_FREE + 1);
    assert_true(is_locked("ann"));
    assert_false(is_locked("bob"));
    assert_int_equal(attempt("ann", "203.0.113.1"), 1000); /* a new place waits */
    assert_int_equal(attempt("bob", "203.0.113.1"), 0);
    /* where the owner signed in before, nobody waits, though the owner mistypes */
    fails("ann", "192.0.2.1", AUTH_PAIR_FREE);
    right("ann", "192.0.2.1");
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    auth_lockout_clear(lockout, "ann");
    assert_false(is_locked("ann"));
    assert_int_equal(attempt("ann", "203.0.113.1"), 0);
}

static void a_stranger_at_the_owners_place_makes_wait_half_a_minute(void **state)
{
    (void)state;
    uint64_t wait = 0;
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    right("ann", "192.0.2.1");
    for (int failed = 0; failed < 40; failed += wait == 0) {
        now_ms += wait;
        wait = attempt("ann", "192.0.2.1");
    }
    assert_int_equal(attempt("ann", "192.0.2.1"), AUTH_DELAY_KNOWN_MS);
    assert_false(is_locked("bob"));
    assert_true(is_locked("ann"));
    auth_lockout_clear(lockout, "ann");
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
}

/* Whoever signed in from there may know the old password only. */
static void a_new_password_is_known_nowhere(void **state)
{
    (void)state;
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    right("ann", "192.0.2.1");
    assert_int_equal(attempt("ann", "192.0.2.2"), 0);
    right("ann", "192.0.2.2");
    assert_int_equal(attempt("bob", "192.0.2.1"), 0);
    right("bob", "192.0.2.1");
    strangers_from_everywhere(AUTH_ACCOUNT_FREE + 1);
    assert_int_equal(attempt("ann", "192.0.2.1"), 0);
    auth_lockout_forget_places(lockout, "ann");
    assert_int_equal(attempt("ann", "192.0.2.1"), 1000);
    assert_int_equal(attempt("ann", "192.0.2.2"), 1000);
    for (int i = 0; i <= AUTH_PLACE_FREE; i++) { /* bob is still at home there */
        (void)attempt("ann", "192.0.2.1");
        assert_int_equal(attempt("bob", "192.0.2.1"), 0);
        right("bob", "192.0.2.1");
    }
}

/* One look finds all of them, whichever of the two counts it is. */
static void who_waits_is_found_among_many(void **state)
{
    (void)state;
    char name[16];
    strangers_from_everywhere(AUTH_ACCOUNT_FREE + 1); /* ann, from anywhere */
    for (unsigned i = 0; i < 60; i++) {
        char address[32];
        (void)snprintf(name, sizeof name, "user%u", i);
        (void)snprintf(address, sizeof address, "192.0.2.%u", i);
        fails(name, address, AUTH_PAIR_FREE + i % 2);
    }
    assert_true(is_locked("ann"));
    assert_false(is_locked("user"));
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof name, "user%u", i);
        assert_int_equal(is_locked(name), i % 2);
    }
    now_ms += 1000;
    assert_false(is_locked("ann"));
    assert_false(is_locked("user1"));
}

static void a_lock_is_told_once(void **state)
{
    (void)state;
    unsigned told = 0;
    for (int i = 0; i < 12; i++) {
        struct auth_attempt given = {"ann", "192.0.2.1", now_ms};
        uint64_t wait_ms = 0;
        bool locks = false;
        (void)auth_lockout_try(lockout, &given, &wait_ms, &locks);
        told += locks;
        now_ms += wait_ms;
    }
    assert_int_equal(told, 1);
}

/* Memory is bounded, and who was tried often is not forgotten for those who were tried once. */
static void a_flood_does_not_wipe_the_slate(void **state)
{
    (void)state;
    char name[32];
    char address[64];
    strangers_from_everywhere(AUTH_ACCOUNT_FREE + 1);
    for (int i = 0; i < 10; i++) { /* till the wait is long */
        now_ms += attempt("ann", "203.0.113.1");
        (void)attempt("ann", "203.0.113.1");
    }
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof name, "user%u", i);
        (void)snprintf(address, sizeof address, "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
        (void)attempt(name, address);
    }
    assert_true(attempt("ann", "203.0.113.99") > 0);
}

static void names_of_any_kind(void **state)
{
    (void)state;
    char name[5000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(attempt(name, "192.0.2.1"), 0);
    assert_int_equal(attempt("", ""), 0);
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct auth_lockout *other = NULL;
    fail_alloc_at(1);
    int rc = auth_lockout_new(&other, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
}

#define LOCKOUT_TEST(test) cmocka_unit_test_setup_teardown(test, open_lockout, close_lockout)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKOUT_TEST(one_account_from_one_place),
        LOCKOUT_TEST(the_wait_ends_growing_and_is_forgotten),
        LOCKOUT_TEST(the_right_password_wipes_the_slate),
        LOCKOUT_TEST(an_attempt_that_was_not_looked_at_does_not_count),
        LOCKOUT_TEST(one_place_for_all_accounts),
        LOCKOUT_TEST(places),
        LOCKOUT_TEST(strangers_do_not_keep_the_owner_out),
        LOCKOUT_TEST(a_stranger_at_the_owners_place_makes_wait_half_a_minute),
        LOCKOUT_TEST(a_new_password_is_known_nowhere),
        LOCKOUT_TEST(who_waits_is_found_among_many),
        LOCKOUT_TEST(a_lock_is_told_once),
        LOCKOUT_TEST(a_flood_does_not_wipe_the_slate),
        LOCKOUT_TEST(names_of_any_kind),
        LOCKOUT_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
