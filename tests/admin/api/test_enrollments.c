/* Tests of admin/api/enrollments.c: join tokens are made, seen, and taken back. */
#include "tests/admin/api/api_fixture.h"

static void tokens_are_made(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/enrollments", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rows_of(&answer, "tokens"), 1);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/enrollments", "{\"count\":3,\"expires_s\":10}");
    assert_int_equal(rows_of(&answer, "tokens"), 3);
    json_t *last = json_array_get(json_object_get(answer.json, "tokens"), 2);
    assert_string_equal(json_string_value(last), "kb1.token4.admin.1");
    answer_free(&answer);
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"{\"count\":0}", "'count' is a number from 1 to 1000"},
        {"{\"count\":1001}", "'count' is a number from 1 to 1000"},
        {"{\"count\":\"1\"}", "'count' is a number from 1 to 1000"},
        {"{\"count\":1.5}", "'count' is a number from 1 to 1000"},
        {"{\"count\":-1}", "'count' is a number from 1 to 1000"},
        {"{\"expires_s\":0}", "'expires_s' is a number from 1 to 2592000"},
        {"{\"expires_s\":2592001}", "'expires_s' is a number from 1 to 2592000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer = ask(&fake, "POST", "/api/v1/enrollments", rows[i].body);
        expect_problem(&answer, 400, "invalid", rows[i].detail);
    }
    fake.fail_code = E_NOSPACE;
    answer = ask(&fake, "POST", "/api/v1/enrollments", NULL);
    assert_false(answer.partly);
    expect_problem(&answer, 507, "no_space", "the fake was told to fail");
    fake.spared = 2;
    answer = ask(&fake, "POST", "/api/v1/enrollments", "{\"count\":3}");
    assert_string_equal(answer.about, "{\"count\":2,\"replaces\":null}");
    assert_true(answer.partly);
    expect_problem(&answer, 507, "no_space", "after 2 of 3: the fake was told to fail");
}

static void a_token_for_another_s_place(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/enrollments", "{\"replaces\":\"0000000000001234\"}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(rows_of(&answer, "tokens"), 1);
    assert_int_equal(rows_of(&answer, "ids"), 1);
    assert_string_equal(text_at(&answer, "replaces"), "0000000000001234");
    assert_true(json_is_string(json_object_get(answer.json, "expires_at")));
    assert_int_equal(fake.wanted.replaces, 0x1234);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/enrollments", "{\"replaces\":null}");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_null(json_object_get(answer.json, "replaces")));
    assert_int_equal(fake.wanted.replaces, 0);
    answer_free(&answer);
    static const char *const bad[] = {"{\"replaces\":\"x\"}", "{\"replaces\":7}",
                                      "{\"replaces\":\"0000000000000000\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer = ask(&fake, "POST", "/api/v1/enrollments", bad[i]);
        expect_problem(&answer, 400, "invalid", "'replaces' is the ID of a registered machine");
    }
    answer = ask(&fake, "POST", "/api/v1/enrollments",
                 "{\"count\":2,\"replaces\":\"0000000000001234\"}");
    expect_problem(&answer, 400, "invalid",
                   "'replaces' is for one token: one machine takes another's place");
}

/* Its id is 16 times the digit. */
static void put_token(char digit, const char *record)
{
    char path[80] = "token/";
    memset(path + 6, digit, 64);
    path[70] = '\0';
    (void)fake_put(&fake, "server", path, record);
}

static void put_tokens(void)
{
    put_token('a', "{\"state\":\"new\",\"expires_ms\":9000000000000,\"device\":\"\","
                   "\"replaces\":\"0000000000001234\",\"keeps_rights\":true,"
                   "\"created_ms\":1000,\"by\":\"eve\"}");
    put_token('b', "{\"state\":\"used\",\"expires_ms\":1000,\"device\":\"0000000000000007\","
                   "\"created_ms\":3000,\"by\":\"adam\"}");
    put_token('c', "{\"state\":\"new\",\"expires_ms\":1000,\"device\":\"\"}"); /* an old one */
    put_token('d', "no record");
    put_token('e', "{\"state\":\"new\",\"expires_ms\":9000000000000,\"created_ms\":1000}");
}

/* "id state" of each, joined by commas, the id as its first digit. */
static void list_of(const char *target, char *out, size_t room)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    out[0] = '\0';
    for (size_t i = 0; i < rows_of(&answer, "enrollments"); i++) {
        size_t size = strlen(out);
        (void)snprintf(out + size, room - size, "%s%.1s %s", size > 0 ? "," : "",
                       row_text(&answer, "enrollments", i, "id"),
                       row_text(&answer, "enrollments", i, "state"));
    }
    answer_free(&answer);
}

