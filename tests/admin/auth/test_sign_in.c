/* Tests of admin/auth/sign_in.c. */
#include "tests/admin/auth/auth_fixture.h"

#include <unistd.h>

/* What one failed sign-in says: for every reason the same. */
static void refused(const char *name, const char *password)
{
    struct auth_by by = by_admin();
    struct auth_entry entry;
    struct err err = {0};
    struct auth_sign_in asked = {.name = name, .password = password, .from = {"192.0.2.1", false}};
    assert_int_equal(auth_sign_in(&by, &asked, &entry, &err), E_CREDENTIALS);
    assert_string_equal(err.text, "the name or the password is wrong");
    assert_string_equal(entry.id, "");
}

static void names_and_passwords(void **state)
{
    (void)state;
    struct auth_entry entry;
    add_account("Ann", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("\xef\xbc\xa1nn", PASSWORD, &entry), 0); /* a full-width A */
    assert_string_equal(entry.who.actor, "Ann");
    assert_int_equal(entry.who.role, ADMIN_ROLE_VIEWER);
    assert_int_equal(strlen(entry.id), AUTH_SECRET_CHARS);
    assert_false(entry.who.must_change);
    refused("ann", "wrong horse");
    refused("nobody", PASSWORD);
    refused("", PASSWORD);
    refused("a/b", PASSWORD);
    refused("\xff", "\xff");
    assert_int_equal(auth_sessions_count(auth->sessions), 1);
}

/* An attempt of nobody is hashed, too: by the cost, not by the clock, which a busy machine
 * stretches. */
static void nobody_costs_as_much_as_somebody(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct timespec begun;
    struct timespec ended;
    auth->cost = (struct auth_cost){1, (size_t)32 << 20};
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun), 0);
    assert_int_equal(sign_in("nobody", PASSWORD, &entry), E_CREDENTIALS);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended), 0);
    int64_t us = (ended.tv_sec - begun.tv_sec) * 1000000 + (ended.tv_nsec - begun.tv_nsec) / 1000;
    assert_true(us > 3000); /* 40,000 is usual; without hashing it is 20 */
}

static void a_new_session_replaces_the_one_that_asks(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_entry first;
    struct auth_entry second;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &first), 0);
    struct auth_sign_in asked = {.name = "ann",
                                 .password = PASSWORD,
                                 .from = {"192.0.2.1", false},
                                 .replaces = first.who.session};
    assert_int_equal(auth_sign_in(&by, &asked, &second, NULL), 0);
    assert_string_not_equal(first.id, second.id);
    assert_string_not_equal(first.who.csrf, second.who.csrf);
    assert_int_equal(check(&first, false, NULL, &who), E_UNAUTHENTICATED);
    assert_int_equal(check(&second, false, NULL, &who), 0);
    auth_sign_out(auth, second.who.session);
    assert_int_equal(check(&second, false, NULL, &who), E_UNAUTHENTICATED);
    assert_false(admin_auth_alive(auth, &second.who));
}

static void who_guesses_waits(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_entry entry;
    struct err err = {0};
    struct auth_sign_in asked = {.name = "ann", .password = PASSWORD, .from = {"192.0.2.1", false}};
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        refused("ann", "wrong horse");
    }
    pass_ms(1);
    assert_int_equal(auth_sign_in(&by, &asked, &entry, &err), E_LOCKED);
    assert_string_equal(err.text, "too many attempts to sign in failed: wait 1 seconds, then try "
                                  "again");
    assert_int_equal(entry.wait_ms, 999);
    asked.from.local = true; /* nobody waits there */
    assert_int_equal(auth_sign_in(&by, &asked, &entry, NULL), 0);
    asked.from.local = false;
    assert_int_equal(auth_sign_in(&by, &asked, &entry, NULL), E_LOCKED);
    pass_ms(999);
    assert_int_equal(auth_sign_in(&by, &asked, &entry, NULL), 0);
    refused("ann", "wrong horse"); /* the slate was wiped */
    assert_int_equal(auth_sign_in(&by, &asked, &entry, NULL), 0);
}

