/* Tests of admin/route.c: finding, decoding, answering; with a table of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"
#include "tests/support/fail_alloc.h"

static int say(const struct admin_request *request, struct admin_response *response,
               struct err *err)
{
    (void)err;
    response->json = json_pack("{s:s}", "name", request->parts[0]);
    return 0;
}

static int refuse(const struct admin_request *request, struct admin_response *response,
                  struct err *err)
{
    (void)request;
    response->json = json_pack("{s:i}", "more", 7);
    return err_set(err, E_QUOTA, "too many things");
}

static int refuse_mutely(const struct admin_request *request, struct admin_response *response,
                         struct err *err)
{
    (void)request;
    (void)response;
    (void)err;
    return E_NOMEM;
}

static int say_bytes(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    buf_init(&response->raw, 100);
    response->is_raw = true;
    response->etag = 9;
    (void)buf_append_span(&response->raw, request->body);
    return request->body.size > 0 ? 0 : err_set(err, E_INVALID, "no bytes");
}

static const struct admin_route routes[] = {
    {"GET", "/v1/things", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "a flag limit", ADMIN_ROLE_NONE, NULL,
     say},
    {"POST", "/v1/things/delete", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_NONE, NULL,
     refuse},
    {"GET", "/v1/things/{kind}/{name}", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE,
     NULL, say},
    {"GET", "/v1/things/{kind}/{name}/parts", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "",
     ADMIN_ROLE_NONE, NULL, say},
    {"PUT", "/v1/things/{kind}/{name}", ADMIN_LANE_QUICK, ADMIN_BODY_RAW, "", ADMIN_ROLE_NONE, NULL,
     say_bytes},
    {0},
};

/* The index of the route, or the negative code. */
static int find(const char *method, const char *path, struct err *err)
{
    char allow[ADMIN_ALLOW_MAX] = "";
    int code = 0;
    const struct admin_route *route =
        admin_route_find(routes, span_str(method), span_str(path), allow, &code, err);
    return route != NULL ? (int)(route - routes) : code;
}

static void a_path_finds_its_route(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(find("GET", "/v1/things", &err), 0);
    assert_int_equal(find("HEAD", "/v1/things", &err), 0);
    assert_int_equal(find("GET", "/v1/things/user/ann", &err), 2);
    assert_int_equal(find("GET", "/v1/things/user/ann/parts", &err), 3);
    assert_int_equal(find("POST", "/v1/things/delete", &err), 1);
    static const char *const none[] = {"/",
                                       "/v1",
                                       "/v1/thing",
                                       "/v1/things/",
                                       "/v1/things/user/ann/",
                                       "/v1/thingss",
                                       "/v1/things/user",
                                       "/v2/things",
                                       "/v1/things/user/ann/part",
                                       "/v1/things/user/ann/parts/x",
                                       "/v1/things//ann",
                                       "v1/things",
                                       "//v1/things"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(find("GET", none[i], &err), E_NOT_FOUND);
    }
    assert_string_equal(err.text, "there is no '//v1/things' here");
}

static void a_wrong_method_is_told_apart(void **state)
{
    (void)state;
    struct err err = {0};
    char allow[ADMIN_ALLOW_MAX] = "";
    int code = 0;
    assert_null(admin_route_find(routes, SPAN_LITERAL("POST"), SPAN_LITERAL("/v1/things"), allow,
                                 &code, &err));
    assert_int_equal(code, E_NOT_ALLOWED);
    assert_string_equal(allow, "GET, HEAD");
    assert_string_equal(err.text, "'/v1/things' takes GET, HEAD only");
    assert_int_equal(find("get", "/v1/things", &err), E_NOT_ALLOWED);
    assert_int_equal(find("DELETE", "/v1/things/user/ann", &err), E_NOT_ALLOWED);
    assert_string_equal(err.text, "'/v1/things/user/ann' takes GET, HEAD, PUT only");
    assert_int_equal(find("PUT", "/v1/things/user/ann", &err), 4);
}

