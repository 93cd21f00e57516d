/* Tests of admin/auth/tokens.c. */
#include "tests/admin/auth/auth_fixture.h"

static int add(const char *name, struct auth_token *token, char text[AUTH_TOKEN_TEXT_MAX])
{
    struct auth_by by = {auth, &fake.backend, "Ann"};
    struct auth_new_token wanted = {name, ADMIN_ROLE_OPERATOR, 5000};
    return auth_token_add(&by, &wanted, text, token, NULL);
}

static void one_is_made_and_shown_once(void **state)
{
    (void)state;
    struct auth_token token;
    struct admin_identity who;
    char text[AUTH_TOKEN_TEXT_MAX];
    char path[AUTH_PATH_MAX];
    assert_int_equal(add("Backup", &token, text), 0);
    assert_int_equal(strncmp(text, "kba_", 4), 0);
    assert_int_equal(strlen(text), 47);
    assert_string_equal(token.by, "Ann");
    assert_string_equal(fake.actor, "Ann");
    assert_int_equal(token.expires_ms, time_now.wall_ms + 5000);
    (void)auth_token_path(path, token.id);
    const char *item = server_item(path);
    assert_non_null(strstr(item, "\"role\":\"operator\""));
    assert_null(strstr(item, text));
    assert_null(strstr(item, text + 4));
    /* it is known after a restart, too */
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_int_equal(check_token(text, &who), 0);
    assert_int_equal(who.role, ADMIN_ROLE_OPERATOR);
}

static void names_are_of_one_token_each(void **state)
{
    (void)state;
    struct auth_token token;
    char text[AUTH_TOKEN_TEXT_MAX];
    assert_int_equal(add("Backup", &token, text), 0);
    assert_int_equal(add("bACKUP", &token, text), E_EXISTS);
    assert_int_equal(add("", &token, text), E_NAME);
    assert_int_equal(add("a:b", &token, text), E_NAME);
}

static void there_are_so_many(void **state)
{
    (void)state;
    struct auth_token token = {0};
    char text[AUTH_TOKEN_TEXT_MAX];
    for (uint64_t i = 1; i <= AUTH_TOKENS_MAX; i++) {
        token.id = i;
        assert_int_equal(auth_roster_reserve(&auth->roster, NULL), 0);
        auth_roster_put_token(&auth->roster, &token);
    }
    assert_int_equal(add("Backup", &token, text), E_QUOTA);
    auth_roster_remove_token(&auth->roster, 1);
    assert_int_equal(add("Backup", &token, text), 0);
}

static void they_are_listed_with_their_last_use(void **state)
{
    (void)state;
    struct auth_token rows[4];
    struct admin_identity who;
    char text[AUTH_TOKEN_TEXT_MAX];
    bool more = false;
    static const char *const names[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(add(names[i], &rows[0], text), 0);
    }
    uint64_t last = rows[0].id;
    assert_int_equal(check_token(text, &who), 0);
    assert_int_equal(auth_tokens_list(auth, 0, 2, rows, &more), 2);
    assert_true(more);
    assert_true(rows[0].id < rows[1].id);
    assert_int_equal(auth_tokens_list(auth, rows[1].id, 2, &rows[2], &more), 1);
    assert_false(more);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rows[i].used_ms, rows[i].id == last ? time_now.wall_ms : 0);
    }
    /* noted, and so known after a restart */
    admin_auth_note(auth, &fake.backend);
    auth_roster_free(&auth->roster);
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_int_equal(auth_roster_token(&auth->roster, last)->used_ms, time_now.wall_ms);
}

static void some_are_deleted(void **state)
{
    (void)state;
    struct auth_by by = by_admin();
    struct auth_token one;
    struct auth_token two;
    struct admin_identity who;
    struct admin_identity other;
    char text[AUTH_TOKEN_TEXT_MAX];
    char kept[AUTH_TOKEN_TEXT_MAX];
    assert_int_equal(add("one", &one, text), 0);
    assert_int_equal(add("two", &two, kept), 0);
    assert_int_equal(check_token(text, &who), 0);
    assert_int_equal(check_token(kept, &other), 0);
    uint64_t ids[] = {one.id, 0, one.id};
    bool gone[3];
    struct auth_token_deletion deletion = {.ids = ids, .count = 3, .gone = gone, .dry_run = true};
    assert_int_equal(auth_tokens_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 1);
    assert_true(admin_auth_alive(auth, &who));
    deletion.dry_run = false;
    fake.refuse_code = E_READ_ONLY;
    assert_int_equal(auth_tokens_delete(&by, &deletion, NULL), E_READ_ONLY);
    assert_int_equal(deletion.deleted, 0);
    assert_true(admin_auth_alive(auth, &who));
    fake.refuse_code = 0;
    assert_int_equal(auth_tokens_delete(&by, &deletion, NULL), 0);
    assert_int_equal(deletion.deleted, 1);
    assert_true(deletion.seq > 0);
    assert_true(gone[0] && !gone[1] && gone[2]);
    assert_int_equal(check_token(text, &who), E_UNAUTHENTICATED);
    assert_false(admin_auth_alive(auth, &who));
    assert_true(admin_auth_alive(auth, &other));
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct auth_token token;
    char text[AUTH_TOKEN_TEXT_MAX] = "";
    json_set_alloc_funcs(malloc, free);
    fake.refuse_code = E_READ_ONLY;
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = add("one", &token, text);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, E_READ_ONLY);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_string_equal(text, "");
    fake.refuse_code = 0;
    assert_int_equal(add("one", &token, text), 0);
    struct auth_by by = by_admin();
    bool gone[1];
    struct auth_token_deletion deletion = {.ids = &token.id, .count = 1, .gone = gone};
    for (unsigned nth = 1; nth <= 3; nth++) {
        fail_alloc_at(nth);
        int rc = auth_tokens_delete(&by, &deletion, NULL);
        assert_true(fail_alloc_stop());
        assert_int_equal(rc, E_NOMEM);
    }
    assert_int_equal(auth_tokens_delete(&by, &deletion, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(one_is_made_and_shown_once), AUTH_TEST(names_are_of_one_token_each),
        AUTH_TEST(there_are_so_many),          AUTH_TEST(they_are_listed_with_their_last_use),
        AUTH_TEST(some_are_deleted),           AUTH_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
