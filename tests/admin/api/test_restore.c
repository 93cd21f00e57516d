/* Tests of admin/api/restore.c: several names, items, moments; what failed is told. */
#include "tests/admin/api/api_fixture.h"

static const char target[] = "/api/v1/owners/restore";

static void several_deleted_ones_come_back(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:bob", "a", "2"); /* 4, 5 */
    (void)fake_put(&fake, "group:g", "a", "3");  /* 6, 7 */
    (void)fake_delete(&fake, "user:ann");
    (void)fake_delete(&fake, "user:bob");
    (void)fake_delete(&fake, "group:g");
    uint64_t head = fake_head(&fake);
    static const char dry[] = "{\"users\":[\"ann\",\"bob\",\"eve\"],\"groups\":[\"g\"],"
                              "\"dry_run\":true}";
    struct answer answer = ask(&fake, "POST", target, dry);
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "users"), 2);
    assert_int_equal(number_at(&answer, "groups"), 1);
    assert_int_equal(number_at(&answer, "set"), 3);
    assert_int_equal(number_at(&answer, "bags"), 3);
    assert_int_equal(number_at(&answer, "change_sets"), 3);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_int_equal(rows_of(&answer, "failed"), 1);
    assert_string_equal(row_text(&answer, "failed", 0, "name"), "eve");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "not_found");
    assert_int_equal(fake_head(&fake), head);
    answer_free(&answer);
    answer = ask(&fake, "POST", target, "{\"users\":[\"ann\"],\"groups\":[\"g\"]}");
    assert_int_equal(number_at(&answer, "users"), 1);
    assert_int_equal(number_at(&answer, "bytes"), 2);
    assert_string_equal(text_at(&answer, "seq"), "14");
    assert_string_equal(answer.about, "{\"users\":[\"ann\"],\"groups\":[\"g\"],\"count\":2,"
                                      "\"items\":[],\"at\":null}");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/items?values=1", NULL);
    assert_string_equal(row_text(&answer, "items", 0, "value"), "1");
    answer_free(&answer);
}

static void items_go_back_to_a_moment(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "2"); /* 4 */
    (void)fake_put(&fake, "user:ann", "a", "3"); /* 5 */
    (void)fake_put(&fake, "user:ann", "b", "4"); /* 6 */
    struct answer answer = ask(&fake, "POST", target,
                               "{\"users\":[\"ann\"],\"items\":[\"a\",\"x\",\"//\"],\"at\":\"4\"}");
    assert_int_equal(number_at(&answer, "changed"), 1);
    assert_int_equal(number_at(&answer, "users"), 0); /* not all of it */
    assert_string_equal(text_at(&answer, "seq"), "7");
    assert_string_equal(answer.about, "{\"users\":[\"ann\"],\"groups\":[],\"count\":0,"
                                      "\"items\":[\"a\",\"x\",\"//\"],\"at\":\"4\"}");
    assert_int_equal(rows_of(&answer, "failed"), 2);
    assert_string_equal(row_text(&answer, "failed", 0, "item"), "x");
    assert_string_equal(row_text(&answer, "failed", 0, "reason"),
                        "after change 4 'ann' had no item 'x'");
    assert_string_equal(row_text(&answer, "failed", 1, "code"), "item_path");
    answer_free(&answer);
    answer = ask(&fake, "POST", target, "{\"users\":[\"ann\"],\"at\":\"2023-11-14T22:13:22\"}");
    assert_int_equal(number_at(&answer, "users"), 1);
    assert_string_equal(text_at(&answer, "at"), "4");
    assert_int_equal(number_at(&answer, "changed"), 1);
    answer_free(&answer);
}

static void a_bad_question_changes_nothing(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    refused("POST", target, "{}", 400, "invalid", "neither 'users' nor 'groups' names anybody");
    refused("POST", target, "{\"users\":[\"ann\"],\"at\":3}", 400, "invalid",
            "'at' is a seq or a time, as a text");
    refused("POST", target, "{\"users\":[\"ann\"],\"at\":\"1999-01-01\"}", 404, "not_found",
            "nothing was written before 1999-01-01 yet");
    refused("POST", target, "{\"users\":[\"ann\"],\"dryrun\":true}", 400, "invalid",
            "the body has a member 'dryrun', which is none of: users groups items at dry_run");
    struct answer answer = ask(&fake, "POST", target, "{\"users\":[\"a/b\"]}");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "name");
    answer_free(&answer);
    (void)fake_put(&fake, "user:ann", "a", "2");
    fake.fail_code = E_CLOSED; /* a server that goes down ends all of it */
    refused("POST", target, "{\"users\":[\"ann\"],\"at\":\"3\"}", 503, "closed",
            "the fake was told to fail");
}

static void what_was_restored_before_the_end_is_told_to_the_audit(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, "user:bob", "a", "1");
    (void)fake_put(&fake, "user:ann", "a", "2");
    (void)fake_put(&fake, "user:bob", "a", "2");
    fake.fail_code = E_CLOSED;
    fake.spared = 1;
    struct answer answer = ask(&fake, "POST", target, "{\"users\":[\"ann\",\"bob\"],\"at\":\"4\"}");
    assert_int_equal(answer.status, 503);
    assert_true(answer.partly);
    assert_string_equal(answer.about, "{\"users\":[\"ann\"],\"groups\":[],\"count\":1,\"items\":[],"
                                      "\"at\":\"4\"}");
    answer_free(&answer);
}

/* `count` times the same text, as an array's rows. */
static void put_rows(struct buf *out, const char *member, size_t count)
{
    (void)buf_printf(out, "\"%s\":[", member);
    for (size_t i = 0; i < count; i++) {
        (void)buf_printf(out, "%s\"a\"", i > 0 ? "," : "");
    }
    (void)buf_append_span(out, SPAN_LITERAL("]"));
}

static void work_has_a_limit(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 20);
    (void)buf_append_span(&body, SPAN_LITERAL("{"));
    put_rows(&body, "users", 101);
    (void)buf_append_span(&body, SPAN_LITERAL(","));
    put_rows(&body, "items", 100);
    (void)buf_append_span(&body, SPAN_LITERAL("}"));
    (void)buf_append_u8(&body, 0);
    assert_int_equal(buf_error(&body), 0);
    refused("POST", target, (const char *)body.data, 413, "too_large",
            "100 items of 101 names are too many for one request: at most 10000 in all");
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(several_deleted_ones_come_back),
        API_TEST(items_go_back_to_a_moment),
        API_TEST(a_bad_question_changes_nothing),
        API_TEST(what_was_restored_before_the_end_is_told_to_the_audit),
        API_TEST(work_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
