/* Tests of admin/https/answer.c: whole answers, streams, and readers who do not read. */
#include "tests/admin/https/http_fixture.h"

static void a_large_answer_arrives_whole(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, "GET /large HTTP/1.1\r\n" CLOSE "\r\n");
    size_t total = 0;
    ssize_t got;
    while ((got = recv(fd, http.answer, sizeof http.answer, 0)) > 0) {
        total += (size_t)got;
        (void)usleep(500); /* a slow reader */
    }
    assert_in_range(total, 8 << 20, (8 << 20) + 400);
    (void)close(fd);
}

static void an_item_is_its_bytes_and_its_seq(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, "PUT /item HTTP/1.1\r\nHost: x\r\nIf-Match: \"12\"\r\n"
                 "Content-Length: 3\r\n\r\nabc");
    http_expect(http_read(fd, "abc"), "HTTP/1.1 200 OK\r\n",
                "Content-Type: application/octet-stream\r\n");
    assert_non_null(strstr(http.answer, "ETag: \"77\"\r\n"));
    assert_non_null(strstr(http.answer, "\r\n\r\n\"12\":abc"));
    http_say(fd, "PUT /item HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    http_expect(http_read(fd, "}"), "HTTP/1.1 413 Content Too Large\r\n",
                "at most 1048576 are taken here");
    (void)close(fd);
}

static void a_condition_has_a_size_limit(void **state)
{
    (void)state;
    char request[256];
    http_open();
    for (int size = ADMIN_IF_MATCH_MAX - 2; size <= ADMIN_IF_MATCH_MAX; size++) {
        int fd = http_connect();
        (void)snprintf(request, sizeof request,
                       "PUT /item HTTP/1.1\r\nHost: x\r\nIf-Match: %0*d\r\n"
                       "Content-Length: 1\r\n\r\n!",
                       size, 7);
        http_say(fd, request);
        (void)http_read(fd, size < ADMIN_IF_MATCH_MAX ? "!" : "}");
        assert_non_null(strstr(http.answer, size < ADMIN_IF_MATCH_MAX
                                                ? "HTTP/1.1 200 OK\r\n"
                                                : "'If-Match' is longer than any seq"));
        (void)close(fd);
    }
}

static void who_only_sends_no_more_still_reads_the_answer(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)http_read(fd, "{"); /* it has begun */
    (void)shutdown(fd, SHUT_WR);
    size_t total = strlen(http.answer);
    ssize_t got;
    while ((got = recv(fd, http.answer, sizeof http.answer, 0)) > 0) {
        total += (size_t)got;
    }
    assert_true(total > 8 << 20);
    (void)close(fd);
}

static void a_stream_comes_in_chunks_until_it_ends(void **state)
{
    (void)state;
    http_open();
    atomic_store(&told.more, 3);
    int fd = http_connect();
    http_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_expect(http_read(fd, "bbbbbbbbbb\r\n"), "HTTP/1.1 200 OK\r\n",
                "Content-Type: application/x-ndjson\r\n");
    assert_non_null(strstr(http.answer, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(http.answer, "\r\n\r\na\r\ndddddddddd\r\na\r\ncccccccccc\r\na\r\n"));
    atomic_store(&told.more, 1);
    assert_string_equal(http_read(fd, "b\r\n"), "a\r\nbbbbbbbbbb\r\n");
    atomic_store(&told.more, -1);
    assert_string_equal(http_read(fd, "\r\n\r\n"), "0\r\n\r\n");
    http_say(fd, "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection goes on */
    http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n", "\"a\"");
    http_await(&told.streams, 0);
    (void)close(fd);
}

static void a_stream_that_fails_says_why_at_its_end(void **state)
{
    (void)state;
    http_open();
    atomic_store(&told.more, -2);
    int fd = http_connect();
    http_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_expect(http_read(fd, "\r\n0\r\n\r\n"), "HTTP/1.1 200 OK\r\n",
                "{\"code\":\"corrupt\",\"title\":\"stored data is damaged\",\"status\":500,"
                "\"detail\":\"the stream is damaged\"}\n\r\n0\r\n\r\n");
    (void)close(fd);
}

static void a_stream_ends_with_its_reader(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)http_read(fd, "\r\n\r\n");
    http_await(&told.streams, 1);
    (void)close(fd);
    http_await(&told.streams, 0);
}

