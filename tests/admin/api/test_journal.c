/* Tests of admin/api/journal.c: what holds the journal, a new history, the clock. */
#include "tests/admin/api/api_fixture.h"

static void the_size_and_what_holds_it_are_told(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "b");
    fake.status.flushed_seq = 2;
    fake.status.room_bytes = 12345;
    fake.status.clock_stepped = true;
    fake.status.retention[0] =
        (struct retention_line){.what = "journal", .seq = 1, .text = "it is young"};
    fake.status.retention[1] = (struct retention_line){.what = "undo", .seq = 7, .text = "7 days"};
    struct answer answer = ask(&fake, "GET", "/api/v1/journal/stat", NULL);
    assert_string_equal(text_at(&answer, "floor"), "1");
    assert_string_equal(text_at(&answer, "head"), "3");
    assert_string_equal(text_at(&answer, "flushed"), "2");
    assert_int_equal(number_at(&answer, "segments"), 1);
    assert_int_equal(number_at(&answer, "room_bytes"), 12345);
    assert_int_equal(number_at(&answer, "leaving_bytes"), 0);
    assert_true(json_is_true(json_object_get(answer.json, "clock_stepped")));
    assert_int_equal(rows_of(&answer, "retention"), 2);
    assert_string_equal(row_text(&answer, "retention", 1, "what"), "undo");
    assert_string_equal(row_text(&answer, "retention", 1, "seq"), "7");
    assert_string_equal(row_text(&answer, "retention", 1, "text"), "7 days");
    answer_free(&answer);
}

static void a_history_is_forked(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "b");
    struct answer answer = ask(&fake, "POST", "/api/v1/history/fork", "{\"dry_run\":true}");
    assert_string_equal(text_at(&answer, "parent_seq"), "3");
    assert_true(json_is_null(json_object_get(answer.json, "history")));
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_int_equal(number_at(&answer, "connected"), 2);
    assert_int_equal(fake.submits, 1);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/history/fork", "{}");
    assert_string_equal(text_at(&answer, "parent_seq"), "3");
    assert_string_equal(text_at(&answer, "seq"), "4");
    assert_string_equal(text_at(&answer, "parent"), "30313233343536373839616263646566");
    assert_non_null(strstr(answer.about, "{\"parent\":\"30313233343536373839616263646566\","
                                         "\"history\":\""));
    answer_free(&answer);
    fake.refuse_code = E_READ_ONLY;
    answer = ask(&fake, "POST", "/api/v1/history/fork", "{}");
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/history/fork", "{\"yes\":true}");
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
}

static void a_clock_is_confirmed(void **state)
{
    (void)state;
    fake.status.clock_stepped = true;
    struct answer answer = ask(&fake, "POST", "/api/v1/clock/confirm", "{\"dry_run\":true}");
    assert_int_equal(fake.confirmed, 0);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/clock/confirm", "{}");
    assert_true(json_is_true(json_object_get(answer.json, "had_stepped")));
    assert_int_equal(fake.confirmed, 1);
    answer_free(&answer);
    fake.fail_code = E_CLOSED;
    answer = ask(&fake, "POST", "/api/v1/clock/confirm", "{}");
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(the_size_and_what_holds_it_are_told),
        API_TEST(a_history_is_forked),
        API_TEST(a_clock_is_confirmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
