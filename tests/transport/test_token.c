/* tests/transport/test_token.c - join tokens as text, and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "transport/token.h"

/* Written by another language's msgpack and base64 from docs/protocol.md. */
static const char golden[] =
    "kb1.lgGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
    "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
    "zMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew";

static void set_address(char address[ADDRESS_MAX_BYTES + 1], const char *text)
{
    (void)snprintf(address, ADDRESS_MAX_BYTES + 1, "%s", text);
}

static void make_sample(struct join_token *token)
{
    memset(token, 0, sizeof *token);
    token->address_count = 2;
    set_address(token->addresses[0], "kitbag.example:8443");
    set_address(token->addresses[1], "[::1]:9000");
    memset(token->server_key, 0xaa, KEY_SIZE);
    memset(token->signing_key, 0xbb, KEY_SIZE);
    memset(token->secret, 0xcc, KEY_SIZE);
    token->expires_ms = 1700000000123;
}

static void test_golden(void **state)
{
    (void)state;
    struct join_token token;
    char text[TOKEN_TEXT_MAX];
    make_sample(&token);
    assert_int_equal(token_format(&token, text, NULL), 0);
    assert_string_equal(text, golden);
}

static void test_parse(void **state)
{
    (void)state;
    struct join_token expected;
    struct join_token token;
    make_sample(&expected);
    memset(&token, 0x55, sizeof token);
    assert_int_equal(token_parse(&token, golden, NULL), 0);
    assert_memory_equal(&token, &expected, sizeof token);
}

/* As it comes out of a mail or a terminal: with space around it, and wrapped. */
static void test_space(void **state)
{
    (void)state;
    char text[sizeof golden + 16];
    struct join_token expected;
    struct join_token token;
    make_sample(&expected);
    (void)snprintf(text, sizeof text, " \t\r\n%.60s\r\n%s \n", golden, golden + 60);
    assert_int_equal(token_parse(&token, text, NULL), 0);
    assert_memory_equal(&token, &expected, sizeof token);
}

static void assert_refused(const char *text, const char *part_of_sentence)
{
    struct join_token token;
    memset(&token, 0x55, sizeof token);
    struct join_token before = token;
    struct err err = {0};
    assert_int_equal(token_parse(&token, text, &err), E_INVALID);
    assert_int_equal(err.code, E_INVALID);
    if (strstr(err.text, part_of_sentence) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, part_of_sentence);
    }
    assert_memory_equal(&token, &before, sizeof token);
}

static void test_not_a_token(void **state)
{
    (void)state;
    assert_refused("", "begins with kb1.");
    assert_refused("kb1", "begins with kb1.");
    assert_refused("kb2.AAAA", "begins with kb1.");
    assert_refused("KB1.AAAA", "begins with kb1.");
    assert_refused("kb1.", "damaged");
    assert_refused("kb1.A", "damaged");
    assert_refused("kb1.kA", "damaged");
    assert_refused("kb1.=", "damaged");
    assert_refused("kb1.\xc3\xa9", "damaged");
}

/* No prefix of a token is one, and no token with something behind it. */
static void test_cut(void **state)
{
    (void)state;
    char text[sizeof golden + 8];
    for (size_t size = 4; size < sizeof golden - 1; size++) {
        memcpy(text, golden, size);
        text[size] = '\0';
        assert_refused(text, "damaged");
    }
    static const char *const tails[] = {"A", "AA", "AAA", "AAAA", "=", "==", "+", "/", "."};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s", golden, tails[i]);
        assert_refused(text, "damaged");
    }
}

/* One bit at a time: refused, or another token, but never a crash or a half-read one. */
static void test_flipped(void **state)
{
    (void)state;
    struct join_token expected;
    make_sample(&expected);
    size_t refused = 0;
    for (size_t bit = 4 * 8; bit < (sizeof golden - 1) * 8; bit++) {
        char text[sizeof golden];
        memcpy(text, golden, sizeof golden);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        struct join_token token = expected;
        int rc = token_parse(&token, text, NULL);
        bool same = memcmp(&token, &expected, sizeof token) == 0;
        refused += rc != 0 ? 1 : 0;
        /* Nothing was read from what was refused; 0x20 may have made a space of the last digit. */
        assert_true(rc == E_INVALID ? same : rc == 0);
    }
    assert_true(refused > 500);
}

static void test_number_of_addresses(void **state)
{
    (void)state;
    struct join_token token;
    struct join_token back;
    char text[TOKEN_TEXT_MAX];
    struct err err = {0};
    make_sample(&token);
    token.address_count = 0;
    assert_int_equal(token_format(&token, text, &err), E_INVALID);
    token.address_count = TOKEN_ADDRESSES_MAX + 1;
    assert_int_equal(token_format(&token, text, &err), E_INVALID);
    token.address_count = TOKEN_ADDRESSES_MAX;
    for (size_t i = 0; i < TOKEN_ADDRESSES_MAX; i++) {
        memset(token.addresses[i], 'a' + (int)i, 253);
        memcpy(token.addresses[i] + 253, ":65535", 7);
    }
    assert_int_equal(token_format(&token, text, NULL), 0);
    assert_int_equal(token_parse(&back, text, NULL), 0);
    assert_memory_equal(&back, &token, sizeof token);
}