static void an_item_is_answered_as_its_bytes(void **state)
{
    (void)state;
    struct admin_request request = {.body = SPAN_LITERAL("a\0b")};
    struct admin_response response = {0};
    struct buf body;
    buf_init(&body, 1000);
    admin_route_run(&routes[4], &request, &response, &body);
    assert_int_equal(response.status, 200);
    assert_true(response.is_raw);
    assert_int_equal(response.etag, 9);
    assert_true(span_equal(buf_span(&body), SPAN_LITERAL("a\0b")));
    request.body = span_of(NULL, 0);
    response = (struct admin_response){0};
    admin_route_run(&routes[4], &request, &response, &body);
    assert_int_equal(response.status, 400);
    assert_false(response.is_raw); /* a problem is no item */
    assert_int_equal(response.etag, 0);
    buf_free(&body);
}

static void a_condition_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        bool given, any;
        uint64_t seq;
    } rows[] = {
        {"", 0, false, false, 0},
        {"*", 0, true, true, 0},
        {"0", 0, true, false, 0},
        {"12", 0, true, false, 12},
        {"\"12\"", 0, true, false, 12},
        {"\"\"", E_INVALID, true, false, 0},
        {"W/\"12\"", E_INVALID, true, false, 0},
        {"12x", E_INVALID, true, false, 0},
        {"\"", E_INVALID, true, false, 0},
        {"12345678901234567890", E_INVALID, true, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin_request request = {0};
        struct admin_condition condition;
        (void)snprintf(request.if_match, sizeof request.if_match, "%s", rows[i].text);
        assert_int_equal(admin_request_condition(&request, &condition, NULL), rows[i].code);
        assert_int_equal(condition.given, rows[i].given);
        assert_int_equal(condition.any, rows[i].any);
        assert_int_equal(condition.seq, rows[i].seq);
    }
}

static int fill(struct admin_request *request, int route, const char *path, const char *query,
                struct err *err)
{
    *request = (struct admin_request){0};
    return admin_request_fill(request, &routes[route], span_str(path), span_str(query), err);
}

static void parts_are_decoded(void **state)
{
    (void)state;
    struct admin_request request;
    assert_int_equal(fill(&request, 2, "/v1/things/a%2Fb%2b+c/J%c3%A9", "", NULL), 0);
    assert_string_equal(request.parts[0], "a/b++c");
    assert_string_equal(request.parts[1], "J\xc3\xa9");
    assert_null(request.parts[2]);
    admin_request_free(&request);
    static const char *const bad[] = {"a%", "a%2", "a%g0", "a%0g", "a%00", "a%ff", "%c3", "%%20"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v1/things/user/%s", bad[i]);
        struct err err = {0};
        assert_int_equal(fill(&request, 2, path, "", &err), E_MALFORMED);
        assert_non_null(strstr(err.text, "is not percent-encoded UTF-8 text"));
        admin_request_free(&request);
    }
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    struct admin_request request;
    assert_int_equal(fill(&request, 0, "/v1/things", "a=x+y%26%3d=z&flag&&limit=", NULL), 0);
    assert_string_equal(admin_query(&request, "a"), "x y&==z");
    assert_string_equal(admin_query(&request, "flag"), "");
    assert_string_equal(admin_query(&request, "limit"), "");
    assert_null(admin_query(&request, "b"));
    admin_request_free(&request);
    struct err err = {0};
    assert_int_equal(fill(&request, 0, "/v1/things", "b=1", &err), E_INVALID);
    assert_string_equal(err.text, "'/v1/things' takes no parameter 'b', only: a flag limit");
    admin_request_free(&request);
    assert_int_equal(fill(&request, 1, "/v1/things/delete", "fla=1", &err), E_INVALID);
    assert_string_equal(err.text, "'/v1/things/delete' takes no parameter 'fla'");
    admin_request_free(&request);
    assert_int_equal(fill(&request, 0, "/v1/things", "a=1&%61=2", &err), E_INVALID);
    assert_string_equal(err.text, "the parameter 'a' was given twice");
    admin_request_free(&request);
    assert_int_equal(fill(&request, 0, "/v1/things", "a=%80", &err), E_MALFORMED);
    admin_request_free(&request);
}

