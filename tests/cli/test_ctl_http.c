/* Tests of cli/ctl_http.c: asking, uploads, streams, and servers that misbehave. */
#include "tests/cli/https_server.h"

#include <sys/stat.h>

static int ask(json_t *body, json_t **answer, struct err *err)
{
    struct invocation invocation = ctl_invocation();
    return ctl_ask(&invocation, "/api/v1/x?a=b", body, answer, err);
}

static void a_question_gets_its_document(void **state)
{
    (void)state;
    json_t *answer = NULL;
    ctl_answers("{\"a\":1}", "{\"b\":2}", NULL);
    assert_int_equal(ask(NULL, &answer, NULL), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "a")), 1);
    json_decref(answer);
    assert_asked("GET /api/v1/x?a=b HTTP/1.1\r\n");
    json_t *body = json_pack("{s:s}", "k", "v");
    assert_int_equal(ask(body, &answer, NULL), 0);
    json_decref(answer);
    json_decref(body);
    assert_asked("POST /api/v1/x?a=b HTTP/1.1\r\n");
    assert_asked("Content-Type: application/json\r\n");
    assert_asked("\r\n\r\n{\"k\":\"v\"}");
}

static void a_problem_becomes_code_and_sentence(void **state)
{
    (void)state;
    json_t *answer = NULL;
    struct err err = {0};
    ctl_answers("412 {\"code\":\"condition_failed\",\"detail\":\"it was changed\"}", "500 {}",
                "500 no JSON", "200 no JSON", NULL);
    assert_int_equal(ask(NULL, &answer, &err), E_CONDITION);
    assert_string_equal(err.text, "it was changed");
    assert_int_equal(ask(NULL, &answer, &err), E_MALFORMED);
    assert_string_equal(err.text, "the server answered with HTTP status 500");
    assert_int_equal(ask(NULL, &answer, &err), E_MALFORMED);
    assert_int_equal(ask(NULL, &answer, &err), E_MALFORMED);
    assert_null(answer);
}

static void a_server_that_is_not_there_is_told_with_the_remedy(void **state)
{
    (void)state;
    json_t *answer = NULL;
    struct err err = {0};
    char wanted[3 * TMP_FOLDER_MAX];
    assert_int_equal(ask(NULL, &answer, &err), E_UNREACHABLE);
    (void)snprintf(wanted, sizeof wanted,
                   "no server runs with the data folder '%s': start it with 'kitbagd --data %s'",
                   ctl.data, ctl.data);
    assert_string_equal(err.text, wanted);
    ctl_answers("{}", NULL);
    canned_http_stop(&ctl.server); /* leaves a socket that nobody listens on */
    assert_int_equal(ask(NULL, &answer, &err), E_UNREACHABLE);
    assert_string_equal(err.text, wanted);
}

static void a_server_that_goes_away_is_told(void **state)
{
    (void)state;
    json_t *answer = NULL;
    struct err err = {0};
    ctl_answers("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", NULL);
    assert_int_equal(ask(NULL, &answer, &err), E_UNREACHABLE);
    assert_non_null(strstr(err.text, "is it stopping?"));
    assert_int_equal(ask(NULL, &answer, &err), E_UNREACHABLE);
    assert_null(answer);
}

static void another_accounts_server_is_told_apart(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    json_t *answer = NULL;
    struct err err = {0};
    ctl_answers("{}", NULL);
    tmp_folder_path(path, ctl.folder, "admin.sock");
    assert_int_equal(chmod(path, 0), 0);
    uid_t self = geteuid();
    if (self == 0) {
        assert_int_equal(seteuid(65534), 0); /* root may open everything */
    }
    int rc = ask(NULL, &answer, &err);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(rc, E_PERMISSION);
    assert_non_null(strstr(err.text, "may be opened by the server's own account only"));
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    struct invocation invocation = ctl_invocation();
    json_t *answer = NULL;
    struct err err = {0};
    char target[5000];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = '\0';
    assert_int_equal(ctl_ask(&invocation, target, NULL, &answer, &err), E_TOO_LARGE);
    char folder[200];
    memset(folder, 'x', sizeof folder - 1);
    folder[0] = '/';
    folder[sizeof folder - 1] = '\0';
    invocation.given[0].value = folder;
    assert_int_equal(ctl_ask(&invocation, "/", NULL, &answer, &err), E_INVALID);
    assert_non_null(strstr(err.text, "is too long for a socket in it"));
}

