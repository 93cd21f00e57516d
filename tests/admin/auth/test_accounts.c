/* Tests of admin/auth/accounts.c. */
#include "tests/admin/auth/auth_fixture.h"

static int change(const char *name, struct auth_account_change wanted, struct auth_account_row *row,
                  struct err *err)
{
    struct auth_by by = by_admin();
    return auth_account_change(&by, name, &wanted, row, err);
}

static void one_is_added(void **state)
{
    (void)state;
    struct auth_by by = {auth, &fake.backend, "Root"};
    struct auth_new_account wanted = {
        .name = "Ann", .role = ADMIN_ROLE_OPERATOR, .password = PASSWORD, .chosen = false};
    struct auth_account_row row;
    struct auth_entry entry;
    struct err err = {0};
    char made_up[ADMIN_MADE_UP_MAX];
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), 0);
    assert_string_equal(made_up, "");
    assert_string_equal(row.account.name, "Ann");
    assert_string_equal(row.account.password, "");
    assert_int_equal(row.account.created_ms, time_now.wall_ms);
    assert_true(row.account.must_change);
    assert_false(row.locked);
    assert_string_equal(fake.actor, "Root");
    const char *item = server_item("@account/ann");
    assert_non_null(strstr(item, "\"role\":\"operator\""));
    assert_non_null(strstr(item, "\"password\":\"$argon2id$"));
    assert_null(strstr(item, PASSWORD));
    assert_int_equal(sign_in("ANN", PASSWORD, &entry), 0);
    assert_true(entry.who.must_change);
    wanted.name = "aNN";
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, &err), E_EXISTS);
    assert_string_equal(err.text, "there is an account 'aNN' already");
}

static void a_password_is_made_up(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_new_account wanted = {.name = "ann", .role = ADMIN_ROLE_VIEWER};
    struct auth_account_row row;
    struct auth_entry entry;
    char made_up[ADMIN_MADE_UP_MAX];
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), 0);
    assert_int_equal(strlen(made_up), 23);
    assert_int_equal(sign_in("ann", made_up, &entry), 0);
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    static const struct {
        const char *name;
        const char *password;
        int code;
    } rows[] = {
        {"", PASSWORD, E_NAME},         {"a/b", PASSWORD, E_NAME},
        {"ann", "short", E_INVALID},    {"Margarete", "margarete", E_INVALID},
        {"ann", "password", E_INVALID},
    };
    struct auth_account_row row;
    char made_up[ADMIN_MADE_UP_MAX];
    uint64_t submits = fake.submits;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_new_account wanted = {
            .name = rows[i].name, .role = ADMIN_ROLE_VIEWER, .password = rows[i].password};
        assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), rows[i].code);
    }
    assert_int_equal(fake.submits, submits);
}

static void there_are_so_many(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_new_account wanted = {
        .name = "last", .role = ADMIN_ROLE_VIEWER, .password = PASSWORD};
    struct auth_account account = {.role = ADMIN_ROLE_VIEWER};
    struct auth_account_row row;
    char made_up[ADMIN_MADE_UP_MAX];
    for (int i = 0; i < AUTH_ACCOUNTS_MAX; i++) {
        (void)snprintf(account.folded, sizeof account.folded, "user%04d", i);
        assert_int_equal(auth_roster_reserve(&auth->roster, NULL), 0);
        auth_roster_put_account(&auth->roster, &account);
    }
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), E_QUOTA);
    auth_roster_remove_account(&auth->roster, "user0000");
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), 0);
}

static void they_are_listed_in_pages(void **state)
{
    (void)state;
    struct auth_account_row rows[4];
    bool more = false;
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("Cara", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(auth_accounts_list(auth, "", 2, rows, &more), 2);
    assert_true(more);
    assert_string_equal(rows[0].account.name, "ann");
    assert_string_equal(rows[1].account.name, "bob");
    assert_string_equal(rows[1].account.password, "");
    assert_int_equal(auth_accounts_list(auth, "bob", 2, rows, &more), 1);
    assert_false(more);
    assert_string_equal(rows[0].account.name, "Cara");
    assert_int_equal(auth_accounts_list(auth, "", 3, rows, &more), 3);
    assert_false(more);
}

static void a_role_is_changed_and_sessions_end(void **state)
{
    (void)state;
    struct auth_account_row row;
    struct auth_entry ann;
    struct auth_entry bob;
    struct admin_identity who;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &ann), 0);
    assert_int_equal(sign_in("bob", PASSWORD, &bob), 0);
    pass_ms(1000);
    assert_int_equal(
        change("Bob", (struct auth_account_change){.role = ADMIN_ROLE_OPERATOR}, &row, NULL), 0);
    assert_int_equal(row.account.role, ADMIN_ROLE_OPERATOR);
    assert_int_equal(row.account.changed_ms, time_now.wall_ms);
    assert_int_equal(row.account.created_ms, time_now.wall_ms - 1000);
    assert_false(row.account.must_change); /* the password is as it was */
    assert_false(admin_auth_alive(auth, &bob.who));
    assert_int_equal(check(&bob, false, NULL, &who), E_UNAUTHENTICATED);
    assert_int_equal(check(&ann, false, NULL, &who), 0);
    assert_int_equal(sign_in("bob", PASSWORD, &bob), 0);
    assert_int_equal(bob.who.role, ADMIN_ROLE_OPERATOR);
    /* what is so already is no change */
    uint64_t submits = fake.submits;
    assert_int_equal(
        change("bob", (struct auth_account_change){.role = ADMIN_ROLE_OPERATOR}, &row, NULL), 0);
    assert_int_equal(fake.submits, submits);
    assert_true(admin_auth_alive(auth, &bob.who));
}

