/* Tests of admin/api/sync.c: what is told of synchronization, starting and stopping it. */
#include "tests/admin/api/api_fixture.h"

static void it_tells_whom_it_is_about(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "fax", "1");
    (void)fake_put(&fake, "user:bob", NULL, NULL);
    (void)fake_put(&fake, "group:sales", NULL, NULL);
    fake.status.waiting = 2;
    struct answer answer = ask(&fake, "GET", "/api/v1/sync", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "state"), "running");
    assert_true(json_is_null(json_object_get(answer.json, "since")));
    assert_true(json_is_null(json_object_get(answer.json, "by")));
    assert_int_equal(number_at(&answer, "users"), 2);
    assert_int_equal(number_at(&answer, "groups"), 1);
    assert_int_equal(number_at(&answer, "devices"), 3);
    assert_int_equal(number_at(&answer, "connected"), 2);
    assert_int_equal(number_at(&answer, "waiting"), 2);
    assert_int_equal(strtoull(text_at(&answer, "head"), NULL, 10), fake_head(&fake));
    answer_free(&answer);
}

static void stopping_and_starting(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"stopped\"}");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "state"), "stopped");
    assert_string_equal(text_at(&answer, "by"), "admin");
    assert_string_equal(text_at(&answer, "seq"), "77");
    assert_true(json_is_true(json_object_get(answer.json, "changed")));
    assert_true(json_is_string(json_object_get(answer.json, "since")));
    answer_free(&answer);
    answer = ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"stopped\"}");
    assert_int_equal(answer.status, 200); /* it is so already */
    assert_true(json_is_false(json_object_get(answer.json, "changed")));
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    answer_free(&answer);
    answer = ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"running\"}");
    assert_string_equal(text_at(&answer, "state"), "running");
    assert_true(json_is_true(json_object_get(answer.json, "changed")));
    answer_free(&answer);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"stopped\",\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "state"), "running");
    assert_true(json_is_true(json_object_get(answer.json, "changed")));
    assert_true(json_is_true(json_object_get(answer.json, "dry_run")));
    answer_free(&answer);
    assert_false(fake.status.sync_stopped);
    answer = ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"running\",\"dry_run\":true}");
    assert_true(json_is_false(json_object_get(answer.json, "changed")));
    answer_free(&answer);
}

static void bad_requests(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}",
        "{\"state\":\"paused\"}",
        "{\"state\":true}",
        "{\"state\":\"stopped\",\"dry_run\":1}",
        "{\"state\":\"stopped\",\"force\":true}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct answer answer = ask(&fake, "PUT", "/api/v1/sync", bodies[i]);
        assert_int_equal(answer.status, 400);
        answer_free(&answer);
    }
    assert_false(fake.status.sync_stopped);
}

static void a_server_that_goes_down(void **state)
{
    (void)state;
    fake.fail_code = E_CLOSED;
    struct answer answer = ask(&fake, "GET", "/api/v1/sync", NULL);
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    answer = ask(&fake, "PUT", "/api/v1/sync", "{\"state\":\"stopped\"}");
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(it_tells_whom_it_is_about), API_TEST(stopping_and_starting),
        API_TEST(a_dry_run_changes_nothing), API_TEST(bad_requests),
        API_TEST(a_server_that_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
