/* Tests of admin/api/log.c: which lines are shown, in which form, and how a stream goes on. */
#include "base/log_ring.h"
#include "tests/admin/api/api_fixture.h"

enum { OPENED_MS = 1000 };
#define FIRST "1000001"

static void add(enum log_level level, const char *event, const char *text)
{
    log_ring_add(1700000000000, level, "m", event, span_str(text));
}

/* Four lines, 1000001 and on. */
static int open_log(void **state)
{
    int rc = open_fake(state);
    assert_int_equal(log_ring_open(OPENED_MS, NULL), 0);
    add(LOG_INFO, "device.joined", "device=3f");
    add(LOG_WARNING, "device.unreachable", "device=3F lag=12");
    add(LOG_DEBUG, "state.flushed", "");
    add(LOG_ERROR, "disk.low", "text=\"\xc3\x84rger\"");
    return rc;
}

static int close_log(void **state)
{
    log_ring_close();
    return close_api(state);
}

/* The last digits of the ids of the lines, in order. */
static void expect_lines(const char *target, const char *wanted)
{
    char ids[64] = "";
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; i < rows_of(&answer, "log"); i++) {
        const char *id = row_text(&answer, "log", i, "id");
        (void)strncat(ids, id + strlen(id) - 1, 1);
    }
    assert_string_equal(ids, wanted);
    answer_free(&answer);
}

static void lines_are_told_whole_and_in_order(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/log", NULL);
    char *text = json_dumps(json_array_get(json_object_get(answer.json, "log"), 1), JSON_COMPACT);
    assert_string_equal(text, "{\"id\":\"1000002\",\"time\":\"2023-11-14T22:13:20.000Z\","
                              "\"level\":\"warning\",\"module\":\"m\","
                              "\"event\":\"device.unreachable\",\"text\":\"device=3F lag=12\"}");
    free(text);
    assert_string_equal(text_at(&answer, "oldest"), FIRST);
    assert_string_equal(text_at(&answer, "newest"), "1000004");
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
    expect_lines("/api/v1/log", "1234");
}

static void lines_are_chosen(void **state)
{
    (void)state;
    expect_lines("/api/v1/log?level=warning", "24");
    expect_lines("/api/v1/log?level=error", "4");
    expect_lines("/api/v1/log?search=DEVICE=3f", "12");
    expect_lines("/api/v1/log?search=info%20m", "1"); /* the whole line is searched */
    expect_lines("/api/v1/log?search=%C3%A4RGER", "4");
    expect_lines("/api/v1/log?search=nowhere", "");
    expect_lines("/api/v1/log?search=", "1234");
    expect_lines("/api/v1/log?level=info&search=device&limit=1", "2"); /* the newest */
    expect_lines("/api/v1/log?since=1000002", "34");
    expect_lines("/api/v1/log?since=1000004", "");
    expect_lines("/api/v1/log?since=0", "1234");
    expect_lines("/api/v1/log?since=9999999", "1234"); /* of another life of the server */
}

static void a_list_goes_on_where_it_ended(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/log?since=0&limit=3", NULL);
    assert_int_equal(rows_of(&answer, "log"), 3);
    assert_string_equal(text_at(&answer, "next"), "1000003");
    answer_free(&answer);
    expect_lines("/api/v1/log?since=1000003&limit=3", "4");
    answer = ask(&fake, "GET", "/api/v1/log?since=0&limit=2&level=warning", NULL);
    assert_null(json_object_get(answer.json, "next")); /* no other line is wanted */
    answer_free(&answer);
}

static void what_is_no_utf8_is_shown_by_its_bytes(void **state)
{
    (void)state;
    add(LOG_INFO, "e", "a\xff\xe3\x81"); /* 5: cut in the middle of a letter */
    add(LOG_INFO, "e", "<b>\"x\"</b>");
    struct answer answer = ask(&fake, "GET", "/api/v1/log?since=1000004", NULL);
    assert_string_equal(row_text(&answer, "log", 0, "text"), "a\\xff\\xe3\\x81");
    assert_string_equal(row_text(&answer, "log", 1, "text"), "<b>\"x\"</b>");
    answer_free(&answer);
    expect_lines("/api/v1/log?search=a%5Cxff", ""); /* searched as it is */
}

/* Run the route's function itself: the answer's bytes and names are looked at. */
static void download(const char *format, struct admin_response *response)
{
    struct admin_request request = {.backend = &fake.backend, .query_count = 1};
    request.query[0] = (struct admin_pair){"format", format};
    assert_int_equal(admin_api_log(&request, response, NULL), 0);
    assert_int_equal(strncmp(response->disposition_name, "kitbag-log-20", 13), 0);
}

static void it_is_downloaded_as_a_file(void **state)
{
    (void)state;
    struct admin_response response = {0};
    download("text", &response);
    static const char begin[] = "2023-11-14T22:13:20.000Z info m device.joined device=3f\n"
                                "2023-11-14T22:13:20.000Z warning m device.unreachable "
                                "device=3F lag=12\n"
                                "2023-11-14T22:13:20.000Z debug m state.flushed\n";
    assert_true(response.raw.size > sizeof begin);
    assert_memory_equal(response.raw.data, begin, sizeof begin - 1);
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    assert_string_equal(response.disposition_name + strlen("kitbag-log-20261122-175137"), ".txt");
    buf_free(&response.raw);
    response = (struct admin_response){0};
    for (int i = 0; i < 600; i++) { /* more than a list has when nothing else is asked for */
        add(LOG_INFO, "e", "x");
    }
    download("json", &response);
    assert_int_equal(json_array_size(json_object_get(response.json, "log")), 604);
    assert_string_equal(response.disposition_name + strlen("kitbag-log-20261122-175137"), ".json");
    json_decref(response.json);
}

