/* tests/client/test_agent_verbs.c - the verbs of the machine, its people and its outbox. */
#include "tests/client/agent_samples.h"

static void people_of_a_lone_machine(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_string_equal(ask(&m, &answer, "login Ann (Sales,Labs) #0"), "end 0");
    assert_string_equal(ask(&m, &answer, "users"), "[Ann,0,0,true] end 0");
    assert_string_equal(ask(&m, &answer, "logout Bob"), "end -35");
    assert_string_equal(answer.why, "'Bob' is not signed in here");
    assert_string_equal(ask(&m, &answer, "logout Ann"), "end 0");
    assert_string_equal(ask(&m, &answer, "users"), "end 0");
    assert_string_equal(ask(&m, &answer, "start #0 #0"), "end -34");
    assert_string_equal(ask(&m, &answer, "stop"), "end 0");
    machine_end(&m);
}

static void status_has_all_its_fields(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    unsigned fields = 1;
    for (const char *at = AGENT_STATUS_FIELDS; *at != '\0'; at++) {
        fields += *at == ' ' ? 1 : 0;
    }
    machine_begin(&m);
    const char *text = ask(&m, &answer, "status");
    unsigned told = 1;
    for (const char *at = text; *at != ']'; at++) {
        told += *at == ',' ? 1 : 0;
    }
    assert_int_equal(told, fields);
    assert_string_equal(text,
                        "[0,false,0,,,,,,0,0,0,0,0,0,0,0,0,false,0,0,signed-in,0,0,,0,0] end 0");
    machine_end(&m);
}

static void joins_starts_and_stops(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    char token[TOKEN_TEXT_MAX];
    char text[TOKEN_TEXT_MAX + 64];
    struct toy *toy = toy_new();
    machine_begin(&m);
    toy_token(toy, token);
    assert_string_equal(ask(&m, &answer, "join kb1.x () ~ ~ ~ #0 #0"), "end -1");
    (void)snprintf(text, sizeof text, "join %s () copier ~ ~ #8000 #0", token);
    assert_string_equal(ask(&m, &answer, text), "end 0 [0000000000000077,0,0,true,0,0,0,0,0,0,]");
    assert_string_equal(ask(&m, &answer, text), "end -3");
    wait_until(status_of(&m).phase == KB_PHASE_CURRENT); /* it started as well */
    assert_string_equal(ask(&m, &answer, "login Ann () #8000"), "end 0");
    assert_string_equal(ask(&m, &answer, "start #3 #0"), "end -4"); /* it is connected */
    assert_string_equal(ask(&m, &answer, "stop"), "end 0");
    assert_string_equal(ask(&m, &answer, "login Bob () #8000"), "end -18");
    assert_string_equal(ask(&m, &answer, "start #4 #0"), "end -15");
    assert_string_equal(ask(&m, &answer, "start #3 #8000"), "end 0 [true,0,0,0,0,0,0,]");
    assert_string_equal(ask(&m, &answer, "stop"), "end 0");
    assert_string_equal(ask(&m, &answer, "start #0 #0"), "end 0");
    assert_string_equal(ask(&m, &answer, "login Bob () #8000"), "end 0");
    machine_again(&m); /* a command without an agent connects by itself */
    assert_string_equal(ask(&m, &answer, "login Cy () #8000"), "end 0");
    machine_end(&m);
    toy_free(toy);
}

static void the_outbox_is_listed_and_cleared(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_string_equal(ask(&m, &answer, "outbox -"), "end 0");
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    const char *text = ask(&m, &answer, "outbox -");
    assert_int_equal(strncmp(text, "[2,user:Ann,a,1,", 16), 0);
    assert_string_equal(strchr(text, ']'), "] end 0");
    assert_string_equal(ask(&m, &answer, "outbox +"), "end 0");
    assert_string_equal(ask(&m, &answer, "drop #9"), "end -2");
    assert_string_equal(ask(&m, &answer, "drop #2"), "end 0");
    assert_string_equal(ask(&m, &answer, "retry #2"), "end -2");
    assert_string_equal(ask(&m, &answer, "retry #0"), "end 0");
    machine_end(&m);
}

static void verify_tells_its_counts(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_string_equal(ask(&m, &answer, "verify"), "end 0 [2,0,1]");
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_of_a_lone_machine),
        cmocka_unit_test(status_has_all_its_fields),
        cmocka_unit_test(joins_starts_and_stops),
        cmocka_unit_test(the_outbox_is_listed_and_cleared),
        cmocka_unit_test(verify_tells_its_counts),
    };
    return cmocka_run_group_tests_name("client/agent_verbs", tests, NULL, NULL);
}
