/* Tests of admin/auth/password.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "admin/auth/password.h"

static const struct auth_cost cheap = {1, 8192};
static const struct auth_cost dearer = {2, 16384};

static void rules(void **state)
{
    (void)state;
    static const struct {
        const char *password;
        const char *name;
        const char *why; /* NULL: it is taken */
    } rows[] = {
        {"sevenup", NULL, "a password has at least 8 characters"},
        {"eightup!", NULL, NULL},
        {"", NULL, "a password has at least 8 characters"},
        {"\xe3\x81\x82\xe3\x81\x84\xe3\x81\x86\xe3\x81\x88", NULL, /* 4 characters, 12 bytes */
         "a password has at least 8 characters"},
        {"\xe3\x81\x82\xe3\x81\x84\xe3\x81\x86\xe3\x81\x88\xe3\x81\x8a\xe3\x81\x8b\xe3\x81\x8d"
         "\xe3\x81\x8f",
         NULL, NULL},
        {"12345678\xff", NULL, "the password is not UTF-8 text"},
        {"password", NULL, "this password is one of those that are tried first: take another"},
        {"PassWord1", NULL, "this password is one of those that are tried first: take another"},
        {"zzzzzzzzzz", NULL, "this password is one of those that are tried first: take another"},
        {"zzzzzzzzza", NULL, NULL},
        {"Margarete", "margarete", "the password is the account's name: take another"},
        {"Margarete", "ann", NULL},
        {"Margarete", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};
        int rc = auth_password_check(rows[i].password, rows[i].name, &err);
        assert_int_equal(rc, rows[i].why != NULL ? E_INVALID : 0);
        assert_string_equal(err.text, rows[i].why != NULL ? rows[i].why : "");
    }
}

static void the_longest(void **state)
{
    (void)state;
    char password[ADMIN_PASSWORD_MAX_BYTES + 2];
    char hash[AUTH_HASH_MAX];
    struct err err = {0};
    memset(password, 'x', sizeof password);
    password[sizeof password - 1] = '\0';
    assert_int_equal(auth_password_check(password, NULL, &err), E_INVALID);
    assert_string_equal(err.text, "a password has at most 1024 bytes");
    assert_int_equal(auth_password_hash(password, &cheap, hash, NULL), E_INVALID);
    assert_int_equal(auth_password_fits(password, "x", &cheap), 0);
    password[ADMIN_PASSWORD_MAX_BYTES] = '\0';
    assert_int_equal(auth_password_check(password, NULL, NULL), 0);
    assert_int_equal(auth_password_hash(password, &cheap, hash, NULL), 0);
    assert_int_equal(auth_password_fits(password, hash, &cheap), 1);
    password[ADMIN_PASSWORD_MAX_BYTES - 1] = 'y';
    assert_int_equal(auth_password_fits(password, hash, &cheap), 0);
}

static void a_hash_fits_its_password_alone(void **state)
{
    (void)state;
    char hash[AUTH_HASH_MAX];
    char again[AUTH_HASH_MAX];
    assert_int_equal(auth_password_hash("correct horse", &cheap, hash, NULL), 0);
    assert_int_equal(auth_password_hash("correct horse", &cheap, again, NULL), 0);
    assert_string_not_equal(hash, again); /* salted */
    assert_int_equal(strncmp(hash, "$argon2id$", 10), 0);
    assert_null(strstr(hash, "correct"));
    assert_int_equal(auth_password_fits("correct horse", hash, &cheap), 1);
    assert_int_equal(auth_password_fits("correct horse", again, &cheap), 1);
    assert_int_equal(auth_password_fits("Correct horse", hash, &cheap), 0);
    assert_int_equal(auth_password_fits("", hash, &cheap), 0);
    assert_int_equal(auth_password_fits("\xff", hash, &cheap), 0);
    assert_int_equal(auth_password_fits("correct horse", NULL, &cheap), 0);
    static const char *const damaged[] = {
        "$argon2id$damaged",
        "",
        "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=1,p=2$AAAAAAAAAAAAAAAAAAAAAA$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        assert_int_equal(auth_password_fits("correct horse", damaged[i], &cheap), 0);
    }
    assert_int_equal(auth_password_hash("\xff", &cheap, hash, NULL), E_INVALID);
}

/* What can't be looked at is not wrong: neither of somebody, nor of nobody, or it would tell names.
 * Four TiB are more than any machine gives. */
static void without_memory_a_password_is_not_wrong(void **state)
{
    (void)state;
    static const struct auth_cost all = {1, (size_t)4294967295 << 10};
    static const char hash[] = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_int_equal(auth_password_fits("correct horse", hash, &cheap), E_NOMEM);
    assert_int_equal(auth_password_fits("correct horse", NULL, &all), E_NOMEM);
}

static void an_accent_may_be_written_in_two_ways(void **state)
{
    (void)state;
    char hash[AUTH_HASH_MAX];
    assert_int_equal(auth_password_hash("caf\xc3\xa9 noir", &cheap, hash, NULL), 0);
    assert_int_equal(auth_password_fits("cafe\xcc\x81 noir", hash, &cheap), 1);
}

static void a_hash_of_another_cost_is_outdated(void **state)
{
    (void)state;
    char hash[AUTH_HASH_MAX];
    assert_int_equal(auth_password_hash("correct horse", &cheap, hash, NULL), 0);
    assert_false(auth_password_outdated(hash, &cheap));
    assert_true(auth_password_outdated(hash, &dearer));
    assert_int_equal(auth_password_fits("correct horse", hash, &dearer), 1);
}

/* What a sign-in costs is what was decided on. */
static void the_usual_cost(void **state)
{
    (void)state;
    char hash[AUTH_HASH_MAX];
    assert_int_equal(auth_password_hash("correct horse", &auth_cost_usual, hash, NULL), 0);
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31), 0);
}

static void made_up_ones_are_taken(void **state)
{
    (void)state;
    char one[ADMIN_MADE_UP_MAX];
    char other[ADMIN_MADE_UP_MAX];
    auth_password_make(one);
    auth_password_make(other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), 23);
    assert_int_equal(strspn(one, "abcdefghjkmnpqrstuvwxyz23456789-"), 23);
    assert_true(one[5] == '-' && one[11] == '-' && one[17] == '-');
    assert_int_equal(auth_password_check(one, "admin", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(the_longest),
        cmocka_unit_test(a_hash_fits_its_password_alone),
        cmocka_unit_test(without_memory_a_password_is_not_wrong),
        cmocka_unit_test(an_accent_may_be_written_in_two_ways),
        cmocka_unit_test(a_hash_of_another_cost_is_outdated),
        cmocka_unit_test(the_usual_cost),
        cmocka_unit_test(made_up_ones_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