static void the_newest_come_first(void **state)
{
    (void)state;
    char list[256];
    list_of("/api/v1/enrollments", list, sizeof list);
    assert_string_equal(list, "");
    put_tokens();
    list_of("/api/v1/enrollments", list, sizeof list);
    assert_string_equal(list, "c expired,b used,a new,e new"); /* c: the time of its item */
    struct answer answer = ask(&fake, "GET", "/api/v1/enrollments", NULL);
    assert_string_equal(row_text(&answer, "enrollments", 1, "device"), "0000000000000007");
    assert_string_equal(row_text(&answer, "enrollments", 1, "by"), "adam");
    assert_string_equal(row_text(&answer, "enrollments", 1, "created_at"),
                        "1970-01-01T00:00:03.000Z");
    assert_string_equal(row_text(&answer, "enrollments", 2, "id"), "aaaaaaaaaaaaaaaa");
    assert_string_equal(row_text(&answer, "enrollments", 2, "replaces"), "0000000000001234");
    assert_true(json_is_null(row_at(&answer, "enrollments", 2, "device")));
    assert_true(json_is_null(row_at(&answer, "enrollments", 3, "by")));
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

static void the_list_has_pages(void **state)
{
    (void)state;
    char list[256];
    char target[128];
    put_tokens();
    struct answer answer = ask(&fake, "GET", "/api/v1/enrollments?limit=3", NULL);
    assert_int_equal(rows_of(&answer, "enrollments"), 3);
    (void)snprintf(target, sizeof target, "/api/v1/enrollments?limit=3&cursor=%s",
                   text_at(&answer, "next"));
    answer_free(&answer);
    list_of(target, list, sizeof list);
    assert_string_equal(list, "e new");
    static const char *const bad[] = {"x", "1-", "1-aaaa", "-aaaaaaaaaaaaaaaa", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(target, sizeof target, "/api/v1/enrollments?cursor=%s", bad[i]);
        answer = ask(&fake, "GET", target, NULL);
        expect_problem(&answer, 400, "invalid",
                       "'cursor' is not what an earlier answer gave as 'next'");
    }
}

/* In any order of ids, page by page: each once, the newest first. */
static void a_long_list_is_paged_whole(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    char target[128] = "/api/v1/enrollments?limit=7";
    size_t seen = 0;
    for (int i = 0; i < COUNT; i++) {
        char path[80];
        char record[64];
        int age = i * 37 % COUNT; /* two of an age at times */
        (void)snprintf(path, sizeof path, "token/%016x%048d", i, 0);
        (void)snprintf(record, sizeof record, "{\"state\":\"new\",\"created_ms\":%d}",
                       1000 + age / 2);
        (void)fake_put(&fake, "server", path, record);
    }
    char before[64] = "9"; /* time and id of the row before */
    while (strstr(target, "(none)") == NULL) {
        struct answer answer = ask(&fake, "GET", target, NULL);
        assert_int_equal(answer.status, 200);
        assert_int_equal(rows_of(&answer, "enrollments"), seen + 7 <= COUNT ? 7 : COUNT % 7);
        for (size_t i = 0; i < rows_of(&answer, "enrollments"); i++) {
            const char *time = row_text(&answer, "enrollments", i, "created_at");
            const char *id = row_text(&answer, "enrollments", i, "id");
            int order = strncmp(time, before, strlen(time));
            assert_true(order < 0 || (order == 0 && strcmp(id, before + strlen(time)) > 0));
            (void)snprintf(before, sizeof before, "%s%s", time, id);
            seen++;
        }
        (void)snprintf(target, sizeof target, "/api/v1/enrollments?limit=7&cursor=%s",
                       text_at(&answer, "next"));
        answer_free(&answer);
    }
    assert_int_equal(seen, COUNT);
}

static void a_list_without_memory_is_told(void **state)
{
    (void)state;
    put_tokens();
    ask_with_jansson();
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        assert_true(nth < 2000);
        ask_fails.nth = nth;
        struct answer answer = ask(&fake, "GET", "/api/v1/enrollments?limit=1", NULL);
        failed = ask_fails.failed;
        assert_true(failed || answer.status == 200);
        bool whole =
            rows_of(&answer, "enrollments") == 1 && json_object_get(answer.json, "next") != NULL;
        assert_true(answer.status >= 500 || whole);
        answer_free(&answer);
    }
    ask_fails.nth = 0;
}

static void tokens_are_taken_back(void **state)
{
    (void)state;
    char list[256];
    put_tokens();
    struct answer answer =
        ask(&fake, "POST", "/api/v1/enrollments/delete",
            "{\"ids\":[\"aaaaaaaaaaaaaaaa\",\"ffffffffffffffff\",\"a\"],\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "enrollments"), 1);
    assert_int_equal(rows_of(&answer, "missing"), 2);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/enrollments/delete",
                 "{\"ids\":[\"aaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbb\",\"ffffffffffffffff\"]}");
    assert_int_equal(number_at(&answer, "enrollments"), 2);
    assert_int_equal(rows_of(&answer, "missing"), 1);
    assert_int_equal(strtoull(text_at(&answer, "seq"), NULL, 10), fake_head(&fake));
    answer_free(&answer);
    list_of("/api/v1/enrollments", list, sizeof list);
    assert_string_equal(list, "c expired,e new");
    answer = ask(&fake, "POST", "/api/v1/enrollments/delete", "{\"ids\":[\"aaaaaaaaaaaaaaaa\"]}");
    expect_problem(&answer, 404, "not_found", "no join token has this id");
    answer = ask(&fake, "POST", "/api/v1/enrollments/delete", "{\"ids\":[]}");
    expect_problem(&answer, 400, "invalid", "'ids' names no join token");
    fake.refuse_code = E_READ_ONLY;
    answer = ask(&fake, "POST", "/api/v1/enrollments/delete", "{\"ids\":[\"eeeeeeeeeeeeeeee\"]}");
    assert_int_equal(rows_of(&answer, "failed"), 1);
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "read_only");
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(tokens_are_made),
        API_TEST(a_token_for_another_s_place),
        API_TEST(the_newest_come_first),
        API_TEST(the_list_has_pages),
        API_TEST(tokens_are_taken_back),
        API_TEST(a_long_list_is_paged_whole),
        API_TEST(a_list_without_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
