/* Tests of admin/local_request.c: against a server that says what it was told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/local_request.h"
#include "tests/support/canned_http.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX];
static char socket_path[TMP_FOLDER_MAX];

static int make_folder(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(socket_path, folder, ADMIN_SOCKET_NAME);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static int ask(const char *data_dir, const char *body, struct buf *out, struct err *err)
{
    struct admin_local_request request = {
        .data_dir = data_dir,
        .method = "POST",
        .target = "/api/v1/things",
        .body = span_str(body),
        .timeout_ms = 2000,
    };
    return admin_local_request(&request, out, err);
}

/* One answer, one question: the code; the body and the sentence into `text`. */
static int ask_canned(const char *answer, char *text, size_t size)
{
    const char *answers[] = {answer, NULL};
    struct canned_http *server = NULL;
    canned_http_start(&server, socket_path, answers);
    struct buf out;
    buf_init(&out, 100);
    struct err err = {0};
    int rc = ask(folder, "{}", &out, &err);
    (void)snprintf(text, size, "%.*s", (int)(rc == 0 ? out.size : sizeof err.text),
                   rc == 0 && out.size > 0 ? (const char *)out.data : err.text);
    buf_free(&out);
    canned_http_stop(&server);
    return rc;
}

static void the_body_of_a_good_answer_is_appended(void **state)
{
    (void)state;
    const char *answers[] = {canned_http_json(0, 200, "{\"a\":1}"), NULL};
    struct canned_http *server = NULL;
    canned_http_start(&server, socket_path, answers);
    struct buf out;
    buf_init(&out, 100);
    (void)buf_append(&out, "=", 1);
    assert_int_equal(ask(folder, "{\"count\":2}", &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), span_str("={\"a\":1}")));
    assert_string_equal(canned_http_requests(server),
                        "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: close\r\nContent-Type: application/json\r\n"
                        "Content-Length: 11\r\n\r\n{\"count\":2}");
    buf_free(&out);
    canned_http_stop(&server);
}

static void a_problem_becomes_its_code_and_sentence(void **state)
{
    (void)state;
    char text[ERR_TEXT_MAX];
    const char *answer = canned_http_json(
        0, 507, "{\"code\":\"no_space\",\"detail\":\"the disk of the server is full\"}");
    assert_int_equal(ask_canned(answer, text, sizeof text), E_NOSPACE);
    assert_string_equal(text, "the disk of the server is full");
    assert_int_equal(ask_canned(canned_http_json(0, 500, "{}"), text, sizeof text), E_MALFORMED);
    assert_string_equal(text, "the server answered with HTTP status 500");
}

static void an_answer_that_is_not_whole_is_malformed(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "no such thing\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char text[ERR_TEXT_MAX];
        assert_int_equal(ask_canned(answers[i], text, sizeof text), E_MALFORMED);
        assert_string_equal(text, "the server's answer is not whole HTTP");
    }
    char text[ERR_TEXT_MAX];
    assert_int_equal(ask_canned("", text, sizeof text), E_UNREACHABLE);
    assert_string_equal(text, "the server closed the connection: is it stopping?");
}

static void an_answer_over_the_limit_is_refused(void **state)
{
    (void)state;
    char text[ERR_TEXT_MAX];
    char body[102];
    memset(body, 'x', sizeof body - 1);
    body[101] = '\0';
    assert_int_equal(ask_canned(canned_http_json(0, 200, body), text, sizeof text), E_TOO_LARGE);
    body[100] = '\0';
    assert_int_equal(ask_canned(canned_http_json(0, 200, body), text, sizeof text), 0);
}

static void a_server_that_is_not_there_is_told_with_the_remedy(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    struct err err = {0};
    (void)unlink(socket_path);
    assert_int_equal(ask(folder, "", &out, &err), E_UNREACHABLE);
    char wanted[3 * TMP_FOLDER_MAX];
    (void)snprintf(wanted, sizeof wanted,
                   "no server runs with the data folder '%s': start it with 'kitbagd --data %s'",
                   folder, folder);
    assert_string_equal(err.text, wanted);
    const char *answers[] = {NULL};
    struct canned_http *server = NULL;
    canned_http_start(&server, socket_path, answers);
    canned_http_stop(&server); /* leaves a socket that nobody listens on */
    assert_int_equal(ask(folder, "", &out, &err), E_UNREACHABLE);
    assert_int_equal(ask("/nowhere/at/all", "", &out, &err), E_UNREACHABLE);
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    const char *answers[] = {CANNED_SILENCE, NULL};
    struct canned_http *server = NULL;
    canned_http_start(&server, socket_path, answers);
    struct admin_local_request request = {
        .data_dir = folder, .method = "GET", .target = "/", .timeout_ms = 100};
    struct buf out;
    buf_init(&out, 100);
    struct err err = {0};
    assert_int_equal(admin_local_request(&request, &out, &err), E_TIMEOUT);
    assert_string_equal(err.text, "the server did not answer within 100 ms");
    canned_http_stop(&server);
}

static void another_accounts_server_is_told_apart(void **state)
{
    (void)state;
    const char *answers[] = {NULL};
    struct canned_http *server = NULL;
    canned_http_start(&server, socket_path, answers);
    assert_int_equal(chmod(socket_path, 0), 0);
    uid_t self = geteuid();
    if (self == 0) {
        assert_int_equal(seteuid(65534), 0); /* root may open everything */
    }
    struct buf out;
    buf_init(&out, 100);
    struct err err = {0};
    int rc = ask(folder, "", &out, &err);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(rc, E_PERMISSION);
    canned_http_stop(&server);
}

static void a_folder_too_deep_for_a_socket_is_refused(void **state)
{
    (void)state;
    char deep[200];
    memset(deep, 'x', sizeof deep - 1);
    deep[0] = '/';
    deep[sizeof deep - 1] = '\0';
    struct buf out;
    buf_init(&out, 100);
    struct err err = {0};
    assert_int_equal(ask(deep, "", &out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "too long for a socket"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_of_a_good_answer_is_appended),
        cmocka_unit_test(a_problem_becomes_its_code_and_sentence),
        cmocka_unit_test(an_answer_that_is_not_whole_is_malformed),
        cmocka_unit_test(an_answer_over_the_limit_is_refused),
        cmocka_unit_test(a_server_that_is_not_there_is_told_with_the_remedy),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(another_accounts_server_is_told_apart),
        cmocka_unit_test(a_folder_too_deep_for_a_socket_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
