/* tests/client/test_kb_joining.c - the conversation in which a machine joins. */
#include "client/kb_joining.h"
#include "tests/client/kb_samples.h"

static int join(struct machine *m, const char *token, unsigned timeout_ms,
                struct kb_join_report *report, struct kb_error *error)
{
    struct kb_join_options options = {
        .size = sizeof options, .name = "copier", .timeout_ms = timeout_ms};
    return kb_join(m->kb, token, &options, report, error);
}

static void set_join_code(struct toy *toy, void *context)
{
    toy->join_code = *(int *)context;
}

static void copy_key(struct toy *toy, void *context)
{
    memcpy(context, toy->device_key, KEY_SIZE);
}

static void a_refusal_is_told_and_can_be_repeated_with_the_same_key(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    char token[TOKEN_TEXT_MAX];
    const int codes[] = {E_TOKEN_EXPIRED, E_TOKEN_USED, E_PROTOCOL};
    struct toy *toy = toy_new();
    machine_begin(&m);
    toy_token(toy, token);
    for (size_t i = 0; i < 3; i++) {
        int code = codes[i];
        toy_do(toy, set_join_code, &code);
        assert_int_equal(join(&m, token, 8000, NULL, &error), code);
        assert_non_null(strstr(error.text, "the toy says no"));
    }
    uint8_t key[KEY_SIZE];
    memcpy(key, m.kb->identity.keys.public_key, KEY_SIZE);
    machine_again(&m);
    int none = 0;
    toy_do(toy, set_join_code, &none);
    ok(join(&m, token, 8000, NULL, &error), &error);
    uint8_t told[KEY_SIZE];
    toy_do(toy, copy_key, told);
    assert_memory_equal(told, key, KEY_SIZE); /* an answer that was lost can be repeated */
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_told_and_can_be_repeated_with_the_same_key),
    };
    return cmocka_run_group_tests_name("client/kb_joining", tests, NULL, NULL);
}
