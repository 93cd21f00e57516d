/* tests/client/test_agent_handle.c - requests that make no sense, and answers nobody waits for. */
#include "tests/client/agent_samples.h"

static int code_of(struct machine *m, const char *bytes, size_t size)
{
    struct answer answer = {.code = 1};
    assert_int_equal(agent_handle(m->kb, span_of(bytes, size), -1, take_frame, &answer), 0);
    return answer.code;
}

static void bad_requests_are_answered(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_int_equal(code_of(&m, "", 0), E_MALFORMED);
    assert_int_equal(code_of(&m, "\x90", 1), E_MALFORMED);
    assert_int_equal(code_of(&m, "\x91\x05", 2), E_MALFORMED);
    assert_int_equal(code_of(&m, "\xdd\xff\xff\xff\xff", 5), E_MALFORMED);
    assert_int_equal(code_of(&m, "\xa3get", 4), E_MALFORMED);
    assert_string_equal(ask(&m, &answer, "dance"), "end -1");
    assert_non_null(strstr(answer.why, "older"));
    static const char *const wrong[] = {
        "get",
        "get user:Ann",
        "get user:Ann a b",
        "get user:Ann #1",
        "get ~ a",
        "set user:Ann a",
        "set user:Ann a text ~ #0",
        "login Ann",
        "login Ann x #0",
        "login Ann () ~",
        "users x",
        "apply user:Ann a ~ #0",
        "wait x #0",
        "outbox #1",
        "ls user:Ann",
        "watch",
        "join t",
        "drop",
        "status #1",
        "rm user:Ann a ~",
        "retry x",
        "start x",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_string_equal(ask(&m, &answer, wrong[i]), "end -15");
    }
    machine_end(&m);
}

static void a_name_with_a_nul_is_refused(void **state)
{
    (void)state;
    struct machine m;
    struct buf request;
    struct answer answer = {.code = 1};
    machine_begin(&m);
    login(&m, "Ann");
    buf_init(&request, 100);
    agent_begin(&request, "get", 2);
    pack_cstr(&request, "user:Ann");
    pack_str(&request, span_of("a\0b", 3));
    assert_int_equal(agent_handle(m.kb, buf_span(&request), -1, take_frame, &answer), 0);
    assert_int_equal(answer.code, E_MALFORMED);
    buf_free(&request);
    machine_end(&m);
}

static void too_long_names_are_refused_by_name(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    char text[1200];
    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    machine_begin(&m);
    login(&m, "Ann");
    (void)snprintf(text, sizeof text, "get user:Ann %s", name);
    assert_string_equal(ask(&m, &answer, text), "end -16");
    (void)snprintf(text, sizeof text, "login %s () #0", name);
    assert_string_equal(ask(&m, &answer, text), "end -17");
    (void)snprintf(text, sizeof text, "set user:Ann %s !v ~ #0", name);
    assert_string_equal(ask(&m, &answer, text), "end -16");
    machine_end(&m);
}

static void nothing_more_is_told_to_who_left(void **state)
{
    (void)state;
    struct machine m;
    struct buf request;
    struct answer answer = {.code = 1, .stop_after = 2};
    machine_begin(&m);
    login(&m, "Ann");
    for (int i = 0; i < 5; i++) {
        char path[8];
        (void)snprintf(path, sizeof path, "p%d", i);
        (void)set(&m, "user:Ann", path, "1");
    }
    request_of(&request, "ls user:Ann p");
    assert_int_equal(agent_handle(m.kb, buf_span(&request), -1, take_frame, &answer), 77);
    assert_int_equal(answer.rows, 2);
    assert_int_equal(answer.code, 1);
    buf_free(&request);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_requests_are_answered),
        cmocka_unit_test(a_name_with_a_nul_is_refused),
        cmocka_unit_test(too_long_names_are_refused_by_name),
        cmocka_unit_test(nothing_more_is_told_to_who_left),
    };
    return cmocka_run_group_tests_name("client/agent_handle", tests, NULL, NULL);
}
