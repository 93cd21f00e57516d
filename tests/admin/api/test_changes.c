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
    assert_string_equal(text, "{\"head\":\"10\",\"next\":\"" HISTORY ":10\",\"heartbeat\":true}\n");
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
        {"/api/v1/changes?feed=xml", "'feed' is ndjson, sse or longpoll, not 'xml'"},
        {"/api/v1/changes?feed=longpoll&wait=31", "'wait' is a number from 0 to 30, not '31'"},
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

/* --- going on from a place --- */

/* The answer of a question that came with the header. */
static struct admin_stream *open_after(const char *target, const char *last_event_id)
{
    ask_last_event_id = last_event_id;
    struct admin_stream *stream = open_stream(target);
    ask_last_event_id = NULL;
    return stream;
}

static void expect_begin(const char *text, const char *begin)
{
    assert_true(strlen(text) >= strlen(begin));
    assert_memory_equal(text, begin, strlen(begin));
}

static void an_event_has_its_place(void **state)
{
    (void)state;
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?feed=sse&tail=1");
    assert_true(stream->sse);
    char *text = take(stream, 0, &rc);
    assert_int_equal(rc, 0);
    expect_begin(text, "id: " HISTORY ":10\nevent: change\ndata: {\"seq\":\"10\",");
    assert_string_equal(text + strlen(text) - 3, "}\n\n");
    free(text);
    text = take(stream, 10000, &rc);
    assert_string_equal(text, "id: " HISTORY ":10\nevent: heartbeat\n"
                              "data: {\"head\":\"10\",\"next\":\"" HISTORY ":10\"}\n\n");
    free(text);
    stream->free(stream);
    /* What the header tells goes before what the address asks for. */
    stream = open_after("/api/v1/changes?feed=sse&tail=1", HISTORY ":8");
    text = take(stream, 0, &rc);
    expect_begin(text, "id: " HISTORY ":9\n");
    free(text);
    stream->free(stream);
}

/* A heartbeat's place counts what was not wanted, too. */
static void a_heartbeat_moves_the_place_on(void **state)
{
    (void)state;
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?feed=sse&bag=user:ann&tail=1");
    free(take(stream, 0, &rc));
    char *text = take(stream, 10000, &rc);
    expect_begin(text, "id: " HISTORY ":10\nevent: heartbeat\n");
    free(text);
    stream->free(stream);
}

static void a_poll_is_answered_with_what_there_is(void **state)
{
    (void)state;
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?feed=longpoll&since=" HISTORY ":8");
    char *text = take(stream, 0, &rc);
    assert_int_equal(rc, E_CLOSED);
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "changes")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "next")), HISTORY ":10");
    assert_string_equal(json_string_value(json_object_get(json, "head")), "10");
    json_decref(json);
    free(text);
    stream->free(stream);
}

static void a_poll_waits_for_a_change_and_no_longer_than_asked(void **state)
{
    (void)state;
    static const char nothing[] = "{\"changes\":[],\"head\":\"10\",\"next\":\"" HISTORY ":10\"}\n";
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?feed=longpoll&since=" HISTORY ":10");
    char *text = take(stream, 29999, &rc);
    assert_int_equal(rc, 0);
    assert_string_equal(text, "");
    free(text);
    text = take(stream, 30000, &rc);
    assert_int_equal(rc, E_CLOSED);
    assert_string_equal(text, nothing);
    free(text);
    stream->free(stream);
    stream = open_stream("/api/v1/changes?feed=longpoll&wait=0&since=" HISTORY ":10");
    text = take(stream, 0, &rc);
    assert_string_equal(text, nothing);
    free(text);
    stream->free(stream);
    stream = open_stream("/api/v1/changes?feed=longpoll&since=" HISTORY ":10");
    free(take(stream, 100, &rc));
    (void)fake_put(&fake, "user:ann", "x", "y");
    text = take(stream, 200, &rc);
    assert_int_equal(rc, E_CLOSED);
    assert_non_null(strstr(text, "\"seq\":\"11\""));
    assert_non_null(strstr(text, "\"next\":\"" HISTORY ":11\""));
    free(text);
    stream->free(stream);
}

static void a_bag_that_is_gone_is_gone_on_with(void **state)
{
    (void)state;
    /* bob's first bag had 5, 6 and 8: who had read up to 5 gets the rest of it */
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":5", "6 8 9 10");
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":8", "9 10");
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":9", "10");
    (void)fake_delete(&fake, "user:bob"); /* 11 */
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":9", "10 11");
    expect_seqs("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":11", "");
    expect_seqs("/api/v1/changes?follow=0&bag=user:new&since=" HISTORY ":0", "");
}

