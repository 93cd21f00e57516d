/* Tests of admin/api/api.c: the table as a whole, and the helpers of its functions. */
#include "tests/admin/api/ask.h"

/* Where programs that watch servers look. */
static bool is_at_the_root(const char *pattern)
{
    return strcmp(pattern, "/livez") == 0 || strcmp(pattern, "/readyz") == 0 ||
           strcmp(pattern, "/metrics") == 0;
}

static void each_route_is_found_by_its_own_pattern(void **state)
{
    (void)state;
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        char allow[ADMIN_ALLOW_MAX];
        int code = 0;
        assert_ptr_equal(admin_route_find(admin_api_routes, span_str(route->method),
                                          span_str(route->pattern), allow, &code, NULL),
                         route);
        assert_true(route->run != NULL && route->query != NULL);
        assert_true(strncmp(route->pattern, "/api/v1/", 8) == 0 || is_at_the_root(route->pattern));
        /* what changes something has a body; asking and removing take none */
        assert_int_equal(strcmp(route->method, "GET") == 0 || strcmp(route->method, "DELETE") == 0,
                         route->body == ADMIN_BODY_NONE);
    }
}

static void a_time_is_text_or_null(void **state)
{
    (void)state;
    json_t *time = admin_api_time(0);
    assert_true(json_is_null(time));
    time = admin_api_time(1700000000123);
    assert_string_equal(json_string_value(time), "2023-11-14T22:13:20.123Z");
    json_decref(time);
    json_t *seq = admin_api_seq(UINT64_MAX);
    assert_string_equal(json_string_value(seq), "18446744073709551615");
    json_decref(seq);
}

static void values_are_put_as_text_or_base64(void **state)
{
    (void)state;
    json_t *object = json_object();
    assert_int_equal(admin_api_put_value(object, span_of("a\0b", 3)), 0);
    assert_null(json_object_get(object, "value")); /* many a reader of JSON would end at the NUL */
    assert_string_equal(json_string_value(json_object_get(object, "value_base64")), "YQBi");
    json_decref(object);
    object = json_object();
    assert_int_equal(admin_api_put_value(object, span_of("\xff\0\1", 3)), 0);
    assert_string_equal(json_string_value(json_object_get(object, "value_base64")), "/wAB");
    json_decref(object);
    object = json_object();
    fail_alloc_at(1);
    int rc = admin_api_put_value(object, span_of("\xff", 1));
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    json_decref(object);
}

static void the_path_names_an_owner(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct admin_request request = {.parts = {"group", "Sales"}};
    assert_int_equal(admin_api_owner_of(&request, &owner, NULL), 0);
    assert_int_equal(owner.kind, OWNER_GROUP);
    assert_string_equal(owner.folded, "sales");
    request.parts[0] = "user";
    assert_int_equal(admin_api_owner_of(&request, &owner, NULL), 0);
    assert_int_equal(owner.kind, OWNER_USER);
    request.parts[0] = "device";
    assert_int_equal(admin_api_owner_of(&request, &owner, NULL), E_INVALID);
    assert_string_equal(admin_api_kind(OWNER_GROUP), "group");
    assert_string_equal(admin_api_kind(OWNER_USER), "user");
}

static void members_are_checked(void **state)
{
    (void)state;
    json_t *object = json_pack("{s:[s, s], s:[i], s:b, s:i, s:n}", "two", "a", "b", "number", 1,
                               "flag", 1, "seven", 7, "null");
    json_t *array = NULL;
    bool flag = true;
    uint64_t number = 3;
    assert_int_equal(admin_api_strings(object, "two", 2, &array, NULL), 0);
    assert_int_equal(json_array_size(array), 2);
    assert_int_equal(admin_api_strings(object, "two", 1, &array, NULL), E_INVALID);
    assert_int_equal(admin_api_strings(object, "number", 2, &array, NULL), E_INVALID);
    assert_int_equal(admin_api_strings(object, "flag", 2, &array, NULL), E_INVALID);
    assert_int_equal(admin_api_strings(object, "absent", 2, &array, NULL), 0);
    assert_null(array);
    assert_int_equal(admin_api_bool(object, "absent", &flag, NULL), 0);
    assert_false(flag);
    assert_int_equal(admin_api_bool(object, "flag", &flag, NULL), 0);
    assert_true(flag);
    assert_int_equal(admin_api_bool(object, "null", &flag, NULL), E_INVALID);
    assert_int_equal(admin_api_number(object, "absent", 1, 2, &number, NULL), 0);
    assert_int_equal(number, 3);
    assert_int_equal(admin_api_number(object, "seven", 7, 7, &number, NULL), 0);
    assert_int_equal(number, 7);
    assert_int_equal(admin_api_number(object, "seven", 8, 9, &number, NULL), E_INVALID);
    assert_int_equal(admin_api_number(object, "seven", 1, 6, &number, NULL), E_INVALID);
    assert_int_equal(admin_api_number(object, "flag", 0, 6, &number, NULL), E_INVALID);
    json_decref(object);
}

