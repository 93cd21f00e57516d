/* Tests of admin/api/sharing.c: seeing what is shared, changing it, taking it back; dry runs that
 * count. */
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/sharing_samples.h"

static const char sharing[] = "/api/v1/sharing";
static const char undo[] = "/api/v1/sharing/undo";

static void make_people(void)
{
    sample_catalogue(&fake);
    uint64_t ann = fake_put(&fake, "user:ann", "copy/default", "1");
    (void)fake_put(&fake, "user:ann", "copy/previous", "2");
    (void)fake_put(&fake, "user:bob", "copy/default", "3");
    fake_machine(&fake, 1, "one", "active");
    fake_sign_in(&fake, 1, ann);
}

static json_int_t row_number(const struct answer *answer, const char *array, size_t i,
                             const char *member)
{
    return json_integer_value(row_at(answer, array, i, member));
}

/* The texts of an array in a row: "shared device". */
static const char *row_texts(const struct answer *answer, const char *array, size_t i,
                             const char *member)
{
    static char text[256];
    json_t *value;
    size_t k;
    text[0] = '\0';
    json_array_foreach(row_at(answer, array, i, member), k, value)
    {
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, "%s%s", k > 0 ? " " : "",
                       json_string_value(value));
    }
    return text;
}

/* --- a dry run --- */

static void a_dry_run_counts_and_changes_nothing(void **state)
{
    (void)state;
    make_people();
    uint64_t head = fake_head(&fake);
    struct answer answer =
        ask(&fake, "PUT", sharing, "{\"changes\":{\"copy/default\":\"device\"},\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "dry_run")));
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_int_equal(rows_of(&answer, "categories"), 2);
    assert_string_equal(row_text(&answer, "categories", 0, "path"), "copy/default");
    assert_string_equal(row_text(&answer, "categories", 0, "was"), "shared");
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "device");
    assert_string_equal(row_texts(&answer, "categories", 0, "initialised"), "shared");
    assert_int_equal(row_number(&answer, "categories", 0, "users"), 2);
    assert_int_equal(row_number(&answer, "categories", 0, "devices"), 1);
    assert_int_equal(row_number(&answer, "categories", 0, "items"), 2);
    assert_int_equal(row_number(&answer, "categories", 0, "returning"), 0);
    assert_string_equal(row_text(&answer, "categories", 1, "path"), "copy/previous");
    assert_string_equal(row_text(&answer, "categories", 1, "sharing"), "shared");
    assert_int_equal(row_number(&answer, "categories", 1, "items"), 1);
    answer_free(&answer);
    answer = ask(&fake, "PUT", sharing,
                 "{\"changes\":{\"copy/default\":\"device\"},\"copy\":true,\"dry_run\":true}");
    assert_true(json_is_true(json_object_get(answer.json, "copy")));
    assert_int_equal(rows_of(&answer, "categories"), 1);
    assert_string_equal(row_texts(&answer, "categories", 0, "initialised"), "");
    assert_int_equal(row_number(&answer, "categories", 0, "items"), 0);
    answer_free(&answer);
    assert_int_equal(fake_head(&fake), head);
}

/* --- a change, and back --- */

