/* tests/journal/test_owner.c - owners: names, text form, comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "journal/owner.h"
#include "tests/journal/rows.h"

static void makes_and_folds(void **state)
{
    (void)state;
    struct owner owner;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("ÄNN"), 0, NULL), 0);
    assert_int_equal(owner.kind, OWNER_USER);
    assert_string_equal(owner.shown, "ÄNN");
    assert_string_equal(owner.folded, "änn");
    assert_int_equal(owner.device, 0);
    assert_int_equal(owner_make(&owner, OWNER_USER_DEVICE, span_str("Ann"), 9, NULL), 0);
    assert_int_equal(owner.device, 9);
}

static void refuses_what_is_no_owner(void **state)
{
    (void)state;
    const struct owner untouched = {.kind = OWNER_GROUP, .shown = "x", .folded = "x"};
    struct owner owner = untouched;
    assert_int_equal(owner_make(&owner, OWNER_FLEET, span_str("a"), 0, NULL), E_INVALID);
    assert_int_equal(owner_make(&owner, OWNER_DEVICE, span_str("a"), 1, NULL), E_INVALID);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("a"), 1, NULL), E_INVALID);
    assert_int_equal(owner_make(&owner, OWNER_USER_DEVICE, span_str("a"), 0, NULL), E_INVALID);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str(""), 0, NULL), E_NAME);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("a/b"), 0, NULL), E_NAME);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("a／b"), 0, NULL), E_NAME);
    assert_same_owner(&owner, &untouched);
}

static void the_text_form_goes_both_ways(void **state)
{
    (void)state;
    const char *texts[] = {"fleet",
                           "server",
                           "group:Sales",
                           "user:Ann Lee",
                           "user:Ann/device:00f3000000000001",
                           "user:device",
                           "device:ffffffffffffffff"};
    const enum owner_kind kinds[] = {OWNER_FLEET,       OWNER_SERVER, OWNER_GROUP, OWNER_USER,
                                     OWNER_USER_DEVICE, OWNER_USER,   OWNER_DEVICE};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct owner owner;
        struct err err = {0};
        int rc = owner_parse(&owner, texts[i], &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        assert_int_equal(owner.kind, kinds[i]);
        char text[OWNER_TEXT_MAX];
        owner_format(&owner, text);
        assert_string_equal(text, texts[i]);
    }
}

static void the_longest_name_fits_its_text(void **state)
{
    (void)state;
    char name[NAME_MAX_BYTES + 2];
    memset(name, 'a', sizeof name);
    struct owner owner;
    assert_int_equal(
        owner_make(&owner, OWNER_USER_DEVICE, span_of(name, NAME_MAX_BYTES), UINT64_MAX, NULL), 0);
    char text[OWNER_TEXT_MAX];
    owner_format(&owner, text);
    struct owner again;
    assert_int_equal(owner_parse(&again, text, NULL), 0);
    assert_true(owner_equal(&owner, &again));
    assert_int_equal(owner_make(&owner, OWNER_USER, span_of(name, NAME_MAX_BYTES + 1), 0, NULL),
                     E_NAME);
}

static void refuses_texts_that_are_none(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", E_INVALID},
        {"fleet ", E_INVALID},
        {"Fleet", E_INVALID},
        {"Ann", E_INVALID},
        {"users:Ann", E_INVALID},
        {"user", E_INVALID},
        {"user:", E_NAME},
        {"user:/device:00f3000000000001", E_NAME},
        {"user:Ann/", E_INVALID},
        {"user:Ann/x", E_INVALID},
        {"user:Ann/device:", E_INVALID},
        {"user:Ann/device:00f300000000000", E_INVALID},
        {"user:Ann/device:00f30000000000011", E_INVALID},
        {"user:Ann/device:0000000000000000", E_INVALID},
        {"user:Ann:x", E_NAME},
        {"group:", E_NAME},
        {"group:a/device:00f3000000000001", E_NAME},
        {"device:", E_INVALID},
        {"device:0000000000000000", E_INVALID},
        {"device:00f300000000000g", E_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct owner owner = {.device = 77};
        struct err err = {0};
        assert_int_equal(owner_parse(&owner, cases[i].text, &err), cases[i].code);
        assert_string_not_equal(err.text, "");
        assert_int_equal(owner.device, 77); /* untouched */
    }
}

static void compares_by_kind_folded_name_and_device(void **state)
{
    (void)state;
    struct owner a;
    struct owner b;
    assert_int_equal(owner_parse(&a, "user:Ann", NULL), 0);
    assert_int_equal(owner_parse(&b, "user:ANN", NULL), 0);
    assert_true(owner_equal(&a, &b));
    assert_int_equal(owner_parse(&b, "group:Ann", NULL), 0);
    assert_false(owner_equal(&a, &b));
    assert_int_equal(owner_parse(&b, "user:Anna", NULL), 0);
    assert_false(owner_equal(&a, &b));
    assert_int_equal(owner_parse(&a, "user:Ann/device:0000000000000001", NULL), 0);
    assert_int_equal(owner_parse(&b, "user:Ann/device:0000000000000002", NULL), 0);
    assert_false(owner_equal(&a, &b));
}

static void knows_its_kinds(void **state)
{
    (void)state;
    assert_false(owner_kind_known(0));
    for (uint64_t kind = OWNER_FLEET; kind <= OWNER_DEVICE; kind++) {
        assert_true(owner_kind_known(kind));
    }
    assert_false(owner_kind_known(OWNER_DEVICE + 1));
    assert_false(owner_kind_known(UINT64_MAX));
}

static void devices_go_both_ways(void **state)
{
    (void)state;
    char text[DEVICE_TEXT_MAX];
    device_format(0x00f3000000000001, text);
    assert_string_equal(text, "00f3000000000001");
    uint64_t device = 0;
    assert_int_equal(device_parse(text, &device, NULL), 0);
    assert_int_equal(device, 0x00f3000000000001);
    assert_int_equal(device_parse("00F3000000000001", &device, NULL), 0);
    assert_int_equal(device, 0x00f3000000000001);
    assert_int_equal(device_parse("zz", &device, NULL), E_INVALID);
    assert_int_equal(device, 0x00f3000000000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_and_folds),
        cmocka_unit_test(refuses_what_is_no_owner),
        cmocka_unit_test(the_text_form_goes_both_ways),
        cmocka_unit_test(the_longest_name_fits_its_text),
        cmocka_unit_test(refuses_texts_that_are_none),
        cmocka_unit_test(compares_by_kind_folded_name_and_device),
        cmocka_unit_test(knows_its_kinds),
        cmocka_unit_test(devices_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
