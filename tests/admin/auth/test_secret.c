/* Tests of admin/auth/secret.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin/auth/secret.h"

static void a_secret_is_new_and_known_by_its_hash(void **state)
{
    (void)state;
    char text[AUTH_SECRET_CHARS + 1];
    char other[AUTH_SECRET_CHARS + 1];
    uint8_t hash[SHA256_SIZE];
    uint8_t other_hash[SHA256_SIZE];
    uint8_t again[SHA256_SIZE];
    auth_secret_make(text, hash);
    auth_secret_make(other, other_hash);
    assert_int_equal(strlen(text), AUTH_SECRET_CHARS);
    assert_string_not_equal(text, other);
    assert_memory_not_equal(hash, other_hash, sizeof hash);
    assert_true(auth_secret_hash(span_str(text), again));
    assert_memory_equal(hash, again, sizeof hash);
}

static void what_is_none_is_not_hashed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "short",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* 42 */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 44 */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\xc1",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA[",
    };
    uint8_t hash[SHA256_SIZE] = {7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(auth_secret_hash(span_str(bad[i]), hash));
    }
    assert_int_equal(hash[0], 7);
    assert_true(auth_secret_hash(span_str("azAZ09-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), hash));
}

/* The text that is found, NULL: none. */
static void finds(struct span (*find)(struct span header), const char *header, const char *wanted)
{
    struct span found = find(span_str(header));
    if (wanted == NULL) {
        assert_int_equal(found.size, 0);
        return;
    }
    if (!span_equal(found, span_str(wanted))) {
        fail_msg("'%s' gave '%.*s'", header, (int)found.size, (const char *)found.data);
    }
}

static void a_cookie_is_found_among_others(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"__Host-kitbag=abc", "abc"},
        {"a=b; __Host-kitbag=abc; c=d", "abc"},
        {"a=b;__Host-kitbag=abc;c", "abc"},
        {" __Host-kitbag=abc ", "abc"},
        {"", NULL},
        {"__host-kitbag=abc", NULL},
        {"x__Host-kitbag=abc", NULL},
        {"__Host-kitbag", NULL},
        {"__Host-kitbag=", NULL},
        {";;;", NULL},
        /* which of two is ours can't be told */
        {"__Host-kitbag=abc; __Host-kitbag=def", NULL},
        {"__Host-kitbag=abc; __Host-kitbag=def; __Host-kitbag=ghi", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        finds(auth_secret_of_cookie, rows[i][0], rows[i][1]);
    }
}

static void a_token_is_found_behind_its_scheme(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"Bearer kba_abc", "abc"},
        {"bearer kba_abc", "abc"},
        {" BEARER   kba_abc ", "abc"},
        {"Bearer", NULL},
        {"Bearer ", NULL},
        {"Bearer kba_", NULL},
        {"Bearer abc", NULL},
        {"Basic kba_abc", NULL},
        {"kba_abc", NULL},
        {"Bearer KBA_abc", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        finds(auth_secret_of_authorization, rows[i][0], rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_new_and_known_by_its_hash),
        cmocka_unit_test(what_is_none_is_not_hashed),
        cmocka_unit_test(a_cookie_is_found_among_others),
        cmocka_unit_test(a_token_is_found_behind_its_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
