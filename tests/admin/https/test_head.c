/* Tests of admin/https/head.c: what is read, and everything that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/https/head.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"

static int read_head(const char *text, struct admin_http_head *head, struct err *err)
{
    return admin_http_head_read(head, span_str(text), err);
}

static void a_head_is_read(void **state)
{
    (void)state;
    static const char text[] = "POST /a/b%20c?x=1&y HTTP/1.1\r\nhost:localhost\r\n"
                               "Content-Length:  42 \r\nExpect: 100-Continue\r\n"
                               "X-Odd: \t a\tb \r\n\r\nbody";
    struct admin_http_head head;
    assert_int_equal(read_head(text, &head, NULL), 0);
    assert_int_equal(head.size, sizeof text - 1 - 4);
    assert_true(span_equal(head.method, SPAN_LITERAL("POST")));
    assert_true(span_equal(head.path, SPAN_LITERAL("/a/b%20c")));
    assert_true(span_equal(head.query, SPAN_LITERAL("x=1&y")));
    assert_int_equal(head.body_size, 42);
    assert_true(head.keep_alive);
    assert_true(head.expects_continue);
    assert_int_equal(head.if_match.size, 0);
    assert_int_equal(read_head(GET "If-Match:  \"12\" \r\n\r\n", &head, NULL), 0);
    assert_true(span_equal(head.if_match, SPAN_LITERAL("\"12\"")));
    assert_int_equal(read_head(GET "\r\n", &head, NULL), 0);
    assert_int_equal(head.query.size, 0);
    assert_int_equal(head.body_size, 0);
    assert_false(head.expects_continue);
}

static void the_last_request_says_so(void **state)
{
    (void)state;
    struct admin_http_head head;
    assert_int_equal(read_head(GET "Connection: Close\r\n\r\n", &head, NULL), 0);
    assert_false(head.keep_alive);
    assert_int_equal(read_head(GET "Connection: te, close\r\n\r\n", &head, NULL), 0);
    assert_false(head.keep_alive);
    assert_int_equal(read_head(GET "Connection: keep-alive, closed\r\n\r\n", &head, NULL), 0);
    assert_true(head.keep_alive);
}

static void a_part_of_a_head_is_not_judged_yet(void **state)
{
    (void)state;
    static const char text[] = GET "Content-Length: 3\r\n\r\n";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *copy = malloc(size + 1); /* its own block: a look beyond it is noticed */
        assert_non_null(copy);
        memcpy(copy, text, size);
        struct admin_http_head head;
        assert_int_equal(admin_http_head_read(&head, span_of(copy, size), NULL), E_BUSY);
        free(copy);
    }
}

/* It is refused with this sentence, and the head stays as it was. */
static void refuse(const char *text, const char *sentence)
{
    struct admin_http_head head = {.body_size = 77};
    struct err err = {0};
    char wanted[200];
    (void)snprintf(wanted, sizeof wanted, "the request is not valid HTTP: %s", sentence);
    assert_int_equal(read_head(text, &head, &err), E_MALFORMED);
    assert_string_equal(err.text, wanted);
    assert_int_equal(head.body_size, 77);
}

static void what_two_could_read_differently_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"GET /\r\n\r\n", "its first line is not 'METHOD TARGET HTTP/1.1'"},
        {"GET\r\n\r\n", "its first line is not 'METHOD TARGET HTTP/1.1'"},
        {"\r\n\r\n", "its first line is not 'METHOD TARGET HTTP/1.1'"},
        {" / HTTP/1.1\r\n\r\n", "its first line is not 'METHOD TARGET HTTP/1.1'"},
        {"G\tET / HTTP/1.1\r\n\r\n", "its first line is not 'METHOD TARGET HTTP/1.1'"},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "its version is not HTTP/1.1"},
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "its version is not HTTP/1.1"},
        {"GET / HTTP/11\r\nHost: x\r\n\r\n", "its version is not HTTP/1.1"},
        {"GET / HTTP/2\r\nHost: x\r\n\r\n", "its version is not HTTP/1.1"},
        {"GET / http/1.1\r\nHost: x\r\n\r\n", "its version is not HTTP/1.1"},
        {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "its target does not begin with '/'"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "its target does not begin with '/'"},
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
         "its target holds a character that has to be encoded"},
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
         "its target holds a character that has to be encoded"},
        {"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
         "its target holds a character that has to be encoded"},
        {"GET / HTTP/1.1\r\n\r\n", "it has no Host"},
        {GET "Content-Length: +4\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: -4\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: 0x4\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: 4 4\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: 4,4\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length:\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: 1000000000000000\r\n\r\n", "its Content-Length is not a number"},
        {GET "Content-Length: 4\r\ncontent-length: 4\r\n\r\n",
         "it has more than one Content-Length"},
        {GET "Transfer-Encoding: chunked\r\n\r\n",
         "a body needs a Content-Length, Transfer-Encoding is not taken"},
        {GET "transfer-encoding: identity\r\nContent-Length: 1\r\n\r\n",
         "a body needs a Content-Length, Transfer-Encoding is not taken"},
        {GET "Content-Length : 4\r\n\r\n", "a line of its head is not 'Name: value'"},
        {GET " folded\r\n\r\n", "a line of its head is not 'Name: value'"},
        {GET "X Y: 4\r\n\r\n", "a line of its head is not 'Name: value'"},
        {GET ": 4\r\n\r\n", "a line of its head is not 'Name: value'"},
        {GET "no colon\r\n\r\n", "a line of its head is not 'Name: value'"},
        {GET "X: a\nY: b\r\n\r\n", "a header holds a control character"},
        {GET "X: a\rY: b\r\n\r\n", "a header holds a control character"},
        {GET "X: \x7f\r\n\r\n", "a header holds a control character"},
        {GET "Expect: a miracle\r\n\r\n", "it expects what is not known here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refuse(rows[i].text, rows[i].sentence);
    }
}