static void a_part_has_a_size_limit(void **state)
{
    (void)state;
    for (int more = -1; more <= 1; more++) {
        char query[ADMIN_TEXT_MAX + 16] = "a=";
        memset(query + 2, 'x', (size_t)(ADMIN_TEXT_MAX + more));
        struct admin_request request;
        struct err err = {0};
        int rc = fill(&request, 0, "/v1/things", query, &err);
        assert_int_equal(rc, more > 0 ? E_TOO_LARGE : 0);
        admin_request_free(&request);
    }
}

static void numbers_and_flags_are_checked(void **state)
{
    (void)state;
    struct admin_request request;
    struct err err = {0};
    uint64_t number = 5;
    bool flag = true;
    assert_int_equal(fill(&request, 0, "/v1/things", "limit=10&flag=no", NULL), 0);
    assert_int_equal(admin_query_number(&request, "limit", 10, 10, &number, &err), 0);
    assert_int_equal(number, 10);
    assert_int_equal(admin_query_number(&request, "a", 1, 2, &number, &err), 0);
    assert_int_equal(number, 10);
    assert_int_equal(admin_query_bool(&request, "flag", &flag, &err), 0);
    assert_false(flag);
    assert_int_equal(admin_query_number(&request, "limit", 11, 20, &number, &err), E_INVALID);
    assert_string_equal(err.text, "'limit' is a number from 11 to 20, not '10'");
    assert_int_equal(admin_query_number(&request, "limit", 1, 9, &number, &err), E_INVALID);
    assert_int_equal(admin_query_bool(&request, "limit", &flag, &err), E_INVALID);
    assert_string_equal(err.text, "'limit' is 1 or 0, not '10'");
    admin_request_free(&request);
    static const char *const bad[] = {"", "-1", "1x", "0x1", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char query[64];
        (void)snprintf(query, sizeof query, "limit=%s", bad[i]);
        assert_int_equal(fill(&request, 0, "/v1/things", query, NULL), 0);
        assert_int_equal(admin_query_number(&request, "limit", 0, UINT64_MAX, &number, &err),
                         E_INVALID);
        admin_request_free(&request);
    }
    assert_int_equal(fill(&request, 0, "/v1/things", "flag", NULL), 0);
    assert_int_equal(admin_query_bool(&request, "flag", &flag, &err), 0);
    assert_true(flag);
    admin_request_free(&request);
}

static int body(const char *text, struct err *err)
{
    struct admin_request request = {.body = span_str(text)};
    json_t *json = NULL;
    int rc = admin_body_json(&request, "users dry_run", &json, err);
    json_decref(json);
    return rc;
}

static void a_body_is_an_object_of_known_members(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(body("", &err), 0);
    assert_int_equal(body("{}", &err), 0);
    assert_int_equal(body("{\"users\":[], \"dry_run\": false}", &err), 0);
    assert_int_equal(body("{\"users\":[], \"dryrun\": true}", &err), E_INVALID);
    assert_string_equal(err.text,
                        "the body has a member 'dryrun', which is none of: users dry_run");
    assert_int_equal(body("[]", &err), E_INVALID);
    assert_int_equal(body("{\"users\":[],\"users\":[]}", &err), E_MALFORMED);
    assert_int_equal(body("{\"users\":", &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "the body: it is not valid JSON: line 1"));
    assert_int_equal(body("{} x", &err), E_MALFORMED);
}

/* Runs a function; its document as compact text, for the caller to free. */
static char *run(admin_handler *handler, int *status, size_t room)
{
    struct admin_route route = {.method = "GET", .pattern = "/x", .query = "", .run = handler};
    struct admin_request request = {.parts = {"ann"}};
    struct admin_response response = {0};
    struct buf out;
    buf_init(&out, room);
    admin_route_run(&route, &request, &response, &out);
    assert_null(response.json);
    *status = response.status;
    return buf_steal(&out, NULL);
}

static int put_off(const struct admin_request *request, struct admin_response *response,
                   struct err *err)
{
    (void)request;
    (void)response;
    return err_set(err, E_DEFERRED, "not at once");
}