static void it_is_changed_seen_and_taken_back(void **state)
{
    (void)state;
    make_people();
    fake.status.undo_keep_ms = UINT64_C(100) * 365 * 86400000;
    struct answer answer =
        ask(&fake, "PUT", sharing, "{\"changes\":{\"copy/default\":\"device\"}}");
    assert_int_equal(answer.status, 200);
    char seq[32];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, fake_head(&fake));
    assert_string_equal(text_at(&answer, "seq"), seq);
    assert_string_equal(answer.about, "{\"changes\":{\"copy/default\":\"device\"},\"copy\":false}");
    assert_int_equal(rows_of(&answer, "categories"), 2);
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "device");
    assert_string_equal(row_texts(&answer, "categories", 0, "initialised"), "shared");
    assert_null(row_at(&answer, "categories", 0, "items")); /* that was no walk */
    answer_free(&answer);

    answer = ask(&fake, "GET", sharing, NULL);
    assert_int_equal(rows_of(&answer, "sharing"), 5); /* those with a flag */
    assert_string_equal(row_text(&answer, "sharing", 0, "sharing"), "device");
    assert_string_equal(row_text(&answer, "sharing", 0, "by"), "admin");
    assert_string_equal(row_text(&answer, "sharing", 1, "sharing"), "shared");
    assert_int_equal(rows_of(&answer, "undo"), 1);
    assert_string_equal(row_text(&answer, "undo", 0, "seq"), seq);
    assert_string_equal(row_text(&answer, "undo", 0, "by"), "admin");
    json_t *changes = row_at(&answer, "undo", 0, "changes");
    assert_int_equal(json_object_size(changes), 1);
    assert_string_equal(json_string_value(json_object_get(changes, "copy/default")), "device");
    assert_true(json_is_string(row_at(&answer, "undo", 0, "until")));
    assert_true(json_is_null(row_at(&answer, "undo", 0, "refused")));
    answer_free(&answer);

    char body[64];
    uint64_t head = fake_head(&fake);
    (void)snprintf(body, sizeof body, "{\"seq\":\"%s\",\"dry_run\":true}", seq);
    answer = ask(&fake, "POST", undo, body);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "undone"), seq);
    assert_string_equal(row_text(&answer, "categories", 0, "was"), "device");
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "shared");
    assert_string_equal(row_texts(&answer, "categories", 0, "lifted"), "shared");
    assert_int_equal(row_number(&answer, "categories", 0, "returning"), 2);
    assert_int_equal(row_number(&answer, "categories", 1, "returning"), 1);
    answer_free(&answer);
    assert_int_equal(fake_head(&fake), head);

    (void)snprintf(body, sizeof body, "{\"seq\":\"%s\"}", seq);
    answer = ask(&fake, "POST", undo, body);
    assert_int_equal(answer.status, 200);
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "shared");
    assert_string_equal(row_texts(&answer, "categories", 0, "lifted"), "shared");
    assert_true(strstr(answer.about, "undone") != NULL);
    answer_free(&answer);
    answer = ask(&fake, "GET", sharing, NULL);
    assert_string_equal(row_text(&answer, "sharing", 0, "sharing"), "shared");
    assert_int_equal(rows_of(&answer, "undo"), 2); /* what was taken back can be put back */
    assert_string_equal(
        json_string_value(json_object_get(row_at(&answer, "undo", 0, "changes"), "copy/default")),
        "shared");
    answer_free(&answer);
}