/* Change sets of some items each, by several people who come and go. */
static void write_at_random(unsigned *seed)
{
    static char paths[5][4];
    static struct operation_write writes[5];
    static const char *const owners[] = {"user:ann", "user:bob", "group:sales"};
    const char *owner = owners[(unsigned)rand_r(seed) % 3];
    struct submit submit = {.kind = SUBMIT_WRITE, .create = true, .actor = "admin"};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    if (rand_r(seed) % 6 == 0) {
        submit.kind = SUBMIT_DELETE;
    }
    submit.writes = writes;
    submit.write_count = submit.kind == SUBMIT_DELETE ? 0 : 1 + (unsigned)rand_r(seed) % 5;
    for (size_t i = 0; i < submit.write_count; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "i%d", (int)i);
        writes[i] = (struct operation_write){.path = span_str(paths[i]), .value = span_str("v")};
    }
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0); /* deleting nobody is refused */
}

/* The seq of the event or line that `text` begins with, 0: it is a heartbeat or none. */
static uint64_t seq_of(const char *text)
{
    const char *at = strstr(text, "{\"seq\":\"");
    const char *end = strchr(text, '}');
    return at != NULL && at < end ? strtoull(at + 8, NULL, 10) : 0;
}

enum { SEQS_MAX = 4000 };

/* Read a stream of events over and over, cut it off behind any event and at any moment, go on from
 * the last place that was seen; meanwhile more is written. */
static size_t read_with_cuts(const char *target, uint64_t seqs[SEQS_MAX], unsigned *seed)
{
    char place[80] = HISTORY ":0";
    size_t count = 0;
    for (int quiet = 0, writes = 0; quiet < 3;) {
        int rc = 0;
        struct admin_stream *stream = open_after(target, place);
        char *text = take(stream, rand_r(seed) % 2 == 0 ? 10000 : 0, &rc);
        unsigned cut = (unsigned)rand_r(seed) % 12;
        quiet = text[0] == '\0' || strstr(text, "event: change") == NULL ? quiet + 1 : 0;
        for (const char *event = text; *event != '\0' && cut > 0; cut--) {
            assert_int_equal(sscanf(event, "id: %79s", place), 1);
            if (seq_of(event) != 0) {
                assert_true(count < SEQS_MAX);
                seqs[count++] = seq_of(event);
            }
            event = strstr(event, "\n\n") + 2;
        }
        free(text);
        stream->free(stream);
        if (writes < 15) {
            writes++;
            quiet = 0;
            write_at_random(seed);
        }
    }
    return count;
}

/* All at once, for comparing. */
static void expect_the_same(const char *target, const uint64_t *seqs, size_t count)
{
    int rc = 0;
    struct admin_stream *stream = open_stream(target);
    char *text = take(stream, 0, &rc);
    size_t at = 0;
    assert_int_equal(rc, E_CLOSED);
    for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(at < count);
        assert_int_equal(seq_of(line), seqs[at]);
        at++;
    }
    assert_int_equal(at, count);
    free(text);
    stream->free(stream);
}

static void going_on_misses_nothing_and_repeats_nothing(void **state)
{
    (void)state;
    static uint64_t seqs[SEQS_MAX];
    for (unsigned seed = 1; seed <= 4; seed++) {
        unsigned chance = seed;
        for (int i = 0; i < 12; i++) {
            write_at_random(&chance);
        }
        size_t count = read_with_cuts("/api/v1/changes?feed=sse", seqs, &chance);
        assert_int_equal(count, fake_head(&fake));
        expect_the_same("/api/v1/changes?follow=0&since=" HISTORY ":0", seqs, count);
        count = read_with_cuts("/api/v1/changes?feed=sse&bag=user:bob", seqs, &chance);
        assert_in_range(count, 8, fake_head(&fake));
        expect_the_same("/api/v1/changes?follow=0&bag=user:bob&since=" HISTORY ":0", seqs, count);
    }
}

/* One poll after the other is the whole stream as well. */
static void polls_make_up_the_stream(void **state)
{
    (void)state;
    unsigned chance = 7;
    uint64_t seen = 0;
    char target[160] = "/api/v1/changes?feed=longpoll&since=" HISTORY ":0";
    for (int i = 0; i < 10; i++) {
        int rc = 0;
        struct admin_stream *stream = open_stream(target);
        char *text = take(stream, 30000, &rc);
        size_t row;
        json_t *change;
        json_t *json = json_loads(text, 0, NULL);
        assert_int_equal(rc, E_CLOSED);
        assert_non_null(json);
        json_array_foreach(json_object_get(json, "changes"), row, change)
        {
            const char *seq = json_string_value(json_object_get(change, "seq"));
            assert_int_equal(strtoull(seq, NULL, 10), ++seen);
        }
        (void)snprintf(target, sizeof target, "/api/v1/changes?feed=longpoll&since=%s",
                       json_string_value(json_object_get(json, "next")));
        json_decref(json);
        free(text);
        stream->free(stream);
        assert_int_equal(seen, fake_head(&fake));
        write_at_random(&chance);
    }
}

