/* Tests of admin/auth/auth.c: who is let in. */
#include "tests/admin/auth/auth_fixture.h"

static void nobody_is_let_in_without_anything(void **state)
{
    (void)state;
    struct admin_identity who = {.session = 99};
    struct err err = {0};
    struct admin_credentials given = {.address = "192.0.2.1", .now_ms = time_now.wall_ms};
    assert_int_equal(admin_auth_check(auth, &given, &who, &err), E_UNAUTHENTICATED);
    assert_string_equal(err.text, "sign in first, or send an API token");
    assert_string_equal(err_name(err.code), "not_signed_in");
    given.cookie = span_str("__Host-kitbag=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(admin_auth_check(auth, &given, &who, NULL), E_UNAUTHENTICATED);
    given.cookie = span_str("__Host-kitbag=bad");
    assert_int_equal(admin_auth_check(auth, &given, &who, NULL), E_UNAUTHENTICATED);
    assert_int_equal(who.session, 99); /* untouched */
}

static void a_session_is_let_in(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct admin_identity who;
    add_account("Ann", ADMIN_ROLE_OPERATOR, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    assert_int_equal(check(&entry, false, NULL, &who), 0);
    assert_string_equal(who.actor, "Ann");
    assert_int_equal(who.role, ADMIN_ROLE_OPERATOR);
    assert_int_equal(who.via, ADMIN_VIA_SESSION);
    assert_int_equal(who.session, entry.who.session);
    assert_int_equal(who.expires_ms, time_now.wall_ms + ADMIN_SESSION_IDLE_MS);
    assert_string_equal(who.csrf, entry.who.csrf);
    assert_true(admin_auth_alive(auth, &who));
}

static void a_change_needs_the_csrf_token(void **state)
{
    (void)state;
    struct auth_entry ann;
    struct auth_entry bob;
    struct admin_identity who;
    char csrf[ADMIN_CSRF_DIGITS + 2];
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &ann), 0);
    assert_int_equal(sign_in("bob", PASSWORD, &bob), 0);
    assert_int_equal(check(&ann, true, ann.who.csrf, &who), 0);
    assert_int_equal(check(&ann, true, NULL, &who), E_CSRF);
    assert_int_equal(check(&ann, true, bob.who.csrf, &who), E_CSRF);
    (void)snprintf(csrf, sizeof csrf, "%sx", ann.who.csrf);
    assert_int_equal(check(&ann, true, csrf, &who), E_CSRF);
    csrf[ADMIN_CSRF_DIGITS - 1] ^= 1;
    csrf[ADMIN_CSRF_DIGITS] = '\0';
    assert_int_equal(check(&ann, true, csrf, &who), E_CSRF);
    csrf[ADMIN_CSRF_DIGITS - 1] = '\0';
    assert_int_equal(check(&ann, true, csrf, &who), E_CSRF);
    assert_int_equal(check(&ann, false, csrf, &who), 0);
}

static void sessions_expire(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    admin_auth_limits(auth, 1000, 3000);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    for (int i = 0; i < 3; i++) { /* each request makes it last */
        assert_int_equal(check(&entry, false, NULL, &who), 0);
        pass_ms(900);
    }
    assert_int_equal(check(&entry, false, NULL, &who), 0);
    assert_int_equal(who.expires_ms, time_now.wall_ms + 300);
    pass_ms(300);
    assert_int_equal(check(&entry, false, NULL, &who), E_UNAUTHENTICATED);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    pass_ms(999);
    assert_true(admin_auth_alive(auth, &entry.who)); /* which is no request */
    pass_ms(1);
    assert_false(admin_auth_alive(auth, &entry.who));
    assert_int_equal(check(&entry, false, NULL, &who), E_UNAUTHENTICATED);
}

/* What is refused does not make a session last. */
static void a_refused_request_is_no_use(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    admin_auth_limits(auth, 1000, 3000);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    pass_ms(900);
    assert_int_equal(check(&entry, true, NULL, &who), E_CSRF);
    pass_ms(100);
    assert_int_equal(check(&entry, false, NULL, &who), E_UNAUTHENTICATED);
}

static void the_wall_clock_may_jump(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    time_now.wall_ms += 365 * 86400000ull;
    assert_int_equal(check(&entry, false, NULL, &who), 0);
    time_now.wall_ms -= 700 * 86400000ull;
    assert_int_equal(check(&entry, false, NULL, &who), 0);
    time_now.mono_ms += ADMIN_SESSION_IDLE_MS;
    assert_int_equal(check(&entry, false, NULL, &who), E_UNAUTHENTICATED);
}

static void a_token_is_let_in(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_new_token wanted = {"Backup", ADMIN_ROLE_VIEWER, 1000};
    struct auth_token token;
    struct admin_identity who;
    char text[AUTH_TOKEN_TEXT_MAX];
    char other[AUTH_TOKEN_TEXT_MAX];
    assert_int_equal(auth_token_add(&by, &wanted, text, &token, NULL), 0);
    assert_int_equal(check_token(text, &who), 0);
    assert_string_equal(who.actor, "token:Backup");
    assert_int_equal(who.role, ADMIN_ROLE_VIEWER);
    assert_int_equal(who.via, ADMIN_VIA_TOKEN);
    assert_int_equal(who.expires_ms, time_now.wall_ms + 1000);
    assert_string_equal(who.csrf, "");
    assert_true(admin_auth_alive(auth, &who));
    memcpy(other, text, sizeof other);
    other[10] = other[10] == 'A' ? 'B' : 'A';
    assert_int_equal(check_token(other, &who), E_UNAUTHENTICATED);
    assert_int_equal(check_token("kba_", &who), E_UNAUTHENTICATED);
    pass_ms(999);
    assert_int_equal(check_token(text, &who), 0);
    pass_ms(1);
    assert_int_equal(check_token(text, &who), E_UNAUTHENTICATED);
    assert_false(admin_auth_alive(auth, &who));
}

