/* Which addresses a join token names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/addresses.h"

static struct join_token token;

static void configured_ones_count(void **state)
{
    (void)state;
    static const char given[4][ADDRESS_MAX_BYTES + 1] = {"a.example", "b.example:99", "[::1]",
                                                         "[::1]:7"};
    addresses_fill(&token, given, 4, "tcp://0.0.0.0:*", 8443);
    assert_int_equal(token.address_count, 4);
    assert_string_equal(token.addresses[0], "a.example:8443");
    assert_string_equal(token.addresses[1], "b.example:99");
    assert_string_equal(token.addresses[2], "[::1]:8443");
    assert_string_equal(token.addresses[3], "[::1]:7");
}

static void else_what_is_listened_on(void **state)
{
    (void)state;
    addresses_fill(&token, NULL, 0, "tcp://127.0.0.1:*", 1234);
    assert_int_equal(token.address_count, 1);
    assert_string_equal(token.addresses[0], "127.0.0.1:1234");
    addresses_fill(&token, NULL, 0, "tcp://[::1]:8443", 8443);
    assert_string_equal(token.addresses[0], "[::1]:8443");
}

static void else_the_interfaces(void **state)
{
    (void)state;
    static const char *const any[] = {"tcp://0.0.0.0:8443", "tcp://*:8443", "tcp://[::]:8443"};
    for (size_t i = 0; i < 3; i++) {
        addresses_fill(&token, NULL, 0, any[i], 8443);
        assert_true(token.address_count > 0);
        for (size_t j = 0; j < token.address_count; j++) {
            char endpoint[ADDRESS_MAX_BYTES + 32];
            assert_int_equal(address_endpoint(token.addresses[j], endpoint, sizeof endpoint, NULL),
                             0);
            assert_null(strstr(token.addresses[j], "0.0.0.0"));
            assert_true(i == 2 || token.addresses[j][0] != '[');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configured_ones_count),
        cmocka_unit_test(else_what_is_listened_on),
        cmocka_unit_test(else_the_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
