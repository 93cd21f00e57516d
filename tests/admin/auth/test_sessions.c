/* Tests of admin/auth/sessions.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin/auth/sessions.h"
#include "tests/support/fail_alloc.h"

static struct auth_sessions *sessions;

enum { IDLE = 1000, MOST = 5000, NOW = 100000 };

static int open_sessions(void **state)
{
    (void)state;
    assert_int_equal(auth_sessions_new(&sessions, NULL), 0);
    auth_sessions_limits(sessions, IDLE, MOST);
    return 0;
}

static int close_sessions(void **state)
{
    (void)state;
    auth_sessions_free(&sessions);
    assert_null(sessions);
    return 0;
}

/* Returns its number; the hash of its id goes to `id`. */
static uint64_t begin(const char *account, uint64_t now_ms, uint8_t id[SHA256_SIZE])
{
    char text[AUTH_SECRET_CHARS + 1];
    struct auth_session *session = auth_sessions_begin(sessions, account, 7, now_ms, text);
    assert_non_null(session);
    assert_true(auth_secret_hash(span_str(text), id));
    assert_memory_equal(session->id, id, SHA256_SIZE);
    assert_int_equal(strlen(session->csrf), ADMIN_CSRF_DIGITS);
    assert_string_equal(session->account, account);
    assert_int_equal(session->stamp, 7);
    return session->number;
}

static void one_is_found_by_its_id_and_number(void **state)
{
    (void)state;
    uint8_t id[SHA256_SIZE];
    uint8_t other[SHA256_SIZE];
    uint64_t number = begin("ann", NOW, id);
    uint64_t next = begin("ann", NOW, other);
    assert_true(next > number && number > 0);
    assert_int_equal(auth_sessions_find(sessions, id, NOW)->number, number);
    assert_int_equal(auth_sessions_number(sessions, number, NOW)->number, number);
    assert_string_not_equal(auth_sessions_find(sessions, id, NOW)->csrf,
                            auth_sessions_find(sessions, other, NOW)->csrf);
    auth_sessions_end(sessions, number);
    assert_null(auth_sessions_find(sessions, id, NOW));
    assert_null(auth_sessions_number(sessions, number, NOW));
    assert_non_null(auth_sessions_find(sessions, other, NOW));
    id[0] ^= 1;
    assert_null(auth_sessions_find(sessions, id, NOW));
}

static void one_that_is_not_used_expires(void **state)
{
    (void)state;
    uint8_t id[SHA256_SIZE];
    uint64_t number = begin("ann", NOW, id);
    assert_non_null(auth_sessions_find(sessions, id, NOW + IDLE - 1));
    assert_null(auth_sessions_find(sessions, id, NOW + IDLE));
    assert_null(auth_sessions_number(sessions, number, NOW + IDLE));
    struct auth_session *session = auth_sessions_find(sessions, id, NOW + 900);
    session->used_ms = NOW + 900;
    assert_int_equal(auth_session_left_ms(sessions, session, NOW + 900), IDLE);
    assert_non_null(auth_sessions_find(sessions, id, NOW + 1899));
    assert_null(auth_sessions_find(sessions, id, NOW + 1900));
}

static void one_that_is_used_expires_at_last(void **state)
{
    (void)state;
    uint8_t id[SHA256_SIZE];
    struct auth_session *session = NULL;
    (void)begin("ann", NOW, id);
    for (uint64_t now = NOW; now < NOW + MOST; now += 500) {
        session = auth_sessions_find(sessions, id, now);
        assert_non_null(session);
        session->used_ms = now;
    }
    assert_int_equal(auth_session_left_ms(sessions, session, NOW + 4600), 400);
    assert_non_null(auth_sessions_find(sessions, id, NOW + MOST - 1));
    assert_null(auth_sessions_find(sessions, id, NOW + MOST));
    /* longer limits hold for those that exist, too */
    auth_sessions_limits(sessions, 10 * IDLE, 10 * MOST);
    assert_non_null(auth_sessions_find(sessions, id, NOW + MOST));
}

static void expired_ones_go_when_one_begins(void **state)
{
    (void)state;
    uint8_t id[SHA256_SIZE];
    (void)begin("ann", NOW, id);
    (void)begin("bob", NOW + 500, id);
    assert_int_equal(auth_sessions_count(sessions), 2);
    (void)begin("cara", NOW + IDLE, id);
    assert_int_equal(auth_sessions_count(sessions), 2);
}

static void an_account_has_so_many(void **state)
{
    (void)state;
    uint8_t first[SHA256_SIZE];
    uint8_t second[SHA256_SIZE];
    uint8_t id[SHA256_SIZE];
    uint8_t others[SHA256_SIZE];
    (void)begin("bob", NOW, others);
    (void)begin("ann", NOW, first);
    (void)begin("ann", NOW, second);
    for (size_t i = 2; i < AUTH_SESSIONS_PER_ACCOUNT; i++) {
        (void)begin("ann", NOW, id);
    }
    assert_non_null(auth_sessions_find(sessions, first, NOW));
    (void)begin("ann", NOW, id);
    assert_null(auth_sessions_find(sessions, first, NOW));
    assert_non_null(auth_sessions_find(sessions, second, NOW));
    assert_non_null(auth_sessions_find(sessions, others, NOW));
    auth_sessions_end_account(sessions, "ann");
    assert_null(auth_sessions_find(sessions, id, NOW));
    assert_int_equal(auth_sessions_count(sessions), 1);
}

static void there_are_so_many_in_all(void **state)
{
    (void)state;
    uint8_t first[SHA256_SIZE];
    uint8_t id[SHA256_SIZE];
    char name[16];
    (void)begin("ann", NOW, first);
    for (size_t i = 1; i < AUTH_SESSIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "user%zu", i);
        (void)begin(name, NOW, id);
    }
    assert_non_null(auth_sessions_find(sessions, first, NOW));
    (void)begin("zoe", NOW, id);
    assert_null(auth_sessions_find(sessions, first, NOW));
    assert_non_null(auth_sessions_find(sessions, id, NOW));
    assert_int_equal(auth_sessions_count(sessions), AUTH_SESSIONS_MAX);
}

static void memory_runs_out(void **state)
{
    (void)state;
    char text[AUTH_SECRET_CHARS + 1];
    uint8_t id[SHA256_SIZE];
    struct auth_sessions *other = NULL;
    (void)begin("ann", NOW, id);
    fail_alloc_at(1);
    struct auth_session *session = auth_sessions_begin(sessions, "ann", 7, NOW, text);
    assert_true(fail_alloc_stop());
    assert_null(session);
    assert_non_null(auth_sessions_find(sessions, id, NOW));
    fail_alloc_at(1);
    int rc = auth_sessions_new(&other, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    auth_sessions_free(&other);
}

#define SESSIONS_TEST(test) cmocka_unit_test_setup_teardown(test, open_sessions, close_sessions)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSIONS_TEST(one_is_found_by_its_id_and_number),
        SESSIONS_TEST(one_that_is_not_used_expires),
        SESSIONS_TEST(one_that_is_used_expires_at_last),
        SESSIONS_TEST(expired_ones_go_when_one_begins),
        SESSIONS_TEST(an_account_has_so_many),
        SESSIONS_TEST(there_are_so_many_in_all),
        SESSIONS_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
