/* Tests of admin/api/import.c: uploads and their reports. */
#include "tests/admin/api/api_fixture.h"

static const char staff[] = "dn: a\nobjectClass: person\nuid: ann\nou: x\n\n"
                            "dn: b\nobjectClass: person\nuid: bob\nou: x\n\n"
                            "dn: c\nobjectClass: person\nsn: nameless\n\n"
                            "dn: d\nobjectClass: top\n";

static void people_are_imported(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/owners/import?format=ldif&colleagues=1&dry_run=1", staff);
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "dry_run")));
    assert_int_equal(number_at(&answer, "registered"), 2);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif&colleagues=1", staff);
    json_t *wanted =
        json_pack("{s:b, s:i, s:i, s:i, s:i, s:[{s:i, s:s}], s:i}", "dry_run", 0, "registered", 2,
                  "items", 2, "unchanged", 0, "others", 1, "failed", "line", 11, "reason",
                  "a person without uid, mail and name (cn): there is nothing to register by",
                  "failed_count", 1);
    assert_true(json_equal(answer.json, wanted));
    assert_string_equal(answer.about, "{\"registered\":2,\"item_count\":2,\"failed\":1}");
    json_decref(wanted);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif", staff);
    assert_int_equal(number_at(&answer, "registered"), 0);
    assert_int_equal(number_at(&answer, "unchanged"), 2);
    answer_free(&answer);
}

static void addresses_are_imported(void **state)
{
    (void)state;
    (void)fake_put(&fake, "group:Sales", NULL, NULL);
    struct answer answer =
        ask(&fake, "POST", "/api/v1/owners/group/sales/address-list?format=ldif", staff);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "items"), 2);
    assert_int_equal(number_at(&answer, "registered"), 0);
    assert_string_equal(answer.about, "{\"registered\":0,\"item_count\":2,\"failed\":1,"
                                      "\"target\":[\"group\",\"sales\"]}");
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/group/none/address-list?format=ldif", staff);
    expect_problem(&answer, 404, "not_found", "there is no group 'none'");
    answer = ask(&fake, "POST", "/api/v1/owners/dog/none/address-list?format=ldif", staff);
    expect_problem(&answer, 400, "invalid", "an owner's kind is user or group, not 'dog'");
}

/* The disk is full when a part of it was written. */
static void what_was_imported_before_a_failure_is_audited(void **state)
{
    (void)state;
    static const char people[] = "dn: a\nobjectClass: person\nuid: ann\n\n"
                                 "dn: b\nobjectClass: person\nuid: bob\n\n"
                                 "dn: c\nobjectClass: person\nuid: cat\n\n"
                                 "dn: d\nobjectClass: person\nuid: dan\n\n";
    struct answer answer;
    (void)fake_put(&fake, "server", "device/0000000000000001", "{}");
    assert_int_equal(admin_auth_new(&ask_as.auth, &clock_system, NULL), 0);
    fake.refuse_code = E_NOSPACE;
    fake.refuse_owner = "cat";
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif&dry_run=1", people);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif", people);
    assert_int_equal(answer.status, 507);
    assert_int_equal(strncmp(text_at(&answer, "detail"), "after 3 users", 13), 0);
    assert_string_equal(answer.about, "{\"registered\":3,\"item_count\":0,\"failed\":0}");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/audit", NULL);
    assert_int_equal(rows_of(&answer, "audit"), 1);
    assert_string_equal(row_text(&answer, "audit", 0, "action"), "owner.import");
    assert_int_equal(json_integer_value(row_at(&answer, "audit", 0, "status")), 507);
    answer_free(&answer);
    admin_auth_free(&ask_as.auth);
}

/* The server goes down in the middle of what was handed in together. */
static void what_was_imported_before_the_server_went_is_told(void **state)
{
    (void)state;
    fake.fail_code = E_CLOSED;
    fake.spared = 1;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif", staff);
    assert_string_equal(answer.about, "{\"registered\":1,\"item_count\":0,\"failed\":1}");
    assert_true(answer.partly);
    expect_problem(&answer, 503, "closed", "after 1 users and 0 items: the fake was told to fail");
}

static void the_format_has_to_be_known(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/import", staff);
    expect_problem(&answer, 400, "invalid", "'format' has to be ldif, csv or vcard");
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=xls", staff);
    expect_problem(&answer, 400, "invalid", "'format' has to be ldif, csv or vcard, not 'xls'");
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif&colleagues=perhaps", staff);
    expect_problem(&answer, 400, "invalid", "'colleagues' is 1 or 0, not 'perhaps'");
    answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif", "version: 2\n");
    expect_problem(&answer, 400, "format", "line 1: only version 1 of LDIF is known");
}

static void what_was_done_before_the_end_is_told(void **state)
{
    (void)state;
    /* refused for the second of two change sets: the first has been done by then */
    fake.refuse_code = E_NOSPACE;
    fake.refuse_owner = "bob";
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/import?format=ldif", staff);
    expect_problem(&answer, 507, "no_space", "after 1 users and 0 items: the disk is full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(people_are_imported),
        API_TEST(addresses_are_imported),
        API_TEST(what_was_imported_before_a_failure_is_audited),
        API_TEST(what_was_imported_before_the_server_went_is_told),
        API_TEST(the_format_has_to_be_known),
        API_TEST(what_was_done_before_the_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
