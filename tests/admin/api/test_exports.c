/* Tests of admin/api/exports.c: preparing, looking, fetching, removing. */
#include "tests/admin/api/ask.h"
#include "tests/admin/exports_samples.h"

#define EX "/api/v1/exports"

static int open_api(void **state)
{
    (void)sample_open(state);
    sample.fake.backend.exports = sample.exports;
    return 0;
}

#define API_TEST(test) cmocka_unit_test_setup_teardown(test, open_api, sample_close)

/* With this in its sentence. */
static void refused(const char *method, const char *target, const char *body, int status,
                    const char *code, const char *detail)
{
    struct answer answer = ask(&sample.fake, method, target, body);
    assert_int_equal(answer.status, status);
    assert_string_equal(text_at(&answer, "code"), code);
    if (strstr(text_at(&answer, "detail"), detail) == NULL) {
        fail_msg("not '%s': %s", detail, text_at(&answer, "detail"));
    }
    json_decref(answer.json);
}

/* Its ID, valid until the next. */
static const char *prepared(const char *body)
{
    static char id[EXPORT_ID_MAX];
    struct answer answer = ask(&sample.fake, "POST", EX, body);
    assert_int_equal(answer.status, 201);
    (void)snprintf(id, sizeof id, "%s", text_at(&answer, "id"));
    json_decref(answer.json);
    return id;
}

static void one_is_prepared_and_told(void **state)
{
    (void)state;
    struct answer answer = ask(&sample.fake, "POST", EX,
                               "{\"users\":[\"ann\"],\"groups\":[\"sales\"],\"password\":\"pw\"}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(number_at(&answer, "users"), 1);
    assert_int_equal(number_at(&answer, "groups"), 1);
    assert_int_equal(number_at(&answer, "left_ms"), SAMPLE_KEEP_MS);
    assert_true(json_is_true(json_object_get(answer.json, "password")));
    assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 2);
    const json_t *counts = json_object_get(answer.json, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "secrets")), 0);
    assert_int_equal(json_integer_value(json_object_get(counts, "not_exported")), 1);
    const json_t *addresses = json_object_get(answer.json, "addresses");
    assert_int_equal(json_integer_value(json_object_get(addresses, "personal")), 1);
    assert_null(strstr(answer.about, "pw")); /* the audit is told no password */
    assert_non_null(strstr(answer.about, "\"password\":true"));
    char target[64];
    (void)snprintf(target, sizeof target, EX "/%s", text_at(&answer, "id"));
    json_decref(answer.json);
    answer = ask(&sample.fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    json_decref(answer.json);
    answer = ask(&sample.fake, "GET", EX, NULL);
    assert_int_equal(json_array_size(json_object_get(answer.json, "exports")), 1);
    const json_t *limits = json_object_get(answer.json, "limits");
    assert_int_equal(json_integer_value(json_object_get(limits, "users")), 3);
    json_decref(answer.json);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    refused("POST", EX, "{}", 400, "invalid",
            "nobody was chosen: name users or groups, or take all");
    refused("POST", EX, "{\"all\":true,\"users\":[\"ann\"]}", 400, "invalid", "'all' takes");
    refused("POST", EX, "{\"users\":[\"zoe\"]}", 404, "not_found", "no user 'zoe'");
    refused("POST", EX, "{\"users\":[\"a/b\"]}", 400, "name", "");
    refused("POST", EX, "{\"users\":\"ann\"}", 400, "invalid", "'users' is an array");
    refused("POST", EX, "{\"all\":true,\"items\":[]}", 400, "invalid", "nothing is to be");
    refused("POST", EX, "{\"all\":true,\"items\":[\"x\"]}", 400, "invalid", "'items' takes");
    refused("POST", EX, "{\"all\":true,\"items\":[7]}", 400, "invalid", "'items' is an array");
    refused("POST", EX, "{\"all\":true,\"items\":\"x\"}", 400, "invalid", "'items' is an array");
    refused("POST", EX, "{\"all\":true,\"password\":\"\"}", 400, "invalid", "an empty password");
    refused("POST", EX, "{\"all\":true,\"password\":7}", 400, "invalid", "'password'");
    refused("POST", EX, "{\"all\":true,\"since_device\":7}", 400, "invalid", "'since_device'");
    refused("POST", EX, "{\"all\":true,\"since_device\":\"0000000000000042\"}", 404, "not_found",
            "no registered machine");
    refused("GET", EX "/0123456789abcdef", NULL, 404, "not_found", "Prepare it again");
    refused("GET", EX "/0123456789abcdef/snapshot", NULL, 404, "not_found", "");
    refused("GET", EX "/x/address-lists?kind=personal", NULL, 404, "not_found", "");
    refused("GET", EX "/x/address-lists", NULL, 400, "invalid", "'kind'");
    refused("GET", EX "/x/address-lists?kind=group&format=pdf", NULL, 400, "invalid", "'format'");
}

static void the_file_is_fetched(void **state)
{
    (void)state;
    char target[96];
    const char *id = prepared("{\"users\":[\"ann\"]}");
    (void)snprintf(target, sizeof target, EX "/%s/snapshot", id);
    struct answer answer = ask(&sample.fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.raw, "KBBAG", 5);
    (void)snprintf(target, sizeof target, EX "/%s/snapshot", id);
    answer = ask(&sample.fake, "POST", target, "{\"items\":[\"group-address-lists\"]}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 1);
    json_decref(answer.json);
    refused("POST", target, "{\"users\":[\"ann\"]}", 400, "invalid", "users");
}

static void address_lists_are_fetched(void **state)
{
    (void)state;
    char target[128];
    const char *id = prepared("{\"all\":true}");
    (void)snprintf(target, sizeof target, EX "/%s/address-lists?kind=personal", id);
    struct answer answer = ask(&sample.fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.raw, "bob@example.org"));
    (void)snprintf(target, sizeof target, EX "/%s/address-lists?kind=group&format=vcard", id);
    answer = ask(&sample.fake, "GET", target, NULL);
    assert_non_null(strstr(answer.raw, "FN:Zoe"));
    assert_non_null(strstr(answer.about, "\"addresses\":1"));
}

static void some_are_removed(void **state)
{
    (void)state;
    char body[128];
    const char *id = prepared("{\"all\":true}");
    (void)snprintf(body, sizeof body, "{\"ids\":[\"%s\",\"x\"],\"dry_run\":true}", id);
    struct answer answer = ask(&sample.fake, "POST", EX "/delete", body);
    assert_int_equal(number_at(&answer, "exports"), 1);
    json_decref(answer.json);
    (void)snprintf(body, sizeof body, "{\"ids\":[\"%s\",\"x\"]}", id);
    answer = ask(&sample.fake, "POST", EX "/delete", body);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "exports"), 1);
    assert_int_equal(json_array_size(json_object_get(answer.json, "missing")), 1);
    json_decref(answer.json);
    refused("POST", EX "/delete", body, 404, "not_found", "none of these");
    refused("POST", EX "/delete", "{}", 400, "invalid", "names no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(one_is_prepared_and_told), API_TEST(what_is_wrong_is_refused),
        API_TEST(the_file_is_fetched),      API_TEST(address_lists_are_fetched),
        API_TEST(some_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