/* Who sends both is who the token says, as no browser sends tokens by itself. */
static void a_token_counts_before_a_cookie(void **state)
{
    (void)state;
    struct auth_entry entry;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    char cookie[128];
    (void)snprintf(cookie, sizeof cookie, AUTH_COOKIE "=%s", entry.id);
    struct admin_credentials given = {.cookie = span_str(cookie),
                                      .authorization = SPAN_LITERAL("Bearer kba_bad"),
                                      .address = "192.0.2.1",
                                      .now_ms = time_now.wall_ms};
    assert_int_equal(admin_auth_check(auth, &given, &who, NULL), E_UNAUTHENTICATED);
}

static void the_local_socket(void **state)
{
    (void)state;
    struct admin_identity who;
    admin_auth_local(&who);
    assert_string_equal(who.actor, "admin");
    assert_int_equal(who.role, ADMIN_ROLE_ADMIN);
    assert_int_equal(who.via, ADMIN_VIA_LOCAL);
    assert_true(admin_auth_alive(auth, &who));
}

/* The state was opened again: who did not change is signed in. */
static void sessions_survive_loading(void **state)
{
    (void)state;
    struct auth_entry ann;
    struct auth_entry bob;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &ann), 0);
    assert_int_equal(sign_in("bob", PASSWORD, &bob), 0);
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_int_equal(check(&ann, false, NULL, &who), 0);
    assert_int_equal(check(&bob, false, NULL, &who), 0);
    /* another account of that name, as after going back to an earlier state */
    struct auth_account *account = auth_roster_account(&auth->roster, "bob");
    struct buf value;
    buf_init(&value, AUTH_RECORD_MAX);
    account->stamp++;
    auth_put_account(&value, account);
    assert_int_equal(buf_append_u8(&value, 0), 0);
    (void)fake_put(&fake, "server", "@account/bob", (const char *)value.data);
    buf_free(&value);
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_int_equal(check(&ann, false, NULL, &who), 0);
    assert_int_equal(check(&bob, false, NULL, &who), E_UNAUTHENTICATED);
    assert_false(admin_auth_alive(auth, &bob.who));
    assert_int_equal(auth_roster_account(&auth->roster, "ann")->used_ms, time_now.wall_ms);
}

static void last_uses_are_noted_when_a_minute_has_passed(void **state)
{
    (void)state;
    struct auth_entry entry;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    admin_auth_note(auth, &fake.backend);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    admin_auth_note(auth, &fake.backend);
    assert_int_equal(auth_roster_account(&auth->roster, "ann")->noted_ms, 0);
    uint64_t at_ms = time_now.wall_ms;
    pass_ms(60000);
    admin_auth_note(auth, &fake.backend);
    assert_int_equal(auth_roster_account(&auth->roster, "ann")->noted_ms, at_ms);
}

static void memory_runs_out(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        struct admin_auth *other = NULL;
        fail_alloc_at(nth);
        int rc = admin_auth_new(&other, &fake_clock, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            admin_auth_free(&other);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(other);
    }
    assert_int_equal(nth, 4);
    admin_auth_free(NULL);
}

/* --- many at once --- */

enum { THREADS = 4, ROUNDS = 60 };

static atomic_uint let_in;

static void *come_and_go(void *context)
{
    const char *name = context;
    struct auth_by by = by_admin();
    struct auth_entry entry;
    struct admin_identity who;
    for (int i = 0; i < ROUNDS; i++) {
        struct auth_account_row row;
        struct auth_account_change change = {.password = PASSWORD};
        struct auth_account_row rows[8];
        bool more = false;
        char address[32];
        (void)snprintf(address, sizeof address, "192.0.2.%d", i);
        if (sign_in_from(address, name, PASSWORD, &entry) == 0) {
            let_in += check(&entry, true, entry.who.csrf, &who) == 0;
            (void)admin_auth_alive(auth, &entry.who);
        }
        (void)sign_in_from(address, name, "a wrong one", &entry);
        if (i % 10 == 9) {
            assert_int_equal(auth_account_change(&by, name, &change, &row, NULL), 0);
        }
        if (i % 20 == 19) {
            assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
        }
        (void)auth_accounts_list(auth, "", 8, rows, &more);
        admin_auth_note(auth, &fake.backend);
    }
    return NULL;
}

static void many_come_at_once(void **state)
{
    (void)state;
    static char names[THREADS][8] = {"ann", "bob", "ann", "bob"};
    pthread_t threads[THREADS];
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    let_in = 0;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, names[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(let_in > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(nobody_is_let_in_without_anything),
        AUTH_TEST(a_session_is_let_in),
        AUTH_TEST(a_change_needs_the_csrf_token),
        AUTH_TEST(sessions_expire),
        AUTH_TEST(a_refused_request_is_no_use),
        AUTH_TEST(the_wall_clock_may_jump),
        AUTH_TEST(a_token_is_let_in),
        AUTH_TEST(a_token_counts_before_a_cookie),
        AUTH_TEST(the_local_socket),
        AUTH_TEST(sessions_survive_loading),
        AUTH_TEST(last_uses_are_noted_when_a_minute_has_passed),
        AUTH_TEST(memory_runs_out),
        AUTH_TEST(many_come_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
