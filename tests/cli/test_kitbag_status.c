/* Tests of cli/kitbag_status.c: names of phases, and the row of a machine that stands alone. */
#include "tests/cli/run_kitbag.h"

#include "cli/kitbag_status.h"

static void phases_have_names(void **state)
{
    (void)state;
    assert_string_equal(status_phase_name(KB_PHASE_ALONE), "alone");
    assert_string_equal(status_phase_name(KB_PHASE_CATCHING_UP), "catching-up");
    assert_string_equal(status_phase_name(KB_PHASE_REFUSED), "refused");
    assert_string_equal(status_phase_name(KB_PHASE_REFUSED + 1), "unknown");
    assert_string_equal(status_phase_name(UINT64_MAX), "unknown");
}

static void the_row_has_every_key(void **state)
{
    (void)state;
    static const struct option_spec data = {"data", 0, "DIR", ""};
    static const char *const keys[] = {
        "phase",       "connected",     "code",        "text",       "device",     "name",
        "server",      "history",       "head_seq",    "seq",        "users",      "bags",
        "items",       "bags_complete", "pending",     "last_heard", "wanted",     "agent",
        "refused",     "healed",        "verified",    "kept",       "mirror_seq", "mirror_code",
        "mirror_text", "mirror_from",   "mirror_bytes"};
    struct invocation inv = {.given_count = 1};
    struct err err = {0};
    json_t *status = NULL;
    inv.given[0].option = &data;
    inv.given[0].value = ran.data;
    assert_int_equal(status_ask(&inv, &status, &err), 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (json_object_get(status, keys[i]) == NULL) {
            fail_msg("there is no '%s'", keys[i]);
        }
    }
    json_decref(status);
    inv.given[0].value = "/proc/nowhere";
    assert_true(status_ask(&inv, &status, &err) < 0);
    assert_non_null(strstr(err.text, "/proc/nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_have_names),
        KITBAG_TEST(the_row_has_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
