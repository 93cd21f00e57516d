/* Tests of cli/kitbag_call.c: which bag is meant, and what a failed call leaves. */
#include "tests/cli/run_kitbag.h"

#include "base/name.h"
#include "cli/kitbag_call.h"

static const struct option_spec bag_option = {"bag", 0, "BAG", ""};
static const struct option_spec data_option = {"data", 0, "DIR", ""};

static void the_bag_is_a_user_or_named(void **state)
{
    (void)state;
    char bag[64];
    int next = -1;
    struct err err = {0};
    char *args[] = {(char *)"zoe", (char *)"item"};
    struct invocation inv = {.arg_count = 2, .args = args};
    assert_int_equal(call_bag(&inv, bag, sizeof bag, &next, &err), 0);
    assert_string_equal(bag, "user:zoe");
    assert_int_equal(next, 1);
    inv.given[0].option = &bag_option;
    inv.given[0].value = "group:sales";
    inv.given_count = 1;
    assert_int_equal(call_bag(&inv, bag, sizeof bag, &next, &err), 0);
    assert_string_equal(bag, "group:sales");
    assert_int_equal(next, 0);
    inv = (struct invocation){0};
    assert_int_equal(call_bag(&inv, bag, sizeof bag, &next, &err), E_USAGE);
    char longest[80];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    args[0] = longest;
    inv = (struct invocation){.arg_count = 1, .args = args};
    assert_int_equal(call_bag(&inv, bag, sizeof bag, &next, &err), E_NAME);
}

/* A verb of the future: the answer is a sentence, not a crash. */
static void an_unknown_verb_is_answered(void **state)
{
    (void)state;
    struct invocation inv = {.given_count = 1};
    struct err err = {0};
    inv.given[0].option = &data_option;
    inv.given[0].value = ran.data;
    struct call call = {0};
    call_begin(&call, "levitate", 0);
    assert_true(call_run(&call, &inv, &err) < 0);
    assert_true(strlen(err.text) > 10);
    call_close(&call);
}

static void a_request_has_a_limit(void **state)
{
    (void)state;
    struct invocation inv = {.given_count = 1};
    struct err err = {0};
    inv.given[0].option = &data_option;
    inv.given[0].value = ran.data;
    static uint8_t bytes[AGENT_FRAME_MAX];
    struct call call = {0};
    call_begin(&call, "get", 1);
    pack_bin(&call.request, span_of(bytes, sizeof bytes));
    assert_int_equal(call_run(&call, &inv, &err), E_TOO_LARGE);
    call_close(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bag_is_a_user_or_named),
        KITBAG_TEST(an_unknown_verb_is_answered),
        KITBAG_TEST(a_request_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
