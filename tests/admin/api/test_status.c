/* Tests of admin/api/status.c: the document, its stream, the samples. */
#include "tests/admin/api/api_fixture.h"

/* What the board has found out is too old now to be told again. */
static void grow_stale(void)
{
    (void)usleep((ADMIN_BOARD_FRESH_MS + 20) * 1000);
}

static json_t *member(const struct answer *answer, const char *name)
{
    return json_object_get(answer->json, name);
}

static void expect_json(const json_t *found, const char *wanted)
{
    char *text = json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void the_status_is_one_document(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "12345");
    (void)fake_put(&fake, "group:g", NULL, NULL);
    fake.status.room_bytes = 100;
    fake.status.reserve_bytes = 200;
    fake.status.digests.bags = 5;
    fake.status.digests.healed = 2;
    fake.status.digests.round_ms = 1700000000000;
    fake.status.clock_stepped = true;
    fake.status.retention[0] = (struct retention_line){.what = "undo", .seq = 3, .text = "why"};
    fake.status.users = 45;
    fake.status.users_limit = 50;
    fake.status.users_evict = true;
    fake.status.journal_max_bytes = 1 << 30;
    fake.status.replicas = (struct server_replicas){.lag = 9, .behind = 1, .unverified = 4};
    grow_stale();
    struct answer answer = ask(&fake, "GET", "/api/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    expect_json(member(&answer, "digests"),
                "{\"checked\":5,\"wrong\":0,\"round\":\"2023-11-14T22:13:20.000Z\",\"healed\":2}");
    expect_json(member(&answer, "disk"), "{\"room_bytes\":100,\"reserve_bytes\":200}");
    assert_true(json_is_true(member(&answer, "clock_stepped")));
    assert_string_equal(row_text(&answer, "retention", 0, "text"), "why");
    assert_string_equal(text_at(&answer, "state"), "running");
    assert_string_equal(text_at(&answer, "state_text"), "");
    assert_string_equal(text_at(&answer, "seq"), "4");
    assert_string_equal(text_at(&answer, "history"), "30313233343536373839616263646566");
    assert_int_equal(strlen(text_at(&answer, "hash")), 64);
    assert_string_equal(text_at(&answer, "version"), KITBAG_VERSION);
    assert_int_equal(number_at(&answer, "uptime_ms"), 5000);
    expect_json(member(&answer, "counts"),
                "{\"users\":1,\"groups\":1,\"bags\":2,\"items\":1,\"bytes\":6,\"devices\":3,"
                "\"connected\":2}");
    json_t *journal = member(&answer, "journal");
    assert_string_equal(json_string_value(json_object_get(journal, "floor")), "1");
    assert_string_equal(json_string_value(json_object_get(journal, "head")), "4");
    expect_json(member(&answer, "rate"), "{\"writes\":0.0}");
    expect_json(member(&answer, "lag"),
                "{\"most\":9,\"devices_behind\":1,\"diverged\":0,\"unverified\":4}");
    expect_json(member(&answer, "limits"),
                "{\"users\":50,\"users_percent\":90,\"users_policy\":\"evict\"}");
    assert_int_equal(rows_of(&answer, "warnings"), 4);
    assert_string_equal(row_text(&answer, "warnings", 0, "code"), "disk.low");
    assert_string_equal(row_text(&answer, "warnings", 0, "level"), "error");
    assert_string_equal(row_text(&answer, "warnings", 3, "code"), "limit.users");
    assert_string_equal(row_text(&answer, "warnings", 3, "level"), "warning");
    assert_int_equal(json_integer_value(row_at(&answer, "warnings", 3, "count")), 90);
    answer_free(&answer);
}

static void a_server_that_is_going_down_says_so(void **state)
{
    (void)state;
    fake.fail_code = E_CLOSED;
    grow_stale();
    refused("GET", "/api/v1/status", NULL, 503, "closed", "the fake was told to fail");
    fake.fail_code = 0;
    struct answer answer = ask(&fake, "GET", "/api/v1/status", NULL);
    assert_int_equal(answer.status, 200); /* a failure is not kept */
    answer_free(&answer);
}

