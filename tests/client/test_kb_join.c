/* tests/client/test_kb_join.c - joining. */
#include "tests/client/kb_samples.h"

static int join(struct machine *m, const char *token, unsigned timeout_ms,
                struct kb_join_report *report, struct kb_error *error)
{
    struct kb_join_options options = {
        .size = sizeof options, .name = "copier", .timeout_ms = timeout_ms};
    return kb_join(m->kb, token, &options, report, error);
}

static void a_machine_joins_once(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_join_report report = {.users = 9};
    char token[TOKEN_TEXT_MAX];
    struct toy *toy = toy_new();
    machine_begin(&m);
    toy_token(toy, token);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    (void)set(&m, "user:Ann", "b", "1");
    assert_int_equal(kb_start(m.kb, &error), KB_E_NOT_JOINED);
    assert_int_equal(status_of(&m).phase, KB_PHASE_ALONE);
    ok(join(&m, token, 5000, &report, &error), &error);
    assert_string_equal(report.device, "0000000000000077");
    assert_int_equal(report.users, 1);
    assert_int_equal(report.writes, 2);
    assert_int_equal(join(&m, token, 5000, &report, &error), KB_E_EXISTS);
    assert_int_equal(toy->joins, 1);
    machine_again(&m);
    struct kb_status status = status_of(&m);
    assert_int_equal(status.phase, KB_PHASE_STOPPED);
    assert_string_equal(status.device, "0000000000000077");
    assert_string_equal(status.name, "copier");
    assert_true(client_wanted(m.kb));
    machine_end(&m);
    toy_free(toy);
}

static void a_token_has_to_be_one(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    assert_int_equal(kb_join(m.kb, "kb2.nonsense", NULL, NULL, &error), KB_E_INVALID);
    struct kb_join_options options = {.size = 1};
    assert_int_equal(kb_join(m.kb, "kb1.x", &options, NULL, &error), KB_E_INVALID);
    machine_end(&m);
}

static void addresses_can_be_given(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    char token[TOKEN_TEXT_MAX];
    char address[64];
    struct toy *toy = toy_new();
    machine_begin(&m);
    struct join_token made = {.address_count = 1, .expires_ms = 9999999999999};
    (void)snprintf(made.addresses[0], sizeof made.addresses[0], "127.0.0.1:9"); /* discard */
    memcpy(made.server_key, toy->keys.public_key, KEY_SIZE);
    memcpy(made.secret, toy->token.secret_key, KEY_SIZE);
    assert_int_equal(token_format(&made, token, NULL), 0);
    assert_int_equal(join(&m, token, 300, NULL, &error), KB_E_UNREACHABLE);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", toy->port);
    const char *servers[] = {"127.0.0.1:9", address, NULL};
    struct kb_join_options options = {
        .size = sizeof options, .servers = servers, .timeout_ms = 8000};
    ok(kb_join(m.kb, token, &options, NULL, &error), &error);
    assert_int_equal(kb_join(m.kb, token, &options, NULL, &error), KB_E_EXISTS);
    const char *bad[] = {"no port at all:x:y", NULL};
    options.servers = bad;
    assert_int_equal(kb_join(m.kb, token, &options, NULL, &error), KB_E_INVALID);
    machine_end(&m);
    toy_free(toy);
}

static void a_server_that_has_moved_is_followed(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_join_report report = {.users = 9};
    char token[TOKEN_TEXT_MAX];
    char address[64];
    struct toy *toy = toy_new();
    machine_begin(&m);
    toy_token(toy, token);
    ok(join(&m, token, 5000, NULL, &error), &error);
    (void)snprintf(address, sizeof address, "localhost:%d", toy->port); /* by another name */
    const char *servers[] = {address, NULL};
    struct kb_join_options options = {
        .size = sizeof options, .servers = servers, .timeout_ms = 8000};
    ok(kb_join(m.kb, token, &options, &report, &error), &error);
    assert_string_equal(report.device, "0000000000000077");
    assert_true(report.users == 0 && report.writes == 0);
    assert_int_equal(toy->joins, 1); /* the token is not used for it */
    machine_again(&m);
    assert_string_equal(m.kb->identity.addresses[0], address);
    assert_int_equal(m.kb->identity.address_count, 1);
    assert_string_equal(status_of(&m).device, "0000000000000077");
    assert_int_equal(kb_join(m.kb, token, &options, &report, &error), KB_E_EXISTS);
    const char *nowhere[] = {"127.0.0.1:9", NULL}; /* nobody is there: it stays where it is */
    options.servers = nowhere;
    options.timeout_ms = 300;
    assert_int_equal(kb_join(m.kb, token, &options, &report, &error), KB_E_UNREACHABLE);
    assert_string_equal(m.kb->identity.addresses[0], address);
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_joins_once),
        cmocka_unit_test(a_token_has_to_be_one),
        cmocka_unit_test(addresses_can_be_given),
        cmocka_unit_test(a_server_that_has_moved_is_followed),
    };
    return cmocka_run_group_tests_name("client/kb_join", tests, NULL, NULL);
}