static void an_upload_sends_its_bytes(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20 };
    struct invocation invocation = ctl_invocation();
    json_t *answer = NULL;
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    memset(bytes, 'u', SIZE);
    ctl_answers("{\"items\":1}", "{}",
                "413 {\"code\":\"too_large\",\"detail\":\"it is too large\"}", NULL);
    assert_int_equal(ctl_upload(&invocation, "/up", span_of(bytes, SIZE), &answer, NULL), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "items")), 1);
    json_decref(answer);
    const char *requests = canned_http_requests(ctl.server);
    const char *body = strstr(requests, "\r\n\r\n");
    assert_non_null(strstr(requests, "POST /up HTTP/1.1\r\n"));
    assert_non_null(strstr(requests, "Content-Length: 3145728\r\n"));
    assert_int_equal(strlen(body + 4), SIZE);
    assert_int_equal(strspn(body + 4, "u"), SIZE);
    assert_int_equal(ctl_upload(&invocation, "/up", span_of("", 0), &answer, NULL), 0);
    json_decref(answer);
    struct err err = {0};
    assert_int_equal(ctl_upload(&invocation, "/up", span_of(bytes, SIZE), &answer, &err),
                     E_TOO_LARGE);
    assert_string_equal(err.text, "it is too large");
    free(bytes);
}

struct seen {
    char text[256];
    int stop_at;
    int count;
};

static int note(void *context, json_t *line, struct err *err)
{
    struct seen *seen = context;
    size_t size = strlen(seen->text);
    (void)snprintf(seen->text + size, sizeof seen->text - size, "%lld ",
                   (long long)json_integer_value(json_object_get(line, "n")));
    return ++seen->count == seen->stop_at ? err_set(err, E_BUSY, "enough") : 0;
}

static int stream(struct seen *seen, struct err *err)
{
    struct invocation invocation = ctl_invocation();
    return ctl_stream(&invocation, "/changes", note, seen, err);
}

static void a_stream_comes_line_by_line(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "9\r\n{\"n\":1}\n{\r\n7\r\n\"n\":2}\n\r\n0\r\n\r\n";
    struct seen seen = {0};
    struct err err = {0};
    ctl_answers(answer, answer, NULL);
    assert_int_equal(stream(&seen, NULL), 0);
    assert_string_equal(seen.text, "1 2 ");
    seen = (struct seen){.stop_at = 1};
    assert_int_equal(stream(&seen, &err), E_BUSY);
    assert_string_equal(err.text, "enough");
    assert_string_equal(seen.text, "1 ");
}

static void a_stream_may_fail(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    ctl_answers("410 {\"code\":\"not_found\",\"detail\":\"too old\"}",
                "{\"n\":1}\n{\"code\":\"corrupt\",\"detail\":\"damaged\"}\n", "{\"n\":1}\nhello\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"n\":3}\n\r\n", NULL);
    assert_int_equal(stream(&seen, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "too old");
    assert_int_equal(stream(&seen, &err), E_CORRUPT);
    assert_string_equal(err.text, "damaged");
    assert_int_equal(stream(&seen, &err), E_MALFORMED);
    assert_int_equal(stream(&seen, &err), E_UNREACHABLE); /* cut off in the middle */
    assert_string_equal(seen.text, "1 1 3 ");
}

/* --- HTTPS --- */

static int ask_https(const char *token_file, struct err *err)
{
    static const struct option_spec specs[] = {
        {"server", 0, "URL", ""}, {"fingerprint", 0, "SHA", ""}, {"token-file", 0, "FILE", ""}};
    struct invocation invocation = {.given_count = token_file != NULL ? 3 : 2};
    json_t *answer = NULL;
    for (size_t i = 0; i < 3; i++) {
        invocation.given[i].option = &specs[i];
    }
    invocation.given[0].value = https.url;
    invocation.given[1].value = https.fingerprint;
    invocation.given[2].value = token_file;
    int rc = ctl_ask(&invocation, "/api/v1/x", NULL, &answer, err);
    json_decref(answer);
    return rc;
}

#define ANSWER(status, body) "HTTP/1.1 " status " Words\r\nConnection: close\r\n\r\n" body

static void by_https_it_is_the_same(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ANSWER("200", "{}"), ANSWER("403", "{\"code\":\"csrf\",\"detail\":\"no\"}"), NULL};
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    tmp_folder_path(path, ctl.folder, "token");
    tmp_folder_write(path, "kba_abc");
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(ask_https(path, NULL), 0);
    assert_int_equal(ask_https(NULL, &err), E_CSRF);
    https_stop();
    assert_string_equal(err.text, "no");
    assert_https_asked("GET /api/v1/x HTTP/1.1\r\n");
    assert_https_asked("\r\nAuthorization: Bearer kba_abc\r\n");
}

