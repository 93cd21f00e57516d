/* Tests of admin/api/changes.c: where a stream begins, what it shows, how it follows. */
#include "tests/admin/api/ask.h"

#define HISTORY "30313233343536373839616263646566"

static struct fake_backend fake;

/* After it the journal holds: 1 the history, 2-3 ann with a, 4 ann's b, 5-6 bob with keychain, 7
 * ann's a again, 8 bob deleted, 9-10 bob made again. */
static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    (void)fake_put(&fake, "user:Ann", "a", "one");
    (void)fake_put(&fake, "user:ann", "b", "two");
    (void)fake_put(&fake, "user:bob", "keychain/wiki", "secret");
    (void)fake_put(&fake, "user:ann", "a", "three");
    struct submit submit = {.kind = SUBMIT_DELETE, .actor = "admin"};
    assert_int_equal(owner_parse(&submit.owner, "user:bob", NULL), 0);
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    (void)fake_put(&fake, "user:bob", "c", "\xff");
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    fake_close(&fake);
    return 0;
}

static struct admin_stream *open_stream(const char *target)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(answer.stream);
    return answer.stream;
}

/* What the stream gives now, and the code that it returned last. */
static char *take(struct admin_stream *stream, uint64_t idle_ms, int *rc)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    do {
        *rc = stream->next(stream, idle_ms, &out, NULL);
    } while (*rc == 1);
    (void)buf_append_u8(&out, 0);
    return buf_steal(&out, NULL);
}

/* The seqs of the lines of a stream that does not follow, joined by spaces. */
static void expect_seqs(const char *target, const char *wanted)
{
    int rc = 0;
    struct admin_stream *stream = open_stream(target);
    char *text = take(stream, 0, &rc);
    char seqs[256] = "";
    assert_int_equal(rc, E_CLOSED);
    for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        json_t *row = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        size_t size = strlen(seqs);
        (void)snprintf(seqs + size, sizeof seqs - size, "%s%s", size > 0 ? " " : "",
                       json_string_value(json_object_get(row, "seq")));
        json_decref(row);
    }
    assert_string_equal(seqs, wanted);
    free(text);
    stream->free(stream);
}

static void the_tail_has_as_many_changes_as_asked_for(void **state)
{
    (void)state;
    expect_seqs("/api/v1/changes?follow=0", "1 2 3 4 5 6 7 8 9 10");
    expect_seqs("/api/v1/changes?follow=0&tail=3", "8 9 10");
    expect_seqs("/api/v1/changes?follow=0&tail=0", "");
    expect_seqs("/api/v1/changes?follow=0&tail=100&feed=ndjson", "1 2 3 4 5 6 7 8 9 10");
}

static void a_stream_begins_behind_a_seq(void **state)
{
    (void)state;
    expect_seqs("/api/v1/changes?follow=0&since=" HISTORY ":0", "1 2 3 4 5 6 7 8 9 10");
    expect_seqs("/api/v1/changes?follow=0&since=" HISTORY ":2", "3 4 5 6 7 8 9 10");
    expect_seqs("/api/v1/changes?follow=0&since=" HISTORY ":10", "");
}

static void a_bag_may_be_shown_alone(void **state)
{
    (void)state;
    expect_seqs("/api/v1/changes?follow=0&bag=user:ANN&tail=100", "2 3 4 7");
    expect_seqs("/api/v1/changes?follow=0&bag=user:ann&tail=2", "4 7");
    expect_seqs("/api/v1/changes?follow=0&bag=user:ann&tail=1", "7");
    expect_seqs("/api/v1/changes?follow=0&bag=user:ann&tail=0", "");
    /* by the name: what was deleted and what was made again */
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&tail=10", "9 10");
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":0", "5 6 8 9 10");
    struct answer answer = ask(&fake, "GET", "/api/v1/changes?bag=user:nobody", NULL);
    expect_problem(&answer, 404, "not_found", "there is no bag 'user:nobody'");
}

static void a_line_tells_what_happened(void **state)
{
    (void)state;
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?follow=0&values=1");
    char *text = take(stream, 0, &rc);
    static const char wanted[] =
        "{\"seq\":\"1\",\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"history\","
        "\"origin\":\"\",\"actor\":\"admin\"}\n"
        "{\"seq\":\"2\",\"time\":\"2023-11-14T22:13:21.000Z\",\"kind\":\"bag.create\","
        "\"bag_id\":\"2\",\"bag\":\"user:Ann\",\"origin\":\"\",\"actor\":\"admin\",\"set_left\":1}"
        "\n"
        "{\"seq\":\"3\",\"time\":\"2023-11-14T22:13:21.000Z\",\"kind\":\"item.set\","
        "\"bag_id\":\"2\",\"bag\":\"user:Ann\",\"item\":\"a\",\"size\":3,\"value\":\"one\","
        "\"origin\":\"\",\"actor\":\"admin\"}\n";
    assert_memory_equal(text, wanted, sizeof wanted - 1);
    assert_non_null(strstr(text, "\"item\":\"keychain/wiki\",\"size\":6,\"masked\":true,"));
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "\"kind\":\"bag.delete\",\"bag_id\":\"5\",\"bag\":\"user:bob\""));
    assert_non_null(strstr(text, "\"value_base64\":\"/w==\""));
    free(text);
    stream->free(stream);
    stream = open_stream("/api/v1/changes?follow=0");
    text = take(stream, 0, &rc);
    assert_null(strstr(text, "one"));
    assert_null(strstr(text, "value"));
    free(text);
    stream->free(stream);
}