/* What the stream gives now. */
static char *take(struct admin_stream *stream, uint64_t idle_ms)
{
    struct buf all;
    int rc = 1;
    buf_init(&all, 8 << 20);
    while (rc == 1) {
        struct buf piece;
        buf_init(&piece, 1 << 20);
        rc = stream->next(stream, idle_ms, &piece, NULL);
        (void)buf_append_span(&all, buf_span(&piece));
        buf_free(&piece);
    }
    assert_int_equal(rc, 0);
    (void)buf_append_u8(&all, 0);
    return buf_steal(&all, NULL);
}

static void expect_next(struct admin_stream *stream, uint64_t idle_ms, const char *wanted)
{
    char *text = take(stream, idle_ms);
    assert_string_equal(text, wanted);
    free(text);
}

static struct admin_stream *open_stream(const char *target, const char *last_event_id)
{
    ask_last_event_id = last_event_id;
    struct answer answer = ask(&fake, "GET", target, NULL);
    ask_last_event_id = NULL;
    assert_int_equal(answer.status, 200);
    assert_non_null(answer.stream);
    return answer.stream;
}

static void a_stream_follows_the_log(void **state)
{
    (void)state;
    static const char line[] = "{\"id\":\"1000005\",\"time\":\"2023-11-14T22:13:20.000Z\","
                               "\"level\":\"error\",\"module\":\"m\",\"event\":\"e\",\"text\":"
                               "\"x\"}\n";
    struct admin_stream *stream =
        open_stream("/api/v1/log?feed=ndjson&level=warning&limit=1", NULL);
    char *text = take(stream, 0);
    assert_non_null(strstr(text, "\"id\":\"1000004\""));
    assert_null(strstr(text, "\"id\":\"1000002\""));
    free(text);
    expect_next(stream, 9999, "");
    expect_next(stream, 10000, "{\"heartbeat\":true}\n");
    add(LOG_ERROR, "e", "x");
    add(LOG_INFO, "not.wanted", "x");
    expect_next(stream, 0, line);
    stream->free(stream);
}

static void events_have_ids_to_go_on_from(void **state)
{
    (void)state;
    struct admin_stream *stream = open_stream("/api/v1/log?feed=sse&limit=1", "1000003");
    assert_true(stream->sse);
    char *text = take(stream, 0);
    static const char begin[] = "id: 1000004\nevent: log\ndata: {\"id\":\"1000004\",";
    assert_memory_equal(text, begin, sizeof begin - 1);
    assert_string_equal(text + strlen(text) - 3, "}\n\n");
    free(text);
    expect_next(stream, 60000, ""); /* whoever carries it keeps it alive */
    stream->free(stream);
}

static void a_reader_that_is_too_slow_is_told_what_it_missed(void **state)
{
    (void)state;
    struct admin_stream *stream = open_stream("/api/v1/log?feed=ndjson&limit=1", NULL);
    free(take(stream, 0)); /* up to 4 */
    for (int i = 0; i < LOG_RING_LINES + 10; i++) {
        add(LOG_INFO, "e", "x");
    }
    char *text = take(stream, 0);
    static const char begin[] = "{\"missed\":10}\n{\"id\":\"1000015\"";
    assert_memory_equal(text, begin, sizeof begin - 1);
    free(text);
    stream->free(stream);
}

static void much_comes_in_pieces(void **state)
{
    (void)state;
    static char text[LOG_RING_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 1000; i++) {
        add(LOG_INFO, "e", text);
    }
    struct admin_stream *stream = open_stream("/api/v1/log?feed=ndjson&since=1000004", NULL);
    int rc = 1;
    size_t total = 0;
    while (rc == 1) {
        struct buf out;
        buf_init(&out, 1 << 20);
        rc = stream->next(stream, 0, &out, NULL);
        assert_in_range(out.size, 0, (64 << 10) + LOG_RING_TEXT_MAX + 200);
        total += out.size;
        buf_free(&out);
    }
    assert_int_equal(rc, 0);
    assert_true(total > 1000 * sizeof text);
    stream->free(stream);
}

static void bad_questions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *target, *detail;
    } rows[] = {
        {"/api/v1/log?level=loud", "'level' is debug, info, warning or error, not 'loud'"},
        {"/api/v1/log?since=x", "'since' is a number from 0 to 9223372036854775807, not 'x'"},
        {"/api/v1/log?limit=0", "'limit' is a number from 1 to 8192, not '0'"},
        {"/api/v1/log?limit=8193", "'limit' is a number from 1 to 8192, not '8193'"},
        {"/api/v1/log?feed=longpoll", "'feed' is sse or ndjson, not 'longpoll'"},
        {"/api/v1/log?format=xml", "'format' is text or json, not 'xml'"},
        {"/api/v1/log?format=text&feed=sse", "'feed' and 'format' exclude each other"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refused("GET", rows[i].target, NULL, 400, "invalid", rows[i].detail);
    }
    ask_last_event_id = "12x";
    refused("GET", "/api/v1/log?feed=sse", NULL, 400, "invalid",
            "'Last-Event-ID' is not one that this log gave");
    ask_last_event_id = NULL;
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, open_log, close_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(lines_are_told_whole_and_in_order),
        LOG_TEST(lines_are_chosen),
        LOG_TEST(a_list_goes_on_where_it_ended),
        LOG_TEST(what_is_no_utf8_is_shown_by_its_bytes),
        LOG_TEST(it_is_downloaded_as_a_file),
        LOG_TEST(a_stream_follows_the_log),
        LOG_TEST(events_have_ids_to_go_on_from),
        LOG_TEST(a_reader_that_is_too_slow_is_told_what_it_missed),
        LOG_TEST(much_comes_in_pieces),
        LOG_TEST(bad_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