static void test_bad_address_in_token(void **state)
{
    (void)state;
    struct join_token token;
    char text[TOKEN_TEXT_MAX] = "untouched";
    struct err err = {0};
    make_sample(&token);
    set_address(token.addresses[1], "a b");
    assert_int_equal(token_format(&token, text, &err), E_INVALID);
    assert_non_null(strstr(err.text, "'a b'"));
    assert_string_equal(text, "untouched");
}

/* Tokens whose parts are wrong, as msgpack; made by another language. */
static void test_wrong_parts(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "kb1.lgKSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew",
        "kb1.lgCSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew",
        "kb1.lgGQxCCqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsQgu7u7u7u7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7vEIMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzwAAAYvP5Wh7",
        "kb1.lgGZoWihaKFooWihaKFooWihaKFoxCCqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsQg"
        "u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7vEIMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzwAAAYvP5Wh7",
        "kb1.lgHAxCCqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsQgu7u7u7u7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7vEIMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzwAAAYvP5Wh7",
        "kb1.lgGhaMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew",
        "kb1.lgGRBcQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew",
        "kb1.lgGRoMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-Voew",
        "kb1.lgGRo2EgYsQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-"
        "Voew",
        "kb1.lgGRo2gAeMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-"
        "Voew",
        "kb1.lgGR2gEtYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYcQgqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7"
        "u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-"
        "Voew",
        "kb1.lgGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQfqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqsQgu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7vEIMzMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzwAAAYvP5Wh7",
        "kb1.lgGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEIbu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7eMQgzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzMzPAAABi8_laHs",
        "kb1.lgGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xADPAAABi8_laHs",
        "kb1.lgGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzMA",
        "kb1.lQGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzA",
        "kb1.lwGSs2tpdGJhZy5leGFtcGxlOjg0NDOqWzo6MV06OTAwMMQgqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
        "qqqqqqqqqqqqqqrEILu7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7xCDMzMzMzMzMzMzMzMzM"
        "zMzMzMzMzMzMzMzMzMzMzMzMzM8AAAGLz-VoewA",
        "kb1.kA",
        "kb1.AQ",
        "kb1.wA",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_refused(wrong[i], "damaged");
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct join_token token;
    char text[TOKEN_TEXT_MAX];
    make_sample(&token);
    fail_alloc_at(1);
    assert_int_equal(token_format(&token, text, NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *endpoint; /* NULL: refused */
    } cases[] = {
        {"kitbag", "tcp://kitbag:8443"},
        {"kitbag.example:8443", "tcp://kitbag.example:8443"},
        {"192.0.2.7:1", "tcp://192.0.2.7:1"},
        {"h_1-x.y:65535", "tcp://h_1-x.y:65535"},
        {"h:00080", "tcp://h:80"},
        {"[::1]:8443", "tcp://[::1]:8443"},
        {"[fe80::1%eth0]", "tcp://[fe80::1%eth0]:8443"},
        {"", NULL},
        {":8443", NULL},
        {"h:", NULL},
        {"h:0", NULL},
        {"h:65536", NULL},
        {"h:99999", NULL},
        {"h:000080", NULL},
        {"h:80x", NULL},
        {"h:-1", NULL},
        {"h:+1", NULL},
        {"h: 1", NULL},
        {"::1", NULL},
        {"[::1", NULL},
        {"[]", NULL},
        {"[::1]x", NULL},
        {"[::1]8443", NULL},
        {"[a b]:1", NULL},
        {"a b", NULL},
        {"tcp://h:1", NULL},
        {"h/x", NULL},
        {"caf\xc3\xa9", NULL},
        {"h\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char endpoint[64] = "untouched";
        struct err err = {0};
        int rc = address_endpoint(cases[i].address, endpoint, sizeof endpoint, &err);
        if ((rc == 0) != (cases[i].endpoint != NULL)) {
            fail_msg("'%s' gave %s", cases[i].address, err_name(rc));
        }
        if (rc == 0) {
            assert_string_equal(endpoint, cases[i].endpoint);
        } else {
            assert_int_equal(rc, E_INVALID);
            assert_non_null(strstr(err.text, "is no address"));
        }
    }
}

static void test_long_addresses(void **state)
{
    (void)state;
    char address[300];
    char endpoint[300];
    memset(address, 'a', sizeof address);
    address[253] = '\0';
    assert_int_equal(address_endpoint(address, endpoint, sizeof endpoint, NULL), 0);
    size_t size = strlen(endpoint);
    assert_int_equal(address_endpoint(address, endpoint, size + 1, NULL), 0);
    assert_int_equal(address_endpoint(address, endpoint, size, NULL), E_INVALID);
    address[253] = 'a';
    address[254] = '\0';
    assert_int_equal(address_endpoint(address, endpoint, sizeof endpoint, NULL), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_space),
        cmocka_unit_test(test_not_a_token),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_number_of_addresses),
        cmocka_unit_test(test_bad_address_in_token),
        cmocka_unit_test(test_wrong_parts),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
