/* Tests of admin/auth/roster.c. */
#include "tests/admin/auth/auth_fixture.h"

#include <unistd.h>

#include "base/log.h"

static struct auth_account account_named(const char *name, enum admin_role role)
{
    struct auth_account account = {.role = role, .password = "x", .stamp = 7, .created_ms = 1000};
    (void)snprintf(account.name, sizeof account.name, "%s", name);
    assert_int_equal(auth_name_fold(name, account.folded, NULL), 0);
    return account;
}

static struct auth_token token_of(uint64_t id, const char *name)
{
    struct auth_token token = {.id = id, .role = ADMIN_ROLE_VIEWER, .expires_ms = 9000};
    (void)snprintf(token.name, sizeof token.name, "%s", name);
    assert_int_equal(auth_name_fold(name, token.folded, NULL), 0);
    memset(token.secret, (int)id, sizeof token.secret);
    return token;
}

static void accounts_lie_in_order_of_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Mia", "ann", "Zoe", "bob"};
    struct auth_roster roster = {0};
    for (size_t i = 0; i < 4; i++) {
        struct auth_account account =
            account_named(names[i], i == 1 ? ADMIN_ROLE_ADMIN : ADMIN_ROLE_VIEWER);
        assert_int_equal(auth_roster_reserve(&roster, NULL), 0);
        auth_roster_put_account(&roster, &account);
    }
    assert_int_equal(roster.account_count, 4);
    assert_string_equal(roster.accounts[0].name, "ann");
    assert_string_equal(roster.accounts[3].name, "Zoe");
    assert_int_equal(auth_roster_admins(&roster), 1);
    assert_string_equal(auth_roster_account(&roster, "mia")->name, "Mia");
    assert_null(auth_roster_account(&roster, "Mia"));
    struct auth_account promoted = account_named("mia", ADMIN_ROLE_ADMIN);
    auth_roster_put_account(&roster, &promoted); /* in place: no room is asked for */
    assert_int_equal(roster.account_count, 4);
    assert_int_equal(auth_roster_admins(&roster), 2);
    auth_roster_remove_account(&roster, "bob");
    auth_roster_remove_account(&roster, "bob");
    assert_int_equal(roster.account_count, 3);
    assert_string_equal(roster.accounts[1].folded, "mia");
    auth_roster_free(&roster);
}

static void tokens_are_found_by_id_name_and_secret(void **state)
{
    (void)state;
    struct auth_roster roster = {0};
    uint8_t secret[SHA256_SIZE];
    for (uint64_t id = 5; id > 0; id--) {
        char name[16];
        (void)snprintf(name, sizeof name, "Script %d", (int)id);
        struct auth_token token = token_of(id, name);
        assert_int_equal(auth_roster_reserve(&roster, NULL), 0);
        auth_roster_put_token(&roster, &token);
    }
    memset(secret, 3, sizeof secret);
    assert_int_equal(roster.tokens[0].id, 1);
    assert_int_equal(auth_roster_token(&roster, 4)->id, 4);
    assert_int_equal(auth_roster_secret(&roster, secret)->id, 3);
    assert_int_equal(auth_roster_token_named(&roster, "script 2")->id, 2);
    assert_null(auth_roster_token(&roster, 6));
    assert_null(auth_roster_token_named(&roster, "Script 2"));
    secret[31] ^= 1;
    assert_null(auth_roster_secret(&roster, secret));
    auth_roster_remove_token(&roster, 3);
    assert_null(auth_roster_token(&roster, 3));
    assert_int_equal(roster.token_count, 4);
    auth_roster_free(&roster);
}

static void put_account_item(const char *path, const struct auth_account *account)
{
    struct buf value;
    buf_init(&value, AUTH_RECORD_MAX);
    auth_put_account(&value, account);
    assert_int_equal(buf_append_u8(&value, 0), 0);
    (void)fake_put(&fake, "server", path, (const char *)value.data);
    buf_free(&value);
}

