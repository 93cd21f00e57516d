/* Tests of admin/api/categories.c: the catalogue as it is, with its flags. */
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/sharing_samples.h"

static const char target[] = "/api/v1/categories";

static bool is_true(const struct answer *answer, size_t i, const char *member)
{
    return json_is_true(row_at(answer, "categories", i, member));
}

static void without_a_catalogue_there_are_none(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rows_of(&answer, "categories"), 0);
    answer_free(&answer);
}

static void all_that_is_known_of_each(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(rows_of(&answer, "categories"), 6);
    assert_string_equal(row_text(&answer, "categories", 0, "path"), "copy/default");
    assert_string_equal(row_text(&answer, "categories", 0, "class"), "default-settings");
    json_t *titles = row_at(&answer, "categories", 0, "titles");
    assert_string_equal(json_string_value(json_object_get(titles, "en")), "copy/default");
    assert_string_equal(json_string_value(json_object_get(titles, "ja")), "ja copy/default");
    assert_true(is_true(&answer, 0, "flag"));
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "shared");
    assert_false(is_true(&answer, 0, "copy"));
    assert_true(is_true(&answer, 0, "exported"));
    assert_false(is_true(&answer, 0, "secret"));
    assert_string_equal(row_text(&answer, "categories", 0, "kind"), "json");
    assert_int_equal(json_integer_value(row_at(&answer, "categories", 0, "value_max")), 100);
    assert_int_equal(json_integer_value(row_at(&answer, "categories", 0, "count_max")), 0);
    assert_true(json_is_null(row_at(&answer, "categories", 0, "since_seq")));
    assert_true(json_is_null(row_at(&answer, "categories", 0, "since")));
    assert_true(json_is_null(row_at(&answer, "categories", 0, "by")));
    assert_int_equal(json_integer_value(row_at(&answer, "categories", 3, "count_max")), 10);
    assert_string_equal(row_text(&answer, "categories", 4, "path"), "language");
    assert_string_equal(row_text(&answer, "categories", 4, "sharing"), "always");
    assert_string_equal(row_text(&answer, "categories", 4, "kind"), "text");
    assert_false(is_true(&answer, 4, "flag"));
    assert_true(is_true(&answer, 5, "secret"));
    answer_free(&answer);
}

static void a_flag_that_was_set_tells_by_whom(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    sample_flag(&fake, "copy/default", true, true);
    struct answer answer = ask(&fake, "GET", target, NULL);
    char seq[32];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, fake_head(&fake));
    assert_string_equal(row_text(&answer, "categories", 0, "sharing"), "device");
    assert_true(is_true(&answer, 0, "copy"));
    assert_string_equal(row_text(&answer, "categories", 0, "since_seq"), seq);
    assert_string_equal(row_text(&answer, "categories", 0, "since"), "2023-11-14T22:13:27.000Z");
    assert_string_equal(row_text(&answer, "categories", 0, "by"), "catalogue");
    answer_free(&answer);
}

static void without_memory_it_is_refused(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    sample_flag(&fake, "copy/default", true, true);
    ask_with_jansson();
    unsigned failures = 0;
    bool failed = true;
    for (unsigned nth = 1; failed && nth < 2000; nth += 7) {
        ask_fails.nth = nth;
        struct answer answer = ask(&fake, "GET", target, NULL);
        failed = ask_fails.failed;
        ask_fails.nth = 0;
        failures += failed && answer.status != 200;
        assert_true(answer.status == 200 || answer.status >= 500 || answer.status == 0);
        answer_free(&answer);
    }
    assert_true(failures > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(without_a_catalogue_there_are_none),
        API_TEST(all_that_is_known_of_each),
        API_TEST(a_flag_that_was_set_tells_by_whom),
        API_TEST(without_memory_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
