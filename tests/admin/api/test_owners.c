/* Tests of admin/api/owners.c: the directory, one owner, the items. */
#include "tests/admin/api/api_fixture.h"

/* The names of all pages of `limit` rows, joined by spaces; how many pages there were. */
static int walk(const char *question, int limit, const char *array, const char *member, char *out,
                size_t room)
{
    char target[2048];
    char cursor[600] = "";
    int pages = 0;
    out[0] = '\0';
    for (bool more = true; more; pages++) {
        (void)snprintf(target, sizeof target, "%s&limit=%d%s%s", question, limit,
                       cursor[0] != '\0' ? "&cursor=" : "", cursor);
        struct answer answer = ask(&fake, "GET", target, NULL);
        assert_int_equal(answer.status, 200);
        assert_true(rows_of(&answer, array) <= (size_t)limit);
        for (size_t i = 0; i < rows_of(&answer, array); i++) {
            size_t size = strlen(out);
            (void)snprintf(out + size, room - size, "%s%s", size > 0 ? " " : "",
                           row_text(&answer, array, i, member));
        }
        const char *next = json_string_value(json_object_get(answer.json, "next"));
        more = next != NULL;
        (void)snprintf(cursor, sizeof cursor, "%s", more ? next : "");
        answer_free(&answer);
    }
    return pages;
}

static void make_people(void)
{
    static const char *const owners[] = {"user:Zoe",  "user:adam",   "user:Eve",   "group:Sales",
                                         "user:Bela", "group:Admin", "user:steve", "group:eve"};
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        (void)fake_put(&fake, owners[i], "a", "b");
    }
}

static void owners_come_in_order_by_pages(void **state)
{
    (void)state;
    make_people();
    char names[256];
    static const char all[] = "adam Bela Eve steve Zoe Admin eve Sales";
    for (int limit = 1; limit <= 10; limit++) {
        int pages = walk("/api/v1/owners?search=", limit, "owners", "name", names, sizeof names);
        assert_string_equal(names, all);
        assert_in_range(pages, (8 + limit - 1) / limit, 8 / limit + 1);
    }
    (void)walk("/api/v1/owners?kind=user", 2, "owners", "name", names, sizeof names);
    assert_string_equal(names, "adam Bela Eve steve Zoe");
    (void)walk("/api/v1/owners?kind=group", 2, "owners", "name", names, sizeof names);
    assert_string_equal(names, "Admin eve Sales");
}

static void a_search_finds_any_part_of_a_name(void **state)
{
    (void)state;
    make_people();
    char names[256];
    (void)walk("/api/v1/owners?search=EVE", 1, "owners", "name", names, sizeof names);
    assert_string_equal(names, "Eve steve eve");
    (void)walk("/api/v1/owners?kind=user&search=xyz", 1, "owners", "name", names, sizeof names);
    assert_string_equal(names, "");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners?kind=user&search=zo", NULL);
    assert_string_equal(row_text(&answer, "owners", 0, "kind"), "user");
    assert_string_equal(row_text(&answer, "owners", 0, "bag_id"), "2");
    assert_string_equal(row_text(&answer, "owners", 0, "seq"), "3");
    assert_int_equal(json_integer_value(row_at(&answer, "owners", 0, "items")), 1);
    assert_int_equal(json_integer_value(row_at(&answer, "owners", 0, "bytes")), 2);
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

static void bad_questions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *target, *detail;
    } rows[] = {
        {"/api/v1/owners?kind=dog", "an owner's kind is user or group, not 'dog'"},
        {"/api/v1/owners?limit=0", "'limit' is a number from 1 to 1000, not '0'"},
        {"/api/v1/owners?limit=1001", "'limit' is a number from 1 to 1000, not '1001'"},
        {"/api/v1/owners?cursor=x", "'cursor' is not what an earlier answer gave as 'next'"},
        {"/api/v1/owners?kind=group&cursor=user:a",
         "'cursor' is not what an earlier answer gave as 'next'"},
        {"/api/v1/owners?kind=user&cursor=group:a",
         "'cursor' is not what an earlier answer gave as 'next'"},
        {"/api/v1/owners/dog/x", "an owner's kind is user or group, not 'dog'"},
        {"/api/v1/owners/user/x/items?limit=0", "'limit' is a number from 1 to 10000, not '0'"},
        {"/api/v1/owners/user/x/items?values=2", "'values' is 1 or 0, not '2'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer = ask(&fake, "GET", rows[i].target, NULL);
        expect_problem(&answer, 400, "invalid", rows[i].detail);
    }
    char target[1024] = "/api/v1/owners?cursor=user:";
    memset(target + strlen(target), 'x', NAME_MAX_BYTES + 1);
    struct answer answer = ask(&fake, "GET", target, NULL);
    expect_problem(&answer, 400, "invalid",
                   "'cursor' is not what an earlier answer gave as 'next'");
}

static void one_owner_is_shown_with_device_bags(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:Zo\xc3\xab", "a", "12");
    (void)fake_put(&fake, "user:Zo\xc3\xab/device:0000000000000007", "b", "345");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ZO%C3%8B", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "name"), "Zo\xc3\xab");
    assert_string_equal(text_at(&answer, "kind"), "user");
    assert_int_equal(rows_of(&answer, "device_bags"), 1);
    assert_string_equal(row_text(&answer, "device_bags", 0, "device"), "0000000000000007");
    assert_int_equal(json_integer_value(row_at(&answer, "device_bags", 0, "items")), 1);
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/group/zoe", NULL);
    expect_problem(&answer, 404, "not_found", "there is no group 'zoe'");
    answer = ask(&fake, "GET", "/api/v1/owners/user/a%2Fb", NULL);
    assert_int_equal(answer.status, 400);
    assert_string_equal(text_at(&answer, "code"), "name");
    answer_free(&answer);
}