static void what_the_bag_has_is_loaded(void **state)
{
    (void)state;
    struct auth_roster roster = {0};
    struct auth_account ann = account_named("Ann", ADMIN_ROLE_ADMIN);
    struct auth_account bob = account_named("bob", ADMIN_ROLE_VIEWER);
    put_account_item("@account/ann", &ann);
    put_account_item("@account/bob", &bob);
    put_account_item("@accounts", &bob); /* something else */
    assert_int_equal(auth_roster_load(&roster, fake.backend.kv, NULL), 0);
    assert_int_equal(roster.account_count, 2);
    assert_int_equal(roster.token_count, 0);
    assert_true(roster.accounts[0].seq > 0 && roster.accounts[1].seq > roster.accounts[0].seq);
    auth_roster_free(&roster);
}

static void what_can_not_be_read_is_left_out(void **state)
{
    (void)state;
    struct auth_roster roster = {0};
    struct auth_account ann = account_named("Ann", ADMIN_ROLE_ADMIN);
    int pipe_ends[2];
    char line[1024] = "";
    put_account_item("@account/ann", &ann);
    (void)fake_put(&fake, "server", "@account/bob", "{\"name\":7}");
    (void)fake_put(&fake, "server", "@token/0000000000000001", "nothing");
    assert_int_equal(pipe(pipe_ends), 0);
    log_setup(pipe_ends[1], LOG_ERROR);
    assert_int_equal(auth_roster_load(&roster, fake.backend.kv, NULL), 0);
    log_setup(2, LOG_INFO);
    assert_true(read(pipe_ends[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "error admin admin.record_unreadable item=\"@account/bob\""));
    assert_int_equal(roster.account_count, 1);
    assert_int_equal(roster.token_count, 0);
    assert_int_equal(roster.left_out, 2);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    auth_roster_free(&roster);
}

static void last_uses_are_noted_once_an_hour(void **state)
{
    (void)state;
    struct auth_roster roster = {0};
    struct auth_roster again = {0};
    struct auth_account ann = account_named("Ann", ADMIN_ROLE_ADMIN);
    put_account_item("@account/ann", &ann);
    assert_int_equal(auth_roster_load(&roster, fake.backend.kv, NULL), 0);
    roster.accounts[0].used_ms = 5000;
    auth_roster_note(&roster, fake.backend.kv);
    assert_int_equal(roster.accounts[0].noted_ms, 5000);
    roster.accounts[0].used_ms = 5000 + AUTH_NOTE_MS - 1;
    auth_roster_note(&roster, fake.backend.kv);
    assert_int_equal(roster.accounts[0].noted_ms, 5000);
    roster.accounts[0].used_ms = 5000 + AUTH_NOTE_MS;
    auth_roster_note(&roster, fake.backend.kv);
    assert_int_equal(roster.accounts[0].noted_ms, 5000 + AUTH_NOTE_MS);
    assert_int_equal(auth_roster_load(&again, fake.backend.kv, NULL), 0);
    assert_int_equal(again.accounts[0].used_ms, 5000 + AUTH_NOTE_MS);
    auth_roster_free(&again);
    /* of an account of that name which was made later, nothing is known */
    ann.created_ms = 6000 + AUTH_NOTE_MS;
    put_account_item("@account/ann", &ann);
    assert_int_equal(auth_roster_load(&again, fake.backend.kv, NULL), 0);
    assert_int_equal(again.accounts[0].used_ms, 0);
    auth_roster_free(&again);
    assert_int_equal(auth_roster_forget_account(fake.backend.kv, "ann"), 0);
    auth_roster_free(&roster);
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct auth_account ann = account_named("Ann", ADMIN_ROLE_ADMIN);
    put_account_item("@account/ann", &ann);
    json_set_alloc_funcs(malloc, free); /* those of jansson fail, too */
    unsigned nth = 1;
    for (;; nth++) {
        struct auth_roster roster = {0};
        fail_alloc_at(nth);
        int rc = auth_roster_load(&roster, fake.backend.kv, NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || failed);
        /* jansson does not always tell that it was memory: then the record is left out */
        assert_true(rc == 0 || rc == E_NOMEM);
        auth_roster_free(&roster);
        if (!failed) {
            break;
        }
    }
    assert_true(nth > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_lie_in_order_of_names),
        cmocka_unit_test(tokens_are_found_by_id_name_and_secret),
        AUTH_TEST(what_the_bag_has_is_loaded),
        AUTH_TEST(what_can_not_be_read_is_left_out),
        AUTH_TEST(last_uses_are_noted_once_an_hour),
        AUTH_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
