/* Tests of journal/sharing_switch.c: which classes are initialised in which layer, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/sharing_switch.h"

/* "S", "D", "SD" or "": the layers in which it is initialised. */
static void expect(struct sharing_switch change, enum sharing_class class, bool has_flag,
                   const char *layers)
{
    const struct category category = {.class = class, .has_flag = has_flag};
    bool shared = layers[0] == 'S';
    bool device = layers[0] == 'D' || (shared && layers[1] == 'D');
    assert_int_equal(sharing_initialises(change, &category, FENCE_SHARED), shared);
    assert_int_equal(sharing_initialises(change, &category, FENCE_DEVICE), device);
}

static void to_device_specific(void **state)
{
    (void)state;
    const struct sharing_switch change = {.to_device = true};
    expect(change, SHARING_DEFAULT_SETTINGS, true, "S");
    expect(change, SHARING_DEFAULT_SETTINGS, false, "S");
    expect(change, SHARING_PREVIOUS_SETTINGS, true, "S");
    expect(change, SHARING_SHARED_BUTTONS, true, "");
    expect(change, SHARING_TIMELINE, true, "");
    expect(change, SHARING_OTHER, true, "");
}

static void to_shared(void **state)
{
    (void)state;
    const struct sharing_switch change = {.to_shared = true};
    expect(change, SHARING_DEFAULT_SETTINGS, true, "D");
    expect(change, SHARING_DEFAULT_SETTINGS, false, "");
    expect(change, SHARING_PREVIOUS_SETTINGS, true, "D");
    expect(change, SHARING_SHARED_BUTTONS, true, "SD");
    expect(change, SHARING_SHARED_BUTTONS, false, "SD");
    expect(change, SHARING_TIMELINE, true, "D");
    expect(change, SHARING_OTHER, true, "D");
    expect(change, SHARING_OTHER, false, "");
}

static void both_at_once_and_nothing(void **state)
{
    (void)state;
    const struct sharing_switch both = {true, true};
    const struct sharing_switch none = {false, false};
    expect(both, SHARING_DEFAULT_SETTINGS, true, "SD");
    expect(both, SHARING_SHARED_BUTTONS, true, "SD");
    expect(both, SHARING_TIMELINE, true, "D");
    expect(none, SHARING_DEFAULT_SETTINGS, true, "");
    expect(none, SHARING_SHARED_BUTTONS, true, "");
}

static void paths_of_flags(void **state)
{
    (void)state;
    assert_true(sharing_flag_is(SPAN_LITERAL("@sharing/copy")));
    assert_false(sharing_flag_is(SPAN_LITERAL("@sharing/")));
    assert_false(sharing_flag_is(SPAN_LITERAL("@sharing")));
    assert_false(sharing_flag_is(SPAN_LITERAL("@category/copy")));
    assert_false(sharing_flag_is(span_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_device_specific),
        cmocka_unit_test(to_shared),
        cmocka_unit_test(both_at_once_and_nothing),
        cmocka_unit_test(paths_of_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