static void a_slow_reader_is_not_sent_ahead(void **state)
{
    (void)state;
    enum { PIECES = 400 };
    http_open();
    told.piece_size = 32 << 10;
    atomic_store(&told.more, PIECES);
    int fd = http_connect();
    http_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t total = strlen(http_read(fd, "\r\n\r\n")); /* the head, and what came with it */
    (void)usleep(300000);
    int left = atomic_load(&told.more);
    assert_true(left > PIECES - 60); /* the backlog and what the system takes */
    (void)usleep(100000);
    assert_int_equal(atomic_load(&told.more), left);
    while (total < (size_t)(PIECES - 1) * (32 << 10)) { /* read on: it goes on */
        ssize_t got = recv(fd, http.answer, sizeof http.answer, 0);
        assert_true(got > 0);
        total += (size_t)got;
    }
    http_await(&told.more, 0);
    (void)close(fd);
}

static void only_some_streams_are_read_at_once(void **state)
{
    (void)state;
    static const char request[] = "GET /stream HTTP/1.1\r\n" CLOSE "\r\n";
    http.limits.streams = 1;
    http_open();
    int fd = http_connect();
    http_say(fd, request);
    (void)http_read(fd, "\r\n\r\n");
    http_expect(http_ask(request), "HTTP/1.1 429 Too Many Requests\r\n",
                "1 streams are being read already: end one of them");
    (void)close(fd);
    http_await(&told.streams, 0);
    fd = http_connect();
    http_say(fd, request);
    http_expect(http_read(fd, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "chunked");
    atomic_store(&told.more, -1); /* one that ends by itself leaves its place too */
    (void)http_read(fd, NULL);
    (void)close(fd);
    atomic_store(&told.more, 0);
    fd = http_connect();
    http_say(fd, request);
    http_expect(http_read(fd, "\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "chunked");
    (void)close(fd);
}

static void a_reader_who_stands_still_is_cut(void **state)
{
    (void)state;
    http.limits.stall_ms = 100;
    http_open();
    int fd = http_connect();
    http_say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(http_ready(fd, 10000));
    (void)usleep(600000);
    size_t total = 0;
    ssize_t got;
    while ((got = recv(fd, http.answer, sizeof http.answer, 0)) > 0) {
        total += (size_t)got;
    }
    assert_in_range(total, 1, 4 << 20); /* what the system had taken */
    (void)close(fd);
}

static void a_stream_whose_reader_stands_still_is_cut(void **state)
{
    (void)state;
    http.limits.stream_stall_ms = 200;
    http_open();
    told.piece_size = 64 << 10;
    atomic_store(&told.more, 1000);
    int fd = http_connect();
    http_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_await(&told.streams, 1);
    http_await(&told.streams, 0); /* after the 200 ms */
    (void)close(fd);
}

/* The rest of a body that was refused is read for a while, so that the answer arrives. */
static void who_is_refused_still_gets_the_answer(void **state)
{
    (void)state;
    static char body[3 << 20];
    http_open();
    int fd = http_connect();
    http_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n");
    http_send(fd, body, sizeof body);
    http_expect(http_read(fd, NULL), "HTTP/1.1 413 ", "at most 1048576");
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_large_answer_arrives_whole),
        HTTP_TEST(an_item_is_its_bytes_and_its_seq),
        HTTP_TEST(a_condition_has_a_size_limit),
        HTTP_TEST(who_only_sends_no_more_still_reads_the_answer),
        HTTP_TEST(a_stream_comes_in_chunks_until_it_ends),
        HTTP_TEST(a_stream_that_fails_says_why_at_its_end),
        HTTP_TEST(a_stream_ends_with_its_reader),
        HTTP_TEST(a_slow_reader_is_not_sent_ahead),
        HTTP_TEST(only_some_streams_are_read_at_once),
        HTTP_TEST(a_reader_who_stands_still_is_cut),
        HTTP_TEST(a_stream_whose_reader_stands_still_is_cut),
        HTTP_TEST(who_is_refused_still_gets_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