/* Each allocation of the request fails once: the answer is the right one or tells of the memory, or
 * there is none at all because there was no memory for it; nothing is left behind (sanitizers
 * look). Only what writes nothing: the fake does not live without memory. */
static void expect_answer_without_memory(struct fake_backend *fake, const char *method,
                                         const char *target, const char *body)
{
    for (unsigned nth = 1; nth < 5000; nth++) {
        ask_fails.nth = nth;
        struct answer answer = ask(fake, method, target, body);
        ask_fails.nth = 0;
        if (answer.stream != NULL) {
            answer.stream->free(answer.stream);
        } else if (answer.json != NULL && answer.status != 200) {
            /* jansson reads a body wrongly without memory: then it may be about something else */
            if (body == NULL) {
                assert_string_equal(text_at(&answer, "code"), "out_of_memory");
            }
        }
        answer_free(&answer);
        if (!ask_fails.failed) {
            assert_int_equal(answer.status, 200);
            assert_true(nth > 5);
            return;
        }
    }
    fail_msg("it never ended");
}

static void without_memory_every_question_has_an_answer(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body;
    } rows[] = {
        {"GET", "/api/v1/status", NULL},
        {"GET", "/api/v1/owners?search=n&limit=1", NULL},
        {"GET", "/api/v1/owners/user/ann", NULL},
        {"GET", "/api/v1/owners/user/ann/items?values=1&limit=3", NULL},
        {"GET", "/api/v1/devices?limit=1", NULL},
        {"GET", "/api/v1/journal/stat", NULL},
        {"GET", "/api/v1/changes?follow=0&bag=user:ann", NULL},
        {"POST", "/api/v1/owners/delete",
         "{\"users\":[\"ann\",\"x\",\"a/b\"],\"groups\":[\"g\"],\"dry_run\":true}"},
        {"POST", "/api/v1/devices/delete",
         "{\"ids\":[\"0000000000001234\",\"x\"],\"dry_run\":true}"},
        {"POST", "/api/v1/enrollments", "{\"count\":2}"},
        {"POST", "/api/v1/owners/import?format=ldif&colleagues=1&dry_run=1",
         "dn: uid=a,ou=x\nobjectClass: person\nuid: a\n\ndn: uid=b,ou=x\n"
         "objectClass: person\nuid: b\n\nbroken\n"},
        {"POST", "/api/v1/owners/user/ann/address-list?format=ldif&dry_run=1",
         "dn: uid=a,ou=x\nobjectClass: person\nuid: a\n"},
    };
    struct fake_backend fake;
    fake_open(&fake);
    uint64_t ann = fake_put(&fake, "user:ann", "a", "text");
    (void)fake_put(&fake, "user:ann", "b", "\xff");
    (void)fake_put(&fake, "user:ann", "c", "more");
    (void)fake_put(&fake, "user:ann", "d", "more");
    (void)fake_put(&fake, "user:ann/device:0000000000001234", "x", "y");
    (void)fake_put(&fake, "user:nina", NULL, NULL);
    (void)fake_put(&fake, "group:g", "a", "b");
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&fake, 0x1235, "attic", "active");
    fake_sign_in(&fake, FAKE_DEVICE, ann);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_answer_without_memory(&fake, rows[i].method, rows[i].target, rows[i].body);
    }
    fake_close(&fake);
}

static void the_audit_is_told_the_first_names(void **state)
{
    (void)state;
    json_t *names = json_array();
    char name[16];
    for (int i = 0; i < ADMIN_API_TOLD_MAX + 3; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        admin_api_tell(names, name);
    }
    assert_int_equal(json_array_size(names), ADMIN_API_TOLD_MAX);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "n0");
    json_decref(names);
}

int main(void)
{
    ask_with_jansson();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_is_found_by_its_own_pattern),
        cmocka_unit_test(a_time_is_text_or_null),
        cmocka_unit_test(values_are_put_as_text_or_base64),
        cmocka_unit_test(the_path_names_an_owner),
        cmocka_unit_test(members_are_checked),
        cmocka_unit_test(the_audit_is_told_the_first_names),
        cmocka_unit_test(without_memory_every_question_has_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