static void an_administrator_can_end_the_waiting(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_entry entry;
    struct auth_account_row row;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        refused("ann", "wrong horse");
    }
    assert_int_equal(auth_account_find(auth, "ann", &row, NULL), 0);
    assert_true(row.locked);
    struct auth_account_change unlock = {.unlock = true};
    assert_int_equal(auth_account_change(&by, "ann", &unlock, &row, NULL), 0);
    assert_false(row.locked);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
}

static void a_lock_out_is_told_to_the_audit(void **state)
{
    (void)state;
    add_account("Ann", ADMIN_ROLE_ADMIN, PASSWORD);
    for (int i = 0; i < AUTH_PAIR_FREE; i++) {
        refused("ann", "wrong horse");
    }
    assert_string_equal(server_item("@audit"), "");
    refused("ann", "wrong horse");
    assert_string_equal(server_item("@audit"),
                        "{\"actor\":\"\",\"action\":\"session.locked\",\"via\":\"session\","
                        "\"address\":\"192.0.2.1\",\"status\":401,"
                        "\"about\":{\"account\":\"Ann\",\"held_back\":0}}");
    /* the next ones at once are counted; what was typed as an unknown name is not told */
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        refused("my secret", "oops");
        pass_ms(1);
    }
    assert_null(strstr(server_item("@audit"), "\"held_back\":1"));
    pass_ms(10000);
    struct auth_entry entry;
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        assert_int_equal(sign_in_from("192.0.2.9", "other secret", "oops", &entry), E_CREDENTIALS);
    }
    assert_non_null(strstr(server_item("@audit"), "\"about\":{\"account\":null,\"held_back\":1}"));
}

static void failures_are_logged_without_secrets(void **state)
{
    (void)state;
    int pipe_ends[2];
    char lines[2048] = "";
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(pipe(pipe_ends), 0);
    log_setup(pipe_ends[1], LOG_INFO);
    refused("ann", "wrong horse");
    refused("ann", "wrong horse"); /* in the same second */
    pass_ms(1000);
    refused("wrong horse", "ann");
    log_setup(2, LOG_INFO);
    assert_true(read(pipe_ends[0], lines, sizeof lines - 1) > 0);
    assert_non_null(strstr(lines, "warning admin admin.sign_in_failed account=\"ann\" "
                                  "address=192.0.2.1 why=wrong held_back=0\n"));
    assert_non_null(strstr(lines, "warning admin admin.sign_in_failed account=unknown "
                                  "address=192.0.2.1 why=wrong held_back=1\n"));
    assert_null(strstr(lines, "horse"));
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

static void a_raised_cost_hashes_anew(void **state)
{
    (void)state;
    struct auth_entry first;
    struct auth_entry second;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &first), 0);
    auth->cost = (struct auth_cost){2, 16384};
    fake.refuse_code = E_READ_ONLY; /* it is not needed to sign in */
    assert_int_equal(sign_in("ann", PASSWORD, &second), 0);
    fake.refuse_code = 0;
    assert_non_null(strstr(server_item("@account/ann"), "m=8,t=1"));
    assert_int_equal(sign_in("ann", PASSWORD, &second), 0);
    assert_non_null(strstr(server_item("@account/ann"), "m=16,t=2"));
    assert_int_equal(check(&first, false, NULL, &who), 0); /* nobody is signed out for it */
    uint64_t submits = fake.submits;
    assert_int_equal(sign_in("ann", PASSWORD, &second), 0);
    assert_int_equal(fake.submits, submits);
}

static int own(const struct auth_entry *entry, const char *old, const char *password,
               struct auth_entry *out, struct err *err)
{
    struct auth_by by = {auth, &fake.backend, entry->who.actor};
    struct auth_own_password wanted = {
        .who = &entry->who, .old = old, .password = password, .from = {"192.0.2.1", false}};
    return auth_own_password(&by, &wanted, out, err);
}

