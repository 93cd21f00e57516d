/* Tests of admin/api/health.c: what probes and Prometheus are told. The form of the metrics is read
 * again by tests/e2e/test_metrics. */
#include "base/log_ring.h"
#include "tests/admin/api/api_fixture.h"

static void grow_stale(void)
{
    (void)usleep((ADMIN_BOARD_FRESH_MS + 20) * 1000);
}

/* The answer as text. */
static char *text_of(admin_handler *handler, enum admin_role role, bool verbose, int status)
{
    struct admin_request request = {.backend = &fake.backend, .role = role};
    struct admin_response response = {0};
    if (verbose) {
        request.query[request.query_count++] = (struct admin_pair){"verbose", ""};
    }
    assert_int_equal(handler(&request, &response, NULL), 0);
    assert_true(response.is_raw);
    assert_int_equal(response.status, status);
    assert_int_equal(strncmp(response.content_type, "text/plain; ", 12), 0);
    (void)buf_append_u8(&response.raw, 0);
    return buf_steal(&response.raw, NULL);
}

static void expect_ready(int status, bool verbose, const char *wanted)
{
    char *text = text_of(admin_api_readyz, ADMIN_ROLE_VIEWER, verbose, status);
    if (strcmp(text, wanted) != 0) {
        fail_msg("'%s' is not '%s'", text, wanted);
    }
    free(text);
}

static void who_answers_is_alive(void **state)
{
    (void)state;
    char *text = text_of(admin_api_livez, ADMIN_ROLE_NONE, false, 0);
    assert_string_equal(text, "ok\n");
    free(text);
}

/* The board looks again because it was asked before. */
static void look_again(void)
{
    struct admin_board_facts facts;
    grow_stale();
    assert_int_equal(admin_board_facts(fake.backend.board, true, &facts, NULL), fake.fail_code);
}

static enum server_state told_state;

static int told_status(void *context, struct server_status *out, struct err *err)
{
    int rc = fake_status(context, out, err);
    out->state = told_state;
    (void)snprintf(out->state_text, sizeof out->state_text, "the disk is full");
    return rc;
}

static void ready_is_who_takes_writes(void **state)
{
    (void)state;
    expect_ready(200, false, "ready\n");
    fake.backend.status = told_status;
    told_state = SERVER_STOPPED; /* on purpose */
    look_again();
    expect_ready(200, false, "ready\n");
    told_state = SERVER_READ_ONLY;
    look_again();
    expect_ready(503, false, "not ready\n");
    char *text = text_of(admin_api_readyz, ADMIN_ROLE_VIEWER, true, 503);
    assert_non_null(strstr(text, "[+] main: answered "));
    assert_non_null(strstr(text, " ms ago\n[+] state: is read\n"
                                 "[-] writes: the disk is full\n"
                                 "[+] restore: nothing is to be confirmed\nnot ready\n"));
    free(text);
    fake.fail_code = E_CLOSED;
    look_again();
    text = text_of(admin_api_readyz, ADMIN_ROLE_VIEWER, true, 503);
    assert_non_null(strstr(text, "[-] state: the fake was told to fail\n"
                                 "[-] writes: not known\n[-] restore: not known\nnot ready\n"));
    free(text);
}

static void ready_is_who_serves_after_a_restore(void **state)
{
    (void)state;
    fake.status.held = true;
    look_again();
    expect_ready(503, false, "not ready\n");
    char *text = text_of(admin_api_readyz, ADMIN_ROLE_VIEWER, true, 503);
    assert_non_null(strstr(text, "[+] writes: taken\n[-] restore: the data came out of a backup: "
                                 "'kitbagctl restore confirm'\nnot ready\n"));
    free(text);
    fake.status.held = false;
    look_again();
    expect_ready(200, false, "ready\n");
}

static void strangers_are_told_yes_or_no_alone(void **state)
{
    (void)state;
    char *text = text_of(admin_api_readyz, ADMIN_ROLE_NONE, false, 200);
    assert_string_equal(text, "ready\n");
    free(text);
    struct admin_request request = {.backend = &fake.backend, .query_count = 1};
    struct admin_response response = {0};
    request.query[0] = (struct admin_pair){"verbose", "1"};
    assert_int_equal(admin_api_readyz(&request, &response, NULL), E_UNAUTHENTICATED);
    refused("GET", "/readyz?verbose=x", NULL, 400, "invalid", "'verbose' is 1 or 0, not 'x'");
}

static void expect_line(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        fail_msg("there is no '%s' in:\n%s", line, text);
    }
}

static void metrics_tell_the_facts(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "12345");
    assert_int_equal(log_ring_open(1000, NULL), 0);
    log_ring_add(1, LOG_ERROR, "m", "e", span_of(NULL, 0));
    fake.status.room_bytes = 100;
    fake.status.reserve_bytes = 200;
    fake.status.users_limit = 1000;
    fake.status.replicas = (struct server_replicas){.lag = 9, .behind = 2, .diverged = 1};
    grow_stale();
    char *text = text_of(admin_api_metrics, ADMIN_ROLE_VIEWER, false, 0);
    static const char *const lines[] = {
        "\nkitbag_build_info{version=\"" KITBAG_VERSION "\"} 1\n",
        "\nkitbag_state{state=\"running\"} 1\nkitbag_state{state=\"stopped\"} 0\n",
        "\nkitbag_uptime_seconds 5\n",
        "\n# TYPE kitbag_writes_total counter\nkitbag_writes_total 7\n",
        "\nkitbag_users 1\n",
        "\nkitbag_users_limit 1000\n",
        "\nkitbag_devices 3\n",
        "\nkitbag_devices_connected 2\n",
        "\nkitbag_devices_behind 2\n",
        "\nkitbag_device_lag_changes_max 9\n",
        "\nkitbag_journal_head_seq 3\n",
        "\nkitbag_disk_free_bytes 100\n",
        "\nkitbag_warning{code=\"disk.low\"} 1\n",
        "\nkitbag_warning{code=\"clock.stepped\"} 0\n",
        "\nkitbag_log_lines_total{level=\"error\"} 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        expect_line(text, lines[i]);
    }
    assert_null(strstr(text, "kitbag_resident_memory_bytes 0\n"));
    assert_null(strstr(text, "ann")); /* nobody is named */
    free(text);
    log_ring_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(who_answers_is_alive),
        API_TEST(ready_is_who_takes_writes),
        API_TEST(ready_is_who_serves_after_a_restore),
        API_TEST(strangers_are_told_yes_or_no_alone),
        API_TEST(metrics_tell_the_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