static void a_stream_follows_what_is_committed(void **state)
{
    (void)state;
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?tail=1&bag=user:bob");
    char *text = take(stream, 0, &rc);
    assert_int_equal(rc, 0);
    assert_non_null(strstr(text, "\"seq\":\"10\""));
    free(text);
    text = take(stream, 9999, &rc);
    assert_int_equal(rc, 0);
    assert_string_equal(text, "");
    free(text);
    text = take(stream, 10000, &rc);
    assert_string_equal(text, "{\"heartbeat\":true,\"head\":\"10\"}\n");
    free(text);
    (void)fake_put(&fake, "user:ann", "x", "y"); /* 11: not asked for */
    text = take(stream, 0, &rc);
    assert_string_equal(text, "");
    free(text);
    (void)fake_put(&fake, "user:bob", "x", "y"); /* 12 */
    text = take(stream, 0, &rc);
    assert_non_null(strstr(text, "\"seq\":\"12\""));
    free(text);
    struct submit submit = {.kind = SUBMIT_DELETE, .actor = "admin"};
    assert_int_equal(owner_parse(&submit.owner, "user:bob", NULL), 0);
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0); /* 13 */
    (void)fake_put(&fake, "user:bob", "x", "y");               /* 14, 15 */
    text = take(stream, 0, &rc);
    assert_non_null(strstr(text, "\"seq\":\"13\""));
    assert_non_null(strstr(text, "\"seq\":\"15\""));
    free(text);
    stream->free(stream);
}

/* It gives a piece, is asked again, and gives the next; a batch may be cut. */
static void much_comes_in_pieces(void **state)
{
    (void)state;
    static struct operation_write writes[1000];
    static char paths[1000][8];
    static char value[1000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "i%d", i);
        writes[i] = (struct operation_write){.path = span_str(paths[i]),
                                             .value = span_of(value, sizeof value)};
    }
    struct submit submit = {
        .kind = SUBMIT_WRITE, .actor = "admin", .writes = writes, .write_count = 1000};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    struct admin_stream *stream =
        open_stream("/api/v1/changes?follow=0&values=1&since=" HISTORY ":10");
    size_t total = 0;
    size_t lines = 0;
    int pieces = 0;
    int rc = 1;
    while (rc == 1) {
        struct buf out;
        buf_init(&out, 1 << 20);
        rc = stream->next(stream, 0, &out, NULL);
        assert_in_range(out.size, 0, (128 << 10) + 2000);
        for (size_t i = 0; i < out.size; i++) {
            lines += out.data[i] == '\n';
        }
        total += out.size;
        pieces++;
        buf_free(&out);
    }
    assert_int_equal(rc, E_CLOSED);
    assert_int_equal(lines, 1000);
    assert_in_range(pieces, total / ((128 << 10) + 2000), total / (128 << 10) + 2);
    stream->free(stream);
}

static void bad_questions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *target, *detail;
    } rows[] = {
        {"/api/v1/changes?feed=sse", "'feed' has to be ndjson, not 'sse'"},
        {"/api/v1/changes?tail=1&since=x", "'since' and 'tail' exclude each other"},
        {"/api/v1/changes?tail=10001", "'tail' is a number from 0 to 10000, not '10001'"},
        {"/api/v1/changes?tail=1001&bag=user:ann", "'tail' is a number from 0 to 1000, not '1001'"},
        {"/api/v1/changes?values=x", "'values' is 1 or 0, not 'x'"},
        {"/api/v1/changes?follow=x", "'follow' is 1 or 0, not 'x'"},
        {"/api/v1/changes?since=7",
         "'since' is HISTORY:SEQ, with the history as the status tells it"},
        {"/api/v1/changes?since=" HISTORY ":",
         "'since' is HISTORY:SEQ, with the history as the status tells it"},
        {"/api/v1/changes?since=" HISTORY ":-1",
         "'since' is HISTORY:SEQ, with the history as the status tells it"},
        {"/api/v1/changes?since=" HISTORY ":1x",
         "'since' is HISTORY:SEQ, with the history as the status tells it"},
        {"/api/v1/changes?since=x0313233343536373839616263646566:1",
         "'since' is HISTORY:SEQ, with the history as the status tells it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer = ask(&fake, "GET", rows[i].target, NULL);
        expect_problem(&answer, 400, "invalid", rows[i].detail);
    }
    struct answer answer =
        ask(&fake, "GET", "/api/v1/changes?since=ff313233343536373839616263646566:1", NULL);
    assert_string_equal(text_at(&answer, "history"), HISTORY);
    expect_problem(&answer, 409, "other_history", "the server's history is " HISTORY);
    answer = ask(&fake, "GET", "/api/v1/changes?since=" HISTORY ":11", NULL);
    expect_problem(&answer, 409, "diverged", "the journal ends with change 10, before 11");
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(the_tail_has_as_many_changes_as_asked_for),
        WITH_FAKE(a_stream_begins_behind_a_seq),
        WITH_FAKE(a_bag_may_be_shown_alone),
        WITH_FAKE(a_line_tells_what_happened),
        WITH_FAKE(a_stream_follows_what_is_committed),
        WITH_FAKE(much_comes_in_pieces),
        WITH_FAKE(bad_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
