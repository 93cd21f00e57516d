/* Tests of admin/api/fences.c: seeing, putting up, lifting; previews that count what changes. */
#include "tests/admin/api/api_fixture.h"

static const char fences[] = "/api/v1/fences";
static const char lift[] = "/api/v1/fences/lift";

static void make_people(void)
{
    (void)fake_put(&fake, "fleet", NULL, NULL);                               /* 2 */
    (void)fake_put(&fake, "user:ann", "copy/a", "1");                         /* 3, 4 */
    (void)fake_put(&fake, "user:ann", "copy/b/c", "22");                      /* 5 */
    (void)fake_put(&fake, "user:ann", "copying", "3");                        /* 6 */
    (void)fake_put(&fake, "user:bob", "copy", "4");                           /* 7, 8 */
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "copy/a", "5"); /* 9, 10 */
    (void)fake_put(&fake, "group:g", "copy/a", "6");                          /* 11, 12 */
}

static void a_preview_counts_and_changes_nothing(void **state)
{
    (void)state;
    make_people();
    uint64_t head = fake_head(&fake);
    struct answer answer =
        ask(&fake, "POST", fences, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "bags"), 2);
    assert_int_equal(number_at(&answer, "items"), 3);
    assert_int_equal(number_at(&answer, "bytes"), 22);
    answer_free(&answer);
    answer = ask(&fake, "POST", fences,
                 "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/b\"],"
                 "\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "items"), 2);
    answer_free(&answer);
    answer =
        ask(&fake, "POST", fences, "{\"layer\":\"device\",\"category\":\"copy\",\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "bags"), 1);
    assert_int_equal(number_at(&answer, "items"), 1);
    answer_free(&answer);
    assert_int_equal(fake_head(&fake), head);
    refused("POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}", 404,
            "not_found", "'copy' is not initialised: there is nothing to take back");
}

static void a_fence_is_put_up_seen_and_lifted(void **state)
{
    (void)state;
    make_people();
    fake.status.undo_keep_ms = 7 * 86400000ull;
    struct answer answer = ask(&fake, "GET", fences, NULL);
    assert_int_equal(rows_of(&answer, "fences"), 0);
    answer_free(&answer);
    answer = ask(&fake, "POST", fences,
                 "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/b\"]}");
    assert_string_equal(text_at(&answer, "seq"), "13");
    assert_null(json_object_get(answer.json, "items")); /* one change, whatever their number */
    assert_string_equal(answer.about,
                        "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/b\"]}");
    answer_free(&answer);
    answer = ask(&fake, "GET", fences, NULL);
    assert_int_equal(rows_of(&answer, "fences"), 1);
    assert_string_equal(row_text(&answer, "fences", 0, "layer"), "shared");
    assert_string_equal(row_text(&answer, "fences", 0, "category"), "copy");
    assert_string_equal(row_text(&answer, "fences", 0, "position"), "13");
    assert_string_equal(row_text(&answer, "fences", 0, "actor"), "admin");
    assert_string_equal(row_text(&answer, "fences", 0, "time"), "2023-11-14T22:13:28.000Z");
    assert_string_equal(row_text(&answer, "fences", 0, "lift_until"), "2023-11-21T22:13:28.000Z");
    json_t *except = row_at(&answer, "fences", 0, "except");
    assert_string_equal(json_string_value(json_array_get(except, 0)), "copy/b");
    answer_free(&answer);
    /* a preview refuses what the server would refuse */
    refused(
        "POST", fences,
        "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/b\",\"copy/a\"],"
        "\"dry_run\":true}",
        409, "exists",
        "'copy/a' was initialised together with 'copy' before, and excepting it now would bring "
        "its old values back: lift that first, or do not except it");
    answer = ask(&fake, "POST", fences,
                 "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/b/c\"],"
                 "\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    (void)fake_put(&fake, "user:ann", "copy/z", "new");
    answer =
        ask(&fake, "POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "items"), 2);
    assert_int_equal(number_at(&answer, "bags"), 2);
    answer_free(&answer);
    answer = ask(&fake, "POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\"}");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    answer = ask(&fake, "GET", fences, NULL);
    assert_int_equal(rows_of(&answer, "fences"), 0);
    answer_free(&answer);
}

/* What another fence hides too stays hidden, and is not counted. */
static void fences_within_fences_are_counted_right(void **state)
{
    (void)state;
    make_people();
    (void)fake_fence_up(&fake, "copy/b");
    struct answer answer =
        ask(&fake, "POST", fences, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "items"), 2);
    answer_free(&answer);
    (void)fake_fence_up(&fake, "copy");
    answer =
        ask(&fake, "POST", lift, "{\"layer\":\"shared\",\"category\":\"copy/b\",\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "items"), 0);
    answer_free(&answer);
    (void)fake_fence_up(&fake, "copy"); /* again: lifting it brings the first one back */
    answer =
        ask(&fake, "POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "items"), 0);
    answer_free(&answer);
}

static void what_was_cleared_can_not_be_lifted(void **state)
{
    (void)state;
    make_people();
    struct fence fence = {.from = 3, .cleared = true};
    struct buf value;
    buf_init(&value, 100);
    fence_put_value(&value, &fence);
    struct operation_write write = {.path = SPAN_LITERAL("@fence/shared/copy"),
                                    .value = buf_span(&value)};
    struct submit submit = {
        .actor = "admin", .owner = {.kind = OWNER_FLEET}, .writes = &write, .write_count = 1};
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    buf_free(&value);
    refused("POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":true}", 410,
            "too_old",
            "what it hid is gone for good: the time in which this could be taken back has passed");
    struct answer answer = ask(&fake, "GET", fences, NULL);
    assert_true(json_is_true(row_at(&answer, "fences", 0, "cleared")));
    answer_free(&answer);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    make_people();
    refused("POST", fences, "{\"layer\":\"shared\"}", 400, "invalid",
            "'category' is missing: which one, such as copy/default?");
    refused("POST", fences, "{\"layer\":\"x\",\"category\":\"copy\"}", 400, "invalid",
            "'layer' is shared (what people have on all machines) or device (what they have on one "
            "alone)");
    refused("POST", fences, "{\"layer\":\"shared\",\"category\":\"@x\"}", 400, "item_path",
            "'@x' is not a category's path");
    refused("POST", fences, "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"scan\"]}",
            400, "invalid", "the exception 'scan' does not lie within 'copy'");
    refused("POST", lift, "{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[]}", 400,
            "invalid", "the body has a member 'except', which is none of: layer category dry_run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_preview_counts_and_changes_nothing),
        API_TEST(a_fence_is_put_up_seen_and_lifted),
        API_TEST(fences_within_fences_are_counted_right),
        API_TEST(what_was_cleared_can_not_be_lifted),
        API_TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
