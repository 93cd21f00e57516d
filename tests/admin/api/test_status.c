/* Tests of admin/api/status.c. */
#include "tests/admin/api/ask.h"

static void the_status_is_one_document(void **state)
{
    (void)state;
    struct fake_backend fake;
    fake_open(&fake);
    (void)fake_put(&fake, "user:ann", "a", "12345");
    (void)fake_put(&fake, "group:g", NULL, NULL);
    fake.status.room_bytes = 100;
    fake.status.reserve_bytes = 200;
    fake.status.digests.bags = 5;
    fake.status.digests.wrong = 1;
    fake.status.digests.healed = 2;
    fake.status.digests.round_ms = 1700000000000;
    fake.status.clock_stepped = true;
    fake.status.retention[0] = (struct retention_line){.what = "undo", .seq = 3, .text = "why"};
    struct answer answer = ask(&fake, "GET", "/api/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    json_t *digests = json_pack("{s:i, s:i, s:s, s:i}", "checked", 5, "wrong", 1, "round",
                                "2023-11-14T22:13:20.000Z", "healed", 2);
    assert_true(json_equal(json_object_get(answer.json, "digests"), digests));
    json_decref(digests);
    json_t *disk = json_pack("{s:i, s:i}", "room_bytes", 100, "reserve_bytes", 200);
    assert_true(json_equal(json_object_get(answer.json, "disk"), disk));
    json_decref(disk);
    assert_true(json_is_true(json_object_get(answer.json, "clock_stepped")));
    assert_string_equal(row_text(&answer, "retention", 0, "text"), "why");
    assert_string_equal(text_at(&answer, "state"), "running");
    assert_string_equal(text_at(&answer, "state_text"), "");
    assert_string_equal(text_at(&answer, "seq"), "4");
    assert_string_equal(text_at(&answer, "history"), "30313233343536373839616263646566");
    assert_int_equal(strlen(text_at(&answer, "hash")), 64);
    assert_string_equal(text_at(&answer, "version"), KITBAG_VERSION);
    assert_int_equal(number_at(&answer, "uptime_ms"), 5000);
    json_t *counts = json_object_get(answer.json, "counts");
    json_t *wanted = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "users", 1, "groups", 1,
                               "bags", 2, "items", 1, "bytes", 6, "devices", 3, "connected", 2);
    assert_true(json_equal(counts, wanted));
    json_decref(wanted);
    json_t *journal = json_object_get(answer.json, "journal");
    assert_string_equal(json_string_value(json_object_get(journal, "floor")), "1");
    assert_string_equal(json_string_value(json_object_get(journal, "head")), "4");
    answer_free(&answer);
    fake_close(&fake);
}

static void a_server_that_is_going_down_says_so(void **state)
{
    (void)state;
    struct fake_backend fake;
    fake_open(&fake);
    fake.fail_code = E_CLOSED;
    struct answer answer = ask(&fake, "GET", "/api/v1/status", NULL);
    expect_problem(&answer, 503, "closed", "the fake was told to fail");
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_is_one_document),
        cmocka_unit_test(a_server_that_is_going_down_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
