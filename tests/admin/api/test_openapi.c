/* Tests of admin/api/openapi.c: the description and the table of routes tell the same. */
#include "admin/api/openapi.h"
#include "tests/admin/api/api_fixture.h"

enum { QUERY_ROOM = 512 };

/* As it is served. */
static json_t *document;

static int read_document(void **state)
{
    (void)state;
    struct admin_request request = {0};
    struct admin_response response = {0};
    json_error_t fault;
    assert_int_equal(admin_api_openapi(&request, &response, NULL), 0);
    assert_true(response.is_raw && response.etag == admin_openapi_etag && response.etag != 0);
    assert_true(response.etag <= INT64_MAX);
    document = json_loadb((const char *)response.raw.data, response.raw.size,
                          JSON_REJECT_DUPLICATES, &fault);
    buf_free(&response.raw);
    if (document == NULL) {
        fail_msg("line %d, column %d: %s", fault.line, fault.column, fault.text);
    }
    return 0;
}

static int drop_document(void **state)
{
    (void)state;
    json_decref(document);
    document = NULL;
    return 0;
}

/* What "#/components/..." stands for; what is no reference stands for itself. */
static json_t *resolve(json_t *value)
{
    const char *target = json_string_value(json_object_get(value, "$ref"));
    char path[128];
    if (target == NULL) {
        return value;
    }
    assert_int_equal(strncmp(target, "#/", 2), 0);
    (void)snprintf(path, sizeof path, "%s", target + 2);
    json_t *found = document;
    char *rest = NULL;
    for (char *word = strtok_r(path, "/", &rest); word != NULL; word = strtok_r(NULL, "/", &rest)) {
        found = json_object_get(found, word);
    }
    if (found == NULL) {
        fail_msg("'%s' is not there", target);
    }
    return found;
}

static json_t *operation_of(const struct admin_route *route)
{
    char method[16];
    size_t i = 0;
    for (; route->method[i] != '\0' && i + 1 < sizeof method; i++) {
        method[i] = (char)(route->method[i] | 0x20); /* lower case */
    }
    method[i] = '\0';
    json_t *path = json_object_get(json_object_get(document, "paths"), route->pattern);
    json_t *operation = json_object_get(path, method);
    if (operation == NULL) {
        fail_msg("%s %s is not described", route->method, route->pattern);
    }
    return operation;
}

static void is_embedded_whole(void **state)
{
    (void)state;
    json_t *file = json_load_file(KITBAG_SOURCE_DIR "/admin/openapi.json", 0, NULL);
    assert_non_null(file);
    assert_true(json_equal(file, document));
    json_decref(file);
    json_t *info = json_object_get(document, "info");
    assert_string_equal(json_string_value(json_object_get(info, "version")), KITBAG_VERSION);
}

static void tells_each_route_and_no_other(void **state)
{
    (void)state;
    size_t routes = 0;
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        (void)operation_of(route);
        routes++;
    }
    size_t operations = 0;
    const char *name;
    json_t *path;
    json_object_foreach(json_object_get(document, "paths"), name, path)
    {
        operations += json_object_size(path);
    }
    assert_int_equal(operations, routes);
}

/* The names of the parameters of a kind, in their order, as the table of routes has them. */
static void parameters_of(json_t *operation, const char *in, char out[QUERY_ROOM])
{
    size_t i;
    json_t *value;
    out[0] = '\0';
    json_array_foreach(json_object_get(operation, "parameters"), i, value)
    {
        json_t *parameter = resolve(value);
        if (strcmp(json_string_value(json_object_get(parameter, "in")), in) == 0) {
            size_t used = strlen(out);
            (void)snprintf(out + used, QUERY_ROOM - used, "%s%s", used > 0 ? " " : "",
                           json_string_value(json_object_get(parameter, "name")));
        }
    }
}

/* "kind name" of "/api/v1/owners/{kind}/{name}" */
static void parts_of(const char *pattern, char out[QUERY_ROOM])
{
    size_t used = 0;
    bool inside = false;
    for (const char *at = pattern; *at != '\0' && used + 2 < QUERY_ROOM; at++) {
        if (*at == '{' && used > 0) {
            out[used++] = ' ';
        } else if (*at != '{' && *at != '}' && inside) {
            out[used++] = *at;
        }
        inside = *at == '{' || (inside && *at != '}');
    }
    out[used] = '\0';
}

static void tells_the_parameters(void **state)
{
    (void)state;
    char told[QUERY_ROOM];
    char parts[QUERY_ROOM];
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        json_t *operation = operation_of(route);
        parameters_of(operation, "query", told);
        if (strcmp(told, route->query) != 0) {
            fail_msg("%s %s takes '%s', not '%s'", route->method, route->pattern, route->query,
                     told);
        }
        parameters_of(operation, "path", told);
        parts_of(route->pattern, parts);
        assert_string_equal(told, parts);
    }
}