static void items_come_by_pages(void **state)
{
    (void)state;
    static const char *const paths[] = {"b", "@group/x", "a/c", "a/b", "keychain/wiki", "c"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)fake_put(&fake, "user:ann", paths[i], "v");
    }
    char names[256];
    for (int limit = 1; limit <= 7; limit++) {
        (void)walk("/api/v1/owners/user/ann/items?values=1", limit, "items", "item", names,
                   sizeof names);
        assert_string_equal(names, "@group/x a/b a/c b c keychain/wiki");
    }
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?limit=6", NULL);
    assert_null(json_object_get(answer.json, "next"));
    assert_string_equal(text_at(&answer, "name"), "ann");
    assert_string_equal(text_at(&answer, "bag_id"), "2");
    assert_string_equal(text_at(&answer, "seq"), "8");
    assert_string_equal(row_text(&answer, "items", 3, "seq"), "3");
    assert_string_equal(row_text(&answer, "items", 3, "time"), "2023-11-14T22:13:21.000Z");
    assert_string_equal(row_text(&answer, "items", 3, "origin"), "");
    assert_int_equal(json_integer_value(row_at(&answer, "items", 3, "size")), 1);
    assert_null(row_at(&answer, "items", 3, "value"));
    answer_free(&answer);
}

static void values_are_text_or_base64_and_secrets_are_masked(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "t\xc3\xa9xt");
    (void)fake_put(&fake, "user:ann", "b", "\xff\xfe");
    (void)fake_put(&fake, "user:ann", "c", "");
    (void)fake_put(&fake, "user:ann", "keychain/wiki", "secret");
    (void)fake_put(&fake, "user:ann", "keychains", "open");
    (void)fake_put(&fake, "user:ann", "network", "secret");
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?values=1", NULL);
    assert_string_equal(row_text(&answer, "items", 0, "value"), "t\xc3\xa9xt");
    assert_string_equal(row_text(&answer, "items", 1, "value_base64"), "//4=");
    assert_null(row_at(&answer, "items", 1, "value"));
    assert_string_equal(row_text(&answer, "items", 2, "value"), "");
    assert_null(row_at(&answer, "items", 3, "value"));
    assert_true(json_is_true(row_at(&answer, "items", 3, "masked")));
    assert_string_equal(row_text(&answer, "items", 4, "value"), "open");
    assert_null(row_at(&answer, "items", 5, "value"));
    char *text = json_dumps(answer.json, 0);
    assert_null(strstr(text, "secret"));
    free(text);
    answer_free(&answer);
}

/* Values of 1 MiB: an answer ends when it has grown large, whatever the limit. */
static void large_values_come_in_several_answers(void **state)
{
    (void)state;
    char *value = malloc(VALUE_MAX_BYTES + 1);
    assert_non_null(value);
    memset(value, 'x', VALUE_MAX_BYTES);
    value[VALUE_MAX_BYTES] = '\0';
    for (int i = 0; i < 6; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "item%d", i);
        (void)fake_put(&fake, "user:ann", path, value);
    }
    free(value);
    char names[256];
    int pages =
        walk("/api/v1/owners/user/ann/items?values=1", 100, "items", "item", names, sizeof names);
    assert_string_equal(names, "item0 item1 item2 item3 item4 item5");
    assert_int_equal(pages, 2);
    pages =
        walk("/api/v1/owners/user/ann/items?values=0", 100, "items", "item", names, sizeof names);
    assert_int_equal(pages, 1);
}

static void items_of_nobody_are_not_found(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items", NULL);
    expect_problem(&answer, 404, "not_found", "there is no user 'ann'");
}

static void it_is_told_when_a_user_signed_in(void **state)
{
    (void)state;
    fake.signed_in = fake_put(&fake, "user:ann", NULL, NULL);
    (void)fake_put(&fake, "user:bob", NULL, NULL);
    (void)fake_put(&fake, "group:sales", NULL, NULL);
    struct answer answer = ask(&fake, "GET", "/api/v1/owners", NULL);
    assert_string_equal(row_text(&answer, "owners", 0, "last_sign_in"), "2023-11-14T22:13:20.000Z");
    assert_true(json_is_null(row_at(&answer, "owners", 1, "last_sign_in")));
    assert_null(row_at(&answer, "owners", 2, "last_sign_in"));
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann", NULL);
    assert_string_equal(text_at(&answer, "last_sign_in"), "2023-11-14T22:13:20.000Z");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann?at=3", NULL);
    assert_null(json_object_get(answer.json, "last_sign_in")); /* of the past nothing is known */
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(owners_come_in_order_by_pages),
        API_TEST(a_search_finds_any_part_of_a_name),
        API_TEST(bad_questions_are_refused),
        API_TEST(one_owner_is_shown_with_device_bags),
        API_TEST(it_is_told_when_a_user_signed_in),
        API_TEST(items_come_by_pages),
        API_TEST(values_are_text_or_base64_and_secrets_are_masked),
        API_TEST(large_values_come_in_several_answers),
        API_TEST(items_of_nobody_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