static void a_password_is_reset_and_sessions_end(void **state)
{
    (void)state;
    struct auth_account_row row;
    struct auth_entry entry;
    struct auth_entry other;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(sign_in("ann", PASSWORD, &entry), 0);
    assert_int_equal(change("ann", (struct auth_account_change){.password = "short"}, &row, NULL),
                     E_INVALID);
    assert_true(admin_auth_alive(auth, &entry.who));
    assert_int_equal(
        change("ann", (struct auth_account_change){.password = "another horse"}, &row, NULL), 0);
    assert_true(row.account.must_change);
    assert_false(admin_auth_alive(auth, &entry.who));
    assert_int_equal(sign_in("ann", PASSWORD, &other), E_CREDENTIALS);
    assert_int_equal(sign_in("ann", "another horse", &other), 0);
}

static void the_last_administrator_stays_one(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_row row;
    struct err err = {0};
    bool gone[2];
    const char *names[] = {"ann", "bob"};
    struct auth_deletion both = {.names = names, .count = 2, .gone = gone};
    struct auth_deletion one = {.names = names, .count = 1, .gone = gone};
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("zoe", ADMIN_ROLE_OPERATOR, PASSWORD);
    struct auth_account_change demote = {.role = ADMIN_ROLE_VIEWER};
    assert_int_equal(change("ann", demote, &row, &err), E_LAST_ADMIN);
    assert_string_equal(err.text, "'ann' is the only administrator: make somebody else one first");
    assert_int_equal(auth_accounts_delete(&by, &one, &err), E_LAST_ADMIN);
    one.dry_run = true;
    assert_int_equal(auth_accounts_delete(&by, &one, &err), E_LAST_ADMIN);
    assert_string_equal(err.text,
                        "that would leave no administrator: make somebody else one first");
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_int_equal(auth_accounts_delete(&by, &both, NULL), E_LAST_ADMIN);
    assert_int_equal(change("ann", demote, &row, NULL), 0);
    assert_int_equal(change("bob", demote, &row, NULL), E_LAST_ADMIN);
    /* a viewer may go */
    assert_int_equal(
        auth_accounts_delete(&by, &(struct auth_deletion){names, 1, .gone = gone}, NULL), 0);
}

static void two_administrators_do_not_overwrite_each_other(void **state)
{
    (void)state;
    struct auth_account_row first;
    struct auth_account_row row;
    struct err err = {0};
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(auth_account_find(auth, "bob", &first, NULL), 0);
    struct auth_account_change seen = {.role = ADMIN_ROLE_OPERATOR,
                                       .condition = {.given = true, .seq = first.account.seq}};
    assert_int_equal(change("bob", seen, &row, NULL), 0);
    seen.role = ADMIN_ROLE_ADMIN;
    assert_int_equal(change("bob", seen, &row, &err), E_CONDITION);
    assert_string_equal(err.text,
                        "the account 'bob' was changed meanwhile: look at it again, then decide");
    seen.condition.any = true;
    assert_int_equal(change("bob", seen, &row, NULL), 0);
    /* the item was written past us */
    (void)fake_put(&fake, "server", "@account/bob", "{}");
    seen.role = ADMIN_ROLE_VIEWER;
    assert_int_equal(change("bob", seen, &row, NULL), E_CONDITION);
    assert_int_equal(auth_account_find(auth, "bob", &row, NULL), 0);
    assert_int_equal(row.account.role, ADMIN_ROLE_ADMIN);
}