static void a_place_that_is_no_place_is_refused(void **state)
{
    (void)state;
    ask_last_event_id = "rubbish";
    struct answer answer = ask(&fake, "GET", "/api/v1/changes?feed=sse", NULL);
    expect_problem(&answer, 400, "invalid",
                   "'since' is HISTORY:SEQ, with the history as the status tells it");
    answer = ask(&fake, "GET", "/api/v1/changes?follow=0", NULL); /* of events alone */
    assert_int_equal(answer.status, 200);
    answer.stream->free(answer.stream);
    ask_last_event_id = NULL;
}

/* --- what the journal no longer holds, and other histories --- */

/* A journal of two segments, of which the first is let go of. */
static void a_place_before_the_journal_tells_where_it_begins(void **state)
{
    (void)state;
    static char value[VALUE_MAX_BYTES];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 17; i++) {
        (void)fake_put(&fake, "user:ann", "big", value);
    }
    uint64_t floor = 0;
    assert_int_equal(journal_drop(fake.backend.journal, fake_head(&fake), &floor, NULL), 0);
    assert_in_range(floor, 11, fake_head(&fake));
    char target[160];
    char detail[160];
    (void)snprintf(detail, sizeof detail,
                   "changes from %" PRIu64 " on were asked for: the journal begins with %" PRIu64,
                   floor - 1, floor);
    (void)snprintf(target, sizeof target, "/api/v1/changes?since=" HISTORY ":%" PRIu64, floor - 2);
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(strtoull(text_at(&answer, "oldest"), NULL, 10), floor);
    expect_problem(&answer, 410, "too_old", detail);
    (void)snprintf(target, sizeof target, "/api/v1/changes?since=" HISTORY ":%" PRIu64, floor - 1);
    answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    answer.stream->free(answer.stream);
}

static void a_place_of_the_history_before_a_fork_is_ours(void **state)
{
    (void)state;
    static const uint8_t next[HISTORY_SIZE] = "fedcba9876543210";
    static const char now[] = "66656463626139383736353433323130";
    assert_int_equal(journal_fork(fake.backend.journal, next, NULL), 0);
    struct fake_set set;
    fake_begin(&set, &fake);
    struct change *change = fake_change(&set, CHANGE_HISTORY); /* 11 */
    memcpy(change->history.id, next, HISTORY_SIZE);
    memcpy(change->history.parent, "0123456789abcdef", HISTORY_SIZE);
    change->history.parent_seq = 10;
    fake_commit(&set);
    fake_end(&set);
    (void)fake_put(&fake, "user:ann", "x", "y"); /* 12 */
    expect_seqs("/api/v1/changes?follow=0&since=" HISTORY ":9", "10 11 12");
    expect_seqs("/api/v1/changes?follow=0&since=" HISTORY ":10", "11 12");
    struct answer answer = ask(&fake, "GET", "/api/v1/changes?since=" HISTORY ":11", NULL);
    assert_string_equal(text_at(&answer, "history"), now);
    expect_problem(&answer, 409, "other_history",
                   "the server's history is 66656463626139383736353433323130");
    int rc = 0;
    struct admin_stream *stream = open_stream("/api/v1/changes?feed=sse&tail=1");
    char *text = take(stream, 0, &rc);
    expect_begin(text, "id: 66656463626139383736353433323130:12\n");
    free(text);
    stream->free(stream);
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
        WITH_FAKE(an_event_has_its_place),
        WITH_FAKE(a_heartbeat_moves_the_place_on),
        WITH_FAKE(a_poll_is_answered_with_what_there_is),
        WITH_FAKE(a_poll_waits_for_a_change_and_no_longer_than_asked),
        WITH_FAKE(a_bag_that_is_gone_is_gone_on_with),
        WITH_FAKE(going_on_misses_nothing_and_repeats_nothing),
        WITH_FAKE(polls_make_up_the_stream),
        WITH_FAKE(a_place_that_is_no_place_is_refused),
        WITH_FAKE(a_place_before_the_journal_tells_where_it_begins),
        WITH_FAKE(a_place_of_the_history_before_a_fork_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
