/* Tests of admin/https/http.c: threads and lanes, the number of connections, stopping at any time.
 */
#include "tests/admin/https/http_fixture.h"

#include <sys/resource.h>

#include "admin/https/inside.h"
#include "tests/support/fail_alloc.h"

static const char hello[] = "GET /hello/a HTTP/1.1\r\n" CLOSE "\r\n";
static const char wait_long[] = "GET /wait HTTP/1.1\r\n" CLOSE "\r\n";

static void it_stops_with_connections_in_every_state(void **state)
{
    (void)state;
    http_open();
    atomic_store(&told.more, 0);
    int fds[5];
    static const char *const texts[5] = {
        "", "GET /hel", "POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", wait_long};
    for (int i = 0; i < 5; i++) {
        fds[i] = http_connect();
        http_say(fds[i], texts[i]);
    }
    http_await(&told.streams, 1);
    http_await(&told.running, 1);
    uint64_t begin = clock_mono_ms(&clock_system);
    admin_http_stop(&http.http);
    assert_true(clock_mono_ms(&clock_system) - begin < 2000);
    assert_int_equal(atomic_load(&told.given_up), 1);
    assert_int_equal(atomic_load(&told.streams), 0);
    for (int i = 0; i < 5; i++) {
        (void)close(fds[i]);
    }
}

static void stopping_what_never_started_is_fine(void **state)
{
    (void)state;
    admin_http_stop(NULL);
    admin_http_stop(&http.http);
}

static void long_work_keeps_nobody_else_waiting(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, wait_long);
    http_await(&told.running, 1);
    for (int i = 0; i < 10; i++) {
        http_expect(http_ask(hello), "HTTP/1.1 200 OK\r\n", "\"a\"");
    }
    atomic_store(&told.go, true);
    http_expect(http_read(fd, NULL), "HTTP/1.1 200 OK\r\n", "{}");
    (void)close(fd);
}

static void who_goes_away_gives_up(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    http_say(fd, wait_long);
    http_await(&told.running, 1);
    (void)close(fd);
    http_await(&told.given_up, 1);
    http_await(&told.running, 0);
}

/* Those who wait in the lane and go away are never run. */
static void who_goes_away_early_is_passed_over(void **state)
{
    (void)state;
    http_open();
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = http_connect();
        http_say(fds[i], wait_long);
    }
    http_await(&told.running, 1);
    (void)usleep(50000);
    for (int i = 1; i < 5; i++) {
        (void)close(fds[i]);
    }
    (void)usleep(50000);
    atomic_store(&told.go, true);
    http_expect(http_read(fds[0], NULL), "HTTP/1.1 200 OK\r\n", "{}");
    http_await(&told.running, 0);
    (void)usleep(50000);
    assert_int_equal(atomic_load(&told.given_up), 0);
    (void)close(fds[0]);
}

/* What a request holds is held while its lane works on it, also when its client has left: `path` is
 * asked to hold two bytes and left, then `other` is sent as many. */
static void expect_held_to_the_end(const char *path, const char *other, const char *refusal)
{
    char holding[128];
    char next[128];
    static const char rest[] = " HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nab";
    (void)snprintf(holding, sizeof holding, "POST %s%s", path, rest);
    (void)snprintf(next, sizeof next, "POST %s%s", other, rest);
    http_open();
    int fd = http_connect();
    http_say(fd, holding);
    http_await(&told.running, 1);
    (void)close(fd);
    http_await(&told.given_up, 1);
    http_expect(http_ask(next), "HTTP/1.1 503 Service Unavailable\r\n", refusal);
    atomic_store(&told.go, true);
    for (int i = 0; i < 1000 && strncmp(http_ask(next), "HTTP/1.1 200", 12) != 0; i++) {
        (void)usleep(10000);
    }
    http_expect(http.answer, "HTTP/1.1 200 OK\r\n", "{");
}

static void a_file_counts_while_its_lane_has_it(void **state)
{
    (void)state;
    http.limits.files = 1;
    expect_held_to_the_end("/hold/file", "/file", "1 files are being received already");
}

static void a_body_counts_while_its_lane_has_it(void **state)
{
    (void)state;
    http.limits.body_bytes = 3;
    expect_held_to_the_end("/hold", "/echo", "too many large requests are being received");
}

static void more_connections_than_allowed_wait(void **state)
{
    (void)state;
    http.limits.connections = 2;
    http_open();
    int first = http_connect();
    int second = http_connect();
    http_say(first, "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)http_read(first, "}");
    int third = http_connect();
    http_say(third, hello);
    assert_false(http_ready(third, 200));
    (void)close(second);
    http_expect(http_read(third, NULL), "HTTP/1.1 200 OK\r\n", "\"a\"");
    (void)close(first);
    (void)close(third);
}

