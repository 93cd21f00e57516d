/* Tests of admin/auth/audit.c. */
#include "admin/auth/audit.h"

#include <unistd.h>

#include "tests/admin/auth/auth_fixture.h"

static const struct admin_route changes = {.role = ADMIN_ROLE_OPERATOR, .action = "thing.change"};

static struct admin_request request_of(void)
{
    return (struct admin_request){.backend = &fake.backend,
                                  .auth = auth,
                                  .actor = "Ann",
                                  .role = ADMIN_ROLE_ADMIN,
                                  .via = ADMIN_VIA_TOKEN,
                                  .address = "192.0.2.1"};
}

static void a_change_is_told(void **state)
{
    (void)state;
    struct admin_request request = request_of();
    struct admin_response response = {.status = 201, .about = json_pack("{s:i}", "users", 3)};
    admin_audit(&request, &changes, &response);
    assert_string_equal(server_item("@audit"),
                        "{\"actor\":\"Ann\",\"action\":\"thing.change\",\"via\":\"token\","
                        "\"address\":\"192.0.2.1\",\"status\":201,\"about\":{\"users\":3}}");
    assert_string_equal(fake.actor, "Ann");
    json_decref(response.about);
}

static void a_route_that_tells_nothing_is_told_by_its_address(void **state)
{
    (void)state;
    struct admin_request request = request_of();
    struct admin_response response = {.status = 200};
    request.parts[0] = "user";
    request.parts[1] = "b\"ob";
    request.address = NULL;
    request.via = ADMIN_VIA_LOCAL;
    admin_audit(&request, &changes, &response);
    assert_string_equal(server_item("@audit"),
                        "{\"actor\":\"Ann\",\"action\":\"thing.change\",\"via\":\"local\","
                        "\"address\":\"\",\"status\":200,"
                        "\"about\":{\"target\":[\"user\",\"b\\\"ob\"]}}");
}

static void what_is_no_change_is_not_told(void **state)
{
    (void)state;
    struct admin_request request = request_of();
    struct admin_response response = {.status = 200};
    struct admin_route route = changes;
    uint64_t submits = fake.submits;
    route.action = NULL;
    admin_audit(&request, &route, &response);
    route = changes;
    route.role = ADMIN_ROLE_NONE;
    admin_audit(&request, &route, &response);
    request.auth = NULL;
    admin_audit(&request, &changes, &response);
    assert_int_equal(fake.submits, submits);
}

/* The limit, and one more. */
static void what_is_too_long_is_left_out(void **state)
{
    (void)state;
    struct auth_event event = {.actor = "Ann", .action = "a", .status = 200};
    size_t without =
        strlen("{\"actor\":\"Ann\",\"action\":\"a\",\"via\":\"local\",\"address\":\"\","
               "\"status\":200,\"about\":{\"x\":\"\"}}");
    char *text = calloc(1, AUTH_AUDIT_MAX);
    assert_non_null(text);
    memset(text, 'x', AUTH_AUDIT_MAX - without);
    event.about = json_pack("{s:s}", "x", text);
    auth_audit(&fake.backend, &event);
    assert_null(strstr(server_item("@audit"), "too_long"));
    assert_non_null(strstr(server_item("@audit"), "xxx"));
    json_decref(event.about);
    text[AUTH_AUDIT_MAX - without] = 'x';
    event.about = json_pack("{s:s}", "x", text);
    auth_audit(&fake.backend, &event);
    assert_non_null(strstr(server_item("@audit"), "\"about\":{\"too_long\":true}"));
    json_decref(event.about);
    free(text);
}

static void what_can_not_be_written_is_logged(void **state)
{
    (void)state;
    int pipe_ends[2];
    char line[1024] = "";
    struct auth_event event = {.actor = "Ann",
                               .action = "thing.change",
                               .address = "192.0.2.1",
                               .status = 200,
                               .about = json_pack("{s:i, s:[s]}", "count", 1, "users", "bob")};
    assert_int_equal(pipe(pipe_ends), 0);
    log_setup(pipe_ends[1], LOG_INFO);
    fake.refuse_code = E_READ_ONLY;
    auth_audit(&fake.backend, &event);
    log_setup(2, LOG_INFO);
    assert_true(read(pipe_ends[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "error admin admin.audit_failed action=thing.change "
                                 "actor=\"Ann\" address=192.0.2.1 status=200 "
                                 "about=\"{\\\"count\\\":1,\\\"users\\\":[\\\"bob\\\"]}\" "
                                 "code=read_only"));
    json_decref(event.about);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct admin_request request = request_of();
    struct admin_response response = {.status = 200};
    json_set_alloc_funcs(malloc, free);
    request.parts[0] = "user";
    unsigned nth = 1;
    bool failed = true;
    fake.refuse_code = E_READ_ONLY; /* the fake's own memory does not run out */
    for (; failed; nth++) {
        fail_alloc_at(nth);
        admin_audit(&request, &changes, &response);
        failed = fail_alloc_stop();
    }
    assert_true(nth > 5);
    fake.refuse_code = 0;
    admin_audit(&request, &changes, &response);
    assert_non_null(strstr(server_item("@audit"), "\"target\":[\"user\"]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(a_change_is_told),
        AUTH_TEST(a_route_that_tells_nothing_is_told_by_its_address),
        AUTH_TEST(what_is_no_change_is_not_told),
        AUTH_TEST(what_is_too_long_is_left_out),
        AUTH_TEST(what_can_not_be_written_is_logged),
        AUTH_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
