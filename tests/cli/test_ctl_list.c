/* Tests of cli/ctl_list.c: pages, and what of many was left out. */
#include "tests/cli/run_ctl.h"

#include "cli/ctl_list.h"

static void all_pages_of_a_list_are_joined(void **state)
{
    (void)state;
    struct invocation invocation = ctl_invocation();
    json_t *rows = NULL;
    ctl_answers("{\"things\":[1,2],\"next\":\"user:a b/\"}", "{\"things\":[3],\"next\":\"x\"}",
                "{\"things\":[]}", NULL);
    assert_int_equal(ctl_list(&invocation, "/things?limit=2", "things", &rows, NULL), 0);
    assert_int_equal(json_array_size(rows), 3);
    assert_asked("GET /things?limit=2 HTTP");
    assert_asked("GET /things?limit=2&cursor=user%3Aa%20b%2F HTTP");
    assert_asked("GET /things?limit=2&cursor=x HTTP");
    json_decref(rows);
    rows = NULL;
    struct err err = {0};
    ctl_answers("{\"things\":[1],\"next\":\"x\"}", "{}", NULL);
    assert_int_equal(ctl_list(&invocation, "/things?", "things", &rows, &err), E_MALFORMED);
    assert_string_equal(err.text, "the server's answer has no 'things'");
    assert_null(rows);
}

/* The server of this test would not take a second connection before it is done with the first. */
static void all_pages_come_by_one_connection(void **state)
{
    (void)state;
    struct invocation invocation = ctl_invocation();
    json_t *rows = NULL;
    ctl_answers("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 25\r\n\r\n"
                "{\"things\":[1],\"next\":\"a\"}",
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 25\r\n\r\n"
                "{\"things\":[2],\"next\":\"b\"}",
                "{\"things\":[3]}", NULL);
    assert_int_equal(ctl_list(&invocation, "/things?", "things", &rows, NULL), 0);
    assert_int_equal(json_array_size(rows), 3);
    assert_asked("GET /things?&cursor=b HTTP");
    json_decref(rows);
}

static void what_was_left_out_becomes_a_code(void **state)
{
    (void)state;
    static const struct {
        const char *report;
        int done, code;
        const char *text;
    } rows[] = {
        {"{}", 1, 0, ""},
        {"{\"missing\":[],\"failed\":[]}", 0, 0, ""},
        {"{\"missing\":[\"a\"],\"failed\":[]}", 2, E_PARTLY, "1 of 3 was left out"},
        {"{\"missing\":[\"a\"],\"failed\":[{\"code\":\"busy\",\"reason\":\"r\"}]}", 1, E_PARTLY,
         "2 of 3 were left out"},
        {"{\"missing\":[\"a\"],\"failed\":[{\"code\":\"busy\",\"reason\":\"r\"}]}", 0, E_BUSY, "r"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *report = json_loads(rows[i].report, 0, NULL);
        struct err err = {0};
        assert_int_equal(ctl_left_out(report, rows[i].done, &err), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        json_decref(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(all_pages_of_a_list_are_joined),
        CTL_TEST(all_pages_come_by_one_connection),
        CTL_TEST(what_was_left_out_becomes_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