static void ones_own_password(void **state)
{
    (void)state;
    struct auth_entry asks;
    struct auth_entry elsewhere;
    struct auth_entry now;
    struct admin_identity who;
    struct err err = {0};
    add_account("Ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &asks), 0);
    assert_int_equal(sign_in("ann", PASSWORD, &elsewhere), 0);
    assert_int_equal(own(&asks, "wrong horse", "another horse", &now, &err), E_CREDENTIALS);
    assert_string_equal(err.text, "the old password is wrong");
    assert_int_equal(own(&asks, PASSWORD, "short", &now, NULL), E_INVALID);
    assert_int_equal(check(&asks, false, NULL, &who), 0);
    assert_int_equal(own(&asks, PASSWORD, "another horse", &now, NULL), 0);
    assert_string_equal(fake.actor, "Ann");
    assert_int_equal(check(&asks, false, NULL, &who), E_UNAUTHENTICATED);
    assert_int_equal(check(&elsewhere, false, NULL, &who), E_UNAUTHENTICATED);
    assert_int_equal(check(&now, true, now.who.csrf, &who), 0);
    assert_int_equal(who.role, ADMIN_ROLE_OPERATOR);
    assert_int_equal(sign_in("ann", PASSWORD, &asks), E_CREDENTIALS);
    assert_int_equal(sign_in("ann", "another horse", &asks), 0);
}

/* Somebody else knows the one that has to be changed: taking it again changes nothing. */
static void the_own_password_has_to_be_another(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_row row;
    struct auth_account_change change = {.password = "made by caf\xc3\xa9"};
    struct auth_entry asks;
    struct auth_entry now;
    struct err err = {0};
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(auth_account_change(&by, "ann", &change, &row, NULL), 0);
    assert_int_equal(sign_in("ann", change.password, &asks), 0);
    assert_true(asks.who.must_change);
    assert_int_equal(own(&asks, change.password, change.password, &now, &err), E_INVALID);
    assert_string_equal(err.text, "the new password is the old one: take another");
    assert_int_equal(own(&asks, change.password, "made by cafe\xcc\x81", &now, NULL), E_INVALID);
    assert_true(admin_auth_alive(auth, &asks.who));
    assert_int_equal(own(&asks, change.password, "another horse", &now, NULL), 0);
    assert_false(now.who.must_change);
}

/* Who has a stolen session can't guess the password by it. */
static void guessing_ones_own_password_waits(void **state)
{
    (void)state;
    struct auth_entry asks;
    struct auth_entry now;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &asks), 0);
    for (int i = 0; i <= AUTH_PAIR_FREE; i++) {
        assert_int_equal(own(&asks, "wrong horse", "another horse", &now, NULL), E_CREDENTIALS);
    }
    assert_int_equal(own(&asks, PASSWORD, "another horse", &now, NULL), E_LOCKED);
    assert_int_equal(now.wait_ms, 1000);
    assert_true(admin_auth_alive(auth, &asks.who));
}

/* So many tries from everywhere that whoever comes from a place that is not known has to wait. */
static void strangers_try(const char *name)
{
    struct auth_entry entry;
    char address[32];
    for (int i = 0; i <= AUTH_ACCOUNT_FREE; i++) {
        (void)snprintf(address, sizeof address, "198.51.100.%d", i);
        assert_int_equal(sign_in_from(address, name, "wrong horse", &entry), E_CREDENTIALS);
    }
    assert_int_equal(sign_in_from("203.0.113.1", name, PASSWORD, &entry), E_LOCKED);
}