static void who_is_not_signed_in_is_told_what_to_do(void **state)
{
    (void)state;
    static const char refusal[] =
        ANSWER("401", "{\"code\":\"not_signed_in\",\"detail\":\"nobody is signed in\"}");
    static const char *const answers[] = {refusal, refusal, refusal, NULL};
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    tmp_folder_path(path, ctl.folder, "token");
    tmp_folder_write(path, "kba_abc");
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(ask_https(NULL, &err), E_NOT_ALLOWED);
    assert_non_null(strstr(err.text, "kitbagctl login --server https://127.0.0.1:"));
    assert_int_equal(ask_https(path, &err), E_NOT_ALLOWED);
    assert_non_null(strstr(err.text, "does not take the API token in '"));
    json_t *saved = json_object();
    assert_int_equal(ctl_saved_set(saved, https.url, "cookie", "__Host-kitbag=1"), 0);
    assert_int_equal(ctl_saved_set(saved, https.url, "csrf", "two"), 0);
    assert_int_equal(ctl_saved_write(saved, NULL), 0);
    json_decref(saved);
    assert_int_equal(ask_https(NULL, &err), E_NOT_ALLOWED);
    assert_non_null(strstr(err.text, "has ended: sign in again: kitbagctl login"));
    https_stop();
    assert_https_asked("\r\nCookie: __Host-kitbag=1\r\nX-CSRF-Token: two\r\n");
}

static void another_servers_certificate_is_told(void **state)
{
    (void)state;
    static const char *const answers[] = {ANSWER("200", "{}"), NULL};
    struct err err = {0};
    https_start("IP:127.0.0.1", false, answers);
    https.fingerprint[0] = https.fingerprint[0] == '0' ? '1' : '0';
    assert_int_equal(ask_https(NULL, &err), E_NOT_ALLOWED);
    https_stop();
    assert_non_null(strstr(err.text, "is not the one of --fingerprint but "));
    assert_string_equal(https.requests, "");
    assert_int_equal(ask_https(NULL, &err), E_UNREACHABLE);
    assert_non_null(strstr(err.text, "can't be reached (Connection refused)"));
}

static void a_certificate_is_looked_at_without_a_word(void **state)
{
    (void)state;
    static const char *const answers[] = {NULL};
    struct ctl_server server = {.named = true};
    enum ctl_trust_verdict verdict;
    char seen[CTL_FINGERPRINT_MAX];
    struct err err = {0};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(ctl_url_parse(https.url, server.url, server.host, NULL), 0);
    assert_int_equal(ctl_look_at(&server, &verdict, seen, NULL), 0);
    assert_int_equal(verdict, CTL_TRUST_UNKNOWN);
    assert_string_equal(seen, https.fingerprint);
    memcpy(server.pinned, seen, sizeof seen);
    assert_int_equal(ctl_look_at(&server, &verdict, seen, NULL), 0);
    assert_int_equal(verdict, CTL_TRUST_PINNED);
    https_stop();
    assert_string_equal(https.requests, "");
    assert_int_equal(ctl_look_at(&server, &verdict, seen, &err), E_UNREACHABLE);
    assert_int_equal(verdict, CTL_TRUST_NOT_ASKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_question_gets_its_document),
        CTL_TEST(a_problem_becomes_code_and_sentence),
        CTL_TEST(a_server_that_is_not_there_is_told_with_the_remedy),
        CTL_TEST(a_server_that_goes_away_is_told),
        CTL_TEST(another_accounts_server_is_told_apart),
        CTL_TEST(what_is_too_long_is_refused),
        CTL_TEST(an_upload_sends_its_bytes),
        CTL_TEST(a_stream_comes_line_by_line),
        CTL_TEST(a_stream_may_fail),
        HTTPS_TEST(by_https_it_is_the_same),
        HTTPS_TEST(who_is_not_signed_in_is_told_what_to_do),
        HTTPS_TEST(another_servers_certificate_is_told),
        HTTPS_TEST(a_certificate_is_looked_at_without_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