static void headers_that_count_are_there_once(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {GET "Host: y\r\n\r\n", "it has more than one Host"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "its Host is empty"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "its Host is not the name or address of a machine"},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "its Host is not the name or address of a machine"},
        {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "its Host is not the name or address of a machine"},
        {"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
         "its Host is not the name or address of a machine"},
        {GET "If-Match: 1\r\nif-match: 1\r\n\r\n", "it has more than one If-Match"},
        {GET "Cookie: a=1\r\ncookie: a=2\r\n\r\n", "it has more than one Cookie"},
        {GET "Cookie:\r\ncookie: a=2\r\n\r\n", "it has more than one Cookie"},
        {GET "Authorization: a\r\nAuthorization: b\r\n\r\n", "it has more than one Authorization"},
        {GET "X-CSRF-Token: a\r\nX-Csrf-Token: b\r\n\r\n", "it has more than one X-CSRF-Token"},
        {GET "Range: bytes=0-\r\nRange: bytes=1-\r\n\r\n", "it has more than one Range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refuse(rows[i].text, rows[i].sentence);
    }
}

static void another_version_is_told_apart(void **state)
{
    (void)state;
    struct admin_http_head head;
    struct err err = {0};
    assert_int_equal(read_head("GET / HTTP/1.0\r\nHost: x\r\n\r\n", &head, &err), E_PROTOCOL);
    assert_string_equal(err.text, "this server speaks HTTP/1.1, not HTTP/1.0");
    assert_int_equal(read_head("PRI * HTTP/2.0\r\n\r\n", &head, &err), E_PROTOCOL);
}

static void headers_that_count_are_kept(void **state)
{
    (void)state;
    struct admin_http_head head;
    assert_int_equal(read_head("GET / HTTP/1.1\r\nHost: [::1]:8444\r\nCOOKIE: a=b; c\r\n"
                               "authorization: Bearer x\r\nX-CSRF-TOKEN: 12\r\n"
                               "Range: bytes=1-2\r\nIf-Range: \"a\"\r\nIf-None-Match: \"b\"\r\n"
                               "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n"
                               "Last-Event-ID: 7\r\nSec-Fetch-Site: none\r\n\r\n",
                               &head, NULL),
                     0);
    assert_true(span_equal(head.cookie, SPAN_LITERAL("a=b; c")));
    assert_true(span_equal(head.authorization, SPAN_LITERAL("Bearer x")));
    assert_true(span_equal(head.csrf, SPAN_LITERAL("12")));
    assert_true(span_equal(head.range, SPAN_LITERAL("bytes=1-2")));
    assert_true(span_equal(head.if_range, SPAN_LITERAL("\"a\"")));
    assert_true(span_equal(head.if_none_match, SPAN_LITERAL("\"b\"")));
    assert_true(span_equal(head.accept_encoding, SPAN_LITERAL("gzip")));
    assert_true(span_equal(head.last_event_id, SPAN_LITERAL("7")));
    assert_true(span_equal(head.fetch_site, SPAN_LITERAL("none")));
    assert_int_equal(read_head(GET "\r\n", &head, NULL), 0);
    assert_int_equal(head.cookie.size + head.authorization.size + head.csrf.size, 0);
}

static void a_nul_is_no_end(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n";
    struct admin_http_head head;
    assert_int_equal(admin_http_head_read(&head, span_of(text, sizeof text - 1), NULL),
                     E_MALFORMED);
    static const char method[] = "G\0T / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(admin_http_head_read(&head, span_of(method, sizeof method - 1), NULL),
                     E_MALFORMED);
}

/* A head of `size` bytes in all, by one long header. */
static int read_sized(size_t size, struct err *err)
{
    static const char begin[] = GET "X: ";
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'a', size);
    memcpy(text, begin, sizeof begin - 1);
    memcpy(text + size - 4, "\r\n\r\n", 4);
    struct admin_http_head head;
    int rc = admin_http_head_read(&head, span_of(text, size), err);
    free(text);
    return rc;
}

static void a_head_has_a_size_limit(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(read_sized(HTTP_HEAD_MAX_BYTES - 1, &err), 0);
    assert_int_equal(read_sized(HTTP_HEAD_MAX_BYTES, &err), 0);
    assert_int_equal(read_sized(HTTP_HEAD_MAX_BYTES + 1, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the head of the request is larger than 16384 bytes");
}

static int read_counted(int headers, struct err *err)
{
    char text[8192] = "GET / HTTP/1.1\r\n";
    size_t size = strlen(text);
    for (int i = 0; i < headers; i++) {
        size +=
            (size_t)snprintf(text + size, sizeof text - size, i == 0 ? "Host: x\r\n" : "X: x\r\n");
    }
    memcpy(text + size, "\r\n", 3);
    struct admin_http_head head;
    return read_head(text, &head, err);
}

static void a_head_has_a_number_of_headers(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(read_counted(HTTP_HEADERS_MAX - 1, &err), 0);
    assert_int_equal(read_counted(HTTP_HEADERS_MAX, &err), 0);
    assert_int_equal(read_counted(HTTP_HEADERS_MAX + 1, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the request has more than 100 headers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_read),
        cmocka_unit_test(the_last_request_says_so),
        cmocka_unit_test(a_part_of_a_head_is_not_judged_yet),
        cmocka_unit_test(what_two_could_read_differently_is_refused),
        cmocka_unit_test(headers_that_count_are_there_once),
        cmocka_unit_test(another_version_is_told_apart),
        cmocka_unit_test(headers_that_count_are_kept),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(a_head_has_a_size_limit),
        cmocka_unit_test(a_head_has_a_number_of_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