static void tells_who_may_and_what_the_audit_is_told(void **state)
{
    (void)state;
    static const char *const roles[] = {"none", "viewer", "operator", "admin"};
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        json_t *operation = operation_of(route);
        json_t *security = json_object_get(operation, "security");
        const char *action = json_string_value(json_object_get(operation, "x-audit"));
        assert_string_equal(json_string_value(json_object_get(operation, "x-role")),
                            roles[route->role]);
        assert_string_equal(action != NULL ? action : "",
                            route->action != NULL ? route->action : "");
        /* nothing; as the document says; the token against forged requests, too */
        bool open = route->role == ADMIN_ROLE_NONE;
        assert_int_equal(json_is_array(security) && json_array_size(security) == 0, open);
        assert_int_equal(json_object_get(json_array_get(security, 0), "csrf") != NULL,
                         !open && route->action != NULL);
    }
}

static void tells_the_kind_of_the_body(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        [ADMIN_BODY_JSON] = "application/json",
        [ADMIN_BODY_RAW] = "application/octet-stream",
        [ADMIN_BODY_FILE] = "*/*",
    };
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        json_t *body = json_object_get(operation_of(route), "requestBody");
        json_t *content = json_object_get(body, "content");
        assert_int_equal(body != NULL, route->body != ADMIN_BODY_NONE);
        if (body == NULL) {
            continue;
        }
        json_t *media = json_object_get(content, kinds[route->body]);
        assert_true(json_object_size(content) == 1 && media != NULL);
        if (route->body == ADMIN_BODY_JSON) { /* a member that is not known is refused */
            json_t *schema = json_object_get(media, "schema");
            assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
        }
    }
}

/* Codes are what programs go by. */
static void tells_all_codes(void **state)
{
    (void)state;
#define ONE_NAME(name, number, text, exit_code, meaning) text,
    static const char *const names[] = {ERR_LIST(ONE_NAME)};
#undef ONE_NAME
    size_t count = sizeof names / sizeof names[0];
    json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    json_t *told = json_object_get(json_object_get(schemas, "Code"), "enum");
    assert_int_equal(json_array_size(told), count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(json_string_value(json_array_get(told, i)), names[i]);
    }
}

/* Each problem of each operation: its code, and the status that goes with it. */
static void tells_problems_with_their_status(void **state)
{
    (void)state;
    json_t *responses = json_object_get(json_object_get(document, "components"), "responses");
    const char *name;
    json_t *response;
    json_object_foreach(responses, name, response)
    {
        json_t *media =
            json_object_get(json_object_get(response, "content"), "application/problem+json");
        json_t *example = json_object_get(media, "example");
        json_t *own = json_array_get(json_object_get(json_object_get(media, "schema"), "allOf"), 1);
        json_t *codes =
            json_object_get(json_object_get(json_object_get(own, "properties"), "code"), "enum");
        json_int_t status = json_integer_value(json_object_get(example, "status"));
        size_t i;
        json_t *code;
        assert_true(json_array_size(codes) > 0);
        json_array_foreach(codes, i, code)
        {
            struct admin_response made = {0};
            struct buf body;
            buf_init(&body, 4096);
            admin_problem(&made, err_from_name(json_string_value(code)), NULL, &body);
            bool known = made.status == status ||
                         (status == 403 && strcmp(name, "WrongPassword") == 0 && i == 0);
            buf_free(&body);
            if (!known) {
                fail_msg("%s: '%s' is %d", name, json_string_value(code), made.status);
            }
        }
    }
}

static void no_memory_is_told(void **state)
{
    (void)state;
    struct admin_request request = {0};
    struct admin_response response = {0};
    struct err err = {0};
    fail_alloc_at(1);
    assert_int_equal(admin_api_openapi(&request, &response, &err), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_string_equal(err.text, "out of memory");
    buf_free(&response.raw);
}

static void is_served_to_anybody(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/openapi.json", NULL);
    assert_int_equal(answer.status, 200);
    assert_true(answer.etag == admin_openapi_etag);
    assert_true(json_equal(answer.json, document));
    answer_free(&answer);
    refused("GET", "/api/v1/openapi.json?a=1", NULL, 400, "invalid",
            "'/api/v1/openapi.json' takes no parameter 'a'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_embedded_whole),
        cmocka_unit_test(tells_each_route_and_no_other),
        cmocka_unit_test(tells_the_parameters),
        cmocka_unit_test(tells_who_may_and_what_the_audit_is_told),
        cmocka_unit_test(tells_the_kind_of_the_body),
        cmocka_unit_test(tells_all_codes),
        cmocka_unit_test(tells_problems_with_their_status),
        cmocka_unit_test(no_memory_is_told),
        API_TEST(is_served_to_anybody),
    };
    return cmocka_run_group_tests(tests, read_document, drop_document);
}