static void what_is_so_already_is_no_change(void **state)
{
    (void)state;
    make_people();
    uint64_t head = fake_head(&fake);
    struct answer answer =
        ask(&fake, "PUT", sharing, "{\"changes\":{\"copy/default\":\"shared\"}}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_int_equal(rows_of(&answer, "categories"), 0);
    answer_free(&answer);
    assert_int_equal(fake_head(&fake), head);
}

/* Fences alone are no change of what is shared, and what is too old is not told. */
static void only_what_may_be_taken_back_is_listed(void **state)
{
    (void)state;
    make_people();
    (void)fake_fence_up(&fake, "copy");
    struct answer answer = ask(&fake, "GET", sharing, NULL);
    assert_int_equal(rows_of(&answer, "undo"), 0);
    answer_free(&answer);
    for (int i = 0; i < 25; i++) {
        answer = ask(&fake, "PUT", sharing,
                     i % 2 == 0 ? "{\"changes\":{\"pins\":\"device\"},\"copy\":true}"
                                : "{\"changes\":{\"pins\":\"shared\"},\"copy\":true}");
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    answer = ask(&fake, "GET", sharing, NULL);
    assert_int_equal(rows_of(&answer, "undo"), 20); /* the newest */
    assert_true(json_is_true(row_at(&answer, "undo", 0, "copy")));
    assert_true(json_is_null(row_at(&answer, "undo", 0, "until"))); /* for ever */
    answer_free(&answer);
    fake.status.undo_keep_ms = 86400000; /* and all that was in 2023 */
    answer = ask(&fake, "GET", sharing, NULL);
    assert_int_equal(rows_of(&answer, "undo"), 0);
    answer_free(&answer);
    fake.status.undo_keep_ms = 0;
    fake.refuse_code = E_TOO_OLD;
    answer = ask(&fake, "GET", sharing, NULL);
    assert_string_equal(row_text(&answer, "undo", 0, "refused"), err_meaning(E_TOO_OLD));
    answer_free(&answer);
}

/* --- what is refused --- */

static void nonsense_is_refused(void **state)
{
    (void)state;
    make_people();
    static const char how[] = "'changes' tells which category is to be how, such as "
                              "{\"copy/default\": \"device\"}";
    refused("PUT", sharing, "{}", 400, "invalid", how);
    refused("PUT", sharing, "{\"changes\":{}}", 400, "invalid", how);
    refused("PUT", sharing, "{\"changes\":[\"copy/default\"]}", 400, "invalid", how);
    refused("PUT", sharing, "{\"changes\":{\"copy/default\":\"mine\"}}", 400, "invalid",
            "'copy/default' can be \"shared\" (across all devices) or \"device\" "
            "(device-specific)");
    refused("PUT", sharing, "{\"changes\":{\"copy/default\":true}}", 400, "invalid",
            "'copy/default' can be \"shared\" (across all devices) or \"device\" "
            "(device-specific)");
    refused("PUT", sharing, "{\"changes\":{\"copy/default\":\"device\"},\"dryrun\":true}", 400,
            "invalid", "the body has a member 'dryrun', which is none of: changes copy dry_run");
    refused("PUT", sharing, "{\"changes\":{\"nowhere\":\"device\"},\"dry_run\":true}", 404,
            "not_found", err_meaning(E_NOT_FOUND));
    refused("PUT", sharing, "{\"changes\":{\"language\":\"device\"}}", 400, "invalid",
            err_meaning(E_INVALID));
    static const char which[] = "'seq' names the change to take back, such as \"4711\": GET "
                                "/api/v1/sharing tells which there are";
    refused("POST", undo, "{}", 400, "invalid", which);
    refused("POST", undo, "{\"seq\":7}", 400, "invalid", which);
    refused("POST", undo, "{\"seq\":\"-7\"}", 400, "invalid", which);
    refused("POST", undo, "{\"seq\":\"111111111111111111111\"}", 400, "invalid", which);
    refused("POST", undo, "{\"seq\":\"0\"}", 404, "not_found", "there is no change 0");
    refused("POST", undo, "{\"seq\":\"3\"}", 404, "not_found",
            err_meaning(E_NOT_FOUND)); /* a category, no flag */
}

static void what_the_server_refuses_is_told(void **state)
{
    (void)state;
    make_people();
    fake.refuse_code = E_CONDITION;
    refused("POST", undo, "{\"seq\":\"3\",\"dry_run\":true}", 412, "condition_failed",
            err_meaning(E_CONDITION));
    fake.refuse_code = 0;
    fake.fail_code = E_CLOSED;
    refused("PUT", sharing, "{\"changes\":{\"copy/default\":\"device\"}}", 503, "closed",
            "the fake was told to fail");
    refused("GET", sharing, NULL, 503, "closed", "the fake was told to fail");
}

/* A dry run that is refused for want of memory says so, and one that is answered is right. */
static void without_memory(const char *method, const char *target, const char *body,
                           const char *array, size_t rows)
{
    unsigned failures = 0;
    bool failed = true;
    ask_with_jansson();
    for (unsigned nth = 1; failed; nth += nth < 50 ? 1 : 13) {
        ask_fails.nth = nth;
        struct answer answer = ask(&fake, method, target, body);
        failed = ask_fails.failed;
        ask_fails.nth = 0;
        failures += answer.status != 200;
        assert_true(answer.status == 200 || answer.status == 400 || answer.status == 500);
        assert_true(answer.status != 200 || answer.json == NULL || rows_of(&answer, array) == rows);
        answer_free(&answer);
    }
    assert_true(failures > 20);
}

static void memory_runs_out(void **state)
{
    (void)state;
    make_people();
    char body[64];
    struct answer answer =
        ask(&fake, "PUT", sharing, "{\"changes\":{\"copy/default\":\"device\"}}");
    (void)snprintf(body, sizeof body, "{\"seq\":\"%s\",\"dry_run\":true}", text_at(&answer, "seq"));
    answer_free(&answer);
    uint64_t head = fake_head(&fake);
    without_memory("POST", undo, body, "categories", 2);
    without_memory("PUT", sharing, "{\"changes\":{\"copy/default\":\"shared\"},\"dry_run\":true}",
                   "categories", 5);
    assert_int_equal(fake_head(&fake), head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_dry_run_counts_and_changes_nothing),
        API_TEST(it_is_changed_seen_and_taken_back),
        API_TEST(what_is_so_already_is_no_change),
        API_TEST(only_what_may_be_taken_back_is_listed),
        API_TEST(nonsense_is_refused),
        API_TEST(what_the_server_refuses_is_told),
        API_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