static void a_full_lane_refuses(void **state)
{
    (void)state;
    http.limits.connections = 100;
    http_open();
    int fds[70];
    int refused = 0;
    for (int i = 0; i < 70; i++) {
        fds[i] = http_connect();
        http_say(fds[i], wait_long);
        http_await(&told.running, 1);
    }
    (void)usleep(200000);
    for (int i = 0; i < 70; i++) {
        if (http_ready(fds[i], 0)) {
            http_expect(http_read(fds[i], NULL), "HTTP/1.1 503 Service Unavailable\r\n",
                        "the server has too much to do: try again later");
            refused++;
        }
    }
    assert_int_equal(refused, 70 - 65);
    http_expect(http_ask(hello), "HTTP/1.1 200 OK\r\n", "\"a\"");
    atomic_store(&told.go, true);
    for (int i = 0; i < 70; i++) {
        (void)close(fds[i]);
    }
}

/* A lane's thread gives back what it was given without waiting for the loop, which may have ended:
 * no more is out than there is room for. */
static void no_more_jobs_are_out_than_can_come_back(void **state)
{
    (void)state;
    static struct admin_http full;
    static const struct admin_route route = {.lane = ADMIN_LANE_QUICK};
    full.jobs_out = ADMIN_JOBS_OUT_MAX;
    assert_int_equal(queue_new(&full.lanes[ADMIN_LANE_QUICK].jobs, 1, NULL), 0);
    struct admin_job *job = admin_job_new(&full);
    assert_non_null(job);
    job->route = &route;
    assert_int_equal(admin_http_dispatch(&full, job), E_BUSY);
    full.jobs_out--;
    assert_int_equal(admin_http_dispatch(&full, job), 0);
    assert_int_equal(full.jobs_out, ADMIN_JOBS_OUT_MAX);
    assert_ptr_equal(queue_pop(full.lanes[ADMIN_LANE_QUICK].jobs, 0), job);
    admin_job_free(&job);
    queue_free(&full.lanes[ADMIN_LANE_QUICK].jobs);
}

static void who_came_back_is_out_no_more(void **state)
{
    (void)state;
    http_open();
    int fd = http_connect();
    for (int i = 0; i <= ADMIN_JOBS_OUT_MAX; i++) {
        http_say(fd, "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
        http_expect(http_read(fd, "}"), "HTTP/1.1 200 OK\r\n", "\"a\"");
    }
    (void)close(fd);
}

/* No descriptors are left for a while: it goes on when there are some again. */
static void accepting_survives_a_lack_of_descriptors(void **state)
{
    (void)state;
    struct rlimit before;
    http_open();
    http_expect(http_ask(hello), "HTTP/1.1 200 OK\r\n", "\"a\"");
    int fd = http_connect();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
    (void)http_ready(fd, 100); /* it has been accepted */
    int late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(late, (struct sockaddr *)&http.address, sizeof http.address), 0);
    http_say(late, hello);
    bool answered = http_ready(late, 300);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(answered);
    http_expect(http_read(late, NULL), "HTTP/1.1 200 OK\r\n", "\"a\"");
    (void)close(fd);
    (void)close(late);
}

static int start_and_stop(void)
{
    static const struct admin_backend backend;
    struct admin_http *other = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct admin_http_options options = {
        .listeners = &fd,
        .listener_count = 1,
        .local = true,
        .routes = http_routes,
        .backend = &backend,
        .limits = &admin_http_usual,
    };
    int rc = admin_http_start(&other, &options, NULL);
    if (rc != 0) {
        (void)close(fd); /* the caller's still */
    }
    admin_http_stop(&other);
    return rc;
}

static void starting_without_memory_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth < 100; nth++) {
        fail_alloc_at(nth);
        int rc = start_and_stop();
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            assert_true(nth > 4);
            return;
        }
        assert_true(rc == E_NOMEM || rc == E_SYSTEM);
    }
    fail_msg("it never ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(it_stops_with_connections_in_every_state),
        HTTP_TEST(stopping_what_never_started_is_fine),
        HTTP_TEST(long_work_keeps_nobody_else_waiting),
        HTTP_TEST(who_goes_away_gives_up),
        HTTP_TEST(who_goes_away_early_is_passed_over),
        HTTP_TEST(a_file_counts_while_its_lane_has_it),
        HTTP_TEST(a_body_counts_while_its_lane_has_it),
        HTTP_TEST(more_connections_than_allowed_wait),
        HTTP_TEST(a_full_lane_refuses),
        HTTP_TEST(no_more_jobs_are_out_than_can_come_back),
        HTTP_TEST(who_came_back_is_out_no_more),
        HTTP_TEST(accepting_survives_a_lack_of_descriptors),
        HTTP_TEST(starting_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
