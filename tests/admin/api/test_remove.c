/* Tests of admin/api/remove.c: what machines and join tokens have in common when they are removed.
 */
#include "admin/api/remove.h"

#include "tests/admin/api/api_fixture.h"

/* Of an id, its first letter: 'g' is gone, 'c' changes again and again, 'x' can't be removed, the
 * others can. */
static int remove_letter(struct admin_removal *removal, const char *id, struct err *err)
{
    struct operation_write write = {.path = span_str(id), .value = SPAN_LITERAL("removed")};
    switch (id[0]) {
    case 'g':
        return E_NOT_FOUND;
    case 'c':
        fake.confirmed++;
        return err_set(err, E_CONDITION, "it changed");
    case 'x':
        return err_set(err, E_CORRUPT, "it is damaged");
    default:
        return removal->dry_run ? 0 : admin_removal_write(removal, &write, err);
    }
}

static struct admin_removable letters = {
    .things = "letters", .thing = "letter", .none = "no letter", .remove = remove_letter};

static struct admin_response response;
static struct err err;

static int run(const char *body)
{
    const struct admin_request request = {
        .backend = &fake.backend, .actor = "admin", .body = span_str(body)};
    json_decref(response.json);
    json_decref(response.about);
    memset(&response, 0, sizeof response);
    memset(&err, 0, sizeof err);
    return admin_removal_run(&letters, &request, &response, &err);
}

static void expect_json(const json_t *json, const char *wanted)
{
    char *text = json_dumps(json, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void each_is_told_of(void **state)
{
    (void)state;
    char wanted[256];
    assert_int_equal(run("{\"ids\":[\"a\",\"g1\",\"x1\",\"c1\",\"b\"]}"), 0);
    (void)snprintf(wanted, sizeof wanted,
                   "{\"dry_run\":false,\"letters\":2,\"seq\":\"%" PRIu64 "\",\"missing\":[\"g1\"],"
                   "\"failed\":[{\"id\":\"x1\",\"code\":\"corrupt\",\"reason\":\"it is damaged\"},"
                   "{\"id\":\"c1\",\"code\":\"condition_failed\",\"reason\":\"it changed\"}]}",
                   fake_head(&fake));
    expect_json(response.json, wanted);
    expect_json(response.about, "{\"count\":2}");
    assert_int_equal(fake.confirmed, 5); /* it was looked at anew so often */
    assert_false(response.partly);
}

static void the_audit_may_name_what_was_removed(void **state)
{
    (void)state;
    letters.is_named = true;
    int rc = run("{\"ids\":[\"g1\",\"a\",\"x1\",\"b\"]}");
    letters.is_named = false;
    assert_int_equal(rc, 0);
    expect_json(response.about, "{\"count\":2,\"letters\":[\"a\",\"b\"]}");
}

static void a_dry_run_removes_nothing(void **state)
{
    (void)state;
    uint64_t head = fake_head(&fake);
    assert_int_equal(run("{\"ids\":[\"a\",\"g1\"],\"dry_run\":true}"), 0);
    expect_json(response.json, "{\"dry_run\":true,\"letters\":1,\"seq\":null,\"missing\":[\"g1\"],"
                               "\"failed\":[]}");
    assert_int_equal(fake_head(&fake), head);
}

static void a_bad_question_removes_nothing(void **state)
{
    (void)state;
    uint64_t head = fake_head(&fake);
    static const struct {
        const char *body, *text;
        int code;
    } rows[] = {
        {"{}", "'ids' names no letter", E_INVALID},
        {"{\"ids\":[]}", "'ids' names no letter", E_INVALID},
        {"{\"ids\":[\"a\",7]}", "'ids' is an array of at most 10000 texts", E_INVALID},
        {"{\"ids\":[\"a\"],\"dry_run\":1}", "'dry_run' is true or false", E_INVALID},
        {"{\"ids\":[\"g1\"]}", "no letter has this id", E_NOT_FOUND},
        {"{\"ids\":[\"g1\",\"g2\"]}", "no letter has one of these ids", E_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(rows[i].body), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        assert_false(response.partly);
    }
    assert_int_equal(fake_head(&fake), head);
}

static void what_was_removed_before_the_end_is_told(void **state)
{
    (void)state;
    letters.is_named = true;
    fake.fail_code = E_CLOSED;
    fake.spared = 2;
    int rc = run("{\"ids\":[\"a\",\"g1\",\"b\",\"c1\",\"d\",\"e\"]}");
    letters.is_named = false;
    assert_int_equal(rc, E_CLOSED);
    assert_string_equal(err.text, "after 2 of 6: the fake was told to fail");
    assert_true(response.partly);
    expect_json(response.about, "{\"count\":2,\"letters\":[\"a\",\"b\"]}");
    assert_int_equal(run("{\"ids\":[\"d\"]}"), E_CLOSED);
    assert_string_equal(err.text, "the fake was told to fail");
    assert_false(response.partly);
}

static int open_server(void **state)
{
    (void)open_fake(state);
    (void)fake_put(&fake, "server", "z", "1"); /* its bag is there */
    return 0;
}

static int close_server(void **state)
{
    json_decref(response.json);
    json_decref(response.about);
    memset(&response, 0, sizeof response);
    return close_api(state);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(each_is_told_of),
        SERVER_TEST(the_audit_may_name_what_was_removed),
        SERVER_TEST(a_dry_run_removes_nothing),
        SERVER_TEST(a_bad_question_removes_nothing),
        SERVER_TEST(what_was_removed_before_the_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