static void some_are_deleted(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    const char *names[] = {"BOB", "nobody", "bob", "cara", "\xff"};
    bool gone[5];
    struct auth_deletion deletion = {.names = names, .count = 5, .gone = gone, .dry_run = true};
    struct auth_entry entry;
    struct auth_account_row row;
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("cara", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("bob", PASSWORD, &entry), 0);
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 2);
    assert_int_equal(deletion.seq, 0);
    assert_true(admin_auth_alive(auth, &entry.who));
    deletion.dry_run = false;
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 2);
    assert_true(deletion.seq > 0);
    assert_true(gone[0] && !gone[1] && gone[2] && gone[3] && !gone[4]);
    assert_false(admin_auth_alive(auth, &entry.who));
    assert_string_equal(server_item("@account/bob"), "");
    assert_int_equal(auth_account_find(auth, "cara", &row, NULL), E_NOT_FOUND);
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 0);
    /* one of that name may come again, and is somebody else */
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    assert_false(admin_auth_alive(auth, &entry.who));
}

static void what_the_server_refuses_changes_nothing(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_row row;
    struct auth_entry entry;
    const char *names[] = {"bob"};
    bool gone[1];
    struct auth_deletion deletion = {.names = names, .count = 1, .gone = gone};
    struct auth_new_account wanted = {.name = "cara", .role = ADMIN_ROLE_VIEWER};
    char made_up[ADMIN_MADE_UP_MAX];
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_VIEWER, PASSWORD);
    assert_int_equal(sign_in("bob", PASSWORD, &entry), 0);
    fake.refuse_code = E_READ_ONLY;
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), E_READ_ONLY);
    assert_string_equal(made_up, "");
    assert_int_equal(
        change("bob", (struct auth_account_change){.role = ADMIN_ROLE_ADMIN}, &row, NULL),
        E_READ_ONLY);
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), E_READ_ONLY);
    fake.refuse_code = 0;
    fake.fail_code = E_CLOSED;
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), E_CLOSED);
    fake.fail_code = 0;
    assert_int_equal(deletion.deleted, 0);
    assert_true(admin_auth_alive(auth, &entry.who));
    assert_int_equal(auth_account_find(auth, "cara", &row, NULL), E_NOT_FOUND);
    assert_int_equal(auth_account_find(auth, "bob", &row, NULL), 0);
    assert_int_equal(row.account.role, ADMIN_ROLE_VIEWER);
}

static void *demote(void *context)
{
    struct auth_by by = by_admin();
    struct auth_account_change change = {.role = ADMIN_ROLE_VIEWER};
    struct auth_account_row row;
    int rc = auth_account_change(&by, context, &change, &row, NULL);
    assert_true(rc == 0 || rc == E_LAST_ADMIN);
    return NULL;
}

static void two_who_demote_each_other_leave_one(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_account_change promote = {.role = ADMIN_ROLE_ADMIN};
    struct auth_account_row row;
    static char names[2][4] = {"ann", "bob"};
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    add_account("bob", ADMIN_ROLE_ADMIN, PASSWORD);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[2];
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, demote, names[i]), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(auth_roster_admins(&auth->roster), 1);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(auth_account_change(&by, names[i], &promote, &row, NULL), 0);
        }
    }
}

/* The locks are gone whatever fails, and what failed can be done again. */
static void memory_runs_out(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_new_account wanted = {
        .name = "cara", .role = ADMIN_ROLE_VIEWER, .password = PASSWORD};
    struct auth_account_row row;
    char made_up[ADMIN_MADE_UP_MAX];
    add_account("ann", ADMIN_ROLE_ADMIN, PASSWORD);
    json_set_alloc_funcs(malloc, free);
    for (unsigned nth = 1;; nth++) {
        /* the fake's own memory does not run out */
        fake.refuse_code = E_READ_ONLY;
        fail_alloc_at(nth);
        int rc = auth_account_add(&by, &wanted, made_up, &row, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, E_READ_ONLY);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    fake.refuse_code = 0;
    assert_int_equal(auth_account_add(&by, &wanted, made_up, &row, NULL), 0);
    const char *names[] = {"cara"};
    bool gone[1];
    struct auth_deletion deletion = {.names = names, .count = 1, .gone = gone, .dry_run = true};
    for (unsigned nth = 1; nth <= 3; nth++) {
        fail_alloc_at(nth);
        int rc = auth_accounts_delete(&by, &deletion, NULL);
        assert_true(fail_alloc_stop());
        assert_int_equal(rc, E_NOMEM);
    }
    assert_int_equal(auth_accounts_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(one_is_added),
        AUTH_TEST(a_password_is_made_up),
        AUTH_TEST(bad_ones_are_refused),
        AUTH_TEST(there_are_so_many),
        AUTH_TEST(they_are_listed_in_pages),
        AUTH_TEST(a_role_is_changed_and_sessions_end),
        AUTH_TEST(a_password_is_reset_and_sessions_end),
        AUTH_TEST(the_last_administrator_stays_one),
        AUTH_TEST(two_administrators_do_not_overwrite_each_other),
        AUTH_TEST(two_who_demote_each_other_leave_one),
        AUTH_TEST(some_are_deleted),
        AUTH_TEST(what_the_server_refuses_changes_nothing),
        AUTH_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