/* The loop's thread runs it again elsewhere; who waited is told. */
static void what_is_asked_at_once_may_be_put_off(void **state)
{
    (void)state;
    struct admin_route route = {.method = "GET", .pattern = "/x", .query = "", .run = put_off};
    struct admin_request request = {.at_once = true};
    struct admin_response response = {0};
    struct buf out;
    buf_init(&out, 1000);
    admin_route_run(&route, &request, &response, &out);
    assert_true(response.deferred);
    assert_int_equal(response.status, 0);
    assert_int_equal(out.size, 0);
    request.at_once = false;
    admin_route_run(&route, &request, &response, &out);
    assert_false(response.deferred);
    assert_int_equal(response.status, 503);
    buf_free(&out);
}

static void results_become_documents(void **state)
{
    (void)state;
    int status = 0;
    char *text = run(say, &status, 1000);
    assert_int_equal(status, 200);
    assert_string_equal(text, "{\"name\":\"ann\"}");
    free(text);
    text = run(refuse, &status, 1000);
    assert_int_equal(status, 429);
    assert_string_equal(text,
                        "{\"code\":\"quota\",\"title\":\"a limit on the number of things is "
                        "reached\",\"status\":429,\"detail\":\"too many things\",\"more\":7}");
    free(text);
    text = run(refuse_mutely, &status, 1000);
    assert_int_equal(status, 500);
    assert_string_equal(text, "{\"code\":\"out_of_memory\",\"title\":\"out of memory\","
                              "\"status\":500,\"detail\":\"out of memory\"}");
    free(text);
}

static void problems_have_their_status(void **state)
{
    (void)state;
    static const struct {
        int code, status;
    } rows[] = {
        {E_INVALID, 400},   {E_MALFORMED, 400}, {E_NAME, 400},    {E_NOT_ALLOWED, 403},
        {E_NOT_FOUND, 404}, {E_TIMEOUT, 408},   {E_HISTORY, 409}, {E_DIVERGED, 409},
        {E_CONDITION, 412}, {E_TOO_LARGE, 413}, {E_QUOTA, 429},   {E_IO, 500},
        {E_CORRUPT, 500},   {E_READ_ONLY, 503}, {E_BUSY, 503},    {E_CLOSED, 503},
        {E_NOSPACE, 507},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin_response response = {0};
        struct buf out;
        buf_init(&out, 1000);
        admin_problem(&response, rows[i].code, NULL, &out);
        assert_int_equal(response.status, rows[i].status);
        buf_free(&out);
    }
    struct admin_response response = {.status = 410};
    struct buf out;
    buf_init(&out, 1000);
    admin_problem(&response, E_NOT_FOUND, NULL, &out);
    assert_int_equal(response.status, 410);
    buf_free(&out);
}

static int say_much(const struct admin_request *request, struct admin_response *response,
                    struct err *err)
{
    (void)request;
    (void)err;
    char text[600];
    memset(text, 'x', sizeof text);
    response->json = json_pack("{s:s%}", "name", text, sizeof text);
    return 0;
}

static void an_answer_that_is_too_long_becomes_a_problem(void **state)
{
    (void)state;
    int status = 0;
    char *text = run(say_much, &status, 500);
    assert_int_equal(status, 413);
    assert_non_null(strstr(text, "the answer is too long: ask for less at once"));
    free(text);
}

static void filling_without_memory_is_told(void **state)
{
    (void)state;
    struct admin_request request;
    fail_alloc_at(1);
    int rc = fill(&request, 2, "/v1/things/user/ann", "", NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    admin_request_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route),
        cmocka_unit_test(a_wrong_method_is_told_apart),
        cmocka_unit_test(an_item_is_answered_as_its_bytes),
        cmocka_unit_test(a_condition_is_read),
        cmocka_unit_test(parts_are_decoded),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(a_part_has_a_size_limit),
        cmocka_unit_test(numbers_and_flags_are_checked),
        cmocka_unit_test(a_body_is_an_object_of_known_members),
        cmocka_unit_test(results_become_documents),
        cmocka_unit_test(what_is_asked_at_once_may_be_put_off),
        cmocka_unit_test(problems_have_their_status),
        cmocka_unit_test(an_answer_that_is_too_long_becomes_a_problem),
        cmocka_unit_test(filling_without_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