/* Asked at once, it does not wait for the main thread. */
static void what_is_not_known_at_once_is_put_off(void **state)
{
    (void)state;
    struct admin_request request = {.backend = &fake.backend, .at_once = true};
    struct admin_response response = {0};
    grow_stale();
    assert_int_equal(admin_api_status(&request, &response, NULL), E_DEFERRED);
    buf_free(&response.raw);
    request.at_once = false;
    assert_int_equal(admin_api_status(&request, &response, NULL), 0);
    buf_free(&response.raw);
    request.at_once = true;
    assert_int_equal(admin_api_status(&request, &response, NULL), 0);
    assert_true(response.raw.size > 100);
    buf_free(&response.raw);
}

/* The next event, waiting for it as the loop does. */
static char *next_event(struct admin_stream *stream)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (int tries = 0; out.size == 0 && tries < 300; tries++) {
        assert_int_equal(stream->next(stream, 0, &out, NULL), 0);
        (void)usleep(10000);
    }
    assert_true(out.size > 0);
    (void)buf_append_u8(&out, 0);
    return buf_steal(&out, NULL);
}

static void listeners_get_the_same_event_each_second(void **state)
{
    (void)state;
    enum { LISTENERS = 3 };
    struct answer answers[LISTENERS];
    for (int i = 0; i < LISTENERS; i++) {
        answers[i] = ask(&fake, "GET", "/api/v1/status?feed=sse", NULL);
        assert_int_equal(answers[i].status, 200);
        assert_true(answers[i].stream->sse);
    }
    char *first = next_event(answers[0].stream);
    static const char begin[] = "event: status\ndata: {\"version\":";
    assert_int_equal(strncmp(first, begin, sizeof begin - 1), 0);
    assert_string_equal(first + strlen(first) - 3, "}\n\n");
    for (int i = 1; i < LISTENERS; i++) {
        char *event = next_event(answers[i].stream);
        assert_string_equal(event, first);
        free(event);
    }
    free(first);
    (void)fake_put(&fake, "user:ann", "a", "1");
    char *second = next_event(answers[0].stream);
    assert_non_null(strstr(second, "\"seq\":\"3\""));
    free(second);
    for (int i = 0; i < LISTENERS; i++) {
        answers[i].stream->free(answers[i].stream);
    }
}

static void samples_are_told_with_their_times(void **state)
{
    (void)state;
    fake.status.replicas.lag = 7;
    struct answer answer = ask(&fake, "GET", "/api/v1/status/samples?minutes=1", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "every_ms"), ADMIN_BOARD_SAMPLE_MS);
    assert_int_equal(rows_of(&answer, "samples"), 1); /* from the board's start */
    assert_int_equal(json_integer_value(row_at(&answer, "samples", 0, "connected")), 2);
    assert_int_equal(json_integer_value(row_at(&answer, "samples", 0, "lag")), 0);
    assert_true(json_is_real(row_at(&answer, "samples", 0, "writes")));
    assert_int_equal(strlen(row_text(&answer, "samples", 0, "time")), 24);
    answer_free(&answer);
}

static void bad_questions_are_refused(void **state)
{
    (void)state;
    refused("GET", "/api/v1/status?feed=ndjson", NULL, 400, "invalid",
            "'feed' has to be sse, not 'ndjson'");
    refused("GET", "/api/v1/status/samples?minutes=61", NULL, 400, "invalid",
            "'minutes' is a number from 1 to 60, not '61'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(the_status_is_one_document),
        API_TEST(a_server_that_is_going_down_says_so),
        API_TEST(what_is_not_known_at_once_is_put_off),
        API_TEST(listeners_get_the_same_event_each_second),
        API_TEST(samples_are_told_with_their_times),
        API_TEST(bad_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
