/* Tests of admin/auth/records.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin/auth/records.h"

static const char ACCOUNT[] =
    "{\"name\":\"Ann\",\"role\":\"operator\",\"password\":\"$argon2id$x\","
    "\"stamp\":\"00000000000000ff\",\"created_ms\":1000,\"changed_ms\":2000,\"must_change\":true}";
static const char TOKEN[] = "{\"name\":\"Backup\",\"role\":\"viewer\",\"secret\":"
                            "\"0102030405060708091011121314151617181920212223242526272829303132\","
                            "\"created_ms\":1000,\"expires_ms\":2000,\"by\":\"Ann\"}";

static void an_account_as_bytes(void **state)
{
    (void)state;
    struct auth_account account;
    struct buf out;
    char path[AUTH_PATH_MAX];
    buf_init(&out, AUTH_RECORD_MAX);
    assert_true(span_equal(auth_account_path(path, "ann"), SPAN_LITERAL("@account/ann")));
    assert_int_equal(auth_get_account(&account, span_str("@account/ann"), span_str(ACCOUNT), NULL),
                     0);
    assert_string_equal(account.name, "Ann");
    assert_string_equal(account.folded, "ann");
    assert_int_equal(account.role, ADMIN_ROLE_OPERATOR);
    assert_string_equal(account.password, "$argon2id$x");
    assert_int_equal(account.stamp, 255);
    assert_int_equal(account.created_ms, 1000);
    assert_int_equal(account.changed_ms, 2000);
    assert_true(account.must_change);
    auth_put_account(&out, &account);
    assert_true(span_equal(buf_span(&out), span_str(ACCOUNT)));
    buf_free(&out);
}

static void a_token_as_bytes(void **state)
{
    (void)state;
    struct auth_token token;
    struct buf out;
    char path[AUTH_PATH_MAX];
    buf_init(&out, AUTH_RECORD_MAX);
    assert_true(span_equal(auth_token_path(path, 255), SPAN_LITERAL("@token/00000000000000ff")));
    assert_int_equal(
        auth_get_token(&token, span_str("@token/00000000000000ff"), span_str(TOKEN), NULL), 0);
    assert_int_equal(token.id, 255);
    assert_string_equal(token.folded, "backup");
    assert_int_equal(token.role, ADMIN_ROLE_VIEWER);
    assert_int_equal(token.secret[31], 0x32);
    assert_int_equal(token.expires_ms, 2000);
    assert_string_equal(token.by, "Ann");
    auth_put_token(&out, &token);
    assert_true(span_equal(buf_span(&out), span_str(TOKEN)));
    buf_free(&out);
}

/* The record with one piece replaced. */
static struct span with(char *room, size_t size, const char *record, const char *piece,
                        const char *other)
{
    const char *at = strstr(record, piece);
    assert_non_null(at);
    (void)snprintf(room, size, "%.*s%s%s", (int)(at - record), record, other, at + strlen(piece));
    return span_str(room);
}

static void damaged_accounts_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"\"Ann\"", "\"\"", "its 'name' is not what it should be"},
        {"\"Ann\"", "7", "its 'name' is not what it should be"},
        {"\"Ann\"", "\"Bob\"", "its path is of another account"},
        {"\"operator\"", "\"none\"", "its 'role' is not what it should be"},
        {"\"operator\"", "null", "its 'role' is not what it should be"},
        {"\"$argon2id$x\"", "null", "its 'password' is not what it should be"},
        {"\"00000000000000ff\"", "\"ff\"", "its 'stamp' is not what it should be"},
        {"1000", "-1", "its 'created_ms' is not what it should be"},
        {"2000", "\"2000\"", "its 'changed_ms' is not what it should be"},
    };
    struct auth_account account = {.role = ADMIN_ROLE_ADMIN};
    char room[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};
        struct span value = with(room, sizeof room, ACCOUNT, rows[i][0], rows[i][1]);
        assert_int_equal(auth_get_account(&account, span_str("@account/ann"), value, &err),
                         E_MALFORMED);
        assert_string_equal(err.text, rows[i][2]);
    }
    assert_int_equal(auth_get_account(&account, span_str("@account/ann"), span_str("{"), NULL),
                     E_MALFORMED);
    assert_int_equal(auth_get_account(&account, span_str("ann"), span_str(ACCOUNT), NULL),
                     E_MALFORMED);
    assert_int_equal(account.role, ADMIN_ROLE_ADMIN);
}

static void damaged_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\"Backup\"", "\"\""},
        {"\"viewer\"", "\"root\""},
        {"0102", "01"},
        {"0102", "zz02"},
        {"1000", "null"},
        {"2000", "1.5"},
        {"\"by\":\"Ann\"", "\"b\":1"},
    };
    static const char *const paths[] = {"@token/", "@token/ff", "@token/0000000000000000",
                                        "@token/00000000000000fg", "token/00000000000000ff"};
    struct auth_token token;
    char room[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span value = with(room, sizeof room, TOKEN, rows[i][0], rows[i][1]);
        assert_int_equal(auth_get_token(&token, span_str("@token/00000000000000ff"), value, NULL),
                         E_MALFORMED);
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(auth_get_token(&token, span_str(paths[i]), span_str(TOKEN), NULL),
                         E_MALFORMED);
    }
}

static void names_fold_as_those_of_users(void **state)
{
    (void)state;
    char folded[AUTH_NAME_MAX + 1];
    char name[AUTH_NAME_MAX + 2];
    assert_int_equal(auth_name_fold("\xef\xbc\xa1nn", folded, NULL), 0); /* a full-width A */
    assert_string_equal(folded, "ann");
    assert_int_equal(auth_name_fold("", folded, NULL), E_NAME);
    assert_int_equal(auth_name_fold("a/b", folded, NULL), E_NAME);
    assert_int_equal(auth_name_fold("a:b", folded, NULL), E_NAME);
    assert_int_equal(auth_name_fold(" a", folded, NULL), E_NAME);
    memset(name, 'x', sizeof name);
    name[AUTH_NAME_MAX + 1] = '\0';
    assert_int_equal(auth_name_fold(name, folded, NULL), E_NAME);
    name[AUTH_NAME_MAX] = '\0';
    assert_int_equal(auth_name_fold(name, folded, NULL), 0);
}

static void roles_have_names(void **state)
{
    (void)state;
    enum admin_role role = ADMIN_ROLE_NONE;
    for (int i = ADMIN_ROLE_VIEWER; i <= ADMIN_ROLE_ADMIN; i++) {
        assert_int_equal(auth_role_parse(auth_role_name((enum admin_role)i), &role, NULL), 0);
        assert_int_equal(role, i);
    }
    assert_int_equal(auth_role_parse("none", &role, NULL), E_INVALID);
    assert_int_equal(auth_role_parse("Admin", &role, NULL), E_INVALID);
    assert_int_equal(auth_role_parse(NULL, &role, NULL), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_as_bytes),
        cmocka_unit_test(a_token_as_bytes),
        cmocka_unit_test(damaged_accounts_are_refused),
        cmocka_unit_test(damaged_tokens_are_refused),
        cmocka_unit_test(names_fold_as_those_of_users),
        cmocka_unit_test(roles_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