/* Whoever came in from there may have known the old password only. */
static void a_new_password_makes_strangers_of_places(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_entry asks;
    struct auth_entry now;
    struct auth_account_row row;
    struct auth_account_change role = {.role = ADMIN_ROLE_VIEWER};
    struct auth_account_change change = {.password = "a third horse"};
    add_account("root", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(sign_in_from("192.0.2.2", "ann", PASSWORD, &asks), 0);
    strangers_try("ann");
    assert_int_equal(sign_in_from("192.0.2.2", "ann", PASSWORD, &asks), 0);
    assert_int_equal(auth_account_change(&by, "ann", &role, &row, NULL), 0);
    assert_int_equal(sign_in_from("192.0.2.2", "ann", PASSWORD, &asks), 0);
    assert_int_equal(own(&asks, PASSWORD, "another horse", &now, NULL), E_LOCKED);
    pass_ms(1000);
    assert_int_equal(own(&asks, PASSWORD, "another horse", &now, NULL), 0); /* from 192.0.2.1 */
    assert_int_equal(sign_in_from("203.0.113.1", "ann", PASSWORD, &asks), E_CREDENTIALS);
    assert_int_equal(sign_in_from("192.0.2.2", "ann", "another horse", &asks), E_LOCKED);
    assert_int_equal(sign_in_from("192.0.2.1", "ann", "another horse", &asks), 0);
    assert_int_equal(auth_account_change(&by, "ann", &change, &row, NULL), 0);
    assert_int_equal(sign_in_from("192.0.2.1", "ann", change.password, &asks), E_LOCKED);
}

static void a_deleted_account_leaves_no_place(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_entry entry;
    const char *name = "ann";
    bool gone;
    struct auth_deletion deletion = {.names = &name, .count = 1, .gone = &gone};
    add_account("root", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("ann", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), 0);
    add_account("ann", ADMIN_ROLE_VIEWER, PASSWORD);
    strangers_try("ann");
    assert_int_equal(sign_in("ann", PASSWORD, &entry), E_LOCKED);
}

static void an_account_that_is_gone_has_no_password(void **state)
{
    (void)state;
    struct auth_entry asks;
    struct auth_entry now;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &asks), 0);
    auth_roster_remove_account(&auth->roster, "ann");
    assert_int_equal(own(&asks, PASSWORD, "another horse", &now, NULL), E_UNAUTHENTICATED);
}

/* The session can't be made: it is no failed attempt. */
static void memory_runs_out(void **state)
{
    (void)state;
    struct auth_entry entry;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    for (int i = 0; i < 2 * AUTH_PAIR_FREE; i++) {
        fail_alloc_at(1);
        int rc = sign_in("ann", PASSWORD, &entry);
        assert_true(fail_alloc_stop());
        assert_int_equal(rc, E_NOMEM);
    }
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
}

/* Nor is one that could not be looked at: neither of somebody, nor of nobody. */
static void memory_for_the_hash_runs_out(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct auth_entry now;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    struct auth_account *ann = auth_roster_account(&auth->roster, "ann");
    struct auth_account kept = *ann;
    (void)snprintf(ann->password, sizeof ann->password, "%s",
                   "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    auth->cost.memory_bytes = (size_t)4294967295 << 10;
    for (int i = 0; i < 2 * AUTH_PAIR_FREE; i++) {
        assert_int_equal(sign_in("ann", PASSWORD, &now), E_NOMEM);
        assert_int_equal(sign_in("nobody", PASSWORD, &now), E_NOMEM);
        assert_int_equal(own(&entry, PASSWORD, "another horse", &now, NULL), E_NOMEM);
    }
    auth->cost = cheap;
    *ann = kept;
    assert_int_equal(sign_in("ann", PASSWORD, &now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(names_and_passwords),
        AUTH_TEST(nobody_costs_as_much_as_somebody),
        AUTH_TEST(a_new_session_replaces_the_one_that_asks),
        AUTH_TEST(who_guesses_waits),
        AUTH_TEST(an_administrator_can_end_the_waiting),
        AUTH_TEST(a_lock_out_is_told_to_the_audit),
        AUTH_TEST(failures_are_logged_without_secrets),
        AUTH_TEST(a_raised_cost_hashes_anew),
        AUTH_TEST(ones_own_password),
        AUTH_TEST(the_own_password_has_to_be_another),
        AUTH_TEST(guessing_ones_own_password_waits),
        AUTH_TEST(a_new_password_makes_strangers_of_places),
        AUTH_TEST(a_deleted_account_leaves_no_place),
        AUTH_TEST(an_account_that_is_gone_has_no_password),
        AUTH_TEST(memory_runs_out),
        AUTH_TEST(memory_for_the_hash_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
